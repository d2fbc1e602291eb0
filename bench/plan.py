"""What `plan` predicts, against what `analyze` then takes: seconds of each stage, and peak memory.

    python bench/plan.py [--device cpu] [--json FILE] [--only TEXT] [--clock wall|cpu]

The demo's spec, two of its classes with the preset `standard`, a ResNet-18 and a CIFAR-size ResNet-20 with random
weights over folders of random pictures. Plan and run are processes of
their own. `--clock cpu` counts processor seconds with one thread, for a machine that others use, too. Exits with 1
where more targets are found than the plan allows for, or the seconds in all, or the peak, are more than 1.5 times off.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
OFF = 1.5
LINE = "{:28} {:22} {:>11} {:>11} {:>8}"
RESNET = {
    "version": 1,
    "title": "ResNet-18",
    "model": {"source": "torchvision", "name": "resnet18", "weights": "none", "outputs": 2},
    "data": {"source": "folder", "root": "pictures", "select": "labelled", "limit": 6},
    "classes": ["a", "b"],
    "layers": ["layer3.1", "layer4.0", "layer4.1", "fc"],
    "core": {"tau": 8},
    "fidelity": {"taus": [8], "draws": 5},
    "runtime": {"memory": "600MiB"},
}

CIFAR = {
    "version": 1,
    "title": "ResNet-20",
    "model": {
        "source": "python",
        "factory": "tests.oracles.cifar:resnet",
        "kwargs": {"depth": 20, "width": 16},
        "weights": "none",
    },
    "preprocess": {"size": 32, "resize": 32, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
    "data": {"source": "folder", "root": "small", "select": "labelled", "limit": 20},
    "classes": ["a"],
    "layers": ["layer2.1", "layer2.2", "layer3.0", "layer3.1", "layer3.2", "linear"],
    "core": {"tau": 8},
    "fidelity": {"preset": "standard"},
    "runtime": {"memory": "600MiB"},
}
"""As people write it for CIFAR: 32 pixels, ten classes."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One stage: seconds as the plan says (`seconds`) and as the run took (`reference_seconds`); MiB in the last row,
    targets in those that end so. `ratio`: the plan's over the run's."""

    segment: str
    mode: str
    seconds: float
    reference_seconds: float
    ratio: float
    error: float
    agreement: float


def specs(folder: Path, device: str) -> dict[str, Path]:
    """The specs' files."""
    import numpy as np
    import yaml
    from PIL import Image

    random = np.random.default_rng(0)
    for root, names, count, size in (("pictures", "ab", 6, (300, 260)), ("small", "abcdefghij", 20, (32, 32))):
        for name in names:
            (folder / root / name).mkdir(parents=True)
            for number in range(count):
                coarse = Image.fromarray(random.integers(0, 256, (14, 14, 3), np.uint8))
                coarse.resize(size, Image.Resampling.BICUBIC).save(folder / root / name / f"{number}.png")
    demo = yaml.safe_load((ROOT / "specs" / "demo.yaml").read_text(encoding="utf-8"))
    two = demo | {"classes": demo["classes"][:2], "fidelity": {"preset": "standard"}}
    every: dict[str, dict[str, Any]] = {"demo": demo, "demo-standard": two, "resnet18": RESNET, "resnet20": CIFAR}
    for name, spec in every.items():
        spec = spec | {"output": str(folder / name), "runtime": spec["runtime"] | {"device": device}}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    return {name: folder / f"{name}.yaml" for name in every}


def work(what: str, spec: Path, clock: str) -> dict[str, Any]:
    """A child's work: the plan, or the seconds, targets and peak of the run."""
    from neurflow_report import progress
    from neurflow_report.analysis import run
    from neurflow_report.planning import calibrate_forward, plan
    from neurflow_report.results.bundle import read_bundle
    from neurflow_report.setup import precision
    from neurflow_report.spec.load import load_spec

    counting = time.process_time if clock == "cpu" else time.perf_counter
    calibrate_forward.clock = counting
    loaded = load_spec(spec, (), allow_code=True)
    if what == "plan":
        return asdict(plan.plan(loaded, timed=True, progress=progress.Silent(), clock=counting))
    watch = progress.Timed(progress.Silent(), clock=counting)
    begun = counting()
    with precision.arithmetic(), run._analyzed(loaded, watch, (), ()) as place:
        bundle = read_bundle(place)
    seconds = counting() - begun
    import torch

    if loaded.spec.runtime.device.startswith("cuda"):
        peak = int(torch.cuda.max_memory_allocated())
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    targets = {
        info.name: [len(c.layers[i].neurons) for c in bundle.classes] for i, info in enumerate(bundle.run.layers)
    }
    return {"seconds": seconds, "stages": watch.seconds, "targets": targets, "peak": peak}


def child(what: str, spec: Path, clock: str) -> dict[str, Any]:
    """What `work` gives, from a process of its own."""
    command = [sys.executable, str(Path(__file__)), "--child", what, str(spec), "--clock", clock]
    threads = {"OMP_NUM_THREADS": "1"} if clock == "cpu" else {}
    threads["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | threads)
    if done.returncode:
        raise SystemExit(f"{what} {spec.name}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(name: str, spec: Path, clock: str) -> list[Row]:
    """The rows of one spec."""
    planned, run = child("plan", spec, clock), child("run", spec, clock)
    pairs = [
        (stage["name"], stage["seconds"], run["stages"][stage["name"]])
        for stage in planned["stages"]
        if stage["name"] in run["stages"]
    ]
    pairs.append(("in all", planned["seconds"], run["seconds"]))
    pairs.append(("peak MiB", planned["peak"] / 2**20, run["peak"] / 2**20))
    rows = [row(name, mode, mine, theirs, True) for mode, mine, theirs in pairs]
    rows = [
        replace(one, agreement=float(1 / OFF <= one.ratio <= OFF)) if one.mode in {"in all", "peak MiB"} else one
        for one in rows
    ]
    for layer in planned["layers"]:
        found = run["targets"][layer["name"]]
        fits = max(found) <= layer["targets_most"]
        rows.append(row(name, f"{layer['name']} targets", layer["targets_likely"], sum(found) / len(found), fits))
    return rows


def row(name: str, mode: str, mine: float, theirs: float, fits: bool) -> Row:
    """A line."""
    ratio = mine / max(theirs, 1e-9)
    return Row(
        segment=name, mode=mode, seconds=mine, reference_seconds=theirs, ratio=ratio, error=abs(ratio - 1),
        agreement=float(fits),
    )  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 where there were more targets than the plan allowed for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write the rows to this file, too")
    parser.add_argument("--only", default="", help="specs whose name holds this text")
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.child:
        print(json.dumps(work(options.child[0], Path(options.child[1]), options.clock)))
        return 0
    print(LINE.format("spec", "what", "predicted", "measured", "ratio"))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, spec in specs(Path(folder), options.device).items():
            for one in measure(name, spec, options.clock) if options.only in name else ():
                rows.append(one)
                figures = f"{one.seconds:.1f}", f"{one.reference_seconds:.1f}", f"{one.ratio:.2f}"
                print(LINE.format(name, one.mode, *figures), flush=True)
    if not rows:
        parser.error(f"--only {options.only}: no spec's name holds this text")
    if options.json:
        options.json.write_text(json.dumps([asdict(one) for one in rows], indent=1) + "\n")
    wrong = [one for one in rows if not one.agreement]
    for one in wrong:
        print(f"not as predicted: {one.segment}, {one.mode}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
