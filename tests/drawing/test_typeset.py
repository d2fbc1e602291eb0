"""A PDF is whole or none: what WeasyPrint would leave out, or swallow, is an error, and what was there stays."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import weasyprint
from PIL import Image, ImageFile

from neurflow_report import report
from neurflow_report.drawing.figures.mosaic import opened
from neurflow_report.drawing.view import site_view
from neurflow_report.drawing.write.interrupts import interrupts_kept
from neurflow_report.drawing.write.pdf import APPENDIX, needed_files, print_html, render_pdf
from neurflow_report.drawing.write.typeset import PrintError, _nothing_left_out, typeset
from neurflow_report.errors import InputError
from neurflow_report.results.bundle import Bundle, read_bundle
from tests.sample_bundle import frozen_bundle, seal

PAGE = '<html lang="en"><title>t</title>{}<p>x'
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{}</svg>'


def picture() -> bytes:
    out = BytesIO()
    Image.effect_noise((40, 40), 90).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return frozen_bundle(tmp_path, pictures=3, classes=1)


@pytest.mark.parametrize(
    "body",
    [
        '<img alt="x" src="{}">',
        '<img alt="x" src="drawing.svg">',
        '<link rel="stylesheet" href="{}">',
        '<style>@import url("{}");</style>',
        '<style>p {{ background: url("{}") }}</style>',
        '<style>@font-face {{ font-family: X; src: url("{}") }}</style>',
        '<style>@color-profile device-cmyk {{ src: url("{}") }}</style>',
        '<object data="{}"></object>',
        '<embed src="{}">',
        '<a rel="attachment" href="{}">a</a>',
        '<link rel="attachment" href="{}">',
        '<base href="file:///etc/"><img alt="x" src="hostname">',
    ],
)
@pytest.mark.parametrize("address", ["media/none.jpeg", "https://example.org/a", "file:///etc/hostname", "../x"])
def test_nothing_else_is_fetched(body: str, address: str) -> None:
    drawing = SVG.format(f'<image href="{address}" width="1" height="1"/>').encode()
    with pytest.raises(PrintError, match=r"^the page asks for .*, which it does not have$"):
        typeset(PAGE.format(body.format(address)), {"drawing.svg": lambda: drawing})


@pytest.mark.parametrize(
    ("name", "data", "body"),
    [
        ("a.png", b"no picture", '<img alt="x" src="a.png">'),
        ("a.png", picture()[:200], '<img alt="x" src="a.png">'),
        ("a.svg", b"<svg", '<img alt="x" src="a.svg">'),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg' viewBox='a b c d'/>", '<img alt="x" src="a.svg">'),
        ("a.woff2", b"wOF2 no font", "<style>@font-face { font-family: X; src: url(a.woff2) }</style>"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_an_error(name: str, data: bytes, body: str) -> None:
    with pytest.raises(PrintError, match=r"^(Failed to (load|render)|Font-face |WeasyPrint failed: )"):
        typeset(PAGE.format(body), {name: lambda: data})


def test_a_part_that_the_page_did_not_ask_for_is_missed() -> None:
    with pytest.raises(PrintError, match=r"^1 of 2 drawings and pictures are not in it, such as b\.png$"):
        typeset(PAGE.format('<img alt="x" src="a.png">'), {"a.png": picture}, needed=("a.png", "b.png"))


@pytest.mark.slow
def test_the_drawings_and_their_pictures_are_needed(tmp_path: Path) -> None:
    bundle = frozen_bundle(tmp_path, pictures=3)
    needed = needed_files(print_html(site_view(bundle), None, APPENDIX)[1])
    assert {name.partition("-")[0] for name in needed if name.endswith(".svg")} == {"drawing"}
    assert {name for name in needed if name.endswith(".jpeg")} == {
        f"class/{slug}/media/{number}.jpeg" for slug in ("bee-co", "angstrom-3") for number in range(3)
    }


def test_other_messages_are_no_errors(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="weasyprint"), _nothing_left_out():
        logging.getLogger("weasyprint").warning("Ignored `x` at 1:1, unknown property.")
        logging.getLogger("weasyprint").warning("something else")
    assert [record.getMessage() for record in caplog.records] == ["something else"]


def test_what_the_caller_handles_meanwhile_is_its_own(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise SystemExit(3)
    except SystemExit:
        with caplog.at_level(logging.DEBUG, logger="weasyprint"), _nothing_left_out():
            logging.getLogger("weasyprint").warning("something")
            logging.getLogger("weasyprint").debug("Failed to load font at 'x', and another source is there")
    assert len(caplog.records) == 2


# What is raised inside a drawing, which WeasyPrint swallows.


@pytest.fixture(params=[False, True])
def logging_as_usual_or_off(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param:
        logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), SystemExit(3), InputError("bundle-damaged", "x"), OSError(5, "x")]
)
@pytest.mark.usefixtures("logging_as_usual_or_off")
def test_what_reading_a_picture_raises_inside_a_drawing_is_raised(error: BaseException) -> None:
    def read() -> bytes:
        raise error

    drawing = SVG.format('<image href="a.png" width="1" height="1"/>').encode()
    with pytest.raises(type(error)) as caught:
        typeset(PAGE.format('<img alt="x" src="d.svg">'), {"d.svg": lambda: drawing, "a.png": read})
    assert caught.value is error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.usefixtures("logging_as_usual_or_off")
def test_a_signal_inside_a_drawing_is_not_lost(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    real, before = weasyprint.svg.SVG.draw, signal.getsignal(number)

    def draw(self: Any, *args: Any) -> None:
        real(self, *args)
        signal.raise_signal(number)

    class Stopped(BaseException):
        pass

    def stop(*_: object) -> None:
        raise Stopped

    monkeypatch.setattr(weasyprint.svg.SVG, "draw", draw)
    signal.signal(number, stop)
    try:
        with pytest.raises(Stopped):
            typeset(PAGE.format('<img alt="x" src="d.svg">'), {"d.svg": SVG.encode})
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, before)


def test_a_signal_that_is_swallowed_is_raised_at_the_end() -> None:
    def swallow() -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException:
            return

    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        swallow()

    def swallow_and_fail() -> None:
        swallow()
        raise ValueError("what came of the interrupt")

    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        swallow_and_fail()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_as_it_is_and_no_interrupt() -> None:
    with interrupts_kept():
        pass
    with pytest.raises(KeyboardInterrupt), interrupts_kept():
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(ValueError, match="other"), interrupts_kept():
        raise ValueError("other")


def test_handlers_that_raise_nothing_go_on_and_other_threads_have_none() -> None:
    heard: list[int] = []

    def hear(number: int, _frame: FrameType | None) -> None:
        heard.append(number)

    before = signal.signal(signal.SIGINT, hear)
    try:
        with interrupts_kept():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT]
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with interrupts_kept():
                pass
        except BaseException as error:  # pragma: no cover
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert failed == []


# Whole reports.


SHORT = """\
{% import "print/parts.html" as parts with context %}<!doctype html>
<html lang="en"><head><title>t</title><link rel="stylesheet" href="print/print.css"></head><body>
{% for c in view.classes %}<section id="{{ anchor(c.path)[1:] }}">
{{ parts.circuit(c.circuit, anchor(c.path)[1:], "The circuit", c.circuit_words) }}
{{ parts.plot(c.plot, anchor(c.path)[1:]) }}
{{ parts.table(c.masking) }}
{% for l in c.layers %}{% for g in l.groups %}<div>{{ mosaic(g.mosaic, 12.5) }}</div>
{% endfor %}{% endfor %}</section>{% endfor %}</body></html>
"""


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a report of a few sheets, with all kinds of things on them."""
    folder = tmp_path_factory.mktemp("templates")
    (folder / "print").mkdir()
    for name in ("report", "appendix"):
        (folder / "print" / f"{name}.html").write_text(SHORT)
    return folder


