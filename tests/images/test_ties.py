"""Which output a class of the data is, and which a class of the spec means: never by what can mean something else."""

import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pytest
from torchvision.models import ResNet50_Weights

from neurflow_report.errors import InputError, InputErrors
from neurflow_report.images.classes import class_indices, display_names, label_names
from neurflow_report.images.labels import classes_of, read_labels
from neurflow_report.images.synsets import are_imagenets, outputs_of_synsets
from neurflow_report.images.ties import Labels, Order, tie

CREATURES = ["ant", "bee", "cat"]
IMAGENET = list(ResNet50_Weights.IMAGENET1K_V2.meta["categories"])
NFD, NFC = unicodedata.normalize("NFD", "café"), unicodedata.normalize("NFC", "café")


def resolve(
    classes: list[str | int],
    model: list[str] | None,
    data: list[str],
    outputs: int,
    *,
    order: Order = "folders",
    labels: Labels = "auto",
    empty: tuple[str, ...] = (),
) -> list[tuple[int, str, int | None]]:
    tied = tie(model, data, outputs, order=order, labels=labels)
    found = class_indices(classes, model_names=model, class_names=data, outputs=outputs, tied=tied, empty=empty)
    return [(t.index, t.name, t.label) for t in found]


def problem(
    classes: list[str | int],
    model: list[str] | None,
    data: list[str],
    outputs: int,
    *,
    order: Order = "folders",
    labels: Labels = "auto",
    empty: tuple[str, ...] = (),
) -> InputError:
    with pytest.raises(InputError) as caught:
        resolve(classes, model, data, outputs, order=order, labels=labels, empty=empty)
    return caught.value


LOST = "classes without an output of their own name, whose pictures count as not labelled"
UNNAMED = "classes whose output cannot be told, and whose pictures count as not labelled"
BY_ORDER = "classes taken as outputs by the order of their names alone"


@pytest.mark.parametrize(
    ("model", "data", "order", "logits", "caution"),
    [
        # by name, whatever the order and the number
        (CREATURES, ["cat", "ant", "bee"], "folders", (2, 0, 1), ""),
        (CREATURES, ["Bee", "n00000001_ANT"], "folders", (1, 0), ""),
        (["great white shark", "x"], ["great_white_shark"], "folders", (0,), ""),
        (["tabby, tabby cat", "dog"], ["tabby_cat", "dog"], "folders", (0, 1), ""),
        ([NFC, "x"], [NFD], "folders", (0,), ""),
        # names that are not the outputs': their order says nothing, as many as they may be
        (CREATURES, ["ant", "bee", "kat"], "folders", (0, 1, None), f"{LOST}: 'kat' (1 of 3)"),
        (CREATURES, ["Ameise", "Biene", "Katze"], "folders", (None,) * 3,
         f"{LOST}: 'Ameise', 'Biene', 'Katze' (3 of 3)"),
        (CREATURES, ["bee", "cat", "dog"], "folders", (1, 2, None), f"{LOST}: 'dog' (1 of 3)"),
        (CREATURES, ["Bee", "bee", "cat"], "folders", (None, None, 2), f"{LOST}: 'Bee', 'bee' (2 of 3)"),
        ([*CREATURES, "dog"], ["dog", "misc", "ant"], "folders", (3, None, 0), f"{LOST}: 'misc' (1 of 3)"),
        (["crane", "crane", "ant"], ["crane", "ant"], "folders", (None, 2), f"{LOST}: 'crane' (1 of 2)"),
        # outputs without names: by order, and it is said
        (None, ["cat", "dog", "owl"], "folders", (0, 1, 2), f"{BY_ORDER}: 'cat' as 0, 'dog' as 1, 'owl' as 2 (3 of 3)"),
        (None, ["cat", "dog"], "folders", (None, None), f"{UNNAMED}: 'cat', 'dog' (2 of 2)"),
        # folders called by numbers: where number and order are the same, or only one can be
        (None, ["0", "1", "2"], "folders", (0, 1, 2), ""),
        (CREATURES, ["0", "1", "2"], "folders", (0, 1, 2), ""),
        (CREATURES, ["0", "2"], "folders", (0, 2), ""),
        (None, ["3", "7"], "folders", (3, 7), ""),
        (None, ["00", "01", "02"], "folders", (0, 1, 2), ""),
        (None, ["1", "2", "3"], "folders", (0, 1, 2), f"{BY_ORDER}: '1' as 0, '2' as 1, '3' as 2 (3 of 3)"),
        # and where they are not
        (None, sorted(map(str, range(11))), "folders", (None,) * 11,
         "class folders called by numbers, whose pictures count as not labelled: '10' may be output 10 by number or 2 "
         "by the order of the names (say `labels: numbers` or `labels: order` in data)"),
        (None, sorted(map(str, range(1, 12))), "folders", (None,) * 11,
         "class folders called by numbers, whose pictures count as not labelled: '10' may be output 1 by the order of "
         "the names or 9 by numbers that count from 1 (say `labels: order` or `labels: numbers_from_1` in data)"),
        ([*CREATURES, "dog"], ["1", "2"], "folders", (None, None),
         "class folders called by numbers, whose pictures count as not labelled: '1' may be output 1 by number or 0 by "
         "numbers that count from 1 (say `labels: numbers` or `labels: numbers_from_1` in data)"),
        # labels of a list that are numbers are outputs; that are names have no order
        (None, ["0", "2", "10"], "numbers", (0, 2, 10), ""),
        (None, ["1", "2", "3"], "numbers", (1, 2, 3),
         "the labels are the numbers 1 to 3, and count as the outputs of these numbers, which count from 0; if they "
         "count from 1, data.labels must say numbers_from_1"),
        (None, ["cat", "dog", "owl"], "names", (None,) * 3, f"{UNNAMED}: 'cat', 'dog', 'owl' (3 of 3)"),
        # a data set that numbers its classes itself
        (CREATURES, ["ant", "bee", "kat"], "own", (0, 1, 2),
         "classes taken by their order, not by their name: 'kat' for 'cat' (1 of 3)"),
        (None, ["owl", "cat", "dog"], "own", (0, 1, 2), ""),
        (None, ["owl", "cat"], "own", (None, None), f"{UNNAMED}: 'owl', 'cat' (2 of 2)"),
        (CREATURES, [], "folders", (), ""),
    ],
)  # fmt: skip
def test_how_classes_are_tied_and_what_is_said_of_it(
    model: list[str] | None, data: list[str], order: Order, logits: tuple[int | None, ...], caution: str
) -> None:
    outputs = len(model) if model else 12 if order == "numbers" else 11
    if model is None and len(data) == 3 and order != "numbers":
        outputs = 3
    tied = tie(model, data, outputs, order=order)
    assert tied.logits == logits
    assert tied.caution == caution
    assert [logit is None for logit in tied.logits] == [bool(doubt) for doubt in tied.doubts]


