"""Addresses: where each thing of the report stands, relative to the site's root, the same after every run.

Pages are linked as files (`…/index.html`), because a folder is not a page when a site is opened from a disk.
"""

from __future__ import annotations

import re

OVERVIEW = "index.html"
FIDELITY = "fidelity/index.html"
METHOD = "method/index.html"
PROVENANCE = "provenance/index.html"


def folder_name(layer: str) -> str:
    """A layer's name as a folder: letters, digits, ".", "_" and "-" stay, all else becomes "-"."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", layer).strip(".") or "layer"


def class_page(slug: str) -> str:
    return f"class/{slug}/index.html"


def layer_page(slug: str, layer: str) -> str:
    return f"class/{slug}/{folder_name(layer)}/index.html"


def layer_on_class(slug: str, layer: str) -> str:
    return f"{class_page(slug)}#{folder_name(layer)}"


def group(slug: str, layer: str, index: int) -> str:
    """A neuron group on its layer's page."""
    return f"{layer_page(slug, layer)}#G{index}"


def group_on_class(slug: str, layer: str, index: int) -> str:
    """A neuron group's card on the class page."""
    return f"{class_page(slug)}#{folder_name(layer)}/G{index}"


def neuron(slug: str, layer: str, channel: int) -> str:
    return f"{layer_page(slug, layer)}#n{channel}"


def media(slug: str, layer: str, name: str) -> str:
    return f"media/{slug}/{folder_name(layer)}/{name}.webp"


def data(slug: str, name: str) -> str:
    return f"data/{slug}/{name}"
