"""Load a network: an eval-mode module with the preprocessing and the class names that belong to its weights."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from neurflow_report.errors import InputError
from neurflow_report.network.checkpoint import SUFFIXES, is_checkpoint
from neurflow_report.network.factory import make
from neurflow_report.network.fence import TRY, fenced
from neurflow_report.network.fitting import Checkpoint
from neurflow_report.network.names import read_names
from neurflow_report.network.state import check_state, state_digest
from neurflow_report.network.wrapped import unwrapped
from neurflow_report.network.zoo import (
    IMAGENET,
    USUAL,
    Asked,
    Built,
    load_demo,
    load_timm,
    load_torchvision,
    preprocess_of,
    seeded,
    weights_unknown,
)
from neurflow_report.results.records import Preprocess

__all__ = ["Network", "choose_device", "load_network", "preprocess_of", "state_digest"]

_BY_NAME = {"demo": load_demo, "torchvision": load_torchvision, "timm": load_timm}


PREPROCESS_KEYS = ("size", "resize", "mean", "std", "channels")
"""What of a preprocessing changes what a network sees; the rest hardly does."""


@dataclass(frozen=True, kw_only=True)
class Assumed:
    """What of the preprocessing neither the weights nor the spec say: its `keys`, and `whose` values they have."""

    keys: tuple[str, ...]
    whose: str


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network ready to run.

    Attributes:
        weights: what was asked for (a path's file name only).
        digest: the sha256 over the state (names, number formats, shapes, bytes) as it was loaded, before any change of
            precision.
        assumed: what of the preprocessing nothing says.
        notes: what was done with the weights that the spec does not say.
    """

    module: nn.Module
    source: str
    name: str
    weights: str
    preprocess: Preprocess
    class_names: tuple[str, ...] | None
    digest: str
    parameters: int
    test_accuracy: float | None
    assumed: Assumed | None = None
    notes: tuple[str, ...] = ()


def load_network(
    *,
    source: str,
    weights: str,
    base: Path,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
    name: str | None = None,
    factory: str | None = None,
    outputs: int | None = None,
    kwargs: Mapping[str, object] | None = None,
    python_path: str | None = None,
    allow_code: bool = False,
    state_dict_key: str | None = None,
    strip_prefix: str | None = None,
    ignore_keys: Sequence[str] = (),
    class_names: str | None = None,
    preprocess: Mapping[str, object] | None = None,
) -> Network:
    """Load a model, in eval mode without gradients.

    GoogLeNet and Inception run without their auxiliary heads.

    Args:
        source: torchvision, timm or demo, where `name` is the model's; or python, where `factory`
            (`package.module:callable`, found in the folder `python_path` or installed) makes it, if `allow_code`.
        weights: a name that the source knows (the only case in which something is downloaded), a checkpoint, or `none`:
            random from `seed`, or as the factory made them.
        state_dict_key, strip_prefix, ignore_keys: see fitting.Checkpoint.
        outputs: number of logits where it is not the architecture's own.
        kwargs: passed to the architecture or the factory.
        class_names: a file with the names of the logits.
        preprocess: values of Preprocess in place of the model's own.
        base: the folder that paths are relative to.
    Raises:
        InputError model-unknown, weights-unknown, weights-unreadable, weights-mismatch, weights-ambiguous,
            names-unreadable, code-not-allowed, factory-failed, missing-package, spec-bad-value (paths under `model`).
        InputError spec-bad-value (paths under `preprocess`).
    """
    file = resolved(base, weights) if is_checkpoint(weights) else None
    number = "kwargs" if source == "python" else "" if source == "demo" else "outputs"
    asked = Asked(
        name=name or "",
        weights=weights,
        outputs=outputs,
        seed=seed,
        kwargs=kwargs or {},
        checkpoint=None
        if file is None
        else Checkpoint(file=file, key=state_dict_key, strip=strip_prefix, ignore=tuple(ignore_keys), number=number),
    )
    given = {"state_dict_key": state_dict_key, "strip_prefix": strip_prefix, "ignore_keys": list(ignore_keys)}
    for key, value in given.items():
        if value and file is None:
            message = f"{key} is {value!r}, and model.weights, {weights!r}, is no checkpoint"
            hint = f"give a checkpoint as model.weights, or leave {key} out"
            raise InputError("spec-bad-value", message, hint=hint, path=("model", key))
    names = read_names(resolved(base, class_names)) if class_names else None
    with _file_of_that_name(resolved(base, weights)):
        if source == "python":
            folder = resolved(base, python_path or ".")
            built = _from_factory(asked, factory or "", folder, allow_code=allow_code)
        elif source in _BY_NAME:
            built = _BY_NAME[source](asked)
        else:
            raise InputError("model-unknown", f"there is no model source {source!r}", path=("model", "source"))
    said = preprocess or {}
    built = replace(built, preprocess=overridden(built.preprocess, said), class_names=names or built.class_names)
    silent = tuple(key for key in PREPROCESS_KEYS if key not in said and not (key == "channels" and "mean" in said))
    digest = state_digest(built.module)
    module = _ready(built.module, device, dtype)
    return Network(
        module=module,
        source=source,
        name=name or (factory or "").rpartition(":")[2],
        weights=file.name if file else "the factory's" if source == "python" else weights,
        preprocess=built.preprocess,
        class_names=built.class_names,
        digest=digest,
        parameters=sum(p.numel() for p in module.parameters()),
        test_accuracy=built.test_accuracy,
        assumed=Assumed(keys=silent, whose=built.assumed) if built.assumed and silent else None,
        notes=built.notes,
    )


