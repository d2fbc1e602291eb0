"""Labels by a model that is asked: what it calls a group, and L1 and L3 from its answers (METHOD §8).

It gives no values of patches, so that it is asked of each choice. Of whatever could no longer hold, no more is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neurflow_report.images.select import Chosen
from neurflow_report.labels import endpoint as asked
from neurflow_report.labels.effect import effect
from neurflow_report.labels.endpoint import Endpoint
from neurflow_report.labels.forced_choice import FEWEST, LEVEL, NO_OTHER, Pairs, pairs, share, sign_flips, too_few
from neurflow_report.results.records import GroupLabel, LabelReply, LayerResult

Floats = NDArray[np.floating]
Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Asking:
    """The questions about one class.

    Attributes:
        patch: a patch of a picture by its window, or, for None, the whole.
        first, held: the pictures that the circuit was found on, and those held out.
        beside: those of L3; inside: whether each is the class's own.
        per_image: patches of a picture.
        replies: what was answered so far.
    """

    source: Endpoint
    patch: Callable[[Chosen, int | None], Image.Image]
    first: Sequence[Chosen]
    held: Sequence[Chosen]
    beside: Sequence[Chosen]
    inside: NDArray[np.bool_]
    per_image: int
    replies: list[LabelReply] = field(default_factory=list)

    def layer(
        self,
        rows: Sequence[GroupLabel],
        record: LayerResult,
        held: Sequence[Indices],
        activity: Floats,
        drops: Callable[[], Floats],
        seed: Sequence[int],
    ) -> list[GroupLabel]:
        """The labels of a layer's groups, not yet corrected for other layers' groups.

        Args:
            rows: a row for each group, with its coherence.
            record: the layer with its groups.
            held: the patches of each group on the pictures held out.
            activity: of the layer on each patch held out.
            drops: by how much the class's logit falls without each group on each picture of L3, (G, pictures).
        Raises: InputError labels-unusable where the endpoint does not answer as it should.
        """
        texts = [self._label(row, group.patches) for row, group in zip(rows, record.groups, strict=True)]
        picture = np.arange(len(activity)) // self.per_image
        every, found, moved = np.unique(np.concatenate(held)), list[GroupLabel](), None
        for place, (row, (text, reason)) in enumerate(zip(rows, texts, strict=True)):
            others = sorted({one for one, _ in texts if one and one.casefold() != text.casefold()})
            if not text:
                found.append(row.model_copy(update={"reason": reason}))
                continue
            same = np.concatenate([held[n] for n, (one, _) in enumerate(texts) if one.casefold() == text.casefold()])
            random = np.random.default_rng((*seed, row.group))
            given = drawn(pairs(held[place], every, picture, activity, without=same), self.source.questions, random)
            one = row.model_copy(update={"text": text, "pictures": given.pictures})
            if not others or given.pictures < FEWEST:
                reason = too_few(given.pictures) if others else NO_OTHER
                found.append(one.model_copy(update={"reason": reason}))
                continue
            one = self._told_apart(one, given, others, random)
            if one.choice_p is not None and one.choice_p <= LEVEL:
                moved = drops() if moved is None else moved
                one = self._moves(one, moved[place], random)
            found.append(one)
        return found

    def _label(self, row: GroupLabel, patches: Sequence[int]) -> tuple[str, str]:
        """The text for a group, or "" and why."""
        tiles = [self._patch_of(self.first, v) for v in patches[: asked.TILES]]
        vocabulary = self.source.vocabulary
        reply = self._ask(row, "label", "", asked.of_mosaic(vocabulary), asked.mosaic(tiles))
        return asked.label_of(reply, vocabulary)

    def _told_apart(
        self, row: GroupLabel, given: Pairs, others: Sequence[str], random: np.random.Generator
    ) -> GroupLabel:
        """L1: the label's choices, and, where they beat a half, those of other groups' labels on the same patches."""
        left = random.integers(0, 2, len(given.own)).astype(bool)
        own = self._choices(row, "choice", [row.text] * len(left), given, left)
        value, low, high = share(own)
        known: dict[str, object] = {"choice": value, "choice_low": low, "choice_high": high, "choice_p": 1.0}
        if (by_chance := sign_flips(own - 0.5, random)) <= LEVEL:
            texts = [others[n] for n in random.integers(0, len(others), len(left))]
            null = self._choices(row, "null", texts, given, left)
            known |= {"null": float(null.mean()), "choice_p": max(by_chance, sign_flips(own - null, random))}
        return row.model_copy(update={**known, "patches": len(given.own), "p_value": 1.0})

    def _moves(self, row: GroupLabel, drops: Floats, random: np.random.Generator) -> GroupLabel:
        """L3, on pictures that show the label or not, as the model says."""
        shows = np.array(
            [
                asked.shown(self._ask(row, "picture", row.text, asked.of_picture(row.text), self.patch(one, None)))
                for one in self.beside
            ]
        )
        moved = effect(drops, shows, self.inside, random)
        if moved is None or row.choice_p is None:
            return row
        return row.model_copy(update=moved.figures() | {"p_value": max(row.choice_p, moved.p_value)})

    def _choices(
        self, row: GroupLabel, question: str, texts: Sequence[str], given: Pairs, left: NDArray[np.bool_]
    ) -> Floats:
        """1 where the group's patch is chosen, 0 where the other is, a half where the answer is neither."""
        found = np.full(len(left), asked.UNREADABLE)
        for n, text in enumerate(texts):
            own, other = (self._patch_of(self.held, int(v)) for v in (given.own[n], given.other[n]))
            shown = asked.side_by_side(own, other) if left[n] else asked.side_by_side(other, own)
            answer = asked.chosen(self._ask(row, question, text, asked.of_choice(text), shown))
            if answer:
                found[n] = float((answer == "A") == bool(left[n]))
            self.replies[-1] = self.replies[-1].model_copy(update={"right": float(found[n])})
        return found

    def _ask(self, row: GroupLabel, question: str, text: str, words: str, picture: Image.Image) -> str:
        reply, digest = self.source.ask(words, picture)
        self.replies.append(
            LabelReply(layer=row.layer, group=row.group, question=question, text=text, picture=digest, reply=reply)
        )
        return reply

    def _patch_of(self, pictures: Sequence[Chosen], patch: int) -> Image.Image:
        return self.patch(pictures[patch // self.per_image], patch % self.per_image)


def drawn(given: Pairs, most: int, random: np.random.Generator) -> Pairs:
    """One choice of each picture, of `most` pictures at most."""
    pictures = np.unique(given.picture)
    some = np.sort(random.permutation(pictures)[:most])
    rows = np.array([random.choice(np.flatnonzero(given.picture == one)) for one in some], dtype=np.int64)
    return Pairs(own=given.own[rows], other=given.other[rows], picture=given.picture[rows])
