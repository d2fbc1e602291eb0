"""What the tests say, as tables and sentences: of one layer, of one class, over all classes (METHOD §5).

Tests with too few draws decide nothing: they are told apart, and left out where tests are counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Cell, Column, Prose, Span, Table
from neurflow_report.drawing.view.model.numbers import count, listing
from neurflow_report.drawing.view.text.ledger import (
    AS_RANDOM,
    MARKS,
    TOO_FEW,
    VERDICTS,
    falls_by_null,
    limits,
    measured,
    remedy,
    told,
    why_of,
    word,
)
from neurflow_report.results.catalogue import CLAIMS, prose
from neurflow_report.results.records import Claim, Threshold
from neurflow_report.results.verdict import Verdict, Word

BY_CASE = {"found_by_others", "stable"}
"""Claims that have several rows at a layer: a row a method, a row a kind of group."""
TOTALS = "Supported, of those that could decide"
_SIGNS = {"supported": "positive", "not supported": "negative"}
_STANDS: dict[Word, tuple[str, str, str]] = {
    "well supported": ("●", "well", "positive"),
    "partly supported": ("◐", "partly", ""),
    "weakly supported": ("○", "weakly", "negative"),
    "not decidable at these sizes": ("?", "not decidable", ""),
    "not tested": ("–", "not tested", ""),
}
WORDS = tuple(_STANDS)
"""The words of a class's verdict, the best first."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A class's verdict to show: its mark, never told by a colour alone, its word, the same in a table where there is
    little room, and "positive" or "negative" for its colour."""

    mark: str
    word: str
    short: str
    sign: str


def standing(verdict: Verdict) -> Standing:
    """The verdict on a class with its mark."""
    mark, short, sign = _STANDS[verdict.word]
    return Standing(mark=mark, word=verdict.word, short=short, sign=sign)


def tested(claims: Sequence[Claim]) -> list[Claim]:
    """The rows that have a figure."""
    return [c for c in claims if c.verdict != "not run"]


def summary(claims: Sequence[Claim], few: Collection[Claim] = ()) -> str:
    """ "of 30 tests, 21 support the circuit, 1 contradicts it and 8 are undecided; 4 had too few draws".

    Args: few: those with too few draws.
    """
    ran = [c for c in tested(claims) if c not in few]
    late, missing = len(tested(claims)) - len(ran), len(claims) - len(tested(claims))
    if not ran and not late:
        return "nothing was tested"
    counts = {verdict: sum(c.verdict == verdict for c in ran) for verdict in VERDICTS[:3]}
    it = "it" if counts["supported"] else "the circuit"
    ways = {
        "supported": ("supports the circuit", "support the circuit"),
        "not supported": (f"contradicts {it}", f"contradict {it}"),
        "inconclusive": ("is inconclusive", "are inconclusive"),
    }
    some = [f"{n} {ways[verdict][n != 1]}" for verdict, n in counts.items() if n]
    begun = f"of {count(len(ran), 'test')}, {listing(some)}" if ran else "no test could decide"
    left = [f"{late}{' more' if ran else ''} had too few draws"] if late else []
    left += [f"{missing} {'was' if missing == 1 else 'were'} not run"] if missing else []
    return f"{begun}; {listing(left)}" if left else begun


def weakest(claims: Sequence[Claim], layers: Sequence[str], few: Collection[Claim] = ()) -> str:
    """Where the evidence is weakest; "" where no two layers differ.

    By the share of a layer's tests that contradict their claims, then by the share that support them.

    Args:
        layers: their names in the order in which ties are settled.
        few: the tests with too few draws, which do not count.
    """
    ran = {name: [c.verdict for c in tested(claims) if c.layer == name and c not in few] for name in layers}
    shares = {
        name: (-found.count("not supported") / len(found), found.count("supported") / len(found))
        for name, found in ran.items()
        if found
    }
    if len(set(shares.values())) < 2:
        return ""
    low = min(shares, key=lambda name: shares[name])
    held, against, every = (ran[low].count("supported"), ran[low].count("not supported"), len(ran[low]))
    supports = f"{held or 'none'} {'support' if held > 1 else 'supports'} {'it' if against else 'the circuit'}"
    if not against:
        return f"The evidence is weakest at {low}: of {count(every, 'test')} there, {supports}."
    return prose(f"""
            The circuit is contradicted most often at {low}: of {count(every, "test")} there, {against}
            {"contradicts" if against == 1 else "contradict"} it and {supports}.
        """)


def by_layer(index: Index) -> Table | None:
    """Claims against layers, of one class: in each cell the verdict's mark and the figure, a link to its experiment."""
    claims, few = tested(index.claims), index.too_few
    if not claims:
        return None
    layers, page = _layers(index, claims), urls.class_fidelity(index.result.slug)
    rows = []
    for claim, case in dict.fromkeys(_row(c) for c in claims):
        mine = {c.layer: c for c in claims if _row(c) == (claim, case)}
        limit = limits(index.run).get(claim)
        cells = [_cell(mine[name], page, limit, few) if name in mine else Cell(text="") for name in layers]
        rows.append((Cell(text=_named(claim, case)), *cells, Cell(text=measured(next(iter(mine.values()))))))
    caption = f"What holds at which layer: {index.result.name}"
    able = [c for c in claims if c not in few]
    table = _table(caption, layers, (*rows, (*_totals(claims, able, layers), Cell(text=""))), "")
    return replace(table, columns=(*table.columns, Column(label="Figure")))


