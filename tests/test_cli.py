"""The command line: results on stdout, errors on stderr, exit codes, and what it does not import."""

# ruff: noqa: E501 (the messages stand here word for word)

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from neurflow_report import cli
from neurflow_report.errors import InputError, RunError
from neurflow_report.spec.document import json_schema

ROOT = Path(__file__).parents[1]
SPEC = """\
version: 1
title: A title
model: {source: demo, name: flowers}
data: {source: demo}
classes: [bee]
layers: [block1, fc]
"""


@dataclass(frozen=True)
class Rendered:
    site: Path | None
    pdf: Path | None
    pages: int = 3
    bytes: int = 4
    seconds: float = 0.5


@dataclass(frozen=True)
class Built:
    bundle: Path
    rendered: Rendered
    seconds: float = 12.34567


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "spec.yaml").write_text(SPEC)
    return str(tmp_path / "spec.yaml")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Puts a report module in place that notes its arguments; `calls["raise"]` makes it fail."""
    seen: dict[str, Any] = {"raise": None}

    def noting(name: str, answer: object) -> Callable[..., object]:
        def call(*args: object, **keywords: object) -> object:
            seen[name] = (args, keywords)
            if seen["raise"] is not None:
                raise seen["raise"]
            return answer

        return call

    drawn = Rendered(site=Path("o/site"), pdf=None)
    module = types.ModuleType("neurflow_report.report")
    module.__dict__.update(
        analyze=noting("analyze", Path("o/bundle")),
        render=noting("render", drawn),
        build=noting("build", Built(bundle=Path("o/bundle"), rendered=drawn)),
    )
    monkeypatch.setitem(sys.modules, "torch", types.ModuleType("torch"))  # as if it were loaded
    monkeypatch.setitem(sys.modules, "neurflow_report.report", module)
    monkeypatch.setattr("neurflow_report.report", module, raising=False)
    return seen


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def go(*words: str) -> tuple[int, str, str]:
        code = cli.main(words)
        out, err = capsys.readouterr()
        return code, out, err

    return go


def test_schema(run: Run) -> None:
    assert run("schema") == (0, json_schema(), "")
    assert run("schema", "--json", "--quiet") == (0, json_schema(), "")


def test_validate(run: Run, spec: str) -> None:
    assert run("validate", spec, spec) == (0, f"{spec}: ok\n{spec}: ok\n", "")
    assert run("validate", spec, "--quiet") == (0, "", "")
    code, out, err = run("validate", spec, "--json")
    assert (code, json.loads(out), err) == (0, {"ok": True, "specs": [spec]}, "")


def test_every_error_of_every_spec(run: Run, spec: str, tmp_path: Path) -> None:
    code, out, err = run("validate", spec, str(tmp_path / "none.yaml"), "--set", "core.tau=0", "--set", "x")
    assert (code, out) == (2, "")
    assert err == (
        "error: --set x: there is no = [spec-override]\n"
        "  hint: write it as in --set runtime.seed=1 or --set layers[1]=layer4.0\n"
        "error: --set core.tau=0 core.tau: found 0, expected a number of at least 1 or 'auto' [spec-bad-value]\n"
        "  hint: Core neurons of each target, τ; auto: of each class the fewest that are certified on pictures held out "
        "to be enough (METHOD §5).\n"
        f"error: {tmp_path / 'none.yaml'}: there is no such file [spec-unreadable]\n"
        "  hint: give the path of a spec file, such as specs/demo.yaml\n"
    )


def test_a_flood_of_errors_is_cut(run: Run, spec: str) -> None:
    Path(spec).write_text(SPEC + "".join(f"k{n}: 1\n" for n in range(60)))
    _, _, err = run("validate", spec)
    assert err.count("error: ") == 50
    assert err.endswith("and 10 more errors (--json shows all)\n")
    assert len(json.loads(run("validate", spec, "--json")[1])["errors"]) == 60


def test_errors_as_json(run: Run, spec: str) -> None:
    Path(spec).write_text(SPEC + "cor: {}\n")
    code, out, err = run("build", spec, "--json")
    assert (code, err) == (2, "")
    assert json.loads(out) == {
        "ok": False,
        "errors": [
            {
                "slug": "spec-unknown-key",
                "message": "the spec has no key 'cor'",
                "path": "cor",
                "file": spec,
                "line": 7,
                "column": 1,
                "hint": "did you mean 'core'?",
            }
        ],
    }


def test_what_takes_the_first_seconds_is_said_at_once(
    run: Run, spec: str, calls: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch")
    assert run("build", spec)[2] == "loading PyTorch …\n"
    assert run("build", spec, "--quiet")[2] == ""


def test_what_a_network_s_own_code_prints_is_kept_off_stdout(
    run: Run, spec: str, calls: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def printing(*_: object, **__: object) -> Path:
        print("hello")
        return Path("o/bundle")

    monkeypatch.setattr(sys.modules["neurflow_report.report"], "analyze", printing)
    code, out, err = run("analyze", spec, "--json")
    assert (code, json.loads(out)["bundle"], err) == (0, "o/bundle", "hello\n")


def test_analyze_and_build(run: Run, spec: str, calls: dict[str, Any]) -> None:
    assert run("analyze", spec, "--set", "core.tau=3") == (0, "bundle: o/bundle/manifest.json\n", "")
    assert calls["analyze"][0][0].spec.core.tau == 3
    assert run("build", spec) == (0, "bundle: o/bundle/manifest.json\nsite: o/site/index.html\n", "")
    code, out, _ = run("build", spec, "--json")
    drawn = {"site": "o/site", "pdf": None, "pages": 3, "bytes": 4, "seconds": 12.35}
    assert (code, json.loads(out)) == (0, {"ok": True, "bundle": "o/bundle", **drawn})


def test_render_writes_beside_the_bundle(run: Run, calls: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "manifest.json").write_text("{}")
    for bundle, options, output in (
        (tmp_path / "bundle", (), tmp_path),
        (tmp_path, (), tmp_path),
        (Path("bundle"), (), Path()),
        (tmp_path / "bundle", ("--output", "there"), Path("there")),
    ):
        assert run("render", str(bundle), *options)[:2] == (0, "site: o/site/index.html\n")
        assert calls["render"][1]["output"] == output
        assert calls["render"][1]["formats"] is None
    run("render", str(tmp_path), "--format", "pdf", "--format", "pdf")
    assert calls["render"][1]["formats"] == ("pdf",)


@pytest.mark.parametrize(
    ("raised", "code", "expected"),
    [
        (InputError("class-unknown", "m", hint="h"), 2, "error: m [class-unknown]\n  hint: h\n"),
        (RunError("out-of-memory", "m"), 1, "error: m [out-of-memory]\n"),
        (KeyboardInterrupt(), 130, "error: interrupted [interrupted]\n"
         "  hint: nothing half-written is left; the same command begins again\n"),
        (ModuleNotFoundError("x", name="torch.fx"), 2, "error: the Python package torch is not installed [missing-package]\n"
         "  hint: running a network needs more than drawing a bundle: pip install 'neurflow-report[run]'\n"),
        (ZeroDivisionError("oh"), 1, "error: neurflow-report itself failed (ZeroDivisionError: oh) [internal-error]\n"
         "  hint: please report it, with the command, the spec, and what NEURFLOW_REPORT_DEBUG=1 shows\n"),
        (ModuleNotFoundError("x", name="jinja"), 1, "error: neurflow-report itself failed (ModuleNotFoundError: x) "
         "[internal-error]\n  hint: please report it, with the command, the spec, and what NEURFLOW_REPORT_DEBUG=1 shows\n"),
    ],
)  # fmt: skip
def test_exit_codes(
    run: Run, spec: str, calls: dict[str, Any], raised: BaseException, code: int, expected: str
) -> None:
    calls["raise"] = raised
    assert run("build", spec) == (code, "", expected)
    again, out, err = run("build", spec, "--json")
    assert (again, err, json.loads(out)["ok"]) == (code, "", False)


def test_the_traceback_is_for_those_who_ask(
    run: Run, spec: str, calls: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls["raise"] = ZeroDivisionError("oh")
    monkeypatch.setenv("NEURFLOW_REPORT_DEBUG", "1")
    assert "Traceback (most recent call last)" in run("build", spec)[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["biuld", "x"], "there is no command 'biuld' [command-line]\n  hint: did you mean 'build'?\n"),
        (["frob"], "there is no command 'frob' [command-line]\n"
         "  hint: the commands are schema, init, validate, plan, analyze, merge, build, layers, render, explain, cache"),
        (["build"], "the following arguments are required: SPEC [command-line]\n"
         "  hint: `neurflow-report build --help` tells what it takes\n"),
        ([], "the following arguments are required: COMMAND [command-line]\n"
         "  hint: `neurflow-report --help` tells what it takes\n"),
        (["render", "x", "--format", "doc"], "argument --format: invalid choice: 'doc' (choose from "),
    ],
)  # fmt: skip
def test_wrong_command_lines(run: Run, words: list[str], message: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {message}")
    assert json.loads(run(*words, "--json")[1])["errors"][0]["slug"] == "command-line"


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_end_well(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main([option])
    assert caught.value.code in (0, None)
    assert "neurflow-report" in capsys.readouterr().out


def imported(words: list[str], packages: set[str]) -> str:
    """Which of the packages a command imports."""
    code = (
        "import sys\nfrom neurflow_report.cli import main\n"
        f"try: main({words!r})\nexcept SystemExit: pass\n"
        f"print('imported', sorted({packages!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize("words", [["--help"], ["schema"], ["validate", "specs/demo.yaml"], ["validate", "/none"]])
def test_light_commands_import_nothing_heavy(words: list[str]) -> None:
    heavy = {"torch", "numpy", "matplotlib", "PIL", "weasyprint", "jinja2", "graphviz", "rich"}
    assert imported(words, heavy) == "imported []"


@pytest.mark.slow
def test_a_network_costs_no_import_but_torchs_and_its_sources() -> None:
    packages = {"torch", "torchvision", "matplotlib", "scipy.stats", "sklearn", "captum"}
    assert imported(["validate", "--deep", "specs/demo.yaml"], packages) == "imported ['torch']"


@pytest.mark.slow
def test_ctrl_c_in_the_middle_of_a_run_leaves_nothing(write_spec: Callable[..., Path], tmp_path: Path) -> None:
    words = ["build", str(write_spec()), "--set", "output=out"]
    (place := tmp_path / "place").mkdir()
    # A shell has what it runs in the background ignore Ctrl-C.
    heard = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = f"{heard}from neurflow_report.cli import main; sys.exit(main({words!r}))"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-c", code], cwd=place, env=environment, stderr=subprocess.PIPE) as run:
        assert run.stderr is not None
        lines = iter(run.stderr.readline, b"")
        assert any(b"firebell: patches" in line for line in lines)
        run.send_signal(signal.SIGINT)
        said = run.stderr.read().decode()
    assert run.returncode == 130
    assert "error: interrupted [interrupted]" in said
    assert "Traceback" not in said
    assert [path for path in place.rglob("*") if path.is_file()] == []


def test_a_reader_that_leaves_early_is_no_failure() -> None:
    command = f"{sys.executable} -m neurflow_report.cli schema | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_ascii_terminal_is_no_failure(spec: str) -> None:
    Path(spec).write_text(SPEC.replace("A title", "ü"), encoding="utf-8")
    command = [sys.executable, "-m", "neurflow_report.cli", "validate", spec, "--set", "core.tau=0"]
    done = subprocess.run(command, cwd=ROOT, env={"PYTHONIOENCODING": "ascii"}, capture_output=True, timeout=300)
    assert done.returncode == 2
    assert rb"\u03c4" in done.stderr
