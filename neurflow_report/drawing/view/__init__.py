"""From a bundle to what a reader sees, before any markup: order, rounding, wording, addresses, as frozen values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from neurflow_report.drawing.view.model.charts import Forest, Scatter
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Card, Circuit, Data, Page, Plot, Span
from neurflow_report.drawing.view.model.graph import FEW_PIXELS
from neurflow_report.drawing.view.model.tables import data_files
from neurflow_report.drawing.view.pages import PageKind, ReportData, page_kinds
from neurflow_report.drawing.view.pages.circuit_page import CircuitPage
from neurflow_report.drawing.view.pages.class_evidence import ClassFidelityPage
from neurflow_report.drawing.view.pages.class_page import ClassPage
from neurflow_report.drawing.view.pages.fidelity import FidelityPage
from neurflow_report.drawing.view.pages.layer_page import LayerPage
from neurflow_report.drawing.view.pages.method import MethodPage
from neurflow_report.drawing.view.pages.overview import OverviewPage
from neurflow_report.drawing.view.pages.pictures import PicturesPage, pictures_page
from neurflow_report.drawing.view.pages.provenance import ProvenancePage
from neurflow_report.drawing.view.pages.search import SearchPage
from neurflow_report.drawing.view.pages.why import WhyPage
from neurflow_report.drawing.view.text import findings, limits
from neurflow_report.drawing.view.text.card import cards, foot, section_markdown
from neurflow_report.drawing.view.text.glossary import Word, words
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.flow import flow_of, with_shares
from neurflow_report.results.records import ClassResult, Run

__all__ = ["SiteView", "index_of", "model_card", "site_parts", "site_view"]


@dataclass(frozen=True, kw_only=True)
class SiteView:
    """The whole site. `menu`: what the head of every page links to; `every`: all pages, the overview first; `url`:
    where it will stand, or ""; `foot`: what a drawing that is met alone comes from; `pixels`: its pictures have so few
    that they are shown one by one; `words`: the glossary, by key. Where it is a part of a site (`site_parts`),
    `begin` is the number of the first class that has its pages here. `total`: the pages of all parts; `places`: where
    patches lie in pictures, of all parts: (left, top, side) in shares of the side, and in words."""

    title: str
    theme: str
    generator: str
    menu: tuple[Span, ...]
    overview: OverviewPage
    classes: tuple[ClassPage, ...]
    layers: tuple[LayerPage, ...]
    circuit_pages: tuple[CircuitPage, ...]
    pictures: tuple[PicturesPage, ...]
    fidelity: FidelityPage
    evidence: tuple[ClassFidelityPage, ...]
    method: MethodPage
    provenance: ProvenancePage
    search: SearchPage
    why: WhyPage | None
    every: tuple[Page, ...]
    tables: tuple[Data, ...]
    words: Mapping[str, Word]
    cards: tuple[Card, ...]
    url: str
    foot: str
    pixels: bool
    total: int
    places: Mapping[tuple[float, float, float], str]
    begin: int = 0

    def pages(self) -> Iterator[Page]:
        """Every page, the overview first."""
        return iter(self.every)

    def circuits(self) -> Iterator[Circuit]:
        """Every drawing of the site; that of the weightiest neurons is for print alone."""
        for page in self.classes:
            yield page.circuit
        for whole in self.circuit_pages:
            yield from (whole.neurons, whole.groups)

    def plots(self) -> Iterator[Plot | Forest | Scatter]:
        """Every plot."""
        yield from (page.plot for page in self.classes if page.plot is not None)
        for page in self.evidence:
            for experiment in page.experiments:
                yield from (chart for chart in (experiment.chart, experiment.scatter) if chart is not None)


def index_of(run: Run, result: ClassResult) -> Index:
    """A class's records, indexed."""
    given = {(one.layer, one.code): one.text for one in run.names if one.slug == result.slug}
    flow = flow_of(result.layers)
    return Index(run, with_shares(result, flow), given, flow)


