"""What a run writes, put in its place all together (ADR 17).

A run writes into a folder beside the place, a stage. When all is whole, a journal is written, and everything is moved:

    <output>/.neurflow-report-<random>/
        new/<name>     what will stand in <output>; after an exchange what stood there
        old/<name>     what stood there, where the file system cannot exchange two things in one step
        journal.json   for each name which thing is the new one, and which the old one

A run that is killed before the journal is there has changed nothing. One that is killed later is finished by the next
one that has the output folder to itself (`mend`). A stage is locked as long as its process lives.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from neurflow_report.results.exchange import exchange
from neurflow_report.results.folder_lock import alone
from neurflow_report.stopping import undisturbed

PREFIX = ".neurflow-report-"
JOURNAL = "journal.json"


@contextmanager
def staged(output: Path) -> Iterator[Path]:
    """A folder in `output` (which is there) to write into; gone afterwards.

    Raises: OSError.
    """
    stage: Path | None = None
    try:
        with undisturbed():  # a signal between the folder and its name would leave it there
            stage = Path(tempfile.mkdtemp(prefix=PREFIX, dir=output))
        with alone(stage):
            fresh = stage / "new"
            fresh.mkdir()
            yield fresh
    finally:
        if stage is not None:
            _remove(stage)


def publish(fresh: Path, output: Path, names: Sequence[str]) -> None:
    """Put what stands in the stage `fresh` under `names` into `output`, in place of what is there.

    All or, on an error, none. A signal that comes meanwhile is heard at the end.

    Raises: OSError.
    """
    stage = fresh.parent
    with undisturbed():
        (stage / "old").mkdir(exist_ok=True)
        new = {name: _number(fresh / name) for name in names}
        _write_journal(stage, output, new)
        try:
            for name in names:
                _put(stage, output, name)
        except OSError:
            back = [_take_back(stage, output, name, number) for name, number in new.items()]
            (stage / JOURNAL).unlink()
            if not all(back):  # what was taken back is to be known again when the rest is finished
                _write_journal(stage, output, new)
            raise
        sync(output)
        (stage / JOURNAL).unlink()


def mend(output: Path) -> None:
    """Finish what runs that were killed had begun to put into `output`, which is this run's alone.

    What they left is removed. Stages of living processes are left alone, and so are things that somebody else put in
    the way.

    Raises: OSError.
    """
    for stage in sorted(output.glob(f"{PREFIX}*")):
        if stage.is_symlink() or not stage.is_dir():
            continue
        with alone(stage) as mine:
            if mine:
                _finish(stage, output)
                _remove(stage)


def sync(directory: Path) -> None:
    """Let the system write down which names a directory has, where it can."""
    with suppress(OSError):  # some file systems cannot, and the files themselves are already on the disk
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _finish(stage: Path, output: Path) -> None:
    """Do what a journal says and was not done."""
    try:
        journal = json.loads((stage / JOURNAL).read_bytes())
    except FileNotFoundError:
        return
    except (ValueError, RecursionError):  # killed while it was written: nothing was moved
        journal = None
    for name, moved in journal.items() if isinstance(journal, dict) else ():
        if Path(name).name != name or not isinstance(moved, list) or len(moved) != 2:
            continue  # ours are names of things in the folder, with their marks, and nothing else
        new, old = moved
        waiting = _number(stage / "new" / name) == new  # not moved yet, and no old thing after an exchange
        if waiting and _marks(output / name) in (old, None):
            _put(stage, output, name)
    sync(output)
    (stage / JOURNAL).unlink()


def _put(stage: Path, output: Path, name: str) -> None:
    """Put one thing in its place."""
    fresh, aside, place = stage / "new" / name, stage / "old" / name, output / name
    if os.path.lexists(place) and not exchange(fresh, place):
        place.rename(aside)
    if not os.path.lexists(place):
        fresh.rename(place)


def _take_back(stage: Path, output: Path, name: str, new: int | None) -> bool:
    """The opposite, as far as it was done.

    Returns: whether all is as it was.
    """
    fresh, aside, place = stage / "new" / name, stage / "old" / name, output / name
    try:
        if _number(place) == new and not os.path.lexists(fresh):
            place.rename(fresh)
        elif _number(place) == new and not exchange(fresh, place):
            return False
        if os.path.lexists(aside):
            aside.rename(place)
    except OSError:
        return False
    return True


def _number(path: Path) -> int | None:
    """The inode, which a thing keeps when it is moved."""
    return path.lstat().st_ino if os.path.lexists(path) else None


def _marks(path: Path) -> list[int] | None:
    """The inode, which another thing may get when this one is removed, and the time of the last change."""
    return [(found := path.lstat()).st_ino, found.st_ctime_ns] if os.path.lexists(path) else None


def _write_journal(stage: Path, output: Path, new: Mapping[str, int | None]) -> None:
    with (stage / JOURNAL).open("x", encoding="utf-8") as file:
        json.dump({name: (number, _marks(output / name)) for name, number in new.items()}, file)
        file.flush()
        os.fsync(file.fileno())
    sync(stage)


def _remove(stage: Path) -> None:
    """Remove a stage, unless it holds what is still to be put in its place."""
    if not (stage / JOURNAL).exists():
        shutil.rmtree(stage, ignore_errors=True)
