"""What a network is made of, kept when it is loaded: complex numbers, whole numbers, half precision."""

from pathlib import Path

import pytest
import torch

from neurflow_report.network.cut import cut
from neurflow_report.network.forward import activations
from neurflow_report.network.inference import for_inference
from neurflow_report.network.load import load_network

CODE = '''
import torch
from torch import nn


class Filter(nn.Module):
    """A product in frequency space, by complex weights."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 1, 1, dtype=torch.cfloat))
        self.register_buffer("order", torch.tensor([3, 1, 0, 2]))
        self.register_buffer("phase", torch.tensor(1j))

    def forward(self, x):
        return torch.fft.irfft2(torch.fft.rfft2(x[:, self.order]) * self.weight * self.phase, s=x.shape[-2:])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.low, self.filter = nn.Conv2d(3, 4, 3, 2, 1), Filter()
        self.mid, self.head = nn.Conv2d(4, 6, 3, 2, 1), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.mid(self.filter(self.low(x)).relu()).relu().mean((2, 3)))


def net():
    torch.manual_seed(2)
    return Net()


def half():
    return net().half()
'''


@pytest.fixture
def load(tmp_path, monkeypatch):
    (tmp_path / "formats.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))

    def loaded(name: str, dtype: torch.dtype):
        return load_network(
            source="python", factory=f"formats:{name}", weights="none", base=Path(tmp_path), seed=0, allow_code=True,
            device=torch.device("cpu"), dtype=dtype,
        ).module  # fmt: skip

    return loaded


@pytest.mark.parametrize(("dtype", "wide"), [(torch.float32, torch.complex64), (torch.float64, torch.complex128)])
def test_complex_weights_keep_their_imaginary_part_and_whole_numbers_stay(load, dtype, wide):
    import formats

    own, module = formats.net().eval(), load("net", dtype)
    assert (module.filter.weight.dtype, module.filter.phase.dtype) == (wide, wide)
    assert module.filter.order.dtype == torch.int64
    assert module.low.weight.dtype == dtype
    assert torch.equal(module.filter.weight.to(torch.complex64), own.filter.weight)
    x = torch.randn(3, 3, 16, 16, dtype=dtype)
    with torch.no_grad():
        expected = own(x.float()).to(dtype)
        segments = cut(module, ["low", "mid", "head"], x[:1])
        for ready in (segments, for_inference(segments)):
            assert torch.allclose(activations(ready, 2, x), expected, rtol=1e-4, atol=1e-6)
            assert (activations(ready, 2, x) - module(x)).abs().max() <= 1e-5 * expected.abs().max()


def test_half_precision_weights_are_the_same_numbers_in_the_run_s_format(load):
    import formats

    module = load("half", torch.float32)
    assert all(torch.equal(a, b.float()) for a, b in zip(
        module.mid.parameters(), formats.half().mid.parameters(), strict=True
    ))  # fmt: skip
