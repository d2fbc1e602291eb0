"""The page data: figures, wording, addresses and pruning."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.drawing.view import SiteView, index_of, site_view
from neurflow_report.drawing.view.model import numbers, urls
from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.pages.class_page import selection
from neurflow_report.drawing.view.pages.layer_page import group_view
from neurflow_report.drawing.view.pages.method import method_page
from neurflow_report.drawing.view.pages.overview import overview_page
from neurflow_report.drawing.view.pages.provenance import provenance_page
from neurflow_report.drawing.view.pages.why import told
from neurflow_report.drawing.view.text import cautions, findings
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.catalogue import EXPERIMENTS
from neurflow_report.results.given import missing, missing_told
from neurflow_report.results.records import Caution, Debugging, GivenName, Masking, Rounding
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


def test_layer_names_that_are_no_folder_names() -> None:
    assert urls.folder_name("layer4.2") == "layer4.2"
    assert urls.folder_name("a/b c") == "a-b-c-0af99a60"
    assert urls.folder_name("..") == "layer-5ec1f7e7"
    assert len(urls.folder_name("x" * 300)) == 109
    others = ("a/b", "a-b", "a b", "index.html", "pictures.html", "circuit.html", "media", "index.html-", "")
    assert len({urls.folder_name(name) for name in others}) == len(others)
    assert not {urls.folder_name(name) for name in others} & {"index.html", "pictures.html", "circuit.html", "media"}


@pytest.mark.parametrize(
    ("code", "channel", "figure", "threshold", "start"),
    [
        ("few-images", None, 6, 50, "6 pictures of the 50 asked for. "),
        ("few-patches", None, 0.85, 0.5, "Concepts of 85% of the class's patches, over 50%. "),
        ("silhouette", None, 0.04, 0.1, "L: silhouette 0.04, under 0.10. "),
        ("silhouette", 3, 0.04, 0.1, "1 neuron at L: silhouette 0.04, under 0.10. "),
        ("completeness", 3, 0.031, 0.02, "1 neuron at L: completeness gap 3.1%, over the tolerance of 2.0%. "),
        ("saturation", None, 0.66, 0.5, "L: 66% of the layer's neurons are core neurons, over 50%. "),
        ("retain-loses", None, 0.3, 0.5, "L: 30% accuracy with only the core set kept, under 50%. "),
        ("low-baseline", None, 0.3, 0.5, "30% accuracy before anything is masked, under 50%. "),
        ("no-core", None, 0, 1, "L: no core concept neuron below. "),
        ("silent", None, 0.375, 0.25, "L: 38% of the layer's neurons are silent on every patch of the class. "),
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
        "2 neurons at block4 and block2: at worst r = 0.35 between scores and measured losses, under 0.40. Knock"
    )
    assert "".join(s.text for s in notice.places) == "Neurons: block4 n123, block2 n98"
    whole = [Caution(code="saturation", layer=x, channel=None, figure=f, threshold=0.3) for x, _, f in at]
    (notice,) = cautions.notices(whole, "bee", masking=())
    assert notice.text == (
        "block4: 35% of the layer's neurons are core neurons, over 30%; block2: 38% of the layer's neurons are core "
        "neurons, over 30%. Masking and retaining so much of a layer says little about which neurons matter."
    )


def test_a_figure_is_never_told_as_the_threshold_that_it_missed() -> None:
    def told(code: str, figure: float, threshold: float) -> str:
        one = Caution(code=code, layer="L", channel=None, figure=figure, threshold=threshold)
        return cautions.notices([one], "bee", masking=())[0].text.split(". ")[0]

    assert told("unstable", 0.4973, 0.5) == "L: adjusted Rand index 0.497 with 5% noise, under 0.50"
    assert told("unstable", 0.49, 0.5) == "L: adjusted Rand index 0.49 with 5% noise, under 0.50"
    assert told("saturation", 0.5012, 0.5) == "L: 50.1% of the layer's neurons are core neurons, over 50%"


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
        .endswith(" Here: at most 3 core neurons of each layer, 64 random sets for each, of size 1, 5.")
    )


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


def test_polysemantic_neurons_are_said_to_be(view: SiteView) -> None:
    page = next(p for p in view.layers if p.path == "class/bee-co/layer3/index.html")
    sentences = ["".join(s.text for s in a.sentence) for a in (*page.neurons, *page.folded)]
    many = "Its semantic groups fall into more than one neuron group (polysemantic)."
    assert f"In 2 groups: centre-dark · G2 (25%), petal-blue · G3 (13%). {many}" in sentences
    assert any(re.fullmatch(r"In [\w -]+ · G1 alone\.", one) for one in sentences), sentences


@pytest.mark.parametrize(
    ("select", "in_the_table", "above_it"),
    [
        (
            "correct",
            "those labelled and predicted as it, at most 50",
            "Each circuit was found on pictures that the network rightly assigns to the class.",
        ),
        (
            "labelled",
            "those labelled as it, at most 50",
            "Each circuit was found on pictures labelled as the class, whatever the network takes them for.",
        ),
        (
            "any",
            "those labelled as it first, then others, at most 50",
            "Each circuit was found on pictures of any kind: 6 in all, 5 labelled bee & <co> and 6 predicted as it.",
        ),
    ],
)
def test_how_a_class_s_pictures_were_chosen(bundle: Bundle, select: str, in_the_table: str, above_it: str) -> None:
    run = bundle.run.model_copy(update={"data": bundle.run.data.model_copy(update={"select": select})})
    assert selection(run) == in_the_table
    assert overview_page([Index(run, bundle.classes[0])], bundle.manifest, {}).rows_words == above_it


def test_the_lowest_layer_has_no_core_and_no_gap(view: SiteView) -> None:
    page = next(p for p in view.layers if p.path == "class/bee-co/layer1/index.html")
    assert page.below is None
    assert all(a.core is None for a in page.neurons)
    assert {f.label for a in page.neurons for f in a.facts} == {
        "Activation over the concept",
        "Silhouette",
        "Effective number of semantic groups",
        "Distance between semantic groups",
        "Core again without half of the pictures",
    }


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
        "two_sided": (),
        "cautions": (),
        "measures": (),
        "edge_drops": (),
        "claims": (),
        "controls": (),
        "not_run": (),
    }
    bare = tuple(c.model_copy(update=none) for c in bundle.classes)
    view = site_view(dataclasses.replace(bundle, run=run, classes=bare))
    assert view.overview.limits[0].text.startswith("No experiment was run.")
    assert view.overview.verdict == findings.UNTESTED
    assert view.fidelity.words == ("No masking experiment was part of this run.",)
    assert view.classes[0].masking_words.endswith("nothing here was tested on the network.")
    assert view.fidelity.table is None


def test_the_memory_of_each_stage_stands_beside_its_seconds(bundle: Bundle) -> None:
    def told(**changes: object) -> tuple[str, list[tuple[str, str]]]:
        clock = bundle.manifest.provenance.clock.model_copy(update=changes)
        origin = bundle.manifest.provenance.model_copy(update={"clock": clock})
        found = provenance_page(bundle.run, bundle.manifest.model_copy(update={"provenance": origin})).clock
        return found.caption, [(row[0].text, row[1].text) for row in found.rows[1:]]

    seconds = {"patches": 1.25, "masking": 20.0}
    memory = {"patches": 612_345_678, "masking": 1_200_000_000}
    assert told(seconds=seconds) == ("Time", [("patches", "1.2 s"), ("masking", "20.0 s"), ("all stages", "21.2 s")])
    assert told(seconds=seconds, resident=memory, allocated={"masking": 2_000_000}) == (
        "Time, and the most memory",
        [
            ("patches", "1.2 s, 612 MB"),
            ("masking", "20.0 s, 1,200 MB, 2 MB on the GPU"),
            ("all stages", "21.2 s, 1,200 MB, 2 MB on the GPU"),
        ],
    )
    assert told(seconds=None) == ("Time", [])


def test_what_tf32_changed_stands_on_the_provenance_page(bundle: Bundle) -> None:
    rounded = Rounding(layer="layer4", error=0.0031, core=0.997)
    page = provenance_page(bundle.run.model_copy(update={"roundings": (rounded,)}), bundle.manifest)
    rows = [[cell.text for cell in row] for row in page.determinism.rows]
    assert rows[-1] == [
        "TF32 at layer4",
        "attributions 0.3% off float32's, >99% of the core neurons the same, on a few patches",
    ]
    assert not any("TF32 at" in row[0].text for row in provenance_page(bundle.run, bundle.manifest).determinism.rows)


def test_the_day_is_told_where_a_page_is_sent_on_and_the_clock_on_the_provenance_page_alone(view: SiteView) -> None:
    pages = {page.path: repr(page) for page in view.pages()}
    day = [urls.OVERVIEW, *(page.path for page in view.classes), urls.PROVENANCE]
    assert [path for path, text in pages.items() if "2026-01-02" in text] == day
    assert [path for path, text in pages.items() if "03:04:05" in text] == [urls.PROVENANCE]


def test_names_by_hand_come_first_and_neurons_have_them_too(bundle: Bundle) -> None:
    n = bundle.classes[0].layers[1].neurons[0].channel
    names = [
        GivenName(slug="bee-co", layer="layer3", code="G1", text="pink petals"),
        GivenName(slug="bee-co", layer="layer2.0", code=f"n{n}", text="vertical edges"),
        GivenName(slug="angstrom-3", layer="layer3", code="G2", text="blue"),
        GivenName(slug="angstrom-3", layer="layer3", code="G999", text="not there"),
    ]
    named = replace(bundle, run=bundle.run.model_copy(update={"names": tuple(names)}))
    (bee, other) = (index_of(named.run, result) for result in named.classes)
    assert bee.called("layer3", bee.groups["layer3", 1]) == "pink petals · layer3 G1"
    assert bee.name("layer3", bee.groups["layer3", 1]).note == ""
    assert bee.neuron_title("layer2.0", n) == f"vertical edges · n{n}"
    assert bee.neuron_title("layer2.0", n + 1) == f"n{n + 1}"
    assert other.neuron_title("layer2.0", n) == f"n{n}"
    shown = {a.name for page in site_view(named).layers for a in (*page.neurons, *page.folded)}
    assert f"vertical edges · n{n}" in shown
    assert other.called("layer3", other.groups["layer3", 2]) == "blue · layer3 G2"
    assert missing(names, named.classes) == (names[3],)
    assert missing_told(names[3:]) == (
        "a name stands for a group or neuron that is not in the circuit, and left out: "
        "'not there' (angstrom-3 layer3 G999)"
    )
    assert missing_told(names).endswith("'blue' (angstrom-3 layer3 G2) and 1 more")


def test_files_of_the_site_are_downloads(bundle: Bundle, tmp_path: Path) -> None:
    view = site_view(bundle, beside={"Report as PDF": "downloads/report.pdf"})
    first = view.overview.downloads[0]
    assert (first.label, first.href) == ("Report as PDF", "downloads/report.pdf")


def test_pictures_that_are_named_are_told_as_such_whoever_names_them() -> None:
    asked = Debugging(images="named", limit=1, contrast="truth", labelled=0, mistakes=0, explained=1)
    assert told(asked) == "1 picture is explained here, asked for by name."