def model_card(bundle: Bundle, *, pictured: bool) -> str:
    """What a model card says of the report, as Markdown. `pictured`: whether its picture can be had where it stands."""
    indices = tuple(index_of(bundle.run, result) for result in bundle.classes)
    told = [(notice.title, notice.text) for notice in limits.over_classes(indices)]
    found = findings.of_report(indices)
    return section_markdown(indices, bundle.manifest, limits=told, found=found, pictured=pictured)


def site_view(bundle: Bundle, *, beside: Mapping[str, str] | None = None) -> SiteView:
    """Everything the report shows. `beside`: files to fetch, label → address from the site's root."""
    (whole,) = site_parts(bundle, beside=beside, at_once=max(1, len(bundle.classes)))
    return whole


def site_parts(bundle: Bundle, *, beside: Mapping[str, str] | None = None, at_once: int) -> Iterator[SiteView]:
    """The same with the pages of `at_once` classes at a time; what is not of one class is all in the first part."""
    indices = tuple(index_of(bundle.run, result) for result in bundle.classes)
    data, kinds = ReportData(indices=indices, manifest=bundle.manifest, beside=beside or {}), page_kinds()
    paths = Counter[str]()
    first: SiteView | None = None
    for begin in range(0, len(indices), at_once):
        own = replace(data, part=(begin, begin + at_once))
        pages = {name: own.pages(kind) for name, kind in kinds.items() if first is None or kind.by_class is not None}
        paths.update(page.path for some in pages.values() for page in some)
        if twice := sorted(path for path, times in paths.items() if times > 1):
            raise ValueError(f"two pages have one address: {twice}")
        if first is None:
            rest = indices[at_once:]
            by_class = [kind.by_class for kind in kinds.values() if kind.by_class is not None]
            more = sum(count(index) for index in rest for count in by_class)
            places = dict(
                place for page in chain(pages["pictures"], map(pictures_page, rest)) for place in _places(page)
            )
            yield (whole := _view(bundle, indices, pages, kinds, more, places))
            first = _with(whole, dict.fromkeys(pages, ()), 0)
            del whole
        else:
            yield _with(first, pages, begin)
        del own, pages  # before those of the next part are made


def _places(page: PicturesPage) -> Iterator[tuple[tuple[float, float, float], str]]:
    for one in page.shown:
        for place in one.places:
            yield (place.left, place.top, place.side), place.text


def _with(view: SiteView, pages: Mapping[str, tuple[Any, ...]], begin: int) -> SiteView:
    """The same with the pages of each class of another part alone."""
    return replace(
        view,
        classes=pages["class"],
        layers=pages["layer"],
        circuit_pages=pages["circuit"],
        pictures=pages["pictures"],
        evidence=pages["evidence"],
        every=tuple(page for some in pages.values() for page in some),
        tables=(),
        cards=(),
        begin=begin,
    )


def _view(
    bundle: Bundle,
    indices: tuple[Index, ...],
    pages: Mapping[str, tuple[Any, ...]],
    kinds: Mapping[str, PageKind[Any]],
    more: int,
    places: Mapping[tuple[float, float, float], str],
) -> SiteView:
    """The first part. Args: more: the pages of all others; places: of all."""
    linked = ((kind.menu, pages[name]) for name, kind in kinds.items() if kind.menu)
    return SiteView(
        title=bundle.run.title,
        theme=bundle.run.theme,
        generator=bundle.manifest.provenance.generator,
        menu=tuple(Span(text=label, href=own[0].path) for label, own in linked if own),
        overview=pages["overview"][0],
        classes=pages["class"],
        layers=pages["layer"],
        circuit_pages=pages["circuit"],
        pictures=pages["pictures"],
        evidence=pages["evidence"],
        fidelity=pages["fidelity"][0],
        method=pages["method"][0],
        provenance=pages["provenance"][0],
        search=pages["search"][0],
        why=next(iter(pages["why"]), None),
        every=tuple(page for own in pages.values() for page in own),
        tables=tuple(data_files(indices)),
        words=words(bundle.run),
        cards=cards(indices, bundle.manifest),
        url=bundle.run.url,
        foot=foot(indices[0], bundle.manifest),
        total=sum(map(len, pages.values())) + more,
        places=places,
        pixels=max(max(p.region.width, p.region.height) for i in indices for p in i.result.pictures) < FEW_PIXELS,
    )
