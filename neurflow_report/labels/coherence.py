"""Coherence: does the network itself hold a group's patches for one thing? No label is needed (METHOD §8)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from neurflow_report.labels.forced_choice import nearness, pairs, right, share
from neurflow_report.results.records import GroupLabel, LayerResult

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]


def held_patches(record: LayerResult, there: LayerResult) -> tuple[Indices, ...]:
    """The patches of each group of a layer on pictures held out. Args: there: the layer with the patches of these."""
    semantic = {(n.channel, g.index): g.patches for n in there.neurons for g in n.groups}
    return tuple(
        np.array(sorted({p for m in g.members for p in semantic.get((m.channel, m.semantic), ())}), dtype=np.int64)
        for g in record.groups
    )


def standardised(found_on: Floats, phi: Floats) -> Floats:
    """φ of other patches in the units of those that the circuit was found on, (n, C)."""
    mean, scale = found_on.mean(axis=0, dtype=np.float64), found_on.std(axis=0, dtype=np.float64)
    found: Floats = (phi.astype(np.float64) - mean) / np.where(scale > 0, scale, 1.0)
    return found


def activity(record: LayerResult, standard: Floats) -> Floats:
    """How active a layer is on each patch: the mean of its core neurons' standardised φ."""
    found: Floats = standard[:, [neuron.channel for neuron in record.neurons]].mean(axis=1)
    return found


def coherences(
    record: LayerResult, held: Sequence[Indices], found_on: Floats, phi: Floats, picture: Indices
) -> tuple[GroupLabel, ...]:
    """The coherence of each of a layer's groups, as a row without a label.

    Args:
        record: with the patches that the circuit was found on.
        held: the patches of each group on the pictures held out.
        found_on, phi: φ of the layer on both halves, (n, C).
        picture: of each patch held out.
    """
    if not record.groups:
        return ()
    mean, scale = found_on.mean(axis=0, dtype=np.float64), found_on.std(axis=0, dtype=np.float64)
    centred, active = phi.astype(np.float64) - mean, activity(record, standardised(found_on, phi))
    every, none = np.unique(np.concatenate(held)), np.zeros(0, np.int64)
    found = list[GroupLabel]()
    for group, mine in zip(record.groups, held, strict=True):
        centre = found_on[list(group.patches)].mean(axis=0, dtype=np.float64) - mean
        near = nearness(centred, centre, scale)
        choices = right(near, pairs(mine, every, picture, active, without=none))
        one = GroupLabel(layer=record.name, group=group.index)
        if len(choices):
            value, low, high = share(choices)
            one = one.model_copy(
                update={
                    "coherence": value,
                    "coherence_low": low,
                    "coherence_high": high,
                    "coherence_pictures": len(choices),
                }
            )
        found.append(one)
    return tuple(found)
