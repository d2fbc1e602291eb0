"""Values of more than 8 bits are scaled by what the file or the user says; else the picture is refused, and told."""

import io
import struct
from collections.abc import Mapping

import numpy as np
import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from neurflow_report.images.pictures import FRAMES, HIGHEST, PictureError, decode


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def tiff(values: bytes, bits: int, *, width: int, photometric: int = 1, sample_format: int = 1) -> bytes:
    """A TIFF of one row of grey pixels, of any number of bits, written by hand: Pillow writes few kinds."""
    tags = {256: width, 257: 1, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: 1, 279: len(values)}
    tags[339] = sample_format
    entries = b"".join(struct.pack("<HHII", tag, 3, 1, value) for tag, value in sorted(tags.items()))
    head = struct.pack("<2sHI", b"II", 42, 8 + len(values))
    return head + values + struct.pack("<H", len(tags)) + entries + bytes(4)


def grey(data: bytes, white: float | None = None) -> list[int]:
    picture = decode(data, white=white)
    assert picture.mode == "L"
    return np.asarray(picture)[0].tolist()  # type: ignore[no-any-return]


SIXTEEN = np.array([0, 257, 25700, 65535], np.uint16)
TWELVE = bytes([0x00, 0x07, 0xFF, 0x80, 0x0F, 0xFF])
"""0, 2047, 2048, 4095 in 12 bits each."""


def test_sixteen_bits() -> None:
    assert grey(encoded(Image.fromarray(SIXTEEN[None]))) == [0, 1, 100, 255]
    assert grey(encoded(Image.fromarray(SIXTEEN[None]), "TIFF")) == [0, 1, 100, 255]
    assert grey(b"P5 4 1 65535\n" + SIXTEEN.astype(">u2").tobytes()) == [0, 1, 100, 255]


def test_twelve_bits() -> None:
    assert grey(tiff(TWELVE, 12, width=4)) == [0, 127, 128, 255]
    assert grey(b"P5 4 1 4095\n" + np.array([0, 2047, 2048, 4095], ">u2").tobytes()) == [0, 127, 128, 255]


def test_what_png_says_of_significant_bits_does_not_change_the_scale() -> None:
    """A PNG's samples fill its 16 bits whatever sBIT says."""
    data = encoded(Image.fromarray(np.array([[0, 0x7FF7, 0xFFFF]], np.uint16)))
    chunk = b"sBIT\x0c"
    chunk = struct.pack(">I", 1) + chunk + struct.pack(">I", __import__("zlib").crc32(chunk))
    assert grey(data[:33] + chunk + data[33:]) == [0, 127, 255]


def test_zero_is_white_where_the_file_says_so() -> None:
    assert grey(tiff(SIXTEEN.tobytes(), 16, width=4, photometric=0)) == [255, 254, 155, 0]
    assert grey(tiff(bytes([0, 100, 255]), 8, width=3, photometric=0)) == [255, 155, 0]


def said(least: float | None, most: float) -> ImageFileDirectory_v2:
    tags = ImageFileDirectory_v2()
    for tag, value in ((340, least), (341, most)):
        if value is not None:
            tags.tagtype[tag] = 12  # double
            tags[tag] = (value,)
    return tags


def test_a_tiff_that_says_which_values_are_black_and_white() -> None:
    whole = Image.fromarray(np.array([[0, 100, 200]], np.int32))
    assert grey(encoded(whole, "TIFF", tiffinfo=said(None, 200.0))) == [0, 128, 255]
    real = Image.fromarray(np.array([[-1.0, 0.0, 1.0]], np.float32))
    assert grey(encoded(real, "TIFF", tiffinfo=said(-1.0, 1.0))) == [0, 128, 255]


