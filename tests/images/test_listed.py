"""Pictures that a CSV file lists."""

from pathlib import Path

import pytest
from PIL import Image

from neurflow_report.errors import InputError
from neurflow_report.images.sources import Source, open_source, read
from neurflow_report.results.records import Skipped


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
    assert source.class_names == ("bee", "wasp")
    assert [(i.name, i.label) for i in source.items] == [("p/a.png", 0), ("p/b.png", 1), ("p/c.png", None)]
    assert source.items[0].open().size == (4, 4)
    assert source.name == "labels.csv"


def test_numbers_are_logits(tmp_path: Path) -> None:
    source = listed(tmp_path, "file,y\na.png,3\nb.png,0\n", root=tmp_path / "p", path_column="file", label_column="y")
    assert source.class_names == ("0", "1", "2", "3")
    assert [(i.name, i.label) for i in source.items] == [("b.png", 0), ("a.png", 3)]


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
    monkeypatch.setattr("neurflow_report.images.listed.LOOKED_AT", 1)
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
    assert listed(tmp_path, twice).notes == (
        "pictures that 'labels.csv' lists under two labels: 'p/a.png' (lines 2 and 5)",
    )


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
