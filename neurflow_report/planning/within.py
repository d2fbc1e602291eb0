"""Sizes that fit a time: how far down from what the spec asks for, on one ladder whose rungs never get larger.

What is given up first tests something beside the circuit, or tests it finer than a first look needs; the circuit itself
comes last:

1. the controls;
2. sizes over those of the preset `standard`;
3. other attribution methods (F4);
4. half of what `standard` has over `quick` in the knock-outs (F2, F3), then the rest of it: fewer neurons tested, ranks
   estimated from some patches, single channels alone; F2's random sets stay;
5. the experiments that `quick` does without: other sizes of the concept (F6), critical neurons (F5), causal edges
   (F11), the quality of the attributions (F12);
6. sizes over those of the preset `quick`;
7. pictures: three quarters, a half, … of the most that a class has;
8. patches in a concept: 30, 20, 10;
9. all but F1 to F3 (edges, F8, and stability, F7), then F2 and F3, then F1: the circuit is left;
10. pictures: as few as give a concept.

The first rung that fits is taken, so that a longer time never gives smaller sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from math import ceil
from typing import Any

from neurflow_report.planning.records import Fit
from neurflow_report.results.catalogue import EXPERIMENTS, PRESETS, Sizes
from neurflow_report.spec.fidelity import sizes
from neurflow_report.spec.schema import Spec

ORDER = ("quick", "standard", "paper")
LESS = (0.75, 0.5, 0.35, 0.25, 0.15)
"""Shares of the pictures."""
KS = (30, 20, 10)
FEWEST = 5
"""Pictures under which no class is cut before all experiments are gone."""
HALF = {"targets": 12, "weight_draws": 100, "sizes": (1, 5), "patches": 1000}
KNOCKED = ("optimality", "weights")
Price = Callable[[Spec], float]
"""The seconds that a run of a spec takes."""


@dataclass(frozen=True, kw_only=True)
class Supply:
    """What there is to choose from: the most `pictures` that a class of the spec has, and the patches of each."""

    pictures: int
    per_picture: int


def fit(spec: Spec, within: float, price: Price, supply: Supply, unable: Callable[[Spec], Sequence[str]]) -> Fit:
    """The largest sizes, at most the spec's, whose price is at most `within` seconds; else the least there are.

    Args: unable: what a spec cannot show.
    """
    chosen, seconds = spec, price(spec)
    for chosen in ladder(spec, supply):
        seconds = price(chosen)
        if seconds <= within:
            break
    fits = seconds <= within
    over = _larger(spec) if fits and chosen == spec else ()
    larger = tuple(name for name in over if price(with_preset(spec, name)) <= within)
    return Fit(
        within=within, fits=fits, seconds=seconds, set=changes(spec, chosen), larger=larger,
        unable=tuple(unable(chosen)),
    )  # fmt: skip


def ladder(spec: Spec, supply: Supply) -> Iterator[Spec]:
    """The spec, then rung by rung smaller ones, each once."""
    last = spec
    yield last
    for step in _steps(supply):
        smaller = step(last)
        if _what(smaller) != _what(last):
            last = smaller
            yield last


def _what(spec: Spec) -> tuple[object, ...]:
    """All that the ladder changes."""
    return spec.concept.k, spec.data.limit, sizes(spec.fidelity), spec.fidelity.controls


def every_spec(spec: Spec, supply: Supply) -> tuple[Spec, ...]:
    """All specs whose price may be asked for."""
    return (*ladder(spec, supply), *(with_preset(spec, name) for name in _larger(spec)))


def _larger(spec: Spec) -> tuple[str, ...]:
    return ORDER[ORDER.index(spec.fidelity.preset) + 1 :]


def with_preset(spec: Spec, name: str) -> Spec:
    """The spec with another preset; what it sets itself stays."""
    return spec.model_copy(update={"fidelity": spec.fidelity.model_copy(update={"preset": name})})


def _steps(supply: Supply) -> Iterator[Callable[[Spec], Spec]]:
    quick, standard = PRESETS["quick"], PRESETS["standard"]
    yield lambda s: _fidelity(s, controls=())
    yield lambda s: _sized(s, _least(sizes(s.fidelity), standard))
    yield _without("methods")
    yield lambda s: _sized(s, _least(sizes(s.fidelity), replace(standard, **HALF)))  # type: ignore[arg-type]
    knocked = {name: getattr(quick, name) for name in ("targets", "weight_draws", "sizes", "patches")}
    yield lambda s: _sized(s, _least(sizes(s.fidelity), replace(standard, **knocked)))
    yield _without(*(name for name in EXPERIMENTS if name not in quick.experiments))
    yield lambda s: _sized(s, _least(sizes(s.fidelity), quick))
    for share in LESS:
        yield _pictures(max(FEWEST, ceil(share * supply.pictures)), supply)
    for k in KS:
        yield _k(k)
    yield _without(*(name for name in EXPERIMENTS if name not in {*KNOCKED, "masking"}))
    yield _without(*KNOCKED)
    yield _without("masking")
    yield _pictures(1, supply)


def _least(own: Sizes, most: Sizes) -> Sizes:
    """The sizes, none over `most`; which experiments run stays."""
    found: dict[str, Any] = {}
    for field in fields(Sizes):
        mine, other = getattr(own, field.name), getattr(most, field.name)
        if field.name == "patches":  # 0 stands for all
            found[field.name] = min(mine or other, other or mine)
        elif field.name == "experiments":
            found[field.name] = mine
        elif isinstance(mine, tuple):
            found[field.name] = tuple(x for x in mine if x in other) or mine[:1]
        else:
            found[field.name] = min(mine, other)
    return Sizes(**found)


def _sized(spec: Spec, wanted: Sizes) -> Spec:
    """The spec with these sizes, each by itself."""
    return _fidelity(spec, **{f.name: getattr(wanted, f.name) for f in fields(Sizes)})


def _fidelity(spec: Spec, **changed: object) -> Spec:
    return spec.model_copy(update={"fidelity": spec.fidelity.model_copy(update=changed)})


def _without(*names: str) -> Callable[[Spec], Spec]:
    def step(spec: Spec) -> Spec:
        own = sizes(spec.fidelity)
        left = tuple(name for name in own.experiments if name not in names)
        return spec if left == own.experiments else _fidelity(spec, experiments=left)

    return step


def _pictures(count: int, supply: Supply) -> Callable[[Spec], Spec]:
    """At most so many pictures a class, but enough for a concept wherever there are."""

    def step(spec: Spec) -> Spec:
        limit = max(count, ceil(spec.concept.k / supply.per_picture))
        smaller = min(spec.data.limit, supply.pictures, limit)
        return spec if smaller >= min(spec.data.limit, supply.pictures) else _limited(spec, smaller)

    return step


def _limited(spec: Spec, limit: int) -> Spec:
    return spec.model_copy(update={"data": spec.data.model_copy(update={"limit": limit})})


def _k(k: int) -> Callable[[Spec], Spec]:
    def step(spec: Spec) -> Spec:
        concept = spec.concept.model_copy(update={"k": min(k, spec.concept.k)})
        return spec.model_copy(update={"concept": concept})

    return step


def changes(spec: Spec, chosen: Spec) -> tuple[tuple[str, object], ...]:
    """What to set in the spec for the sizes chosen, by its path: a preset where that says most of it."""
    found: list[tuple[str, object]] = []
    if chosen.concept.k != spec.concept.k:
        found.append(("concept.k", chosen.concept.k))
    if chosen.data.limit != spec.data.limit:
        found.append(("data.limit", chosen.data.limit))
    own = sizes(chosen.fidelity)
    each = [_from_preset(spec, own, name) for name in (spec.fidelity.preset, *ORDER)]
    found += sorted(each, key=len)[0]
    if chosen.fidelity.controls != spec.fidelity.controls:
        found.append(("fidelity.controls", list(chosen.fidelity.controls)))
    return tuple(found)


def _from_preset(spec: Spec, wanted: Sizes, preset: str) -> list[tuple[str, object]]:
    """What to set where the spec's preset becomes this one."""
    found = list[tuple[str, object]]()
    if preset != spec.fidelity.preset:
        found.append(("fidelity.preset", preset))
    now = sizes(with_preset(spec, preset).fidelity)
    for field in fields(Sizes):
        value = getattr(wanted, field.name)
        if value != getattr(now, field.name):
            found.append((f"fidelity.{field.name}", list(value) if isinstance(value, tuple) else value))
    return found
