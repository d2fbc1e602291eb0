"""Which logit a class of the spec means, and which class of the data it is.

1. The data's classes are tied to logits: by name where all of them have exactly one model class of their name; by
   number where they are called 0, 1, 2, … in their order; by order where there are as many of them as outputs and no
   name says otherwise; else each by name where it has one.
2. What of that rests on the order, or was left untied, though names or numbers say something, is told (`tie_caution`).
3. A number is a logit. A name is looked for among the model's class names, then among the data's.

Names are compared without regard to case, `_` and spaces being equal; ImageNet folders (n02111889_Samoyed) also by what
follows the synset number. Where several are then equal (ImageNet's Cardigan, a dog, and cardigan), the case decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from neurflow_report.errors import InputError, InputErrors, Path, did_you_mean


@dataclass(frozen=True, kw_only=True)
class ClassTarget:
    """A class to examine: its logit, its display name, and its class in the data (None where the data has none)."""

    index: int
    name: str
    label: int | None


def class_indices(
    classes: Sequence[str | int], *, model_names: Sequence[str] | None, folder_names: Sequence[str], outputs: int
) -> tuple[ClassTarget, ...]:
    """Resolve the spec's classes, in their order.

    Args: model_names: one per logit, or None where they are not known; folder_names: the data's classes, in the order
    of its labels. The display name is the model's where known, else the data's, else `class N`.
    Errors: classes-mismatch (path data) where names and order contradict each other; else, all at once, with the path
    ("classes", i): class-unknown, classes-mismatch for a data class whose logit cannot be told, spec-bad-value for two
    entries that mean one logit.
    """
    names = _names(model_names, outputs)
    logits = tie(names, folder_names, outputs)
    display = display_names(model_names, folder_names, outputs)
    found: list[ClassTarget] = []
    errors: list[InputError] = []
    for i, wanted in enumerate(classes):
        try:
            index = _logit(wanted, names, folder_names, logits, outputs, ("classes", i))
            if index in (t.index for t in found):
                message = f"classes names logit {index} twice, the second time as {wanted!r}"
                raise InputError("spec-bad-value", message, hint="leave one of them out", path=("classes", i))
            label = logits.index(index) if index in logits else None
            found.append(ClassTarget(index=index, name=display[index], label=label))
        except InputError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else InputErrors(errors)
    return tuple(found)


def tie(model_names: Sequence[str] | None, folder_names: Sequence[str], outputs: int) -> tuple[int | None, ...]:
    """The logit of each of the data's classes, None where it cannot be told; rule 1 of this module.

    Errors: classes-mismatch (path data) where there are as many classes as logits, not all have a logit of their name,
    and one that has is not in its place: neither the names nor the order can be meant.
    """
    matches = _all_matches(folder_names, model_names or ())
    by_name = tuple(map(_only, matches))
    if None not in by_name and len(set(by_name)) == len(by_name):
        return by_name
    if _numbered(folder_names) and len(folder_names) <= outputs:
        return tuple(range(len(folder_names)))
    if len(folder_names) != outputs:
        return tuple(n if n is not None and by_name.count(n) == 1 else None for n in by_name)
    elsewhere = next((i for i, found in enumerate(matches) if found and i not in found), None)
    if elsewhere is not None:
        raise _contradiction(model_names or (), folder_names, matches, elsewhere)
    return tuple(range(outputs))


def _contradiction(
    model_names: Sequence[str], folder_names: Sequence[str], matches: Sequence[list[int]], i: int
) -> InputError:
    unnamed = [name for name, found in zip(folder_names, matches, strict=True) if not found]
    message = (
        "the data's classes go with the network's outputs neither by name nor by order: "
        f"{folder_names[i]!r} is class {i} of the data and output {matches[i][0]} of the network"
    )
    if not unnamed:
        hint = "give each class a name of its own"
        return InputError("classes-mismatch", f"{message}, and several names are alike", hint=hint, path=("data",))
    told = _some(map(repr, unnamed))
    message += f", and the network has no {told} ({len(unnamed)} of {len(folder_names)} names)"
    hint = did_you_mean(unnamed[0], model_names) or "name the data's classes as the network does (model.class_names)"
    return InputError("classes-mismatch", message, hint=hint, path=("data",))


def tie_caution(model_names: Sequence[str] | None, folder_names: Sequence[str], outputs: int) -> str:
    """What of the tie should be looked at, "" where nothing should: classes taken by their order, or not tied at all,
    though the logits have names; classes called by a number that is not their logit's. Errors: as `tie`."""
    names = _names(model_names, outputs)
    logits = tie(names, folder_names, outputs)
    if _numbered(folder_names):
        return ""
    pairs = list(zip(folder_names, logits, strict=True))
    untied = [repr(folder) for folder, logit in pairs if logit is None]
    if names is not None and untied:
        return _told("classes without an output of their own name, whose pictures count as not labelled", untied, pairs)
    known = [(folder, logit) for folder, logit in pairs if logit is not None]
    if names is not None:
        taken = [f"{f!r} for {names[n]!r}" for f, n in known if not spellings(f) & spellings(names[n])]
        return _told("classes taken by their order, not by their name", taken, pairs)
    moved = [f"{f!r} for output {n}" for f, n in known if f.isdecimal() and int(f) != n]
    return _told("classes taken by their order, not by their number", moved, pairs)