def damage(bundle: Bundle, change: Callable[[bytes], bytes]) -> Bundle:
    """The bundle with its first picture changed, and its digest right again."""
    name = f"pictures/{bundle.classes[0].pictures[0].file}"
    (bundle.root / name).write_bytes(change((bundle.root / name).read_bytes()))
    manifest = json.loads((bundle.root / "manifest.json").read_text())
    manifest["files"][name] = hashlib.sha256((bundle.root / name).read_bytes()).hexdigest()
    (bundle.root / "manifest.json").write_text(json.dumps(manifest))
    seal(bundle.root)
    return read_bundle(bundle.root)


DAMAGES: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: data[: len(data) // 2],
    lambda data: data[:600] + bytes(64) + data[664:],
    lambda data: data[:33] + b"no picture",
    lambda data: b"no picture",
    lambda data: b"",
)


@pytest.mark.parametrize("change", DAMAGES)
@pytest.mark.parametrize("before", [True, False])
def test_a_damaged_picture_is_refused_whatever_pillow_was_told(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes], before: bool
) -> None:
    damaged = damage(bundle, change)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", before)
    with pytest.raises(InputError) as caught, opened(damaged, str(damaged.classes[0].pictures[0].file)):
        pass
    assert caught.value.slug == "bundle-damaged"
    assert str(caught.value.where).endswith("pictures/bee-co/000.png")
    assert ImageFile.LOAD_TRUNCATED_IMAGES is before


