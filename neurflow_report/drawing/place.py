"""A file put in its place at once: written under another name first, so that it is there whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from neurflow_report.drawing.ours import check_file_free
from neurflow_report.errors import InputError


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
