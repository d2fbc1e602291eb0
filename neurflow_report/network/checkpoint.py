"""Read a checkpoint without running anything in it, and put it into a module: all of it, and nothing else."""

from __future__ import annotations

import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from neurflow_report.errors import InputError, did_you_mean

SUFFIXES = (".safetensors", ".pt", ".pth", ".th", ".ckpt")
_USUAL_KEYS = ("state_dict", "model")
_LOOKED_AT, _LFS = 4096, "version https://git-lfs"
_UNPICKLED = re.compile(r"GLOBAL (\S+)")


def read_state(path: Path, key: str | None = None, strip_prefix: str | None = None) -> dict[str, Tensor]:
    """The state in a .safetensors, .pt, .pth, .th or .ckpt file; nothing is unpickled but tensors and plain containers.

    Args: key: where in the file the state lies, dots between the keys (`ema.state_dict`); None: the file itself, or
    its key `state_dict` or `model`. strip_prefix: taken off every name that has it; None: `module.`, where all have it.
    Errors: weights-unreadable (paths model.weights, model.state_dict_key, model.strip_prefix).
    """
    content = _content(path)
    state = _usual(content) if key is None else _at(content, key, path)
    if not isinstance(state, Mapping) or not all(isinstance(value, Tensor) for value in state.values()):
        raise _no_state(content, path, key)
    return _stripped({str(name): value for name, value in state.items()}, strip_prefix, path)


def _content(path: Path) -> object:
    if not os.path.isfile(path):
        raise unreadable(f"there is no weights file {path.name!r}", "the path is relative to the spec")
    try:
        if path.suffix.lower() == ".safetensors":
            return dict(load_file(path))
        _check_kind(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old formats, which are read all the same
            return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        raise _would_unpickle(path, str(error)) from error
    except Exception as error:  # what a damaged file makes torch's reader raise is not limited to a few kinds
        hint = "it is truncated, or no checkpoint: save it anew, or fetch it again"
        raise unreadable(f"weights file {path.name!r} cannot be read ({type(error).__name__})", hint) from error


def _check_kind(path: Path) -> None:
    """Raises InputError weights-unreadable for what is often called like a checkpoint and is none."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if any("/code/" in name for name in archive.namelist()):
                hint = "load it where you trust it, and save the state alone: torch.save(module.state_dict(), path)"
                raise unreadable(f"weights file {path.name!r} is a TorchScript archive: a program, not a state", hint)
        return
    with path.open("rb") as file:
        begin = file.read(_LOOKED_AT).split(b"\n")[0].rstrip(b"\r")
    if begin and begin.isascii() and begin.decode("ascii").isprintable():
        shown = begin.decode("ascii")
        message = f"weights file {path.name!r} is a text file, which begins with {shown[:40]!r}"
        lfs = "it stands for a file of Git LFS: `git lfs pull` fetches that"
        raise unreadable(message, lfs if shown.startswith(_LFS) else "fetch the file again, or name another")


def _would_unpickle(path: Path, reason: str) -> InputError:
    """Where torch's reader names what the file would run, so does the message."""
    named = _UNPICKLED.search(reason)
    if named is None:
        return unreadable(
            f"weights file {path.name!r} is damaged, or holds more than tensors and would need unpickling",
            "save the state alone: torch.save(model.state_dict(), path), or use safetensors",
        )
    message = (
        f"weights file {path.name!r} holds more than tensors: unpickling it would run {named[1]}, which is refused"
    )
    hint = "load it where you trust it, and save the state alone: torch.save(model.state_dict(), path), or safetensors"
    return unreadable(message, hint)


def _usual(content: object) -> object:
    for key in _USUAL_KEYS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    return content


def _at(content: object, key: str, path: Path) -> object:
    """What lies under `key`: the key as it is written, else step by step at its dots."""
    for step in [key] if isinstance(content, Mapping) and key in content else key.split("."):
        if not isinstance(content, Mapping) or step not in content:
            known = [str(name) for name in content] if isinstance(content, Mapping) else []
            hint = did_you_mean(step, known) or f"the keys there are: {_listed(known) or 'none'}"
            message = f"weights file {path.name!r} has no key {step!r}"
            raise unreadable(message, hint, "state_dict_key")
        content = content[step]
    return content


def _no_state(content: object, path: Path, key: str | None) -> InputError:
    where = f", under {key!r}," if key is not None else ""
    holding = [place for place in _states(content) if place]
    hint = f"set model.state_dict_key; states lie under: {_listed(holding)}" if holding else "save model.state_dict()"
    message = f"weights file {path.name!r}{where} holds no mapping of names to tensors"
    return unreadable(message, hint, "weights" if key is None else "state_dict_key")


def _states(content: object, place: str = "", depth: int = 4) -> Iterator[str]:
    """Where in a checkpoint mappings of names to tensors lie, with dots between the keys."""
    if not isinstance(content, Mapping) or not content:
        return
    if all(isinstance(value, Tensor) for value in content.values()):
        yield place
    elif depth:
        for key, value in content.items():
            yield from _states(value, f"{place}.{key}" if place else str(key), depth - 1)


def _stripped(state: dict[str, Tensor], prefix: str | None, path: Path) -> dict[str, Tensor]:
    if prefix is None:
        prefix = "module." if state and all(name.startswith("module.") for name in state) else ""
    elif state and not any(name.startswith(prefix) for name in state):
        message = f"no name in weights file {path.name!r} begins with {prefix!r}"
        raise unreadable(message, f"the names are {_listed(list(state), 3)}", "strip_prefix")
    stripped = {name.removeprefix(prefix): value for name, value in state.items()}
    if len(stripped) < len(state):
        twice = next(name for name in state if name.startswith(prefix) and name.removeprefix(prefix) in state)
        message = f"in weights file {path.name!r} {twice!r} and {twice.removeprefix(prefix)!r} would be the same"
        raise unreadable(message, "set model.state_dict_key to the one of the two networks in it", "strip_prefix")
    return stripped


def _listed(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def load_state(
    module: nn.Module, state: Mapping[str, Tensor], file: str, *, stripped: str = "", number: str = "outputs"
) -> None:
    """Put `state` into `module`, all of it and nothing else.

    Args: stripped: what model.strip_prefix took off the names; number: the key of `model` that sets how many outputs
    there are.
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
    wrong = [f"{len(names)} {kind}: {_listed(names, 3)}" for kind, names in kinds if names]
    if wrong:
        message = f"the weights in {file!r} do not fit the model; {'; '.join(wrong)}"
        raise InputError(
            "weights-mismatch", message, hint=_mismatch_hint(own, state, stripped, number), path=("model", "weights")
        )
    module.load_state_dict(dict(state), strict=False)


def _mismatch_hint(own: Mapping[str, Tensor], state: Mapping[str, Tensor], stripped: str, number: str) -> str:
    """Where all names of the file only have something in front, that is what to take off."""
    first = next(iter(own), "")
    for longer in state:
        prefix = longer.removesuffix(first)
        if prefix != longer and prefix and all(f"{prefix}{name}" in state for name in own):
            prefix = stripped + prefix
            return f"the file has the model's names with {prefix!r} in front: set model.strip_prefix: {prefix}"
    return f"is it this model? where only the last layer differs, set model.{number} to the checkpoint's number"


def unreadable(message: str, hint: str, key: str = "weights") -> InputError:
    """The error weights-unreadable, at a key of the spec's section `model`."""
    return InputError("weights-unreadable", message, hint=hint, path=("model", key))
