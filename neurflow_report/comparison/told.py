"""A comparison in sentences, what matters most first: for the command line and for the head of the page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from neurflow_report.comparison.figures import RANKS, change, claims_turned, main_row, told_of
from neurflow_report.comparison.records import Change, ClassDiff, Comparison, Key, LayerDiff, LayerMatch, Reading, Row
from neurflow_report.results.catalogue import CLAIMS

Kind = Literal["same", "lost", "changed", "unknown"]
MOST = 6
MODES = {"mask": "recognised without the core", "retain": "recognised by the core alone"}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A sentence; `kind`: all is the same, something is lost or worse, something differs, something is not known."""

    kind: Kind
    text: str


def findings(found: Comparison) -> tuple[Finding, ...]:
    """What differs, what matters most first."""
    return tuple(_findings(found))


def _findings(found: Comparison) -> Iterator[Finding]:
    if found.identical:
        yield Finding(kind="same", text="The two bundles are identical, the clock aside.")
        return
    if found.same_results:
        text = "All that was found of the classes is the same; settings, names or versions differ."
        yield Finding(kind="same", text=text)
    if found.permuted:
        text = (
            "The networks are the same but for the order of their channels, as far as the bundles tell: every core "
            "neuron has a counterpart that is as active on the same patches."
        )
        yield Finding(kind="same", text=text)
    yield from _classes(found)
    if not found.same_results:
        yield from _accuracy(found.accuracy)
        yield from _verdicts(found.classes)
        yield from _claims(found.classes)
        yield from _masking(found.classes)
        for match in found.matches:
            yield from _match(match)
            yield from _cores(match, found.classes)
    if found.changes:
        few = [change_words(c) for c in found.changes if _matters(c.place)]
        few = few or [c.place for c in found.changes]
        text = (
            f"{_count(len(found.changes), 'setting, name or version differs', 'settings, names or versions differ')}: "
        )
        among = "among them " if len(few) < len(found.changes) else ""
        yield Finding(kind="changed", text=f"{text}{among}{_some(few)}.")


def change_words(one: Change) -> str:
    """A setting that differs: "settings.tau 4 → 3", and of a list what was left out and what came to it."""
    if one.lost or one.new:
        told = [f"{word} {_some(some)}" for word, some in (("without", one.lost), ("with", one.new)) if some]
        return f"{one.place} now {' and '.join(told)}"
    if one.then and one.now and sorted(one.then.split(", ")) == sorted(one.now.split(", ")):
        return f"{one.place} in another order"
    then, now = ((f"not in {side}" if v is None else v or "–") for side, v in (("A", one.then), ("B", one.now)))
    return f"{one.place} {then} → {now}"


def _matters(place: str) -> bool:
    return place.startswith("settings.")


def _classes(found: Comparison) -> Iterator[Finding]:
    if not found.classes:
        yield Finding(
            kind="unknown", text="The bundles have no class in common, so nothing of their circuits is compared."
        )
    for names, kind, one, where in (
        (found.lost, "class", "is", "lost: the second bundle does not have"),
        (found.new, "class", "is", "new: the first bundle does not have"),
        (found.layers_lost, "layer", "is", "lost: the second bundle does not have"),
        (found.layers_new, "layer", "is", "new: the first bundle does not have"),
    ):
        if names:
            many = f"{kind}es" if kind == "class" else f"{kind}s"
            text = f"{_count(len(names), kind, many)} {one if len(names) == 1 else 'are'} {where} {_some(names)}."
            yield Finding(kind="lost" if where.startswith("lost") else "changed", text=text)


def _verdicts(classes: Sequence[ClassDiff]) -> Iterator[Finding]:
    changed = [one for one in classes if one.verdict[0] != one.verdict[1]]
    if not changed and classes:
        yield Finding(kind="same", text="No class has another verdict.")
    for worse in (True, False):
        some = [one for one in changed if _is_worse(one) is worse]
        if some:
            told = [f"{one.name}, {one.verdict[0]} → {one.verdict[1]}" for one in some]
            text = f"{_count(len(some), 'class has', 'classes have')} {'a weaker' if worse else 'another'} verdict: "
            yield Finding(kind="lost" if worse else "changed", text=f"{text}{_some(told, '; ')}.")


def _is_worse(one: ClassDiff) -> bool:
    then, now = (RANKS.get(word) for word in one.verdict)
    return then is not None and (now is None or now < then)


def _accuracy(row: Row) -> Iterator[Finding]:
    if (by := change(row)) is not None and row.then is not None and row.now is not None:
        kind: Kind = (
            "same" if by == 0 else "changed" if _overlap(row.then, row.now) else "lost" if by < 0 else "changed"
        )
        apart = "" if by == 0 else f"; the intervals {'overlap' if _overlap(row.then, row.now) else 'are apart'}"
        text = f"Accuracy on the labelled pictures: {reading(row.then)} → {reading(row.now)}{apart}."
        if when := [word for word, side in (("then", row.then), ("now", row.now)) if _by_luck(side)]:
            text += (
                f" {' and '.join(when).capitalize()} the network is right no more often than by chance: its circuits, "
                "and their verdicts, say nothing about the classes."
            )
        yield Finding(kind=kind, text=text)


