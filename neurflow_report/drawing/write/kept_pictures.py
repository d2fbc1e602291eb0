"""The pictures that a report shows, each with where it stands."""

from __future__ import annotations

from collections.abc import Iterator

from neurflow_report.drawing.view.model.class_index import debugged_file
from neurflow_report.drawing.view.model.urls import facet_file, picture_file
from neurflow_report.results.bundle import Bundle


def kept_pictures(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """The address of each, once, and its file in the bundle: those with a patch that is shown, those
    explained, and those made."""
    for result in bundle.classes:
        found = {
            picture_file(result.slug, number): picture.file
            for number, picture in enumerate(result.pictures)
            if picture.file is not None
        }
        found |= {debugged_file(result, number): one.file for number, one in enumerate(result.debugged)}
        for number, facet in enumerate(result.facets):
            for file, tile in ((facet.file, False), (facet.tile, True)):
                found |= {facet_file(result.slug, number, tile=tile): file} if file is not None else {}
        yield from found.items()
