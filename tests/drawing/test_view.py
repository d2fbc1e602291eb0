"""The page data: figures, wording, addresses and pruning."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.drawing.view import SiteView, site_view
from neurflow_report.drawing.view.model import circuit_drawing, numbers, urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.pages import retaining
from neurflow_report.drawing.view.pages.class_page import figures, selection
from neurflow_report.drawing.view.pages.layer_page import group_view
from neurflow_report.drawing.view.pages.method import method_page
from neurflow_report.drawing.view.pages.overview import overview_page
from neurflow_report.drawing.view.pages.provenance import provenance_page
from neurflow_report.drawing.view.pages.summary import lead
from neurflow_report.drawing.view.text import cautions
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.catalogue import EXPERIMENTS
from neurflow_report.results.records import Caution, Masking, Rounding
from tests.sample_bundle import K


@pytest.fixture(scope="module")
def bee(bundle: Bundle) -> Index:
    return Index(bundle.run, bundle.classes[0])


def _masking(**changes: object) -> Masking:
    row = {
        "mode": "mask", "layer": "layer4", "tau": 4, "size": 4, "channels": 64, "n": 50, "baseline": 1.0,
        "accuracy": 0.2, "low": 0.11, "high": 0.33, "null": (0.9, 0.8), "p_value": 0.048,
    }  # fmt: skip
    return Masking.model_validate({**row, **changes})


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (0.001, "<1%"), (0.005, "0%"), (0.38, "38%"), (0.994, "99%"), (0.999, ">99%"), (1, "100%")],
)
def test_percent(share: float, text: str) -> None:
    assert numbers.percent(share) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.0001, "1.0e−04"),
        (0.4123, "0.412"),
        (1.5, "1.50"),
        (123.44, "123.4"),
        (12345.6, "12,346"),
        (-0.2, "−0.200"),
    ],
)
def test_figure(value: float, text: str) -> None:
    assert numbers.figure(value) == text


@given(st.floats(-2, 2))
def test_a_weight_is_coloured_as_it_is_printed(weight: float) -> None:
    text, sign = numbers.signed(weight), numbers.sign(weight)
    assert {"+": "positive", "−": "negative", "0": ""}[text[0]] == sign


def test_lists_and_counts_in_words() -> None:
    assert [numbers.listing(list(n)) for n in ("", "a", "ab", "abc")] == ["", "a", "a and b", "a, b and c"]
    assert numbers.count(1, "patch", "patches") == "1 patch"
    assert numbers.count(1200, "neuron") == "1,200 neurons"
    assert numbers.part_of(9, 23, "patch", "patches") == "9 of 23 patches"
    assert numbers.part_of(5, 5, "patch", "patches") == "all 5 patches"
    assert numbers.part_of(1, 1, "patch", "patches") == "the only patch"


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=9))
def test_median_is_the_middle(values: list[float]) -> None:
    middle = numbers.median(values)
    assert sum(v <= middle for v in values) * 2 >= len(values) <= sum(v >= middle for v in values) * 2


def test_layer_names_that_are_no_folder_names() -> None:
    assert urls.folder_name("layer4.2") == "layer4.2"
    assert urls.folder_name("a/b c") == "a-b-c-0af99a60"
    assert urls.folder_name("..") == "layer-5ec1f7e7"
    assert len(urls.folder_name("x" * 300)) == 109
    others = ("a/b", "a-b", "a b", "index.html", "pictures.html", "circuit.html", "media", "index.html-", "")
    assert len({urls.folder_name(name) for name in others}) == len(others)
    assert not {urls.folder_name(name) for name in others} & {"index.html", "pictures.html", "circuit.html", "media"}


def test_masking_is_told_with_n_interval_and_null() -> None:
    assert retaining.masking_sentence(_masking()) == (
        "Setting the 4 core neurons of layer4 to 0 takes the accuracy from 100% to 20% (95% interval 11–33%, "
        "n = 50 pictures); 2 random sets of the same size leave 85% on average."
    )
    assert retaining.masking_sentence(_masking(mode="retain")).startswith("Keeping only the 4 core neurons of layer4 ")


def test_core_sets_no_better_than_chance_are_a_doubt() -> None:
    assert retaining.undecided([_masking()]) is None
    weak = [{"p_value": 0.04}, {"p_value": 0.2}, {"layer": "layer3"}, {"layer": "layer2", "p_value": 0.9}]
    rows = [_masking(null=(0.9, 0.8) * 10, **row) for row in weak]
    notice = retaining.undecided(rows)
    assert notice is not None
    assert notice.text == (
        "In 2 of 4 tests of masking and retaining, the core set is not told apart from random sets of the same size "
        "(p over 0.05): layer4 1 of 2, layer2 1 of 1."
    )


def test_too_few_random_sets_are_not_a_core_set_no_better_than_chance() -> None:
    notice = retaining.undecided([_masking(p_value=1 / 6, null=(0.9,) * 5), _masking(p_value=1 / 6, null=(0.9,) * 5)])
    assert notice is not None
    assert (notice.title, notice.text) == (
        "Too few random sets", "With 5 random sets p cannot be under 0.167: no core set can be told apart from them.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "channel", "figure", "threshold", "start"),
    [
        ("few-images", None, 6, 50, "6 pictures of the 50 asked for. "),
        ("few-patches", None, 0.85, 0.5, "Concepts of 85% of the class's patches, over 50%. "),
        ("silhouette", None, 0.04, 0.1, "L: silhouette 0.04, under 0.10. "),
        ("silhouette", 3, 0.04, 0.1, "1 neuron at L: silhouette 0.04, under 0.10. "),
        ("completeness", 3, 0.031, 0.02, "1 neuron at L: completeness gap 3.1%, over the tolerance of 2.0%. "),
        ("saturation", None, 0.66, 0.5, "L: 66% of the layer's channels are core neurons, over 50%. "),
        ("retain-loses", None, 0.3, 0.5, "L: 30% accuracy with only the core set kept, under 50%. "),
        ("low-baseline", None, 0.3, 0.5, "30% accuracy before anything is masked, under 50%. "),
        ("no-core", None, 0, 1, "L: no core concept neuron below. "),
        ("silent", None, 0.375, 0.25, "L: 38% of the layer's channels are silent on every patch of the class. "),
        ("dead-neuron", 3, 0, 0, "1 neuron at L: largest activation 0. "),
        ("single-group", 3, 12, 2, "1 neuron at L: one group by default. "),
        ("brand-new", None, 3, 2, "L: 3.00 against 2.00. "),
    ],
)
def test_every_caution_in_words(code: str, channel: int | None, figure: float, threshold: float, start: str) -> None:
    layer = "" if code in ("few-images", "few-patches", "low-baseline") else "L"
    one = Caution(code=code, layer=layer, channel=channel, figure=figure, threshold=threshold)
    (notice,) = cautions.notices([one], "bee", masking=())
    assert notice.text.startswith(start)
    assert [s.href for s in notice.places] == (["", "class/bee/L/index.html#n3"] if channel else [])
    assert "".join(s.text for s in notice.places) == ("Neurons: n3" if channel else "")


def test_one_kind_of_caution_at_several_layers_is_explained_once() -> None:
    at = [("block4", 123, 0.35), ("block2", 98, 0.38)]
    single = [Caution(code="weak-weights", layer=x, channel=c, figure=f, threshold=0.4) for x, c, f in at]
    (notice,) = cautions.notices(single, "bee", masking=())
    assert notice.text.startswith(
        "2 neurons at block4 and block2: at worst r = 0.35 between scores and measured losses, under 0.40. Knocking"
    )
    assert "".join(s.text for s in notice.places) == "Neurons: block4 n123, block2 n98"
    whole = [Caution(code="saturation", layer=x, channel=None, figure=f, threshold=0.3) for x, _, f in at]
    (notice,) = cautions.notices(whole, "bee", masking=())
    assert notice.text == (
        "block4: 35% of the layer's channels are core neurons, over 30%; block2: 38% of the layer's channels are core "
        "neurons, over 30%. With so much of the layer in the core set, masking and retaining say little about which "
        "neurons matter."
    )


def test_a_figure_is_never_told_as_the_threshold_that_it_missed() -> None:
    def told(code: str, figure: float, threshold: float) -> str:
        one = Caution(code=code, layer="L", channel=None, figure=figure, threshold=threshold)
        return cautions.notices([one], "bee", masking=())[0].text.split(". ")[0]

    assert told("unstable", 0.4973, 0.5) == "L: adjusted Rand index 0.497 with 5% noise, under 0.50"
    assert told("unstable", 0.49, 0.5) == "L: adjusted Rand index 0.49 with 5% noise, under 0.50"
    assert told("saturation", 0.5012, 0.5) == "L: 50.1% of the layer's channels are core neurons, over 50%"


def test_a_symbol_at_a_sentences_beginning_stays_as_it_is() -> None:
    weak = Caution(code="weak-weights", layer="L", channel=3, figure=0.35, threshold=0.4)
    dead = Caution(code="dead-neuron", layer="L", channel=3, figure=0, threshold=0)
    texts = [notice.text for notice in cautions.own([weak, dead])]
    assert texts[0].startswith("r = 0.35 between scores")
    assert texts[1].startswith("Largest activation 0. ")


def test_a_lost_class_is_told_with_its_tau_where_several_were_tried() -> None:
    one = Caution(code="retain-loses", layer="L", channel=None, figure=0.3, threshold=0.5)
    rows = [_masking(layer="L", mode="retain", tau=tau, accuracy=a) for tau, a in ((2, 0.3), (4, 1.0))]
    (notice,) = cautions.notices([one], "bee", masking=rows)
    assert notice.text.startswith("L with τ 2: 30% accuracy with only the core set kept, under 50%. ")
    (notice,) = cautions.notices([one], "bee", masking=rows[:1])
    assert notice.text.startswith("L: 30% accuracy")


def test_many_neurons_with_one_caution_are_one_notice() -> None:
    many = [Caution(code="silhouette", layer="L", channel=c, figure=c / 1000, threshold=0.1) for c in range(30)]
    (notice,) = cautions.notices(many, "bee", masking=())
    assert notice.text.startswith("30 neurons at L: at worst silhouette 0.00, under 0.10. ")
    assert "".join(s.text for s in notice.places).endswith("n11 and 18 more")


def test_pruning_keeps_the_strongest_and_counts_what_it_leaves_out() -> None:
    weights = [
        circuit_drawing.Weight(upper="U", lower=f"L{i}", layer="below", weight=w)
        for i, w in enumerate((0.6, -0.3, 0.06, 0.04))
    ]
    pruned = circuit_drawing.prune(weights, frozenset({"U", "L0", "L1", "L2", "L3"}))
    assert [link.lower for link in pruned.links] == ["L0", "L1"]
    assert (pruned.total, round(pruned.kept, 6)) == (4, 0.9)
    hidden = circuit_drawing.prune(weights, frozenset({"U", "L1"}))
    assert [link.weight for link in hidden.links] == [-0.3]
    assert round(hidden.kept, 6) == 0.3


@given(st.lists(st.floats(-1, 1), max_size=60))
def test_pruning_never_draws_more_than_its_most(values: list[float]) -> None:
    weights = [circuit_drawing.Weight(upper="U", lower=f"L{i}", layer="b", weight=w) for i, w in enumerate(values)]
    pruned = circuit_drawing.prune(weights, frozenset({"U", *(w.lower for w in weights)}))
    assert len(pruned.links) <= circuit_drawing.MOST_EDGES
    assert 0 <= pruned.kept <= 1 + 1e-9
    assert all(link.weight != 0 for link in pruned.links)
    drawn, left = {link.lower for link in pruned.links}, [abs(w.weight) for w in weights]
    weakest = min((abs(link.weight) for link in pruned.links), default=0)
    assert all(v <= weakest for w, v in zip(weights, left, strict=True) if w.lower not in drawn and drawn)


def test_shares_that_reach_neurons_add_up_in_each_layer(bundle: Bundle) -> None:
    for result in bundle.classes:
        ranks = circuit_drawing.ranked_neurons(Index(bundle.run, result))
        assert set(ranks) == {layer.name for layer in result.layers}
        for layer in result.layers:
            assert sum(ranks[layer.name].values()) == pytest.approx(1)
            assert set(ranks[layer.name]) <= {a.channel for a in layer.neurons}


def test_a_caption_counts_the_nodes_and_edges_drawn(view: SiteView) -> None:
    drawing = view.classes[0].circuit
    assert drawing.caption.startswith("Drawn: all 10 neuron groups; ")
    assert (
        f"{len(drawing.table.rows) - len(drawing.diagram.links)} of {len(drawing.table.rows)} edges" in drawing.caption
    )


def test_the_lead_says_what_lowers_and_names_no_part_without_a_test(bundle: Bundle) -> None:
    result = bundle.classes[0]
    layer = result.layers[-2]
    weak = layer.groups[0].agreement
    assert weak is not None
    groups = (
        layer.groups[0].model_copy(update={"agreement": weak.model_copy(update={"p_value": 0.4})}),
        *layer.groups[1:],
    )
    layers = (*result.layers[:-2], layer.model_copy(update={"groups": groups}), result.layers[-1])
    text = "".join(s.text for s in lead(Index(bundle.run, result.model_copy(update={"layers": layers}))))
    assert text.startswith(
        "The logit bee & <co> is held down most by G1 of layer3 (46% of its absolute weight, W −0.13)"
    )
    assert "match no planted part better than chance does" in text


def one_that_carries(bundle: Bundle, *weights: float) -> Index:
    """The first class with these weights, all in one semantic group of the logit's, for its core neurons' edges."""
    result = bundle.classes[0]
    top = result.layers[-1]
    (logit,) = top.neurons
    edges = tuple(
        edge.model_copy(update={"weight": w}) for edge, w in zip(logit.groups[0].edges, weights, strict=False)
    )
    group = logit.groups[0].model_copy(update={"edges": edges})
    neuron = logit.model_copy(update={"groups": (group,)})
    layers = (*result.layers[:-1], top.model_copy(update={"neurons": (neuron,)}))
    return Index(bundle.run, result.model_copy(update={"layers": layers}))


def test_a_single_neuron_that_carries_most_is_named(bundle: Bundle) -> None:
    index = one_that_carries(bundle, 0.9, -0.1)
    first = index.top.neurons[0].groups[0].edges[0].channel
    groups = [f"G{g}" for g in index.groups_of(index.below_top.name, first)]
    where = f", which is in {numbers.listing(groups)} and counts in each" if len(groups) > 1 else ""
    text = "".join(s.text for s in lead(index))
    assert f" One neuron, n{first}{where}, carries 90% of the weight by itself. " in text
    card = overview_page([index], bundle.manifest, {}).cards[0]
    assert card.sentence.endswith(f". One neuron, n{first}, carries 90% by itself.")
    assert "One neuron, " not in "".join(s.text for s in lead(one_that_carries(bundle, 0.4, 0.3, 0.3)))


def test_the_method_says_what_every_experiment_run_asks_and_how_large_it_was(view: SiteView, bundle: Bundle) -> None:
    found = {step.id: step for step in view.method.steps}
    run = [name for name in bundle.run.settings.experiments if name != "masking"]
    assert [name for name in found if name in EXPERIMENTS and name != "masking"] == [n for n in EXPERIMENTS if n in run]
    assert all("{" not in text for step in view.method.steps for text in step.text)
    assert "Here: " not in found["stability"].text[0]
    known = bundle.run.settings.model_copy(
        update={"noise_draws": 20, "weight_draws": 64, "sizes": (1, 5), "targets": 3}
    )
    found = {step.id: step for step in method_page(bundle.run.model_copy(update={"settings": known})).steps}
    assert found["stability"].text[0].endswith(" Here: 20 draws of the noise.")
    assert (
        found["weights"]
        .text[0]
        .endswith(" Here: 3 core neurons of each layer at most, 64 random sets for each, of 1, 5 neurons.")
    )


def with_shares(bundle: Bundle, *shares: float) -> Index:
    """The first class with these shares at the layer below the logit."""
    result = bundle.classes[0]
    layer = result.layers[-2]
    groups = tuple(
        layer.groups[0].model_copy(update={"index": n, "share": share}) for n, share in enumerate(shares, start=1)
    )
    layers = (*result.layers[:-2], layer.model_copy(update={"groups": groups}), result.layers[-1])
    return Index(bundle.run, result.model_copy(update={"layers": layers}))


def test_groups_that_carry_about_as_much_are_named_together(bundle: Bundle) -> None:
    def text(*shares: float) -> str:
        return "".join(s.text for s in lead(with_shares(bundle, *shares)))

    assert text(0.5, 0.3, 0.2).startswith("The logit bee & <co> is held down most by G1 of layer3 (50% of")
    assert text(0.36, 0.34, 0.3).startswith(
        "The logit bee & <co> rests about as much on G1 (36%) and G2 (34%) of layer3, by the size of their weights. "
        "G1's 20 patches come from 6 of 6 pictures"
    )
    assert "on G1 (26%), G2 (25%) and G3 (25%) of layer3 and 1 more group there" in text(0.26, 0.25, 0.25, 0.24)
    card = overview_page([with_shares(bundle, 0.36, 0.34, 0.3)], bundle.manifest, {}).cards[0]
    assert card.sentence.startswith("G1 of layer3 carries 36% of the weight, G2 (34%) nearly as much")


@pytest.mark.parametrize(
    ("patches", "caution"),
    [
        (1, "Only 1 patch: too few to say what it stands for."),
        (3, "Only 3 patches: too few to say what it stands for."),
        (4, ""),
    ],
)
def test_few_patches_are_a_caution(bundle: Bundle, patches: int, caution: str) -> None:
    result = bundle.classes[0]
    layer = result.layers[-2]
    group = layer.groups[0].model_copy(update={"patches": layer.groups[0].patches[:patches]})
    assert group_view(Index(bundle.run, result), layer, group).caution == caution


def test_patches_of_one_picture_are_a_caution(bundle: Bundle) -> None:
    result = bundle.classes[0]
    layer = result.layers[-2]
    of_one = tuple(p.index for p in result.patches if p.image == 2)[:5]
    group = layer.groups[0].model_copy(update={"patches": of_one})
    view = group_view(Index(bundle.run, result), layer, group)
    assert view.caution == "All of its patches come from one picture."


def test_a_group_of_background_matches_no_part(bundle: Bundle) -> None:
    result = bundle.classes[0]
    layer = result.layers[-2]
    known = layer.groups[0].agreement
    assert known is not None
    ground = known.model_copy(update={"part": "background", "p_value": 0.001})
    groups = (layer.groups[0].model_copy(update={"agreement": ground}), *layer.groups[1:])
    layers = (*result.layers[:-2], layer.model_copy(update={"groups": groups}), result.layers[-1])
    index = Index(bundle.run, result.model_copy(update={"layers": layers}))
    figure = next(
        f for f in overview_page([index], bundle.manifest, {}).figures if f.label == "Groups that match a part"
    )
    assert figure.value == "4 of 9"
    assert "; 1 more match the background; " in figure.note


def test_polysemantic_neurons_are_said_to_be(view: SiteView) -> None:
    page = next(p for p in view.layers if p.path == "class/bee-co/layer3/index.html")
    sentences = ["".join(s.text for s in a.sentence) for a in (*page.neurons, *page.folded)]
    many = "In 2 groups: centre-dark · G2 (25%), petal-blue · G3 (13%). It answers to more than one thing here"
    assert f"{many} (polysemantic)." in sentences
    assert any(re.fullmatch(r"In [\w -]+ · G1 alone\.", one) for one in sentences), sentences


@pytest.mark.parametrize(
    ("select", "in_the_overview", "on_the_page"),
    [
        ("correct", "those labelled and predicted as it, 50 at most", "labelled and predicted as the class; "),
        ("labelled", "those labelled as it, 50 at most", "6 in all, 5 labelled bee & <co> and 6 predicted as it; "),
        (
            "any",
            "those labelled as it first, then others, 50 at most",
            "6 in all, 5 labelled bee & <co> and 6 predicted as it; ",
        ),
    ],
)
def test_how_a_class_s_pictures_were_chosen(
    bundle: Bundle, select: str, in_the_overview: str, on_the_page: str
) -> None:
    run = bundle.run.model_copy(update={"data": bundle.run.data.model_copy(update={"select": select})})
    assert selection(run) == in_the_overview
    assert figures(Index(run, bundle.classes[0]))[0].note.startswith(on_the_page)


def test_the_lowest_layer_has_no_core_and_no_gap(view: SiteView) -> None:
    page = next(p for p in view.layers if p.path == "class/bee-co/layer1/index.html")
    assert page.below is None
    assert all(a.core is None for a in page.neurons)
    assert {f.label for a in page.neurons for f in a.facts} == {"Activation over the concept", "Silhouette"}


def test_weak_evidence_stands_first(view: SiteView) -> None:
    assert view.overview.doubts[0].code == "untested"
    assert {n.code for n in view.overview.doubts} >= {
        "few-images", "silhouette", "completeness", "dead-neuron", "saturation", "single-group", "retain-loses",
    }  # fmt: skip


def test_every_mosaic_has_patches_and_a_spoken_text(view: SiteView) -> None:
    groups = [g for page in view.layers for g in page.groups]
    neurons = [a for page in view.layers for a in page.neurons]
    mosaics = [m for g in groups for m in (g.card, g.mosaic)] + [a.concept for a in neurons]
    mosaics += [s.mosaic for a in neurons for s in a.semantic]
    assert len(mosaics) > 100
    for one in mosaics:
        assert one.tiles
        assert one.alt.startswith(f"{len(one.tiles)} patches of ")
    assert {len(a.concept.tiles) for a in neurons} == {min(K, 9)}


def test_a_patch_is_a_window_on_its_picture_and_has_a_place_there(bundle: Bundle, view: SiteView) -> None:
    pages = {page.captions.slug: page for page in view.pictures}
    places = {
        (slug, p.anchor): (number, p)
        for slug, page in pages.items()
        for number, one in enumerate(page.shown)
        for p in one.places
    }
    size = bundle.run.model.preprocess.size
    for layer in view.layers:
        for tile in (t for g in layer.groups for t in g.mosaic.tiles):
            patch = next(p for c in bundle.classes if c.slug == tile.slug for p in c.patches if p.index == tile.index)
            assert (tile.left * size, tile.top * size, tile.side * size) == (patch.left, patch.top, patch.side)
            path, _, anchor = tile.href.partition("#")
            number, place = places[tile.slug, anchor]
            assert path == pages[tile.slug].path
            assert number == tile.image == patch.image
            assert (place.left, place.top, place.side) == (tile.left, tile.top, tile.side)
            assert pages[tile.slug].shown[number].file == tile.file


def test_no_layer_takes_the_pictures_folder() -> None:
    assert urls.folder_name("media") == "media-721c9525"


def test_without_experiments_the_report_says_so(bundle: Bundle) -> None:
    run = bundle.run.model_copy(update={"settings": bundle.run.settings.model_copy(update={"experiments": ()})})
    none = {
        "masking": (),
        "cautions": (),
        "measures": (),
        "edge_drops": (),
        "claims": (),
        "controls": (),
        "not_run": (),
    }
    bare = tuple(c.model_copy(update=none) for c in bundle.classes)
    view = site_view(dataclasses.replace(bundle, run=run, classes=bare))
    assert view.overview.doubts[0].text.startswith("No experiment was run.")
    assert view.fidelity.words == ("No masking experiment was part of this run.",)
    assert view.classes[0].masking_words.endswith("nothing here was tested on the network.")
    assert view.fidelity.table is None


def test_what_tf32_changed_stands_on_the_provenance_page(bundle: Bundle) -> None:
    rounded = Rounding(layer="layer4", error=0.0031, core=0.997)
    page = provenance_page(bundle.run.model_copy(update={"roundings": (rounded,)}), bundle.manifest)
    rows = [[cell.text for cell in row] for row in page.determinism.rows]
    assert rows[-1] == [
        "TF32 at layer4",
        "attributions 0.3% off float32's, >99% of the core neurons the same, on a few patches",
    ]
    assert not any("TF32 at" in row[0].text for row in provenance_page(bundle.run, bundle.manifest).determinism.rows)


def test_the_clock_is_on_the_provenance_page_alone(view: SiteView) -> None:
    pages = {page.path: repr(page) for page in view.pages()}
    assert [path for path, text in pages.items() if "2026-01-02" in text] == [urls.PROVENANCE]


def test_files_beside_the_site_are_downloads(bundle: Bundle, tmp_path: Path) -> None:
    view = site_view(bundle, beside={"Report as PDF": "../report.pdf"})
    first = view.overview.downloads[0]
    assert (first.label, first.href) == ("Report as PDF", "../report.pdf")


def test_the_first_question_says_no_more_than_the_choice_of_pictures(bundle: Bundle) -> None:
    def lead(select: str, **chosen: str | None) -> str:
        run = bundle.run.model_copy(update={"data": bundle.run.data.model_copy(update={"select": select})})
        pictures = [p.model_copy(update=chosen) for p in bundle.classes[0].pictures]
        result = bundle.classes[0].model_copy(update={"pictures": (bundle.classes[0].pictures[0], *pictures[1:])})
        index = Index(run, result)
        return "".join(s.text for s in overview_page([index], bundle.manifest, {}).lead).split(" The circuits below")[0]

    begun = f"Which groups of neurons drive the network {bundle.run.model.name} "
    both = "bee & <co> and Ångström 3"
    assert lead("predicted") == f"{begun}when it predicts {both}?"
    assert lead("correct") == f"{begun}when it rightly predicts {both}?"
    assert lead("labelled", predicted="owl") == (
        f"{begun}on pictures of {both}? The pictures: 6 in all, 5 labelled bee & <co> and 1 predicted as it."
    )
    assert lead("any", predicted="owl", label="owl") == (
        f"{begun}towards {both}, whatever the picture shows? "
        "The pictures: 6 in all, none labelled bee & <co> and 1 predicted as it."
    )
    assert lead("any", label=None).endswith("6 predicted as it.")
