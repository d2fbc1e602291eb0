"""Pictures made for the semantic groups of a class that is known (METHOD §9).

They come after the classes, whether these were examined or found in the cache: of a class only its record is needed,
and its pictures, for the mean of a group's patches and for what natural patches are like.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from neurflow_report.circuit.facet import BROKEN, Bytes, ascended, distances, from_bytes
from neurflow_report.images.patches import crops
from neurflow_report.network.forward import layer_means, spatial_mean
from neurflow_report.progress import Progress
from neurflow_report.results.cache import Kept
from neurflow_report.results.facets import Facet, origin
from neurflow_report.results.flow import shared_most
from neurflow_report.results.picture_name import picture_name
from neurflow_report.results.records import ClassResult, Neuron, Preprocess, SemanticGroup
from neurflow_report.setup.stored_pictures import Images, encode, hidden
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.schema import Facets as Asked

Floats = NDArray[np.float64]
DEAD, SILENT = "it is never active on a natural patch", "the picture does not activate it"
_SEED = 21
"""What the seeds of the ascents have beside the run's."""
_SIDE = 128
"""Pixels of a mean tile's side, at most."""


@dataclass(frozen=True, kw_only=True)
class _Natural:
    """What natural patches are like: their numbers, and φ of all channels of each layer, (patches, C) each."""

    place: dict[int, int]
    phi: tuple[Floats, ...]

    def of(self, layer: int, patches: tuple[int, ...]) -> Floats:
        """r of some patches, for the neurons of a layer: that of the layer below, or of the lowest its own."""
        return self.phi[max(0, layer - 1)][[self.place[p] for p in patches]]


def with_facets(
    kept: Kept,
    pixels: Tensor,
    asked: Asked,
    workspace: Workspace,
    preprocess: Preprocess,
    *,
    images: Images,
    seed: int,
    progress: Progress,
) -> Kept:
    """A class with the pictures made for its groups.

    Args:
        pixels: the pictures that its circuit was found on, as inputs, on the workspace's device.
        images: how pictures are kept, by which the mean tiles are.
    """
    some, files, found = list(shared_most(kept.result, asked.groups)), dict[str, bytes](), list[Facet]()
    numbers = {layer.name: number for number, layer in enumerate(kept.result.layers)}
    if not some:
        return kept
    with progress.stage(f"{kept.result.name}: facets", len(some)) as step:
        natural = _natural(workspace, kept.result, pixels)
        for layer, neuron, group in some:
            number = numbers[layer]
            one = _Group(
                workspace=workspace, preprocess=preprocess, number=number, neuron=neuron, group=group,
                r=natural.of(number, group.patches).mean(axis=0), steps=asked.steps, seed=seed,
            )  # fmt: skip
            used = tuple(sorted({p for a in kept.result.layers[number].neurons for p in a.concept}))
            facet, picture = one.facet(natural.of(number, used))
            if picture is not None:
                name = _named(picture, origin("facet", kept.result.slug, facet), files)
                tile = _tile(crops(pixels, group.patches, workspace.grid), preprocess, images)
                mean = None if tile is None else _named(tile, origin("tile", kept.result.slug, facet), files)
                facet = facet.model_copy(update={"file": name, "tile": mean})
            found.append(facet)
            step.advance()
    result = kept.result.model_copy(update={"facets": tuple(found)})
    return replace(kept, result=result, pictures={**kept.pictures, **files})


def _named(data: bytes, original: str, files: dict[str, bytes]) -> str:
    """The name under which the picture now lies among the files."""
    name = picture_name(data, original, "png")
    files[name] = data
    return name


def _natural(workspace: Workspace, result: ClassResult, pixels: Tensor) -> _Natural:
    """Of all patches in a concept."""
    used = sorted({p for layer in result.layers for neuron in layer.neurons for p in neuron.concept})
    rows = workspace.forward_rows
    batches = (crops(pixels, used[first : first + rows], workspace.grid) for first in range(0, len(used), rows))
    phi = layer_means(workspace.segments, batches, total=len(used))
    return _Natural(place={p: n for n, p in enumerate(used)}, phi=tuple(values.astype(np.float64) for values in phi))


