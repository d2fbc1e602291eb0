"""From a bundle to what a reader sees, before any markup: order, rounding, wording, addresses, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping

from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.pages import SiteView
from neurflow_report.drawing.view.model.pictures import pictures_page
from neurflow_report.drawing.view.model.tables import data_files
from neurflow_report.drawing.view.pages.circuit_page import circuit_page
from neurflow_report.drawing.view.pages.class_evidence import class_fidelity_page
from neurflow_report.drawing.view.pages.class_page import class_page
from neurflow_report.drawing.view.pages.layer_page import layer_page
from neurflow_report.drawing.view.pages.method import method_page
from neurflow_report.drawing.view.pages.overview import overview_page
from neurflow_report.drawing.view.pages.provenance import provenance_page
from neurflow_report.drawing.view.pages.retaining import fidelity_page
from neurflow_report.drawing.view.pages.search import search_page
from neurflow_report.results.bundle import Bundle

__all__ = ["SiteView", "site_view"]


def site_view(bundle: Bundle, *, beside: Mapping[str, str] | None = None) -> SiteView:
    """Everything the report shows. `beside`: files that lie beside the site, label → address from the site's root."""
    indices = tuple(Index(bundle.run, result) for result in bundle.classes)
    layers = [tuple(layer_page(i, layer) for layer in i.downward()) for i in indices]
    return SiteView(
        title=bundle.run.title,
        theme=bundle.run.theme,
        generator=bundle.manifest.provenance.generator,
        overview=overview_page(indices, bundle.manifest, beside or {}),
        classes=tuple(class_page(i, own) for i, own in zip(indices, layers, strict=True)),
        layers=tuple(page for own in layers for page in own),
        circuit_pages=tuple(circuit_page(i) for i in indices),
        pictures=tuple(pictures_page(i) for i in indices),
        fidelity=fidelity_page(indices),
        evidence=tuple(class_fidelity_page(i) for i in indices),
        method=method_page(bundle.run),
        provenance=provenance_page(bundle.run, bundle.manifest),
        search=search_page(indices),
        tables=tuple(data_files(indices)),
    )
