"""Why a checkpoint does not fit a network, as far as its names and shapes tell."""

from __future__ import annotations

from torch import Tensor

from neurflow_report.network.checkpoint import listed
from neurflow_report.network.readings import Reading, State


def cause(own: State, reading: Reading, number: str) -> str:
    """What was found to be the cause, and what leads on.

    Args:
        own: the network's state.
        reading: the best there is.
        number: the key of `model` that sets how many outputs the network has, "" where none does.
    """
    return (
        _other_outputs(own, reading, number)
        or _other_shape(own, reading)
        or _computed(reading)
        or _absent(reading, number)
    )


def parts_of_a_larger_one(own: State, reading: Reading) -> list[str]:
    """The parts of the file's network that stand beside parts of the model, hold what such parts hold, and are not in
    it: then another network is meant, and leaving them out would examine neither."""
    heads = {name.partition(".")[0] for name in own if "." in name}
    ends = {name.rpartition(".")[2] for name in own}
    inner = [n.removeprefix(reading.literal) for n in reading.left]
    found = [n for n in inner if n.partition(".")[0] in heads and n.rpartition(".")[2] in ends]
    known = {".".join(name.split(".")[:depth]) for name in own for depth in range(1, name.count(".") + 1)}
    return list(dict.fromkeys(_first_unknown(name.split("."), known) for name in found))


def _first_unknown(parts: list[str], known: set[str]) -> str:
    """The shortest beginning of a name that no name of the model has."""
    return next((h for d in range(1, len(parts)) if (h := ".".join(parts[:d])) not in known), ".".join(parts))


def _other_shape(own: State, reading: Reading) -> str:
    """Where the same count of numbers stands in another shape."""
    pairs = [(own[n], reading.state[reading.taken[n]]) for n in reading.unlike]
    same = all(isinstance(a, Tensor) and isinstance(b, Tensor) and a.numel() == b.numel() for a, b in pairs)
    if reading.missing or not pairs or not same:
        return ""
    return "there are as many numbers in another shape: save them in the model's, by state[name].reshape(…)"


def _other_outputs(own: State, reading: Reading, number: str) -> str:
    """Where only the number of outputs differs."""
    pairs = [(own[n], reading.state[reading.taken[n]]) for n in reading.unlike]
    heads = {(a.shape[0], b.shape[0]) for a, b in pairs if _differ_in_rows(a, b)}  # type: ignore[attr-defined]
    if not number or reading.missing or len(heads) != 1 or not all(_differ_in_rows(a, b) for a, b in pairs):
        return ""
    have, wanted = heads.pop()
    told = f"the file's network has {wanted} outputs there, the model {have}: "
    return told + (
        f"set model.outputs: {wanted}"
        if number == "outputs"
        else f"let the factory make {wanted} (by model.kwargs, where it takes their number)"
    )


def _differ_in_rows(own: object, value: object) -> bool:
    return (
        isinstance(own, Tensor)
        and isinstance(value, Tensor)
        and own.ndim == value.ndim > 0
        and own.shape[1:] == value.shape[1:]
    )


_COMPUTED = {
    "weight_orig": "it was saved while pruned: prune.remove(part, 'weight') for each pruned part, and save it again",
    "weight_g": "its weights are computed (weight_norm): remove_weight_norm(part) for each, and save it again",
    "original0": "its weights are computed: parametrize.remove_parametrizations(part, 'weight'), and save it again",
    "original": "its weights are computed: parametrize.remove_parametrizations(part, 'weight'), and save it again",
    "_packed_params": "it is a quantised network's: save that of the network before it was quantised",
}


def _computed(reading: Reading) -> str:
    """Where the file has what the missing weights are computed from."""
    ends = {name.rpartition(".")[2] for name in (*reading.rest, *reading.odd)}
    found = next((says for end, says in _COMPUTED.items() if end in ends), "")
    return f"{found}; or let the factory make the network so" if found else ""


def _absent(reading: Reading, number: str) -> str:
    """Where a whole part is missing, or all of the network is another."""
    needed = len(reading.missing) + len([n for n in reading.taken if not n.endswith("num_batches_tracked")])
    if reading.missing and not reading.unlike and len(reading.missing) * 2 < needed:
        parts = listed(list(dict.fromkeys(name.rpartition(".")[0] or name for name in reading.missing)), 4)
        return f"the file has the rest of the model, and nothing for {parts}: give the checkpoint of the whole network"
    what = "the factory and model.kwargs make" if number == "kwargs" else "model.name names"
    return f"no way to read the names makes it fit: is the network that {what} the one that was saved?"
