"""A few attributions of each layer are computed again by Captum, and how far the two are apart is told."""

from dataclasses import replace

import pytest
import torch

from neurflow_report.analysis import cross_check
from neurflow_report.analysis.cross_check import _captum, cross_checks
from neurflow_report.drawing.view.pages.provenance import provenance_page
from neurflow_report.results.records import CrossCheck
from tests.analysis.test_layer_tests import circuit, class_run, setting  # noqa: F401
from tests.sample_bundle import frozen_bundle


@pytest.fixture
def one(setting, circuit):  # noqa: F811
    _, pixels, _, workspace = setting
    return class_run(workspace, pixels), circuit.layers


def test_captum_agrees_from_the_logit_down(one):
    run, layers = one
    fine = replace(run.settings.quadrature, tolerance=0.005, max_nodes=256)
    found = cross_checks(replace(run, settings=replace(run.settings, quadrature=fine)), layers)
    assert [c.layer for c in found] == ["fc", "block4"]
    assert [c.pairs for c in found] == [1, 2]
    assert found[0].difference < 1e-6  # from block4 up all is affine
    assert 0 < found[1].difference < 0.01


def test_an_engine_that_is_wrong_is_seen(one, monkeypatch):
    right = cross_check.attribute
    wrong = lambda *a, **k: replace(found := right(*a, **k), values=1.1 * found.values)  # noqa: E731
    monkeypatch.setattr(cross_check, "attribute", wrong)
    assert [c.difference for c in cross_checks(*one)] == pytest.approx([0.1, 0.1], abs=0.02)


def test_captum_s_attributions_are_autograd_s_along_the_path(one):
    run, _ = one
    layer_pair = run.workspace.layer_pairs()[0]
    below = run.workspace.activations(run.pixels, 0, torch.tensor([3]).numpy())
    total = torch.zeros_like(below)
    steps = 400
    for j in range(steps):
        x = (below * (j + 0.5) / steps).requires_grad_()
        (gradient,) = torch.autograd.grad(layer_pair.segment(x).mean(dim=(2, 3))[0, 5], x)
        total += below * gradient / steps
    assert torch.allclose(_captum(layer_pair, below, [5])[0], total.sum(dim=(2, 3))[0], atol=2e-3 * total.abs().sum())


def test_without_captum_and_without_neurons_nothing_is_compared(one, monkeypatch):
    run, layers = one
    bare = [layer.model_copy(update={"neurons": ()}) for layer in layers]
    assert cross_checks(run, bare) == ()
    monkeypatch.setattr(cross_check, "find_spec", lambda _name: None)
    assert cross_checks(run, layers) == ()


def test_the_largest_difference_stands_on_the_provenance_page(tmp_path):
    bundle = frozen_bundle(tmp_path)
    checks = (
        CrossCheck(layer="fc", pairs=1, steps=32, difference=0.0),
        CrossCheck(layer="block4", pairs=2, steps=32, difference=0.0031),
    )
    page = provenance_page(bundle.run.model_copy(update={"cross_checks": checks}), bundle.manifest)
    told = {row[0].text: row[1].text for row in page.determinism.rows}
    assert told["cross-check with Captum"] == (
        "3 attributions at 2 layers computed again by captum.attr.IntegratedGradients (32 Gauss–Legendre steps): at "
        "most 0.3% off, at block4"
    )
    page = provenance_page(bundle.run.model_copy(update={"cross_checks": ()}), bundle.manifest)
    assert "cross-check with Captum" not in {row[0].text for row in page.determinism.rows}
