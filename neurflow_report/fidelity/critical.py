"""F5, overlap with critical-neuron methods: do others that look for a class's neurons find the core set? (METHOD §5)

- NeuronMCT (Khakzar et al. 2021): a channel's marginal contribution to the class logit, |Σ_space A ⊙ ∂logit/∂A|, the
  mean over the class's pictures.
- NeuCEPT (Vu et al. 2022): model-X knockoffs (Candès et al. 2018) of the layer's activations; a channel counts where
  the class logit follows it rather than its knockoff. Over the class's patches.

- With `critical: paper` also what the paper's code does: |IG of the class logit|, the integrated gradients of a channel
  from the layer to the logit, the mean over the class's pictures.

Each method's channels are ranked, and the first |core| of them compared with the core set; where channels tie for the
last places, it is the mean overlap over all ways to fill them, and the test counts whole channels only. Two sets of
that size drawn at random share |core| / C of their channels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import floor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from neurflow_report.attribution.affine_backward import spatial_sum
from neurflow_report.fidelity.experiment import LayerExperiment, LayerSize, Results, Subject, Work
from neurflow_report.fidelity.intervals import stats, wilson
from neurflow_report.fidelity.knockoffs import NoKnockoffsError, coefficient_differences
from neurflow_report.results.catalogue import LOGIT_IG
from neurflow_report.results.records import Measure, NotRun

Floats = NDArray[np.floating]
MCT, NEUCEPT = "NeuronMCT", "NeuCEPT"
NODES = 50
"""Gauss–Legendre nodes of the integral, as many as the paper takes."""
MOST = 2000
"""Patches that knockoffs are made for at most."""


def marginal_contributions(above: Callable[[Tensor], Tensor], activation: Tensor, logit: int, axis: int) -> Floats:
    """|Σ_space A ⊙ ∂logit/∂A| of each channel for each row of the activation, (n, C), in the logit's units."""
    top = activation.detach().requires_grad_()
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(above(top)[:, logit].sum(), top)
    found: Floats = spatial_sum(top.detach() * gradient, axis).abs().cpu().double().numpy()
    return found


def logit_attributions(above: Callable[[Tensor], Tensor], activation: Tensor, logit: int, axis: int) -> Tensor:
    """|Σ_space A ⊙ ∫ ∂logit/∂A (αA) dα| of each channel for each row of the activation, (n, C), in the logit's units,
    on the activation's device."""
    points, weights = np.polynomial.legendre.leggauss(NODES)
    end, total = activation.detach(), torch.zeros_like(activation)
    for point, weight in zip(points.tolist(), weights.tolist(), strict=True):
        between = (end * ((point + 1) / 2)).requires_grad_()
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(above(between)[:, logit].sum(), between)
        total.add_(gradient, alpha=weight / 2)
    return spatial_sum(end * total, axis).abs()


def neuron_mct(layer: str, core: Sequence[int], contributions: Floats) -> Measure:
    """The overlap with NeuronMCT.

    Args: contributions: (pictures, C).
    """
    return _measure(layer, MCT, core, contributions.mean(axis=0))


def neucept(
    layer: str, core: Sequence[int], activations: Floats, logits: Floats, *, seed: Sequence[int]
) -> tuple[Measure | None, NotRun | None]:
    """The overlap with NeuCEPT, or why there is none.

    Args:
        activations: (P, C), φ of the layer on the class's patches.
        logits: (P,), φ of the class logit.
    """
    try:
        scores = knockoff_scores(activations, logits, seed=seed)
    except NoKnockoffsError as error:
        return None, NotRun(experiment="critical", layer=layer, case=NEUCEPT, reason=str(error))
    if int((scores > 0).sum()) == 0:
        reason = "no channel stands out from its knockoff"
        return None, NotRun(experiment="critical", layer=layer, case=NEUCEPT, reason=reason)
    return _measure(layer, NEUCEPT, core, scores), None


def knockoff_scores(activations: Floats, logits: Floats, *, seed: Sequence[int]) -> Floats:
    """The knockoff statistic W of each channel, (C,), over the patches or a random part of them.

    Raises: NoKnockoffsError.
    """
    random = np.random.default_rng(seed)
    rows = np.sort(random.permutation(len(activations))[:MOST])
    return coefficient_differences(activations[rows], logits[rows], seed=int(random.integers(2**32)))


def _overlap(core: Sequence[int], scores: Floats) -> float:
    """Share of the core set among the |core| channels with the largest scores.

    Of channels that tie for the last places (NeuCEPT gives many a 0) none has more right to them: the share is the mean
    over all ways to fill the places.
    """
    size, own = len(core), scores[list(core)]
    last = np.sort(scores)[-size]
    room = size - int((scores > last).sum())
    return float((own > last).sum() + room * (own == last).sum() / (scores == last).sum()) / size


def _measure(layer: str, case: str, core: Sequence[int], scores: Floats) -> Measure:
    """The overlap, with Wilson's interval over the core neurons."""
    size, channels, found = len(core), len(scores), _overlap(core, scores)
    chance, (low, high) = stats().hypergeom(channels, size, size), wilson(found * size, size)
    return Measure(
        experiment="critical",
        layer=layer,
        case=case,
        setting=size,
        value=found,
        low=low,
        high=high,
        n=size,
        unit="core neuron",
        null=size / channels,
        null_low=float(chance.ppf(0.025)) / size,
        null_high=float(chance.ppf(0.975)) / size,
        p_value=float(chance.sf(floor(found * size + 1e-9) - 1)),
    )


def _run(at: Subject) -> Results:
    """F5 at the layer; nothing where it has no core neurons."""
    core = [n.channel for n in at.layer.neurons]
    if not core:
        return Results()
    found = [marginal_contributions(at.above, part, at.logit, at.axis) for part in at.pictures()]
    first = neuron_mct(at.layer.name, core, np.concatenate(found))
    if at.sizes.critical == "paper":
        parts = [logit_attributions(at.above, part, at.logit, at.axis) for part in at.pictures()]
        attributed = torch.cat(parts).cpu().double().numpy().mean(axis=0)
        more: tuple[Measure, ...] = (_measure(at.layer.name, LOGIT_IG, core, attributed),)
    else:
        more = ()
    second, missing = neucept(at.layer.name, core, at.means[at.number], at.means[-1][:, at.logit], seed=at.seed)
    return Results(
        measures=(first, *more) if second is None else (first, *more, second),
        not_run=() if missing is None else (missing,),
    )


def _work(at: LayerSize) -> Iterator[Work]:
    """NeuronMCT on the pictures, and the integral where it is asked for; NeuCEPT on the patches."""
    yield Work(part="marginal contributions", rows=at.pictures)
    if at.sizes.critical == "paper":
        yield Work(part="marginal contributions", rows=NODES * at.pictures)
    yield Work(part="knockoffs", rows=min(at.patches, MOST))


EXPERIMENT = LayerExperiment(
    name="critical", stage="critical neurons", unit="comparisons", run=_run, work=_work, top=False, place=2
)
