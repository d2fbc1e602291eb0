"""Image–text models in a folder of this machine, as open_clip and transformers save them. Nothing is fetched, no code
of a folder is run, and weights that need unpickling are refused."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

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
    digests = ((vocabulary.name, digest), *_digests(folder))
    read = _open_clip if source == "openclip" else _transformers
    try:
        side, scale, of_texts, of_pictures = read(folder)
    except (OSError, ValueError, RuntimeError, KeyError, AttributeError, TypeError) as error:
        reason = str(error).replace(str(folder), folder.name).split("\n")[0]
        message = f"the folder {folder.name!r} holds no model that {PACKAGES[source]} can read: {reason}"
        raise refused(message, "give the folder that it was saved to", path=PATH) from error
    record = LabelSource(source=source, name=folder.name, vocabulary=texts, digests=digests)
    return ImageText(record=record, side=side, scale=scale, texts=_plain(of_texts), pictures=_plain(of_pictures))


def _digests(folder: Path) -> tuple[tuple[str, str], ...]:
    """The files of a model, each with its sha256.

    Raises: InputError labels-unusable.
    """
    if not os.path.isdir(folder):
        message = f"there is no folder {folder.name!r}"
        raise refused(message, "the path is relative to the spec; nothing is fetched", path=PATH)
    files = sorted(place for place in folder.iterdir() if place.is_file() and not place.name.startswith("."))
    if not any(place.suffix == ".safetensors" for place in files):
        message = f"the folder {folder.name!r} holds no weights that end in .safetensors"
        raise refused(message, "save the model's weights as safetensors: others would run code", path=PATH)
    found = list[tuple[str, str]]()
    for place in files:
        if place.suffix in (".safetensors", ".json", ".txt", ".model"):
            with place.open("rb") as file:
                found.append((place.name, hashlib.file_digest(file, "sha256").hexdigest()))
    return tuple(found)


Parts = tuple[int, float, Callable[[Sequence[str]], Any], Callable[[Sequence[Image.Image]], Any]]
"""The side of a picture, the scale of cosines, and both towers."""


def _open_clip(folder: Path) -> Parts:
    package: Any = import_module("open_clip")
    name = f"local-dir:{folder}"
    model, preprocess = package.create_model_from_pretrained(name)
    tokenize = package.get_tokenizer(name)
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
