"""Random networks of building blocks that people use, many of which are not what their classes say; and what the
network itself gives, by hooks alone: nothing of the program's is asked."""

from __future__ import annotations

import random
import types
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint


class Of(nn.Module):
    """A block of parts and a function of the parts and the input."""

    def __init__(self, call: Callable[..., Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.call = call
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x):
        return self.call(self, x)


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        q = torch.sigmoid(x)
        return g * (q * (1 + x * (1 - q)))


class Filter(nn.Module):
    """Complex weights in frequency space."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, 1, 1, dtype=torch.cdouble))

    def forward(self, x):
        return torch.fft.irfft2(torch.fft.rfft2(x) * self.weight, s=x.shape[-2:])


class Branching(nn.Module):
    """Kept whole."""

    def forward(self, x):
        return torch.tanh(x) if x.abs().sum() >= 0 else x


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


class Standard(nn.Conv2d):
    """Weight standardisation."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, weight, self.bias)


def conv(a, b, k=3, **options):
    return nn.Conv2d(a, b, k, padding=options.pop("padding", k // 2), **options)


def _hooked(kind: str) -> Callable[[int, int], nn.Module]:
    def make(a, b):
        block = nn.Sequential(conv(a, b), nn.BatchNorm2d(b), nn.ReLU(inplace=True))
        target = block[0]
        if kind == "scaled":
            target.register_forward_hook(lambda _m, _i, out: out * 3 + 1)
        elif kind == "masked":
            keep = torch.ones(1, b, 1, 1)
            keep[:, : b // 2] = 0
            target.register_forward_hook(lambda _m, _i, out: out * keep.to(out.dtype))
        elif kind == "before":
            target.register_forward_pre_hook(lambda _m, inputs: (inputs[0].flip(1),))
        elif kind == "norm":
            block[1].register_forward_hook(lambda _m, _i, out, _k=None: out.roll(1, 1))
        elif kind == "relu":
            block[2].register_forward_hook(lambda _m, _i, out: out**2)
        elif kind == "block":
            block.register_forward_hook(lambda _m, _i, out: out - out.mean(1, keepdim=True))
        elif kind == "backward":
            target.register_full_backward_hook(lambda _m, given, _o: tuple(None if g is None else g * 2 for g in given))
        elif kind == "keeping":
            target.register_forward_hook(lambda m, _i, out: setattr(m, "kept", out.detach()))
        elif kind == "own forward":
            target.forward = types.MethodType(lambda self, x: 2 * self._conv_forward(x, self.weight, None), target)
        elif kind == "own conv":
            target._conv_forward = lambda x, weight, bias: F.conv2d(x.abs(), weight, bias, padding=1)
        elif kind == "parametrized":
            parametrize.register_parametrization(target, "weight", Doubled())
        elif kind == "weight norm":
            parametrizations.weight_norm(target)
        elif kind == "spectral norm":
            parametrizations.spectral_norm(target)
        elif kind == "old weight norm":
            weight_norm(target)
        elif kind == "old spectral norm":
            spectral_norm(target)
        elif kind == "pruned":
            prune.l1_unstructured(target, "weight", 0.4)
        return block

    return make


def _residual(a, b):
    def call(self, x):
        return F.relu(self.last(F.relu(self.norm(self.first(x)))) + self.side(x))

    return Of(call, first=conv(a, b), norm=nn.BatchNorm2d(b), last=conv(b, b), side=conv(a, b, 1))


def _squeeze(a, b):
    def call(self, x):
        x = F.relu(self.first(x))
        n, c, _, _ = x.size()
        gate = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3)).view(n, c))))).view(n, c, 1, 1)
        return x * gate.expand_as(x)

    return Of(call, first=conv(a, b), down=nn.Linear(b, 4), up=nn.Linear(4, b))


def _spatial_gate(a, b):
    def call(self, x):
        x = F.relu(self.first(x))
        return x * torch.sigmoid(self.gate(torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)))

    return Of(call, first=conv(a, b), gate=conv(2, 1))


