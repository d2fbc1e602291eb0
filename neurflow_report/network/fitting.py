"""Put a checkpoint into a network: all of it, and nothing else. What is sure is done, and told; what is not is refused
with the lines of the spec that say it, which were tried."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from neurflow_report.errors import InputError, did_you_mean
from neurflow_report.network.casts import casts, real_where
from neurflow_report.network.checkpoint import State, listed, read_states, unreadable
from neurflow_report.network.misfit import cause, parts_of_a_larger_one
from neurflow_report.network.readings import WRAPPERS, Reading, patterns_of, readings, without

_DEFAULT_PLACES = {"", "state_dict", "model"}
_AVERAGE = ("ema", "averag", "swa", "teacher")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint as the spec names it.

    Attributes:
        key: where in the file the state lies.
        strip: what to take off its names.
        ignore: names or patterns of what to leave out.
        number: the key of `model` that sets how many outputs the network has.
        unused: beginnings of the network's names that are of no use.
    """

    file: Path
    key: str | None = None
    strip: str | None = None
    ignore: tuple[str, ...] = ()
    number: str = "outputs"
    unused: tuple[str, ...] = ()

    def lines(self) -> dict[str, object]:
        """The keys of `model` that say all this."""
        found = {"state_dict_key": self.key, "strip_prefix": self.strip, "ignore_keys": list(self.ignore)}
        return {key: value for key, value in found.items() if value}


def load_checkpoint(module: nn.Module, checkpoint: Checkpoint) -> tuple[str, ...]:
    """Put the checkpoint into `module`.

    Returns: what was done that the spec does not say.
    Raises (paths under model):
        InputError weights-unreadable.
        InputError weights-mismatch with the first entries that are missing, not known, or have another shape or other
            numbers.
        InputError weights-ambiguous where several states fit.
    """
    own, states = module.state_dict(), read_states(checkpoint.file, checkpoint.key)
    _check_strip(states, checkpoint)
    kept, ignored = _without_ignored(states, checkpoint)
    fitting = _fitting(own, kept, checkpoint)
    sure = _sure(fitting)
    if sure is None and len(fitting) > 1:
        raise _ambiguous(own, states, fitting, checkpoint)
    if sure is None:
        best = fitting[0] if fitting else max(_all(own, kept, checkpoint), key=lambda r: len(r.taken))
        _check_ignored(states, best, checkpoint)
        if not fitting and _takes(module, best):
            return (f"weights file {checkpoint.file.name!r}: the network's own code converted its entries",)
        raise _mismatch(own, states, best, checkpoint)
    changed = casts(own, sure.values(), checkpoint.file.name)
    _fill(module, own, sure, checkpoint.file.name)
    return tuple(note for note in (_told(sure, states, ignored, checkpoint), *changed) if note)


def proposals(own: State, checkpoint: Checkpoint) -> list[dict[str, object]]:
    """The keys of `model`, with their values, that a spec needs for a checkpoint and a network with the state `own`.

    One entry for each state that fits, an empty one where nothing need be said.

    Raises: InputError weights-unreadable.
    """
    states = read_states(checkpoint.file, checkpoint.key)
    fitting = _fitting(own, states, checkpoint)
    if _sure(fitting) is not None or not fitting:
        return [{}]
    return [lines for reading in fitting if (lines := _lines(own, states, reading, checkpoint)) is not None]


def nearest(own: State, checkpoint: Checkpoint) -> Reading:
    """The reading of a checkpoint that has most of a network with the state `own`.

    Raises: InputError weights-unreadable.
    """
    return max(_all(own, read_states(checkpoint.file, checkpoint.key), checkpoint), key=lambda r: len(r.taken))


