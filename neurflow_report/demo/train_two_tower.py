"""Trains the demo's image–text model and writes its weights: `python -m neurflow_report.demo.train_two_tower`.

1. Draw the training pictures, and where their parts are.
2. Each step: a random window of each picture, as large as a patch may be; its caption names the part that the window
   shows (demo/truth.py), the two most prominent ones, or, of nearly whole pictures, the class.
3. Cross-entropy both ways between the windows and the captions of a batch; windows of equal captions share them.
4. Measure on the validation pictures how often the part shown is the nearest text, and write both.

Neither the report's pictures nor the examined network are seen. With the same seed, torch version and number of threads
the weights are the same.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch.nn import functional

from neurflow_report.demo.flowers import DATASET, SIZE
from neurflow_report.demo.truth import BACKGROUND_SHARE
from neurflow_report.demo.two_tower import SIDE, VOCABULARY, WEIGHTS_FILE, TwoTower

PARTS = DATASET.parts
SEED, EPOCHS, BATCH, RATE = 0, 12, 100, 2e-3
LARGE = 0.8
"""The side, as a share of the picture's, from which a window may be called by its class."""
SCALES = (0.25, 0.5, 1.0)


@dataclass(frozen=True, kw_only=True)
class Painted:
    """Pictures (n, S, S, 3), the part that each pixel shows (n, S, S), their classes (n,), and the mean visible area of
    each part where it is shown (P,)."""

    pixels: NDArray[np.uint8]
    shown: NDArray[np.int64]
    classes: NDArray[np.int64]
    usual: NDArray[np.float64]


def painted(split: str, per_class: int) -> Painted:
    """`per_class` pictures of every class."""
    pixels, shown, classes = list[NDArray[np.uint8]](), list[NDArray[np.int64]](), list[int]()
    for index in range(len(DATASET.class_names)):
        for number in range(per_class):
            picture, masks = DATASET.draw(index, number, split)
            parts = np.zeros((SIZE, SIZE), np.int64)
            for part, mask in masks.items():
                parts[mask] = PARTS.index(part)
            pixels.append(np.asarray(picture))
            shown.append(parts)
            classes.append(index)
    stacked = np.stack(shown)
    areas = np.stack([(stacked == part).sum(axis=(1, 2)) for part in range(len(PARTS))])
    usual = areas.sum(axis=1) / np.maximum((areas > 0).sum(axis=1), 1)
    return Painted(pixels=np.stack(pixels), shown=stacked, classes=np.array(classes), usual=usual)


def prominent(shown: NDArray[np.int64], usual: NDArray[np.float64]) -> list[int]:
    """The parts that a window (s, s) shows, the most prominent first, by the rule of demo/truth.py."""
    areas = np.bincount(shown.ravel(), minlength=len(PARTS))
    background = len(PARTS) - 1
    plant = areas[:background] / np.sqrt(np.maximum(usual[:background], 1e-9))
    order = [part for part in np.argsort(-plant, kind="stable").tolist() if plant[part] > 0]
    if areas[background] >= BACKGROUND_SHARE * shown.size or not order:
        return [background, *order]
    return order


