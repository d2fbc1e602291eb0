"""The report's pages, a module each: what a page shows, as frozen values, how it is made, and its entry `PAGE`.

A module of this folder that has a `PAGE` is one, and found here (docs/how-to/add-a-page.md). Every address,
figure and word is settled here, a template only places it. Addresses (`href`, `file`, `path`) are relative to the
site's root; "" stands for no link. Text is plain text, not markup.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any, Generic, TypeVar

from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Page
from neurflow_report.results.records import Manifest

P = TypeVar("P", bound=Page)


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """What pages are made from: the classes' records, indexed, in the run's order; the bundle's manifest; `beside`:
    files to fetch that are drawn beside the site and lie in it, label → address from its root; `part`: of the
    classes, those that have pages of their own here."""

    indices: tuple[Index, ...]
    manifest: Manifest
    beside: Mapping[str, str]
    part: tuple[int, int | None] = (0, None)
    _made: dict[PageKind[Any], tuple[Any, ...]] = field(default_factory=dict, init=False, repr=False)

    @property
    def own(self) -> tuple[Index, ...]:
        """The classes of this part."""
        return self.indices[slice(*self.part)]

    def pages(self, kind: PageKind[P]) -> tuple[P, ...]:
        """The pages of a kind, which are made once, whoever asks first."""
        if kind not in self._made:
            self._made[kind] = tuple(kind.build(self))
        return self._made[kind]


@dataclass(frozen=True, kw_only=True)
class PageKind(Generic[P]):
    """A kind of pages.

    Attributes:
        template: its address.
        build: the kind's pages, which may be one, one a class or none.
        order: its place among the kinds.
        by_class: how many pages it has of a class, where each is of one: those of `ReportData.own` are built.
        menu: how the head of every page names its first page, "" for not at all.
    """

    name: str
    template: str
    build: Callable[[ReportData], Iterable[P]]
    order: int
    menu: str = ""
    by_class: Callable[[Index], int] | None = None


def one_each(_index: Index) -> int:
    """Each class has one."""
    return 1


def page_kinds() -> Mapping[str, PageKind[Any]]:
    """Every kind of pages by its name, in order.

    Raises: ValueError where two have one name.
    """
    found: list[PageKind[Any]] = [module.PAGE for module in page_modules() if hasattr(module, "PAGE")]
    if len({kind.name for kind in found}) < len(found):
        raise ValueError(f"two kinds of pages have one name: {sorted(kind.name for kind in found)}")
    return {kind.name: kind for kind in sorted(found, key=lambda one: (one.order, one.name))}


def page_modules() -> tuple[ModuleType, ...]:
    """The modules of this folder, by name: the pages', and those that several of them share."""
    return tuple(import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__))


def template_of(page: Page) -> str:
    """The template of a page's kind, which is the entry of the module that its class stands in."""
    kind: PageKind[Any] = sys.modules[type(page).__module__].PAGE
    return kind.template
