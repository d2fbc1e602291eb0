"""Two bundles that differ in one known way: the comparison says which."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from neurflow_report.comparison.compare import _changes, compare
from neurflow_report.comparison.figures import FIGURES, figures, flat
from neurflow_report.comparison.matching import DRAWS
from neurflow_report.comparison.records import Comparison
from neurflow_report.comparison.told import change_words, findings
from neurflow_report.drawing.view.difference import difference
from neurflow_report.errors import InputError
from neurflow_report.results.bundle import Bundle, read_bundle
from neurflow_report.results.records import Accuracy, Clock, Run
from tests.comparison.planted import other_weights, renumbered, shuffled, strangers, written
from tests.mutated import mutate, renew
from tests.sample_bundle import frozen_bundle


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return frozen_bundle(tmp_path_factory.mktemp("sample"))


def told(found: Comparison) -> list[str]:
    return [one.text for one in findings(found)]


def test_bundles_of_one_spec_are_identical_but_for_the_clock(sample: Bundle, tmp_path: Path) -> None:
    later = written(tmp_path / "b", provenance={"clock": Clock(created="2027-01-01T00:00:00Z", seconds=None)})
    found = compare(sample, later)
    assert found.identical
    assert told(found) == ["The two bundles are identical, the clock aside."]
    values = flat(figures(found))
    assert values["identical"] == 1
    assert {v for name, v in values.items() if name.startswith(("core_overlap[", "flow_overlap", "similarity"))} == {1}
    assert {v for name, v in values.items() if "change" in name or name.startswith(("claims", "share_moved"))} == {0}


@pytest.mark.parametrize(
    ("right", "apart", "more"),
    [
        (50, "the intervals overlap", ""),
        (
            6,
            "the intervals are apart",
            " Now the network is right no more often than by chance: its circuits, and their verdicts, say nothing "
            "about the classes.",
        ),
    ],
)
def test_accuracy_comes_first_and_a_network_that_guesses_is_said_to(
    tmp_path: Path, right: int, apart: str, more: str
) -> None:
    def accurate(run: Run, right: int) -> Run:
        low, high = max(0.0, right / 100 - 0.09), min(1.0, right / 100 + 0.09)
        found = Accuracy(pictures=100, classes=2, right=right, low=low, high=high, chance=0.05)
        return other_weights(run).model_copy(update={"accuracy": found})

    then = written(tmp_path / "a", lambda run: accurate(run, 55))
    now = written(tmp_path / "b", lambda run: accurate(run, right), strangers)
    first = findings(compare(then, now))[0]
    numbers = f"55% (46–64%) → {right}% ({max(0, right - 9)}–{right + 9}%)"
    assert first.text == f"Accuracy on the labelled pictures: {numbers}; {apart}.{more}"
    assert first.kind == ("lost" if more else "changed")


def test_what_was_found_is_the_same_with_another_version_of_a_package(sample: Bundle, tmp_path: Path) -> None:
    found = compare(sample, written(tmp_path / "b", provenance={"versions": {"python": "3.12.0"}}))
    assert not found.identical
    assert found.same_results
    assert {c.place for c in found.changes} == {f"program.versions.{name}" for name in ("python", "numpy", "torch")}
    assert told(found)[0] == "All that was found of the classes is the same; settings, names or versions differ."


def test_a_copy_whose_channels_are_re_labelled_is_the_same_but_for_the_order(sample: Bundle, tmp_path: Path) -> None:
    numbers = shuffled(sample.run)
    found = compare(sample, written(tmp_path / "b", other_weights, lambda one: renumbered(one, numbers)))
    assert not found.same_network
    assert found.permuted
    assert told(found)[0].startswith("The networks are the same but for the order of their channels")
    for match in found.matches[:-1]:
        assert match.how == "activations"
        assert len(match.pairs) == match.then - match.blank[0]
        assert all(pair.now == numbers[match.layer][pair.then] for pair in match.pairs)
        assert match.similarity == pytest.approx(1)
        assert match.null is not None
        assert match.null[2] < 0.7
    told_all = [layer for one in found.classes for layer in one.layers if layer.layer != "layer1"]  # it has a dead one
    assert {layer.overlap for layer in told_all} == {1}
    assert all(layer.flow == pytest.approx(1) for layer in told_all)
    assert all(g.members == pytest.approx(1) and g.patches == 1 for layer in told_all for g in layer.groups)


def test_what_has_nothing_in_common_matches_no_better_than_chance(sample: Bundle, tmp_path: Path) -> None:
    """The null holds: of 15 layers as many lie outside of its 95% range as may; no pair counts, and it is said."""
    above = 0
    for seed in range(5):
        other = written(tmp_path / f"{seed}", other_weights, partial(strangers, seed=seed))
        found = compare(sample, other)
        assert not found.permuted
        for match in found.matches[:-1]:
            assert match.similarity is not None
            assert match.null is not None
            assert match.pairs == ()
            above += match.similarity > match.null[2]
        hardly = [text for text in told(found) if "no better than chance" in text or "hardly a match" in text]
        assert len(hardly) == 3
    assert above <= 2


def test_one_network_by_declaration_is_compared_by_channel(sample: Bundle, tmp_path: Path) -> None:
    other = written(tmp_path / "b", other_weights)
    found = compare(sample, other, same_network=True)
    assert found.lineage.startswith("declared one network")
    assert {match.how for match in found.matches} == {"index", "class"}
    assert {layer.overlap for one in found.classes for layer in one.layers} == {1}
    assert compare(sample, other).lineage.startswith("two networks")


def test_another_tau_is_named_and_the_core_sets_shrink(sample: Bundle, tmp_path: Path) -> None:
    def fewer(run: Run) -> Run:
        return run.model_copy(update={"settings": run.settings.model_copy(update={"tau": 3})})

    found = compare(sample, written(tmp_path / "b", fewer))
    assert [(c.place, c.then, c.now) for c in found.changes] == [("settings.tau", "4", "3")]
    assert told(found)[-1] == "1 setting, name or version differs: settings.tau 4 → 3."


def test_a_lost_class_is_told_first(sample: Bundle, tmp_path: Path) -> None:
    found = compare(sample, written(tmp_path / "b", classes=slice(0, 1)))
    assert (found.lost, found.new) == (("Ångström 3",), ())
    assert told(found)[0] == "1 class is lost: the second bundle does not have Ångström 3."
    back = compare(written(tmp_path / "c", classes=slice(0, 1)), sample)
    assert (back.lost, back.new) == ((), ("Ångström 3",))
    assert told(back)[0] == "1 class is new: the first bundle does not have Ångström 3."


def test_classes_of_one_name_are_told_apart_by_their_logits(sample: Bundle) -> None:
    """As the two cranes of ImageNet."""
    classes = tuple(one.model_copy(update={"name": "crane"}) for one in sample.classes)
    twins = Bundle(root=sample.root, run=sample.run, classes=classes, manifest=sample.manifest)
    found = compare(twins, twins)
    assert [(one.slug, one.slug_now) for one in found.classes] == [(c.slug, c.slug) for c in classes]
    one = Bundle(root=sample.root, run=sample.run, classes=classes[:1], manifest=sample.manifest)
    assert compare(twins, one).lost == ("crane",)


def test_without_shared_pictures_neurons_cannot_be_matched_and_why_is_said(sample: Bundle, tmp_path: Path) -> None:
    other = frozen_bundle(tmp_path, seed=8)
    moved = Bundle(root=other.root, run=other_weights(other.run), classes=other.classes, manifest=other.manifest)
    found = compare(sample, moved)
    assert {match.how for match in found.matches[:-1]} == {"none"}
    why = "neurons cannot be matched, so core sets and edges are not compared: no picture of the class is in both."
    assert f"layer1: {why}" in told(found)
    values = figures(found)
    assert not values["core_overlap"]
    assert not values["flow_overlap"]
    assert set(values["without_core_change"])


def test_few_shared_pictures_tell_no_match_from_luck(tmp_path: Path) -> None:
    one = frozen_bundle(tmp_path, pictures=4)
    other = Bundle(root=one.root, run=other_weights(one.run), classes=one.classes, manifest=one.manifest)
    found = compare(one, other)
    why = "only 4 pictures of a class are in both, and it takes 5 to tell a match from luck"
    assert {match.reason for match in found.matches[:-1]} == {why}


def test_a_claim_that_is_lost_is_told(sample: Bundle, tmp_path: Path) -> None:
    run = sample.run
    first = run.classes[0]
    claims = [
        c.model_copy(update={"verdict": "inconclusive"}) if c.verdict == "supported" else c
        for c in sample.classes[0].claims
    ]
    changed = sample.classes[0].model_copy(update={"claims": tuple(claims)})
    later = Bundle(root=sample.root, run=run, classes=(changed, *sample.classes[1:]), manifest=sample.manifest)
    values = flat(figures(compare(sample, later)))
    lost = sum(c.verdict == "supported" for c in sample.classes[0].claims)
    assert lost > 0
    assert values[f"claims_lost[{first.slug}]"] == lost
    assert flat(figures(compare(later, sample)))[f"claims_gained[{first.slug}]"] == lost


def test_the_overlaps_are_the_same_in_both_directions(sample: Bundle, tmp_path: Path) -> None:
    other = frozen_bundle(tmp_path, seed=8)
    there, back = compare(sample, other), compare(other, sample)
    for name in ("core_overlap", "core_overlap_chance", "flow_overlap", "share_moved", "matched"):
        one, two = figures(there)[name], figures(back)[name]
        assert one == pytest.approx(two), name
        assert one


def test_earlier_formats_are_compared(sample: Bundle, tmp_path: Path) -> None:
    old = frozen_bundle(tmp_path).root
    manifest = json.loads((old / "manifest.json").read_text(encoding="utf-8"))
    (old / "manifest.json").write_text(json.dumps(manifest | {"format_version": 2}), encoding="utf-8")
    (old / "manifest.sha256").unlink()
    first = compare(read_bundle(Path(__file__).parents[1] / "results" / "frozen" / "v1"), sample)
    assert first.then.format == 1
    assert all(layer.overlap is not None for one in first.classes for layer in one.layers)
    found = compare(read_bundle(old), sample)
    assert [(c.place, c.then, c.now) for c in found.changes] == [("program.format", "2", "3")]
    assert found.same_results


def test_of_a_list_what_differs_is_told_and_what_is_not_there_as_such(sample: Bundle, tmp_path: Path) -> None:
    some = tuple(name for name in sample.run.settings.experiments if name != "masking")
    settings = sample.run.settings.model_copy(update={"experiments": (*some, "quality")})
    root = written(tmp_path / "a", lambda run: run.model_copy(update={"settings": settings})).root
    record = json.loads((root / "run.json").read_text(encoding="utf-8"))
    del record["settings"]["enough"], record["settings"]["tau"]
    record["settings"]["tau"] = sample.run.settings.tau
    (root / "run.json").write_text(json.dumps(record), encoding="utf-8")
    renew(root, root / "run.json")
    enough = sample.run.settings.model_copy(update={"enough": 0.9})
    now = written(tmp_path / "b", lambda run: run.model_copy(update={"settings": enough}))
    found = compare(read_bundle(root), now)
    told = {c.place: change_words(c) for c in found.changes}
    assert told == {
        "settings.experiments": "settings.experiments now without quality and with masking",
        "settings.enough": "settings.enough not in A → 0.9",
    }
    back = {c.place: change_words(c) for c in compare(now, read_bundle(root)).changes}
    assert back["settings.enough"] == "settings.enough 0.9 → not in B"
    rows = {row[0]: row[1:] for row in difference(found, read_bundle(root), now).settings.rows}
    assert rows == {
        "settings.experiments": ("only then: quality", "only now: masking"),
        "settings.enough": ("not there", "0.9"),
    }


def test_lists_in_another_order_and_items_by_their_names(sample: Bundle, tmp_path: Path) -> None:
    run = sample.run
    turned = run.settings.model_copy(update={"experiments": run.settings.experiments[::-1]})
    layers = (*run.layers[:1], run.layers[0].model_copy(update={"name": "between"}), *run.layers[1:])
    other = sample.run.model_copy(update={"settings": turned, "layers": layers})
    places = {c.place.partition("]")[0]: c for c in _changes(sample, replace(sample, run=other))}
    assert set(places) == {"settings.experiments", "layers[between"}
    assert change_words(places["settings.experiments"]) == "settings.experiments in another order"


def test_every_figure_is_a_number_that_json_can_hold(sample: Bundle, tmp_path: Path) -> None:
    found = figures(compare(sample, written(tmp_path / "b", other_weights)))
    assert set(found) == set(FIGURES)
    json.dumps(flat(found), allow_nan=False)
    assert DRAWS >= 40


@pytest.mark.slow
def test_bundles_of_strangers_are_refused_or_compared(sample: Bundle, tmp_path: Path) -> None:
    """One thing of a record changed at random: nothing but an InputError, and no figure that JSON cannot hold."""
    other, compared = written(tmp_path / "other", other_weights), 0
    for seed in range(60):
        root = tmp_path / f"{seed}"
        shutil.copytree((sample if seed % 2 else other).root, root)
        mutate(root, seed)
        try:
            strange = read_bundle(root)
        except InputError:
            continue
        compared += 1
        for pair in ((sample, strange), (strange, sample)):
            found = compare(*pair)
            assert findings(found)
            json.dumps(flat(figures(found)), allow_nan=False)
    assert compared > 10


def test_a_class_without_its_tests_of_f1_has_a_verdict(sample: Bundle) -> None:
    """Claims of F1 whose rows somebody left out."""
    cut = sample.classes[0].model_copy(update={"masking": ()})
    later = Bundle(root=sample.root, run=sample.run, classes=(cut, *sample.classes[1:]), manifest=sample.manifest)
    values = figures(compare(sample, later))
    assert not any(place.slug == cut.slug for place in values["without_core_change"])
