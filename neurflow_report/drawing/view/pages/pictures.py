"""A class's pictures, and where in them the patches lie that the report shows."""

from __future__ import annotations

from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.captions import captions, described
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Captions, Cell, Column, Page, Span, Table
from neurflow_report.drawing.view.model.numbers import count
from neurflow_report.drawing.view.pages import PageKind, one_each
from neurflow_report.drawing.view.pages.why_picture import address
from neurflow_report.drawing.view.text.limits import held_out
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import Patch, Picture

IMAGES = {
    "embed": "",
    "blur": "The pictures are blurred, as report.images asks: only where a patch lies is shown, not what is there.",
    "none": "The pictures are left out, as report.images asks: only where a patch lies is shown.",
}
"""What is to be said of the pictures where they are not as the model saw them."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a patch lies in its picture, in shares (0..1) of the picture's side, and in words."""

    anchor: str
    left: float
    top: float
    side: float
    text: str


@dataclass(frozen=True, kw_only=True)
class PictureView:
    """A picture as the model saw it; `file` is "" where no patch of it is shown, `why` where it is not explained."""

    anchor: str
    file: str
    name: str
    caption: str
    why: str
    places: tuple[Place, ...]


@dataclass(frozen=True, kw_only=True)
class PicturesPage(Page):
    """The pictures of one class, and in each the place of every patch that the report shows."""

    kicker: str
    heading: str
    lead: str
    captions: Captions
    shown: tuple[PictureView, ...]
    table: Table


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
        lead=prose(f"""
            The {count(len(result.pictures), "picture")} behind {result.name}, as the model saw them, at
            {index.run.model.preprocess.size} × {index.run.model.preprocess.size} pixels.
            {f"{held} " if (held := held_out(index)) else ""}Every patch of this report leads to its place here; point
            at a picture to see all of its patches outlined. {IMAGES[index.run.images]}
        """),
        captions=captions(index),
        shown=tuple(_picture(index, number, p) for number, p in enumerate(result.pictures)),
        table=_table(index),
    )


def _picture(index: Index, number: int, picture: Picture) -> PictureView:
    own = [p for p in index.result.patches if p.image == number]
    what = count(len(own), "patch", "patches") if own else "no patch shown"
    return PictureView(
        anchor=f"i{number}",
        file=urls.picture_file(index.result.slug, number) if picture.file is not None else "",
        name=picture.name,
        caption=f"{described(picture)}; {what}",
        why=next((address(one) for one in index.result.debugged if one.sha256 == picture.sha256), ""),
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


PAGE = PageKind(
    name="pictures",
    template="site/pictures.html",
    build=lambda data: map(pictures_page, data.own),
    order=50,
    by_class=one_each,
)
