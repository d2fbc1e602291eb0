"""The whole analysis of one class against a naive reference written from METHOD.md (naive.py).

    python bench/pipeline.py [--device cpu] [--json FILE] [--only TEXT] [--checked 8] [--memory 2GiB] [--quick]

The last line of a network has the ratio of our whole run to one forward pass over the same patches, made beforehand.
8 random pictures (472 patches), τ 16, k 50; random weights, batch norms calibrated. Ours is the pipeline's own code:
patches, search, neuron groups. The naive reference is timed on `--checked` targets a layer (all, where there are
fewer) and on as many numbers of clusters, and scaled to the number there is; the table says both.

Agreement, in the same run. For the checked targets:
- at 50 nodes: the same core sets, but for neurons whose reference score is within 1e-4 of the last one's (a tie in
  float32), and core scores and the weights of edges within 1e-3;
- adaptive: at least 98% of the core neurons the same;
- the same concepts and semantic groups; and for every layer the same neuron groups as scikit-learn's Ward gives.
Exits with 1 where that does not hold. The times are printed as they come.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import naive
import numpy as np
import subjects
import torch
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import silhouette_score
from torch import Tensor, nn

from neurflow_report.analysis.activation_cache import ActivationCache
from neurflow_report.analysis.class_circuit import Circuit, find_circuit, search_neurons
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.images.patches import crops
from neurflow_report.network.cut import Segments
from neurflow_report.results.records import LayerResult, Neuron
from neurflow_report.setup.precision import arithmetic
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.schema import Spec

CASES = {
    "googlenet": ["inception4e", "inception5a", "inception5b", "fc"],
    "resnet50": ["layer4.0", "layer4.1", "layer4.2", "fc"],
}
QUICK = {"resnet18": ["layer4.0", "layer4.1", "fc"]}
LOGIT, TIE, SCORES, ADAPTIVE = 0, 1e-4, 1e-3, 0.98
LINE = "{:42} {:17} {:>13} {:>9} {:>10} {:>7} {:>8} {:>7} {:>7}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. `targets`: targets, or numbers of clusters, in all, and how many the reference was timed
    on; `error`: of the core scores, relative; `agreement`: share of the reference's core neurons; `groups`: share of
    the semantic or neuron groups."""

    segment: str
    mode: str
    targets: int = 0
    timed: int = 0
    seconds: float
    reference_seconds: float
    ratio: float
    error: float | None = None
    agreement: float | None = None
    groups: float | None = None
    agrees: bool = True

    def text(self) -> str:
        """As a line."""

        def share(value: float | None) -> str:
            return "" if value is None else f"{value:.1%}"

        counts = f"{self.targets} ({self.timed})" if self.targets else ""
        error = "" if self.error is None else f"{self.error:.0e}"
        figures = f"{self.seconds:.2f}", f"{self.reference_seconds:.1f}", f"{self.ratio:.3g}×"
        return LINE.format(
            self.segment, self.mode, counts, *figures, error, share(self.agreement), share(self.groups)
        ).rstrip()


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network, cut, with its patches."""

    name: str
    model: nn.Module
    spec: Spec
    workspace: Workspace
    pixels: Tensor
    patches: Tensor
    device: torch.device


def case(name: str, layers: list[str], device: torch.device, memory: str, size: int, count: int) -> Case:
    """A case of the table. Args: size: the pictures' side; count: how many pictures."""
    model = subjects.network(name, device, size)
    workspace = subjects.workspace(model, layers, device, size, memory)
    pixels = subjects.pictures(count, size).to(device)
    patches = crops(pixels, np.arange(count * workspace.grid.per_image), workspace.grid)
    spec = subjects.spec(name, layers)
    return Case(name=name, model=model, spec=spec, workspace=workspace, pixels=pixels, patches=patches, device=device)


def row(*, seconds: float, reference_seconds: float, **columns: Any) -> Row:
    """A line whose ratio says how many times as long the reference takes."""
    return Row(seconds=seconds, reference_seconds=reference_seconds, ratio=reference_seconds / seconds, **columns)


def spread(items: Sequence[int], count: int) -> list[int]:
    """At most `count` of the items, spread over them."""
    wanted = min(count, len(items))
    return [items[int((i + 0.5) * len(items) / wanted)] for i in range(wanted)]


def forward_seconds(it: Case) -> float:
    """One plain forward pass over the patches, the second of two."""

    @torch.no_grad()
    def run() -> None:
        for some in torch.split(it.patches, it.workspace.forward_rows):
            it.model(some)

    run()
    return subjects.timed(it.device, run)[1]


