"""What limits the findings: one list, in one wording, on every page, the central failures first (METHOD §§5–6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Notice, Prose, Span
from neurflow_report.drawing.view.model.numbers import count, listing, mean, percent
from neurflow_report.drawing.view.text import cautions, examined, ledger
from neurflow_report.drawing.view.text.cues import class_cues
from neurflow_report.results.catalogue import CLAIMS, TWO_SIDED, prose
from neurflow_report.results.records import Caution, Claim, Masking, TwoSided
from neurflow_report.results.verdict import LEVEL

MOST_CLASSES = 12
_UNCLEAR = "the core does not clearly stand out from random neurons"
_WHY_UNCLEAR = f"In these tests q exceeds {LEVEL}, or random sets do nearly as much."
_AGAINST_0 = "The core is needed against 0, but not against its mean"
STILL = 0.5
"""The share of a class's pictures from which it is said to survive a core that is set to its mean."""


def of_class(index: Index) -> tuple[Notice, ...]:
    """The limits of one class's findings, the gravest first."""
    return (
        *_not_needed(index),
        *_at_mean(index),
        *_random_as_good(index),
        *_not_enough(index),
        *_one_sided([index]),
        *ledger.refuted(index, besides=("needed", "enough")),
        *_too_few(index),
        *_uncertified([index]),
        *_unsure([index]),
        *class_cues(index),
        *cautions.notices(_left(index), index.result.slug, masking=index.result.masking),
        *cautions.untested(index.run.settings.experiments),
    )


def over_classes(indices: Sequence[Index]) -> tuple[Notice, ...]:
    """The limits of all classes' findings, and of the run's, the gravest first."""
    run = indices[0].run
    wrong = tuple(examined.doubts(run))
    return (
        *(n for n in wrong if n.code != examined.ASSUMED),
        *_over(indices, "needed", "The core is not needed"),
        *_over_at_mean(indices),
        *_over_random(indices),
        *_over(indices, "enough", "The core alone is not enough"),
        *_one_sided(indices),
        *(
            notice
            for claim in dict.fromkeys(c.claim for i in indices for c in i.claims)
            if claim not in {"needed", "enough"}
            for notice in _over(indices, claim, ledger.title(claim))
        ),
        *_over_too_few(indices),
        *_uncertified(indices),
        *_unsure(indices),
        *_over_cues(indices),
        *cautions.over_classes([(i.result.name, i.result.slug, _left(i)) for i in indices]),
        *(n for n in wrong if n.code == examined.ASSUMED),
        *cautions.untested(run.settings.experiments),
    )


def random_as_good(index: Index) -> list[Claim]:
    """The rows of masking and retaining in which random sets did as well as the core."""
    return [
        c for c in masked(index) if c not in index.too_few and ((c.q_value or 0.0) > LEVEL or _falls_by_null(index, c))
    ]


def masked(index: Index) -> list[Claim]:
    """The rows of masking and retaining that have a figure."""
    return [c for c in index.claims if c.experiment == "masking" and c.verdict != "not run"]


def row_of(index: Index, claim: Claim) -> Masking | None:
    """The row of F1 that a claim rests on."""
    mode, upward = "mask" if claim.claim.startswith("needed") else "retain", claim.claim.endswith("upward")
    rows = [m for m in index.result.masking if (m.mode, m.layer, m.cumulative) == (mode, claim.layer, upward)]
    return max(rows, key=lambda m: m.tau, default=None)


def held_out(index: Index) -> str:
    """On which pictures the circuit was found, and which it was tested on; "" where these are the same."""
    if not index.held_out:
        return ""
    return prose(f"""
        The circuit was found on {count(len(index.found_on), "picture")}; masking (F1) and edges (F8) were measured on
        the other {index.held_out}.
    """)


def two_sided_of(index: Index, claim: Claim) -> TwoSided | None:
    """The row of F1 with pictures of other classes that a claim rests on; None where it rests on none."""
    if claim.case != TWO_SIDED:
        return None
    at = ("retain", "mean", claim.layer, claim.claim.endswith("upward"))
    rows = [m for m in index.result.two_sided if (m.mode, m.ablation, m.layer, m.cumulative) == at]
    return max(rows, key=lambda m: m.tau, default=None)


