"""Verdicts: every rule of the ledger, the correction, what was not run."""

import pytest

from neurflow_report.fidelity.ledger import AS_MUCH, THRESHOLDS, ledger, limits, verdict
from neurflow_report.results.catalogue import EXPERIMENT_OF
from neurflow_report.results.catalogue import TWO_SIDED as J
from neurflow_report.results.records import Claim, Masking, Measure, NotRun, Threshold, TwoSided
from neurflow_report.spec.fidelity import Thresholds

SINGLE = Threshold(claim="optimal", supported=0.9, against=0.9, source="here")
BANDED = Threshold(claim="faithful", supported=0.6, against=0.4, source="here")
NULLED = Threshold(claim="needed", supported=0.5, against=0.5, null_most=0.1, source="here")


ALL = tuple(EXPERIMENT_OF.values())
HOLDS = "the interval of the random sets contains the most of the effect that they may have"


def claim(figure, low=None, high=None, *, null=None, around=None, q=None):
    least, most = around or (None, None)
    low, high = (figure - 0.05, figure + 0.05) if low is None and high is None else (low, high)
    return Claim(
        claim="x", experiment="weights", layer="a", figure=figure, low=low, high=high, null=null,
        null_low=least, null_high=most, q_value=q, verdict="inconclusive",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("row", "limit", "expected"),
    [
        (claim(0.96), SINGLE, ("supported", "")),
        (claim(0.96, 0.85, 1.0), SINGLE, ("inconclusive", "the interval contains the threshold")),
        (claim(0.80, 0.7, 0.95), SINGLE, ("inconclusive", "the interval contains the threshold")),
        (claim(0.80), SINGLE, ("not supported", "")),
        (claim(0.70), BANDED, ("supported", "")),
        (claim(0.70, 0.39, 0.9), BANDED, ("inconclusive", "the interval contains the threshold")),
        (claim(0.50), BANDED, ("inconclusive", "between the two thresholds")),
        (claim(0.39, 0.1, 0.59), BANDED, ("not supported", "")),
        (claim(0.39, 0.1, 0.7), BANDED, ("inconclusive", "the interval contains the threshold")),
        (claim(-0.2, -1.0, 1.0), BANDED, ("inconclusive", "the interval contains the threshold")),
        (claim(0.70, q=0.051), BANDED, ("inconclusive", "not told apart from chance after correction")),
        (claim(0.70, q=0.05), BANDED, ("supported", "")),
        (claim(0.9, null=0.1), NULLED, ("supported", "")),
        (claim(0.9, null=0.2), NULLED, ("not supported", "random sets have too much of the same effect")),
        (claim(0.9, null=0.1025, around=(0.06, 0.16)), NULLED, ("inconclusive", HOLDS)),
        (claim(0.9, null=0.0975, around=(0.06, 0.15)), NULLED, ("inconclusive", HOLDS)),
        (claim(0.9, null=0.05, around=(0.02, 0.1)), NULLED, ("supported", "")),
        (claim(0.9, null=0.2, around=(0.11, 0.3)), NULLED, ("not supported", AS_MUCH)),
        (claim(0.55, 0.4, 0.7, null=0.2, around=(0.11, 0.3)), NULLED, ("not supported", AS_MUCH)),
        (claim(0.1, null=0.2, around=(0.11, 0.3)), NULLED, ("not supported", "")),
        (claim(0.9, null=0.1 + 1e-12), NULLED, ("supported", "")),
        (claim(0.96, null=0.5, around=(0.4, 0.6)), SINGLE, ("supported", "")),
        (Claim(claim="x", experiment="weights", layer="a", figure=0.9, verdict="inconclusive"), SINGLE,
         ("inconclusive", "too few for an interval")),
    ],
)  # fmt: skip
def test_each_rule(row, limit, expected):
    assert verdict(row, limit) == expected


