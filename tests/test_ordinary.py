"""Only ordinary files are opened, wherever a spec or a bundle names one: nothing is waited for for ever."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from neurflow_report import ordinary
from neurflow_report.errors import ReportError
from neurflow_report.images.sources.csv import read_rows
from neurflow_report.network.checkpoint import read_content
from neurflow_report.network.names import read_names
from neurflow_report.ordinary import check_ordinary, no_file, odd_file, open_ordinary, read_ordinary
from neurflow_report.spec.load import load_spec
from neurflow_report.terminal import describe


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path.name)


ODD: list[tuple[Callable[[Path], object], str]] = [
    (os.mkfifo, "it is a named pipe, and a file was expected"),
    (make_socket, "it is a socket, and a file was expected"),
    (lambda path: path.symlink_to("/dev/zero"), "it is a device, and a file was expected"),
    (lambda path: path.symlink_to(path.name), "a loop of links"),
    (lambda path: path.symlink_to("nowhere"), "a link that leads nowhere"),
    (lambda path: path.mkdir(), "it is a folder, and a file was expected"),
]


@pytest.fixture(params=ODD)
def odd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, str]]:
    monkeypatch.chdir(tmp_path)
    make, message = request.param
    make(tmp_path / "odd.yaml")
    return tmp_path / "odd.yaml", message  # type: ignore[return-value]


def test_what_is_no_file_is_told(odd: tuple[Path, str]) -> None:
    path, message = odd
    for use in (open_ordinary, read_ordinary, check_ordinary):
        with pytest.raises(OSError, match=r"\w") as caught:
            use(path)
        assert caught.value.strerror == message
    assert no_file(path) == f": {message}"


def test_a_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "b").symlink_to("a")
    for path in (tmp_path / "a", tmp_path / "b"):
        assert read_ordinary(path) == b"abc"
        assert check_ordinary(path) == 3
        assert no_file(path) is None


def test_nothing_there_is_as_usual(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="No such file or directory"):
        read_ordinary(tmp_path / "none")
    assert no_file(tmp_path / "none") == ""
    with pytest.raises(OSError, match="null"):
        read_ordinary(Path("a\x00b"))


def test_what_becomes_a_pipe_between_looking_and_opening_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr(ordinary, "check_ordinary", lambda path: 0)
    with pytest.raises(OSError, match="it is a named pipe"):
        open_ordinary(tmp_path / "pipe")


@pytest.mark.parametrize(
    "use",
    [
        load_spec,
        read_names,
        read_content,
        lambda path: read_rows(path, None, path_column="path", label_column="label"),
    ],
)
def test_whatever_a_spec_names_is_told_where_it_is_no_file(
    odd: tuple[Path, str], use: Callable[[Path], object]
) -> None:
    path, message = odd
    with pytest.raises(ReportError) as caught:
        use(path)
    usual = ("this is a folder", "this is no ordinary file")
    assert caught.value.message.endswith((f": {message}", *usual))
    assert describe(caught.value)


def test_odd_files_are_found_at_any_depth_shallow_ones_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to("none")
    assert odd_file(tmp_path) is None
    os.mkfifo(tmp_path / "a" / "b" / "pipe")
    assert odd_file(tmp_path) == tmp_path / "a" / "b" / "pipe"
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert odd_file(tmp_path) == tmp_path / "zero"
    (tmp_path / "zero").unlink()
    monkeypatch.setattr(ordinary, "LOOKED_AT", 2)
    assert odd_file(tmp_path) is None
