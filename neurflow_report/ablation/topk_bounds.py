"""Which patches can be among a target's k strongest when a set is knocked out, and φ of these alone (METHOD §5, F2).

For a convolution followed by a ReLU: z = Σ_i D_i + bias at a place, D_i being channel i's term. Without the set S it is
z − d, d = Σ_{i∈S} D_i.

1. relu(z − d) = relu(z) − [z > 0]·d + relu(σ·d − |z|), where σ is 1 where z > 0, else −1.
2. 0 ≤ relu(σ·d − |z|) ≤ Σ_{i∈S} relu(σ·D_i − |z| / s) for any s ≥ |S|.
3. With G_i and E_i the means over space of [z > 0]·D_i and relu(σ·D_i − |z| / s), so
   φ − Σ_{i∈S} G_i ≤ φ without S ≤ φ − Σ_{i∈S} G_i + Σ_{i∈S} E_i. Both are exact for sets of one channel.
4. A patch whose upper bound is under k patches' lower bounds is not among the k strongest: it is left out. The others'
   φ is computed as ever.

The bounds of M sets cost 2·M·C operations a patch, φ costs M·C·X for X places. Of 128 channels 2 to 8% of the patches
stay for sets of up to 20, the k = 50 of 2,360 themselves among them, and a half for sets of 50.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

PATCHES = 16
"""Patches whose φ is computed at once: those that are alike in how many sets they are candidates of."""
BLOCK = 32
"""Patches whose bounds are computed at once, so that their terms stay in the cache."""
STRONG = 4
"""The k-th lower bound is looked for among the STRONG·k patches that are strongest with nothing knocked out."""
STEP = 1.5
"""Sets whose sizes differ by less than this factor share a table of bounds."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Patches that can be among the k strongest under some sets.

    Attributes:
        sets: their numbers, (M,).
        patches: the candidates of any of these sets, ascending, (n,).
        phi: (M, n), −inf where a patch is no candidate of the set.
    """

    sets: Tensor
    patches: Tensor
    phi: Tensor


@dataclass(frozen=True, kw_only=True)
class ChannelTerms:
    """The channels' terms D of one target on all patches, (n, C, X), and the target's `bias`."""

    terms: Tensor
    bias: Tensor


def candidates(channel_terms: ChannelTerms, removed: Tensor, concept: Tensor) -> Iterator[Candidates]:
    """The candidates for a target's k strongest patches; sets of like sizes together, every set once.

    Args:
        channel_terms: of the target.
        removed: bool (M, C), True where a channel is knocked out.
        concept: V_a, (k,), whose patches are always among the candidates.
    """
    bounds = _Bounds(channel_terms, len(concept))
    for numbers, size in _by_size(removed.sum(dim=1)):
        some = removed[numbers]
        is_candidate = bounds.candidates(some.to(channel_terms.terms.dtype), size)
        wanted = is_candidate.any(dim=0)
        wanted[concept] = True
        columns = wanted.nonzero().flatten()
        phi = _phi(channel_terms, ~some, is_candidate[:, columns], columns)
        yield Candidates(sets=numbers, patches=columns, phi=phi)


def _by_size(sizes: Tensor) -> Iterator[tuple[Tensor, int]]:
    """The sets grouped by size, near sizes together: (their numbers, the largest size)."""
    known = sorted(set(sizes.tolist()), reverse=True)
    while known:
        most = known[0]
        some = [size for size in known if size * STEP >= most]
        known = known[len(some) :]
        yield torch.isin(sizes, torch.tensor(some, device=sizes.device)).nonzero().flatten(), most


class _Bounds:
    """The tables of one target: z (n, X), φ (n,), G (n, C), and E (n, C) for a size of sets."""

    def __init__(self, channel_terms: ChannelTerms, k: int) -> None:
        self.channel_terms, self.k = channel_terms, k
        self.z = channel_terms.terms.sum(dim=1).add_(channel_terms.bias)
        self.phi = self.z.clamp(min=0).mean(dim=1)
        self.linear = self._table(lambda terms, z: terms.mul_((z > 0).unsqueeze(1)))
        # What rounding may add to a sum of C terms, so that no candidate is lost to it.
        many = 2 * channel_terms.terms.shape[1] * torch.finfo(self.z.dtype).eps
        self.slack = many * float(channel_terms.terms.abs().sum(dim=1).mean(dim=1).max() + channel_terms.bias.abs())
        self.strong = self.phi.topk(min(STRONG * k, len(self.phi))).indices

    def candidates(self, removed: Tensor, size: int) -> Tensor:
        """Which patches may be among the k strongest of each set, bool (M, n), for sets of at most `size` channels."""
        lower = torch.addmm(self.phi, removed, self.linear.T, alpha=-1)  # rule 3's φ − Σ G_i, (M, n)
        # The k-th largest lower bound among some of the patches: no larger than that among all, so nothing is lost.
        threshold = lower[:, self.strong].topk(self.k, dim=1).values[:, -1:]
        excess = self._table(lambda terms, z: _excess(terms, z, size))  # E
        return lower.addmm_(removed, excess.T) >= threshold - 2 * self.slack

    def _table(self, of: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """The mean over space of what `of` makes of a copy of the terms, (n, C)."""
        parts = zip(torch.split(self.channel_terms.terms, BLOCK), torch.split(self.z, BLOCK), strict=True)
        return torch.cat([of(terms.clone(), z).mean(dim=2) for terms, z in parts])


def _excess(terms: Tensor, z: Tensor, size: int) -> Tensor:
    """relu(σ·D − |z| / size), in the place of the terms (n, C, X)."""
    sign = torch.where(z > 0, 1.0, -1.0).to(z.dtype)
    return terms.mul_(sign.unsqueeze(1)).sub_((z.abs() / max(size, 1)).unsqueeze(1)).clamp_(min=0)


def _phi(channel_terms: ChannelTerms, keep: Tensor, is_candidate: Tensor, columns: Tensor) -> Tensor:
    """φ of the candidates, −inf elsewhere: (M, columns)."""
    kept, found = keep.to(channel_terms.terms.dtype), channel_terms.terms.new_full(is_candidate.shape, -torch.inf)
    # Patches that are candidates of about as many sets go together: the sets that none of them needs are left out.
    for some in torch.split(is_candidate.sum(dim=0).argsort(stable=True), PATCHES):
        rows = is_candidate[:, some].any(dim=1).nonzero().flatten()
        z = torch.matmul(kept[rows], channel_terms.terms[columns[some]]).add_(channel_terms.bias)  # (patches, sets, X)
        found[rows.unsqueeze(1), some] = z.clamp_(min=0).mean(dim=2).T
    return found
