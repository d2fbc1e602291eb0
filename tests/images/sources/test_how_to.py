"""docs/how-to/add-a-source.md: its module and its entry, put where it says, are a source."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from neurflow_report.errors import InputError
from neurflow_report.images import sources
from neurflow_report.spec.sources import SOURCES, SourceKind

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "add-a-source.md"


@pytest.fixture
def npz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An archive; the page's source is there."""
    code, entry = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "npz.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(sources, "__path__", [*sources.__path__, str(folder)])
    kind = eval(entry, {"SourceKind": SourceKind})
    monkeypatch.setitem(SOURCES, kind.name, kind)  # type: ignore[arg-type]
    np.savez(tmp_path / "pictures.npz", images=np.full((3, 8, 9, 3), 7, np.uint8), labels=np.array([1, 0, 1]))
    yield tmp_path / "pictures.npz"
    sys.modules.pop("neurflow_report.images.sources.npz", None)


def test_the_source_is_opened_by_its_name(npz: Path) -> None:
    found = sources.open_source(source="npz", file=npz)
    assert [(item.name, item.label) for item in found.items] == [("000001", 0), ("000000", 1), ("000002", 1)]
    assert found.items[0].open().size == (9, 8)
    assert found.class_names == ("0", "1")


def test_a_file_that_is_none_is_told(npz: Path) -> None:
    with pytest.raises(InputError, match=r"^data\.file: 'gone\.npz' cannot be read: .* \[data-missing\]"):
        sources.open_source(source="npz", file=npz.with_name("gone.npz"))


def test_every_source_of_the_spec_has_its_module_which_takes_what_the_spec_says() -> None:
    from importlib import import_module
    from inspect import signature

    for name, kind in SOURCES.items():
        module = import_module(f"neurflow_report.images.sources.{name}")
        assert set(signature(module.open_pictures).parameters) == set(kind.takes), name
