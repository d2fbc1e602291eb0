"""Whether gradients lead from each layer back to the one below it: without them attributions would be 0, untold.

What a network computes does not tell: a detached tensor has the same values. So each segment is run once with
gradients, operation by operation; the first from which none leads on is told.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, fx, nn

from neurflow_report.errors import InputError
from neurflow_report.network.cut import Segments
from neurflow_report.network.fence import fenced
from neurflow_report.network.forward import AdaptiveBatch, activations, spatial_mean

POINTS = 8
"""Points of the path from 0 to a layer's activation at which a gradient is looked for."""


def gradient_notes(segments: Segments, pictures: Tensor) -> tuple[str, ...]:
    """What to say of gradients that a part of what is between two layers does not have.

    Args: pictures: a batch of pictures; its first is looked at.
    Raises:
        InputError no-gradient (path of the upper layer) where no gradient leads through, or where it is 0 though what
            the layers above give changes.
        InputError model-fails where going back raises.
    """
    found = []
    for i in range(len(segments.stages)):
        lower, upper = segments.layers[i].name, segments.layers[i + 1].name
        top = activations(segments, i, pictures[:1])
        phi, gradient, taken, where = AdaptiveBatch(most=POINTS).attempt(partial(_going_back, segments, i, top))
        if gradient is None:
            raise _none(i, lower, upper, where)
        if not bool(gradient.any()) and _moves(phi):
            raise _zero(i, lower, upper)
        if taken:
            found.append(
                f"between layers {lower!r} and {upper!r} {where} takes gradients away: what goes through it counts for "
                "nothing in the attributions"
            )
    return tuple(found)


def _going_back(segments: Segments, i: int, top: Tensor, points: int) -> tuple[Tensor, Tensor | None, bool, str]:
    """φ of the layer above at so many points of the path and at 0, its gradient back to them, whether an operation
    takes gradients away, and where."""
    lower, upper, stage = segments.layers[i].name, segments.layers[i + 1].name, segments.stages[i]
    steps = torch.arange(points + 1, device=top.device, dtype=top.dtype) / points
    path = (top * steps.view(-1, *[1] * (top.ndim - 1))).detach().requires_grad_()
    with torch.enable_grad(), fenced(f"going back from layer {upper!r} to {lower!r}", hint=_BACK, network=stage):
        runner = _Runner(stage)
        phi = spatial_mean(runner.run(path), segments.feature_axis(i + 1))
        gradient = None
        if phi.requires_grad:
            weights = torch.linspace(1, 2, phi.shape[1], device=phi.device, dtype=phi.dtype)
            (gradient,) = torch.autograd.grad((phi * weights).sum(), path, allow_unused=True, retain_graph=True)
        where = next(iter(runner.ended), "") or ("" if gradient is not None else runner.without_a_way_back())
    return phi.detach(), gradient, bool(runner.ended), where


_BACK = "let the way back of its own autograd function give what the way there asks for"


def _moves(phi: Tensor) -> bool:
    """Whether the upper layer changes along the path, by more than rounding."""
    change, size = (phi - phi[:1]).abs().max(), phi.abs().max()
    return bool(torch.isfinite(change) and change > 100 * torch.finfo(phi.dtype).eps * size)


def _none(i: int, lower: str, upper: str, where: str) -> InputError:
    message = f"no gradient leads from layer {upper!r} back to {lower!r}: {where} takes it away"
    hint = "in what is examined, leave out .detach(), torch.no_grad(), .numpy(), .item() and quantised operations"
    return InputError("no-gradient", message, hint=hint, path=("layers", i + 1))


def _zero(i: int, lower: str, upper: str) -> InputError:
    message = (
        f"the gradient from layer {upper!r} back to {lower!r} is 0 all along the path from 0 to a picture's "
        f"activation, though {upper!r} changes there"
    )
    hint = "operations such as sign and round have no slope: nothing can be attributed through them"
    return InputError("no-gradient", message, hint=hint, path=("layers", i + 1))


class _Runner(fx.Interpreter):
    """Runs a segment and notes what takes gradients away, in words, in the graph's order."""

    def __init__(self, part: fx.GraphModule) -> None:
        super().__init__(part, garbage_collect_values=False)
        self.ended: list[str] = []

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n.op in {"call_function", "call_method", "call_module"}:
            inputs = [self.env.get(source) for source in n.all_input_nodes]
            led = any(isinstance(x, Tensor) and x.requires_grad for x in inputs)
            if led and isinstance(value, Tensor) and value.is_floating_point() and not value.requires_grad:
                self.ended.append(self._words(n))
        return value

    def without_a_way_back(self) -> str:
        """The first operation that has a gradient and hands none on, in words."""
        for node in self.graph.nodes:
            value = self.env.get(node)
            inputs = [self.env.get(source) for source in node.all_input_nodes]
            led = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
            if led and isinstance(value, Tensor) and value.requires_grad and node.op != "output":
                back = torch.autograd.grad(value.sum(), led, allow_unused=True, retain_graph=True)
                if all(gradient is None for gradient in back):
                    return self._words(node)
        return "an operation there"

    def _words(self, node: fx.Node) -> str:
        if node.op == "call_module":
            module: nn.Module = self.fetch_attr(str(node.target))
            return f"the module {node.target!r} ({type(module).__name__})"
        return f"the operation {getattr(node.target, '__name__', node.target)}"
