"""A spec to begin with, for the model and the data at hand: what is not given is asked for, or takes its default."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import torch

from neurflow_report.errors import Gathered, InputError, Where
from neurflow_report.images.sources import Source, open_source
from neurflow_report.images.sources.huggingface import is_saved, usual_keys
from neurflow_report.network.checkpoint import is_checkpoint, read_states
from neurflow_report.network.cut import cut
from neurflow_report.network.factory import code_is_allowed
from neurflow_report.network.fitting import Checkpoint, nearest, proposals
from neurflow_report.network.layers import AUTO_MOST, choose_layers, offers
from neurflow_report.network.load import Network, overridden
from neurflow_report.network.zoo import names_of
from neurflow_report.setup.input_notes import Looks, input_notes, looks
from neurflow_report.setup.networks import example_input, untrained
from neurflow_report.setup.proposed import (
    check_classes,
    first_classes,
    mapping,
    outputs_of,
    preprocess_values,
    present,
    proposal,
    spelt,
)
from neurflow_report.spec.load import check_text
from neurflow_report.spec.schema import PreprocessChange
from neurflow_report.spec.starter import TAU, Starter, model_named, starter_text

T = TypeVar("T")
DEMO = "demo"
_CPU, _DTYPE = torch.device("cpu"), torch.float32


class Ask(Protocol):
    """Who answers: `read` turns an answer into a value, or raises an error of the program's."""

    def __call__(self, question: str, default: str, read: Callable[[str], T]) -> T:
        """The value of the answer; of the default where nothing else is answered."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the user said already; None: nothing. `model` and `data` as `starter_of` describes them; `classes` and
    `layers`: with commas between them; `kwargs` and `preprocess`: as `proposed.mapping` reads them; `python_path`: a
    folder."""

    model: str | None = None
    kwargs: str | None = None
    python_path: str | None = None
    weights: str | None = None
    data: str | None = None
    preprocess: str | None = None
    classes: str | None = None
    layers: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Model:
    """A model by its source and name; `network` has random weights, and is None where its code may not run."""

    source: str
    name: str
    network: Network | None
    kwargs: Mapping[str, object]
    python_path: Path


@dataclass(frozen=True, kw_only=True)
class _Weights:
    """Weights as they stand in the spec, and what else of the section `model` a checkpoint needs: the number of its
    outputs, and where in it the state lies. `other`: what else could be meant."""

    text: str
    keys: dict[str, object] = field(default_factory=dict)
    other: Sequence[Mapping[str, object]] = ()


