"""METHOD §5 written again, as plainly and slowly as possible, in float64: one set, one neuron and one patch at a time.

Knock-outs are forward hooks on the original network, from the picture on; nothing here knows of segments.
"""

from __future__ import annotations

import numpy as np
import torch

from tests.oracles.method import hooked, mean_over_space, top


def knocked_out(model, layer, below, channel, patches, members):
    """φ of one channel on every patch, `members` of the layer below at 0."""
    with torch.no_grad():
        full = hooked(model, below, patches).clone()
        full[:, list(members)] = 0
        return mean_over_space(hooked(model, layer, patches, replace=(below, full)))[:, channel].tolist()


def kept(model, layer, below, channel, patches, members, concept):
    """L(S, a)."""
    phi = knocked_out(model, layer, below, channel, patches, members)
    return len(set(top(phi, len(concept))) & set(concept)) / len(concept)


def beaten(own, others):
    """Share of random sets that leave more than the core set does."""
    return sum(other > own for other in others) / len(others)


def correlation(x, y):
    """Pearson's r, written out."""
    n = len(x)
    mx, my = sum(x) / n, sum(y) / n
    above = sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True))
    return above / (sum((a - mx) ** 2 for a in x) * sum((b - my) ** 2 for b in y)) ** 0.5


def drop(model, layer, below, patches, members, knocked):
    """The mean over (channel, patches of the semantic group) of the share of the mean activation that goes."""
    shares = []
    for channel, group in members:
        rows = patches[sorted(group)]
        before = np.mean(knocked_out(model, layer, below, channel, rows, []))
        after = np.mean(knocked_out(model, layer, below, channel, rows, knocked))
        shares.append((before - after) / abs(before))
    return float(np.mean(shares))


def accuracy(model, pictures, logit, masks):
    """Share still predicted as the class, with {layer: channels} at 0."""
    handles = []
    for name, members in masks.items():

        def hook(_module, _inputs, out, members=tuple(members)):
            out = out.clone()
            out[:, list(members)] = 0
            return out

        handles.append(dict(model.named_modules())[name].register_forward_hook(hook))
    try:
        with torch.no_grad():
            return float((model(pictures).argmax(1) == logit).double().mean())
    finally:
        for handle in handles:
            handle.remove()
