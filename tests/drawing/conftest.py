"""What the tests of drawing share: the sample bundle, what a reader sees of it, and its site, made once a worker.

No test changes them: one that does makes its own by `frozen_bundle`, or a copy.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from neurflow_report.drawing.view import SiteView, site_view
from neurflow_report.drawing.write.single_file import render_single
from neurflow_report.drawing.write.site import render_site
from neurflow_report.results.bundle import Bundle
from tests.sample_bundle import frozen_bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return frozen_bundle(tmp_path_factory.mktemp("a-folder-by-name"))


@pytest.fixture(scope="session")
def view(bundle: Bundle) -> SiteView:
    return site_view(bundle)


@pytest.fixture(scope="session")
def site(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site") / "site"
    render_site(bundle, target)
    return target


@pytest.fixture(scope="session")
def single(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("single") / "report.html"
    render_single(bundle, target)
    return target
