"""Small networks whose modules are not what their classes say, each beside a plain network of the same function."""

from __future__ import annotations

import types
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations, parametrize, prune, spectral_norm, weight_norm


class Small(nn.Module):
    """Convolution, norm, ReLU three times over, the mean over space, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        sizes = ((3, 6), (6, 8), (8, 8))
        self.low, self.mid, self.high = (
            nn.Sequential(nn.Conv2d(a, b, 3, 2, 1), nn.BatchNorm2d(b), nn.ReLU(inplace=True)) for a, b in sizes
        )
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.high(self.mid(self.low(x))).mean((2, 3)))


def small() -> Small:
    """With weights and batch-norm statistics of some size."""
    torch.manual_seed(5)
    model = Small()
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.normal_(part.bias)
            nn.init.normal_(part.running_mean)
            nn.init.uniform_(part.running_var, 0.3, 3)
    return model.double().eval()


def _scaled(conv: nn.Conv2d, by: float, plus: float) -> None:
    with torch.no_grad():
        conv.weight.mul_(by)
        conv.bias.mul_(by).add_(plus)


def forward_hook():
    odd, plain = small(), small()
    odd.high[0].register_forward_hook(lambda _module, _inputs, out: out * 3 + 1)
    _scaled(plain.high[0], 3, 1)
    return odd, plain


def hook_with_kwargs():
    odd, plain = small(), small()
    odd.mid[0].register_forward_hook(lambda _m, _i, _kwargs, out: out * 3 + 1, with_kwargs=True)
    _scaled(plain.mid[0], 3, 1)
    return odd, plain


def pre_hook():
    odd, plain = small(), small()
    odd.head.register_forward_pre_hook(lambda _module, inputs: (inputs[0] * 2,))
    with torch.no_grad():
        plain.head.weight.mul_(2)
    return odd, plain


def hook_of_the_network():
    """The network's own hooks: torch.fx looks at its forward alone."""
    odd, plain = small(), small()
    odd.register_forward_pre_hook(lambda _module, inputs: (inputs[0] * 2,))
    odd.register_forward_hook(lambda _module, _inputs, out: out * 3)
    with torch.no_grad():
        plain.low[0].weight.mul_(2)
        plain.head.weight.mul_(3)
        plain.head.bias.mul_(3)
    return odd, plain


def own_forward():
    """`forward` set on instances, of the network and of a convolution."""
    odd, plain = small(), small()
    first = odd.forward
    odd.forward = lambda x: first(x * 2)
    odd.mid[0].forward = types.MethodType(lambda self, x: self._conv_forward(x, self.weight, None), odd.mid[0])
    with torch.no_grad():
        plain.low[0].weight.mul_(2)
        plain.mid[0].bias.zero_()
    return odd, plain


def own_conv_forward():
    odd, plain = small(), small()
    odd.mid[0]._conv_forward = lambda x, weight, bias: F.conv2d(x, 2 * weight, bias, 2, 1)
    with torch.no_grad():
        plain.mid[0].weight.mul_(2)
    return odd, plain


class Twice(nn.Conv2d):
    """A convolution whose call does more than its forward."""

    def __call__(self, x):
        return 2 * super().__call__(x)


def own_call():
    odd, plain = small(), small()
    twice = Twice(6, 8, 3, 2, 1).double()
    twice.load_state_dict(odd.mid[0].state_dict())
    odd.mid[0] = twice.eval()
    _scaled(plain.mid[0], 2, 0)
    return odd, plain


class Doubled(nn.Module):
    def forward(self, weight):
        return 2 * weight


def parametrized():
    odd, plain = small(), small()
    parametrize.register_parametrization(odd.mid[0], "weight", Doubled())
    with torch.no_grad():
        plain.mid[0].weight.mul_(2)
    return odd.eval(), plain


def _computed(place: Callable[[nn.Module, str], nn.Module]):
    """Weights of a convolution and of the head computed at every pass, and the plain network with their values."""
    odd, plain = small(), small()
    place(odd.mid[0], "weight")
    place(odd.head, "weight")
    odd.eval()
    with torch.no_grad():
        odd(torch.randn(1, 3, 16, 16, dtype=torch.float64))
        plain.mid[0].weight.copy_(odd.mid[0].weight)
        plain.head.weight.copy_(odd.head.weight)
    return odd, plain


def new_weight_norm():
    return _computed(parametrizations.weight_norm)


def new_spectral_norm():
    return _computed(parametrizations.spectral_norm)


def old_weight_norm():
    return _computed(weight_norm)


def old_spectral_norm():
    return _computed(spectral_norm)


def pruned():
    return _computed(lambda module, name: prune.l1_unstructured(module, name, 0.4))


def pruned_twice():
    def place(module, name):
        prune.l1_unstructured(module, name, 0.2)
        return prune.random_unstructured(module, name, 0.2)

    return _computed(place)


def kept_activations():
    """A hook that keeps what it sees, with its history, as Grad-CAM's do."""
    odd, plain = small(), small()
    odd.mid[0].register_forward_hook(lambda module, _inputs, out: setattr(module, "seen", [out]))
    odd(torch.randn(1, 3, 16, 16, dtype=torch.float64))
    return odd, plain


class Tapped(Small):
    """A network that reads what a hook, a function inside __init__, has put aside."""

    def __init__(self) -> None:
        super().__init__()
        self.kept = []

        def keep(_module, _inputs, out):
            self.kept.append(out)

        self.high.register_forward_hook(keep)

    def forward(self, x):
        self.kept.clear()
        self.high(self.mid(self.low(x)))
        return self.head(self.kept[0].mean((2, 3)))


def tapped():
    odd, plain = Tapped().double().eval(), small()
    odd.load_state_dict(plain.state_dict())
    return odd, plain


ODD = {
    made.__name__: made
    for made in (
        forward_hook, hook_with_kwargs, pre_hook, hook_of_the_network, own_forward, own_conv_forward, own_call,
        parametrized, new_weight_norm, new_spectral_norm, old_weight_norm, old_spectral_norm, pruned, pruned_twice,
        kept_activations, tapped,
    )
}  # fmt: skip
