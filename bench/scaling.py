"""Time and peak memory of the analysis against the number of patches, of targets, and of classes.

    python bench/scaling.py [--device cpu] [--json FILE] [--network resnet18] [--size 96] [--only TEXT] [--quick]

Each row is a process of its own. Peak memory is what it grew by since the network was loaded (ru_maxrss; on CUDA
torch's max_memory_allocated). A series' exponent is the slope of log(value) over log(n), by least squares over its
rows: 1 is linear, 0 does not grow. Random weights with calibrated batch norms, random pictures, k 50.

- patches: one class on more and more pictures; the seconds of the stage that runs all patches.
- targets: τ targets at the layer below the logit; the seconds of that layer.
- classes: one class after another, 531 patches and τ 8 each; the seconds of all.

Agreement: φ of the first pictures' patches, the first targets' core neurons and scores, and the first class's circuit
must not depend on how many there are (relative 1e-5). Exits with 1 where they do.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SERIES = {
    "patches": (531, 1003, 2537, 5015, 10030),
    "targets": (1, 4, 16, 64, 256),
    "classes": (1, 2, 5, 10),
}
PER_PICTURE, TOLERANCE = 59, 1e-5
LAYERS = {"resnet18": ["layer3.1", "layer4.0", "fc"], "resnet50": ["layer4.0", "layer4.1", "fc"]}
LINE = "{:8} {:>6} {:>9} {:>9} {:>10} {:>8}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line: `stage_seconds` is of the part that should grow with n, `seconds` of all; `error` is against the first
    row of the series, on what both have, relative; `peak` in bytes."""

    segment: str
    mode: str
    n: int
    seconds: float
    stage_seconds: float
    peak: int
    reference_seconds: float
    ratio: float
    error: float
    agreement: float


def work(series: str, n: int, options: argparse.Namespace) -> dict[str, Any]:
    """One row's work: seconds, peak, and the values that must not depend on n."""
    import subjects
    import torch

    from neurflow_report.analysis.class_circuit import find_circuit
    from neurflow_report.analysis.class_run import ClassRun
    from neurflow_report.setup.precision import arithmetic

    device, layers = torch.device(options.device), LAYERS[options.network]
    model = subjects.network(options.network, device, options.size)
    workspace = subjects.workspace(model, layers, device, options.size, options.memory)
    tau = {"patches": 4, "targets": n, "classes": 8}[series]
    spec = subjects.spec(options.network, layers, core={"tau": tau})
    count = n // PER_PICTURE if series == "patches" else 9
    classes = n if series == "classes" else 1
    watch, first = subjects.Stopwatch(device), None
    before = peak(options.device)

    def run() -> None:
        nonlocal first
        for logit in range(classes):
            pixels = subjects.pictures(count, options.size, seed=1 + logit).to(device)
            found = find_circuit(ClassRun.of(workspace, spec, pixels, logit=logit, name="", progress=watch))
            first = first or found

    with arithmetic():
        _, seconds = subjects.timed(device, run)
    stage = {"patches": "patches", "targets": f"neurons of {layers[-2]}"}.get(series)
    assert first is not None
    return {
        "seconds": seconds,
        "stage_seconds": watch.seconds[stage] if stage else seconds,
        "peak": peak(options.device) - before,
        "common": common(series, first),
    }


def common(series: str, circuit: Any) -> dict[str, list[Any]]:
    """What the rows of a series have in common: the `names` of channels and patches, the `values` φ or scores."""
    if series == "patches":
        phi = circuit.means[-2][: SERIES["patches"][0]]
        return {"names": [], "values": [float(x) for x in phi.mean(axis=1)]}
    neurons = [n for layer in circuit.layers[1:] for n in layer.neurons]
    if series == "targets":
        strongest = circuit.layers[-1].neurons[0].core[0].channel
        neurons = [n for n in circuit.layers[-2].neurons if n.channel == strongest]
    most = 1 if series == "targets" else None
    cores = [score for n in neurons for score in n.core[:most]]
    names = [[n.channel, *n.concept] for n in neurons] + [[score.channel for score in cores]]
    return {"names": names, "values": [score.score for score in cores]}


