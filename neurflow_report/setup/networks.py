"""The network of a spec: loaded, its layers found, cut at them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from neurflow_report.network.cut import Segments, cut
from neurflow_report.network.layers import AUTO_MOST, choose_layers
from neurflow_report.network.load import Network, load_network
from neurflow_report.spec.load import LoadedSpec
from neurflow_report.spec.schema import LayerRange, Spec


def number_format(spec: Spec) -> torch.dtype:
    """The number format of the network."""
    return torch.float64 if spec.runtime.precision == "float64" else torch.float32


def load_spec_network(loaded: LoadedSpec, device: torch.device) -> Network:
    """The spec's network.

    Raises: what load_network raises.
    """
    spec = loaded.spec
    return load_network(
        **spec.model.model_dump(),
        preprocess=spec.preprocess.values(),
        allow_code=loaded.allow_code,
        base=loaded.file.resolve().parent,
        seed=spec.runtime.seed,
        device=device,
        dtype=number_format(spec),
    )


def cut_at(spec: Spec, network: Network, example: Tensor, *, compared: bool = True) -> Segments:
    """The network between the layers that the spec names or leaves to it.

    Args: as `cut`.
    Raises: what `layer_names` and `cut` raise.
    """
    return cut(network.module, layer_names(spec, network, example), example, compared=compared)


def untrained(
    source: str,
    name: str,
    *,
    size: int | None,
    allow_code: bool,
    kwargs: Mapping[str, object] | None = None,
    python_path: Path | None = None,
    outputs: int | None = None,
) -> Network:
    """A model by name, with random weights, on the CPU in float32; for the source python `name` is the factory.

    Args:
        size: the input's side, where it is not the model's own.
        kwargs: what it is made with.
        python_path: where the factory's package is looked for (None: the current folder).
        outputs: the number of logits, where it is not the architecture's own.
    """
    return load_network(
        source=source,
        name=None if source == "python" else name,
        factory=name if source == "python" else None,
        kwargs=kwargs,
        python_path=None if python_path is None else str(python_path),
        weights="none",
        outputs=outputs,
        base=Path(),
        seed=0,
        device=torch.device("cpu"),
        dtype=torch.float32,
        allow_code=allow_code,
        preprocess={} if size is None else {"size": size},
    )


def layer_names(spec: Spec, network: Network, example: Tensor) -> tuple[str, ...]:
    """The layers that the spec names or, where it leaves them open, those that the network offers.

    Raises:
        InputError layer-unknown, layers-order, too-few-layers (paths under `layers`).
        InputError model-not-traceable.
    """
    if isinstance(spec.layers, tuple):
        return spec.layers
    if isinstance(spec.layers, LayerRange):
        wanted = spec.layers
        return choose_layers(
            network.module, example, lowest=wanted.from_, highest=wanted.to, depth=wanted.depth, most=wanted.most
        )
    return choose_layers(network.module, example, most=AUTO_MOST)


def example_input(network: Network, device: torch.device, dtype: torch.dtype) -> Tensor:
    """One fixed noise picture of the network's input size: what the cut is tried on."""
    size, channels = network.preprocess.size, network.preprocess.channels
    noise = torch.rand((1, channels, size, size), generator=torch.Generator().manual_seed(0))
    return noise.to(device, dtype)
