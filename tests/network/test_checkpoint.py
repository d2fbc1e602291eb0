"""States in checkpoints: where they lie, what their names begin with, and that nothing in the file is run."""

import argparse
import gzip
import os
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from neurflow_report.errors import InputError
from neurflow_report.network.checkpoint import is_checkpoint, read_states


def linear() -> nn.Linear:
    torch.manual_seed(5)
    return nn.Linear(3, 2)


def wrapped(prefix: str = "module.") -> dict[str, Tensor]:
    return {f"{prefix}{name}": value for name, value in linear().state_dict().items()}


@pytest.mark.parametrize("suffix", [".safetensors", ".pt", ".pth", ".th", ".PTH", ".ckpt", ".bin", ".pth.tar", ".tar"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    state = dict(linear().state_dict())
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    assert is_checkpoint(path.name)
    assert read_states(path)[""].keys() == state.keys()


@pytest.mark.parametrize(
    ("content", "key", "places"),
    [
        (wrapped(""), None, [""]),
        ({"state_dict": wrapped(), "epoch": 3}, None, ["state_dict"]),
        ({"state_dict": {"model": wrapped("")}}, None, ["state_dict.model"]),
        ({"ema": {"net": wrapped()}, "state_dict": {"other": torch.zeros(1)}}, "ema.net", ["ema.net"]),
        ({"a.b": wrapped("net.")}, "a.b", ["a.b"]),
        (wrapped("") | {"epoch": 3, "ema": wrapped("")}, None, ["", "ema"]),
    ],
)
def test_where_the_states_lie(tmp_path: Path, content: object, key: str | None, places: list[str]) -> None:
    torch.save(content, tmp_path / "a.pt")
    assert list(read_states(tmp_path / "a.pt", key)) == places


@pytest.mark.parametrize(
    ("content", "key", "path", "message", "hint"),
    [
        ({"args": {"lr": 0.1}, "old": [{"net": wrapped()}], "empty": {}}, None, "weights",
         "weights file 'a.pt' holds no mapping of names to tensors", "save model.state_dict()"),
        ({"ema": {"net": wrapped(), "decay": 0.9}}, "ema", "state_dict_key",
         "weights file 'a.pt', under 'ema', holds no mapping of names to tensors",
         "set model.state_dict_key; states lie under: ema.net"),
        ({"net": wrapped()}, "nte", "state_dict_key", "weights file 'a.pt' has no key 'nte'", "did you mean 'net'?"),
        ({"net": wrapped()}, "net.module", "state_dict_key", "weights file 'a.pt' has no key 'module'",
         "did you mean 'module.bias' or 'module.weight'?"),
        ({"step": 7}, "step", "state_dict_key",
         "weights file 'a.pt', under 'step', holds no mapping of names to tensors", "save model.state_dict()"),
    ],
)  # fmt: skip
def test_what_is_not_there(
    tmp_path: Path, content: object, key: str | None, path: str, message: str, hint: str
) -> None:
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(InputError) as caught:
        read_states(tmp_path / "a.pt", key)
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
            read_states(tmp_path / name)
        assert caught.value.slug == "weights-unreadable"
        assert "unpickling" in caught.value.message
    assert caught.value.message == (
        "weights file 'b.pt' holds more than tensors: unpickling it would run posix.mkdir, which is refused"
    )
    assert not (tmp_path / "sprung").exists()


def told(path: Path) -> tuple[str, str]:
    with pytest.raises(InputError) as caught:
        read_states(path)
    assert (caught.value.slug, caught.value.path) == ("weights-unreadable", ("model", "weights"))
    return caught.value.message, caught.value.hint


NUMPY = "numpy._core.multiarray.scalar (numbers or arrays of NumPy), numpy.dtype (numbers or arrays of NumPy)"
ALONE = "where you trust it, load it in Python and save the state alone: "
LOAD = 'c = torch.load("a.pth.tar", weights_only=False); '


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    ("content", "line"),
    [
        (lambda: {"epoch": 3, "state_dict": wrapped(), "best": np.float64(0.9)},
         'torch.save(c["state_dict"], "weights.pt")'),
        (lambda: {"model": linear(), "epoch": 3}, 'torch.save(c["model"].state_dict(), "weights.pt")'),
        (lambda: linear(), 'torch.save(c.state_dict(), "weights.pt")'),
        (lambda: {"mine": wrapped(), "best": np.float64(0.9)},
         'torch.save(c[KEY], "weights.pt"), where KEY is that of the state (there are mine, best)'),
    ],
)  # fmt: skip
def test_the_lines_that_save_a_state_alone(tmp_path: Path, content: Any, line: str, zipped: bool) -> None:
    path = tmp_path / "a.pth.tar"
    torch.save(content(), path, _use_new_zipfile_serialization=zipped)
    message, hint = told(path)
    assert "holds more than tensors" in message
    assert hint == ALONE + LOAD + line


def test_all_that_would_be_run_is_named(tmp_path: Path) -> None:
    options = argparse.Namespace(lr=0.1)
    torch.save({"state_dict": wrapped(), "best": np.float64(0.9), "args": options}, tmp_path / "a.ckpt")
    assert told(tmp_path / "a.ckpt")[0] == (
        "weights file 'a.ckpt' holds more than tensors: unpickling it would run argparse.Namespace (the options of a "
        f"training script), {NUMPY}, which is refused"
    )


def test_the_lines_are_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": wrapped(""), "best": np.float64(0.9)}, "a.ckpt")
    exec(told(Path("a.ckpt"))[1].partition("alone: ")[2], {"torch": torch})  # as a user would
    assert list(read_states(Path("weights.pt"))[""]) == ["weight", "bias"]


@pytest.mark.parametrize("name", ["a.bin", "a.pth", "a.safetensors"])
def test_what_a_file_is_its_content_says(tmp_path: Path, name: str) -> None:
    save_file(dict(linear().state_dict()), tmp_path / name)
    assert list(read_states(tmp_path / name)) == [""]
    torch.save(linear().state_dict(), tmp_path / name)
    assert list(read_states(tmp_path / name)[""]) == ["weight", "bias"]


def test_archives_of_another_kind(tmp_path: Path) -> None:
    torch.save(linear().state_dict(), tmp_path / "w.pt")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(tmp_path / "w.pt", "w.pt")
    with zipfile.ZipFile(tmp_path / "a.bin", "w") as archive:
        archive.write(tmp_path / "w.pt", "w.pt")
    with gzip.open(tmp_path / "a.pth", "w") as file:
        file.write((tmp_path / "w.pt").read_bytes())
    assert [told(tmp_path / name) for name in ("a.tar", "a.bin", "a.pth")] == [
        ("weights file 'a.tar' is a tar archive, no checkpoint of torch", "unpack it, and name what is in it"),
        ("weights file 'a.bin' is a ZIP archive that torch did not write; it holds w.pt",
         "unpack it, and name the checkpoint in it"),
        ("weights file 'a.pth' is compressed by gzip, no checkpoint of torch", "unpack it, and name what is in it"),
    ]  # fmt: skip


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
        read_states(tmp_path / "a.pt")
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_torchscript_archive_is_said(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:  # as torch.jit.save names them
        for name in ("data.pkl", "code/__torch__.py", "constants.pkl", "version"):
            archive.writestr(f"a/{name}", b"")
    with pytest.raises(InputError) as caught:
        read_states(tmp_path / "a.pt")
    assert (caught.value.message, caught.value.hint) == (
        "weights file 'a.pt' is a TorchScript archive: a program, not a state",
        "load it where you trust it, and save the state alone: torch.save(module.state_dict(), path)",
    )