def _shuffled(a, b):
    def call(self, x):
        x = F.relu(self.first(x))
        n, c, h, w = x.size()
        return torch.transpose(x.view(n, 2, c // 2, h, w), 1, 2).contiguous().view(n, -1, h, w)

    return Of(call, first=conv(a, b))


def _viewed(a, b):
    def call(self, x):
        x = F.relu(self.first(x))
        n, c, h, w = x.size()
        return x * torch.sigmoid(x.view(n * c, h, w).mean((1, 2)).view(n, c, 1, 1))

    return Of(call, first=conv(a, b))


def _written(a, b):
    def call(self, x):
        x = self.first(x).relu_()
        x = x * 2
        x += 1
        return x.sub_(0.5)

    return Of(call, first=conv(a, b))


def _shared(a, b):
    def call(self, x):
        x = F.relu(self.first(x))
        for _ in range(2):
            x = F.relu(self.norm(self.again(x)) + x)
        return x

    return Of(call, first=conv(a, b), again=conv(b, b), norm=nn.BatchNorm2d(b))


def _attending(a, b):
    def call(self, x):
        x = F.relu(self.first(x))
        n, c, h, w = x.shape
        q, k, v = (part(x).view(n, c, -1) for part in (self.q, self.k, self.v))
        mixed = torch.matmul(F.softmax(torch.matmul(q.permute(0, 2, 1), k), -1), v.permute(0, 2, 1))
        return x + mixed.permute(0, 2, 1).contiguous().view(n, c, h, w)

    return Of(call, first=conv(a, b), q=conv(b, b, 1), k=conv(b, b, 1), v=conv(b, b, 1))


def _branches(a, b):
    half = b // 2
    return Of(lambda self, x: torch.cat([F.relu(self.one(x)), F.silu(self.two(x))], 1), one=conv(a, half),
              two=conv(a, b - half, 1))  # fmt: skip


def _functional(a, b):
    def call(self, x):
        x = F.conv2d(x, self.c.weight, self.c.bias, padding=1)
        n = self.n
        return F.relu(F.batch_norm(x, n.running_mean, n.running_var, n.weight, n.bias, eps=n.eps))

    return Of(call, c=conv(a, b), n=nn.BatchNorm2d(b))


def _then(*more: Callable[[int], nn.Module]) -> Callable[[int, int], nn.Module]:
    return lambda a, b: nn.Sequential(conv(a, b), *(make(b) for make in more))


BLOCKS: dict[str, Callable[[int, int], nn.Module]] = {
    **{kind: _hooked(kind) for kind in (
        "scaled", "masked", "before", "norm", "relu", "block", "backward", "keeping", "own forward", "own conv",
        "parametrized", "weight norm", "spectral norm", "old weight norm", "old spectral norm", "pruned", "plain",
    )},
    "residual": _residual, "squeeze": _squeeze, "spatial gate": _spatial_gate, "shuffled": _shuffled,
    "viewed": _viewed, "written": _written, "shared": _shared, "attending": _attending, "branches": _branches,
    "functional": _functional,
    "standard": lambda a, b: nn.Sequential(Standard(a, b, 3, padding=1), nn.ReLU()),
    "swish": lambda a, b: Of(lambda self, x: Swish.apply(self.c(x)), c=conv(a, b)),
    "filter": lambda a, b: nn.Sequential(conv(a, b), Filter(b), nn.ReLU()),
    "branching": _then(lambda _b: Branching()),
    "checkpointed": lambda a, b: Of(lambda self, x: checkpoint(self.c, x, use_reentrant=False).relu(), c=conv(a, b)),
    "grouped": lambda a, b: nn.Sequential(conv(a, b), nn.ReLU(), conv(b, b, groups=2), nn.ReLU()),
    "depthwise": lambda a, b: nn.Sequential(
        conv(a, b, 1), nn.ReLU6(), conv(b, b, groups=b), nn.BatchNorm2d(b), nn.Hardswish()
    ),
    "strided": lambda a, b: nn.Sequential(conv(a, b, stride=2), nn.BatchNorm2d(b), nn.LeakyReLU(0.1, inplace=True)),
    "dilated": lambda a, b: nn.Sequential(conv(a, b, dilation=2, padding=2), nn.PReLU(b)),
    "reflected": lambda a, b: nn.Sequential(conv(a, b, padding_mode="reflect"), nn.ReLU()),
    "group norm": _then(lambda b: nn.GroupNorm(2, b), lambda _b: nn.ReLU()),
    "instance norm": _then(lambda b: nn.InstanceNorm2d(b, affine=True), lambda _b: nn.ELU()),
    "local": _then(lambda _b: nn.LocalResponseNorm(3), lambda _b: nn.Softplus()),
    "pooled": _then(lambda _b: nn.ReLU(), lambda _b: nn.MaxPool2d(2)),
    "averaged": _then(lambda _b: nn.GELU(), lambda _b: nn.AvgPool2d(2)),
    "upsampled": lambda a, b: Of(lambda self, x: F.interpolate(F.relu(self.c(x)), scale_factor=1.5, mode="bilinear",
                                                               align_corners=False), c=conv(a, b)),
}  # fmt: skip
TOPS: dict[str, Callable[[int], nn.Module]] = {
    "mean": lambda b: Of(lambda self, x: self.fc(x.mean((2, 3))), fc=nn.Linear(b, 4)),
    "pooled": lambda b: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(b, 4)),
    "view": lambda b: Of(lambda self, x: self.fc(F.adaptive_max_pool2d(x, 2).view(-1, 4 * b)), fc=nn.Linear(4 * b, 4)),
    "convolution": lambda b: Of(lambda self, x: F.adaptive_avg_pool2d(self.c(x), 1)[:, :, 0, 0], c=conv(b, 4, 1)),
    "cosine": lambda b: Of(lambda self, x: 5 * F.linear(F.normalize(x.mean((2, 3))), F.normalize(self.fc.weight)),
                           fc=nn.Linear(b, 4)),
    "generalised": lambda b: Of(lambda self, x: self.fc(x.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)),
                                fc=nn.Linear(b, 4)),
    "hooked": lambda b: _with_hook(Of(lambda self, x: self.fc(x.mean((2, 3))), fc=nn.Linear(b, 4))),
    "normed": lambda b: Of(lambda self, x: self.fc(x.mean((2, 3))), fc=weight_norm(nn.Linear(b, 4))),
}  # fmt: skip


