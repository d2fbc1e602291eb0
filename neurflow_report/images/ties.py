"""Which output of the network each class of the data is.

By default only where it cannot mean something else:
1. by name, where the outputs have names; by ImageNet's synset ids, where those are ImageNet's;
2. labels that are numbers are the numbers of outputs;
3. classes of a data set that numbers them itself are the outputs of these numbers, where there are as many of them and
   no name says otherwise;
4. class folders, where the outputs have no names or the folders are called by numbers: by number or by order, where
   only one of the two can be meant, or both say the same. A caution tells of those that rest on their order alone.

The rest is left untied, and told. The spec may say which way it is (`labels`), or name the output of each class.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from neurflow_report.errors import InputError, InputErrors, Path, did_you_mean
from neurflow_report.images.names import all_matches, composed, matches, some, spellings
from neurflow_report.images.synsets import are_imagenets, outputs_of_synsets, synset_of

Order = Literal["folders", "names", "numbers", "own"]
"""What the order of the data's classes means: that of folders' names; nothing; that of numbers; the data set's own."""
Ways = Literal["auto", "names", "numbers", "numbers_from_1", "order"]
Labels = Ways | Mapping[str, int | str]
"""How the spec ties classes to outputs, or the output of each class, by its number or its name."""
LABELS = ("data", "labels")
_WHOLE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, kw_only=True)
class Tie:
    """`logits`: the output of each of the data's classes, None where it cannot be told; `doubts`: why not, for each;
    `caution`: what should be looked at, "" where nothing should."""

    logits: tuple[int | None, ...]
    doubts: tuple[str, ...]
    caution: str = ""


def tie(
    model_names: Sequence[str] | None,
    class_names: Sequence[str],
    outputs: int,
    *,
    order: Order = "folders",
    labels: Labels = "auto",
) -> Tie:
    """Tie the data's classes to outputs.

    Args:
        model_names: one per output, or None where they are not known.
        class_names: in the order of the data's labels.
    Raises: InputError classes-mismatch (paths data, data.labels) where what ties them contradicts itself.
    """
    names = _named(model_names, outputs)
    if isinstance(labels, Mapping):
        return _mapped(names, class_names, outputs, labels)
    if labels != "auto":
        return _said(names, class_names, outputs, labels)
    by_name = logits_by_name(class_names, names or ())
    if class_names and None not in by_name and len(set(by_name)) == len(by_name):
        return _tied(by_name)
    if order == "numbers":
        return _tied(_by_number(class_names, outputs), _from_one(class_names))
    if order == "own" and len(class_names) == outputs:
        return _own(names or (), class_names, outputs)
    if order == "folders" and (names is None or all(_whole(name) is not None for name in class_names)):
        return _folders(class_names, outputs)
    return _untied(names, class_names, by_name)


def _named(model_names: Sequence[str] | None, outputs: int) -> tuple[str, ...] | None:
    """The names of the outputs, where each has one."""
    return tuple(model_names) if model_names is not None and len(model_names) == outputs else None


def _tied(logits: Sequence[int | None], caution: str = "") -> Tie:
    return Tie(logits=tuple(logits), doubts=("",) * len(logits), caution=caution)


def logits_by_name(class_names: Sequence[str], names: tuple[str, ...]) -> tuple[int | None, ...]:
    """The only output that has the name of a class, or its synset id; None where there is none, or several."""
    found = [places[0] if len(places) == 1 else None for places in all_matches(class_names, names)]
    if any(map(synset_of, class_names)) and are_imagenets(names):
        outputs = outputs_of_synsets()
        found = [outputs.get(synset_of(n)) if synset_of(n) else f for n, f in zip(class_names, found, strict=True)]
    return tuple(found)


def _untied(names: Sequence[str] | None, class_names: Sequence[str], by_name: Sequence[int | None]) -> Tie:
    """Those that have an output of their name, which no other has; the others are told."""
    if names is None:
        doubts = (f"the data has {len(class_names)} classes, and the outputs have no names",) * len(class_names)
        what = "classes whose output cannot be told, and whose pictures count as not labelled"
        caution = _told(what, list(map(repr, class_names)), class_names)
        return Tie(logits=(None,) * len(class_names), doubts=doubts, caution=caution)
    logits = tuple(n if n is not None and list(by_name).count(n) == 1 else None for n in by_name)
    alike = [n is not None and logit is None for n, logit in zip(by_name, logits, strict=True)]
    reasons = {True: "another class of the data has its name, too", False: "none has its name, or several have"}
    doubts = tuple("" if n is not None else reasons[a] for n, a in zip(logits, alike, strict=True))
    untied = [repr(name) for name, logit in zip(class_names, logits, strict=True) if logit is None]
    what = "classes without an output of their own name, whose pictures count as not labelled"
    return Tie(logits=logits, doubts=doubts, caution=_told(what, untied, class_names))


