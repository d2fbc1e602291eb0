"""The certificates of an automatic τ as a table and sentences (METHOD §5): what is certified, and what would do."""

from __future__ import annotations

from collections.abc import Iterator

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Cell, Column, Table
from neurflow_report.drawing.view.model.numbers import count, listing, percent
from neurflow_report.results.catalogue import prose
from neurflow_report.results.records import Certificate, OneTau


def certificate_words(index: Index) -> Iterator[str]:
    """By what τ was chosen, and which it is; nothing where it was given."""
    every, s = index.result.certificates, index.run.settings
    if not every:
        return
    n, others = every[0].n, every[0].others
    if not n:
        yield prose("""
            τ is the largest: without pictures held out nothing can be certified. `data.holdout` holds some out where a
            class has 40 or more.
        """)
        return
    if not others:
        yield "τ is the largest: without pictures of other classes nothing can be certified."
        return
    held = [c.tau for c in every if c.tau is not None]
    chosen = (
        f"The circuit has τ = {max(held)}, certified at {len(held)} of {count(len(every), 'layer')}."
        if held
        else f"No layer is certifiable, so the circuit has the largest, τ = {s.tau}."
    )
    yield prose(f"""
        τ is automatic. The core of a layer alone, with all else at its mean, was tested at τ = {s.tau}, then at ever
        smaller ones, on {count(n, "picture")} of the class and {others:,} of other classes. A τ is certified while the
        lower 95% bound of TPR is at least {percent(s.enough)} and the upper one of FPR at most
        {percent(s.false_alarms)}; the first that fails ends it. {chosen}
    """)
    for c in every:
        if c.tau is None:
            yield _needed(c)


def _needed(c: Certificate) -> str:
    """What it would take for a layer to be certified."""
    first = c.tried[0]
    told = f"{c.layer} is not certifiable: at τ = {first.tau} its core keeps {percent(first.tpr)} of the class"
    told += f" and takes {percent(first.fpr)} of the others."
    if c.needed_n is None or c.needed_others is None:
        return f"{told} No number of pictures would do for these shares; a larger core might."
    wanted = [
        f"{needed:,} {what}"
        for needed, there, what in ((c.needed_n, c.n, "of the class"), (c.needed_others, c.others, "of others"))
        if needed > there
    ]
    return f"{told} With these shares it would take pictures held out: {listing(wanted)}."


def certificate_table(index: Index) -> Table | None:
    """A row a layer, from the logit down."""
    every = {c.layer: c for c in index.result.certificates if c.tried}
    if not every:
        return None
    heads = ("Certified τ", "Neurons", "TPR kept", "FPR taken", "Fails at", "Random neurons needed")
    slug = index.result.slug
    return Table(
        caption=f"Certified core sets, {index.result.name}",
        columns=(Column(label="Layer"), *(Column(label=label, numeric=True) for label in heads)),
        rows=tuple(
            (Cell(text=layer.name, href=urls.layer_page(slug, layer.name)), *map(_cell, _row(every[layer.name])))
            for layer in index.downward()
            if layer.name in every
        ),
        download=urls.data(slug, "certificates.csv"),
    )


def _cell(text: str) -> Cell:
    return Cell(text=text)


def _row(c: Certificate) -> tuple[str, ...]:
    held = next((one for one in c.tried if one.tau == c.tau), None)
    shown = held or c.tried[0]
    failed = c.tried[-1] if held is None or c.tried[-1].tau != c.tau else None
    return (
        "not certifiable" if held is None else str(c.tau),
        f"{shown.size} of {c.channels:,}",
        f"{percent(shown.tpr)} (over {percent(shown.tpr_low)})",
        f"{percent(shown.fpr)} (under {percent(shown.fpr_high)})",
        "" if failed is None else _failed(failed),
        "no number" if c.random_size is None else f"{c.random_size:,}",
    )


def _failed(one: OneTau) -> str:
    kept, taken = (
        f"{percent(one.tpr)} (over {percent(one.tpr_low)})",
        f"{percent(one.fpr)} (under {percent(one.fpr_high)})",
    )
    return f"τ = {one.tau}: {kept}, {taken}"
