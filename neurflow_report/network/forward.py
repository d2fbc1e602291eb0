"""Batched inference through the segments: activations, their spatial means φ (METHOD §1), and the memory they take."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from neurflow_report import errors
from neurflow_report.errors import InputError, RunError
from neurflow_report.network import devices
from neurflow_report.network.cut import Segments
from neurflow_report.network.fence import out_of_memory
from neurflow_report.network.shapes import without_values

T = TypeVar("T")

_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_WORKSPACE = 2
"""Times the activations' bytes: what convolutions and copies take besides."""


def _untold(_text: str) -> None:
    """Nobody is told."""


@dataclass
class AdaptiveBatch:
    """How many rows run at once: `most`, halved for good where memory runs out; `note` is told of it, one line."""

    most: int
    note: Callable[[str], None] = _untold

    def attempt(self, work: Callable[[int], T]) -> T:
        """What `work` gives for `most` rows at once, or for half as many, and so on.

        Raises: RunError out-of-memory where one row is too many; what else `work` raises.
        """
        while True:
            try:
                return work(self.most)
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                self._halve(error)

    def _halve(self, error: RuntimeError) -> None:
        if self.most == 1:
            hint = "free memory on the device, or run on another"
            raise RunError("out-of-memory", "memory ran out with one row at a time", hint=hint) from error
        self.most, before = self.most // 2, self.most
        self.note(f"out of memory with {before} rows at once: going on with {self.most}")


def spatial_mean(activation: Tensor, feature_axis: int) -> Tensor:
    """φ of all channels, (N, C): the mean over every axis but the batch's and `feature_axis` (1, or -1 for tokens).

    A vector (N, C) comes back as it is (METHOD §1).
    """
    space = [axis for axis in range(1, activation.ndim) if axis != feature_axis % activation.ndim]
    return activation.mean(dim=space) if space else activation


def _unheard(_rows: int) -> None:
    """Nobody follows the progress."""


class KeptActivations:
    """Full activations of all pictures at some layers, kept from the pass that takes their means (METHOD §4).

    Where there is no memory for a layer's, they are not kept, and `note` is told.
    """

    def __init__(self, layers: Collection[int], total: int, note: Callable[[str], None] = _untold) -> None:
        """For the layers of these numbers.

        Args:
            layers: their numbers.
            total: how many pictures there are.
            note: told where memory runs out.
        """
        self.layers, self.total, self.note, self._next = frozenset(layers), total, note, 0
        self._values: dict[int, Tensor] = {}

    def put(self, found: Mapping[int, Tensor], count: int) -> None:
        """The next `count` pictures' activations, {layer: (count, …)}."""
        for number, value in found.items():
            if number not in self._values and number in self.layers:
                self._allocate(number, value)
            if number in self._values:
                self._values[number][self._next : self._next + count] = value
        self._next += count

    def _allocate(self, number: int, value: Tensor) -> None:
        try:
            self._values[number] = value.new_empty((self.total, *value.shape[1:]))
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            self.layers -= {number}
            self.note("out of memory for a layer's activations: they are not kept, and made again when needed")

    def values(self) -> dict[int, NDArray[Any]]:
        """All that is kept, at the host, by layer."""
        return {number: value.cpu().numpy() for number, value in self._values.items()}

    def restore(self, values: Mapping[int, NDArray[Any]], device: torch.device) -> None:
        """Keep what an earlier pass has kept, all of it."""
        self._values = {number: torch.from_numpy(value).to(device) for number, value in values.items()}
        self._next = self.total

    def only(self, layers: Collection[int]) -> None:
        """Let go of all other layers."""
        self.layers &= frozenset(layers)
        self._values = {number: value for number, value in self._values.items() if number in self.layers}

    def get(self, layer: int, pictures: NDArray[np.int64]) -> Tensor | None:
        """The activations of some pictures, None where the layer is not kept."""
        value = self._values.get(layer)
        return None if value is None else value[torch.as_tensor(pictures, device=value.device)]


