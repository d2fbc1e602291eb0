"""The embedded networks: small files, honest figures, the layers that the specs declare, a small training run."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from neurflow_report.demo import train
from neurflow_report.demo.networks import NETWORKS, header_metadata
from neurflow_report.demo.train import Recipe, accuracy, augment, flower_pictures, normalise, read_idx


def trained(name: str) -> torch.nn.Module:
    model = NETWORKS[name].build()
    model.load_state_dict(load_file(NETWORKS[name].weights))
    return model


def test_importing_the_networks_imports_no_torch() -> None:
    code = "import sys; from neurflow_report.demo.networks import NETWORKS; NETWORKS['flowers'].test_accuracy"
    code += "; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_weights_are_small_and_say_what_was_measured(name: str) -> None:
    network = NETWORKS[name]
    assert network.weights.stat().st_size < 2_000_000
    assert {"test_accuracy", "test_count", "seed", "epochs", "torch"} <= set(network.metadata)
    assert int(network.metadata["test_count"]) >= 1000
    assert network.test_accuracy >= {"flowers": 0.98, "fashion": 0.90}[name]


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_layers_have_the_channels_and_the_order_that_the_specs_count_on(name: str) -> None:
    network, seen = NETWORKS[name], []
    model = trained(name)
    for layer in network.layers:
        module = model.get_submodule(layer)
        module.register_forward_hook(lambda _m, _i, out, layer=layer: seen.append((layer, out.shape[1])))
    side, channels = network.preprocess.size, network.preprocess.channels
    with torch.inference_mode():
        out = model(torch.zeros(2, channels, side, side))
    assert out.shape == (2, len(network.class_names))
    assert [layer for layer, _ in seen] == list(network.layers)
    assert all(width >= 64 for layer, width in seen if layer != "fc")
    assert not model.training


@pytest.mark.slow
def test_the_flower_network_is_as_good_as_its_metadata_says() -> None:
    measured = accuracy(trained("flowers"), flower_pictures("test", 10), NETWORKS["flowers"].preprocess)
    assert measured >= 0.97
    assert measured == pytest.approx(NETWORKS["flowers"].test_accuracy, abs=0.02)


def test_a_class_of_flowers_needs_several_channels_of_the_last_block() -> None:
    """On pictures that neither training nor the report uses: of the 4 channels that bear most of a logit the first has
    well under 60%, and without the 4 the class is gone, as it is not without 4 others (ADR 22)."""
    model, network = trained("flowers"), NETWORKS["flowers"]
    pixels, labels = flower_pictures("val", 4)
    seen: list[torch.Tensor] = []
    model.get_submodule("pool").register_forward_hook(lambda _m, _i, out: seen.append(out.flatten(1)))
    fc, rng = model.get_submodule("fc"), torch.Generator().manual_seed(0)
    assert isinstance(fc, torch.nn.Linear)
    strongest: list[float] = []
    kept: list[float] = []
    kept_at_random: list[float] = []
    with torch.inference_mode():
        for index in range(8):
            own = pixels[labels == index]
            model(normalise(own, network.preprocess))
            score = (seen[-1] * fc.weight[index]).abs().mean(0)
            core = score.topk(4)
            strongest.append(float(core.values[0] / core.values.sum()))
            drawn = torch.randperm(len(score), generator=rng)
            others = drawn[~torch.isin(drawn, core.indices)][:4]
            for channels, left in ((core.indices, kept), (others, kept_at_random)):
                masked = seen[-1].index_fill(1, channels, 0.0)
                left.append(float((fc(masked).argmax(1) == index).float().mean()))
    assert sum(share < 0.55 for share in strongest) >= 7, strongest
    assert np.mean(kept) < 0.25
    assert np.mean(kept_at_random) > 0.9


@pytest.mark.slow
def test_a_tiny_training_run_lowers_the_loss_and_writes_a_valid_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, out = flower_pictures("train", 4), tmp_path / "new" / "tiny.safetensors"
    measured = train.run("flowers", out, pictures, pictures, Recipe(epochs=4, batch=16))
    assert measured > 0.25
    assert {key: header_metadata(out)[key] for key in ("epochs", "seed", "test_count", "test_accuracy")} == {
        "epochs": "4", "seed": "0", "test_count": "80", "test_accuracy": f"{measured:.4f}",
    }  # fmt: skip
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4
    assert float(lines[-1].split()[3]) < float(lines[0].split()[3])
    fresh = NETWORKS["flowers"].build()
    fresh.load_state_dict(load_file(out))
    assert accuracy(fresh, pictures, NETWORKS["flowers"].preprocess) == measured


def test_training_twice_gives_the_same_weights(tmp_path: Path) -> None:
    pictures, recipe = flower_pictures("train", 1), Recipe(epochs=1, batch=4)
    states = []
    for out in (tmp_path / "a.safetensors", tmp_path / "b.safetensors"):
        train.run("flowers", out, pictures, pictures, recipe)
        states.append(load_file(out))
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_whole_pictures_are_only_shifted_and_flipped() -> None:
    batch = torch.full((6, 1, 8, 8), 3.0)
    assert torch.allclose(augment(batch, 0.5, torch.Generator().manual_seed(0)), batch)
    assert augment(torch.rand(5, 3, 8, 8), 1.0, torch.Generator().manual_seed(0)).shape == (5, 3, 8, 8)


def test_normalising_is_what_preprocess_says() -> None:
    pixels = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1, 1).expand(2, 3, 1, 1)
    assert normalise(pixels, NETWORKS["flowers"].preprocess)[:, 0, 0, 0].tolist() == [-2.0, 2.0]


def test_idx_files_are_read(tmp_path: Path) -> None:
    data = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    head = bytes([0, 0, 8, 3]) + b"".join(int(n).to_bytes(4, "big") for n in data.shape)
    (tmp_path / "x.gz").write_bytes(gzip.compress(head + data.tobytes()))
    assert (read_idx(tmp_path / "x.gz") == data).all()
