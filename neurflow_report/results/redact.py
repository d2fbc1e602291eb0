"""Free text without the paths of the machine it was written on: what a bundle must not give away."""

from __future__ import annotations

import re

_PART = r"[^\s/\\'\"`<>|:;,*?]+"
_SPACED = rf"{_PART}(?:[ ]{_PART})*"
_URL = r"\b(?!file:)[A-Za-z][A-Za-z0-9+.-]+://[^\s/'\"]\S*"
_ROOT = r"(?:\bfile:/{2,3}|(?<![\w.…/\\%])(?:~[\w.-]*[/\\]|/|\\\\(?=\w)|\\\\\?\\)|(?<![\w])[A-Za-z]:[/\\]+)"
_QUOTED = r"(?P<quote>['\"`])(?:~[\w.-]*[/\\]|/|\\\\|[A-Za-z]:[/\\])(?P<inside>[^'\"`\n]*)(?P=quote)"
_BARE = rf"{_ROOT}(?:[A-Za-z]:[/\\]+)?(?:{_SPACED}[/\\]+)*{_PART}[/\\]*"
_PATH = re.compile(rf"(?P<url>{_URL})|{_QUOTED}|(?P<bare>{_BARE})")
_HOME = re.compile(
    r"(?:file://)?(?:/home/[^/\\]+|/Users/[^/\\]+|/root|~[\w.-]*|(?:\\\\\?\\)?[A-Za-z]:[/\\]+Users[/\\]+[^/\\]+)[/\\]*"
)


def without_paths(text: str) -> str:
    """`text` with every absolute path shortened to `…/` and its last part, and a bare home directory to `~`.

    POSIX and Windows paths, `~/…`, `\\\\server\\share` and file: URLs count; other URLs and relative paths stay.
    A space ends a path, unless a further separator shows that it goes on, or the path is quoted. Idempotent.
    """
    while (shorter := _PATH.sub(_short, text)) != text:  # what a path is cut to may end in another one's beginning
        text = shorter
    return text


def _short(match: re.Match[str]) -> str:
    if match["url"]:
        return match["url"]
    quote = match["quote"] or ""
    path = match[0][1:-1] if quote else match[0]
    if _HOME.fullmatch(path):
        return f"{quote}~{quote}"
    last = re.split(r"[/\\]+", path.rstrip("/\\"))[-1]
    return f"{quote}…/{last}{quote}" if last else match[0]
