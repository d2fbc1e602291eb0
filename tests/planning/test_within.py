"""Sizes that fit a time: a longer time never gives smaller ones, and what they cannot show is told."""

import math
from dataclasses import fields
from itertools import pairwise

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from neurflow_report.fidelity.intervals import wilson
from neurflow_report.planning.limits import fewest, unable
from neurflow_report.planning.within import FEWEST, Supply, fit, ladder, with_preset
from neurflow_report.results.catalogue import PRESETS, Sizes
from neurflow_report.spec.fidelity import sizes
from neurflow_report.spec.load import load_spec
from neurflow_report.spec.schema import Spec

SUPPLY = Supply(pictures=50, per_picture=59)


def spec(*, k=50, limit=50, **fidelity):
    return Spec.model_validate(
        {
            "version": 1, "title": "t", "model": {"source": "demo", "name": "flowers"},
            "data": {"source": "demo", "limit": limit}, "classes": [0], "layers": ["block4", "fc"],
            "concept": {"k": k}, "fidelity": fidelity,
        }
    )  # fmt: skip


def price(one):
    """Seconds that grow with every size, in an uneven way."""
    size, cost = sizes(one.fidelity), 5.0
    pictures = min(one.data.limit, SUPPLY.pictures)
    cost += 0.3 * pictures + 0.2 * one.concept.k
    for name in size.experiments:
        cost += {"methods": 80, "optimality": 0.01 * pictures * size.optimality_draws * size.targets}.get(name, 7)
    cost += 0.02 * size.weight_draws * len(size.sizes) + 0.01 * size.draws * pictures
    cost += 0.001 * pictures * (size.patches or 3000) if "weights" in size.experiments else 0
    return cost * (2 if one.fidelity.controls else 1)


def amounts(one):
    """All sizes as numbers that grow with them."""
    found = {"k": one.concept.k, "limit": one.data.limit, "controls": len(one.fidelity.controls)}
    for field in fields(Sizes):
        value = getattr(sizes(one.fidelity), field.name)
        if field.name == "patches":
            found["patches"] = value or math.inf
        else:
            found[field.name] = len(value) if isinstance(value, tuple) else value
    return found


SPECS = st.builds(
    spec,
    k=st.sampled_from([5, 20, 50, 70]),
    limit=st.sampled_from([3, 10, 40, 200]),
    preset=st.sampled_from(list(PRESETS)),
    draws=st.sampled_from([None, 5, 500]),
    sizes=st.sampled_from([None, (2, 3), (1, 5, 20)]),
    experiments=st.sampled_from([None, ("masking",), ("optimality", "methods"), ()]),
    controls=st.sampled_from([(), ("random_weights",)]),
)


@given(SPECS, st.floats(1, 1000), st.floats(1, 1000))
def test_a_longer_time_never_gives_smaller_sizes(one, first, second):
    short, long = sorted((first, second))
    chosen = [applied(one, fit(one, within, price, SUPPLY, lambda _: ())) for within in (short, long)]
    less, more = map(amounts, chosen)
    assert all(less[name] <= more[name] for name in less)


@given(SPECS, st.floats(1, 1000))
def test_what_is_chosen_fits_or_it_is_told_that_nothing_does(one, within):
    found = fit(one, within, price, SUPPLY, lambda _: ())
    chosen = applied(one, found)
    assert found.seconds == price(chosen)
    assert found.fits == (found.seconds <= within)
    if not found.fits:
        assert amounts(chosen) == amounts(list(ladder(one, SUPPLY))[-1])
    if found.larger:
        assert not found.set
        assert all(price(with_preset(one, name)) <= within for name in found.larger)


@given(SPECS)
def test_no_rung_is_larger_than_the_one_before_and_the_last_is_the_circuit_alone(one):
    rungs = [amounts(rung) for rung in ladder(one, SUPPLY)]
    for before, after in pairwise(rungs):
        assert all(after[name] <= before[name] for name in after)
        assert after != before
    assert rungs[-1]["experiments"] == 0
    assert rungs[0] == amounts(one)


def applied(one, found):
    """The spec with what is to be set, as --set sets it."""
    tree = one.model_dump(mode="json", exclude_unset=True)
    for path, value in found.set:
        section, _, key = path.partition(".")
        tree.setdefault(section, {})[key] = value
    return Spec.model_validate(tree)


@pytest.mark.parametrize("within", [1, 60, 120, 200])
def test_what_is_to_be_set_gives_those_sizes_in_a_file_and_on_the_command_line(write_spec, within):
    loaded = load_spec(write_spec(fidelity={"preset": "paper", "experiments": None, "taus": None, "draws": None}))
    found = fit(loaded.spec, within, price, SUPPLY, lambda _: ())
    options = [
        f"{path}={yaml.safe_dump(value, default_flow_style=True, width=1000).split(chr(10))[0]}"
        for path, value in found.set
    ]
    again = load_spec(loaded.file, options).spec
    assert amounts(again) == amounts(applied(loaded.spec, found))