def _told(what: str, which: Sequence[str], of: Sequence[object]) -> str:
    return f"{what}: {some(which)} ({len(which)} of {len(of)})" if which else ""


def _whole(name: str) -> int | None:
    return int(name) if _WHOLE.fullmatch(name) else None


def _by_number(class_names: Sequence[str], outputs: int) -> tuple[int | None, ...]:
    """Labels that are numbers, as outputs.

    Raises: InputError classes-mismatch where there is no such output.
    """
    numbers = [int(name) for name in class_names]
    if max(numbers, default=0) < outputs:
        return tuple(numbers)
    message = (
        f"the labels are numbers from {min(numbers)} to {max(numbers)}, and the network's outputs count from 0 to "
        f"{outputs - 1}"
    )
    hint = "do data and weights belong together? Say which label is which output (data.labels)"
    if (min(numbers), max(numbers)) == (1, outputs):
        hint = "if the labels count from 1, say so: `labels: numbers_from_1` in data"
    raise InputError("classes-mismatch", message, hint=hint, path=LABELS)


def _from_one(class_names: Sequence[str]) -> str:
    numbers = sorted(int(name) for name in class_names)
    if len(numbers) < 2 or numbers != list(range(1, len(numbers) + 1)):
        return ""
    return (
        f"the labels are the numbers 1 to {len(numbers)}, and count as the outputs of these numbers, which count from "
        "0; if they count from 1, data.labels must say numbers_from_1"
    )


def _own(names: Sequence[str], class_names: Sequence[str], outputs: int) -> Tie:
    """By the data set's own numbers.

    Raises: InputError classes-mismatch where a name says otherwise.
    """
    found = all_matches(class_names, names)
    elsewhere = next((i for i, places in enumerate(found) if places and i not in places), None)
    if elsewhere is not None:
        raise _contradiction(names, class_names, found, elsewhere)
    taken = [
        f"{mine!r} for {name!r}"
        for mine, name in zip(class_names, names, strict=False)
        if not spellings(mine) & spellings(name)
    ]
    return _tied(range(outputs), _told("classes taken by their order, not by their name", taken, class_names))


def _contradiction(names: Sequence[str], class_names: Sequence[str], found: Sequence[list[int]], i: int) -> InputError:
    unnamed = [name for name, places in zip(class_names, found, strict=True) if not places]
    message = (
        "the data's classes go with the network's outputs neither by name nor by order: "
        f"{class_names[i]!r} is class {i} of the data and output {found[i][0]} of the network"
    )
    if unnamed:
        message += (
            f", and the network has no {some(list(map(repr, unnamed)))} ({len(unnamed)} of {len(class_names)} names)"
        )
    else:
        message += ", and several names are alike"
    close = did_you_mean(unnamed[0], names) if unnamed else ""
    hint = close or "say which class is which output (data.labels)"
    return InputError("classes-mismatch", message, hint=hint, path=("data",))


def _folders(class_names: Sequence[str], outputs: int) -> Tie:
    """Class folders where the outputs have no names: the readings that can be meant, if they agree."""
    numbers = [n for n in map(_whole, class_names) if n is not None]
    by_number = (
        len(numbers) == len(class_names) and len(set(numbers)) == len(numbers) and max(numbers, default=0) < outputs
    )
    by_order = len(class_names) == outputs
    from_one = len(numbers) == len(class_names) > 1 and sorted(numbers) == list(range(1, len(numbers) + 1))
    readings = {
        "by number": numbers if by_number else None,
        "by the order of the names": list(range(outputs)) if by_order else None,
        "by numbers that count from 1": [n - 1 for n in numbers] if from_one else None,
    }
    possible = {way: logits for way, logits in readings.items() if logits is not None}
    if not possible:
        return _untied(None, class_names, ())
    first = next(iter(possible.values()))
    if all(logits == first for logits in possible.values()):
        return _tied(first, "" if by_number else _by_order(class_names))
    return _ambiguous(class_names, possible)


def _by_order(class_names: Sequence[str]) -> str:
    what = "classes taken as outputs by the order of their names alone"
    return _told(what, [f"{name!r} as {i}" for i, name in enumerate(class_names)], class_names)


