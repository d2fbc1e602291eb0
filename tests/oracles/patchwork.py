"""Networks put together at random from what people bring: blocks, heads, wrappings, and now and then code that fails.

`network(seed)` is a factory for `source: python`. What comes out is always the same for a seed, and for pictures of
3 × 32 × 32 most of it runs; the rest is to be refused by name.
"""

from __future__ import annotations

import random
import threading
import warnings

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm
from torch.utils.checkpoint import checkpoint

CLASSES = 3


class Swish(torch.autograd.Function):
    """x·sigmoid(x) with a way back of its own."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return gradient * s * (1 + x * (1 - s))


class Sign(torch.autograd.Function):
    """A binary activation without a gradient."""

    @staticmethod
    def forward(ctx, x):
        return x.sign()

    @staticmethod
    def backward(ctx, gradient):
        raise NotImplementedError("no way back")


class Spectrum(nn.Module):
    """A filter with complex weights."""

    def __init__(self, channels):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, 1, 1, dtype=torch.cfloat))

    def forward(self, x):
        return torch.fft.irfft2(torch.fft.rfft2(x) * self.weight, s=x.shape[-2:])


class Squeezing(nn.Module):
    """Channels weighted by what their means say."""

    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Linear(channels, 2), nn.Linear(2, channels)

    def forward(self, x):
        b, c, _, _ = x.size()
        return x * torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3)))))).view(b, c, 1, 1).expand_as(x)


class Everywhere(nn.Module):
    """Attention over all places."""

    def __init__(self, channels):
        super().__init__()
        self.q, self.k, self.v = (nn.Conv2d(channels, channels, 1) for _ in range(3))

    def forward(self, x):
        b, c, h, w = x.shape
        q, k, v = (part(x).view(b, c, -1) for part in (self.q, self.k, self.v))
        return x + torch.matmul(v, F.softmax(torch.matmul(q.transpose(1, 2), k), -1).transpose(1, 2)).view(b, c, h, w)


class Tokens(nn.Module):
    """A layer of a transformer over the places."""

    def __init__(self, channels):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(channels, 2, 8, batch_first=True)

    def forward(self, x):
        b, c, h, w = x.shape
        return self.layer(x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(b, c, h, w)


class Blur(nn.Module):
    def __init__(self, channels):
        super().__init__()
        kernel = torch.tensor([1.0, 2, 1])
        self.register_buffer("kernel", (kernel[:, None] * kernel / 16).repeat(channels, 1, 1, 1))

    def forward(self, x):
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), self.kernel, groups=x.shape[1])


class Doing(nn.Module):
    """Runs a function of the tensor and itself; `kept` is for what it keeps."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function, self.kept = function, {}
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


def _set(x, value):
    x = x.clone()
    x[:, :2] = value
    return x


def _rows_cleared(x):
    x[:, :, 0] *= 0
    return x


def _branch(_, x):
    return x * 2 if x.mean() > 0.1 else x


def _by_shape(_, x):
    return x * 2 if x.shape[-1] > 4 else x


def _one_by_one(_, x):
    return torch.cat([one[None] * 2 for one in x])


def _coordinates(_, x):
    b, _, h, w = x.shape
    rows = torch.linspace(-1, 1, h, device=x.device).view(1, 1, h, 1).expand(b, 1, h, w)
    return torch.cat([x[:, 1:], rows], 1)


def _standardised(_, x):
    b, c, h, w = x.shape
    return x + x.reshape(b * c, h * w).std(1).reshape(b, c, 1, 1)


