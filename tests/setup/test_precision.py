from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from neurflow_report.analysis.run import analyze
from neurflow_report.errors import InputError
from neurflow_report.progress import Silent
from neurflow_report.setup.precision import arithmetic, roundings
from neurflow_report.setup.preflight import preflight
from neurflow_report.setup.settings import RunSettings
from neurflow_report.setup.workspace import Workspace
from neurflow_report.spec.load import load_spec


@pytest.fixture
def small(write_spec):
    """The small spec, its workspace, and four pictures of noise."""
    loaded = load_spec(write_spec())
    ready = preflight(loaded, progress=Silent())
    preprocess = ready.network.preprocess
    size = preprocess.size
    pixels = torch.randn((4, preprocess.channels, size, size), generator=torch.Generator().manual_seed(1))
    return loaded.spec, ready.workspace, pixels


def flags() -> tuple[bool, bool, bool, bool]:
    return (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.benchmark,
        torch.are_deterministic_algorithms_enabled(),
    )


@pytest.mark.parametrize(("precision", "tf32"), [("float32", False), ("float64", False), ("tf32", True)])
def test_arithmetic_is_deterministic_and_puts_back_what_it_found(precision, tf32):
    before, seen = flags(), []

    def fails():
        with arithmetic(precision):
            seen.append(flags())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert seen == [(tf32, tf32, False, True)]
    assert flags() == before


def test_tf32_is_refused_where_there_is_no_gpu(write_spec):
    file = write_spec(runtime={"precision": "tf32"})
    with pytest.raises(InputError) as caught:
        analyze(load_spec(file), progress=Silent())
    assert caught.value.slug == "precision-device"
    assert str(caught.value).splitlines() == [
        f"{file}:37:14 runtime.precision: precision is tf32, which an NVIDIA GPU has, and the run is on cpu "
        "[precision-device]",
        "  hint: set runtime.precision to float32, or run on a GPU",
    ]
    assert not (file.parent / "out").exists()


def test_full_precision_has_nothing_to_measure(small):
    spec, workspace, pixels = small
    assert roundings(workspace, RunSettings.of(spec), pixels, logit=0) == ()


def test_the_same_arithmetic_has_no_error(small):
    spec, workspace, pixels = small
    found = roundings(workspace, RunSettings.of(spec), pixels, logit=0, asked=arithmetic)
    assert [(r.layer, r.error, r.core) for r in found] == [("block4", 0.0, 1.0), ("fc", 0.0, 1.0)]


def test_rounded_weights_show_as_an_error_of_their_size(small):
    """As a stand-in for a GPU's rounding: weights of 8 bits inside the block, those of the network after it."""
    spec, workspace, pixels = small
    weights = [p for stage in workspace.segments.stages for p in stage.parameters()]
    kept = [p.detach().clone() for p in weights]

    @contextmanager
    def rounded():
        for p in weights:
            p.data = p.data.bfloat16().float()
        yield
        for p, before in zip(weights, kept, strict=True):
            p.data = before

    found = roundings(workspace, RunSettings.of(spec), pixels, logit=0, asked=rounded)
    assert all(1e-4 < r.error < 2e-2 for r in found), found
    assert all(0.8 <= r.core <= 1 for r in found), found
    below, weight = _top(workspace, pixels)
    exact, rough = (below.mean(dim=(2, 3)) * w for w in (weight, weight.bfloat16().float()))
    assert found[-1].error == pytest.approx(float((rough - exact).norm() / exact.norm()), rel=1e-3)


def _top(workspace: Workspace, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The activation under the logits on the patches that are looked at, and the weights of logit 0."""
    patches = np.linspace(0, len(pixels) * workspace.grid.per_image - 1, 8).astype(np.int64)
    (weight,) = (p for p in workspace.segments.stages[-1].parameters() if p.ndim == 2)
    return workspace.activations(pixels, 1, patches), weight.detach()[0]
