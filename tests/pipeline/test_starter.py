"""`init`: the spec that it writes passes validate, what it asks and when, and that it overwrites nothing."""

# ruff: noqa: E501 (the messages stand here word for word)

import io
import shutil
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torchvision

from neurflow_report.cli import main
from neurflow_report.spec.load import load_spec
from tests.oracles import cifar

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import datasets

FASHION = Path("/usr/share/datasets/fashion-mnist")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    return tmp_path


class Terminal(io.StringIO):
    def isatty(self):
        return True


def valid(spec="spec.yaml", *options, deep=True):
    """The spec, once validate has passed it."""
    assert main(["validate", *(["--deep"] if deep else []), spec, "--quiet", *options]) == 0
    return load_spec(spec).spec


def test_with_flags_alone_nothing_is_asked(capsys, picture_folder):
    picture_folder(2)
    assert main(["init", "--model", "demo:flowers", "--data", "pictures"]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("spec: spec.yaml\n", "")
    spec = valid()
    assert spec.title == "flowers on pictures"
    assert (spec.model.source, spec.model.name, spec.model.weights) == ("demo", "flowers", "demo")
    assert (spec.data.source, spec.data.root, spec.data.select) == ("folder", "pictures", "predicted")
    assert spec.classes == ("duskbloom", "emberwort", "firebell")
    assert spec.layers == ("block1", "block2", "block3", "block4", "fc")
    assert spec.output == "output/spec"
    assert "larkheart, moonviolet" in Path("spec.yaml").read_text()


def test_yes_takes_the_demo_s(capsys):
    assert main(["init", "--yes", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    spec = valid()
    assert (spec.model.name, spec.data.source) == ("flowers", "demo")
    assert spec.classes == ("firebell", "emberwort", "moonviolet")


def test_every_flag(picture_folder):
    picture_folder(2)
    words = ["--model", "resnet18", "--weights", "none", "--data", "pictures", "--classes", "firebell, 7",
             "--layers", "layer3,layer4,fc", "--output", "mine.yaml"]  # fmt: skip
    assert main(["init", *words]) == 0
    spec = valid("mine.yaml")
    assert (spec.model.source, spec.model.name, spec.model.weights) == ("torchvision", "resnet18", "none")
    assert spec.model.outputs == 8
    assert (spec.classes, spec.layers, spec.output) == (("firebell", 7), ("layer3", "layer4", "fc"), "output/mine")
    assert spec.data.select == "labelled"


def test_the_weights_that_a_model_has():
    assert main(["init", "--model", "resnet18", "--data", "demo", "--classes", "3"]) == 0
    assert valid(deep=False).model.weights == "IMAGENET1K_V1"


def test_a_checkpoint_tells_its_number_of_classes_and_paths_follow_the_spec(picture_folder):
    picture_folder(2)
    Path("specs").mkdir()
    torch.save(torchvision.models.resnet18(num_classes=8).state_dict(), "best.pt")
    words = ["--model", "resnet18", "--weights", "best.pt", "--data", "pictures", "--layers", "layer4,fc"]
    assert main(["init", *words, "--output", "specs/mine.yaml"]) == 0
    spec = load_spec("specs/mine.yaml").spec
    assert (spec.model.weights, spec.model.outputs, spec.data.root) == ("../best.pt", 8, "../pictures")
    valid("specs/mine.yaml", "--set", "data.select=labelled")


def test_a_factory_of_one_s_own(picture_folder):
    picture_folder(2)
    shutil.copy(cifar.__file__, "own_net.py")
    words = ["--model", "python:own_net:resnet", "--data", "pictures"]
    assert main(["init", *words]) == 0
    assert load_spec("spec.yaml").spec.layers == "auto"
    Path("spec.yaml").unlink()
    assert main(["init", *words, "--allow-code"]) == 0
    spec = load_spec("spec.yaml").spec
    assert spec.model.factory == "own_net:resnet"
    assert spec.layers[-1] == "linear"
    assert len(spec.layers) > 3


def test_a_list_of_pictures(picture_folder):
    picture_folder(1)
    Path("list.csv").write_text("path,label\npictures/firebell/0.png,firebell\npictures/snowstar/0.png,snowstar\n")
    assert main(["init", "--model", "demo:flowers", "--data", "list.csv"]) == 0
    spec = valid("spec.yaml", "--set", "concept.k=2")
    assert (spec.data.source, spec.data.file, spec.classes) == ("csv", "list.csv", ("firebell", "snowstar"))


def test_a_saved_data_set(picture_folder):
    picture_folder(2)
    datasets.disable_progress_bars()
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["firebell", "snowstar"])}
    )
    files = [Path(f"pictures/{name}/{n}.png") for name in ("firebell", "snowstar") for n in range(2)]
    rows = {"image": [{"bytes": file.read_bytes(), "path": None} for file in files], "label": [0, 0, 1, 1]}
    table = datasets.Dataset.from_dict(rows, features=features)
    datasets.DatasetDict({"train": table, "validation": table}).save_to_disk("set")
    assert main(["init", "--model", "demo:flowers", "--data", "set"]) == 0
    spec = valid("spec.yaml", "--set", "concept.k=2")
    assert (spec.data.source, spec.data.root, spec.data.split) == ("huggingface", "set", "validation")
    assert spec.classes == ("firebell", "snowstar")


