"""Few output channels of a convolution, against PyTorch's own in float64."""

import pytest
import torch
from torch import nn

from neurflow_report.attribution import few_channel_conv
from neurflow_report.attribution.few_channel_conv import conv_few_channels

OPTIONS = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 3, "padding": 0},
    {"kernel_size": 3, "padding": 2},
    {"kernel_size": (1, 5), "padding": (0, 2)},
    {"kernel_size": (5, 2), "padding": (1, 0)},
    {"kernel_size": 1},
    {"kernel_size": 1, "padding": 1},
    {"kernel_size": 3, "padding": 3},
    {"kernel_size": 3, "padding": 1, "stride": 2},
    {"kernel_size": 3, "padding": 2, "dilation": 2},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("channels", [[0], [3, 3, 1], list(range(7)), list(range(12))], ids=len)
def test_it_is_the_convolution(options, bias, channels):
    torch.manual_seed(0)
    conv, x = nn.Conv2d(70, 12, bias=bias, **options).double(), torch.randn(4, 70, 8, 9).double()
    with torch.no_grad():
        found = conv_few_channels(conv, x, conv.weight[channels], conv.bias[channels] if bias else None)
        assert torch.allclose(found, conv(x)[:, channels], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (3, 1)], ids=str)
@pytest.mark.parametrize("options", [{"kernel_size": 3, "padding": 1}, {"kernel_size": 7, "padding": 3}], ids=str)
def test_a_place_that_few_taps_reach(options, size):
    torch.manual_seed(0)
    conv, x = nn.Conv2d(70, 2, **options).double(), torch.randn(2, 70, *size).double()
    with torch.no_grad():
        assert torch.allclose(conv_few_channels(conv, x, conv.weight[:1], conv.bias[:1]), conv(x)[:, :1], atol=1e-12)


@pytest.mark.parametrize(
    ("options", "few"), [(OPTIONS[0], True), (OPTIONS[5], True), *((o, False) for o in OPTIONS[7:])], ids=str
)
def test_where_it_pays(options, few, monkeypatch):
    def forbidden(*_args):
        raise AssertionError("the whole convolution")

    conv, x = nn.Conv2d(70, 12, **options), torch.randn(1, 70, 8, 8)
    monkeypatch.setattr(few_channel_conv.F, "conv2d", forbidden)
    for count in (1, 7) if few else ():
        conv_few_channels(conv, x, conv.weight[:count], None)
    with pytest.raises(AssertionError):
        conv_few_channels(conv, x, conv.weight[: 9 if few else 1], None)
