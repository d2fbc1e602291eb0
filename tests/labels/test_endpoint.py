"""A model that is asked, behind a server on loopback made up here."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from PIL import Image

from neurflow_report.errors import InputError
from neurflow_report.labels.endpoint import (
    Endpoint,
    chosen,
    label_of,
    mosaic,
    of_mosaic,
    open_endpoint,
    shown,
    side_by_side,
)

GREY = Image.new("RGB", (4, 4), (9, 9, 9))


@contextmanager
def server(answer: Callable[[dict[str, Any]], tuple[int, bytes]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that answers with a status and a body. Yields its URL, and what it was asked."""
    asked = list[dict[str, Any]]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append({"path": self.path, "host": self.headers["Host"], **body})
            status, data = answer(body)
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "http://127.0.0.1:9/v1/chat/completions")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{made.server_port}/v1", asked
        finally:
            made.shutdown()
            thread.join()


def said(text: Any) -> bytes:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}).encode()


def parts(body: dict[str, Any]) -> tuple[str, Image.Image]:
    """The question and the picture of a request."""
    text, picture = body["messages"][0]["content"]
    data = picture["image_url"]["url"].removeprefix("data:image/png;base64,")
    return text["text"], Image.open(BytesIO(base64.b64decode(data)))


def opened(url: str, vocabulary: Path | None = None, timeout: float = 20) -> Endpoint:
    return open_endpoint(url, "vision", vocabulary, timeout=timeout, questions=5)


def test_it_is_asked_with_a_picture_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with server(lambda _: (200, said(" a wing \n"))) as (url, asked):
        found = opened(url)
        first, second = found.ask("What?", GREY), found.ask("What?", GREY)
    assert first == second
    assert first[0] == " a wing \n"
    assert len(first[1]) == 64
    assert len(asked) == 2  # the first when it was opened
    last = asked[-1]
    assert (last["path"], last["model"], last["temperature"]) == ("/v1/chat/completions", "vision", 0)
    assert url.startswith(f"http://{last['host']}/")
    assert parts(last)[0] == "What?"
    assert parts(last)[1].size == (4, 4)


def test_localhost_is_this_machine() -> None:
    with server(lambda _: (200, said("no"))) as (url, asked):
        opened(url.replace("127.0.0.1", "localhost"))
    assert asked[0]["host"].startswith("localhost:")


@pytest.mark.parametrize(
    "url",
    [
        *("http://192.168.0.7:1/v1", "http://0.0.0.0:1/v1", "http://example.org/v1", "http://[2001:db8::1]:1/v1"),
        *("http://127.0.0.1.example.org/v1", "http://localhost@10.0.0.1/v1"),
    ],
)
def test_nobody_else_is_asked(url: str) -> None:
    with pytest.raises(InputError) as error:
        opened(url)
    assert (error.value.slug, error.value.path) == ("labels-unusable", ("labels", "url"))


def test_localhost_that_is_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.1", 0))])
    with pytest.raises(InputError, match="expected this machine"):
        opened("http://localhost:1/v1")


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/v1", "127.0.0.1:80", "http://127.0.0.1:x/v1", "http://127.0.0.1/?a=1"]
)
def test_what_is_no_such_url_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="found '"):
        opened(url)


@pytest.mark.parametrize(
    ("status", "body", "due"),
    [
        (200, b"<html>", "answers with no JSON: '<html>'"),
        (200, b'{"error": "x"}', "answers without choices[0].message.content"),
        (200, b"[]", "answers without choices[0].message.content"),
        (200, said(""), "answers with a reply that has no text"),
        (200, said(None), "answers with a reply that has no text"),
        (200, said([{"type": "text"}]), "answers with a reply that has no text"),
        (200, b" " * (2**20 + 1), "answers with more than 1 MiB"),
        (404, b"no model\n'vision'", "answers with status 404: \"no model 'vision'\""),
        (302, b"", "redirects (status 302), and redirects are not followed"),
    ],
)
def test_what_is_no_answer_is_told(status: int, body: bytes, due: str) -> None:
    with server(lambda _: (status, body)) as (url, asked), pytest.raises(InputError) as error:
        opened(url)
    assert due in error.value.message
    assert error.value.path == ("labels", "url")
    assert len(asked) == 1


def test_a_server_that_is_down_is_told() -> None:
    with server(lambda _: (200, b"")) as (url, _asked):
        pass
    with pytest.raises(InputError, match="cannot be reached: Connection refused"):
        opened(url)


def test_labels_are_read_from_replies() -> None:
    assert label_of("\n“Red  petals.”\nbecause", ()) == ("Red petals", "")
    assert label_of("x" * 61, ()) == ("", "the model's answer is no short text")
    assert label_of(" STEM.", ("stem", "leaf")) == ("stem", "")
    assert label_of("pot", ("stem", "leaf")) == ("", "the model's answer is none of the vocabulary's texts")
    assert of_mosaic(("stem", "leaf")).endswith(":\nstem\nleaf")


@pytest.mark.parametrize(
    ("reply", "due"), [("A", "A"), (" b.", "B"), ("Answer: B", "B"), ("**A**", "A"), ("A or B", ""), ("neither", "")]
)
def test_choices_are_read_from_replies(reply: str, due: str) -> None:
    assert chosen(reply) == due


@pytest.mark.parametrize(
    ("reply", "due"), [("Yes.", 1), ("no", 0), ("Yes and no", 0.5), ("perhaps", 0.5), ("None", 0.5)]
)
def test_whether_a_picture_shows_it_is_read_from_replies(reply: str, due: float) -> None:
    assert shown(reply) == due


def test_mosaics_are_put_together() -> None:
    assert mosaic([GREY] * 6).size == (512, 256)
    assert mosaic([GREY] * 40).size == (512, 512)
    assert mosaic([GREY]).getpixel((5, 5)) == (9, 9, 9)
    both = side_by_side(GREY, Image.new("RGB", (4, 4), (200, 0, 0)))
    assert both.getpixel((0, 0)) == (9, 9, 9)
    assert both.getpixel((both.width - 1, 0)) == (200, 0, 0)