def _ambiguous(class_names: Sequence[str], possible: Mapping[str, Sequence[int]]) -> Tie:
    def doubt(i: int) -> str:
        return " or ".join(f"{logits[i]} {way}" for way, logits in possible.items())

    doubts = tuple(f"it may be output {doubt(i)}" for i in range(len(class_names)))
    worst = next(i for i in range(len(class_names)) if len({logits[i] for logits in possible.values()}) > 1)
    says = {
        "by number": "numbers",
        "by the order of the names": "order",
        "by numbers that count from 1": "numbers_from_1",
    }
    ways = " or ".join(f"`labels: {says[way]}`" for way in possible)
    caution = (
        f"class folders called by numbers, whose pictures count as not labelled: {class_names[worst]!r} may be output "
        f"{doubt(worst)} (say {ways} in data)"
    )
    return Tie(logits=(None,) * len(class_names), doubts=doubts, caution=caution)


def _said(names: tuple[str, ...] | None, class_names: Sequence[str], outputs: int, way: Ways) -> Tie:
    """As the spec says.

    Raises: InputError classes-mismatch (path data.labels) where it cannot be so.
    """
    if way == "names":
        return _untied(names or ("",) * outputs, class_names, logits_by_name(class_names, names or ()))
    if way == "order":
        if len(class_names) == outputs:
            return _tied(range(outputs))
        message = (
            f"the data has {len(class_names)} classes, and the network {outputs} outputs: their order says nothing"
        )
        hint = "give the output of each class (data.labels as a mapping, or a file)"
        raise InputError("classes-mismatch", message, hint=hint, path=LABELS)
    first = 1 if way == "numbers_from_1" else 0
    wrong = [name for name in class_names if (n := _whole(name)) is None or not first <= n < outputs + first]
    numbers = [int(name) - first for name in class_names if name not in wrong]
    if wrong or len(set(numbers)) < len(numbers):
        told = some(list(map(repr, wrong or class_names)))
        message = f"not all classes of the data are called by a number from {first} to {outputs - 1 + first}: {told}"
        raise InputError("classes-mismatch", message, hint="give the output of each class", path=LABELS)
    return _tied(numbers)


def _mapped(
    names: tuple[str, ...] | None, class_names: Sequence[str], outputs: int, labels: Mapping[str, int | str]
) -> Tie:
    """As a mapping says. Errors, all at once: classes-mismatch, class-unknown (paths data.labels.<class>)."""
    logits: list[int | None] = [None] * len(class_names)
    errors: list[InputError] = []
    for name, wanted in labels.items():
        path: Path = (*LABELS, name)
        try:
            place, output = _class_of(name, class_names, path), output_named(wanted, names or (), outputs, path)
            if logits[place] is not None or output in logits:
                other = class_names[logits.index(output)] if output in logits else name
                message = f"{name!r} and {other!r} are both output {output}" if output in logits else f"{name!r} again"
                raise InputError("classes-mismatch", message, hint="an output is one class", path=path)
            logits[place] = output
        except InputError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else InputErrors(errors)
    doubts = tuple("data.labels does not name it" if logit is None else "" for logit in logits)
    rest = [repr(name) for name, logit in zip(class_names, logits, strict=True) if logit is None]
    what = "classes that data.labels does not name, whose pictures count as not labelled"
    return Tie(logits=tuple(logits), doubts=doubts, caution=_told(what, rest, class_names))


def _class_of(name: str, class_names: Sequence[str], path: Path) -> int:
    exact = [i for i, other in enumerate(class_names) if other == composed(name)]
    places = exact or matches(name, class_names)
    if len(places) == 1:
        return places[0]
    several = "no class" if not places else f"{len(places)} classes"
    hint = did_you_mean(name, class_names) or f"it has {some(list(map(repr, class_names)), 8)}"
    raise InputError("class-unknown", f"the data has {several} {name!r}", hint=hint, path=path)


def output_named(wanted: int | str, names: tuple[str, ...], outputs: int, path: Path) -> int:
    """The output that a number or a name means.

    Raises: InputError class-unknown.
    """
    if isinstance(wanted, int):
        if 0 <= wanted < outputs:
            return wanted
        message = f"there is no class {wanted}: the network has {outputs} outputs, 0 to {outputs - 1}"
        raise InputError("class-unknown", message, hint="numbers of logits count from 0", path=path)
    if synset_of(wanted) and are_imagenets(names):
        found = outputs_of_synsets().get(synset_of(wanted))
        places = [] if found is None else [found]
    else:
        places = matches(wanted, names)
    if len(places) == 1:
        return places[0]
    if places:
        message = f"the network has {len(places)} classes named {wanted!r}"
        hint = f"write the logit instead: {' or '.join(map(str, places))}"
    else:
        message = f"the network has no class {wanted!r}"
        hint = did_you_mean(wanted, names) or "write the number of the output, counted from 0"
    raise InputError("class-unknown", message, hint=hint, path=path)
