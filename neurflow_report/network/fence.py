"""A fence around a user's own code: what it raises is told as its own, and what it changes for all is put back.

1. Whatever the code raises, also what is no `Exception` (SystemExit), becomes a named error: what was being done, in
   which module and line of the user's, and what was said. An interrupt is the user's, and passes; so does memory that
   runs out, which other places know how to answer.
2. What was set for the whole process (number formats, gradients, random generators, the working directory, handlers of
   signals) is afterwards as it was.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from neurflow_report.errors import InputError, ReportError, RunError
from neurflow_report.errors import Path as Place

TRY = "try it in Python first: import the callable, call it, and pass it a batch of pictures"
_OURS = Path(__file__).parents[1]
_LIBRARIES = (Path(torch.__file__).parent, Path(np.__file__).parent, Path(torch.__file__).parents[1] / "torchvision")
_STANDARD = Path(sysconfig.get_path("stdlib"))
_INSTALLED = ("site-packages", "dist-packages")
_LONGEST = 300
_GRAPH = {
    (_OURS / "attribution/operations.py", "run"),
    (Path(fx.interpreter.__file__), "run_node"),
    (Path(fx.graph_module.__file__), "__call__"),
}
"""Where the operations of a graph are run: one by one, or as code, whose own frames torch.fx takes off an error."""


@contextmanager
def fenced(
    doing: str,
    *,
    slug: str = "model-fails",
    path: Place = ("model", "name"),
    hint: str | Callable[[BaseException], str] = "",
    network: nn.Module | None = None,
    generators: bool = True,
) -> Iterator[None]:
    """Inside runs a user's code, and nothing of ours that could fail.

    Args:
        doing: what is done, as the beginning of a sentence (`calling 'mynet:net' with ()`), to which "failed" is added,
            unless it says "fails" itself.
        hint: what to do, or what tells it from the error.
        network: whose modules are named.
        generators: whether random generators are put back, too.
    Raises: InputError slug at `path` for whatever is raised inside but interrupts, our own errors, and memory.
    """
    with as_it_was(generators=generators):
        try:
            yield
        except BaseException as error:
            if passes(error):
                raise
            wanted = hint if isinstance(hint, str) else hint(error)
            raise InputError(slug, told(doing, error, network), hint=wanted, path=path) from error


@contextmanager
def blamed(doing: str) -> Iterator[None]:
    """Inside, our own work runs a network: what its code, or an operation of its graph, raises is told as its own; what
    is ours passes.

    Args: as `fenced`.
    Raises: RunError model-fails, out-of-memory.
    """
    try:
        yield
    except BaseException as error:
        if out_of_memory(error) or isinstance(error, MemoryError):
            hint = "free memory, set runtime.memory lower, or run on another device"
            raise RunError("out-of-memory", f"memory ran out while {doing}", hint=hint) from error
        if passes(error) or not _came_through_a_network(error):
            raise
        raise RunError("model-fails", told(f"the network fails while {doing}", error), hint=TRY) from error


def _came_through_a_network(error: BaseException) -> bool:
    """Whether what was raised was raised in a user's own file, or in an operation of a graph, and not in ours: the
    innermost line that is no library's tells."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.name.startswith("<eval_with_key>") or (file, frame.name) in _GRAPH:
            return True
        if file.is_relative_to(_OURS):
            return False
        if _is_foreign(file) and not frame.filename.startswith("<") and not _is_installed(file):
            return True
    return False


def passes(error: BaseException) -> bool:
    """Whether an error goes through the fence as it is."""
    return isinstance(error, (KeyboardInterrupt, GeneratorExit, ReportError)) or out_of_memory(error)


def out_of_memory(error: BaseException) -> bool:
    """Whether an allocator, of a GPU or of the CPU, says so."""
    cpu = ("DefaultCPUAllocator: can't allocate memory", "DefaultCPUAllocator: not enough memory")
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(text in str(error) for text in cpu)
    )


def told(doing: str, error: BaseException, network: nn.Module | None = None) -> str:
    """`doing` and what the code raised, in which module and in which line; no path of the machine."""
    name, line = module_of(error, network), own_line(error)
    place = f" in module {name!r}" if name else ""
    if line:
        place += f" ({line})" if name else f" in {line}"
    verb = "" if doing.startswith("the network fails") else " failed"
    reason = first_line(error)
    return f"{doing}{verb}{place}: {type(error).__name__}{f': {reason}' if reason else ''}"