def test_a_data_set_s_own_order_and_names_that_contradict_each_other() -> None:
    error = problem(["ant"], CREATURES, ["ant", "kat", "bee"], 3, order="own")
    assert (error.slug, error.path, error.hint) == ("classes-mismatch", ("data",), "did you mean 'cat' or 'ant'?")
    assert error.message == (
        "the data's classes go with the network's outputs neither by name nor by order: "
        "'bee' is class 2 of the data and output 1 of the network, and the network has no 'kat' (1 of 3 names)"
    )
    error = problem(["ant"], CREATURES, ["Bee", "bee", "cat"], 3, order="own")
    assert error.message.endswith(
        "'Bee' is class 0 of the data and output 1 of the network, and several names are alike"
    )
    assert error.hint == "say which class is which output (data.labels)"


def test_labels_that_no_output_has() -> None:
    error = problem([0], None, ["1", "2", "3"], 3, order="numbers")
    assert (error.slug, error.path) == ("classes-mismatch", ("data", "labels"))
    assert error.message == "the labels are numbers from 1 to 3, and the network's outputs count from 0 to 2"
    assert error.hint == "if the labels count from 1, say so: `labels: numbers_from_1` in data"
    error = problem([0], None, ["0", "9"], 3, order="numbers")
    assert error.hint == "do data and weights belong together? Say which label is which output (data.labels)"