def kept_bytes(segments: Segments, layer: int, total: int) -> int:
    """Bytes of a layer's full activation on `total` pictures."""
    return math.prod(segments.layers[layer].shape) * segments.dtype.itemsize * total


def layers_to_keep(segments: Segments, total: int, memory_bytes: int) -> tuple[int, ...]:
    """Numbers of the layers whose activations on `total` pictures fit into `memory_bytes` together, from the one under
    the top downward: what is highest is cheapest to keep, and dearest to make again."""
    found, left = list[int](), memory_bytes
    for number in range(len(segments.layers) - 2, -1, -1):
        left -= kept_bytes(segments, number, total)
        if left < 0:
            break
        found.append(number)
    return tuple(found)


def layer_means(
    segments: Segments,
    batches: Iterable[Tensor],
    *,
    total: int,
    kept: KeptActivations | None = None,
    most: int | None = None,
    on_batch: Callable[[int], None] = _unheard,
    note: Callable[[str], None] = _untold,
) -> tuple[NDArray[Any], ...]:
    """φ of every channel of every declared layer, in one forward pass over all pictures (METHOD §1, §4).

    Args:
        segments: of the network.
        batches: (n, C, S, S) each, on any device.
        total: P.
        kept: keeps the full activations of its layers.
        most: pictures at once, by default all of a batch.
        on_batch: told n after each batch.
        note: told where memory ran out and a batch is taken in parts.
    Returns: a (P, C) array for each layer, float32, or float64 for a float64 network.
    Raises:
        RunError not-finite naming the layer.
        ValueError when `total` is wrong.
    """
    dtype = np.float64 if segments.dtype == torch.float64 else np.float32
    # Made first: many small arrays that stay, between large tensors that go, would leave memory in holes.
    arrays = tuple(np.empty((total, info.channels), dtype) for info in segments.layers)
    rows: AdaptiveBatch | None = None
    done = 0
    with torch.no_grad():
        for batch in batches:
            rows = rows or AdaptiveBatch(most=min(len(batch), most or len(batch)), note=note)
            wanted = kept.layers if kept else frozenset[int]()
            if done + len(batch) > total:
                raise ValueError(f"{total} pictures were announced, {done + len(batch)} came")
            for found, full in rows.attempt(partial(_batch_means, segments, batch, wanted)):
                for array, value in zip(arrays, found, strict=True):
                    array[done : done + len(value)] = value.cpu().numpy()
                if kept:
                    kept.put(full, len(found[0]))
                done += len(found[0])
            on_batch(len(batch))
    if done < total:
        raise ValueError(f"{total} pictures were announced, {done} came")
    return arrays


def _batch_means(
    segments: Segments, batch: Tensor, wanted: Collection[int], n: int
) -> list[tuple[list[Tensor], dict[int, Tensor]]]:
    """φ of a batch, n pictures at a time, and the full activations of the layers `wanted`."""
    return [_means(segments, part, wanted) for part in torch.split(batch, n)]


def _means(segments: Segments, batch: Tensor, wanted: Collection[int]) -> tuple[list[Tensor], dict[int, Tensor]]:
    value = batch.to(segments.device, segments.dtype)
    means, full = [], {}
    for i, (info, part) in enumerate(zip(segments.layers, (segments.stem, *segments.stages), strict=True)):
        value = part(value)
        mean = spatial_mean(value, segments.feature_axis(i))
        check_finite(mean, info.name)
        means.append(mean)
        if i in wanted:
            full[i] = value
    return means, full


def check_finite(values: Tensor, layer: str) -> None:
    """Raises RunError not-finite naming the layer whose activation, or means of it, these are (METHOD §6)."""
    if not torch.isfinite(values).all():
        raise RunError(
            "not-finite",
            f"the activation of layer {layer!r} holds NaN or Inf",
            hint="check the weights and the preprocessing; with float32, try runtime.precision: float64",
        )


