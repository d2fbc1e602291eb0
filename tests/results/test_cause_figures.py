"""How far what is foretold holds, against the same counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from neurflow_report.results.cause_figures import cause_figures, spearman
from neurflow_report.results.records import Cause, ClassResult, Debugged, LayerCauses, WhatIf


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=3, max_size=9))
def test_the_rank_correlation_is_scipy_s(pairs):
    one, other = zip(*pairs, strict=True)
    if len(set(one)) > 1 and len(set(other)) > 1:
        assert spearman(one, other) == pytest.approx(float(spearmanr(one, other).statistic), abs=1e-12)
    else:
        assert spearman(one, other) == 0.0


def debugged(figures, *, contrast="truth", p=1, q=0):
    """A picture of one layer; of each group: foretold, measured, presence, and what it is taken for without it."""
    causes = tuple(
        Cause(group=n, foretold=s, measured=m, presence=t, without=w) for n, (s, m, t, w) in enumerate(figures, 1)
    )
    layer = LayerCauses(
        layer="low", causes=causes, outside=0, baseline=0, rest=0, largest=(),
        what_ifs=(WhatIf(removed=(), predicted="b", margin=1),),
    )  # fmt: skip
    return Debugged(
        name="x", sha256="0" * 64, label="a", file="x.png", found_on=False, p=p, predicted="b", q=q, against="a",
        contrast=contrast, margin=1, layers=(layer,),
    )  # fmt: skip


def of(*pictures, index=1):
    return ClassResult.model_construct(index=index, debugged=tuple(pictures))


def test_figures_counted_by_hand():
    right = debugged([(3, 2, 0.1, "a"), (2, 1, 0.2, "b"), (1, 0, 0.9, "b")])
    wrong = debugged([(3, 0, 0.9, "b"), (2, 1, 0.2, "a"), (1, 2, 0.1, "a")])
    (found,) = cause_figures([of(right, wrong)])
    assert (found.pictures, found.groups, found.ranked, found.mistakes) == (2, 3, 2, 2)
    assert (found.foretold.spearman, found.foretold.first, found.foretold.corrected) == (0.0, 0.5, 0.5)
    assert (found.presence.spearman, found.presence.first, found.presence.corrected) == (-1.0, 0.0, 0.0)
    assert found.random.first == pytest.approx(1 / 3)
    assert found.random.corrected == pytest.approx(np.mean([1 / 3, 2 / 3]))
    assert (found.best.first, found.best.corrected) == (1.0, 1.0)


def test_only_pictures_by_the_circuit_of_what_they_are_taken_for_count_and_mistakes_alone_are_corrected():
    other = debugged([(3, 2, 0.1, "a")], p=0, q=1)
    chosen = debugged([(3, 2, 0.1, "a"), (1, 1, 0.1, "b")], contrast="runner_up")
    assert cause_figures([of(other)]) == ()
    (found,) = cause_figures([of(other, chosen)])
    assert (found.pictures, found.mistakes, found.ranked) == (1, 0, 0)
    assert (found.foretold.spearman, found.foretold.corrected, found.random.corrected) == (None, None, None)


def test_without_pictures_and_without_groups_there_are_no_figures():
    assert cause_figures([of()]) == ()
    (found,) = cause_figures([of(debugged([]))])
    assert (found.pictures, found.groups, found.foretold.first) == (0, 0.0, None)
