"""Whether a bundle is of the format that its manifest says: an earlier one is checked less, so that who changes a
figure might say that it is of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from neurflow_report.errors import Path
from neurflow_report.results.record import Record
from neurflow_report.results.records import ClassResult, Manifest, Run

CAME: Mapping[int, Mapping[str, frozenset[str]]] = {
    2: {
        "ClassResult": frozenset({"claims", "controls", "edge_drops", "measures", "not_run"}),
        "DataInfo": frozenset({"labels", "left_out", "notes", "sample"}),
        "Masking": frozenset(
            {"cumulative", "drop_high", "drop_low", "null_drop_high", "null_drop_low", "null_high", "null_low"}
        ),
        "ModelInfo": frozenset({"input_notes", "notes"}),
        "Preprocess": frozenset({"squash"}),
        "Run": frozenset({"accuracy", "cross_checks", "fallbacks", "roundings"}),
        "Settings": frozenset(
            {"controls", "ks", "method_targets", "methods", "noise_draws", "optimality_draws", "patches", "preset"}
            | {"sizes", "targets", "thresholds", "weight_draws"}
        ),
    },
    3: {
        "ClassResult": frozenset(
            {"census", "certificates", "concept_tests", "debugged", "edge_effects", "facets", "label_replies"}
            | {"labels", "others", "others_digest", "two_sided"}
        ),
        "Clock": frozenset({"allocated", "resident"}),
        "Control": frozenset({"two_sided"}),
        "DataInfo": frozenset({"holdout", "others"}),
        "PartAgreement": frozenset({"commonest"}),
        "Picture": frozenset({"held_out"}),
        "Run": frozenset({"concepts", "debugging", "facets", "failed", "images", "labels", "names", "tiles", "url"}),
        "Settings": frozenset(
            {"automatic", "critical", "edge_draws", "enough", "false_alarms", "quality_targets"}
        ),
    },
}  # fmt: skip
"""The fields that came with a format, by record (results/format.py)."""
IN_SPEC: Mapping[int, frozenset[Path]] = {
    2: frozenset({("fidelity", "preset"), ("fidelity", "thresholds"), ("data", "sample")}),
    3: frozenset(
        {("debug",), ("facets",), ("labels",), ("names",), ("core", "enough"), ("core", "largest"), ("data", "holdout")}
        | {("fidelity", "critical"), ("report", "images"), ("report", "tiles"), ("report", "url"), ("runtime", "cache")}
    ),
}
"""The keys of a resolved spec that came with it."""


def untimely(run: Run, classes: Sequence[ClassResult], manifest: Manifest) -> Iterator[tuple[str, Path, str]]:
    """What came after the format that the manifest names: the file, the place, and why. Each kind is told once."""
    said = manifest.format_version
    later = {number for number in CAME if number > said}
    if not later:
        return
    seen = set[tuple[str, str]]()
    files: list[tuple[str, Record]] = [("manifest.json", manifest), ("run.json", run)]
    files += [(f"classes/{result.slug}.json", result) for result in classes]
    for file, record in files:
        for place, kind, name in _fields(record, ()):
            format_ = next((number for number in later if name in CAME[number].get(kind, ())), None)
            if format_ is not None and (kind, name) not in seen:
                seen.add((kind, name))
                yield file, place, _why(format_, said)
    for format_ in sorted(later):
        for key in sorted(IN_SPEC[format_]):
            if _has(manifest.provenance.spec_resolved, key):
                yield "manifest.json", ("provenance", "spec_resolved", *key), _why(format_, said)


def _why(came: int, said: int) -> str:
    return f"it came with format {came}, and the bundle says that it has format {said}"


def _fields(value: object, place: Path) -> Iterator[tuple[Path, str, str]]:
    """Every field that was given, in the order of the record: its place, its record's kind, its name."""
    if isinstance(value, Record):
        for name in type(value).model_fields:
            if name in value.model_fields_set:
                yield (*place, name), type(value).__name__, name
                yield from _fields(getattr(value, name), (*place, name))
    elif isinstance(value, tuple):
        for number, one in enumerate(value):
            yield from _fields(one, (*place, number))


def _has(value: object, key: Path) -> bool:
    for step in key:
        if not isinstance(value, dict) or step not in value:
            return False
        value = value[step]
    return True
