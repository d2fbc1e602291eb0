"""What is known of the operations in a segment's graph (METHOD §4).

- An *affine operation* is an affine function of its inputs: its output is affine in α where its inputs are.
- A *positively homogeneous* one (ReLU, max pooling) has an output affine in α where its input is, and is exactly 0 at
  A = 0 (METHOD §4.1).
- A *channelwise* one needs for channel c of its output channel c of its inputs only (METHOD §4.2).

An operation that is not known here is none of these: slower, never wrong. A module of a class derived from a known one
counts as known only where it computes the same: `forward` is the known class's own.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from neurflow_report.network.kinds import computes, of_torchvision

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_IDENTITIES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout)
_AVERAGES = (nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.ZeroPad2d, nn.Upsample)
_HOMOGENEOUS = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.MaxPool2d, nn.AdaptiveMaxPool2d)
_SMOOTH = (nn.SiLU, nn.GELU, nn.Hardswish, nn.Sigmoid, nn.Tanh, nn.ELU, nn.Mish)
_KINKED = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Hardsigmoid, nn.Hardtanh)
_POINTWISE = (*_SMOOTH, *_KINKED)
_SHAPING = (nn.Flatten,)

_IDENTITY_CALLS = {F.dropout, F.dropout2d, torch.dropout, "contiguous", "clone"}
_AVERAGE_CALLS = {F.avg_pool2d, F.adaptive_avg_pool2d, F.pad, F.interpolate}
_HOMOGENEOUS_CALLS = {torch.relu, F.relu, F.leaky_relu, F.max_pool2d, F.adaptive_max_pool2d, "relu"}
_RELU_CALLS = {torch.relu, F.relu, "relu"}
_SMOOTH_CALLS = {
    torch.sigmoid, torch.tanh, F.silu, F.gelu, F.hardswish, F.sigmoid, F.tanh, F.elu, F.mish, "sigmoid", "tanh",
}  # fmt: skip
_KINKED_CALLS = {torch.relu, F.relu, F.relu6, F.leaky_relu, F.hardsigmoid, F.hardtanh, "relu"}
_POINTWISE_CALLS = _SMOOTH_CALLS | _KINKED_CALLS
_SHAPING_CALLS = {
    torch.flatten, torch.mean, torch.sum, torch.permute, torch.transpose, torch.reshape, torch.squeeze,
    torch.unsqueeze, operator.getitem, operator.neg, torch.neg, "flatten", "mean", "sum", "permute", "transpose",
    "reshape", "view", "squeeze", "unsqueeze",
}  # fmt: skip
ADD = {operator.add, torch.add, "add"}
_SUBTRACT = {operator.sub, torch.sub, "sub"}
MULTIPLY = {operator.mul, torch.mul, "mul"}
_DIVIDE = {operator.truediv, torch.div, "div"}
CAT = {torch.cat, torch.concat}

Kind = Literal["conv", "linear", "norm", "cat", "pointwise", "other"]
"""What a pass through a node asks of it."""


def module_of(node: fx.Node) -> nn.Module | None:
    """The module that the node calls, None where it calls none."""
    if node.op != "call_module":
        return None
    return node.graph.owning_module.get_submodule(str(node.target))  # type: ignore[union-attr]


def is_conv(node: fx.Node) -> bool:
    """Whether the node is a two-dimensional convolution with zero padding."""
    module = module_of(node)
    if not isinstance(module, nn.Conv2d) or not computes(module, nn.Conv2d):
        return False
    return module.padding_mode == "zeros" and not isinstance(module.padding, str)


def conv_of(node: fx.Node) -> nn.Conv2d:
    """The convolution of a node that `is_conv`."""
    module = module_of(node)
    assert isinstance(module, nn.Conv2d)  # noqa: S101
    return module


def linear_of(node: fx.Node) -> nn.Linear:
    """The layer of a node that `is_linear`."""
    module = module_of(node)
    assert isinstance(module, nn.Linear)  # noqa: S101
    return module


def is_norm(node: fx.Node) -> bool:
    """Whether the node is a batch norm that uses the statistics it was trained with, as it does in eval mode."""
    module = module_of(node)
    if module is None or not computes(module, *_NORMS, *of_torchvision("FrozenBatchNorm2d")):
        return False
    return module.running_var is not None and not module.training


def is_linear(node: fx.Node) -> bool:
    """Whether the node is a linear layer, which works on the last axis."""
    return computes(module_of(node), nn.Linear)


def calls(node: fx.Node, known: set[Any]) -> bool:
    """Whether the node calls one of the functions or methods `known`."""
    return node.op in {"call_function", "call_method"} and node.target in known


def is_affine_operation(node: fx.Node, depends_on_input: Callable[[fx.Node], bool]) -> bool:
    """Whether the node's value is an affine function of those of its inputs together that depend on A."""
    module = module_of(node)
    if module is not None:
        known = (nn.Linear, *_AVERAGES, *_SHAPING)
        return is_conv(node) or is_norm(node) or is_identity(node) or computes(module, *known)
    if is_identity(node) or calls(node, ADD | _SUBTRACT | CAT | _AVERAGE_CALLS | _SHAPING_CALLS):
        return True
    if node.kwargs or len(node.args) != 2 or not calls(node, MULTIPLY | _DIVIDE):
        return False
    depends = [isinstance(n, fx.Node) and depends_on_input(n) for n in node.args]
    # A quotient is affine in its numerator alone, a product where one factor is a constant.
    return not depends[1] if calls(node, _DIVIDE) else sum(depends) == 1


