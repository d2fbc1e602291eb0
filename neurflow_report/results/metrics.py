"""A bundle as numbers under flat names, for what compares runs: `dvc metrics diff`, MLflow."""

from __future__ import annotations

from collections import Counter

from neurflow_report.results.bundle import Bundle
from neurflow_report.results.catalogue import CLAIMS
from neurflow_report.results.records import ClassResult, Run
from neurflow_report.results.verdict import Verdict, verdict_of

WORDS = ("well supported", "partly supported", "weakly supported", "not decidable at these sizes", "not tested")


def metrics(bundle: Bundle) -> dict[str, float]:
    """Names such as `classes/well_supported` and `class/bee/layer4.0/without_core`, and their numbers."""
    verdicts = {result.slug: class_verdict(bundle.run, result) for result in bundle.classes}
    words: Counter[str] = Counter(verdict.word for verdict in verdicts.values())
    found: dict[str, float] = {"classes": len(bundle.classes)}
    found |= {f"classes/{word.replace(' ', '_')}": words[word] for word in WORDS}
    if (accuracy := bundle.run.accuracy) is not None:
        found |= {
            "accuracy": accuracy.right / accuracy.pictures,
            "accuracy/low": accuracy.low,
            "accuracy/high": accuracy.high,
        }
    for result in bundle.classes:
        found |= {f"class/{result.slug}/{name}": value for name, value in _of_class(result, verdicts[result.slug])}
    return {name: float(f"{value:.7g}") if isinstance(value, float) else value for name, value in found.items()}


def class_verdict(run: Run, result: ClassResult) -> Verdict:
    """The verdict on a class of a run, by the run's own threshold of F2."""
    own = (limit.against for limit in run.settings.thresholds if limit.claim == "optimal")
    return verdict_of(result, next(own, CLAIMS["optimal"].threshold.against))


def _of_class(result: ClassResult, verdict: Verdict) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = [
        ("tests/supported", verdict.supported),
        ("tests/refuted", verdict.refuted),
        ("tests/inconclusive", verdict.open),
        ("tests/too_few_draws", verdict.too_few),
        ("layers/core_needed", len(verdict.needed)),
        ("layers/core_not_needed", len(verdict.not_needed)),
        ("cautions", len(result.cautions)),
        ("pictures", len(result.pictures)),
        ("neurons", sum(len(layer.neurons) for layer in result.layers)),
        ("groups", sum(len(layer.groups) for layer in result.layers)),
    ]
    largest = max((row.tau for row in result.masking), default=0)
    for row in result.masking:
        if row.tau == largest and not row.cumulative:
            found.append((f"{row.layer}/{'without_core' if row.mode == 'mask' else 'core_alone'}", row.accuracy))
    return found
