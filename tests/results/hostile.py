"""Bundles and shards that a stranger changed, their digests renewed: `python -m tests.results.hostile 1000`, and
`… 1000 1 shards`.

A value anywhere in the records is replaced, left out, doubled, or moved; pictures too. Such a bundle is refused, or
drawn: anything else is an error of ours.
"""

from __future__ import annotations

import copy
import hashlib
import json
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neurflow_report.errors import ReportError
from neurflow_report.report import merge, render
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.cache import Kept
from neurflow_report.results.packed import packed, unpacked
from neurflow_report.results.shard import write_shard
from tests.sample_bundle import frozen_bundle

NUMBERS = (0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 1e308, -1e308, 5e-324, 0.5, 1.0000001, 65_536, 1_000_000)
TEXTS = (
    "",
    "x" * 5000,
    "../../../etc/passwd",
    "/etc/passwd",
    "a/../../b.png",
    "<script>alert(1)</script>",
    "{{ 7 * 7 }}",
    "\u0000",
    "\ud800",
    "\u202eabc",
    "con",
    "G1",
    "n0",
    "layer3",
    "javascript:alert(1)",
    "https://example.org/x",
    '"><img src=x onerror=alert(1)>',
    "\n\n# heading",
    "٣",
    "a" * 300 + ".png",
)
PICTURES = (
    b"",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    b"\xff\xd8\xff",
    b"x" * 99,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


def changed(value: Any, chance: random.Random) -> tuple[Any, str]:
    """The value with one or a few places changed; and what was done."""
    value, told = copy.deepcopy(value), []
    every = [path for path in places(value) if path]
    if not every:
        return chance.choice(({}, [{}], 3, None, "x")), "all of it"
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        path = chance.choice(every)
        try:
            around = value
            for key in path[:-1]:
                around = around[key]
            before = around[path[-1]]
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took it away
        around[path[-1]] = after = _other(before, chance)
        done = f"{str(before)[:30]!r} → {str(after)[:30]!r}"
        if chance.random() < 0.15 and isinstance(around, dict):
            del around[path[-1]]
            done = "left out"
        elif chance.random() < 0.15 and isinstance(around, list):
            around.insert(chance.randrange(len(around) + 1), copy.deepcopy(chance.choice(around)))
            done += ", one doubled"
        told.append(f"{'.'.join(map(str, path))}: {done}")
    return value, "; ".join(told)


def _other(value: Any, chance: random.Random) -> Any:
    if chance.random() < 0.1:
        return chance.choice((None, True, [], {}, "x", 3, [[]], {"a": 1}))
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return chance.choice((*NUMBERS, -value, value + 1, value * 1.5, float(value)))
    if isinstance(value, str):
        return chance.choice((*TEXTS, value.upper(), value + "x", value[:-1], value[::-1]))
    if isinstance(value, list):
        return chance.choice(([], value[1:], value + value, value[::-1], value * 40, [value]))
    if isinstance(value, dict):
        return chance.choice(({}, {**value, "more": 1}, dict(list(value.items())[1:])))
    return chance.choice((0, "", [], {}, 1.5))


def mutate(root: Path, chance: random.Random) -> str:
    """Change the bundle at `root`, and renew its digests. Returns: what was done."""
    files = sorted(p for p in root.rglob("*") if p.is_file() and p.name != "manifest.sha256")
    records = [p for p in files if p.suffix == ".json"]
    if chance.random() < 0.1:
        file = chance.choice([p for p in files if p.suffix != ".json"])
        file.write_bytes(chance.choice((*PICTURES, file.read_bytes()[: chance.randrange(200)])))
        told = f"{file.name} is no picture"
    else:
        file = chance.choice(records)
        value, told = changed(json.loads(file.read_bytes()), chance)
        file.write_bytes(json.dumps(value, ensure_ascii=True).encode())
    manifest = root / "manifest.json"
    known = json.loads(manifest.read_bytes())
    if isinstance(known, dict) and isinstance(known.get("files"), dict):
        for path in files:
            name = path.relative_to(root).as_posix()
            if name in known["files"]:
                known["files"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
        manifest.write_bytes(json.dumps(known, ensure_ascii=True).encode())
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    (root / "manifest.sha256").write_text(f"{digest}  manifest.json\n")
    return f"{file.relative_to(root)}: {told}"


def tried(count: int, seed: int, scratch: Path) -> Iterator[tuple[str, str]]:
    """What was done to a bundle, and "refused", "drawn", or the traceback of an error of ours."""
    sample = frozen_bundle(scratch / "sample", pictures=2, classes=2).root
    chance = random.Random(seed)
    for number in range(count):
        folder = scratch / str(number)
        shutil.copytree(sample, folder / "bundle")
        told = mutate(folder / "bundle", chance)
        try:
            render(folder / "bundle", output=folder / "out", formats=("html",))
            found = "drawn"
        except ReportError as error:
            found = "refused" if error.slug != "internal-error" else str(error)
        except Exception:
            found = traceback.format_exc()
        inside = {path.name for path in folder.iterdir()}
        yield told, found if inside <= {"bundle", "out"} else f"written beside: {inside}"
        shutil.rmtree(folder)


def mutated_shard(inside: dict[str, bytes], chance: random.Random) -> tuple[bytes, str]:
    """A shard of other files than these, or a file that is none; and what was done."""
    files, name = dict(inside), chance.choice(list(inside))
    told = f"{name} left out"
    if chance.random() < 0.1:
        data = bytearray(packed(files))
        for _ in range(chance.choice((1, 3, 50))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        cut = bytes(data[: chance.randrange(len(data))]) if chance.random() < 0.5 else bytes(data)
        body = cut[64:] if chance.random() < 0.8 else b"PK"
        return hashlib.sha256(body).hexdigest().encode() + body, "bytes of it are others"
    if name.endswith(".json"):
        value, told = changed(json.loads(files[name]), chance)
        files[name] = json.dumps(value, ensure_ascii=True).encode()
        told = f"{name}: {told}"
    elif chance.random() < 0.5:
        files[chance.choice(TEXTS[2:5])] = files.pop(name)
        told = f"{name} is called otherwise"
    else:
        del files[name]
    return packed(files), told


def tried_shards(count: int, seed: int, scratch: Path) -> Iterator[tuple[str, str]]:
    """The same for shards, which are merged."""
    bundle = frozen_bundle(scratch / "sample", pictures=2, classes=2)
    kept = [
        Kept(result=c, pictures={p.file: bundle.picture_bytes(p.file) for p in c.pictures if p.file})
        for c in bundle.classes
    ]
    sample = scratch / "sample.shard"
    write_shard(sample, run=bundle.run, provenance=bundle.manifest.provenance, classes=kept)
    inside, chance = unpacked(sample), random.Random(seed)
    for number in range(count):
        folder = scratch / str(number)
        (folder / "in").mkdir(parents=True)
        data, told = mutated_shard(inside, chance)
        (folder / "in" / "shard-1-of-1.shard").write_bytes(data)
        try:
            found = "drawn" if read_bundle(merge([folder / "in"], output=folder / "out")) else ""
        except ReportError as error:
            found = "refused" if error.slug != "internal-error" else str(error)
        except Exception:
            found = traceback.format_exc()
        beside = {path.name for path in folder.iterdir()}
        yield told, found if beside <= {"in", "out"} else f"written beside: {beside}"
        shutil.rmtree(folder)


def main(count: int, seed: int = 1, what: str = "bundles") -> int:
    """Count them, and tell those that are errors of ours."""
    begun, seen = time.monotonic(), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for told, found in (tried_shards if what == "shards" else tried)(count, seed, Path(folder)):
            kind = found if found in {"refused", "drawn"} else "failed"
            seen[kind] += 1
            if kind == "failed":
                print(f"--- {told}\n{found}", flush=True)
    print(
        f"{seen['refused']} refused, {seen['drawn']} drawn, {seen['failed']} failed; {time.monotonic() - begun:.0f} s"
    )
    return min(1, seen["failed"])


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3]), *sys.argv[3:]))
