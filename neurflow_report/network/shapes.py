"""A torch.fx tracer that runs shapes along: for one picture and for two, without computing anything.

Sizes, numbers of axes, number formats are then plain values, and a forward pass may branch on them. Only what differs
between one picture and two, the number of pictures, stays a node of the graph; a branch on it, or on a tensor's values,
is refused.
"""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.node import map_aggregate

from neurflow_report.network.copying import duplicate
from neurflow_report.network.fence import as_it_was

M = TypeVar("M", bound=nn.Module)
T = TypeVar("T")
Pair = tuple[Any, Any]


class _UnknownError(Exception):
    """A value is not known while tracing."""


class Shaped(fx.Proxy):
    """A proxy with its value for one picture and for two (fake tensors); `pair` is None where they are not known."""

    pair: Pair | None = None

    @property
    def _tracer(self) -> ShapedTracer:
        tracer = self.tracer
        assert isinstance(tracer, ShapedTracer)  # noqa: S101
        return tracer

    def __getattr__(self, name: str) -> Any:
        if self.pair is None or name.startswith("__"):
            return super().__getattr__(name)
        if name == "shape" and isinstance(self.pair[0], Tensor):
            return self._tracer.sides(self)
        found = tuple(getattr(value, name, None) for value in self.pair)
        if _is_plain(found[0]) and found[0] is not None and found[0] == found[1]:
            return found[0]
        return super().__getattr__(name)

    def __iter__(self) -> Iterator[Any]:
        if self.pair is not None and isinstance(self.pair[0], (tuple, list)):
            return iter([operator.getitem(self, i) for i in range(len(self.pair[0]))])
        return super().__iter__()

    def __len__(self) -> int:
        lengths = None if self.pair is None else {len(value) for value in self.pair}
        if lengths is None or len(lengths) != 1:
            return int(super().__len__())
        return int(lengths.pop())


def _is_plain(value: object) -> bool:
    """Whether a value is no tensor, nothing that holds one, and nothing to call."""
    if isinstance(value, (tuple, list)):
        return all(_is_plain(v) for v in value)
    return value is None or isinstance(value, (bool, int, float, str, torch.dtype, torch.device, torch.layout, slice))


