"""Which core neurons would be core on half of the pictures: V_a and S_a chosen again from T at hand (METHOD §5, F13).

In each draw every picture is deleted with probability ½. V_a is then the strongest patches left of those that T is
known of, as many as the same part of all patches; S_a has the τ largest mean |T| over them; and a neuron is core where
it is in S_a of a neuron above that is core itself, from the logit down. The operations for a target are one product
(draws × k) · (k × C) and one choice of τ out of C a draw: 1,000 draws of a concept of 50 patches over 1,000 channels
are 5·10⁷ multiply-adds, less than the network takes for one of these patches.

Beside it stands the same with the channels' T shuffled, picture by picture, so that no channel is more than another:
what is chosen from such scores is chosen by chance, and stays by chance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Draws = NDArray[np.bool_]
Indices = NDArray[np.int64]
DRAWS = 1000
PART = 2**24
"""Numbers that are held at once."""


@dataclass(frozen=True, kw_only=True)
class Inclusion:
    """Of a layer: in how many of the draws each channel is core.

    Attributes:
        draws: how many there are.
        core: of each channel, (C,).
        shuffled: of those channels that are core of the shuffled scores where no picture is deleted, (n,).
    """

    draws: int
    core: Indices
    shuffled: Indices


class Deletions:
    """The draws for a circuit, and what they leave of it, from the logit down.

    Args:
        pictures, per_picture: how many there are, and the patches of each, which stand picture by picture.
        seed: of the draws.
    """

    def __init__(self, *, pictures: int, per_picture: int, seed: tuple[int, ...], draws: int = DRAWS) -> None:
        self.random, self.per_picture = np.random.default_rng(seed), per_picture
        self.kept: Draws = self.random.random((draws, pictures)) < 0.5
        self.found: dict[tuple[str, int], Inclusion] = {}
        self._core: dict[int, Tensor] = {}  # by τ (draws + 1, C) of the layer that is next; none at the logit

    def descend(self, below: str, values: Tensor, core: Indices, wanted: Indices, taus: Sequence[int]) -> None:
        """What the draws leave of the core of a layer.

        Args:
            below: its name.
            values: T of the targets above on their concepts' patches, (targets, k, C), in float64 where it can be.
            core: these targets' channels.
            wanted: their concepts, the strongest patch first, (targets, k).
            taus: the τ at which core sets are chosen, by which `found` tells them apart.
        """
        order = self.random.random((self.kept.shape[1], values.shape[2])).argsort(axis=1)
        for tau in taus:
            self._descend(below, values, core, wanted, tau, order)

    def _descend(
        self, below: str, values: Tensor, core: Indices, wanted: Indices, tau: int, order: NDArray[np.int64]
    ) -> None:
        """The same at one τ. Args: order: the channels of each picture in an order of its own, (pictures, C)."""
        picture, channels, draws = wanted // self.per_picture, values.shape[2], len(self.kept)
        among = strongest_left(self.kept, picture)  # (targets, draws, k)
        everything = np.pad(among, ((0, 0), (0, 1), (0, 0)), constant_values=True)
        own, mixed = (values.new_zeros((draws + 1, channels), dtype=torch.bool) for _ in range(2))
        known, place = self._core.get(tau), torch.from_numpy(core).to(values.device)
        above = own.new_ones((draws + 1, len(core))) if known is None else known[:, place]
        for some in self._parts(values):
            t, inside = values[some].abs().double(), _on(values, everything[some])
            again = t.gather(2, _on(values, order[picture[some]]))
            for found, scores in ((own, t), (mixed, again)):
                found |= (chosen(scores, inside, tau) & above[:, some].T[:, :, None]).any(dim=0)
        self._core[tau] = own  # the last row: with no picture deleted
        counts, by_chance = torch.stack([one[:draws].sum(dim=0) for one in (own, mixed)]).cpu().numpy()
        shuffled = by_chance[mixed[draws].cpu().numpy()]
        self.found[below, tau] = Inclusion(draws=draws, core=counts, shuffled=shuffled)

    def _parts(self, values: Tensor) -> Iterator[slice]:
        """Some targets at a time."""
        step = max(1, PART // (len(self.kept) * values.shape[2]))
        return (slice(first, first + step) for first in range(0, len(values), step))


def strongest_left(kept: Draws, picture: Indices) -> Draws:
    """Which patches of each concept are in it again, (targets, draws, k): the strongest of those left, at most as many
    as the same part of k as of the pictures are left.

    Args:
        kept: which pictures are left, (draws, pictures).
        picture: of each patch, the strongest first, (targets, k).
    """
    left = np.moveaxis(kept[:, picture], 0, 1)
    most = np.maximum(1, np.rint(picture.shape[1] * kept.mean(axis=1)))[:, None]
    found: Draws = left & (left.cumsum(axis=2) <= most)
    return found


def chosen(scores: Tensor, inside: Tensor, tau: int) -> Tensor:
    """S of each target in each draw, bool (targets, draws, C): the τ channels with the largest sum of |T| over the
    patches inside; ties go to the lower index, and one whose sum is 0 is never among them.

    Args:
        scores: |T|, (targets, k, C).
        inside: bool (targets, draws, k).
    """
    sums = inside.to(scores.dtype) @ scores
    tau = min(tau, sums.shape[2])
    last = sums.topk(tau, dim=2).values[..., -1:]
    above, tied = sums > last, sums == last
    room = tau - above.sum(dim=2, keepdim=True)
    found: Tensor = (above | (tied & (tied.cumsum(dim=2) <= room))) & (sums > 0)
    return found


def _on(like: Tensor, values: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values)).to(like.device)