def is_identity(node: fx.Node) -> bool:
    """Whether the node's value is its input, in eval mode."""
    kinds, functions = of_torchvision("StochasticDepth"), {*of_torchvision("stochastic_depth")}
    return computes(module_of(node), *_IDENTITIES, *kinds) or calls(node, _IDENTITY_CALLS | functions)


def is_homogeneous(node: fx.Node) -> bool:
    """Whether f(α·x) = α·f(x) for α ≥ 0."""
    return computes(module_of(node), *_HOMOGENEOUS) or calls(node, _HOMOGENEOUS_CALLS)


def is_pointwise(node: fx.Node) -> bool:
    """Whether y = f(x) for every element of the node's one input."""
    if len(node.all_input_nodes) != 1:
        return False
    return computes(module_of(node), *_POINTWISE) or calls(node, _POINTWISE_CALLS)


def is_relu(node: fx.Node) -> bool:
    """Whether the node is a ReLU."""
    return computes(module_of(node), nn.ReLU) or calls(node, _RELU_CALLS)


def is_smooth(node: fx.Node) -> bool:
    """Whether a pointwise node's f has no affine pieces, so that the slope of a short secant loses digits."""
    return computes(module_of(node), *_SMOOTH) or calls(node, _SMOOTH_CALLS)


def is_channelwise(node: fx.Node) -> bool:
    """Whether channel c of the output needs channel c of each input only; sums and products included."""
    module = module_of(node)
    if module is not None:
        return (
            is_norm(node)
            or is_identity(node)
            or computes(module, *_AVERAGES, *_POINTWISE)
            or (is_homogeneous(node) and not (isinstance(module, nn.PReLU) and module.num_parameters > 1))
        )
    known = ADD | _SUBTRACT | MULTIPLY | _DIVIDE | {F.avg_pool2d, F.adaptive_avg_pool2d}
    return is_identity(node) or calls(node, known | _HOMOGENEOUS_CALLS | _POINTWISE_CALLS)


def kind(node: fx.Node) -> Kind:
    """The first of the kinds that the node is of."""
    if is_conv(node):
        return "conv"
    if is_linear(node):
        return "linear"
    if is_norm(node):
        return "norm"
    if calls(node, CAT):
        return "cat"
    return "pointwise" if is_pointwise(node) else "other"


def cat_inputs(node: fx.Node) -> tuple[list[fx.Node], int]:
    """The inputs of a concatenation, and the axis that it is over."""
    given: dict[str, Any] = dict(zip(("tensors", "dim"), node.args, strict=False)) | node.kwargs
    return list(given["tensors"]), int(given.get("dim", given.get("axis", 0)))


def run(node: fx.Node, value: Callable[[fx.Node], Any]) -> Any:
    """The node's value, its inputs' given by `value`."""
    args, kwargs = fx.map_arg(node.args, value), fx.map_arg(node.kwargs, value)
    if node.op == "call_module":
        return module_of(node)(*args, **kwargs)  # type: ignore[misc]
    if node.op == "call_method":
        return getattr(args[0], str(node.target))(*args[1:], **kwargs)
    if node.op == "get_attr":
        owner, _, name = str(node.target).rpartition(".")
        return getattr(node.graph.owning_module.get_submodule(owner), name)  # type: ignore[union-attr]
    return node.target(*args, **kwargs)  # type: ignore[operator]


def norm_affine(node: fx.Node) -> tuple[Tensor, Tensor]:
    """(scale, shift), each (C,), of a node that `is_norm`: y = x·scale + shift."""
    module = module_of(node)
    assert module is not None  # noqa: S101
    mean, variance = module.get_buffer("running_mean"), module.get_buffer("running_var")
    scale = torch.rsqrt(variance + float(module.eps))  # type: ignore[arg-type]
    weight, bias = (getattr(module, name, None) for name in ("weight", "bias"))
    scale = scale if weight is None else scale * weight
    shift = -mean * scale
    return scale, shift if bias is None else shift + bias
