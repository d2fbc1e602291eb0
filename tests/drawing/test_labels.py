"""What the report says of labels, word for word, from records made up here."""

from __future__ import annotations

from typing import Any

from neurflow_report.drawing.view.model.class_index import Index
from neurflow_report.drawing.view.model.tables import data_files
from neurflow_report.drawing.view.pages.class_evidence import class_fidelity_page
from neurflow_report.drawing.view.pages.labels import label_table, label_words
from neurflow_report.drawing.view.pages.layer_page import layer_page
from neurflow_report.results.bundle import Bundle
from neurflow_report.results.contradictions import contradictions
from neurflow_report.results.records import ClassResult, GroupLabel, LabelSource

L1 = {"pictures": 19, "patches": 40, "choice": 0.92, "choice_low": 0.7, "choice_high": 0.98, "null": 0.31}
HOLDS = {**L1, "baseline": 0.48, "choice_p": 0.0001, "effect_p": 0.0002, "p_value": 0.0002, "q_value": 0.0008}
SHOWN = {"effect": 1.2, "effect_low": 0.4, "effect_high": 2.0, "effect_pictures": 20, "coherence": 0.95}
RANGE = {"coherence_low": 0.75, "coherence_high": 0.99, "coherence_pictures": 19}
LOW = {"coherence_low": 0.2, "coherence_high": 0.6, "coherence_pictures": 19}
L2 = {"precision": 0.7, "base_rate": 0.1, "correlation": 0.61}
FAILS = {**HOLDS, "effect_p": 0.4, "p_value": 0.4, "q_value": 0.53}
LATE = {**HOLDS, "choice_p": 0.04, "p_value": 0.04, "q_value": 0.06}


def bare(result: ClassResult) -> ClassResult:
    """A class whose groups have no planted parts."""
    layers = tuple(
        layer.model_copy(update={"groups": tuple(g.model_copy(update={"agreement": None}) for g in layer.groups)})
        for layer in result.layers
    )
    return result.model_copy(update={"layers": layers})


def of(bundle: Bundle, *figures: dict[str, Any], parts: bool = False) -> Index:
    source = LabelSource(source="openclip", name="vit", vocabulary=("wing", "beak", "eye"))
    result = bundle.classes[0] if parts else bare(bundle.classes[0])
    layer = next(one for one in reversed(result.layers[:-1]) if len(one.groups) >= len(figures))
    labels = tuple(
        GroupLabel(layer=layer.name, group=g.index, **one) for g, one in zip(layer.groups, figures, strict=False)
    )
    result = result.model_copy(update={"labels": labels})
    run = bundle.run.model_copy(update={"labels": source})
    assert list(contradictions(run, [result])) == []
    return Index(run, result)


def labelled(index: Index) -> tuple[Any, ...]:
    name = index.result.labels[0].layer
    layer = next(one for one in index.result.layers if one.name == name)
    return layer_page(index, layer).groups


def test_a_label_that_holds_is_a_name_with_its_test_beside_it(bundle: Bundle) -> None:
    index = of(bundle, {"text": "wing", "holds": True, **HOLDS, **SHOWN, **RANGE, **L2})
    group = labelled(index)[0]
    assert group.title == "wing"
    assert group.called == "wing · G1"
    assert group.label == (
        "Label “wing”: of 19 pictures held out, told from other groups in 92% of choices (their labels 31%, the "
        "class's name 48%); the class loses more without the group where it shows (p 0.0002)."
    )


def test_a_name_by_hand_and_a_planted_part_come_before_a_label(bundle: Bundle) -> None:
    index = of(bundle, {"text": "wing", "holds": True, **HOLDS, **SHOWN, **RANGE})
    given = Index(index.run, index.result, given={(index.result.labels[0].layer, "G1"): "feather"})
    assert labelled(given)[0].title == "feather"
    known = of(bundle, {"text": "wing", "holds": True, **HOLDS, **SHOWN, **RANGE}, parts=True)
    agreements = [g.agreement for layer in known.result.layers for g in layer.groups]
    if any(agreements):
        assert labelled(known)[0].title != "wing"


def test_without_a_label_that_holds_there_is_none_and_it_says_why(bundle: Bundle) -> None:
    for figures, due in (
        (FAILS, "; the class loses no more without the group where it shows (p 0.400)."),
        (LATE, " (p 0.0002); corrected for the class's other groups, p is 0.060."),
    ):
        group = labelled(of(bundle, {"text": "wing", **figures, **SHOWN}))[0]
        assert group.title == ""
        assert group.called == "G1"
        assert group.label.startswith("No label: “wing” goes best with it, but fails: of 19 pictures held out, told")
        assert group.label.endswith(due), group.label
    few = labelled(of(bundle, {"text": "wing", "reason": "no picture held out shows it, and 5 are needed"}))[0]
    due = "No label: “wing” goes best with it, and was not tested: no picture held out shows it, and 5 are needed."
    assert few.label == due
    none = labelled(of(bundle, {"reason": "no picture of the class is held out"}))[0]
    assert none.label == "No label: no picture of the class is held out."


def test_the_table_has_a_row_for_each_and_a_file(bundle: Bundle) -> None:
    index = of(bundle, {"text": "wing", "holds": True, **HOLDS, **SHOWN, **RANGE, **L2})
    table = label_table(index)
    assert table is not None
    texts = [cell.text for cell in table.rows[0]]
    assert texts[1:4] == ["G1", "wing", "92% (70–98%)"]
    assert texts[4:8] == ["31%", "48%", "70%, 10%", "0.61"]
    assert texts[8].startswith("+1.2")
    assert texts[9:] == ["0.0008", "95% (75–99%)"]
    words = " ".join(label_words(index))
    assert "Labels come from an image–text model (vit), 3 texts to choose from." in words
    assert "of 1 group 1 could be tested, and 1 has a label that holds." in words
    assert class_fidelity_page(index).labels == table
    files = {data.file for data in data_files([index])}
    assert table.download in files


def test_a_report_without_labels_says_nothing_of_them(bundle: Bundle) -> None:
    index = Index(bundle.run, bundle.classes[0])
    assert label_table(index) is None
    assert list(label_words(index)) == []
    assert class_fidelity_page(index).labels is None
    assert all(g.label == "" for layer in index.result.layers for g in layer_page(index, layer).groups)


def test_coherence_alone_is_a_section_of_its_own(bundle: Bundle) -> None:
    index = of(bundle, {"coherence": 0.95, **RANGE}, {"coherence": 0.4, **LOW})
    index = Index(index.run.model_copy(update={"labels": None}), index.result)
    assert list(contradictions(index.run, [index.result])) == []
    page = class_fidelity_page(index)
    assert page.label_head == "Is each group one thing to the network?"
    assert page.labels is not None
    assert [column.label for column in page.labels.columns] == ["Layer", "Group", "Coherence", "Pictures held out"]
    assert [cell.text for cell in page.labels.rows[0][2:]] == ["95% (75–99%)", "19"]
    assert "Of 2 groups 1 has its whole interval over it." in page.label_words[0]
    assert labelled(index)[0].label == ""
