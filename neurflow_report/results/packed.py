"""Files of ours in one: a zip after the sha256 of all of it, so that what was changed or cut off is noticed."""

from __future__ import annotations

import hashlib
import lzma
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path

from neurflow_report.ordinary import read_ordinary

PREFIX = ".neurflow-report-"
"""How the name begins of a file that is still being written."""
MOST = 2_000_000_000
"""Bytes that all files of one may have, unpacked."""
_NO_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, ArithmeticError, EOFError, LookupError,
    NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip
"""What zipfile raises for bytes that are no zip."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


class BrokenError(ValueError):
    """It is not what was written; its text says why."""


def packed(files: Mapping[str, bytes]) -> bytes:
    """The same files, the same bytes."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name, data in files.items():
            target.writestr(zipfile.ZipInfo(name, _EPOCH), data, zipfile.ZIP_DEFLATED)
    data = out.getvalue()
    return hashlib.sha256(data).hexdigest().encode() + data


def unpacked(path: Path) -> dict[str, bytes]:
    """The files in the one at `path`.

    Raises: BrokenError; OSError.
    """
    data = read_ordinary(path)
    said, rest = data[:64], data[64:]
    if hashlib.sha256(rest).hexdigest().encode() != said:
        raise BrokenError("its sha256 is not the one that it begins with")
    try:
        with zipfile.ZipFile(BytesIO(rest)) as source:
            if sum(one.file_size for one in source.infolist()) > MOST:
                raise BrokenError(f"it holds over {MOST / 1e9:.0f} GB")
            return {name: source.read(name) for name in source.namelist()}
    except _NO_ZIP as error:
        raise BrokenError(f"it is no zip: {error}") from error


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` to `path`: all of it, or nothing.

    Raises: OSError.
    """
    handle, name = tempfile.mkstemp(prefix=PREFIX, dir=path.parent)
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)
    except BaseException:
        with suppress(OSError):
            fresh.unlink()
        raise
