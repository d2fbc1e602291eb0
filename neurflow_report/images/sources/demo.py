"""The demo's painted pictures."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from neurflow_report.demo.flowers import DATASET
from neurflow_report.images.sources.source import Item, Source


def open_pictures(split: str) -> Source:
    """The pictures of a split, with the masks of their parts."""

    def draw(label: int, number: int) -> Image.Image:
        return DATASET.draw(label, number, split)[0]

    def parts(label: int, number: int) -> dict[str, NDArray[np.bool_]]:
        return DATASET.draw(label, number, split)[1]

    items = tuple(
        Item(
            name=f"{name}/{number:04d}",
            label=label,
            open=partial(draw, label, number),
            parts=partial(parts, label, number),
        )
        for label, name in enumerate(DATASET.class_names)
        for number in range(DATASET.per_class)
    )
    return Source(name=f"flowers ({split})", class_names=DATASET.class_names, items=items, order="own", painted=True)
