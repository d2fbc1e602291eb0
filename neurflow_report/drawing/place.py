"""A file put in its place at once: written under another name first, so that it is there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from neurflow_report.errors import InputError

MARK = b"neurflow-report"
"""What every file that this program writes beside a site holds, so that it is known and may be replaced."""


def check_file_free(target: Path) -> None:
    """Raises InputError output-unwritable where something stands at `target` that is no report of this program."""
    if os.path.isdir(target):
        message = f"{target.name} cannot be written: there is a folder of that name"
    elif os.path.lexists(target) and not _is_report(target):
        message = f"{target.name} exists and is no report of this program"
    else:
        return
    raise InputError("output-unwritable", message, hint="move it away, or choose another folder", path=("output",))


def _is_report(target: Path) -> bool:
    """Whether the file is empty, or holds the mark."""
    if target.is_symlink() or not os.path.isfile(target):
        return False
    data = target.read_bytes()
    return not data or MARK in data


def write_file(target: Path, data: bytes) -> None:
    """Write `data` to `target`, in place of a report that is there. Raises: InputError output-unwritable, also where
    something else stands there."""
    check_file_free(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name + ".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(name).chmod(0o644)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"{target.name} cannot be written: {reason}"
        raise InputError("output-unwritable", message, hint="choose another output folder", path=("output",)) from error
