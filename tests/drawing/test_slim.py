"""Slimmer HTML: the same tree for a browser, fewer bytes, and scripts and styles untouched."""

from __future__ import annotations

from time import process_time

import pytest
import tinyhtml5
from hypothesis import given, settings
from hypothesis import strategies as st

from neurflow_report.drawing.write.slim import slim


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
        ('<pre class="x">\na="b"  </pre>', '<pre class=x>\na="b"  </pre>'),
        ('<script>x = "<td>a</td><i id=\\"b\\">"</script>', '<script>x = "<td>a</td><i id=\\"b\\">"</script>'),
        ('<p data-a="x>y" data-b="z">id="t"', '<p data-a="x>y" data-b=z>id="t"'),
        ('<!-- <a id="b"> --><i id="c"></i>', '<!-- <a id="b"> --><i id=c></i>'),
        ('<a title=\'say x="1" to y="2" \' id="b">t</a>', '<a title=\'say x="1" to y="2" \' id=b>t</a>'),
        ('<a title="it\'s" alt=\'a > b="c" d\' id="b">t</a>', '<a title="it\'s" alt=\'a > b="c" d\' id=b>t</a>'),
        ('<A HREF="x.html" Class="b">t</A>', "<A HREF=x.html Class=b>t</A>"),
        ('<SCRIPT>x = "<td>a</td><i id="b">"</SCRIPT>', '<SCRIPT>x = "<td>a</td><i id="b">"</SCRIPT>'),
        ('<Style a="b"><b id="a">x</b></sTYLE><b id="c">', '<Style a="b"><b id="a">x</b></sTYLE><b id=c>'),
        ('<style a="</style>" b><i id="c"></style><b id="d">', '<style a="</style>" b><i id="c"></style><b id=d>'),
        ('<TABLE><TR><TH ID="a">a</TH><td>b</TD></tr></TABLE>', "<TABLE><TR><TH ID=a>a<td>b</tr></TABLE>"),
        ('<title>a <b id="c"></title><p id="d">', '<title>a <b id="c"></title><p id=d>'),
        ('<textarea><i id="a"></textarea>', '<textarea><i id="a"></textarea>'),
        ('<p a"b="c" d="e">t', '<p a"b=c d=e>t'),
        ('<p a=b"c d="e">t', '<p a=b"c d=e>t'),
        ('<p a = "b" c="d"e="f">t', '<p a = "b" c="d"e=f>t'),
        ('<p a="b>c</p><p d="e">t', '<p a="b>c</p><p d="e">t'),
        ('<p a="b" /><br c="d"/>', '<p a=b /><br c="d"/>'),
        ('<ddl><dd-x><dl><dt>a</dt><dd-y id="b"></dd-y></dl>', "<ddl><dd-x><dl><dt>a</dt><dd-y id=b></dd-y></dl>"),
        ('<prefix id="a"><i id="b"></i></prefix>', "<prefix id=a><i id=b></i></prefix>"),
        ('1 < 2 and "3" > <i id="b">', '1 < 2 and "3" > <i id=b>'),
        (
            '<svg><title>a</title><![CDATA[<i id="b">]]><use x="1"/><g y="2"></g></svg>',
            '<svg><title>a</title><![CDATA[<i id="b">]]><use x="1"/><g y=2></g></svg>',
        ),
        ('<!-- <a id="b">', '<!-- <a id="b">'),
        ('<script><a id="b">', '<script><a id="b">'),
    ],
)
def test_what_goes_and_what_stays(html: str, slimmer: str) -> None:
    assert slim(html) == slimmer
    assert tree(slimmer) == tree(html)


MARKS = ["<", ">", "/", "=", '"', "'", " ", "\n", "a", "id", "</", "!", "-", "`", "<!--", "-->", "<SCRIPT", "script"]
PIECES = [
    *MARKS,
    "<i ",
    "<b>",
    "</b>",
    "<p>",
    "</p>",
    'id="a"',
    "id='a b'",
    "x=1",
    '<p a="b">',
    "<svg>",
    "</PRE>",
    "<title>",
]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
def test_whatever_a_template_writes_the_tree_stays(html: str) -> None:
    assert tree(slim(html)) == tree(html)


def test_a_page_of_a_megabyte_takes_no_time_worth_telling() -> None:
    html = '<a href="x.html#p1" class="b2" title=\'a "b" c\'>t</a>' * 20_000 + "<p " + 'a="b" ' * 20_000
    started = process_time()
    slim(html)
    assert process_time() - started < 5
