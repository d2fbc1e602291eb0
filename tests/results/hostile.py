"""Bundles, shards and archives that a stranger changed, their digests renewed: `python -m tests.results.hostile 1000`,
`… 1000 1 shards`, and `… 1000 1 archives`.

A value anywhere in the records is replaced, left out, doubled, or moved; pictures too; of an archive also its entries
and its bytes. Such a one is refused, or drawn: anything else is an error of ours, as is a file that is written beside
what was asked for.
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
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neurflow_report.errors import ReportError
from neurflow_report.packing.opened import opened
from neurflow_report.report import archive, merge, render, verify
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


NAMES = (
    "../out.txt",
    "bundle/../../out.txt",
    "/var/neurflow-out.txt",
    "bundle\\..\\..\\out.txt",
    "C:/out.txt",
    "bundle/run.json/more",
    "bundle/con",
    "bundle/" + "d/" * 300 + "x",
    "bundle/" + "n" * 300,
    "bundle/pictures/\u202egnp.exe",
    "bundle/",
    "",
)
Entries = list[tuple[zipfile.ZipInfo, bytes]]


def mutated_archive(report: Path, sample: Path, target: Path, chance: random.Random) -> str:
    """Write a changed archive. Returns: what was done.

    Args:
        report: a copy of the report's folder, in which the bundle may be changed.
        sample: its archive.
    """
    what = chance.choice(("records", "records", "entries", "entries", "bytes"))
    if what == "records":
        told = mutate(report / "bundle", chance)
        with zipfile.ZipFile(sample) as given, zipfile.ZipFile(target, "w") as made:
            for entry in given.infolist():
                made.writestr(
                    entry, (report / entry.filename).read_bytes() if (report / entry.filename).is_file() else b""
                )
        return told
    if what == "bytes":
        return _other_bytes(sample, target, chance)
    with zipfile.ZipFile(sample) as given:
        entries: Entries = [(entry, given.read(entry)) for entry in given.infolist()]
    told = "; ".join(_other_entry(entries, chance) for _ in range(chance.choice((1, 1, 2, 4))))
    with warnings.catch_warnings(), zipfile.ZipFile(target, "w") as made:
        warnings.simplefilter("ignore")  # of names that are there twice
        for entry, data in entries:
            made.writestr(entry, data, entry.compress_type)
    return told


def _other_entry(entries: Entries, chance: random.Random) -> str:
    """Change one of the entries. Returns: what was done."""
    place = chance.randrange(len(entries))
    entry, data = entries[place]
    name, how = entry.filename, chance.randrange(7)
    if how == 0:
        del entries[place]
        return f"{name} left out"
    fresh = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    fresh.create_system, fresh.external_attr = entry.create_system, entry.external_attr
    if how == 1:
        entries.insert(chance.randrange(len(entries)), (fresh, chance.choice((data, data[:7], b""))))
        return f"{name} twice"
    if how == 2:
        fresh.filename = chance.choice(NAMES)
        told = f"{name} is called {fresh.filename[:40]!r}"
    elif how == 3:
        kind = chance.choice((0o120777, 0o010644, 0o020644, 0o040755, 0o104755, 0o000000))
        fresh.create_system, fresh.external_attr, data = 3, kind << 16, chance.choice((b"../../out.txt", data))
        told = f"{name} has the mode {kind:o}"
    elif how == 4:
        fresh.compress_type = chance.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
        data = chance.choice((data, b"\0" * 20_000_000))
        told = f"{name} is compressed ({fresh.compress_type}), {len(data)} bytes"
    elif how == 5:
        data = chance.choice((*PICTURES, data + b"x", data[: len(data) // 2]))
        told = f"{name} has other bytes"
    else:
        fresh.extra, fresh.comment = chance.choice((b"", b"\x01\x00\x04\x00abcd", b"\xff")), b"c" * chance.randrange(99)
        told = f"{name} has an extra field and a comment"
    entries[place] = (fresh, data)
    return told


def _other_bytes(sample: Path, target: Path, chance: random.Random) -> str:
    """Change bytes of the file itself, those of the directory at its end as often as others."""
    data = bytearray(sample.read_bytes())
    begin = chance.choice((0, data.rfind(b"PK\x01\x02") - 2000, data.rfind(b"PK\x05\x06")))
    for _ in range(chance.choice((1, 1, 3, 50))):
        data[chance.randrange(max(0, begin), len(data))] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
    if chance.random() < 0.2:
        data = data[: chance.randrange(len(data))]
    if chance.random() < 0.1:
        data = data + bytes(chance.randrange(3000))
    target.write_bytes(data)
    return "bytes of the file are others"


def tried_archives(count: int, seed: int, scratch: Path) -> Iterator[tuple[str, str]]:
    """The same for archives, whose bundles are drawn; each tenth is verified."""
    frozen_bundle(scratch / "sample", pictures=2, classes=2)
    render(scratch / "sample" / "bundle", formats=("html",))
    sample, chance = archive(scratch / "sample", scratch / "sample.zip").archive, random.Random(seed)
    before, tempfile.tempdir = tempfile.tempdir, str(scratch / "own")
    try:
        for number in range(count):
            folder, own = scratch / str(number), scratch / "own"
            own.mkdir()
            shutil.copytree(scratch / "sample", folder / "report")
            told = mutated_archive(folder / "report", sample, folder / "a.zip", chance)
            shutil.rmtree(folder / "report")
            try:
                if number % 10 == 9:
                    found = "drawn" if not verify(folder / "a.zip").findings else "refused"
                else:
                    with opened(folder / "a.zip") as bundle:
                        render(bundle.root, output=folder / "out", formats=("html",))
                    found = "drawn"
            except ReportError as error:
                found = "refused" if error.slug != "internal-error" else str(error)
            except Exception:
                found = traceback.format_exc()
            beside = {p.name for p in folder.iterdir()} - {"a.zip", "out"} | {p.name for p in own.iterdir()}
            beside |= {p.name for p in scratch.iterdir()} - {"sample", "sample.zip", "own", str(number)}
            yield told, f"written beside: {beside}" if beside else found
            shutil.rmtree(folder)
            shutil.rmtree(own)
    finally:
        tempfile.tempdir = before


TRIED = {"bundles": tried, "shards": tried_shards, "archives": tried_archives}


def main(count: int, seed: int = 1, what: str = "bundles") -> int:
    """Count them, and tell those that are errors of ours."""
    begun, seen = time.monotonic(), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for told, found in TRIED[what](count, seed, Path(folder)):
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
