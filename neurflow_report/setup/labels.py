"""What a spec's labels come from, opened and checked."""

from __future__ import annotations

from pathlib import Path

from neurflow_report.labels.demo_model import demo_model
from neurflow_report.labels.image_text import ImageText, checked
from neurflow_report.network.load import resolved
from neurflow_report.spec.schema import Labels


def open_labels(labels: Labels, base: Path) -> ImageText:
    """The source of labels.

    Args: base: the folder that relative paths begin in.
    Raises: InputError labels-unusable.
    """
    vocabulary = None if labels.vocabulary is None else resolved(base, labels.vocabulary)
    return checked(demo_model(vocabulary), ("labels", "source"))
