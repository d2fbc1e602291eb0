"""Where networks come from, and what is said when they cannot be had. Nothing is downloaded here."""

from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from neurflow_report.errors import InputError
from neurflow_report.network.load import Network, choose_device, load_network, preprocess_of, state_digest


def load(base: Path = Path(), **changes: object) -> Network:
    settings: dict[str, object] = {
        "source": "torchvision", "name": "resnet18", "weights": "none", "outputs": 5, "base": base, "seed": 3,
        "device": torch.device("cpu"), "dtype": torch.float32,
    }  # fmt: skip
    return load_network(**(settings | changes))  # type: ignore[arg-type]


def problem(base: Path = Path(), **changes: object) -> InputError:
    with pytest.raises(InputError) as caught:
        load(base, **changes)
    return caught.value


def test_random_weights_follow_the_seed_and_leave_the_generator() -> None:
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    first, same, other = load(), load(), load(seed=4)
    assert torch.equal(torch.rand(1), expected)
    assert first.digest == same.digest != other.digest
    assert (first.source, first.name, first.weights, first.class_names, first.test_accuracy) == (
        "torchvision", "resnet18", "none", None, None,
    )  # fmt: skip
    assert first.parameters == sum(p.numel() for p in first.module.parameters())
    assert not first.module.training
    assert not any(p.requires_grad for p in first.module.parameters())
    assert (first.preprocess.size, first.preprocess.resize) == (224, 256)


def test_digest_sees_name_shape_and_value_but_not_precision() -> None:
    one, two = nn.Linear(2, 3), nn.Linear(2, 3)
    two.load_state_dict(one.state_dict())
    assert state_digest(one) == state_digest(two)
    with torch.no_grad():
        two.bias[1] += 1e-3
    assert state_digest(one) != state_digest(two)
    assert load().digest == load(dtype=torch.float64).digest
    assert load(dtype=torch.float64).module.fc.weight.dtype == torch.float64


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth"])
def test_checkpoint(tmp_path: Path, suffix: str) -> None:
    state = load(seed=9).module.state_dict()
    path = tmp_path / f"mine{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    network = load(tmp_path, weights=path.name)
    assert network.digest == load(seed=9).digest
    assert network.weights == path.name
    assert load(weights=str(path)).weights == path.name


def test_checkpoint_in_a_wrapper(tmp_path: Path) -> None:
    state = {f"module.{k}": v for k, v in load(seed=9).module.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "mine.pt")
    assert load(tmp_path, weights="mine.pt").digest == load(seed=9).digest


@pytest.mark.slow
def test_googlenet_checkpoint_with_auxiliary_heads(tmp_path: Path) -> None:
    full = torchvision.models.googlenet(weights=None, aux_logits=True, init_weights=False, num_classes=5)
    torch.save(full.state_dict(), tmp_path / "g.pt")
    network = load(tmp_path, name="googlenet", weights="g.pt")
    assert network.module.transform_input is True
    assert network.module.aux1 is None
    assert torch.equal(network.module.fc.weight, full.fc.weight)


def test_checkpoint_that_does_not_fit(tmp_path: Path) -> None:
    state = load(outputs=7).module.state_dict()
    del state["conv1.weight"]
    torch.save(state | {"extra": torch.zeros(1)}, tmp_path / "mine.pt")
    error = problem(tmp_path, weights="mine.pt")
    assert (error.slug, error.path) == ("weights-mismatch", ("model", "weights"))
    assert error.message == (
        "the weights in 'mine.pt' do not fit the model; 1 missing: conv1.weight; 1 unexpected: extra; "
        "2 with another shape: fc.weight (file (7, 512), model (5, 512)), fc.bias (file (7,), model (5,))"
    )
    assert error.hint == (
        "no way to read the names makes it fit: is the network that model.name names the one that was saved?"
    )