class ShapedTracer(fx.Tracer):
    """`shapes`: of each tensor node, for one picture; `numbers`: the nodes whose value depends on the number of
    pictures, with that for one and for two."""

    def __init__(self, example: Tensor, **options: Any) -> None:
        super().__init__(**options)
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)
        one = self.mode.from_tensor(example[:1])
        with self.mode:
            self.example: Pair = (one, torch.cat([one, one]))
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}
        self.numbers: dict[fx.Node, tuple[int, int]] = {}
        self.running = False

    def proxy(self, node: fx.Node) -> Shaped:
        """A proxy that can know its value."""
        return Shaped(node, self)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """A module is called: traced, unless its values are being run."""
        return forward(*args, **kwargs) if self.running else self.traced_call(m, forward, args, kwargs)

    def traced_call(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """A module is called while tracing."""
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, Any]) -> Any:
        """An attribute of a module: itself while values are being run, else a proxy where it is a parameter."""
        return attr_val if self.running else super().getattr(attr, attr_val, parameter_proxy_cache)

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *rest: Any, **more: Any) -> Any:
        """A new node, or the plain value that it would have whatever the number of pictures."""
        if kind == "call_method" and target == "size" and isinstance(args[0], Shaped) and args[0].pair is not None:
            sides = self.sides(args[0])
            wanted = args[1:] or tuple(kwargs.values())
            return sides[wanted[0]] if wanted else sides
        made: Any = super().create_proxy(kind, target, args, kwargs, *rest, **more)
        try:
            made.pair = (self._value(kind, target, args, kwargs, 0), self._value(kind, target, args, kwargs, 1))
        except Exception:  # the shape is not known then, and nothing more
            return made
        return self._noted(made)

    def _noted(self, made: Any) -> Any:
        one, two = made.pair
        if isinstance(one, Tensor):
            self.shapes[made.node] = tuple(one.shape)
        elif _is_plain(one):
            if one == two:
                return one
            if isinstance(one, int) and isinstance(two, int):
                self.numbers[made.node] = (one, two)
        return made

    def _value(self, kind: str, target: Any, args: Any, kwargs: Any, which: int) -> Any:
        """What the node gives for one picture (0) or two (1).

        Raises: where that is not known, and what it raises.
        """
        if kind == "placeholder":
            return self.example[which] if not self.shapes else args[0]
        if kind == "output":
            raise _UnknownError
        values, options = map_aggregate((args, kwargs), lambda v: _known(v, which))
        root, self.running = self.weightless, True
        try:
            with self.mode, torch.no_grad(), _quiet():
                return _run(root, kind, target, values, options)
        finally:
            self.running = False

    @cached_property
    def weightless(self) -> nn.Module:
        """A copy of the module that is traced, without weights: made once, not for every operation anew."""
        return _weightless(self.root, self.mode)

    def sides(self, proxy: Shaped) -> tuple[Any, ...]:
        """The shape of a tensor: numbers, and nodes where a side depends on the number of pictures."""
        if proxy.pair is None:
            raise _UnknownError
        one, two = (tuple(value.shape) for value in proxy.pair)
        return tuple(
            a if a == b else self._side(proxy, i, (a, b)) for i, (a, b) in enumerate(zip(one, two, strict=True))
        )

    def _side(self, proxy: Shaped, axis: int, pair: tuple[int, int]) -> Shaped:
        made = super().create_proxy("call_method", "size", (proxy, axis), {})
        assert isinstance(made, Shaped)  # noqa: S101
        made.pair = pair
        self.numbers[made.node] = pair
        return made

    def to_bool(self, obj: fx.Proxy) -> bool:
        """A branch: allowed on what is the same for one picture and for two, and no tensor."""
        pair = getattr(obj, "pair", None)
        if pair is not None and _is_plain(pair[0]) and bool(pair[0]) == bool(pair[1]):
            return bool(pair[0])
        return bool(super().to_bool(obj))


def _run(root: nn.Module, kind: str, target: Any, values: Any, options: Any) -> Any:
    """What a node of the graph of `root` gives."""
    if kind == "get_attr":
        return operator.attrgetter(target)(root)
    if kind == "call_module":
        return root.get_submodule(target)(*values, **options)
    if kind == "call_method":
        return getattr(values[0], target)(*values[1:], **options)
    return target(*values, **options)


def without_values(work: Callable[[M, Tensor], T], module: M, pictures: Tensor) -> T:
    """What `work` gives for a module and its input where only their shapes are known, on a copy without weights:
    nothing is computed. With the values where it cannot do without; then what it raises is raised."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    with as_it_was(), torch.no_grad():
        try:
            copy = _weightless(module, mode)
            with _quiet(), mode:
                return work(copy, mode.from_tensor(pictures))
        except Exception:  # whatever cannot be followed so, or not be copied: running it tells
            copy = None
        return work(module, pictures)


def _weightless(module: M, mode: FakeTensorMode) -> M:
    """A copy whose parameters, buffers and attributes that are tensors have shapes alone. Made outside of the mode, in
    which nothing can be copied that has values."""
    state: list[Tensor] = [*module.parameters(), *module.buffers()]
    state += [value for part in module.modules() for value in vars(part).values() if isinstance(value, Tensor)]
    return cast("M", duplicate(module, {id(t): mode.from_tensor(t) for t in state}))


@contextmanager
def _quiet() -> Iterator[None]:
    """Inside, torch does not log what fails: it is told, or leaves a shape unknown."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _known(value: Any, which: int) -> Any:
    """A proxy's value.

    Raises: where it is not known.
    """
    if isinstance(value, Shaped):
        if value.pair is None:
            raise _UnknownError
        return value.pair[which]
    if isinstance(value, fx.Proxy):  # an attribute of a proxy that was not looked up yet
        raise _UnknownError
    return value
