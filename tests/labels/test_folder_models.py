"""Models in folders of this machine, by stand-ins for the packages that read them."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from neurflow_report.errors import InputError
from neurflow_report.labels import folder_models
from neurflow_report.labels.folder_models import folder_model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "clip" / "config.json").write_text("{}")
    (tmp_path / "words.txt").write_text("dark\nlight\n")
    return tmp_path


class Towers:
    """A model that knows how long a text and how light a picture is."""

    def __init__(self) -> None:
        self.logit_scale = torch.tensor(2.0)
        self.visual = SimpleNamespace(image_size=(8, 8))
        self.config = SimpleNamespace(model_type="siglip", vision_config=SimpleNamespace(image_size=8))

    def eval(self) -> "Towers":
        return self

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.cat([tokens, torch.ones_like(tokens)], dim=1)

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        light = pixels.mean(dim=(1, 2, 3))[:, None]
        return torch.cat([light, torch.ones_like(light)], dim=1)

    def get_text_features(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.encode_text(tokens)

    def get_image_features(self, pixels: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(pooler_output=self.encode_image(pixels))


def lengths(texts: list[str]) -> torch.Tensor:
    return torch.tensor([[float(len(text))] for text in texts])


def as_pixels(picture: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(picture, np.float32)).permute(2, 0, 1) / 255


def stand_in(source: str, monkeypatch: pytest.MonkeyPatch, asked: list[Any]) -> None:
    package: Any = ModuleType(folder_models.PACKAGES[source])
    if source == "openclip":
        package.create_model_from_pretrained = lambda name: (asked.append(name), (Towers(), as_pixels))[1]
        package.get_tokenizer = lambda _name: lengths
    else:

        def processor(text: Any = None, images: Any = None, **how: Any) -> dict[str, torch.Tensor]:
            asked.append(how)
            return {"tokens": lengths(text)} if text else {"pixels": torch.stack([as_pixels(one) for one in images])}

        def of(what: Any, _folder: Path, **how: Any) -> Any:
            asked.append(how)
            return what

        package.AutoModel = SimpleNamespace(from_pretrained=lambda place, **how: of(Towers(), place, **how))
        package.AutoProcessor = SimpleNamespace(from_pretrained=lambda place, **how: of(processor, place, **how))
    monkeypatch.setitem(sys.modules, package.__name__, package)
    monkeypatch.setattr(folder_models, "find_spec", lambda _name: object())


@pytest.mark.parametrize("source", ["openclip", "transformers"])
def test_a_folder_gives_both_towers(source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    stand_in(source, monkeypatch, asked)
    model = folder_model(source, folder / "clip", folder / "words.txt")
    assert (model.side, model.scale) == (8, pytest.approx(np.exp(2)))
    assert model.texts(["dark", "light"]).tolist() == [[4, 1], [5, 1]]
    assert model.pictures([Image.new("RGB", (8, 8), (255, 255, 255))]).tolist() == [[1, 1]]
    assert model.record.source == source
    assert model.record.name == "clip"
    assert [name for name, _ in model.record.digests] == ["words.txt", "config.json", "model.safetensors"]
    if source == "openclip":
        assert asked == [f"local-dir:{folder / 'clip'}"]
    else:
        only = {"local_files_only": True, "trust_remote_code": False}
        assert asked[:2] == [{"use_safetensors": True, **only}, only]
        assert asked[2]["padding"] == "max_length"


@pytest.mark.parametrize("source", ["openclip", "transformers"])
def test_a_package_that_is_missing_is_told_with_its_extra(
    source: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_models, "find_spec", lambda _name: None)
    with pytest.raises(InputError) as caught:
        folder_model(source, folder / "clip", folder / "words.txt")
    assert caught.value.slug == "missing-package"
    assert caught.value.path == ("labels", "source")
    assert caught.value.hint == f"pip install 'neurflow-report[{source}]'"


def test_a_folder_that_cannot_be_used_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in("openclip", monkeypatch, [])
    (folder / "empty").mkdir()
    (folder / "empty" / "pytorch_model.bin").write_bytes(b"")
    for name, due in (
        ("none", "there is no folder 'none'"),
        ("empty", "the folder 'empty' holds no weights that end in .safetensors"),
    ):
        with pytest.raises(InputError, match=due):
            folder_model("openclip", folder / name, folder / "words.txt")

    def broken(_name: str) -> None:
        raise RuntimeError(f"no config in {folder / 'clip'}\nand more")

    monkeypatch.setattr(sys.modules["open_clip"], "create_model_from_pretrained", broken)
    with pytest.raises(InputError) as caught:
        folder_model("openclip", folder / "clip", folder / "words.txt")
    due = "the folder 'clip' holds no model that open_clip can read: no config in clip"
    assert (caught.value.slug, caught.value.message) == ("labels-unusable", due)
