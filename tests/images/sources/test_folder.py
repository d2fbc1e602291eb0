"""What lies in a data folder: classes and their pictures; what is none is left out, counted and told."""

import os
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from neurflow_report.errors import InputError
from neurflow_report.images.pattern import Pattern
from neurflow_report.images.sources import Source, open_source
from neurflow_report.results.records import LeftOut

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
HIDDEN = "hidden files and folders, and those that a system makes for itself"


def save(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not read here")


def folder(root: Path, **options: object) -> Source:
    return open_source(source="folder", name=None, root=root, **options)  # type: ignore[arg-type]


def problem(root: Path, **options: object) -> InputError:
    with pytest.raises(InputError) as caught:
        folder(root, **options)
    return caught.value


def pictures(source: Source) -> list[tuple[str, int | None]]:
    return [(item.name, item.label) for item in source.items]


def test_what_is_no_class_shifts_none(tmp_path: Path) -> None:
    save(tmp_path, "cat/0.png", "dog/0.png", "__MACOSX/cat/._0.png", ".ipynb_checkpoints/x.png", "@eaDir/x.png")
    save(tmp_path, "$RECYCLE.BIN/x.png", "lost+found/x.png", "cat/__MACOSX/1.png", "cat/._0.png", "cat/Thumbs.db")
    save(tmp_path, ".DS_Store", "Desktop.ini")
    (tmp_path / "bird" / "inner").mkdir(parents=True)
    source = folder(tmp_path)
    assert source.class_names == ("cat", "dog")
    assert pictures(source) == [("cat/0.png", 0), ("dog/0.png", 1)]
    assert source.empty == ("bird",)
    assert source.left_out == (
        LeftOut(reason=HIDDEN, count=10, names=(".DS_Store", "Desktop.ini", "$RECYCLE.BIN")),
        LeftOut(reason="folders without a picture, which are no classes", count=1, names=("bird",)),
    )
    assert source.told == (
        f"left out: {HIDDEN}: '.DS_Store', 'Desktop.ini', '$RECYCLE.BIN', … (10 in all)",
        "left out: folders without a picture, which are no classes: 'bird'",
    )


def test_every_kind_of_file_is_read_or_counted(tmp_path: Path) -> None:
    endings = "jpg JPEG jpe jfif png webp bmp gif tif tiff ppm pgm pbm pnm".split()  # noqa: SIM905
    save(tmp_path, *(f"cat/{i:02}.{ending}" for i, ending in enumerate(endings)))
    save(
        tmp_path,
        "cat/a.heic",
        "cat/b.heic",
        "cat/c.HEIC",
        "cat/in/d.heic",
        "cat/e.txt",
        "cat/noend",
        "f.png",
        "README.md",
    )
    source = folder(tmp_path)
    assert len(source.items) == len(endings)
    assert source.told == (
        "left out: files that end in .md: 'README.md'",
        "left out: pictures beside the class folders, in none of them: 'f.png'",
        "left out: files that end in .heic: 'cat/a.heic', 'cat/b.heic', 'cat/c.HEIC', … (4 in all)",
        "left out: files that end in .txt: 'cat/e.txt'",
        "left out: files without an ending: 'cat/noend'",
    )


def test_linked_folders_are_read_and_circles_survived(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "other"
    save(root, "cat/0.png", "dog/0.png")
    save(other, "deep/1.png", "2.png")
    (root / "cat" / "more").symlink_to(other)
    (other / "back").symlink_to(other)
    (other / "up").symlink_to(root / "cat")
    (other / "top").symlink_to(tmp_path)
    (other / "self").symlink_to("self")
    (root / "owl").symlink_to(other)
    (root / "round").symlink_to(root)
    source = folder(root)
    assert source.class_names == ("cat", "dog", "owl")
    assert [name for name, _ in pictures(source)] == [
        "cat/0.png", "cat/more/2.png", "cat/more/deep/1.png", "dog/0.png",
        "owl/2.png", "owl/deep/1.png", "owl/up/0.png",
    ]  # fmt: skip
    again = next(left for left in source.left_out if left.reason.startswith("links"))
    assert (again.reason, again.count) == ("links to folders that are read already, or that lead back", 7)


def test_links_that_multiply_are_read_once(tmp_path: Path) -> None:
    for i in range(40):
        (tmp_path / "far" / str(i)).mkdir(parents=True)
        for link in "ab":
            (tmp_path / "far" / str(i) / link).symlink_to(tmp_path / "far" / str(i + 1))
    save(tmp_path, "far/39/x.png", "root/cat/0.png")
    (tmp_path / "root" / "cat" / "l").symlink_to(tmp_path / "far" / "0")
    assert len(folder(tmp_path / "root").items) == 2


def test_a_folder_that_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, "cat/0.png", "cat/shut/1.png", "dog/0.png")
    listed = os.scandir

    def refused(place: Path) -> object:
        if Path(place).name == "shut":
            raise PermissionError(13, "Permission denied")
        return listed(place)

    monkeypatch.setattr("os.scandir", refused)
    source = folder(tmp_path)
    assert len(source.items) == 2
    assert source.told == ("left out: folders that cannot be read: Permission denied: 'cat/shut'",)


@pytest.mark.parametrize(
    ("files", "named", "where"),
    [
        (["train/cat/0.png", "train/dog/0.png", "val/cat/0.png", "test/cat/0.png"], "'test', 'train', 'val'",
         "set/val, which has the folders 'cat'"),
        (["Train/cat/0.png", "TEST/cat/0.png", "TEST/dog/0.png"], "'TEST', 'Train'",
         "set/TEST, which has the folders 'cat', 'dog'"),
        (["train/0.png", "val/0.png"], "'train', 'val'", "set/val"),
        (["train/cat/0.png", "__MACOSX/train/cat/._0.png", "notes/x.txt"], "'train'",
         "set/train, which has the folders 'cat'"),
        (["train/cat/0.png", "valid/cat/0.png", "samples/0.png"], "'train', 'valid'",
         "set/valid, which has the folders 'cat'"),
    ],
)  # fmt: skip
def test_splits_are_no_classes(tmp_path: Path, files: list[str], named: str, where: str) -> None:
    save(tmp_path / "set", *files)
    error = problem(tmp_path / "set")
    assert (error.slug, error.path) == ("data-layout", ("data", "root"))
    assert error.message == f"the data folder 'set' holds splits of a data set, {named}, and no class folders"
    assert error.hint == f"point data.root at one of them, such as {where}"


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    save(tmp_path, "train/0.png", "bus/0.png", "test/0.png")
    assert folder(tmp_path).class_names == ("bus", "test", "train")
    save(tmp_path / "one", "train/0.png")
    assert folder(tmp_path / "one").class_names == ("train",)


def test_two_levels_of_which_either_may_be_the_classes_are_told(tmp_path: Path) -> None:
    save(tmp_path, "fold1/cat/0.png", "fold1/dog/0.png", "fold2/cat/0.png", "fold2/dog/0.png")
    assert folder(tmp_path).told == (
        "the class folders are 'fold1', 'fold2', and each has the folders 'cat', 'dog': if those are the classes, "
        "point root at one of them, or say label_pattern: '*/{label}/*'",
    )
    source = folder(tmp_path, label_pattern="*/{label}/*")
    assert source.class_names == ("cat", "dog")
    assert source.told == ()


def test_names_are_in_nfc_and_two_that_are_one_are_told(tmp_path: Path) -> None:
    save(tmp_path, f"{NFD}/0.png", "the/0.png")
    source = folder(tmp_path)
    assert source.class_names == (NFC, "the")
    assert source.items[0].name == f"{NFD}/0.png"
    save(tmp_path, f"{NFC}/0.png")
    error = problem(tmp_path)
    assert (error.slug, error.path) == ("classes-mismatch", ("data", "root"))
    assert error.message == (
        f"two class folders are called {NFC!r}: their names are the same letters, written with different characters of "
        "Unicode"
    )
    assert error.hint == "put the pictures of both into one"


def test_names_on_several_lines_stay_on_one_in_what_is_told(tmp_path: Path) -> None:
    save(tmp_path, "a\nb/0.png", "a\nb/x\ny.txt")
    source = folder(tmp_path)
    assert source.class_names == ("a\nb",)
    assert source.told == ("left out: files that end in .txt: 'a\\nb/x\\ny.txt'",)


def test_a_folder_of_nothing_that_is_read(tmp_path: Path) -> None:
    save(tmp_path / "set", "cat/0.heic", "cat/1.heic", "dog/._0.png")
    error = problem(tmp_path / "set")
    assert (error.slug, error.path) == ("data-empty", ("data", "root"))
    assert error.message == (
        f"the data folder 'set' holds no sub-folder with pictures (left out: files that end in .heic: 2; {HIDDEN}: 1)"
    )
    assert error.hint == "expected a sub-folder per class; docs/guide.md says how the files in it may end"


OR_LIST = "put those of each class into a sub-folder, or list them in a CSV file (source: csv)"
OR_SAY = f"{OR_LIST}; or, if the labels stand in the names, say where: "


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["cat.0.jpg", "dog.0.jpg"], OR_SAY + "`label_pattern: '{label}.#.*'` would give 'cat.0.jpg' the label 'cat'"),
        (["american_bulldog_203.jpg"],
         OR_SAY + "`label_pattern: '{label}_#.*'` would give 'american_bulldog_203.jpg' the label 'american_bulldog'"),
        (["cat001.png"], OR_SAY + "`label_pattern: '{label}#.*'` would give 'cat001.png' the label 'cat'"),
        (["cat_12_b.png"], OR_SAY + "`label_pattern: '{label}_#*'` would give 'cat_12_b.png' the label 'cat'"),
        (["0001.jpg"], OR_LIST),
        (["picture.jpg"], OR_LIST),
    ],
)  # fmt: skip
def test_pictures_beside_each_other(tmp_path: Path, names: list[str], hint: str) -> None:
    save(tmp_path / "flat", *names)
    error = problem(tmp_path / "flat")
    assert (error.slug, error.path) == ("data-layout", ("data", "root"))
    several = "s" if len(names) > 1 else ""
    assert error.message == (
        f"the data folder 'flat' holds no sub-folder with pictures, only {len(names)} picture{several} "
        "beside each other"
    )
    assert error.hint == hint


