"""Networks by name: the embedded demo's, torchvision's and timm's, with the preprocessing that belongs to each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch
from torch import nn

from neurflow_report.errors import InputError, RunError, did_you_mean
from neurflow_report.network.checkpoint import SUFFIXES
from neurflow_report.network.fitting import Checkpoint, load_checkpoint
from neurflow_report.results.records import Preprocess

IMAGENET = Preprocess(resize=256, size=224)
USUAL = "what is usual for ImageNet"
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
_PRETRAINED = "pretrained"


@dataclass(frozen=True, kw_only=True)
class Built:
    """A module with its weights, still on the CPU and in its own number format.

    Attributes:
        assumed: whose preprocessing it is, where nothing says that the weights were trained with it.
        notes: what was done that the spec does not say.
    """

    module: nn.Module
    preprocess: Preprocess
    class_names: tuple[str, ...] | None = None
    test_accuracy: float | None = None
    assumed: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A network as it was asked for; `checkpoint`: its weights, where a file holds them."""

    name: str
    weights: str
    outputs: int | None
    seed: int
    kwargs: Mapping[str, object] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None

    def loaded(self, module: nn.Module, unused: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Put the checkpoint, where there is one, into `module`.

        Args: unused: beginnings of names that the module has no use for.
        Returns: what was done that the spec does not say.
        Raises: what `load_checkpoint` raises.
        """
        return () if self.checkpoint is None else load_checkpoint(module, replace(self.checkpoint, unused=unused))


def seeded(build: Callable[[], Any], seed: int) -> Any:
    """What `build` makes with torch's CPU generator at `seed`; the generator is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return build()


def load_demo(asked: Asked) -> Built:
    """An embedded network.

    Raises: InputError model-unknown, weights-unknown, weights-unreadable, weights-mismatch.
    """
    from neurflow_report.demo.networks import NETWORKS

    name = asked.name
    if name not in NETWORKS:
        hint = did_you_mean(name, NETWORKS) or f"the demo networks are: {', '.join(NETWORKS)}"
        raise InputError("model-unknown", f"there is no demo network {name!r}", hint=hint, path=("model", "name"))
    demo = NETWORKS[name]
    if asked.outputs not in (None, len(demo.class_names)):
        raise _outputs_error(f"demo network {name!r}", len(demo.class_names), asked.outputs)
    module = seeded(demo.build, asked.seed)
    accuracy, notes = None, tuple[str, ...]()
    if asked.weights == "demo":
        load_checkpoint(module, Checkpoint(file=demo.weights))
        accuracy = demo.test_accuracy
    elif asked.checkpoint is not None:
        notes = asked.loaded(module)
    elif asked.weights != "none":
        raise weights_unknown(f"demo network {name!r}", asked.weights, ["demo", "none"])
    return Built(
        module=module, preprocess=demo.preprocess, class_names=demo.class_names, test_accuracy=accuracy, notes=notes
    )


def load_torchvision(asked: Asked) -> Built:
    """A torchvision classifier.

    Raises: what `load_demo` raises, and InputError factory-failed for arguments that it does not take.
    """
    import torchvision

    name = asked.name
    models = torchvision.models.list_models(module=torchvision.models)
    if name not in models:
        hint = did_you_mean(name, models) or "torchvision.models.list_models() names them all"
        message = f"torchvision has no classification model {name!r}"
        raise InputError("model-unknown", message, hint=hint, path=("model", "name"))
    entries = torchvision.models.get_model_weights(name)
    if asked.weights != "none" and asked.checkpoint is None:
        return _from_entry(asked, entries)
    default = getattr(entries, "DEFAULT", None)
    module = _made(asked, lambda: _architecture(asked, default is not None))
    notes = asked.loaded(module, _AUXILIARY if hasattr(module, "aux_logits") else ())
    preprocess = IMAGENET if default is None else preprocess_of(default.transforms())
    whose = USUAL if default is None else f"that of torchvision's own weights for {name}"
    assumed = whose if asked.checkpoint is not None else ""
    return Built(module=module, preprocess=_fitted(preprocess, module), assumed=assumed, notes=notes)


def _from_entry(asked: Asked, entries: Mapping[str, object]) -> Built:
    """Weights by their name in torchvision's enum, downloaded if they are not there yet."""
    known: Mapping[str, object] = entries.__members__  # type: ignore[attr-defined]
    entry = known.get(asked.weights.rpartition(".")[2])
    if entry is None:
        raise weights_unknown(f"torchvision model {asked.name!r}", asked.weights, [*known, "none"])
    names = tuple(entry.meta["categories"])  # type: ignore[attr-defined]
    if asked.outputs not in (None, len(names)):
        raise _outputs_error(f"weights {asked.weights!r}", len(names), asked.outputs)
    from torchvision.models import get_model

    with _download(asked):
        module = get_model(asked.name, weights=entry, progress=False, **asked.kwargs)
    return Built(module=module, preprocess=preprocess_of(entry.transforms()), class_names=names)  # type: ignore[attr-defined]


def weights_file(name: str, weights: str) -> Path | None:
    """Where torchvision has the file of weights of that name, or puts it when it fetches them; None where there are
    none such."""
    from torchvision.models import get_model_weights

    with suppress(ValueError):
        entry = get_model_weights(name).__members__.get(weights.rpartition(".")[2])
        if entry is not None:
            return Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(entry.url).path).name
    return None


