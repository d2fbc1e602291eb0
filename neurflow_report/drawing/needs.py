"""What drawing a report needs, checked before there is anything to draw."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from neurflow_report.drawing.dot import check_dot
from neurflow_report.drawing.html import check_templates
from neurflow_report.drawing.pdf import load_weasyprint
from neurflow_report.drawing.place import check_file_free
from neurflow_report.drawing.site import check_site_free
from neurflow_report.errors import Gathered, ReportError

FILES = {"html": "site", "pdf": "report.pdf", "single": "report.html"}
"""What each format writes."""


def drawing_problems(output: Path, formats: Sequence[str], templates: Path | None) -> list[ReportError]:
    """What would keep a report from being drawn into `output`: programs and libraries that are not installed, a
    directory of templates that is not there, and things in the way that are no report. Fonts come with the templates.

    The errors' slugs: graphviz-missing, missing-package, template-broken, output-unwritable.
    """
    gathered = Gathered()
    gathered.attempt(check_dot)
    gathered.attempt(partial(check_templates, templates))
    if "pdf" in formats:
        gathered.attempt(load_weasyprint)
    for name in formats:
        check = check_site_free if name == "html" else check_file_free
        gathered.attempt(partial(check, output / FILES[name]))
    return gathered.errors
