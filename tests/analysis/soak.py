"""Builds that are killed at random moments, and begun again until they are done: `python -m tests.analysis.soak 50`.

Each must come to the bundle of a build that nobody disturbed, byte for byte, and to its site, and leave nothing else. A
process takes a moment to begin, so one that has everything imported is forked for each.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

import neurflow_report.analysis.run
import neurflow_report.drawing.write.site  # noqa: F401
from neurflow_report.cli import main as run_command
from tests.small_spec import SMALL, merged

SIGNALS = {signal.SIGKILL: -9, signal.SIGTERM: 143, signal.SIGINT: 130}
SMALLER = {
    "classes": ["firebell", "snowstar", "larkheart"],
    "layers": ["block4", "fc"],
    "concept": {"k": 8},
    "fidelity": {"experiments": ["masking"], "taus": [1], "draws": 3},
    "report": {"formats": ["html"]},
}


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A build that was killed `kills` times until it was done; `odd`: what is wrong with what it left, or ""."""

    kills: int
    how: tuple[str, ...]
    odd: str


def begun(folder: Path) -> int:
    """A process that builds the spec in `folder`. Returns: its number."""
    if child := os.fork():
        return child
    code = 1
    try:
        for number in SIGNALS:
            if number != signal.SIGKILL:
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        code = run_command(["build", str(folder / "spec.yaml"), "--quiet"])
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """How a process ended: its code, or minus the number of the signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def files(folder: Path) -> dict[str, bytes]:
    """All that lies in an output folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def prepared(folder: Path) -> Path:
    """The folder with a spec whose output and cache lie in it."""
    folder.mkdir(parents=True)
    own = {"output": str(folder / "out"), "runtime": {"cache": str(folder / "cache")}}
    values = merged(merged(SMALL, SMALLER), own)
    (folder / "spec.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    return folder


def killed_until_done(folder: Path, whole: dict[str, bytes], seconds: float, chance: random.Random) -> Killed:
    """One build.

    Args:
        whole: what an undisturbed one leaves.
        seconds: what that took.
    """
    prepared(folder)
    how, odd = list[str](), ""
    while not odd:
        child, number = begun(folder), chance.choice(list(SIGNALS))
        wait = chance.uniform(0.0, 1.1 * seconds)
        until = time.monotonic() + wait
        gone = (0, 0)
        while time.monotonic() < until and not gone[0]:
            gone = os.waitpid(child, os.WNOHANG)
            time.sleep(0.005)
        if gone[0]:
            code = os.waitstatus_to_exitcode(gone[1])
        else:
            os.kill(child, number)
            code = ended(child)
        if code == 0:
            break
        how.append(f"{signal.Signals(number).name} after {wait:.2f} s: {code}")
        if gone[0] or code not in {SIGNALS[number], -number}:
            odd = f"it ended with {code}: {how[-1]}"
            break
    if not odd:
        found = compared(files(folder / "out"))
        odd = "" if found == whole else f"it differs in {sorted(set(found) ^ set(whole)) or differing(found, whole)}"
    shutil.rmtree(folder)
    return Killed(kills=len(how), how=tuple(how), odd=odd)


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """The files that are not the same."""
    return [name for name in one if one[name] != other.get(name)][:5]


def compared(found: dict[str, bytes]) -> dict[str, bytes]:
    """What is compared: the bundle, and the names of all else."""
    return {name: data if name.startswith("bundle/") else b"" for name, data in found.items()}


def tried(kills: int, seed: int, scratch: Path) -> Iterator[Killed]:
    """Builds, until so many times one was killed."""
    os.environ["SOURCE_DATE_EPOCH"] = "1700000000"
    chance, place = random.Random(seed), scratch / "same"  # the spec stands in the bundle, and names its folder
    prepared(place)
    begin = time.monotonic()
    assert ended(begun(place)) == 0
    seconds = time.monotonic() - begin
    whole = compared(files(place / "out"))
    shutil.rmtree(place)
    while kills > 0:
        found = killed_until_done(place, whole, seconds, chance)
        kills -= found.kills
        yield found


def main(kills: int, seed: int = 1) -> int:
    """Count them, and tell those that came to something else."""
    begin, seen = time.monotonic(), Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        for one in tried(kills, seed, Path(folder)):
            seen.update({"builds": 1, "kills": one.kills, "odd": bool(one.odd)})
            seen.update(how.split(" ")[0] for how in one.how)
            print(f"build {seen['builds']}: killed {one.kills} times, {seen['kills']} in all", flush=True)
            if one.odd:
                print(f"--- {one.odd}\n" + "\n".join(one.how), flush=True)
    told = ", ".join(f"{name} {number}" for name, number in sorted(seen.items()))
    print(f"{told}; {time.monotonic() - begin:.0f} s")
    return min(1, seen["odd"])


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
