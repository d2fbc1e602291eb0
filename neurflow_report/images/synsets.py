"""WordNet's ids of ImageNet's 1,000 classes, in the order of the outputs of networks that were trained on them."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

from neurflow_report.images.names import spellings

_ID = re.compile(r"(n[0-9]{8})(?![0-9])", re.IGNORECASE)
_AGREE = 0.9
"""Share of the outputs that must have ImageNet's name in ImageNet's place; the others may be spelt otherwise."""


def synset_of(name: str) -> str:
    """The id that a name is or begins with (n02123045_tabby), "" where there is none."""
    match = _ID.match(name.strip())
    return match[1].lower() if match else ""


@cache
def outputs_of_synsets() -> dict[str, int]:
    """The output of each id."""
    text = (files("neurflow_report.images") / "imagenet_synsets.txt").read_text(encoding="ascii")
    return {synset: output for output, synset in enumerate(text.split())}


@cache
def are_imagenets(names: tuple[str, ...]) -> bool:
    """Whether the names of a network's outputs are those of ImageNet's 1,000 classes, in their order."""
    if len(names) != len(outputs_of_synsets()):
        return False
    from torchvision.models import ResNet50_Weights

    known = ResNet50_Weights.IMAGENET1K_V2.meta["categories"]
    agree = sum(bool(spellings(one) & spellings(other)) for one, other in zip(names, known, strict=True))
    return agree >= _AGREE * len(known)
