"""What the sizes of a spec cannot show, whatever the run finds (METHOD §5, the ledger)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from neurflow_report.fidelity.causal import FEWEST
from neurflow_report.fidelity.intervals import crossed_drop, drop_interval, wilson
from neurflow_report.fidelity.ledger import LEVEL, limits
from neurflow_report.results.catalogue import EXPERIMENTS, prose
from neurflow_report.results.records import Threshold
from neurflow_report.spec.fidelity import sizes
from neurflow_report.spec.schema import Spec

MOST = 10_000
"""Where the search for a number that is enough ends."""


def unable(before: Spec, after: Spec, *, pictures: int, patches: int) -> tuple[str, ...]:
    """What `after` cannot show, and what it shows less well than `before`.

    Args:
        pictures: the most that a class has with `after`.
        patches: its patches.
    """
    return tuple(_every(before, after, pictures, patches))


def _every(before: Spec, after: Spec, pictures: int, patches: int) -> Iterator[str]:
    old, new = sizes(before.fidelity), sizes(after.fidelity)
    threshold = {limit.claim: limit for limit in limits(after.fidelity.thresholds.changes())}
    if before.fidelity.controls and not after.fidelity.controls:
        yield "no control is run: that what is supported comes from what the network has learnt is not tested"
    for name in old.experiments:
        if name not in new.experiments:
            yield f"{EXPERIMENTS[name].number} ({name}) is not run: {EXPERIMENTS[name].tests} is not tested"
    if after.concept.k < before.concept.k:
        yield f"a concept has {after.concept.k} patches instead of {before.concept.k}: the circuit may be another"
    if "masking" in new.experiments:
        yield from _masking(new.draws, pictures, threshold)
    if "optimality" in new.experiments:
        yield from _optimality(new.optimality_draws, threshold["optimal"])
    if {"optimality", "weights"} & set(new.experiments):
        if 0 < new.patches < patches and new.patches != old.patches:
            yield f"F2, F3: ranks are estimated from {new.patches} of {patches:,} patches"
        if new.targets < old.targets:
            yield f"F2, F3, F6: of a layer {new.targets} neurons are tested instead of {old.targets}"
    if {"weights"} & set(new.experiments) and (lost := [str(n) for n in old.sizes if n not in new.sizes]):
        yield f"F3: sets of {' and of '.join(lost)} channels are not tested"
    if "methods" in new.experiments and new.methods and new.method_targets < 2:
        yield "F4: with one neuron a layer there is no interval: no claim can be supported (fidelity.method_targets)"
    if "causal" in new.experiments and new.edge_draws < FEWEST:
        yield f"F11: with {new.edge_draws} random sets no edge can count; it takes {FEWEST} (fidelity.edge_draws)"
    if "concepts" in new.experiments:
        yield from _robust(new.targets * after.core.searched, threshold["robust"])


def _masking(draws: int, pictures: int, threshold: Mapping[str, Threshold]) -> Iterator[str]:
    least = 1 / (1 + draws)
    needed = int(1 / LEVEL + 1e-9) - 1
    if least > LEVEL:
        yield f"F1: with {draws} random sets no claim can be supported; it takes {needed} (fidelity.draws)"
    else:
        share = least / LEVEL
        yield (
            prose(f"""
                F1: with {draws} random sets no p-value is under {least:.2g}: a claim is supported only where
                {share:.0%} of the class's tests come out as low (fidelity.draws)
            """)
        )
    enough = fewest(lambda n: drop_interval(n, 0, 0, n)[0], threshold["needed"].against)
    if (most := threshold["needed"].null_most) is not None:
        enough = max(enough, fewest(lambda n: -_nothing_lost(draws, n), -most))
    if pictures < enough:
        yield f"F1: with {pictures} pictures no claim can be supported; it takes {enough} (data.limit)"
    else:
        low, high = wilson(pictures / 2, pictures)
        points = 50 * (high - low)
        yield f"F1: with {pictures} pictures an accuracy is known to {points:.0f} points at worst (data.limit)"


def _nothing_lost(draws: int, pictures: int) -> float:
    """Where the interval of the random sets' drop ends that never cost a picture."""
    return crossed_drop(np.ones(pictures, dtype=bool), np.ones((draws, pictures), dtype=bool))[1]


def _optimality(draws: int, limit: Threshold) -> Iterator[str]:
    enough = fewest(lambda n: wilson(n, n)[0], limit.against)
    if draws < enough:
        yield f"F2: with {draws} random sets no claim can be supported; it takes {enough} (fidelity.optimality_draws)"


def _robust(core: int, limit: Threshold) -> Iterator[str]:
    enough = fewest(lambda n: wilson(n, n)[0], limit.against)
    if core < enough:
        yield (
            prose(f"""
                F6: with {core} core neurons tested at a layer no claim can be supported; it takes {enough}
                (fidelity.targets × core.tau)
            """)
        )


def fewest(low: Callable[[int], float], threshold: float) -> int:
    """The least n whose interval, at its best, begins at the threshold or over it."""
    first, last = 1, MOST
    while first < last:
        middle = (first + last) // 2
        first, last = (first, middle) if low(middle) >= threshold else (middle + 1, last)
    return first
