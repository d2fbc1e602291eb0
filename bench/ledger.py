"""The ledgers of some bundles as tables: what every experiment found at each layer, and how often each claim held.

    python bench/ledger.py BUNDLE …

A figure is the mean over the bundle's classes, with the least and the most of them; `chance` is the mean of the null.
Where the bundle has a control, its figures stand in a second table: the same network with its training undone.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurflow_report.errors import ReportError
from neurflow_report.results.bundle import Bundle, read_bundle
from neurflow_report.results.catalogue import EXPERIMENTS
from neurflow_report.results.evidence import Claim, Masking, Measure, TwoSided

SHORT = {
    "masking": "accuracy",
    "optimality": "optimality",
    "weights": "r",
    "methods": "r",
    "critical": "share of the core",
    "concepts": "overlap at k",
    "stability": "adjusted Rand index",
    "edges": "r",
}
"""The figures in few words; of others, those of their axes."""
VERDICTS = ("supported", "inconclusive", "not supported", "not run")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was found on one network: of each class its masking, measures and claims."""

    masking: Sequence[Sequence[Masking]]
    two_sided: Sequence[Sequence[TwoSided]]
    measures: Sequence[Sequence[Measure]]
    claims: Sequence[Sequence[Claim]]

    def layers(self, order: Sequence[str]) -> list[str]:
        """The layers that have a figure, in their order."""
        known = {m.layer for some in (*self.masking, *self.measures) for m in some}
        return [name for name in order if name in known]


def evidence(bundle: Bundle) -> Iterator[tuple[str, Evidence]]:
    """The bundle's own evidence, then that of each control."""
    own = bundle.classes
    yield (
        bundle.run.title,
        Evidence(
            masking=[c.masking for c in own],
            two_sided=[c.two_sided for c in own],
            measures=[c.measures for c in own],
            claims=[c.claims for c in own],
        ),
    )
    for number, control in enumerate(own[0].controls):
        found = [c.controls[number] for c in own]
        yield (
            f"{bundle.run.title}: {control.name.replace('_', ' ')}",
            Evidence(
                masking=[c.masking for c in found],
                two_sided=[c.two_sided for c in found],
                measures=[c.measures for c in found],
                claims=[c.claims for c in found],
            ),
        )


def _named(experiment: str) -> str:
    kind = EXPERIMENTS[experiment]
    return f"{kind.number} {SHORT.get(experiment, kind.axis)}"


def figures(found: Evidence) -> dict[tuple[str, str], dict[str, list[tuple[float, float | None]]]]:
    """{(experiment, which figure): {layer: (value, chance) of each class}}, F1 first; of F4 at the smallest size."""
    table: dict[tuple[str, str], dict[str, list[tuple[float, float | None]]]] = defaultdict(lambda: defaultdict(list))
    for some in found.masking:
        tau = max((m.tau for m in some), default=0)
        for m in some:
            if m.tau == tau:
                what = "core masked" if m.mode == "mask" else "core alone"
                upward = " from here up" if m.cumulative else ""
                table["masking", f"{what}{upward}, τ {tau}"][m.layer].append((m.accuracy, float(np.mean(m.null))))
    for both in found.two_sided:
        tau = max((m.tau for m in both), default=0)
        for m in (m for m in both if m.tau == tau and (m.mode, m.ablation) == ("retain", "mean")):
            upward = " from here up" if m.cumulative else ""
            table["masking", f"J, core alone{upward}, τ {tau}"][m.layer].append((m.j, float(np.mean(m.null))))
    least = min((m.setting or 0 for some in found.measures for m in some if m.experiment == "methods"), default=0)
    for measures in found.measures:
        for one in measures:
            if one.channel is None and (one.experiment != "methods" or one.setting == least):
                setting = "" if one.setting is None or one.experiment == "critical" else f" {one.setting}"
                table[one.experiment, f"{one.case}{setting}".strip()][one.layer].append((one.value, one.null))
    return dict(sorted(table.items(), key=lambda item: list(EXPERIMENTS).index(item[0][0])))


def cell(values: Sequence[tuple[float, float | None]]) -> str:
    """Mean, range and chance."""
    if not values:
        return ""
    own, nulls = [v for v, _ in values], [n for _, n in values if n is not None]
    text = f"{np.mean(own):.2f}" + (f" ({min(own):.2f}–{max(own):.2f})" if len(own) > 1 else "")
    return text + (f", chance {np.mean(nulls):.2f}" if nulls and any(nulls) else "")


def lines(title: str, found: Evidence, order: Sequence[str]) -> Iterator[str]:
    """The two tables of one network, as Markdown."""
    layers = found.layers(order)
    yield from (f"### {title}", "", row(["experiment", "figure", *layers]), row(["---"] * (2 + len(layers))))
    for (experiment, what), by_layer in figures(found).items():
        yield row([_named(experiment), what, *(cell(by_layer.get(layer, [])) for layer in layers)])
    yield from ("", row(["claim", *VERDICTS]), row(["---"] * 5))
    verdicts: dict[str, Counter[str]] = defaultdict(Counter)
    for claims in found.claims:
        for claim in claims:
            verdicts[claim.claim][claim.verdict] += 1
    for name, counts in verdicts.items():
        yield row([name.replace("_", " "), *(str(counts[v]) for v in VERDICTS)])
    yield ""


def row(cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def main(argv: list[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE")
    for folder in parser.parse_args(argv).bundles:
        try:
            bundle = read_bundle(folder)
        except ReportError as error:
            parser.error(str(error))
        for title, found in evidence(bundle):
            print("\n".join(lines(title, found, [info.name for info in bundle.run.layers])))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
