"""The page of a comparison as values: findings first, then what they rest on, tables and groups side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from neurflow_report.comparison.figures import change, main_row
from neurflow_report.comparison.records import Change, ClassDiff, Comparison, GroupPair, LayerDiff, LayerMatch, Row
from neurflow_report.comparison.told import MODES, Finding, claim_words, findings, reading
from neurflow_report.drawing.view.model.graph import Tile
from neurflow_report.drawing.view.model.names import name_of
from neurflow_report.drawing.view.model.numbers import MINUS, count, figure, percent
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.records import ClassResult, NeuronGroup, Run

MOST_PAIRS, MOST_TILES = 3, 6
MOST_CLASSES, MOST_PICTURED = 40, 8
"""Classes that have a section, and those of them that show patches: the most changed."""
MOST_CHANGES = 200
NONE = "–"
NOT_RUN, NOT_THERE = "not run", "not there"
WORDS = (
    "A core neuron is one that a class rests on, a neuron group some of them that react to the same. Two neurons are "
    "similar, from 0 to 1, where the same patches of pictures make them most active. By chance is the same with the "
    "pictures of one bundle re-labelled at random; of core sets by channel, what random sets of that size have in "
    "common. A counterpart is more similar than 95 in 100 pairs are by chance, and 0.71 at least. It reacts to the "
    "same patches, and that is all: a network with random weights prefers some of the same pictures as a trained one, "
    "so it is more similar than by chance, and has counterparts in its lowest layers."
)
HOW = {"index": "by channel", "activations": "by activations", "class": "by class", "none": "not possible"}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of texts; the first column names the rows. `wide`: its cells are words, not figures."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A patch to show: of which bundle (0, 1), in which picture's file, and where."""

    bundle: int
    picture: str
    tile: Tile


