"""What the numbers are that a network puts out: logits, or what has been made of them.

The last operation of its graph tells; where that is one that could be anything, its values on real pictures do.
"""

from __future__ import annotations

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from neurflow_report.network.cut import Segments
from neurflow_report.network.forward import activations

SUM = 1e-3
"""How far from 1 the probabilities of a picture may add up to."""
_SOFTMAX, _LOG_SOFTMAX, _SIGMOID = "softmax", "log_softmax", "sigmoid"
_MODULES = ((nn.Softmax, _SOFTMAX), (nn.LogSoftmax, _LOG_SOFTMAX), (nn.Sigmoid, _SIGMOID))
_FUNCTIONS = {
    F.softmax: _SOFTMAX, torch.softmax: _SOFTMAX, "softmax": _SOFTMAX,
    F.log_softmax: _LOG_SOFTMAX, torch.log_softmax: _LOG_SOFTMAX, "log_softmax": _LOG_SOFTMAX,
    F.sigmoid: _SIGMOID, torch.sigmoid: _SIGMOID, "sigmoid": _SIGMOID, torch.special.expit: _SIGMOID,
}  # fmt: skip
_SAME = {"contiguous", "float", "clone"}
_TOLD = {
    _SOFTMAX: "are probabilities, not logits{how}: the circuit explains the probability of the class, which falls "
    "where another class's rises, and hardly moves near 0 and 1. For logits let the factory leave the softmax out",
    _LOG_SOFTMAX: "are logarithms of probabilities, not logits{how}: the circuit explains log p of the class, which "
    "falls where another class's rises. For logits let the factory leave the log_softmax out",
    _SIGMOID: "are a probability for each class by itself, not logits{how}: a picture counts for the one class whose "
    "is largest, and the circuit hardly moves near 0 and 1. For logits let the factory leave the sigmoid out",
}


_BETWEEN = (
    "the network's outputs lie between 0 and 1 on every picture looked at: if a sigmoid makes them so, they are no "
    "logits, and the circuit hardly moves near 0 and 1; let the factory leave it out"
)


def output_note(segments: Segments, pictures: Tensor) -> str:
    """What to say of the network's outputs where they are no logits; empty where nothing tells that.

    Args: pictures: a few of the data's, as inputs, (N, C, S, S).
    """
    kind = _last_operation(segments)
    if kind:
        return f"the network's outputs {_TOLD[kind].format(how=f' (the last operation is {kind})')}"
    values = activations(segments, len(segments.layers) - 1, pictures)
    kind = _by_values(values)
    if not kind:
        within = bool(((values >= 0) & (values <= 1)).all())
        return _BETWEEN if within and _is_anything(segments) else ""
    how = "are at least 0 and add up to 1" if kind == _SOFTMAX else "are the logarithms of numbers that add up to 1"
    return f"the network's outputs {_TOLD[kind].format(how=f' (those of each picture looked at {how})')}"


def _top(segments: Segments) -> tuple[fx.GraphModule, fx.Node]:
    """The segment that ends in the outputs, and the last of its operations that changes anything."""
    part = (segments.stem, *segments.stages)[-1]
    (node,) = part.graph.output_node().all_input_nodes
    while _changes_nothing(part, node):
        node = node.all_input_nodes[0]
    return part, node


def _last_operation(segments: Segments) -> str:
    """The name of what makes no logits of logits; empty for any other operation."""
    part, node = _top(segments)
    if node.op == "call_module":
        module = part.get_submodule(str(node.target))
        return next((name for kind, name in _MODULES if type(module) is kind), "")
    return _FUNCTIONS.get(node.target, "") if node.op in {"call_function", "call_method"} else ""


def _is_anything(segments: Segments) -> bool:
    """Whether the outputs come from a module of the user's that is kept whole."""
    part, node = _top(segments)
    return node.op == "call_module" and not type(part.get_submodule(str(node.target))).__module__.startswith("torch.")


def _changes_nothing(part: fx.GraphModule, node: fx.Node) -> bool:
    if node.op == "call_module":
        return isinstance(part.get_submodule(str(node.target)), (nn.Identity, nn.Dropout))
    return node.op == "call_method" and node.target in _SAME


def _by_values(values: Tensor) -> str:
    """What the outputs of two pictures or more show by adding up."""
    if len(values) < 2 or not bool(torch.isfinite(values).all()):
        return ""
    values = values.double()
    if bool((values >= 0).all()) and _add_up(values):
        return _SOFTMAX
    return _LOG_SOFTMAX if bool((values <= 0).all()) and _add_up(values.exp()) else ""


def _add_up(values: Tensor) -> bool:
    return bool(((values.sum(dim=1) - 1).abs() < SUM).all())