def activations(segments: Segments, layer: int, pixels: Tensor) -> Tensor:
    """The full activation of layers[layer] for a batch (N, C, S, S) of inputs; on the segments' device, no gradient."""
    value = pixels.to(segments.device, segments.dtype)
    with torch.no_grad():
        for part in (segments.stem, *segments.stages[:layer]):
            value = part(value)
    return value


_NO_LIMIT = 2.0**62
"""Bytes that no machine has."""


def memory_budget(text: str, device: torch.device) -> int:
    """Bytes that `text` stands for: "6GiB", "500MB", or "auto", half of what is free on `device` now.

    Raises: InputError spec-bad-value for another text (path runtime.memory).
    """
    if text == "auto":
        return _free_bytes(device) // 2
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s?([KMG]i?B)", text)
    if match is None:
        message = f"memory is {text!r}, and auto or a size such as 6GiB was expected"
        raise InputError("spec-bad-value", message, path=("runtime", "memory"))
    return int(min(float(match[1]) * _UNITS[match[2]], _NO_LIMIT))


def spelt_bytes(count: int) -> str:
    """A number of bytes in the unit that suits it: 1.5 GiB, 2.0 MiB, 1000 bytes."""
    for unit in ("GiB", "MiB", "KiB"):
        if count >= _UNITS[unit]:
            return f"{count / _UNITS[unit]:.1f} {unit}"
    return f"{count} bytes"


def check_picture(size: int, channels: int, itemsize: int, memory_bytes: int, path: errors.Path) -> None:
    """Raises InputError out-of-memory where one picture of the network's input, (channels, size, size), takes more than
    `memory_bytes`.

    Args:
        itemsize: bytes of a number.
        path: the place in the spec to tell.
    """
    need = size * size * channels * itemsize
    if need > memory_bytes:
        raise _too_large(size, f"takes {spelt_bytes(need)}, and the budget is {spelt_bytes(memory_bytes)}", path)


@contextmanager
def one_picture(size: int, path: errors.Path) -> Iterator[None]:
    """Inside one picture of `size` pixels goes through the network.

    Raises: InputError out-of-memory at `path` where there is no memory for that.
    """
    try:
        yield
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        raise _too_large(size, "takes more memory in the network than there is", path) from error


def _too_large(size: int, what: str, path: errors.Path) -> InputError:
    message = f"one picture of {size} × {size} pixels {what}"
    hint = "set preprocess.size smaller, raise runtime.memory, or free memory on the device"
    return InputError("out-of-memory", message, hint=hint, path=path)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    available = _meminfo_available()
    if available is None:
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    return min([available, *_cgroup_free()])


def _meminfo_available(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Linux's estimate of what can be taken without swapping; None elsewhere."""
    try:
        match = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text())
    except OSError:
        return None
    return int(match[1]) * 1024 if match else None


