"""report.images: pictures as they are, blurred, or left out; and never what a camera wrote into them."""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from neurflow_report import report
from neurflow_report.demo.flowers import DATASET
from neurflow_report.drawing.view.model import urls
from neurflow_report.results.bundle import Bundle, read_bundle
from neurflow_report.spec.load import load_spec
from tests.small_spec import SMALL, merged

SECRETS = (b"SECRET", b"Exif", b"GPS", b"xmpmeta", b"photoshop")


def with_metadata(picture: Image.Image, file: Path) -> None:
    """Save a picture as a camera would: with a place, a maker, a comment, and a program's notes."""
    exif = Image.Exif()
    exif[0x010F], exif[0x013B] = "SECRET maker", "SECRET artist"
    exif.get_ifd(0x8825).update({1: "N", 2: tuple(IFDRational(x, 1) for x in (52, 31, 7)), 29: "SECRET day"})
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>SECRET</x:xmpmeta>"
    picture.save(file, "JPEG", quality=95, exif=exif, xmp=xmp, comment=b"SECRET comment", icc_profile=b"SECRET profile")
    assert sum(file.read_bytes().count(one) for one in SECRETS) >= 6


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photographs")
    for index in range(8):
        (root / DATASET.class_names[index]).mkdir()
        for number in range(4):
            with_metadata(DATASET.draw(index, number)[0], root / DATASET.class_names[index] / f"{number}.jpg")
    return root


@pytest.fixture(scope="module")
def bundles(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Bundle]:
    folder = tmp_path_factory.mktemp("runs")
    return {images: run(photographs, folder, images) for images in ("embed", "blur", "none")}


def run(root: Path, folder: Path, images: str) -> Bundle:
    changes: dict[str, Any] = {
        "data": {"source": "folder", "root": str(root), "select": "predicted"},
        "fidelity": {"experiments": ["masking"], "taus": [3], "draws": 2},
        "report": {"images": images, "formats": ["html"]},
        "output": str(folder / images),
    }
    (folder / f"{images}.yaml").write_text(yaml.safe_dump(merged(SMALL, changes)))
    return read_bundle(report.build(load_spec(folder / f"{images}.yaml")).bundle)


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def shown(bundle: Bundle) -> list[np.ndarray[Any, Any]]:
    names = [p.file for c in bundle.classes for p in c.pictures if p.file is not None]
    return [np.asarray(Image.open(BytesIO(bundle.picture_bytes(name))).convert("RGB"), np.float64) for name in names]


@pytest.mark.slow
@pytest.mark.parametrize("images", ["embed", "blur", "none"])
def test_nothing_that_a_camera_wrote_gets_in(bundles: dict[str, Bundle], images: str) -> None:
    held = files(bundles[images].root) | files(bundles[images].root.parent / "site")
    for name in [name for name in held if name.endswith(".zip")]:
        with zipfile.ZipFile(BytesIO(held[name])) as inner:
            held |= {f"{name}/{one}": inner.read(one) for one in inner.namelist()}
    assert [(name, one) for name, data in held.items() for one in SECRETS if one in data] == []
    for name in [name for name in held if name.endswith((".jpg", ".png", ".webp"))]:
        with Image.open(BytesIO(held[name])) as picture:
            assert not {"exif", "xmp", "comment", "icc_profile", "photoshop"} & set(picture.info)
            assert len(picture.getexif()) == 0


@pytest.mark.slow
def test_what_is_kept_of_them(bundles: dict[str, Bundle]) -> None:
    whole, blurred, grey = (shown(bundles[images]) for images in ("embed", "blur", "none"))
    assert len(whole) == len(blurred) == len(grey) > 4
    for one, other, none in zip(whole, blurred, grey, strict=True):
        assert np.ptp(none) == 0
        assert one.shape == other.shape == none.shape
        assert np.abs(one.mean(axis=(0, 1)) - other.mean(axis=(0, 1))).max() < 6  # its colours
        assert _edges(other) < 0.35 * _edges(one)


def _edges(picture: np.ndarray[Any, Any]) -> float:
    """How sharply neighbouring pixels differ, at the sharpest."""
    return float(np.percentile(np.abs(np.diff(picture, axis=0)), 99))


@pytest.mark.slow
def test_all_else_is_the_same(bundles: dict[str, Bundle]) -> None:
    def without_files(bundle: Bundle) -> list[Any]:
        plain = [c.model_dump() for c in bundle.classes]
        for one in plain:
            one["pictures"] = [p | {"file": p["file"] is not None} for p in one["pictures"]]
        return [plain, bundle.run.model_dump() | {"images": ""}]

    assert without_files(bundles["blur"]) == without_files(bundles["none"]) == without_files(bundles["embed"])
    assert [bundle.run.images for bundle in bundles.values()] == ["embed", "blur", "none"]


@pytest.mark.slow
def test_the_report_says_so(bundles: dict[str, Bundle]) -> None:
    told = {"embed": "", "blur": "The pictures are blurred, as report.images asks", "none": "The pictures are left out"}
    for images, words in told.items():
        site = bundles[images].root.parent / "site"
        for page in (site / "index.html", site / urls.pictures("firebell")):
            assert words in page.read_text(encoding="utf-8")
            assert images != "embed" or "report.images" not in page.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("images", ["blur", "none"])
def test_it_verifies(bundles: dict[str, Bundle], images: str) -> None:
    assert report.verify(bundles[images].root.parent).findings == ()