def test_the_order_in_which_it_is_given_up():
    rungs = list(ladder(spec(preset="paper", controls=["random_weights"]), SUPPLY))
    experiments = [sizes(rung.fidelity).experiments for rung in rungs]
    assert rungs[1].fidelity.controls == ()
    assert sizes(rungs[2].fidelity) == PRESETS["standard"]
    assert "methods" not in experiments[3]
    assert [sizes(rung.fidelity).optimality_draws for rung in rungs[3:7]] == [80, 80, 80, 80]
    assert sizes(rungs[7].fidelity) == PRESETS["quick"]
    assert [rung.data.limit for rung in rungs[8:13]] == [38, 25, 18, 13, 8]
    assert [rung.concept.k for rung in rungs[13:16]] == [30, 20, 10]
    assert experiments[16:19] == [("masking", "optimality", "weights"), ("masking",), ()]
    assert (rungs[19].data.limit, len(rungs)) == (1, 20)


def test_a_class_keeps_enough_pictures_for_a_concept():
    few = Supply(pictures=50, per_picture=4)
    assert min(rung.data.limit for rung in ladder(spec(k=50), few) if rung.concept.k == 50) == 13
    assert min(rung.data.limit for rung in ladder(spec(k=8), SUPPLY)) == 1
    small = Supply(pictures=6, per_picture=59)
    assert min(r.data.limit for r in ladder(spec(k=8), small) if sizes(r.fidelity).experiments) == FEWEST


def told(before, after, pictures=50):
    return unable(before, after, pictures=pictures, patches=59 * pictures)


def test_with_forty_random_sets_no_claim_of_f2_can_be_supported():
    texts = told(spec(), spec())
    assert "F2: with 40 random sets no claim can be supported; it takes 73 (fidelity.optimality_draws)" in texts
    assert wilson(73, 73)[0] >= 0.95 > wilson(72, 72)[0]
    assert not [text for text in told(spec(), spec(optimality_draws=73)) if text.startswith("F2:")]
    easier = spec(thresholds={"optimal": {"supported": 0.9}})
    assert not [text for text in told(easier, easier) if text.startswith("F2:")]


def test_what_few_random_sets_and_few_pictures_cannot_show():
    few = told(spec(), spec(experiments=["causal"], edge_draws=18))
    assert "F11: with 18 random sets no edge can count; it takes 19 (fidelity.edge_draws)" in few
    assert not told(spec(), spec(experiments=["causal"], edge_draws=19))[-1].startswith("F11: with")
    assert "F1: with 18 random sets no claim can be supported; it takes 19 (fidelity.draws)" in told(
        spec(), spec(draws=18)
    )
    assert (
        "F1: with 40 random sets no p-value is under 0.024: a claim is supported only where 49% of the class's tests "
        "come out as low (fidelity.draws)"
    ) in told(spec(), spec())
    assert "F1: with 3 pictures no claim can be supported; it takes 4 (data.limit)" in told(spec(), spec(), 3)
    assert "F1: with 20 pictures an accuracy is known to 20 points at worst (data.limit)" in told(spec(), spec(), 20)


def test_what_was_given_up_is_told():
    before = spec(preset="paper", controls=["random_weights"])
    after = spec(preset="quick", experiments=["masking", "weights", "concepts", "methods"], targets=5)
    assert [text for text in told(before, after) if not text.startswith(("F1:", "F1 "))] == [
        "no control is run: that what is supported comes from what the network has learnt is not tested",
        "F2 (optimality) is not run: whether core sets matter more to a neuron than random sets is not tested",
        "F5 (critical) is not run: whether other methods find the same neurons is not tested",
        "F7 (stability) is not run: whether the groups are stable is not tested",
        "F8 (edges) is not run: whether edge weights predict what a knock-out takes away is not tested",
        "F9 (polysemanticity) is not run: whether neurons stand for several things is not tested",
        "F10 (channels) is not run: which channels say nothing is not tested",
        "F11 (causal) is not run: whether drawn edges carry an effect is not tested",
        "F12 (quality) is not run: how good the attributions are is not tested",
        "F13 (deletions) is not run: which core neurons are sure is not tested",
        "F14 (ranges) is not run: whether the class is in a range of its core neurons is not tested",
        "F2, F3: ranks are estimated from 400 of 2,950 patches",
        "F2, F3, F6: of a layer 5 neurons are tested instead of 50",
        "F3: sets of 5 and of 10 and of 20 and of 50 channels are not tested",
        "F4: with one neuron a layer there is no interval: no claim can be supported (fidelity.method_targets)",
    ]
    smaller = spec(k=20, experiments=[])
    assert told(spec(experiments=[]), smaller) == (
        "a concept has 20 patches instead of 50: the circuit may be another",
    )


def test_few_core_neurons_cannot_show_that_k_does_not_matter():
    few = spec(preset="standard", targets=1)
    assert (
        "F6: with 16 core neurons tested at a layer no claim can be supported; it takes 24 "
        "(fidelity.targets × core.tau)"
    ) in told(few, few)


@given(st.floats(0.0, 0.999))
def test_the_fewest_that_are_enough(threshold):
    found = fewest(lambda n: wilson(n, n)[0], threshold)
    assert wilson(found, found)[0] >= threshold
    assert found == 1 or wilson(found - 1, found - 1)[0] < threshold
