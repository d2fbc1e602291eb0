"""Addresses: where each thing of the report stands, relative to the site's root, the same after every run.

Pages are linked as files (`…/index.html`), because a folder is not a page when a site is opened from a disk.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import sha256

OVERVIEW = "index.html"
FIDELITY = "fidelity/index.html"
METHOD = "method/index.html"
SEARCH = "search/index.html"
MEDIA = "media"
"""The folder of a class's pictures, beside those of its layers."""
PROVENANCE = "provenance/index.html"
WHY = "why/index.html"


_TAKEN = frozenset({MEDIA, "index.html", "pictures.html", "circuit.html"})
_LONGEST = 100


@cache
def folder_name(layer: str) -> str:
    """A layer's name as a folder: letters, digits, ".", "_" and "-" stay, all else becomes "-". Where that changes the
    name, a digest of it makes the folder its own; never what else lies in the folder of a class."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", layer).strip(".")[:_LONGEST] or "layer"
    return name if name == layer and name not in _TAKEN else f"{name}-{sha256(layer.encode()).hexdigest()[:8]}"


def letter(name: str) -> str:
    """The classes that begin with a letter."""
    return f"classes/{name.lower() if name.isascii() and name.isalpha() else f'{ord(name):x}'}/index.html"


def class_page(slug: str) -> str:
    return f"class/{slug}/index.html"


def class_fidelity(slug: str) -> str:
    """The evidence of one class."""
    return f"fidelity/{slug}/index.html"


def layer_page(slug: str, layer: str) -> str:
    return f"class/{slug}/{folder_name(layer)}/index.html"


def group(slug: str, layer: str, index: int) -> str:
    """A neuron group on its layer's page."""
    return f"{layer_page(slug, layer)}#G{index}"


def group_on_class(slug: str, layer: str, index: int) -> str:
    """A neuron group's card on the class page."""
    return f"{class_page(slug)}#{folder_name(layer)}/G{index}"


def neuron(slug: str, layer: str, channel: int) -> str:
    return f"{layer_page(slug, layer)}#n{channel}"


def pictures(slug: str) -> str:
    """The page of a class's pictures."""
    return f"class/{slug}/pictures.html"


def circuit(slug: str) -> str:
    """The page of a class's whole circuit."""
    return f"class/{slug}/circuit.html"


def group_in_circuit(slug: str, layer: str, index: int) -> str:
    """The whole circuit with one group's neurons picked out."""
    return f"{circuit(slug)}#{layer}/G{index}"


def patch(slug: str, index: int) -> str:
    """A patch's place in its picture."""
    return f"{pictures(slug)}#p{index}"


def picture_file(slug: str, number: int) -> str:
    """The stored picture, from which every patch of it is shown."""
    return f"class/{slug}/{MEDIA}/{number}.webp"


def captions(slug: str) -> str:
    """The script with what is said of the class's pictures."""
    return f"class/{slug}/{MEDIA}/captions.js"


def card(slug: str = "") -> str:
    """The picture that stands for a class where a link to it is shown; without one, for the report."""
    return f"class/{slug}/card.png" if slug else "card.png"


def data(slug: str, name: str) -> str:
    return f"data/{slug}/{name}"


def debugged(name: str, sha256: str, against: int) -> str:
    """The page of a picture that is explained, held against a class."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", name.rpartition(".")[0] or name).strip("-")[-40:] or "picture"
    return f"why/{plain}-{sha256[:12]}-{against}/index.html"


def debugged_file(slug: str, number: int) -> str:
    """The stored picture that is explained, by its place in the record of the class."""
    return f"class/{slug}/{MEDIA}/why-{number}.webp"


def facet_file(slug: str, number: int, *, tile: bool = False) -> str:
    """A picture made for a semantic group, or the mean of the group's patches, by its place in the class's record."""
    return f"class/{slug}/{MEDIA}/{'mean' if tile else 'facet'}-{number}.webp"
