"""What a network must keep to, so that a report about it means something: two runs agree, a picture's result depends
on that picture alone, and torch.fx sees all of what it does. Where it does not, the cause is looked for, and told where
it is found."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from neurflow_report.errors import InputError
from neurflow_report.network.agreement import agree, difference
from neurflow_report.network.trace import running
from neurflow_report.network.watch import Seen, draws, first_to_differ, lowers, spelt, watched, writes_through_a_view

_PATH = ("model",)


@torch.no_grad()
def check_conduct(module: nn.Module, pictures: Tensor) -> None:
    """Run the network (eval mode) on pictures (N, C, S, S), N ≥ 2: twice on all, and on the first alone.

    What a network returns is looked at elsewhere.

    Raises:
        InputError not-finite where an output is NaN or infinite.
        InputError model-random, model-batch, with the operation or module that it comes from.
        InputError model-fails.
    """
    with running(pictures):
        first, second = module(pictures.clone()), module(pictures.clone())
    if not isinstance(first, Tensor):
        return
    if not bool(torch.isfinite(first).all()):
        raise _not_finite(module)
    if not agree(second, first):
        raise _random(module, pictures, difference(second, first))
    for i in (0, len(pictures) - 1):
        with running(pictures):
            alone = module(pictures[i : i + 1].clone())
        if isinstance(alone, Tensor) and alone.shape[1:] == first.shape[1:] and not agree(alone, first[i : i + 1]):
            raise _mixed(module, pictures, i, difference(alone, first[i : i + 1]))


def _not_finite(module: nn.Module) -> InputError:
    """The error for a network that puts out NaN or Inf on the data's pictures, with the weights that hold any."""
    wrong = [
        (name, int((~torch.isfinite(value)).sum()), value.numel())
        for name, value in module.named_parameters()
        if value.is_floating_point() and not bool(torch.isfinite(value).all())
    ]
    message = "the network's output holds NaN or Inf on a picture of the data"
    if not wrong:
        hint = "check the preprocessing, and what the network divides by; with float32, try runtime.precision: float64"
        return InputError("not-finite", message, hint=hint, path=_PATH)
    name, count, every = wrong[0]
    others = len(wrong) - 1
    more = f", and {others} other parameter{'s' if others > 1 else ''}" if others else ""
    message = f"{message}: its weights do, {count:,} of {every:,} in {name!r}{more}"
    return InputError("not-finite", message, hint="give a checkpoint from before they did", path=("model", "weights"))


def _random(module: nn.Module, pictures: Tensor, off: float) -> InputError:
    seen = watched(module, pictures, draws)[0]
    message = f"two runs of the network on the same pictures differ by {_share(off)} of its largest output"
    if seen is None:
        part = first_to_differ(module, pictures, pictures)
        where = f"; the first module whose output differs is {spelt(*part)}" if part else ""
        hint = (
            "torch drew no random number there: look for other random numbers, and for what one pass leaves to the next"
        )
        return InputError("model-random", f"{message}{where}", hint=hint, path=_PATH)
    if isinstance(seen.module, _DropoutNd) and seen.module.training:
        where = f"{spelt(seen.module_name, seen.module)} is in training mode"
        hint = "the network was put into eval mode, and its own code puts this module back: take that out"
    elif seen.name.startswith("F.") and "dropout" in seen.name:
        where, hint = f"{seen} is told to drop at random", f"give it training=self.training: {seen.name}'s own is True"
    else:
        where, hint = f"{seen} draws at random", "let the network draw nothing in eval mode (if self.training: …)"
    return InputError("model-random", f"{message}: {where}", hint=hint, path=_PATH)


def _mixed(module: nn.Module, pictures: Tensor, i: int, off: float) -> InputError:
    order = [i, *(n for n in range(len(pictures)) if n != i)]
    part = first_to_differ(module, pictures[order], pictures[i : i + 1])
    message = f"what the network gives for a picture differs by {_share(off)} when other pictures are in its batch"
    hint = "let each picture be treated by itself: a picture's circuit cannot depend on its neighbours"
    if part is not None:
        message += f"; the first module whose output differs is {spelt(*part)}"
        if isinstance(part[1], _BatchNorm) and (part[1].training or part[1].running_mean is None):
            why = "is in training mode" if part[1].training else "keeps no statistics (track_running_stats)"
            hint = f"it takes its statistics from the batch, since it {why}: let it use those of the training data"
    return InputError("model-batch", message, hint=hint, path=_PATH)


def _share(off: float) -> str:
    if math.isinf(off):
        return "more than can be said (another shape, or numbers that are not finite)"
    return f"{100 * off:.2g}%" if off < 1 else f"{100 * off:.0f}%"


def why_not_its_graph(module: nn.Module, pictures: Tensor, *, layer: str, off: float) -> InputError:
    """The error for a network whose graph gives something else than the network itself, at `layer` first, with the
    cause where it is found."""
    lower, view = watched(module, pictures, lowers(pictures.dtype), writes_through_a_view)
    message = f"the network's graph does not give the network's own output: layer {layer!r} is off by {_share(off)}"
    if lower is not None:
        return _lowered(lower, message)
    if view is not None:
        message = f"{message}; {view} changes a tensor in place through a view of it, which a graph cannot follow"
        hint = "make a new tensor there (without the underscore, or from a clone)"
        return InputError("model-not-traceable", message, hint=hint, path=_PATH)
    hint = "neither a lower precision nor a change in place was seen; torch.fx records only what is done to the input"
    return InputError("model-not-traceable", message, hint=hint, path=_PATH)


def _lowered(seen: Seen, message: str) -> InputError:
    where = f"{seen.name} in {spelt(seen.module_name, seen.module)}"
    how = "under torch.autocast" if seen.autocast else "by the network's own code"
    hint = "take autocast out of its forward pass, or leave it off in eval mode" if seen.autocast else (
        "let the network compute in the number format of its input"
    )  # fmt: skip
    line = f" ({seen.place})" if seen.place else ""
    return InputError("model-precision", f"{message}; {where}{line} rounds more, {how}", hint=hint, path=_PATH)
