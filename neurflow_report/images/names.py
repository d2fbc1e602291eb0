"""When two names of classes are the same.

They are compared in Unicode's NFC, without regard to case, `_` and spaces being equal; ImageNet folders
(n02111889_Samoyed) also by what follows the synset number; a name with commas (tabby, tabby cat) also by each of its
parts, where no whole name says more. Where several are then equal (ImageNet's Cardigan, a dog, and cardigan), the case
decides.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence


def composed(name: str) -> str:
    """A name as it is compared and shown: é is one letter, however a file system writes it."""
    return unicodedata.normalize("NFC", name)


def spellings(name: str) -> set[str]:
    """The forms of a name that count as equal, its parts among them."""
    return {composed(form.casefold()) for form in _exact(name) | _parts(name)}


def _whole(name: str) -> set[str]:
    return {composed(form.casefold()) for form in _exact(name)}


def _exact(name: str) -> set[str]:
    """Those in which upper and lower case are told apart."""
    plain = re.sub(r"[_\s]+", " ", composed(name)).strip()
    return {plain, re.sub(r"^n\d{8} ", "", plain)}


def _parts(name: str) -> set[str]:
    return {form for part in name.split(",") for form in _exact(part) if form} if "," in name else set()


def all_matches(names: Sequence[str], others: Sequence[str]) -> list[list[int]]:
    """For each of `names` the places in `others` that have it, ascending: as a whole, else as a part; where there are
    several, those in the same case, if any are."""
    whole, any_form = _places(others, _whole), _places(others, spellings)

    def found(name: str) -> list[int]:
        exact = _those(whole, _whole(name))
        those = exact or sorted({*_those(any_form, _whole(name)), *_those(whole, spellings(name))})
        same = [i for i in those if _exact(name) & _exact(others[i])] if len(those) > 1 else []
        return same or those

    return [found(name) for name in names]


def _places(names: Sequence[str], forms: Callable[[str], set[str]]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        for form in forms(name):
            places.setdefault(form, []).append(place)
    return places


def _those(places: dict[str, list[int]], forms: set[str]) -> list[int]:
    return sorted({place for form in forms for place in places.get(form, ())})


def matches(name: str, others: Sequence[str]) -> list[int]:
    """The places in `others` that have one name."""
    return all_matches([name], others)[0]


def some(told: Sequence[str], most: int = 3) -> str:
    """The first few, with commas between them."""
    return ", ".join(told[:most]) + (", …" if len(told) > most else "")