@pytest.mark.parametrize(
    ("labels", "model", "data", "outputs", "logits", "caution"),
    [
        ("order", CREATURES, ["Ameise", "Biene", "Katze"], 3, (0, 1, 2), ""),
        ("order", None, ["10", "2", "30"], 3, (0, 1, 2), ""),
        ("numbers", None, ["0", "1", "10"], 20, (0, 1, 10), ""),
        ("numbers_from_1", None, ["1", "10", "2"], 10, (0, 9, 1), ""),
        ("names", CREATURES, ["ant", "1"], 3, (0, None), f"{LOST}: '1' (1 of 2)"),
        ({"Katze": "cat", "Ameise": 0}, CREATURES, ["Ameise", "Katze"], 3, (0, 2), ""),
        ({NFC: 1}, None, [NFD, "x"], 3, (1, None),
         "classes that data.labels does not name, whose pictures count as not labelled: 'x' (1 of 2)"),
        ({"n02123045": "tabby", "x": "n02124075"}, IMAGENET, ["n02123045", "x"], 1000, (281, 285), ""),
    ],
)  # fmt: skip
def test_what_the_spec_says_counts(
    labels: Labels, model: list[str] | None, data: list[str], outputs: int, logits: tuple[int, ...], caution: str
) -> None:
    data = [unicodedata.normalize("NFC", name) for name in data]
    tied = tie(model, data, outputs, labels=labels)
    assert (tied.logits, tied.caution) == (logits, caution)


@pytest.mark.parametrize(
    ("labels", "slug", "path", "message", "hint"),
    [
        ("order", "classes-mismatch", (), "the data has 2 classes, and the network 3 outputs: their order says nothing",
         "give the output of each class (data.labels as a mapping, or a file)"),
        ("numbers", "classes-mismatch", (),
         "not all classes of the data are called by a number from 0 to 2: 'hen', 'hawk'",
         "give the output of each class"),
        ("numbers_from_1", "classes-mismatch", (),
         "not all classes of the data are called by a number from 1 to 3: 'hen', 'hawk'",
         "give the output of each class"),
        ({"hens": 0}, "class-unknown", ("hens",), "the data has no class 'hens'", "did you mean 'hen'?"),
        ({"hen": 3}, "class-unknown", ("hen",), "there is no class 3: the network has 3 outputs, 0 to 2",
         "numbers of logits count from 0"),
        ({"hen": "bees"}, "class-unknown", ("hen",), "the network has no class 'bees'", "did you mean 'bee'?"),
        ({"hen": 0, "hawk": "ant"}, "classes-mismatch", ("hawk",), "'hawk' and 'hen' are both output 0",
         "an output is one class"),
    ],
)  # fmt: skip
def test_what_the_spec_says_and_cannot_be(
    labels: Labels, slug: str, path: tuple[str, ...], message: str, hint: str
) -> None:
    error = problem(["ant"], CREATURES, ["hen", "hawk"], 3, labels=labels)
    assert (error.slug, error.path) == (slug, ("data", "labels", *path))
    assert (error.message, error.hint) == (message, hint)


def test_all_that_is_wrong_with_a_mapping_is_told_at_once() -> None:
    error = problem(["ant"], CREATURES, ["hen", "hawk"], 3, labels={"hens": 0, "hawk": 9})
    assert isinstance(error, InputErrors)
    assert [e.path[2] for e in error.problems()] == ["hens", "hawk"]


def test_synset_ids() -> None:
    assert len(outputs_of_synsets()) == 1000
    assert outputs_of_synsets()["n02123045"] == IMAGENET.index("tabby") == 281
    assert are_imagenets(tuple(IMAGENET))
    assert not are_imagenets(tuple(reversed(IMAGENET)))
    assert not are_imagenets(tuple(CREATURES))
    # the two cranes have one name, and the two maillots, too
    folders = ["n02012849", "n03126707_crane", "n03710721_maillot", "n03710637_maillot", "n02121808_domestic_cat"]
    tied = tie(IMAGENET, folders, 1000)
    assert tied.logits == (134, 517, 639, 638, None)
    assert tied.caution == f"{LOST}: 'n02121808_domestic_cat' (1 of 5)"
    assert resolve(["n02123045", "N03126707_crane", "n02012849"], IMAGENET, folders, 1000) == [
        (281, "tabby", None), (517, "crane", 1), (134, IMAGENET[134], 0),
    ]  # fmt: skip
    assert problem(["n99999999"], IMAGENET, folders, 1000).message == "the network has no class 'n99999999'"


def test_synset_ids_say_nothing_of_other_networks() -> None:
    assert tie(None, ["n02123045", "n02124075"], 1000).logits == (None, None)
    assert tie(CREATURES, ["n02123045"], 3).logits == (None,)


