"""A user's directory of templates: it can do no more than set pages, leads nowhere else, and its faults are told."""

from __future__ import annotations

import os
import pickle
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from jinja2.environment import Template
from jinja2.sandbox import SecurityError

from neurflow_report.drawing.view import SiteView
from neurflow_report.drawing.write.html import box_names, page_html
from neurflow_report.drawing.write.pdf import print_files, print_html
from neurflow_report.drawing.write.sandbox import Sandbox, _names
from neurflow_report.drawing.write.single_file import single_html
from neurflow_report.drawing.write.site import render_site, site_medium
from neurflow_report.drawing.write.templates import (
    check_templates,
    static_files,
    template_environment,
    template_problems,
)
from neurflow_report.errors import InputError, RunError
from neurflow_report.results.bundle import Bundle


@pytest.fixture
def own(tmp_path: Path) -> Path:
    for folder in ("site", "print", "brand", "static"):
        (tmp_path / "own" / folder).mkdir(parents=True)
    return tmp_path / "own"


def drawn(view: SiteView, own: Path, template: str | bytes = "") -> str:
    """The class's page by a template of the user's."""
    data = template.encode() if isinstance(template, str) else template
    (own / "site" / "class.html").write_bytes(data)
    with template_problems(own):
        medium = site_medium(view.classes[0].path, dict.fromkeys(view.pictures, ""))  # type: ignore[arg-type]
        return page_html(template_environment(own), view, view.classes[0], medium)


def told(view: SiteView, own: Path, template: str | bytes) -> str:
    with pytest.raises(InputError) as caught:
        drawn(view, own, template)
    assert caught.value.slug == "template-broken"
    return f"{caught.value.where}: {caught.value.message}"


ESCAPES = (
    "lipsum.__globals__['os'].popen('touch {file}').read()",
    "cycler.__init__.__globals__.os.popen('touch {file}').read()",
    "url.__globals__",
    "url['__glo' ~ 'bals__']",
    "url|attr('__globals__')",
    "url.__closure__[0].cell_contents",
    "site.__class__.__init__.__globals__",
    "''.__class__.__mro__[1].__subclasses__()",
    "site.pages().gi_frame.f_globals",
    "site.pages",
    "self._TemplateReference__context",
    "self.__init__.__globals__",
    "namespace.__init__.__globals__",
    "dict.mro()",
    "'{{0.__class__}}'.format(site)",
    "'{{0.__class__}}'|safe|attr('format')",
    "'{{x.__init__.__globals__}}'.format_map({{'x': site}})",
    "('{{0.__class__}}'|escape).format(url)",
    "[site]|map(attribute='__class__')|list",
    "[url]|map('attr', '__globals__')|map('string')|list",
    "[site]|groupby('__class__')",
    "page.plot.rows[0].parse_raw",
    "page.plot.rows[0].parse_file('{file}')",
    "page.plot.rows[0].model_construct",
    "page.plot.rows[0]['model_fields']",
    "[page.plot.rows[0]]|map(attribute='copy')|list",
    "parts._body_stream",
    "page.path.__len__()",
)


@pytest.mark.parametrize("escape", ESCAPES)
def test_a_template_reaches_nothing_but_what_it_is_given(
    view: SiteView, own: Path, tmp_path: Path, escape: str
) -> None:
    file = tmp_path / "touched"
    template = "{% import 'site/parts.html' as parts with context %}\n{{ (X)|string }}"
    shown = outcome(view, own, template.replace("X", escape.format(file=file)))
    if shown.startswith("own/site/class.html:2:1: "):
        assert re.search(r"unsafe|undefined|no attribute|no element", shown)
    else:  # nothing, or a formatter that is the sandbox's own
        assert re.search(r"\[Undefined\]|\[\(Undefined,|<function .*format", unescape(shown))
    assert not file.exists()


def outcome(view: SiteView, own: Path, template: str) -> str:
    """What is drawn, or the error."""
    try:
        return drawn(view, own, template)
    except InputError as error:
        return f"{error.where}: {error.message}"


def test_a_record_of_pydantic_s_would_unpickle(view: SiteView, own: Path, tmp_path: Path) -> None:
    """What a record has beside its fields reads files, and unpickles: a real payload, which without the rule runs."""
    payload = tmp_path / "payload"
    payload.write_bytes(pickle.dumps(Run(str(tmp_path / "ran"))))
    call = f"page.plot.rows[0].parse_file('{payload}', proto='pickle', allow_pickle=true)"
    assert told(view, own, "{{ " + call + " }}") == (
        "own/site/class.html:1:1: the template cannot be used: access to attribute 'parse_file' of 'Masking' object "
        "is unsafe."
    )
    assert not (tmp_path / "ran").exists()


class Run:
    def __init__(self, file: str) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (self.file,)


