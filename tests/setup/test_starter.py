"""`init`: the spec that it writes passes validate, what it asks and when, and that it overwrites nothing."""

# ruff: noqa: E501 (the messages stand here word for word)

import io
import re
import shutil
import sys
import warnings
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file

from neurflow_report.cli import main
from neurflow_report.demo.flowers import DATASET
from neurflow_report.demo.networks import NETWORKS
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


SMALLER = ("--set", "preprocess.size=64", "--set", "preprocess.resize=64")
"""Options for a network that takes 224 × 224 pixels."""


def valid(spec="spec.yaml", *options, deep=True):
    """The spec, once validate has passed it."""
    assert main(["validate", *(["--deep"] if deep else []), spec, "--quiet", *options]) == 0
    return load_spec(spec).spec


@pytest.mark.slow
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


@pytest.mark.slow
def test_yes_takes_the_demo_s(capsys):
    assert main(["init", "--yes", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    spec = valid()
    assert (spec.model.name, spec.data.source) == ("flowers", "demo")
    assert spec.classes == ("firebell", "emberwort", "moonviolet")


@pytest.mark.slow
def test_every_flag(picture_folder):
    picture_folder(2)
    words = ["--model", "resnet18", "--weights", "none", "--data", "pictures", "--classes", "firebell, 7",
             "--layers", "layer3,layer4,fc", "--output", "mine.yaml"]  # fmt: skip
    assert main(["init", *words]) == 0
    spec = valid("mine.yaml", *SMALLER)
    assert (spec.model.source, spec.model.name, spec.model.weights) == ("torchvision", "resnet18", "none")
    assert spec.model.outputs == 8
    assert (spec.classes, spec.layers, spec.output) == (("firebell", 7), ("layer3", "layer4", "fc"), "output/mine")
    assert spec.data.select == "labelled"


@pytest.mark.slow
def test_the_weights_that_a_model_has():
    assert main(["init", "--model", "resnet18", "--data", "demo", "--classes", "3"]) == 0
    assert valid(deep=False).model.weights == "IMAGENET1K_V1"


@pytest.mark.slow
def test_a_checkpoint_tells_its_number_of_classes_and_paths_follow_the_spec(picture_folder):
    picture_folder(2)
    Path("specs").mkdir()
    torch.save(torchvision.models.resnet18(num_classes=8).state_dict(), "best.pt")
    words = ["--model", "resnet18", "--weights", "best.pt", "--data", "pictures", "--layers", "layer4,fc"]
    assert main(["init", *words, "--output", "specs/mine.yaml"]) == 0
    spec = load_spec("specs/mine.yaml").spec
    assert (spec.model.weights, spec.model.outputs, spec.data.root) == ("../best.pt", 8, "../pictures")
    valid("specs/mine.yaml", *SMALLER, "--set", "data.select=labelled")


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


@pytest.fixture
def trained(picture_folder, tmp_path):
    """A network of one's own that was trained, in a checkpoint as Lightning writes it, and its pictures."""
    picture_folder(2, classes=DATASET.class_names)
    (tmp_path / "src").mkdir()
    code = "from neurflow_report.demo.networks import NETWORKS\n\ndef make(name):\n    return NETWORKS[name].build()\n"
    (tmp_path / "src" / "mynet.py").write_text(code)
    state = {f"model.{name}": value for name, value in load_file(NETWORKS["flowers"].weights).items()}
    others = {"criterion.weight": torch.ones(8), "val_acc.correct": torch.tensor(3)}
    torch.save({"epoch": 3, "state_dict": state | others, "hyper_parameters": {"lr": 0.1}}, tmp_path / "best.ckpt")
    return ["--model", "python:mynet:make", "--python-path", "src", "--kwargs", "name=flowers", "--weights", "best.ckpt",
            "--data", "pictures"]  # fmt: skip


@pytest.mark.slow
def test_a_first_hour_with_a_network_of_one_s_own(trained, capsys, tmp_path):
    """Without a wrong assumption left unsaid: from `init` to the accuracy, then what was right to put in."""
    assert main(["init", *trained, "--allow-code"]) == 0
    said = capsys.readouterr().err
    text = Path("spec.yaml").read_text()
    assert said == (
        "note: assumed of the preprocessing (the size is the pictures' own): size: 64, resize: 64, mean: [0.485, 0.456, 0.406], "
        "std: [0.229, 0.224, 0.225]; put in what the network was trained with, by --preprocess or in the spec\n"
    )
    assert (
        "# Assumed: put in what the network was trained with; `validate --deep` shows the accuracy with it.\n" in text
    )
    assert "#   neurflow-report build --allow-code spec.yaml\n" in text
    spec = load_spec("spec.yaml").spec
    assert (spec.model.python_path, spec.model.kwargs) == ("src", {"name": "flowers"})
    assert spec.model.ignore_keys == ("criterion.*", "val_acc.*")
    assert (spec.layers[-1], spec.classes) == ("fc", ("blushstar", "cinderpoppy", "coralbloom"))
    assert main(["validate", "--deep", "--allow-code", "spec.yaml"]) == 0
    said = capsys.readouterr().err
    assert (
        "check: weights file 'best.ckpt': 'model.' taken off its names; entries that ignore_keys left out: 'criterion.*' 1, 'val_acc.*' 1\n"
        in said
    )
    assert re.search(
        r"measure the accuracy: accuracy \d+%: \d+ of 40 labelled pictures of 20 classes \(95% interval ", said
    )
    assert main(["build", "spec.yaml", "--allow-code", "--set", "data.limit=2", "--set", "concept.k=10", "--set", "core.tau=2",
                 "--set", "fidelity.experiments=[masking]", "--set", "report.formats=[html]", "--set", "layers=[block4, fc]"]) == 0  # fmt: skip
    said = capsys.readouterr().err
    assert said.index("choose pictures: accuracy ") < said.index("blushstar: patches")


def test_without_leave_it_says_what_it_did_not_look_at(trained, capsys, monkeypatch):
    monkeypatch.delenv("NEURFLOW_REPORT_ALLOW_CODE", raising=False)
    words = [*trained, "--preprocess", "size: 64, resize: none, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]"]
    assert main(["init", *words]) == 0
    assert capsys.readouterr().err == (
        "note: the network was not looked at, its code runs only with --allow-code. Whether the factory can be called, the "
        "weights fit and the layers are there tells `neurflow-report validate --deep --allow-code spec.yaml`\n"
    )
    spec = load_spec("spec.yaml").spec
    assert (spec.preprocess.size, spec.preprocess.resize, spec.preprocess.mean) == (64, "none", (0.5, 0.5, 0.5))
    assert spec.layers == "auto"
    assert "# Assumed" not in Path("spec.yaml").read_text()


@pytest.mark.slow
def test_the_checkpoint_of_a_named_network_gets_its_preprocessing_written_out(picture_folder, capsys):
    picture_folder(1)
    torch.save({"model_ema": torchvision.models.resnet18(num_classes=8).state_dict()}, "best.pth.tar")
    words = ["--model", "resnet18", "--weights", "best.pth.tar", "--data", "pictures", "--layers", "layer4,fc"]
    assert main(["init", *words]) == 0
    said = capsys.readouterr().err
    assert "note: assumed of the preprocessing: size: 224, resize: 256, mean: [0.485, 0.456, 0.406], std: " in said
    assert (
        "note: pictures of 64 × 64 pixels are made 4.0 times as large, 256 × 256, for an input of 224 × 224: " in said
    )
    spec = load_spec("spec.yaml").spec
    assert (spec.model.outputs, spec.preprocess.size, spec.preprocess.resize) == (8, 224, 256)


@pytest.mark.slow
def test_several_states_in_a_checkpoint_are_said(picture_folder, capsys):
    picture_folder(1)
    torch.manual_seed(0)
    both = {name: torchvision.models.resnet18(num_classes=8).state_dict() for name in ("state_dict", "state_dict_ema")}
    torch.save(both, "best.pth")
    words = ["--model", "resnet18", "--weights", "best.pth", "--data", "pictures", "--layers", "layer4,fc"]
    assert main(["init", *words]) == 0
    assert (
        "note: the weights file holds several states that fit: the spec takes state_dict_key: state_dict; to take another, "
        "state_dict_key: state_dict_ema\n"
    ) in capsys.readouterr().err
    assert load_spec("spec.yaml").spec.model.state_dict_key == "state_dict"


@pytest.mark.slow
def test_only_classes_with_pictures_are_proposed(picture_folder, capsys):
    picture_folder(1)
    rows = [f"pictures/firebell/0.png,{number}" for number in (341, 7)]
    Path("list.csv").write_text("\n".join(["path,label", *rows]) + "\n")
    assert main(["init", "--model", "resnet18", "--data", "list.csv", "--layers", "layer4,fc"]) == 0
    text = Path("spec.yaml").read_text()
    assert "The data has:\n# 7, 341\n" in text
    assert list(map(int, load_spec("spec.yaml").spec.classes)) == [7, 341]


def test_mistakes_of_both_sides_are_told_at_once(capsys, here):
    assert main(["init", "--model", "resnet5", "--data", "nowhere"]) == 2
    said = capsys.readouterr().err
    assert "[model-unknown]" in said
    assert "[data-missing]" in said
    assert main(["init", "--yes", "--classes", "firebel", "--layers", "blok4,fc"]) == 2
    said = capsys.readouterr().err
    assert "there is no class 'firebel' [class-unknown]" in said
    assert "the network has no layer 'blok4' [layer-unknown]" in said
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--kwargs", "10"], "--kwargs is '10', and keys with values were expected [command-line]\n"
         '  hint: write them as in --kwargs "num_classes: 10" or --kwargs "size: 32, mean: [0.5, 0.5, 0.5]"\n'),
        (["--preprocess", "sise: 32"], "preprocess.sise: preprocess has no key 'sise' [spec-unknown-key]\n  hint: did you mean 'size' or 'resize'?\n"),
        (["--python-path", "src"], "--python-path is for networks of your own, and 'demo:flowers' is none [command-line]\n"
         "  hint: leave it out, or name python:package.module:callable\n"),
    ],
)  # fmt: skip
def test_options_that_cannot_be_read(words, said, capsys, here):
    assert main(["init", "--model", "demo:flowers", "--data", "demo", *words]) == 2
    assert capsys.readouterr().err == f"error: {said}"
    assert list(here.iterdir()) == []
