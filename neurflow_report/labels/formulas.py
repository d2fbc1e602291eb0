"""Which formula of annotated labels describes a neuron group best? AND, OR and NOT, up to three terms (METHOD §8).

A formula is read from left to right, (a op b) op c, each label once; with both orders of each pair these are all
formulas of three terms. It is searched best first: what is most promising by a bound that no formula made of it
exceeds is taken up next, so that the best is the one that trying all would find.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]
DRAWS = 39
"""Searches with the annotations of other pictures."""
_TIE = 1e-12


@dataclass(frozen=True, kw_only=True)
class Formula:
    """Terms in their order: what joins each to those before it ("" for the first), the label's number, and whether it
    is negated; `overlap`: intersection over union with the group's patches."""

    terms: tuple[tuple[str, int, bool], ...]
    overlap: float

    def holds(self, truth: Bools) -> Bools:
        """On which patches it holds: (n, labels) → (n,)."""
        found = np.zeros(len(truth), dtype=bool)
        for join, label, negated in self.terms:
            one = truth[:, label] ^ negated
            found = found & one if join == "AND" else found | one
        return found

    def text(self, names: Sequence[str]) -> str:
        """ "(petals AND NOT disc) OR stem"."""
        told = [f"{'NOT ' * negated}{names[label]}" for _, label, negated in self.terms]
        joins = [join for join, _, _ in self.terms]
        if len(told) == 3 and joins[1] != joins[2]:
            return f"({told[0]} {joins[1]} {told[1]}) {joins[2]} {told[2]}"
        return told[0] + "".join(f" {join} {one}" for join, one in zip(joins[1:], told[1:], strict=True))


def best_formula(own: Bools, truth: Bools, terms: int = 3) -> Formula | None:
    """The formula with the largest overlap, of equal ones one with the fewest terms; None for a group without patches.

    Args:
        own: which patches are the group's, (n,).
        truth: which labels hold on each patch, (n, labels).
        terms: how many at most.
    """
    if not own.any() or not truth.shape[1]:
        return None
    return _Search(own, truth, terms).best()


class _Search:
    """Literals 2c and 2c + 1 are label c and its negation."""

    def __init__(self, own: Bools, truth: Bools, terms: int) -> None:
        self.terms, self.size = terms, float(own.sum())
        literals = np.empty((2 * truth.shape[1], len(own)), dtype=np.float32)
        literals[0::2], literals[1::2] = truth.T, ~truth.T
        self.literals = literals
        self.own = own.astype(np.float32)
        self.inside = literals @ self.own  # |A ∩ X|, (L,)
        self.all = literals.sum(axis=1)  # |X|

    def best(self) -> Formula:
        """Best first."""
        order, queue = count(), list[tuple[float, int, tuple[tuple[str, int], ...], NDArray[np.float32]]]()
        values = self._overlap(self.inside, self.all)
        first = int(values.argmax())
        found: tuple[tuple[str, int], ...] = (("", first),)
        top = float(values[first])
        for place, row in enumerate(self.literals if self.terms > 1 else ()):
            heapq.heappush(queue, (-self._bound(row, self.terms - 1), next(order), (("", place),), row))
        while queue and -queue[0][0] > top + _TIE:
            _, _, formula, mask = heapq.heappop(queue)
            left = self.terms - len(formula) - 1
            for join, inside, every, allowed in self._joined(formula, mask):
                overlap = np.where(allowed, self._overlap(inside, every), -1.0)
                place = int(overlap.argmax())
                if overlap[place] > top + _TIE or (overlap[place] > top - _TIE and len(formula) + 1 < len(found)):
                    found, top = (*formula, (join, place)), float(overlap[place])
                if not left:
                    continue
                for place in np.flatnonzero(allowed).tolist():
                    row = self.literals[place]
                    after = mask * row if join == "AND" else np.maximum(mask, row)
                    bound = self._bound(after, left)
                    if bound > top + _TIE:
                        heapq.heappush(queue, (-bound, next(order), (*formula, (join, place)), after))
        terms = tuple((join, place // 2, bool(place % 2)) for join, place in found)
        return Formula(terms=terms, overlap=top)

    def _joined(
        self, formula: tuple[tuple[str, int], ...], mask: NDArray[np.float32]
    ) -> Iterator[tuple[str, Floats, Floats, Bools]]:
        """With each operation: |A ∩ F'| and |F'| for each literal, and which literals may be taken."""
        within, common = self.literals @ (mask * self.own), self.literals @ mask
        places = np.arange(len(self.literals))
        allowed = ~np.isin(places // 2, [place // 2 for _, place in formula])
        if len(formula) == 1:
            allowed &= places // 2 > formula[0][1] // 2  # a op b is b op a
        yield "AND", within, common, allowed
        inside, every = float(mask @ self.own), float(mask.sum())
        yield "OR", inside + self.inside - within, every + self.all - common, allowed

    def _overlap(self, inside: Floats, every: Floats) -> Floats:
        found: Floats = inside / (self.size + every - inside)
        return found

    def _bound(self, mask: NDArray[np.float32], more: int) -> float:
        """No formula made of this one by up to so many more terms has a larger overlap.

        F AND …: at most |A ∩ F| / |A|; F OR …: at most |A| / |A ∪ F|. Of two more, Y the last: (F AND X) OR Y lies
        within F ∪ Y and holds Y, and (F OR X) AND Y lies within Y and holds F ∩ Y.
        """
        inside, every = float(mask @ self.own), float(mask.sum())
        bound = max(inside / self.size, self.size / (self.size + every - inside))
        if more > 1:
            within, common = self.literals @ (mask * self.own), self.literals @ mask
            wide = (inside + self.inside - within) / (self.size + self.all - self.inside)
            narrow = self.inside / (self.size + common - within)
            bound = max(bound, float(wide.max()), float(narrow.max()))
        return bound


def overlap_null(
    own: Bools, truth: Bools, pictures: int, terms: int, random: np.random.Generator, draws: int = DRAWS
) -> list[float]:
    """The overlaps of the best formulas where each picture has the annotations of another, drawn at random.

    Args: truth: picture by picture, as many patches of each.
    """
    blocks = truth.reshape(pictures, -1, truth.shape[1])
    found = list[float]()
    for _ in range(draws):
        formula = best_formula(own, blocks[random.permutation(pictures)].reshape(truth.shape), terms)
        found.append(0.0 if formula is None else formula.overlap)
    return found
