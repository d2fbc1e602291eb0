"""Slimmer HTML: the same tree for a browser, fewer bytes, and scripts, styles and set text untouched."""

from __future__ import annotations

import pytest
import tinyhtml5

from neurflow_report.drawing.slim import slim


def tree(html: str) -> list[tuple[object, ...]]:
    """Every element that a browser would make, in order: name, attributes, text within and behind."""
    return [
        (e.tag, dict(e.attrib), e.text, e.tail) for e in tinyhtml5.parse(html, namespace_html_elements=False).iter()
    ]


@pytest.mark.parametrize(
    ("html", "slimmer"),
    [
        ('<a href="x.html#p1" class="b2">t</a>', "<a href=x.html#p1 class=b2>t</a>"),
        ('<img alt="patch 7" src="7.webp">', '<img alt="patch 7" src=7.webp>'),
        ('<p title="" id="a">t', '<p title="" id=a>t'),
        ('<a title="a=b" href="?q=1">t</a>', '<a title="a=b" href="?q=1">t</a>'),
        ('<svg viewBox="0 0 1 1"><use x="1" href="#a"/></svg>', '<svg viewBox="0 0 1 1"><use x=1 href="#a"/></svg>'),
        ("<table><tr><th>a</th><td>b</td></tr></table>", "<table><tr><th>a<td>b</tr></table>"),
        ("<table><tr><td>a</td> <td>b</td>\n</tr></table>", "<table><tr><td>a</td> <td>b</td>\n</tr></table>"),
        ("<dl><div><dt>a</dt><dd>b</dd></div></dl>", "<dl><div><dt>a<dd>b</div></dl>"),
        ('<pre class="x">a="b"</pre>', '<pre class="x">a="b"</pre>'),
        ('<script>x = "<td>a</td><i id=\\"b\\">"</script>', '<script>x = "<td>a</td><i id=\\"b\\">"</script>'),
        ('<p data-a="x>y" data-b="z">id="t"', '<p data-a="x>y" data-b=z>id="t"'),
        ('<!-- <a id="b"> --><i id="c"></i>', '<!-- <a id="b"> --><i id=c></i>'),
    ],
)
def test_what_goes_and_what_stays(html: str, slimmer: str) -> None:
    assert slim(html) == slimmer
    assert tree(slimmer) == tree(html)
