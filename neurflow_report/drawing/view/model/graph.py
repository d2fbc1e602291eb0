"""The circuit as a drawing's values: bands of nodes and signed links, without any geometry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FEW_PIXELS = 64
"""A side of fewer is small: of such an input a patch alone is a blur, of such a picture single pixels are shown."""
Order = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A patch to show: a window on a stored picture.

    `index` and `image`: its number and its picture's within the class `slug`; `file` is the address of the stored
    picture, `href` of the patch's place in it. `left`, `top`, `side` are shares (0..1) of the picture's side.
    `outlined`: it is shown as a frame in the whole picture.
    """

    index: int
    slug: str
    image: int
    file: str
    href: str
    left: float
    top: float
    side: float
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
    """A neuron group, a neuron or the logit. `value` in 0..1 is drawn as a bar; `tiles`: at most 9 patches to show.

    `groups`: the neuron groups that a neuron is in, where a script may pick them out.
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


@dataclass(frozen=True, kw_only=True)
class Link:
    """A signed edge weight between a node of an upper band and one of a lower band (METHOD §3)."""

    upper: str
    lower: str
    weight: float


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
        return {band.name: tuple(n for n in self.nodes if n.band == band.name) for band in self.bands}

    def strongest(self) -> float:
        """The largest |weight|, or 1 where there is no link of any weight."""
        return max((abs(link.weight) for link in self.links), default=0.0) or 1.0
