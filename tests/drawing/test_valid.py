"""The pages are HTML as the standard has it: html-validate over every kind of page, and over the single file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from neurflow_report.drawing.write.single_file import render_single
from tests.sample_bundle import frozen_bundle

CHECKER = Path(__file__).parents[2] / "build/node/node_modules/html-validate/bin/html-validate.mjs"
# Each mistake's CSS selector is looked for in the whole page: nine tenths of the time, and nobody reads it here.
QUICK = (
    f'import {{ HtmlElement }} from "{(CHECKER.parents[1] / "dist/es/index.js").as_uri()}"; '
    "HtmlElement.prototype.generateSelector = () => null"
)
RULES = Path(__file__).parent / "htmlvalidate.json"
IMPLIED = re.compile(r"Element <(td|th|dt|dd)> is implicitly closed by")
"""What drawing/write/slim.py leaves to the browser; where anything else is closed so, an end tag was forgotten."""


def mistakes(said: Path, *pages: Path) -> list[tuple[str, int, str, str]]:
    """(page, line, rule, message) of everything that html-validate finds, and writes to the file `said`."""
    if not CHECKER.exists() or shutil.which("node") is None:
        pytest.skip("html-validate is not installed: make setup")
    quick = f"data:text/javascript,{quote(QUICK)}"
    options = ["--config", str(RULES), "--formatter", f"json={said}"]
    command = ["node", "--import", quick, str(CHECKER), *options, *map(str, pages)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return [
        (Path(page["filePath"]).name, found["line"], found["ruleId"], found["message"])
        for page in json.loads(said.read_text(encoding="utf-8"))
        for found in page["messages"]
        if not IMPLIED.match(found["message"])
    ]


@pytest.mark.slow
def test_every_page_is_valid(site: Path, tmp_path: Path) -> None:
    assert mistakes(tmp_path / "said", *sorted(site.rglob("*.html"))) == []


@pytest.mark.slow
def test_the_single_file_is_valid(tmp_path: Path) -> None:
    """Its pages have landmarks of the same names, but a reader is shown one page at a time. One class: the checker's
    time grows with the square of what there is."""
    single = tmp_path / "report.html"
    render_single(frozen_bundle(tmp_path / "bundle", classes=1), single)
    found = mistakes(tmp_path / "said", single)
    assert [one for one in found if one[2] != "unique-landmark"] == []


def test_a_mistake_would_be_found(site: Path, tmp_path: Path) -> None:
    """The checker does look: at what stands where, at names, and at what they point to."""
    text = (site / "index.html").read_text(encoding="utf-8")
    broken = text.replace("<h1>", '<h1 id="main"><div>', 1).replace("aria-labelledby=cite-head", 'for="x"', 1)
    broken = broken.replace("</h1>", "</div></h1>", 1).replace("<ol ", '<ol aria-labelledby="nobody" ', 1)
    (tmp_path / "broken.html").write_text(broken, encoding="utf-8")
    rules = {rule for _, _, rule, _ in mistakes(tmp_path / "said", tmp_path / "broken.html")}
    assert {"no-dup-id", "element-permitted-content", "no-missing-references"} <= rules
