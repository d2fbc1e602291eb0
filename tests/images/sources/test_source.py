"""Every kind of source, every kind of picture file, and what is said of those that cannot be used."""

import gzip
import io
import os
import struct
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from neurflow_report.errors import InputError
from neurflow_report.images.pictures import PictureError, decode
from neurflow_report.images.sources import Item, open_source, read
from neurflow_report.results.records import Skipped

DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def save(path: Path, colour: int = 100, size: tuple[int, int] = (6, 4)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (colour, 0, 0)).save(path)


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def problem(**settings: object) -> InputError:
    with pytest.raises(InputError) as caught:
        open_source(**({"name": None} | settings))  # type: ignore[arg-type]
    return caught.value


def test_folder_order_names_and_labels(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for name in ("b/2.png", "b/10.PNG", "b/deep/er/1.jpg", "a/x.webp", ".hidden/no.png", "a/.no.png", "a/.d/no.png"):
        save(root / name)
    (root / "a" / "notes.txt").write_text("no")
    (root / "c").mkdir()
    source = open_source(source="folder", name=None, root=root)
    assert source.name == "set"
    assert source.class_names == ("a", "b")
    assert source.empty == ("c",)
    assert [(i.name, i.label) for i in source.items] == [
        ("a/x.webp", 0), ("b/10.PNG", 1), ("b/2.png", 1), ("b/deep/er/1.jpg", 1),
    ]  # fmt: skip
    assert source.items[1].open().size == (6, 4)
    assert source.items[1].data is not None
    assert source.items[1].data() == (root / "b" / "10.PNG").read_bytes()


def test_folder_that_is_not_there_is_a_file_or_empty(tmp_path: Path) -> None:
    error = problem(source="folder", root=tmp_path / "gone")
    assert (error.slug, error.path) == ("data-missing", ("data", "root"))
    assert error.message == "the data folder 'gone' does not exist"
    (tmp_path / "file").write_text("")
    assert problem(source="folder", root=tmp_path / "file").message == (
        "the data folder 'file' is a file, and a folder was expected"
    )
    (tmp_path / "flat").mkdir()
    assert problem(source="folder", root=tmp_path / "flat").slug == "data-empty"
    save(tmp_path / "flat" / "1.png")
    error = problem(source="folder", root=tmp_path / "flat")
    assert error.message == (
        "the data folder 'flat' holds no sub-folder with pictures, only 1 picture beside each other"
    )


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"])
@pytest.mark.parametrize("size", [(3, 3), (1, 1), (7, 2)])
def test_every_mode_becomes_rgb_or_grey(mode: str, size: tuple[int, int]) -> None:
    kind = "TIFF" if mode == "CMYK" else "PNG"
    picture = decode(encoded(Image.new(mode, size), kind))
    assert picture.mode in {"RGB", "L"}
    assert picture.size == size


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_every_format(kind: str) -> None:
    picture = decode(encoded(Image.new("RGB", (9, 5), (250, 10, 10)), kind))
    assert picture.size == (9, 5)
    assert np.abs(np.asarray(picture).astype(int) - [250, 10, 10]).max() < 12


def test_transparency_lies_over_white() -> None:
    picture = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    picture.putpixel((1, 0), (10, 20, 30, 255))
    assert np.asarray(decode(encoded(picture))).tolist() == [[[255, 255, 255], [10, 20, 30]]]
    palette = Image.new("P", (1, 1))
    assert np.asarray(decode(encoded(palette, transparency=0))).tolist() == [[[255, 255, 255]]]


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    values = np.array([[0, 257, 25700, 65535]], dtype=np.uint16)
    assert np.asarray(decode(encoded(Image.fromarray(values)))).tolist() == [[0, 1, 100, 255]]


def test_exif_turns() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(Image.new("RGB", (9, 5)), "JPEG", exif=exif)).size == (5, 9)


def bomb() -> bytes:
    """A PNG that says it is 20000×20000, in under 100 bytes."""
    data = bytearray(encoded(Image.new("L", (1, 1))))
    data[16:24] = struct.pack(">II", 20000, 20000)
    data[29:33] = struct.pack(">I", __import__("zlib").crc32(bytes(data[12:29])))
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"hello, I am text", "not a picture in a known format"),
        (b"<!DOCTYPE html><p>404</p>", "not a picture in a known format (HTML, XML or SVG)"),
        (b"\0\0\0\x1cftypheic\0\0", "not a picture in a known format (a HEIC, an AVIF or a film)"),
        (b"\0" * 128 + b"DICM\2\0", "not a picture in a known format (a DICOM file)"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
         "not a picture in a known format (a Git LFS pointer: the picture itself was not fetched)"),
        (encoded(Image.effect_noise((64, 64), 90), "JPEG")[:900], "damaged: image file is truncated"),
        (encoded(Image.effect_noise((64, 64), 90))[:900], "damaged: "),
        (bomb(), "more than 89 million pixels"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture in a known format"),
    ],
    ids=["empty", "text", "html", "heic", "dicom", "lfs", "jpeg", "png", "bomb", "postscript"],
)  # fmt: skip
def test_unusable_files_are_told(tmp_path: Path, data: bytes, reason: str) -> None:
    save(tmp_path / "a" / "good.png")
    (tmp_path / "a" / "bad.jpg").write_bytes(data)
    source = open_source(source="folder", name=None, root=tmp_path)
    skipped = read(source.items[0])
    assert isinstance(skipped, Skipped)
    assert skipped.name == "a/bad.jpg"
    assert skipped.reason.startswith(reason)
    assert str(tmp_path) not in skipped.reason
    assert isinstance(read(source.items[1]), Image.Image)


