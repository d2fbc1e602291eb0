"""The layers that a network offers: all its cuts as a list, and a choice of them where the spec leaves that open.

A block output is the output of a module that holds others and has weights (a convolution that holds its padding is
none), and at which the network can be cut, of the innermost such modules down to a nesting depth (the number of names
in `layer2.3` is two). A network without such modules (VGG, say) offers its activation functions, or, without these,
whatever it offers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx, nn
from torch.nn.modules import activation
from torch.nn.modules.conv import _ConvNd

from neurflow_report.errors import InputError, Wording, did_you_mean
from neurflow_report.network.cut_points import Cuts, Kind
from neurflow_report.network.shapes import without_values
from neurflow_report.network.trace import OUTPUT, trace

SHOWN = Wording("`layers(loaded)` shows what there is", command="`neurflow-report layers` shows what there is")
AUTO_MOST = 8
"""Layers that `auto` takes at most, the logits among them, from the top."""
AUTO_ENOUGH = 6
"""Block outputs at which `auto` looks no deeper."""


@dataclass(frozen=True, kw_only=True)
class Offer:
    """A layer that the network can be cut at.

    Attributes:
        names: the modules that return this tensor, outermost first.
        shape: of one picture.
        auto: the name under which `auto` takes it, None where it does not.
    """

    names: tuple[str, ...]
    kind: Kind
    shape: tuple[int, ...]
    channels: int
    auto: str | None


def offers(module: nn.Module, example: Tensor) -> tuple[Offer, ...]:
    """All layers that `module` (eval mode) can be cut at, input → output, the logits last.

    Args: example: a batch of at least one picture, (N, C, S, S); only its shape counts, nothing is computed.
    Raises: InputError model-not-traceable.
    """
    cuts = Cuts(trace(module, example))
    legal = dict(cuts.legal)
    taken = {legal.get(name, cuts.traced.output): name for name in chosen(cuts)}
    found = []
    for node, names in _by_node(cuts).items():
        shape, kind = cuts.traced.shapes[node], cuts.kind(node)
        if kind is not None:
            channels = shape[cuts.axes[node]]
            found.append(Offer(names=names, kind=kind, shape=shape[1:], channels=channels, auto=taken.get(node)))
    return tuple(found)


def multiply_adds(module: nn.Module, example: Tensor) -> dict[str, int]:
    """Multiply-adds of each named module for one picture, those of its parts included ("" is the network's).

    Counted by torch (convolutions, linear layers, matrix products, attention) without computing anything, unless the
    network looks at values.
    """
    root = type(module).__name__
    operations = without_values(_operations, module, example[:1])
    counts = {name: sum(by_kind.values()) // 2 for name, by_kind in operations.items()}
    found = {name.removeprefix(root).removeprefix("."): count for name, count in counts.items() if name != "Global"}
    return found | {"": counts.get("Global", 0)}


def _operations(module: nn.Module, pictures: Tensor) -> Mapping[str, Mapping[Any, int]]:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        module(pictures)
    found: Mapping[str, Mapping[Any, int]] = counter.get_flop_counts()
    return found


def choose_layers(
    module: nn.Module,
    example: Tensor,
    *,
    lowest: str | None = None,
    highest: str | None = None,
    depth: int | None = None,
    most: int | None = None,
) -> tuple[str, ...]:
    """Names of the block outputs between two layers, these included, and of the network's output.

    Args:
        lowest, highest: names of modules (None: from the first, to the output).
        depth: nesting of the names (None: the least at which there are enough blocks).
        most: that many layers at most, from the top.
    Raises:
        InputError model-not-traceable.
        InputError layer-unknown (paths layers.from, layers.to), layers-order, too-few-layers.
    """
    return chosen(Cuts(trace(module, example)), lowest=lowest, highest=highest, depth=depth, most=most)


def chosen(
    cuts: Cuts,
    *,
    lowest: str | None = None,
    highest: str | None = None,
    depth: int | None = None,
    most: int | None = AUTO_MOST,
) -> tuple[str, ...]:
    """The same, for a network whose cuts are known."""
    first = None if lowest is None else _end(cuts, lowest, "from")
    last = None if highest is None else _end(cuts, highest, "to")
    if depth is not None:
        _check_depth(cuts, depth)
    depth = _nesting(lowest) if depth is None and lowest is not None else depth
    blocks = _blocks(cuts, depth)
    low = -1 if first is None else cuts.position[first]
    high = cuts.position[cuts.traced.output] if last is None else cuts.position[last]
    if low > high:
        message = f"layer {lowest!r} comes after {highest!r} in the network"
        raise InputError(
            "layers-order", message, hint="let `from` be the one nearer to the input", path=("layers", "from")
        )
    named = {node: name for node, name in blocks.items() if low <= cuts.position[node] <= high}
    for node, name in ((first, lowest), (last, highest)):
        if node is not None and name is not None and name != OUTPUT:
            named[node] = name
    named.setdefault(cuts.traced.output, _output_name(cuts))
    names = [named[node] for node in sorted(named, key=lambda n: cuts.position[n])]
    if len(names) < 2:
        message = "no layer was found below the network's output"
        say = "name the layers in a list"
        hint = Wording(f"{say}; {SHOWN}", command=f"{say}; {SHOWN.command}")
        raise InputError("too-few-layers", message, hint=hint, path=("layers",))
    return tuple(names if most is None else names[-max(most, 2) :])


def _end(cuts: Cuts, name: str, key: str) -> fx.Node:
    """The node of one end of a range."""
    if name == OUTPUT:
        return cuts.traced.output
    legal = dict(cuts.legal)
    if name not in legal:
        known = name in dict(cuts.traced.root.named_modules(remove_duplicate=False))
        message = f"the network cannot be cut at {name!r}" if known else f"the network has no layer {name!r}"
        hint = did_you_mean(name, legal) or SHOWN
        raise InputError("layer-unknown", message, hint=hint, path=("layers", key))
    return legal[name]


def _by_node(cuts: Cuts) -> dict[fx.Node, tuple[str, ...]]:
    """The cuts in order, each with the names of the modules that return it, outermost first."""
    found: dict[fx.Node, list[str]] = {}
    for name, node in cuts.legal:
        found.setdefault(node, []).append(name)
    found.setdefault(cuts.traced.output, [OUTPUT])
    return {node: tuple(sorted(names, key=_nesting)) for node, names in found.items()}


def _nesting(name: str) -> int:
    return name.count(".") + 1


def _output_name(cuts: Cuts) -> str:
    return _by_node(cuts)[cuts.traced.output][0]


def _check_depth(cuts: Cuts, depth: int) -> None:
    """Raises InputError spec-bad-value (path layers.depth) where no name is nested so deeply."""
    usable = _usable(cuts)
    named = _holding(cuts, usable) or usable
    depths = sorted({_nesting(name) for names in named.values() for name in names})
    if depths and depth > depths[-1]:
        there = " or ".join(filter(None, [", ".join(map(str, depths[:-1])), str(depths[-1])]))
        message = f"found {depth}, and the network's blocks lie at depth {there}"
        hint = "set no more than that, or leave it out"
        raise InputError("spec-bad-value", message, hint=hint, path=("layers", "depth"))


def _usable(cuts: Cuts) -> dict[fx.Node, tuple[str, ...]]:
    return {node: names for node, names in _by_node(cuts).items() if cuts.kind(node) and node is not cuts.traced.output}


def _holding(cuts: Cuts, usable: Mapping[fx.Node, Sequence[str]]) -> dict[fx.Node, tuple[str, ...]]:
    """The blocks among the modules of each node, where there are any."""
    modules = dict(cuts.traced.root.named_modules(remove_duplicate=False))
    found = {node: tuple(name for name in names if _is_block(modules[name])) for node, names in usable.items()}
    return {node: names for node, names in found.items() if names}


def _blocks(cuts: Cuts, depth: int | None) -> dict[fx.Node, str]:
    """The block outputs below the logits, each with its name, in the order of the network."""
    modules = dict(cuts.traced.root.named_modules(remove_duplicate=False))
    usable = _usable(cuts)
    holding = _holding(cuts, usable)
    deepest = max((_nesting(n) for names in holding.values() for n in names), default=1)
    found: dict[fx.Node, str] = {}
    for level in range(1, deepest + 1) if depth is None else [depth]:
        here = _down_to(holding, level)
        found = here if len(here) > len(found) else found
        if len(found) >= AUTO_ENOUGH:
            break
    if len(found) >= 2 or (found and depth is not None):
        return found
    return _plain(usable, modules, depth) or found


def _is_block(module: nn.Module) -> bool:
    """Whether it holds others and has weights. A convolution or a linear layer is none, though it may hold its padding:
    what it returns is not yet normalised, nor activated."""
    if isinstance(module, (_ConvNd, nn.Linear)):
        return False
    return any(True for _ in module.children()) and any(True for _ in module.parameters())


def _down_to(holding: Mapping[fx.Node, Sequence[str]], depth: int) -> dict[fx.Node, str]:
    """The innermost modules of at most this depth, by the node that they return."""
    named = {node: [n for n in names if _nesting(n) <= depth] for node, names in holding.items()}
    found = {node: names[-1] for node, names in named.items() if names}
    return {
        node: name for node, name in found.items() if not any(other.startswith(f"{name}.") for other in found.values())
    }


def _plain(
    usable: Mapping[fx.Node, Sequence[str]], modules: Mapping[str, nn.Module], depth: int | None
) -> dict[fx.Node, str]:
    """Activation functions, or, where there are none, all layers."""
    shallow = {node: names[0] for node, names in usable.items() if depth is None or _nesting(names[0]) <= depth}
    active = {node: name for node, name in shallow.items() if type(modules[name]).__module__ == activation.__name__}
    return active or shallow
