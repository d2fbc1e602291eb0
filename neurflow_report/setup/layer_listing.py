"""What a network offers as layers, as a tree of its modules with shapes and multiply-adds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch

from neurflow_report.errors import ReportError
from neurflow_report.network.interface import outputs_of
from neurflow_report.network.layers import Offer, multiply_adds, offers
from neurflow_report.network.load import Network
from neurflow_report.setup.networks import example_input, load_spec_network, untrained
from neurflow_report.spec.load import LoadedSpec, located

_CPU, _DTYPE = torch.device("cpu"), torch.float32


@dataclass(frozen=True, kw_only=True)
class Row:
    """A module. `shape` of one picture's output, None where the network cannot be cut at it; `multiply_adds` of the
    module for one picture.

    Attributes:
        auto: `layers: auto` takes it under this name.
        same_as: another name of the same cut.
    """

    name: str
    kind: str | None
    shape: tuple[int, ...] | None
    multiply_adds: int
    auto: bool
    same_as: str | None


@dataclass(frozen=True, kw_only=True)
class Tree:
    """The modules of a network that can be cut at, and those around them, each before its parts."""

    model: str
    parameters: int
    input: tuple[int, ...]
    multiply_adds: int
    rows: tuple[Row, ...]


def layers_of_spec(loaded: LoadedSpec) -> Tree:
    """The layers of a spec's model.

    Raises: what loading and tracing it raise, with its place in the spec.
    """
    try:
        return _tree(load_spec_network(loaded, _CPU))
    except ReportError as error:
        raise located(error, loaded) from error


def layers_of_model(source: str, name: str, *, size: int | None, allow_code: bool) -> Tree:
    """The layers of a model by name, with random weights; for the source python `name` is the factory, looked for in
    the current folder and among what is installed.

    Args: size: the input's side, where it is not the model's own.
    """
    network = untrained(source, name, size=size, allow_code=allow_code)
    return _tree(network)


def _tree(network: Network) -> Tree:
    example = example_input(network, _CPU, _DTYPE)
    module = network.module.to(_DTYPE)
    outputs_of(module, example)
    counts = multiply_adds(module, example)
    return Tree(
        model=network.name,
        parameters=network.parameters,
        input=tuple(example.shape[1:]),
        multiply_adds=counts[""],
        rows=tuple(_rows(offers(module, example), counts)),
    )


def _rows(found: tuple[Offer, ...], counts: Mapping[str, int]) -> Iterator[Row]:
    """A row for each name of each cut and for each module around one, every module before its parts."""
    offer_of = {name: offer for offer in found for name in offer.names}
    parts: dict[str, dict[str, None]] = {}
    for name in offer_of:
        steps = name.split(".")
        for length in range(len(steps)):
            parts.setdefault(".".join(steps[:length]), {})[".".join(steps[: length + 1])] = None

    def below(name: str) -> Iterator[Row]:
        for part in parts.get(name, ()):
            yield _row(part, offer_of.get(part), counts.get(part, 0))
            yield from below(part)

    return below("")


def _row(name: str, offer: Offer | None, count: int) -> Row:
    if offer is None:
        return Row(name=name, kind=None, shape=None, multiply_adds=count, auto=False, same_as=None)
    return Row(
        name=name,
        kind=offer.kind,
        shape=offer.shape,
        multiply_adds=count,
        auto=offer.auto == name,
        same_as=offer.names[0] if name != offer.names[0] else None,
    )