def first_line(error: BaseException) -> str:
    """What an error says, in one line, without the folders of the machine."""
    try:
        said = str(error).strip()
    except Exception:  # an error of the user's may have no text
        return ""
    line = (said.splitlines() or [""])[0].rstrip()
    for folder in sorted({str(Path.home()), _folder() or "/", *map(str, _LIBRARIES), str(_STANDARD)} - {"/"}):
        line = line.replace(f"{folder}/", "")
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def own_line(error: BaseException) -> str:
    """`net.py, line 12`: the deepest line of the user's own files, else of what else is installed beside torch; empty
    where there is none."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<")]
    foreign = [f for f in frames if _is_foreign(Path(f.filename))]
    own = [f for f in foreign if not _is_installed(Path(f.filename))]
    found = (own or foreign)[-1:]
    return f"{Path(found[0].filename).name}, line {found[0].lineno}" if found else ""


def _is_foreign(file: Path) -> bool:
    """Whether a file is neither this program's, nor torch's, nor Python's own."""
    if any(file.is_relative_to(folder) for folder in (_OURS, *_LIBRARIES)):
        return False
    return not file.is_relative_to(_STANDARD) or _is_installed(file)


def _is_installed(file: Path) -> bool:
    return any(name in file.parts for name in _INSTALLED)


def module_of(error: BaseException, network: nn.Module | None) -> str:
    """The name of the innermost module of the network that was being called; empty where none is known."""
    if network is None:
        return ""
    try:
        names = {id(module): name for name, module in network.named_modules()}
    except Exception:  # a network whose modules cannot be listed
        return ""
    found = ""
    trace = error.__traceback__
    while trace is not None:
        found = names.get(id(trace.tb_frame.f_locals.get("self")), "") or found
        trace = trace.tb_next
    return found


@contextmanager
def as_it_was(*, generators: bool = True) -> Iterator[None]:
    """What code sets for the whole process inside is afterwards as it was before; random generators, unless what is
    drawn next must be something else."""
    put_back = [*_torch_state(), *_process_state(), *(_generators() if generators else [])]
    with torch.random.fork_rng(devices=[], enabled=generators), warnings.catch_warnings():
        try:
            yield
        finally:
            for undo in put_back:
                undo()


def _torch_state() -> list[Callable[[], Any]]:
    """For each setting of torch that a network may change, what puts it back."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    flags = [(matmul, "allow_tf32"), (cudnn, "allow_tf32"), (cudnn, "benchmark"), (cudnn, "deterministic")]
    values = [(owner, name, getattr(owner, name)) for owner, name in flags]
    number_format, device = torch.get_default_dtype(), torch.get_default_device()
    gradients, threads = torch.is_grad_enabled(), torch.get_num_threads()
    deterministic = torch.get_deterministic_debug_mode()
    autocast = torch.is_autocast_enabled("cpu")

    def flags_back() -> None:
        for owner, name, value in values:
            if getattr(owner, name) != value:
                setattr(owner, name, value)

    def device_back() -> None:
        if torch.get_default_device() != device:
            torch.set_default_device(None if device.type == "cpu" else device)

    def threads_back() -> None:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)

    return [
        flags_back,
        device_back,
        threads_back,
        lambda: torch.set_default_dtype(number_format),
        lambda: torch.set_grad_enabled(gradients),
        lambda: torch.set_deterministic_debug_mode(deterministic),
        lambda: torch.set_autocast_enabled("cpu", autocast),
    ]


def _generators() -> list[Callable[[], Any]]:
    drawn, drawn_by_numpy = random.getstate(), np.random.get_state()
    return [lambda: random.setstate(drawn), lambda: np.random.set_state(drawn_by_numpy)]


def _folder() -> str | None:
    """The working directory; None where it is gone."""
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return None


def _process_state() -> list[Callable[[], Any]]:
    """The same for numpy's settings and Python's."""
    folder, mask = _folder(), os.umask(0)
    os.umask(mask)
    floats = np.geterr()
    streams, limit, hook = (sys.stdout, sys.stderr), sys.getrecursionlimit(), sys.excepthook
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def handlers_back() -> None:
        for number, handler in handlers.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)

    def streams_back() -> None:
        sys.stdout, sys.stderr = streams
        sys.excepthook = hook
        sys.setrecursionlimit(limit)

    return [
        lambda: os.chdir(folder) if folder else None,
        lambda: os.umask(mask),
        lambda: np.seterr(**floats),
        handlers_back,
        streams_back,
    ]
