"""Load a network: an eval-mode module with the preprocessing and the class names that belong to its weights."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn

from neurflow_report.errors import InputError, RunError, did_you_mean
from neurflow_report.results.records import Preprocess

IMAGENET = Preprocess(resize=256, size=224)
_SUFFIXES = (".safetensors", ".pt", ".pth")
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network ready to run. `weights` is what was asked for (a path's file name only); `digest` is the sha256 over
    the state (names, number formats, shapes, bytes) as it was loaded, before any change of precision."""

    module: nn.Module
    source: str
    name: str
    weights: str
    preprocess: Preprocess
    class_names: tuple[str, ...] | None
    digest: str
    parameters: int
    test_accuracy: float | None


@dataclass(frozen=True, kw_only=True)
class _Built:
    """A module with its weights, still on the CPU and in its own number format."""

    module: nn.Module
    preprocess: Preprocess
    class_names: tuple[str, ...] | None = None
    test_accuracy: float | None = None


def load_network(
    *,
    source: str,
    name: str,
    weights: str,
    outputs: int | None,
    base: Path,
    seed: int,
    device: torch.device,
    dtype: torch.dtype,
) -> Network:
    """Load model `name` of `source` (torchvision or demo), in eval mode without gradients.

    Args: weights: an enum name (the only case in which something is downloaded), `demo`, a checkpoint path relative
    to `base`, or `none`: random from `seed`; outputs: number of logits where it is not the architecture's own.
    GoogLeNet and Inception run without their auxiliary heads, and with the input transform of their trained weights.
    Errors: model-unknown, weights-unknown, weights-unreadable, weights-mismatch (paths under `model`).
    """
    if source == "demo":
        built = _load_demo(name, weights, outputs, base, seed)
    elif source == "torchvision":
        built = _load_torchvision(name, weights, outputs, base, seed)
    else:
        raise InputError("model-unknown", f"there is no model source {source!r}", path=("model", "source"))
    digest = state_digest(built.module)
    module = built.module.to(device=device, dtype=dtype).eval().requires_grad_(False)
    return Network(
        module=module,
        source=source,
        name=name,
        weights=Path(weights).name if _is_path(weights) else weights,
        preprocess=built.preprocess,
        class_names=built.class_names,
        digest=digest,
        parameters=sum(p.numel() for p in module.parameters()),
        test_accuracy=built.test_accuracy,
    )


def choose_device(name: str) -> torch.device:
    """The device that `auto` (a GPU where there is one), `cpu`, `cuda`, `cuda:N` or `mps` stands for.

    Errors: device-unavailable (path runtime.device).
    """
    count, mps = torch.cuda.device_count(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if count else "mps" if mps else "cpu")
    have = ["cpu", *(f"cuda:{i}" for i in range(count)), *(["mps"] if mps else [])]
    if name in have or (name == "cuda" and count):
        return torch.device(name)
    hint = f"this machine has: {', '.join(have)}; `auto` takes what is there"
    raise InputError("device-unavailable", f"there is no device {name!r}", hint=hint, path=("runtime", "device"))


