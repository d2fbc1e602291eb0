"""How long a large report takes to draw, in how much memory, and how large it gets.

    python bench/report.py [--classes 10] [--layers 10] [--neurons 60] [--groups 20] [--pictures 50] [--format html …]
    python bench/report.py --paper    # one class at the size of the paper's: 1,000 neurons and 60 groups a layer
    python bench/report.py --demo --classes 100 --format html    # many classes, each of the demo's size

The bundle is made up here, from a seed: its numbers mean nothing, its shape is that of a large run (10 classes, 10
layers of 60 core concept neurons each, 50 pictures of 224 × 224 a class). Each format is drawn by its own process.
"""

from __future__ import annotations

import argparse
import io
import json
import re
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from neurflow_report.results.bundle import read_bundle, write_bundle
from neurflow_report.results.records import (
    ClassEntry,
    ClassResult,
    Clock,
    CoreScore,
    DataInfo,
    GroupEdge,
    LayerInfo,
    LayerResult,
    Member,
    ModelInfo,
    Neuron,
    NeuronEdge,
    NeuronGroup,
    Patch,
    Picture,
    Preprocess,
    Provenance,
    Region,
    Run,
    SemanticGroup,
    Settings,
)

SIZE, K, TAU = 224, 50, 16
LIMITS = {"seconds": 180.0, "memory": 2 * 2**30, "page": 2_000_000}
PAPER = {"classes": 1, "layers": 10, "neurons": 1000, "groups": 60}
DEMO = {"layers": 5, "neurons": 20, "groups": 8, "pictures": 20, "size": 64, "tau": 4}
PAPER_LIMITS = {"seconds": 30.0, "memory": 2 * 2**30, "page": 1_500_000, "elements": 10_000, "bytes": 25_000_000}
"""What a class of the paper's size may take: of a page its bytes and elements, of the site all its bytes."""


def main() -> int:
    options = _options()
    if options.draw:
        return _draw(Path(options.draw), options.format[0])
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "bundle", options)
        limits = PAPER_LIMITS if options.paper else {} if options.demo else LIMITS
        results = [measured(Path(folder), name, limits) for name in options.format]
    print(json.dumps({"shape": shape(options), "formats": results}, indent=1) if options.json else table(results))
    return 1 if any(r["over"] for r in results) else 0


