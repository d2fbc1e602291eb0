"""Make an archive of a report's folder."""

from __future__ import annotations

import errno
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from neurflow_report.errors import InputError, Where
from neurflow_report.packing.crate import METADATA, digest
from neurflow_report.packing.pack import INDEX, PARTS, good_name, own_files, write_zip
from neurflow_report.packing.tree import tree
from neurflow_report.progress import Progress, Silent
from neurflow_report.results.bundle import DIGEST, MANIFEST, Bundle, read_bundle


@dataclass(frozen=True, kw_only=True)
class Archived:
    """An archive: where, how many files and bytes, and its sha256."""

    archive: Path
    files: int
    bytes: int
    sha256: str


def archive(report: Path, target: Path | None = None, *, progress: Progress | None = None) -> Archived:
    """Write the archive of the report whose bundle lies at `report` or at `report`/bundle.

    The same files give the same bytes.

    Args: target: default the folder's name with .zip, beside it.
    Raises:
        InputError bundle-missing, bundle-damaged, bundle-version, output-unwritable; report-missing where no site lies
            beside the bundle, or that of another.
    """
    progress = progress or Silent()
    bundle = read_bundle(report)
    root = bundle.root.parent if bundle.root.name == "bundle" else bundle.root
    _check_site(root, bundle)
    target = target or root.resolve().with_name(f"{root.resolve().name}.zip")
    _check_free(target)
    with progress.stage("pack", None):
        files = _files(root, bundle)
        own = own_files(bundle, files)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".neurflow-report-", dir=target.parent) as folder:
                made = Path(folder) / target.name
                write_zip(made, bundle, files, own)
                made.chmod(0o666 & ~_umask())
                made.replace(target)
        except OSError as error:
            raise _unwritable(target, error.strerror or str(error)) from error
    return Archived(archive=target, files=len(files) + len(own), bytes=target.stat().st_size, sha256=digest(target))


def _files(root: Path, bundle: Bundle) -> dict[str, Path]:
    """What goes into it, by name. A link or a name that some system cannot take is an error.

    Raises: InputError report-missing.
    """
    names = (MANIFEST, DIGEST, *bundle.manifest.files)
    found = {f"bundle/{name}": bundle.root / name for name in names if (bundle.root / name).is_file()}
    for part in PARTS[1:]:
        top = root / part
        if not os.path.lexists(top):
            continue
        files, odd = tree(top)
        inside = {name: f"{part}/{name}".rstrip("/") for name in (*files, *odd)}
        bad = next((name for name in inside if name in odd or not good_name(inside[name])), None)
        if bad is not None:
            message = "it is no ordinary file, or has a name that some systems cannot take"
            raise InputError("report-missing", message, hint="draw the report anew", where=Where(file=str(top / bad)))
        found |= {inside[name]: path for name, path in files.items()}
    return found


def _check_site(root: Path, bundle: Bundle) -> None:
    """Check that the site of this very bundle lies in `root`.

    Raises: InputError report-missing.
    """
    site, same = root / "site" / INDEX, False
    hint = f"draw it first: `neurflow-report render {root}`"
    if bundle.root == root or not site.is_file():
        raise InputError("report-missing", "there is no site to archive", hint=hint, where=Where(file=str(site)))
    held = root / "site" / "downloads" / "bundle.zip"
    try:
        with zipfile.ZipFile(held) as own:
            same = own.read(f"bundle/{MANIFEST}") == (bundle.root / MANIFEST).read_bytes()
    except (OSError, KeyError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        same = False
    if not same:
        message = "the site is that of another bundle"
        raise InputError("report-missing", message, hint=hint, where=Where(file=str(held)))


def _check_free(target: Path) -> None:
    """Check that nothing stands at `target` but an archive.

    Raises: InputError output-unwritable.
    """
    if not os.path.lexists(target):
        return
    try:
        with zipfile.ZipFile(target) as there:
            ours = {METADATA, f"bundle/{MANIFEST}"} <= set(there.namelist())
    except (OSError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        ours = False
    if not ours or target.is_symlink():
        raise _unwritable(target, os.strerror(errno.EEXIST) + ", and it is no archive of this program")


def _unwritable(target: Path, why: str) -> InputError:
    hint = "move it away, or choose another place with --output"
    return InputError("output-unwritable", f"{target.name} cannot be written: {why}", hint=hint)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
