"""Trains a demo network and writes its weights with what was measured: `python -m neurflow_report.demo.train flowers`.

1. Draw (flowers) or read (Fashion-MNIST, Debian's package dataset-fashion-mnist) the training pictures.
2. Each epoch every picture is seen once, half of them as random crops down to a quarter of the side, flipped at
   random, so that neurons answer to a part alone as they do to the whole: the method shows them such patches.
3. SGD with momentum, one cycle of the rate, weight decay, label smoothing, and an L1 penalty: for flowers on the
   weights of `fc`, so that a class reads few channels (docs/adr/0022), for Fashion-MNIST on the batch norms' scales.
4. Measure on the test pictures and write a .safetensors file whose metadata holds the figures.

With the same seed, torch version and number of threads the weights are the same.
"""

from __future__ import annotations

import argparse
import gzip
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from neurflow_report.demo.cnn import SmallCnn
from neurflow_report.demo.flowers import DATASET, SIZE
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.results.records import Preprocess

FASHION_ROOT = Path("/usr/share/datasets/fashion-mnist")
Pictures = tuple[torch.Tensor, torch.Tensor]
"""uint8 (N, C, S, S) and class indices (N,)."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Attributes:
        scale, readout: weights of the L1 penalties on the batch norms' scales and on the weights of `fc`.
        crops: share of pictures seen as a crop.
    """

    epochs: int
    batch: int = 64
    rate: float = 0.1
    decay: float = 5e-4
    scale: float = 0.0
    readout: float = 0.0
    smoothing: float = 0.05
    crops: float = 0.5
    seed: int = 0


RECIPES = {
    "flowers": Recipe(epochs=6, readout=8e-3),
    "fashion": Recipe(epochs=4, crops=0.25, batch=128, scale=1e-3),
}


def flower_pictures(split: str, per_class: int) -> Pictures:
    """`per_class` pictures of every class of a split of the generator."""
    pixels, labels = [], []
    for index in range(len(DATASET.class_names)):
        for number in range(per_class):
            pixels.append(np.asarray(DATASET.draw(index, number, split)[0]))
            labels.append(index)
    stacked = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
    assert stacked.shape[-1] == SIZE  # noqa: S101
    return stacked, torch.tensor(labels)


def read_idx(path: Path) -> NDArray[np.uint8]:
    """A gzipped IDX file of bytes: 4 bytes of magic (the last: number of axes), each axis as 4 bytes, then the data."""
    raw = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(raw, ">u4", count=raw[3], offset=4).astype(int)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def fashion_pictures(root: Path, stem: str) -> Pictures:
    """Fashion-MNIST's pictures and labels; `stem` is "train" or "t10k"."""
    pixels = read_idx(root / f"{stem}-images-idx3-ubyte.gz")[:, None].copy()
    labels = read_idx(root / f"{stem}-labels-idx1-ubyte.gz").astype(np.int64)
    return torch.from_numpy(pixels), torch.from_numpy(labels)


def normalise(pixels: torch.Tensor, preprocess: Preprocess) -> torch.Tensor:
    """uint8 (B, C, S, S) → the network's input, as `preprocess` says."""
    mean, std = (torch.tensor(v)[:, None, None] for v in (preprocess.mean, preprocess.std))
    return (pixels.float() / 255 - mean) / std


