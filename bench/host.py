"""What the host does for a search, where arithmetic is nothing: operator calls, waits and microseconds a target.

    python bench/host.py [--network resnet50] [--size 64] [--pictures 20] [--blocks device] [--device cpu] [--json FILE]
    python bench/host.py --network tiny --size 16 --pictures 3

A torchvision network with random weights on small random pictures, cut at its upper layers, one class, τ 16, k 50; or a
tiny one, of bottlenecks of 128 channels at one place each, which has little arithmetic; or a wide one, of 512 and more
layers, which have hundreds of targets. The search runs as in a report, clustering and records included. Counted in one
run:

- calls: operators that PyTorch dispatches below autograd; on a GPU most of them are a launch;
- waits: operators whose result the host needs to go on (a value, where something is not 0, a copy to the host); on a
  GPU each one empties the queue.

Timed in another, of the tiny ones in three, of which the fastest counts: microseconds a target and a pair (target,
patch). On a CPU they have the arithmetic in them. Of the tiny ones it is told, too, what is left without it: the
processor's microseconds less those inside of operators, and the functions that Python calls, which no other work on the
machine changes. To a GPU's host each operator is a launch more.
`--blocks device` takes blocks of pairs as on a GPU, as large as fit; `cpu` as small as keep to the cache.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import subjects
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from neurflow_report.analysis.activation_cache import ActivationCache
from neurflow_report.analysis.class_circuit import search_neurons
from neurflow_report.analysis.class_run import ClassRun
from neurflow_report.circuit.neuron_groups import group_neurons
from neurflow_report.network import devices
from neurflow_report.network.forward import layer_means
from neurflow_report.progress import Silent
from neurflow_report.setup.workspace import patch_batches

LAYERS = {
    "tiny": ["block3", "block4", "block5", "fc"],
    "wide": ["block1", "block2", "block3", "block4", "block5", "fc"],
    "resnet50": ["layer3.5", "layer4.0", "layer4.1", "fc"],
    "googlenet": ["inception4e", "inception5a", "inception5b", "fc"],
    "resnet18": ["layer4.0", "layer4.1", "fc"],
}
WAITING = {
    "_local_scalar_dense", "nonzero", "_unique2", "unique_consecutive", "unique_dim", "masked_select", "is_nonzero",
    "equal",
}  # fmt: skip


class Calls(TorchDispatchMode):
    """Counts what is dispatched; of `waits`, what the host waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.every: Counter[str] = Counter()
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operator."""
        name = func.__name__.partition(".")[0]
        self.every[name] += 1
        if name in WAITING or _indexes_by_mask(name, args):
            self.waits[name] += 1
        return func(*args, **(kwargs or {}))


def _indexes_by_mask(name: str, args: Any) -> bool:
    """Whether an index is a mask, whose size the host has to know."""
    if name not in {"index", "index_put", "index_put_", "_index_put_impl_"}:
        return False
    return any(isinstance(i, torch.Tensor) and i.dtype == torch.bool for i in args[1])


@contextmanager
def copies_counted(calls: Calls) -> Iterator[None]:
    """Inside, every way from a tensor to the host is a wait, too; `numpy` is none: only the host's tensors have it."""
    ways = {name: getattr(torch.Tensor, name) for name in ("cpu", "tolist")}

    def telling(name: str) -> Any:
        def method(tensor: torch.Tensor, *args: Any, **options: Any) -> Any:
            calls.waits[name] += 1
            return ways[name](tensor, *args, **options)

        return method

    for name in ways:
        setattr(torch.Tensor, name, telling(name))
    try:
        yield
    finally:
        for name, method in ways.items():
            setattr(torch.Tensor, name, method)


class OperatorSeconds(TorchDispatchMode):
    """The processor's seconds inside of operators."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """One operator."""
        begun = time.process_time()
        found = func(*args, **(kwargs or {}))
        self.seconds += time.process_time() - begun
        return found


def seconds_outside(once: Any, times: int) -> float:
    """The processor's seconds that `once` takes without what is inside of operators, by the fastest of some runs."""
    every, inside = list[float](), list[float]()
    for _ in range(times):
        begun = time.process_time()
        once()
        every.append(time.process_time() - begun)
        with OperatorSeconds() as operators:
            once()
        inside.append(operators.seconds)
    return min(every) - min(inside)


def functions_called(once: Any) -> int:
    """How many functions Python calls in `once`."""
    profile = cProfile.Profile()
    profile.runcall(once)
    return sum(entry.callcount for entry in profile.getstats())


def search(run: ClassRun) -> tuple[int, Any]:
    """How many targets the search has, and what does it again: from φ of all patches to groups, records included."""
    workspace = run.workspace
    cache = ActivationCache.of_search(workspace, run.pixels, lambda _text: None)
    means = layer_means(
        workspace.forward.segments, patch_batches(workspace, run.pixels), total=run.patches, kept=cache.kept,
        most=workspace.forward.rows,
    )  # fmt: skip
    names = [info.name for info in workspace.segments.layers]

    def once() -> Any:
        neurons = search_neurons(run, means, cache, {})
        return group_neurons(names, neurons, means, run.settings.max_neuron)

    layers, _ = once()
    return sum(len(layer.neurons) for layer in layers[1:]), once


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=LAYERS, default="resnet50")
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--blocks", choices=["device", "cpu"], default="device")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory", default="2GiB")
    parser.add_argument("--all", action="store_true", help="each operator, the most frequent first")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    device = torch.device(options.device)
    if options.blocks == "device":
        devices.is_host = lambda _device: False
    names = LAYERS[options.network]
    is_tiny = options.network in {"tiny", "wide"}
    make = subjects.tiny if is_tiny else subjects.network
    model = make(options.network, device, options.size)
    workspace = subjects.workspace(model, names, device, options.size, options.memory)
    pixels = subjects.pictures(options.pictures, options.size).to(device)
    run = ClassRun.of(workspace, subjects.spec(options.network, names), pixels, logit=0, name="", progress=Silent())
    targets, once = search(run)
    pairs, calls = targets * run.settings.k, Calls()
    with copies_counted(calls), calls:
        once()
    seconds = min(subjects.timed(device, once)[1] for _ in range(3 if is_tiny else 1))
    every, waits = sum(calls.every.values()), sum(calls.waits.values())
    found = {
        "targets": targets, "pairs": pairs, "calls": every, "waits": waits, "seconds": round(seconds, 3),
        "calls a target": round(every / targets, 1), "waits a target": round(waits / targets, 2),
        "microseconds a target": round(1e6 * seconds / targets), "microseconds a pair": round(1e6 * seconds / pairs, 1),
    }  # fmt: skip
    if is_tiny:
        found["functions called a target"] = round(functions_called(once) / targets)
        if device.type == "cpu":
            found["outside of operators a target"] = round(1e6 * seconds_outside(once, 3) / targets)
    for name, value in found.items():
        print(f"{name:32}{value:>12,}")
    if options.all:
        print("\n".join(f"{n:8} {name}" for name, n in calls.every.most_common(40)))
        print("\n".join(f"{n:8} waits: {name}" for name, n in calls.waits.most_common()))
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
