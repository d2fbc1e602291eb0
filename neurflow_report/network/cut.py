"""Cut a network at the declared layers into a stem and stages, each a function of the layer below alone (METHOD §2).

A layer is legal where every path from the picture to the logits runs through its output, that is, where it dominates
the network's output in the graph: then, and only then, the layers above it are a function of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TypeVar

import torch
from torch import Tensor, fx, nn

from neurflow_report.errors import Gathered, InputError, did_you_mean
from neurflow_report.network.agreement import first_difference
from neurflow_report.network.canonize import canonical
from neurflow_report.network.conduct import why_not_its_graph
from neurflow_report.network.cut_points import Cuts, ancestors
from neurflow_report.network.fence import passes
from neurflow_report.network.trace import OUTPUT, Traced, running, trace
from neurflow_report.results.records import LayerInfo

Module = Callable[[Tensor], Tensor]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Segments:
    """A network between its declared layers, input → output.

    `stem` maps pictures (N, C, S, S) to the activation of layers[0]; `stages[i]` maps the activation of layers[i] to
    that of layers[i+1]; the last layer is the network's output. No segment changes its input. The segments share
    their parameters with the module that was cut. `notes`: what was not rewritten, since it gave something else.
    """

    layers: tuple[LayerInfo, ...]
    stem: fx.GraphModule
    stages: tuple[fx.GraphModule, ...]
    device: torch.device
    dtype: torch.dtype
    notes: tuple[str, ...] = ()

    def between(self, lower: int, upper: int) -> nn.Sequential:
        """The function from the activation of layers[lower] to that of layers[upper]; the identity when equal."""
        return nn.Sequential(*self.stages[lower:upper])

    def feature_axis(self, layer: int) -> int:
        """The axis of the channels in the layer's activation: 1 for spatial and vector layers, -1 for tokens."""
        return -1 if self.layers[layer].kind == "tokens" else 1


def cut(module: nn.Module, layers: Sequence[str], example: Tensor, *, compared: bool = True) -> Segments:
    """Cut `module` at the named layers (METHOD §2); `module` itself is not changed.

    The segments give what the module itself gives on the example, at every layer, but for rounding; where they do not,
    they are made again as they are traced, with no operation rewritten.

    Args:
        module: in eval mode.
        layers: names, input → output; `output` is the network's own output.
        example: a batch of at least one picture on the module's device, (N, C, S, S): real ones where there are any.
        compared: False leaves the comparison out, and computes nothing where shapes can be had without.
    Raises (path ("layers", i), all layers' at once):
        InputError layer-unknown, layer-reused, layers-order, layers-not-a-cut, layers-top, layer-shape.
        InputError model-not-traceable, which is also raised, or model-precision, where the graph does not give the
            module's own output.
    """
    example = example if compared else example[:1]
    try:
        found = _cut(module, layers, example, rewritten=True, run=compared)
        wrong = _difference(found, module, layers, example) if compared else None
    except Exception as error:  # whatever a rewritten module raises: it is made again as it is
        if passes(error):
            raise
        wrong = ("", 0.0)
    if wrong is None:
        return found
    found = _cut(module, layers, example, rewritten=False, run=compared)
    wrong = _difference(found, module, layers, example) if compared else None
    if wrong is not None:
        raise why_not_its_graph(module, example, layer=wrong[0], off=wrong[1])
    return replace(found, notes=(AS_TRACED,))


AS_TRACED = (
    "the network's segments run as they were traced, which is slower: with computed weights stored, or in other words "
    "for the same operations, they gave something else on the pictures"
)


def _difference(
    segments: Segments, module: nn.Module, layers: Sequence[str], example: Tensor
) -> tuple[str, float] | None:
    return first_difference(layers, (segments.stem, *segments.stages), module, example)


