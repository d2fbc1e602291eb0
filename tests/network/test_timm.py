"""timm's models by name, with timm's own preprocessing. Nothing is downloaded here."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from neurflow_report.errors import InputError
from neurflow_report.images.preprocess import to_input
from neurflow_report.network.load import Network, load_network

timm = pytest.importorskip("timm")


def load(base: Path = Path(), **changes: object) -> Network:
    settings: dict[str, object] = {
        "source": "timm", "name": "resnet10t", "weights": "none", "base": base, "seed": 3,
        "device": torch.device("cpu"), "dtype": torch.float32,
    }  # fmt: skip
    return load_network(**(settings | changes))  # type: ignore[arg-type]


def problem(**changes: object) -> InputError:
    with pytest.raises(InputError) as caught:
        load(**changes)
    return caught.value


def test_random_weights_follow_the_seed() -> None:
    assert load().digest == load().digest != load(seed=4).digest
    assert load(outputs=7, kwargs={"in_chans": 1}).module(torch.zeros(1, 1, 32, 32)).shape == (1, 7)


@pytest.mark.parametrize("name", ["resnet10t.c3_in1k", "mobilenetv3_small_050", "deit_tiny_patch16_224", "regnetx_002",
                                  "convnext_tiny.fb_in22k_ft_in1k_384"])  # fmt: skip
def test_the_preprocessing_is_timm_s_own(name: str) -> None:
    network = load(name=name)
    config = timm.data.resolve_model_data_config(network.module)
    noise = np.random.default_rng(0).integers(0, 256, (301, 417, 3), dtype=np.uint8)
    picture = Image.fromarray(noise).resize((333, 290), Image.Resampling.BICUBIC)
    theirs = timm.data.create_transform(**config, is_training=False)(picture)
    ours, _ = to_input(picture, network.preprocess)
    assert ours.shape == theirs.shape == config["input_size"]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def test_grey_input() -> None:
    preprocess = load(kwargs={"in_chans": 1}).preprocess
    assert (preprocess.channels, len(preprocess.mean), len(preprocess.std)) == (1, 1, 1)


def test_checkpoint(tmp_path: Path) -> None:
    save_file(load(seed=9).module.state_dict(), tmp_path / "mine.safetensors")
    assert load(tmp_path, weights="mine.safetensors").digest == load(seed=9).digest


@pytest.mark.parametrize(
    ("changes", "slug", "message", "hint"),
    [
        ({"name": "resnet10"}, "model-unknown", "timm has no model 'resnet10'", "did you mean 'resnet10t' or "),
        ({"name": "resnet10t.c9"}, "weights-unknown", "timm model 'resnet10t' has no weights 'c9'", "expected c3_in1k"),
        ({"weights": "c3_in2k"}, "weights-unknown", "timm model 'resnet10t' has no weights 'c3_in2k'",
         "did you mean 'c3_in1k'?"),
        ({"kwargs": {"in_chans": 7}}, "spec-bad-value",
         "the network's input is 7 × 176 × 176, and pictures here are square, grey or RGB", "take a network with such"),
        ({"name": "vit_tiny_patch16_224", "kwargs": {"img_size": [64, 96]}}, "spec-bad-value",
         "the network's input is 3 × 64 × 96, and pictures here are square, grey or RGB", "take a network with such"),
        ({"outputs": 10**12}, "factory-failed",
         "'resnet10t' cannot be made with 1000000000000 outputs: RuntimeError: ", "is that the number of classes?"),
        ({"kwargs": {"nmu_classes": 3}}, "factory-failed",
         "'resnet10t' cannot be made with these kwargs: TypeError: ", "they are passed to the architecture"),
    ],
)  # fmt: skip
def test_mistakes(changes: dict[str, object], slug: str, message: str, hint: str) -> None:
    error = problem(**changes)
    assert error.slug == slug
    assert error.message.startswith(message)
    assert error.hint.startswith(hint)


def test_timm_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    error = problem()
    assert (error.slug, error.path) == ("missing-package", ("model", "source"))
    assert str(error) == (
        "model.source: the Python package timm is not installed [missing-package]\n"
        "  hint: pip install 'neurflow-report[timm]'"
    )