def _one_sided(indices: Sequence[Index]) -> Iterator[Notice]:
    """That no picture of another class was there, without which "enough" is not tested."""
    found = [i for i in indices if any(n.experiment == "masking" and n.case == "enough" for n in i.result.not_run)]
    if found:
        yield Notice(
            code="one-sided",
            title="Whether the core alone is enough was not tested: no pictures of other classes",
            text=prose("""
                Kept pictures of the class alone do not show it: a network that assigns every picture to the class
                would keep them all. It takes pictures of other classes in the data.
            """),
            places=_classes([(i, 1) for i in found]) if len(indices) > 1 else (),
        )


def _uncertified(indices: Sequence[Index]) -> Iterator[Notice]:
    """At how many layers no τ is certified to be enough."""
    every = [(i, c) for i in indices for c in i.result.certificates]
    failed = [(i, c) for i, c in every if c.tau is None]
    if failed:
        s = indices[0].run.settings
        at = "" if len(indices) > 1 else f" at {listing([c.layer for _, c in failed])}"
        shown = prose(f"""
            Not even with τ = {s.tau} is it shown that the core alone keeps {percent(s.enough)} of the class and takes
            at most {percent(s.false_alarms)} of the others. The evidence page says what it would take.
        """)
        none = "It takes pictures that are held out, and pictures of other classes: here there are none."
        yield Notice(
            code="not-certifiable",
            title=f"The core is not certified to be enough{at}: {len(failed)} of {count(len(every), 'layer')}",
            text=shown if any(c.tried for _, c in failed) else none,
            places=_classes([(i, n) for i in indices if (n := sum(one is i for one, _ in failed))])
            if len(indices) > 1
            else (),
        )


def _unsure(indices: Sequence[Index]) -> Iterator[Notice]:
    """How many core neurons would not be core as well on half of the pictures (F13)."""
    found = [(i, _sureness(i)) for i in indices]
    every = [told for _, own in found for told in own]
    loose = [told for told in every if told != "sure"]
    if not loose:
        return
    out = loose.count("out")
    yield Notice(
        code="unsure",
        title=f"{len(loose)} of {count(len(every), 'core neuron')} {'is' if len(loose) == 1 else 'are'} not sure",
        text=prose(f"""
            With every picture deleted with probability ½, {out} of them {"is" if out == 1 else "are"} core in clearly
            fewer than half of the draws, and {len(loose) - out} in about half: other pictures might give others.
            Drawings show them with dashed outlines.
        """),
        places=_classes([(i, n) for i, own in found if (n := sum(t != "sure" for t in own))])
        if len(indices) > 1
        else (),
    )


def _sureness(index: Index) -> list[str]:
    return [
        told
        for layer in index.result.layers
        for neuron in layer.neurons
        if (told := index.sureness(layer.name, neuron.channel))
    ]


def _falls_by_null(index: Index, claim: Claim) -> bool:
    return claim.verdict == "not supported" and ledger.falls_by_null(claim, ledger.limits(index.run).get(claim.claim))


def _not_needed(index: Index) -> Iterator[Notice]:
    failed = ledger.fails(index, "needed")
    if not failed:
        return
    held = [c.layer for c in index.claims if c.claim == "needed" and c.verdict == "supported"]
    lost = f" The class is lost without the core of {listing(held)}." if held else ""
    yield Notice(
        code="claim-needed",
        title=f"{index.result.name} survives without its core at {listing([c.layer for c in failed])}",
        text=f"Without the core, {_recognised(index, failed, 'still recognised')}.{lost}",
        places=_layers(index, failed),
    )


def needed_at_zero(index: Index) -> list[tuple[Claim, TwoSided]]:
    """The layers whose core is needed by F1, which sets it to 0, but where most of the class's pictures are still
    recognised with it at its mean."""
    means = {m.layer: m for m in index.two_sided if (m.mode, m.ablation, m.cumulative) == ("mask", "mean", False)}
    held = [c for c in index.claims if c.claim == "needed" and c.verdict == "supported" and c.layer in means]
    return [(c, m) for c in held if (m := means[c.layer]).tpr >= STILL]