def _check_strip(states: Mapping[str, State], checkpoint: Checkpoint) -> None:
    """Raises InputError weights-unreadable where no name has the prefix, or two names would be the same without it."""
    prefix, name = checkpoint.strip, checkpoint.file.name
    if prefix is None:
        return
    names = [n for state in states.values() for n in state]
    if not any(n.startswith(prefix) for n in names):
        message = f"no name in weights file {name!r} begins with {prefix!r}"
        raise unreadable(message, f"the names are {listed(names, 3)}", "strip_prefix")
    for state in states.values():
        kept = without(state, checkpoint.ignore)[0]
        twice = next((n for n in kept if n.startswith(prefix) and n.removeprefix(prefix) in kept), None)
        if twice is not None:
            others = [n for n in kept if not n.startswith(prefix)]
            message = f"in weights file {name!r} {twice!r} and {twice.removeprefix(prefix)!r} would be the same"
            hint = f"leave one of the two networks out: {_spelt({'ignore_keys': patterns_of(others, kept)})}"
            raise unreadable(message, hint, "strip_prefix")


def _without_ignored(
    states: Mapping[str, State], checkpoint: Checkpoint
) -> tuple[dict[str, State], list[tuple[str, ...]]]:
    """The states without what is to be ignored, whole states among it, and the entries that each pattern named.

    Raises: InputError weights-mismatch (path model.ignore_keys) for patterns that name none.
    """
    found: list[set[str]] = [set() for _ in checkpoint.ignore]
    kept: dict[str, State] = {}
    for place, state in states.items():
        _, whole = without({place: None, **{place.partition(".")[0]: None}} if place else {}, checkpoint.ignore)
        rest, named = without(state, checkpoint.ignore)
        for names, places, entries in zip(found, whole, named, strict=True):
            names.update(places or entries)
        if rest and not any(whole):
            kept[place] = rest
    for number, (pattern, taken) in enumerate(zip(checkpoint.ignore, found, strict=True)):
        if not taken:
            raise _names_nothing(pattern, number, states, checkpoint.file.name)
    if not kept:
        message = f"model.ignore_keys leaves nothing of weights file {checkpoint.file.name!r}"
        raise _mismatched(message, "leave a pattern out", ("model", "ignore_keys"))
    return kept, [tuple(sorted(names)) for names in found]


def _names_nothing(pattern: str, number: int, states: Mapping[str, State], file: str) -> InputError:
    names = [name for state in states.values() for name in state]
    heads = list(dict.fromkeys(name.partition(".")[0] for name in names))
    usable = [f"{head}.*" for head in heads if head not in names]
    close = did_you_mean(pattern, [*usable, *names])
    hint = close or f"the names begin with {listed(heads)}; * stands for anything"
    message = f"no entry of weights file {file!r} is called {pattern!r}"
    return _mismatched(message, hint, ("model", "ignore_keys", number))


def _all(own: State, states: Mapping[str, State], checkpoint: Checkpoint) -> list[Reading]:
    strip = checkpoint.strip or ""
    return [
        reading
        for place, state in states.items()
        for reading in readings(own, state, place, strip=strip, unused=checkpoint.unused)
    ]


def _fitting(own: State, states: Mapping[str, State], checkpoint: Checkpoint) -> list[Reading]:
    """The readings that fit, of those that give the same values one."""
    found: list[Reading] = []
    for reading in (r for r in _all(own, states, checkpoint) if r.fits):
        if not any(reading.same_as(other) for other in found):
            found.append(reading)
    return found


def _sure(fitting: Sequence[Reading]) -> Reading | None:
    """The reading that is meant, where no other can be."""
    if len(fitting) == 1 and fitting[0].usual and not fitting[0].left:
        return fitting[0]
    return None


def _lines(
    own: State, states: Mapping[str, State], reading: Reading, checkpoint: Checkpoint
) -> dict[str, object] | None:
    """The keys of `model` that make a reading the one that is meant; None where none do."""
    others = [place for place in states if place != reading.place]
    strip = f"{checkpoint.strip or ''}{reading.literal}" or None
    said = (checkpoint.key, checkpoint.strip)
    for key, prefix in (said, (reading.place, checkpoint.strip), (checkpoint.key, strip), (reading.place, strip)):
        whole = [] if key or not others else [p for p in others if not reading.place]
        rest = [n for n in reading.left if n in reading.state]
        tried = replace(checkpoint, key=key or None, strip=prefix)
        for ignore in dict.fromkeys(
            ((), tuple(patterns_of(rest, reading.state)), (*whole, *patterns_of(rest, reading.state)))
        ):
            asked = replace(tried, ignore=tuple(dict.fromkeys((*checkpoint.ignore, *ignore))))
            if _means(own, states, asked, reading):
                return asked.lines()
    return None