def measure(experiment, value, *, layer="a", **more):
    fields = {"low": value - 0.01, "high": value + 0.01, "n": 9, "unit": "neuron"}
    return Measure(experiment=experiment, layer=layer, value=value, **(fields | more))


def masked(mode, accuracy, null, *, p=0.01, size=2, baseline=1.0, layer="a", **more):
    drop = baseline - accuracy
    return Masking(
        mode=mode, layer=layer, tau=4, size=size, channels=10, n=40, baseline=baseline, accuracy=accuracy,
        low=max(0, accuracy - 0.1), high=min(1, accuracy + 0.1), null=(null,) * 3, p_value=p,
        drop_low=drop - 0.12, drop_high=min(1, drop + 0.12), **more,
    )  # fmt: skip


def both(j, null, *, mode="retain", ablation="mean", p=0.01, size=2, layer="a", cumulative=False, **more):
    """F1 with pictures of other classes: TPR 1, FPR 1 − J."""
    return TwoSided(
        mode=mode, ablation=ablation, layer=layer, tau=4, cumulative=cumulative, size=size, channels=10, n=40,
        others=160, tpr_before=1.0, fpr_before=0.0, tpr=1.0, tpr_low=0.9, tpr_high=1.0, fpr=1 - j,
        fpr_low=max(0, 0.9 - j), fpr_high=min(1, 1.1 - j), j=j, j_low=j - 0.12, j_high=min(1, j + 0.12),
        null=(null,) * 3, p_value=p, **more,
    )  # fmt: skip


def judged(masking=(), measures=(), not_run=(), experiments=ALL, changes=None, two_sided=()):
    rows = ledger(
        masking, measures, not_run, two_sided=two_sided, experiments=experiments, thresholds=limits(changes or {})
    )
    return {(c.claim, c.case): c for c in rows}


def test_masking_s_figure_is_the_drop_and_retaining_s_is_j():
    rows = judged(
        [masked("mask", 0.1, 0.98), masked("retain", 0.0, 0.3), masked("mask", 0.9, 0.9, cumulative=True)],
        two_sided=[both(0.95, 0.3), both(0.1, 0.3, ablation="zero"), both(0.0, 0.3, mode="mask")],
    )
    needed, upward, enough = rows["needed", ""], rows["needed_upward", ""], rows["enough", J]
    assert (needed.figure, needed.low, needed.high) == pytest.approx((0.9, 0.78, 1.0))
    assert (needed.null, enough.figure, upward.figure) == pytest.approx((0.02, 0.95, 0.1))
    rows = judged(
        [masked(m, 0.5, 0.9, null_low=0.8, null_high=0.95, null_drop_low=0.05, null_drop_high=0.2) for m in
         ("mask", "retain")],
        two_sided=[both(0.95, 0.9, null_low=0.8, null_high=0.95)],
    )  # fmt: skip
    nulls = [(rows[c].null_low, rows[c].null_high) for c in (("needed", ""), ("enough", J))]
    assert nulls == [(0.05, 0.2), (0.8, 0.95)]
    assert (needed.verdict, enough.verdict, upward.verdict) == ("supported", "supported", "not supported")


def test_the_accuracy_left_alone_does_not_make_the_core_enough():
    """Every picture is said to be of the class, those of other classes too."""
    rows = judged([masked("mask", 0.9, 0.9), masked("retain", 1.0, 0.3)], two_sided=[both(0.0, 0.0, p=1.0)])
    assert rows["enough", J].verdict == "not supported"
    assert ("enough", "") not in rows


def test_enough_is_not_run_without_pictures_of_other_classes():
    missing = NotRun(experiment="masking", case="enough", reason="no pictures of other classes")
    rows = judged([masked("mask", 0.1, 0.98), masked("retain", 1.0, 0.3)], not_run=[missing])
    assert [rows[c, ""].verdict for c in ("needed", "enough", "enough_upward")] == ["supported", "not run", "not run"]
    assert rows["enough", ""].reason == rows["enough_upward", ""].reason == "no pictures of other classes"
    assert rows["needed_upward", ""].reason == "nothing to test was found"