def measure(it: Case, checked: int) -> Iterator[Row]:
    """All rows of a case, as they come."""
    watch = subjects.Stopwatch(it.device)
    forward = forward_seconds(it)
    ours, seconds = subjects.timed(it.device, lambda: find_circuit(_run(it, it.workspace, it.spec, LOGIT, watch)))
    rows = [_means(it, ours, watch.seconds["patches"])]
    yield rows[0]
    for number in range(len(ours.layers) - 1, -1, -1):
        some = _layer(it, ours, number, checked, watch.seconds[f"neurons of {ours.layers[number].name}"])
        yield from some
        rows += some
    rows.append(_neuron_groups(it, ours, checked, watch.seconds["neuron groups"]))
    yield rows[-1]
    parts = [one for one in rows if one.mode != "50 nodes"]
    names = it.spec.layers
    whole = row(
        segment=f"{it.name} {names[0]} … {names[-1]}",
        mode="whole",
        seconds=seconds,
        reference_seconds=sum(one.reference_seconds for one in parts),
        agrees=all(one.agrees for one in rows),
    )
    yield whole
    yield replace(whole, mode="÷ forward pass", reference_seconds=forward, ratio=seconds / forward)


def _means(it: Case, ours: Circuit, seconds: float) -> Row:
    """φ of all patches: one forward pass a layer."""
    names = [layer.name for layer in ours.layers]
    found, reference = subjects.timed(it.device, lambda: [naive.means(it.model, n, it.patches) for n in names])
    error = max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(ours.means, found, strict=True))
    return row(
        segment=it.name, mode="φ of all patches", seconds=seconds, reference_seconds=reference, error=error,
        agrees=error <= TIE,
    )  # fmt: skip


def _layer(it: Case, ours: Circuit, number: int, checked: int, seconds: float) -> list[Row]:
    """The targets of one layer: adaptive as the run had them, and the checked ones again at 50 nodes."""
    layer, below = ours.layers[number], ours.layers[max(number - 1, 0)]
    targets = spread([n.channel for n in layer.neurons], checked)
    segment = it.workspace.segments.stages[number - 1] if number else None

    def reference(channel: int) -> naive.Target:
        return naive.target(
            it.model, segment, below.name, it.patches, ours.means[number][:, channel], ours.means[max(number - 1, 0)],
            channel, k=it.spec.concept.k, tau=it.spec.core.tau, most=it.spec.groups.max_semantic,
        )  # fmt: skip

    reference(targets[0])
    found, taken = subjects.timed(it.device, lambda: [reference(channel) for channel in targets])
    mine = [next(n for n in layer.neurons if n.channel == channel) for channel in targets]
    title = f"{it.name} {below.name} → {layer.name}" if number else f"{it.name} {layer.name}"
    scale = len(layer.neurons) / len(targets)
    adaptive = row(
        segment=title, mode="adaptive" if number else "groups alone", targets=len(layer.neurons), timed=len(targets),
        seconds=seconds, reference_seconds=taken * scale, **compare(mine, found, ADAPTIVE if number else None),
    )  # fmt: skip
    if segment is None:
        return [adaptive]
    again, spent = subjects.timed(it.device, lambda: [_at_50_nodes(it, ours, number, c) for c in targets])
    same = row(
        segment=title, mode="50 nodes", targets=len(targets), timed=len(targets), seconds=spent,
        reference_seconds=taken, **compare(again, found, 1.0),
    )  # fmt: skip
    return [adaptive, same]


def _at_50_nodes(it: Case, ours: Circuit, number: int, channel: int) -> Neuron:
    """One target, as the pipeline finds it where the layer is the top one and 50 nodes are asked for."""
    ends = slice(number - 1, number + 1)
    forward = replace(it.workspace.forward, segments=_one_layer_pair(it.workspace.forward.segments, number))
    pair_rows = it.workspace.pair_rows[number - 1 : number]
    workspace = replace(
        it.workspace, segments=_one_layer_pair(it.workspace.segments, number), forward=forward, pair_rows=pair_rows
    )
    nodes = it.spec.attribution.model_copy(update={"rule": "gauss", "nodes": naive.NODES, "max_nodes": naive.NODES})
    spec = it.spec.model_copy(update={"attribution": nodes})
    found = search_neurons(
        _run(it, workspace, spec, channel, subjects.Stopwatch(it.device)),
        ours.means[ends],
        ActivationCache(workspace, it.pixels),
    )
    return found[-1][0]


def _run(it: Case, workspace: Workspace, spec: Spec, logit: int, watch: subjects.Stopwatch) -> ClassRun:
    return ClassRun.of(workspace, spec, it.pixels, logit=logit, name=it.name, progress=watch)


def _one_layer_pair(segments: Segments, number: int) -> Segments:
    """The layer pair below a layer, by its number, with all that lies lower as the stem."""
    ends = slice(number - 1, number + 1)
    stem = nn.Sequential(segments.stem, *segments.stages[: number - 1])
    return replace(segments, layers=segments.layers[ends], stem=stem, stages=segments.stages[number - 1 : number])