def names_of(name: str, weights: str) -> tuple[str, ...] | None:
    """The names of the outputs of a torchvision model with weights of that name; None where there are none such."""
    from torchvision.models import get_model_weights

    entry = get_model_weights(name).__members__.get(weights.rpartition(".")[2])
    return None if entry is None else tuple(entry.meta["categories"])


class _download:  # noqa: N801
    """Inside, what fails while weights are fetched is told as weights-unreadable."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked

    def __enter__(self) -> None:
        """Nothing to do yet."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, (OSError, RuntimeError)):
            raise RunError(
                "weights-unreadable",
                f"weights {self.asked.weights!r} of {self.asked.name!r} could not be downloaded or read "
                f"({type(error).__name__})",
                hint="download them elsewhere and give their path as model.weights",
                path=("model", "weights"),
            ) from error


def _architecture(asked: Asked, trained: bool) -> nn.Module:
    """The bare module. `trained`: there are trained weights to take the input transform after."""
    from torchvision.models import get_model

    kwargs: dict[str, object] = {} if asked.outputs is None else {"num_classes": asked.outputs}
    if asked.name in {"googlenet", "inception_v3"}:
        kwargs |= {"aux_logits": False, "init_weights": False, "transform_input": trained}
    module: nn.Module = get_model(asked.name, weights=None, **(kwargs | dict(asked.kwargs)))
    return module


def _made(asked: Asked, build: Callable[[], nn.Module]) -> nn.Module:
    """The seeded module; arguments that the architecture refuses are told at model.kwargs, or at model.outputs."""
    try:
        module: nn.Module = seeded(build, asked.seed)
    except Exception as error:
        if not asked.kwargs and asked.outputs is None:
            raise
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        what, key = ("these kwargs", "kwargs") if asked.kwargs else (f"{asked.outputs} outputs", "outputs")
        message = f"{asked.name!r} cannot be made with {what}: {type(error).__name__}: {reason}"
        hint = "they are passed to the architecture as they are; its own documentation names them"
        if not asked.kwargs:
            hint = "is that the number of classes?"
        raise InputError("factory-failed", message, hint=hint, path=("model", key)) from error
    return module


def preprocess_of(transform: object) -> Preprocess:
    """The record of a torchvision preset (ImageClassification); ImageNet's usual one for anything else."""
    from torchvision.transforms._presets import ImageClassification

    if not isinstance(transform, ImageClassification):
        return IMAGENET
    return Preprocess(
        resize=transform.resize_size[0],
        size=transform.crop_size[0],
        interpolation=transform.interpolation.value,
        mean=tuple(transform.mean),
        std=tuple(transform.std),
    )


def _fitted(preprocess: Preprocess, module: nn.Module) -> Preprocess:
    """With the input size of a module that takes only one (a vision transformer)."""
    size = getattr(module, "image_size", None)
    if not isinstance(size, int) or size == preprocess.size:
        return preprocess
    return preprocess.model_copy(update={"resize": size, "size": size})