@pytest.mark.parametrize(
    ("data", "white", "reason"),
    [
        (encoded(Image.fromarray(np.array([[0, 255]], np.int32)), "TIFF"), None,
         "signed whole numbers of 32 bits, and the file does not say which of them is white: data.white can"),
        (tiff(bytes(8), 32, width=2), None,
         "whole numbers of 32 bits, and the file does not say which of them is white: data.white can"),
        (tiff(bytes(4), 16, width=2, sample_format=2), None,
         "signed whole numbers of 16 bits, and the file does not say which of them is white: data.white can"),
        (encoded(Image.new("F", (2, 2)), "TIFF"), None,
         "floating-point values, and the file does not say which of them is white: data.white can"),
        (encoded(Image.fromarray(np.array([[0, 300]], np.int32)), "TIFF"), 255,
         "it holds a value of 300, and white is 255"),
        (encoded(Image.fromarray(np.array([[-2, 9]], np.int32)), "TIFF"), 255,
         "it holds a value of -2, and black is 0"),
        (encoded(Image.fromarray(np.array([[np.nan, 1]], np.float32)), "TIFF"), 1,
         "it holds values that are not finite"),
        (encoded(Image.new("LAB", (2, 2)), "TIFF"), None, "colours in CIE L*a*b*, which are not read"),
    ],
)  # fmt: skip
def test_what_nobody_knows_the_scale_of_is_refused(data: bytes, white: float | None, reason: str) -> None:
    with pytest.raises(PictureError) as caught:
        decode(data, white=white)
    assert str(caught.value) == reason


@pytest.mark.parametrize(
    ("data", "white"),
    [
        (encoded(Image.fromarray(np.array([[0, 100, 255]], np.int32)), "TIFF"), 255),
        (encoded(Image.fromarray(np.array([[0, 1606, 4095]], np.uint16))), 4095),
        (encoded(Image.fromarray(np.array([[0, 100 / 255, 1]], np.float32)), "TIFF"), 1),
        (encoded(Image.fromarray(np.array([[0, 100, 255]], np.uint8))), 4095),  # 8 bits say it themselves
    ],
)
def test_the_user_says_which_value_is_white(data: bytes, white: float) -> None:
    assert grey(data, white) == [0, 100, 255]


def test_sixteen_bits_in_colour_cannot_be_scaled_by_the_user() -> None:
    row = struct.pack(">6H", 0, 0, 0, 4095, 4095, 4095)
    data = _png_rgb16(row)
    assert np.asarray(decode(data)).tolist() == [[[0, 0, 0], [15, 15, 15]]]
    with pytest.raises(PictureError, match="colours of 16 bits a channel, of which the upper 8 are read"):
        decode(data, white=4095)
    assert decode(encoded(Image.new("RGB", (16, 16)), "BMP"), white=4095).mode == "RGB"


def _png_rgb16(row: bytes) -> bytes:
    zlib = __import__("zlib")

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    parts = {b"IHDR": head, b"IDAT": zlib.compress(b"\0" + row), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in parts.items())


def info(data: bytes) -> Mapping[str, object]:
    return decode(data).info  # type: ignore[return-value]


def test_what_is_noted_of_a_picture() -> None:
    dark = Image.fromarray(np.array([[0, 4080]], np.uint16))
    assert info(encoded(dark)) == info(encoded(dark, "TIFF")) == {HIGHEST: 4080}
    assert info(tiff(TWELVE, 12, width=4)) == {}
    assert decode(encoded(dark), white=4095).info == {}
    frames = [Image.new("L", (2, 2), value) for value in (9, 200)]
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
        assert info(data) == {FRAMES: True}
    assert info(encoded(frames[0], "GIF", comment="a word")) == {}


def test_a_colour_that_stands_for_transparent_lies_over_white() -> None:
    row = Image.fromarray(np.array([[[1, 2, 3], [9, 9, 9]]], np.uint8))
    assert np.asarray(decode(encoded(row, transparency=(1, 2, 3)))).tolist() == [[[255, 255, 255], [9, 9, 9]]]
    plain = Image.fromarray(np.array([[7, 9]], np.uint8))
    assert grey(encoded(plain, transparency=7)) == [255, 9]
    assert grey(encoded(Image.merge("LA", (plain, Image.fromarray(np.array([[0, 255]], np.uint8)))))) == [255, 9]
