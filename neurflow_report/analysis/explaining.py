"""Pictures that came after a run, explained by the circuits of its bundle, with the model at hand (METHOD §7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from neurflow_report.analysis.debugging import asked_of, explained
from neurflow_report.errors import Gathered, InputError, Where
from neurflow_report.images.named import named
from neurflow_report.images.sources import Item
from neurflow_report.network.fence import blamed
from neurflow_report.progress import Progress
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.records import Debugging, Run, Unexplained
from neurflow_report.setup.precision import arithmetic
from neurflow_report.setup.preflight import Ready, preflight
from neurflow_report.setup.settings import RunSettings
from neurflow_report.spec.load import LoadedSpec


@dataclass(frozen=True, kw_only=True)
class Explanations:
    """What was found.

    Attributes:
        bundle: the bundle with these pictures, and no others, explained; its files are still those of before.
        pictures: by their names in a bundle, the bytes of the pictures that are explained.
        unexplained: those that no circuit explains.
    """

    bundle: Bundle
    pictures: dict[str, bytes]
    unexplained: tuple[Unexplained, ...]


def explain_pictures(
    loaded: LoadedSpec, bundle: Bundle, pictures: Sequence[str], *, progress: Progress
) -> Explanations:
    """Explain pictures by the circuits of a bundle.

    Args:
        loaded: the spec of its run, whose model is at hand; `debug.contrast` counts, too. The crops, the integral and
            how pictures are kept are as the bundle has them.
        pictures: paths, or names of pictures of the spec's data.
    Raises: what `analyze` raises before it looks at the pictures; InputError picture-unreadable, bundle-other.
    """
    with arithmetic():
        loaded = _as_run(loaded, bundle.run)
        # Classes that a run left out when it kept going are not asked for.
        ready = preflight(loaded, progress=progress, keep_going=bool(bundle.run.failed))
        _check_same(ready, bundle)
        items = _items(loaded, ready, pictures)
        with blamed("it is examined"):
            logits = [result.index for result in bundle.classes]
            asked, unexplained = asked_of(items, ready, loaded.spec.debug.contrast, logits)
            settings = replace(RunSettings.of(loaded.spec), seed=bundle.run.settings.seed)
            classes, files = [], dict[str, bytes]()
            for number, result in enumerate(bundle.classes):
                found, kept = explained(
                    [one for one in asked if one.number == number], result, ready, settings,
                    images=loaded.spec.report.images, progress=progress,
                )  # fmt: skip
                files |= kept
                classes.append(result.model_copy(update={"debugged": found}))
    record = Debugging(
        images="named", limit=len(pictures), contrast=loaded.spec.debug.contrast, labelled=0, mistakes=0,
        explained=len(asked), unexplained=unexplained,
    )  # fmt: skip
    run = bundle.run.model_copy(update={"debugging": record})
    return Explanations(
        bundle=replace(bundle, run=run, classes=tuple(classes)), pictures=files, unexplained=unexplained
    )


def _as_run(loaded: LoadedSpec, run: Run) -> LoadedSpec:
    """The spec with the crops and the integral of a run, and what it kept of the pictures."""
    spec, of = loaded.spec, run.settings
    crops = {"scales": of.scales, "stride": of.stride}
    integral = {"rule": of.rule, "nodes": of.nodes, "max_nodes": of.max_nodes, "tolerance": of.tolerance}
    own = {
        "concept": spec.concept.model_copy(update=crops),
        "attribution": spec.attribution.model_copy(update=integral),
        "report": spec.report.model_copy(update={"images": run.images}),
    }
    return replace(loaded, spec=spec.model_copy(update=own))


def _items(loaded: LoadedSpec, ready: Ready, pictures: Sequence[str]) -> list[Item]:
    gathered = Gathered()
    one = partial(
        named, source=ready.source, base=Path(), preprocess=ready.network.preprocess, white=loaded.spec.data.white
    )
    found = [gathered.attempt(partial(one, text)) for text in dict.fromkeys(pictures)]
    gathered.tell()
    return [item for item in found if item is not None]


def _check_same(ready: Ready, bundle: Bundle) -> None:
    """Check that the bundle is of the spec's network, cut at the spec's layers.

    Raises: InputError bundle-other.
    """
    for message in _unlike(ready, bundle):
        hint = "give the spec that the bundle was made from, with the weights of then, or make the bundle again"
        raise InputError("bundle-other", message, hint=hint, where=Where(file=str(bundle.root)))


def _unlike(ready: Ready, bundle: Bundle) -> Iterator[str]:
    run, layers = bundle.run, ready.workspace.segments.layers
    if ready.network.digest != run.model.digest:
        yield (
            f"the bundle's network has the digest {run.model.digest[:12]}…, and the spec's "
            f"{ready.network.digest[:12]}…: it is another, or has other weights"
        )
    if tuple(layers) != tuple(run.layers):
        names = [", ".join(layer.name for layer in some) for some in (run.layers, layers)]
        yield f"the bundle's layers are {names[0]}, and the spec's {names[1]}"
    if ready.network.preprocess != run.model.preprocess:
        yield "the bundle's pictures were prepared otherwise than the spec says (preprocess)"
