"""Models in folders of this machine, by stand-ins for the packages that read them."""

import json
import os
import sys
from dataclasses import replace
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
from neurflow_report.labels.image_text import checked


def open_clip(text: dict[str, Any] | None = None, vision: dict[str, Any] | None = None) -> str:
    return json.dumps({"model_cfg": {"text_cfg": text or {}, "vision_cfg": vision or {}}})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "clip" / "open_clip_config.json").write_text(open_clip())
    (tmp_path / "clip" / "bpe").mkdir()
    (tmp_path / "clip" / "bpe" / "merges.bpe").write_text("a b")
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
        package.get_tokenizer = lambda _name, **how: (asked.append(how), lengths)[1]
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
    assert [name for name, _ in model.record.digests] == [
        *("words.txt", "bpe/merges.bpe", "model.safetensors", "open_clip_config.json")
    ]
    if source == "openclip":
        assert asked == [f"local-dir:{folder / 'clip'}", {}]
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


def test_texts_are_embedded_in_batches_and_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in("openclip", monkeypatch, [])
    words = [f"{'a' * (1 + n % 9)} {n}" for n in range(300)]
    (folder / "words.txt").write_text("\n".join(words))
    asked: list[int] = []
    found = folder_model("openclip", folder / "clip", folder / "words.txt")
    model = checked(replace(found, texts=lambda some: (asked.append(len(some)), found.texts(some))[1]), ())
    assert asked == [128, 128, 44]
    due = np.array([[len(word), 1] / np.hypot(len(word), 1) for word in words])
    assert model.vectors == pytest.approx(due, abs=1e-6)
    assert model.vectors.dtype == np.float32


CONFIG = "open_clip_config.json"
CODE = {"trust_remote_code": True}
NAMED = json.dumps({"a": [{"auto_map": {"AutoTokenizer": ["evil.Evil", None]}}]})


@pytest.mark.parametrize(
    ("file", "text", "due"),
    [
        ("evil.py", "", "code (evil.py)"),
        ("deep/er/evil.py", "", "code (deep/er/evil.py)"),
        ("tokenizer_config.json", NAMED, "`auto_map` in tokenizer_config.json, which names code"),
        ("deep/config.json", NAMED, "`auto_map` in deep/config.json, which names code"),
        ("tokenizer_config.json", "{", "tokenizer_config.json, which is no JSON"),
        ("adapter_config.json", "{}", "an adapter (adapter_config.json)"),
        (CONFIG, "[]", f"no {CONFIG} with a text_cfg and a vision_cfg"),
        (CONFIG, '{"model_cfg": {"text_cfg": [], "vision_cfg": {}}}', f"no {CONFIG} with a text_cfg and a vision_cfg"),
        (CONFIG, "{}", f"no {CONFIG} with a text_cfg and a vision_cfg"),
        (CONFIG, open_clip({"hf_model_name": "roberta-base"}), f"`text_cfg.hf_model_name` in {CONFIG}"),
        (CONFIG, open_clip({"tokenizer_kwargs": CODE}), f"`tokenizer_kwargs` in {CONFIG} with 'trust_remote_code'"),
        (
            CONFIG,
            open_clip({"tokenizer_kwargs": {"bpe_path": "/x"}}),
            f"`tokenizer_kwargs` in {CONFIG} with 'bpe_path'",
        ),
        (CONFIG, open_clip({"tokenizer_kwargs": {"clean": CODE}}), f"`tokenizer_kwargs` in {CONFIG} with 'clean'"),
        (CONFIG, open_clip(None, {"timm_model_name": "hf-hub:a/b"}), f"a tower of timm in {CONFIG}"),
        (CONFIG, open_clip(None, {"timm_model_pretrained": True}), f"a tower of timm in {CONFIG}"),
        ("open_clip_pytorch_model.bin", "", "weights that need unpickling"),
    ],
)
def test_what_would_run_code_or_fetch_is_refused_before_the_package_sees_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, file: str, text: str, due: str
) -> None:
    asked: list[Any] = []
    stand_in("openclip", monkeypatch, asked)
    (folder / "clip" / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / "clip" / file).write_text(text)
    with pytest.raises(InputError) as caught:
        folder_model("openclip", folder / "clip", folder / "words.txt")
    assert caught.value.slug == "labels-unusable"
    assert caught.value.message.startswith(f"the folder 'clip' holds {due}")
    assert asked == []


def test_what_is_plain_is_taken_and_a_tokenizer_of_the_hub_s_kind_is_told_to_trust_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    stand_in("openclip", monkeypatch, asked)
    text = {"hf_tokenizer_name": "x", "tokenizer_kwargs": {"clean": "canonicalize", "strip_sep_token": True}}
    (folder / "clip" / CONFIG).write_text(open_clip(text))
    (folder / "clip" / "vocab.json").write_text('{"auto_map": 7}')
    folder_model("openclip", folder / "clip", folder / "words.txt")
    assert asked[1] == {"trust_remote_code": False, "local_files_only": True}


@pytest.mark.parametrize("source", ["openclip", "transformers"])
def test_the_hub_is_not_asked_while_a_model_is_read_and_may_be_afterwards(
    source: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(source, monkeypatch, [])
    hub, seen = ModuleType("huggingface_hub.constants"), list[Any]()
    hub.HF_HUB_OFFLINE = False  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, hub.__name__, hub)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("TRANSFORMERS_OFFLINE", "0")

    def look(*_: Any, **__: Any) -> None:
        offline = hub.HF_HUB_OFFLINE  # type: ignore[attr-defined]
        seen.extend([os.environ["HF_HUB_OFFLINE"], os.environ["TRANSFORMERS_OFFLINE"], offline])
        raise AssertionError

    package: Any = sys.modules[folder_models.PACKAGES[source]]
    if source == "openclip":
        package.create_model_from_pretrained = look
    else:
        package.AutoModel.from_pretrained = look
    with pytest.raises(InputError, match="can read: AssertionError"):
        folder_model(source, folder / "clip", folder / "words.txt")
    assert seen == ["1", "1", True]
    assert (os.environ.get("HF_HUB_OFFLINE"), os.environ["TRANSFORMERS_OFFLINE"]) == (None, "0")
    assert hub.HF_HUB_OFFLINE is False  # type: ignore[attr-defined]
