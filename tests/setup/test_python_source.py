"""A network of the user's own, from a factory and a checkpoint as training scripts write them, through the pipeline."""

import hashlib
import warnings
from pathlib import Path

import pytest
import torch

from neurflow_report.cli import main
from neurflow_report.demo.flowers import DATASET
from neurflow_report.results.bundle import read_bundle
from tests.oracles import cifar

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import datasets

ORACLES = Path(cifar.__file__).parent


@pytest.fixture
def own(write_spec, picture_folder, tmp_path):
    """A spec over the padding, pooling ResNet and its wrapped checkpoint, on a folder of pictures."""
    picture_folder(3)
    torch.manual_seed(8)
    state = cifar.resnet(num_classes=8).state_dict()
    torch.save({"net": {f"module.{k}": v for k, v in state.items()}, "epoch": 3}, tmp_path / "best.th")
    (tmp_path / "names.txt").write_text("\n".join(DATASET.class_names[:8]))

    def write(**changes) -> Path:
        model = {
            "source": "python", "name": None, "factory": "cifar:resnet", "python_path": str(ORACLES),
            "kwargs": {"num_classes": 8}, "weights": "best.th", "state_dict_key": "net", "strip_prefix": "module.",
            "class_names": "names.txt",
        }  # fmt: skip
        data = {"source": "folder", "root": "pictures", "select": "labelled", "limit": 3}
        common = {"classes": ["firebell"], "layers": ["layer2.0", "layer3.0", "linear"], "preprocess": {"size": 32}}
        return write_spec(**(common | {"model": model | changes.pop("model", {}), "data": data} | changes))

    return write, state


def test_it_goes_through(own, tmp_path):
    spec, state = own[0](), own[1]
    assert main(["analyze", str(spec), "--quiet", "--allow-code"]) == 0
    bundle = read_bundle(tmp_path / "out")
    model = bundle.run.model
    assert (model.source, model.name, model.weights, model.outputs) == ("python", "resnet", "best.th", 8)
    assert (model.preprocess.size, model.preprocess.resize) == (32, 37)
    assert model.parameters == sum(v.numel() for k, v in state.items() if "running" not in k and "num" not in k)
    assert [layer.name for layer in bundle.classes[0].layers] == ["layer2.0", "layer3.0", "linear"]
    assert all(n.gap_max < 0.05 for layer in bundle.classes[0].layers[1:] for n in layer.neurons)
    assert str(tmp_path) not in "".join(p.read_text() for p in (tmp_path / "out").rglob("*.json"))


def test_pictures_from_a_list_whatever_they_are(own, tmp_path):
    rows = [f"pictures/{name}/{n}.png,{name if n else ''}" for name in ("firebell", "snowstar") for n in range(3)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows, "gone.png,firebell"]))
    spec = own[0](data={"source": "csv", "file": "list.csv", "select": "any", "limit": 4})
    assert main(["analyze", str(spec), "--quiet", "--allow-code"]) == 0
    bundle = read_bundle(tmp_path / "out")
    assert [p.label for p in bundle.classes[0].pictures] == ["firebell", "firebell", "snowstar", "snowstar"]
    assert [s.name for s in bundle.run.data.skipped] == ["gone.png"]


def test_pictures_of_a_saved_data_set(own, tmp_path):
    datasets.disable_progress_bars()
    rows = [(name, n, tmp_path / "pictures" / name / f"{n}.png") for name in ("snowstar", "firebell") for n in range(2)]
    cut = [data.read_bytes()[: -40 if (name, n) == ("firebell", 0) else None] for name, n, data in rows]
    features = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=DATASET.class_names)})
    labels = [DATASET.class_names.index(name) for name, _, _ in rows]
    given = {"img": [{"bytes": data, "path": None} for data in cut], "label": labels}
    table = datasets.Dataset.from_dict(given, features=features)
    datasets.DatasetDict({"train": table}).save_to_disk(str(tmp_path / "set"))
    spec = own[0](
        data={"source": "huggingface", "root": "set", "split": "train", "image_column": "img", "select": "any"}
    )
    assert main(["analyze", str(spec), "--quiet", "--allow-code"]) == 0
    bundle = read_bundle(tmp_path / "out")
    assert [(p.name, p.label) for p in bundle.classes[0].pictures] == [
        ("train/000003", "firebell"), ("train/000000", "snowstar"), ("train/000001", "snowstar"),
    ]  # fmt: skip
    assert bundle.classes[0].pictures[0].sha256 == hashlib.sha256(cut[3]).hexdigest()
    assert [s.name for s in bundle.run.data.skipped] == ["train/000002"]
    assert (bundle.run.data.source, bundle.run.data.name) == ("huggingface", "set (train)")


@pytest.mark.parametrize("command", ["analyze", "build"])
def test_without_leave_it_is_refused(own, command, capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("NEURFLOW_REPORT_ALLOW_CODE", raising=False)
    assert main([command, str(own[0]()), "--quiet"]) == 2
    assert "[code-not-allowed]\n" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_names_that_are_too_few(own, tmp_path, capsys):
    (tmp_path / "names.txt").write_text("a\nb\n")
    assert main(["analyze", str(own[0]()), "--quiet", "--allow-code"]) == 2
    said = capsys.readouterr().err
    assert "model.class_names: 'names.txt' has 2 class names, and the network 8 outputs [classes-mismatch]" in said