def _by_luck(accuracy: Reading) -> bool:
    """Whether a network is no better than chance on its pictures, as far as their number tells."""
    return accuracy.low is not None and accuracy.null is not None and accuracy.low <= accuracy.null


def _claims(classes: Sequence[ClassDiff]) -> Iterator[Finding]:
    for lost in (True, False):
        told = [
            f"{one.name} at {row.key['layer']}, {claim_words(row.key)}"
            for one in classes
            for row in claims_turned(one, lost=lost)
        ]
        if told:
            word = "not supported any more" if lost else "newly supported"
            text = f"{_count(len(told), 'claim is', 'claims are')} {word}: {_some(told, '; ')}."
            yield Finding(kind="lost" if lost else "changed", text=text)


def claim_words(key: Key) -> str:
    """What a row of the ledger claims, in the catalogue's words where it knows the claim, and its case."""
    name = str(key.get("claim", ""))
    said = CLAIMS[name].statement if name in CLAIMS else name
    case = f" ({key['case']})" if key.get("case") else ""
    return f"{said[:1].lower()}{said[1:]}{case}"


def _masking(classes: Sequence[ClassDiff]) -> Iterator[Finding]:
    """The classes and layers where F1 is told apart: the intervals do not overlap."""
    for mode, words in MODES.items():
        told = []
        for one in classes:
            for layer in one.layers:
                row = main_row(one, layer.layer, mode)
                if row and row.then and row.now and not _overlap(row.then, row.now):
                    told.append(f"{one.name} at {layer.layer}, {reading(row.then)} → {reading(row.now)}")
        if told:
            yield Finding(kind="changed", text=f"Pictures {words}, where intervals are apart: {_some(told, '; ')}.")


def _match(match: LayerMatch) -> Iterator[Finding]:
    if match.how == "none":
        text = f"{match.layer}: neurons cannot be matched, so core sets and edges are not compared: {match.reason}."
        yield Finding(kind="unknown", text=text)
    if match.how == "activations" and match.similarity is not None and match.null is not None:
        better = match.similarity > match.null[2]
        few = not match.pairs or len(match.pairs) / max(1, told_of(match)) <= 2 * max(match.chance or 0, 0.05)
        low, high = match.null[1:]
        text = (
            f"{match.layer}: {len(match.pairs)} of {_count(told_of(match), 'neuron')} have a counterpart; "
            f"mean similarity {match.similarity:.2f}, by chance {match.null[0]:.2f} ({low:.2f} to {high:.2f})."
        )
        if not better:
            text += " The match is no better than chance."
        elif few:
            text += " That is hardly a match: the networks prefer some of the same patches, and no more."
        yield Finding(kind="unknown" if not better or few else "changed", text=text)


def _cores(match: LayerMatch, classes: Sequence[ClassDiff]) -> Iterator[Finding]:
    layers = [(one, layer) for one in classes for layer in one.layers if layer.layer == match.layer]
    known = [(one, layer, layer.overlap) for one, layer in layers if layer.overlap is not None]
    if not known:
        return
    mean, chance = fmean(v for *_, v in known), [layer.chance for _, layer, _ in known if layer.chance is not None]
    if mean == 1:
        yield Finding(kind="same", text=f"{match.layer}: the core sets are the same in {_all(len(known))}.")
        return
    least = min(known, key=lambda one: one[2])
    told = f" (by chance {_percent(fmean(chance))})" if chance else ""
    text = f"{match.layer}: core sets have {_percent(mean)} in common on average{told}"
    if len(known) > 1:
        text += f", least in {least[0].name}, {_percent(least[2])}"
    yield Finding(kind="changed", text=f"{text}.{_moved([layer for _, layer, _ in known])}")


def _moved(layers: Sequence[LayerDiff]) -> str:
    moved = [layer.moved for layer in layers if layer.moved is not None]
    flow = [layer.flow for layer in layers if layer.flow is not None]
    told = []
    if moved:
        told.append(f"{_percent(fmean(moved))} of the logit goes through other groups")
    if flow:
        told.append(f"{_percent(fmean(flow))} of the flow goes along the same edges")
    return f" On average {', and '.join(told)}." if told else ""


def reading(found: Reading) -> str:
    """A share with its interval: "94% (91–96%)"."""
    if found.value is None:
        return "–"
    if found.low is None or found.high is None:
        return _percent(found.value)
    return f"{_percent(found.value)} ({100 * found.low:.0f}–{100 * found.high:.0f}%)"


def _overlap(a: Reading, b: Reading) -> bool:
    """Whether the intervals overlap, or one is not known."""
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return True
    return a.low <= b.high and b.low <= a.high


def _percent(share: float) -> str:
    if 0 < share < 0.005 or 0.995 <= share < 1:
        return "<1%" if share < 0.5 else ">99%"
    return f"{100 * share:.0f}%"


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _all(number: int) -> str:
    return "the class" if number == 1 else f"all {number} classes"


def _some(words: Sequence[str], between: str = ", ") -> str:
    more = f" and {len(words) - MOST} more" if len(words) > MOST else ""
    return between.join(words[:MOST]) + more
