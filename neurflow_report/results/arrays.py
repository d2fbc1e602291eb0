"""Arrays of numbers in one file, of any size: written and read part by part, so that they stand in memory but once.

the sha256 of all that follows, in hex
a line of JSON: what they are of, and "arrays": their names in order
each array as numpy's own format has it
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from neurflow_report.ordinary import open_ordinary
from neurflow_report.results.packed import BrokenError

Arrays = Mapping[str, NDArray[Any]]
_DIGEST, _LINE, _PART = 64, 2**16, 2**22


def write_arrays(stream: IO[bytes], header: Mapping[str, Any], arrays: Arrays) -> None:
    """Write them.

    Args:
        stream: an empty file, which can be read and sought in.
        header: what they are of, as JSON.
    Raises: OSError.
    """
    stream.write(b"0" * _DIGEST)
    stream.write(json.dumps({**header, "arrays": list(arrays)}).encode() + b"\n")
    for array in arrays.values():
        npy.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
    stream.seek(_DIGEST)
    digest = _digest(stream)
    stream.seek(0)
    stream.write(digest)
    stream.flush()


def header_of(path: Path) -> dict[str, Any]:
    """What a file says that its arrays are of.

    Raises: ValueError; OSError.
    """
    with open_ordinary(path) as stream:
        stream.seek(_DIGEST)
        return _header(stream)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file.

    Raises: BrokenError, ValueError; OSError.
    """
    with open_ordinary(path) as stream:
        said = stream.read(_DIGEST)
        if _digest(stream) != said:
            raise BrokenError("its sha256 is not the one that it begins with")
        stream.seek(_DIGEST)
        names = _header(stream)["arrays"]
        return {str(name): npy.read_array(stream, allow_pickle=False) for name in names}


def _header(stream: IO[bytes]) -> dict[str, Any]:
    found = json.loads(stream.readline(_LINE))
    if not isinstance(found, dict):
        raise BrokenError("it does not say what it is of")
    return found


def _digest(stream: IO[bytes]) -> bytes:
    """Of the rest of a file."""
    found = hashlib.sha256()
    while part := stream.read(_PART):
        found.update(part)
    return found.hexdigest().encode()
