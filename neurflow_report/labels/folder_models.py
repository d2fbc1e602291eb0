"""Image–text models in a folder of this machine, as open_clip and transformers save them. Nothing is fetched, no code
of a folder is run, and weights that need unpickling are refused: the folder is looked at before a package sees it."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from neurflow_report.errors import InputError
from neurflow_report.labels.image_text import ImageText
from neurflow_report.labels.vocabulary import read_vocabulary, refused
from neurflow_report.results.records import LabelSource

Floats = NDArray[np.floating]
PATH = ("labels", "path")
PACKAGES = {"openclip": "open_clip", "transformers": "transformers"}
"""By the spec's source, the package that reads its folders; the extra is called as the source."""
SIDE = 224
"""Pixels a side of a patch that the model's own preprocessing is given, where it does not say."""
CONFIG = "open_clip_config.json"
FIRST = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors")
"""Weights that open_clip takes before any that need unpickling."""
PLAIN = frozenset({"clean", "strip_sep_token", "language", "reduction_mask", "use_fast", "padding_side"})
"""What a tokenizer may be told by open_clip's configuration: no path, no code."""
OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
_YES = frozenset({"1", "ON", "YES", "TRUE"})


def missing_package(source: str) -> InputError | None:
    """What is wrong where the package of a source is not installed."""
    package = PACKAGES[source]
    if find_spec(package) is not None:
        return None
    message = f"labels of the source {source} need the Python package {package}, which is not installed"
    hint = f"pip install 'neurflow-report[{source}]'"
    return InputError("missing-package", message, hint=hint, path=("labels", "source"))


def folder_model(source: str, folder: Path, vocabulary: Path) -> ImageText:
    """The model in a folder, on a processor.

    Raises: InputError missing-package, or labels-unusable.
    """
    if missing := missing_package(source):
        raise missing
    texts, digest = read_vocabulary(vocabulary)
    files = _files(folder)
    _check_code(folder, files)
    if source == "openclip":
        _check_open_clip(folder)
    digests = ((vocabulary.name, digest), *_digests(folder, files))
    read = _open_clip if source == "openclip" else _transformers
    try:
        with _offline():
            side, scale, of_texts, of_pictures = read(folder)
    except Exception as error:
        reason = str(error).strip().replace(str(folder), folder.name).split("\n")[0] or type(error).__name__
        message = f"the folder {folder.name!r} holds no model that {PACKAGES[source]} can read: {reason}"
        raise refused(message, "give the folder that it was saved to", path=PATH) from error
    record = LabelSource(source=source, name=folder.name, vocabulary=texts, digests=digests)
    return ImageText(record=record, side=side, scale=scale, texts=_plain(of_texts), pictures=_plain(of_pictures))


def _files(folder: Path) -> tuple[Path, ...]:
    """All files of a model, those in its folders, too.

    Raises: InputError labels-unusable.
    """
    if not os.path.isdir(folder):
        message = f"there is no folder {folder.name!r}"
        raise refused(message, "the path is relative to the spec; nothing is fetched", path=PATH)
    files = sorted(Path(at, name) for at, _, names in os.walk(folder) for name in names)
    if not any(place.suffix == ".safetensors" and place.parent == folder for place in files):
        message = f"the folder {folder.name!r} holds no weights that end in .safetensors"
        raise refused(message, "save the model's weights as safetensors: others would run code", path=PATH)
    return tuple(place for place in files if place.is_file())


def _check_code(folder: Path, files: Sequence[Path]) -> None:
    """That there is no code, and nothing that names some.

    Raises: InputError labels-unusable.
    """
    for place in files:
        name = place.relative_to(folder).as_posix()
        if place.suffix in (".py", ".pyc", ".so"):
            _refuse(folder, f"code ({name})", "no code of a model is run")
        if place.name == "adapter_config.json":
            _refuse(folder, f"an adapter ({name})", "the model that it adapts is elsewhere: save both as one")
        if place.suffix == ".json":
            _json(folder, place)


