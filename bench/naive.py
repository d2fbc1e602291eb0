"""METHOD §§1–3 the naive way: one target at a time, 50 nodes for every patch, the network run again from the image for
each layer and each target, clustering anew for each n with scikit-learn.

Batched as anyone would (patches × nodes in one batch), but nothing is shared, factored out or adaptive. It knows the
network's modules and, for the way up from one layer to the next, the cut segment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import silhouette_score
from torch import Tensor, nn

from neurflow_report.network.forward import spatial_mean

NODES, ROWS = 50, 100


@dataclass(frozen=True, kw_only=True)
class Target:
    """One target: its k patches, largest φ first, the mean |T| of every channel below, and its semantic groups as sets
    of patches with w by channel."""

    concept: list[int]
    scores: np.ndarray
    core: list[int]
    groups: list[frozenset[int]]
    weights: list[dict[int, float]]


class Seen(Exception):  # noqa: N818
    """The layer has been reached: the rest of the pass is not needed."""


def output(model: nn.Module, layer: str, pixels: Tensor) -> Tensor:
    """The activation of a layer, run from the image."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, out: Tensor) -> None:
        kept.append(out)
        raise Seen

    handle = model.get_submodule(layer).register_forward_hook(keep)
    try:
        with torch.no_grad():
            model(pixels)
    except Seen:
        pass
    finally:
        handle.remove()
    return kept[0]


def means(model: nn.Module, layer: str, patches: Tensor) -> np.ndarray:
    """φ of every patch at one layer, (P, C)."""
    parts = [spatial_mean(output(model, layer, some), 1).cpu().numpy() for some in torch.split(patches, ROWS)]
    return np.concatenate(parts)


def attributions(segment: nn.Module, A: Tensor, channel: int) -> Tensor:
    """T(a, i, v) of one target at 50 nodes, (k, C)."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    total = torch.zeros_like(A)
    some = max(1, ROWS // NODES)
    for first in range(0, len(A), some):
        part = A[first : first + some]
        alphas = torch.as_tensor((nodes + 1) / 2, dtype=A.dtype, device=A.device)
        path = (part.unsqueeze(1) * alphas.view(1, -1, *[1] * (A.dim() - 1))).flatten(0, 1).requires_grad_()
        phi = spatial_mean(segment(path), 1)[:, channel]
        (gradient,) = torch.autograd.grad(phi.sum(), path)
        gradient = gradient.view(len(part), NODES, *A.shape[1:])
        scale = torch.as_tensor(weights / 2, dtype=A.dtype, device=A.device).view(1, -1, *[1] * (A.dim() - 1))
        total[first : first + some] = (gradient * scale).sum(1)
    T = A * total
    return T.flatten(2).sum(2) if T.dim() == 4 else T


def largest(values: np.ndarray, count: int) -> list[int]:
    """The indices of the `count` largest, ties to the lower one."""
    return np.argsort(-values, kind="stable")[:count].tolist()


def clusters(vectors: np.ndarray, counts: range | list[int]) -> list[frozenset[int]]:
    """The Ward partition with the best mean silhouette over `counts`, each clustered anew: sets of row numbers."""
    best, labels = -2.0, np.zeros(len(vectors), np.int64)
    points = np.asarray(vectors, np.float64)
    for n in counts if np.ptp(points, axis=0).any() else ():
        found = AgglomerativeClustering(n_clusters=n, linkage="ward").fit_predict(points)
        score = silhouette_score(points, found)
        if score > best:
            best, labels = score, found
    return [frozenset(np.flatnonzero(labels == c).tolist()) for c in np.unique(labels)]


def target(
    model: nn.Module,
    segment: nn.Module | None,
    below: str,
    patches: Tensor,
    phi: np.ndarray,
    r: np.ndarray,
    channel: int,
    *,
    k: int,
    tau: int,
    most: int,
) -> Target:
    """One target. Args: segment: from layer `below` up (None: the lowest layer, groups alone); phi: (P,) the target's
    activations; r: (P, m) those of all neurons below."""
    concept = largest(phi, k)
    T, scores, core = np.zeros((k, 0)), np.zeros(0), list[int]()
    if segment is not None:
        T = attributions(segment, output(model, below, patches[concept]), channel).detach().double().cpu().numpy()
        scores = np.abs(T).mean(0)
        core = [i for i in largest(scores, tau) if scores[i] > 0]
    rows = clusters(r[concept], range(2, min(most, k - 1) + 1))
    weights = []
    for group in rows if segment is not None else []:
        mean = T[sorted(group)].mean(0)
        total = sum(abs(mean[i]) for i in core)
        weights.append({i: mean[i] / total for i in core})
    groups = [frozenset(concept[i] for i in row) for row in rows]
    return Target(concept=concept, scores=scores, core=core, groups=groups, weights=weights)
