"""Where the label stands in a picture's name: a template such as `{label}_#.*`.

`{label}` is what the label is, `#` all digits that stand there (at least one), `*` anything, also nothing; none of them
holds a `/`. The rest stands for itself. A template with a `/` is compared with the path below the root, else with the
file's name alone; the whole of it. spec/template.py says which templates there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from neurflow_report.images.names import composed

LABEL, DIGITS, ANYTHING = "{label}", "#", "*"
_DIGITS = frozenset("0123456789")


def _parts(template: str) -> list[str]:
    return [part for part in re.split(r"(\{label\}|[#*])", template) if part]


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A template in its parts."""

    parts: tuple[str, ...]
    whole: bool

    @staticmethod
    def of(template: str) -> Pattern:
        """The pattern of a template that has no problem."""
        return Pattern(parts=tuple(_parts(composed(template))), whole="/" in template)

    def labels(self, path: str) -> tuple[str, ...]:
        """Every label that the pattern can find in a path (with `/` between its parts), shortest first."""
        text = composed(path if self.whole else path.rpartition("/")[2])
        at = self.parts.index(LABEL)
        starts, ends = {0}, {len(text)}
        for part in self.parts[:at]:
            starts = {end for start in starts for end in _ends(part, text, start)}
        for part in reversed(self.parts[at + 1 :]):
            ends = {start for end in ends for start in _starts(part, text, end)}
        found = {text[start:end].strip() for start in starts for end in ends if "/" not in text[start:end]} - {""}
        return tuple(sorted(found, key=lambda label: (len(label), label)))


def _ends(part: str, text: str, start: int) -> set[int]:
    """Where a part that begins at `start` can end."""
    if part == ANYTHING:
        stop = text.find("/", start)
        return set(range(start, (len(text) if stop < 0 else stop) + 1))
    if part == DIGITS:
        end = start
        while end < len(text) and text[end] in _DIGITS:
            end += 1
        return {end} if end > start and (start == 0 or text[start - 1] not in _DIGITS) else set()
    return {start + len(part)} if text.startswith(part, start) else set()


def _starts(part: str, text: str, end: int) -> set[int]:
    """Where a part that ends at `end` can begin."""
    if part == ANYTHING:
        return set(range(text.rfind("/", 0, end) + 1, end + 1))
    if part == DIGITS:
        start = end
        while start and text[start - 1] in _DIGITS:
            start -= 1
        return {start} if start < end and (end == len(text) or text[end] not in _DIGITS) else set()
    return {end - len(part)} if text.endswith(part, 0, end) else set()
