"""Conditions on a comparison's figures: `core_overlap < 0.8`, `min(core_overlap[bee]) < 0.5`, `classes_lost > 0`.

condition := term op number
term      := figure | ("min" | "mean" | "max") "(" figure ")"
figure    := name [ "[" class | layer | class "/" layer | "*" "/" layer "]" ]
op        := "<" | "<=" | ">" | ">=" | "==" | "!="
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from neurflow_report.comparison.figures import FIGURES, Place, Scope, Values, flat
from neurflow_report.errors import CheckError, InputError, did_you_mean

OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
OVER: Mapping[str, Callable[[Sequence[float]], float]] = {"min": min, "mean": fmean, "max": max}
SELECTS: Mapping[Scope, str] = {
    "bundle": "it is of the whole, and takes no [ ]",
    "layer": "it is of a layer: [layer3]",
    "class": "it is of a class: [bee]",
    "class/layer": "it is of a layer of a class: [bee], [bee/layer3] or [*/layer3]",
}
MOST_TOLD = 5
NOTHING = "`diff` says what could not be compared, and why"
_WORD = re.compile(r"[A-Za-z_](?:[A-Za-z_]|-(?=[A-Za-z]))*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?")
_OPERATOR = re.compile("|".join(map(re.escape, OPERATORS)))
_SELECTOR = re.compile(r"\[([^\[\]]*)\]")
_SPACE = re.compile(r"[ \t]*")


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A condition as it was read; `text` is how it was written, `at` the column of its selector."""

    text: str
    over: str
    figure: str
    selector: str | None
    op: str
    number: float
    at: int = 0

    def __str__(self) -> str:
        """The condition in its one spelling."""
        chosen = self.figure if self.selector is None else f"{self.figure}[{self.selector}]"
        return f"{self.over}({chosen})" * bool(self.over) + chosen * (not self.over) + f" {self.op} {self.number!r}"


