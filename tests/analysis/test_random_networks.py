"""Networks put together at random: whatever is wrong with one has a name, and never is it the program's own."""

import pytest

from tests.analysis.random_networks import outcome, write

FAST, MORE = range(4), [range(first, first + 8) for first in range(4, 60, 8)]


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return write(tmp_path_factory.mktemp("random"))


@pytest.mark.parametrize("seed", FAST)
def test_it_runs_or_is_refused_by_name(spec, seed):
    name, said = outcome(spec, seed)
    assert not name.startswith("internal-error"), said


@pytest.mark.slow
@pytest.mark.parametrize("seeds", MORE, ids=str)
def test_more_of_them_run_or_are_refused_by_name(spec, seeds):
    found = {seed: outcome(spec, seed) for seed in seeds}
    assert {seed: said for seed, (name, said) in found.items() if name.startswith("internal-error")} == {}


def test_most_of_them_run_and_others_are_refused(spec):
    assert outcome(spec, 0) == ("ran", "")
    name, said = outcome(spec, 1)
    assert name == "model-input"
    assert said.endswith("its forward(x, age) also needs age [model-input]\n  hint: wrap it in the factory "
                         "(docs/guide.md, A network of another form): let its forward(self, x) return self.net(x, …) "
                         "with fixed values for age")  # fmt: skip
