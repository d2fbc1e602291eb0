"""All mistakes of a spec that can be told at once.

A rule that compares values is looked at only where all values of its section can be read, and `Spec` only where all
sections can. So what is wrong is taken out, what is missing stood in for, and the rest looked at again, until nothing
new is found. What is told of the rest is told in the terms of the whole.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from neurflow_report.errors import Path
from neurflow_report.spec.explain import Finding, findings
from neurflow_report.spec.schema import Spec

_STAND_INS: dict[str, Any] = {
    "version": 1,
    "title": "-",
    "model": {"source": "demo", "name": "-"},
    "data": {"source": "demo"},
    "classes": ["-"],
    "layers": "auto",
}
"""What a spec needs, in its simplest form."""


def checked(value: object) -> tuple[Spec | None, list[Finding]]:
    """The spec that `value` (as JSON has it) is, or None and everything that is wrong with it."""
    rest, found = _Rest(value), list[Finding]()
    while True:
        try:
            spec = Spec.model_validate_json(json.dumps(rest.value), strict=True)
            return (None if found else spec), found
        except ValidationError as error:
            wrong = list(findings(error.errors(include_url=False), rest.value, Spec))
            new = list(rest.told(wrong, {finding.path for finding in found}))
            found += new
            if not new or not rest.without([finding.path for finding in wrong]):
                return None, found


class _Rest:
    """What is left of a spec's `value`; `gone` and `kept` are in terms of the whole.

    Attributes:
        gone: the paths of what was taken out.
        kept: by the path of a list the numbers that what is left of it had.
    """

    def __init__(self, value: object) -> None:
        self.value: Any = copy.deepcopy(value)
        self.gone: list[Path] = []
        self.kept: dict[Path, list[int]] = {}

    def told(self, wrong: Sequence[Finding], known: set[Path]) -> Iterator[Finding]:
        """What is wrong with the rest in terms of the whole; what is known, or is so only because something was taken
        out, is left out."""
        for finding in wrong:
            path, against = self._whole(finding.path), self._whole(finding.against)
            if path in known or any(_related(gone, p) for gone in self.gone for p in (path, against) if p):
                continue
            message = finding.message
            if finding.first is not None:
                message += f" {self._whole((*finding.path[:-1], finding.first))[-1] + 1}"  # type: ignore[operator]
            yield replace(finding, path=path, message=message)

    def without(self, paths: Sequence[Path]) -> bool:
        """Take out what stands at `paths` (in terms of the rest), and stand in for what is missing.

        Returns: whether there is anything left to look at.
        """
        if () in paths or not isinstance(self.value, dict):
            return False
        for path in sorted(set(paths), key=lambda p: [(isinstance(part, str), part) for part in p], reverse=True):
            self._take_out(path)
        for key, stand_in in _STAND_INS.items():
            section = self.value.setdefault(key, stand_in)
            if key in {"model", "data"} and "source" not in section:
                self.value[key] = stand_in
        return True

    def _take_out(self, path: Path) -> None:
        whole = self._whole(path)
        holder: Any = self.value
        for part in path[:-1]:
            holder = holder[part]
        last: Any = path[-1]
        if isinstance(holder, list):
            self.kept.setdefault(whole[:-1], list(range(len(holder)))).pop(last)
            del holder[last]
        elif last in holder:
            del holder[last]
        else:  # a rule asks for it
            self.value[path[0]] = _STAND_INS.get(str(path[0]), {})
            self.gone += [whole] if len(whole) == 1 else []
            return
        self.gone.append(whole)

    def _whole(self, path: Path) -> Path:
        """A path of the rest as a path of the whole."""
        whole: Path = ()
        for part in path:
            kept = self.kept.get(whole)
            whole = (*whole, kept[part] if kept is not None and isinstance(part, int) else part)
        return whole


def _related(one: Path, other: Path) -> bool:
    """Whether one of two paths leads through the other."""
    return one[: len(other)] == other or other[: len(one)] == one
