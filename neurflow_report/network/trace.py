"""Trace a module into one torch.fx graph without in-place operations, knowing what each named module returned.

1. The module is copied (its parameters and buffers are shared; weights that are computed at every pass are stored, see
   copies.py), and every submodule's `inplace` is switched off.
2. An own tracer runs the shapes of one and of two pictures along (shapes.py), so that sizes are numbers and only what
   depends on the number of pictures stays open; it records which graph node each call of a named module returned.
   A submodule that cannot be traced is kept whole, as one node: nothing inside it can be a layer.
3. In-place operations are replaced by their pure form, and whatever read the changed tensor later reads the new node.
4. What depends on the number of pictures is taken from the first tensor alone, so that it can be had at any cut.
"""

from __future__ import annotations

import functools
import math
import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from neurflow_report.errors import InputError
from neurflow_report.network.copies import copied, settle
from neurflow_report.network.fence import TRY, as_it_was, fenced, first_line, own_line, passes
from neurflow_report.network.kinds import is_bare
from neurflow_report.network.shapes import ShapedTracer
from neurflow_report.network.sizes import functions_of_einops, traced_sizes

OUTPUT = "output"

_PURE_OPERATORS: dict[Callable[..., Any], Callable[..., Any]] = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
    operator.ifloordiv: operator.floordiv,
    operator.imod: operator.mod,
    operator.ipow: operator.pow,
    operator.iand: operator.and_,
    operator.ior: operator.or_,
    operator.ixor: operator.xor,
}


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A module as a graph. `returned[name]` holds the node that each call of the named module returned, None where a
    call returned something that is no single graph value; `root` owns the parameters; `output` is the network's.

    Attributes:
        shapes: of the tensors, for one picture.
        rows: the node that holds the number of pictures, where one is needed.
        whole: the modules kept as one node, and why.
    """

    root: nn.Module
    graph: fx.Graph
    returned: Mapping[str, tuple[fx.Node | None, ...]]
    output: fx.Node
    shapes: Mapping[fx.Node, tuple[int, ...]]
    rows: fx.Node | None
    whole: Mapping[str, str]


class _Tracer(ShapedTracer):
    """Records what each named module's calls returned, and how many nodes the graph had by then."""

    def __init__(self, example: Tensor) -> None:
        wrapped = functions_of_einops()
        of_their_own = (math, sys.modules.get("torchvision.ops", math))
        super().__init__(example, autowrap_modules=of_their_own, autowrap_functions=wrapped)
        self.calls: list[tuple[str, fx.Node | None, int]] = []
        self.whole: dict[str, str] = {}

    def create_args_for_root(self, root_fn: Any, *_options: Any) -> tuple[Any, list[Any]]:
        """The network and its pictures. What else its forward takes is left to it: torch.fx would trace that, too."""
        return root_fn, [self.root, self.create_proxy("placeholder", "pictures", (), {})]

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        childless_op = type(m).__module__.startswith("torchvision.ops") and not list(m.children())
        return childless_op or module_qualified_name in self.whole or super().is_leaf_module(m, module_qualified_name)

    def traced_call(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Call a named module; where it cannot be traced, once more as one node."""
        name, nodes, calls = self.path_of_module(m), len(self.graph.nodes), len(self.calls)
        around = self.module_stack.copy()
        try:
            result = super().traced_call(m, forward, args, kwargs)
        except Exception as error:
            if m is self.root or self.is_leaf_module(m, name):
                raise
            self._forget(nodes, calls)
            self.module_stack = around
            self.whole[name] = first_line(error)
            result = super().traced_call(m, forward, args, kwargs)
        node = result.node if isinstance(result, fx.Proxy) else None
        self.calls.append((name, node, len(self.graph.nodes)))
        return result

    def _forget(self, nodes: int, calls: int) -> None:
        """Take back the nodes and calls that were recorded since there were so many."""
        for node in list(self.graph.nodes)[nodes:][::-1]:
            self.graph.erase_node(node)
        del self.calls[calls:]


def trace(module: nn.Module, example: Tensor, *, settled: bool = True) -> Traced:
    """Trace `module` (eval mode) into a graph of pure operations; `module` itself is not changed.

    Args:
        example: a batch of at least one picture, (N, C, S, S); only its shape and number format count.
        settled: whether weights that are computed at every pass are computed once instead.
    Raises: InputError model-not-traceable with the tracer's reason, or where the network returns more than one tensor.
    """
    root = copied(module, share=True)
    if settled:
        settle(root)
    in_place = {name for name, m in root.named_modules() if getattr(m, "inplace", False) is True}
    for submodule in root.modules():
        if getattr(submodule, "inplace", False) is True:
            submodule.inplace = False  # type: ignore[assignment]
    tracer = _Tracer(example)
    try:
        with as_it_was(), traced_sizes():
            graph = tracer.trace(_as_called(root))
    except BaseException as error:  # a user's code may raise anything
        if passes(error):
            raise
        line, said = own_line(error), first_line(error) or type(error).__name__
        raise _not_traceable(f"{line}: {said.split('. ')[0]}" if line else said.split(". ")[0]) from error
    newest = _make_pure(graph, in_place)
    result = graph.output_node().args[0]
    if not isinstance(result, fx.Node):
        raise _not_traceable(f"it returns a {type(result).__name__}, and one tensor of logits was expected")
    returned = _returned(tracer, root, newest)
    rows = _rows_from_the_pictures(graph, tracer.numbers)
    shapes = tracer.shapes if result in tracer.shapes else _run(root, graph, example[:1])
    return Traced(
        root=root, graph=graph, returned=returned, output=result, rows=rows, shapes=shapes, whole=tracer.whole
    )


def _run(root: nn.Module, graph: fx.Graph, example: Tensor) -> dict[fx.Node, tuple[int, ...]]:
    """The shapes of all tensors, by running the graph: for operations whose shapes torch cannot tell otherwise."""
    shapes: dict[fx.Node, tuple[int, ...]] = {}

    class Noting(fx.Interpreter):
        def run_node(self, n: fx.Node) -> object:
            value = super().run_node(n)
            if isinstance(value, Tensor):
                shapes[n] = tuple(value.shape)
            return value

    with torch.no_grad(), running(example):
        Noting(root, graph=graph).run(example)
    return shapes


@contextmanager
def running(example: Tensor) -> Iterator[None]:
    """Inside the network runs on `example`: what it raises is told as model-fails (path model.name)."""
    size = " × ".join(map(str, example.shape[1:]))
    with fenced(f"the network fails on a picture of {size}", hint=TRY, generators=False):
        yield


def _rows_from_the_pictures(graph: fx.Graph, numbers: Mapping[fx.Node, tuple[int, int]]) -> fx.Node | None:
    """Take every number that is a multiple of the number of pictures from the first tensor.

    Where a reshape has just one such side, the side is left for it to find, which needs no number at all.

    Returns: the node of it.
    """
    multiples = {node: one for node, (one, two) in numbers.items() if two == 2 * one}
    for node in graph.nodes:
        if node.op == "call_method" and node.target in {"reshape", "view"}:
            node.args = _without_number(node.args, multiples)
    pictures = next(n for n in graph.nodes if n.op == "placeholder")
    used = [node for node in multiples if any(user not in multiples for user in node.users)]
    if not used:
        return None
    with graph.inserting_after(pictures):
        rows = graph.call_method("size", (pictures, 0))
    made = {1: rows}
    for node in used:
        times = multiples[node]
        if times not in made:
            with graph.inserting_after(rows):
                made[times] = graph.call_function(operator.mul, (rows, times))
        node.replace_all_uses_with(made[times], lambda user: user not in multiples)
    return rows


def _without_number(args: tuple[Any, ...], multiples: Mapping[fx.Node, int]) -> tuple[Any, ...]:
    """The arguments of a reshape with -1 for its one side that depends on the number of pictures."""
    nested = len(args) == 2 and isinstance(args[1], (tuple, list))
    sides = list(args[1] if nested else args[1:])
    open_ = [i for i, side in enumerate(sides) if isinstance(side, fx.Node) and side in multiples]
    if len(open_) != 1 or -1 in [s for s in sides if isinstance(s, int)]:
        return args
    sides[open_[0]] = -1
    return (args[0], tuple(sides)) if nested else (args[0], *sides)


def _not_traceable(reason: str) -> InputError:
    return InputError(
        "model-not-traceable",
        f"the network cannot be traced into a graph; {reason}",
        hint="put what cannot be traced into a module of its own, called from forward: such a module is kept whole, "
        "and layers are to be had around it",
        path=("model", "name"),
    )


def _as_called(root: nn.Module) -> nn.Module:
    """The network itself, of a class whose `forward` is all that a call of it does: its hooks, a `forward` or a
    `__call__` of its own. torch.fx looks at the class's `forward` alone."""
    if is_bare(root) and type(root).__call__ is nn.Module.__call__:
        return root
    called, own = type(root).forward, root.forward

    @functools.wraps(called)
    def forward(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        return self(*args, **kwargs)

    root.forward = own  # what the call runs in the end
    root.__class__ = type(type(root).__name__, (type(root),), {"forward": forward})
    return root


Versions = dict[fx.Node, tuple[fx.Node, int]]


def _make_pure(graph: fx.Graph, in_place_modules: set[str]) -> Versions:
    """Replace in-place operations in `graph`.

    Returns: for each changed node, the node of its new value and its position.
    """
    newest: Versions = {}
    for position, node in enumerate(graph.nodes):
        node.args = fx.map_arg(node.args, lambda n: _version(n, newest))
        node.kwargs = fx.map_arg(node.kwargs, lambda n: _version(n, newest))
        if _purified(node, in_place_modules) and node.args and isinstance(node.args[0], fx.Node):
            newest[node.args[0]] = (node, position)
    return newest


def _version(node: fx.Node, newest: Versions, before: float = math.inf) -> fx.Node:
    """The newest value of the tensor that `node` made, of those made at a position below `before`."""
    while node in newest and newest[node][1] < before:
        node = newest[node][0]
    return node


def _purified(node: fx.Node, in_place_modules: set[str]) -> bool:
    """Whether `node` was in place; it is pure afterwards."""
    if node.op == "call_module":
        return node.target in in_place_modules
    if node.op == "call_function" and node.target in _PURE_OPERATORS:
        node.target = _PURE_OPERATORS[node.target]
        return True
    if node.op in {"call_function", "call_method"} and node.kwargs.get("inplace") is True:
        node.kwargs = {**node.kwargs, "inplace": False}
        return True
    pure = _pure_target(node)
    if pure is not None:
        node.target = pure
    return pure is not None


def _pure_target(node: fx.Node) -> Any | None:
    """The pure counterpart of a method or torch function whose name ends in one underscore."""
    name = node.target if node.op == "call_method" else getattr(node.target, "__name__", "")
    if not isinstance(name, str) or not name.endswith("_") or name.endswith("__") or name.startswith("_"):
        return None
    if node.op == "call_method":
        return name[:-1] if hasattr(Tensor, name[:-1]) else None
    if node.op == "call_function" and getattr(torch, name, None) is node.target:
        return getattr(torch, name[:-1], None)
    functional = nn.functional
    return getattr(functional, name[:-1], None) if getattr(functional, name, None) is node.target else None


def _returned(tracer: _Tracer, root: nn.Module, newest: Versions) -> dict[str, tuple[fx.Node | None, ...]]:
    """Returned nodes by module name, in the order of first return; a module with two names has both."""
    found: dict[str, list[fx.Node | None]] = {}
    for name, node, count in tracer.calls:
        found.setdefault(name, []).append(None if node is None else _version(node, newest, count))
    first = {id(root.get_submodule(name)): name for name in found}
    for name, submodule in root.named_modules(remove_duplicate=False):
        if name not in found and id(submodule) in first:
            found[name] = found[first[id(submodule)]]
    return {name: tuple(nodes) for name, nodes in found.items()}