def test_only_the_largest_tau_is_a_claim():
    small = masked("mask", 1.0, 1.0).model_copy(update={"tau": 2})
    assert judged([small, masked("mask", 0.1, 0.98)])["needed", ""].verdict == "supported"


def test_a_core_set_of_most_of_the_layer_decides_nothing():
    row = judged([masked("mask", 0.0, 0.98, size=6)])["needed", ""]
    assert (row.verdict, row.reason) == ("inconclusive", "the core set is more than half of the layer")


def test_a_core_set_of_most_of_a_layer_above_decides_nothing_from_below_up():
    """Masked from "low" up, most of "a" is masked as well; at "low" alone it is not."""
    rows = judged(
        [masked("mask", 0.0, 0.98, size=6), masked("mask", 0.0, 0.98, layer="low"),
         masked("mask", 0.0, 0.98, layer="low", cumulative=True)]
    )  # fmt: skip
    upward = rows["needed_upward", ""]
    assert (upward.verdict, upward.reason) == ("inconclusive", "the core set is more than half of a")
    assert rows["needed", ""].layer == "low"
    assert rows["needed", ""].verdict == "supported"


def test_a_class_that_is_seldom_said_decides_nothing():
    row = judged([masked("mask", 0.0, 0.98, baseline=0.4)])["needed", ""]
    assert (row.verdict, row.reason) == ("inconclusive", "the network seldom says this class to begin with")


def test_only_single_channels_and_whole_layers_are_claims():
    rows = judged(
        measures=[
            measure("weights", 0.9, setting=1), measure("weights", 0.1, setting=5),
            measure("weights", 0.0, setting=1, channel=3), measure("optimality", 0.99, case="beaten"),
            measure("optimality", 0.1, case="kept"),
        ]
    )  # fmt: skip
    assert rows["faithful", ""].figure == 0.9
    assert rows["optimal", ""].figure == 0.99


@pytest.mark.parametrize(
    ("figure", "sets", "reason"),
    [
        (0.99, 40, "the interval contains the threshold, as it must with 40 random sets (fidelity.optimality_draws)"),
        (0.99, 1000, "the interval contains the threshold"),
        (0.94, 40, "the interval contains the threshold"),
    ],
)
def test_it_is_told_where_only_more_random_sets_can_decide(figure, sets, reason):
    layer = measure("optimality", figure, case="beaten", low=0.9, high=1.0)
    row = judged(measures=[measure("optimality", figure, case="beaten", channel=3, n=sets), layer])["optimal", ""]
    assert (row.verdict, row.reason) == ("inconclusive", reason)


def test_more_random_sets_are_not_asked_for_where_the_neurons_differ():
    neurons = [measure("optimality", v, case="beaten", channel=c, n=40) for c, v in enumerate((1.0, 1.0, 0.9))]
    layer = measure("optimality", 0.967, case="beaten", low=0.82, high=1.0)
    assert judged(measures=[*neurons, layer])["optimal", ""].reason == "the interval contains the threshold"


def test_it_is_told_where_the_random_sets_of_masking_are_too_few():
    few = masked("mask", 0.0, 0.98, p=0.25)
    told = "not told apart from chance after correction, as it must with 3 random sets (fidelity.draws)"
    assert judged([few])["needed", ""].reason == told
    many = few.model_copy(update={"null": (0.98,) * 40})
    assert judged([many])["needed", ""].reason == "not told apart from chance after correction"


def test_a_layer_that_could_not_be_tested_has_a_row_once_beside_those_that_could():
    missing = [
        NotRun(experiment="weights", layer=layer, case="integrated gradients", reason=f"no correlation, {n}")
        for n, layer in enumerate(("top", "a", "top"))
    ]
    rows = ledger(
        [], [measure("weights", 0.9, setting=1)], missing, experiments=ALL, thresholds=limits({})
    )  # fmt: skip
    found = [(c.layer, c.verdict, c.reason) for c in rows if c.claim == "faithful"]
    assert found == [("a", "supported", ""), ("top", "not run", "no correlation, 0")]


