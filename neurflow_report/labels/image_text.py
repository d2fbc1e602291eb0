"""An image–text model as a source of labels: how near a patch and a text lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neurflow_report import errors
from neurflow_report.labels.vocabulary import refused
from neurflow_report.results.records import LabelSource

Floats = NDArray[np.floating]
BATCH = 128


@dataclass(frozen=True, kw_only=True)
class ImageText:
    """A model with two towers.

    Attributes:
        record: what the bundle says of it.
        side: pixels a side of what the picture tower is given.
        scale: what cosines are multiplied by before the softmax over texts; the model has learnt it.
        texts: (n, d) of texts; raises no error for those that `knows` is true of.
        pictures: (n, d) of RGB pictures of `side` pixels.
        knows: whether it can be asked of a text.
        vectors: of the vocabulary, of length 1, (T, d); `checked` gives them.
    """

    record: LabelSource
    side: int
    scale: float
    texts: Callable[[Sequence[str]], Floats]
    pictures: Callable[[Sequence[Image.Image]], Floats]
    knows: Callable[[str], bool] = lambda _text: True
    vectors: Floats = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The texts that a group may be labelled with."""
        return self.record.vocabulary


def embedded(tower: Callable[[Sequence[Any]], Floats], some: Sequence[Any]) -> Floats:
    """What a tower gives, some at a time, as rows of length 1."""
    found = list[Floats]()
    for at in range(0, len(some), BATCH):
        vectors = np.asarray(tower(some[at : at + BATCH]), dtype=np.float64)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        with np.errstate(invalid="ignore"):  # Inf gives NaN, which is told later
            found.append((vectors / np.where(lengths > 0, lengths, 1.0)).astype(np.float32))
    return np.concatenate(found)


def checked(model: ImageText, path: errors.Path) -> ImageText:
    """The model with the vectors of its vocabulary, which are finite and as long as that of a grey picture.

    Raises: InputError labels-unusable.
    """
    texts = embedded(model.texts, model.vocabulary)
    picture = embedded(model.pictures, [Image.new("RGB", (model.side, model.side), (128, 128, 128))])
    hint = "is the folder that of an image–text model, with its own weights?"
    bad = np.flatnonzero(~np.isfinite(texts).all(axis=1))
    if len(bad):
        message = f"the model's embedding of the text {model.vocabulary[bad[0]]!r} holds NaN or Inf"
        raise refused(message, hint, path=path)
    if not np.isfinite(picture).all():
        raise refused("the model's embedding of a grey picture holds NaN or Inf", hint, path=path)
    if texts.shape[1] != picture.shape[1]:
        message = f"the model embeds texts in {texts.shape[1]} numbers, and pictures in {picture.shape[1]}"
        raise refused(message, hint, path=path)
    return replace(model, vectors=texts)
