"""What is said of a class's pictures, wherever one is looked at."""

from __future__ import annotations

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Captions
from neurflow_report.results.records import Picture


def captions(index: Index) -> Captions:
    """What the class's other pages say of a picture when a patch of it is looked at."""
    texts = tuple(f"{p.name}: {described(p)}" for p in index.result.pictures)
    slug, size = index.result.slug, index.run.model.preprocess.size
    files = tuple(
        urls.picture_file(slug, number) if p.file is not None else "" for number, p in enumerate(index.result.pictures)
    )
    return Captions(slug=slug, size=size, texts=texts, files=files, script=urls.captions(slug))


def described(picture: Picture) -> str:
    """A picture's label and what the model takes it for."""
    label = f"labelled {picture.label}" if picture.label is not None else "label unknown"
    return f"{label}, predicted {picture.predicted}"
