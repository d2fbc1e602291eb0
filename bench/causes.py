"""Do the causes of mistakes hold? Foretold effects of neuron groups against measured ones, over misclassified pictures.

    python bench/causes.py specs/fashion-mnist.yaml --pictures 2000

The spec's network is examined for all classes of its data, without experiments, and every mistake among the first
pictures of each class is explained by the circuit of the class that it is taken for. Beside s_G stand the presence of
the paper's notebook, a group at random, and the best that any choice of one group gives (METHOD §7).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from neurflow_report.analysis.accuracy import predictor
from neurflow_report.analysis.explaining import explain_pictures
from neurflow_report.analysis.run import analyze
from neurflow_report.images.select import look
from neurflow_report.progress import Silent, SilentStep
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.cause_figures import CauseFigures, Score, cause_figures
from neurflow_report.setup.precision import arithmetic
from neurflow_report.setup.preflight import preflight
from neurflow_report.spec.load import LoadedSpec, load_spec

HEAD = ("layer", "groups", "by", "Spearman", "first hit", "corrected")


def mistakes(loaded: LoadedSpec, pictures: int) -> tuple[list[str], int]:
    """The names of the misclassified pictures among the first of each class, and how many were looked at."""
    with arithmetic():
        ready = preflight(loaded, progress=Silent())
        items, each = ready.source.items, max(1, pictures // len(ready.source.class_names))
        seen: dict[int | None, int] = {}
        numbers = []
        for number, item in enumerate(items):
            seen[item.label] = seen.get(item.label, 0) + 1
            if seen[item.label] <= each:
                numbers.append(number)
        predicted, _ = look(ready.source, numbers, predictor(ready, SilentStep()), ready.network.preprocess)
    wrong = [n for n, said in predicted.items() if said != ready.logits[items[n].label or 0]]
    return [items[n].name for n in wrong], len(predicted)


def rows(figures: CauseFigures) -> list[tuple[str, ...]]:
    """A layer's figures, a row for each way to choose a group."""

    def row(name: str, of: Score) -> tuple[str, ...]:
        told = ["–" if v is None else f"{v:.2f}" for v in (of.spearman, of.first, of.corrected)]
        return (figures.layer, f"{figures.groups:g}", name, *told)

    ways = {"s_G": figures.foretold, "presence": figures.presence, "random": figures.random, "best": figures.best}
    return [row(name, score) for name, score in ways.items()]


def main() -> None:
    """Examine, explain, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec", type=Path)
    parser.add_argument("--pictures", type=int, default=2000, help="labelled pictures to look at")
    options = parser.parse_args()
    names = preflight(load_spec(options.spec), progress=Silent()).source.class_names
    with tempfile.TemporaryDirectory() as folder:
        changes = [f"output={folder}/out", "fidelity.experiments=[]", f"classes={list(names)!r}"]
        loaded = load_spec(options.spec, changes)
        bundle = read_bundle(analyze(loaded, progress=Silent()))
        wrong, looked_at = mistakes(loaded, options.pictures)
        found = explain_pictures(loaded, bundle, wrong, progress=Silent())
    print(f"{looked_at} pictures, {len(wrong)} mistakes, of which {len(found.unexplained)} are not explained")
    print("| " + " | ".join(HEAD) + " |\n" + "| --- " * len(HEAD) + "|")
    for figures in cause_figures(found.bundle.classes):
        for row in rows(figures):
            print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
