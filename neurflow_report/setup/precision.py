"""The arithmetic of a run: full float32 or float64, and TF32 in the attributions, whose error is measured (ADR 21).

TF32: a GPU rounds the factors of matrix products and convolutions to 10 bits after the point; everything else stays
float32. Only attributions are computed so, where the spec asks for it, or leaves it open (`auto`) and they hardly move:
φ, knock-outs and the bounds on them are full float32's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from neurflow_report.attribution.integrated_gradients import Pairs, attribute
from neurflow_report.circuit.discovery import LayerPair
from neurflow_report.circuit.top_patches import core_set
from neurflow_report.errors import InputError
from neurflow_report.network.forward import AdaptiveBatch, spatial_mean
from neurflow_report.progress import Progress
from neurflow_report.results.records import Rounding
from neurflow_report.setup.settings import RunSettings
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.schema import Spec

PATCHES, TARGETS = 8, 8
"""Of each pair of layers, how many patches and targets TF32 is compared on."""
SHARE = 0.1
"""`auto` takes TF32 where it moves T by at most this share of the tolerance of attributions (METHOD §4)."""
AMPERE = (8, 0)
"""The compute capability from which on an NVIDIA GPU has TF32."""
Arithmetic = Callable[[], AbstractContextManager[None]]


@contextmanager
def arithmetic(precision: str = "float32") -> Iterator[None]:
    """Deterministic algorithms, and full float32 unless `precision` is tf32; what was set before is set again after."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before, mode = (matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark), torch.get_deterministic_debug_mode()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    matmul.allow_tf32 = cudnn.allow_tf32 = precision == "tf32"
    cudnn.benchmark = False
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # or each result is written twice
    torch.set_deterministic_debug_mode("warn")  # use_deterministic_algorithms imports the compiler: two seconds
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.benchmark = before
        torch.set_deterministic_debug_mode(mode)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]


def has_tf32(device: torch.device) -> bool:
    """Whether the device rounds the factors of products where it is asked to."""
    if device.type != "cuda" or torch.version.hip is not None:
        return False
    return torch.cuda.get_device_capability(device) >= AMPERE


