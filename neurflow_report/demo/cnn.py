"""The module behind the demo networks: blocks of convolution, batch norm and ReLU, then average pool and `fc`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


def block(inputs: int, width: int, stride: int, pool: bool) -> nn.Sequential:
    """Convolution 3×3 without bias, batch norm, ReLU, and max pooling 2×2 where `pool`."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, width, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(width),
        nn.ReLU(),
    ]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


class SmallCnn(nn.Module):
    """block1 … blockN of (width, stride, pool), global average pool, `fc`: (B, channels, S, S) → (B, outputs)."""

    def __init__(self, blocks: Sequence[tuple[int, int, bool]], *, channels: int, outputs: int) -> None:
        super().__init__()
        inputs = channels
        self.depth = len(blocks)
        for number, (width, stride, pool) in enumerate(blocks, start=1):
            self.add_module(f"block{number}", block(inputs, width, stride, pool))
            inputs = width
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(inputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for number in range(1, self.depth + 1):
            x = self.get_submodule(f"block{number}")(x)
        return self.fc(self.pool(x).flatten(1))  # type: ignore[no-any-return]
