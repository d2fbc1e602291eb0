"""One class's records, indexed: what lies above and below, which groups a neuron is in, where a patch lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from neurflow_report.drawing.view.model import names, urls
from neurflow_report.drawing.view.model.components import Mosaic
from neurflow_report.drawing.view.model.graph import FEW_PIXELS, Tile
from neurflow_report.drawing.view.model.names import Name
from neurflow_report.results.catalogue import CLAIMS, HALF_OF_DRAWS
from neurflow_report.results.flow import Flow, flow_of, parts
from neurflow_report.results.records import (
    Claim,
    ClassResult,
    EdgeEffect,
    GroupEdge,
    GroupLabel,
    LayerResult,
    Masking,
    Measure,
    Neuron,
    NeuronGroup,
    Patch,
    Picture,
    Run,
    TwoSided,
)
from neurflow_report.results.verdict import Verdict, undecidable, verdict_of

EdgesOf = dict[tuple[str, int], list[GroupEdge]]
CARD, WIDE, STRIP, NODE = 9, 24, 6, 4
"""Patches of a card (3×3), a group's large mosaic (6 columns × 4), a semantic group's (3×2), a neuron's in drawings."""
SLIGHT = 0.05
"""The share under which a group's large mosaic has no more patches than a card."""
CARD_CELL, WIDE_CELL, SMALL_CELL = 96, 71, 64


