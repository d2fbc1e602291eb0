"""A model that is asked, behind an OpenAI-compatible chat endpoint on this machine, as a source of labels.

It gives texts and no values of patches: it says what a mosaic shows, which of two patches shows a text better, and
whether a picture shows it (METHOD §8). Only loopback addresses are asked, without proxies and redirects, so that no
picture leaves the machine.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from io import BytesIO
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

from neurflow_report import errors
from neurflow_report.errors import InputError
from neurflow_report.labels.vocabulary import read_vocabulary, refused
from neurflow_report.results.records import LabelSource

PATH: errors.Path = ("labels", "url")
TOKENS, LARGEST, SHORT, MOST = 300, 2**20, 60, 200
"""At most: tokens of a reply, bytes of an answer, characters of a label, texts of a vocabulary."""
TILE, TILES, GAP = 128, 16, 16
"""Pixels a side of a mosaic's tile, how many tiles at most, and pixels between the two patches of a choice."""
HINT = "give the address that a model server on this machine listens on, such as http://127.0.0.1:11434/v1"
SORT = "is it OpenAI-compatible, and does the model take pictures?"
UNREADABLE = 0.5
"""An answer that is neither of the two."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Who is asked.

    Attributes:
        record: what the bundle says of it.
        address, port, host, place: where it listens: the address that is connected to, and what the URL says.
        timeout: seconds for an answer.
        questions: forced choices for a group, at most.
        known: what was answered already, by question and picture.
    """

    record: LabelSource
    address: str
    port: int
    host: str
    place: str
    timeout: float
    questions: int
    known: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The texts to choose from; none where it answers in its own words."""
        return self.record.vocabulary

    def ask(self, question: str, picture: Image.Image) -> tuple[str, str]:
        """The reply, as it came, and the sha256 of the PNG file that was sent.

        Raises: InputError labels-unusable where the server is down, or answers with something else than a text.
        """
        file = BytesIO()
        picture.save(file, "PNG")
        digest = hashlib.sha256(file.getvalue()).hexdigest()
        if (question, digest) not in self.known:
            self.known[question, digest] = self._answer(question, file.getvalue())
        return self.known[question, digest], digest

    def _answer(self, question: str, png: bytes) -> str:
        url = "data:image/png;base64," + base64.b64encode(png).decode()
        content = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": url}}]
        body = {
            "model": self.record.name, "temperature": 0, "max_tokens": TOKENS, "stream": False,
            "messages": [{"role": "user", "content": content}],
        }  # fmt: skip
        data = self._post(json.dumps(body).encode())
        try:
            answer = json.loads(data)
        except ValueError as error:
            raise self._refused(f"answers with no JSON: {data[:60].decode(errors='replace')!r}") from error
        try:
            text = answer["choices"][0]["message"]["content"]
        except (LookupError, TypeError) as error:
            raise self._refused("answers without choices[0].message.content, which is where the text is") from error
        if not isinstance(text, str) or not text.strip():
            raise self._refused("answers with a reply that has no text")
        return text

    def _post(self, body: bytes) -> bytes:
        # No proxy is looked up and no redirect followed: http.client does neither.
        connection = HTTPConnection(self.address, self.port, timeout=self.timeout)
        try:
            headers = {"Content-Type": "application/json", "Host": self.host}
            connection.request("POST", f"{self.place}/chat/completions", body, headers)
            response = connection.getresponse()
            data = response.read(LARGEST + 1)
        except TimeoutError as error:
            raise self._refused(f"has not answered within {self.timeout:g} s (`labels.timeout`)") from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise self._refused(f"cannot be reached: {reason}", "start the model server, or mend the URL") from error
        finally:
            connection.close()
        if 300 <= response.status < 400:
            raise self._refused(f"redirects (status {response.status}), and redirects are not followed")
        if response.status != 200:
            said = " ".join(data[:120].decode(errors="replace").split())
            hint = "does the server have this model, and does it take pictures?"
            raise self._refused(f"answers with status {response.status}: {said!r}", hint)
        if len(data) > LARGEST:
            raise self._refused(f"answers with more than {LARGEST // 2**20} MiB")
        return data

    def _refused(self, message: str, hint: str = SORT) -> InputError:
        return refused(f"the endpoint at {self.host} {message}", hint, path=PATH)


def open_endpoint(url: str, model: str, vocabulary: Path | None, *, timeout: float, questions: int) -> Endpoint:
    """The endpoint, after it has answered one question about a grey picture.

    Raises: InputError labels-unusable.
    """
    host, port, place = _parts(url)
    texts, digests = tuple[str, ...](), tuple[tuple[str, str], ...]()
    if vocabulary is not None:
        texts, digest = read_vocabulary(vocabulary)
        digests = ((vocabulary.name, digest),)
        if len(texts) > MOST:
            message = f"found {len(texts)} texts, and an endpoint is given {MOST} at most"
            raise refused(message, "leave out what is rare", path=("labels", "vocabulary"))
    record = LabelSource(source="endpoint", name=model, vocabulary=texts, digests=digests)
    told = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    found = Endpoint(
        record=record, address=_loopback(host), port=port, host=told, place=place, timeout=timeout, questions=questions
    )
    found.ask(of_picture("a grey square"), Image.new("RGB", (TILE, TILE), (128, 128, 128)))
    return found


def _parts(url: str) -> tuple[str, int, str]:
    """Host, port and path."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise refused(f"found {url!r}, which is no URL: {error}", HINT, path=PATH) from error
    if parts.scheme != "http" or not host or parts.username is not None or parts.query or parts.fragment:
        message = f"found {url!r}, expected http://, a host, a port and a path"
        raise refused(message, HINT, path=PATH)
    return host, port or 80, parts.path.rstrip("/")


