"""What the report says of the user's own concepts, word for word, from records made up here."""

from __future__ import annotations

from typing import Any

from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.tables import data_files
from neurflow_report.drawing.view.pages.class_evidence import class_fidelity_page
from neurflow_report.drawing.view.pages.concept_tests import concept_table, concept_words
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.contradictions import contradictions
from neurflow_report.results.records import ConceptPictures, ConceptTest

RISES = {"value": 1.0, "low": 0.84, "high": 1.0, "slope": 0.42, "p_value": 0.004, "q_value": 0.012}
FALLS = {"value": 0.1, "low": 0.03, "high": 0.3, "slope": -0.2, "p_value": 0.02, "q_value": 0.04}
NEITHER = {"value": 0.5, "low": 0.3, "high": 0.7, "slope": 0.01, "p_value": 0.4, "q_value": 0.4}
NULL = {"n": 20, "null": 0.51, "null_low": 0.0, "null_high": 0.9}


def row(layer: str, concept: str, figures: dict[str, Any], sets: int = 240) -> ConceptTest:
    return ConceptTest(layer=layer, concept=concept, sets=sets, **NULL, **figures)


def of(bundle: Bundle, *tests: ConceptTest) -> Index:
    names = dict.fromkeys(t.concept for t in tests)
    concepts = tuple(ConceptPictures(name=name, pictures=30, digest="0" * 64) for name in names)
    run = bundle.run.model_copy(update={"concepts": concepts})
    result = bundle.classes[0].model_copy(update={"concept_tests": tests})
    assert list(contradictions(run, [result])) == []
    return Index(run, result)


def test_what_stands_out_and_which_way(bundle: Bundle) -> None:
    none = ConceptTest(layer="layer1", concept="dots", n=20, reason="φ is the same on all pictures")
    index = of(
        bundle,
        row("layer3", "stripes", RISES), row("layer3", "dots", NEITHER),
        row("layer2.0", "stripes", RISES), row("layer2.0", "dots", FALLS),
        row("layer1", "stripes", NEITHER), none,
    )  # fmt: skip
    name = index.result.name
    first, *rest = concept_words(index)
    assert first.startswith("Concepts of your own: stripes (30 pictures) and dots (30 pictures). At each layer")
    assert rest == [
        f"The logit of {name} rises along stripes at layer3 and layer2.0, more than along random sets.",
        f"The logit of {name} falls along dots at layer2.0, more than along random sets.",
        "dots was not tested at layer1: φ is the same on all pictures.",
    ]
    table = concept_table(index)
    assert table is not None
    assert [[cell.text for cell in line] for line in table.rows] == [
        ["stripes", "layer3", "100%", "84–100%", "51% (0–90%)", "+0.42", "0.004", "0.012"],
        ["stripes", "layer2.0", "100%", "84–100%", "51% (0–90%)", "+0.42", "0.004", "0.012"],
        ["stripes", "layer1", "50%", "30–70%", "51% (0–90%)", "+0.01", "0.400", "0.400"],
        ["dots", "layer3", "50%", "30–70%", "51% (0–90%)", "+0.01", "0.400", "0.400"],
        ["dots", "layer2.0", "10%", "3–30%", "51% (0–90%)", "−0.20", "0.020", "0.040"],
        ["dots", "layer1", "–", "–", "–", "–", "–", "–"],
    ]
    page = class_fidelity_page(index)
    assert page.concepts == table
    data = next(one for one in data_files([index]) if one.file.endswith("concepts.csv"))
    assert len(data.rows) == 6
    assert data.rows[5][-1] == "φ is the same on all pictures"


def test_where_shares_are_alike_the_mean_says_which_way(bundle: Bundle) -> None:
    for slope, way in ((0.3, "rises"), (-0.3, "falls")):
        alike = row("layer3", "dots", {**RISES, "value": 0.51, "low": 0.3, "high": 0.7, "slope": slope})
        assert list(concept_words(of(bundle, alike)))[1].startswith(
            f"The logit of {bundle.classes[0].name} {way} along"
        )


def test_too_few_sets_for_so_many_tests_are_told(bundle: Bundle) -> None:
    index = of(bundle, *(row("layer3", f"c{n}", NEITHER, sets=50) for n in range(2)))
    assert list(concept_words(index))[1:] == [
        "No concept stands out from random sets after correction.",
        "With 2 tests and 50 random sets each, none can: give fewer concepts.",
    ]


def test_without_concepts_nothing_is_said(bundle: Bundle) -> None:
    index = Index(bundle.run, bundle.classes[0])
    assert list(concept_words(index)) == []
    assert concept_table(index) is None
    assert not any(one.file.endswith("concepts.csv") for one in data_files([index]))