def reasons(index: Index, experiment: str) -> Table | None:
    """Of an experiment with several claims: claims against layers, with the figure and, where one is not supported,
    why; None of an experiment with one claim, which a sentence tells."""
    claims = [c for c in tested(index.claims) if c.experiment == experiment]
    rows = []
    for claim, case in dict.fromkeys(_row(c) for c in claims):
        limit = limits(index.run).get(claim)
        mine = {c.layer: c for c in claims if _row(c) == (claim, case)}
        cells = [_reason(mine[n], limit, index.too_few) if n in mine else Cell(text="") for n in _layers(index, claims)]
        rows.append((Cell(text=_named(claim, case)), *cells))
    if len(rows) < 2:
        return None
    columns = (Column(label="Claim"), *(Column(label=name) for name in _layers(index, claims)))
    return Table(caption=f"Its claims, layer by layer: {index.result.name}", columns=columns, rows=tuple(rows))


def _reason(c: Claim, limit: Threshold | None, few: Mapping[Claim, str]) -> Cell:
    found = replace(_cell(c, "", limit, few), href="")
    if c.verdict == "supported":
        return found
    why = remedy(few[c]) if c in few else why_of(c)
    return replace(found, text=f"{found.text}, {word(c, few)}{f': {why}' if why else ''}")


def over_classes(indices: Sequence[Index]) -> Table | None:
    """Claims against layers, over all classes: of how many tests the claim was supported."""
    claims = [c for i in indices for c in tested(i.claims)]
    if not claims:
        return None
    layers, able = _layers(indices[0], claims), [c for i in indices for c in tested(i.claims) if c not in i.too_few]
    rows = []
    for claim in dict.fromkeys(c.claim for c in claims):
        mine = [[c for c in every if c.claim == claim] for every in (claims, able)]
        cells = [_share(*([c for c in every if c.layer == name] for every in mine)) for name in layers]
        rows.append((Cell(text=CLAIMS[claim].statement), *cells))
    caption = "Tests that support a claim, layer by layer over all classes"
    return _table(caption, layers, (*rows, _totals(claims, able, layers)), "data/ledger.csv")


