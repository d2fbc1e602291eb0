"""Names by hand: `class → layer → code → text`, in a spec or in a file of its own (names.yaml beside a bundle)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from neurflow_report import errors
from neurflow_report.errors import Gathered, InputError, Where, did_you_mean
from neurflow_report.ordinary import check_ordinary, read_ordinary
from neurflow_report.results.given import CODE, odd_name
from neurflow_report.results.records import ClassResult, GivenName, Run
from neurflow_report.spec.nodes import Tree, parse

Names = dict[str, dict[str, dict[str, str]]]
FILE = "names.yaml"
"""The file beside a bundle that is read without being named."""
LARGEST = 256 * 1024
LISTED = 8
FORM = "write class, layer and code, then the name: `bee: {layer3: {G1: pink petals, n12: vertical edges}}`"


@dataclass(frozen=True, kw_only=True)
class Odd:
    """What is wrong with a name: the path in the mapping, whether its last key is, and why; `against`: the key of the
    spec that it was compared with."""

    path: tuple[str, ...]
    at_key: bool
    message: str
    against: str = ""


def odd_names(
    names: Mapping[str, Mapping[str, Mapping[str, str]]], classes: Collection[str], layers: Sequence[str] | None
) -> Iterator[Odd]:
    """Everything wrong with names by hand.

    Args:
        classes: what a class may be called.
        layers: the layers; None where they are not known yet.
    """
    for cls, of_class in names.items():
        if cls not in classes:
            yield Odd(path=(cls,), at_key=True, message=unknown("class", cls, list(classes)), against="classes")
        for layer, of_layer in of_class.items():
            if layers is not None and layer not in layers:
                message = unknown("layer", layer, layers)
                yield Odd(path=(cls, layer), at_key=True, message=message, against="layers")
            for code, text in of_layer.items():
                if not CODE.fullmatch(code):
                    message = f"found {code!r}, expected a neuron group, as G3, or a neuron, as n12"
                    yield Odd(path=(cls, layer, code), at_key=True, message=message)
                if odd := odd_name(text):
                    yield Odd(path=(cls, layer, code), at_key=False, message=odd)


def unknown(what: str, name: str, known: Sequence[str]) -> str:
    """There is no such class, layer, …; and which there are."""
    listed = ", ".join(known[:LISTED]) + (", …" if len(known) > LISTED else "")
    close = did_you_mean(name, known)
    return f"there is no {what} {name!r}: {close or f'there are {listed}'}"


def given_names(
    names: Mapping[str, Mapping[str, Mapping[str, str]]], slugs: Mapping[str, str]
) -> tuple[GivenName, ...]:
    """Names by hand as records; `slugs`: by what a class is called there, its folder."""
    return tuple(
        GivenName(slug=slugs[cls], layer=layer, code=code, text=" ".join(text.split()))
        for cls, of_class in names.items()
        for layer, of_layer in of_class.items()
        for code, text in of_layer.items()
    )


def read_names(
    file: Path, run: Run, classes: Sequence[ClassResult], *, strict: bool
) -> tuple[tuple[GivenName, ...], tuple[str, ...]]:
    """The names in a file, for the classes and layers of a bundle; a class is given by its name, folder or logit.

    Args: strict: a name for what the bundle lacks is an error; else it is told and left out.
    Returns: the names, and what is to be told.
    Raises: InputError names-file, or InputErrors for all that is wrong.
    """
    tree = _tree(file)
    slugs = _slugs(run)
    problems = Gathered(_refused(e.message, e.hint, e.where) for e in tree.errors)
    known = _mapping(tree, file, problems)
    absent = {(one, path) for one, path in _absent(known, slugs, run, classes)}
    wrong = [Odd(path=path, at_key=True, message=message) for message, path in absent] if strict else []
    gone = {path for _, path in absent}
    wrong += [
        odd for odd in odd_names(known, tuple(slugs), None) if not any(odd.path[: len(path)] == path for path in gone)
    ]
    for odd in sorted(wrong, key=lambda odd: _place(tree, odd.path, odd.at_key)):
        problems.errors.append(_refused(odd.message, FORM, _where(tree, odd.path, str(file), odd.at_key)))
    problems.tell()
    kept = {
        cls: {
            layer: {code: text for code, text in of_layer.items() if (cls, layer, code) not in gone}
            for layer, of_layer in of_class.items()
            if (cls, layer) not in gone
        }
        for cls, of_class in known.items()
        if (cls,) not in gone
    }
    return given_names(kept, slugs), tuple(f"{file.name}: {message}" for message in sorted({m for m, _ in absent}))


def with_names(given: Sequence[GivenName], more: Sequence[GivenName]) -> tuple[GivenName, ...]:
    """The names given, with `more` in their places or after them."""
    found = {(one.slug, one.layer, one.code): one for one in (*given, *more)}
    return tuple(found.values())


def _slugs(run: Run) -> dict[str, str]:
    """By all that a class may be called, its folder: its name counts most, then the folder, then the logit."""
    found: dict[str, str] = {}
    for ways in (
        ((entry.name, entry.slug) for entry in run.classes),
        ((entry.slug, entry.slug) for entry in run.classes),
        ((str(entry.index), entry.slug) for entry in run.classes),
    ):
        for name, slug in ways:
            found.setdefault(name, slug)
    return found


def _absent(
    names: Names, slugs: Mapping[str, str], run: Run, classes: Sequence[ClassResult]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What the names speak of and the bundle lacks: classes, layers, neuron groups, neurons."""
    layers = [layer.name for layer in run.layers]
    results = {result.slug: result for result in classes}
    for cls, of_class in names.items():
        if cls not in slugs:
            yield unknown("class", cls, [entry.name for entry in run.classes]), (cls,)
            continue
        for layer, of_layer in of_class.items():
            if layer not in layers:
                yield unknown("layer", layer, layers), (cls, layer)
                continue
            found = next(one for one in results[slugs[cls]].layers if one.name == layer)
            groups = [f"G{g.index}" for g in found.groups]
            neurons = [f"n{a.channel}" for a in found.neurons]
            for code in of_layer:
                if CODE.fullmatch(code) and code not in {*groups, *neurons}:
                    what, there = ("neuron group", groups) if code[0] == "G" else ("core neuron", neurons)
                    listed = ", ".join(there[:LISTED]) + (", …" if len(there) > LISTED else "")
                    yield f"{cls} has no {what} {code} at {layer}: there are {listed}", (cls, layer, code)


