"""A small real run with its report, and a drawing that is done once for each bundle."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from neurflow_report import report
from neurflow_report.spec.load import load_spec
from tests.small_spec import SMALL, merged

FIDELITY = {
    "experiments": ["masking", "optimality", "weights", "stability", "edges"],
    "taus": [1, 3], "draws": 20, "optimality_draws": 8, "weight_draws": 8, "targets": 3, "ks": [8], "sizes": [1],
    "controls": ["random_weights"],
}  # fmt: skip


def built(folder: Path, *, formats: Sequence[str] = ("html", "pdf", "single")) -> Path:
    """Run the small spec, and draw it; → the report's folder."""
    changes = {"fidelity": FIDELITY, "output": str(folder / "small"), "report": {"formats": list(formats)}}
    (folder / "spec.yaml").write_text(yaml.safe_dump(merged(SMALL, changes)))
    return report.build(load_spec(folder / "spec.yaml")).bundle.parent


class Drawing:
    """Draws as `verify` does, but each bundle once."""

    def __init__(self, kept: Path) -> None:
        self.kept, self.count = kept, 0

    def __call__(self, bundle: Path, output: Path, formats: Sequence[str], append: bool) -> None:
        names = bundle.parent / "names.yaml"
        key = (bundle / "manifest.json").read_bytes() + (names.read_bytes() if names.is_file() else b"")
        place = self.kept / hashlib.sha256(key + repr((sorted(formats), append)).encode()).hexdigest()
        if not place.exists():
            self.count += 1
            report.render(bundle, output=place, formats=formats, appendix=append)
        shutil.copytree(place, output)
