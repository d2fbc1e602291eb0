"""The layers command, and specs that leave the layers open."""

import json

import pytest

from neurflow_report.cli import main
from neurflow_report.results.bundle import read_bundle


def test_the_tree(capsys):
    assert main(["layers", "demo:flowers"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:4] == [
        "flowers: 449 k parameters; 24.8 M multiply-adds for a picture of 3 × 64 × 64",
        "  layer                 output  multiply-adds",
        "* block1         128 × 16 × 16         3.54 M",
        "    block1.0     128 × 32 × 32         3.54 M",
    ]
    assert lines[-2:] == ["* fc                        20         2.56 k", "* what `layers: auto` takes"]
    assert "    block1.3     128 × 16 × 16              0  = block1" in lines


@pytest.mark.slow
def test_as_json_of_a_spec(write_spec, capsys):
    spec = write_spec(model={"source": "torchvision", "name": "swin_t", "weights": "none"}, preprocess={"size": 64})
    assert main(["layers", str(spec), "--json"]) == 0
    tree = json.loads(capsys.readouterr().out)
    rows = {row["name"]: row for row in tree["rows"]}
    assert tree["input"] == [3, 64, 64]
    assert (rows["features.1"]["kind"], rows["features.1"]["shape"]) == ("tokens", [16, 16, 96])
    assert rows["features.1.1"]["same_as"] == "features.1"
    assert [name for name in rows if name.startswith("features.1.")] == ["features.1.0", "features.1.1"]
    assert list(rows).index("features") < list(rows).index("features.0")
    assert [row["name"] for row in tree["rows"] if row["auto"]][-1] == "head"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["resnet5"], "model.name: torchvision has no classification model 'resnet5' [model-unknown]"),
        (["timm:resnet5"], "model.name: timm has no model 'resnet5' [model-unknown]"),
        (["python:a.b:c"], "model.factory: this spec would import and run 'a.b:c', and code that a spec names runs "
         "only if you allow it [code-not-allowed]"),
        (["nowhere.yaml"], "nowhere.yaml: there is no such file [spec-unreadable]"),
        (["resnet18", "--size", "0"], "argument --size: found '0', expected a number of pixels, 1 to 10000"),
    ],
)  # fmt: skip
def test_mistakes(words, message, capsys):
    assert main(["layers", *words]) == 2
    said = capsys.readouterr().err.removeprefix("loading PyTorch …\n")  # where no other test has
    assert said.startswith(f"error: {message}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layers", "names"),
    [
        ("auto", ["block1", "block2", "block3", "block4", "fc"]),
        ({"from": "block3"}, ["block3", "block4", "fc"]),
        ({"from": "block4.0", "to": "block4"}, ["block4.0", "block4", "fc"]),
        ({"most": 2}, ["block4", "fc"]),
    ],
)
def test_open_layers_go_through(write_spec, tmp_path, layers, names):
    spec = write_spec(layers=layers, classes=["firebell"], fidelity={"experiments": []})
    assert main(["analyze", str(spec), "--quiet"]) == 0
    bundle = read_bundle(tmp_path / "out")
    assert [layer.name for layer in bundle.run.layers] == names
    written = json.loads((tmp_path / "out" / "bundle" / "manifest.json").read_text())["provenance"]["spec_resolved"]
    assert written["layers"] == layers if isinstance(layers, str) else written["layers"].items() >= layers.items()


def test_a_range_that_leads_nowhere(write_spec, tmp_path, capsys):
    spec = write_spec(layers={"from": "blok3"})
    assert main(["analyze", str(spec), "--quiet"]) == 2
    assert capsys.readouterr().err.replace(f"{tmp_path}/", "") == (
        "error: spec.yaml:14:9 layers.from: the network has no layer 'blok3' [layer-unknown]\n"
        "      from: blok3\n"
        "            ^\n"
        "  hint: did you mean 'block3' or 'block3.2' or 'block3.1'?\n"
    )


VIT = {
    "factory": "torchvision.models.vision_transformer:VisionTransformer",
    "kwargs": {"image_size": 32, "patch_size": 8, "num_layers": 3, "num_heads": 2, "hidden_dim": 32, "mlp_dim": 64,
               "num_classes": 2},
}  # fmt: skip
SWIN = {
    "factory": "torchvision.models.swin_transformer:SwinTransformer",
    "kwargs": {"patch_size": [4, 4], "embed_dim": 16, "depths": [2, 2, 2, 2], "num_heads": [2, 2, 2, 2],
               "window_size": [3, 3], "num_classes": 2},
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "size", "layers"),
    [(VIT, 32, {"most": 3}), (SWIN, 64, ["features.5", "features.7", "head"])],
    ids=["tokens", "tokens on a grid"],
)
def test_a_vision_transformer_goes_through(write_spec, picture_folder, tmp_path, model, size, layers):
    """torchvision's own, but of a few narrow blocks."""
    picture_folder(2, ("firebell", "snowstar"))
    spec = write_spec(
        model={"source": "python", "name": None, "weights": "none"} | model,
        data={"source": "folder", "root": "pictures", "select": "labelled"},
        preprocess={"size": size, "resize": size}, layers=layers, classes=["firebell"],
    )  # fmt: skip
    assert main(["build", str(spec), "--quiet", "--allow-code"]) == 0
    bundle = read_bundle(tmp_path / "out")
    assert [info.kind for info in bundle.run.layers] == ["tokens", "tokens", "vector"]
    assert (tmp_path / "out" / "site" / "index.html").is_file()
