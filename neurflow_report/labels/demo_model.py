"""The demo's own image–text model as a source of labels."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from neurflow_report.demo import two_tower
from neurflow_report.labels.image_text import ImageText
from neurflow_report.labels.vocabulary import read_vocabulary
from neurflow_report.results.records import LabelSource

Floats = NDArray[np.floating]


def demo_model(vocabulary: Path | None) -> ImageText:
    """The model, on a processor.

    Args: vocabulary: a file; None: the demo's parts.
    Raises: InputError labels-unusable where the file cannot be used, or has words that the model does not know.
    """
    texts, digests = two_tower.VOCABULARY, list[tuple[str, str]]()
    if vocabulary is not None:
        texts, digest = read_vocabulary(vocabulary, _unknown)
        digests.append((vocabulary.name, digest))
    weights = two_tower.WEIGHTS_FILE
    digests.append((weights.name, hashlib.sha256(weights.read_bytes()).hexdigest()))
    model = two_tower.load()

    @torch.inference_mode()
    def of_texts(some: Sequence[str]) -> Floats:
        found: Floats = model.texts(some).numpy()
        return found

    @torch.inference_mode()
    def of_pictures(some: Sequence[Image.Image]) -> Floats:
        pixels = np.stack([np.asarray(one.convert("RGB"), dtype=np.float32) for one in some])
        found: Floats = model.pictures(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255).numpy()
        return found

    record = LabelSource(source="demo", name="of the demo", vocabulary=texts, digests=tuple(digests))
    return ImageText(
        record=record,
        side=two_tower.SIDE,
        scale=float(model.scale.detach().exp()),
        texts=of_texts,
        pictures=of_pictures,
        knows=lambda text: not two_tower.unknown_words(text),
    )


def _unknown(text: str) -> str:
    words = two_tower.unknown_words(text)
    if not words:
        return ""
    return f"the demo's model does not know {' and '.join(map(repr, words[:3]))}; it knows {', '.join(two_tower.WORDS)}"
