"""Single bytes changed at random in a bundle, a site, a PDF, an archive: `python -m tests.verification.flips 500`."""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from neurflow_report.errors import InputError
from neurflow_report.report import archive
from neurflow_report.verification.verify import verify
from tests.verification.kept import Drawing, built

KINDS = ("bundle", "site", "report.pdf", "archive")


def flips(report: Path, count: int, seed: int, scratch: Path) -> Iterator[tuple[str, str, str]]:
    """Flip a byte, verify, and flip it back, `count` times.

    Returns: what was changed (its kind, which byte), and what was found, or "".
    """
    draw, zipped = Drawing(scratch / "kept"), scratch / "report.zip"
    archive(report, zipped)
    chance = random.Random(seed)
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        path = zipped if kind == "archive" else report / kind
        file = chance.choice(sorted(p for p in path.rglob("*") if p.is_file())) if path.is_dir() else path
        data = file.read_bytes()
        at, by = chance.randrange(len(data)), chance.randrange(1, 256)
        fresh = file.with_name(f".{file.name}")  # not into the file itself, which may be a link to another
        fresh.write_bytes(data[:at] + bytes([data[at] ^ by]) + data[at + 1 :])
        fresh.replace(file)
        told = f"{file.relative_to(path) if path.is_dir() else file.name} byte {at} ^ {by}"
        try:
            found = verify(zipped if kind == "archive" else report, draw=draw).findings
            yield kind, told, str(found[0]) if found else ""
        except InputError as error:
            yield kind, told, str(error)
        finally:
            file.write_bytes(data)


def main(count: int) -> None:
    """Count them, and tell those that were not found."""
    begun, seen, missed = time.monotonic(), Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        report = built(Path(folder))
        (Path(folder) / "scratch").mkdir()
        for kind, told, found in flips(report, count, 1, Path(folder) / "scratch"):
            seen[kind] += 1
            if not found:
                missed[kind] += 1
                print(f"not found: {kind} {told}")
        shutil.rmtree(report)
    told = ", ".join(f"{kind} {seen[kind] - missed[kind]} of {seen[kind]}" for kind in KINDS)
    print(f"found: {told}; {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]))
