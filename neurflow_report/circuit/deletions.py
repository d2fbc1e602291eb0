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

from collections.abc import Iterator
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
        self.found: dict[str, Inclusion] = {}
        self._core: Tensor | None = None  # (draws, C) of the layer that is next: None at the logit

    def descend(self, below: str, values: Tensor, core: Indices, wanted: Indices, tau: int) -> None:
        """What the draws leave of the core of a layer.

        Args:
            below: its name.
            values: T of the targets above on their concepts' patches, (targets, k, C), in float64 where it can be.
            core: these targets' channels.
            wanted: their concepts, the strongest patch first, (targets, k).
        """
        picture, channels = wanted // self.per_picture, values.shape[2]
        among = strongest_left(self.kept, picture)  # (targets, draws, k)
        shuffled = _on(values, self.random.random((self.kept.shape[1], channels)).argsort(axis=1))
        above = None if self._core is None else self._core[:, torch.from_numpy(core).to(values.device)]
        whole = values.new_ones((1, values.shape[1]), dtype=torch.bool)
        own, chance = (values.new_zeros((len(self.kept), channels), dtype=torch.bool) for _ in range(2))
        mixed = values.new_zeros(channels, dtype=torch.bool)
        for some in self._parts(values):
            t, inside = values[some].abs().double(), _on(values, among[some])
            place = _on(values, picture[some])
            again = t.gather(2, shuffled[place])  # each picture's channels in an order of its own
            mixed |= chosen(again, whole.expand(len(t), -1, -1), tau).any(dim=1).any(dim=0)
            for found, scores in ((own, t), (chance, again)):
                every = chosen(scores, inside, tau)  # (targets, draws, C)
                found |= (every if above is None else every & above[:, some].T[:, :, None]).any(dim=0)
        self._core = own
        counts, by_chance = torch.stack([own.sum(dim=0), chance.sum(dim=0)]).cpu().numpy()
        self.found[below] = Inclusion(draws=len(self.kept), core=counts, shuffled=by_chance[mixed.cpu().numpy()])

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
