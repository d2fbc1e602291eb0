"""Small inputs: a patch is outlined in its whole picture, on every page and in every file that shows patches."""

from __future__ import annotations

import re
import xml.dom.minidom
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from neurflow_report.drawing.figures.mosaic import crop, stored
from neurflow_report.drawing.figures.paint import frame, window
from neurflow_report.drawing.view import site_view
from neurflow_report.drawing.view.model.graph import Tile
from neurflow_report.drawing.write.pdf import print_html
from neurflow_report.drawing.write.single_file import single_html
from neurflow_report.drawing.write.site import site_files
from neurflow_report.results.bundle import Bundle, write_bundle
from neurflow_report.results.records import ClassResult, Region
from tests import sample_bundle


@pytest.fixture(scope="module", params=[(28, 28), (4, 3)], ids=["28 px", "3 px"])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The sample with an input and pictures of so many pixels."""
    size, side = request.param
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sample_bundle, "SIZE", size)
        run, classes, provenance, pictures = sample_bundle.sample_bundle(pictures=3)
    region = Region(left=0, top=0, width=side, height=side)

    def shrunk(result: ClassResult) -> ClassResult:
        found = tuple(p.model_copy(update={"width": side, "height": side, "region": region}) for p in result.pictures)
        return result.model_copy(update={"pictures": found})

    def smaller(data: bytes) -> bytes:
        out = BytesIO()
        with Image.open(BytesIO(data)) as picture:
            picture.resize((side, side)).save(out, "PNG")
        return out.getvalue()

    return write_bundle(
        tmp_path_factory.mktemp("small") / "bundle",
        run=run,
        classes=tuple(map(shrunk, classes)),
        provenance=provenance,
        pictures={name: smaller(data) for name, data in pictures.items()},
    )


def tile(**changes: object) -> Tile:
    given = {"index": 1, "slug": "bee", "image": 0, "file": "a", "href": "b", "left": 0.25, "top": 0.5, "side": 0.25}
    return Tile(**given | {"outlined": True} | changes)  # type: ignore[arg-type]


def test_a_frame_lies_in_the_picture() -> None:
    assert window(tile()) == "0 0 1 1"
    assert window(tile(outlined=False)) == "0.25 0.5 0.25 0.25"
    assert frame(tile(outlined=False)) == ""
    assert frame(tile(left=0, top=0, side=1)) == ""
    for one in (tile(), tile(left=0, top=0.75), tile(left=0.75, top=0)):
        rects = re.findall(
            r'<rect x="(.+?)" y="(.+?)" width="(.+?)" height="(.+?)" .*?stroke-width="(.+?)"/>', frame(one)
        )
        assert len(rects) == 2
        for rect in rects:
            x, y, width, height, line = map(float, rect)
            assert min(x, y) - line / 2 >= 0
            assert max(x + width, y + height) + line / 2 <= 1 + 1e-9


def test_a_tiny_picture_keeps_its_pixels() -> None:
    tiny = Image.fromarray(np.random.default_rng(0).integers(0, 256, (3, 3, 3), dtype=np.uint8))
    with Image.open(BytesIO(stored(tiny, "webp"))) as kept:
        assert kept.size == (3, 3)
        assert np.array_equal(np.asarray(kept.convert("RGB")), np.asarray(tiny))
    with Image.open(BytesIO(stored(tiny, "jpeg"))) as printed:
        assert printed.size == (192, 192)
    large = np.asarray(crop(tiny, tile(), 30))
    assert np.array_equal(large[::10, ::10], np.asarray(tiny))
    assert len(np.unique(large.reshape(-1, 3), axis=0)) == 9


def test_when_tiles_are_outlined(bundle: Bundle, small: Bundle) -> None:
    def outlined(of: Bundle, tiles: str) -> bool:
        view = site_view(replace(of, run=of.run.model_copy(update={"tiles": tiles})))
        found = {t.outlined for page in view.classes for n in page.circuit.diagram.nodes for t in n.tiles}
        assert len(found) == 1
        return found.pop()

    assert [outlined(bundle, tiles) for tiles in ("auto", "patch", "outlined")] == [False, False, True]
    assert [outlined(small, tiles) for tiles in ("auto", "patch", "outlined")] == [True, False, True]


@pytest.mark.slow
def test_every_tile_is_outlined_wherever_it_is_shown(small: Bundle) -> None:
    view = site_view(small)
    files = dict(site_files(small, view))
    html = files["class/bee-co/layer3/index.html"].decode()
    assert html.count('class="whole b') > 10
    assert re.search(r'<img [^>]*class="whole (b\d+)"><b class=\1></b>', html)
    assert "<html lang=en data-theme=auto class=pixels>" in html
    for name in ("data/bee-co/groups.svg", "data/bee-co/all-neurons.svg"):
        xml.dom.minidom.parseString(files[name])
        assert files[name].count(b'stroke="#fff" stroke-width="0.025"') > 3
    one = single_html(small, None)
    assert '<svg viewBox="0 0 1 1" class="whole b' in one
    assert one.count('stroke="#111" stroke-width="0.05"') > 20
    drawings = print_html(view, None)[1]
    assert sum(read().count(b'stroke="#111"') for read in drawings.values()) > 20


@pytest.mark.slow
def test_large_pictures_are_smooth(site: Path) -> None:
    html = (site / "class/bee-co/layer3/index.html").read_text(encoding="utf-8")
    assert "class=pixels" not in html
    assert 'class="whole' not in html
