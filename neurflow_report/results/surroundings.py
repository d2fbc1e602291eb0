"""What a run has around it beside its spec and its data: this program, the packages, the system. Where nothing of it
changed, nor anything that was read, the same comes out (ADR 30)."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from neurflow_report.ordinary import open_ordinary

NUMERIC = (
    "OMP_", "MKL_", "KMP_", "GOMP_", "OPENBLAS_", "BLIS_", "ATEN_", "DNNL_", "ONEDNN_", "CUBLAS", "CUDA_", "CUDNN_",
    "NVIDIA_", "HIP_", "ROCM_", "TORCH", "PYTORCH_", "HF_", "TIMM_", "LD_",
)  # fmt: skip
"""How the names begin of the environment's variables that may change what is computed."""
_BY_IMPORTS = frozenset({"KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK", "TORCHINDUCTOR_CACHE_DIR"})
"""What scikit-learn and PyTorch set when parts of them are imported, which changes no figure."""
IMPORTED = (
    "torch", "torchvision", "timm", "datasets", "numpy", "scipy", "sklearn", "PIL", "safetensors", "captum",
)  # fmt: skip
"""The packages that results are computed with."""
_STATED = ("RECORD", "PKG-INFO", "METADATA")
_SYSTEM = (
    "/etc/os-release", "/etc/ld.so.cache", "/var/lib/dpkg/status", "/lib/apk/db/installed", "/var/lib/rpm",
    "/var/lib/pacman/local",
)  # fmt: skip
"""What changes with the system's own packages."""


def tree(path: Path) -> str:
    """The sha256 over a file, or over all files in a folder, with their names; "" where nothing is there.

    Raises: OSError.
    """
    found = hashlib.sha256()
    if not os.path.lexists(path):
        return ""
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_dir() and not file.is_symlink():
            continue
        found.update(os.fsencode(file.relative_to(path).as_posix()) + b"\0")
        if file.is_symlink() and not file.is_file():
            found.update(os.fsencode(file.readlink()))
        else:
            found.update(file_digest(file).encode())
    return found.hexdigest()


def file_digest(file: Path) -> str:
    """The sha256 of an ordinary file.

    Raises: OSError.
    """
    with open_ordinary(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@cache
def program() -> str:
    """The sha256 over all files of this program that Python did not make itself."""
    found, root = hashlib.sha256(), Path(__file__).parents[1]
    for file in sorted(root.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            found.update(file.relative_to(root).as_posix().encode() + b"\0" + file_digest(file).encode())
    return found.hexdigest()


def packages() -> list[list[Any]]:
    """What is installed, by its versions and by when it was installed."""
    return [one for place in sys.path for one in _installed_in(Path(place or "."))]


def _installed_in(place: Path) -> Iterator[list[Any]]:
    if place.is_file():
        yield _marks(place)
    with suppress(OSError):
        for path in sorted(place.iterdir()):
            if path.suffix in {".dist-info", ".egg-info"} and path.is_dir():
                yield [path.name, *(_marks(path / name)[1:] for name in _STATED)]
            elif path.suffix in {".pth", ".egg-link", ".egg-info", ".egg"}:
                yield _marks(path)


def modules(names: Sequence[str]) -> dict[str, list[str] | None]:
    """Where packages are imported from, and the state of their code: when which file of it was written. None where one
    is not there."""
    found = dict[str, list[str] | None]()
    for name in names:
        with suppress(ImportError, ValueError):
            spec = find_spec(name)
            found[name] = None if spec is None or not spec.origin else [spec.origin, _state(Path(spec.origin))]
    return found


def _state(origin: Path) -> str:
    """The sha256 over the marks of a module's file, or of all code of a package."""
    found, waiting = hashlib.sha256(repr(_marks(origin)).encode()), [str(origin.parent)]
    while waiting and origin.name == "__init__.py":
        with os.scandir(waiting.pop()) as entries:
            for entry in sorted(entries, key=lambda one: one.name):
                if entry.is_dir(follow_symlinks=False):
                    waiting += [entry.path] if entry.name != "__pycache__" else []
                elif entry.name.endswith((".py", ".so", ".pyd", ".dylib")) or ".so." in entry.name:
                    state = entry.stat()
                    found.update(f"{entry.path}\0{state.st_size} {state.st_mtime_ns}\0".encode("utf-8", "replace"))
    return found.hexdigest()


def system() -> dict[str, Any]:
    """The interpreter, the processor, and the state of the system's packages."""
    return {
        "python": [sys.version, platform.platform(), sys.byteorder],
        "processor": _processor(),
        "system": [_marks(Path(path)) for path in _SYSTEM],
        "driver": _text(Path("/proc/driver/nvidia/version")),
    }


def variables(beginnings: Sequence[str]) -> dict[str, str]:
    """The environment's variables whose names begin so."""
    found = {name: value for name, value in sorted(os.environ.items()) if name.startswith(tuple(beginnings))}
    return {name: value for name, value in found.items() if name not in _BY_IMPORTS}


def _processor() -> list[str]:
    first = _text(Path("/proc/cpuinfo")).split("\n\n")[0].splitlines()
    told = sorted(line for line in first if line.startswith(("model", "flags", "Features", "CPU ")))
    return told or [platform.processor(), platform.machine()]


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def _marks(path: Path) -> list[Any]:
    """A file's name, and what changes when it is written."""
    try:
        state = path.stat()
    except OSError:
        return [str(path), None, None]
    return [str(path), state.st_size, state.st_mtime_ns]


def digest(values: Any) -> str:
    """The sha256, in hex, of values that JSON can hold: equal values, equal digests."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
