"""The output folder: whether a run can write there, and the folders that are made for it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from neurflow_report.errors import InputError
from neurflow_report.results.folder_lock import Waiting, claimed
from neurflow_report.results.staging import mend
from neurflow_report.spec.schema import Spec

_PATH = ("output",)


def output_of(spec: Spec) -> Path:
    """The folder that the spec names, relative to where the command runs."""
    return Path(os.path.expanduser(spec.output))  # noqa: PTH111


@contextmanager
def output_folder(output: Path, *, shared: bool = False, wait: Waiting | None = None) -> Iterator[None]:
    """The output folder is there inside, and this run's alone; what a run that was killed had begun to put there is
    finished, and what it left is gone. Where the block fails, the folders that were made for it are gone again.

    Args:
        shared: others may be at work there, too: nothing is finished, and nothing claimed.
        wait: where another run is writing there, it is waited for.
    Raises: InputError output-unwritable, also where another run is writing there.
    """
    made = [folder for folder in (output, *output.parents) if not os.path.lexists(folder)]
    with _gone_again(made):
        _make(output)
        check_writable(output)
        if shared:
            yield
            return
        # Before the claim ends, so that who waits for it makes the folders anew.
        with claimed(output, wait=wait), _gone_again(made):
            _mend(output)
            yield


@contextmanager
def _gone_again(made: list[Path]) -> Iterator[None]:
    """Where the block fails, the folders that were made for it are gone again, as far as they are empty; once."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            while made:
                made.pop(0).rmdir()
        raise


def mended(folder: Path) -> None:
    """See that what a run that was killed had begun to put into `folder` is there, if nobody is at work there now."""
    if os.path.isdir(folder):
        with suppress(InputError), claimed(folder):
            _mend(folder)


def _mend(output: Path) -> None:
    try:
        mend(output)
    except OSError as error:
        raise _unwritable(output, error) from error


def _make(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise _unwritable(output, error) from error


def check_writable(output: Path) -> Path:
    """The output folder, or where it is not there yet the nearest folder around it, which takes a file. Nothing is left
    there.

    Raises: InputError output-unwritable.
    """
    try:
        nearest = _nearest(output)
        with tempfile.TemporaryFile(dir=nearest):
            return nearest
    except (OSError, ValueError) as error:
        raise _unwritable(output, error) from error


def check_space(output: Path, nearest: Path, needed: int) -> None:
    """Raises InputError output-unwritable where the disk has fewer than `needed` bytes free, which is what the report's
    pictures take.

    Args: nearest: as `check_writable` gives it.
    """
    free = shutil.disk_usage(nearest).free
    if free < needed:
        have, want = f"{free / 1e6:.1f} MB", f"{needed / 1e6:.1f} MB"
        message = f"the report's pictures take about {want}, and the disk of {output} has {have} free"
        hint = "free some space, set `output` to a folder on another disk, or a smaller data.limit"
        raise InputError("output-unwritable", message, hint=hint, path=_PATH)


def _nearest(output: Path) -> Path:
    """The folder itself, or the nearest thing above it that is there."""
    for folder in (output, *output.parents):
        with suppress(FileNotFoundError):
            folder.lstat()
            return folder
    return Path()


def _unwritable(output: Path, error: OSError | ValueError) -> InputError:
    reason = getattr(error, "strerror", None) or error
    if isinstance(error, FileNotFoundError):  # said of a folder that is there
        reason = "its file system takes no new files"
    return InputError(
        "output-unwritable",
        f"the output folder {output} cannot be written: {reason}",
        hint="name a folder that you may write to",
        path=_PATH,
    )
