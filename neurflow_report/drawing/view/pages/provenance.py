"""Where the report comes from: spec, versions, determinism, digests, and the clock, which stands nowhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from neurflow_report.drawing.view.model import urls
from neurflow_report.drawing.view.model.components import Cell, Column, Page, Span, Table
from neurflow_report.drawing.view.model.numbers import count, duration, percent, percent_fine
from neurflow_report.drawing.view.pages import PageKind
from neurflow_report.drawing.view.text.labels import SOURCES
from neurflow_report.results.catalogue import prose
from neurflow_report.results.identity import identity
from neurflow_report.results.records import Manifest, Run

_DEVICES = {"cpu": "a CPU", "cuda": "a GPU", "mps": "an Apple GPU"}


@dataclass(frozen=True, kw_only=True)
class ProvenancePage(Page):
    """Where the report comes from; the only page with a clock."""

    made: str
    lead: str
    clock: Table
    identity: Table
    versions: Table
    determinism: Table
    files: Table
    spec_text: str
    spec_resolved: str


def provenance_page(run: Run, manifest: Manifest) -> ProvenancePage:
    """The page of the run's provenance."""
    p = manifest.provenance
    return ProvenancePage(
        path=urls.PROVENANCE,
        title="Provenance",
        description="What this report was made from, and how",
        crumbs=(Span(text="Overview", href=urls.OVERVIEW),),
        here="Provenance",
        made=_made(manifest),
        lead=prose("""
            The same spec, inputs and machine give the same report, byte for byte, except the times on this page and
            the date on cards and drawings.
        """),
        clock=_clock(manifest),
        identity=_pairs(
            "What it was made from",
            {
                "Results (SHA-256)": identity(manifest),
                "Weights (SHA-256)": run.model.digest,
                "Pictures (SHA-256)": run.data.digest,
                "Bundle format": str(manifest.format_version),
                "Made with": p.generator,
                **({"Names by hand": _named(run)} if run.names else {}),
                **_labelled(run),
            },
            "Value",
        ),
        versions=_pairs("Versions", {"device": p.device, **p.versions}, "Version"),
        determinism=_pairs(
            "Determinism",
            {
                "seed": str(run.settings.seed),
                **p.determinism,
                **_rounded(run),
                **_cross_checked(run),
                **_fallen_back(run),
            },
            "Value",
        ),
        files=_pairs("Files of the bundle", manifest.files, "SHA-256"),
        spec_text=p.spec_text,
        spec_resolved=json.dumps(p.spec_resolved, indent=2, ensure_ascii=False),
    )


def _made(manifest: Manifest) -> str:
    """When, by what, on what, and in what time."""
    p = manifest.provenance
    torch = f" with torch {p.versions['torch']}" if "torch" in p.versions else ""
    # Of several processes or shards the stages' times are added up: what they took, not how long one waited.
    took = f"; its stages took {duration(sum(p.clock.seconds.values()))}" if p.clock.seconds else ""
    device = re.sub("^(cpu|cuda|mps)", lambda found: _DEVICES[found[0]], p.device)
    return f"{p.generator} made the results on {p.clock.created[:10]}, on {device}{torch}{took}."


def _named(run: Run) -> str:
    """What bears a name by hand: it is a reader's, and may have come after the results."""
    slugs = {entry.slug: entry.name for entry in run.classes}
    told = [f"{slugs[one.slug]} {one.layer} {one.code}: {one.text}" for one in run.names]
    return f"{count(len(told), 'name')}, given by a reader: {'; '.join(told)}"


def _labelled(run: Run) -> dict[str, str]:
    """Who offered labels, and the files that were read for them."""
    if run.labels is None:
        return {}
    files = {f"Labels: {name} (SHA-256)": digest for name, digest in run.labels.digests}
    return {"Labels of neuron groups": f"{SOURCES[run.labels.source]} ({run.labels.name})", **files}


def _rounded(run: Run) -> dict[str, str]:
    """What TF32 changed at each layer; nothing where it was not used."""
    return {
        f"TF32 at {r.layer}": prose(f"""
            attributions {percent_fine(r.error)} off float32's, {percent(r.core)} of the core neurons the same, on a
            few patches
        """)
        for r in run.roundings
    }


def _cross_checked(run: Run) -> dict[str, str]:
    """How far attributions are from Captum's: the largest difference, and on what; nothing where none were compared."""
    if not run.cross_checks:
        return {}
    worst = max(run.cross_checks, key=lambda c: c.difference)
    pairs, layers = sum(c.pairs for c in run.cross_checks), len(run.cross_checks)
    text = prose(f"""
            {count(pairs, "attribution")} at {count(layers, "layer")} computed again by
            captum.attr.IntegratedGradients ({worst.steps} Gauss–Legendre steps): at most
            {percent_fine(worst.difference)} off, at {worst.layer}
        """)
    return {"cross-check with Captum": text}


def _fallen_back(run: Run) -> dict[str, str]:
    """Which quick ways were not taken, numbered."""
    return {f"not taken: quick way {number}": text for number, text in enumerate(run.fallbacks, start=1)}


def _clock(manifest: Manifest) -> Table:
    clock = manifest.provenance.clock
    told: dict[str, list[str]] = {stage: [f"{value:,.1f} s"] for stage, value in (clock.seconds or {}).items()}
    if clock.seconds:
        told["all stages"] = [f"{sum(clock.seconds.values()):,.1f} s"]
    for values, where in ((clock.resident, ""), (clock.allocated, " on the GPU")):
        for stage, value in {**values, "all stages": max(values.values())}.items() if values else ():
            told.setdefault(stage, []).append(f"{value / 1e6:,.0f} MB{where}")
    rows = {stage: ", ".join(texts) for stage, texts in told.items()}
    what = "Time, and the most memory" if clock.resident or clock.allocated else "Time"
    return _pairs(what, {"made": clock.created, **rows}, "Value")


def _pairs(caption: str, rows: Mapping[str, str], value: str) -> Table:
    return Table(
        caption=caption,
        columns=(Column(label="What"), Column(label=value)),
        rows=tuple((Cell(text=key), Cell(text=text)) for key, text in rows.items()),
    )


PAGE = PageKind(
    name="provenance",
    template="site/provenance.html",
    build=lambda data: [provenance_page(data.indices[0].run, data.manifest)],
    order=90,
    menu="Provenance",
)
