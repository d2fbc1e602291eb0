"""The ready specs fit their networks: every declared layer can be cut, every class is known."""

from pathlib import Path

import pytest
import torch

from neurflow_report.images.classes import class_indices
from neurflow_report.images.ties import tie
from neurflow_report.network.cut import cut
from neurflow_report.network.load import load_network
from neurflow_report.spec.load import load_spec

SPECS = sorted((Path(__file__).parents[2] / "specs").glob("*.yaml"))


def test_the_ready_specs_are_there():
    assert {p.stem for p in SPECS} == {"demo", "fashion-mnist", "googlenet-imagenet", "resnet50-imagenet"}


@pytest.mark.slow
@pytest.mark.parametrize("file", SPECS, ids=lambda p: p.stem)
def test_layers_are_cuts_and_classes_are_known(file):
    spec = load_spec(file).spec
    network = load_network(
        source=spec.model.source,
        name=spec.model.name,
        weights="demo" if spec.model.source == "demo" else "none",
        outputs=None,
        base=file.parent,
        seed=0,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )
    size = min(network.preprocess.size, 64)
    segments = cut(network.module, spec.layers, torch.rand(1, network.preprocess.channels, size, size))
    names = network.class_names or imagenet_names()
    outputs = segments.layers[-1].channels
    tied = tie(names, (), outputs)
    targets = class_indices(spec.classes, model_names=names, class_names=(), outputs=outputs, tied=tied)
    assert len(targets) == len(spec.classes)
    assert len(segments.stages) == len(spec.layers) - 1


@pytest.mark.parametrize("name", ["resnet50", "googlenet"])
def test_the_paper_s_settings(name):
    spec = load_spec(next(p for p in SPECS if p.stem.startswith(name))).spec
    assert (spec.core.tau, spec.concept.k, len(spec.layers)) == (16, 50, 11)


def imagenet_names():
    from torchvision.models import ResNet50_Weights

    return tuple(ResNet50_Weights.IMAGENET1K_V2.meta["categories"])
