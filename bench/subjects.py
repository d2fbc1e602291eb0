"""What the benchmarks run on: torchvision networks with random weights and calibrated batch norms, random pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock

from neurflow_report.images.patches import PatchGrid
from neurflow_report.network.cut import cut
from neurflow_report.network.forward import memory_budget
from neurflow_report.progress import SilentStep
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.schema import Spec

T = TypeVar("T")


def pictures(count: int, size: int, seed: int = 1) -> Tensor:
    """Random pictures with structure at several scales, (count, 3, size, size): their patches are unlike each other."""
    return torch.stack([_picture(size, 1000 * seed + number) for number in range(count)])


def _picture(size: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    total = torch.randn(1, 3, size, size, generator=generator) * 0.3
    for grid in (4, 12, 36):
        noise = torch.randn(1, 3, grid, grid, generator=generator)
        total += F.interpolate(noise, size=(size, size), mode="bilinear", align_corners=False)
    return total[0]


def network(name: str, device: torch.device, size: int = 224) -> nn.Module:
    """A torchvision network with random weights, its batch norms' statistics those of 16 pictures, in eval mode."""
    torch.manual_seed(0)
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    return calibrated(torchvision.models.get_model(name, weights=None, **options).to(device), size)


class Bottleneck(nn.Module):
    """A residual block, narrow inside."""

    def __init__(self, channels: int, narrow: int) -> None:
        super().__init__()
        self.reduce, self.mix = nn.Conv2d(channels, narrow, 1), nn.Conv2d(narrow, narrow, 3, padding=1)
        self.expand, self.norms = nn.Conv2d(narrow, channels, 1), nn.ModuleList(
            nn.BatchNorm2d(c) for c in (narrow, narrow, channels))  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        """The block."""
        y = F.relu(self.norms[0](self.reduce(x)))
        y = F.relu(self.norms[1](self.mix(y)))
        found: Tensor = self.norms[2](self.expand(y))
        return F.relu(found + x)


class Tiny(nn.Module):
    """Five such blocks on a picture that is one place large."""

    def __init__(self, size: int, channels: int, narrow: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, size, stride=size)
        for number in range(1, 6):
            self.add_module(f"block{number}", Bottleneck(channels, narrow))
        self.fc = nn.Linear(channels, 10)

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        x = F.relu(self.stem(x))
        for number in range(1, 6):
            x = self.get_submodule(f"block{number}")(x)
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


class ResNet20(nn.Module):
    """CIFAR's ResNet of 20 layers (K. He et al. 2016): 0.27 M parameters, pictures of 32 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.stage1, self.stage2, self.stage3 = (_stage(*sizes) for sizes in ((16, 16, 1), (16, 32, 2), (32, 64, 2)))
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """The logits."""
        x = self.stage3(self.stage2(self.stage1(self.stem(x))))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def _stage(inside: int, channels: int, stride: int) -> nn.Sequential:
    narrower = None
    if stride > 1:
        narrower = nn.Sequential(nn.Conv2d(inside, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))
    first = BasicBlock(inside, channels, stride, narrower)
    return nn.Sequential(first, *(BasicBlock(channels, channels) for _ in range(2)))


def tiny(name: str, device: torch.device, size: int) -> nn.Module:
    """A network with little arithmetic, random weights and calibrated batch norms; `wide`: of 512 channels, not 128."""
    torch.manual_seed(0)
    return calibrated(Tiny(size, *((512, 64) if name == "wide" else (128, 4))).to(device), size)


def calibrated(model: nn.Module, size: int) -> nn.Module:
    """The network in eval mode, its batch norms' statistics those of 16 pictures."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    model.train()
    with torch.no_grad():
        model(pictures(16, size, seed=9).to(next(model.parameters()).device))
    return model.eval().requires_grad_(False)


def spec(name: str, layers: list[str], **changes: Any) -> Spec:
    """A spec with METHOD's settings (k 50, τ 16), for the parts of the pipeline that read one."""
    basic: dict[str, Any] = {
        "version": 1,
        "title": "benchmark",
        "model": {"source": "torchvision", "name": name},
        "data": {"source": "demo"},
        "classes": [0],
        "layers": layers,
    }
    return Spec.model_validate(basic | changes)


def workspace(model: nn.Module, layers: list[str], device: torch.device, size: int, memory: str) -> Workspace:
    """The network cut at `layers`, with the patches of METHOD §1 and batches that fit `memory`."""
    example = pictures(1, size).to(device)
    grid = PatchGrid(size=size, scales=(1.0, 0.5, 0.25), stride=0.5)
    return Workspace.set_up(cut(model, layers, example), grid, memory_budget(memory, device), example)


def timed(device: torch.device, call: Callable[[], T]) -> tuple[T, float]:
    """The result of a call, and its seconds."""
    wait(device)
    begun = time.perf_counter()
    result = call()
    wait(device)
    return result, time.perf_counter() - begun


def wait(device: torch.device) -> None:
    """Until the device has done what it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@dataclass
class Stopwatch:
    """A progress that notes the seconds of each stage."""

    device: torch.device
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[SilentStep]:  # noqa: ARG002
        """One stage."""
        wait(self.device)
        begun = time.perf_counter()
        yield SilentStep()
        wait(self.device)
        kind = name.rpartition(": ")[2]
        self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - begun
