"""Which axis of each tensor in a graph holds the channels, followed from the pictures (axis 1) to the logits.

Convolutions, pools and their norms have channels in axis 1; linear layers, layer norms and attention in the last;
permutations and reshapes carry the axis along; everything else keeps its input's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import fx, nn

from neurflow_report.network.kinds import computes

Shape = tuple[int, ...]

_FIRST_MODULES = (
    nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm,
    nn.InstanceNorm2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.PixelShuffle,
    nn.Upsample,
)  # fmt: skip
_LAST_MODULES = (nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.MultiheadAttention, nn.Embedding)
_FIRST = {
    "conv2d", "batch_norm", "group_norm", "instance_norm", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d",
    "adaptive_max_pool2d", "interpolate", "pixel_shuffle", "pixel_unshuffle",
}  # fmt: skip
_LAST = {"linear", "layer_norm", "rms_norm", "multi_head_attention_forward"}
_RESHAPES = {"reshape", "view", "flatten", "unflatten", "squeeze", "unsqueeze"}


def channel_axes(graph: fx.Graph, root: nn.Module, shapes: Mapping[fx.Node, Shape]) -> dict[fx.Node, int]:
    """The channels' axis, counted from 0, of every tensor that depends on the pictures.

    Args: shapes: of the tensors, with the axis of the pictures.
    """
    axes: dict[fx.Node, int] = {}
    sizes = dict(shapes)
    for node in graph.nodes:
        if node.op == "placeholder" and node in shapes:
            axes[node] = 1
            continue
        inputs = [n for n in node.all_input_nodes if n in axes]
        if inputs:
            sizes.setdefault(node, sizes[inputs[0]])  # several tensors in one: as their first input
            axes[node] = max(0, min(_axis(node, root, inputs, axes, sizes), len(sizes[node]) - 1))
    return axes


def usual_axis(shape: Shape) -> int:
    """Where channels stand in most networks: axis 1, or the last of tokens (N, T, D)."""
    return 2 if len(shape) == 3 else 1


def _axis(
    node: fx.Node,
    root: nn.Module,
    inputs: Sequence[fx.Node],
    axes: Mapping[fx.Node, int],
    sizes: Mapping[fx.Node, Shape],
) -> int:
    shape, name = sizes[node], _name(node)
    module = root.get_submodule(str(node.target)) if node.op == "call_module" else None
    if computes(module, *_FIRST_MODULES) or name in _FIRST:
        return 1
    if computes(module, *_LAST_MODULES) or name in _LAST:
        return len(shape) - 1
    source = next((n for n in inputs if len(sizes[n]) == len(shape)), inputs[0])
    before, axis = sizes[source], axes[source]
    moves = _permutation(node, name, module, len(before))
    if moves is not None:
        return moves.index(axis)
    if name in _RESHAPES or computes(module, nn.Flatten, nn.Unflatten) or len(before) != len(shape):
        return _carried(before, axis, shape)
    return axis


def _name(node: fx.Node) -> str:
    if node.op == "call_module":
        return ""
    return str(getattr(node.target, "__name__", node.target))


def _permutation(node: fx.Node, name: str, module: nn.Module | None, ndim: int) -> list[int] | None:
    """The order of the old axes in the result, where the node permutes them."""
    dims: Any = None
    if name == "permute":
        dims = node.kwargs.get("dims", node.args[1] if len(node.args) == 2 else node.args[1:])
    elif module is not None and isinstance(getattr(module, "dims", None), (tuple, list)):  # torchvision.ops.Permute
        dims = module.dims
    elif name in {"transpose", "swapaxes", "swapdims"}:
        a, b = (node.args[i] if len(node.args) > i else node.kwargs.get(f"dim{i - 1}") for i in (1, 2))
        if isinstance(a, int) and isinstance(b, int):
            dims = list(range(ndim))
            dims[a], dims[b] = dims[b], dims[a]
    if not isinstance(dims, (tuple, list)) or len(dims) != ndim or not all(isinstance(d, int) for d in dims):
        return None
    return [d % ndim for d in dims]


def _carried(before: Shape, axis: int, after: Shape) -> int:
    """The axis with the same size and the same number of elements on its left, or on its right; else the usual one."""
    if axis >= len(before):  # rows and channels were one axis in between
        return usual_axis(after)
    for wanted, sides in ((math.prod(before[:axis]), slice(None)), (math.prod(before[axis + 1 :]), None)):
        for i, size in enumerate(after):
            beside = math.prod(after[:i]) if sides is not None else math.prod(after[i + 1 :])
            if i and size == before[axis] and beside == wanted:
                return i
    return usual_axis(after)
