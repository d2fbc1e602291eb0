"""F10 against channels that are made so, counted one by one."""

from __future__ import annotations

import numpy as np

from neurflow_report.fidelity.channels import census


def test_every_channel_is_what_it_was_made_to_be() -> None:
    random = np.random.default_rng(0)
    means = random.uniform(0.1, 1.0, size=(50, 6)).astype(np.float32)
    means[:, 1] = 0
    means[:, 2] = -means[:, 2]
    means[:, 3] = 2 + 0.001 * means[:, 3]
    means[:, 4] = 7
    found = census("a", means)
    assert (found.layer, found.channels, found.silent, found.saturated) == ("a", 6, (1, 2), (3, 4))


def test_it_is_counted_channel_by_channel() -> None:
    means = np.random.default_rng(1).normal(0.2, 0.3, size=(9, 40)) * np.random.default_rng(2).choice([1, 1e-3], 40) + 1
    found = census("a", means)
    for c in range(40):
        column = [float(v) for v in means[:, c]]
        mean = sum(column) / 9
        deviation = (sum((v - mean) ** 2 for v in column) / 9) ** 0.5
        assert (c in found.silent) == (max(column) <= 0)
        assert (c in found.saturated) == (max(column) > 0 and deviation < 0.01 * abs(mean))
