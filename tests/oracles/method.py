"""METHOD §§1–3 written again, as plainly and slowly as possible, in float64: what the fast code is measured against.

It knows nothing of segments: a layer's activation is put in, and the next one's read, with forward hooks on the
original network, from the picture on, one target and one patch at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import silhouette_score


@dataclass
class OracleNeuron:
    channel: int
    concept: list[int]
    T: np.ndarray | None  # (k, C)
    core: list[int]
    groups: list[set[int]]  # patch indices
    weights: list[dict[int, float]]  # per group: core channel → w


class Enough(Exception):  # noqa: N818
    """The layer that was asked for has been seen: the rest of the pass is not needed."""


def hooked(model, layer, pixels, *, replace=None):
    """The output of `layer` for `pixels`; with `replace=(below, value)` the output of `below` is `value` instead."""
    modules, seen = dict(model.named_modules()), {}

    def see(_module, _inputs, out):
        seen["out"] = out
        raise Enough

    handles = [modules[layer].register_forward_hook(see)]
    if replace is not None:
        handles.append(modules[replace[0]].register_forward_hook(lambda _m, _i, _o: replace[1]))
    try:
        model(pixels)
    except Enough:
        return seen["out"]
    finally:
        for handle in handles:
            handle.remove()
    raise AssertionError(layer)


def mean_over_space(out):
    return out.flatten(2).mean(2) if out.dim() == 4 else out


def integrated_gradients(model, layer, below, channel, patch, nodes):
    """T(a, ·, v) for one patch (1, 3, S, S)."""
    with torch.no_grad():
        A = hooked(model, below, patch)
    x, w = np.polynomial.legendre.leggauss(nodes)
    nodes, weights = torch.as_tensor((x + 1) / 2), torch.as_tensor(w / 2)
    point = (A * nodes.view(-1, *[1] * (A.dim() - 1))).requires_grad_()
    phi = mean_over_space(hooked(model, layer, patch, replace=(below, point)))[:, channel]
    gradient = torch.autograd.grad(phi.sum(), point)[0]
    T = A * (weights.view(-1, *[1] * (A.dim() - 1)) * gradient).sum(0, keepdim=True)
    T = T.flatten(2).sum(2) if T.dim() == 4 else T
    return T[0].numpy()


def top(values, k):
    return sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]


def clusters(vectors, most):
    """Sets of row numbers: Ward, n in 2..min(most, N−1) by mean silhouette."""
    best, labels = -2.0, np.zeros(len(vectors), int)
    for n in range(2, min(most, len(vectors) - 1) + 1):
        candidate = AgglomerativeClustering(n_clusters=n, linkage="ward").fit_predict(vectors)
        score = silhouette_score(vectors, candidate)
        if score > best:
            best, labels = score, candidate
    return [set(np.flatnonzero(labels == c).tolist()) for c in sorted(set(labels.tolist()))]


def neurons(model, layers, patches, logit, *, k, tau, max_semantic, nodes):
    """Every layer's OracleNeurons by channel, in a dict by layer, and the means φ by layer."""
    with torch.no_grad():
        means = {name: mean_over_space(hooked(model, name, patches)).numpy() for name in layers}
    found, targets = {}, [logit]
    for number in range(len(layers) - 1, -1, -1):
        layer, below = layers[number], layers[max(number - 1, 0)]
        found[layer] = {}
        for a in targets:
            concept = top(means[layer][:, a].tolist(), k)
            T, core = None, []
            if number:
                T = np.stack([integrated_gradients(model, layer, below, a, patches[v : v + 1], nodes) for v in concept])
                score = np.abs(T).mean(0)
                core = [i for i in top(score.tolist(), tau) if score[i] > 0]
            rows = clusters(means[below][concept], max_semantic)
            weights = []
            for group in rows if number else []:
                bar = {i: T[sorted(group), i].mean() for i in core}
                weights.append({i: bar[i] / sum(abs(x) for x in bar.values()) for i in core})
            groups = [{concept[r] for r in group} for group in rows]
            found[layer][a] = OracleNeuron(a, concept, T, core, groups, weights)
        targets = sorted({i for n in found[layer].values() for i in n.core})
    return found, means


def neuron_groups(found, means, layers, most):
    """Per layer the neuron groups: sets of (channel, frozenset of patches); the top layer's is one."""
    result = {}
    for number, layer in enumerate(layers):
        r = means[layers[max(number - 1, 0)]]
        members = [(a, frozenset(g)) for a, n in found[layer].items() for g in n.groups]
        vectors = np.stack([r[sorted(g)].mean(0) for _, g in members])
        rows = [set(range(len(members)))] if number == len(layers) - 1 else clusters(vectors, most)
        result[layer] = [frozenset(members[m] for m in row) for row in rows]
    return result


def group_weight(upper, lower, found_upper):
    """W(U, L)."""
    inside = {channel for channel, _ in lower}
    values = []
    for channel, patches in upper:
        neuron = found_upper[channel]
        j = [frozenset(g) for g in neuron.groups].index(patches)
        values.append(sum(w for i, w in neuron.weights[j].items() if i in inside))
    return sum(values) / len(values)