def test_page_data_shows_its_fields_and_properties_alone(view: SiteView) -> None:
    assert {"title", "classes", "layers"} <= (_names(SiteView) or set())
    assert not {"pages", "plots", "circuits"} & (_names(SiteView) or set())
    assert "across" in (_names(type(view.classes[0].layers[0].groups[0].card)) or ())
    assert _names(type(view.classes[0].plot.rows[0])) == frozenset(type(view.classes[0].plot.rows[0]).model_fields)  # type: ignore[union-attr]
    for kind in (type, type(len), type(lambda: 0), type(os), type(x for x in ""), Path, Template, property):
        assert _names(kind) == frozenset()


def test_lists_are_not_changed_and_namespaces_are(view: SiteView, own: Path) -> None:
    assert "is unsafe" in told(view, own, "{% set l = [] %}{{ l.append(1) }}")
    counted = "{% set n = namespace(a=0) %}{% for x in [1, 2] %}{% set n.a = n.a + x %}{% endfor %}{{ n.a }}"
    assert drawn(view, own, counted) == "3"


@pytest.mark.parametrize(
    "template",
    ["{% for x in range(100001) %}{% endfor %}", "{{ 9**9**9 }}", "{{ 'x' * 10**9 }}", "{{ 10**6 * [1, 2] }}"],
)
def test_what_could_not_be_ended_is_not_begun(view: SiteView, own: Path, template: str) -> None:
    assert "too large" in told(view, own, template) or "Range too big" in told(view, own, template)


def test_products_and_powers_of_usual_size_are_made(view: SiteView, own: Path) -> None:
    assert drawn(view, own, "{{ 2**10 * 3 }} {{ '-' * 5 }} {{ 2**-1 }} {{ 1.5**2 }} {{ 2 * 'ab' }}") == (
        "3072 ----- 0.5 2.25 abab"
    )


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("\n{{ 1/0 }}", "2:1: the template cannot be used: ZeroDivisionError: division by zero"),
        (
            "x\n\n{% include 'site/class.html' %}",
            "3:1: the template cannot be used: it calls itself without end, or is nested too deeply",
        ),
        (
            "{% macro a() %}{{ a() }}{% endmacro %}\n{{ a() }}",
            "1:1: the template cannot be used: it calls itself without end, or is nested too deeply",
        ),
        ("{% include 'site/none.html' %}", "1:1: the template cannot be used: there is no template 'site/none.html'"),
        ("{% extends '../x.html' %}", "1:1: the template cannot be used: there is no template '../x.html'"),
        ("{% include '/etc/passwd' %}", "1:1: the template cannot be used: there is no template '/etc/passwd'"),
        ("\n{{ 3|squared }}", "2:1: the template cannot be used: No filter named 'squared'."),
        ("{{ page.heading.nothing }}", "1:1: the template cannot be used: 'str object' has no attribute 'nothing'"),
        ("{{ nothing }}", "1:1: the template cannot be used: 'nothing' is undefined"),
        ("{{ page|tojson }}", "1:1: the template cannot be used: TypeError: Object of type ClassPage is not JSON "),
        ("{{ url(3) }}", "1:1: the template cannot be used: AttributeError: 'int' object has no attribute 'partition'"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "1:1: the template cannot be used: it is nested too deeply"),
        (b"a\nb\xe9", "2:1: byte 3 (in line 2) is not UTF-8"),
    ],
)
def test_a_fault_is_told_with_its_place(view: SiteView, own: Path, template: str | bytes, message: str) -> None:
    assert told(view, own, template).startswith(f"own/site/class.html:{message}")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (b"\n{% for %}", "2:1: the template cannot be used: Expected an expression, got 'end of statement block'"),
        (b"{{ 3|squared }}", "1:1: the template cannot be used: No filter named 'squared'."),
        (b"caf\xe9", "1:1: byte 3 (in line 1) is not UTF-8"),
    ],
)
def test_what_cannot_be_compiled_is_told_before_anything_is_computed(own: Path, template: bytes, message: str) -> None:
    (own / "print" / "deep").mkdir()
    (own / "print" / "deep" / "x.html").write_bytes(template)
    with pytest.raises(InputError) as caught:
        check_templates(own)
    assert f"{caught.value.where}: {caught.value.message}" == f"own/print/deep/x.html:{message}"


def test_half_a_character_can_be_written(view: SiteView, own: Path) -> None:
    assert drawn(view, own, "é{{ '\\ud800' }}") == "é?"
    (own / "print" / "report.html").write_text("{{ '\\udfff' }}")
    assert print_html(view, own)[0] == "?"


def test_a_fault_below_another_template_is_told_where_it_is(view: SiteView, own: Path) -> None:
    (own / "brand" / "footer.html").write_text("\n{{ 1/0 }}")
    (own / "site" / "parts.html").write_text("{% macro a(")
    with pytest.raises(InputError, match="expected 'name'") as caught, template_problems(own):
        page_html(template_environment(own), view, view.method, site_medium(view.method.path, {}))
    assert str(caught.value.where) == "own/site/parts.html:1:1"
    (own / "site" / "parts.html").unlink()
    with pytest.raises(InputError, match="division by zero") as caught, template_problems(own):
        print_html(view, own)
    assert str(caught.value.where) == "own/brand/footer.html:2:1"