@pytest.mark.parametrize(
    ("template", "name", "labels"),
    [
        ("{label}.#.jpg", "cat.0.jpg", ("cat",)),
        ("{label}.#.jpg", "cat.0.png", ()),
        ("{label}.#.jpg", "cat.x0.jpg", ()),
        ("{label}_#.*", "american_bulldog_203.jpg", ("american_bulldog",)),
        ("{label}_*", "american_bulldog_203.jpg", ("american", "american_bulldog")),
        ("{label}#.*", "cat001.png", ("cat",)),
        ("{label}#.*", "cat.001.png", ("cat.",)),
        ("#_{label}.png", "007_n02123045.png", ("n02123045",)),
        ("#{label}.png", "12cat.png", ("cat",)),
        ("{label}.png", "a/b/cat.png", ("cat",)),
        ("{label}/*", "cat/1.png", ("cat",)),
        ("{label}/*", "cat/x/1.png", ()),
        ("*/{label}/*", "fold1/cat/1.png", ("cat",)),
        ("train_{label}/images/*", "train_cat/images/1.png", ("cat",)),
        ("{label}_#.png", f"{NFD}_1.png", (NFC,)),
        ("{label}_#.png", " _1.png", ()),
        ("(.*){label}+$", "(.and so on)x+$", ("x",)),
        ("(.*){label}+$", "x", ()),
        ("({label}).png", "(cat).png", ("cat",)),
    ],
)  # fmt: skip
def test_where_the_label_stands(template: str, name: str, labels: tuple[str, ...]) -> None:
    assert Pattern.of(template).labels(name) == labels


