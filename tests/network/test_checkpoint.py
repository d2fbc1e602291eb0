"""States in checkpoints: where they lie, what their names begin with, and that nothing in the file is run."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from neurflow_report.errors import InputError
from neurflow_report.network.checkpoint import load_state, read_state


def linear() -> nn.Linear:
    torch.manual_seed(5)
    return nn.Linear(3, 2)


def wrapped(prefix: str = "module.") -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in linear().state_dict().items()}


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth", ".th", ".PTH"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    state = dict(linear().state_dict())
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    assert read_state(path).keys() == state.keys()


@pytest.mark.parametrize(
    ("content", "key", "prefix"),
    [
        (wrapped(""), None, None),
        (wrapped(), None, None),
        ({"state_dict": wrapped(), "epoch": 3}, None, None),
        ({"state_dict": {"model": wrapped("")}}, None, None),
        ({"ema": {"net": wrapped()}, "state_dict": {"other": torch.zeros(1)}}, "ema.net", None),
        ({"a.b": wrapped("net.")}, "a.b", "net."),
        ({"net": wrapped("backbone.")}, "net", "backbone."),
        (wrapped("module.backbone."), None, "module.backbone."),
    ],
)
def test_where_the_state_lies(tmp_path: Path, content: object, key: str | None, prefix: str | None) -> None:
    torch.save(content, tmp_path / "a.pt")
    module = nn.Linear(3, 2)
    load_state(module, read_state(tmp_path / "a.pt", key, prefix), "a.pt")
    assert torch.equal(module.weight, linear().weight)


@pytest.mark.parametrize(
    ("content", "key", "prefix", "path", "message", "hint"),
    [
        ({"net": wrapped(), "step": 1}, None, None, "weights",
         "weights file 'a.pt' holds no mapping of names to tensors",
         "set model.state_dict_key; mappings lie under: net"),
        ({"net": wrapped()}, "nte", None, "state_dict_key", "weights file 'a.pt' has no key 'nte'",
         "did you mean 'net'?"),
        ({"net": wrapped()}, "net.module", None, "state_dict_key", "weights file 'a.pt' has no key 'module'",
         "did you mean 'module.bias' or 'module.weight'?"),
        ({"step": 7}, "step", None, "state_dict_key",
         "weights file 'a.pt', under 'step', holds no mapping of names to tensors", "save model.state_dict()"),
        (wrapped("net."), None, "module.", "strip_prefix", "no name in weights file 'a.pt' begins with 'module.'",
         "the names are net.weight, net.bias"),
    ],
)  # fmt: skip
def test_what_is_not_there(
    tmp_path: Path, content: object, key: str | None, prefix: str | None, path: str, message: str, hint: str
) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(InputError) as caught:
        read_state(tmp_path / "a.pt", key, prefix)
    found = caught.value
    assert (found.slug, found.path, found.message, found.hint) == ("weights-unreadable", ("model", path), message, hint)


class Trap:
    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return os.mkdir, ("sprung",)


def test_nothing_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pt").write_bytes(pickle.dumps(Trap()))
    torch.save({"state_dict": linear().state_dict(), "args": Trap()}, tmp_path / "b.pt")
    for name in ("a.pt", "b.pt"):
        with pytest.raises(InputError) as caught:
            read_state(tmp_path / name)
        assert caught.value.slug == "weights-unreadable"
        assert "unpickling" in caught.value.message
    assert caught.value.message == (
        "weights file 'b.pt' holds more than tensors: unpickling it would run posix.mkdir, which is refused"
    )
    assert not (tmp_path / "sprung").exists()


def test_a_prefix_too_many_is_said() -> None:
    with pytest.raises(InputError) as caught:
        load_state(linear(), wrapped("encoder."), "a.pt")
    assert caught.value.hint == (
        "the file has the model's names with 'encoder.' in front: set model.strip_prefix: encoder."
    )