def _with_hook(top: nn.Module) -> nn.Module:
    top.fc.register_forward_hook(lambda _m, _i, out: out * 2 + out.roll(1, 1))
    return top


class Net(nn.Module):
    def __init__(self, blocks: list[nn.Module], top: nn.Module) -> None:
        super().__init__()
        for number, block in enumerate(blocks):
            self.add_module(f"b{number}", block)
        self.count, self.top = len(blocks), top

    def forward(self, x):
        for number in range(self.count):
            x = getattr(self, f"b{number}")(x)
        return self.top(x)


def network(seed: int, count: int = 3) -> tuple[nn.Module, list[str], list[str]]:
    """A random network in float64 and eval mode, the names of its layers, and those of its blocks."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    names = [draw.choice(list(BLOCKS)) for _ in range(count)]
    widths = [3, *(draw.choice((4, 6, 8)) for _ in range(count))]
    top = draw.choice(list(TOPS))
    blocks = [BLOCKS[name](a, b) for name, a, b in zip(names, widths, widths[1:], strict=False)]
    model = Net(blocks, TOPS[top](widths[-1])).double()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.normal_(part.bias)
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.3, 3)
    model.eval().requires_grad_(False)
    return model, [*(f"b{n}" for n in range(count)), "output"], [*names, top]


def _with(module: nn.Module, lower: str | None, value: Tensor | None, upper: str, pictures: Tensor) -> Tensor:
    """What `upper` returns where `lower` returns `value`."""
    found: list[Tensor] = []
    parts = dict(module.named_modules())
    hooks = []
    if lower is not None:
        hooks.append(parts[lower].register_forward_hook(lambda _m, _i, _o: value.clone()))
    if upper != "output":
        hooks.append(parts[upper].register_forward_hook(lambda _m, _i, out: found.append(out.clone())))
    try:
        found.append(module(pictures.clone()))
    finally:
        for hook in hooks:
            hook.remove()
    return found[0]


def own(module: nn.Module, layer: str, pictures: Tensor) -> Tensor:
    """The network's own activation of a layer."""
    with torch.no_grad():
        return _with(module, None, None, layer, pictures)


def above(module: nn.Module, lower: str, upper: str, activation: Tensor) -> Tensor:
    """What the network gives at `upper` where its activation at `lower` is as given, (n, …)."""
    return _with(module, lower, activation, upper, torch.zeros(len(activation), 3, 16, 16, dtype=activation.dtype))


def own_t(module: nn.Module, lower: str, upper: str, activation: Tensor, channel: int, nodes: int) -> Tensor:
    """T of a channel of `upper`, (n, C), by Gauss's rule and the network's own gradients."""
    places, weights = np.polynomial.legendre.leggauss(nodes)
    mean = torch.zeros_like(activation)
    for place, weight in zip((places + 1) / 2, weights / 2, strict=True):
        point = (activation * place).requires_grad_()
        out = above(module, lower, upper, point)
        phi = out[:, channel].flatten(1).mean(1) if out.ndim > 2 else out[:, channel]
        mean += weight * torch.autograd.grad(phi.sum(), point)[0]
    return (activation * mean).sum((2, 3))