def test_a_file_with_an_ending_that_is_none_of_a_checkpoint_s(tmp_path: Path) -> None:
    torch.save(load().module.state_dict(), tmp_path / "best.weights")
    error = problem(tmp_path, weights="best.weights")
    assert (error.slug, error.message) == (
        "weights-unknown", "torchvision model 'resnet18' has no weights 'best.weights'",
    )  # fmt: skip
    assert error.hint == (
        "there is a file 'best.weights'; a checkpoint's name ends in .safetensors, .pt, .pth, .th, .ckpt, .bin or .tar"
    )


def test_checkpoint_that_would_need_unpickling(tmp_path: Path) -> None:
    torch.save(nn.Linear(1, 1), tmp_path / "whole.pt")
    error = problem(tmp_path, weights="whole.pt")
    assert error.slug == "weights-unreadable"
    assert error.message == (
        "weights file 'whole.pt' holds more than tensors: unpickling it would run torch.nn.modules.linear.Linear, "
        "which is refused"
    )


@pytest.mark.parametrize("name", ["gone.pt", "bad.pt", "bad.safetensors", "list.pt"])
def test_checkpoint_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "bad.pt").write_bytes(b"no weights")
    (tmp_path / "bad.safetensors").write_bytes(b"no weights at all")
    torch.save([1, 2], tmp_path / "list.pt")
    error = problem(tmp_path, weights=name)
    assert (error.slug, error.path) == ("weights-unreadable", ("model", "weights"))
    assert name in error.message
    assert str(tmp_path) not in str(error)


def test_misspelt_names() -> None:
    error = problem(name="resnet81")
    assert (error.slug, error.path) == ("model-unknown", ("model", "name"))
    assert error.message == "torchvision has no classification model 'resnet81'"
    assert "'resnet18'" in error.hint
    error = problem(weights="IMAGENET1K_V7")
    assert (error.slug, error.path) == ("weights-unknown", ("model", "weights"))
    assert error.message == "torchvision model 'resnet18' has no weights 'IMAGENET1K_V7'"
    assert error.hint == "did you mean 'IMAGENET1K_V1'?"
    assert problem(name="fcn_resnet50").slug == "model-unknown"
    assert problem(source="demo", name="flower", outputs=None).hint == "did you mean 'flowers'?"
    assert problem(source="demo", name="flowers", outputs=None, weights="V1").slug == "weights-unknown"


def test_outputs_against_enum_weights() -> None:
    error = problem(weights="IMAGENET1K_V1", outputs=10)
    assert error.message == "weights 'IMAGENET1K_V1' has 1000 outputs, and model.outputs says 10"
    assert error.path == ("model", "outputs")


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b3", "vit_b_16", "googlenet", "inception_v3"])
def test_preprocess_is_the_weights_own(name: str) -> None:
    transform = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    record = preprocess_of(transform)
    assert (record.resize, record.size) == (transform.resize_size[0], transform.crop_size[0])
    assert (list(record.mean), list(record.std)) == (transform.mean, transform.std)
    assert record.interpolation == transform.interpolation.value
    assert preprocess_of(object()).size == 224


def test_demo_network_without_weights() -> None:
    network = load(source="demo", name="flowers", outputs=None)
    assert network.class_names is not None
    assert network.module(torch.zeros(1, 3, 64, 64)).shape == (1, len(network.class_names))
    assert network.test_accuracy is None


def test_demo_weights() -> None:
    network = load(source="demo", name="flowers", weights="demo", outputs=None)
    assert network.weights == "demo"
    assert network.test_accuracy is not None
    assert 0.98 <= network.test_accuracy <= 1
    assert network.digest != load(source="demo", name="flowers", outputs=None).digest


def test_devices() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type in {"cpu", "cuda", "mps"}
    for name in ("cuda:99", "cuda:200", "toaster"):
        with pytest.raises(InputError) as caught:
            choose_device(name)
        assert (caught.value.slug, caught.value.path) == ("device-unavailable", ("runtime", "device"))
        assert caught.value.message == f"there is no device {name!r}"
