"""What a stranger changed of ours is refused or drawn (hostile.py tries as many as are wanted)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.results.hostile import tried, tried_archives, tried_shards


@pytest.mark.slow
def test_they_are_refused_or_drawn(tmp_path: Path) -> None:
    found = list(tried(24, 3, tmp_path))
    assert [one for one in found if one[1] not in {"refused", "drawn"}] == []
    assert {kind for _, kind in found} == {"refused", "drawn"}


def test_shards_are_refused_or_merged(tmp_path: Path) -> None:
    found = list(tried_shards(40, 3, tmp_path))
    assert [one for one in found if one[1] not in {"refused", "drawn"}] == []
    assert {kind for _, kind in found} == {"refused", "drawn"}


@pytest.mark.slow
def test_archives_are_refused_or_drawn(tmp_path: Path) -> None:
    found = list(tried_archives(20, 3, tmp_path))
    assert [one for one in found if one[1] not in {"refused", "drawn"}] == []
    assert {kind for _, kind in found} == {"refused", "drawn"}
