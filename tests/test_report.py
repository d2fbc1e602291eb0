"""What stands in an output folder after a run was stopped: of which run it is, and what is said of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from neurflow_report import cli, report
from neurflow_report.analysis import run
from neurflow_report.drawing.write.needs import EVERY, FILES
from neurflow_report.errors import InputError
from neurflow_report.results import staging
from neurflow_report.results.bundle import read_bundle, write_bundle
from neurflow_report.setup.output import output_folder
from neurflow_report.spec.load import LoadedSpec, load_spec
from tests.sample_bundle import sample_bundle

SPEC = """\
version: 1
title: A title
model: {source: demo, name: flowers}
data: {source: demo}
classes: [bee]
layers: [block1, fc]
report: {formats: [html, pdf, single]}
output: OUT
"""
OLD = dict.fromkeys(("site/index.html", "report.pdf", "report.html", "appendix.pdf"), "old")
LEFT = (
    "the bundle is of this run, and site and report.pdf and report.html and appendix.pdf beside it are of an earlier "
    "one: `neurflow-report render OUT` draws the report anew"
)


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedSpec:
    """A spec whose analysis takes no time; in its output folder stands what an earlier run drew."""

    @contextmanager
    def analyzed(*_: object, **__: object) -> Iterator[Path]:
        with output_folder(Path("OUT")):
            made(tmp_path / "OUT")
            yield Path("OUT/bundle")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "analyzed", analyzed)
    monkeypatch.setattr(report, "check_places", lambda _: None)
    write(tmp_path / "OUT", OLD)
    (tmp_path / "spec.yaml").write_text(SPEC)
    return load_spec("spec.yaml")


def made(output: Path, **provenance: object) -> Path:
    run, classes, known, pictures = sample_bundle(pictures=2)
    run = run.model_copy(update={"formats": ("html", "pdf", "single")})
    known = known.model_copy(update=provenance)
    write_bundle(output / "bundle", run=run, classes=classes, provenance=known, pictures=pictures)
    return output / "bundle"


def there() -> list[str]:
    return sorted(path.name for path in Path("OUT").iterdir())


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def files() -> dict[str, str]:
    return {name: Path("OUT", name).read_text() for name in OLD if Path("OUT", name).exists()}


def drawing(monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]) -> None:
    """Everything is drawn in no time, and then something happens."""

    def draw(_: object, wanted: Mapping[str, Path], *__: object) -> tuple[int, int]:
        for name, path in wanted.items():
            assert path.name == (FILES | {"appendix": "appendix.pdf"})[name]
            write(path.parent, {f"{path.name}/index.html" if name == "html" else path.name: "new"})
        then()
        return 1, 3

    monkeypatch.setattr(report, "_draw", draw)


def test_the_appendix_is_drawn_unless_it_is_not_wanted(loaded: LoadedSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing(monkeypatch, lambda: None)
    assert report.render(made(Path("other")), formats=("html",)).appendix is None
    assert report.render(Path("other/bundle"), formats=("pdf",), appendix=False).appendix is None
    assert sorted(path.name for path in Path("other").iterdir()) == ["bundle", "report.pdf", "site"]
    assert report.render(Path("other/bundle"), formats=("pdf",)).appendix == Path("other/appendix.pdf")
    assert Path("other/appendix.pdf").read_text() == "new"


def test_the_spec_says_whether_the_appendix_is_wanted(loaded: LoadedSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing(monkeypatch, lambda: None)
    made(Path("other"), spec_resolved={"report": {"appendix": False}})
    assert report.render(Path("other/bundle")).appendix is None
    assert report.render(Path("other/bundle"), appendix=True).appendix == Path("other/appendix.pdf")


def raising(error: BaseException) -> Callable[[], object]:
    def act() -> object:
        raise error

    return act


def test_all_of_it_is_drawn_before_any_is_replaced(loaded: LoadedSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing(monkeypatch, lambda: files() == OLD or pytest.fail("replaced too early"))
    built = report.build(loaded)
    assert files() == dict.fromkeys(OLD, "new")
    assert (built.rendered.site, built.rendered.pdf) == (Path("OUT/site"), Path("OUT/report.pdf"))
    assert there() == ["appendix.pdf", "bundle", "report.html", "report.pdf", "site"]


def test_a_report_that_is_there_is_left(loaded: LoadedSpec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NEURFLOW_REPORT_CACHE", str(tmp_path / "cache"))
    times = list[int]()
    drawing(monkeypatch, lambda: times.append(1))
    first = report.build(loaded).rendered
    again = report.build(loaded).rendered
    assert len(times) == 1
    assert replace(again, seconds=0.0) == replace(first, seconds=0.0)
    report.build(loaded, force=True)
    assert len(times) == 2
    Path("OUT/report.pdf").write_text("changed")
    report.build(loaded)
    assert len(times) == 3
    assert files() == dict.fromkeys(OLD, "new")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), InputError("template-broken", "m"), ZeroDivisionError()])
def test_a_stop_while_it_is_drawn(loaded: LoadedSpec, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    drawing(monkeypatch, raising(error))
    with pytest.raises(type(error)) as caught:
        report.build(loaded)
    assert files() == OLD
    assert read_bundle("OUT").run.title == "A sample of flowers"
    assert caught.value.__notes__ == [LEFT]
    assert there() == ["appendix.pdf", "bundle", "report.html", "report.pdf", "site"]


def test_where_nothing_was_drawn_before(loaded: LoadedSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in EVERY:
        Path("OUT", name).rename(name)
    drawing(monkeypatch, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt) as caught:
        report.build(loaded)
    assert caught.value.__notes__ == ["the bundle is whole: `neurflow-report render OUT` draws the report from it"]
    assert there() == ["bundle"]


def test_a_stop_while_it_is_put_in_its_place(loaded: LoadedSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing(monkeypatch, lambda: None)
    real = staging._put

    def put(stage: Path, output: Path, name: str) -> None:
        real(stage, output, name)
        if name == "site":
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(staging, "_put", put)
    with pytest.raises(KeyboardInterrupt) as caught:
        report.build(loaded)
    assert files() == dict.fromkeys(OLD, "new")
    assert caught.value.__notes__ == ["the bundle is of this run, and so is what is drawn from it"]


def test_what_is_left_is_told_on_the_command_line(
    loaded: LoadedSpec, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drawing(monkeypatch, raising(KeyboardInterrupt()))
    assert cli.main(["build", "spec.yaml", "--quiet"]) == 130
    assert capsys.readouterr().err == (
        f"error: interrupted [interrupted]\n  hint: nothing half-written is left; {LEFT}\n"
    )


def test_so_it_is_with_any_error(
    loaded: LoadedSpec, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails() -> object:
        raise InputError("template-broken", "m", hint="h", path=("report", "templates"))

    drawing(monkeypatch, fails)
    assert cli.main(["build", "spec.yaml", "--quiet"]) == 2
    assert capsys.readouterr().err == (
        "error: spec.yaml:7:9 report.templates: m [template-broken]\n"
        "    report: {formats: [html, pdf, single]}\n"
        "            ^\n"
        f"  hint: h\nnote: {LEFT}\n"
    )
    assert cli.main(["build", "spec.yaml", "--quiet", "--json"]) == 2
    assert f'"notes": [\n    "{LEFT}"\n  ]' in capsys.readouterr().out


def test_the_next_drawing_mends_it(loaded: LoadedSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing(monkeypatch, raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        report.build(loaded)
    drawing(monkeypatch, lambda: None)
    report.render(Path("OUT"), formats=list(FILES))
    assert files() == dict.fromkeys(OLD, "new")


@pytest.mark.parametrize("bundle", ["OUT", "OUT/bundle"])
def test_what_was_killed_between_two_steps_is_finished_before_it_is_read(
    loaded: LoadedSpec, monkeypatch: pytest.MonkeyPatch, bundle: str
) -> None:
    """Where the file system has no exchange, the place of the bundle was empty when the run was killed."""
    made(Path("OUT/.neurflow-report-killed/new"))
    stage = Path("OUT/.neurflow-report-killed")
    (stage / "old").mkdir()
    staging._write_journal(stage, Path("OUT"), {"bundle": (stage / "new" / "bundle").stat().st_ino})
    drawing(monkeypatch, lambda: None)
    report.render(Path(bundle), output=Path("elsewhere"))
    assert there() == ["appendix.pdf", "bundle", "report.html", "report.pdf", "site"]


@pytest.mark.slow
def test_an_analysis_alone_tells_that_what_is_drawn_is_older(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("OUT"), OLD)
    sizes = "data: {source: demo, limit: 2, select: labelled}\nconcept: {k: 4}\nfidelity: {experiments: []}\n"
    spec = SPEC.replace("data: {source: demo}\n", sizes).replace("[bee]", "[firebell]").replace("block1", "block4")
    Path("spec.yaml").write_text(spec)
    assert cli.main(["analyze", "spec.yaml"]) == 0
    told = "write the bundle: site and report.pdf and report.html and appendix.pdf beside it are of an earlier run: "
    assert f"{told}`neurflow-report render OUT` draws a report of this one\n" in capsys.readouterr().err