def _tree(file: Path) -> Tree:
    try:
        if (size := check_ordinary(file)) > LARGEST:
            message = f"the file has {size / 1e6:.1f} MB, and {LARGEST // 1024} KiB are read at most"
            raise _refused(message, FORM, Where(file=str(file)))
        return parse(read_ordinary(file).decode("utf-8-sig"), str(file))
    except InputError as error:
        hint = FORM if error.slug == "spec-syntax" and "guide.md" in error.hint else error.hint
        raise _refused(error.message, hint, error.where) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        message = f"byte {error.start} (in line {line}) is not UTF-8"
        raise _refused(message, "save the file as UTF-8", Where(file=str(file))) from error
    except OSError as error:
        message = f"the file cannot be read: {error.strerror or error}"
        raise _refused(message, "give the path of a file with names", Where(file=str(file))) from error


def _mapping(tree: Tree, file: Path, problems: Gathered) -> Names:
    """What of the file is of the right form; what is not is gathered."""

    def wrong(path: errors.Path, found: object, expected: str) -> None:
        shown = "a list" if isinstance(found, list) else "a mapping" if isinstance(found, dict) else repr(found)
        shown = "nothing" if found is None else shown if len(shown) <= LONG else f"{shown[:LONG]}…"
        problems.errors.append(_refused(f"found {shown}, expected {expected}", FORM, _where(tree, path, str(file))))

    names: Names = {}
    if not isinstance(tree.value, dict):
        wrong((), tree.value, "a mapping of classes")
        return names
    for cls, of_class in tree.value.items():
        if not isinstance(of_class, dict):
            wrong((cls,), of_class, "a mapping of layers")
            continue
        names[cls] = {}
        for layer, of_layer in of_class.items():
            if not isinstance(of_layer, dict):
                wrong((cls, layer), of_layer, "a mapping of codes to names")
                continue
            names[cls][layer] = {}
            for code, text in of_layer.items():
                if isinstance(text, str):
                    names[cls][layer][code] = text
                else:
                    wrong((cls, layer, code), text, "text")
    return names


LONG = 60


def _place(tree: Tree, path: tuple[str, ...], at_key: bool) -> tuple[int, int]:
    return (tree.keys if at_key else tree.values).get(path, (0, 0))


def _where(tree: Tree, path: errors.Path, file: str, at_key: bool = False) -> Where:
    line, column = (tree.keys if at_key else tree.values).get(path, (0, 0))
    return Where(file=file, line=line, column=column)


def _refused(message: str, hint: str, where: Where | None) -> InputError:
    return InputError("names-file", message, hint=hint, where=where)
