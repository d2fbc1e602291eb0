"""A report that stands there as it would be drawn is known; after any change it is not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from neurflow_report.drawing.write import redrawn
from neurflow_report.drawing.write.redrawn import Redrawn
from neurflow_report.results import surroundings
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.cache import Cache
from tests.sample_bundle import frozen_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle, something that was drawn from it, and a user's templates."""
    frozen_bundle(tmp_path, pictures=2, classes=1)
    (tmp_path / "site" / "static").mkdir(parents=True)
    (tmp_path / "site" / "index.html").write_text("drawn")
    (tmp_path / "report.pdf").write_text("drawn")
    (tmp_path / "brand" / "site").mkdir(parents=True)
    (tmp_path / "brand" / "site" / "base.html").write_text("mine")
    return tmp_path


def known(folder: Path, *, formats: tuple[str, ...] = ("html", "pdf"), attach: bool = False) -> Redrawn:
    places = {"html": folder / "site", "pdf": folder / "report.pdf", "single": folder / "report.html"}
    places = {name: place for name, place in places.items() if name in formats}
    cache, bundle = Cache(folder=folder / "cache"), read_bundle(folder).root
    found = Redrawn.of(cache, bundle, places, folder / "brand", folder / "names.yaml", attach)
    assert found is not None
    return found


CHANGES: dict[str, Callable[[Path, pytest.MonkeyPatch], object]] = {
    "page": lambda f, _: (f / "site" / "index.html").write_text("changed"),
    "more": lambda f, _: (f / "site" / "more.html").write_text("more"),
    "gone": lambda f, _: (f / "report.pdf").unlink(),
    "no site": lambda f, _: shutil.rmtree(f / "site"),
    "template": lambda f, _: (f / "brand" / "site" / "base.html").write_text("other"),
    "names": lambda f, _: (f / "names.yaml").write_text("x: {}"),
    "entry": lambda f, _: next((f / "cache").glob("*.drawn")).write_bytes(b"0" * 100),
    "program": lambda _, p: p.setattr(redrawn, "program", lambda: "another"),
    "own templates": lambda f, p: p.setattr(redrawn, "own_templates", lambda: f / "brand"),
    "dot": lambda _, p: p.setattr(redrawn, "dot_marks", lambda: None),
    "fonts": lambda f, p: p.setattr(redrawn, "_FONTS", (str(f),)),
    "language": lambda _, p: p.setenv("LC_ALL", "tr_TR.UTF-8"),
    "moment": lambda _, p: p.setenv("SOURCE_DATE_EPOCH", "7"),
    "matplotlib": lambda f, p: (f.joinpath("matplotlibrc").write_text("lines.linewidth: 9"), p.chdir(f)),
    "system": lambda _, p: p.setattr(surroundings, "_SYSTEM", ("/",)),
    "packages": lambda _, p: p.setattr(redrawn, "packages", list),
    "modules": lambda _, p: p.setattr(redrawn, "modules", lambda _names: {}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changed_is_drawn_again(folder: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    assert known(folder).there() is None
    known(folder).keep({"pages": 3}, "A title")
    assert known(folder).there() == {"pages": 3}
    CHANGES[what](folder, monkeypatch)
    assert known(folder).there() is None


def test_another_bundle_or_another_wish(folder: Path, tmp_path: Path) -> None:
    known(folder).keep({"pages": 3}, "A title")
    assert known(folder, formats=("html",)).there() is None
    assert known(folder, attach=True).there() is None
    shutil.rmtree(folder / "bundle")
    frozen_bundle(folder, pictures=3, classes=1)
    assert known(folder).there() is None
