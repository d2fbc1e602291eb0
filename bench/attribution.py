"""The attribution engine against Captum's IntegratedGradients, on the same segments of the same networks.

    python bench/attribution.py [--device cpu] [--json FILE] [--only TEXT] [--channels 32] [--checked 4]

Random weights, batch-norm statistics calibrated on random pictures, 16 patches. Two modes a segment: the same 50 nodes
(relative error at most 1e-4), and adaptive nodes with tolerance 2% (top-16 agreement at least 98%). Seconds are for one
target: the engine's mean over `--channels` targets spread over the layer, Captum's over `--checked` spread over these.
`÷ floor`: how many times as long the 50 nodes take as the arithmetic that is left at full speed (floor.py).
Exits with 1 where the results do not agree.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torchvision
from captum.attr import IntegratedGradients
from floor import floor
from torch import Tensor, nn

from neurflow_report.attribution.integrated_gradients import Pairs, Quadrature, attribute
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import activations, spatial_mean
from neurflow_report.setup.precision import arithmetic

PATCHES, NODES, TOP = 16, 50, 16
MODES = {"50 nodes": Quadrature(rule="gauss", nodes=NODES, max_nodes=NODES), "adaptive": Quadrature()}
SEGMENTS = [
    ("googlenet", "inception4a", "inception4b", "fc"),
    ("resnet18", "layer2.1", "layer3.0", "fc"),
    ("resnet18", "layer3.0", "layer3.1", "fc"),
    ("resnet50", "layer4.1", "layer4.2", "fc"),
    ("mobilenet_v2", "features.8", "features.9", "classifier"),
    ("resnet50", "layer4.2", "fc", None),
]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table; `error` and `agreement` are against Captum at 50 nodes, seconds are for one target.

    `floor`: seconds of the arithmetic that is left at 50 nodes, at full speed; None for other modes, and for none."""

    segment: str
    mode: str
    seconds: float
    reference_seconds: float
    ratio: float
    error: float
    agreement: float
    agrees: bool
    floor: float | None = None


def network(name: str, device: torch.device) -> nn.Module:
    """A torchvision network with random weights and calibrated batch norms, in eval mode."""
    torch.manual_seed(0)
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    model = torchvision.models.get_model(name, weights=None, **options).to(device)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    model.train()
    with torch.no_grad():
        model(torch.randn(16, 3, 224, 224, device=device))
    return model.eval().requires_grad_(False)


def timed(device: torch.device, call: Callable[[], Tensor]) -> tuple[Tensor, float]:
    """The result of a call, and its seconds."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    begun = time.perf_counter()
    result = call()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return result, time.perf_counter() - begun


def captum(segment: nn.Module, A: Tensor, channel: int) -> Tensor:
    """Captum's attributions of φ_channel at 50 nodes, summed over space: (patches, C)."""
    found = IntegratedGradients(lambda a: spatial_mean(segment(a), 1)[:, channel]).attribute(
        A, n_steps=NODES, method="gausslegendre", internal_batch_size=160
    )
    return found.flatten(2).sum(2).detach()


def overlap(found: Tensor, reference: Tensor) -> float:
    """Share of the 16 channels with the largest mean |T| that both name; (targets, patches, C) each."""
    shares = []
    for a, b in zip(found, reference, strict=True):
        best = [set(x.abs().mean(0).topk(TOP).indices.tolist()) for x in (a, b)]
        shares.append(len(best[0] & best[1]) / TOP)
    return sum(shares) / len(shares)


def measure(
    name: str, lower: str, upper: str, top: str | None, device: torch.device, channels: int, checked: int
) -> list[Row]:
    """The two rows of one segment."""
    pictures = torch.randn(PATCHES, 3, 224, 224, generator=torch.Generator().manual_seed(1)).to(device)
    segments = cut(network(name, device), [lower, upper, *([top] if top else [])], pictures[:1])
    segment, A = segments.stages[0], activations(segments, 0, pictures)
    targets = [int((i + 0.5) * segments.layers[1].channels / channels) for i in range(channels)]

    def engine(quadrature: Quadrature, wanted: list[int]) -> Tensor:
        pairs = Pairs(
            rows=np.tile(np.arange(PATCHES), len(wanted)),
            channels=np.repeat(np.array(wanted), PATCHES),
        )
        return attribute(segment, A, pairs, axis=1, out_axis=1, quadrature=quadrature, rows=1024).values

    some = [int((i + 0.5) * channels / checked) for i in range(checked)]
    captum(segment, A[:1], targets[0])
    reference, seconds = timed(device, lambda: torch.stack([captum(segment, A, targets[i]) for i in some]))
    reference_seconds = seconds / checked
    least = PATCHES * floor(segment, A[:1], targets, NODES)
    rows = []
    for mode, quadrature in MODES.items():
        engine(quadrature, targets[:1])
        found, seconds = timed(device, lambda q=quadrature: engine(q, targets))
        first = found.view(channels, PATCHES, -1)[some]
        error, agreement = float((first - reference).norm() / reference.norm()), overlap(first, reference)
        row = Row(
            segment=f"{name} {lower} → {upper}",
            mode=mode,
            seconds=seconds / channels,
            reference_seconds=reference_seconds,
            ratio=reference_seconds / (seconds / channels),
            error=error,
            agreement=agreement,
            agrees=error <= 1e-4 if mode == "50 nodes" else agreement >= 0.98,
            floor=(least or None) if mode == "50 nodes" else None,
        )
        rows.append(row)
    return rows


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 where a result does not agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write the rows to this file, too")
    parser.add_argument("--only", default="", help="segments whose name holds this text")
    parser.add_argument("--channels", type=int, default=32, help="targets that the engine is timed on")
    parser.add_argument("--checked", type=int, default=4, help="targets that Captum is timed on and compared with")
    options = parser.parse_args(argv)
    rows: list[Row] = []
    line = "{:42} {:9} {:>9} {:>9} {:>7} {:>8} {:>7} {:>8}"
    print(line.format("segment, 16 patches", "mode", "s/target", "Captum s", "ratio", "error", "top-16", "÷ floor"))
    for name, lower, upper, top in SEGMENTS:
        if options.only in f"{name} {lower} {upper}":
            for row in measure(
                name, lower, upper, top, torch.device(options.device), options.channels, options.checked
            ):
                rows.append(row)
                figures = f"{row.seconds:.4f}", f"{row.reference_seconds:.2f}", f"{row.ratio:.0f}×"
                quality = f"{row.error:.0e}", f"{row.agreement:.0%}"
                over = f"{row.seconds / row.floor:.1f}" if row.floor else ""
                print(line.format(row.segment, row.mode, *figures, *quality, over).rstrip(), flush=True)
    if not rows:
        parser.error(f"--only {options.only}: no segment's name holds this text")
    if options.json:
        options.json.write_text(json.dumps([asdict(r) for r in rows], indent=1) + "\n")
    wrong = [r for r in rows if not r.agrees]
    for row in wrong:
        print(f"does not agree: {row.segment}, {row.mode}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    with arithmetic():
        raise SystemExit(main())
