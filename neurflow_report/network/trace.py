"""Trace a module into one torch.fx graph without in-place operations, knowing what each named module returned.

1. The module is copied (its parameters and buffers are shared), and every submodule's `inplace` is switched off.
2. An own tracer records, for every call of a named module, which graph node the call returned.
3. In-place operations are replaced by their pure form, and whatever read the changed tensor later reads the new node.
"""

from __future__ import annotations

import copy
import inspect
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torchvision
from torch import Tensor, fx, nn

from neurflow_report.errors import InputError

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
    call returned something that is no single graph value; `root` owns the parameters; `output` is the network's."""

    root: nn.Module
    graph: fx.Graph
    returned: Mapping[str, tuple[fx.Node | None, ...]]
    output: fx.Node


class _Tracer(fx.Tracer):
    """Records what each named module's calls returned, and how many nodes the graph had by then."""

    def __init__(self) -> None:
        super().__init__(autowrap_modules=(math, torchvision.ops))
        self.calls: list[tuple[str, fx.Node | None, int]] = []

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        childless_op = type(m).__module__.startswith("torchvision.ops") and not list(m.children())
        return childless_op or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        result = super().call_module(m, forward, args, kwargs)
        node = result.node if isinstance(result, fx.Proxy) else None
        self.calls.append((self.path_of_module(m), node, len(self.graph.nodes)))
        return result


def trace(module: nn.Module) -> Traced:
    """Trace `module` (eval mode) into a graph of pure operations; `module` itself is not changed.

    Errors: model-not-traceable with the tracer's reason, or where the network returns more than one tensor.
    """
    root = _shared_copy(module)
    in_place = {name for name, m in root.named_modules() if getattr(m, "inplace", False) is True}
    for submodule in root.modules():
        if getattr(submodule, "inplace", False) is True:
            submodule.inplace = False  # type: ignore[assignment]
    tracer = _Tracer()
    try:
        graph = tracer.trace(root, concrete_args=_defaults(root))
    except Exception as error:
        raise _not_traceable(f"torch.fx says: {_first_line(error)}") from error
    newest = _make_pure(graph, in_place)
    result = graph.output_node().args[0]
    if not isinstance(result, fx.Node):
        raise _not_traceable(f"it returns a {type(result).__name__}, and one tensor of logits was expected")
    return Traced(root=root, graph=graph, returned=_returned(tracer, root, newest), output=result)


def _not_traceable(reason: str) -> InputError:
    return InputError(
        "model-not-traceable",
        f"the network cannot be traced into a graph; {reason}",
        hint="a network whose forward pass branches on values, or returns several tensors, cannot be cut into segments",
        path=("model", "name"),
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _shared_copy(module: nn.Module) -> nn.Module:
    """A deep copy that shares parameters and buffers with `module`."""
    shared: list[Tensor] = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(t): t for t in shared})


def _defaults(module: nn.Module) -> dict[str, Any] | None:
    """The default of every forward argument after the first that has one."""
    arguments = list(inspect.signature(module.forward).parameters.values())[1:]
    return {a.name: a.default for a in arguments if a.default is not inspect.Parameter.empty} or None


Versions = dict[fx.Node, tuple[fx.Node, int]]


def _make_pure(graph: fx.Graph, in_place_modules: set[str]) -> Versions:
    """Replace in-place operations in `graph`; → for each changed node, the node of its new value and its position."""
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