def _convert(module: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Put the module on a device, real numbers in `dtype` and complex ones in that of twice its width. (`Module.to`
    with a number format takes complex numbers' imaginary parts away.)"""

    def convert(value: Tensor) -> Tensor:
        if value.is_complex():
            return value.to(device=device, dtype=dtype.to_complex())
        return value.to(device=device, dtype=dtype if value.is_floating_point() else None)

    module._apply(convert)  # type: ignore[no-untyped-call]


@contextmanager
def _file_of_that_name(path: Path) -> Iterator[None]:
    """Weights that are unknown and a file are told as that."""
    try:
        yield
    except InputError as error:
        if error.slug != "weights-unknown" or not os.path.isfile(path):
            raise
        hint = (
            f"there is a file {path.name!r}; a checkpoint's name ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
        )
        raise InputError(error.slug, error.message, hint=hint, path=error.path) from error


def _ready(module: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """The module on the device, in its number format, in eval mode and without gradients; what a network's own class
    does then is its own."""
    doing = f"moving the network to {device} and to eval mode"
    with fenced(doing, hint=TRY, network=module):
        _convert(module, device, dtype)
        module.eval()
        module.requires_grad_(False)
    training = next((name for name, part in module.named_modules() if part.training), None)
    if training is not None:
        what = f"its module {training!r} is" if training else "it is"
        message = f"the network does not go to eval mode: after module.eval() {what} in training mode still"
        hint = "let eval() and train() reach every module, and leave `training` to them"
        raise InputError("model-fails", message, hint=hint, path=("model", "name"))
    return module


def _from_factory(asked: Asked, factory: str, folder: Path, *, allow_code: bool) -> Built:
    if asked.weights != "none" and asked.checkpoint is None:
        raise weights_unknown("a network of the source python", asked.weights, ["none"])
    module = seeded(lambda: make(factory, asked.kwargs, folder, allow_code=allow_code), asked.seed)
    module, wrappers = unwrapped(module)
    check_state(module, factory)
    notes = (*wrappers, *asked.loaded(module))
    return Built(module=module, preprocess=IMAGENET, assumed=USUAL, notes=notes)


def overridden(own: Preprocess, values: Mapping[str, object]) -> Preprocess:
    """`own` with the given values; another size without a resize keeps the ratio of the two.

    Raises: InputError spec-bad-value (path preprocess.mean or .std) unless mean and std have one value a channel.
    """
    size = values.get("size", own.size)
    if "size" in values and "resize" not in values and own.resize is not None and isinstance(size, int):
        values = {**values, "resize": max(size, round(own.resize * size / own.size))}
    result = own.model_copy(update=dict(values))
    for key in ("mean", "std"):
        count = len(getattr(result, key))
        if count != result.channels:
            message = f"{key} has {count} values, and the network's input {result.channels} channels"
            hint = "give mean and std with one value a channel; for a grey input also channels: 1"
            path = ("preprocess", key if key in values else "channels")
            raise InputError("spec-bad-value", message, hint=hint, path=path)
    return result


def resolved(base: Path, path: str) -> Path:
    """A path of the spec. The home of a user that does not exist stays as it is written: there is no such file."""
    return base / os.path.expanduser(path)  # noqa: PTH111


def choose_device(name: str) -> torch.device:
    """The device that `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:N` or `mps` stands for.

    Raises: InputError device-unavailable (path runtime.device).
    """
    count, mps = torch.cuda.device_count(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if count else "mps" if mps else "cpu")
    have = ["cpu", *(f"cuda:{i}" for i in range(count)), *(["mps"] if mps else [])]
    if name in have or (name == "cuda" and count):
        return torch.device(name)
    hint = f"this machine has: {', '.join(have)}; `auto` takes what is there"
    raise InputError("device-unavailable", f"there is no device {name!r}", hint=hint, path=("runtime", "device"))
