"""A network that a user's own code makes: `package.module:callable`, imported only where the user allowed it."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from neurflow_report.errors import InputError, Wording, did_you_mean
from neurflow_report.network.fence import TRY, as_it_was, passes, told

ALLOW = "NEURFLOW_REPORT_ALLOW_CODE"
_PATH = ("model", "factory")
_FORM = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def code_is_allowed(allow_code: bool) -> bool:
    """Whether the user let this run execute code that the spec names: by the option, or by the variable `ALLOW`."""
    return allow_code or os.environ.get(ALLOW) == "1"


def make(factory: str, kwargs: Mapping[str, object], folder: Path, *, allow_code: bool) -> nn.Module:
    """Call `factory` (`package.module:callable`) with `kwargs`.

    Args: folder: searched for the package before what is installed.
    Returns: the module that it returns.
    Raises (path model.factory):
        InputError code-not-allowed before anything is imported.
        InputError factory-failed, with the last line of the user's code, where importing or calling fails or what comes
            back is no torch module.
    """
    if not code_is_allowed(allow_code):
        other = os.environ.get(ALLOW, "")
        found = f" (it is {other!r}, and 1 alone allows it)" if other else ""
        raise InputError(
            "code-not-allowed",
            f"this spec would import and run {factory!r}, and code that a spec names runs only if you allow it",
            hint=Wording(
                f"if you trust the spec and its code: load_spec(…, allow_code=True), or set {ALLOW}=1{found}",
                command=f"if you trust the spec and its code, add --allow-code, or set {ALLOW}=1{found}",
            ),
            path=_PATH,
        )
    if not _FORM.fullmatch(factory):
        hint = "write package.module:callable, such as mynet.models:resnet20"
        raise _failed(f"{factory!r} names no callable in a module", hint)
    if not os.path.isdir(folder):
        message = f"the folder {folder.name!r} does not exist"
        hint = "model.python_path is relative to the spec"
        raise InputError("factory-failed", message, hint=hint, path=("model", "python_path"))
    with importable(folder):
        made = _called(_found(factory), factory, kwargs)
    if not isinstance(made, nn.Module):
        kind = type(made).__name__
        raise _failed(f"{factory!r} returned a {kind}, and a torch.nn.Module was expected", "let it return the network")
    return made


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Modules in `folder` come first inside; afterwards last, for what the code imports while it runs."""
    place = os.path.realpath(folder)
    sys.path.insert(0, place)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(place)
        if place not in sys.path:
            sys.path.append(place)


def _found(factory: str) -> Any:
    module_name, _, name = factory.partition(":")
    try:
        with as_it_was():
            found: Any = importlib.import_module(module_name)
    except BaseException as error:  # also what calls sys.exit() when it is imported
        if passes(error):
            raise
        if isinstance(error, ModuleNotFoundError) and module_name.startswith(f"{error.name}"):
            hint = "install it, or set model.python_path to the folder that holds it (default: the spec's own folder)"
            raise _failed(f"there is no Python module {error.name!r}", hint) from error
        raise _code_failed(f"importing {module_name!r}", error, _import_hint(error)) from error
    for part in name.split("."):
        if not hasattr(found, part):
            known = [n for n in dir(found) if not n.startswith("_") and callable(getattr(found, n, None))]
            hint = did_you_mean(part, known) or f"the callables there are {', '.join(known[:8])}"
            raise _failed(f"module {module_name!r} has no {name!r}", hint)
        found = getattr(found, part)
    if not callable(found):
        raise _failed(f"{factory!r} is a {type(found).__name__}, and cannot be called", "name a function or a class")
    return found


def _called(factory: Any, name: str, kwargs: Mapping[str, object]) -> object:
    try:
        with as_it_was():
            return factory(**kwargs)
    except BaseException as error:
        if passes(error):
            raise
        raise _code_failed(f"calling {name!r} with {_spelt(kwargs)}", error, _call_hint(factory, error)) from error


def _spelt(kwargs: Mapping[str, object]) -> str:
    return f"({', '.join(f'{k}={v!r}' for k, v in kwargs.items())})"


def _import_hint(error: BaseException) -> str:
    """What to do about an import that failed."""
    if isinstance(error, ModuleNotFoundError):
        return f"install {error.name!r} into the Python that runs this program, or set model.python_path to its folder"
    return "try it in Python first: import the module"


def _call_hint(factory: Any, error: BaseException) -> str:
    """Where the call itself was refused, the arguments that the callable takes."""
    inside = error.__traceback__ is not None and error.__traceback__.tb_next is not None
    if isinstance(error, TypeError) and not inside:
        try:
            takes = inspect.signature(factory)
            if not takes.parameters:
                return "it takes no arguments: leave model.kwargs out, or give it a parameter"
            return f"it takes {takes}: set model.kwargs to what it needs"
        except (TypeError, ValueError):
            return "set model.kwargs to what it takes"
    return TRY


def _code_failed(what: str, error: BaseException, hint: str) -> InputError:
    """What the user's code raised, and in which of its lines; no path of the machine."""
    return _failed(told(what, error), hint)


def _failed(message: str, hint: str) -> InputError:
    return InputError("factory-failed", message, hint=hint, path=_PATH)
