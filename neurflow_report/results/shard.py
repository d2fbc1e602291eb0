"""Shards: what one of several runs of a spec found of its share of the classes, and the bundle that they make together.

    shard-<i>-of-<n>.shard     (packed.py)
        run.json               records.Run, of all classes
        provenance.json        records.Provenance
        <slug>/…               the files of each of its classes (cache.py)

Shard i of n has the classes i, i + n, i + 2n, … of the spec.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from neurflow_report.errors import InputError, RunError, Where
from neurflow_report.results.bundle import canonical_json, check_fit, is_there, write_bundle
from neurflow_report.results.cache import Kept, files_of, kept_of
from neurflow_report.results.contradictions import contradictions
from neurflow_report.results.given import missing, missing_told
from neurflow_report.results.packed import BrokenError, packed, unpacked, write_whole
from neurflow_report.results.records import ClassResult, Clock, FailedClass, Provenance, Run, Unexplained

SUFFIX = ".shard"
FORMAT = 1
_TEXT = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})")
APART = frozenset({"cross_checks", "failed"})
"""What of a run's record may differ between its shards, as which pictures `debugging` explains may: the first
alone has it, or it is of a shard's own classes."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Which shard: number `i`, from 1, of `n`."""

    i: int
    n: int

    @classmethod
    def of(cls, text: str) -> Part:
        """From "3/10".

        Raises: InputError command-line.
        """
        found = _TEXT.fullmatch(text.strip())
        if not found or int(found[1]) > int(found[2]):
            message = f"--shard {text}: expected a number and how many there are, such as 3/10, from 1/10 to 10/10"
            raise InputError("command-line", message)
        return cls(i=int(found[1]), n=int(found[2]))

    @property
    def file(self) -> str:
        """What its file is called."""
        return f"shard-{self.i}-of-{self.n}{SUFFIX}"

    def has(self, number: int) -> bool:
        """Whether class `number` of the spec, from 0, is in it."""
        return number % self.n == self.i - 1


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A shard as it was read: `classes` by their slugs."""

    path: Path
    run: Run
    provenance: Provenance
    classes: Mapping[str, Kept]


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What a bundle is written from."""

    run: Run
    provenance: Provenance
    classes: tuple[Kept, ...]

    @property
    def pictures(self) -> dict[str, bytes]:
        return {name: data for kept in self.classes for name, data in kept.pictures.items()}


def write_shard(path: Path, *, run: Run, provenance: Provenance, classes: Iterable[Kept]) -> None:
    """Write a shard, whole or not at all.

    Args: run: with the entries of all classes of the spec.
    Raises: InputError output-unwritable.
    """
    files = {
        "shard.json": json.dumps({"format": FORMAT}).encode(),
        "run.json": canonical_json(run),
        "provenance.json": canonical_json(provenance),
    }
    for kept in classes:
        files |= {f"{kept.result.slug}/{name}": data for name, data in files_of(kept).items()}
    try:
        write_whole(path, packed(files))
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror or error}"
        raise InputError("output-unwritable", message, hint="name a folder that you may write to") from error


def shards_in(paths: Sequence[Path]) -> list[Path]:
    """The shards that are named, and those in the folders that are, each once.

    Raises: InputError shard-missing where there is none.
    """
    found: dict[Path, Path] = {}
    for path in paths:
        some = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
        found |= {one.absolute(): one for one in some}
    if not found:
        where = ", ".join(str(path) for path in paths)
        message = f"there is no shard in {where}"
        raise InputError("shard-missing", message, hint="`neurflow-report analyze SPEC --shard 1/2` writes one")
    return list(found.values())


