"""The pictures that a report shows, each with where it stands."""

from __future__ import annotations

from collections.abc import Iterator

from neurflow_report.drawing.view.model.urls import debugged_file, picture_file
from neurflow_report.results.bundle import Bundle


def kept_pictures(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """The address of each, and its file in the bundle: those with a patch that is shown, and those explained."""
    for result in bundle.classes:
        for number, picture in enumerate(result.pictures):
            if picture.file is not None:
                yield picture_file(result.slug, number), picture.file
        for number, one in enumerate(result.debugged):
            yield debugged_file(result.slug, number), one.file
