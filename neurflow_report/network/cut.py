"""Cut a network at the declared layers into a stem and stages, each a function of the layer below alone (METHOD §2).

A layer is legal where every path from the picture to the logits runs through its output, that is, where it dominates
the network's output in the graph: then, and only then, the layers above it are a function of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, fx, nn

from neurflow_report.errors import InputError, did_you_mean
from neurflow_report.network.trace import OUTPUT, Traced, trace
from neurflow_report.results.records import LayerInfo

Module = Callable[[Tensor], Tensor]
_CHANNELS_LAST = (0, 2, 3, 1)


@dataclass(frozen=True, kw_only=True)
class Segments:
    """A network between its declared layers, input → output.

    `stem` maps pictures (N, C, S, S) to the activation of layers[0]; `stages[i]` maps the activation of layers[i] to
    that of layers[i+1]; the last layer is the network's output. No segment changes its input. The segments share
    their parameters with the module that was cut.
    """

    layers: tuple[LayerInfo, ...]
    stem: fx.GraphModule
    stages: tuple[fx.GraphModule, ...]
    device: torch.device
    dtype: torch.dtype

    def between(self, lower: int, upper: int) -> nn.Sequential:
        """The function from the activation of layers[lower] to that of layers[upper]; the identity when equal."""
        return nn.Sequential(*self.stages[lower:upper])

    def feature_axis(self, layer: int) -> int:
        """The axis of the channels in the layer's activation: 1 for spatial and vector layers, -1 for tokens."""
        return -1 if self.layers[layer].kind == "tokens" else 1


def cut(module: nn.Module, layers: Sequence[str], example: Tensor) -> Segments:
    """Cut `module` (eval mode) at the named `layers`, input → output; `output` names the network's own output.

    Args: example: a batch of at least one picture on the module's device, (N, C, S, S); it is run once.
    Composing stem and stages equals module(x) exactly; `module` itself is not changed.
    Errors (path ("layers", i)): layer-unknown, layer-reused, layers-order, layers-not-a-cut, layers-top, layer-shape;
    and model-not-traceable, which is also raised where the graph does not give the module's own output. METHOD §2.
    """
    traced = trace(module)
    nodes = [_node_of(traced, name, ("layers", i)) for i, name in enumerate(layers)]
    _check_order(traced, layers, nodes)
    _check_top(traced, layers, nodes)
    for i in range(len(nodes)):
        _check_cut(traced, layers, nodes, i, example)
    placeholder = next(n for n in traced.graph.nodes if n.op == "placeholder")
    ends = [placeholder, *nodes]
    stem, *stages = (_segment(traced, a, b) for a, b in pairwise(ends))
    infos = _run_shapes(traced, module, layers, nodes, [stem, *stages], example)
    return Segments(layers=infos, stem=stem, stages=tuple(stages), device=example.device, dtype=example.dtype)


def legal_layers(module: nn.Module) -> tuple[str, ...]:
    """Names of the modules at whose output the network can be cut, in network order; the output's are the last.

    Where several modules return the same tensor (a block and its last operation), all are named. Shapes are not looked
    at: a layer with channels last is named too, and refused by `cut`.
    Errors: model-not-traceable.
    """
    traced = trace(module)
    return tuple(name for name, _ in _legal(traced))


def _node_of(traced: Traced, name: str, path: tuple[str | int, ...]) -> fx.Node:
    """The one node that layer `name` returns."""
    known = dict(traced.root.named_modules(remove_duplicate=False))
    if name == OUTPUT and OUTPUT not in known:
        return traced.output
    if name not in known or not name:
        hint = did_you_mean(name, [n for n in traced.returned if n]) or f"layers that can be cut: {_legal_text(traced)}"
        raise InputError("layer-unknown", f"the network has no layer {name!r}", hint=hint, path=path)
    nodes = traced.returned.get(name, ())
    if not nodes:
        message = f"layer {name!r} is not called in a pass through the network"
        raise InputError("layer-unknown", message, hint=f"layers that can be cut: {_legal_text(traced)}", path=path)
    if len(set(nodes)) > 1:
        message = f"layer {name!r} is called {len(nodes)} times in a pass, with different results"
        raise InputError("layer-reused", message, hint=_owner_hint(name), path=path)
    if nodes[0] is None:
        message = f"layer {name!r} returns no single tensor"
        raise InputError("layer-shape", message, hint="name a layer that returns one tensor", path=path)
    return nodes[0]


def _owner_hint(name: str) -> str:
    owner = name.rpartition(".")[0]
    return f"name the module that holds it, {owner!r}, instead" if owner else "name another layer"


def _legal_text(traced: Traced, most: int = 12) -> str:
    names = [name for name, _ in _legal(traced)]
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")


def _positions(traced: Traced) -> dict[fx.Node, int]:
    return {node: i for i, node in enumerate(traced.graph.nodes)}


