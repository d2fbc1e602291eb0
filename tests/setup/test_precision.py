from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from neurflow_report.analysis import run
from neurflow_report.analysis.activation_cache import ActivationCache
from neurflow_report.analysis.run import analyze
from neurflow_report.circuit import discovery
from neurflow_report.errors import InputError
from neurflow_report.network import devices
from neurflow_report.progress import Silent
from neurflow_report.results.bundle import read_bundle
from neurflow_report.setup.precision import Taken, arithmetic, attributions_in, check_precision, has_tf32, roundings
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


def flags() -> tuple[bool, ...]:
    return (
        torch.backends.cuda.matmul.allow_tf32,
        torch.backends.cudnn.allow_tf32,
        torch.backends.cudnn.benchmark,
        torch.get_deterministic_debug_mode() == 1,  # a warning
        torch.utils.deterministic.fill_uninitialized_memory,
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
    assert seen == [(tf32, tf32, False, True, False)]
    assert flags() == before


def test_tf32_is_refused_where_there_is_no_gpu(write_spec):
    file = write_spec(runtime={"precision": "tf32"})
    with pytest.raises(InputError) as caught:
        analyze(load_spec(file), progress=Silent())
    assert caught.value.slug == "precision-device"
    assert str(caught.value).splitlines() == [
        f"{file}:37:14 runtime.precision: precision is tf32, which an NVIDIA GPU has since Ampere, and the run is on "
        "cpu [precision-device]",
        "  hint: set runtime.precision to float32, or run on a GPU",
    ]
    assert not (file.parent / "out").exists()


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_full_precision_has_nothing_to_measure(small, precision):
    spec, workspace, pixels = small
    settings = replace(RunSettings.of(spec), precision=precision)
    assert attributions_in(workspace, settings, pixels, logit=0, progress=Silent()) == Taken(precision=precision)


def test_auto_is_float32_where_there_is_no_tf32(small):
    spec, workspace, pixels = small
    assert spec.runtime.precision == "auto"
    assert attributions_in(workspace, RunSettings.of(spec), pixels, logit=0, progress=Silent()) == Taken(
        precision="float32"
    )


@pytest.mark.parametrize(("capability", "hip", "has"), [((8, 0), None, True), ((9, 0), None, True),
                                                        ((7, 5), None, False), ((9, 4), "6.4", False)])  # fmt: skip
def test_an_nvidia_gpu_has_tf32_since_ampere(monkeypatch, capability, hip, has):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)
    monkeypatch.setattr(torch.version, "hip", hip)
    assert has_tf32(torch.device("cuda")) is has
    assert not has_tf32(torch.device("cpu"))


def test_tf32_is_refused_on_an_older_gpu(small, monkeypatch):
    spec, _, _ = small
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (7, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _device: "Tesla V100")
    asked = spec.model_copy(update={"runtime": spec.runtime.model_copy(update={"precision": "tf32"})})
    with pytest.raises(InputError, match="which an NVIDIA GPU has since Ampere, and the run is on Tesla V100"):
        check_precision(asked, torch.device("cuda"))


def test_the_same_arithmetic_has_no_error(small):
    spec, workspace, pixels = small
    found = roundings(workspace, RunSettings.of(spec), pixels, logit=0, asked=arithmetic, note=print)
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

    found = roundings(workspace, RunSettings.of(spec), pixels, logit=0, asked=rounded, note=print)
    assert all(1e-4 < r.error < 2e-2 for r in found), found
    assert all(0.8 <= r.core <= 1 for r in found), found
    settings, worst = RunSettings.of(spec), max(found, key=lambda r: r.error)
    told = attributions_in(workspace, settings, pixels, logit=0, progress=Silent(), asked=rounded)
    assert told == Taken(precision="float32", note=(
        f"TF32: attributions of {worst.layer} would be {worst.error:.2%} off float32's, over 0.20%, a tenth of "
        "attribution.tolerance"))  # fmt: skip
    loose = replace(settings, quadrature=replace(settings.quadrature, tolerance=11 * worst.error))
    for one in (loose, replace(settings, precision="tf32")):
        told = attributions_in(workspace, one, pixels, logit=0, progress=Silent(), asked=rounded)
        assert told == Taken(precision="tf32", roundings=found)
    below, weight = _top(workspace, pixels)
    exact, rough = (below.mean(dim=(2, 3)) * w for w in (weight, weight.bfloat16().float()))
    assert found[-1].error == pytest.approx(float((rough - exact).norm() / exact.norm()), rel=1e-3)


def _top(workspace: Workspace, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The activation under the logits on the patches that are looked at, and the weights of logit 0."""
    patches = np.linspace(0, len(pixels) * workspace.grid.per_image - 1, 8).astype(np.int64)
    (weight,) = (p for p in workspace.segments.stages[-1].parameters() if p.ndim == 2)
    return workspace.activations(pixels, 1, patches), weight.detach()[0]


@pytest.mark.parametrize(("precision", "taken"), [("auto", Taken(precision="float32", note=(
    "TF32: an attribution of 'block4' would be NaN or infinite"))), ("tf32", Taken(precision="tf32"))])  # fmt: skip
def test_what_is_not_finite_in_tf32_is_no_tf32(small, precision, taken):
    spec, workspace, pixels = small
    (weight, *_) = (p for p in workspace.segments.stages[0].parameters())

    @contextmanager
    def broken():
        before = weight.detach().clone()
        weight.data.fill_(torch.nan)
        yield
        weight.data = before

    settings = replace(RunSettings.of(spec), precision=precision)
    assert attributions_in(workspace, settings, pixels, logit=0, progress=Silent(), asked=broken) == taken


def test_products_round_as_the_device_does():
    exact, on_gpu = torch.finfo(torch.float32).eps, SimpleNamespace(device=torch.device("cuda"), dtype=torch.float32)
    assert devices.rounding(on_gpu) == exact
    with arithmetic("tf32"):
        assert devices.rounding(on_gpu) == 2**-10
        assert devices.rounding(torch.zeros(2)) == exact  # a processor has no TF32
        double = SimpleNamespace(device=torch.device("cuda"), dtype=torch.float64)
        assert devices.rounding(double) == torch.finfo(torch.float64).eps


def test_attributions_alone_are_computed_in_tf32(write_spec, monkeypatch):
    """Activations that a search asks for may be kept for the experiments, whose bounds are float32's."""
    seen, wanted = [], []
    attribute, activations = discovery.attribute, ActivationCache.activations

    def attributing(*words, **options):
        seen.append(torch.backends.cudnn.allow_tf32)
        return attribute(*words, **options)

    def activating(*words):
        wanted.append(torch.backends.cudnn.allow_tf32)
        return activations(*words)

    monkeypatch.setattr(discovery, "attribute", attributing)
    monkeypatch.setattr(ActivationCache, "activations", activating)
    monkeypatch.setattr(run, "attributions_in", lambda *_, **__: Taken(precision="tf32", note="a note"))
    bundle = read_bundle(analyze(load_spec(write_spec()), progress=Silent()).parent)
    assert set(seen) == {True}
    assert set(wanted) == {False}
    assert bundle.run.settings.precision == "tf32"
    assert "a note" in bundle.run.fallbacks
    assert bundle.manifest.provenance.determinism["TF32"] == "in the attributions"
