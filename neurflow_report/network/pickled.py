"""What a pickled checkpoint would run, and what it holds, told from its opcodes: nothing in it is run."""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from torch.serialization import get_unsafe_globals_in_checkpoint

_KNOWN = {"numpy": "numbers or arrays of NumPy", "argparse.Namespace": "the options of a training script"}
_USUAL = ("state_dict", "model", "net", "model_state_dict", "model_state", "weights")
_MOST = 10**6
"""Opcodes that are looked at, at most."""
_MAPPINGS = {"collections OrderedDict", "collections defaultdict"}
_KEEP_FIRST = {"APPEND", "APPENDS", "ADDITEMS", "BUILD"}


@dataclass(kw_only=True)
class _Thing:
    """A value on the pickle machine's stack, as far as it matters.

    Attributes:
        text: of strings and of names of what would be imported.
        keys: of a mapping, with what lies under them; None: no mapping.
    """

    text: str = ""
    keys: dict[str, _Thing] | None = None
    mark: bool = False
    made: bool = False  # by a call of something that was imported


@dataclass(kw_only=True)
class _Machine:
    stack: list[_Thing] = field(default_factory=list)
    memo: dict[object, _Thing] = field(default_factory=dict)

    def step(self, opcode: pickletools.OpcodeInfo, value: object) -> None:
        """One opcode: what it takes off the stack and puts there."""
        name = opcode.name
        if name in {"BINPUT", "LONG_BINPUT", "PUT", "MEMOIZE"}:
            self.memo[len(self.memo) if name == "MEMOIZE" else value] = self.stack[-1]
        elif name in {"BINGET", "LONG_BINGET", "GET"}:
            self.stack.append(self.memo.get(value, _Thing()))
        elif name in {"SETITEM", "SETITEMS"}:
            items = self._popped(2 if name == "SETITEM" else None)
            holder = self.stack[-1].keys
            if holder is not None:
                holder.update({k.text: v for k, v in zip(items[::2], items[1::2], strict=False) if k.text})
        elif name in {"REDUCE", "NEWOBJ", "NEWOBJ_EX"}:
            called = self._popped(3 if name == "NEWOBJ_EX" else 2)[0].text
            mapping = called in _MAPPINGS
            self.stack.append(_Thing(keys={} if mapping else None, made=not mapping))
        elif name == "STACK_GLOBAL":
            self.stack.append(_Thing(text=" ".join(part.text for part in self._popped(2))))
        else:
            self._move(opcode, value)

    def _move(self, opcode: pickletools.OpcodeInfo, value: object) -> None:
        before, keeps = [kind.name for kind in opcode.stack_before], opcode.name in _KEEP_FIRST
        if "mark" in before:
            self._popped(None)
        self._popped(max(0, (before.index("mark") if "mark" in before else len(before)) - keeps))
        if keeps:
            return
        said = value if isinstance(value, str) and (opcode.name == "GLOBAL" or "UNICODE" in opcode.name) else ""
        for kind in opcode.stack_after:
            keys: dict[str, _Thing] | None = {} if kind.name == "dict" else None
            self.stack.append(_Thing(text=said, keys=keys, mark=kind.name == "mark"))

    def _popped(self, count: int | None) -> list[_Thing]:
        """Taken off the stack: `count` things; None: all down to the last mark, and the mark."""
        if count is None:
            at = max(i for i, thing in enumerate(self.stack) if thing.mark)
            found = self.stack[at + 1 :]
            del self.stack[at:]
            return found
        at = len(self.stack) - count
        found = self.stack[at:]
        del self.stack[at:]
        return found


def would_run(path: Path) -> tuple[str, ...]:
    """The names of all that torch's safe reader refuses in a checkpoint; none where they cannot be told."""
    try:
        return tuple(sorted(set(get_unsafe_globals_in_checkpoint(path))))
    except Exception:  # files of old formats, damaged ones: their reader raises many kinds
        return ()


def described(names: Sequence[str]) -> str:
    """The names of what would be run, each with a word on what it is where that is known."""
    kinds = {name: next((says for key, says in _KNOWN.items() if name.startswith(key)), "") for name in names}
    told = [f"{name} ({says})" if says else name for name, says in kinds.items()]
    return ", ".join(told[:4]) + (", …" if len(told) > 4 else "")


def saved_alone(path: Path) -> str:
    """Lines of Python that save a checkpoint's state alone, "" where what it holds cannot be told."""
    held = _held(path)
    if held is None:
        return ""
    load = f'c = torch.load("{path.name}", weights_only=False)'
    if held.made:
        return f'{load}; torch.save(c.state_dict(), "weights.pt")'
    if not held.keys:
        return ""
    known = [key for key in _USUAL if key in held.keys and (held.keys[key].made or held.keys[key].keys is not None)]
    if known:
        call = ".state_dict()" if held.keys[known[0]].made else ""
        return f'{load}; torch.save(c["{known[0]}"]{call}, "weights.pt")'
    keys = ", ".join(list(held.keys)[:8])
    return f'{load}; torch.save(c[KEY], "weights.pt"), where KEY is that of the state (there are {keys})'


def _held(path: Path) -> _Thing | None:
    """What a checkpoint of torch.save holds."""
    try:
        with _pickle_of(path) as file:
            machine = _Machine()
            for number, (opcode, value, _position) in enumerate(pickletools.genops(file)):
                if opcode.name == "STOP":
                    return machine.stack[-1]
                if number > _MOST:
                    return None
                machine.step(opcode, value)
    except Exception:  # what damaged archives and pickles make these readers raise is not limited to a few kinds
        return None
    return None


@contextmanager
def _pickle_of(path: Path) -> Iterator[IO[bytes]]:
    """The pickle in the archive that torch.save writes, or the fourth of a file of the format before."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
            with archive.open(name) as file:
                yield file
        return
    with path.open("rb") as plain:
        for _ in range(3):  # a magic number, the format's number, the machine's number formats
            for _operation in pickletools.genops(plain):
                pass
        yield plain