def state_digest(module: nn.Module) -> str:
    """sha256, in hex, over the sorted state: each name, number format, shape and bytes."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _is_path(weights: str) -> bool:
    return weights.lower().endswith(_SUFFIXES)


def _checkpoint(base: Path, weights: str) -> Path:
    """Where a checkpoint lies. The home of a user that does not exist stays as it is written: there is no such file."""
    return base / os.path.expanduser(weights)  # noqa: PTH111


def _load_demo(name: str, weights: str, outputs: int | None, base: Path, seed: int) -> _Built:
    from neurflow_report.demo.networks import NETWORKS

    if name not in NETWORKS:
        hint = did_you_mean(name, NETWORKS) or f"the demo networks are: {', '.join(NETWORKS)}"
        raise InputError("model-unknown", f"there is no demo network {name!r}", hint=hint, path=("model", "name"))
    demo = NETWORKS[name]
    if outputs not in (None, len(demo.class_names)):
        raise _outputs_error(f"demo network {name!r}", len(demo.class_names), outputs)
    module = _seeded(demo.build, seed)
    accuracy = None
    if weights == "demo":
        load_state(module, read_state(demo.weights), demo.weights.name)
        accuracy = demo.test_accuracy
    elif _is_path(weights):
        load_state(module, read_state(_checkpoint(base, weights)), Path(weights).name)
    elif weights != "none":
        raise _weights_unknown(f"demo network {name!r}", weights, ["demo", "none"])
    return _Built(module=module, preprocess=demo.preprocess, class_names=demo.class_names, test_accuracy=accuracy)


def _load_torchvision(name: str, weights: str, outputs: int | None, base: Path, seed: int) -> _Built:
    models = torchvision.models.list_models(module=torchvision.models)
    if name not in models:
        hint = did_you_mean(name, models) or "torchvision.models.list_models() names them all"
        message = f"torchvision has no classification model {name!r}"
        raise InputError("model-unknown", message, hint=hint, path=("model", "name"))
    entries = torchvision.models.get_model_weights(name)
    if weights != "none" and not _is_path(weights):
        return _from_entry(name, weights, entries, outputs)
    default = getattr(entries, "DEFAULT", None)
    module = _seeded(lambda: _architecture(name, outputs, default is not None), seed)
    if weights != "none":
        load_state(module, _without_auxiliary(read_state(_checkpoint(base, weights)), module), Path(weights).name)
    preprocess = IMAGENET if default is None else preprocess_of(default.transforms())
    return _Built(module=module, preprocess=_fitted(preprocess, module))


def _from_entry(name: str, weights: str, entries: Mapping[str, object], outputs: int | None) -> _Built:
    """Weights by their name in torchvision's enum, downloaded if they are not there yet."""
    known: Mapping[str, object] = entries.__members__  # type: ignore[attr-defined]
    entry = known.get(weights.rpartition(".")[2])
    if entry is None:
        raise _weights_unknown(f"torchvision model {name!r}", weights, [*known, "none"])
    names = tuple(entry.meta["categories"])  # type: ignore[attr-defined]
    if outputs not in (None, len(names)):
        raise _outputs_error(f"weights {weights!r}", len(names), outputs)
    try:
        module = torchvision.models.get_model(name, weights=entry, progress=False)
    except (OSError, RuntimeError) as error:
        raise RunError(
            "weights-unreadable",
            f"weights {weights!r} of {name!r} could not be downloaded or read ({type(error).__name__})",
            hint="download them elsewhere and give their path as model.weights",
            path=("model", "weights"),
        ) from error
    return _Built(module=module, preprocess=preprocess_of(entry.transforms()), class_names=names)  # type: ignore[attr-defined]


def _architecture(name: str, outputs: int | None, trained: bool) -> nn.Module:
    """The bare module. `trained`: there are trained weights to take the input transform after."""
    kwargs: dict[str, object] = {} if outputs is None else {"num_classes": outputs}
    if name in {"googlenet", "inception_v3"}:
        kwargs |= {"aux_logits": False, "init_weights": False, "transform_input": trained}
    module: nn.Module = torchvision.models.get_model(name, weights=None, **kwargs)
    return module


def _seeded(build: object, seed: int) -> nn.Module:
    """What `build` makes with torch's CPU generator at `seed`; the generator is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        module: nn.Module = build()  # type: ignore[operator]
    return module


def preprocess_of(transform: object) -> Preprocess:
    """The record of a torchvision preset (ImageClassification); ImageNet's usual one for anything else."""
    if not isinstance(transform, torchvision.transforms._presets.ImageClassification):
        return IMAGENET
    return Preprocess(
        resize=transform.resize_size[0],
        size=transform.crop_size[0],
        interpolation=transform.interpolation.value,
        antialias=bool(transform.antialias),
        mean=tuple(transform.mean),
        std=tuple(transform.std),
    )


