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

    def activations(self, x: torch.Tensor) -> list[torch.Tensor]:
        """What block1 … blockN put out for a batch of pictures, each (B, width, H, W)."""
        found = []
        for number in range(1, self.depth + 1):
            x = self.get_submodule(f"block{number}")(x)
            found.append(x)
        return found

    def head(self, x: torch.Tensor) -> torch.Tensor:
        """The last block's activation → (B, outputs) logits."""
        return self.fc(self.pool(x).flatten(1))  # type: ignore[no-any-return]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.activations(x)[-1])
