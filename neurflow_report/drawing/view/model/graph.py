"""The circuit as a drawing's values: bands of nodes and signed links, without any geometry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neurflow_report.drawing.view.model.numbers import percent

FEW_PIXELS = 64
"""A side of fewer is small: of such an input a patch alone is a blur, of such a picture single pixels are shown."""
Order = Mapping[str, tuple[str, ...]]
LISTED = 3
LOGIT = "logit"


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A patch to show: a window on a stored picture.

    `index` and `image`: its number and its picture's within the class `slug`; `file` is the address of the stored
    picture, `href` of the patch's place in it. `left`, `top`, `side` are shares (0..1) of the picture's side. `text`:
    what it stands for and the name of its picture ("pink petals, rosemallow/0038"). `outlined`: it is shown as a frame
    in the whole picture.
    """

    index: int
    slug: str
    image: int
    file: str
    href: str
    left: float
    top: float
    side: float
    text: str = ""
    outlined: bool = False

    @property
    def picture(self) -> str:
        """A name for its picture, unique in the report and fit for an id."""
        return f"{self.slug}.{self.image}"


@dataclass(frozen=True, kw_only=True)
class Band:
    """A layer. `name` is its key, `label` what stands at the left, `href` where the label leads."""

    name: str
    label: str
    href: str | None = None


@dataclass(frozen=True, kw_only=True)
class Node:
    """A neuron group, a neuron, the logit, or a stack of several.

    Attributes:
        value: its share of the logit, 0..1, drawn as a bar.
        subtitle: its code where the title is a name.
        tiles: at most 9 patches to show.
        groups: the neuron groups that a neuron is in, where a script may pick them out.
        inside: a group's strongest neurons with what each lends it, for who asks to see both.
        stack: how many groups or neurons stand here as one; 0 for one alone.
        loose: whether it might not be there on other pictures (F13): a neuron that is not sure, a group most of whose
            share comes from such.
    """

    id: str
    band: str
    title: str
    subtitle: str
    value: float
    href: str | None = None
    tiles: tuple[Tile, ...] = ()
    alt: str = ""
    groups: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    stack: int = 0
    loose: bool = False

    @property
    def named(self) -> str:
        """ "pink petals G1"."""
        return f"{self.title} {self.subtitle}".strip()

    @property
    def logit(self) -> bool:
        """Whether it is the logit alone."""
        return self.subtitle == LOGIT

    @property
    def shared(self) -> str:
        """ "G1 · 29%"."""
        return " · ".join(part for part in (self.subtitle, percent(self.value)) if part)


@dataclass(frozen=True, kw_only=True)
class Link:
    """What goes from a node of an upper band to one of a lower band (METHOD §3).

    Attributes:
        flow: the share of the logit, 0..1.
        signed: the same with the weights' signs.
        weight: W, or the mean w between neurons; None at a stack.
        level: the per cent of its pair of bands' flow (50, 80 or 95) that the drawing has to hold to show it.
        main: whether it is on the main path.
        effect: what F11 found of it, in words; "" where it was not run.
        faint: whether that is no effect.
    """

    upper: str
    lower: str
    flow: float
    signed: float
    weight: float | None = None
    level: int = 95
    main: bool = False
    effect: str = ""
    faint: bool = False


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A node as a row of the list that stands for the drawing on a narrow screen: `told`, its code and share, and
    `sources`, the nodes above that hand it most."""

    node: Node
    told: str
    sources: str


@dataclass(frozen=True, kw_only=True)
class ListedBand:
    """A layer of that list."""

    band: Band
    rows: tuple[Listed, ...]


@dataclass(frozen=True, kw_only=True)
class Diagram:
    """A circuit: `bands` from the logit down. Node ids are unique; links name nodes of this diagram.

    `small`: cards of a patch and a name, for many nodes.
    """

    title: str
    bands: tuple[Band, ...]
    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    caption: str = ""
    small: bool = False

    def rows(self) -> dict[str, tuple[Node, ...]]:
        """The nodes of each band in the order they were given, top band first."""
        found: dict[str, list[Node]] = {band.name: [] for band in self.bands}
        for node in self.nodes:
            found[node.band].append(node)
        return {name: tuple(row) for name, row in found.items()}

    def main_path(self) -> frozenset[str]:
        """The nodes of the main path; all where there is none."""
        on = frozenset(end for link in self.links if link.main for end in (link.upper, link.lower))
        return on or frozenset(node.id for node in self.nodes)

    @property
    def trunk(self) -> tuple[tuple[Band, Node], ...]:
        """From the logit down along the largest flow: a node a band."""
        nodes, bands = {node.id: node for node in self.nodes}, {band.name: band for band in self.bands}
        at = self.nodes[0]
        found = [(bands[at.band], at)]
        while down := [link for link in self.links if link.upper == at.id and not nodes[link.lower].stack]:
            at = nodes[max(down, key=lambda link: link.flow).lower]
            found.append((bands[at.band], at))
        return tuple(found)

    @property
    def listed(self) -> tuple[ListedBand, ...]:
        """By band the three nodes of the largest share, each with the two above that hand it most."""
        nodes = {node.id: node for node in self.nodes if not node.stack}
        above: dict[str, list[str]] = {}
        for link in sorted(self.links, key=lambda one: (-one.flow, one.upper)):
            if link.upper in nodes:
                above.setdefault(link.lower, []).append(link.upper)

        def row(node: Node) -> Listed:
            sources = [nodes[i] for i in above.get(node.id, ())[:2]]
            told = " and ".join(one.title if one.logit else one.named for one in sources)
            return Listed(node=node, told=node.shared, sources=told)

        rows = zip(self.bands, self.rows().values(), strict=True)
        return tuple(
            ListedBand(band=band, rows=tuple(row(n) for n in [n for n in own if not n.stack][:LISTED]))
            for band, own in rows
        )
