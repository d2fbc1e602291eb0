"""HTML with fewer bytes that means the same: no quotes where none are needed, no end tags that the next tag implies.

What a browser makes of it is the same tree, blank for blank: so no blank is taken away or comes to stand elsewhere
(docs/adr/0013). Tags and attributes are read as the HTML standard reads them (§13.2.5): a quotation mark means
something after an equals sign alone, and the one that opened a value closes it. So a user's template may write as it
likes, as long as its elements nest.
"""

from __future__ import annotations

import re

_VALUE = r"""(?:"[^"]*"|'[^']*'|[^\s"'>][^\s>]*)"""
_ATTRIBUTE = rf"[^\s/>][^\s/>=]*(?:\s*=\s*{_VALUE})?"
_REST = rf"(?:[\s/]+|{_ATTRIBUTE})*+>"
_RAW = "script|style|textarea|title|iframe|noembed|noframes|noscript|xmp"
_KEPT = (
    r"<!--(?:-?>|.*?(?:--!?>|\Z))|<!\[CDATA\[.*?\]\]>|<(?:[!?]|/(?![a-z]))[^>]*>"
    rf"|<({_RAW})(?=[\s/>]){_REST}.*?(?:</\1(?=[\s/>])|\Z)|<plaintext(?=[\s/>]){_REST}.*"
)
_IMPLIED = r"</t[dh]>(?=<t[dh][\s>]|</tr>)|</dt>(?=<dd[\s>])|</dd>(?=<d[dt][\s>]|</div>|</dl>)"
_PARTS = re.compile(rf"{_KEPT}|(?P<implied>{_IMPLIED})|(?P<tag></?[a-z][^\s/>]*{_REST})", flags=re.S | re.I)
_QUOTED = re.compile(
    rf"""\A</?[^\s/>]+|(?P<name>[^\s/>][^\s/>=]*=)"(?P<bare>[^\s"'=<>`]+)"(?=[\s>])|{_ATTRIBUTE}""", flags=re.S | re.I
)


def slim(html: str) -> str:
    """The same page; what is no markup (scripts, styles, comments) stays as it is."""
    return _PARTS.sub(_slimmer, html)


def _slimmer(found: re.Match[str]) -> str:
    if found["implied"]:
        return ""
    return _QUOTED.sub(_unquoted, found["tag"]) if found["tag"] else found[0]


def _unquoted(found: re.Match[str]) -> str:
    return found["name"] + found["bare"] if found["bare"] else found[0]