def _told(what: str, which: Sequence[str], of: Sequence[object]) -> str:
    return f"{what}: {_some(which)} ({len(which)} of {len(of)})" if which else ""


def _numbered(folder_names: Sequence[str]) -> bool:
    return all(name == str(i) for i, name in enumerate(folder_names))


def _some(told: Iterable[str], most: int = 3) -> str:
    first = list(told)
    return ", ".join(first[:most]) + (", …" if len(first) > most else "")


def _names(model_names: Sequence[str] | None, outputs: int) -> Sequence[str] | None:
    """The names of the logits, where each has one."""
    return model_names if model_names is not None and len(model_names) == outputs else None


def display_names(model_names: Sequence[str] | None, folder_names: Sequence[str], outputs: int) -> tuple[str, ...]:
    """What each logit is called in the report: the model's name for it, else the data's, else `class N`."""
    if _names(model_names, outputs) is not None:
        return tuple(model_names or ())
    names = {logit: folder for folder, logit in zip(folder_names, tie(None, folder_names, outputs), strict=True)}
    return tuple(names.get(i, f"class {i}") for i in range(outputs))


def label_names(model_names: Sequence[str] | None, folder_names: Sequence[str], outputs: int) -> tuple[str, ...]:
    """What each of the data's classes is called in the report: as its logit, where it is tied to one (a class `3` is no
    name to read); else as the data has it."""
    display = display_names(model_names, folder_names, outputs)
    logits = tie(_names(model_names, outputs), folder_names, outputs)
    return tuple(folder if i is None else display[i] for folder, i in zip(folder_names, logits, strict=True))


def _only(matches: list[int]) -> int | None:
    return matches[0] if len(matches) == 1 else None


def spellings(name: str) -> set[str]:
    """The forms of a name that count as equal."""
    return {form.casefold() for form in _exact(name)}


def _exact(name: str) -> set[str]:
    """Those in which upper and lower case are told apart."""
    plain = re.sub(r"[_\s]+", " ", name).strip()
    return {plain, re.sub(r"^n\d{8} ", "", plain)}


def _all_matches(names: Sequence[str], others: Sequence[str]) -> list[list[int]]:
    """For each of `names` the places in `others` that have it, ascending; where there are several, those in the same
    case, if any are."""
    places: dict[str, list[int]] = {}
    for place, other in enumerate(others):
        for form in spellings(other):
            places.setdefault(form, []).append(place)
    found = (sorted({place for form in spellings(name) for place in places.get(form, ())}) for name in names)
    return [_in_the_same_case(name, those, others) for name, those in zip(names, found, strict=True)]


def _in_the_same_case(name: str, found: list[int], others: Sequence[str]) -> list[int]:
    return [i for i in found if _exact(name) & _exact(others[i])] or found if len(found) > 1 else found


def _matches(name: str, names: Sequence[str]) -> list[int]:
    return _all_matches([name], names)[0]


def _logit(
    wanted: str | int,
    model_names: Sequence[str] | None,
    folder_names: Sequence[str],
    logits: Sequence[int | None],
    outputs: int,
    path: Path,
) -> int:
    if isinstance(wanted, int):
        if 0 <= wanted < outputs:
            return wanted
        message = f"there is no class {wanted}: the network has {outputs} outputs, 0 to {outputs - 1}"
        raise InputError("class-unknown", message, hint="numbers of logits count from 0", path=path)
    in_model = _matches(wanted, model_names or ())
    if len(in_model) == 1:
        return in_model[0]
    if len(in_model) > 1:
        message = f"the network has {len(in_model)} classes named {wanted!r}"
        hint = f"write the logit instead: {' or '.join(map(str, in_model))}"
        raise InputError("class-unknown", message, hint=hint, path=path)
    return _logit_of_folder(wanted, model_names, folder_names, logits, outputs, path)


def _logit_of_folder(
    wanted: str,
    model_names: Sequence[str] | None,
    folder_names: Sequence[str],
    logits: Sequence[int | None],
    outputs: int,
    path: Path,
) -> int:
    in_data = _only(_matches(wanted, folder_names))
    if in_data is None:
        known = [*(model_names or ()), *folder_names]
        fallback = f"the data's classes are: {', '.join(folder_names[:8])}{', …' if len(folder_names) > 8 else ''}"
        hint = did_you_mean(wanted, known) or fallback
        raise InputError("class-unknown", f"there is no class {wanted!r}", hint=hint, path=path)
    logit = logits[in_data]
    if logit is None:
        message = (
            f"it cannot be told which of the network's {outputs} outputs is the data's class {wanted!r}: "
            f"the data has {len(folder_names)} classes"
        )
        hint = "write the logit's number, name the outputs (model.class_names), or let the data have a class for each"
        raise InputError("classes-mismatch", message, hint=hint, path=path)
    return logit