def _shuffled(_, x):
    b, c, h, w = x.shape
    return x.view(b, 2, c // 2, h, w).transpose(1, 2).contiguous().view(b, -1, h, w)


def _detour(_, x):
    return x.view(x.shape[0], 2, x.shape[1] // 2 * x.shape[2], x.shape[3]).view(x.shape)


def _without_gradients(self, x):
    with torch.no_grad():
        return self.part(x)


def _kept(self, x):
    self.kept["last"] = x
    return x


def _hooked(_, x):
    if x.requires_grad:
        x.register_hook(lambda gradient: gradient)
    return x


def _in_half(self, x):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        return self.part(x)


def _printed(_, x):
    print("shape", tuple(x.shape))
    return x


def _seeded(_, x):
    torch.manual_seed(0)
    return x + 0.1 * torch.rand_like(x)


def _without_gradients_for_good(_, x):
    torch.set_grad_enabled(False)
    return x


def _failing(_, x):
    raise LookupError("no such thing")


def _leaving(_, x):
    raise SystemExit(3)


def _over_the_rows(_, x):
    return x - x.mean(0, keepdim=True)


SAME = {
    "relu": lambda c: nn.ReLU(),
    "relu in place": lambda c: nn.ReLU(inplace=True),
    "leaky": lambda c: nn.LeakyReLU(0.1, inplace=True),
    "softplus": lambda c: nn.Softplus(),
    "gelu": lambda c: nn.GELU(),
    "hardswish": lambda c: nn.Hardswish(),
    "prelu": lambda c: nn.PReLU(c),
    "swish": lambda c: Doing(lambda _, x: Swish.apply(x)),
    "batch norm": lambda c: nn.BatchNorm2d(c),
    "group norm": lambda c: nn.GroupNorm(2, c),
    "instance norm": lambda c: nn.InstanceNorm2d(c, affine=True),
    "local response": lambda c: nn.LocalResponseNorm(3),
    "layer norm": lambda c: Doing(
        lambda self, x: self.part(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), part=nn.LayerNorm(c)
    ),
    "dropout": lambda c: nn.Dropout(0.3),
    "squeezing": Squeezing,
    "everywhere": Everywhere,
    "tokens": Tokens,
    "blur": Blur,
    "shuffled": lambda c: Doing(_shuffled),
    "detour": lambda c: Doing(_detour),
    "standardised": lambda c: Doing(_standardised),
    "coordinates": lambda c: Doing(_coordinates),
    "pool": lambda c: nn.MaxPool2d(3, 1, 1),
    "average": lambda c: nn.AvgPool2d(3, 1, 1),
    "larger": lambda c: Doing(lambda _, x: F.interpolate(x, scale_factor=2.0, mode="bilinear")),
    "residual": lambda c: Doing(lambda self, x: x + self.part(x), part=nn.Conv2d(c, c, 3, 1, 1)),
    "residual in place": lambda c: Doing(lambda self, x: self.part(x).add_(x), part=nn.Conv2d(c, c, 1)),
    "reused": lambda c: Doing(lambda self, x: self.part(self.part(x).relu()), part=nn.Conv2d(c, c, 3, 1, 1)),
    "depthwise": lambda c: nn.Conv2d(c, c, 3, 1, 1, groups=c),
    "checkpointed": lambda c: Doing(
        lambda self, x: checkpoint(self.part, x, use_reentrant=False), part=nn.Conv2d(c, c, 1)
    ),
    "weight norm": lambda c: parametrizations.weight_norm(nn.Conv2d(c, c, 1)),
    "spectral norm": lambda c: parametrizations.spectral_norm(nn.Conv2d(c, c, 1)),
    "old weight norm": lambda c: weight_norm(nn.Conv2d(c, c, 1)),
    "old spectral norm": lambda c: spectral_norm(nn.Conv2d(c, c, 1)),
    "pruned": lambda c: prune.l1_unstructured(nn.Conv2d(c, c, 1), "weight", 0.3),
    "spectrum": Spectrum,
    "set": lambda c: Doing(lambda _, x: _set(x, 0)),
    "shape": lambda c: Doing(_by_shape),
    "kept": lambda c: Doing(_kept),
    "hooked": lambda c: Doing(_hooked),
    "clamped": lambda c: Doing(lambda _, x: x.clamp(min=1e-6).pow(2.0)),
    "normalised": lambda c: Doing(lambda _, x: F.normalize(x, dim=1)),
    "identity": lambda c: nn.Identity(),
    "empty": lambda c: nn.Sequential(),
}
"""Blocks that keep the shape: made from the number of channels."""
ODD = {
    "branch": lambda c: Doing(_branch),
    "one by one": lambda c: Doing(_one_by_one),
    "cleared": lambda c: Doing(lambda _, x: _rows_cleared(x)),
    "forgotten dropout": lambda c: Doing(lambda _, x: F.dropout(x, 0.5)),
    "noise": lambda c: Doing(lambda _, x: x + 0.1 * torch.randn_like(x)),
    "seeded noise": lambda c: Doing(_seeded),
    "detached": lambda c: Doing(lambda _, x: x.detach()),
    "half detached": lambda c: Doing(lambda _, x: x * x.mean(1, keepdim=True).detach()),
    "without gradients": lambda c: Doing(_without_gradients, part=nn.Conv2d(c, c, 1)),
    "without gradients for good": lambda c: Doing(_without_gradients_for_good),
    "sign": lambda c: Doing(lambda _, x: Sign.apply(x)),
    "rounded": lambda c: Doing(lambda _, x: x.round()),
    "in half": lambda c: Doing(_in_half, part=nn.Conv2d(c, c, 1)),
    "printed": lambda c: Doing(_printed),
    "over the rows": lambda c: Doing(_over_the_rows),
    "failing": lambda c: Doing(_failing),
    "leaving": lambda c: Doing(_leaving),
    "not a number": lambda c: Doing(lambda _, x: x / (x - x)),
    "to a GPU": lambda c: Doing(lambda _, x: x.cuda()),
    "numpy": lambda c: Doing(lambda _, x: torch.from_numpy(x.detach().numpy() * 2)),
    "item": lambda c: Doing(lambda _, x: x * x.max().item()),
    "training norm": lambda c: Doing(lambda _, x: F.batch_norm(x, None, None, training=True)),
}
"""Blocks that are refused, or that a check has something to say about."""


def _scaling_hook(module, _inputs, out):
    return out * 3 + 1


def _touch(part, choice):
    """Something done to a module from outside."""
    if choice == "hook":
        part.register_forward_hook(_scaling_hook)
    elif choice == "lock":
        part.lock = threading.Lock()
    elif choice == "own forward":
        own = part.forward
        part.forward = lambda x: own(x) * 2
    elif choice == "attribute":
        part.others = [part, {"of": part}]
    return part


HEADS = {
    "mean": lambda self, x: self.fc(x.mean((2, 3))),
    "pool": lambda self, x: self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1)),
    "largest": lambda self, x: self.fc(torch.amax(x, (2, 3))),
    "view": lambda self, x: self.fc(F.adaptive_avg_pool2d(x, 1).view(-1, x.shape[1])),
    "view of rows": lambda self, x: self.fc(F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1)),
    "squeezed": lambda self, x: self.fc(F.adaptive_avg_pool2d(x, 1).squeeze()),
    "squeezed well": lambda self, x: self.fc(F.adaptive_avg_pool2d(x, 1).squeeze(-1).squeeze(-1)),
    "generalised mean": lambda self, x: self.fc(x.clamp(min=1e-6).pow(3).mean((2, 3)).pow(1 / 3)),
    "cosine": lambda self, x: 10 * F.linear(F.normalize(x.mean((2, 3))), F.normalize(self.fc.weight)),
    "softmax": lambda self, x: F.softmax(self.fc(x.mean((2, 3))), 1),
    "log softmax": lambda self, x: self.fc(x.mean((2, 3))).log_softmax(1),
    "sigmoids": lambda self, x: torch.sigmoid(self.fc(x.mean((2, 3)))),
    "tuple": lambda self, x: (self.fc(x.mean((2, 3))), x),
    "mapping": lambda self, x: {"logits": self.fc(x.mean((2, 3)))},
    "one": lambda self, x: self.fc(x.mean((2, 3)))[:, :1],
    "none": lambda self, x: self.fc(x.mean((2, 3)))[:, :0],
    "map": lambda self, x: self.fc(x.mean((2, 3)))[:, :, None, None],
    "decision": lambda self, x: self.fc(x.mean((2, 3))).argmax(1),
    "tempered": lambda self, x: self.fc(x.mean((2, 3))) / 0.07,
}
USUAL_HEADS = ("mean", "pool", "largest", "view", "view of rows", "squeezed well", "generalised mean", "tempered")