def test_names_of_the_model_in_any_spelling() -> None:
    model, folders = ["Samoyed", "great white shark", "bee"], ["bee", "great_white_shark", "n02111889_Samoyed"]
    assert resolve(["samoyed", "Great_White Shark", 2], model, folders, 3) == [
        (0, "Samoyed", 2), (1, "great white shark", 1), (2, "bee", 0),
    ]  # fmt: skip
    assert resolve(["n02111889_samoyed"], model, folders, 3) == [(0, "Samoyed", 2)]
    assert resolve([NFD], [NFC, "x"], ["x"], 2) == [(0, NFC, None)]
    assert resolve([NFC], None, [NFC, "x"], 2) == [(0, NFC, 0)]
    assert resolve(["tabby cat"], ["dog", "tabby, tabby cat"], [], 2) == [(1, "tabby, tabby cat", None)]


def test_every_logit_is_called_what_its_class_is_called() -> None:
    def names(model: list[str] | None, data: list[str], outputs: int) -> tuple[str, ...]:
        return display_names(model, data, outputs, tie(model, data, outputs))

    assert names(["x", "y"], ["n01", "n02"], 2) == ("x", "y")
    assert names(None, ["n01", "n02"], 2) == ("n01", "n02")
    assert names(None, ["n01", "n02"], 3) == ("class 0", "class 1", "class 2")
    assert names(["x"], ["n01", "n02"], 2) == ("n01", "n02")


def test_a_label_is_told_as_its_logit_is_called_where_it_has_one() -> None:
    def names(model: list[str] | None, data: list[str], outputs: int) -> tuple[str, ...]:
        tied = tie(model, data, outputs)
        return label_names(data, display_names(model, data, outputs, tied), tied)

    assert names(["owl", "cat", "dog"], ["0", "1", "2"], 3) == ("owl", "cat", "dog")
    assert names(["owl", "cat", "dog"], ["Dog", "fox"], 3) == ("dog", "fox")
    assert names(None, ["n01", "n02"], 3) == ("n01", "n02")


def test_the_case_decides_between_names_that_are_else_equal() -> None:
    model = ["ant", "Cardigan", "bee", "cardigan"]
    assert resolve(["Cardigan", "cardigan", "ANT"], model, ["n1_x", "n02113186_Cardigan"], 4) == [
        (1, "Cardigan", 1), (3, "cardigan", None), (0, "ant", None),
    ]  # fmt: skip
    error = problem(["CARDIGAN"], model, [], 4)
    assert error.message == "the network has 2 classes named 'CARDIGAN'"


TELL = "write the output's number, name the outputs (model.class_names), or say which is which (data.labels)"


def test_classes_that_cannot_be_resolved() -> None:
    error = problem(["ant", "bea"], ["ant", "bee"], ["ant", "bee"], 2)
    assert (error.slug, error.path) == ("class-unknown", ("classes", 1))
    assert error.message == "there is no class 'bea'"
    assert error.hint == "did you mean 'bee'?"
    error = problem([9], ["ant", "bee"], ["ant", "bee"], 2)
    assert error.message == "there is no class 9: the network has 2 outputs, 0 to 1"
    error = problem(["crane"], ["crane", "bee", "crane"], [], 3)
    assert error.message == "the network has 2 classes named 'crane'"
    assert error.hint == "write the logit instead: 0 or 2"
    error = problem(["bee", 1], ["ant", "bee"], [], 2)
    assert error.message == "classes names logit 1 twice, the second time as 1"
    error = problem(["zoo"], None, ["Zoo", "zOO"], 2)
    assert error.message == "'zoo' may be more than one class of the data: 'Zoo' and 'zOO'"
    error = problem(["hen"], None, ["ant", "bee"], 2, empty=("hen",))
    assert error.message == "there is no class 'hen': the folder 'hen' holds no picture that is read"


