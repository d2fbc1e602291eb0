"""How often the network is right: measured on what is looked at anyway, told before the work, kept in the bundle."""

# ruff: noqa: E501 (the messages stand here word for word)

import json

import pytest

from neurflow_report.analysis.accuracy import UNKNOWN, chance, reordered, words
from neurflow_report.cli import main
from neurflow_report.demo.flowers import DATASET
from neurflow_report.drawing.view.text.examined import doubts, given
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.records import Accuracy

RIGHT = "accuracy 100%: 64 of 64 labelled pictures of 8 classes (95% interval 94% to 100%, chance 12%)"


def found(right, pictures=64, classes=8, low=0.0, high=0.1, rate=0.125):
    return Accuracy(pictures=pictures, classes=classes, right=right, low=low, high=high, chance=rate)


def test_chance():
    assert chance([(0, 0)] * 5 + [(1, 0)] * 5, 10) == 0.1  # one class: nothing to deal
    assert chance([(3, 0)] * 6 + [(3, 3)] * 4, 1000) == 0.4  # always the same answer
    assert chance([(0, 0), (1, 1)] * 5, 1000) == 0.5
    assert chance([(0, 0), (1, 1), (2, 2), (3, 3)], 2) == 0.5


def test_classes_in_another_order_are_found():
    true = [0, 1, 2, 3] * 5
    assert reordered([((t + 1) % 4, t) for t in true]) == 1
    assert reordered([(t, t) for t in true]) is None
    assert reordered([(0, t) for t in true]) is None
    assert reordered([(n % 4, t) for n, t in zip(range(20), sorted(true), strict=True)]) is None
    assert reordered([(1 - t, t) for t in (0, 1) * 9]) is None  # two classes in another order may be a bad network
    told = words(found(6, low=0.04, high=0.19).model_copy(update={"reordered": 0.98}))
    assert told.endswith(
        "chance 12%). With the classes in another order 98% would be right: the data's classes are tied to the wrong outputs, "
        "so name the outputs in their order (model.class_names)"
    )


@pytest.mark.slow
def test_a_wrong_order_is_told_and_stands_in_the_report(folder_spec, capsys, tmp_path):
    names = DATASET.class_names
    (tmp_path / "names.txt").write_text("\n".join([*names[1:], names[0]]))
    data = {"source": "folder", "root": "pictures", "select": "labelled"}
    spec = folder_spec(model={"class_names": "names.txt"}, data=data, classes=list(names[:3]))
    assert main(["build", spec]) == 0
    assert "With the classes in another order 100% would be right" in capsys.readouterr().err
    assert "Classes tied to the wrong outputs." in (tmp_path / "out" / "site" / "index.html").read_text()


def test_what_is_said():
    cause = "check the preprocessing, the weights, and which class is which output"
    assert words(None) == UNKNOWN
    assert words(found(64, low=0.943, high=1)) == RIGHT
    assert words(found(6, low=0.04, high=0.19)) == (
        "accuracy 9%: 6 of 64 labelled pictures of 8 classes (95% interval 4% to 19%, chance 12%). That is no better than "
        f"chance, as far as so many pictures tell: {cause}"
    )
    assert words(found(1, pictures=5, classes=1, low=0.036, high=0.3, rate=0.001)).startswith(
        "accuracy 20%: 1 of 5 labelled pictures of 1 class ("
    )
    assert words(found(20, low=0.21, high=0.43)).endswith(f"chance 12%). The network is wrong on most of them: {cause}")


@pytest.fixture
def folder_spec(write_spec, picture_folder):
    picture_folder(6)

    def write(**changes):
        return str(
            write_spec(
                **({"data": {"source": "folder", "root": "pictures"}, "report": {"formats": ["html"]}} | changes)
            )
        )

    return write


@pytest.mark.slow
def test_validate_measures_it_on_a_few_pictures_of_each_class(folder_spec, capsys):
    spec = folder_spec()
    assert main(["validate", "--deep", spec]) == 0
    told = RIGHT.replace("64", "48").replace("94%", "93%")
    assert f"measure the accuracy: {told}\n" in capsys.readouterr().err
    assert main(["validate", "--deep", spec, "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"][spec] == [told]


@pytest.mark.slow
def test_a_wrong_preprocessing_is_seen_before_the_work_and_in_the_report(folder_spec, capsys, tmp_path):
    spec = folder_spec(
        preprocess={"mean": [9.0, 9.0, 9.0]}, data={"source": "folder", "root": "pictures", "select": "labelled"}
    )
    assert main(["build", spec]) == 0
    said = capsys.readouterr().err
    note = next(line for line in said.splitlines() if line.startswith("choose pictures: accuracy"))
    assert "That is no better than chance, as far as so many pictures tell: check the preprocessing" in note
    assert said.index("choose pictures: accuracy") < said.index("firebell: patches")
    run = read_bundle(tmp_path / "out").run
    assert run.accuracy is not None
    assert (run.accuracy.pictures, run.accuracy.classes) == (48, 8)  # those of other classes, too
    assert run.accuracy.low <= run.accuracy.chance
    page = (tmp_path / "out" / "site" / "index.html").read_text()
    assert "The network does no better than chance." in page
    assert "<th scope=row>Accuracy<td>" in page


def test_it_is_told_even_where_no_picture_counts(folder_spec, capsys):
    spec = folder_spec(preprocess={"mean": [9.0, 9.0, 9.0]}, classes=["firebell", "snowstar", "duskbloom"])
    main(["analyze", spec])
    said = capsys.readouterr().err
    assert "[too-few-images]" in said
    assert said.index("choose pictures: accuracy") < said.index("[too-few-images]")


@pytest.mark.slow
def test_pictures_without_labels(write_spec, picture_folder, tmp_path, capsys):
    picture_folder(4)
    rows = [f"pictures/{name}/{n}.png," for name in ("firebell", "snowstar") for n in range(4)]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]))
    spec = str(write_spec(data={"source": "csv", "file": "list.csv", "select": "any"}))
    assert main(["validate", "--deep", spec]) == 0
    assert f"measure the accuracy: {UNKNOWN}\n" in capsys.readouterr().err
    assert main(["analyze", spec, "--quiet"]) == 0
    run = read_bundle(tmp_path / "out").run
    assert run.accuracy is None
    assert list(doubts(run)) == []
    assert "Accuracy" not in given(run)


def test_pictures_of_which_none_can_be_read_are_refused_before_the_run(write_spec, picture_folder, capsys):
    root = picture_folder(3)
    for file in root.rglob("*.png"):
        file.write_bytes(b"no picture")
    spec = str(write_spec(data={"source": "folder", "root": str(root)}))
    assert main(["validate", "--deep", spec, "--quiet"]) == 2
    told = capsys.readouterr().err
    assert "data.root: of 24 pictures looked at, none can be read: " in told
    assert "[too-few-images]" in told


def test_pictures_that_cannot_be_read_are_told_beside_the_accuracy(write_spec, picture_folder, capsys):
    root = picture_folder(3)
    (root / "firebell" / "1.png").write_bytes(b"no picture")
    assert main(["validate", "--deep", str(write_spec(data={"source": "folder", "root": str(root)}))]) == 0
    assert "measure the accuracy: skipped, " in capsys.readouterr().err