def test_k_is_judged_where_it_is_worst():
    rows = judged(measures=[measure("concepts", v, setting=k) for k, v in ((30, 0.95), (110, 0.7), (190, 0.8))])
    assert rows["robust", "k = 110"].verdict == "not supported"


def test_methods_are_compared_neuron_by_neuron_with_the_best_other():
    def r(case, values):
        each = [measure("methods", v, case=case, setting=1, channel=c) for c, v in enumerate(values)]
        return [*each, measure("methods", sum(values) / len(values), case=case, setting=1)]

    own = r("integrated gradients", [0.6, 0.7, 0.8])
    rows = judged(measures=[*own, *r("LRP", [0.8, 0.91, 1.0]), *r("saliency", [0.1, 0.2, 0.3])])
    row = rows["best_method", "against LRP"]
    assert row.figure == pytest.approx(-0.61 / 3)
    assert row.low < row.figure < row.high
    assert row.verdict == "not supported"
    assert judged(measures=own)["best_method", ""].verdict == "not run"


def test_p_values_are_corrected_over_the_class():
    tests = [measure("edges", 0.9, layer=str(i), p_value=p) for i, p in enumerate((0.04, 0.04, 0.04, 0.9))]
    rows = ledger((), tests, (), experiments=("edges",), thresholds=limits({}))
    found = [(c.q_value, c.verdict) for c in rows if c.claim == "edges"]
    assert [v for _, v in found] == ["inconclusive"] * 4
    assert found[0][0] == pytest.approx(0.16 / 3)
    alone = ledger((), tests[:1], (), experiments=("edges",), thresholds=limits({}))
    assert next(c.verdict for c in alone if c.claim == "edges") == "supported"


def test_methods_that_have_no_neuron_in_common_are_not_compared():
    def r(case, channel):
        rows = [measure("methods", 0.5, case=case, setting=1, channel=channel, unit="random set")]
        return [*rows, measure("methods", 0.5, case=case, setting=1)]

    rows = judged(measures=[*r("integrated gradients", 3), *r("saliency", 4)])
    assert rows["best_method", ""].verdict == "not run"


def test_what_was_not_run_says_why():
    left = [NotRun(experiment="critical", case="NeuCEPT", reason="needs knockpy")]
    rows = judged(not_run=left, experiments=("critical", "edges"))
    assert rows["found_by_others", ""].reason == "needs knockpy"
    assert rows["edges", ""].reason == "nothing to test was found"
    assert rows["stable", ""].reason == "this experiment was not asked for"
    assert {c.verdict for c in rows.values()} == {"not run"}
    beside = judged(measures=[measure("critical", 0.95, case="NeuronMCT")], not_run=left)
    assert beside["found_by_others", "NeuCEPT"].verdict == "not run"


def test_thresholds_can_be_set_and_their_source_says_so():
    found = {t.claim: t for t in limits({"faithful": {"supported": 0.9, "against": None}, "robust": None})}
    assert (found["faithful"].supported, found["faithful"].against, found["faithful"].source) == (
        0.9, 0.9, "set in the spec",
    )  # fmt: skip
    assert found["robust"] == THRESHOLDS["robust"]
    raised = {t.claim: t for t in limits({"faithful": {"against": 0.7}})}["faithful"]
    assert (raised.supported, raised.against) == (0.7, 0.7)
    lowered = {t.claim: t for t in limits({"faithful": {"against": 0.3}})}["faithful"]
    assert (lowered.supported, lowered.against) == (0.6, 0.3)


def test_every_claim_has_a_threshold_an_experiment_and_a_key_in_the_spec():
    assert list(THRESHOLDS) == list(EXPERIMENT_OF) == list(Thresholds.model_fields)
