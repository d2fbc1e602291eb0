"""What a bundle calls a picture that it keeps: by its content and its original, so that two that are exchanged, in the
folder or in the records, are told by their names."""

from __future__ import annotations

import hashlib


def picture_name(data: bytes, original: str, suffix: str) -> str:
    """The file's name.

    Args:
        data: what is kept.
        original: the sha256 of the picture that it was cut from, as `Picture` has it.
    """
    return f"{_stem(data + original.encode())}.{suffix}"


def is_named(file: str, data: bytes, original: str) -> bool:
    """Whether a picture's name is that of its content; earlier versions left the original out."""
    return file.rpartition(".")[0] in {_stem(data + original.encode()), _stem(data)}


def _stem(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
