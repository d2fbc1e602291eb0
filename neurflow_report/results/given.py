"""What a user gives a report: names by hand for neuron groups and neurons, and the address of its site."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from neurflow_report.results.records import ClassResult, GivenName

CODE = re.compile(r"[Gn](?:0|[1-9][0-9]{0,8})")
"""A neuron group, as G3, or a neuron, as n12."""
LONGEST = 60
"""Characters of a name by hand, at most: it stands on cards."""
SHOWN = 3
_ODD = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def odd_name(text: str) -> str:
    """Why a text is no name, or ""."""
    if not text.strip():
        return "found nothing, expected a name"
    if len(text) > LONGEST:
        return f"found {len(text)} characters, expected {LONGEST} at most"
    odd = next((c for c in text if unicodedata.category(c) in _ODD or c in _TURNS), "")
    return f"found the character U+{ord(odd):04X}, which no name may hold" if odd else ""


def is_address(text: str) -> bool:
    """Whether a text is the address of a folder on the web."""
    return re.fullmatch(r"https?://[^\s\"'<>?#\\]+/", text) is not None


def missing(names: Iterable[GivenName], classes: Sequence[ClassResult]) -> tuple[GivenName, ...]:
    """The names of groups and neurons that are not there."""
    known = {
        (result.slug, layer.name, code)
        for result in classes
        for layer in result.layers
        for code in (*(f"G{g.index}" for g in layer.groups), *(f"n{a.channel}" for a in layer.neurons))
    }
    return tuple(one for one in names if (one.slug, one.layer, one.code) not in known)


def missing_told(names: Sequence[GivenName]) -> str:
    """What to say of names for what is not there."""
    told = [f"{one.text!r} ({one.slug} {one.layer} {one.code})" for one in names[:SHOWN]]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    what = "a name stands for a group or neuron that is" if len(names) == 1 else "names stand for what is"
    return f"{what} not in the circuit, and left out: {', '.join(told)}{more}"
