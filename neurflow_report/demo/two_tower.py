"""A small image–text model for the demo's pictures: a picture and a caption that go together lie close to each other.

Trained on captioned windows of the demo's training pictures by demo/train_two_tower.py. It knows the words of these
captions alone; what is measured of it is in its weights' header.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurflow_report.demo.cnn import block
from neurflow_report.demo.flowers import DATASET
from neurflow_report.demo.networks import WEIGHTS

WEIGHTS_FILE = WEIGHTS / "two_tower.safetensors"
SIDE, WIDTH = 64, 64
"""Pixels a side of the picture tower's input; numbers of an embedding."""
VOCABULARY: tuple[str, ...] = DATASET.parts
"""The texts that a group of the demo may be labelled with: its parts, and background."""
WORDS: tuple[str, ...] = tuple(
    sorted({word for text in (*DATASET.parts, *DATASET.class_names) for word in text.split()})
)
"""The words it knows."""


class TwoTower(nn.Module):
    """A picture tower of four blocks and a text tower that adds up words; both end on the unit sphere."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 32, 64, 96, 128)
        self.blocks = nn.Sequential(*(block(a, b, 2, False) for a, b in pairwise(widths)))
        self.read = nn.Linear(2 * widths[-1], WIDTH)
        self.words = nn.Embedding(len(WORDS), WIDTH)
        self.text = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))
        self.scale = nn.Parameter(torch.tensor(2.3))

    def pictures(self, pixels: Tensor) -> Tensor:
        """(n, 3, SIDE, SIDE) of values 0..1 → (n, WIDTH)."""
        maps = self.blocks((pixels - 0.5) / 0.25)
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        return functional.normalize(self.read(pooled), dim=1)

    def texts(self, texts: Sequence[str]) -> Tensor:
        """→ (n, WIDTH).

        Raises: KeyError for a word that it does not know.
        """
        bags = [[_NUMBER[word] for word in words_of(text)] for text in texts]
        summed = torch.stack([self.words.weight[bag].mean(dim=0) for bag in bags])
        return functional.normalize(self.text(summed), dim=1)

    def forward(self, pixels: Tensor, texts: Sequence[str]) -> Tensor:
        """How well each picture goes with each text, (pictures, texts)."""
        return self.scale.exp() * self.pictures(pixels) @ self.texts(texts).T


_NUMBER = {word: number for number, word in enumerate(WORDS)}
_FILLERS = frozenset({"a", "an", "and", "of", "the", "with"})


def words_of(text: str) -> list[str]:
    """Its words, without those that say nothing."""
    return [word for word in re.findall(r"\w+", text.lower()) if word not in _FILLERS]


def unknown_words(text: str) -> tuple[str, ...]:
    """Those that the model does not know; ("",) for a text without a word."""
    words = words_of(text)
    return tuple(word for word in words if word not in _NUMBER) if words else ("",)


def load(file: Path = WEIGHTS_FILE) -> TwoTower:
    """The trained model, in eval mode.

    Raises: OSError where the weights cannot be read.
    """
    from safetensors.torch import load_file

    model = TwoTower()
    model.load_state_dict(load_file(file))
    return model.eval()