def test_truncated_pictures_are_refused_where_a_library_lets_them_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as importing WeasyPrint does
    with pytest.raises(PictureError, match="damaged: image file is truncated"):
        decode(encoded(Image.effect_noise((64, 64), 90), "JPEG")[:900])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_links_that_lead_nowhere_and_pipes_are_told(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "2.png").symlink_to("gone.png")
    os.mkfifo(tmp_path / "a" / "3.png")
    (tmp_path / "a" / "4.png").mkdir()
    (tmp_path / "a" / "5.png").symlink_to("1.png")
    source = open_source(source="folder", name=None, root=tmp_path)
    assert [item.name for item in source.items] == ["a/1.png", "a/2.png", "a/3.png", "a/5.png"]
    assert [read(item) for item in source.items[1:3]] == [
        Skipped(name="a/2.png", reason="cannot be read: a link that leads nowhere"),
        Skipped(name="a/3.png", reason="no ordinary file"),
    ]
    assert source.items[3].open().size == (6, 4)


def test_whatever_pillow_raises_of_a_damaged_file_is_told() -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a word"
    picture = Image.effect_noise((16, 12), 60).convert("RGB")
    files = [encoded(picture, kind) for kind in ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")]
    files += [encoded(picture, kind, exif=exif) for kind in ("JPEG", "PNG", "WEBP")]
    random = np.random.default_rng(5)
    for data in files:
        for _ in range(150):
            torn = bytearray(data)
            for place in random.integers(0, min(len(torn), 200), random.integers(1, 5)):
                torn[place] = random.choice([0, 1, 127, 128, 255])
            with suppress(PictureError):
                assert decode(bytes(torn)).mode in {"RGB", "L"}


def test_an_error_of_a_kind_of_its_own_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def torn(_picture: Image.Image) -> Image.Image:
        raise struct.error("required argument is not an integer")  # as Pillow does on some EXIF data

    monkeypatch.setattr("PIL.ImageOps.exif_transpose", torn)
    with pytest.raises(PictureError, match="damaged: required argument is not an integer"):
        decode(encoded(Image.new("L", (2, 2))))


def test_a_torchvision_picture_is_no_bomb_either(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_idx(tmp_path, "t10k", np.zeros((2, 28, 28), np.uint8), [1, 1])
    source = open_source(source="torchvision", name="MNIST", root=tmp_path)
    monkeypatch.setattr("neurflow_report.images.pictures.MOST_PIXELS", 700)
    assert read(source.items[0]) == Skipped(name="test/000000", reason="28×28 pixels, more than 0 million")


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000])
def test_a_name_that_no_file_can_have_is_told(tmp_path: Path, name: str) -> None:
    assert problem(source="folder", root=tmp_path / name).message.endswith("does not exist")
    assert problem(source="csv", root=None, file=tmp_path / name).message.startswith("there is no file")


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_folder: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.scandir", refused)
    assert problem(source="folder", root=tmp_path).message == (
        f"the data folder {tmp_path.name!r} cannot be read: Permission denied"
    )


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "a") + b"\xff"
    os.mkdir(folder)  # noqa: PTH102 pathlib knows no bytes
    save(tmp_path / "b" / "1.png")
    with open(folder + b"/\xe9.png", "wb") as file:  # noqa: PTH123
        file.write(encoded(Image.new("L", (3, 2))))
    source = open_source(source="folder", name=None, root=tmp_path)
    assert source.class_names == ("a\udcff", "b")
    assert source.items[0].name == "a\udcff/\udce9.png"
    assert source.items[0].open().size == (3, 2)


