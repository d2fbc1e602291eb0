"""What is changed while a run reads it: told, and never shown as what the network saw."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager

import pytest
from PIL import Image, ImageOps

from neurflow_report.analysis.run import analyze
from neurflow_report.demo.flowers import DATASET
from neurflow_report.errors import RunError
from neurflow_report.progress import Silent, SilentStep
from neurflow_report.results.bundle import read_bundle
from neurflow_report.setup import preflight
from neurflow_report.spec.load import load_spec


class At:
    """Does something when a stage begins, or when it is over."""

    def __init__(self, name, act, *, over=False):
        self.name, self.act, self.over = name, act, over

    @contextmanager
    def stage(self, name, total):
        mine = name.endswith(self.name)
        if mine and not self.over:
            self.act()
        yield SilentStep()
        if mine and self.over:
            self.act()


@pytest.fixture
def folder_spec(write_spec, picture_folder):
    root = picture_folder(3, classes=("firebell",))
    spec = write_spec(
        classes=["firebell"], data={"source": "folder", "root": str(root), "limit": 3, "select": "labelled"},
        concept={"k": 5},
    )  # fmt: skip
    return spec, root / "firebell" / "1.png"


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def mirror(file):
    def act():
        ImageOps.flip(Image.open(file)).save(file)

    return act


@pytest.mark.parametrize(
    "moment",
    [{"name": "choose pictures", "over": True}, {"name": "patches"}, {"name": "masking"}, {"name": "groups"}],
    ids=["chosen", "before the patches", "before the experiments", "before the neuron groups"],
)
def test_a_picture_that_is_overwritten_during_a_run(folder_spec, tmp_path, moment):
    spec, file = folder_spec
    before = files(tmp_path / "out")
    done = []
    progress = At(moment["name"], lambda: done or (mirror(file)(), done.append(1)), over=moment.get("over", False))
    with pytest.raises(RunError) as caught:
        analyze(load_spec(spec), progress=progress)
    assert done
    assert (caught.value.slug, caught.value.exit_code) == ("data-changed", 1)
    assert caught.value.message == "the picture firebell/1.png was changed after the network had seen it"
    assert files(tmp_path / "out") == before == {}


def test_a_picture_that_is_overwritten_before_it_is_looked_at_is_just_that_picture(folder_spec):
    spec, file = folder_spec
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    bundle = read_bundle(analyze(load_spec(spec), progress=At("choose pictures", mirror(file))))
    digests = {picture.sha256 for result in bundle.classes for picture in result.pictures}
    assert hashlib.sha256(file.read_bytes()).hexdigest() in digests
    assert before not in digests


def test_the_names_that_were_checked_are_the_names_that_are_used(write_spec, tmp_path, monkeypatch):
    names = list(DATASET.class_names)
    file = tmp_path / "names.txt"
    file.write_text("\n".join(names))
    spec = write_spec(model={"class_names": "names.txt"}, classes=[names[0]])
    real = preflight.load_spec_network

    def load(*arguments):
        file.write_text("\n".join(reversed(names)))
        return real(*arguments)

    monkeypatch.setattr(preflight, "load_spec_network", load)
    ready = preflight.preflight(load_spec(spec), progress=Silent())
    assert ready.network.class_names == tuple(names)
    assert ready.targets[0].index == 0
