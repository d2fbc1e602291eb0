"""What a neuron group is called, and which of its patches are shown first (METHOD §3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor

from neurflow_report.drawing.view.model.numbers import count, percent
from neurflow_report.results.records import GroupLabel, NeuronGroup

MOST, SOME = 0.6, 0.3
"""The coverage from which a part names a group alone, and from which the two commonest parts name it together."""
MIXED = "mixed"


@dataclass(frozen=True, kw_only=True)
class Name:
    """A group's name, "" for none. `note`: how many of its patches show it, and how many would by chance, or how its
    label does in its test; "" where the name was given by hand."""

    text: str
    note: str = ""


def name_of(group: NeuronGroup, given: str = "", label: GroupLabel | None = None) -> Name:
    """The name `given` by hand; else what the patches show: one part from 60%, two from 30%, under that "mixed"; where
    nobody knows what they show, a label that holds."""
    if given:
        return Name(text=given)
    a = group.agreement
    if a is None:
        return Name(text=label.text, note=told_apart(label)) if label is not None and label.holds else Name(text="")
    known = a.commonest or ((a.part, a.purity, a.chance),)
    told = [f"{percent(share)} {part} (by chance {percent(chance)})" for part, share, chance in known]
    note = f"of {count(a.n, 'patch', 'patches')}, {' and '.join(told)}"
    if known[0][1] >= MOST:
        return Name(text=known[0][0], note=f"of {count(a.n, 'patch', 'patches')}, {told[0]}")
    return Name(text=" / ".join(part for part, _, _ in known) if known[0][1] >= SOME else MIXED, note=note)


def told_apart(label: GroupLabel) -> str:
    """ "of 19 pictures held out, told from other groups in 92% of choices (their labels 31%, the class's name 48%)"."""
    beside = [f"their labels {percent(label.null)}"] if label.null is not None else []
    beside += [f"the class's name {percent(label.baseline)}"] if label.baseline is not None else []
    versus = f" ({', '.join(beside)})" if beside else ""
    share = percent(label.choice or 0.0)
    return f"of {count(label.pictures, 'picture')} held out, told from other groups in {share} of choices{versus}"


def proportional(parts: Mapping[int, float], own: Mapping[int, Sequence[int]], most: int) -> tuple[int, ...]:
    """`most` patches in proportion to `parts` by largest remainder: those of the largest part first, each once.

    Args:
        parts: by channel, ≥ 0, the largest first; all 0 counts as equal.
        own: by channel, its patches in their order.
    """
    whole = sum(parts.values())
    quota = {c: most * (part / whole if whole else 1 / len(parts)) for c, part in parts.items()}
    seats = {c: floor(q) for c, q in quota.items()}
    rest = sorted(quota, key=lambda c: (seats[c] - quota[c], -parts[c]))
    for c in rest[: most - sum(seats.values())]:
        seats[c] += 1
    found = dict[int, int]()
    for c in parts:
        fresh = [p for p in own[c] if p not in found]
        found.update(dict.fromkeys(fresh[: seats[c]], c))
    for c in parts:  # a neuron that has fewer patches than its seats leaves them to the others
        for p in own[c]:
            if len(found) < most:
                found.setdefault(p, c)
    return tuple(found)
