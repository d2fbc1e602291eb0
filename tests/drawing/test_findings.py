"""What the overview and a class's page say was found, and what limits it: word for word, from records made up here."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.drawing.view import site_view
from neurflow_report.drawing.view.model import names
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.components import Prose
from neurflow_report.drawing.view.pages.overview import MOST_ROWS, initial, overview_page
from neurflow_report.drawing.view.text import findings, limits
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.flow import flow_of, with_shares
from neurflow_report.results.records import Claim, ClassEntry, Masking, NeuronGroup, PartAgreement

YES, NO, OPEN = "supported", "not supported", "inconclusive"


def index(bundle: Bundle, number: int = 0, **changes: Any) -> Index:
    result = bundle.classes[number].model_copy(update=changes)
    return Index(bundle.run, with_shares(result, flow_of(result.layers)))


def weighing(bundle: Bundle, *weights: float) -> Index:
    """The first class with these weights from the logit's one semantic group to its core neurons."""
    result = bundle.classes[0]
    top = result.layers[-1]
    (logit,) = top.neurons
    group = logit.groups[0]
    edges = tuple(e.model_copy(update={"weight": w}) for e, w in zip(group.edges, weights, strict=False))
    whole = group.model_copy(update={"edges": edges, "patches": logit.concept})
    neuron = logit.model_copy(update={"groups": (whole,)})
    root = top.groups[0].model_copy(update={"members": top.groups[0].members[:1]})
    layers = (*result.layers[:-1], top.model_copy(update={"neurons": (neuron,), "groups": (root,)}))
    return index(bundle, layers=layers)


def text(lines: Sequence[Prose]) -> list[str]:
    return ["".join(span.text for span in line) for line in lines]


def claim(layer: str, verdict: str, name: str = "needed", **more: Any) -> Claim:
    experiment = "masking" if name.startswith(("needed", "enough")) else "weights"
    row = {
        "claim": name,
        "experiment": experiment,
        "layer": layer,
        "verdict": verdict,
        "figure": 0.1 if verdict == NO else 0.9,
    }
    return Claim.model_validate({**row, **more})


def masked(layer: str, kept: int, null: float, mode: str = "mask") -> Masking:
    return Masking.model_validate({
        "mode": mode, "layer": layer, "tau": 4, "size": 4, "channels": 64, "n": 40, "baseline": 1.0,
        "accuracy": kept / 40, "low": 0, "high": 1, "null": (null,) * 40, "p_value": 1 / 41,
    })  # fmt: skip


def test_the_neurons_that_carry_a_class_are_named(bundle: Bundle) -> None:
    one = weighing(bundle, 0.9, -0.1)
    first = one.top.neurons[0].groups[0].edges[0].channel
    assert text(findings.of_class(one))[1] == f"One layer3 neuron, n{first}, carries 90% of the class."
    two = weighing(bundle, 0.5, 0.4, 0.1)
    second = two.top.neurons[0].groups[0].edges[1].channel
    assert (
        text(findings.of_class(two))[1]
        == f"Two of its 4 core neurons at layer3 (n{first} and n{second}) carry 90% of the class."
    )


def test_what_lowers_the_logit_is_not_said_to_carry_it(bundle: Bundle) -> None:
    told = text(findings.of_class(weighing(bundle, -0.6, -0.4)))[0]
    assert told.startswith("bee & <co> is held down by ")
    assert " rests on " not in told
    assert text(findings.of_class(weighing(bundle, 0.6, 0.4)))[0].startswith("bee & <co> rests on ")


def test_a_class_has_three_sentences_with_five_figures_at_most(bundle: Bundle) -> None:
    rows = (masked("layer3", 0, 0.98),)
    told = text(findings.of_class(index(bundle, masking=rows, claims=())))
    assert told[2] == (
        "With the 4 core neurons of layer3 masked, the network recognises none of the 40 pictures; with 4 random ones "
        "masked, 98% of them."
    )
    assert len(told) == 3


def test_a_class_without_any_weight_says_so(bundle: Bundle) -> None:
    result = bundle.classes[0]
    bare = result.layers[-2].model_copy(update={"groups": (), "neurons": ()})
    layers = (*result.layers[:-2], bare, result.layers[-1].model_copy(update={"neurons": ()}))
    empty = Index(bundle.run, result.model_copy(update={"layers": layers}))
    assert text(findings.of_class(empty)) == ["No neuron of layer3 has any weight for bee & <co>."]


def test_the_report_begins_with_what_failed(bundle: Bundle) -> None:
    claims = (claim("layer3", YES), claim("layer2.0", NO), claim("layer1", NO))
    first = index(bundle, claims=claims)
    second = index(bundle, 1, claims=(claim("layer3", YES), claim("layer1", NO)))
    assert findings.of_report((first, second)) == (
        "2 of 2 classes survive without their core neurons at one layer or more: 2 at layer1 and 1 at layer2.0. "
        "At layer3, both classes are lost without their core. 2 circuits are not decidable at these sizes."
    )
    held = index(bundle, claims=(claim("layer3", YES), claim("layer1", OPEN)))
    other = index(bundle, 1, claims=(claim("layer3", YES),))
    assert (
        findings.needed((held, other)) == "No class survives without its core at any layer (1 of 3 tests inconclusive)."
    )
    left = index(bundle, claims=(claim("layer3", OPEN),))
    assert findings.needed((left,)) == "Whether the classes need their core is left open by all 1 test."
    assert findings.of_report((index(bundle, claims=()),)) == findings.UNTESTED


