"""A bundle where it lies: in a folder, a report's folder, or an archive, of which the bundle alone is unpacked."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from neurflow_report.errors import InputError, ReportError, Where, Wording
from neurflow_report.packing.pack import bundle_unpacked, looks_like_archive
from neurflow_report.results.bundle import MANIFEST, Bundle, missing, read_bundle


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """The bundle at `path`, to be read inside the `with`: what is unpacked is gone at its end.

    Of an archive only the bundle's files are looked at, and these by their digests; `verify` looks at the rest.

    Raises:
        InputError bundle-missing, bundle-damaged, bundle-version; archive-changed for a zip that is none of ours;
            output-unwritable where there is no room for temporary files.
    """
    if not path.is_file():
        yield read_bundle(path)
        return
    if not looks_like_archive(path):
        raise missing(path, archives=True)
    with _scratch(path) as folder:
        root = folder / "bundle"
        for name, message in bundle_unpacked(path, folder):
            raise _no_archive(path, f"{name}: {message}" if name else message)
        if not (root / MANIFEST).is_file():
            raise _no_archive(path, f"it holds no bundle/{MANIFEST}")
        with told_of(folder, path):
            yield read_bundle(root)


@contextmanager
def told_of(folder: Path, given: Path) -> Iterator[None]:
    """Errors of files in the temporary `folder` name the place that was `given` instead: a folder's file by its path,
    an archive's by its name in it."""
    try:
        yield
    except ReportError as error:
        file = Path(error.where.file) if error.where is not None else Path()
        if error.where is None or not file.is_relative_to(folder):
            raise
        name, error.where = file.relative_to(folder).as_posix(), Where(file=str(given))
        if given.is_dir():
            error.where = Where(file=str(given / name))
        else:
            error.message = f"{name}: {error.message}"
        raise


@contextmanager
def _scratch(path: Path) -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="neurflow-report-", ignore_cleanup_errors=True)
    except OSError as error:
        message = f"it cannot be unpacked into the folder for temporary files: {error.strerror or error}"
        hint = "free some space there, or name another folder in TMPDIR"
        raise InputError("output-unwritable", message, hint=hint, where=Where(file=str(path))) from error
    with folder as name:
        yield Path(name)


def _no_archive(path: Path, message: str) -> InputError:
    hint = Wording(
        "give an archive that archive() wrote, or a folder that holds bundle/",
        command="give an archive that `neurflow-report archive` wrote, or a folder that holds bundle/",
    )
    return InputError("archive-changed", message, hint=hint, where=Where(file=str(path)))