def _at_mean(index: Index) -> Iterator[Notice]:
    found = needed_at_zero(index)
    if found:
        told = listing([f"{round(m.tpr * m.n)} of {m.n} at {m.layer}" for _, m in found])
        yield Notice(
            code="needed-at-zero",
            title=f"{_AGAINST_0}, at {listing([m.layer for _, m in found])}",
            text=f"Set to 0, the class is lost. Set to its mean over pictures of all classes, {told} are recognised.",
            places=_layers(index, [c for c, _ in found]),
        )


def _over_at_mean(indices: Sequence[Index]) -> Iterator[Notice]:
    found = [(i, rows) for i in indices if (rows := needed_at_zero(i))]
    if found:
        held = [c for i in indices for c in i.claims if c.claim == "needed" and c.verdict == "supported"]
        fallen = [c for _, some in found for c, _ in some]
        yield Notice(
            code="needed-at-zero",
            title=f"{_AGAINST_0}, in {len(fallen)} of {count(len(held), 'passed test')}",
            text=prose(f"""
                {_by_layer(fallen, held)}. With the core at its mean over pictures of all classes, half of the class's
                pictures or more are still recognised.
            """),
            places=_classes([(i, len(some)) for i, some in found]),
        )


def _not_enough(index: Index) -> Iterator[Notice]:
    failed = ledger.fails(index, "enough")
    if failed:
        yield Notice(
            code="claim-enough",
            title=f"At {listing([c.layer for c in failed])} the core alone is not enough for {index.result.name}",
            text=f"With the core alone, {_told_apart(index, failed)}. Other neurons matter, too.",
            places=_layers(index, failed),
        )


def _told_apart(index: Index, failed: Sequence[Claim]) -> str:
    """ "12 of 20 pictures are taken for the class at block3, and so are 30 of 80 of other classes"."""
    rows = [m for c in failed if (m := two_sided_of(index, c)) is not None]
    if not rows:
        return _recognised(index, failed, "recognised")
    found = list[str]()
    for m in rows:
        own, others = round(m.tpr * m.n), round(m.fpr * m.others)
        of, alien = ("pictures are taken for it", " of other classes") if not found else ("", "")
        kept = f"{own or 'none'} of its {m.n} {of} at {m.layer}" if not found else f"{own or 'none'} at {m.layer}"
        found.append(f"{kept}, and so {'is' if others == 1 else 'are'} {others or 'none'} of {m.others}{alien}")
    return "; ".join(found)


def _recognised(index: Index, failed: Sequence[Claim], how: str) -> str:
    """ "29 of 40 pictures are still recognised at block3 (random neurons: 100%) and 36 at block2 (98%)"."""
    found = list[str]()
    for m in (m for c in failed if (m := row_of(index, c)) is not None):
        kept, first = round(m.accuracy * m.n), not found
        of = f" of {count(m.n, 'picture')} {'is' if kept == 1 else 'are'} {how}" if first else ""
        random = f" ({'random neurons: ' if first else ''}{percent(mean(m.null))})" if m.null else ""
        found.append(f"{kept}{of} at {m.layer}{random}")
    return listing(found) or f"the class is {how}"


def _random_as_good(index: Index) -> Iterator[Notice]:
    weak, every = random_as_good(index), masked(index)
    if weak:
        yield Notice(
            code="not-told-apart",
            title=f"In {len(weak)} of {count(len(every), 'masking test')}, {_UNCLEAR}",
            text=f"{_by_layer(weak, every)}. {_WHY_UNCLEAR}",
            places=_layers(index, weak),
        )


def _by_layer(weak: Sequence[Claim], every: Sequence[Claim]) -> str:
    """ "2 of 4 at block4, 4 of 4 at block1"."""
    layers = dict.fromkeys(c.layer for c in every)
    counts = ((name, sum(c.layer == name for c in weak), sum(c.layer == name for c in every)) for name in layers)
    return ", ".join(f"{some} of {whole} at {name}" for name, some, whole in counts if some)


def _too_few(index: Index) -> Iterator[Notice]:
    found = index.verdict
    if found.too_few:
        yield Notice(
            code="too-few-draws",
            title=f"{count(found.too_few, 'test')} had too few draws to decide",
            text=_few_words(found.settings),
        )


def _few_words(settings: Sequence[str]) -> str:
    return prose(f"""
        With so few random sets, no outcome could have supported the claim. It takes {listing(sorted(set(settings)))} or
        more in the spec.
    """)


