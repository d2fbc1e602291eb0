"""Where pictures can come from: each source's name, and which keys of the spec's section `data` it takes.

How one is read is its module's, of the same name, in `images/sources/` (docs/how-to/add-a-source.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OWN = (
    "file", "path_column", "label_column", "image_column", "name", "root", "split", "label_pattern", "extension",
    "white",
)  # fmt: skip
"""Keys of `data` that mean something for some sources alone."""


@dataclass(frozen=True, kw_only=True)
class SourceKind:
    """A kind of source.

    Attributes:
        takes: those of `OWN` that mean something for it.
        needs: of these, what it cannot do without, and the end of the sentence that says so.
        splits: what `split` may be, () where it may be anything or means nothing.
    """

    name: str
    takes: tuple[str, ...]
    needs: Mapping[str, str]
    splits: tuple[str, ...] = ()


SPLITS = ("train", "test", "val")
_ROOT = {"root": "a `root`, the folder with the pictures"}

SOURCES: Mapping[str, SourceKind] = {
    kind.name: kind
    for kind in (
        SourceKind(name="folder", takes=("root", "label_pattern", "white"), needs=_ROOT),
        SourceKind(
            name="csv",
            takes=("file", "root", "path_column", "label_column", "extension", "white"),
            needs={"file": "a `file`, which lists the pictures"},
        ),
        SourceKind(
            name="torchvision",
            takes=("name", "root", "split"),
            needs={"name": "a `name`, such as FashionMNIST"} | _ROOT,
            splits=SPLITS,
        ),
        SourceKind(name="huggingface", takes=("root", "split", "image_column", "label_column", "white"), needs=_ROOT),
        SourceKind(name="demo", takes=("split",), needs={}, splits=SPLITS),
    )
}
"""By the name in the spec."""
