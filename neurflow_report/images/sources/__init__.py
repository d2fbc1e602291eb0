"""Where pictures come from: a module for each source of the spec, of its name, with a function `open_pictures`.

Nothing lists them here (docs/how-to/add-a-source.md).
"""

from __future__ import annotations

from importlib import import_module
from inspect import signature

from neurflow_report.images.sources.source import Item, Source, read

__all__ = ["Item", "Source", "open_source", "read"]


def open_source(*, source: str, **keys: object) -> Source:
    """The pictures of a source: nothing is downloaded.

    Args:
        source: the name of a module here.
        keys: those of the spec's section `data`, of which the source's module takes what it knows; `root` and `file`
            are already resolved. What is left out has the spec's default.
    Raises: InputError data-missing, data-empty, data-layout, labels-unclear, classes-mismatch, missing-package (paths
        under `data`).
    """
    open_pictures = import_module(f"{__name__}.{source}").open_pictures
    given = DEFAULTS | keys
    found: Source = open_pictures(**{name: given[name] for name in signature(open_pictures).parameters})
    return found


DEFAULTS: dict[str, object] = {
    "root": None, "file": None, "name": None, "split": "test", "path_column": "path", "image_column": "image",
    "label_column": "label", "label_pattern": None, "extension": None, "white": None,
}  # fmt: skip
