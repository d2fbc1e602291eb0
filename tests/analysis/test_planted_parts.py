"""Part masks are looked up where the network's input shows them, whatever its size."""

import numpy as np
import pytest

from neurflow_report.analysis.run import analyze
from neurflow_report.demo.flowers import DATASET
from neurflow_report.images.preprocess import as_input
from neurflow_report.progress import Silent
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.records import Region
from neurflow_report.spec.load import load_spec

MASK = np.arange(16).reshape(4, 4) % 3 == 0


def test_the_whole_picture_at_its_own_size_is_the_mask_itself():
    assert (as_input(MASK, Region(left=0, top=0, width=4, height=4), 4) == MASK).all()


def test_enlarged():
    found = as_input(MASK, Region(left=0, top=0, width=4, height=4), 8)
    assert (found == MASK.repeat(2, axis=0).repeat(2, axis=1)).all()


def test_a_crop_and_a_border_outside_the_picture():
    assert (as_input(MASK, Region(left=1, top=2, width=2, height=2), 2) == MASK[2:4, 1:3]).all()
    padded = as_input(np.ones((4, 4), bool), Region(left=-1, top=-1, width=6, height=6), 6)
    assert (padded == np.pad(np.ones((4, 4), bool), 1)).all()


@pytest.mark.slow
def test_a_network_with_an_input_of_another_size_is_checked_against_the_truth_too(write_spec):
    model = {"source": "torchvision", "name": "squeezenet1_1", "weights": "none", "outputs": 20}
    file = write_spec(
        model=model,
        preprocess={"size": 128, "resize": 128},
        data={"limit": 2, "select": "labelled"},
        classes=["firebell"],
        layers=["features.12", "output"],
        fidelity={"experiments": [], "taus": [3]},
    )
    (found,) = read_bundle(analyze(load_spec(file), progress=Silent())).classes
    assert all(group.agreement is not None for layer in found.layers for group in layer.groups)
    assert {picture.predicted for picture in found.pictures} <= set(DATASET.class_names)
