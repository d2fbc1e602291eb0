"""Which claims hold at which layer, as tables and sentences: of one class, and over all classes (METHOD §5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Cell, Column, Prose, Span, Table
from neurflow_report.drawing.view.model.numbers import count, listing
from neurflow_report.drawing.view.text.ledger import MARKS, VERDICTS, limits, told
from neurflow_report.results.catalogue import CLAIMS, prose
from neurflow_report.results.records import Claim, Threshold

BY_CASE = {"found_by_others", "stable"}
"""Claims that have several rows at a layer: a row a method, a row a kind of group."""
TOTALS = "Supported, of all tests"
_SIGNS = {"supported": "positive", "not supported": "negative"}


def tested(claims: Sequence[Claim]) -> list[Claim]:
    """The rows that have a figure."""
    return [c for c in claims if c.verdict != "not run"]


def summary(claims: Sequence[Claim]) -> str:
    """ "of 47 tests of the method's claims, 24 support them, 12 do not and 11 do not decide; 2 were not run"."""
    ran = tested(claims)
    if not ran:
        return "none of the method's claims was tested"
    ways = {"supported": ("supports", "support"), "not supported": ("does", "do"), "inconclusive": ("does", "do")}
    ends = {"supported": " them", "not supported": " not", "inconclusive": " not decide"}
    counts = {verdict: sum(c.verdict == verdict for c in ran) for verdict in ways}
    some = [f"{n} {ways[verdict][n != 1]}{ends[verdict]}" for verdict, n in counts.items() if n]
    missing = len(claims) - len(ran)
    more = f"; {missing} more {'was' if missing == 1 else 'were'} not run" if missing else ""
    return f"of {count(len(ran), 'test')} of the method's claims, {listing(some)}{more}"


def weakest(claims: Sequence[Claim], layers: Sequence[str]) -> str:
    """Where the evidence is weakest; "" where no two layers differ.

    By the share of a layer's tests that speak against their claims, then by the share that support them.

    Args: layers: their names in the order in which ties are settled.
    """
    ran = {name: [c.verdict for c in tested(claims) if c.layer == name] for name in layers}
    shares = {
        name: (-found.count("not supported") / len(found), found.count("supported") / len(found))
        for name, found in ran.items()
        if found
    }
    if len(set(shares.values())) < 2:
        return ""
    low = min(shares, key=lambda name: shares[name])
    held, against, every = (ran[low].count("supported"), ran[low].count("not supported"), len(ran[low]))
    if not against:
        return f"The evidence is weakest at {low}: {held} of {count(every, 'test')} there support the claims."
    return prose(f"""
            The evidence is weakest at {low}: of {count(every, "test")} there, {against}
            {"speaks" if against == 1 else "speak"} against the claims and {held or "none"}
            {"supports" if held == 1 else "support"} them.
        """)


def by_layer(index: Index) -> Table | None:
    """Claims against layers, of one class: in each cell the verdict's mark and the figure, a link to its experiment."""
    claims = tested(index.claims)
    if not claims:
        return None
    layers, page = _layers(index, claims), urls.class_fidelity(index.result.slug)
    rows = []
    for claim, case in dict.fromkeys(_row(c) for c in claims):
        mine = {c.layer: c for c in claims if _row(c) == (claim, case)}
        limit = limits(index.run).get(claim)
        cells = [_cell(mine[name], page, limit) if name in mine else Cell(text="") for name in layers]
        rows.append((Cell(text=_named(claim, case)), *cells, Cell(text=CLAIMS[claim].measured)))
    caption = f"What holds at which layer: {index.result.name}"
    table = _table(caption, layers, (*rows, (*_totals(claims, layers), Cell(text=""))), "")
    return replace(table, columns=(*table.columns, Column(label="Figure")))


def over_classes(indices: Sequence[Index]) -> Table | None:
    """Claims against layers, over all classes: of how many tests the claim was supported."""
    claims = [c for i in indices for c in tested(i.claims)]
    if not claims:
        return None
    layers = _layers(indices[0], claims)
    rows = []
    for claim in dict.fromkeys(c.claim for c in claims):
        cells = [Cell(text=_share([c for c in claims if (c.claim, c.layer) == (claim, name)])) for name in layers]
        rows.append((Cell(text=CLAIMS[claim].statement), *cells))
    caption = "Tests that support a claim, layer by layer over all classes"
    return _table(caption, layers, (*rows, _totals(claims, layers)), "data/ledger.csv")


