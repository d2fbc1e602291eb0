"""The embedded demo networks: small plain CNNs with named blocks, and where their trained weights lie.

Importing this module imports neither torch nor safetensors; `build` does. What training measured (test accuracy, seed,
epochs) is read from the header of the weights file, where demo/train.py wrote it.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from neurflow_report.demo.flowers import DATASET
from neurflow_report.results.records import Preprocess

if TYPE_CHECKING:
    from neurflow_report.demo.cnn import SmallCnn

WEIGHTS = Path(__file__).parent / "weights"
FASHION_CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
"""The names of Fashion-MNIST, as torchvision has them."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """Convolution 3×3 to `width` channels at `stride`, batch norm, ReLU, and max pooling 2×2 where `pool`."""

    width: int
    stride: int = 1
    pool: bool = False


@dataclass(frozen=True, kw_only=True)
class DemoNetwork:
    """An embedded network. `build` makes it untrained, in eval mode; `layers` are the layers worth declaring."""

    build: Callable[[], SmallCnn]
    weights: Path
    preprocess: Preprocess
    class_names: tuple[str, ...]
    layers: tuple[str, ...]

    @property
    def metadata(self) -> Mapping[str, str]:
        """What training wrote into the weights file: test_accuracy, test_count, seed, epochs, torch."""
        return header_metadata(self.weights)

    @property
    def test_accuracy(self) -> float:
        """Share of the test pictures classified rightly, 0..1, as measured when the weights were trained."""
        return float(self.metadata["test_accuracy"])


@cache
def header_metadata(path: Path) -> Mapping[str, str]:
    """The metadata of a safetensors file, read from its header alone: 8 bytes of length, then JSON.

    Raises: OSError when the file cannot be read.
    """
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return MappingProxyType(dict(header.get("__metadata__", {})))


def build_network(blocks: tuple[Block, ...], *, channels: int, outputs: int) -> SmallCnn:
    """block1 … blockN, global average pool, `fc`: (B, channels, S, S) → (B, outputs) logits.

    In eval mode, with random weights from torch's global seed.
    """
    from neurflow_report.demo.cnn import SmallCnn

    return SmallCnn([(b.width, b.stride, b.pool) for b in blocks], channels=channels, outputs=outputs).eval()


_UPPER_BLOCKS = (Block(width=128, stride=2), Block(width=128), Block(width=128, stride=2))
_FLOWER_BLOCKS = (Block(width=128, stride=2, pool=True), *_UPPER_BLOCKS)
_FASHION_BLOCKS = (Block(width=96, pool=True), *_UPPER_BLOCKS)
_LAYERS = ("block1", "block2", "block3", "block4", "fc")

NETWORKS: Mapping[str, DemoNetwork] = MappingProxyType(
    {
        "flowers": DemoNetwork(
            build=partial(build_network, _FLOWER_BLOCKS, channels=3, outputs=len(DATASET.class_names)),
            weights=WEIGHTS / "flowers.safetensors",
            preprocess=Preprocess(resize=None, size=64, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25)),
            class_names=DATASET.class_names,
            layers=_LAYERS,
        ),
        "fashion": DemoNetwork(
            build=partial(build_network, _FASHION_BLOCKS, channels=1, outputs=len(FASHION_CLASSES)),
            weights=WEIGHTS / "fashion.safetensors",
            preprocess=Preprocess(resize=None, size=28, mean=(0.286,), std=(0.353,), channels=1),
            class_names=FASHION_CLASSES,
            layers=_LAYERS,
        ),
    }
)
"""Name → network, as the spec's `model: {source: demo, name: …}` calls them."""