def test_one_class_alone_is_named(bundle: Bundle) -> None:
    claims = (claim("layer3", NO), claim("layer1", NO), *(claim(str(n), YES, "faithful") for n in range(4)))
    assert findings.of_report((index(bundle, claims=claims, masking=()),)) == (
        "bee & <co> survives without its core at layer3 and layer1: it does not need what the circuit shows there. "
        "Weakly supported: 4 of 6 tests support the circuit and 2 contradict it."
    )


def test_a_core_that_is_no_better_than_random_neurons_is_not_said_to_be_unneeded(bundle: Bundle) -> None:
    claims = (claim("layer3", NO, figure=0.9, null=0.5, q_value=0.01), claim("layer1", YES, q_value=0.01))
    one = index(bundle, claims=claims, masking=(masked("layer3", 4, 0.5), masked("layer1", 0, 0.99)), cautions=())
    assert findings.needed((one,)) == (
        "No class survives without its core at any layer (1 of 2 tests where random neurons do much the same)."
    )
    codes = [n.code for n in limits.of_class(one)]
    assert "claim-needed" not in codes
    assert {"claim-needed-null", "not-told-apart"} <= set(codes)
    (row,) = overview_page([one], bundle.manifest, {}).rows
    assert row.marks[0].words == (
        "layer3: random neurons do much the same, 10% recognised (random neurons masked: 50%)"
    )


def test_groups_that_show_the_same_parts_are_named_together(bundle: Bundle) -> None:
    one = weighing(bundle, 0.5, 0.5)
    layer = one.below_top
    named = tuple(
        g.model_copy(update={"agreement": group(g.index, purity=0.5, commonest=parts).agreement, "share": 0.4})
        for g, parts in zip(
            [layer.groups[0].model_copy(update={"index": n}) for n in (1, 2)],
            [(("petal", 0.5, 0.1), ("leaf", 0.3, 0.1)), (("leaf", 0.5, 0.1), ("petal", 0.4, 0.1))],
            strict=True,
        )
    )
    told = "".join(s.text for s in findings._listed(one, layer, named))
    assert told == "petal with leaf (80%: G1 and G2)"


def test_limits_begin_with_a_core_that_is_not_needed(bundle: Bundle) -> None:
    claims = (claim("layer3", YES, q_value=0.01), claim("layer1", NO, q_value=0.6))
    claims = (*claims, claim("layer1", NO, "faithful"))
    rows = (masked("layer3", 0, 0.98), masked("layer1", 40, 0.99))
    found = limits.of_class(index(bundle, claims=claims, masking=rows, cautions=(), measures=()))
    assert [n.code for n in found][:3] == ["claim-needed", "not-told-apart", "claim-faithful"]
    assert found[0].title == "bee & <co> survives without its core at layer1"
    assert found[0].text == (
        "Without the core, 40 of 40 pictures are still recognised at layer1 (random neurons: 99%). The class is lost "
        "without the core of layer3."
    )
    assert found[1].title == "In 1 of 2 masking tests, the core does not clearly stand out from random neurons"
    assert found[1].text.startswith("1 of 1 at layer1. ")
    assert found[2].title == "Scores predict knock-outs poorly"


def test_the_same_limits_stand_on_the_overview_in_the_same_order(bundle: Bundle) -> None:
    claims = (claim("layer3", YES, q_value=0.01), claim("layer1", NO, q_value=0.6), claim("layer1", NO, "faithful"))
    found = limits.over_classes((index(bundle, claims=claims, cautions=()), index(bundle, 1, claims=(), cautions=())))
    assert [n.title for n in found][:3] == [
        "The core is not needed in 1 of 2 tests",
        "In 1 of 2 masking tests, the core does not clearly stand out from random neurons",
        "Scores predict knock-outs poorly in 1 of 1 test",
    ]
    assert "".join(s.text for s in found[0].places) == "Classes: bee & <co> (1)"
    assert found[0].places[1].href == "class/bee-co/index.html#limits"


def test_a_caution_is_not_told_twice_where_the_ledger_says_the_same(bundle: Bundle) -> None:
    view = site_view(bundle)
    for page in view.classes:
        codes = [(n.code, n.title) for n in page.limits]
        assert len(codes) == len(set(codes))


