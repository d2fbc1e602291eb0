"""What a run takes on a GPU, from pictures to bundle, and how much of the time the GPU is busy: about five minutes.

    python bench/gpu.py [--device cuda] [--seconds 300] [--only TEXT] [--json FILE] [--small]

1. Whole analyses by the program itself: the specs of specs/ for ResNet-50 and GoogLeNet (the paper's layers, τ 16,
   k 50), `standard` on three hops of ResNet-50, and on CIFAR's ResNet-20. One class, 50 random pictures in a folder,
   random weights with calibrated batch norms. `search`: the seconds of all hops; `slowest hop`; `groups`: neuron groups
   and stability; `experiments`: masking and knock-outs; `busy`: nvidia-smi's share of time in which a kernel ran, the
   mean of a sample every tenth of a second.
2. bench/pipeline.py and bench/attribution.py on GoogLeNet, as long as there is time: ours against the naive way and
   Captum, in one run.

What would begin after `--seconds` is left out, and said so; what has begun ends. `--small`: ten pictures of 64
pixels, for a try on a CPU.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import subjects
import torch
import yaml
from torch import nn
from torchvision.transforms.functional import to_pil_image

from neurflow_report.report import analyze
from neurflow_report.results.bundle import read_bundle
from neurflow_report.spec.load import load_spec

HERE = Path(__file__).parent
STANDARD = {"preset": "standard"}
LINE = "{:34} {:>8} {:>8} {:>12} {:>8} {:>12} {:>7} {:>6} {:>8}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """An analysis: a spec of specs/, or a network with layers; what else it asks for."""

    name: str
    network: str
    layers: tuple[str, ...] = ()
    changes: dict[str, Any]
    size: int = 224


CASES = [
    Case(name="ResNet-50, the paper's layers", network="resnet50", changes={}),
    Case(name="GoogLeNet, the paper's layers", network="googlenet", changes={}),
    Case(name="ResNet-50, three hops, standard", network="resnet50", layers=("layer4.0", "layer4.1", "layer4.2", "fc"),
         changes={"fidelity": STANDARD}),
    Case(name="CIFAR ResNet-20, standard", network="resnet20", size=32, changes={"fidelity": STANDARD},
         layers=("stage2.1", "stage2.2", "stage3.0", "stage3.1", "fc")),
]  # fmt: skip
OTHERS = [
    ["pipeline.py", "--only", "googlenet", "--checked", "2"],
    ["attribution.py", "--only", "inception", "--checked", "2"],
]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: seconds; `busy`: 0..1, None where nothing tells; `precision`: of the attributions."""

    name: str
    whole: float
    search: float
    slowest_hop: float
    groups: float
    experiments: float
    busy: float | None
    targets: int
    precision: str