def _check_order(traced: Traced, layers: Sequence[str], nodes: Sequence[fx.Node]) -> None:
    position = _positions(traced)
    for i, (lower, upper) in enumerate(pairwise(nodes), start=1):
        if lower is upper:
            message = f"layers {layers[i - 1]!r} and {layers[i]!r} are the same output"
            raise InputError("layers-order", message, hint="name only one of them", path=("layers", i))
        if position[lower] > position[upper]:
            right = [layers[j] for j in sorted(range(len(nodes)), key=lambda j: position[nodes[j]])]
            message = f"layer {layers[i]!r} comes before {layers[i - 1]!r} in the network"
            hint = f"from input to output the order is: {', '.join(right)}"
            raise InputError("layers-order", message, hint=hint, path=("layers", i))


def _check_top(traced: Traced, layers: Sequence[str], nodes: Sequence[fx.Node]) -> None:
    if nodes[-1] is traced.output:
        return
    names = [n for n, calls in traced.returned.items() if n and set(calls) == {traced.output}]
    top = f"{names[0]!r} (or {OUTPUT!r})" if names else repr(OUTPUT)
    message = f"the last layer, {layers[-1]!r}, is not the network's output"
    raise InputError("layers-top", message, hint=f"let the list end with {top}", path=("layers", len(layers) - 1))


def _check_cut(traced: Traced, layers: Sequence[str], nodes: Sequence[fx.Node], i: int, example: Tensor) -> None:
    """Layer i must dominate the output; otherwise name what crosses beside it, and the nearest legal layers."""
    if nodes[i] in _dominators(traced):
        return
    crossing = _crossing(traced, nodes[i])
    if crossing:
        shapes = _shapes(traced, example)
        listed = ", ".join(_describe(n, traced, shapes.get(n)) for n in crossing[:4])
        more = f", and {len(crossing) - 4} more" if len(crossing) > 4 else ""
        where = f"between {layers[i]!r} and {layers[i + 1]!r}"
        what = f"another tensor crosses beside layer {layers[i]!r}, {where}: {listed}{more}"
    else:
        what = f"the network's output does not depend on layer {layers[i]!r}"
    raise InputError("layers-not-a-cut", what, hint=_nearest(traced, nodes[i]), path=("layers", i))


def _crossing(traced: Traced, node: fx.Node) -> list[fx.Node]:
    """Values made before `node` and read after it on the way to the output; none if the output ignores `node`."""
    position, relevant = _positions(traced), _relevant(traced)
    if node not in relevant:
        return []
    here = position[node]
    before = [n for n in relevant if position[n] < here]
    return [n for n in before if any(position[u] > here for u in n.users if u in relevant)]


def _shapes(traced: Traced, example: Tensor) -> dict[fx.Node, tuple[int, ...]]:
    """The shape of every tensor in the graph when the example runs through it."""
    shapes: dict[fx.Node, tuple[int, ...]] = {}

    class Noting(fx.Interpreter):
        def run_node(self, n: fx.Node) -> object:
            value = super().run_node(n)
            if isinstance(value, Tensor):
                shapes[n] = tuple(value.shape)
            return value

    with torch.no_grad():
        Noting(traced.root, graph=traced.graph).run(example)
    return shapes


def _nearest(traced: Traced, node: fx.Node) -> str:
    legal, position = _legal(traced), _positions(traced)
    before = [name for name, n in legal if position[n] < position[node]]
    after = [name for name, n in legal if position[n] > position[node]]
    below = f"nearest below {before[-1]!r}" if before else "none below"
    above = f"nearest above {after[0]!r}" if after else f"nearest above {OUTPUT!r}"
    return f"layers that can be cut: {below}, {above}"


def _describe(node: fx.Node, traced: Traced, shape: tuple[int, ...] | None) -> str:
    """A crossing tensor: its node, its shape, and the outermost module that returned it or the one it is made in."""
    text = f"{node.name} ({', '.join(map(str, shape))}; " if shape else f"{node.name} ("
    returned = [name for name, calls in traced.returned.items() if name and set(calls) == {node}]
    if returned:
        return f"{text}from module {returned[-1]!r})"
    names = [value[0] for value in (node.meta.get("nn_module_stack") or {}).values() if value[0]]
    return f"{text}inside module {names[-1]!r})" if names else f"{text}in the network's forward)"


def _relevant(traced: Traced) -> dict[fx.Node, None]:
    """Nodes, in order, that depend on the picture and that the output depends on."""
    from_input: set[fx.Node] = set()
    for node in traced.graph.nodes:
        if node.op == "placeholder" or any(n in from_input for n in node.all_input_nodes):
            from_input.add(node)
    needed = _ancestors(traced.output, None)
    return {n: None for n in traced.graph.nodes if n in needed and n in from_input}


def _ancestors(end: fx.Node, start: fx.Node | None) -> set[fx.Node]:
    """`end` and all nodes that it is computed from, not looking below `start`."""
    found, pending = {end}, [end]
    while pending:
        node = pending.pop()
        new = () if node is start else (n for n in node.all_input_nodes if n not in found)
        for n in new:
            found.add(n)
            pending.append(n)
    return found