def _json(folder: Path, place: Path) -> Any:
    """What a JSON file says.

    Raises: InputError labels-unusable, also where it names code.
    """
    name, named = place.relative_to(folder).as_posix(), list[str]()

    def look(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # In a vocabulary it is a word like any other, with its number.
        named.extend(key for key, value in pairs if key == "auto_map" and not isinstance(value, int | float))
        return dict(pairs)

    try:
        found = json.loads(place.read_bytes(), object_pairs_hook=look)
    except (OSError, ValueError, RecursionError) as error:
        _refuse(folder, f"{name}, which is no JSON: {error}", "give the folder as it was saved")
    if named:
        _refuse(folder, f"`auto_map` in {name}, which names code", "no code of a model is run")
    return found


def _check_open_clip(folder: Path) -> None:
    """That open_clip's configuration makes it fetch nothing, and hands nothing on that runs code.

    Raises: InputError labels-unusable.
    """
    weights = {place.name for place in folder.iterdir() if place.suffix in (".safetensors", ".bin", ".pth")}
    if any(not name.endswith(".safetensors") for name in weights) and not weights & set(FIRST):
        _refuse(folder, "weights that need unpickling, which open_clip may take", f"call the others {FIRST[0]}")
    place = folder / CONFIG
    whole: Any = _json(folder, place) if place.is_file() else None
    model: Any = whole.get("model_cfg") if isinstance(whole, dict) else None
    text, vision = (model.get(name) if isinstance(model, dict) else None for name in ("text_cfg", "vision_cfg"))
    if not isinstance(text, dict) or not isinstance(vision, dict):
        _refuse(folder, f"no {CONFIG} with a text_cfg and a vision_cfg", "give the folder that it was saved to")
    if text.get("hf_model_name"):
        _refuse(folder, f"`text_cfg.hf_model_name` in {CONFIG}", "such a text tower is fetched, and nothing is")
    if vision.get("timm_model_pretrained") or ":" in str(vision.get("timm_model_name", "")):
        _refuse(folder, f"a tower of timm in {CONFIG} with weights elsewhere", "nothing is fetched")
    given = text.get("tokenizer_kwargs", {})
    given = given if isinstance(given, dict) else {"tokenizer_kwargs": given}
    odd = [key for key, value in given.items() if key not in PLAIN or not isinstance(value, str | bool | int)]
    if odd:
        _refuse(folder, f"`tokenizer_kwargs` in {CONFIG} with {odd[0]!r}", f"only {', '.join(sorted(PLAIN))} are taken")


def _refuse(folder: Path, what: str, hint: str) -> NoReturn:
    raise refused(f"the folder {folder.name!r} holds {what}", hint, path=PATH)


def _digests(folder: Path, files: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Each file with its sha256."""
    for place in files:
        with place.open("rb") as file:
            yield place.relative_to(folder).as_posix(), hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _offline() -> Iterator[None]:
    """The hub is not asked, whether its package is there already or comes now: it looks at the environment once."""
    before = {name: os.environ.get(name) for name in OFFLINE}
    hub = "huggingface_hub.constants"
    asked = bool(getattr(sys.modules.get(hub), "HF_HUB_OFFLINE", (before[OFFLINE[0]] or "").upper() in _YES))
    os.environ.update(dict.fromkeys(OFFLINE, "1"))
    if hub in sys.modules:
        setattr(sys.modules[hub], "HF_HUB_OFFLINE", True)  # noqa: B010 a module of another package
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        if hub in sys.modules:
            setattr(sys.modules[hub], "HF_HUB_OFFLINE", asked)  # noqa: B010


Parts = tuple[int, float, Callable[[Sequence[str]], Any], Callable[[Sequence[Image.Image]], Any]]
"""The side of a picture, the scale of cosines, and both towers."""


def _open_clip(folder: Path) -> Parts:
    package: Any = import_module("open_clip")
    name = f"local-dir:{folder}"
    model, preprocess = package.create_model_from_pretrained(name)
    # What the caller says comes before what the folder does; open_clip's own tokenizer knows no such key.
    text = json.loads((folder / CONFIG).read_bytes())["model_cfg"]["text_cfg"]
    only = {"trust_remote_code": False, "local_files_only": True} if text.get("hf_tokenizer_name") else {}
    tokenize = package.get_tokenizer(name, **only)
    model.eval()
    size = getattr(model.visual, "image_size", SIDE)
    side = int(size if isinstance(size, int) else min(size))
    return (
        side,
        float(model.logit_scale.detach().exp()),
        lambda texts: model.encode_text(tokenize(list(texts))),
        lambda pictures: model.encode_image(torch.stack([preprocess(one) for one in pictures])),
    )


def _transformers(folder: Path) -> Parts:
    package: Any = import_module("transformers")
    only = {"local_files_only": True, "trust_remote_code": False}
    model = package.AutoModel.from_pretrained(folder, use_safetensors=True, **only).eval()
    processor = package.AutoProcessor.from_pretrained(folder, **only)
    length = {"padding": "max_length"} if "siglip" in str(model.config.model_type) else {"padding": True}
    size = getattr(getattr(model.config, "vision_config", None), "image_size", SIDE)

    def of_texts(texts: Sequence[str]) -> Any:
        return model.get_text_features(**processor(text=list(texts), truncation=True, return_tensors="pt", **length))

    def of_pictures(pictures: Sequence[Image.Image]) -> Any:
        return model.get_image_features(**processor(images=list(pictures), return_tensors="pt"))

    return int(size), float(model.logit_scale.detach().exp()), of_texts, of_pictures


def _plain(tower: Callable[[Any], Any]) -> Callable[[Any], Floats]:
    """What a tower gives as an array; of a record of outputs, the pooled one."""

    def run(some: Any) -> Floats:
        with torch.inference_mode():
            found = tower(some)
        found = found if isinstance(found, torch.Tensor) else found.pooler_output
        values: Floats = found.float().cpu().numpy()
        return values

    return run
