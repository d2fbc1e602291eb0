"""What a user can get wrong, through the command line: the message word for word, exit code 2, nothing written."""

import pytest
import torch
from safetensors.torch import save_file

from neurflow_report.cli import main
from neurflow_report.demo.networks import NETWORKS


@pytest.fixture
def refused(write_spec, tmp_path, capsys):
    """Builds the small spec with changes, and is refused: exit code 2, nothing written; → what stood on stderr."""

    def run(*, text=None, **changes):
        spec = write_spec(**changes)
        if text is not None:
            spec.write_text(text(spec.read_text()))
        assert main(["build", str(spec), "--quiet"]) == 2
        assert not (tmp_path / "out").exists()
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "Traceback" not in printed.err
        return printed.err.replace(str(tmp_path) + "/", "")

    return run


def test_unknown_key(refused):
    assert refused(core={"taus": 3}) == (
        "error: spec.yaml:27:3 core.taus: core has no key 'taus' [spec-unknown-key]\n"
        "      taus: 3\n"
        "      ^\n"
        "  hint: did you mean 'tau'?\n"
    )


def test_wrong_type(refused):
    assert refused(core={"tau": "many"}) == (
        "error: spec.yaml:26:8 core.tau: found 'many', expected a whole number or 'auto' [spec-bad-value]\n"
        "      tau: many\n"
        "           ^\n"
        "  hint: Core neurons of each target, τ; auto: of each class the fewest that are certified on pictures "
        "held out to be enough (METHOD §5).\n"
    )


def test_misspelt_layer(refused):
    assert refused(layers=["block3", "blok4", "fc"]) == (
        "error: spec.yaml:15:3 layers[1]: the network has no layer 'blok4' [layer-unknown]\n"
        "    - blok4\n"
        "      ^\n"
        "  hint: did you mean 'block4' or 'block4.2' or 'block4.1'?\n"
    )


def test_misspelt_class(refused):
    assert refused(classes=["firebel"]) == (
        "error: spec.yaml:11:3 classes[0]: there is no class 'firebel' [class-unknown]\n"
        "    - firebel\n"
        "      ^\n"
        "  hint: did you mean 'firebell'?\n"
    )


def test_layers_in_the_wrong_order(refused):
    assert refused(layers=["block4", "block3", "fc"]) == (
        "error: spec.yaml:15:3 layers[1]: layer 'block3' comes before 'block4' in the network [layers-order]\n"
        "    - block3\n"
        "      ^\n"
        "  hint: from input to output the order is: block3, block4, fc\n"
    )


def test_no_such_folder(refused):
    assert refused(data={"source": "folder", "root": "nowhere"}) == (
        "error: spec.yaml:10:9 data.root: the data folder 'nowhere' does not exist [data-missing]\n"
        "      root: nowhere\n"
        "            ^\n"
        "  hint: a relative root is looked for beside the spec\n"
    )


def test_empty_class(refused, picture_folder):
    (picture_folder(1) / "firebell" / "0.png").unlink()
    assert refused(data={"source": "folder", "root": "pictures"}) == (
        "error: spec.yaml:10:9 data.root: class 'firebell' has no picture: 'firebell' in 'pictures' holds none that is "
        "read [class-empty]\n"
        "      root: pictures\n"
        "            ^\n"
        "  hint: add pictures of the class, or take it out of `classes`\n"
    )


def test_only_unreadable_pictures(refused, picture_folder):
    for file in (picture_folder(2) / "firebell").iterdir():
        file.write_bytes(b"not a picture")
    assert refused(data={"source": "folder", "root": "pictures", "select": "labelled"}) == (
        "error: spec.yaml:13:3 classes[0]: class 'firebell' (logit 0): of 2 pictures looked at, 0 are usable "
        "(2 could not be read: not a picture in a known format) [too-few-images]\n"
        "    - firebell\n"
        "      ^\n"
        "  hint: give pictures that can be read; docs/guide.md says which formats\n"
    )


def test_weights_that_do_not_fit(refused, tmp_path):
    state = NETWORKS["flowers"].build().state_dict()
    state["fc.weight"] = torch.zeros(5, state["fc.weight"].shape[1])
    save_file(state, tmp_path / "other.safetensors")
    assert refused(model={"weights": "other.safetensors"}) == (
        "error: spec.yaml:6:12 model.weights: the weights in 'other.safetensors' do not fit the model; "
        "1 with another shape: fc.weight (file (5, 128), model (20, 128)) [weights-mismatch]\n"
        "      weights: other.safetensors\n"
        "               ^\n"
        "  hint: no way to read the names makes it fit: is the network that model.name names the one that was saved?\n"
    )


@pytest.mark.parametrize("junk", [b"junk", b"", b"PK\x03\x04", b"\x80\x02c", bytes(range(256))])
def test_weights_that_are_no_checkpoint(refused, tmp_path, junk):
    (tmp_path / "junk.pt").write_bytes(junk)
    err = refused(model={"weights": "junk.pt"})
    assert "model.weights: weights file 'junk.pt' " in err
    assert "[weights-unreadable]" in err
    assert "hint: " in err


def test_k_larger_than_the_patches(refused):
    assert refused(concept={"k": 50}, data={"limit": 3}, classes=["firebell"]) == (
        "error: spec.yaml:17:6 concept.k: class 'firebell' has 30 patches from 3 pictures, "
        "and a concept needs k = 50 [too-few-patches]\n"
        "      k: 50\n"
        "         ^\n"
        "  hint: set concept.k to at most 30, or give more pictures, scales or a smaller stride\n"
    )


@pytest.mark.slow
def test_a_layer_that_is_no_cut(refused):
    assert refused(
        model={"source": "torchvision", "name": "resnet18", "weights": "none", "outputs": 20},
        layers=["layer4.0.conv1", "layer4.1", "fc"],
    ) == (
        "error: spec.yaml:15:3 layers[0]: another tensor crosses beside layer 'layer4.0.conv1', between "
        "'layer4.0.conv1' and 'layer4.1': layer3_1_relu_1 (1, 256, 14, 14; from module 'layer3') [layers-not-a-cut]\n"
        "    - layer4.0.conv1\n"
        "      ^\n"
        "  hint: layers that can be cut: nearest below 'layer3', nearest above 'layer4.0'\n"
    )


def test_all_errors_of_a_spec_at_once(refused):
    assert refused(core={"tau": 0}, concept={"scales": [2.0]}, colour="red") == (
        "error: spec.yaml:20:5 concept.scales[0]: found 2.0, expected a number of at most 1.0 [spec-bad-value]\n"
        "      - 2.0\n"
        "        ^\n"
        "  hint: Patch sides as shares of the input's side.\n"
        "error: spec.yaml:25:8 core.tau: found 0, expected a number of at least 1 or 'auto' [spec-bad-value]\n"
        "      tau: 0\n"
        "           ^\n"
        "  hint: Core neurons of each target, τ; auto: of each class the fewest that are certified on pictures "
        "held out to be enough (METHOD §5).\n"
        "error: spec.yaml:37:1 colour: the spec has no key 'colour' [spec-unknown-key]\n"
        "    colour: red\n"
        "    ^\n"
        "  hint: did you mean 'core'?\n"
    )
