"""A segment's graph in the words that the engine knows: the same operations, called as modules.

- `F.conv2d(x, weight, …)`, `F.linear` and `F.batch_norm` on stored weights become modules that share these weights.
- `x.view(…)` becomes `x.reshape(…)`, which gives the same numbers, and does so however they lie in memory.
- `x.reshape(x.size(0), -1)` becomes a flattening; where the other sizes are given, the number of rows need not be.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_LINEAR = ("input", "weight", "bias")
_NORM = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")


def canonical(part: fx.GraphModule) -> fx.GraphModule:
    """The segment, changed in place where it could be said in known words; its values stay as they are."""
    for number, node in enumerate(list(part.graph.nodes)):
        made = _module(part, node)
        if made is not None:
            name = f"canonical_{number}"
            part.add_submodule(name, made.eval())
            with part.graph.inserting_before(node):
                node.replace_all_uses_with(part.graph.call_module(name, (node.args[0],)))
            part.graph.erase_node(node)
        elif node.op == "call_method" and node.target in {"view", "reshape"}:
            _as_reshape(node)
            _without_rows(part.graph, node)
    for node in reversed(list(part.graph.nodes)):
        if not node.users and (node.op == "get_attr" or _is_rows(node)):
            part.graph.erase_node(node)
    part.recompile()
    return part


def _module(part: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    """The module that does what a function call does; None where it is another call, or not on stored weights."""
    names, make = _KNOWN.get(node.target, ((), None)) if node.op == "call_function" else ((), None)
    if make is None or not node.args or len(node.args) > len(names):
        return None
    given: dict[str, Any] = dict(zip(names, node.args, strict=False)) | node.kwargs
    given.pop("input", None)
    for name, value in given.items():
        if isinstance(value, fx.Node):
            if value.op != "get_attr":
                return None
            given[name] = _stored(part, str(value.target))
    return make(**given)


def _stored(part: fx.GraphModule, name: str) -> Any:
    owner, _, last = name.rpartition(".")
    return getattr(part.get_submodule(owner), last)


def _conv(
    weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> nn.Module | None:
    if isinstance(padding, str) or not isinstance(weight, Tensor) or weight.ndim != 4:
        return None
    outputs, inputs, height, width = weight.shape
    made = nn.Conv2d(
        inputs * groups, outputs, (height, width), stride, padding, dilation, groups, bias=bias is not None,
        device="meta",
    )  # fmt: skip
    return _sharing(made, weight=weight, bias=bias)


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Module | None:
    if not isinstance(weight, Tensor) or weight.ndim != 2:
        return None
    made = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    return _sharing(made, weight=weight, bias=bias)


def _norm(
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> nn.Module | None:
    if training or running_mean is None or running_var is None or (weight is None) != (bias is None):
        return None
    made = nn.BatchNorm2d(len(running_mean), eps, momentum, affine=weight is not None, device="meta")
    made.running_mean, made.running_var = running_mean, running_var
    return _sharing(made, weight=weight, bias=bias)


def _sharing(made: nn.Module, **stored: Tensor | None) -> nn.Module:
    """The module with stored tensors as its own."""
    for name, value in stored.items():
        if value is not None:
            own = value if isinstance(value, nn.Parameter) else nn.Parameter(value, requires_grad=False)
            setattr(made, name, own)
    return made


_KNOWN: dict[Any, tuple[tuple[str, ...], Callable[..., nn.Module | None]]] = {
    torch.conv2d: (_CONV, _conv),
    F.linear: (_LINEAR, _linear),
    F.batch_norm: (_NORM, _norm),
}


def _is_rows(node: Any) -> bool:
    """Whether a node is the number of rows: `x.size(0)`."""
    return isinstance(node, fx.Node) and (node.op, node.target, tuple(node.args[1:])) == ("call_method", "size", (0,))


def _as_reshape(node: fx.Node) -> None:
    """A view to sizes as a reshape; one to another number format, or to what is known only while it runs, stays."""
    sizes = node.args[1:]
    sizes = tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes
    if sizes and all(_is_number(size) for size in sizes) and not node.kwargs:
        node.target = "reshape"


def _is_number(value: Any) -> bool:
    """Whether a value is a whole number: one that is known, a side of a tensor, or such numbers multiplied."""
    if not isinstance(value, fx.Node):
        return type(value) is int
    if value.target is operator.mul:
        return all(map(_is_number, value.args))
    return value.op == "call_method" and value.target == "size" and len(value.args) == 2


def _without_rows(graph: fx.Graph, node: fx.Node) -> None:
    """`x.view(rows, …)` without the number of rows."""
    value, *rest = node.args
    sizes: list[Any] = list(rest[0]) if rest and isinstance(rest[0], tuple | list) else rest
    if not sizes or not _is_rows(sizes[0]) or node.kwargs or any(isinstance(size, fx.Node) for size in sizes[1:]):
        return
    if sizes[1:] == [-1]:
        with graph.inserting_before(node):
            node.replace_all_uses_with(graph.call_function(torch.flatten, (value, 1)))
        graph.erase_node(node)
    elif -1 not in sizes[1:]:
        node.args = (value, -1, *sizes[1:])