def check_precision(spec: Spec, device: torch.device) -> None:
    """Raises InputError precision-device where the device does not have the arithmetic that is asked for."""
    if spec.runtime.precision == "tf32" and not has_tf32(device):
        where = device.type if device.type != "cuda" else torch.cuda.get_device_name(device)
        raise InputError(
            "precision-device",
            f"precision is tf32, which an NVIDIA GPU has since Ampere, and the run is on {where}",
            hint="set runtime.precision to float32, or run on a GPU",
            path=("runtime", "precision"),
        )


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The arithmetic of the attributions.

    Attributes:
        precision: float32, float64 or tf32.
        roundings: what TF32 changes, where it is taken.
        note: why TF32 is not, where it could be.
    """

    precision: str
    roundings: tuple[Rounding, ...] = ()
    note: str = ""


class _NotFiniteError(Exception):
    """An attribution of a layer, by its name, is NaN or infinite."""


def attributions_in(
    workspace: Workspace,
    settings: RunSettings,
    pixels: Tensor,
    *,
    logit: int,
    progress: Progress,
    asked: Arithmetic | None = None,
) -> Taken:
    """What the attributions are computed in: what the spec says, and for `auto` TF32 where the device has it, and it
    moves T at no layer by more than `SHARE` of the tolerance; else float32.

    Args:
        pixels: a class's inputs (I, C, S, S), on whose patches TF32 is tried.
        asked: what is tried in its place.
    """
    if settings.precision in {"float32", "float64"}:
        return Taken(precision=settings.precision)
    auto = settings.precision == "auto"
    if auto and asked is None and not has_tf32(workspace.segments.device):
        return Taken(precision="float32")
    try:
        with progress.stage("try TF32", None) as step:
            how = asked or partial(arithmetic, "tf32")
            found = roundings(workspace, settings, pixels, logit=logit, asked=how, note=step.note)
    except _NotFiniteError as error:  # where it is not finite in float32 either, the search tells it
        told = f"TF32: an attribution of {error} would be NaN or infinite" if auto else ""
        return Taken(precision="float32" if auto else "tf32", note=told)
    most = SHARE * settings.quadrature.tolerance
    over = [r for r in found if not r.error <= most]
    if not auto or not over:
        return Taken(precision="tf32", roundings=found)
    worst = max(over, key=lambda r: r.error)
    told = f"attributions of {worst.layer} would be {worst.error:.2%} off float32's, over {most:.2%}"
    return Taken(precision="float32", note=f"TF32: {told}, a tenth of attribution.tolerance")


def roundings(
    workspace: Workspace,
    settings: RunSettings,
    pixels: Tensor,
    *,
    logit: int,
    asked: Arithmetic,
    note: Callable[[str], None],
) -> tuple[Rounding, ...]:
    """What an arithmetic changes of T from each layer to the one below, input → output, against full float32.

    Args:
        pixels: a class's inputs (I, C, S, S), whose patches it is tried on.
        asked: the arithmetic.
        note: told where memory runs out.
    Raises: _NotFiniteError.
    """
    count = len(pixels) * workspace.grid.per_image
    patches = np.unique(np.linspace(0, count - 1, PATCHES).astype(np.int64))
    found = []
    for number, layer_pair in enumerate(workspace.layer_pairs()):
        name = workspace.segments.layers[number + 1].name
        with arithmetic():
            below = workspace.activations(pixels, number, patches)
            is_top = number + 2 == len(workspace.segments.layers)
            targets = torch.tensor([logit]) if is_top else _strongest(layer_pair, below)
            exact = _attributed(layer_pair, settings, below, targets, note)
        with asked():
            rough = _attributed(layer_pair, settings, below, targets, note)
        if not bool(torch.isfinite(exact).all() and torch.isfinite(rough).all()):
            raise _NotFiniteError(repr(name))
        found.append(_compared(name, exact, rough, settings.tau))
    return tuple(found)


@torch.no_grad()
def _strongest(layer_pair: LayerPair, below: Tensor) -> Tensor:
    """The upper layer's channels of the largest mean φ."""
    phi = spatial_mean(layer_pair.segment(below), layer_pair.out_axis).mean(dim=0)
    return phi.topk(min(TARGETS, len(phi))).indices.cpu()


def _attributed(
    layer_pair: LayerPair, settings: RunSettings, below: Tensor, targets: Tensor, note: Callable[[str], None]
) -> Tensor:
    """T of every target on every patch, (targets, patches, channels)."""
    patches, channels = np.arange(len(below)), targets.cpu().numpy()
    pairs = Pairs(rows=np.tile(patches, len(channels)), channels=np.repeat(channels, len(patches)))

    def found(rows: int) -> Tensor:
        return attribute(
            layer_pair.segment,
            below,
            pairs,
            axis=layer_pair.axis,
            out_axis=layer_pair.out_axis,
            quadrature=settings.quadrature,
            rows=rows,
            whole=layer_pair.whole,
        ).values

    values = AdaptiveBatch(most=layer_pair.rows, note=note).attempt(found)
    return values.view(len(targets), len(below), -1).double().cpu()


def _compared(layer: str, exact: Tensor, rough: Tensor, tau: int) -> Rounding:
    """‖rough − exact‖ / ‖exact‖, and the share of the core neurons that are the same."""
    size = float(exact.norm())
    cores = [[set(core_set(one.abs().mean(dim=0).numpy(), tau).tolist()) for one in t] for t in (exact, rough)]
    same = sum(len(a & b) for a, b in zip(*cores, strict=True)) / max(1, sum(len(a) for a in cores[0]))
    return Rounding(layer=layer, error=float((rough - exact).norm()) / size if size else 0.0, core=same)
