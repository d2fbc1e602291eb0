"""The guide's example of the Python API, run as it stands there."""

import re
from pathlib import Path

import pandas as pd

GUIDE = Path(__file__).parents[2] / "docs" / "guide.md"


def example() -> str:
    text = GUIDE.read_text(encoding="utf-8")
    (block,) = re.findall(r"^    from neurflow_report import(?:.*\n(?:    .*\n|\n(?=    ))*)", text, flags=re.MULTILINE)
    return re.sub("^    ", "", block, flags=re.MULTILINE)


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