def _cut(module: nn.Module, layers: Sequence[str], example: Tensor, *, rewritten: bool, run: bool = True) -> Segments:
    """See `cut`.

    Args:
        rewritten: whether computed weights are stored, and operations said in known words.
        run: whether the example is run, where the shapes are known without.
    """
    if run:
        with torch.no_grad(), running(example):
            module(example.clone())
    traced = trace(module, example, settled=rewritten)
    cuts = Cuts(traced)
    nodes = _each([partial(_node_of, cuts, name, ("layers", i)) for i, name in enumerate(layers)])
    _check_order(cuts, layers, nodes)
    below = [partial(_check_cut, cuts, layers, nodes, i) for i in range(len(nodes) - 1)]
    _each([*below, partial(_check_top, traced, layers, nodes)])
    placeholder = next(n for n in traced.graph.nodes if n.op == "placeholder")
    parts = (_segment(traced, a, b) for a, b in pairwise([placeholder, *nodes]))
    stem, *stages = (canonical(part) if rewritten else part for part in parts)
    values: Iterable[object] | None = None if run else _without_values(traced, nodes, example)
    infos = _infos(cuts, layers, nodes, values or _values([stem, *stages], layers, example), len(example))
    return Segments(layers=infos, stem=stem, stages=tuple(stages), device=example.device, dtype=example.dtype)


def _each(works: Sequence[Callable[[], T]]) -> list[T]:
    """What each of `works` gives; the errors of several are told at once."""
    gathered = Gathered()
    found = [gathered.attempt(work) for work in works]
    gathered.tell()
    return [value for value in found if value is not None]


def _node_of(cuts: Cuts, name: str, path: tuple[str | int, ...]) -> fx.Node:
    """The one node that layer `name` returns."""
    traced = cuts.traced
    known = dict(traced.root.named_modules(remove_duplicate=False))
    if name == OUTPUT and OUTPUT not in known:
        return traced.output
    if name not in known or not name:
        hint = did_you_mean(name, [n for n in traced.returned if n]) or f"layers that can be cut: {_legal_text(cuts)}"
        raise InputError("layer-unknown", f"the network has no layer {name!r}", hint=hint, path=path)
    nodes = traced.returned.get(name, ())
    whole = next((n for n in traced.whole if name.startswith(f"{n}.")), None)
    if not nodes and whole is not None:
        message = f"layer {name!r} lies in {whole!r}, which cannot be traced: {traced.whole[whole]}"
        raise InputError("layer-unknown", message, hint=f"layers that can be cut: {_legal_text(cuts)}", path=path)
    if not nodes:
        message = f"layer {name!r} is not called in a pass through the network"
        raise InputError("layer-unknown", message, hint=f"layers that can be cut: {_legal_text(cuts)}", path=path)
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


def _legal_text(cuts: Cuts, most: int = 12) -> str:
    names = [name for name, _ in cuts.legal]
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")


def _check_order(cuts: Cuts, layers: Sequence[str], nodes: Sequence[fx.Node]) -> None:
    position = cuts.position
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


def _check_cut(cuts: Cuts, layers: Sequence[str], nodes: Sequence[fx.Node], i: int) -> None:
    """Layer i, not the last, must dominate the output; otherwise name what crosses beside it, and what is legal."""
    if nodes[i] in cuts.dominators:
        return
    crossing = cuts.crossing(nodes[i])
    if crossing:
        listed = ", ".join(_describe(n, cuts.traced) for n in crossing[:4])
        more = f", and {len(crossing) - 4} more" if len(crossing) > 4 else ""
        where = f"between {layers[i]!r} and {layers[i + 1]!r}"
        what = f"another tensor crosses beside layer {layers[i]!r}, {where}: {listed}{more}"
    else:
        what = f"the network's output does not depend on layer {layers[i]!r}"
    raise InputError("layers-not-a-cut", what, hint=_nearest(cuts, nodes[i]), path=("layers", i))


def _nearest(cuts: Cuts, node: fx.Node) -> str:
    legal, position = cuts.legal, cuts.position
    before = [name for name, n in legal if position[n] < position[node]]
    after = [name for name, n in legal if position[n] > position[node]]
    below = f"nearest below {before[-1]!r}" if before else "none below"
    above = f"nearest above {after[0]!r}" if after else f"nearest above {OUTPUT!r}"
    return f"layers that can be cut: {below}, {above}"


def _describe(node: fx.Node, traced: Traced) -> str:
    """A crossing tensor: its node, its shape, and the outermost module that returned it or the one it is made in."""
    shape = traced.shapes.get(node)
    text = f"{node.name} ({', '.join(map(str, shape))}; " if shape else f"{node.name} ("
    returned = [name for name, calls in traced.returned.items() if name and set(calls) == {node}]
    if returned:
        return f"{text}from module {returned[-1]!r})"
    names = [value[0] for value in (node.meta.get("nn_module_stack") or {}).values() if value[0]]
    return f"{text}inside module {names[-1]!r})" if names else f"{text}in the network's forward)"