def _means(own: State, states: Mapping[str, State], asked: Checkpoint, reading: Reading) -> bool:
    """Whether what is asked for leads to this reading."""
    try:
        there = states if asked.key is None else {asked.key: states[asked.key]} if asked.key in states else {}
        _check_strip(there, asked)
        sure = _sure(_fitting(own, _without_ignored(there, asked)[0], asked))
    except InputError:
        return False
    return sure is not None and sure.same_as(reading)


def _spelt(lines: Mapping[str, object]) -> str:
    told = (f"model.{k}: {json.dumps(v, ensure_ascii=False) if isinstance(v, list) else v}" for k, v in lines.items())
    return f"set {' and '.join(told)}"


def _ambiguous(
    own: State, states: Mapping[str, State], fitting: Sequence[Reading], checkpoint: Checkpoint
) -> InputError:
    """Several states fit: which they are, and what to write for each."""
    each = [(reading, _lines(own, states, reading, checkpoint)) for reading in fitting]
    told = [_spelt(lines) + _kind(reading) for reading, lines in each if lines]
    where = listed([repr(r.place or r.literal or "the file itself") for r in fitting], 4)
    message = (
        f"weights file {checkpoint.file.name!r} holds {len(fitting)} states that fit the model, and differ: {where}"
    )
    hint = "; or ".join(told[:4]) or "save the state that you mean alone"
    return InputError("weights-ambiguous", message, hint=hint, path=("model", "weights"))


def _kind(reading: Reading) -> str:
    text = f"{reading.place}.{reading.literal}".lower()
    return " (an average over training, by its name)" if any(word in text for word in _AVERAGE) else ""


def _mismatch(own: State, states: Mapping[str, State], reading: Reading, checkpoint: Checkpoint) -> InputError:
    """What does not fit, and what to do about it."""
    state, strip = reading.state, checkpoint.strip or ""
    shapes = [f"{n} (file {_shape(state[reading.taken[n]])}, model {_shape(own[n])})" for n in reading.unlike]
    unusual = reading.prefix and not reading.usual
    missing = [n for n in own if not n.endswith("num_batches_tracked")] if unusual and reading.fits else reading.missing
    unknown = [n.removeprefix(strip) for n in (state if unusual and reading.fits else reading.left)]
    kinds = (("missing", missing), ("unexpected", unknown), ("with another shape", shapes))
    wrong = "; ".join(f"{len(names)} {kind}: {listed(list(names), 3)}" for kind, names in kinds if names)
    file = checkpoint.file.name
    where = f" (under {reading.place!r})" if len(states) > 1 and reading.place else ""
    message = f"the weights in {file!r}{where} do not fit the model; {wrong}"
    return _mismatched(message, _hint(own, states, reading, checkpoint))


def _hint(own: State, states: Mapping[str, State], reading: Reading, checkpoint: Checkpoint) -> str:
    """What was found to be the cause, and what leads on."""
    if reading.fits:
        lines = _lines(own, states, reading, checkpoint)
        new = {k: v for k, v in (lines or {}).items() if v != checkpoint.lines().get(k)}
        if not new:
            return "save the network's state alone: torch.save(model.state_dict(), path)"
        if set(new) == {"strip_prefix"}:
            return f"the file has the model's names with {new['strip_prefix']!r} in front: {_spelt(new)}"
        larger = parts_of_a_larger_one(own, reading)
        if larger:
            what = "the factory and model.kwargs" if checkpoint.number == "kwargs" else "model.name"
            return f"the file's network is larger, it has {listed(larger, 4)} too: check {what}"
        return f"the file has all of the model, and more: {_spelt(new)}"
    return cause(own, reading, checkpoint.number)