def _dominators(traced: Traced) -> set[fx.Node]:
    """Nodes that every path from the picture to the output runs through: no edge passes beside them."""
    position, relevant = _positions(traced), _relevant(traced)
    reach, result = -1, set()
    for node in relevant:
        if reach <= position[node] and node.op != "placeholder":
            result.add(node)
        reach = max([reach, *(position[u] for u in node.users if u in relevant)])
    return result


def _legal(traced: Traced) -> list[tuple[str, fx.Node]]:
    dominators, position = _dominators(traced), _positions(traced)
    found = [
        (name, calls[0])
        for name, calls in traced.returned.items()
        if name and len(set(calls)) == 1 and calls[0] is not None and calls[0] in dominators
    ]
    return sorted(found, key=lambda pair: position[pair[1]])


def _segment(traced: Traced, start: fx.Node, end: fx.Node) -> fx.GraphModule:
    """The nodes from `start` (excluded) to `end` as a module of one argument."""
    needed = _ancestors(end, start)
    graph = fx.Graph()
    copied = {start: graph.placeholder("activation" if start.op != "placeholder" else "pictures")}
    for node in traced.graph.nodes:
        if node in needed and node is not start:
            copied[node] = graph.node_copy(node, lambda n: copied[n])
    graph.output(copied[end])
    return fx.GraphModule(traced.root, graph).eval()


def _run_shapes(
    traced: Traced, module: nn.Module, layers: Sequence[str], nodes: Sequence[fx.Node], parts: Sequence[Module],
    example: Tensor,
) -> tuple[LayerInfo, ...]:  # fmt: skip
    """Run the example through the segments: shapes of all layers, and equality with the module itself."""
    infos, value = [], example
    with torch.no_grad():
        for i, (name, part) in enumerate(zip(layers, parts, strict=True)):
            value = part(value)
            infos.append(_info(traced, name, nodes[i], value, len(example), ("layers", i)))
        whole = module(example)
    if infos[-1].kind != "vector":
        message = f"the network's output has shape {infos[-1].shape} a picture, and (outputs,) was expected"
        raise InputError(
            "layer-shape", message, hint="only classifiers can be examined", path=("layers", len(layers) - 1)
        )
    if not _agree(value, whole):
        raise InputError(
            "model-not-traceable",
            "the network's graph does not give the network's own output",
            hint="an operation that changes a tensor in place through a view of it cannot be cut",
            path=("model", "name"),
        )
    return tuple(infos)


def _agree(ours: Tensor, theirs: Tensor) -> bool:
    """Equal but for rounding: a device may choose another algorithm for the second run of the same operation."""
    a, b = ours.nan_to_num(), theirs.nan_to_num()
    return bool((a - b).abs().max() <= 1e-4 * b.abs().max())


def _info(traced: Traced, name: str, node: fx.Node, value: object, rows: int, path: tuple[str | int, ...]) -> LayerInfo:
    kinds: dict[int, Literal["spatial", "tokens", "vector"]] = {4: "spatial", 3: "tokens", 2: "vector"}
    if not isinstance(value, Tensor):
        raise _bad_shape(f"layer {name!r} returns a {type(value).__name__}, not one tensor", path)
    if value.ndim not in kinds or len(value) != rows or not value.is_floating_point():
        raise _bad_shape(f"layer {name!r} has an output of shape {tuple(value.shape)} for {rows} picture(s)", path)
    if value.ndim == 4 and _channels_last(traced, node):
        raise _bad_shape(f"layer {name!r} has its channels last, shape {tuple(value.shape)}: not supported yet", path)
    kind = kinds[value.ndim]
    channels = value.shape[-1] if kind == "tokens" else value.shape[1]
    return LayerInfo(name=name, channels=int(channels), kind=kind, shape=tuple(value.shape[1:]))


def _bad_shape(message: str, path: tuple[str | int, ...]) -> InputError:
    hint = "expected (N, channels, height, width), (N, tokens, features) or (N, features)"
    return InputError("layer-shape", message, hint=hint, path=path)


def _channels_last(traced: Traced, node: fx.Node) -> bool:
    """Whether a 4-d node's channels are its last axis: it goes back, through operations that keep axes, to a linear
    layer or a layer norm over one axis (both work on the last axis), or to a permutation that puts channels last."""
    while True:
        if node.op == "call_module":
            module = traced.root.get_submodule(str(node.target))
            if isinstance(module, nn.LayerNorm):
                return len(module.normalized_shape) == 1
            if isinstance(module, nn.Linear):
                return True
            if isinstance(module, (nn.Conv2d, nn.BatchNorm2d)):
                return False
            if hasattr(module, "dims"):
                return tuple(module.dims) == _CHANNELS_LAST  # type: ignore[arg-type]
        if node.target in ("permute", torch.permute):
            return _CHANNELS_LAST in (tuple(node.args[1:]), *(a for a in node.args if isinstance(a, tuple)))
        if not node.all_input_nodes:
            return False
        node = node.all_input_nodes[-1]