def group(n: int, **agreement: Any) -> NeuronGroup:
    known = {"part": "pot", "purity": 0.7, "chance": 0.2, "p_value": 0.9, "n": n} | agreement
    return NeuronGroup(
        layer="l", index=1, members=(), patches=(1,), share=1,
        agreement=PartAgreement.model_validate(known) if agreement or n else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [(1.0, 0.0, "pot"), (0.6, 0.4, "pot"), (0.59, 0.3, "pot / stem"), (0.3, 0.3, "pot / stem"), (0.29, 0.2, "mixed")],
)
def test_a_name_comes_from_coverage_whatever_the_p_value(first: float, second: float, name: str) -> None:
    common = (("pot", first, 0.2), ("stem", second, 0.1))
    for p in (0.001, 0.9):
        assert names.name_of(group(50, commonest=common, p_value=p)).text == name


def test_a_name_has_its_coverage_and_chance_beside_it() -> None:
    assert names.name_of(group(50, commonest=(("pot", 0.7, 0.2),))).note == "of 50 patches, 70% pot (by chance 20%)"
    two = (("pot", 0.4, 0.2), ("stem", 0.35, 0.05))
    assert names.name_of(group(9, commonest=two)).note == (
        "of 9 patches, 40% pot (by chance 20%) and 35% stem (by chance 5%)"
    )


def test_an_older_bundle_names_by_the_one_part_it_knows_and_one_without_by_nothing() -> None:
    assert names.name_of(group(50, purity=0.7)).text == "pot"
    assert names.name_of(group(50, purity=0.2)).text == "mixed"
    assert names.name_of(NeuronGroup(layer="l", index=1, members=(), patches=(1,), share=1)).text == ""
    assert names.name_of(group(50, purity=0.7), given="my pot") == names.Name(text="my pot")


@given(
    st.dictionaries(
        st.integers(0, 9), st.tuples(st.floats(0, 1), st.lists(st.integers(0, 40), max_size=9)), min_size=1
    ),
    st.integers(0, 12),
)
def test_tiles_come_in_proportion_each_once_the_strongest_first(
    given_parts: dict[int, tuple[float, list[int]]], most: int
) -> None:
    ordered = sorted(given_parts.items(), key=lambda item: (-item[1][0], item[0]))
    parts = {c: part for c, (part, _) in ordered}
    own = {c: list(dict.fromkeys(patches)) for c, (_, patches) in ordered}
    every = {p for patches in own.values() for p in patches}
    found = names.proportional(parts, own, min(most, len(every)))
    assert len(found) == len(set(found)) == min(most, len(every))
    strongest = next(iter(parts))
    whole = sum(parts.values())
    if whole and len(own[strongest]) >= most and parts[strongest] / whole > 0.999:
        assert list(found) == own[strongest][: len(found)]


def test_a_neuron_that_lends_97_per_cent_has_all_nine_tiles() -> None:
    own = {1: list(range(20)), 2: list(range(20, 40))}
    assert names.proportional({1: 0.97, 2: 0.03}, own, 9) == tuple(range(9))
    assert names.proportional({1: 0.5, 2: 0.25}, own, 9) == (0, 1, 2, 3, 4, 5, 20, 21, 22)


def test_many_classes_are_found_by_their_letter(bundle: Bundle) -> None:
    many = MOST_ROWS + 5
    entries = tuple(ClassEntry(index=n % 6, name=f"{'ab'[n % 2]}{n}", slug=f"c{n}") for n in range(many))
    results = tuple(
        bundle.classes[1].model_copy(update={"name": e.name, "slug": e.slug, "index": e.index}) for e in entries
    )
    view = site_view(
        dataclasses.replace(bundle, run=bundle.run.model_copy(update={"classes": entries}), classes=results)
    )
    assert [(one.name, one.href) for one in view.overview.letters] == [
        ("A", "classes/a/index.html"), ("B", "classes/b/index.html"),
    ]  # fmt: skip
    pages = {page.path: page for page in view.pages()}
    shown = [row.name for letter in view.overview.letters for row in pages[letter.href].rows]  # type: ignore[attr-defined]
    assert sorted(shown) == sorted(e.name for e in entries)
    assert len(view.overview.rows) < many


def test_initials() -> None:
    assert [initial(name) for name in ("bee", "Ångström", "3d", " x", "")] == ["B", "A", "#", "X", "#"]


def test_the_table_of_classes_says_all_in_words(bundle: Bundle) -> None:
    claims = (claim("layer3", YES), claim("layer2.0", NO), claim("layer1", OPEN))
    rows = (masked("layer3", 3, 0.98),)
    (row,) = overview_page([index(bundle, claims=claims, masking=rows)], bundle.manifest, {}).rows
    assert [m.words for m in row.marks] == [
        "layer3: needed, 8% recognised (random neurons masked: 98%)",
        "layer2.0: not needed",
        "layer1: inconclusive",
    ]
    assert [m.left for m in row.marks] == ["8%", "", ""]
    assert (row.left, row.beside, row.verdict, row.tests) == ("3 of 40", "random: 98%", "not decidable", "1 of 3 tests")
    assert all(len(strip.mosaic.tiles) <= 4 for strip in row.strips)
