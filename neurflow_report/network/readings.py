"""How the names in a checkpoint become those of a network: every way that they can be read.

Programs wrap networks, and their names then stand in the file with something in front or between: `module.`,
`_orig_mod.`, `model.`, `backbone.`. Of each state in the file, and of each thing that may be in front, a reading tells
what of the network is there, what is missing, and what is left over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

WRAPPERS = frozenset({"module", "_orig_mod", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Names that DataParallel, torch.compile and their like put before a part of a network, anywhere in it."""
USUAL = frozenset({"model", "net", "network", "backbone"})
"""What training programs call the network that they hold."""
AVERAGED = "n_averaged"
"""How many states torch's AveragedModel has averaged: its only entry beside the network's."""
_OPTIONAL = "num_batches_tracked"
_MOST_PREFIXES = 8
State = Mapping[str, object]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One way to read a state.

    Attributes:
        place: where in the file it lies.
        prefix: what was taken off the names, wrappers aside.
        taken: the network's names and the file's for them.
        missing, unlike: of the network's names, those that are not there, and those that have another shape there.
        rest: of the file's, those that are left over, tensors alone.
        odd: the same, what is no tensor.
    """

    place: str
    prefix: str
    state: State
    taken: Mapping[str, str]
    missing: tuple[str, ...]
    unlike: tuple[str, ...]
    rest: tuple[str, ...]
    odd: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether all of the network is there."""
        return not self.missing and not self.unlike

    @property
    def usual(self) -> bool:
        """Whether what stands before the names can only be a wrapper's doing."""
        return set(self.prefix.split(".")[:-1]) <= USUAL

    @cached_property
    def left(self) -> tuple[str, ...]:
        """What is left over and nobody can know to be of no use."""
        return tuple(name for name in self.rest if name.rpartition(".")[2] != AVERAGED)

    @property
    def literal(self) -> str:
        """The prefix as it stands in the file, the wrappers around its parts included; "" where it is not the same
        everywhere."""
        found = {_front(name, self.prefix) for name in self.taken.values()}
        return found.pop() if len(found) == 1 else ""

    def values(self) -> dict[str, object]:
        """The state under the network's names."""
        return {own: self.state[name] for own, name in self.taken.items()}

    def same_as(self, other: Reading) -> bool:
        """Whether both give the network the same values."""
        return all(_equal(value, other.values().get(name)) for name, value in self.values().items())


def readings(
    own: State, state: State, place: str = "", *, strip: str = "", unused: Sequence[str] = ()
) -> list[Reading]:
    """The ways to read a state for a network with the state `own`, the best first.

    Args:
        strip: taken off all names that have it.
        unused: beginnings of the network's names that are of no use.
    """
    short = _bare({name: name.removeprefix(strip) for name in state})
    wanted = _bare({name: name for name in own})
    if short is None or wanted is None:  # a wrapper's name is all that tells two entries apart
        short, wanted = {name: name.removeprefix(strip) for name in state}, {name: name for name in own}
    names = {bare: name for name, bare in wanted.items()}
    found = [_reading(own, names, state, short, place, prefix, unused) for prefix in _prefixes(names, short)]
    return sorted(found, key=lambda r: (not r.fits, -len(r.taken), len(r.rest), len(r.prefix)))


def _bare(names: Mapping[str, str]) -> dict[str, str] | None:
    """The names without wrappers; None where two would be the same."""
    found = {name: ".".join(p for p in text.split(".") if p not in WRAPPERS) for name, text in names.items()}
    return found if len(set(found.values())) == len(found) else None


def _prefixes(names: Mapping[str, str], short: Mapping[str, str]) -> list[str]:
    """What stands before the network's names in the file, the commonest first."""
    votes: Counter[str] = Counter()
    for text in short.values():
        parts = text.split(".")
        for depth in range(len(parts)):
            if ".".join(parts[depth:]) in names:
                votes["".join(f"{part}." for part in parts[:depth])] += 1
    return [prefix for prefix, _ in votes.most_common(_MOST_PREFIXES)] or [""]


def _reading(
    own: State,
    names: Mapping[str, str],
    state: State,
    short: Mapping[str, str],
    place: str,
    prefix: str,
    unused: Sequence[str],
) -> Reading:
    inner = {name: text.removeprefix(prefix) for name, text in short.items() if text.startswith(prefix)}
    taken = {names[text]: name for name, text in inner.items() if text in names}
    rest = [n for n in state if n not in taken.values() and not inner.get(n, n).startswith(tuple(unused))]
    return Reading(
        place=place,
        prefix=prefix,
        state=state,
        taken=taken,
        missing=tuple(name for name in own if name not in taken and not name.endswith(_OPTIONAL)),
        unlike=tuple(name for name in own if name in taken and not _alike(own[name], state[taken[name]])),
        rest=tuple(name for name in rest if isinstance(state[name], Tensor)),
        odd=tuple(name for name in rest if not isinstance(state[name], Tensor)),
    )


def _alike(own: object, value: object) -> bool:
    """Whether a value has the shape of the network's own; one that has none yet takes any."""
    if not isinstance(own, Tensor) or not isinstance(value, Tensor):
        return not isinstance(own, Tensor) and not isinstance(value, Tensor)
    return is_lazy(own) or own.shape == value.shape


def _equal(one: object, other: object) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return one is other


def _front(name: str, prefix: str) -> str:
    """The beginning of a name in the file that is `prefix` once the wrappers are left out."""
    wanted, parts = prefix.split(".")[:-1], name.split(".")
    for depth in range(len(parts)):
        if [p for p in parts[:depth] if p not in WRAPPERS] == wanted:
            return "".join(f"{part}." for part in parts[:depth])
    return prefix


def without(state: State, patterns: Sequence[str]) -> tuple[dict[str, object], list[tuple[str, ...]]]:
    """The state without the entries that a pattern names, and those that each of the patterns names."""
    found = [tuple(name for name in state if fnmatchcase(name, pattern)) for pattern in patterns]
    gone = {name for names in found for name in names}
    return {name: value for name, value in state.items() if name not in gone}, found


def patterns_of(names: Sequence[str], state: State) -> list[str]:
    """The fewest patterns, each with one `*`, that name these entries of a state and no others."""
    left, found = list(dict.fromkeys(names)), list[str]()
    while left:
        parts = left[0].split(".")
        tried = [f"{'.'.join(parts[:depth])}.*" for depth in range(1, len(parts))]
        tried += [f"*.{parts[-1]}"] if len(parts) > 1 else []
        named = {pattern: [n for n in state if fnmatchcase(n, pattern)] for pattern in (left[0], *tried)}
        right = {pattern: some for pattern, some in named.items() if some and set(some) <= set(names)}
        best = max(right, key=lambda pattern: (len(right[pattern]), -len(pattern)), default=left[0])
        found.append(best)
        left = [name for name in left if name != left[0] and name not in right.get(best, ())]
    return found
