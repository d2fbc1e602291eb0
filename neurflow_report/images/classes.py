"""Which output a class of the spec means, and which class of the data it is.

A number is an output. A name is looked for among the names of the network's outputs, then among the data's classes;
where both have it and mean different outputs, it says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurflow_report.errors import InputError, InputErrors, Path, did_you_mean
from neurflow_report.images.names import matches
from neurflow_report.images.synsets import are_imagenets, synset_of
from neurflow_report.images.ties import Tie, logits_by_name, output_named


@dataclass(frozen=True, kw_only=True)
class ClassTarget:
    """A class to examine: its logit, its display name, and its class in the data (None where the data has none)."""

    index: int
    name: str
    label: int | None


def class_indices(
    classes: Sequence[str | int],
    *,
    model_names: Sequence[str] | None,
    class_names: Sequence[str],
    outputs: int,
    tied: Tie,
    empty: Sequence[str] = (),
) -> tuple[ClassTarget, ...]:
    """Resolve the spec's classes, in their order.

    The display name is the model's where known, else the data's, else `class N`.

    Args:
        model_names: one per logit, or None where they are not known.
        class_names: the data's classes, in the order of its labels.
        tied: their outputs.
        empty: folders that hold no picture.
    Raises (path ("classes", i), all at once):
        InputError class-unknown.
        InputError classes-mismatch for a data class whose logit cannot be told.
        InputError spec-bad-value for two entries that mean one logit.
    """
    names = tuple(model_names or ())
    display = display_names(model_names, class_names, outputs, tied)
    found: list[ClassTarget] = []
    errors: list[InputError] = []
    for i, wanted in enumerate(classes):
        try:
            index = _logit(wanted, names, class_names, outputs, tied, empty, ("classes", i))
            if index in (t.index for t in found):
                message = f"classes names logit {index} twice, the second time as {wanted!r}"
                raise InputError("spec-bad-value", message, hint="leave one of them out", path=("classes", i))
            label = tied.logits.index(index) if index in tied.logits else None
            found.append(ClassTarget(index=index, name=display[index], label=label))
        except InputError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else InputErrors(errors)
    return tuple(found)


def display_names(
    model_names: Sequence[str] | None, class_names: Sequence[str], outputs: int, tied: Tie
) -> tuple[str, ...]:
    """What each logit is called in the report: the model's name for it, else the data's, else `class N`."""
    if model_names is not None and len(model_names) == outputs:
        return tuple(model_names)
    names = {logit: name for name, logit in zip(class_names, tied.logits, strict=True)}
    return tuple(names.get(i, f"class {i}") for i in range(outputs))


def label_names(class_names: Sequence[str], names: Sequence[str], tied: Tie) -> tuple[str, ...]:
    """What each of the data's classes is called in the report: as its logit, where it is tied to one (a class `3` is no
    name to read); else as the data has it.

    Args: names: of the outputs.
    """
    return tuple(name if i is None else names[i] for name, i in zip(class_names, tied.logits, strict=True))


def _logit(
    wanted: str | int,
    names: tuple[str, ...],
    class_names: Sequence[str],
    outputs: int,
    tied: Tie,
    empty: Sequence[str],
    path: Path,
) -> int:
    if isinstance(wanted, int) or _in_model(wanted, names):
        index = output_named(wanted, names, outputs, path)
        if isinstance(wanted, str):
            _check_same(wanted, index, names, class_names, tied, path)
        return index
    in_data = matches(wanted, class_names)
    if len(in_data) != 1:
        raise _unknown(wanted, names, class_names, empty, in_data, path)
    logit = tied.logits[in_data[0]]
    if logit is None:
        message = (
            f"it cannot be told which of the network's {outputs} outputs is the data's class {wanted!r}: "
            f"{tied.doubts[in_data[0]]}"
        )
        close = did_you_mean(wanted, names)
        hint = "write the output's number, name the outputs (model.class_names), or say which is which (data.labels)"
        raise InputError("classes-mismatch", message, hint=f"{close} Or {hint}" if close else hint, path=path)
    return logit


def _in_model(wanted: str, names: tuple[str, ...]) -> bool:
    return bool(matches(wanted, names)) or bool(synset_of(wanted) and are_imagenets(names))


def _check_same(
    wanted: str, index: int, names: tuple[str, ...], class_names: Sequence[str], tied: Tie, path: Path
) -> None:
    """Raises InputError classes-mismatch where the spec ties the data's class of a name to another output than the one
    of that name."""
    places = matches(wanted, class_names)
    other = tied.logits[places[0]] if len(places) == 1 else None
    if other is not None and other not in (index, logits_by_name([class_names[places[0]]], names)[0]):
        message = f"{wanted!r} is output {index} by the network's names, and output {other} by the data's"
        raise InputError("classes-mismatch", message, hint=f"write {index} or {other}", path=path)


def _unknown(
    wanted: str,
    names: Sequence[str],
    class_names: Sequence[str],
    empty: Sequence[str],
    in_data: Sequence[int],
    path: Path,
) -> InputError:
    if in_data:
        several = " and ".join(repr(class_names[i]) for i in in_data[:3])
        message = f"{wanted!r} may be more than one class of the data: {several}"
        return InputError("class-unknown", message, hint="write the name in full", path=path)
    if matches(wanted, empty):
        message = f"there is no class {wanted!r}: the folder {wanted!r} holds no picture that is read"
        return InputError("class-unknown", message, hint="put pictures into it, or leave the class out", path=path)
    known = [*names, *class_names]
    more = ", …" if len(class_names) > 8 else ""
    fallback = f"the data's classes are: {', '.join(map(repr, class_names[:8]))}{more}"
    hint = did_you_mean(wanted, known) or fallback
    return InputError("class-unknown", f"there is no class {wanted!r}", hint=hint, path=path)