def read_shard(path: Path) -> Shard:
    """The shard at `path`.

    Raises: InputError shard-damaged.
    """
    try:
        files = unpacked(path)
        number = json.loads(files["shard.json"])["format"]
        if number != FORMAT:
            raise BrokenError(f"it has format {number}, and this version reads format {FORMAT}")
        run = Run.model_validate_json(files["run.json"])
        provenance = Provenance.model_validate_json(files["provenance.json"])
        known = [entry.slug for entry in run.classes]
        classes = {slug: kept_of(_under(files, slug)) for slug in known if f"{slug}/class.json" in files}
        if odd := next((slug for slug, kept in classes.items() if kept.result.slug != slug), None):
            raise BrokenError(f"what it has of {odd} is of another class")
    except ValidationError as error:
        raise _damaged(path, f"{error.error_count()} values in it are not as they should be") from error
    except OSError as error:
        raise _damaged(path, error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        told = str(error) if isinstance(error, BrokenError) else f"{type(error).__name__} at {error}"
        raise _damaged(path, told) from error
    return Shard(path=path, run=run, provenance=provenance, classes=classes)


def merged(shards: Sequence[Shard]) -> Merged:
    """What all shards have together. One that is there twice does no harm.

    Raises: InputError shard-mismatch where two are not of the same run, or differ on a class; shard-incomplete where a
        class is in none; shard-damaged where the records do not fit together.
    """
    first = shards[0]
    for other in shards[1:]:
        for what in ("run", "provenance"):
            if place := _difference(_comparable(getattr(first, what)), _comparable(getattr(other, what))):
                message = f"{other.path.name} is of another run than {first.path.name}: {what}.{place} differs"
                raise InputError("shard-mismatch", message, hint="merge shards of one spec, run by one version alone")
    found: dict[str, tuple[Shard, Kept]] = {}
    for shard in shards:
        for slug, kept in shard.classes.items():
            before, same = found.setdefault(slug, (shard, kept))
            if canonical_json(same.result) != canonical_json(kept.result):
                message = f"{before.path.name} and {shard.path.name} have found different things of {slug}"
                raise InputError("shard-mismatch", message, hint="remove the one that is not of this run")
    failed = {(one.slug, one.name): one for shard in shards for one in shard.run.failed if one.slug not in found}
    lost = {slug for slug, _ in failed}
    absent = [entry.name for entry in first.run.classes if entry.slug not in found and entry.slug not in lost]
    if absent:
        some = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
        are = "is" if len(absent) == 1 else "are"
        message = f"{len(absent)} of {len(first.run.classes)} classes {are} in no shard: {some}"
        raise InputError("shard-incomplete", message, hint="run the shards that are missing, then merge all")
    classes = tuple(found[entry.slug][1] for entry in first.run.classes if entry.slug in found)
    if not classes:
        raise RunError("class-failed", failed_told(tuple(failed.values()), 0), hint="mend what is told of each")
    checks = next((shard.run.cross_checks for shard in shards if shard.run.cross_checks), ())
    order = {entry.slug: number for number, entry in enumerate(first.run.classes)}
    all_failed = sorted(failed.values(), key=lambda one: order.get(one.slug, -1))
    run = first.run.model_copy(update={"cross_checks": checks, "failed": tuple(all_failed)})
    told = {_unexplained(shard.run) for shard in shards}
    if len(told) > 1:
        run = with_lost(run, list(chain.from_iterable(told)))
    run = settled(run, [kept.result for kept in classes]) if all_failed or len(told) > 1 else run
    for odd in contradictions(run, [kept.result for kept in classes]):
        where = found[odd.slug][0].path if odd.slug else first.path
        raise _damaged(where, odd.message)
    together = Merged(run=run, provenance=_together(shards), classes=classes)
    try:
        check_fit(run, [kept.result for kept in classes], together.pictures)
    except (ValueError, RecursionError) as error:
        raise _damaged(first.path, str(error)) from error
    return together


def settled(run: Run, results: Sequence[ClassResult]) -> Run:
    """The record of a run of which some classes or pictures failed: it tells of no others than there are results of."""
    slugs = {result.slug for result in results}
    digests = [picture.sha256 for result in results for picture in result.pictures]
    digests += [result.others_digest for result in results if result.others]
    data = run.data.model_copy(update={"digest": hashlib.sha256("\n".join(digests).encode()).hexdigest()})
    entries = tuple(entry for entry in run.classes if entry.slug in slugs)
    names = tuple(name for name in run.names if name.slug in slugs)
    debugging = run.debugging and run.debugging.model_copy(
        update={"explained": sum(len(result.debugged) for result in results)}
    )
    return run.model_copy(update={"classes": entries, "names": names, "data": data, "debugging": debugging})


def with_lost(run: Run, lost: Sequence[Unexplained]) -> Run:
    """The record of a run with pictures that could not be explained after all; the same in whichever order they are
    found, and by however many shards."""
    if run.debugging is None or not lost:
        return run
    every = {(one.name, one.reason): one for one in (*run.debugging.unexplained, *lost)}
    unexplained = tuple(one for _, one in sorted(every.items()))
    explained = run.debugging.explained - len(lost)
    debugging = run.debugging.model_copy(update={"explained": explained, "unexplained": unexplained})
    return run.model_copy(update={"debugging": debugging})


def _unexplained(run: Run) -> tuple[Unexplained, ...]:
    return run.debugging.unexplained if run.debugging else ()


def failed_told(failed: Sequence[FailedClass], others: int) -> str:
    """Which classes failed, and why.

    Args: others: classes that did not.
    """
    some = "; ".join(f"{one.name} ({one.reason})" for one in failed[:5])
    more = f"; and {len(failed) - 5} more" if len(failed) > 5 else ""
    return f"{len(failed)} of {len(failed) + others} classes could not be examined: {some}{more}"


def write_merged(
    target: Path, found: Merged, note: Callable[[str], None], drawn: Sequence[str] = (), *, known: bool = False
) -> None:
    """Write the bundle of what was found.

    Args:
        note: told what should be known of it.
        drawn: the names of what is drawn from a bundle and will not be drawn anew: it is told where it is there.
        known: an earlier run found it: where its bundle is there, it is left, with that run's clock.
    Raises: InputError output-unwritable.
    """
    output, results = target.parent, [kept.result for kept in found.classes]
    if known and is_there(target, run=found.run, classes=results, provenance=found.provenance, pictures=found.pictures):
        note("the bundle is there already")
        return
    write_bundle(target, run=found.run, classes=results, provenance=found.provenance, pictures=found.pictures)
    if absent := missing(found.run.names, results):
        note(missing_told(absent))
    if old := [name for name in drawn if os.path.lexists(output / name)]:
        are = "is" if len(old) == 1 else "are"
        draw = f"`neurflow-report render {output}` draws a report of this one"
        note(f"{' and '.join(old)} beside it {are} of an earlier run: {draw}")


def _together(shards: Sequence[Shard]) -> Provenance:
    """One provenance: the last moment, the seconds of all, and the memory of the largest."""
    clocks = [shard.provenance.clock for shard in {shard.path.name: shard for shard in shards}.values()]
    seconds: dict[str, float] | None = None
    for clock in clocks:
        for stage, value in (clock.seconds or {}).items():
            seconds = seconds or {}
            seconds[stage] = round(seconds.get(stage, 0.0) + value, 2)
    together = Clock(
        created=max(clock.created for clock in clocks),
        seconds=seconds,
        resident=_most([clock.resident for clock in clocks]),
        allocated=_most([clock.allocated for clock in clocks]),
    )
    return shards[0].provenance.model_copy(update={"clock": together})


def _most(found: Sequence[Mapping[str, int] | None]) -> dict[str, int] | None:
    """The largest value of each stage; None where there is none at all."""
    stages = dict.fromkeys(stage for one in found for stage in one or {})
    return {stage: max((one or {}).get(stage, 0) for one in found) for stage in stages} or None


def _comparable(record: BaseModel) -> dict[str, Any]:
    found = {key: value for key, value in record.model_dump(mode="json").items() if key not in {*APART, "clock"}}
    if found.get("debugging"):
        found["debugging"] |= {"explained": 0, "unexplained": []}
    return found


def _difference(one: Any, other: Any) -> str:
    """Where two values differ first; "" where they do not."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in dict.fromkeys([*one, *other]):
            if one.get(key) != other.get(key):
                return ".".join(filter(None, (str(key), _difference(one.get(key), other.get(key)))))
    return ""


def _under(files: Mapping[str, bytes], slug: str) -> dict[str, bytes]:
    return {name[len(slug) + 1 :]: data for name, data in files.items() if name.startswith(f"{slug}/")}


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        "shard-damaged",
        f"the shard is damaged: {reason}",
        hint="run this shard again",
        where=Where(file=str(path)),
    )
