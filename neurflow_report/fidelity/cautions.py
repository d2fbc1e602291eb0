"""The failure signatures that a report must show by itself (METHOD §6), as far as this version measures them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from neurflow_report.results.catalogue import EXPERIMENTS
from neurflow_report.results.records import Caution, LayerResult, Masking, Measure, Neuron

SILHOUETTE = 0.1
"""Mean silhouette under which groups are arbitrary (METHOD §3)."""
HALF = 0.5
"""Share of a layer in the core set over which masking says little (METHOD §6), and of the patches in a concept."""
LOW = 0.5
"""Accuracy before masking under which masking has little to take away."""
_LEAST = {
    e.name: (claim.caution, claim.against)
    for e in EXPERIMENTS.values()
    for claim in e.claims
    if claim.caution and e.name != "masking"
}
"""By experiment: the caution that its claim names, and the figure under which it is raised, which is the claim's own
lower threshold, whatever the spec sets."""
SILENT = 0.25
"""Share of a layer's channels that are dead on the class's patches, over which random sets are easy to beat."""


def cautions(
    layers: Sequence[LayerResult],
    masking: Sequence[Masking],
    *,
    pictures: int,
    limit: int,
    crowded: float,
    tolerance: float,
    silent: Mapping[str, float],
    measures: Sequence[Measure] = (),
) -> tuple[Caution, ...]:
    """Every failure signature of one class, from the logit down.

    Args:
        layers: input → output.
        pictures: how many were found, of `limit` asked for.
        crowded: the share of the class's patches that a concept has.
        tolerance: completeness gap.
        silent: the share of each layer's channels that are dead on all the class's patches (METHOD §6).
        measures: F2 to F14.
    """
    found: list[Caution] = []
    if pictures < limit:
        found.append(Caution(code="few-images", layer="", channel=None, figure=pictures, threshold=limit))
    if crowded > HALF:
        found.append(Caution(code="few-patches", layer="", channel=None, figure=crowded, threshold=HALF))
    if masking and masking[0].baseline < LOW:
        found.append(Caution(code="low-baseline", layer="", channel=None, figure=masking[0].baseline, threshold=LOW))
    for below, layer in zip(reversed((None, *layers[:-1])), reversed(layers), strict=True):
        if layer.neurons and below is not None and not below.neurons:
            found.append(Caution(code="no-core", layer=layer.name, channel=None, figure=0, threshold=1))
        found += [] if layer is layers[-1] else _of_layer(layer, silent.get(layer.name, 0.0))
        found += [c for neuron in layer.neurons for c in _of_neuron(neuron, tolerance)]
        found += [
            Caution(code="retain-loses", layer=m.layer, channel=None, figure=m.accuracy, threshold=m.baseline / 2)
            for m in masking
            if m.layer == layer.name and m.mode == "retain" and not m.cumulative and _lost(m)
        ]
        found += _measured([m for m in measures if m.layer == layer.name])
    return tuple(found)


def _lost(m: Masking) -> bool:
    """Whether the class is lost: over half of its accuracy is gone, of more than one picture, and not by accident."""
    several = round((m.baseline - m.accuracy) * m.n) > 1
    return several and m.accuracy < m.baseline / 2 and (m.drop_low is None or m.drop_low > 0)


def _measured(measures: Sequence[Measure]) -> Iterator[Caution]:
    """Failure signatures in the experiments of one layer: of the layer, then of single neurons."""
    for m in sorted(measures, key=lambda m: m.channel is not None):
        code, least = _LEAST.get(m.experiment, ("", 0.0))
        counts = m.setting == 1 if m.experiment == "weights" else True
        if code and counts and m.value < least:
            yield Caution(code=code, layer=m.layer, channel=m.channel, figure=m.value, threshold=least)


def _of_layer(layer: LayerResult, silent: float) -> Iterator[Caution]:
    share = len(layer.neurons) / layer.channels
    if not layer.neurons:
        return
    if share > HALF:
        yield Caution(code="saturation", layer=layer.name, channel=None, figure=share, threshold=HALF)
    if silent > SILENT:
        yield Caution(code="silent", layer=layer.name, channel=None, figure=silent, threshold=SILENT)
    if layer.silhouette is not None and layer.silhouette < SILHOUETTE:
        yield Caution(code="silhouette", layer=layer.name, channel=None, figure=layer.silhouette, threshold=SILHOUETTE)


def _of_neuron(neuron: Neuron, tolerance: float) -> Iterator[Caution]:
    def caution(code: str, figure: float, threshold: float) -> Caution:
        return Caution(code=code, layer=neuron.layer, channel=neuron.channel, figure=figure, threshold=threshold)

    if neuron.dead:
        yield caution("dead-neuron", max(neuron.activations), 0.0)
    if neuron.silhouette is None:
        yield caution("single-group", len(neuron.concept), 2)
    elif neuron.silhouette < SILHOUETTE:
        yield caution("silhouette", neuron.silhouette, SILHOUETTE)
    if neuron.gap_max is not None and neuron.gap_max > tolerance:
        yield caution("completeness", neuron.gap_max, tolerance)
    if neuron.error_max is not None and neuron.error_max > tolerance:
        yield caution("integration", neuron.error_max, tolerance)
