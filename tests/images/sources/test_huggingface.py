"""Data sets that Hugging Face's `datasets` saved to disk, made here by that package."""

import io
import sys
import warnings
from pathlib import Path

import pytest
from PIL import Image

from neurflow_report.errors import InputError
from neurflow_report.images.sources import Source, open_source, read
from neurflow_report.images.sources.huggingface import is_saved, usual_keys
from neurflow_report.results.records import Skipped

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import datasets

NAMED = datasets.ClassLabel(names=["bee", "wasp"])
COLOURS = [10, 20, 30]


def encoded(colour: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (6, 4), (colour, 0, 0)).save(out, "PNG")
    return out.getvalue()


FILES = [encoded(colour) for colour in COLOURS]


def table(labels, kind=NAMED, files=FILES, image="image", label="label"):
    features = datasets.Features({image: datasets.Image(), label: kind})
    rows = {image: [{"bytes": data, "path": None} for data in files], label: labels}
    return datasets.Dataset.from_dict(rows, features=features)


def saved(root: Path, data, **settings) -> Source:
    data.save_to_disk(str(root))
    return open_source(**({"source": "huggingface", "name": None, "root": root} | settings))


def problem(root: Path, data=None, **settings) -> tuple[str, tuple[str | int, ...], str, str | None]:
    if data is not None:
        data.save_to_disk(str(root))
    with pytest.raises(InputError) as caught:
        open_source(**({"source": "huggingface", "name": None, "root": root} | settings))
    return caught.value.slug, caught.value.path, caught.value.message, caught.value.hint


@pytest.fixture(autouse=True)
def quiet():
    datasets.disable_progress_bars()


def test_names_labels_and_the_files_own_bytes(tmp_path):
    source = saved(tmp_path / "set", table([1, 0, 1]))
    assert (source.name, source.class_names) == ("set", ("bee", "wasp"))
    assert [(i.name, i.label) for i in source.items] == [("set/000001", 0), ("set/000000", 1), ("set/000002", 1)]
    assert [i.data() for i in source.items] == [FILES[1], FILES[0], FILES[2]]
    assert [i.open().getpixel((0, 0)) for i in source.items] == [(20, 0, 0), (10, 0, 0), (30, 0, 0)]


def test_a_split_of_several_by_its_name(tmp_path):
    both = datasets.DatasetDict({"train": table([0, 0, 0]), "validation": table([1, -1, None], NAMED)})
    source = saved(tmp_path / "set", both, split="validation")
    assert source.name == "set (validation)"
    assert [(i.name, i.label) for i in source.items] == [
        ("validation/000000", 1), ("validation/000001", None), ("validation/000002", None),
    ]  # fmt: skip
    assert (source.order, source.notes) == ("own", ("pictures without a label: 2",))
    assert usual_keys(tmp_path / "set") == {
        "split": "validation", "image_column": "image", "label_column": "label",
    }  # fmt: skip
    assert problem(tmp_path / "set") == (
        "data-missing", ("data", "split"), "the data set 'set' has no split 'test'", "it has train, validation",
    )  # fmt: skip


def test_columns_of_other_names_and_labels_without_names(tmp_path):
    source = saved(
        tmp_path / "numbers", table([3, 0, -1], datasets.Value("int64"), image="img", label="fine"),
        image_column="img", label_column="fine",
    )  # fmt: skip
    assert (source.class_names, source.order) == (("0", "3"), "numbers")
    assert [i.label for i in source.items] == [0, 1, None]
    assert source.notes == ("pictures without a label: 1 ('-1': 1)",)
    assert usual_keys(tmp_path / "numbers") == {"image_column": "img", "label_column": "label"}
    words = saved(tmp_path / "words", table(["wasp", None, "bee"], datasets.Value("string")))
    assert (words.class_names, words.order) == (("bee", "wasp"), "names")
    assert [(i.name, i.label) for i in words.items] == [
        ("words/000002", 0),
        ("words/000000", 1),
        ("words/000001", None),
    ]
    named = table([0, 1, 1], image="photo", label="kind")
    named.save_to_disk(str(tmp_path / "named"))
    assert usual_keys(tmp_path / "named") == {"image_column": "photo", "label_column": "kind"}


def test_what_was_chosen_and_formatted_before_it_was_saved_is_as_it_was_chosen(tmp_path):
    some = table([1, 0, 1], datasets.Value("int64")).select([2, 1]).with_format("numpy")
    assert [(i.label, i.data()) for i in saved(tmp_path / "set", some).items] == [(0, FILES[1]), (1, FILES[2])]


def test_pictures_that_cannot_be_used_are_told_one_by_one(tmp_path):
    features = datasets.Features({"image": datasets.Image(), "label": NAMED})
    Image.effect_noise((40, 40), 90).save(tmp_path / "p.png")
    whole = (tmp_path / "p.png").read_bytes()
    rows = [
        {"bytes": whole, "path": None},
        {"bytes": whole[: len(whole) // 2], "path": None},
        {"bytes": b"", "path": None},
        None,
        {"bytes": None, "path": str(tmp_path / "p.png")},
    ]
    source = saved(tmp_path / "set", datasets.Dataset.from_dict({"image": rows, "label": [0] * 5}, features=features))
    found = [read(item) for item in source.items]
    assert [f.reason if isinstance(f, Skipped) else f.size for f in found] == [
        (40, 40), "damaged: image file is truncated", "the file is empty",
        "the data set does not hold its bytes", (40, 40),
    ]  # fmt: skip
    assert found[1].name == "set/000001"


def test_a_folder_that_holds_no_such_data_set(tmp_path):
    hint = "expected what the method save_to_disk of a data set wrote"
    assert problem(tmp_path) == (
        "data-missing", ("data", "root"), f"the folder {tmp_path.name!r} holds no data set that was saved to disk",
        f"{hint}: it has dataset_dict.json or state.json",
    )  # fmt: skip
    assert not is_saved(tmp_path)
    (tmp_path / "state.json").write_text("{")
    assert is_saved(tmp_path)
    slug, path, message, told = problem(tmp_path)
    assert (slug, path, told) == ("data-missing", ("data", "root"), hint)
    assert message.startswith(f"the data set {tmp_path.name!r} cannot be read: ")
    assert problem(tmp_path / "gone")[2] == "the data folder 'gone' does not exist"


@pytest.mark.parametrize(
    ("data", "settings", "key", "message", "hint"),
    [
        (table([0, 0, 0]), {"image_column": "imag"}, "image_column", "the data set has no column 'imag'",
         "did you mean 'image'?"),
        (table([0, 0, 0]), {"label_column": "y"}, "label_column", "the data set has no column 'y'",
         "it has image, label"),
        (table([0, 0, 0]), {"image_column": "label"}, "image_column",
         "the column 'label' of the data set holds no pictures", "columns with pictures: image"),
        (table([0.5, 1.0, 1.0], datasets.Value("float32")), {}, "label_column",
         "the labels are numbers, and not all are whole: '0.5' (1 of 2)",
         "a label is the name of a class or the number of an output; leave empty what is not known"),
    ],
)  # fmt: skip
def test_columns_that_are_not_there_or_cannot_be_meant(tmp_path, data, settings, key, message, hint):
    slug = "labels-unclear" if "whole" in message else "data-missing"
    assert problem(tmp_path / "set", data, **settings) == (slug, ("data", key), message, hint)


def test_without_the_package(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert problem(tmp_path) == (
        "missing-package", ("data", "source"), "the Python package datasets is not installed",
        "pip install 'neurflow-report[huggingface]'",
    )  # fmt: skip