@pytest.mark.skipif(not FASHION.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_a_data_set_of_torchvision():
    assert main(["init", "--model", "demo:fashion", "--data", f"FashionMNIST:{FASHION}", "--layers", "block4,fc"]) == 0
    spec = valid()
    assert (spec.data.source, spec.data.name, spec.data.root) == ("torchvision", "FashionMNIST", str(FASHION))


def test_at_a_terminal_it_asks_until_an_answer_can_be_used(monkeypatch, capsys, picture_folder):
    picture_folder(2)
    answers = ["resnet5", "demo:flowers", "nowhere", "pictures", "firebell,snowstar", "block3,blok4,fc", "auto"]
    monkeypatch.setattr(sys, "stdin", Terminal("\n".join(answers) + "\n"))
    assert main(["init", "--weights", "demo"]) == 0
    said = capsys.readouterr().err
    assert said.count("Model (which network: ") == 2
    assert (
        "[demo:flowers]: error: model.name: torchvision has no classification model 'resnet5' [model-unknown]\n" in said
    )
    assert "Weights" not in said
    assert "error: data.root: the data folder 'nowhere' does not exist [data-missing]\n" in said
    assert "or demo) [demo]: " in said
    assert "Classes (names or numbers, with commas between them) [duskbloom,emberwort,firebell]: " in said
    assert "error: layers[1]: the network has no layer 'blok4' [layer-unknown]\n" in said
    assert valid().classes == ("firebell", "snowstar")


def test_a_terminal_with_yes_is_not_asked(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert main(["init", "--yes"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "init needs --model and --data: there is no terminal to ask at [command-line]\n"
         "  hint: --yes takes the defaults, which are those of the demo\n"),
        (["--model", "resnet18"], "init needs --data: there is no terminal to ask at [command-line]\n"
         "  hint: --yes takes the defaults, which are those of the demo\n"),
        (["--model", "resnet18", "--yes"], "init needs --data with this model: a folder with a sub-folder per class, a CSV "
         "file, NAME:FOLDER for a torchvision data set, or demo [command-line]\n"
         "  hint: only the demo's pictures are at hand by themselves\n"),
        (["--model", "resnet5", "--data", "demo"], "model.name: torchvision has no classification model 'resnet5' "
         "[model-unknown]\n"),
        (["--model", "demo:flowers", "--data", "nowhere"], "data.root: the data folder 'nowhere' does not exist "
         "[data-missing]\n"),
        (["--yes", "--weights", "gone.pt"], "model.weights: there is no weights file 'gone.pt' [weights-unreadable]\n"),
        (["--yes", "--layers", "block4"], "layers[0]: the last layer, 'block4', is not the network's output [layers-top]\n"),
        (["--yes", "--layers", "fc"], "spec.yaml:"),
        (["--yes", "--classes", ","], "spec.yaml:"),
        (["--yes", "--output", "gone/spec.yaml"], "gone/spec.yaml: the spec cannot be written: there is no folder 'gone' "
         "[output-unwritable]\n  hint: name another file: --output other.yaml\n"),
    ],
)  # fmt: skip
def test_mistakes_leave_nothing(words, said, capsys, here):
    assert main(["init", *words]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {said}")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_there_is_left_alone(kind, capsys, here):
    spec = here / "spec.yaml"
    {"file": lambda: spec.write_text("mine"), "folder": spec.mkdir, "link": lambda: spec.symlink_to("gone")}[kind]()
    assert main(["init", "--yes"]) == 2
    assert capsys.readouterr().err == (
        "error: spec.yaml: the spec cannot be written: there is already something of that name, which is left alone "
        "[output-unwritable]\n  hint: name another file: --output other.yaml\n"
    )
    assert kind != "file" or spec.read_text() == "mine"


def test_an_end_in_the_middle_is_told(monkeypatch, capsys, here):
    monkeypatch.setattr(sys, "stdin", Terminal("demo:flowers\n"))
    assert main(["init"]) == 2
    assert capsys.readouterr().err.endswith(
        "error: the input ended in the middle [command-line]\n  hint: --yes takes the defaults\n"
    )
    assert list(here.iterdir()) == []