def by_class(indices: Sequence[Index]) -> Table | None:
    """Claims against classes: of how many of a class's tests the claim was supported, leading to its evidence."""
    claims = dict.fromkeys(c.claim for i in indices for c in i.claims)
    if not claims:
        return None
    ways = [(tested(i.claims), urls.class_fidelity(i.result.slug)) for i in indices]
    rows = [
        (
            Cell(text=CLAIMS[claim].statement),
            *(Cell(text=_share([c for c in ran if c.claim == claim]) or "not run", href=page) for ran, page in ways),
        )
        for claim in claims
    ]
    totals = (Cell(text=TOTALS), *(Cell(text=_share(ran) or "none") for ran, _ in ways))
    caption = "Supported rows of the ledger, claim by claim and class by class"
    return _table(caption, [i.result.name for i in indices], (*rows, totals), "data/ledger.csv")


def lines(claims: Sequence[Claim]) -> tuple[Prose, ...]:
    """A sentence a claim (and a method, where there are several): at which layers it is supported, and where not."""
    keys = dict.fromkeys(_row(c) for c in claims)
    return tuple(_line(key, [c for c in claims if _row(c) == key]) for key in keys)


def of_layer(index: Index, layer: str) -> Prose:
    """What the tests at one layer say, with the way to them."""
    claims = [c for c in index.claims if c.layer == layer]
    if not tested(claims):
        return ()
    link = Span(text="The evidence", href=urls.class_fidelity(index.result.slug))
    return (Span(text=f"At this layer, {summary(claims)}. "), link, Span(text="."))


def _line(key: tuple[str, str], claims: Sequence[Claim]) -> Prose:
    spans = [Span(text=f"{_named(*key)}: ")]
    for verdict in VERDICTS:
        mine = [c for c in claims if c.verdict == verdict]
        if not mine:
            continue
        spans += [Span(text="; ")] if len(spans) > 1 else []
        spans.append(Span(text=verdict, strong=True))
        reasons = dict.fromkeys(c.reason for c in mine)
        told = listing([_where([c for c in mine if c.reason == reason], reason) for reason in reasons])
        spans += [Span(text=f" {told}")] if told else []
    return (*spans, Span(text="."))


def _where(claims: Sequence[Claim], reason: str) -> str:
    """ "at block4 and block3 (the interval holds the threshold)": layers of one verdict that have one reason."""
    at = list(dict.fromkeys(c.layer for c in claims if c.layer))
    return " ".join(filter(None, (f"at {listing(at)}" if at else "", f"({reason})" if reason else "")))


def _row(c: Claim) -> tuple[str, str]:
    return c.claim, c.case if c.claim in BY_CASE else ""


def _named(claim: str, case: str) -> str:
    return f"{CLAIMS[claim].statement} ({case})" if case else CLAIMS[claim].statement


def _layers(index: Index, claims: Sequence[Claim]) -> list[str]:
    """The layers at which something was tested, from the logit down."""
    met = {c.layer for c in claims}
    return [layer.name for layer in index.downward() if layer.name in met]


def _cell(c: Claim, page: str, limit: Threshold | None) -> Cell:
    text = f"{MARKS[c.verdict]} {told(c.claim, c.figure, limit)}".rstrip()
    return Cell(text=text, href=f"{page}#{c.experiment}", sign=_SIGNS.get(c.verdict, ""))


def _share(claims: Sequence[Claim]) -> str:
    return f"{sum(c.verdict == 'supported' for c in claims)} of {len(claims)}" if claims else ""


def _totals(claims: Sequence[Claim], layers: Sequence[str]) -> tuple[Cell, ...]:
    counts = (_share([c for c in claims if c.layer == name]) for name in layers)
    return (Cell(text=TOTALS), *(Cell(text=text) for text in counts))


def _table(caption: str, names: Sequence[str], rows: tuple[tuple[Cell, ...], ...], download: str) -> Table:
    columns = (Column(label="Claim"), *(Column(label=name, numeric=True) for name in names))
    return Table(caption=caption, columns=columns, rows=rows, download=download)
