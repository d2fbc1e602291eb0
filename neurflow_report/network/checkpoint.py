"""Read a checkpoint without running anything in it: the states that it holds, by where in it they lie."""

from __future__ import annotations

import pickle
import re
import tarfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from neurflow_report.errors import InputError, did_you_mean
from neurflow_report.network.pickled import described, saved_alone, would_run
from neurflow_report.ordinary import no_file, open_ordinary

SUFFIXES = (".safetensors", ".pt", ".pth", ".th", ".ckpt", ".bin", ".tar")
State = dict[str, object]
"""Names and what is under them: tensors and, in the states of some programs, other things."""
_LOOKED_AT, _LFS = 4096, "version https://git-lfs"
_UNPICKLED = re.compile(r"GLOBAL (\S+)")
_DEPTH = 4
_FORMATS = {
    b"\x89HDF": "an HDF5 file (of Keras, mostly)",
    b"\x1f\x8b": "compressed by gzip",
    b"7z\xbc\xaf": "a 7z archive",
}


def is_checkpoint(text: str) -> bool:
    """Whether weights of that name are a file, as their ending tells."""
    return text.lower().endswith(SUFFIXES)


def read_states(path: Path, key: str | None = None) -> dict[str, State]:
    """The states in a checkpoint, by where they lie, dots between the keys ("": the file itself); nothing is unpickled
    but tensors and plain containers. A state is a mapping that holds tensors.

    Args: key: the one place to look at.
    Raises: InputError weights-unreadable (paths model.weights, model.state_dict_key).
    """
    content = read_content(path)
    if key is None:
        found = dict(_states(content))
        if not found:
            raise _no_state(content, path, key)
        return found
    held = _at(content, key, path)
    if not isinstance(held, Mapping) or not any(isinstance(value, Tensor) for value in held.values()):
        raise _no_state(held, path, key)
    return {key: {str(name): value for name, value in held.items()}}


def read_content(path: Path) -> object:
    """What a checkpoint holds.

    Raises: InputError weights-unreadable (path model.weights).
    """
    if (instead := no_file(path)) is not None:
        raise unreadable(f"there is no weights file {path.name!r}{instead}", "the path is relative to the spec")
    try:
        if _is_safetensors(path):
            return dict(load_file(path))
        _check_kind(path)
        with warnings.catch_warnings(), open_ordinary(path) as file:  # by its name torch would take it for another
            warnings.simplefilter("ignore")  # of old formats, which are read all the same
            return torch.load(file, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        raise _would_unpickle(path, str(error)) from error
    except Exception as error:  # what a damaged file makes torch's reader raise is not limited to a few kinds
        hint = "it is truncated, or no checkpoint: save it anew, or fetch it again"
        raise unreadable(f"weights file {path.name!r} cannot be read ({type(error).__name__})", hint) from error


def _is_safetensors(path: Path) -> bool:
    """By what the file begins with, whatever it is called; by its name where that tells nothing."""
    with path.open("rb") as file:
        begin = file.read(9)
    known = begin[:2] in {b"PK", b"\x80\x02"}
    return begin[8:9] == b"{" or (path.suffix.lower() == ".safetensors" and not known)


def _check_kind(path: Path) -> None:
    """Raises InputError weights-unreadable for what is often called like a checkpoint and is none."""
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
    if start.startswith(b"PK") and zipfile.is_zipfile(path):
        _check_archive(path)
        return
    kind = next((says for magic, says in _FORMATS.items() if start.startswith(magic)), "")
    if tarfile.is_tarfile(path):
        kind = "a tar archive"
    if kind:
        hint = "unpack it, and name what is in it" if "HDF" not in kind else "save the network's state by torch.save"
        raise unreadable(f"weights file {path.name!r} is {kind}, no checkpoint of torch", hint)
    begin = start.split(b"\n")[0].rstrip(b"\r")
    if begin and begin.isascii() and begin.decode("ascii").isprintable():
        shown = begin.decode("ascii")
        message = f"weights file {path.name!r} is a text file, which begins with {shown[:40]!r}"
        lfs = "it stands for a file of Git LFS: `git lfs pull` fetches that"
        raise unreadable(message, lfs if shown.startswith(_LFS) else "fetch the file again, or name another")


def _check_archive(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any("/code/" in name for name in names):
        hint = "load it where you trust it, and save the state alone: torch.save(module.state_dict(), path)"
        raise unreadable(f"weights file {path.name!r} is a TorchScript archive: a program, not a state", hint)
    if names and not any(name.endswith("data.pkl") for name in names):
        message = f"weights file {path.name!r} is a ZIP archive that torch did not write; it holds {listed(names, 3)}"
        raise unreadable(message, "unpack it, and name the checkpoint in it")


def _would_unpickle(path: Path, reason: str) -> InputError:
    """Names what the file would run, as far as that can be told, and the lines that save its state alone."""
    named = _UNPICKLED.search(reason)
    names = would_run(path) or ((named[1],) if named else ())
    hint = saved_alone(path) or "torch.save(model.state_dict(), path), or safetensors"
    if not names:
        message = f"weights file {path.name!r} is damaged, or holds more than tensors and would need unpickling"
        return unreadable(message, f"where you trust it, load it in Python and save the state alone: {hint}")
    message = (
        f"weights file {path.name!r} holds more than tensors: unpickling it would run {described(names)}, "
        "which is refused"
    )
    return unreadable(message, f"where you trust it, load it in Python and save the state alone: {hint}")


def _at(content: object, key: str, path: Path) -> object:
    """What lies under `key`: the key as it is written, else step by step at its dots."""
    for step in [key] if isinstance(content, Mapping) and key in content else key.split("."):
        if not isinstance(content, Mapping) or step not in content:
            known = [str(name) for name in content] if isinstance(content, Mapping) else []
            hint = did_you_mean(step, known) or f"the keys there are: {listed(known) or 'none'}"
            message = f"weights file {path.name!r} has no key {step!r}"
            raise unreadable(message, hint, "state_dict_key")
        content = content[step]
    return content


def _no_state(content: object, path: Path, key: str | None) -> InputError:
    where = f", under {key!r}," if key is not None else ""
    holding = [f"{key}.{place}" if key else place for place, _ in _states(content)]
    hint = f"set model.state_dict_key; states lie under: {listed(holding)}" if holding else "save model.state_dict()"
    message = f"weights file {path.name!r}{where} holds no mapping of names to tensors"
    return unreadable(message, hint, "weights" if key is None else "state_dict_key")


def _states(content: object, place: str = "", depth: int = _DEPTH) -> Iterator[tuple[str, State]]:
    """The mappings that hold tensors, with where they lie, those around others first."""
    if not isinstance(content, Mapping):
        return
    if any(isinstance(value, Tensor) for value in content.values()):
        yield place, {str(name): value for name, value in content.items()}
    for key, value in content.items() if depth else ():
        yield from _states(value, f"{place}.{key}" if place else str(key), depth - 1)


def listed(names: Sequence[str], most: int = 8) -> str:
    """The first names, with commas between them."""
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")


def unreadable(message: str, hint: str, key: str = "weights") -> InputError:
    """The error weights-unreadable, at a key of the spec's section `model`."""
    return InputError("weights-unreadable", message, hint=hint, path=("model", key))
