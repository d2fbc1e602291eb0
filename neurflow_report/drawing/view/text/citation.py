"""How to cite a report: its title and the digest of what it was made from, and the paper whose method it uses."""

from __future__ import annotations

import re

from neurflow_report.drawing.view.model.components import Citation
from neurflow_report.results.catalogue import prose
from neurflow_report.results.identity import identity
from neurflow_report.results.records import Manifest, Run

PAPER = Citation(
    what="the method",
    text=prose("""
        Tue M. Cao, Nhat X. Hoang, Hieu H. Pham, Phi Le Nguyen and My T. Thai: NeurFlow: Interpreting Neural Networks
        through Neuron Groups and Functional Interactions. ICLR 2025. arXiv:2502.16105.
    """),
    bibtex="""@inproceedings{neurflow2025,
  title = {{NeurFlow}: Interpreting Neural Networks through Neuron Groups and Functional Interactions},
  author = {Cao, Tue M. and Hoang, Nhat X. and Pham, Hieu H. and Nguyen, Phi Le and Thai, My T.},
  booktitle = {International Conference on Learning Representations},
  year = {2025},
  eprint = {2502.16105},
  archiveprefix = {arXiv}
}""",
)
DIGITS = 16
"""Digits of the results' digest in a citation."""


def citations(run: Run, manifest: Manifest) -> tuple[Citation, ...]:
    """The report's own citation, and the paper's. Without a date: results are cited, not the day."""
    generator, digest = manifest.provenance.generator, identity(manifest)[:DIGITS]
    bibtex = f"""@misc{{report-{digest[:8]},
  title = {{{_protected(run.title)}}},
  howpublished = {{Report made with {_protected(generator)}}},
  note = {{Results {digest}}}
}}"""
    own = Citation(
        what="this report", text=f"{run.title}. Report made with {generator}, results {digest}.", bibtex=bibtex
    )
    return (own, PAPER)


def _protected(text: str) -> str:
    """Text in which nothing has a meaning to BibTeX or LaTeX."""
    plain = text.replace("\\", "/").replace("{", "(").replace("}", ")")
    return re.sub(r"([&%$#_])", r"\\\1", plain).replace("~", "-").replace("^", "-")
