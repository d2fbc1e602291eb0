"""The public Python API: `build` = `analyze` (spec → bundle), then `render` (bundle → site and PDF)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from neurflow_report.pipeline.progress import Progress, Silent
from neurflow_report.render.pdf import render_pdf
from neurflow_report.render.site import render_site
from neurflow_report.results.bundle import read_bundle
from neurflow_report.spec.load import LoadedSpec


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """What was drawn: where (None: not asked for), how many pages and bytes in all, and in how many seconds."""

    site: Path | None
    pdf: Path | None
    pages: int
    bytes: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Built:
    """A bundle, what was drawn from it, and in how many seconds all that was done."""

    bundle: Path
    rendered: Rendered
    seconds: float


def analyze(loaded: LoadedSpec, *, progress: Progress | None = None) -> Path:
    """Run the spec's analysis and write `<output>/bundle`; → that directory.

    Raises: InputError where the spec, the model or the data is wrong; RunError where the run fails;
    InputError missing-package where torch is not installed.
    """
    from neurflow_report.pipeline.stages import analyze as run

    return run(loaded, progress=progress or Silent())


def render(
    bundle: Path, *, output: Path | None = None, formats: Sequence[str] | None = None, progress: Progress | None = None
) -> Rendered:
    """Draw a bundle: `<output>/site` (format html) and `<output>/report.pdf` (pdf). Needs no torch, model or data.

    Args: output: default the folder that holds the bundle; formats: default those the spec asked for.
    Raises: InputError bundle-missing, bundle-damaged, bundle-version, graphviz-missing, output-unwritable.
    """
    progress = progress or Silent()
    begun = time.monotonic()
    found = read_bundle(bundle)
    output = output or found.root.parent
    formats = tuple(formats or found.run.formats)
    site, pdf, pages, size = None, None, 0, 0
    if "html" in formats:
        with progress.stage("draw the site", None) as step:
            site = output / "site"
            beside = _beside(site, output / "report.pdf" if "pdf" in formats else None, found.root)
            summary = render_site(found, site, on_page=lambda _done, _all: step.advance(), beside=beside)
            pages, size = summary.pages, summary.bytes
    if "pdf" in formats:
        with progress.stage("draw the PDF", None):
            pdf = output / "report.pdf"
            render_pdf(found, pdf)
            size += pdf.stat().st_size
    return Rendered(site=site, pdf=pdf, pages=pages, bytes=size, seconds=time.monotonic() - begun)


def _beside(site: Path, pdf: Path | None, bundle: Path) -> dict[str, str]:
    """Addresses, from the site's root, of what lies in the same folder as the site."""
    here = {"Report (PDF)": pdf, "Bundle (manifest)": bundle / "manifest.json"}
    found = {label: path for label, path in here.items() if path is not None}
    near = {label: path for label, path in found.items() if path.resolve().is_relative_to(site.parent.resolve())}
    return {label: f"../{path.resolve().relative_to(site.parent.resolve()).as_posix()}" for label, path in near.items()}


def build(loaded: LoadedSpec, *, progress: Progress | None = None) -> Built:
    """`analyze`, then `render` into the same output folder. Raises what both raise."""
    begun = time.monotonic()
    bundle = analyze(loaded, progress=progress)
    rendered = render(bundle, progress=progress)
    return Built(bundle=bundle, rendered=rendered, seconds=time.monotonic() - begun)