def _segment(traced: Traced, start: fx.Node, end: fx.Node) -> fx.GraphModule:
    """The nodes from `start` (excluded) to `end` as a module of one argument."""
    needed = ancestors(end, start)
    graph = fx.Graph()
    copied = {start: graph.placeholder("activation" if start.op != "placeholder" else "pictures")}
    if traced.rows in needed:
        assert traced.rows is not None  # noqa: S101
        copied[traced.rows] = graph.call_method("size", (copied[start], 0))
    for node in traced.graph.nodes:
        if node in needed and node not in copied and node.op != "placeholder":
            copied[node] = graph.node_copy(node, lambda n: copied[n])
    graph.output(copied[end])
    return fx.GraphModule(traced.root, graph).eval()


def _without_values(traced: Traced, nodes: Sequence[fx.Node], example: Tensor) -> list[Tensor] | None:
    """Tensors without values of the layers' shapes for one picture; None where one is not known."""
    shapes = [traced.shapes[node] for node in nodes if node in traced.shapes]
    found = [torch.empty(shape, dtype=example.dtype, device="meta") for shape in shapes]
    return found if len(found) == len(nodes) else None


@torch.no_grad()
def _values(parts: Sequence[fx.GraphModule], layers: Sequence[str], example: Tensor) -> Iterator[object]:
    """What the segments give for the example, one after another.

    Raises: where one changes its input.
    """
    value = example.clone()
    for name, part in zip(layers, parts, strict=True):
        before, copy = value, value.clone()
        value = part(value)
        if not torch.equal(before.nan_to_num(), copy.nan_to_num()):
            raise _changes_its_input(part, copy, name)
        yield value


def _infos(
    cuts: Cuts, layers: Sequence[str], nodes: Sequence[fx.Node], values: Iterable[object], rows: int
) -> tuple[LayerInfo, ...]:
    """The layers, from what they give for so many pictures.

    Raises: what tells why one cannot be used.
    """
    infos = []
    for i, (name, node, value) in enumerate(zip(layers, nodes, values, strict=True)):
        infos.append(_info(cuts, name, node, value, rows, ("layers", i)))
    if infos[-1].kind != "vector":
        message = f"the network's output has shape {infos[-1].shape} a picture, and (outputs,) was expected"
        raise InputError(
            "layer-shape", message, hint="only classifiers can be examined", path=("layers", len(layers) - 1)
        )
    return tuple(infos)


def _changes_its_input(part: fx.GraphModule, value: Tensor, layer: str) -> InputError:
    """The error for a segment that changes its input in place, with the node that does it."""
    found = list[str]()

    class Looking(fx.Interpreter):
        def run_node(self, n: fx.Node) -> object:
            before = value.clone()
            out = super().run_node(n)
            if not found and not torch.equal(before.nan_to_num(), value.nan_to_num()):
                found.append(f"module {n.target!r}" if n.op == "call_module" else str(n.target))
            return out

    Looking(part).run(value)
    what = f"{found[0]}, which leads to layer {layer!r}," if found else f"what leads to layer {layer!r}"
    message = f"{what} changes its own input in place, where the graph cannot see it"
    hint = "let it work on a copy of its input (x = x.clone()), or make a new tensor"
    return InputError("model-not-traceable", message, hint=hint, path=("model",))


def _info(cuts: Cuts, name: str, node: fx.Node, value: object, rows: int, path: tuple[str | int, ...]) -> LayerInfo:
    if not isinstance(value, Tensor):
        raise _bad_shape(f"layer {name!r} returns a {type(value).__name__}, not one tensor", path)
    kind = cuts.kind(node)
    if kind is None or len(value) != rows or not value.is_floating_point():
        shape = f"shape {tuple(value.shape)} for {rows} picture(s)"
        where = f", with channels in axis {cuts.axes.get(node)}" if value.ndim in {3, 4} else ""
        raise _bad_shape(f"layer {name!r} has an output of {shape}{where}", path)
    channels = value.shape[-1] if kind == "tokens" else value.shape[1]
    return LayerInfo(name=name, channels=int(channels), kind=kind, shape=tuple(value.shape[1:]))


def _bad_shape(message: str, path: tuple[str | int, ...]) -> InputError:
    hint = "expected (N, channels, height, width), (N, tokens, features), (N, height, width, features) or (N, features)"
    return InputError("layer-shape", message, hint=hint, path=path)