def _fitted(preprocess: Preprocess, module: nn.Module) -> Preprocess:
    """With the input size of a module that takes only one (a vision transformer)."""
    size = getattr(module, "image_size", None)
    if not isinstance(size, int) or size == preprocess.size:
        return preprocess
    return preprocess.model_copy(update={"resize": size, "size": size})


def read_state(path: Path) -> dict[str, Tensor]:
    """The state in a .safetensors, .pt or .pth file; nothing is unpickled but tensors and plain containers.

    A state under the key `state_dict` or `model`, or with every name under `module.`, is taken out of it.
    Errors: weights-unreadable (path model.weights).
    """
    if not path.is_file():
        raise _unreadable(f"there is no weights file {path.name!r}", "the path is relative to the spec")
    try:
        if path.suffix.lower() == ".safetensors":
            return dict(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        hint = "save the state alone: torch.save(model.state_dict(), path), or use safetensors"
        raise _unreadable(
            f"weights file {path.name!r} is damaged, or holds more than tensors and would need unpickling", hint
        ) from error
    except Exception as error:  # what a damaged file makes torch's reader raise is not limited to a few kinds
        hint = "it is truncated, or no checkpoint: save it anew, or fetch it again"
        raise _unreadable(f"weights file {path.name!r} cannot be read ({type(error).__name__})", hint) from error
    return _state_in(content, path)


def _state_in(content: object, path: Path) -> dict[str, Tensor]:
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(v, Tensor) for v in content.values()):
        raise _unreadable(f"weights file {path.name!r} holds no mapping of names to tensors", "save model.state_dict()")
    wrapped = bool(content) and all(str(name).startswith("module.") for name in content)
    return {str(name).removeprefix("module.") if wrapped else str(name): value for name, value in content.items()}


def _without_auxiliary(state: dict[str, Tensor], module: nn.Module) -> dict[str, Tensor]:
    """Without the auxiliary heads of GoogLeNet and Inception, which eval mode does not use."""
    if not hasattr(module, "aux_logits"):
        return state
    return {name: value for name, value in state.items() if not name.startswith(_AUXILIARY)}


def load_state(module: nn.Module, state: Mapping[str, Tensor], file: str) -> None:
    """Put `state` into `module`, all of it and nothing else.

    Errors: weights-mismatch that names the first missing, unexpected and mis-shaped entries (path model.weights).
    """
    own = module.state_dict()
    optional = {name for name in own if name.endswith("num_batches_tracked")}
    missing = [n for n in own if n not in state and n not in optional]
    unexpected = [n for n in state if n not in own]
    shapes = [
        f"{n} (file {tuple(state[n].shape)}, model {tuple(own[n].shape)})"
        for n in own
        if n in state and state[n].shape != own[n].shape
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("with another shape", shapes))
    wrong = [
        f"{len(names)} {kind}: {', '.join(names[:3])}{', …' if len(names) > 3 else ''}"
        for kind, names in kinds
        if names
    ]
    if wrong:
        hint = "is it this model? where only the last layer differs, set model.outputs to the checkpoint's number"
        message = f"the weights in {file!r} do not fit the model; {'; '.join(wrong)}"
        raise InputError("weights-mismatch", message, hint=hint, path=("model", "weights"))
    module.load_state_dict(dict(state), strict=False)


def _unreadable(message: str, hint: str) -> InputError:
    return InputError("weights-unreadable", message, hint=hint, path=("model", "weights"))


def _weights_unknown(what: str, weights: str, known: list[str]) -> InputError:
    hint = (
        did_you_mean(weights, known) or f"expected {', '.join(known)}, or a path that ends in .safetensors, .pt or .pth"
    )
    return InputError("weights-unknown", f"{what} has no weights {weights!r}", hint=hint, path=("model", "weights"))


def _outputs_error(what: str, have: int, asked: int | None) -> InputError:
    message = f"{what} has {have} outputs, and model.outputs says {asked}"
    return InputError("weights-mismatch", message, hint="leave model.outputs out", path=("model", "outputs"))
