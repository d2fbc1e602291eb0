"""A disk that is full, at whatever write: a clear error, and what was there before is there still."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from neurflow_report.errors import InputError
from neurflow_report.report import render
from neurflow_report.results.bundle import read_bundle, write_bundle
from neurflow_report.results.cache import Cache, Kept
from neurflow_report.results.shard import write_shard
from tests.sample_bundle import frozen_bundle

Disk = Callable[[int], Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Gives a file system of so many KiB."""
    place = tmp_path / "disk"
    place.mkdir()

    def mounted(size: int) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", str(place)]
        if os.name != "posix" or os.geteuid() or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("only root may mount a small file system, and here it may not either")
        return place

    yield mounted
    if os.path.ismount(place):
        subprocess.run(["umount", str(place)], check=True)


def there(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.85])
def test_a_bundle_of_which_not_all_fits(tmp_path: Path, disk: Disk, share: float) -> None:
    """In place of one that is there."""
    small = frozen_bundle(tmp_path / "small", pictures=2, classes=2)
    bundle = frozen_bundle(tmp_path / "large", pictures=8, classes=8)
    size = sum(-(-len(data) // 4096) for data in there(bundle.root).values()) * 4
    old = sum(-(-len(data) // 4096) for data in there(small.root).values()) * 4
    place = disk(old + 40 + round(size * share))
    pictures = [file for c in bundle.classes for p in c.pictures if (file := p.file)]
    write_bundle(
        place / "bundle",
        run=small.run,
        classes=small.classes,
        provenance=small.manifest.provenance,
        pictures={p.file: small.picture_bytes(p.file) for c in small.classes for p in c.pictures if p.file},
    )
    before = there(place)
    with pytest.raises(InputError, match="No space left on device") as error:
        write_bundle(
            place / "bundle",
            run=bundle.run,
            classes=bundle.classes,
            provenance=bundle.manifest.provenance,
            pictures={name: bundle.picture_bytes(name) for name in pictures},
        )
    assert error.value.slug == "output-unwritable"
    assert there(place) == before
    assert read_bundle(place).classes == small.classes


def test_a_shard_and_a_class_of_which_not_all_fits(tmp_path: Path, disk: Disk) -> None:
    bundle = frozen_bundle(tmp_path / "b", pictures=4, classes=2)
    place = disk(8)
    kept = Kept(result=bundle.classes[0], pictures={"a.png": os.urandom(20_000)})
    with pytest.raises(InputError, match="No space left on device") as error:
        write_shard(place / "shard-1-of-2.shard", run=bundle.run, provenance=bundle.manifest.provenance, classes=[kept])
    assert error.value.slug == "output-unwritable"
    with pytest.raises(OSError, match="No space left on device"):
        Cache(folder=place).put("0" * 64, kept, title="x")
    assert list(place.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("form", ["html", "single", "pdf"])
@pytest.mark.parametrize("size", [12, 250])
def test_a_report_of_which_not_all_fits(tmp_path: Path, disk: Disk, form: str, size: int) -> None:
    bundle = frozen_bundle(tmp_path / "b", pictures=2, classes=1).root
    place = disk(size)
    try:
        render(bundle, output=place, formats=(form,))
    except InputError as error:
        assert error.slug == "output-unwritable"  # noqa: PT017
        assert "No space left on device" in error.message  # noqa: PT017
        assert list(place.iterdir()) == []
