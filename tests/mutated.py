"""Bundles with one thing changed in a record, and every digest right again: what somebody else may have written."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.sample_bundle import seal

HUGE = 10**30
STRINGS = ("", "none of them", "a/b", "../x", "index.html", "<b>&\"'", "é\u202e", "a\x00b", "\x1b[31m", "x" * 5000)
NUMBERS: tuple[Any, ...] = (0, -1, 1, 3, 7, HUGE, -HUGE, 2**63, 10**9, 0.5, -0.5, 1e308, 1e-320, 5, 100, float("nan"))
OTHERS: tuple[Any, ...] = (None, True, [], {}, "", "7", [None])


def mutate(root: Path, seed: int) -> str:
    """Change one thing in one record of the bundle at `root`; → what was changed."""
    draw = random.Random(seed)
    files = sorted(p for p in root.rglob("*.json") if p.name != "manifest.json")
    file = draw.choice([*files, root / "manifest.json"] if draw.random() < 0.1 else files)
    value = json.loads(file.read_text(encoding="utf-8"))
    place, told = _change(draw, value)
    file.write_text(json.dumps(value), encoding="utf-8")
    if file.name != "manifest.json":
        renew(root, file)
    seal(root)
    return f"{file.relative_to(root)} {'.'.join(map(str, place))}: {told}"


def renew(root: Path, *files: Path) -> None:
    """Make the manifest's digests of these files right."""
    manifest = json.loads((root / "manifest.json").read_text(encoding="utf-8"))
    for file in files:
        name = file.relative_to(root).as_posix()
        manifest["files"][name] = hashlib.sha256(file.read_bytes()).hexdigest()
    (root / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    seal(root)


def _change(draw: random.Random, value: Any) -> tuple[tuple[str | int, ...], str]:
    """One change at a place that is chosen by its shape, so that long lists do not hide what stands once."""
    kinds: dict[tuple[str, ...], list[tuple[str | int, ...]]] = {}
    for place in _places(value):
        kinds.setdefault(tuple(p if isinstance(p, str) else "*" for p in place), []).append(place)
    place = draw.choice(kinds[draw.choice(sorted(kinds))])
    holder: Any = value
    for step in place[:-1]:
        holder = holder[step]
    return place, draw.choice(_ways(holder, place[-1]))(draw)


def _places(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*place, key)
        yield from _places(item, (*place, key))


def _ways(holder: Any, key: Any) -> list[Callable[[random.Random], str]]:
    value = holder[key]

    def put(new: Any) -> str:
        holder[key] = new
        return f"{str(value)[:40]!r} -> {str(new)[:40]!r}"

    def drop(_draw: random.Random) -> str:
        del holder[key]
        return "dropped"

    def twice(draw: random.Random) -> str:
        holder.insert(draw.randrange(len(holder) + 1), value)
        return "twice"

    def swap(draw: random.Random) -> str:
        other = draw.randrange(len(holder))
        holder[key], holder[other] = holder[other], value
        return f"swapped with {other}"

    ways: list[Callable[[random.Random], str]] = [drop, lambda draw: put(draw.choice(OTHERS))]
    if isinstance(holder, list):
        ways += [twice, swap]
    if isinstance(value, bool):
        ways += [lambda _draw: put(not value)] * 3
    elif isinstance(value, int | float):
        ways += [lambda draw: put(draw.choice(NUMBERS)), lambda draw: put(value + draw.choice((-1, 1)))] * 3
    elif isinstance(value, str):
        ways += [lambda draw: put(draw.choice(STRINGS))] * 3
    elif isinstance(value, list):
        ways += [lambda _draw: put([]), lambda _draw: put(value[:1]), lambda _draw: put(value[::-1])]
    return ways