def compare(mine: Sequence[Neuron], reference: Sequence[naive.Target], least: float | None) -> dict[str, Any]:
    """The columns of agreement. Args: least: the share of core neurons to be had; 1 asks for the same but for ties;
    None: there are no core sets."""
    same = [{frozenset(g.patches) for g in a.groups} == set(b.groups) for a, b in zip(mine, reference, strict=True)]
    concepts = all(list(a.concept) == b.concept for a, b in zip(mine, reference, strict=True))
    groups = sum(same) / len(same)
    if least is None:
        return {"groups": groups, "agrees": concepts and groups == 1}
    pairs = [(s.score, b.scores[s.channel]) for a, b in zip(mine, reference, strict=True) for s in a.core]
    got, wanted = np.array(pairs).T
    error = float(np.linalg.norm(got - wanted) / np.linalg.norm(wanted))
    shares, untied = [], []
    for a, b in zip(mine, reference, strict=True):
        core = {s.channel for s in a.core}
        bar = b.scores[b.core[-1]]
        shares.append(len(core & set(b.core)) / len(b.core))
        untied += [i for i in core ^ set(b.core) if abs(b.scores[i] - bar) > TIE * bar]
    agreement = sum(shares) / len(shares)
    close = (
        (not untied and error <= SCORES and edges_off(mine, reference) <= SCORES) if least == 1 else agreement >= least
    )
    return {
        "error": error,
        "agreement": agreement,
        "groups": groups,
        "agrees": bool(concepts and groups == 1 and close),
    }


def edges_off(mine: Sequence[Neuron], reference: Sequence[naive.Target]) -> float:
    """The largest difference of an edge's weight, between semantic groups that both have."""
    off = 0.0
    for a, b in zip(mine, reference, strict=True):
        weights = dict(zip(b.groups, b.weights, strict=False))
        for group in a.groups:
            theirs = weights.get(frozenset(group.patches), {})
            off = max([off, *(abs(e.weight - theirs[e.channel]) for e in group.edges if e.channel in theirs)])
    return off


def _neuron_groups(it: Case, ours: Circuit, checked: int, seconds: float) -> Row:
    """Neuron groups of all layers but the top: scikit-learn anew for each number of clusters."""
    taken, counts, done, same = 0.0, 0, 0, []
    for number, layer in enumerate(ours.layers[:-1]):
        vectors, members = _members(layer, ours.means[max(number - 1, 0)])
        labels = np.empty(len(members), np.int64)
        for label, group in enumerate(layer.groups):
            labels[[members.index((m.channel, m.semantic)) for m in group.members]] = label
        numbers = range(2, min(it.spec.groups.max_neuron, len(vectors) - 1) + 1)
        some = sorted({*spread(numbers, checked), len(layer.groups)})
        found, spent = subjects.timed(it.device, lambda v=vectors, s=some: [_ward(v, n) for n in s])
        taken, counts, done = taken + spent * len(numbers) / len(some), counts + len(numbers), done + len(some)
        mine = found[some.index(len(layer.groups))]
        same.append(_equal(labels, mine[0]) and all(score <= mine[1] + 1e-9 for _, score in found))
    return row(
        segment=it.name, mode="neuron groups", targets=counts, timed=done, seconds=seconds, reference_seconds=taken,
        groups=sum(same) / len(same), agrees=all(same),
    )  # fmt: skip


def _members(layer: LayerResult, r: np.ndarray) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """The mean vector r of each semantic group of a layer, and whose it is."""
    found = [(r[list(g.patches)].mean(axis=0), (n.channel, g.index)) for n in layer.neurons for g in n.groups]
    return np.stack([v for v, _ in found]).astype(np.float64), [m for _, m in found]


def _ward(vectors: np.ndarray, n: int) -> tuple[np.ndarray, float]:
    labels = AgglomerativeClustering(n_clusters=n, linkage="ward").fit_predict(vectors)
    return labels, float(silhouette_score(vectors, labels))


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two labellings are one partition."""
    pairs = set(zip(a.tolist(), b.tolist(), strict=True))
    return len(pairs) == len(set(a.tolist())) == len(set(b.tolist()))


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 where a result does not agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write the rows to this file, too")
    parser.add_argument("--only", default="", help="networks whose name holds this text")
    parser.add_argument("--checked", type=int, default=8, help="targets a layer that the reference is timed on")
    parser.add_argument("--memory", default="2GiB", help="the pipeline's memory budget")
    parser.add_argument(
        "--quick", action="store_true", help="2 pictures of 32 pixels in a ResNet-18: does it still agree?"
    )
    options = parser.parse_args(argv)
    heads = "targets", "ours s", "naive s", "ratio", "error", "core", "groups"
    print(LINE.format("segment", "mode", *heads))
    rows: list[Row] = []
    size, count, checked = (32, 2, 2) if options.quick else (224, 8, options.checked)
    for name, layers in (QUICK if options.quick else CASES).items():
        if options.only in name:
            it = case(name, layers, torch.device(options.device), options.memory, size, count)
            for one in measure(it, checked):
                rows.append(one)
                print(one.text(), flush=True)
    if not rows:
        parser.error(f"--only {options.only}: no network's name holds this text")
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in rows], indent=1) + "\n")
    wrong = [one for one in rows if not one.agrees]
    for one in wrong:
        print(f"does not agree: {one.segment}, {one.mode}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    with arithmetic():
        raise SystemExit(main())