def test_a_template_with_many_marks_and_a_long_name_end_soon() -> None:
    assert Pattern.of("*a*a*a*a*a*a*a*a*a*a*a*a*a_{label}!").labels("a" * 1000) == ()


def test_pictures_labelled_by_their_names(tmp_path: Path) -> None:
    save(tmp_path, "dog_1.png", "sub/cat_2.png", "cat_1.png", "other.png", "notes.txt")
    source = folder(tmp_path, label_pattern="{label}_#.*")
    assert (source.class_names, source.order) == (("cat", "dog"), "names")
    assert pictures(source) == [("cat_1.png", 0), ("sub/cat_2.png", 0), ("dog_1.png", 1), ("other.png", None)]
    assert source.told == (
        "left out: files that end in .txt: 'notes.txt'",
        "pictures whose names do not fit label_pattern '{label}_#.*', and which count as not labelled: 'other.png'",
    )
    save(tmp_path / "digits", "7_01.png", "10_02.png")
    source = folder(tmp_path / "digits", label_pattern="{label}_#.*")
    assert (source.class_names, source.order) == (("7", "10"), "numbers")


def test_a_template_that_fits_in_several_ways_or_not_at_all(tmp_path: Path) -> None:
    save(tmp_path, "american_bulldog_203.jpg")
    error = problem(tmp_path, label_pattern="{label}_*")
    assert (error.slug, error.path) == ("spec-bad-value", ("data", "label_pattern"))
    assert error.message == (
        "'{label}_*' fits 'american_bulldog_203.jpg' in several ways: the label may be 'american' or 'american_bulldog'"
    )
    error = problem(tmp_path, label_pattern="{label}.#.*")
    assert error.message == ("'{label}.#.*' fits the name of no picture there, such as 'american_bulldog_203.jpg'")
    assert (
        error.hint
        == "it is compared with the whole name, the ending included; with a `/` in it, with the path below root"
    )


def test_pictures_of_the_new_kinds_are_read(tmp_path: Path) -> None:
    for name, kind in {"a.jfif": "JPEG", "b.pgm": "PPM", "c.jpe": "JPEG", "d.pbm": "PPM"}.items():
        (tmp_path / "cat").mkdir(exist_ok=True)
        Image.new("1" if name == "d.pbm" else "L", (3, 2)).save(tmp_path / "cat" / name, kind)
    assert [item.open().size for item in folder(tmp_path).items] == [(3, 2)] * 4