@dataclass(frozen=True, kw_only=True)
class _Data:
    """The keys of the section `data`, and what lies there."""

    keys: dict[str, str]
    source: Source


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A spec that was written, and what should be known of it."""

    file: Path
    notes: tuple[str, ...]


def begin(given: Given, file: Path, ask: Ask, *, allow_code: bool = False) -> Begun:
    """Write a spec to the new file `file`, whole or not at all.

    Raises: InputError output-unwritable where there is something of that name; what `starter_of` raises.
    """
    _check_new(file)
    starter, notes = starter_of(given, file, ask, allow_code=allow_code)
    text = starter_text(starter)
    check_text(text, file)
    _write_new(file, text.encode())
    return Begun(file=file, notes=notes)


def starter_of(given: Given, file: Path, ask: Ask, *, allow_code: bool = False) -> tuple[Starter, tuple[str, ...]]:
    """What the spec `file` begins with, and what should be known of it. Paths are given relative to where the command
    runs, and stand in the spec relative to the spec.

    `model`: resnet50, timm:…, python:package.module:callable or demo:…, `data`: a folder with a sub-folder per class,
    or with a data set of Hugging Face's `datasets`, a CSV file, NAME:FOLDER for a torchvision data set, or `demo`.

    Raises: what opening the model or the data raises, both at once; then class-unknown, layer-unknown and so on for
        what they do not have.
    """
    gathered = Gathered()

    def answer(said: str | None, question: str, default: str, read: Callable[[str], T]) -> T | None:
        if said is not None:
            return gathered.attempt(partial(read, said))
        gathered.tell()
        return ask(question, default, read)

    making = partial(_model, given=given, allow_code=allow_code)
    model = answer(given.model, "Model", "demo:flowers", making)
    weights: _Weights | None = None
    if model is not None:
        weights = answer(given.weights, "Weights", _usual_weights(model), partial(_weights, model=model, spec=file))
    if gathered.errors and given.data is None:
        gathered.tell()
    demo = DEMO if model is not None and (model.source, model.name) == (DEMO, "flowers") else ""
    data = answer(given.data, "Pictures", demo, partial(_data, spec=file))
    gathered.tell()
    if model is None or weights is None or data is None:
        raise AssertionError("what is not there was not told")
    seen = looks(data.source, [range(len(data.source.items))])
    proposed = proposal(model.network, seen)
    preprocess: dict[str, object] | None = None
    if given.preprocess is not None or _is_unknown(model, weights):
        preprocess = answer(given.preprocess, "Preprocessing", _text(spelt(proposed)), preprocess_values)
    model = _with_input(model, preprocess or {})
    names, outputs = _logits(model, weights, len(data.source.class_names))
    chosen = partial(_classes, source=data.source, names=names, outputs=outputs)
    classes = answer(given.classes, "Classes", first_classes(data.source, names, outputs), chosen)
    layers = answer(given.layers, "Layers", "auto", partial(_layers, model=model))
    gathered.tell()
    if classes is None or layers is None:
        raise AssertionError("what is not there was not told")
    starter = Starter(
        file=file.name if file.is_absolute() else file.as_posix(),
        title=f"{model.name.rpartition(':')[2]} on {data.source.name}",
        model=_model_keys(model, weights, file, len(data.source.class_names)),
        data=data.keys,
        preprocess=preprocess or {},
        assumed=preprocess is not None and given.preprocess is None,
        classes=classes,
        known=present(data.source),
        layers=layers,
        tau=_tau(model, layers),
        others=_others(model, layers),
        select="labelled" if weights.text == "none" and model.source != "python" else "predicted",
        output=f"output/{file.stem}",
    )
    tied = check_classes(classes, data.source, names, outputs)
    return starter, tuple(note for note in (*_said(model, weights, starter, seen), tied) if note)


def _tau(model: _Model, layers: Sequence[str]) -> int:
    """A quarter of the narrowest layer's channels, at most the usual; the usual where the layers are not known."""
    if model.network is None:
        return TAU
    below = set(layers[:-1])
    found = offers(model.network.module, example_input(model.network, _CPU, _DTYPE))[:-1]
    widths = [offer.channels for offer in found if below & set(offer.names) or (not layers and offer.auto)]
    return min([TAU, *(max(1, width // 4) for width in widths)])


def _is_unknown(model: _Model, weights: _Weights) -> bool:
    """Whether nothing says with which preprocessing the weights were trained."""
    return model.source == "python" or (model.source in {"torchvision", "timm"} and is_checkpoint(weights.text))


def _text(values: Mapping[str, object]) -> str:
    """Values as an answer gives them."""
    return ", ".join(f"{key}: {value}" for key, value in values.items())


def _with_input(model: _Model, values: Mapping[str, object]) -> _Model:
    """The model with that preprocessing, so that it is looked at as it will run."""
    if model.network is None or not values:
        return model
    section = PreprocessChange.model_validate(values)
    changed = overridden(model.network.preprocess, section.values())
    return replace(model, network=replace(model.network, preprocess=changed))


def _logits(model: _Model, weights: _Weights, classes: int) -> tuple[Sequence[str] | None, int | None]:
    """The names of the outputs, and how many there are, as far as that is known."""
    if model.network is None:
        return None, None
    if model.source == "torchvision" and (names := names_of(model.name, weights.text)) is not None:
        return names, len(names)
    if weights.text == "none" and model.source in {"torchvision", "timm"} and not model.kwargs:
        return None, classes or None
    said = weights.keys.get("outputs")
    found = said if isinstance(said, int) else outputs_of(model.network, example_input(model.network, _CPU, _DTYPE))
    return model.network.class_names, found


def _said(model: _Model, weights: _Weights, starter: Starter, seen: Looks) -> Iterator[str]:
    """What was not looked at, what was assumed, and what else could be meant."""
    if model.network is None:
        yield (
            "the network was not looked at, its code runs only with --allow-code. Whether the factory can be called, "
            "the weights fit and the layers are there tells `neurflow-report validate --deep --allow-code "
            f"{starter.file}`"
        )
    if starter.assumed:
        own = (
            " (the size is the pictures' own)" if {starter.preprocess.get("size")} == {s[0] for s in seen.sizes} else ""
        )
        yield (
            f"assumed of the preprocessing{own}: {_text(starter.preprocess)}; put in what the network was trained "
            "with, by --preprocess or in the spec"
        )
    if model.network is not None:
        yield from input_notes(model.network.preprocess, None, seen)
    if weights.other:
        other = "; or ".join(_text(lines) for lines in weights.other)
        taken = _text({key: value for key, value in weights.keys.items() if key != "outputs"})
        yield f"the weights file holds several states that fit: the spec takes {taken}; to take another, {other}"


def _write_new(file: Path, data: bytes) -> None:
    """Whole or not at all, and in place of nothing."""
    try:
        out = file.open("xb")
        try:
            with out:
                out.write(data)
        except BaseException:
            file.unlink()
            raise
    except OSError as error:
        raise _unwritable(file, error.strerror or str(error)) from error


def _check_new(file: Path) -> None:
    if os.path.lexists(file):
        raise _unwritable(file, "there is already something of that name, which is left alone")
    if not os.path.isdir(file.parent):
        raise _unwritable(file, f"there is no folder {file.parent.name!r}")


def _unwritable(file: Path, reason: str) -> InputError:
    hint = "name another file: --output other.yaml"
    message = f"the spec cannot be written: {reason}"
    return InputError("output-unwritable", message, hint=hint, where=Where(file=str(file)))


def _model(text: str, *, given: Given, allow_code: bool) -> _Model:
    source, name = model_named(text)
    kwargs = {} if given.kwargs is None else mapping(given.kwargs, "--kwargs")
    folder = Path(os.path.expanduser(given.python_path or "."))  # noqa: PTH111
    if given.python_path is not None and source != "python":
        message = f"--python-path is for networks of your own, and {text!r} is none"
        raise InputError("command-line", message, hint="leave it out, or name python:package.module:callable")
    network = None
    if source != "python" or code_is_allowed(allow_code):
        network = untrained(source, name, size=None, allow_code=allow_code, kwargs=kwargs, python_path=folder)
    return _Model(source=source, name=name, network=network, kwargs=kwargs, python_path=folder)


def _usual_weights(model: _Model) -> str:
    """The best weights that the model's source has, without looking for them."""
    if model.source == "torchvision":
        from torchvision.models import get_model_weights

        best = getattr(get_model_weights(model.name), "DEFAULT", None)
        return "none" if best is None else str(best.name)
    return {"timm": "pretrained", DEMO: DEMO}.get(model.source, "none")


def _weights(text: str, *, model: _Model, spec: Path) -> _Weights:
    if not is_checkpoint(text):
        return _Weights(text=text)
    file = Path(os.path.expanduser(text))  # noqa: PTH111
    place = _beside(spec, file)
    if model.network is None:
        read_states(file)
        return _Weights(text=place)
    own, checkpoint = model.network.module.state_dict(), Checkpoint(file=file)
    keys: dict[str, object] = {}
    if model.source in {"torchvision", "timm"}:
        found = nearest(own, checkpoint)
        rows = {len(found.state[found.taken[name]]) for name in found.unlike}  # type: ignore[arg-type]
        if len(rows) == 1:
            count = rows.pop()
            keys, own = {"outputs": count}, _with_outputs(model, count).module.state_dict()
    needed, *other = proposals(own, checkpoint) or [{}]
    return _Weights(text=place, keys=keys | needed, other=other)


def _with_outputs(model: _Model, outputs: int) -> Network:
    """The network with another number of outputs."""
    return untrained(model.source, model.name, size=None, allow_code=False, kwargs=model.kwargs, outputs=outputs)


def _is_torchvisions(name: str) -> bool:
    """Whether torchvision has a data set of this name."""
    from torchvision import datasets

    return name in datasets.__all__


def _data(text: str, *, spec: Path) -> _Data:
    kind, _, place = text.partition(":")
    if text == DEMO:
        return _Data(keys={"source": DEMO}, source=open_source(source=DEMO, name=None, root=None))
    if place and _is_torchvisions(kind):
        root = Path(os.path.expanduser(place))  # noqa: PTH111
        keys = {"source": "torchvision", "name": kind, "root": _beside(spec, root)}
        return _Data(keys=keys, source=open_source(source="torchvision", name=kind, root=root))
    path = Path(os.path.expanduser(text))  # noqa: PTH111
    if path.suffix.lower() == ".csv":
        keys = {"source": "csv", "file": _beside(spec, path)}
        return _Data(keys=keys, source=open_source(source="csv", name=None, root=None, file=path))
    if is_saved(path):
        return _saved(path, spec)
    keys = {"source": "folder", "root": _beside(spec, path)}
    return _Data(keys=keys, source=open_source(source="folder", name=None, root=path))


def _saved(path: Path, spec: Path) -> _Data:
    keys = usual_keys(path)
    source = open_source(
        source="huggingface",
        name=None,
        root=path,
        split=keys.get("split", "test"),
        image_column=keys["image_column"],
        label_column=keys["label_column"],
    )
    return _Data(keys={"source": "huggingface", "root": _beside(spec, path), **keys}, source=source)


def _beside(spec: Path, path: Path) -> str:
    """A path as the spec must write it: absolute ones stay, others become relative to the spec's folder."""
    return path.as_posix() if path.is_absolute() else Path(os.path.relpath(path, spec.parent)).as_posix()


def _classes(text: str, *, source: Source, names: Sequence[str] | None, outputs: int | None) -> tuple[str | int, ...]:
    """Names, and numbers where they are logits.

    Raises: InputError class-unknown for what is known to be neither.
    """
    known = source.class_names
    numbered = all(name == str(number) for number, name in enumerate(known))
    parts = [part.strip() for part in text.split(",") if part.strip()]
    found = tuple(int(part) if part.isdecimal() and (numbered or part not in known) else part for part in parts)
    check_classes(found, source, names, outputs)
    return found


def _layers(text: str, *, model: _Model) -> tuple[str, ...]:
    """The layers by their names; those that `auto` takes; none where the model could not be looked at."""
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if model.network is None:
        return () if names == ("auto",) else names
    example = example_input(model.network, _CPU, _DTYPE)
    if names == ("auto",):
        return choose_layers(model.network.module, example, most=AUTO_MOST)
    cut(model.network.module, names, example)
    return names


def _others(model: _Model, layers: Sequence[str]) -> int | None:
    """At how many other layers the model can be cut, None where it could not be looked at."""
    if model.network is None:
        return None
    return len(offers(model.network.module, example_input(model.network, _CPU, _DTYPE))) - len(layers)


def _model_keys(model: _Model, weights: _Weights, spec: Path, classes: int) -> dict[str, object]:
    """The section `model`; a network with random weights gets an output for each of the data's classes."""
    keys: dict[str, object] = {"source": model.source}
    if model.source == "python":
        keys |= {"factory": model.name, "python_path": _beside(spec, model.python_path)}
    else:
        keys |= {"name": model.name}
    keys |= ({"kwargs": dict(model.kwargs)} if model.kwargs else {}) | {"weights": weights.text}
    untrained = weights.text == "none" and model.source in {"torchvision", "timm"} and not model.kwargs
    return keys | ({"outputs": classes} if untrained and classes else weights.keys)