@dataclass(frozen=True)
class Index:
    """A class of a run. Layers are spoken of from the logit down, as the circuit is read.

    `result` has its groups by falling conserved share (`results.flow.with_shares`). `given`: names by hand, by layer
    and code ("G3", "n12"); `flows`: its shares, where they are known already.
    """

    run: Run
    result: ClassResult
    given: Mapping[tuple[str, str], str] = field(default_factory=dict)
    flows: Flow | None = field(default=None, repr=False)

    @cached_property
    def kept(self) -> dict[str, Any]:
        """What was made of the class and is asked for again, by whatever name its maker gives it."""
        return {}

    @cached_property
    def patches(self) -> dict[int, Patch]:
        return {p.index: p for p in self.result.patches}

    @cached_property
    def flow(self) -> Flow:
        """The conserved shares of neurons, groups and edges (METHOD §3)."""
        return self.flows or flow_of(self.result.layers)

    @cached_property
    def verdict(self) -> Verdict:
        """The class's verdict, from its ledger."""
        return verdict_of(self.result, self.most_beaten)

    @cached_property
    def too_few(self) -> Mapping[Claim, str]:
        """The tests with too few draws to decide, and the setting that would let each (results/verdict.py)."""
        return undecidable(self.result, self.most_beaten)

    @property
    def most_beaten(self) -> float:
        """The share of random sets that F2's interval must stay over."""
        own = (t.against for t in self.run.settings.thresholds if t.claim == "optimal")
        return next(own, CLAIMS["optimal"].threshold.against)

    @property
    def top(self) -> LayerResult:
        """The layer of the logit."""
        return self.result.layers[-1]

    @property
    def below_top(self) -> LayerResult:
        """The layer below the logit."""
        return self.result.layers[-2]

    def downward(self) -> tuple[LayerResult, ...]:
        """The layers from the logit down."""
        return tuple(reversed(self.result.layers))

    def above(self, layer: str) -> LayerResult | None:
        """The next layer towards the logit."""
        names = [one.name for one in self.result.layers]
        at = names.index(layer) + 1
        return self.result.layers[at] if at < len(names) else None

    def below(self, layer: str) -> LayerResult | None:
        """The next layer towards the input."""
        at = [one.name for one in self.result.layers].index(layer)
        return self.result.layers[at - 1] if at else None

    @cached_property
    def memberships(self) -> dict[tuple[str, int], dict[int, int]]:
        """By (layer, channel): the neuron group of each of its semantic groups."""
        found: dict[tuple[str, int], dict[int, int]] = {}
        for layer in self.result.layers:
            for group in layer.groups:
                for member in group.members:
                    found.setdefault((layer.name, member.channel), {})[member.semantic] = group.index
        return found

    def groups_of(self, layer: str, channel: int) -> list[int]:
        """The neuron groups that a neuron is in, by their numbers."""
        return sorted(set(self.memberships.get((layer, channel), {}).values()))

    @cached_property
    def masking(self) -> tuple[Masking, ...]:
        """F1's rows at single layers, from the logit down, by τ, masking before retaining."""
        return self._ordered([m for m in self.result.masking if not m.cumulative])

    @cached_property
    def masking_upward(self) -> tuple[Masking, ...]:
        """F1's rows from a layer up to the logits, in the same order."""
        return self._ordered([m for m in self.result.masking if m.cumulative])

    @cached_property
    def found_on(self) -> tuple[Picture, ...]:
        """The pictures that the circuit was found on: those that the patches are of."""
        return tuple(p for p in self.result.pictures if not p.held_out)

    @property
    def held_out(self) -> int:
        """How many pictures F1 and F8 alone were measured on."""
        return len(self.result.pictures) - len(self.found_on)

    @cached_property
    def two_sided(self) -> tuple[TwoSided, ...]:
        """F1's rows with pictures of other classes, from the logit down: single layers, then upward, by τ; at the mean
        before at 0."""
        order = {layer.name: at for at, layer in enumerate(self.downward())}
        return tuple(
            sorted(
                self.result.two_sided, key=lambda m: (m.cumulative, order[m.layer], m.tau, m.ablation, m.mode == "mask")
            )
        )

    def _ordered(self, rows: Sequence[Masking]) -> tuple[Masking, ...]:
        order = {layer.name: at for at, layer in enumerate(self.downward())}
        return tuple(sorted(rows, key=lambda m: (order[m.layer], m.tau, m.mode)))

    @cached_property
    def claims(self) -> tuple[Claim, ...]:
        """The ledger's rows, claim by claim, each from the logit down."""
        order = {layer.name: at for at, layer in enumerate(self.downward())}
        place = {claim: at for at, claim in enumerate(dict.fromkeys(c.claim for c in self.result.claims))}
        rows = sorted(self.result.claims, key=lambda c: (place[c.claim], order.get(c.layer, len(order))))
        return tuple(rows)

    def measure(self, experiment: str, layer: str, channel: int) -> Measure | None:
        """An experiment's figure of one neuron."""
        return self._single.get((experiment, layer, channel))

    @cached_property
    def _single(self) -> dict[tuple[str, str, int], Measure]:
        return {(m.experiment, m.layer, m.channel): m for m in self.result.measures if m.channel is not None}

    def sureness(self, layer: str, channel: int) -> str:
        """Whether F13 found a core neuron "sure", "unsure" or "out"; "" where it was not run."""
        found = self.measure("deletions", layer, channel)
        if found is None:
            return ""
        return "sure" if found.low > HALF_OF_DRAWS else "out" if found.high < HALF_OF_DRAWS else "unsure"

    def is_loose(self, layer: str, group: NeuronGroup) -> bool:
        """Whether half of a group's share or more comes from neurons that are not sure."""
        lent = self.lent(layer, group)
        loose = sum(share for channel, share in lent.items() if self.sureness(layer, channel) in {"unsure", "out"})
        return loose > 0 and 2 * loose >= sum(lent.values())

    @cached_property
    def effects(self) -> dict[tuple[str, int, int], EdgeEffect]:
        """F11 by the upper group's layer and number, and the lower group's number."""
        return {(e.upper_layer, e.upper, e.lower): e for e in self.result.edge_effects}

    def feeds(self, layer: str, group: int) -> tuple[GroupEdge, ...]:
        """Edges up from a group, the strongest first."""
        edges = self._edges[0].get((layer, group), ())
        return tuple(sorted(edges, key=lambda e: (-abs(e.weight), e.upper)))

    def fed_by(self, layer: str, group: int) -> tuple[GroupEdge, ...]:
        """Edges down from a group, the strongest first."""
        edges = self._edges[1].get((layer, group), ())
        return tuple(sorted(edges, key=lambda e: (-abs(e.weight), e.lower)))

    @cached_property
    def _edges(self) -> tuple[EdgesOf, EdgesOf]:
        """The edges by their lower and by their upper group."""
        up: EdgesOf = {}
        down: EdgesOf = {}
        for e in self.result.edges:
            up.setdefault((e.lower_layer, e.lower), []).append(e)
            down.setdefault((e.upper_layer, e.upper), []).append(e)
        return up, down

    def short_name(self, layer: str, group: int) -> str:
        """ "G3", or "logit" for the only group of the logit's layer."""
        return "the logit" if layer == self.top.name and len(self.top.groups) < 2 else f"G{group}"

    def name(self, layer: str, group: NeuronGroup) -> Name:
        """What a neuron group is called (METHOD §3): by hand, by what its patches show, by a label, or not at all."""
        given = self.given.get((layer, f"G{group.index}"), "")
        return names.name_of(group, given, self.labels.get((layer, group.index)))

    @cached_property
    def labels(self) -> dict[tuple[str, int], GroupLabel]:
        """The labels of neuron groups and their tests, by layer and number."""
        return {(one.layer, one.group): one for one in self.result.labels}

    def called(self, layer: str, group: NeuronGroup) -> str:
        """ "pink petals · block3 G1", "block3 G1" for one without a name."""
        code = f"{layer} G{group.index}"
        text = self.name(layer, group).text
        return f"{text} · {code}" if text else code

    def neuron_title(self, layer: str, channel: int) -> str:
        """ "vertical edges · n12", "n12" for one without a name by hand."""
        code = f"n{channel}"
        text = self.given.get((layer, code), "")
        return f"{text} · {code}" if text else code

    @cached_property
    def groups(self) -> dict[tuple[str, int], NeuronGroup]:
        """Neuron groups by layer and number."""
        return {(layer.name, g.index): g for layer in self.result.layers for g in layer.groups}

    @cached_property
    def neurons(self) -> dict[tuple[str, int], Neuron]:
        """Neurons by layer and channel."""
        return {(layer.name, a.channel): a for layer in self.result.layers for a in layer.neurons}

    def lent(self, layer: str, group: NeuronGroup) -> dict[int, float]:
        """By channel: the share that each of a group's neurons lends it, share(i) p(i, G), the largest first."""
        key = layer, group.index
        if key not in self._lent:
            shares, found = self.flow.neurons[layer], dict[int, float]()
            for m in group.members:
                found[m.channel] = (
                    found.get(m.channel, 0.0) + shares[m.channel] * self._parts[layer, m.channel][m.semantic]
                )
            self._lent[key] = dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
        return self._lent[key]

    @cached_property
    def _lent(self) -> dict[tuple[str, int], dict[int, float]]:
        """What `lent` has found so far."""
        return {}

    @cached_property
    def _parts(self) -> dict[tuple[str, int], dict[int, float]]:
        return {key: parts(neuron) for key, neuron in self.neurons.items()}

    def shown(self, layer: str, group: NeuronGroup, most: int) -> tuple[int, ...]:
        """The patches of a group's mosaic: of each neuron as many as its part of the group's share asks for (largest
        remainder), the strongest neuron's first, and of one neuron those nearest to the group's centre first."""
        return names.proportional(
            self.lent(layer, group), self._own_patches(layer, group), min(most, len(group.patches))
        )

    def _own_patches(self, layer: str, group: NeuronGroup) -> dict[int, list[int]]:
        """By channel: a neuron's patches in the group, nearest to the group's centre first."""
        key = f"patches of {layer}/{group.index}"
        if key not in self.kept:
            place = {patch: at for at, patch in enumerate(group.patches)}
            found: dict[int, set[int]] = {}
            for m in group.members:
                found.setdefault(m.channel, set()).update(self._semantic[layer, m.channel, m.semantic])
            self.kept[key] = {c: sorted(own & place.keys(), key=place.__getitem__) for c, own in found.items()}
        known: dict[int, list[int]] = self.kept[key]
        return known

    @cached_property
    def _semantic(self) -> dict[tuple[str, int, int], tuple[int, ...]]:
        """The patches of each semantic group, by layer, channel and number."""
        return {(*key, g.index): g.patches for key, neuron in self.neurons.items() for g in neuron.groups}

    def card(self, layer: str, group: NeuronGroup) -> Mosaic:
        """The square mosaic of a neuron group."""
        return self._of_group(layer, group, CARD, 3, CARD_CELL)

    def wide(self, layer: str, group: NeuronGroup) -> Mosaic:
        """The large mosaic of a neuron group."""
        return self._of_group(layer, group, WIDE if group.share >= SLIGHT else CARD, 6, WIDE_CELL)

    def strip(self, layer: str, group: NeuronGroup, most: int) -> Mosaic:
        """A neuron group's first patches in one row."""
        return self._of_group(layer, group, most, most, SMALL_CELL)

    def _of_group(self, layer: str, group: NeuronGroup, most: int, columns: int, cell: int) -> Mosaic:
        text, code = self.name(layer, group).text, f"G{group.index}"
        spoken = f"neuron group {code}" + (f" ({text})" if text else "")
        return self._mosaic(layer, self.shown(layer, group, most), columns, cell, spoken, text or code)

    def concept(self, neuron: Neuron) -> Mosaic:
        """The square mosaic of a neuron's best patches."""
        spoken = f"neuron n{neuron.channel}, strongest first"
        return self._mosaic(neuron.layer, neuron.concept[:CARD], 3, SMALL_CELL, spoken)

    def semantic(self, neuron: Neuron, index: int, patches: Sequence[int]) -> Mosaic:
        """The square mosaic of a semantic group."""
        spoken = f"semantic group {index} of neuron n{neuron.channel}"
        return self._mosaic(neuron.layer, patches[:STRIP], 3, SMALL_CELL, spoken)

    def _mosaic(self, layer: str, patches: Sequence[int], columns: int, cell: int, what: str, name: str = "") -> Mosaic:
        """`name`: what each patch is called before its picture; "" where the mosaic's own words say it."""
        shown = tuple(map(self.tile, patches))
        shown = tuple(replace(tile, text=f"{name}, {tile.text}") for tile in shown) if name else shown
        pictures = len({t.image for t in shown})
        return Mosaic(
            alt=f"{len(shown)} patch{'es' * (len(shown) != 1)} of {what} at {layer}, from {pictures} "
            f"picture{'s' * (pictures != 1)}",
            slug=self.result.slug,
            tiles=shown,
            columns=columns,
            cell=cell,
        )

    def tile(self, patch: int) -> Tile:
        """A patch as a window on its picture."""
        return self._tiles[patch]

    @cached_property
    def _tiles(self) -> dict[int, Tile]:
        slug, size = self.result.slug, self.run.model.preprocess.size
        outlined = self.run.tiles == "outlined" or (self.run.tiles == "auto" and size < FEW_PIXELS)
        return {
            p.index: Tile(
                index=p.index,
                slug=slug,
                image=p.image,
                file=urls.picture_file(slug, p.image),
                href=urls.patch(slug, p.index),
                left=p.left / size,
                top=p.top / size,
                side=p.side / size,
                text=bare(self.result.pictures[p.image].name),
                outlined=outlined,
            )
            for p in self.result.patches
        }


def debugged_file(result: ClassResult, number: int) -> str:
    """The address of a picture that is explained: that of the class's picture, or of an earlier one, which it is."""
    file = result.debugged[number].file
    own = [picture.file for picture in result.pictures]
    if file in own:
        return urls.picture_file(result.slug, own.index(file))
    return urls.debugged_file(result.slug, [one.file for one in result.debugged].index(file))


def bare(name: str) -> str:
    """A picture's name without what kind of file it is: "rosemallow/0038"."""
    stem, dot, kind = name.rpartition(".")
    return stem if dot and kind.isalnum() and stem else name