def peak(device: str) -> int:
    """The most memory so far, in bytes."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def child(series: str, n: int, arguments: list[str]) -> dict[str, Any]:
    """A row in a process of its own; this one stays small (a new process begins with its parent's ru_maxrss)."""
    command = [sys.executable, str(Path(__file__)), *arguments, "--child", series, str(n)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{series} {n}: {done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows_of(series: str, counts: tuple[int, ...], options: argparse.Namespace, arguments: list[str]) -> list[Row]:
    """The rows of a series, printed as they come."""
    rows: list[Row] = []
    reference: dict[str, Any] = {}
    for n in counts:
        found = child(series, n, arguments)
        reference = reference or found
        error = difference(found["common"], reference["common"])
        row = Row(
            segment=f"{options.network} {options.size}px {series}", mode=f"{n}", n=n, seconds=found["seconds"],
            stage_seconds=found["stage_seconds"], peak=found["peak"], error=error,
            reference_seconds=reference["stage_seconds"], agreement=float(error <= TOLERANCE),
            ratio=found["stage_seconds"] / reference["stage_seconds"],
        )  # fmt: skip
        rows.append(row)
        figures = f"{row.seconds:.2f}", f"{row.stage_seconds:.2f}", f"{row.peak / 2**20:.0f} MiB", f"{error:.0e}"
        print(LINE.format(series, n, *figures), flush=True)
    return rows


def difference(a: dict[str, list[Any]], b: dict[str, list[Any]]) -> float:
    """The largest difference of two rows' values, relative to the largest value; infinite where names differ."""
    if a["names"] != b["names"]:
        return math.inf
    return max(abs(x - y) for x, y in zip(a["values"], b["values"], strict=True)) / max(map(abs, b["values"]))


def exponent(counts: list[int], values: list[float]) -> float:
    """The slope of log(value) over log(n) by least squares."""
    x, y = [math.log(n) for n in counts], [math.log(max(v, 1e-9)) for v in values]
    mx, my = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mx) * (b - my) for a, b in zip(x, y, strict=True)) / sum((a - mx) ** 2 for a in x)


def main(argv: list[str] | None = None) -> int:
    """Print the table; 1 where a result depends on how many there are."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write the rows and the exponents to this file, too")
    parser.add_argument("--network", default="resnet18", choices=LAYERS)
    parser.add_argument("--size", type=int, default=96, help="the pictures' side in pixels")
    parser.add_argument("--memory", default="500MB", help="the pipeline's memory budget")
    parser.add_argument("--only", default="", help="series whose name holds this text")
    parser.add_argument("--quick", action="store_true", help="the first three rows of each series")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        print(json.dumps(work(options.child[0], int(options.child[1]), options)))
        return 0
    print(LINE.format("series", "n", "all s", "stage s", "peak", "error"))
    rows: list[Row] = []
    exponents = []
    for series, counts in SERIES.items():
        if options.only in series:
            some = rows_of(series, counts[:3] if options.quick else counts, options, arguments)
            rows += some
            numbers = [row.n for row in some]
            slopes = {
                "seconds": exponent(numbers, [row.stage_seconds for row in some]),
                "peak": exponent(numbers, [float(row.peak) for row in some]),
            }
            exponents.append({"series": series} | slopes)
            print(f"{series}: seconds grow as n^{slopes['seconds']:.2f}, peak memory as n^{slopes['peak']:.2f}")
    if options.json:
        listed = {"rows": [asdict(row) for row in rows], "exponents": exponents}
        options.json.write_text(json.dumps(listed, indent=1) + "\n")
    wrong = [row for row in rows if not row.agreement]
    for row in wrong:
        print(f"does not agree: {row.segment}, {row.mode}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
