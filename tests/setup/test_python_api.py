"""The guide's example of the Python API, run as it stands there."""

import re
from pathlib import Path

import pandas as pd
import pytest

from neurflow_report import ReportError, check, layers, load_spec, read_bundle
from neurflow_report.cli import main

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"


def example() -> str:
    text = GUIDE.read_text(encoding="utf-8")
    (block,) = re.findall(r"^    from neurflow_report import(?:.*\n(?:    .*\n|\n(?=    ))*)", text, flags=re.MULTILINE)
    return re.sub("^    ", "", block, flags=re.MULTILINE)


@pytest.mark.slow
def test_the_guide_s_example(write_spec, tmp_path, monkeypatch, capsys):
    write_spec("my.yaml", report={"formats": ["html"]}, data={"limit": 9})
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(compile(example(), "guide.md", "exec"), names)
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.startswith(f"{tmp_path / 'out' / 'site'} ")
    assert names["bundle"].run.data.limit == 4
    first, groups = names["bundle"].classes[0], names["found"].groups
    assert len(groups[groups["class"] == first.name]) == sum(len(layer.groups) for layer in first.layers)
    assert isinstance(names["strongest"], pd.DataFrame)
    assert names["strongest"].groupby(["class", "layer"])["score"].count().max() == 3
    assert "needed" in printed.out


def hints(work, *arguments, **options) -> str:
    with pytest.raises(ReportError) as caught:
        work(*arguments, **options)
    return "\n".join(str(problem) for problem in caught.value.problems())


def test_hints_speak_python_to_python_and_options_to_the_command_line(write_spec, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("NEURFLOW_REPORT_ALLOW_CODE", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.py").write_text("import torch\ndef make(): return torch.nn.Linear(3, 2)\n")
    model = {"source": "python", "name": None, "factory": "net:make", "weights": "none"}
    write_spec("own.yaml", model=model)
    write_spec("layer.yaml", layers={"from": "zzz"})
    told = [
        hints(lambda: check(load_spec("own.yaml"))),
        hints(load_spec, "own.yaml", ["tau"]),
        hints(load_spec, "own.yaml", ["fidelity.draws[0]=3"]),
        hints(lambda: check(load_spec("layer.yaml"))),
        hints(read_bundle, tmp_path / "gone"),
    ]
    assert "hint: if you trust the spec and its code: load_spec(…, allow_code=True), or set" in told[0]
    assert told[1].startswith("override 'tau': there is no =")
    assert "hint: set the whole list instead: 'fidelity.draws=[…]'" in told[2]
    assert "hint: `layers(loaded)` shows what there is" in told[3]
    assert "hint: give the folder that analyze() or build() wrote: it holds manifest.json, or bundle/" in told[4]
    assert not [text for text in told if "--" in text or "neurflow-report " in text]
    for words in (["validate", "--deep", "own.yaml"], ["validate", "own.yaml", "--set", "tau"],
                  ["validate", "own.yaml", "--set", "fidelity.draws[0]=3"], ["validate", "--deep", "layer.yaml"],
                  ["render", "gone"]):  # fmt: skip
        assert main([*words, "--quiet"]) == 2
    said = capsys.readouterr().err
    for hint in (
        "add --allow-code, or set",
        "--set tau: there is no =",
        "set the whole list instead: --set fidelity.draws=[…]",
        "`neurflow-report layers` shows what there is",
        "that `neurflow-report analyze` or `build` wrote",
    ):
        assert hint in said


def test_the_layers_of_a_network(write_spec):
    found = layers(load_spec(write_spec()))
    assert [row.name for row in found.rows if row.auto][-2:] == ["block4", "fc"]
