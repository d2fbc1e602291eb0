"""A residual network as people write them for CIFAR: shortcuts by slicing and padding, pooling over the size found.

It stands for users' own code: the tests name it as a factory. It imports torch alone.
"""

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.stride, self.more = stride, width - before

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.stride != 1 or self.more:
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        out += x
        return F.relu(out)


class ResNet(nn.Module):
    def __init__(self, depth=8, num_classes=10, width=8):
        super().__init__()
        if depth % 6 != 2:
            raise ValueError(f"depth must be 6n+2, not {depth}")
        self.conv1, self.bn1 = nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        blocks = depth // 6
        self.layer1 = self._stage(width, width, blocks, 1)
        self.layer2 = self._stage(width, 2 * width, blocks, 2)
        self.layer3 = self._stage(2 * width, 4 * width, blocks, 2)
        self.linear = nn.Linear(4 * width, num_classes)

    def _stage(self, before, width, blocks, stride):
        rest = [Block(width, width, 1) for _ in range(blocks - 1)]
        return nn.Sequential(Block(before, width, stride), *rest)

    def forward(self, x):
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.layer3(self.layer2(self.layer1(out)))
        out = F.avg_pool2d(out, out.size()[3])
        out = out.view(out.size(0), -1)
        return self.linear(out)


def resnet(depth=8, num_classes=10, width=8):
    return ResNet(depth, num_classes, width)


def nothing():
    return {"not": "a module"}


not_callable = torch.zeros(1)