@pytest.mark.slow
def test_a_damaged_picture_is_told_and_no_report_is_replaced(bundle: Bundle, templates: Path, tmp_path: Path) -> None:
    damaged = damage(bundle, DAMAGES[0])
    (tmp_path / "report.pdf").write_bytes(b"")
    with pytest.raises(InputError, match="it is no picture"):
        render_pdf(damaged, tmp_path / "report.pdf", templates=templates)
    assert (tmp_path / "report.pdf").read_bytes() == b""


def test_a_template_that_asks_for_what_is_not_there_is_told(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "own" / "print").mkdir(parents=True)
    (tmp_path / "own" / "print" / "report.html").write_text('<html lang="en"><title>t</title><img alt="" src="a.png">')
    with pytest.raises(InputError) as caught:
        report.render(bundle.root, formats=("pdf",), templates=tmp_path / "own")
    assert str(caught.value) == (
        "report.templates: the PDF cannot be set: the page asks for a.png, which it does not have [template-broken]\n"
        "  hint: what is set in print may ask for the report's pictures, print/*.css, static/*.woff2 and the logo, "
        "nothing else"
    )
    assert not (tmp_path / "report.pdf").exists()


def test_a_picture_that_became_a_pipe_is_told(bundle: Bundle) -> None:
    file = bundle.root / f"pictures/{bundle.classes[0].pictures[0].file}"
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(InputError) as caught, opened(bundle, str(bundle.classes[0].pictures[0].file)):
        pass
    assert caught.value.message == "the file cannot be read (it is a named pipe, and a file was expected)"


@contextmanager
def drawing(bundle: Path, templates: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The command that draws a PDF, as it begins to draw."""
    output = bundle.parent
    options = ["--format", "pdf", "--templates", str(templates)]
    command = [sys.executable, "-m", "neurflow_report", "render", str(bundle), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        while running.poll() is None and not any(output.glob(".neurflow-report-*")):
            time.sleep(0.01)
        yield running
        running.communicate()


@pytest.fixture(scope="module")
def drawn(templates: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """A folder with a bundle and the report drawn of it, and the seconds that the drawing takes at least."""
    folder = tmp_path_factory.mktemp("drawn")
    bundle = frozen_bundle(folder, pictures=3, classes=1)
    return folder, min(seconds(bundle.root, templates) for _ in range(2))


def seconds(bundle: Path, templates: Path) -> float:
    with drawing(bundle, templates) as running:
        begun = time.monotonic()
        while any(bundle.parent.glob(".neurflow-report-*")):
            time.sleep(0.01)
        took = time.monotonic() - begun
    assert running.returncode == 0
    return took


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_at_any_moment_leave_the_report_that_was_there(
    drawn: tuple[Path, float], templates: Path, number: signal.Signals
) -> None:
    folder, took = drawn
    names = ("appendix.pdf", "report.pdf")
    whole = {name: (folder / name).read_bytes() for name in names}
    codes = []
    for share in (0.0, 0.35, 0.7):
        with drawing(folder / "bundle", templates) as running:
            time.sleep(share * took)
            running.send_signal(number)
        codes.append(running.returncode)
        assert {name: (folder / name).read_bytes() for name in names} == whole
        assert sorted(path.name for path in folder.iterdir()) == ["appendix.pdf", "bundle", "report.pdf"]
    assert codes[0] == 128 + number
    assert set(codes) <= {0, 128 + number, -number}  # while the interpreter ends, a signal ends it as any process
