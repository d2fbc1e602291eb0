"""The same network with its training undone: the control that every experiment can be held against (METHOD §5).

Every module that knows how to begin anew does so (`reset_parameters`, batch-norm statistics included). A parameter
that no module resets has its values shuffled: its distribution stays, what was learnt goes. What a mask of pruning
holds at 0 stays at 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils.prune import BasePruningMethod

from neurflow_report.network.copies import copied, settle


@torch.no_grad()
def reinitialised(module: nn.Module, *, seed: int) -> nn.Module:
    """A copy of `module` in eval mode with random weights from `seed`; `module` and torch's generator stay as they
    were."""
    fresh = copied(module, share=False)
    device = next((p.device for p in fresh.parameters()), torch.device("cpu"))
    fresh.to("cpu")
    masks = _masks(fresh)
    settle(fresh)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        left = _reset(fresh)
        for parameter in fresh.parameters():
            if id(parameter) in left:
                flat = left[id(parameter)].flatten()
                parameter.copy_(flat[torch.randperm(len(flat))].view_as(parameter))
    for (part, name), mask in masks.items():
        if name in part._parameters:
            part.get_parameter(name).mul_(mask)
    return fresh.to(device).eval()


def _masks(module: nn.Module) -> Mapping[tuple[nn.Module, str], Tensor]:
    """The masks of pruning, by the module and the name of what they are over."""
    hooks = [(part, hook) for part in module.modules() for hook in part._forward_pre_hooks.values()]
    names = [(part, str(hook._tensor_name)) for part, hook in hooks if isinstance(hook, BasePruningMethod)]
    return {(part, name): part.get_buffer(f"{name}_mask") for part, name in names}


def _reset(module: nn.Module) -> dict[int, Tensor]:
    """Let every module begin anew.

    They are told by what is put in their place before: a reset that leaves it there, or makes something of it, is none.

    Returns: the values of the parameters that none has reset, by their identity.
    """
    before = {id(p): p.clone() for p in module.parameters()}
    for parameter in module.parameters():
        if parameter.is_floating_point() or parameter.is_complex():
            parameter.fill_(torch.nan)
    for part in module.modules():
        begin = getattr(part, "reset_parameters", None)
        if callable(begin):
            _attempt(begin)
    left = [p for p in module.parameters() if not (p.is_floating_point() or p.is_complex()) or p.isnan().any()]
    for parameter in left:
        parameter.copy_(before[id(parameter)])
    return {id(p): before[id(p)] for p in left}


def _attempt(begin: object) -> None:
    """A reset that needs something else, or fails, is none: its parameters are shuffled."""
    try:
        begin()  # type: ignore[operator]
    except Exception:  # whatever a user's module raises
        return
