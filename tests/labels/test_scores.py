"""Scores of texts and the forced choice against naive rewrites; labels that know nothing are seldom given."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from neurflow_report.labels.association import average_precision, correlation, sample
from neurflow_report.labels.effect import effect
from neurflow_report.labels.forced_choice import (
    FEWEST,
    NEAREST,
    choice,
    nearness,
    pairs,
    right,
    share,
    sign_flips,
    together,
)
from neurflow_report.labels.scores import best, probabilities, scores, with_name

NONE = np.zeros(0, dtype=np.int64)
SEEDS = st.integers(0, 2**32 - 1)


def groups_of(random: np.random.Generator, patches: int, count: int) -> list[np.ndarray]:
    return [np.sort(random.choice(patches, int(random.integers(3, patches // 2)), replace=False)) for _ in range(count)]


@settings(max_examples=30)
@given(SEEDS)
def test_the_score_is_the_mean_over_the_group_less_that_over_the_other_groups(seed: int) -> None:
    random = np.random.default_rng(seed)
    cosines, groups = random.normal(size=(40, 5)), groups_of(random, 40, 3)
    values, table = probabilities(cosines, 3.0), scores(probabilities(cosines, 3.0), groups)
    every = sorted({p for group in groups for p in group.tolist()})
    for text in range(5):
        p = [math.exp(3 * row[text]) / sum(math.exp(3 * x) for x in row) for row in cosines.tolist()]
        for place, group in enumerate(groups):
            others = [v for v in every if v not in group] or [v for v in range(40) if v not in group]
            naive = sum(p[v] for v in group.tolist()) / len(group) - sum(p[v] for v in others) / len(others)
            assert table[place, text] == pytest.approx(naive, abs=1e-9)
    assert [text for text, _ in best(values, groups)] == table.argmax(axis=1).tolist()


def test_the_class_s_name_is_one_more_text_and_changes_none_of_the_others() -> None:
    cosines = np.random.default_rng(0).normal(size=(7, 4))
    found = with_name(cosines, 2.0)
    assert found[:, :3].tolist() == probabilities(cosines[:, :3], 2.0).tolist()
    assert found[:, 3].tolist() == probabilities(cosines, 2.0)[:, 3].tolist()


def test_of_a_single_group_the_other_patches_are_those_of_none() -> None:
    values = np.column_stack([np.repeat([1.0, 0.0], 5), np.repeat([0.0, 0.5], 5)])
    assert best(values, [np.arange(5)]) == [(0, 1.0)]


@settings(max_examples=30)
@given(SEEDS)
def test_the_forced_choice_is_that_of_a_naive_rewrite(seed: int) -> None:
    random = np.random.default_rng(seed)
    picture = np.repeat(np.arange(9), 6)
    own, others = groups_of(random, 54, 2)
    activity, values = random.normal(size=54), np.round(random.normal(size=54), 1)
    by_picture: dict[int, list[float]] = {}
    for v in own.tolist():
        beside = [u for u in others.tolist() if picture[u] == picture[v] and u not in own]
        beside = beside or [u for u in range(54) if picture[u] == picture[v] and u not in own]
        beside.sort(key=lambda u: abs(activity[u] - activity[v]))
        for u in beside[:NEAREST]:
            by_picture.setdefault(int(picture[v]), []).append(
                1.0 if values[v] > values[u] else 0.5 if values[v] == values[u] else 0.0
            )
    due = [sum(some) / len(some) for _, some in sorted(by_picture.items())]
    found = right(values, pairs(own, others, picture, activity, without=NONE))
    assert found.tolist() == pytest.approx(due)
    if due:
        assert share(found)[0] == pytest.approx(sum(due) / len(due))


def test_the_flips_of_few_pictures_are_all_of_them() -> None:
    differences = np.array([0.3, 0.1, -0.2, 0.4, 0.05])
    every = [
        sum(s * d for s, d in zip(signs, differences, strict=True))
        for signs in np.ndindex(*(2,) * 5)
        for signs in [[2 * s - 1 for s in signs]]
    ]
    exact = np.mean([total >= differences.sum() - 1e-12 for total in every])
    assert sign_flips(differences, np.random.default_rng(0)) == pytest.approx(exact, abs=0.02)
    assert sign_flips(np.zeros(8), np.random.default_rng(0)) == 1
    assert sign_flips(np.ones(20), np.random.default_rng(0)) < 0.001


def labelled(random: np.random.Generator, *, groups: int, texts: int, signal: float) -> list[bool]:
    """Which groups of a layer get a label, where each text's values are noise, shared by the patches of a picture, and
    `signal` where its group is."""
    pictures, per_picture = 20, 30
    picture = np.repeat(np.arange(pictures), per_picture)

    def half() -> tuple[np.ndarray, list[np.ndarray]]:
        of = random.integers(0, groups, len(picture))
        values = random.normal(size=(len(picture), texts)) + random.normal(size=(pictures, texts))[picture]
        values[:, :groups] += signal * (of[:, None] == np.arange(groups))
        return values, [np.flatnonzero(of == g) for g in range(groups)]

    (on, own), (off, held) = half(), half()
    activity, every = random.normal(size=len(picture)), np.arange(len(picture))
    chosen = best(on, own)
    p_values = {}
    for g, (text, _) in enumerate(chosen):
        others = [n for n in range(groups) if chosen[n][0] != text]
        if not others:
            continue
        same = np.concatenate([held[n] for n in range(groups) if n not in others])
        given_pairs = pairs(held[g], every, picture, activity, without=same)
        if given_pairs.pictures >= FEWEST:
            rest = [off[:, chosen[n][0]] for n in others]
            p_values["layer", g] = choice(given_pairs, off[:, text], rest, off[:, -1], [g]).p_value
    return [q <= 0.05 for q in together(p_values).values()]


@pytest.mark.slow
def test_texts_that_know_nothing_are_labels_of_few_groups() -> None:
    found = [
        one for seed in range(120) for one in labelled(np.random.default_rng(seed), groups=6, texts=30, signal=0.0)
    ]
    assert len(found) > 600
    assert np.mean(found) <= 0.05


def test_texts_that_know_their_group_are_its_label() -> None:
    found = [one for seed in range(4) for one in labelled(np.random.default_rng(seed), groups=4, texts=12, signal=3.0)]
    assert np.mean(found) == 1


def test_the_nearest_is_what_the_cosine_says() -> None:
    random = np.random.default_rng(3)
    phi, centre, scale = random.normal(size=(7, 4)), random.normal(size=4), np.array([1.0, 2.0, 0.0, 0.5])
    a, b = phi[:, [0, 1, 3]] / scale[[0, 1, 3]], centre[[0, 1, 3]] / scale[[0, 1, 3]]
    due = [float(row @ b / (np.linalg.norm(row) * np.linalg.norm(b))) for row in a]
    assert nearness(phi, centre, scale).tolist() == pytest.approx(due)


@settings(max_examples=40)
@given(SEEDS, st.booleans())
def test_average_precision_is_that_of_scikit_learn(seed: int, ties: bool) -> None:
    random = np.random.default_rng(seed)
    values, own = random.normal(size=60), random.random(60) < 0.3
    values = np.round(values) if ties else values
    weights = random.random(60) + 0.1
    found = average_precision(values, own, weights)
    if not own.any():
        assert found is None
        return
    assert found is not None
    assert found[0] == pytest.approx(average_precision_score(own, values, sample_weight=weights))
    assert found[1] == pytest.approx(float(weights[own].sum() / weights.sum()))


def test_a_sample_gives_the_correlation_of_all_patches() -> None:
    random = np.random.default_rng(1)
    z = random.standard_t(4, size=20_000)
    score = 0.5 * z + random.normal(size=20_000)
    due = float(np.corrcoef(z, score)[0, 1])
    found = []
    for seed in range(20):
        some = sample(z, np.random.default_rng(seed), most=2000)
        assert len(some.patches) == 2000
        found.append(correlation(z[some.patches], score[some.patches], some.weights))
    assert np.mean(found) == pytest.approx(due, abs=0.01)
    whole = sample(z[:500], random, most=2000)
    exact = correlation(z[whole.patches], score[whole.patches], whole.weights)
    assert exact == pytest.approx(float(np.corrcoef(z[:500], score[:500])[0, 1]))
    assert correlation(np.ones(5), np.arange(5.0), np.ones(5)) is None


@settings(max_examples=40)
@given(SEEDS)
def test_half_of_the_truth_and_as_much_that_is_false_lower_what_a_label_is_worth(seed: int) -> None:
    random = np.random.default_rng(seed)
    own = np.zeros(600, dtype=bool)
    own[random.choice(600, 80, replace=False)] = True
    activation = 2.0 * own + random.normal(size=600) * 0.5
    halved, doubled = own.copy(), own.copy()
    halved[random.choice(np.flatnonzero(own), 40, replace=False)] = False
    doubled[random.choice(np.flatnonzero(~own), 80, replace=False)] = True
    weights = np.ones(600)

    def worth(truth: np.ndarray) -> tuple[float, float]:
        pure, r = average_precision(truth * 1.0, own, weights), correlation(activation, truth * 1.0, weights)
        assert pure is not None
        assert r is not None
        return pure[0], r

    whole = worth(own)
    for less in (worth(halved), worth(doubled)):
        assert less[0] < whole[0]
        assert less[1] < whole[1]


def test_the_effect_is_what_the_upper_half_loses_more() -> None:
    random = np.random.default_rng(0)
    scores_of, drops = np.arange(21.0), np.concatenate([random.normal(0, 1, 10), [99.0], random.normal(5, 1, 10)])
    for inside in (np.ones(21, dtype=bool), np.zeros(21, dtype=bool)):
        found = effect(drops, scores_of, inside, random)
        assert found is not None
        assert found.pictures == 10
        assert found.value == pytest.approx(drops[11:].mean() - drops[:10].mean())
        from scipy.stats import ttest_ind

        interval = ttest_ind(drops[11:], drops[:10], equal_var=False).confidence_interval()
        assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
        assert found.p_value < 0.001
        assert effect(-drops, scores_of, inside, random).p_value > 0.999  # type: ignore[union-attr]
        assert effect(drops[:4], scores_of[:4], inside[:4], random) is None
        assert effect(drops, np.ones(21), inside, random) is None


@settings(max_examples=20)
@given(SEEDS)
def test_the_effect_is_the_mean_of_that_within_the_class_and_that_within_the_others(seed: int) -> None:
    random = np.random.default_rng(seed)
    inside, drops, scores_of = random.permutation(np.arange(18) < 8), random.normal(size=18), random.normal(size=18)
    differences, variance = [], 0.0
    for kind in (True, False):
        some = sorted((s, d) for s, d, i in zip(scores_of, drops, inside, strict=True) if i == kind)
        side = len(some) // 2
        low, high = [d for _, d in some[:side]], [d for _, d in some[side:]]
        differences.append(sum(high) / side - sum(low) / side)
        variance += (np.var(high, ddof=1) + np.var(low, ddof=1)) / side
    found = effect(drops, scores_of, inside, random)
    assert found is not None
    assert found.value == pytest.approx(sum(differences) / 2)
    assert found.pictures == 9
    assert found.low < found.value < found.high
    assert found.high - found.low >= 2 * 1.96 * math.sqrt(variance) / 2
    flat = np.where(inside, 1.0, scores_of)
    one = effect(drops, flat, inside, random)
    assert one is not None
    assert one.value == pytest.approx(differences[1])


def test_scores_that_know_nothing_have_an_effect_in_one_of_twenty() -> None:
    random, inside = np.random.default_rng(5), np.arange(40) < 20
    found = [effect(random.exponential(size=40), random.normal(size=40), inside, random) for _ in range(300)]
    assert np.mean([one is not None and one.p_value <= 0.05 for one in found]) <= 0.08


@pytest.mark.parametrize("held", ["with the class", "on three", "on three, in order", "on two"])
def test_a_label_that_goes_with_the_class_alone_or_holds_on_few_has_no_effect(held: str) -> None:
    random, inside = np.random.default_rng(6), np.arange(40) < 20
    passed, tested = 0, 0
    for _ in range(200):
        drops = np.where(inside, random.normal(1, 0.5, 40), random.normal(0, 0.5, 40))
        if held == "on three, in order":  # of equal values an earlier picture is none with a higher one
            drops = -np.sort(-drops)
        scores_of = np.zeros(40)
        if held == "with the class":
            scores_of = np.where(inside, 0.9, 0.1) + random.normal(0, 0.05, 40)
        else:
            scores_of[random.choice(20, 2 if held == "on two" else 3, replace=False)] = 1
        found = effect(drops, scores_of, inside, random)
        tested += found is not None
        passed += found is not None and found.p_value <= 0.05
    assert tested == (0 if held == "on two" else 200)
    assert passed <= 0.08 * 200


def test_a_label_beats_a_half_and_the_class_s_name_and_the_null_is_only_told() -> None:
    picture = np.repeat(np.arange(12), 2)
    made = pairs(np.arange(0, 24, 2), np.arange(1, 24, 2), picture, np.zeros(24), without=NONE)
    knows, idle, mistaken = np.tile([1.0, 0.0], 12), np.zeros(24), np.tile([0.0, 1.0], 12)
    alone = choice(made, knows, [idle], None, [0])
    assert (alone.value, alone.null, alone.baseline) == (1, 0.5, None)
    assert alone.p_value < 0.01
    assert choice(made, knows, [knows], None, [0]).p_value == alone.p_value
    named = choice(made, knows, [mistaken], knows, [0])
    assert (named.null, named.baseline, named.p_value) == (0, 1, 1)
    assert choice(made, knows, [knows], idle, [0]).p_value < 0.01
