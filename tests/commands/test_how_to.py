"""docs/how-to/add-a-command.md: its module, put where it says, is a command."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from neurflow_report import cli, commands
from neurflow_report.commands import commands as every
from tests.sample_bundle import frozen_bundle

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "add-a-command.md"


@pytest.fixture
def describe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The page's module, in a folder that the package's commands are looked for in, too."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    folder = tmp_path / "commands"
    folder.mkdir()
    (folder / "describe.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(folder)])
    yield
    sys.modules.pop("neurflow_report.commands.describe", None)


@pytest.mark.usefixtures("describe")
def test_the_command_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = frozen_bundle(tmp_path / "out")
    assert cli.main(["describe", str(bundle.root)]) == 0
    assert capsys.readouterr().out == "".join(f"{c.name}: {len(c.pictures)} pictures\n" for c in bundle.classes)
    assert cli.main(["describe", str(tmp_path / "nowhere"), "--json"]) == 2
    assert '"ok": false' in capsys.readouterr().out


@pytest.mark.usefixtures("describe")
def test_it_is_found_by_its_name_and_where_it_is_misspelt(capsys: pytest.CaptureFixture[str]) -> None:
    assert "describe" in every()
    assert cli.main(["descrive"]) == 2
    assert "did you mean 'describe'?" in capsys.readouterr().err


def test_without_it_the_commands_begin_so_in_the_order_of_help() -> None:
    assert "describe" not in every()
    begun = ["schema", "init", "validate", "plan", "analyze", "merge", "build", "layers", "render", "explain", "cache"]
    assert list(every())[:11] == begun
