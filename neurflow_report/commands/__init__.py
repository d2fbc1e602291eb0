"""The commands, a module each: what it takes, what it does, and how its result reads.

A module of this folder that has a `COMMAND` is one: nothing else lists them (docs/how-to/add-a-command.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules

from neurflow_report.commands.command import Command


def commands() -> Mapping[str, Command]:
    """Every command by its name, in the order of `--help`."""
    modules = (import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))
    found = [module.COMMAND for module in modules if hasattr(module, "COMMAND")]
    return {command.name: command for command in sorted(found, key=lambda one: (one.place, one.name))}