@dataclass(frozen=True, kw_only=True)
class _Group:
    """A semantic group that a picture is made for; `r`: the mean of its patches'."""

    workspace: Workspace
    preprocess: Preprocess
    number: int
    neuron: Neuron
    group: SemanticGroup
    r: Floats
    steps: int
    seed: int

    def facet(self, natural: Floats) -> tuple[Facet, bytes | None]:
        """The record, and the picture where there is one.

        Args: natural: r of the layer's patches.
        """
        plain = Facet(
            layer=self.neuron.layer, channel=self.neuron.channel, group=self.group.index,
            natural=max(self.neuron.activations),
        )  # fmt: skip
        if plain.natural <= 0:
            return plain.model_copy(update={"reason": DEAD}), None
        made = ascended(
            self._objective, channels=self.preprocess.channels, size=self.preprocess.size, steps=self.steps,
            seed=(self.seed, _SEED, self.number, self.neuron.channel, self.group.index), like=self._like,
        )  # fmt: skip
        if made.picture is None or made.start is None:
            return plain.model_copy(update={"reason": made.reason}), None
        (first, _), (phi, r) = self._measured(made.start), self._measured(made.picture)
        if not np.isfinite([first, phi, *r]).all():
            return plain.model_copy(update={"reason": BROKEN}), None
        if phi <= 0:
            return plain.model_copy(update={"reason": SILENT}), None
        apart = distances(np.stack([r, *natural]), natural)
        sizes = float(np.linalg.norm(r) * np.linalg.norm(self.r))
        figures = {
            "start": first,
            "activation": phi,
            "cosine": float(r @ self.r) / sizes if sizes else None,
            "distance": None if apart is None else float(apart[0]),
            "quantile": None if apart is None else float((apart[1:] < apart[0]).mean()),
        }
        return plain.model_copy(update=figures), encode(_picture(made.picture), "PNG")

    @property
    def _like(self) -> Tensor:
        segments = self.workspace.segments
        return torch.zeros((), device=segments.device, dtype=segments.dtype)

    def _objective(self, colours: Tensor) -> Tensor:
        phi, r = self._phi(colours)
        towards = torch.as_tensor(self.r).to(r.device, r.dtype)
        return phi * F.cosine_similarity(r, towards, dim=0)

    def _measured(self, picture: Bytes) -> tuple[float, Floats]:
        with torch.no_grad():
            phi, r = self._phi(from_bytes(picture, self._like))
        return float(phi), r.double().cpu().numpy()

    def _phi(self, colours: Tensor) -> tuple[Tensor, Tensor]:
        """φ of the neuron, and r, (m,)."""
        segments, below = self.workspace.segments, max(0, self.number - 1)
        mean, std = (
            torch.tensor(given).to(colours.device, colours.dtype)[:, None, None]
            for given in (self.preprocess.mean, self.preprocess.std)
        )
        lower = segments.between(0, below)(segments.stem((colours - mean) / std))
        upper = segments.between(below, self.number)(lower)
        r, phi = (
            spatial_mean(value, segments.feature_axis(at))[0] for value, at in ((lower, below), (upper, self.number))
        )
        return phi[self.neuron.channel], r


def _picture(values: Bytes) -> Image.Image:
    """A picture (C, S, S) in RGB."""
    shown = values.transpose(1, 2, 0)
    return Image.fromarray(shown[:, :, 0] if shown.shape[2] == 1 else shown).convert("RGB")


def _tile(patches: Tensor, preprocess: Preprocess, images: Images) -> bytes | None:
    """The mean of patches (n, C, S, S), which are inputs, as far as pictures are kept."""
    if images == "none":
        return None
    mean, std = (np.array(given)[:, None, None] for given in (preprocess.mean, preprocess.std))
    colours = patches.double().mean(dim=0).cpu().numpy() * std + mean
    shown = _picture((colours.clip(0, 1) * 255).round().astype(np.uint8))
    shown.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    return encode(hidden(shown, images), "PNG")
