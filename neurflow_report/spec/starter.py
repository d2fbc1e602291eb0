"""The text of a spec to begin with: what was chosen, each key with a word on it, and what else there is to choose."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from neurflow_report.spec.nodes import parse

COMMENT_AT = 33
SHOWN, WIDTH = 12, 120
_PLAIN = re.compile(r"[\w/][\w./+~ -]*")
_MODEL_SAYS = {
    "source": "torchvision, timm, python or demo",
    "name": "",
    "factory": "package.module:callable; it runs only with --allow-code",
    "python_path": "where its package lies, relative to this file",
    "weights": "a name, a checkpoint relative to this file, or none",
    "outputs": "number of logits",
    "kwargs": "what it is called with",
    "state_dict_key": "where in the checkpoint the state lies",
    "strip_prefix": "what to take off the names in it",
    "ignore_keys": "what in it is not the network's",
}
_DATA_SAYS = {
    "folder": "a sub-folder per class",
    "csv": "a file that lists pictures and labels",
    "torchvision": "a data set of torchvision",
    "huggingface": "a data set that save_to_disk of Hugging Face's datasets wrote",
    "demo": "pictures that the program paints",
}


TAU = 16
"""core.tau, where the layers are wide enough."""


@dataclass(frozen=True, kw_only=True)
class Starter:
    """What a spec begins with.

    Attributes:
        file: the spec's name, for the commands it shows.
        model, data: the keys of these sections with their values.
        known: names of the data's classes.
        others: how many other layers there are.
        assumed: nobody said that `preprocess` is what the network was trained with.
        tau: core.tau.
    """

    file: str
    title: str
    model: dict[str, object]
    data: dict[str, str]
    classes: Sequence[str | int]
    known: Sequence[str]
    layers: Sequence[str]
    others: int | None
    select: str
    output: str
    preprocess: Mapping[str, object] = field(default_factory=dict)
    assumed: bool = False
    tau: int = TAU


MODEL_SOURCES = ("torchvision", "timm", "python", "demo")


def model_named(text: str) -> tuple[str, str]:
    """Source and name of a model as a command line has it: `resnet50`, `timm:convnext_atto`, `python:mynet:make`."""
    source, mark, name = text.partition(":")
    return (source, name) if mark and source in MODEL_SOURCES else ("torchvision", text)


def starter_text(starter: Starter) -> str:
    """The spec as YAML, with comments. It holds every section that is often changed; the values are the defaults where
    `starter` does not say otherwise."""
    return "\n".join(_lines(starter)) + "\n"


def _lines(s: Starter) -> Iterator[str]:
    yield "# Every key, its range and its default: docs/spec.md, or `neurflow-report schema`."
    yield "#"
    file = _quoted(s.file)[1:-1]
    leave = " --allow-code" if s.model["source"] == "python" else ""
    yield from (f"#   neurflow-report {command}{leave} {file}" for command in ("validate --deep", "plan", "build"))
    yield "version: 1"
    yield f"title: {scalar(s.title)}"
    yield "\nmodel:"
    yield from (_line(key, value, _MODEL_SAYS[key]) for key, value in s.model.items())
    if s.model["source"] != "demo":
        yield _commented("class_names: classes.txt", "names of the outputs, one a line, in their order")
    yield from _about_input(s)
    yield "\ndata:"
    yield from (
        _line(key, value, _DATA_SAYS.get(value, "") if key == "source" else "") for key, value in s.data.items()
    )
    yield _line("select", s.select, "predicted, labelled, correct or any")
    yield _line("limit", 50, "pictures a class, at most")
    yield _line("sample", "first", "or random: a draw by runtime.seed")
    yield ""
    yield from _about_classes(s.known)
    yield "classes:"
    yield from (f"  - {scalar(name)}" for name in s.classes)
    yield "\n# From input to output; the last gives the logits. Or `auto`, or a range: {from: …, to: …, most: 4}."
    others = "What the network offers" if s.others is None else f"{s.others} others that the network offers"
    yield f"# {others}: neurflow-report layers {file}"
    yield "layers:" if s.layers else "layers: auto"
    yield from (f"  - {scalar(name)}" for name in s.layers)
    yield "\nconcept:"
    yield _line("k", 50, "patches that make a neuron's concept")
    yield "\ncore:"
    yield _line("tau", s.tau, "core neurons of each target; well under half of a layer")
    yield "\nfidelity:"
    yield _line("preset", "quick", "quick, standard or paper: which experiments test the circuit")
    yield "\nreport:"
    yield "  formats: [html, pdf]           # and single: the whole site as one file"
    yield f"\noutput: {scalar(s.output)}"
    yield "\nruntime:"
    yield _line("device", "auto", "a GPU where there is one; or cpu, cuda, cuda:N, mps")
    yield _line("memory", "auto", "for activations: half of what is free; or a size such as 6GiB")
    yield _line("seed", 0, "of everything random")


def _line(key: str, value: object, says: str) -> str:
    line = f"  {key}: {_flow(value)}"
    return f"{line.ljust(COMMENT_AT - 1)} # {says}" if says else line


def _commented(text: str, says: str) -> str:
    return f"{f'  # {text}'.ljust(COMMENT_AT - 1)} # {says}"


_INPUT_SAYS = {
    "size": "side of the network's input, in pixels",
    "resize": "short side before the centre is cut out, or none",
    "mean": "of each channel, at values 0 to 1",
    "std": "the same",
    "channels": "1: grey",
}


def _about_input(s: Starter) -> Iterator[str]:
    if not s.preprocess:
        return
    yield ""
    if s.assumed:
        yield "# Assumed: put in what the network was trained with; `validate --deep` shows the accuracy with it."
    yield "preprocess:"
    yield from (_line(key, value, _INPUT_SAYS.get(key, "")) for key, value in s.preprocess.items())


def _about_classes(known: Sequence[str]) -> Iterator[str]:
    if not known:
        yield "# Numbers of logits, counted from 0, or names of the network's classes."
        return
    shown = ", ".join(_quoted(name)[1:-1] for name in known[:SHOWN])
    more = f", … ({len(known)} in all)" if len(known) > SHOWN else ""
    yield "# Names, or numbers of logits counted from 0. The data has:"
    yield textwrap.fill(
        f"{shown}{more}",
        WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _flow(value: object) -> str:
    """`value` as YAML on one line."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_flow(str(key))}: {_inner(each)}' for key, each in value.items())}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_inner, value))}]"
    return scalar(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else json.dumps(value)


def _inner(value: object) -> str:
    """The same inside another value, where a comma or a bracket would end a bare text."""
    return _quoted(value) if isinstance(value, str) else _flow(value)


def scalar(value: str | int) -> str:
    """`value` as YAML: bare where it reads back as itself, else in double quotes."""
    text = str(value)
    if isinstance(value, int) or (_PLAIN.fullmatch(text) and parse(text, "").value == value):
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    """`text` in double quotes, on one line, as JSON and YAML both read it; what cannot be seen is escaped."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else _escape(letter) for letter in written)


def _escape(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else f"\\U{ord(letter):08x}"
