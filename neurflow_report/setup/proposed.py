"""What `init` proposes where nothing says it: the preprocessing of a network, and the classes to begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from neurflow_report.errors import InputError, InputErrors
from neurflow_report.images.classes import class_indices
from neurflow_report.images.sources import Source
from neurflow_report.images.ties import tie
from neurflow_report.network.fence import passes
from neurflow_report.network.load import Network
from neurflow_report.results.records import Preprocess
from neurflow_report.setup.input_notes import Looks
from neurflow_report.spec.mistakes import checked
from neurflow_report.spec.nodes import parse

FEW = 3
"""Classes that are taken where none are named."""
SMALL = 160
"""Side up to which pictures of one size are taken to have the size that a network was trained at."""
_STAND_IN = {"version": 1, "title": "-", "data": {"source": "demo"}, "classes": ["-"], "layers": "auto"}


def mapping(text: str, option: str) -> dict[str, Any]:
    """The values that a text like `size: 32, mean: [0.5, 0.5, 0.5]` or `num_classes=10` gives, braces around it or not.

    Raises: InputError command-line for anything else.
    """
    plain = text.strip()
    inner = plain if plain.startswith("{") else f"{{{plain}}}"
    if ":" not in inner:
        inner = inner.replace("=", ": ")
    try:
        tree = parse(inner, option)
        value, wrong = tree.value, bool(tree.errors)
    except InputError:
        value, wrong = None, True
    if wrong or not isinstance(value, dict) or any(each is None for each in value.values()):
        message = f"{option} is {text!r}, and keys with values were expected"
        hint = f'write them as in {option} "num_classes: 10" or {option} "size: 32, mean: [0.5, 0.5, 0.5]"'
        raise InputError("command-line", message, hint=hint)
    return value


def preprocess_values(text: str) -> dict[str, Any]:
    """The section `preprocess` of a text as `mapping` reads it.

    Raises: what a spec with it would.
    """
    value = mapping(text, "--preprocess")
    spec, found = checked(_STAND_IN | {"model": {"source": "demo", "name": "-"}, "preprocess": value})
    if spec is None:
        raise InputErrors([InputError(f.slug, f.message, hint=f.hint, path=f.path) for f in found])
    return value


def proposal(network: Network | None, seen: Looks) -> Preprocess:
    """The preprocessing to begin with: the architecture's own, for pictures that are small and of one size that size,
    and as many channels as the network takes, or the pictures have."""
    own = network.preprocess if network is not None else Preprocess(resize=256, size=224)
    sizes = set(seen.sizes)
    side = next(iter(sizes))[0] if len(sizes) == 1 else 0
    if side and sizes == {(side, side)} and side <= SMALL and (network is None or network.source == "python"):
        own = own.model_copy(update={"size": side, "resize": side})
    channels = (channels_of(network) if network is not None else None) or (1 if seen.grey else own.channels)
    if channels == 1 and own.channels == 3:
        own = own.model_copy(update={"channels": 1, "mean": (0.5,), "std": (0.5,)})
    return own


def channels_of(network: Network) -> int | None:
    """How many channels the network's first weights of a convolution take; None where that is neither one nor three."""
    kernels = [value for value in network.module.state_dict().values() if isinstance(value, Tensor) and value.ndim == 4]
    taken = int(kernels[0].shape[1]) if kernels else 0
    return taken if taken in (1, 3) else None


def spelt(p: Preprocess) -> dict[str, Any]:
    """A preprocessing as the spec writes it."""
    values = {"size": p.size, "resize": "none" if p.resize is None else p.resize}
    colours = {"mean": [round(v, 6) for v in p.mean], "std": [round(v, 6) for v in p.std]}
    return values | colours | ({"channels": 1} if p.channels == 1 else {})


def outputs_of(network: Network, example: Tensor) -> int | None:
    """How many logits a network gives; None where it fails, which building it tells."""
    try:
        with torch.no_grad():
            logits = network.module(example)
    except BaseException as error:  # whatever a network raises, or how it ends the process
        if passes(error):
            raise
        return None
    return int(logits.shape[1]) if isinstance(logits, Tensor) and logits.ndim == 2 else None


def present(source: Source) -> tuple[str, ...]:
    """The names of the data's classes that have a picture."""
    there = {item.label for item in source.items}
    return tuple(name for label, name in enumerate(source.class_names) if label in there)


def first_classes(source: Source, names: Sequence[str] | None, outputs: int | None) -> str:
    """The first classes that have pictures and, as far as that is known, an output; the first output where there are
    none. They can be written with commas between them."""
    known = [name for name in present(source) if "," not in name]
    if outputs is not None:
        try:
            logits = tie(names, source.class_names, outputs, order=source.order).logits
            tied = dict(zip(source.class_names, logits, strict=True))
        except InputError:
            tied = {}
        known = [name for name in known if tied.get(name) is not None] or known
    return ",".join(known[:FEW]) or "0"


def check_classes(
    classes: Sequence[str | int], source: Source, names: Sequence[str] | None, outputs: int | None
) -> str:
    """What should be known of the classes, "" for nothing.

    Raises: InputError class-unknown for those that neither the data nor the network has.
    """
    if outputs is None:
        return ""
    try:
        tied = tie(names, source.class_names, outputs, order=source.order)
        class_indices(
            classes,
            model_names=names,
            class_names=source.class_names,
            outputs=outputs,
            tied=tied,
            empty=source.empty,
        )
    except InputError as error:
        unknown = [problem for problem in error.problems() if problem.slug == "class-unknown"]
        if unknown:
            raise InputErrors(unknown) from error
        return f"{error.message}: {error.hint}"
    return ""