def _loopback(host: str) -> str:
    """The address to connect to. Names other than localhost are not looked up."""
    found = [host]
    if host.lower() == "localhost":
        try:
            found = [str(one[4][0]) for one in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
        except OSError as error:
            raise refused("'localhost' cannot be resolved", "write 127.0.0.1", path=PATH) from error
        found.sort(key=lambda one: ":" in one)
    try:
        addresses: Sequence[IPv4Address | IPv6Address] = [ip_address(one) for one in found]
    except ValueError:
        addresses = []
    if not addresses or not all(one.is_loopback for one in addresses):
        message = f"found the host {host!r}, expected this machine: 127.0.0.0/8, ::1, or localhost resolved to these"
        raise refused(message, HINT, path=PATH)
    return found[0]


def of_mosaic(vocabulary: Sequence[str]) -> str:
    """The question for a label."""
    what = "Each tile of this mosaic is a part of a picture. What do most of the tiles show?"
    if vocabulary:
        return f"{what} Answer with one of these texts, and nothing else:\n" + "\n".join(vocabulary)
    return f"{what} Answer with a noun phrase of at most four words, and nothing else."


def of_choice(text: str) -> str:
    """The question which of two patches shows a text better."""
    return f"Two parts of a picture: A on the left, B on the right. Which shows “{text}” better? Answer A or B."


def of_picture(text: str) -> str:
    """The question whether a picture shows a text."""
    return f"Does this picture show “{text}”? Answer yes or no."


def label_of(reply: str, vocabulary: Sequence[str]) -> tuple[str, str]:
    """The label that a reply gives, or "", and why."""
    line = next((one for one in reply.splitlines() if one.strip()), "")
    text = unicodedata.normalize("NFC", " ".join(line.split())).strip("\"'`*“”‘’„. ")
    if vocabulary:
        known = {one.casefold(): one for one in vocabulary}
        found = known.get(text.casefold(), "")
        return found, "" if found else "the model's answer is none of the vocabulary's texts"
    if not text or len(text) > SHORT or any(unicodedata.category(c).startswith("C") for c in text):
        return "", "the model's answer is no short text"
    return text, ""


def chosen(reply: str) -> str:
    """ "A", "B", or "" where it is not to be read."""
    return _one(reply, r"A", r"B")


def shown(reply: str) -> float:
    """1 for yes, 0 for no, else `UNREADABLE`."""
    return {"YES": 1.0, "NO": 0.0}.get(_one(reply.upper(), "YES", "NO"), UNREADABLE)


def _one(reply: str, *words: str) -> str:
    """The only one of some words that stands in a reply; a reply that is nothing else may be in small letters."""
    bare = re.sub(r"\W+", "", reply).upper()
    found = {word for word in words if re.search(rf"\b{word}\b", reply)}
    return bare if bare in words else found.pop() if len(found) == 1 else ""


def mosaic(tiles: Sequence[Image.Image]) -> Image.Image:
    """Up to 16 tiles in rows of four, on white."""
    tiles = tiles[:TILES]
    across = min(4, len(tiles))
    found = Image.new("RGB", (across * TILE, -(-len(tiles) // across) * TILE), (255, 255, 255))
    for place, tile in enumerate(tiles):
        found.paste(tile.resize((TILE, TILE)), (place % across * TILE, place // across * TILE))
    return found


def side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two patches, with white between."""
    found = Image.new("RGB", (4 * TILE + GAP, 2 * TILE), (255, 255, 255))
    found.paste(left.resize((2 * TILE, 2 * TILE)), (0, 0))
    found.paste(right.resize((2 * TILE, 2 * TILE)), (2 * TILE + GAP, 0))
    return found
