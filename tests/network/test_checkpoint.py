"""States in checkpoints: where they lie, what their names begin with, and that nothing in the file is run."""

import os
import pickle
import zipfile
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
         "set model.state_dict_key; states lie under: net"),
        ({"ema": {"net": wrapped(), "decay": 0.9}, "args": {"lr": 0.1}, "old": [{"net": wrapped()}], "empty": {}}, None,
         None, "weights", "weights file 'a.pt' holds no mapping of names to tensors",
         "set model.state_dict_key; states lie under: ema.net"),
        ({"ema": {"net": wrapped(), "decay": 0.9}}, "ema", None, "state_dict_key",
         "weights file 'a.pt', under 'ema', holds no mapping of names to tensors",
         "set model.state_dict_key; states lie under: ema.net"),
        ({"net": wrapped()}, "nte", None, "state_dict_key", "weights file 'a.pt' has no key 'nte'",
         "did you mean 'net'?"),
        ({"net": wrapped()}, "net.module", None, "state_dict_key", "weights file 'a.pt' has no key 'module'",
         "did you mean 'module.bias' or 'module.weight'?"),
        ({"step": 7}, "step", None, "state_dict_key",
         "weights file 'a.pt', under 'step', holds no mapping of names to tensors", "save model.state_dict()"),
        (wrapped("net."), None, "module.", "strip_prefix", "no name in weights file 'a.pt' begins with 'module.'",
         "the names are net.weight, net.bias"),
        (wrapped() | wrapped(""), None, "module.", "strip_prefix",
         "in weights file 'a.pt' 'module.weight' and 'weight' would be the same",
         "set model.state_dict_key to the one of the two networks in it"),
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


def test_a_prefix_that_was_cut_too_short_is_said_whole(tmp_path: Path) -> None:
    torch.save(wrapped("model.backbone."), tmp_path / "a.pt")
    with pytest.raises(InputError) as caught:
        load_state(linear(), read_state(tmp_path / "a.pt", None, "model.backbone"), "a.pt", stripped="model.backbone")
    assert caught.value.hint == (
        "the file has the model's names with 'model.backbone.' in front: set model.strip_prefix: model.backbone."
    )


@pytest.mark.parametrize("number", ["outputs", "kwargs"])
def test_what_sets_the_number_of_outputs_is_named(number: str) -> None:
    with pytest.raises(InputError) as caught:
        load_state(linear(), {"weight": torch.zeros(5, 3), "bias": torch.zeros(5)}, "a.pt", number=number)
    assert caught.value.hint == (
        f"is it this model? where only the last layer differs, set model.{number} to the checkpoint's number"
    )


def test_a_lightning_checkpoint_is_read(tmp_path: Path) -> None:
    torch.save({"state_dict": wrapped("net."), "epoch": 3}, tmp_path / "a.ckpt")
    assert read_state(tmp_path / "a.ckpt", None, "net.").keys() == linear().state_dict().keys()


@pytest.mark.parametrize(
    ("content", "message", "hint"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\n",
         "weights file 'a.pt' is a text file, which begins with 'version https://git-lfs.github.com/spec/'",
         "it stands for a file of Git LFS: `git lfs pull` fetches that"),
        (b"<html>\r\nNot found", "weights file 'a.pt' is a text file, which begins with '<html>'",
         "fetch the file again, or name another"),
    ],
)  # fmt: skip
def test_what_is_a_text_file_is_said(tmp_path: Path, content: bytes, message: str, hint: str) -> None:
    (tmp_path / "a.pt").write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_state(tmp_path / "a.pt")
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_torchscript_archive_is_said(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:  # as torch.jit.save names them
        for name in ("data.pkl", "code/__torch__.py", "constants.pkl", "version"):
            archive.writestr(f"a/{name}", b"")
    with pytest.raises(InputError) as caught:
        read_state(tmp_path / "a.pt")
    assert (caught.value.message, caught.value.hint) == (
        "weights file 'a.pt' is a TorchScript archive: a program, not a state",
        "load it where you trust it, and save the state alone: torch.save(module.state_dict(), path)",
    )
