"""What a user can get wrong, through the command line: the message word for word, exit code 2, nothing written."""

import pytest
import torch
from safetensors.torch import save_file

from neurflow_report.cli import main
from neurflow_report.demo.networks import NETWORKS


@pytest.fixture
def refused(write_spec, tmp_path, capsys):
    """Builds the small spec with changes; → what was printed on stderr. Asserts exit code 2 and that nothing is there."""

    def run(*, text=None, **changes):
        spec = write_spec(**changes)
        if text is not None:
            spec.write_text(text(spec.read_text()))
        assert main(["build", str(spec), "--quiet"]) == 2
        output = tmp_path / "out"
        assert not output.exists() or list(output.iterdir()) == []
        printed = capsys.readouterr()
        assert printed.out == ""
        assert "Traceback" not in printed.err
        return printed.err.replace(str(tmp_path) + "/", "")

    return run


def test_unknown_key(refused):
    assert refused(core={"taus": 3}) == SNAP["unknown key"]


def test_wrong_type(refused):
    assert refused(core={"tau": "many"}) == SNAP["wrong type"]


def test_misspelt_layer(refused):
    assert refused(layers=["block3", "blok4", "fc"]) == SNAP["misspelt layer"]


def test_misspelt_class(refused):
    assert refused(classes=["firebel"]) == SNAP["misspelt class"]


def test_layers_in_the_wrong_order(refused):
    assert refused(layers=["block4", "block3", "fc"]) == SNAP["wrong order"]


def test_no_such_folder(refused):
    assert refused(data={"source": "folder", "root": "nowhere"}) == SNAP["no such folder"]


def test_empty_class(refused, picture_folder):
    (picture_folder(1) / "firebell" / "0.png").unlink()
    assert refused(data={"source": "folder", "root": "pictures"}) == SNAP["empty class"]


def test_only_unreadable_pictures(refused, picture_folder):
    (picture_folder(1) / "firebell" / "0.png").write_bytes(b"not a picture")
    assert refused(data={"source": "folder", "root": "pictures", "select": "labelled"}) == SNAP["unreadable"]


def test_weights_that_do_not_fit(refused, tmp_path):
    state = NETWORKS["flowers"].build().state_dict()
    state["fc.weight"] = torch.zeros(5, state["fc.weight"].shape[1])
    save_file(state, tmp_path / "other.safetensors")
    assert refused(model={"weights": "other.safetensors"}) == SNAP["weights"]


def test_k_larger_than_the_patches(refused):
    assert refused(concept={"k": 50}, data={"limit": 3}) == SNAP["k"]


def test_all_errors_of_a_spec_at_once(refused):
    err = refused(core={"tau": 0}, concept={"scales": [2.0]}, colour="red")
    assert [line for line in err.splitlines() if line.endswith("]") and "[spec-" in line].__len__() == 3


SNAP = {}