class Patchwork(nn.Module):
    """Stages of blocks, and a head."""

    def __init__(self, stages, head, width):
        super().__init__()
        self.stages, self.fc, self.head = nn.ModuleList(stages), nn.Linear(width, CLASSES), head

    def forward(self, x):
        for stage in self.stages:
            x = stage(x)
        return HEADS[self.head](self, x)


class Delegating(nn.Module):
    """As trainers wrap networks: a loss beside, and more arguments."""

    def __init__(self, model):
        super().__init__()
        self.model, self.loss = model, nn.CrossEntropyLoss(weight=torch.ones(CLASSES))

    def forward(self, x, y=None):
        found = self.model(x)
        return found if y is None else (found, self.loss(found, y))


class Anything(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, *args, **kwargs):
        return self.model(*args, **kwargs)


class Needy(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x, age):
        return self.model(x) + age


def _lazy(model):
    model.fc = nn.LazyLinear(CLASSES)
    return model


def _quantised(model):
    return torch.ao.quantization.quantize_dynamic(model.eval(), {nn.Linear}, dtype=torch.qint8)


def _set_process(model):
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(False)
    return model


WRAPPINGS = {
    "data parallel": nn.DataParallel,
    "compiled": torch.compile,
    "average": torch.optim.swa_utils.AveragedModel,
    "sequence": nn.Sequential,
    "delegating": Delegating,
    "anything": Anything,
    "needy": Needy,
    "lazy": _lazy,
    "quantised": _quantised,
    "half": lambda model: model.half(),
    "bfloat": lambda model: model.bfloat16(),
    "double": lambda model: model.double(),
    "channels last": lambda model: model.to(memory_format=torch.channels_last),
    "training": lambda model: model.train(),
    "meta": lambda model: model.to("meta"),
    "hooked": lambda model: _touch(model, "hook"),
    "locked": lambda model: _touch(model, "lock"),
    "own forward": lambda model: _touch(model, "own forward"),
    "process": _set_process,
    "scripted": lambda model: torch.jit.trace(model.eval(), torch.zeros(1, 3, 32, 32), check_trace=False),
}


