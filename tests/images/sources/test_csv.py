"""Pictures that a CSV file lists."""

import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from neurflow_report.errors import InputError
from neurflow_report.images.sources import Source, open_source, read
from neurflow_report.results.records import Skipped

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


def listed(folder: Path, text: str | bytes, **options: object) -> Source:
    (folder / "p").mkdir(exist_ok=True)
    for name in ("a.png", "b.png"):
        Image.new("RGB", (4, 4)).save(folder / "p" / name)
    content = text if isinstance(text, bytes) else text.encode()
    (folder / "labels.csv").write_bytes(content)
    where = {"root": None, "file": folder / "labels.csv"} | options
    return open_source(source="csv", name=None, **where)  # type: ignore[arg-type]


def test_names_as_labels(tmp_path: Path) -> None:
    source = listed(tmp_path, "\ufefflabel,path\nwasp,p/b.png\nbee,p/a.png\n,p/c.png\n")
    assert (source.class_names, source.order) == (("bee", "wasp"), "names")
    assert [(i.name, i.label) for i in source.items] == [("p/a.png", 0), ("p/b.png", 1), ("p/c.png", None)]
    assert source.items[0].open().size == (4, 4)
    assert source.notes == (
        "of the 3 pictures that 'labels.csv' lists 1 are not there, and are skipped: 'p/c.png' (line 4)",
        "pictures without a label: 1 (empty: 1)",
    )
    assert source.name == "labels.csv"


def test_numbers_are_logits(tmp_path: Path) -> None:
    source = listed(tmp_path, "file,y\na.png,3\nb.png,0\n", root=tmp_path / "p", path_column="file", label_column="y")
    assert (source.class_names, source.order) == (("0", "3"), "numbers")
    assert [(i.name, i.label) for i in source.items] == [("b.png", 0), ("a.png", 1)]


def test_a_path_outside_is_shown_by_its_name(tmp_path: Path) -> None:
    for path in (f"{tmp_path.parent}/x.png", "../jane/x.png", f"{tmp_path}/../jane/x.png", "p/../../jane/x.png"):
        source = listed(tmp_path, f"path,label\n{path},a\np/a.png,b\n")
        assert source.items[0].name == "x.png"


def test_pictures_that_are_not_there_are_told_but_no_error(tmp_path: Path) -> None:
    gone = "".join(f"p/{i}.png,bee\n" for i in range(4))
    source = listed(tmp_path, f"path,label\np/a.png,bee\n{gone}")
    assert source.notes == (
        "of the 5 pictures that 'labels.csv' lists 4 are not there, and are skipped: "
        "'p/0.png' (line 3), 'p/1.png' (line 4), 'p/2.png' (line 5), … (4 in all)",
    )
    assert len(source.items) == 5
    assert read(source.items[0]) == Skipped(name="p/0.png", reason="cannot be read: No such file or directory")
    assert listed(tmp_path, "path,label\np/a.png,bee\n").notes == ()


def test_only_so_many_rows_are_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurflow_report.images.sources.csv.LOOKED_AT", 1)
    assert listed(tmp_path, "path,label\np/a.png,bee\ngone.png,bee\n").notes == ()
    assert listed(tmp_path, "path,label\ngone.png,bee\np/a.png,bee\n").notes == (
        "of the first 1 of the 2 pictures that 'labels.csv' lists 1 are not there, and are skipped: "
        "'gone.png' (line 2)",
    )


def test_that_no_picture_is_there_is_said_of_all_rows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"of the 2 pictures that 'labels\.csv' lists none is there: 'x' \(line 2\)"):
        listed(tmp_path, "path,label\nx,bee\ny,bee\n")


def test_a_picture_under_two_labels_is_told(tmp_path: Path) -> None:
    twice = "path,label\np/a.png,bee\np/b.png,bee\np/a.png,bee\np/a.png,wasp\n"
    source = listed(tmp_path, twice)
    assert source.notes == (
        "rows of 'labels.csv' that say again what another says, and count once: 'p/a.png' (line 4)",
        "pictures that 'labels.csv' lists under two labels: 'p/a.png' (lines 2 and 5)",
    )
    assert [item.name for item in source.items] == ["p/a.png", "p/b.png", "p/a.png"]