def test_what_is_no_ordinary_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "l.csv").write_text("path,label\npipe.png,a\nfolder.png,a\n/dev/zero,a\nx\0y.png,a\n")
    source = open_source(source="csv", name=None, root=None, file=tmp_path / "l.csv")
    assert [read(item) for item in source.items] == [
        Skipped(name="folder.png", reason="no ordinary file"),
        Skipped(name="pipe.png", reason="no ordinary file"),
        Skipped(name="x\0y.png", reason="cannot be read: embedded null byte"),
        Skipped(name="zero", reason="no ordinary file"),
    ]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png")
    with (tmp_path / "a" / "2.png").open("wb") as file:
        file.truncate(1_200_000_000)  # nothing is written: the file has a hole
    source = open_source(source="folder", name=None, root=tmp_path)
    assert read(source.items[1]) == Skipped(name="a/2.png", reason="1.2 GB, more than 1")


def test_a_file_that_vanishes_is_told(tmp_path: Path) -> None:
    save(tmp_path / "a" / "1.png")
    source = open_source(source="folder", name=None, root=tmp_path)
    (tmp_path / "a" / "1.png").unlink()
    assert read(source.items[0]) == Skipped(name="a/1.png", reason="cannot be read: No such file or directory")


def write_idx(folder: Path, prefix: str, images: np.ndarray, labels: list[int], *, packed: bool = True) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    head = struct.pack(">IIII", 2051, *images.shape)
    for part, data in (
        ("images-idx3-ubyte", head + images.tobytes()),
        ("labels-idx1-ubyte", struct.pack(">II", 2049, len(labels)) + bytes(labels)),
    ):
        path = folder / f"{prefix}-{part}"
        if packed:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(data))
        else:
            path.write_bytes(data)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("inner", ["", "FashionMNIST/raw"])
def test_idx_files(tmp_path: Path, packed: bool, inner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    root, scratch = tmp_path / "set", tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    write_idx(root / inner, "t10k", images, [9, 0, 9, 3], packed=packed)
    before = sorted(root.rglob("*"))
    source = open_source(source="torchvision", name="FashionMNIST", root=root)
    assert source.name == "FashionMNIST (test)"
    assert len(source.class_names) == 10
    assert [(i.name, i.label) for i in source.items] == [
        ("test/000001", 0), ("test/000003", 3), ("test/000000", 9), ("test/000002", 9),
    ]  # fmt: skip
    np.testing.assert_array_equal(np.asarray(source.items[3].open()), images[2])
    assert sorted(root.rglob("*")) == before
    assert list(scratch.iterdir()) == []
    error = problem(source="torchvision", name="FashionMNIST", root=root, split="train")
    assert error.message == "the data set FashionMNIST lacks the file train-images-idx3-ubyte.gz"
    assert problem(source="torchvision", name="FashionMNIST", root=root, split="val").path == ("data", "split")


def test_damaged_idx_files(tmp_path: Path) -> None:
    write_idx(tmp_path, "t10k", np.zeros((1, 28, 28), np.uint8), [1])
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:20])
    error = problem(source="torchvision", name="MNIST", root=tmp_path)
    assert error.message == (
        "the file t10k-images-idx3-ubyte.gz of data set MNIST cannot be unpacked: "
        "Compressed file ended before the end-of-stream marker was reached"
    )


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's package dataset-fashion-mnist is not installed")
def test_the_real_fashion_mnist() -> None:
    source = open_source(source="torchvision", name="FashionMNIST", root=DEBIAN)
    assert len(source.items) == 10_000
    assert [sum(i.label == label for i in source.items) for label in range(10)] == [1000] * 10
    assert source.class_names[9] == "Ankle boot"
    first = source.items[0].open()
    assert (first.mode, first.size) == ("L", (28, 28))
    assert np.asarray(first).max() > 100


def test_torchvision_data_sets_that_cannot_be_opened(tmp_path: Path) -> None:
    error = problem(source="torchvision", name="CIFAR1O", root=tmp_path)
    assert (error.slug, error.path) == ("data-missing", ("data", "name"))
    assert "'CIFAR10'" in error.hint
    for name in ("CIFAR10", "Flowers102", "MNIST"):
        error = problem(source="torchvision", name=name, root=tmp_path)
        assert (error.slug, error.path) == ("data-missing", ("data", "root"))
        assert str(tmp_path) not in str(error)
    assert list(tmp_path.iterdir()) in ([], [tmp_path / "flowers-102"])


def test_demo() -> None:
    source = open_source(source="demo", name=None, root=None)
    assert len(source.items) % len(source.class_names) == 0
    item = source.items[-1]
    assert item.label == len(source.class_names) - 1
    assert item.open().tobytes() == item.open().tobytes()
    assert item.parts is not None
    masks = item.parts()
    assert np.sum(list(masks.values()), axis=0).tolist() == np.ones(item.open().size[::-1]).tolist()
    assert open_source(source="demo", name=None, root=None, split="train").items[0].open() != source.items[0].open()


def test_items_need_only_a_name_a_label_and_a_picture() -> None:
    item = Item(name="x", label=None, open=lambda: Image.new("L", (3, 3)))
    assert read(item) == Image.new("L", (3, 3))