def test_a_fault_of_our_own_is_not_the_template_s_where_the_program_lies_in_their_folder(view: SiteView) -> None:
    around = Path(__file__).parents[2]
    broken = replace(view.classes[0], circuit=None)  # type: ignore[arg-type]
    with pytest.raises(UndefinedError), template_problems(around):
        page_html(template_environment(None), view, broken, site_medium(broken.path, box_names(view)))
    with pytest.raises(ZeroDivisionError), template_problems(around):
        raise ZeroDivisionError


def test_what_is_not_the_template_s_fault_stays_what_it_is(own: Path) -> None:
    for error in (RunError("graphviz-missing", "x"), ZeroDivisionError("in our own code")):
        with pytest.raises(type(error)) as caught, template_problems(own):
            raise error
        assert caught.value is error


@pytest.mark.parametrize("name", ["static/logo.svg", "static/site.css", "print/brand.css", "static/more.woff2"])
def test_a_link_that_leads_out_is_neither_read_nor_copied(
    bundle: Bundle, view: SiteView, own: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret").write_text("secret")
    (own / name).symlink_to(tmp_path / "secret")
    for use in (
        lambda: check_templates(own),
        lambda: render_site(bundle, tmp_path / "site", templates=own) if "static" in name else print_files(bundle, own),
        lambda: single_html(bundle, own) if "static" in name else print_files(bundle, own),
    ):
        with pytest.raises(InputError) as caught:
            use()
        assert str(caught.value) == (
            f"own/{name}: this leads out of the directory of templates 'own' by a link [template-broken]\n"
            "  hint: put the file itself there: what lies outside is not read"
        )
    assert not (tmp_path / "site").exists()


def test_so_it_is_with_templates_folders_and_links_upon_links(view: SiteView, own: Path, tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "x.html").write_text("secret")
    (own / "more").symlink_to(tmp_path / "else")
    (own / "first.html").symlink_to("second.html")
    (own / "second.html").symlink_to("more/x.html")
    for name in ("more/x.html", "first.html"):
        assert told(view, own, f"{{% include '{name}' %}}") == (
            f"own/{name}: this leads out of the directory of templates 'own' by a link"
        )
    (own / "static").rmdir()
    (own / "static").symlink_to(tmp_path / "else")
    with pytest.raises(InputError, match="leads out"):
        check_templates(own)
    with pytest.raises(InputError, match="leads out"):
        static_files(own)


def test_links_within_the_directory_are_followed(view: SiteView, own: Path, tmp_path: Path) -> None:
    (own / "shared").mkdir()
    (own / "shared" / "x.html").write_text("shared {{ site.title }}")
    (own / "shared" / "a.css").write_text("p{}")
    (own / "site" / "x.html").symlink_to("../shared/x.html")
    (own / "static" / "brand.css").symlink_to(own / "shared" / "a.css")
    (tmp_path / "linked").symlink_to(own)
    for place in (own, tmp_path / "linked"):
        check_templates(place)
        assert drawn(view, place, "{% include 'site/x.html' %}") == "shared A sample of flowers"
        assert static_files(place)["static/brand.css"]() == b"p{}"


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        os.chdir(path.parent)
        one.bind(path.name)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_pipe, "the file cannot be read: it is a named pipe, and a file was expected"),
        (make_socket, "the file cannot be read: it is a socket, and a file was expected"),
        (lambda path: path.symlink_to("/dev/zero"), "this leads out of the directory of templates 'own' by a link"),
        (lambda path: path.symlink_to(path.name), "the file cannot be read: a loop of links"),
        (lambda path: path.symlink_to("nowhere"), "the file cannot be read: a link that leads nowhere"),
        (lambda path: path.mkdir(), "the file cannot be read: it is a folder, and a file was expected"),
    ],
)
def test_what_is_no_file_is_told(
    view: SiteView, own: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], message: str
) -> None:
    monkeypatch.chdir(own)
    make(own / "site" / "x.html")
    assert told(view, own, "{% include 'site/x.html' %}") == f"own/site/x.html: {message}"
    if "folder" not in message:
        with pytest.raises(InputError) as caught:
            check_templates(own)
        assert (caught.value.message, str(caught.value.where)) == (message, "own/site/x.html")


def test_a_style_sheet_that_is_not_utf8_is_told(bundle: Bundle, own: Path) -> None:
    (own / "static" / "brand.css").write_bytes(b"\n/* caf\xe9 */")
    with pytest.raises(InputError) as caught:
        single_html(bundle, own)
    assert str(caught.value) == (
        "own/static/brand.css:2:1: byte 7 (in line 2) is not UTF-8 [template-broken]\n  hint: save the file as UTF-8"
    )


def test_the_package_s_templates_are_in_the_same_sandbox(view: SiteView) -> None:
    environment = template_environment(None)
    assert isinstance(environment, Sandbox)
    with pytest.raises(SecurityError):
        environment.from_string("{{ site.__class__ }}").render(site=view)
    with pytest.raises(SecurityError):
        str(environment.from_string("{{ f.__globals__ }}").render(f=make_pipe))