def caption(shown: NDArray[np.int64], usual: NDArray[np.float64], class_name: str, random: np.random.Generator) -> str:
    """What is said of a window."""
    large = shown.shape[0] >= LARGE * SIZE
    if large and random.random() < 0.5:
        return class_name
    parts = prominent(shown, usual)
    if len(parts) > 1 and parts[0] != len(PARTS) - 1 and random.random() < 0.15:
        return f"{PARTS[parts[0]]} and {PARTS[parts[1]]}"
    return PARTS[parts[0]]


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Random windows: (n, 3, SIDE, SIDE) of 0..1, a caption of each, and the part that it shows."""

    pixels: torch.Tensor
    captions: list[str]
    parts: list[int]


def windows(data: Painted, chosen: NDArray[np.int64], random: np.random.Generator) -> Windows:
    """A random window of each picture chosen."""
    found, captions, parts = list[torch.Tensor](), list[str](), list[int]()
    for number in chosen.tolist():
        share = random.uniform(0.22, 1.0) if random.random() < 0.3 else SCALES[random.choice(3, p=[0.55, 0.3, 0.15])]
        side = max(8, round(share * SIZE))
        top, left = random.integers(0, SIZE - side + 1, 2).tolist()
        here = np.s_[top : top + side, left : left + side]
        window = torch.from_numpy(data.pixels[number][here]).permute(2, 0, 1)[None].float() / 255
        if random.random() < 0.5:
            window = window.flip(3)
        found.append(functional.interpolate(window, size=(SIDE, SIDE), mode="bilinear", align_corners=False))
        shown = data.shown[number][here]
        captions.append(caption(shown, data.usual, DATASET.class_names[data.classes[number]], random))
        parts.append(prominent(shown, data.usual)[0])
    return Windows(pixels=torch.cat(found), captions=captions, parts=parts)


def loss_of(model: TwoTower, some: Windows) -> torch.Tensor:
    """Cross-entropy from windows to texts and back; equal captions are one text."""
    texts = sorted(set(some.captions))
    own = torch.tensor([texts.index(one) for one in some.captions])
    scores = model(some.pixels, texts)
    back = torch.zeros(len(texts), len(own)).scatter(0, own[None], 1.0)
    back = back / back.sum(dim=1, keepdim=True)
    return functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, back)


def train(data: Painted, epochs: int) -> TwoTower:
    """The model, in eval mode; a line an epoch on stderr."""
    torch.manual_seed(SEED)
    random, model = np.random.default_rng(SEED), TwoTower()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=1e-3)
    steps = epochs * (len(data.pixels) // BATCH)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1)
    for epoch in range(epochs):
        start, total = time.monotonic(), 0.0
        model.train()
        order = random.permutation(len(data.pixels))[: len(data.pixels) // BATCH * BATCH]
        for chosen in np.split(order, len(order) // BATCH):
            loss = loss_of(model, windows(data, chosen, random))
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            cycle.step()
            total += float(loss.detach())
        note = f"epoch {epoch + 1}/{epochs}  loss {total * BATCH / len(order):.3f}  {time.monotonic() - start:.1f} s"
        print(note, file=sys.stderr, flush=True)
    return model.eval()


def measured(model: TwoTower, data: Painted) -> float:
    """Of random windows, the share whose part shown is the nearest of the vocabulary's texts."""
    random, right = np.random.default_rng([SEED, 1]), 0
    with torch.inference_mode():
        for chosen in np.array_split(np.arange(len(data.pixels)), max(1, len(data.pixels) // BATCH)):
            some = windows(data, chosen, random)
            right += int((model(some.pixels, VOCABULARY).argmax(dim=1) == torch.tensor(some.parts)).sum())
    return right / len(data.pixels)


def main(argv: list[str] | None = None) -> int:
    """The command line.

    Returns: the exit code.
    """
    parser = argparse.ArgumentParser(prog="python -m neurflow_report.demo.train_two_tower", description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS_FILE, help="weights file to write")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="instead of the recipe's")
    parser.add_argument("--per-class", type=int, default=200, help="training pictures of each class")
    options = parser.parse_args(argv)
    torch.use_deterministic_algorithms(True)
    start = time.monotonic()
    training, held = painted("train", options.per_class), painted("val", max(1, options.per_class // 4))
    model = train(training, options.epochs)
    share = measured(model, held)
    facts = {"accuracy": f"{share:.4f}", "count": len(held.pixels), "seed": SEED, "epochs": options.epochs}
    facts |= {"threads": torch.get_num_threads(), "torch": torch.__version__.split("+")[0]}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, options.out, metadata={k: str(v) for k, v in facts.items()})
    options.out.chmod(0o644)
    print(f"nearest text right {share:.4f}, {time.monotonic() - start:.0f} s, {options.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
