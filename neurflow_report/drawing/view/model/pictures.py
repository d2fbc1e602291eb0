"""A class's pictures, and where in them the patches lie that the report shows."""

from __future__ import annotations

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Captions, Cell, Column, Span, Table
from neurflow_report.drawing.view.model.numbers import count
from neurflow_report.drawing.view.model.pages import PicturesPage, PictureView, Place
from neurflow_report.results.records import Patch, Picture


def pictures_page(index: Index) -> PicturesPage:
    """The page of one class's pictures."""
    result = index.result
    return PicturesPage(
        path=urls.pictures(result.slug),
        title=f"Pictures · {result.name}",
        description=f"The pictures behind the class {result.name}, and where in them the patches lie",
        crumbs=(
            Span(text="Overview", href=urls.OVERVIEW),
            Span(text=result.name, href=urls.class_page(result.slug)),
        ),
        here="Pictures",
        kicker=f"Pictures of the class {result.name}",
        heading="Pictures",
        lead=f"The {count(len(result.pictures), 'picture')} behind {result.name}, as the model saw them: "
        f"{index.run.model.preprocess.size} × {index.run.model.preprocess.size} pixels of each. Every patch in this "
        "report leads to its place here. Pointing at a picture outlines all of its patches.",
        captions=captions(index),
        shown=tuple(_picture(index, number, p) for number, p in enumerate(result.pictures)),
        table=_table(index),
    )


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


def _picture(index: Index, number: int, picture: Picture) -> PictureView:
    own = [p for p in index.result.patches if p.image == number]
    what = f"{count(len(own), 'patch', 'patches')} of it shown" if own else "no patch of it is shown"
    return PictureView(
        anchor=f"i{number}",
        file=urls.picture_file(index.result.slug, number) if picture.file is not None else "",
        name=picture.name,
        caption=f"{described(picture)}; {what}",
        places=tuple(_place(index, p) for p in own),
    )


def _place(index: Index, patch: Patch) -> Place:
    tile = index.tile(patch.index)
    return Place(
        anchor=f"p{patch.index}",
        left=tile.left,
        top=tile.top,
        side=tile.side,
        text=f"{patch.side} px at ({patch.left}, {patch.top})",
    )


def _table(index: Index) -> Table:
    result = index.result
    return Table(
        caption=f"The {count(len(result.pictures), 'picture')} behind {result.name}",
        columns=(
            Column(label="Picture"),
            Column(label="Label"),
            Column(label="Predicted"),
            Column(label="Size in pixels", numeric=True),
        ),
        rows=tuple(
            (
                Cell(text=p.name, href=f"{urls.pictures(result.slug)}#i{number}"),
                Cell(text=p.label if p.label is not None else "unknown"),
                Cell(text=p.predicted),
                Cell(text=f"{p.width} × {p.height}"),
            )
            for number, p in enumerate(result.pictures)
        ),
        download=urls.data(result.slug, "pictures.csv"),
    )
