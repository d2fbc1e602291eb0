"""The same network with its training undone: the control that every experiment can be held against (METHOD §5).

Every module that knows how to begin anew does so (`reset_parameters`, batch-norm statistics included). A parameter
that no module resets has its values shuffled: its distribution stays, what was learnt goes.
"""

from __future__ import annotations

import copy

import torch
from torch import nn


def reinitialised(module: nn.Module, *, seed: int) -> nn.Module:
    """A copy of `module` in eval mode with random weights from `seed`; `module` and torch's generator stay as they
    were."""
    fresh = copy.deepcopy(module)
    device = next((p.device for p in fresh.parameters()), torch.device("cpu"))
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        reset = set[int]()
        fresh.to("cpu")
        for part in fresh.modules():
            begin = getattr(part, "reset_parameters", None)
            if callable(begin):
                begin()
                reset |= {id(p) for p in part.parameters(recurse=False)}
        for parameter in fresh.parameters():
            if id(parameter) not in reset:
                flat = parameter.flatten()
                parameter.copy_(flat[torch.randperm(len(flat))].view_as(parameter))
    return fresh.to(device).eval()
