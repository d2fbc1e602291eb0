"""Model-X knockoffs (Candès et al. 2018): how much more a target follows each channel than a copy of it.

The copies are Gaussian and equicorrelated (Barber and Candès 2015), with Ledoit and Wolf's covariance; the statistic is
the difference of the lasso's coefficients. The figures are those of the package knockpy 1.3.5, from the same seed
(tests/fidelity/knockpy.json).
"""

from __future__ import annotations

import warnings
from math import floor

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
FOLDS = 5
"""Parts of the cross-validation: fewer rows cannot be judged."""
PENALTIES = np.logspace(-4, 4, 20)
"""The lasso's penalties that are tried."""
LEAST = 1e-5
"""Where the correlations have a smaller eigenvalue, a copy would be the channel itself but for rounding."""
STEPS = 1024
"""Of how many steps the distance of channel and knockoff is a whole number, as knockpy's halving has it."""
PASSES = 500
"""Of the lasso's solver over the channels, at most."""


class NoKnockoffsError(ValueError):
    """No knockoffs can be made, or none judged; the text says why, for the report."""


def coefficient_differences(x: Floats, y: Floats, *, seed: int) -> Floats:
    """W of each channel, (C,): its lasso coefficient's size less that of its knockoff.

    In the target's units per standard deviation of the channel; 0 for a channel that does not vary.

    Args:
        x: (P, C), what the channels are on P rows.
        y: (P,), the target.
    Raises: NoKnockoffsError: too few rows, a value that is not finite, or channels that determine one another.
    """
    x, y = x.astype(np.float64), y.astype(np.float64)
    if len(x) < FOLDS:
        raise NoKnockoffsError(f"knockoffs are judged by {FOLDS}-fold cross-validation, and there are {len(x)} patches")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise NoKnockoffsError("an activation is not finite")
    scores = np.zeros(x.shape[1])
    moving = np.flatnonzero(np.ptp(x, axis=0) > 0)  # the deviation of equal values is not 0 but for rounding
    if len(moving) == 0 or np.ptp(y) == 0:
        return scores
    x = (x[:, moving] - x[:, moving].mean(axis=0)) / x[:, moving].std(axis=0)
    # The older generator: its draws are the same in every version of numpy, and they are knockpy's.
    random = np.random.RandomState(seed)
    both = np.hstack([x, gaussian_knockoffs(x, random.standard_normal(x.shape))])
    order = np.arange(both.shape[1])
    random.shuffle(order)  # of two alike columns the lasso prefers the first: neither side may always be that
    sizes = np.empty(len(order))
    sizes[order] = np.abs(_lasso(both[:, order], y - y.mean()))
    scores[moving] = sizes[: len(moving)] - sizes[len(moving) :]
    return scores


def gaussian_knockoffs(x: Floats, noise: Floats) -> Floats:
    """Equicorrelated knockoffs of the rows of x, (P, C), made with standard normal noise of that shape.

    They have the covariance of x among themselves and with each other channel, and as little as that allows with their
    own.

    Raises: NoKnockoffsError where the channels determine one another.
    """
    from sklearn.covariance import LedoitWolf

    estimate = LedoitWolf().fit(x)
    variances = np.diag(estimate.covariance_)
    scale = np.sqrt(variances)
    least = float(np.linalg.eigvalsh(estimate.covariance_ / np.outer(scale, scale))[0])
    if least < LEAST:
        raise NoKnockoffsError("the channels determine one another: no knockoff differs from its channel")
    relative = min(2 * least, 1.0)
    share = min((2 * least - LEAST) / relative, 1.0)  # which leaves the covariance of both an eigenvalue over 0
    relative *= min(floor(STEPS * share), STEPS - 1) / STEPS
    s = relative * variances
    inverse = np.linalg.inv(estimate.covariance_)
    mean = x - (x - x.mean(axis=0)) @ (inverse * s)
    spread = np.linalg.cholesky(np.diag(2 * s) - s[:, None] * inverse * s)
    made: Floats = mean + noise @ spread.T
    return made


def _lasso(x: Floats, y: Floats) -> Floats:
    """The lasso's coefficients at the penalty that cross-validation finds best."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LassoCV

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at the smallest penalties: METHOD §5 says so
        model = LassoCV(
            alphas=PENALTIES, cv=FOLDS, max_iter=PASSES, tol=1e-3, random_state=0
        )  # else numpy's global one
        model.fit(x, y)
    found: Floats = model.coef_
    return found