def load_timm(asked: Asked) -> Built:
    """A timm model by its name, with or without a tag (`resnet50`, `resnet50.a1_in1k`), and its own preprocessing.

    `weights` is `none`, `pretrained`, a tag, or a checkpoint.

    Raises: InputError missing-package, model-unknown, weights-unknown, weights-unreadable, weights-mismatch,
        factory-failed.
    """
    timm = _timm()
    bare, _, tag = asked.name.partition(".")
    if not timm.is_model(bare):
        hint = did_you_mean(bare, timm.list_models()) or "timm.list_models() names them all"
        raise InputError("model-unknown", f"timm has no model {bare!r}", hint=hint, path=("model", "name"))
    tags = [name.partition(".")[2] for name in timm.list_pretrained(f"{bare}.*")]
    pretrained = asked.weights != "none" and asked.checkpoint is None
    if pretrained and asked.weights != _PRETRAINED:
        tag = asked.weights
    if tag and tag not in tags:
        raise weights_unknown(f"timm model {bare!r}", tag, [*tags, "none"])
    if pretrained and not tags:
        raise weights_unknown(f"timm model {bare!r}", asked.weights, ["none"])
    name = f"{bare}.{tag}" if tag else bare
    kwargs = dict(asked.kwargs) | ({} if asked.outputs is None else {"num_classes": asked.outputs})
    if pretrained:
        with _download(asked):
            module = timm.create_model(name, pretrained=True, **kwargs)
    else:
        module = _made(asked, lambda: timm.create_model(name, **kwargs))
    notes = asked.loaded(module)
    names = _timm_names(timm, module) if pretrained and asked.outputs is None else None
    assumed = f"that of timm's own weights for {bare}" if asked.checkpoint is not None else ""
    preprocess = _timm_preprocess(timm, module, kwargs)
    return Built(module=module, preprocess=preprocess, class_names=names, assumed=assumed, notes=notes)


def _timm() -> Any:
    try:
        import timm
    except ModuleNotFoundError as error:
        hint = "pip install 'neurflow-report[timm]'"
        message = "the Python package timm is not installed"
        raise InputError("missing-package", message, hint=hint, path=("model", "source")) from error
    return timm


def _timm_preprocess(timm: Any, module: nn.Module, kwargs: Mapping[str, Any]) -> Preprocess:
    config = timm.data.resolve_model_data_config(module)
    channels, *sides = config["input_size"]
    channels, sides = kwargs.get("in_chans", channels), kwargs.get("img_size", sides)
    size = _side(sides if isinstance(sides, (list, tuple)) else [sides], channels)
    mean, std = config["mean"], config["std"]
    if channels == 1 and len(mean) == 3:
        mean, std = (sum(mean) / 3,), (sum(std) / 3,)
    return Preprocess(
        resize=math.floor(size / config["crop_pct"]),
        size=size,
        interpolation="bilinear" if config["interpolation"] == "random" else config["interpolation"],
        mean=tuple(mean),
        std=tuple(std),
        channels=channels,
        squash=config.get("crop_mode") == "squash",
    )


def _side(sides: Sequence[Any], channels: Any) -> int:
    """The side of a square input.

    Raises: InputError spec-bad-value for inputs of another kind.
    """
    if channels in (1, 3) and len(set(sides)) == 1 and isinstance(sides[0], int):
        return sides[0]
    shape = " × ".join(map(str, [channels, *sides]))
    message = f"the network's input is {shape}, and pictures here are square, grey or RGB"
    raise InputError("spec-bad-value", message, hint="take a network with such an input", path=("model", "name"))


def _timm_names(timm: Any, module: nn.Module) -> tuple[str, ...] | None:
    subset = timm.data.infer_imagenet_subset(module)
    if subset is None:
        return None
    info = timm.data.ImageNetInfo(subset)
    return tuple(info.index_to_description(i) for i in range(info.num_classes()))


def weights_unknown(what: str, weights: str, known: list[str]) -> InputError:
    """The error weights-unknown with what is known."""
    ends = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
    hint = did_you_mean(weights, known) or f"expected {', '.join(known)}, or a path that ends in {ends}"
    return InputError("weights-unknown", f"{what} has no weights {weights!r}", hint=hint, path=("model", "weights"))


def _outputs_error(what: str, have: int, asked: int | None) -> InputError:
    message = f"{what} has {have} outputs, and model.outputs says {asked}"
    return InputError("weights-mismatch", message, hint="leave model.outputs out", path=("model", "outputs"))