@dataclass(frozen=True, kw_only=True)
class GroupCard:
    """A neuron group of one bundle."""

    code: str
    name: str
    share: str
    cuts: tuple[Cut, ...]


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A neuron group then and now; None: it has no counterpart there."""

    then: GroupCard | None
    now: GroupCard | None
    note: str


@dataclass(frozen=True, kw_only=True)
class LayerBeside:
    """The strongest groups of a layer side by side; `more`: how many are not shown."""

    layer: str
    pairs: tuple[Beside, ...]
    more: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A class on the page."""

    id: str
    name: str
    lead: str
    tables: tuple[Table, ...]
    layers: tuple[LayerBeside, ...]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The whole page. `alarming`: the findings that tell of a loss or of what is not known; `others`: the rest."""

    title: str
    headline: str
    lead: str
    theme: str
    alarming: tuple[Finding, ...]
    others: tuple[Finding, ...]
    bundles: Table
    lineage: str
    words: str
    matches: Table
    classes: Table
    sections: tuple[Section, ...]
    left_out: str
    settings: Table
    settings_left_out: str
    generator: str


def difference(found: Comparison, then: Bundle, now: Bundle) -> Difference:
    """What a reader sees of a comparison."""
    told = findings(found)
    alarming = tuple(one for one in told if one.kind in ("lost", "unknown"))
    ordered = sorted(found.classes, key=lambda one: (-_changed(one), one.name))
    shown = () if found.same_results else ordered[:MOST_CLASSES]
    title = found.now.title if found.then.title == found.now.title else f"{found.then.title} / {found.now.title}"
    more = len(ordered) - len(shown)
    return Difference(
        title=title,
        headline=_headline(found, alarming),
        lead=(
            "Two bundles of results are compared: “then” is the first, “now” the second. "
            "What is lost, weaker or not known comes first."
        ),
        theme=now.run.theme,
        alarming=alarming,
        others=tuple(one for one in told if one not in alarming),
        bundles=_bundles(found),
        lineage=_sentence(found.lineage),
        words=WORDS,
        matches=_matches(found.matches),
        classes=_classes(found),
        sections=tuple(_section(one, (then, now), pictured=number < MOST_PICTURED) for number, one in enumerate(shown)),
        left_out=f"{count(more, 'class', 'classes')} that changed less: diff.json has them." if more and shown else "",
        settings=Table(
            caption="Settings, names and versions that differ",
            heads=("where", "then", "now"),
            rows=tuple((c.place, *_sides(c)) for c in found.changes[:MOST_CHANGES]),
            wide=True,
        ),
        settings_left_out=f"and {count(over, 'more')}: diff.json has them."
        if (over := len(found.changes) - MOST_CHANGES) > 0
        else "",
        generator=now.manifest.provenance.generator,
    )


def _sides(one: Change) -> tuple[str, str]:
    """What a setting was then and now; of a list only what the other does not have."""
    if one.lost or one.new:
        some = (("only then", one.lost), ("only now", one.new))
        then, now = (f"{when}: {', '.join(items)}" if items else NONE for when, items in some)
        return then, now
    then, now = (NOT_THERE if side is None else side or NONE for side in (one.then, one.now))
    return then, now


def _headline(found: Comparison, alarming: Sequence[Finding]) -> str:
    if found.identical:
        return "Nothing differs"
    if found.same_results:
        return "The results are the same"
    if found.permuted:
        return "The same, in another order"
    lost = [one for one in alarming if one.kind == "lost"]
    if lost:
        return "Something is lost or weaker" if len(lost) == 1 else f"{len(lost)} things are lost or weaker"
    return "Some of it cannot be compared" if alarming else "Something differs, nothing is told to be weaker"


def _changed(one: ClassDiff) -> float:
    """How much a class changed, to show the most changed first."""
    overlaps = [1 - layer.overlap for layer in one.layers if layer.overlap is not None]
    moved = [layer.moved for layer in one.layers if layer.moved is not None]
    return 10 * (one.verdict[0] != one.verdict[1]) + max(overlaps, default=0) + max(moved, default=0)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _bundles(found: Comparison) -> Table:
    sides = (found.then, found.now)
    rows = [
        ("title", *(side.title for side in sides)),
        ("network", *(side.model for side in sides)),
        ("digest of its state", *(side.state[:16] for side in sides)),
        ("digest of the results", *(side.digest[:16] for side in sides)),
        ("format, program", *(f"{side.format}, {side.generator}" for side in sides)),
        ("made", *(side.created for side in sides)),
        ("accuracy", *(reading(r) if r else NONE for r in (found.accuracy.then, found.accuracy.now))),
    ]
    return Table(caption="The two bundles", heads=("", "then", "now"), rows=tuple(rows), wide=True)


def _matches(matches: Sequence[LayerMatch]) -> Table:
    return Table(
        caption="How neurons are identified, layer by layer",
        heads=("layer", "how", "neurons then", "now", "with a counterpart", "similarity", "by chance"),
        rows=tuple(
            (
                match.layer,
                HOW[match.how],
                f"{match.then:,}",
                f"{match.now:,}",
                f"{len(match.pairs):,}" if match.how != "none" else NONE,
                _two(match.similarity),
                f"{match.null[0]:.2f} ({match.null[1]:.2f}–{match.null[2]:.2f})" if match.null else NONE,
            )
            for match in matches
        ),
    )


def _classes(found: Comparison) -> Table:
    rows = [
        (
            one.name,
            one.verdict[0] if one.verdict[0] == one.verdict[1] else f"{one.verdict[0]} → {one.verdict[1]}",
            " → ".join(f"{share} of {whole}" for share, whole in one.supported),
            _least([layer.overlap for layer in one.layers]),
            " → ".join(map(str, one.cautions)),
        )
        for one in found.classes
    ]
    rows += [(name, "only then", NONE, NONE, NONE) for name in found.lost]
    rows += [(name, "only now", NONE, NONE, NONE) for name in found.new]
    heads = ("class", "verdict", "tests that support", "least overlap of core sets", "cautions")
    return Table(caption="Classes", heads=heads, rows=tuple(rows))


def _least(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return percent(min(known)) if known else NONE


def _two(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return NONE if value is None else percent(value)


def _section(one: ClassDiff, bundles: tuple[Bundle, Bundle], *, pictured: bool) -> Section:
    then, now, both = one.pictures
    pictures = f"{count(then, 'picture')} then, {now:,} now, {both:,} in both."
    why = f" No patch is shared: {one.patches_reason}." if one.patches_reason else ""
    same = one.verdict[0] == one.verdict[1]
    verdict = (
        f"Verdict: {one.verdict[0]}, as before." if same else f"Verdict: {one.verdict[0]} then, {one.verdict[1]} now."
    )
    tables = (_layers(one.layers), _masking(one), _claims(one), _edges(one))
    return Section(
        id=f"class-{one.slug}",
        name=one.name,
        lead=f"{verdict} {pictures}{why}",
        tables=tuple(table for table in tables if table.rows),
        layers=tuple(_beside(one, bundles)) if pictured else (),
    )


def _layers(layers: Sequence[LayerDiff]) -> Table:
    return Table(
        caption="Core neurons and flow",
        heads=("layer", "core then", "now", "in common", "overlap", "by chance", "through other groups", "same edges"),
        rows=tuple(
            (
                layer.layer,
                f"{layer.then:,}",
                f"{layer.now:,}",
                NONE if layer.common is None else f"{layer.common:,}",
                _share(layer.overlap),
                _share(layer.chance),
                _share(layer.moved),
                _share(layer.flow),
            )
            for layer in reversed(layers)
        ),
    )


def _masking(one: ClassDiff) -> Table:
    rows = []
    for layer in reversed(one.layers):
        for mode, words in MODES.items():
            row = main_row(one, layer.layer, mode)
            if row is not None and row.then is not None and row.now is not None:
                told = f"{layer.layer}, {words} (τ = {row.key['tau']})"
                rows.append((told, reading(row.then), reading(row.now), _points(row)))
    return Table(caption="F1: pictures recognised", heads=("", "then", "now", "change"), rows=tuple(rows))


def _points(row: Row) -> str:
    by = change(row)
    if by is None:
        return NONE
    return f"{'+' if by > 0 else MINUS if by < 0 else ''}{abs(100 * by):.0f} points"


def _claims(one: ClassDiff) -> Table:
    def told(row: Row) -> tuple[str, ...]:
        where = f"{row.key['layer']}: {claim_words(row.key)}" if row.key.get("layer") else claim_words(row.key)
        sides = (row.then, row.now)
        words = [(side.verdict if side else NOT_THERE) for side in sides]
        numbers = [figure(side.value) if side and side.value is not None else NONE for side in sides]
        return where, words[0], numbers[0], words[1], numbers[1]

    return Table(
        caption="Claims of the ledger",
        heads=("claim", "then", "figure", "now", "figure"),
        rows=tuple(told(row) for row in one.claims if any(s and s.verdict != NOT_RUN for s in (row.then, row.now))),
    )


def _edges(one: ClassDiff) -> Table:
    return Table(
        caption="Flows between matched groups that changed most (group numbers of then)",
        heads=("from", "then", "now"),
        rows=tuple(
            (f"{e.upper_layer} G{e.upper} → {e.lower_layer} G{e.lower}", percent(e.then), percent(e.now))
            for e in one.edges
        ),
    )


def _beside(one: ClassDiff, bundles: tuple[Bundle, Bundle]) -> Iterator[LayerBeside]:
    """The strongest groups then and now, layer by layer from the logit down."""
    results = [
        next(result for result in bundle.classes if result.slug == slug)
        for bundle, slug in zip(bundles, (one.slug, one.slug_now), strict=True)
    ]
    cards = [
        _Cards(number, bundle.run, result) for number, (bundle, result) in enumerate(zip(bundles, results, strict=True))
    ]
    for layer in reversed(one.layers):
        shown = layer.groups[:MOST_PAIRS]
        more = len(layer.groups) - len(shown)
        yield LayerBeside(
            layer=layer.layer,
            pairs=tuple(
                Beside(
                    then=cards[0].card(layer.layer, pair.then, pair.share_then),
                    now=cards[1].card(layer.layer, pair.now, pair.share_now),
                    note=_alike(pair),
                )
                for pair in shown
            ),
            more=f"and {count(more, 'group')} with smaller shares" if more else "",
        )


def _alike(pair: GroupPair) -> str:
    if pair.then is None:
        return "new: no group then is like it"
    if pair.now is None:
        return "gone: no group now is like it"
    known = ((pair.patches, "shared patches"), (pair.members, "neurons"))
    told = [f"{percent(value)} of the {what}" for value, what in known if value is not None]
    return f"in common: {' and '.join(told)}"


class _Cards:
    """A bundle's groups of one class, as cards."""

    def __init__(self, bundle: int, run: Run, result: ClassResult) -> None:
        self._bundle, self._result, self._size = bundle, result, run.model.preprocess.size
        self._names = {(n.layer, n.code): n.text for n in run.names if n.slug == result.slug}
        self._labels = {(one.layer, one.group): one for one in result.labels}
        self._groups: Mapping[tuple[str, int], NeuronGroup] = {
            (layer.name, g.index): g for layer in result.layers for g in layer.groups
        }
        self._patches = {patch.index: patch for patch in result.patches}

    def card(self, layer: str, index: int | None, share: float) -> GroupCard | None:
        if index is None:
            return None
        group = self._groups[layer, index]
        name = name_of(group, self._names.get((layer, f"G{index}"), ""), self._labels.get((layer, index)))
        cuts = [cut for patch in group.patches if (cut := self._cut(patch)) is not None]
        return GroupCard(code=f"G{index}", name=name.text, share=percent(share), cuts=tuple(cuts[:MOST_TILES]))

    def _cut(self, index: int) -> Cut | None:
        patch = self._patches[index]
        picture = self._result.pictures[patch.image]
        if picture.file is None:
            return None
        tile = Tile(
            index=index, slug=self._result.slug, image=patch.image, file=picture.file, href="",
            left=patch.left / self._size, top=patch.top / self._size, side=patch.side / self._size,
            text=f"patch of {picture.name}",
        )  # fmt: skip
        return Cut(bundle=self._bundle, picture=picture.file, tile=tile)
