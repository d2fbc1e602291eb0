"""Where a run keeps what it found of each class, and finds it again (results/cache.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from neurflow_report.analysis.class_key import keys
from neurflow_report.images.classes import ClassTarget
from neurflow_report.images.select import Chosen
from neurflow_report.progress import Progress
from neurflow_report.results.cache import Cache, Kept, folder
from neurflow_report.setup.preflight import Ready
from neurflow_report.setup.settings import RunSettings
from neurflow_report.spec.schema import Spec

Known = tuple[ClassTarget, str, Sequence[Chosen], Sequence[Chosen]]
"""A class as a run knows it before it is examined: its target, its slug, its pictures, those of other classes."""


@dataclass(kw_only=True)
class Store:
    """What is known of the classes of a run.

    Attributes:
        cache: None where nothing is kept; nor is it any more after a file could not be written.
        keys: of the classes, in their order.
        wanted: the numbers of those that are to be known.
        there: what was found in the cache, by the class's number.
        made: how many classes were examined and are kept.
    """

    cache: Cache | None
    keys: Sequence[str]
    wanted: Sequence[int]
    title: str
    progress: Progress
    there: dict[int, Kept] = field(default_factory=dict)
    made: int = 0

    @classmethod
    def of(
        cls,
        spec: Spec,
        ready: Ready,
        settings: RunSettings,
        classes: Sequence[Known],
        wanted: Sequence[int],
        progress: Progress,
        *,
        look: bool = True,
    ) -> Store:
        """What the cache has of the classes.

        Args:
            settings: with the precision that was taken.
            wanted: the numbers of the classes that are to be known.
            look: whether what is there is taken.
        """
        place = folder(spec.runtime.cache)
        if place is None:
            return cls(cache=None, keys=(), wanted=wanted, title=spec.title, progress=progress)
        known = keys(spec, ready, settings, classes)
        cache = Cache(folder=place)
        store = cls(cache=cache, keys=known, wanted=wanted, title=spec.title, progress=progress)
        if look and cache.shelf.is_there():
            with progress.stage("look into the cache", len(wanted)) as step:
                store._look(step.advance)
                if store.there:
                    step.note(f"{len(store.there)} of {len(wanted)} classes were examined before, all the same")
        return store

    def _look(self, advance: Callable[[int], None]) -> None:
        for number in self.wanted:
            found = self.cache.get(self.keys[number]) if self.cache is not None else None
            if found is not None:
                self.there[number] = found
            advance(1)

    def missing(self) -> list[int]:
        """The numbers of the classes that are still to be examined."""
        return [number for number in self.wanted if number not in self.there]

    def found(self, number: int) -> Kept | None:
        """What the cache had of a class."""
        return self.there.get(number)

    def kept(self, number: int, found: Kept) -> Kept:
        """Keep what was found of a class, and give it back."""
        if self.cache is not None:
            try:
                self.cache.put(self.keys[number], found, title=self.title)
                self.made += 1
            except OSError as error:
                with self.progress.stage("keep the class", None) as step:
                    reason = error.strerror or str(error) or type(error).__name__
                    step.note(f"the cache {self.cache.folder} cannot be written: {reason}; the run goes on without it")
                self.cache = None
        return found


@contextmanager
def noted(kept: Callable[[], int]) -> Iterator[None]:
    """What ends the block is told how many classes are kept."""
    try:
        yield
    except BaseException as error:
        if done := kept():
            some = "1 class is" if done == 1 else f"{done} classes are"
            error.add_note(f"{some} kept: the same command goes on from there")
        raise