def measured(folder: Path, name: str, limits: dict[str, float]) -> dict[str, Any]:
    """Draw one format in a process of its own: seconds, peak memory, sizes, and what of it is over the limits."""
    begun = time.monotonic()
    command = [sys.executable, __file__, "--draw", str(folder), "--format", name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, said = time.monotonic() - begun, json.loads(done.stdout)
    peak = said["peak"]
    site = folder / "site"
    files = [p for p in site.rglob("*") if p.is_file()] if name == "html" else [folder / file for file in FILES[name]]
    pages = [p for p in files if p.suffix == ".html"] if name == "html" else []
    found = {
        "seconds": round(seconds, 1), "memory": peak, "page": max((p.stat().st_size for p in pages), default=0),
        "elements": max(map(elements, pages), default=0), "bytes": sum(p.stat().st_size for p in files),
    }  # fmt: skip
    over = [key for key, most in limits.items() if found[key] > most]
    return {"format": name, "processor": said["processor"], "files": len(files), **found, "over": over}


def elements(page: Path) -> int:
    """How many elements a page has."""
    return len(re.findall(r"<[a-zA-Z]", re.sub(r"<(script|style)\b.*?</\1>", "", page.read_text(), flags=re.S)))


FILES = {"pdf": ("report.pdf", "appendix.pdf"), "single": ("report.html",)}


def table(results: list[dict[str, Any]]) -> str:
    lines = ["format   seconds  of a processor  memory MiB   files  all MB  largest page MB  elements  over the limits"]
    for r in results:
        memory, size, page = r["memory"] / 2**20, r["bytes"] / 1e6, r["page"] / 1e6
        lines.append(
            f"{r['format']:8} {r['seconds']:7} {r['processor']:15} {memory:11.0f} {r['files']:7} {size:7.1f} "
            f"{page:16.2f} {r['elements']:9,}  {', '.join(r['over']) or 'no'}"
        )
    return "\n".join(lines)


def _draw(folder: Path, name: str) -> int:
    from neurflow_report.report import render

    render(folder / "bundle", output=folder, formats=[name])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"peak": peak, "processor": round(time.process_time(), 1)}))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {
        "classes": 10,
        "layers": 10,
        "neurons": 60,
        "groups": 20,
        "pictures": 50,
        "size": SIZE,
        "tau": TAU,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--format", action="append", choices=("html", "pdf", "single"))
    parser.add_argument("--paper", action="store_true", help="one class at the size of the paper's, with its limits")
    parser.add_argument("--demo", action="store_true", help="classes of the demo's size, without limits")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--draw", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.paper:
        vars(options).update(PAPER)
    if options.demo:
        vars(options).update(DEMO)
    options.format = options.format or (["html"] if options.paper else ["html", "single"])
    return options


def shape(options: argparse.Namespace) -> dict[str, int]:
    return {name: getattr(options, name) for name in ("classes", "layers", "neurons", "groups", "pictures")}


def write(target: Path, options: argparse.Namespace) -> None:
    """A made-up bundle of that shape."""
    names = [f"class {n:02d}" for n in range(options.classes)]
    entries = tuple(ClassEntry(index=i, name=name, slug=name.replace(" ", "-")) for i, name in enumerate(names))
    below = (f"layer{n // 3 + 1}.{n % 3}" for n in range(options.layers - 1))
    spatial = (LayerInfo(name=name, channels=1024, kind="spatial", shape=(1024, 7, 7)) for name in below)
    layers = (*spatial, LayerInfo(name="fc", channels=1000, kind="vector", shape=(1000,)))
    drawn: dict[str, bytes] = {}
    classes = [one_class(entry, layers, options, drawn) for entry in entries]
    write_bundle(target, run=run(entries, layers, options), classes=classes, provenance=provenance(), pictures=drawn)
    read_bundle(target)


def one_class(
    entry: ClassEntry, layers: tuple[LayerInfo, ...], options: argparse.Namespace, drawn: dict[str, bytes]
) -> ClassResult:
    rng = np.random.default_rng(entry.index)
    size = options.size
    boxes = [(t, x, s) for s, step in ((size, size), (size // 2, size // 4), (size // 4, size // 8))
             for t in range(0, size + 1 - s, step) for x in range(0, size + 1 - s, step)]  # fmt: skip
    patches = [(image, *box) for image in range(options.pictures) for box in boxes]
    channels = [sorted(rng.choice(i.channels, options.neurons, replace=False).tolist()) for i in layers[:-1]]
    channels.append([entry.index])
    made = [
        one_layer(rng, info, channels[n], channels[n - 1] if n else [], len(patches), options)
        for n, info in enumerate(layers)
    ]
    edges = tuple(edge(rng, up, u, low, g) for low, up in pairwise(made) for u in up.groups for g in low.groups)
    used = sorted({p for layer in made for a in layer.neurons for p in a.concept})
    return ClassResult(
        index=entry.index, name=entry.name, slug=entry.slug,
        pictures=tuple(picture(rng, entry, n, drawn, size) for n in range(options.pictures)),
        candidates=len(patches),
        patches=tuple(
            Patch(index=p, image=patches[p][0], top=patches[p][1], left=patches[p][2], side=patches[p][3]) for p in used
        ),
        layers=tuple(made), edges=edges, masking=(), cautions=(),
    )  # fmt: skip


def edge(rng: np.random.Generator, up: LayerResult, u: NeuronGroup, low: LayerResult, g: NeuronGroup) -> GroupEdge:
    weight = float(rng.normal(0, 0.3))
    return GroupEdge(upper_layer=up.name, upper=u.index, lower_layer=low.name, lower=g.index, weight=weight)


def one_layer(
    rng: np.random.Generator,
    info: LayerInfo,
    own: list[int],
    below: list[int],
    patches: int,
    options: argparse.Namespace,
) -> LayerResult:
    neurons = tuple(neuron(rng, info.name, c, below, patches, options.tau) for c in own)
    members = [Member(channel=a.channel, semantic=g.index) for a in neurons for g in a.groups]
    count = min(options.groups, len(members)) if len(own) > 1 else 1
    shown = {(a.channel, g.index): g.patches for a in neurons for g in a.groups}
    shares = np.sort(rng.uniform(0.1, 1, count))[::-1]
    groups = []
    for n in range(count):
        mine = tuple(members[n::count])
        found = tuple(dict.fromkeys(p for m in mine for p in shown[m.channel, m.semantic]))
        share = float(shares[n] / shares.sum())
        groups.append(NeuronGroup(layer=info.name, index=n + 1, members=mine, patches=found, share=share))
    return LayerResult(
        name=info.name,
        channels=info.channels,
        neurons=neurons,
        groups=tuple(groups),
        silhouette=0.3 if count > 1 else None,
    )


def neuron(rng: np.random.Generator, layer: str, channel: int, below: list[int], patches: int, tau: int) -> Neuron:
    concept = tuple(rng.choice(patches, K, replace=False).tolist())
    cores = rng.choice(below, min(tau, len(below)), replace=False).tolist() if below else []
    parts = np.array_split(np.array(concept), rng.integers(2, 6))
    scores = np.sort(rng.random(len(cores)))[::-1].tolist()
    return Neuron(
        layer=layer, channel=channel, concept=concept,
        activations=tuple(np.sort(rng.uniform(0.5, 3, K))[::-1].tolist()),
        core=tuple(CoreScore(channel=c, score=s) for c, s in zip(cores, scores, strict=True)),
        gap_mean=0.004 if below else None, gap_max=0.01 if below else None, nodes=8 if below else None, silhouette=0.3,
        groups=tuple(
            SemanticGroup(index=j + 1, patches=tuple(part.tolist()), activation=1.5, edges=weights(rng, cores))
            for j, part in enumerate(parts)
        ),
        dead=False,
    )  # fmt: skip


def weights(rng: np.random.Generator, cores: list[int]) -> tuple[NeuronEdge, ...]:
    raw = rng.normal(0.4, 1, len(cores))
    return tuple(
        NeuronEdge(channel=c, weight=float(w)) for c, w in zip(cores, raw / max(np.abs(raw).sum(), 1e-9), strict=True)
    )


def picture(rng: np.random.Generator, entry: ClassEntry, number: int, drawn: dict[str, bytes], size: int) -> Picture:
    """Blurred noise, about as hard to compress as a photograph."""
    noise = Image.fromarray(rng.integers(0, 255, (size, size, 3), dtype=np.uint8)).filter(ImageFilter.GaussianBlur(1.6))
    data = io.BytesIO()
    noise.save(data, "JPEG", quality=92)
    file = f"{entry.slug}-{number}.jpg"
    drawn[file] = data.getvalue()
    region = Region(left=0, top=0, width=size, height=size)
    return Picture(
        name=f"{entry.slug}/{number:04d}.jpg", label=entry.name, predicted=entry.name, width=size, height=size,
        region=region, sha256="0" * 64, file=file,
    )  # fmt: skip


def run(entries: tuple[ClassEntry, ...], layers: tuple[LayerInfo, ...], options: argparse.Namespace) -> Run:
    model = ModelInfo(
        source="torchvision", name="made up", weights="none", parameters=1, outputs=1000, digest="0" * 64,
        preprocess=Preprocess(resize=options.size * 8 // 7, size=options.size),
    )  # fmt: skip
    data = DataInfo(
        source="folder", name="made up", select="predicted", limit=50, pool=500, skipped=(), digest="0" * 64
    )
    return Run(
        title="A large report", theme="auto", formats=("html",), model=model, data=data,
        settings=Settings(k=K, scales=(1.0, 0.5, 0.25), stride=0.5, nodes=8, max_nodes=64, tolerance=0.02,
                          tau=options.tau, max_semantic=5, max_neuron=100, taus=(options.tau,), draws=20,
                          experiments=(), seed=0, device="cpu", precision="float32"),
        layers=layers, classes=entries,
    )  # fmt: skip


def provenance() -> Provenance:
    return Provenance(
        generator="bench/report.py", spec_text="", spec_resolved={}, versions={}, device="cpu", determinism={},
        clock=Clock(created="2026-01-01T00:00:00Z", seconds=None),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