def _stage(draw, before, width):
    """A convolution and some blocks, as a sequence."""
    bias, stride = draw.random() < 0.5, draw.choice((1, 2, 2))
    parts = [nn.Conv2d(before, width, draw.choice((1, 3, 3, 5)), stride, 2, bias=bias)]
    for _ in range(draw.randint(1, 3)):
        odd = draw.random() < 0.06
        part = draw.choice(list(ODD.values() if odd else SAME.values()))(width)
        touched = draw.random() < 0.1
        parts.append(_touch(part, draw.choice(("hook", "lock", "own forward", "attribute"))) if touched else part)
    return nn.Sequential(*parts)


def network(seed: int) -> nn.Module:
    """The network of that number."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        widths = [draw.choice((4, 6, 8)) for _ in range(draw.randint(2, 3))]
        stages = [_stage(draw, a, b) for a, b in zip((3, *widths), widths, strict=False)]
        usual = draw.random() < 0.75
        head = draw.choice(USUAL_HEADS if usual else tuple(HEADS))
        model = Patchwork(stages, head, widths[-1])
        for part in model.modules():
            if isinstance(part, nn.BatchNorm2d):
                nn.init.uniform_(part.weight, 0.5, 2)
                nn.init.uniform_(part.running_var, 0.3, 3)
                nn.init.normal_(part.running_mean)
        for name in draw.sample(list(WRAPPINGS), draw.choice((0, 0, 0, 1, 1, 2))):
            model = WRAPPINGS[name](model)
    return model