def augment(batch: torch.Tensor, crops: float, rng: torch.Generator) -> torch.Tensor:
    """(B, C, S, S) → the same shape: small shifts and flips, and for a share `crops` a window of side 0.25 to 0.9."""
    n = len(batch)
    is_crop = torch.rand(n, generator=rng) < crops
    scale = torch.where(is_crop, 0.25 + 0.65 * torch.rand(n, generator=rng), 1.0)
    room = torch.where(is_crop, 1 - scale, 0.08)
    shift = (2 * torch.rand(n, 2, generator=rng) - 1) * room[:, None]
    flip = torch.where(torch.rand(n, generator=rng) < 0.5, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = scale * flip, scale, shift
    grid = functional.affine_grid(theta, list(batch.shape), align_corners=False)
    return functional.grid_sample(batch, grid, padding_mode="reflection", align_corners=False)


def batches(count: int, size: int, rng: torch.Generator) -> Iterator[torch.Tensor]:
    """Indices 0..count−1 in random order, `size` at a time; a remainder of one is left out (batch norm needs two)."""
    return (part for part in torch.split(torch.randperm(count, generator=rng), size) if len(part) > 1)


def sparsity(model: SmallCnn, recipe: Recipe) -> torch.Tensor:
    """The L1 penalties: on the batch norms' scales and on the weights of `fc`."""
    scales = [m.weight.abs().sum() for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    return recipe.scale * torch.stack(scales).sum() + recipe.readout * model.fc.weight.abs().sum()


def train(model: SmallCnn, pictures: Pictures, preprocess: Preprocess, recipe: Recipe) -> None:
    """Trains `model` in place and leaves it in eval mode; prints a line an epoch on stderr."""
    pixels, labels = pictures
    rng = torch.Generator().manual_seed(recipe.seed)
    optimizer = torch.optim.SGD(
        model.parameters(), lr=recipe.rate, momentum=0.9, nesterov=True, weight_decay=recipe.decay
    )
    steps = recipe.epochs * -(-len(pixels) // recipe.batch)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps + 1, pct_start=0.25)
    for epoch in range(recipe.epochs):
        start, total = time.monotonic(), 0.0
        model.train()
        for chosen in batches(len(pixels), recipe.batch, rng):
            batch = augment(normalise(pixels[chosen], preprocess), recipe.crops, rng)
            loss = functional.cross_entropy(model(batch), labels[chosen], label_smoothing=recipe.smoothing)
            optimizer.zero_grad()
            torch.autograd.backward(loss + sparsity(model, recipe))
            optimizer.step()
            cycle.step()
            total += float(loss.detach()) * len(chosen)
        note = f"epoch {epoch + 1}/{recipe.epochs}  loss {total / len(pixels):.3f}  {time.monotonic() - start:.1f} s"
        print(note, file=sys.stderr, flush=True)
    model.eval()


def accuracy(model: nn.Module, pictures: Pictures, preprocess: Preprocess) -> float:
    """Share of the pictures classified rightly, 0..1; `model` in eval mode."""
    with torch.inference_mode():
        right = [
            (model(normalise(p, preprocess)).argmax(1) == y).sum().item()
            for p, y in zip(*(torch.split(part, 256) for part in pictures), strict=True)
        ]
    return float(sum(right)) / len(pictures[0])


def save(model: nn.Module, out: Path, *, test_accuracy: float, test_count: int, recipe: Recipe) -> None:
    """The state as float32 safetensors, and what was measured as its metadata."""
    facts = {"test_accuracy": f"{test_accuracy:.4f}", "test_count": test_count, "seed": recipe.seed}
    facts |= {"epochs": recipe.epochs, "threads": torch.get_num_threads(), "torch": torch.__version__.split("+")[0]}
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), out, metadata={k: str(v) for k, v in facts.items()})
    out.chmod(0o644)


def load_pictures(name: str, fashion_root: Path) -> tuple[Pictures, Pictures]:
    """Training and test pictures of a demo network."""
    if name == "flowers":
        return flower_pictures("train", 200), flower_pictures("test", 100)
    return fashion_pictures(fashion_root, "train"), fashion_pictures(fashion_root, "t10k")


def run(name: str, out: Path, training: Pictures, test: Pictures, recipe: Recipe) -> float:
    """Trains network `name` and writes its weights to `out`.

    Returns: the test accuracy.
    """
    network = NETWORKS[name]
    torch.manual_seed(recipe.seed)
    model = network.build()
    train(model, training, network.preprocess, recipe)
    measured = accuracy(model, test, network.preprocess)
    save(model, out, test_accuracy=measured, test_count=len(test[0]), recipe=recipe)
    return measured


def main(argv: list[str] | None = None) -> int:
    """The command line.

    Returns: the exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m neurflow_report.demo.train", description="Trains a demo network.")
    parser.add_argument("name", choices=sorted(NETWORKS))
    parser.add_argument("--out", type=Path, help="weights file to write (default: the one inside the package)")
    parser.add_argument("--fashion-root", type=Path, default=FASHION_ROOT, help="folder of the Fashion-MNIST files")
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    options = parser.parse_args(argv)
    recipe = RECIPES[options.name]
    if options.epochs:
        recipe = Recipe(**{**vars(recipe), "epochs": options.epochs})
    torch.use_deterministic_algorithms(True)
    start = time.monotonic()
    training, test = load_pictures(options.name, options.fashion_root)
    print(f"{len(training[0])} training, {len(test[0])} test pictures", file=sys.stderr, flush=True)
    out = options.out or NETWORKS[options.name].weights
    measured = run(options.name, out, training, test, recipe)
    print(f"test accuracy {measured:.4f}, {time.monotonic() - start:.0f} s, {out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