def _check_ignored(states: Mapping[str, State], best: Reading, checkpoint: Checkpoint) -> None:
    """Raises InputError weights-mismatch where a pattern leaves out what the network needs."""
    whole = states.get(best.place, {})
    for number, pattern in enumerate(checkpoint.ignore):
        named = set(without(whole, [pattern])[1][0])
        needed = [name for name in best.missing if {f"{best.literal}{name}", f"{checkpoint.strip}{name}"} & named]
        if needed:
            message = f"{pattern!r} would leave out what the model needs: {listed(needed, 3)}"
            hint = "narrow the pattern, or leave it out"
            raise _mismatched(message, hint, ("model", "ignore_keys", number))


def _shape(value: object) -> str:
    if not isinstance(value, Tensor):
        return f"no tensor but {type(value).__name__}"
    return "not known yet" if is_lazy(value) else str(tuple(value.shape))


def _fill(module: nn.Module, own: State, reading: Reading, file: str) -> None:
    try:
        result = module.load_state_dict(real_where(own, reading.values()), strict=False)
    except Exception as error:  # the network's own code may take part, and raises whatever it does
        reason = (str(error).strip().splitlines() or [""])[-1].strip()
        message = f"the weights in {file!r} do not fit the model: its own load_state_dict says {reason!r}"
        raise _mismatched(message, "load it in Python first: model.load_state_dict(…)") from error
    unknown = list(result.unexpected_keys)
    if unknown:
        message = (
            f"the weights in {file!r} do not fit the model: its own load_state_dict leaves out {listed(unknown, 3)}"
        )
        raise _mismatched(message, "load it in Python first: model.load_state_dict(…)")


def _takes(module: nn.Module, reading: Reading) -> bool:
    """Whether the network's own code converts the entries of a file that names them otherwise; if so, it has them."""
    own = module.state_dict()
    formats = {value.dtype for value in own.values() if isinstance(value, Tensor)}
    given = [value for value in reading.state.values() if isinstance(value, Tensor)]
    if any(is_lazy(v) for v in own.values()) or {value.dtype for value in given} - formats:
        return False
    before = {n: v.detach().clone() if isinstance(v, Tensor) else v for n, v in own.items()}
    names = {name: own for own, name in reading.taken.items()}
    state = {names.get(name, name): value for name, value in reading.state.items()}
    try:
        result = module.load_state_dict(state, strict=False)
    except Exception:  # it does not
        result = None
    if result is not None and not result.unexpected_keys and not _needed(result.missing_keys):
        return True
    module.load_state_dict(before, strict=False)
    return False


def _needed(names: Sequence[str]) -> list[str]:
    return [name for name in names if not name.endswith("num_batches_tracked")]


def _told(sure: Reading, states: Mapping[str, State], ignored: Sequence[Sequence[str]], checkpoint: Checkpoint) -> str:
    """What was done on the way from the file's names to the network's."""
    parts: list[str] = []
    if checkpoint.key is None and sure.place not in _DEFAULT_PLACES:
        parts.append(f"the state under {sure.place!r}")
    names = [(own, name.removeprefix(checkpoint.strip or "")) for own, name in sure.taken.items()]
    fronts = {name.removesuffix(own) for own, name in names if name.endswith(own)} - {""}
    inside = {part for own, name in names if not name.endswith(own) for part in set(name.split(".")) & WRAPPERS}
    if fronts or inside:
        parts.append(f"{listed(sorted(map(repr, (*fronts, *inside))), 4)} taken off its names")
    gone = [*(n for n in sure.rest if n not in sure.left), *sure.odd]
    gone = [n for n in gone if n not in {place.partition(".")[0] for place in states}]
    if gone:
        parts.append(f"left out what is no weights: {listed(gone, 4)}")
    if checkpoint.ignore:
        told = [f"{pattern!r} {len(names)}" for pattern, names in zip(checkpoint.ignore, ignored, strict=True)]
        parts.append(f"entries that ignore_keys left out: {listed(told)}")
    return f"weights file {checkpoint.file.name!r}: {'; '.join(parts)}" if parts else ""


def _mismatched(message: str, hint: str, path: tuple[str | int, ...] = ("model", "weights")) -> InputError:
    return InputError("weights-mismatch", message, hint=hint, path=path)
