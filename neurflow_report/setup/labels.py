"""What a spec's labels come from, opened and checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from neurflow_report.images.sources import Item
from neurflow_report.labels.annotations import Annotations, read_annotations
from neurflow_report.labels.demo_model import demo_model
from neurflow_report.labels.endpoint import Endpoint, open_endpoint
from neurflow_report.labels.folder_models import folder_model
from neurflow_report.labels.image_text import ImageText, checked
from neurflow_report.network.load import resolved
from neurflow_report.spec.schema import Labels


def open_labels(labels: Labels, base: Path, items: Sequence[Item]) -> ImageText | Annotations | Endpoint:
    """The source of labels.

    Args:
        base: the folder that relative paths begin in.
        items: the data's pictures.
    Raises: InputError labels-unusable, or missing-package.
    """
    if labels.source == "annotations" and labels.file is not None:
        return read_annotations(resolved(base, labels.file), items, terms=labels.terms)
    vocabulary = None if labels.vocabulary is None else resolved(base, labels.vocabulary)
    if labels.url is not None and labels.model is not None:
        return open_endpoint(labels.url, labels.model, vocabulary, timeout=labels.timeout, questions=labels.questions)
    if labels.path is not None and vocabulary is not None:
        return checked(folder_model(labels.source, resolved(base, labels.path), vocabulary), ("labels", "path"))
    return checked(demo_model(vocabulary), ("labels", "source"))
