"""Wrappers that compute nothing of their own: what they hold is examined in their place, and that is said.

Only wrappers are taken off whose class is known to hand its input on and to return what it gets: parallel training,
torch.compile, averages of weights. Code that reaches through one inside a network (`self.part.module`) still does.
"""

from __future__ import annotations

from torch import nn

_HELD = {
    "torch.nn.parallel.data_parallel.DataParallel": "module",
    "torch.nn.parallel.distributed.DistributedDataParallel": "module",
    "torch._dynamo.eval_frame.OptimizedModule": "_orig_mod",
    "torch.optim.swa_utils.AveragedModel": "module",
    "timm.utils.model_ema.ModelEmaV2": "module",
    "timm.utils.model_ema.ModelEmaV3": "module",
}
"""Where each wrapper holds the network."""


def unwrapped(network: nn.Module) -> tuple[nn.Module, tuple[str, ...]]:
    """What the wrappers around a network and inside it hold, and what to say of them. Changes the network."""
    network, taken = _inside(network)
    for part in list(network.modules()):
        for name, child in part._modules.items():
            if child is not None:
                part._modules[name], within = _inside(child)
                taken += within
    compiled = [part for part in network.modules() if getattr(part, "_compiled_call_impl", None) is not None]
    for part in compiled:
        part._compiled_call_impl = None
    notes = (
        [f"left out of the factory's network, as they only call what they hold: {', '.join(taken)}"] if taken else []
    )
    if compiled:
        notes.append("the network is examined as it is without torch.compile")
    return network, tuple(notes)


def _inside(module: nn.Module) -> tuple[nn.Module, list[str]]:
    """What is in a module's wrappers, and their classes, outermost first; for any other module, itself."""
    taken, names = [], []
    while (found := _held(module)) is not None:
        taken.append(type(module).__name__)
        module, name = found
        names.append(name)
    for name in names:
        if not hasattr(module, name):
            vars(module)[name] = module  # for code that reaches through the wrapper
    return module, taken


def _held(module: nn.Module) -> tuple[nn.Module, str] | None:
    """What a known wrapper holds, and under which name, where it does no more than call it; None for other modules."""
    if module._forward_hooks or module._forward_pre_hooks:
        return None
    for kind in type(module).__mro__:
        name = _HELD.get(f"{kind.__module__}.{kind.__qualname__}")
        if name is not None:
            same = getattr(type(module), "forward", None) is getattr(kind, "forward", None)
            held = getattr(module, name, None)
            return (held, name) if same and isinstance(held, nn.Module) else None
    return None