class _Reader:
    """A place in a condition's text."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0
        self.take(_SPACE)

    def take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
            if pattern is not _SPACE:
                self.at = self.at + len(_SPACE.match(self.text, self.at)[0])  # type: ignore[index]  # it matches nothing, too
        return found

    def mark(self, mark: str) -> bool:
        return self.take(re.compile(re.escape(mark))) is not None

    def wrong(self, expected: str, hint: str, at: int | None = None) -> InputError:
        at = self.at if at is None else at
        rest = self.text[at : at + 20].strip()
        found = repr(rest) if rest else "the end"
        return bad(self.text, at, f"found {found}, expected {expected}", hint)


def bad(text: str, at: int, message: str, hint: str) -> InputError:
    """The error of a condition, at a column of it that counts from 0."""
    return InputError("condition-bad", f"the condition {text!r}, character {at + 1}: {message}", hint=hint)


LISTED = "`diff --figures` lists all, with what they mean"
FORM = f"write <figure> <op> <number>, as core_overlap < 0.8 or min(core_overlap[bee]) < 0.5; {LISTED}"
FIRST = "the figure comes first: core_overlap < 0.8"
ALONE = (
    "a figure is compared with a number, not with another figure: there are core_overlap_excess, match_excess and such"
)
SHARES = "shares are numbers from 0 to 1: 0.8 is 80%"


def parse(text: str) -> Condition:
    """Read a condition.

    Raises: InputError condition-bad, with the character and what exists.
    """
    reader, over = _Reader(text), ""
    begun = reader.at
    name = reader.take(_WORD)
    if name is None:
        raise reader.wrong("a figure", FIRST if _NUMBER.match(text, begun) else FORM)
    if reader.mark("("):
        over = name[0]
        if over not in OVER:
            near = did_you_mean(over, OVER)
            raise reader.wrong("min, mean or max before the bracket", f"{near + ' ' if near else ''}{FORM}", begun)
        begun = reader.at
        name = reader.take(_WORD)
        if name is None:
            raise reader.wrong("a figure", FORM)
    if name[0] not in FIGURES:
        near = did_you_mean(name[0].replace("-", "_"), FIGURES)
        message = f"there is no figure {name[0]!r}"
        raise bad(text, begun, message, f"{near} {LISTED}" if near else f"the figures are {', '.join(FIGURES)}")
    at = reader.at
    selector = reader.take(_SELECTOR)
    if selector is not None:
        _check_selector(text, at, FIGURES[name[0]].scope, selector[1].strip())
    if over and not reader.mark(")"):
        raise reader.wrong("a closing bracket", FORM)
    op = reader.take(_OPERATOR)
    if op is None:
        near = "did you mean '=='? " if text[reader.at : reader.at + 1] == "=" else ""
        raise reader.wrong(f"one of {' '.join(OPERATORS)}", f"{near}{FORM}")
    number = reader.take(_NUMBER)
    if number is None:
        other = _WORD.match(text, reader.at)
        raise reader.wrong("a number", ALONE if other is not None and other[0] in FIGURES else FORM)
    if reader.at < len(text):
        percent = text[reader.at] == "%"
        raise reader.wrong("nothing more", SHARES if percent else "give --fail-if once for each condition")
    if abs(value := float(number[0])) == float("inf"):
        raise bad(text, number.start(), f"{number[0]} is too large", FORM)
    return Condition(
        text=text, over=over, figure=name[0], selector=None if selector is None else selector[1].strip(), op=op[0],
        number=value, at=at,
    )  # fmt: skip


def _check_selector(text: str, at: int, scope: Scope, selector: str) -> None:
    fits = {"bundle": False, "layer": True, "class": "/" not in selector, "class/layer": True}[scope]
    if not fits or not selector:
        raise bad(text, at, f"found [{selector}], which this figure cannot have", SELECTS[scope])


def chosen(condition: Condition, values: Values, classes: Mapping[str, str]) -> dict[Place, float]:
    """The values that a condition is about.

    Args: classes: the names of the compared classes by their slugs.
    Raises: InputError condition-bad where there is none: a condition on nothing would never be met.
    """
    found = {place: v for place, v in values[condition.figure].items() if _is_chosen(condition, place, classes)}
    if not found:
        there = list(flat({condition.figure: values[condition.figure]}))
        which = f" at [{condition.selector}]" if condition.selector is not None else ""
        more = f" and {len(there) - MOST_TOLD} more" if len(there) > MOST_TOLD else ""
        hint = f"there are {', '.join(there[:MOST_TOLD])}{more}" if there else NOTHING
        near = did_you_mean(condition.selector or "", _selectors(condition.figure, values, classes))
        hint = f"{near} {hint}" if near else hint
        where = condition.at if condition.selector is not None else 0
        raise bad(condition.text, where, f"{condition.figure} has no value{which} in this comparison", hint)
    return found


def _selectors(figure: str, values: Values, classes: Mapping[str, str]) -> list[str]:
    """What may stand in a figure's brackets in this comparison."""
    found = list[str]()
    for place in values[figure]:
        names = dict.fromkeys((classes.get(place.slug, place.slug), place.slug)) if place.slug else {}
        if FIGURES[figure].scope == "class/layer":
            found += [*names, *(f"{name}/{place.layer}" for name in names), f"*/{place.layer}"]
        else:
            found += names or [place.layer]
    return list(dict.fromkeys(found))


def _is_chosen(condition: Condition, place: Place, classes: Mapping[str, str]) -> bool:
    if condition.selector is None:
        return True
    if FIGURES[condition.figure].scope == "layer":
        return place.layer == condition.selector
    names = {place.slug, classes.get(place.slug, place.slug)}
    if condition.selector in names:
        return True
    return any(condition.selector == f"{name}/{place.layer}" for name in (*names, "*") if place.layer)


def met(condition: Condition, values: Values, classes: Mapping[str, str]) -> CheckError | None:
    """The error of a condition that is met, with where; None where it is not met.

    Raises: InputError condition-bad.
    """
    found, holds = chosen(condition, values, classes), OPERATORS[condition.op]
    if condition.over:
        value = OVER[condition.over](list(found.values()))
        told = f"it is {value:.4g} over {len(found)} {'value' if len(found) == 1 else 'values'}"
        if not holds(value, condition.number):
            return None
    else:
        where = sorted(
            ((v, str(p)) for p, v in found.items() if holds(v, condition.number)),
            key=lambda one: (one[0] if condition.op.startswith("<") else -one[0], one[1]),
        )
        if not where:
            return None
        told = ", ".join(f"{v:.4g} at {p}" if p else f"it is {v:.4g}" for v, p in where[:MOST_TOLD])
        told += f" and {len(where) - MOST_TOLD} more" if len(where) > MOST_TOLD else ""
    return CheckError(
        "condition-met",
        f"{condition.text.strip()}: {told}",
        hint="look at the comparison: `diff` with --output draws it",
    )
