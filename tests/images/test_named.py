"""Pictures that somebody names: by their name in the data, by a path, and those that cannot be read."""

import pytest
from PIL import Image

from neurflow_report.demo.networks import NETWORKS
from neurflow_report.errors import InputError
from neurflow_report.images.named import named
from neurflow_report.images.sources import open_source

PREPROCESS = NETWORKS["flowers"].preprocess


@pytest.fixture
def source(picture_folder):
    return open_source(source="folder", root=picture_folder(2))


def found(text, source, base, **more):
    return named(text, source, base, PREPROCESS, white=None, **more)


def test_a_name_within_the_data_brings_its_label(source, tmp_path):
    item = found("snowstar/1.png", source, tmp_path)
    assert (item.name, source.class_names[item.label]) == ("snowstar/1.png", "snowstar")


def test_a_path_to_a_picture_of_the_data_is_that_picture(source, tmp_path):
    for text in ("pictures/snowstar/1.png", str(tmp_path / "pictures/snowstar/1.png")):
        assert found(text, source, tmp_path).label is not None


def test_another_file_has_no_label_and_no_absolute_name(source, tmp_path):
    Image.new("RGB", (3, 1), (9, 9, 9)).save(tmp_path / "odd.png")
    for text in ("odd.png", str(tmp_path / "odd.png"), f"../{tmp_path.name}/odd.png"):
        item = found(text, source, tmp_path)
        assert (item.name, item.label, item.open().size) == ("odd.png", None, (3, 1))


def test_what_cannot_be_read_is_told_with_the_names_that_are_close(source, tmp_path):
    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(InputError) as told:
        found("torn.png", source, tmp_path, path=("debug", "images", 0))
    assert told.value.slug == "picture-unreadable"
    assert told.value.path == ("debug", "images", 0)
    with pytest.raises(InputError) as told:
        found("snowstar/11.png", source, tmp_path)
    assert told.value.message == "the picture 'snowstar/11.png' cannot be used: No such file or directory"
    assert told.value.hint.startswith("did you mean 'snowstar/1.png'")
