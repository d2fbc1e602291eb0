"""Which logit a class of the spec means, and which class of the data it is.

1. The data's classes are tied to logits: by name where all of them have exactly one model class of their name, else by
   order where there are as many of them as outputs, else each by name where it has one.
2. A number is a logit. A name is looked for among the model's class names, then among the data's.

Names are compared without regard to case, `_` and spaces being equal; ImageNet folders (n02111889_Samoyed) also by what
follows the synset number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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
    Errors (path ("classes", i), all at once): class-unknown, classes-mismatch for a data class whose logit cannot be
    told, spec-bad-value for two entries that mean one logit.
    """
    names = model_names if model_names is not None and len(model_names) == outputs else None
    logits = tie(names, folder_names, outputs)
    display = display_names(model_names, folder_names, outputs)
    found: list[ClassTarget] = []
    errors: list[InputError] = []
    for i, wanted in enumerate(classes):
        try:
            index = _logit(wanted, names, folder_names, logits, outputs, ("classes", i))
            if index in (t.index for t in found):
                message = f"classes names logit {index} twice, the second time as {wanted!r}"
                raise InputError("spec-bad-value", message, path=("classes", i))
            label = logits.index(index) if index in logits else None
            found.append(ClassTarget(index=index, name=display[index], label=label))
        except InputError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else InputErrors(errors)
    return tuple(found)


def tie(model_names: Sequence[str] | None, folder_names: Sequence[str], outputs: int) -> tuple[int | None, ...]:
    """The logit of each of the data's classes, None where it cannot be told; rule 1 of this module."""
    by_name = tuple(_only(_matches(name, model_names or ())) for name in folder_names)
    distinct = len(set(by_name)) == len(by_name)
    if None not in by_name and distinct:
        return by_name
    if len(folder_names) == outputs:
        return tuple(range(outputs))
    return tuple(n if n is not None and by_name.count(n) == 1 else None for n in by_name)


def display_names(model_names: Sequence[str] | None, folder_names: Sequence[str], outputs: int) -> tuple[str, ...]:
    """What each logit is called in the report: the model's name for it, else the data's, else `class N`."""
    if model_names is not None and len(model_names) == outputs:
        return tuple(model_names)
    names = {logit: folder for folder, logit in zip(folder_names, tie(None, folder_names, outputs), strict=True)}
    return tuple(names.get(i, f"class {i}") for i in range(outputs))


def _only(matches: list[int]) -> int | None:
    return matches[0] if len(matches) == 1 else None


def spellings(name: str) -> set[str]:
    """The forms of a name that count as equal."""
    plain = re.sub(r"[_\s]+", " ", name).strip().casefold()
    return {plain, re.sub(r"^n\d{8} ", "", plain)}


def _matches(name: str, names: Sequence[str]) -> list[int]:
    wanted = spellings(name)
    return [i for i, other in enumerate(names) if wanted & spellings(other)]


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
        raise InputError("class-unknown", message, path=path)
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
        hint = "write the logit's number, or let the data have a folder for each output, in the outputs' order"
        raise InputError("classes-mismatch", message, hint=hint, path=path)
    return logit
