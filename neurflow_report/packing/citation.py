"""CITATION.cff of an archive (Citation File Format 1.2.0)."""

from __future__ import annotations

import json

from neurflow_report.results.bundle import Bundle
from neurflow_report.results.identity import identity

CITATION = "CITATION.cff"
_DIGEST = (
    "The digest of the results: the sha256 over a line for each file that bundle/manifest.json lists, in the order of "
    "their names: the file's sha256, two spaces, its name. It is the same whenever and wherever the same results are "
    "found again, since the clock is not in it; the report and its cards show its first 12 digits."
)


def citation(bundle: Bundle) -> bytes:
    """The file: YAML, each text as JSON writes it, which YAML reads the same."""
    p, results = bundle.manifest.provenance, identity(bundle.manifest)
    title, generator = _text(bundle.run.title), _text(p.generator)
    day = f"date-released: {_text(p.clock.created[:10])}\n"
    return f"""cff-version: 1.2.0
message: "If you use these results, cite them by their digest, and the paper whose method they follow."
type: dataset
title: {title}
authors:
  - name: {generator}
{day}identifiers:
  - type: other
    value: {_text(f"sha256:{results}")}
    description: {_text(_DIGEST)}
references:
  - type: conference-paper
    title: "NeurFlow: Interpreting Neural Networks through Neuron Groups and Functional Interactions"
    authors:
      - {{family-names: Cao, given-names: "Tue M."}}
      - {{family-names: Hoang, given-names: "Nhat X."}}
      - {{family-names: Pham, given-names: "Hieu H."}}
      - {{family-names: Nguyen, given-names: "Phi Le"}}
      - {{family-names: Thai, given-names: "My T."}}
    year: 2025
    collection-title: "International Conference on Learning Representations"
    identifiers:
      - {{type: other, value: "arXiv:2502.16105"}}
""".encode()


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