def _cgroup_free(folder: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """What a container's limit leaves, if there is one; cached files that can be dropped count as free."""
    try:
        limit, used = (int((folder / f"memory.{name}").read_text()) for name in ("max", "current"))
        cached = re.search(r"^inactive_file (\d+)$", (folder / "memory.stat").read_text(), re.MULTILINE)
    except (OSError, ValueError):
        return []
    return [max(0, limit - used + (int(cached[1]) if cached else 0))]


def batch_rows(
    segments: Segments,
    memory_bytes: int,
    example: Tensor,
    *,
    stage: int | None = None,
    gradients: bool = False,
    most: int | None = None,
) -> int:
    """How many rows fit into `memory_bytes`: a power of two (so that a little more or less memory changes nothing).

    Args:
        example: a batch of pictures (1 row is enough).
        stage: rows through stages[stage] alone, where None is the whole network.
        gradients: every intermediate is kept for the backward pass.
        most: the upper end, ≥ 1; None: as the device has it.
    Raises: InputError out-of-memory when not even one row fits.
    """
    if stage is None:
        need = widest_row(segments, example, gradients=gradients)
    else:
        need = row_bytes(segments.stages[stage], activations(segments, stage, example[:1]), gradients=gradients)
    return _rows_of(need, memory_bytes, most or devices.most_rows(segments.device, gradients=gradients))


def pair_rows(segments: Segments, memory_bytes: int, example: Tensor, *, most: int | None = None) -> tuple[int, ...]:
    """Of each stage, how many rows with gradients fit, as `batch_rows` has it; the network is passed once."""
    parts, most = list(_parts(segments, example))[1:], most or devices.most_rows(segments.device, gradients=True)
    return tuple(_rows_of(row_bytes(part, value, gradients=True), memory_bytes, most) for part, value in parts)


def _rows_of(need: int, memory_bytes: int, most: int) -> int:
    if need > memory_bytes:
        raise InputError(
            "out-of-memory",
            f"one row needs about {spelt_bytes(need)}, and the budget is {spelt_bytes(memory_bytes)}",
            hint="raise runtime.memory, or free memory on the device",
            path=("runtime", "memory"),
        )
    return 1 << (min(most, memory_bytes // need).bit_length() - 1)


def widest_row(segments: Segments, example: Tensor, *, gradients: bool = False) -> int:
    """Bytes that one picture takes on its way through the network, as `row_bytes` counts them."""
    return max(row_bytes(part, x, gradients=gradients) for part, x in _parts(segments, example))


def _parts(segments: Segments, example: Tensor) -> Iterable[tuple[fx.GraphModule, Tensor]]:
    """The parts of the network in their order, each with an input of its shape, for one picture."""
    row = example[:1].to(segments.device, segments.dtype)
    yield segments.stem, row
    for info, part in zip(segments.layers, segments.stages, strict=False):
        yield part, row.new_zeros((1, *info.shape))


def row_bytes(part: nn.Module, row: Tensor, *, gradients: bool = False, kept: bool = False) -> int:
    """Bytes that one row (1, …) takes on its way through a segment, workspace included: the most that is alive at once,
    or, with `gradients`, all intermediates twice (values and gradients). Where all are `kept`, no less than these. At
    least 1."""
    if not isinstance(part, fx.GraphModule):
        raise TypeError("row_bytes measures segments, which are fx.GraphModule")
    known, key = _METERED.setdefault(part, {}), (tuple(row.shape), row.dtype)
    if key not in known:
        known[key] = without_values(_metered, part, row)
    every, peak = known[key]
    return max(1, every if kept else 0, _WORKSPACE * (2 * every if gradients else peak))


_METERED: WeakKeyDictionary[nn.Module, dict[tuple[object, torch.dtype], tuple[int, int]]] = WeakKeyDictionary()
"""Bytes of all tensors, and of the most that are alive at once, of segments that were run once; by the row's form."""


def _metered(part: fx.GraphModule, row: Tensor) -> tuple[int, int]:
    """Bytes of all tensors of a segment for a row, and of the most that are alive at once."""
    meter = _Meter(part)
    meter.run(row)
    return sum(meter.sizes.values()), meter.peak()


class _Meter(fx.Interpreter):
    """Runs a segment and notes the bytes of each node's tensor."""

    def __init__(self, part: fx.GraphModule) -> None:
        super().__init__(part)
        self.part, self.sizes = part, dict[fx.Node, int]()

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, Tensor) and n.op not in {"get_attr", "output"}:
            self.sizes[n] = value.numel() * value.element_size()
        return value

    def peak(self) -> int:
        alive = most = 0
        for node in self.part.graph.nodes:
            alive += self.sizes.get(node, 0)
            most = max(most, alive)
            alive -= sum(self.sizes.get(n, 0) for n in self.user_to_last_uses.get(node, []))
        return most


def staying(kept: Collection[int], layer: int, sizes: Sequence[int], most: int) -> frozenset[int]:
    """Which of the layers kept stay where `layer` is held too, all of them in at most `most` bytes: none below it, for
    the experiments go up; then the highest, which are dearest to make again.

    Args: sizes: the bytes of each layer.
    """
    found, left = set[int](), most - sizes[layer]
    for number in sorted((n for n in kept if n > layer), reverse=True):
        left -= sizes[number]
        if left < 0:
            break
        found.add(number)
    return frozenset(found)