def by_class(indices: Sequence[Index]) -> Table | None:
    """Claims against classes: of how many of a class's tests the claim was supported, leading to its evidence."""
    claims = dict.fromkeys(c.claim for i in indices for c in i.claims)
    if not claims:
        return None
    ways = [
        (ran := tested(i.claims), [c for c in ran if c not in i.too_few], urls.class_fidelity(i.result.slug))
        for i in indices
    ]
    rows = []
    for claim in claims if len(out := not_run(indices)) == len(claims) else [c for c in claims if c not in out]:
        found = (_share(*([c for c in every if c.claim == claim] for every in way[:2])) for way in ways)
        cells = (
            replace(cell, text=cell.text or MARKS["not run"], href=page)
            for cell, (_, _, page) in zip(found, ways, strict=True)
        )
        rows.append((Cell(text=CLAIMS[claim].statement), *cells))
    sums = (_share(ran, able) for ran, able, _ in ways)
    totals = (Cell(text=TOTALS), *(replace(cell, text=cell.text or MARKS["not run"]) for cell in sums))
    caption = "Tests that support a claim, class by class"
    return _table(caption, [i.result.name for i in indices], (*rows, totals), "data/ledger.csv")


def not_run(indices: Sequence[Index]) -> list[str]:
    """The claims of which nothing was tested in any class."""
    every = [c for i in indices for c in i.claims]
    ran = {c.claim for c in tested(every)}
    return [claim for claim in dict.fromkeys(c.claim for c in every) if claim not in ran]


def lines(claims: Sequence[Claim], few: Mapping[Claim, str]) -> tuple[Prose, ...]:
    """A sentence a claim (and a method, where there are several): at which layers it is supported, and where not.

    Args: few: the tests with too few draws, and the setting that would let each decide.
    """
    keys = dict.fromkeys(_row(c) for c in claims)
    return tuple(_line(key, [c for c in claims if _row(c) == key], few) for key in keys)


def of_layer(index: Index, layer: str) -> Prose:
    """What the tests at one layer say, with the way to them."""
    claims = [c for c in index.claims if c.layer == layer]
    if not tested(claims):
        return ()
    link = Span(text="See the evidence", href=urls.class_fidelity(index.result.slug))
    return (Span(text=f"Here, {summary(claims, index.too_few)}. "), link, Span(text="."))


def _line(key: tuple[str, str], claims: Sequence[Claim], few: Mapping[Claim, str]) -> Prose:
    spans = [Span(text=f"{_named(*key)}: ")]
    for verdict in (*VERDICTS[:3], TOO_FEW, VERDICTS[3]):
        mine = [c for c in claims if word(c, few) == verdict]
        if not mine:
            continue
        spans += [Span(text="; ")] if len(spans) > 1 else []
        spans.append(Span(text=verdict, strong=True))
        why = {c: remedy(few[c]) if c in few else why_of(c) for c in mine}
        reasons = dict.fromkeys(why.values())
        told = listing([_where([c for c in mine if why[c] == reason], reason) for reason in reasons])
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


def _cell(c: Claim, page: str, limit: Threshold | None, few: Collection[Claim]) -> Cell:
    alike = c.verdict == "not supported" and falls_by_null(c, limit)
    text = f"{AS_RANDOM if alike else MARKS[word(c, few)]} {told(c.claim, c.figure, limit)}".rstrip()
    return Cell(text=text, href=f"{page}#{c.experiment}", sign=_SIGNS.get(c.verdict, ""))


def _share(claims: Sequence[Claim], able: Sequence[Claim]) -> Cell:
    """ "3 of 4": how many are supported, of those that were `able` to decide."""
    held = sum(c.verdict == "supported" for c in able)
    if not able:
        return Cell(text=MARKS[TOO_FEW] if claims else "")
    return Cell(text=f"{held} of {len(able)}", part=held / len(able))


def _totals(claims: Sequence[Claim], able: Sequence[Claim], layers: Sequence[str]) -> tuple[Cell, ...]:
    counts = (_share(*([c for c in every if c.layer == name] for every in (claims, able))) for name in layers)
    return (Cell(text=TOTALS), *counts)


def _table(caption: str, names: Sequence[str], rows: tuple[tuple[Cell, ...], ...], download: str) -> Table:
    columns = (Column(label="Claim"), *(Column(label=name, numeric=True) for name in names))
    return Table(caption=caption, columns=columns, rows=rows, download=download)
