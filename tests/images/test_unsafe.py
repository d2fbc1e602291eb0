"""Data sets of torchvision: none whose reader would run what lies in a file, and none that waits for a pipe."""

from __future__ import annotations

import inspect
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torchvision
from PIL import Image

from neurflow_report.errors import InputError
from neurflow_report.images.pictures import PictureError
from neurflow_report.images.sources import huggingface, open_source
from neurflow_report.images.sources.torchvision import SAFE, UNPICKLING

CLASSES = [n for n in torchvision.datasets.__all__ if inspect.isclass(getattr(torchvision.datasets, n))]


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return os.mkdir, (self.folder,)


def problem(name: str, root: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        open_source(source="torchvision", name=name, root=root)
    return caught.value


@pytest.mark.parametrize("name", ["LSUN", "LSUNClass"])
def test_a_data_set_that_unpickles_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    letters = "".join(c for c in str(tmp_path) if c.isalpha() and c.isascii())
    (tmp_path / f"_cache_{letters}").write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    error = problem(name, tmp_path)
    assert str(error) == (
        f"data.name: torchvision's data set {name} unpickles a file of the folder that the program is run in, which "
        "can run any code [data-unsafe]\n"
        "  hint: save its pictures as files, a sub-folder per class, and set data.source: folder"
    )
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", sorted(set(CLASSES) - SAFE - UNPICKLING))
def test_a_data_set_that_was_not_looked_at_is_refused(name: str, tmp_path: Path) -> None:
    assert problem(name, tmp_path).slug == "data-unsafe"


@pytest.mark.parametrize(("name", "folder"), [("CIFAR10", "cifar-10-batches-py"), ("CIFAR100", "cifar-100-python")])
def test_cifar_is_unpickled_only_where_its_digests_are_right(name: str, folder: str, tmp_path: Path) -> None:
    kind = getattr(torchvision.datasets, name)
    (tmp_path / folder).mkdir()
    for file in (*(one for one, _ in kind.train_list), *(one for one, _ in kind.test_list), kind.meta["filename"]):
        (tmp_path / folder / file).write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    error = problem(name, tmp_path)
    assert error.slug == "data-missing"
    assert "corrupted" in error.hint
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", sorted(SAFE & set(CLASSES)))
def test_the_readers_that_were_looked_at_are_those_that_are_installed(name: str) -> None:
    """A new torchvision that unpickles elsewhere is seen here."""
    kind = getattr(torchvision.datasets, name)
    modules = {inspect.getmodule(base) for base in kind.__mro__ if base.__module__.startswith("torchvision")}
    for module in modules:
        text = inspect.getsource(module)  # type: ignore[arg-type]
        assert ("pickle" in text) == (module is torchvision.datasets.cifar)
        assert len(re.findall(r"torch\.load\(", text)) == len(re.findall(r"torch\.load\(.*weights_only=True\)", text))
        assert not re.search(r"allow_pickle|\beval\(|\bexec\(|subprocess|os\.system|importlib|joblib|lmdb", text)


def imagenette(root: Path) -> Path:
    """The data set with a picture in each class; → a class's folder."""
    folder = root / "imagenette2"
    for wnid in torchvision.datasets.Imagenette._WNID_TO_CLASS:
        for split in ("train", "val"):
            (folder / split / wnid).mkdir(parents=True)
            Image.new("RGB", (8, 8)).save(folder / split / wnid / "a.JPEG")
    return folder / "val" / "n01440764"


def test_a_pipe_in_the_data_s_folder_is_told_and_not_waited_for(tmp_path: Path) -> None:
    folder = imagenette(tmp_path)
    os.mkfifo(folder / "b.JPEG")
    error = problem("Imagenette", tmp_path)
    assert str(error) == (
        f"data.root: the data folder {tmp_path.name!r} holds something that is no file: "
        "imagenette2/val/n01440764/b.JPEG: it is a named pipe, and a file was expected [data-missing]\n"
        "  hint: take it out of the folder"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (os.mkfifo, "it is a named pipe, and a file was expected"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a device, and a file was expected"),
        (lambda path: path.symlink_to(path.name), "a loop of links"),
    ],
)
def test_a_picture_that_becomes_no_file_is_told(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    folder = imagenette(tmp_path)
    source = open_source(source="torchvision", name="Imagenette", root=tmp_path, split="val")
    assert source.items[0].open().size == (8, 8)
    (folder / "a.JPEG").unlink()
    make(folder / "a.JPEG")
    with pytest.raises(PictureError, match=f"^{message}$"):
        source.items[0].open()


def test_a_saved_data_set_with_a_pipe_is_told(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    (tmp_path / "state.json").write_text("{}")
    os.mkfifo(tmp_path / "data-00000.arrow")
    with pytest.raises(InputError, match=r"holds something that is no file: data-00000\.arrow: it is a named pipe"):
        huggingface.open_saved(tmp_path, split="test", image_column="image", label_column="label")
