"""Whether certificates hold on fresh pictures: 200 splits of one class's pictures held out (METHOD §5).

    python bench/certificates.py specs/fashion-mnist.yaml Shirt 50      # a split has 50 of the class, 200 of others

The circuit is found on a tenth of the class's pictures. Of the rest, and of pictures of other classes, each split
draws those that a certificate is made of; it is wrong where the core at the certified τ fails on all of them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from neurflow_report.analysis.certify import Kept
from neurflow_report.analysis.class_circuit import find_circuit
from neurflow_report.analysis.run import choice_of, class_run
from neurflow_report.fidelity.certificates import certificate, one_tau
from neurflow_report.progress import Silent, SilentStep
from neurflow_report.setup.preflight import preflight
from neurflow_report.setup.settings import RunSettings
from neurflow_report.spec.load import load_spec

SPLITS, PICTURES, LARGEST = 200, 500, 8


def main(file: str, name: str, n: int) -> None:
    """Print a row a layer."""
    overrides = [f"classes=[{name}]", f"data.limit={PICTURES}", "data.holdout=0.9", "core.tau=auto"]
    overrides += [f"core.largest={LARGEST}", "fidelity.experiments=[masking]", "fidelity.taus=null"]
    loaded = load_spec(Path(file), overrides)
    spec, ready = loaded.spec, preflight(loaded, progress=Silent())
    choice = choice_of(spec, ready, SilentStep())
    settings = RunSettings.of(spec)
    run = class_run(spec, ready, settings, ready.targets[0], choice.classes[0], choice.others[0], Silent())
    circuit, own = find_circuit(run), len(run.measured)
    kept = Kept(run, circuit, SilentStep())
    asked, taus, random = settings.automatic, settings.tried, np.random.default_rng(0)
    assert asked is not None
    print(f"{name}: {own} pictures of the class, {len(run.of_others)} of others; splits of {n} and {4 * n}")
    print("| layer | certified in | of these wrong | of all wrong | median τ | TPR, FPR of all at the largest τ |")
    print("| --- | --- | --- | --- | --- | --- |")
    for number, layer in enumerate(circuit.layers[:-1]):
        hits = kept.at_each_tau(number)
        truth = [(row[:own].mean(), row[own:].mean()) for row in hits]
        certified, wrong = list[int](), 0
        for _ in range(SPLITS):
            some, alien = random.permutation(own)[:n], own + random.permutation(hits.shape[1] - own)[: 4 * n]
            each = [one_tau(tau, 0, row[some], row[alien]) for tau, row in zip(taus, hits, strict=True)]
            tau = certificate(
                layer=layer.name, channels=layer.channels, each=each, n=n, others=4 * n, enough=asked.enough,
                false_alarms=asked.false_alarms,
            ).tau  # fmt: skip
            if tau is not None:
                certified.append(tau)
                tpr, fpr = truth[taus.index(tau)]
                wrong += not (tpr >= asked.enough and fpr <= asked.false_alarms)
        median = f"{np.median(certified):g}" if certified else "–"
        print(
            f"| {layer.name} | {len(certified)} of {SPLITS} | {wrong} | {wrong / SPLITS:.1%} | {median} | "
            f"{truth[0][0]:.2f}, {truth[0][1]:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
