"""Which templates `data.label_pattern` may be: what images/pattern.py reads in one way, or tells where it cannot."""

from __future__ import annotations

import re
from itertools import pairwise

LABEL, DIGITS, ANYTHING = "{label}", "#", "*"
LONGEST = 200


def problem_of(template: str) -> str:
    """What is wrong with a template, "" where nothing is."""
    parts = [part for part in re.split(r"(\{label\}|[#*])", template) if part]
    if len(template) > LONGEST:
        return f"found {len(template)} characters, expected at most {LONGEST}"
    if parts.count(LABEL) != 1:
        return f"found {template!r}, expected {LABEL} in it once, such as '{LABEL}_#.*'"
    if set("{}") & set("".join(part for part in parts if part != LABEL)):
        return f"found {template!r}, expected no braces but those of {LABEL}"
    for one, other in pairwise(parts):
        if ANYTHING in (one, other) and {one, other} <= {LABEL, ANYTHING, DIGITS}:
            return f"found {one + other!r} in it, expected something between the two: where one ends cannot be told"
    return ""
