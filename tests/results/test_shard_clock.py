"""The clock of a bundle that several shards made: the last moment, the seconds of all, the memory of the largest."""

from __future__ import annotations

from pathlib import Path

from neurflow_report.results.records import Clock
from neurflow_report.results.shard import Shard, _together
from tests.sample_bundle import sample_bundle


def together(*clocks: Clock) -> Clock:
    run, _, provenance, _ = sample_bundle(pictures=1)
    shards = [
        Shard(
            path=Path(f"shard-{n}.shard"), run=run, provenance=provenance.model_copy(update={"clock": one}), classes={}
        )
        for n, one in enumerate(clocks)
    ]
    return _together([*shards, shards[0]]).clock  # one that is there twice counts once


def test_clocks_are_put_together() -> None:
    first = Clock(created="2026-01-02T00:00:00Z", seconds={"a": 1.0, "b": 2.0}, resident={"a": 5, "b": 9})
    second = Clock(created="2026-01-03T00:00:00Z", seconds={"a": 1.5}, resident={"a": 7}, allocated={"a": 3})
    assert together(first, second) == Clock(
        created="2026-01-03T00:00:00Z", seconds={"a": 2.5, "b": 2.0}, resident={"a": 7, "b": 9}, allocated={"a": 3}
    )
    bare = Clock(created="2026-01-01T00:00:00Z", seconds=None)
    assert together(bare, bare) == bare