def _left(index: Index) -> tuple[Caution, ...]:
    """The cautions, less those on what the ledger has judged at the same layer: there is one standard."""
    said = {(CLAIMS[c.claim].caution, c.layer) for c in index.claims if c.verdict != "not run"}
    return tuple(c for c in index.result.cautions if c.channel is not None or (c.code, c.layer) not in said)


def _over(indices: Sequence[Index], claim: str, title: str) -> Iterator[Notice]:
    """A claim that some classes' evidence refutes, told once for all of them."""
    found = [(i, rows) for i in indices if (rows := ledger.fails(i, claim))]
    ran = [c for i in indices for c in i.claims if c.claim == claim and c.verdict != "not run"]
    if not found:
        return
    tests = sum(len(rows) for _, rows in found)
    layers = dict.fromkeys(c.layer for i in indices for c in i.claims if c.claim == claim and c.layer)
    all_rows = [c for _, rows in found for c in rows]
    at = ", ".join(
        f"{some} of {sum(c.layer == layer for c in ran)} at {layer}"
        for layer in layers
        if (some := sum(c.layer == layer for c in all_rows))
    )
    yield Notice(
        code=f"claim-{claim.replace('_', '-')}",
        title=f"{title} in {tests} of {count(len(ran), 'test')}",
        text=f"{at}. In these tests {CLAIMS[claim].refuted}.",
        places=_classes([(i, len(rows)) for i, rows in found]),
    )


def _over_random(indices: Sequence[Index]) -> Iterator[Notice]:
    weak = [(i, rows) for i in indices if (rows := random_as_good(i))]
    every = [c for i in indices for c in masked(i)]
    if weak:
        rows = [c for _, found in weak for c in found]
        yield Notice(
            code="not-told-apart",
            title=f"In {len(rows)} of {count(len(every), 'masking test')}, {_UNCLEAR}",
            text=f"{_by_layer(rows, every)}. {_WHY_UNCLEAR}",
            places=_classes([(i, len(found)) for i, found in weak]),
        )


def _over_too_few(indices: Sequence[Index]) -> Iterator[Notice]:
    number = sum(i.verdict.too_few for i in indices)
    if number:
        settings = [setting for i in indices for setting in i.verdict.settings]
        yield Notice(
            code="too-few-draws",
            title=f"{count(number, 'test')} had too few draws to decide",
            text=_few_words(_largest(settings)),
        )


def _over_cues(indices: Sequence[Index]) -> Iterator[Notice]:
    """What the groups of several classes may rest on instead of what they seem to show, a kind at a time."""
    found: dict[str, list[tuple[Index, Notice]]] = {}
    for index in indices:
        for notice in class_cues(index):
            found.setdefault(notice.code, []).append((index, notice))
    for code, met in found.items():
        more = "" if len(met) == 1 else f" {len(met)} of {count(len(indices), 'class', 'classes')} have such groups."
        first = met[0][1]
        yield Notice(
            code=code, title=first.title, text=f"{met[0][0].result.name}: {first.text}{more}",
            places=_classes([(index, 1) for index, _ in met]),
        )  # fmt: skip


def _largest(settings: Sequence[str]) -> list[str]:
    """Of each key the largest number that some class needs."""
    found: dict[str, int] = {}
    for setting in settings:
        key, _, number = setting.partition(": ")
        found[key] = max(found.get(key, 0), int(number or 0))
    return [f"{key}: {number}" if number else key for key, number in found.items()]


def _layers(index: Index, rows: Sequence[Claim]) -> Prose:
    names = dict.fromkeys(c.layer for c in rows if c.layer)
    links = [Span(text=name, href=urls.layer_page(index.result.slug, name)) for name in names]
    return _joined("See ", links)


def _classes(found: Sequence[tuple[Index, int]]) -> Prose:
    links = [
        Span(text=f"{i.result.name} ({number})", href=f"{urls.class_page(i.result.slug)}#limits")
        for i, number in sorted(found, key=lambda one: -one[1])
    ]
    more = len(links) - MOST_CLASSES
    rest = (Span(text=f" and {more} more"),) if more > 0 else ()
    return (*_joined("Classes: ", links[:MOST_CLASSES]), *rest)


def _joined(first: str, links: Sequence[Span]) -> Prose:
    spans = [part for link in links for part in (Span(text=", "), link)]
    return (Span(text=first), *spans[1:]) if spans else ()
