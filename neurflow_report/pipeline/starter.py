"""A spec to begin with, for the model and the data at hand: what is not given is asked for, or takes its default."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import torch
import torchvision

from neurflow_report.errors import InputError, Where
from neurflow_report.images.saved import is_saved, usual_keys
from neurflow_report.images.sources import Source, open_source
from neurflow_report.network.checkpoint import is_checkpoint, read_states
from neurflow_report.network.cut import cut
from neurflow_report.network.factory import code_is_allowed
from neurflow_report.network.fitting import Checkpoint, nearest, proposals
from neurflow_report.network.layers import AUTO_MOST, choose_layers, offers
from neurflow_report.network.load import Network
from neurflow_report.pipeline.networks import example_input, untrained
from neurflow_report.spec.load import check_text
from neurflow_report.spec.starter import Starter, model_named, starter_text

T = TypeVar("T")
FEW = 3
"""Classes that are taken where none are named."""
DEMO = "demo"
_CPU, _DTYPE = torch.device("cpu"), torch.float32


class Ask(Protocol):
    """Who answers: `read` turns an answer into a value, or raises an error of the program's."""

    def __call__(self, question: str, default: str, read: Callable[[str], T]) -> T:
        """The value of the answer; of the default where nothing else is answered."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What the user said already; None: nothing. `model` and `data` as `starter_of` describes them; `classes` and
    `layers`: with commas between them."""

    model: str | None = None
    weights: str | None = None
    data: str | None = None
    classes: str | None = None
    layers: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Model:
    """A model by its source and name; `network` has random weights, and is None where its code may not run."""

    source: str
    name: str
    network: Network | None


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


def begin(given: Given, file: Path, ask: Ask, *, allow_code: bool = False) -> Path:
    """Write a spec to the new file `file`, whole or not at all; → the file.

    Raises: InputError output-unwritable where there is something of that name; what `starter_of` raises.
    """
    _check_new(file)
    text = starter_text(starter_of(given, file, ask, allow_code=allow_code))
    check_text(text, file)
    _write_new(file, text.encode())
    return file


def starter_of(given: Given, file: Path, ask: Ask, *, allow_code: bool = False) -> Starter:
    """What the spec `file` begins with. Paths are given relative to where the command runs, and stand in the spec
    relative to the spec.

    `model`: resnet50, timm:…, python:package.module:callable or demo:…, `data`: a folder with a sub-folder per class,
    or with a data set of Hugging Face's `datasets`, a CSV file, NAME:FOLDER for a torchvision data set, or `demo`.
    Raises: what opening the model or the data raises; class-unknown, layer-unknown and so on for what they do not have.
    """

    def answer(said: str | None, question: str, default: str, read: Callable[[str], T]) -> T:
        return ask(question, default, read) if said is None else read(said)

    model = answer(given.model, "Model", "demo:flowers", partial(_model, allow_code=allow_code))
    weights = answer(given.weights, "Weights", _usual_weights(model), partial(_weights, model=model, spec=file))
    demo = DEMO if (model.source, model.name) == (DEMO, "flowers") else ""
    data = answer(given.data, "Pictures", demo, partial(_data, spec=file))
    known = data.source.class_names
    classes = answer(given.classes, "Classes", _some(known), partial(_classes, known=known))
    layers = answer(given.layers, "Layers", "auto", partial(_layers, model=model))
    return Starter(
        file=file.name if file.is_absolute() else file.as_posix(),
        title=f"{model.name.rpartition(':')[2]} on {data.source.name}",
        model=_model_keys(model, weights, file, len(known)),
        data=data.keys,
        classes=classes,
        known=known,
        layers=layers,
        others=_others(model, layers),
        select="labelled" if weights.text == "none" and model.source != "python" else "predicted",
        output=f"output/{file.stem}",
    )


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


def _model(text: str, *, allow_code: bool) -> _Model:
    source, name = model_named(text)
    if source == "python" and not code_is_allowed(allow_code):
        return _Model(source=source, name=name, network=None)
    network = untrained(source, name, size=None, allow_code=allow_code)
    return _Model(source=source, name=name, network=network)


def _usual_weights(model: _Model) -> str:
    """The best weights that the model's source has, without looking for them."""
    if model.source == "torchvision":
        best = getattr(torchvision.models.get_model_weights(model.name), "DEFAULT", None)
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
        keys = {"outputs": rows.pop()} if len(rows) == 1 else {}
    needed, *other = proposals(own, checkpoint) or [{}]
    return _Weights(text=place, keys=keys | needed, other=other)


def _data(text: str, *, spec: Path) -> _Data:
    kind, _, place = text.partition(":")
    if text == DEMO:
        return _Data(keys={"source": DEMO}, source=open_source(source=DEMO, name=None, root=None))
    if place and kind in torchvision.datasets.__all__:
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


def _some(known: Sequence[str]) -> str:
    """The first classes that can be written with commas between them; the first logit where there are none."""
    return ",".join([name for name in known if "," not in name][:FEW]) or "0"


def _classes(text: str, *, known: Sequence[str]) -> tuple[str | int, ...]:
    """Names, and numbers where the data has no class that is called so."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return tuple(int(part) if part.isdecimal() and part not in known else part for part in parts)


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
        keys |= {"factory": model.name, "python_path": _beside(spec, Path())}
    else:
        keys |= {"name": model.name}
    keys |= {"weights": weights.text}
    untrained = weights.text == "none" and model.source in {"torchvision", "timm"}
    return keys | ({"outputs": classes} if untrained else weights.keys)
