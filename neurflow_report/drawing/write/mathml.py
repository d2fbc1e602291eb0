"""Formulas of the method's page as MathML, from the plain text that print and the page's data have."""

from __future__ import annotations

import re

from markupsafe import Markup

NONE = Markup("")

_TOKENS = re.compile(
    r"(?P<mean>mean over (?P<of>[^|Σ]+?) of )|(?P<integral>∫₀¹)|(?P<sum>Σ)(?:_(?P<index>\w))?"
    r"|(?P<part>∂[^\s/]+/∂\w(?:_\w)?)|\s*(?P<name>[a-z]{2,})(?=\()|(?P<words>\s?[a-z]{2,}(?: a(?= )| [a-z]{2,})*\s?)"
    r"|(?P<letter>[^\W\d_]\u0304?)(?:_(?P<sub>\w))?|(?P<number>\d+)|(?P<sign>[^\s\w])|(?P<blank>\s+)"
)


def mathml(text: str) -> Markup:
    """A formula for each part between commas and three blanks, with sums and means over their indices, and with what
    stands on both sides of " / " as a fraction."""
    return NONE.join(_formula(one) for one in re.split(r",\s{2,}", text))


def _formula(text: str) -> Markup:
    sides = [_side(side) for side in text.split(" = ", 1)]
    return _tag("math", _op("=").join(sides), Markup(' display="block"'))


def _side(text: str) -> Markup:
    parts = text.split(" / ")
    if len(parts) == 2:
        return _tag("mfrac", NONE.join(_row(_bare(part)) for part in parts))
    return _row(text)


def _bare(text: str) -> str:
    """Without the brackets around all of it."""
    return text[1:-1] if re.fullmatch(r"\([^()]*\)", text) else text


def _row(text: str) -> Markup:
    return _tag("mrow", NONE.join(_token(found) for found in _TOKENS.finditer(text)))


def _token(found: re.Match[str]) -> Markup:
    if found["mean"]:
        return _tag("munder", _tag("mo", "mean") + _row(found["of"]))
    if found["integral"]:
        return _tag("msubsup", _op("∫") + _tag("mn", "0") + _tag("mn", "1"))
    if found["sum"]:
        return _tag("munder", _op("∑") + _tag("mi", found["index"])) if found["index"] else _op("∑")
    if found["part"]:
        return _tag("mfrac", NONE.join(_row(part) for part in found["part"].split("/")))
    if found["name"]:
        return _tag("mi", found["name"])
    if found["words"]:
        return _tag("mtext", found["words"].replace(" ", "\u00a0"))
    if found["letter"]:
        letter = _tag("mi", found["letter"])
        return _tag("msub", letter + _tag("mi", found["sub"])) if found["sub"] else letter
    if found["number"]:
        return _tag("mn", found["number"])
    return _op(found["sign"]) if found["sign"] else NONE


def _op(sign: str) -> Markup:
    looks = {"|": ' stretchy="false" lspace="0" rspace="0"', "(": ' stretchy="false"', ")": ' stretchy="false"'}
    return _tag("mo", sign, Markup(looks.get(sign, "")))  # noqa: S704 one of these three


def _tag(name: str, inside: str, look: Markup = NONE) -> Markup:
    return Markup("<{0}{1}>{2}</{0}>").format(name, look, inside)