@pytest.mark.parametrize(
    ("wanted", "model", "data", "outputs", "order", "doubt"),
    [
        ("misc", None, ["misc", "more"], 6, "folders", "the data has 2 classes, and the outputs have no names"),
        ("Katze", CREATURES, ["Biene", "Katze"], 3, "folders", "none has its name, or several have"),
        ("10", None, sorted(map(str, range(11))), 11, "folders",
         "it may be output 10 by number or 2 by the order of the names"),
        ("owl", None, ["cat", "owl"], 2, "names", "the data has 2 classes, and the outputs have no names"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_not_guessed(
    wanted: str, model: list[str] | None, data: list[str], outputs: int, order: Order, doubt: str
) -> None:
    error = problem([wanted], model, data, outputs, order=order)
    assert (error.slug, error.path) == ("classes-mismatch", ("classes", 0))
    assert error.message == (
        f"it cannot be told which of the network's {outputs} outputs is the data's class {wanted!r}: {doubt}"
    )
    assert error.hint.endswith(TELL)


def test_a_name_that_the_network_and_the_spec_give_to_different_outputs() -> None:
    error = problem(["cat"], CREATURES, ["cat"], 3, labels={"cat": 0})
    assert (error.slug, error.path) == ("classes-mismatch", ("classes", 0))
    assert error.message == "'cat' is output 2 by the network's names, and output 0 by the data's"
    assert error.hint == "write 2 or 0"


def test_all_errors_are_told_at_once() -> None:
    error = problem(["x", "ant", 7], ["ant", "bee"], ["ant", "bee"], 2)
    assert isinstance(error, InputErrors)
    assert [e.path for e in error.problems()] == [("classes", 0), ("classes", 2)]


WHERE = ("data", "label_column")


@pytest.mark.parametrize(
    ("written", "names", "order", "place", "notes"),
    [
        (["bee", "ant", " bee "], ("ant", "bee"), "names", {"bee": 1, "ant": 0, " bee ": 1}, ()),
        (["3", "0", "10"], ("0", "3", "10"), "numbers", {"3": 1, "0": 0, "10": 2}, ()),
        (["1.0", "1", "01", "1e0", "2."], ("1", "2"), "numbers", {"1.0": 0, "1": 0, "01": 0, "1e0": 0, "2.": 1}, ()),
        (["0", "-1", "-1.0", "", "NaN"], ("0",), "numbers", {"0": 0},
         ("pictures without a label: 4 (empty: 1, 'NaN': 1, '-1': 1, '-1.0': 1)",)),
        (["none", "crack", "", " "], ("crack", "none"), "names", {"none": 1, "crack": 0},
         ("pictures without a label: 2 (empty: 1, empty: 1)",)),
        (["911", "beetle"], ("911", "beetle"), "names", {"911": 0, "beetle": 1},
         ("labels that are numbers stand among names, and count as names: '911'",)),
        (["True", "False"], ("False", "True"), "names", {"True": 1, "False": 0}, ()),
        ([NFC, NFD], (NFC,), "names", {NFC: 0, NFD: 0}, ()),
        ([], (), "names", {}, ()),
    ],
)  # fmt: skip
def test_labels_as_they_are_written(
    written: list[str], names: tuple[str, ...], order: str, place: Mapping[str, int], notes: tuple[str, ...]
) -> None:
    classes = classes_of(written, WHERE)
    assert (classes.names, classes.order, dict(classes.place), classes.notes) == (names, order, place, notes)


def test_numbers_that_are_no_classes() -> None:
    with pytest.raises(InputError) as caught:
        classes_of(["1", "0.5", "2.25"], WHERE)
    assert (caught.value.slug, caught.value.path) == ("labels-unclear", WHERE)
    assert caught.value.message == "the labels are numbers, and not all are whole: '0.5', '2.25' (2 of 3)"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("l.json", '{"Katze": 2, "café": "ant", "7": 1}'),
        ("l.csv", "class,output\nKatze,2\ncafé,ant\n7,1\n"),
        ("l.csv", "\ufeffoutput, class\r\n2, Katze\r\nant, café \r\n1, 7\r\n"),
    ],
)
def test_a_file_of_labels(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_labels(tmp_path / name) == {"Katze": 2, "café": "ant", "7": 1}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("l.json", "[1]", "'l.json' is no mapping from classes to outputs"),
        ("l.json", '{"a": true}', "'l.json' is no mapping from classes to outputs"),
        ("l.json", '{"a": 1, "a": 2}', "in 'l.json' the class 'a' stands twice"),
        ("l.json", "{", "the file 'l.json' cannot be read: "),
        ("l.json", "{}", "the file 'l.json' names no class"),
        ("l.json", "[" * 90_000, "the file 'l.json' cannot be read: "),
        ("l.csv", "name,logit\na,1\n", "the file 'l.csv' has not the columns 'class' and 'output'"),
        ("l.csv", "class,output\na\n", "line 2 of 'l.csv' has not a class and an output"),
        ("l.csv", "class,output\n", "the file 'l.csv' names no class"),
        ("m.csv", "", "there is no file 'l.csv'"),
    ],
)
def test_a_file_of_labels_that_is_wrong(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_labels(tmp_path / name.replace("m", "l"))
    assert (caught.value.slug, caught.value.path) == ("labels-unclear", ("data", "labels"))
    assert caught.value.message.startswith(message)
