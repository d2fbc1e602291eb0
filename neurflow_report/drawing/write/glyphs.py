"""Characters that no font of this machine has, which are empty boxes in print: which, and what brings a font."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

SHOWN = 4
"""Characters of a kind that are named one by one."""
_UNKNOWN = re.compile(r"\.notdef glyph rendered.*\(U\+([0-9A-F]+)\)$", re.DOTALL)
_EAST = {"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "FULLWIDTH", "HALFWIDTH", "KANGXI"}
_EMOJI = (range(0x2600, 0x27C0), range(0x1F000, 0x1FB00))


def boxed(message: str) -> str:
    """The character that WeasyPrint says it has drawn a box for, or "" where the message is about something else."""
    found = _UNKNOWN.search(message)
    return chr(int(found[1], 16)) if found else ""


def boxes_note(characters: Iterable[str], where: str = "the PDF") -> str:
    """What to tell of the characters that are boxes, and Debian's packages that have fonts for them; "" for none. In
    ASCII: where a font lacks them, a terminal may, too."""
    kinds: dict[tuple[str, str], list[str]] = defaultdict(list)
    for character in sorted(set(characters)):
        kinds[_kind(character)].append(f"U+{ord(character):04X}")
    if not kinds:
        return ""
    number = sum(map(len, kinds.values()))
    have = "1 character, which is an empty box" if number == 1 else f"{number} characters, which are empty boxes"
    said = f"no font of this machine has {have} in {where}: "
    said += "; ".join(f"{kind} ({_some(codes)})" for (kind, _), codes in kinds.items())
    packages = list(dict.fromkeys(package for _, package in kinds if package))
    if not packages:
        return f"{said}."
    them = "it" if number == 1 else "them"
    return f"{said}. Install a font for {them} (Debian: {', '.join(packages)}) and draw {where} again."


def _some(codes: list[str]) -> str:
    more = len(codes) - SHOWN
    return ", ".join(codes[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _kind(character: str) -> tuple[str, str]:
    """A character's script in words, by its name in Unicode, and the package; "" where there can be none."""
    name = unicodedata.name(character, "")
    if not name:
        return "without a meaning in Unicode", ""
    if re.split(r"[ -]", name)[0] in _EAST:
        return "Chinese, Japanese or Korean", "fonts-noto-cjk"
    if any(ord(character) in part for part in _EMOJI):
        return "emoji", "fonts-noto-color-emoji"
    if unicodedata.category(character)[0] in "LM":
        return name.split()[0].capitalize(), "fonts-noto-core"
    return "signs", "fonts-noto-core"