class Busy:
    """nvidia-smi's share of time in which a kernel ran, sampled while a block runs."""

    def __init__(self) -> None:
        self.samples: list[float] = []

    @contextmanager
    def watching(self, device: torch.device) -> Iterator[None]:
        """Inside, samples are taken."""
        if device.type != "cuda" or shutil.which("nvidia-smi") is None:
            yield
            return
        words = [
            "--query-gpu=utilization.gpu",
            "--format=csv,noheader,nounits",
            "-lms",
            "100",
            f"--id={device.index or 0}",
        ]
        with subprocess.Popen(["nvidia-smi", *words], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            reader = Thread(target=self._read, args=(process.stdout,), daemon=True)
            reader.start()
            try:
                yield
            finally:
                process.terminate()
                reader.join(timeout=5)

    def _read(self, lines: Any) -> None:
        self.samples += [float(line) / 100 for line in lines if line.strip().isdigit()]

    @property
    def share(self) -> float | None:
        """The mean of the samples, 0..1."""
        return sum(self.samples) / len(self.samples) if self.samples else None


def network(case: Case, size: int) -> nn.Module:
    """The case's network, calibrated, on the CPU."""
    if case.network != "resnet20":
        return subjects.network(case.network, torch.device("cpu"), size)
    torch.manual_seed(0)
    return subjects.calibrated(subjects.ResNet20(), size)


def written(case: Case, folder: Path, options: argparse.Namespace) -> Path:
    """The case's pictures, weights and spec, in a folder."""
    size = 64 if options.small and case.size > 64 else case.size
    (folder / "pictures/0").mkdir(parents=True)
    for number, values in enumerate(subjects.pictures(10 if options.small else 50, size)):
        bounds = values.aminmax()
        picture = to_pil_image((values - bounds.min) / (bounds.max - bounds.min))
        picture.save(folder / f"pictures/0/{number:02}.png")
    torch.save(network(case, size).state_dict(), folder / "weights.pt")
    model: dict[str, Any] = {"source": "torchvision", "name": case.network, "weights": "weights.pt"}
    if case.network == "resnet20":
        model = {"source": "python", "factory": "subjects:ResNet20", "python_path": str(HERE), "weights": "weights.pt"}
    spec: dict[str, Any] = {"version": 1, "title": case.name, "layers": list(case.layers)}
    if not case.layers:
        spec = yaml.safe_load((HERE.parent / f"specs/{case.network}-imagenet.yaml").read_text(encoding="utf-8"))
    spec |= {
        "model": model, "classes": [0], "output": str(folder / "out"), "preprocess": {"size": size, "resize": size},
        "data": {"source": "folder", "root": "pictures", "select": "labelled", "limit": 50, "labels": {"0": 0}},
        "runtime": {"device": options.device, **({"memory": "1GiB"} if options.small else {})},
    } | case.changes  # fmt: skip
    file = folder / "spec.yaml"
    file.write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")
    return file


def measured(case: Case, options: argparse.Namespace) -> Row:
    """One analysis."""
    device = torch.device(options.device)
    with tempfile.TemporaryDirectory() as place:
        loaded, busy, watch = (
            load_spec(written(case, Path(place), options), allow_code=True),
            Busy(),
            subjects.Stopwatch(device),
        )
        begun = time.perf_counter()
        with busy.watching(device):
            bundle = read_bundle(analyze(loaded, progress=watch).parent)
        whole = time.perf_counter() - begun
    hops = [seconds for stage, seconds in watch.seconds.items() if stage.startswith("neurons of")]
    tests = [s for stage, s in watch.seconds.items() if stage.startswith(("masking", "knock-outs"))]
    return Row(
        name=case.name,
        whole=whole,
        search=sum(hops),
        slowest_hop=max(hops),
        groups=watch.seconds.get("neuron groups", 0.0) + watch.seconds.get("stability", 0.0),
        experiments=sum(tests),
        busy=busy.share,
        targets=sum(len(layer.neurons) for layer in bundle.classes[0].layers[1:]),
        precision=bundle.run.settings.precision,
    )


def told(row: Row) -> str:
    """One line of the table."""
    seconds = [f"{s:.1f} s" for s in (row.whole, row.search, row.slowest_hop, row.groups, row.experiments)]
    busy = "–" if row.busy is None else f"{row.busy:.0%}"
    return LINE.format(row.name, *seconds, row.targets, busy, row.precision)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table, then what the other benchmarks print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--only", default="", help="cases whose name holds this text, and no other benchmark")
    parser.add_argument("--json", type=Path, help="write the rows to this file, too")
    parser.add_argument("--small", action="store_true")
    options = parser.parse_args(argv)
    begun, rows = time.perf_counter(), list[Row]()

    def in_time(name: str) -> bool:
        if time.perf_counter() - begun < options.seconds:
            return True
        print(f"{name}: not run, {options.seconds:.0f} s are over", flush=True)
        return False

    print(torch.cuda.get_device_name() if options.device == "cuda" else options.device, f"torch {torch.__version__}")
    heads = ("analysis", "whole", "search", "slowest hop", "groups", "experiments", "targets", "busy", "in")
    print(LINE.format(*heads), flush=True)
    for case in CASES:
        if options.only in case.name and in_time(case.name):
            rows.append(measured(case, options))
            print(told(rows[-1]), flush=True)
    for words in [] if options.only or options.small else OTHERS:
        left = options.seconds - (time.perf_counter() - begun)
        if in_time(words[0]):
            print(f"\n{' '.join(words)}", flush=True)
            try:
                command = [sys.executable, HERE / words[0], *words[1:], "--device", options.device]
                subprocess.run(command, check=False, timeout=left, cwd=HERE)
            except subprocess.TimeoutExpired:
                print("stopped: the time is over", flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
