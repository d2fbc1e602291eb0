"""The overview: what drives each class, whether it holds, and what limits that, on one screen."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import (
    Cell,
    Citation,
    Column,
    Download,
    Mosaic,
    Notice,
    Page,
    Prose,
    Span,
    Table,
)
from neurflow_report.drawing.view.model.numbers import count, mean, percent
from neurflow_report.drawing.view.pages import PageKind, retaining
from neurflow_report.drawing.view.pages.class_page import SHOWN_GROUPS, picture_of, selection, whose
from neurflow_report.drawing.view.pages.pictures import IMAGES
from neurflow_report.drawing.view.pages.why import told
from neurflow_report.drawing.view.text import findings, ledger, limits, verdicts
from neurflow_report.drawing.view.text.card import report_markdown
from neurflow_report.drawing.view.text.citation import citations
from neurflow_report.drawing.view.text.examined import ASSUMED, doubts, given
from neurflow_report.results.records import LayerResult, Manifest, NeuronGroup, Run
from neurflow_report.results.verdict import RULE, Verdict

MOST_TOLD = 6
"""Classes of whose pictures the words above the table tell."""
SHOWN = 3
"""Pictures that are named of those that could not be used for one reason."""
STRIP, LEAST_SHARE = 4, 0.05
"""Patches of a group in a class's row, and the share under which a group is left out."""
MOST_ROWS, FEW_ROWS = 40, 12
"""Classes up to which the overview lists all; of more, those with the weakest evidence, and pages by letter."""


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Patches of one neuron group: what it is called, its code, and its share."""

    mosaic: Mosaic
    name: str
    code: str
    share: str
    href: str


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """A class on the overview.

    Attributes:
        thumb: the address of a whole picture of it, "" for none; `seen` its name.
        script: the address of what a script says of its pictures.
        carries: the neurons below the logit that carry most of it.
        left: of its pictures, those recognised without the core below the logit; `beside`: with random neurons masked.
        order: the share of deciding tests that support their claim, for sorting; −1 where none decides.
    """

    name: str
    slug: str
    href: str
    script: str
    thumb: str
    seen: str
    strips: tuple[Strip, ...]
    carries: tuple[str, ...]
    left: str
    beside: str
    marks: tuple[ledger.Mark, ...]
    verdict: str
    shape: str
    tests: str
    why: str
    order: float


@dataclass(frozen=True, kw_only=True)
class Letter:
    """Classes whose names begin alike, where there are too many for one page."""

    name: str
    href: str
    count: int


@dataclass(frozen=True, kw_only=True)
class OverviewPage(Page):
    """The first page; with `letters`, `rows` are those of the weakest evidence alone."""

    facts_line: str
    verdict: str
    rows: tuple[ClassRow, ...]
    layers: tuple[str, ...]
    below: str
    rows_words: str
    letters: tuple[Letter, ...]
    limits: tuple[Notice, ...]
    rule: str
    facts: Table
    skipped: Table | None
    downloads: tuple[Download, ...]
    citations: tuple[Citation, ...]
    card_markdown: str
    why: Prose


def overview_page(indices: Sequence[Index], manifest: Manifest, beside: Mapping[str, str]) -> OverviewPage:
    """The first page; `beside` are files that lie beside the site, label → address."""
    run, many = indices[0].run, len(indices) > MOST_ROWS
    shown = sorted(indices, key=lambda i: _order(i))[:FEW_ROWS] if many else indices
    return OverviewPage(
        path=urls.OVERVIEW,
        title=run.title,
        description=f"What drives each class of {run.model.name}, and whether removing it changes the answer",
        crumbs=(),
        here="Overview",
        facts_line=_facts_line(run, manifest),
        verdict=" ".join([*(f"{n.title}." for n in doubts(run) if n.code != ASSUMED), findings.of_report(indices)]),
        rows=tuple(row(i) for i in shown),
        layers=tuple(layer.name for layer in indices[0].downward()[1:]),
        below=indices[0].below_top.name,
        rows_words=_rows_words(run, indices, len(shown)),
        letters=letters(indices) if many else (),
        limits=limits.over_classes(indices),
        rule=RULE if any(i.claims for i in indices) else "",
        facts=_facts(run),
        skipped=_skipped(run),
        downloads=_downloads(indices, beside),
        citations=citations(run, manifest),
        card_markdown=report_markdown(indices, manifest),
        why=_why(run),
    )


def _why(run: Run) -> Prose:
    """That pictures are explained, and where."""
    if run.debugging is None:
        return ()
    return Span(text=f"{told(run.debugging)} "), Span(text="Why these pictures?", href=urls.WHY)


def _facts_line(run: Run, manifest: Manifest) -> str:
    """Date, program, model, parameters, accuracy, pictures."""
    m, known = run.model, manifest.provenance
    weights = {"none": "random weights", "demo": ""}.get(m.weights, m.weights)
    accuracy = f"test accuracy {100 * m.test_accuracy:.1f}% (declared)" if m.test_accuracy is not None else ""
    seen = f"{count(run.data.pool, 'picture')} from {run.data.name}"
    if run.accuracy is not None:
        right = f"{run.accuracy.right:,} of {run.accuracy.pictures:,}"
        alone = run.accuracy.pictures == run.data.pool
        accuracy = f"{right} {'' if alone else 'labelled '}pictures right"
        seen = run.data.name if alone else seen
    classes = f"{len(run.classes)} of its {m.outputs:,} classes" if m.outputs > len(run.classes) else ""
    found = (
        f"{m.name}{f' ({weights})' if weights else ''}, {m.parameters:,} parameters",
        classes,
        accuracy,
        seen,
        known.clock.created[:10],
        known.generator,
    )
    return " · ".join(filter(None, found))


def _rows_words(run: Run, indices: Sequence[Index], shown: int) -> str:
    """On which pictures the circuits were found, which must not say more than the choice of pictures does."""
    found = {
        "predicted": "Each circuit was found on pictures that the network assigns to the class.",
        "correct": "Each circuit was found on pictures that the network rightly assigns to the class.",
        "labelled": "Each circuit was found on pictures labelled as the class, whatever the network takes them for.",
    }.get(run.data.select, f"Each circuit was found on pictures of any kind: {_whose(indices)}.")
    first = "" if shown == len(indices) else f"The {shown} classes with the weakest evidence, of {len(indices):,}. "
    return first + found


def _whose(indices: Sequence[Index]) -> str:
    told = [f"{i.result.name}, {whose(i)}" if len(indices) > 1 else whose(i) for i in indices[:MOST_TOLD]]
    more = len(indices) - MOST_TOLD
    return f"{'; '.join(told)}{f'; and those of {more} more' if more > 0 else ''}"


def row(index: Index) -> ClassRow:
    """A class as a row."""
    result, layer, found = index.result, index.below_top, index.verdict
    m = retaining.main_row(index, "mask")
    image = picture_of(index)
    return ClassRow(
        name=result.name,
        slug=result.slug,
        href=urls.class_page(result.slug),
        script=urls.captions(result.slug),
        thumb=urls.picture_file(result.slug, image) if image is not None else "",
        seen=result.pictures[image].name if image is not None else "",
        strips=tuple(_strip(index, layer, g) for g in layer.groups[:SHOWN_GROUPS] if g.share >= LEAST_SHARE),
        carries=tuple(f"n{c} {percent(share)}" for c, share in findings.carriers(index, layer.name)),
        left=f"{round(m.accuracy * m.n)} of {m.n}" if m is not None else "",
        beside=f"random: {percent(mean(m.null))}" if m is not None and m.null else "",
        marks=tuple(_mark(index, one.name) for one in index.downward()[1:]),
        verdict=verdicts.standing(found).short,
        shape=verdicts.standing(found).mark,
        tests=f"{found.supported} of {count(found.deciding, 'test')}" if found.deciding else "",
        why=_reason(found),
        order=_order(index),
    )


def _reason(found: Verdict) -> str:
    """At how many layers a class does not need its core, which weighs on its verdict by the rule."""
    return f"core not needed at {count(len(found.not_needed), 'layer')}" if found.not_needed else ""


def _order(index: Index) -> float:
    """By verdict, then by the share of deciding tests that support their claim; what was not tested comes last."""
    words = list(reversed(verdicts.WORDS))
    found = index.verdict
    rank = {"not tested": 9.0, "not decidable at these sizes": 0.0}.get(found.word, float(words.index(found.word)))
    return rank + (found.supported / found.deciding if found.deciding else 0)


def _strip(index: Index, layer: LayerResult, group: NeuronGroup) -> Strip:
    return Strip(
        mosaic=index.strip(layer.name, group, STRIP),
        name=index.name(layer.name, group).text,
        code=f"G{group.index}",
        share=percent(group.share),
        href=urls.group_on_class(index.result.slug, layer.name, group.index),
    )


def _mark(index: Index, layer: str) -> ledger.Mark:
    """Whether the core of a layer is needed, with what is left without it."""
    found = ledger.mark(index, "needed", layer)
    row = retaining.row_of(index, layer, "mask")
    left = percent(row.accuracy) if row is not None else ""
    told = f", {left} recognised" if left else ""
    told += f" (random neurons masked: {percent(mean(row.null))})" if row is not None and row.null else ""
    words = found.words.replace("not supported", "not needed").replace("supported", "needed")
    return replace(found, words=f"{words}{told}", left=left)


def initial(name: str) -> str:
    """The letter under which a class is listed: "#" for what begins with none."""
    first = unicodedata.normalize("NFD", name.strip()[:1]).upper()[:1]
    return first if first.isalpha() else "#"


def letters(indices: Sequence[Index]) -> tuple[Letter, ...]:
    """The letters that classes begin with, and how many do."""
    found = Counter(initial(i.result.name) for i in indices)
    return tuple(Letter(name=one, href=urls.letter(one), count=found[one]) for one in sorted(found))


def _facts(run: Run) -> Table:
    m, d = run.model, run.data
    weights = {"none": "random weights", "demo": "the embedded demo weights"}.get(m.weights, m.weights)
    rows = {
        "Model": f"{m.name} ({m.source}), {weights}; {m.parameters:,} parameters, {m.outputs:,} outputs",
        **given(run),
        "Layers": ", ".join(layer.name for layer in run.layers),
        "Data": f"{d.name}, {d.pool:,} pictures looked at; source: {d.source}",
        "Pictures of a class": selection(run),
        **({"Labels": d.labels} if d.labels else {}),
        **({"Of the pictures": "; ".join(d.notes)} if d.notes else {}),
        **({"Shown": IMAGES[run.images]} if IMAGES[run.images] else {}),
        "Unreadable": count(len(d.skipped), "picture"),
    }
    return _pairs("What was examined", rows)


def _pairs(caption: str, rows: Mapping[str, str]) -> Table:
    return Table(
        caption=caption,
        columns=(Column(label="What"), Column(label="Value")),
        rows=tuple((Cell(text=key), Cell(text=value)) for key, value in rows.items()),
    )


def _skipped(run: Run) -> Table | None:
    """By reason: the pictures that could not be used, then what was found and is no picture of a class."""
    reasons: dict[str, list[str]] = {}
    for skipped in run.data.skipped:
        reasons.setdefault(skipped.reason, []).append(skipped.name)
    rows = [(reason, len(names), names[:SHOWN]) for reason, names in reasons.items()]
    rows += [(left.reason, left.count, list(left.names)) for left in run.data.left_out]
    if not rows:
        return None
    return Table(
        caption="What could not be used, or was left out",
        columns=(Column(label="Why"), Column(label="How many", numeric=True), Column(label="Which")),
        rows=tuple(
            (Cell(text=why), Cell(text=f"{n:,}"), Cell(text=", ".join(names) + (", …" if n > len(names) else "")))
            for why, n, names in rows
        ),
    )


def _downloads(indices: Sequence[Index], beside: Mapping[str, str]) -> tuple[Download, ...]:
    tables: tuple[Download, ...] = (
        Download(label="masking.csv", href="data/masking.csv", note="masking and retaining, all classes"),
        *(
            [Download(label="two-sided.csv", href="data/two-sided.csv", note="the same with pictures of other classes")]
            if any(i.result.two_sided for i in indices)
            else []
        ),
        Download(label="groups.csv", href="data/groups.csv", note="neuron groups, all classes"),
    )
    if any(i.claims for i in indices):
        tables += (
            Download(label="ledger.csv", href="data/ledger.csv", note="every claim at every layer, all classes"),
        )
    return (*(Download(label=label, href=href, note="") for label, href in beside.items()), *tables)


PAGE = PageKind(
    name="overview",
    template="site/overview.html",
    build=lambda data: [overview_page(data.indices, data.manifest, data.beside)],
    order=10,
    menu="Overview",
)
