"""What drawing a report needs, checked before there is anything to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from neurflow_report.drawing.figures.dot import check_dot
from neurflow_report.drawing.write.overwrite_guard import check_file_free, check_site_free
from neurflow_report.drawing.write.templates import check_templates
from neurflow_report.drawing.write.typeset import load_weasyprint
from neurflow_report.errors import Gathered, ReportError

FILES = {"html": "site", "pdf": "report.pdf", "single": "report.html"}
"""What each format writes."""
APPENDIX = "appendix.pdf"
"""What the format `pdf` writes beside the report, unless that is not wanted."""
EVERY = (*FILES.values(), APPENDIX)
"""All that may be drawn."""


def places(output: Path, formats: Sequence[str], *, appendix: bool) -> dict[str, Path]:
    """Where each of these formats is written, and under `appendix` the appendix where it is wanted."""
    found = {name: output / file for name, file in FILES.items() if name in formats}
    return found | ({"appendix": output / APPENDIX} if appendix and "pdf" in formats else {})


def drawing_problems(
    output: Path, formats: Sequence[str], templates: Path | None, *, appendix: bool = True
) -> list[ReportError]:
    """What would keep a report from being drawn into `output`.

    These are programs and libraries that are not installed, a directory of templates that is not there, and things in
    the way that are no report. Fonts come with the templates.

    Returns: the errors, of slugs graphviz-missing, missing-package, template-broken, output-unwritable.
    """
    gathered = Gathered()
    gathered.attempt(check_dot)
    gathered.attempt(partial(check_templates, templates))
    if "pdf" in formats:
        gathered.attempt(load_weasyprint)
    _attempt_places(gathered, places(output, formats, appendix=appendix))
    return gathered.errors


def check_places(wanted: Mapping[str, Path]) -> None:
    """Check that nothing is in the way that is no report.

    Args: wanted: where each format is to be written.
    Raises: InputError output-unwritable, or InputErrors, for all such things.
    """
    gathered = Gathered()
    _attempt_places(gathered, wanted)
    gathered.tell()


def _attempt_places(gathered: Gathered, wanted: Mapping[str, Path]) -> None:
    for name, target in wanted.items():
        check = check_site_free if name == "html" else check_file_free
        gathered.attempt(partial(check, target))