@pytest.mark.parametrize(
    ("text", "slug", "path", "message"),
    [
        ("path,lable\na,b\n", "data-missing", "label_column", "the file 'labels.csv' has no column 'label'"),
        ("", "data-missing", "path_column", "the file 'labels.csv' has no column 'path'"),
        ("path,label\n", "data-empty", "file", "the file 'labels.csv' lists no picture"),
        ("path,label\na\n", "data-missing", "file",
         "line 2 of 'labels.csv' has not as many values as there are columns, or no path"),
        ("path,label\na\nb,c\n,c\n" + "d\n" * 8, "data-missing", "file",
         "lines 2, 4, 5, 6, 7, 8, 9, 10, … (10 in all) of 'labels.csv' have not as many values as there are columns,"),
        ("path,label\na,b,c\n", "data-missing", "file",
         "line 2 of 'labels.csv' has not as many values as there are columns, or no path"),
        (b"path,label\n\xff,b\n", "data-missing", "file", "the file 'labels.csv' cannot be read: UnicodeDecodeError: "),
    ],
)  # fmt: skip
def test_what_is_wrong(tmp_path: Path, text: str | bytes, slug: str, path: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        listed(tmp_path, text)
    assert (caught.value.slug, caught.value.path) == (slug, ("data", path))
    assert caught.value.message.startswith(message)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file 'none\.csv'"):
        open_source(source="csv", name=None, root=None, file=tmp_path / "none.csv")


def test_what_stands_between_the_columns_is_seen_in_the_first_line(tmp_path: Path) -> None:
    rows = [["path", "label"], ["p/a.png", "bee, big"], ["p/b.png", "wasp"]]
    for mark in (";", "\t"):
        for end in ("\n", "\r\n"):
            source = listed(tmp_path, "\ufeff" + end.join(mark.join(row) for row in rows) + end)
            assert source.class_names == ("bee, big", "wasp")
            assert source.notes == ()
    assert listed(tmp_path, 'path, label\np/a.png, "bee, big"\np/b.png,bee;x\n').class_names == ("bee, big", "bee;x")
    assert listed(tmp_path, "path;x,label\np/a.png,bee\n", path_column="path;x").class_names == ("bee",)


def test_columns_that_stand_twice(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        listed(tmp_path, "path,label, label\np/a.png,bee,wasp\n")
    assert (caught.value.path, caught.value.message) == (
        ("data", "label_column"), "the file 'labels.csv' has 2 columns 'label'"
    )  # fmt: skip


def test_paths_that_are_not_quite_right_and_can_mean_one_file_alone(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / NFD).mkdir()
    Image.new("L", (2, 2)).save(tmp_path / "p" / NFD / f"{NFD}.png")
    Image.new("L", (3, 3)).save(tmp_path / "p" / " c.png")
    source = listed(
        tmp_path, f'path,label\n"p\\a.png",x\n p/b.png ,x\np/{NFC}/{NFC}.png,x\n" p\\a.png ",y\n"p/ c.png",y\n'
    )
    assert source.notes == ("pictures that 'labels.csv' lists under two labels: ' p\\\\a.png ' (lines 2 and 5)",)
    assert [item.open().size for item in source.items] == [(4, 4), (4, 4), (2, 2), (3, 3), (4, 4)]
    assert source.class_names == ("x", "y")


def test_two_files_whose_names_are_one_in_nfc_are_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    letters = ("\u1e9b\u0323", "\u017f\u0323\u0307")  # the same letter, in two ways that are neither NFC nor NFD alone
    assert len({unicodedata.normalize("NFC", name) for name in letters}) == 1
    for name in letters:
        Image.new("L", (2, 2)).save(tmp_path / "p" / f"{name}x.png")
    third = unicodedata.normalize("NFD", letters[0]) + "x.png"
    if (tmp_path / "p" / third).exists():
        third = "\u017f\u0307\u0323x.png"
    source = listed(tmp_path, f"path,label\np/{third},x\np/a.png,x\n")
    assert source.notes[0].startswith("of the 2 pictures that 'labels.csv' lists 1 are not there")


def ids(folder: Path, *names: str, **options: object) -> Source:
    (folder / "p").mkdir(exist_ok=True)
    for name in names:
        Image.new("L", (2, 2)).save(folder / "p" / name)
    (folder / "ids.csv").write_text("path,label\np/0,x\np/1.5,y\n")
    return open_source(source="csv", name=None, root=None, file=folder / "ids.csv", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["0.png", "1.5.png"], "the pictures of these names end in .png, the paths do not: set `data.extension: .png`"),
        (["0.png", "1.5.jpg"],
         "the pictures of these names end in .jpg or .png, the paths do not: set `data.extension: any`"),
        (["0.png", "0.jpg", "1.5.jpg"],
         "the pictures of these names end in .jpg or .png, the paths do not: set `data.extension: .jpg`"),
        (["0.png", "0.jpg", "1.5.gif"],
         "the pictures of these names end in .gif or .jpg or .png, the paths do not: "
         "write the endings into the list, since a name has several"),
        (["0.png"], "set data.root to the folder that the paths are relative to (default: the file's own)"),
    ],
)  # fmt: skip
def test_paths_without_their_ending(tmp_path: Path, names: list[str], hint: str) -> None:
    with pytest.raises(InputError) as caught:
        ids(tmp_path, *names)
    assert (caught.value.slug, caught.value.path) == ("data-missing", ("data", "file"))
    assert caught.value.message == (
        "of the 2 pictures that 'ids.csv' lists none is there: 'p/0' (line 2), 'p/1.5' (line 3)"
    )
    assert caught.value.hint == hint


def test_the_ending_that_the_spec_gives(tmp_path: Path) -> None:
    source = ids(tmp_path, "0.png", "1.5.png", extension=".PNG".lower())
    assert [item.name for item in source.items] == ["p/0.png", "p/1.5.png"]
    assert source.notes == ()
    Image.new("L", (2, 2)).save(tmp_path / "p" / "1.5.jpg")
    (tmp_path / "p" / "1.5.png").unlink()
    source = ids(tmp_path, extension="any")
    assert [item.name for item in source.items] == ["p/0.png", "p/1.5.jpg"]
    Image.new("L", (2, 2)).save(tmp_path / "p" / "0.gif")
    source = ids(tmp_path, extension="any")  # which of the two it means cannot be told
    assert source.notes == ("of the 2 pictures that 'ids.csv' lists 1 are not there, and are skipped: 'p/0' (line 2)",)
    (tmp_path / "whole.csv").write_text("path,label\np/1.5.jpg,x\n")
    source = open_source(source="csv", name=None, root=None, file=tmp_path / "whole.csv", extension=".jpg")
    assert [item.name for item in source.items] == ["p/1.5.jpg"]
