"""Networks put together at random: whatever is wrong with one has a name, and never is it the program's own."""

import pytest

from tests.analysis.random_networks import outcome, write

SEEDS, SLOW = range(60), {18}


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    return write(tmp_path_factory.mktemp("random"))


@pytest.mark.parametrize("seed", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in SEEDS])
def test_it_runs_or_is_refused_by_name(spec, seed):
    name, said = outcome(spec, seed)
    assert not name.startswith("internal-error"), said


def test_most_of_them_run_and_others_are_refused(spec):
    assert outcome(spec, 0) == ("ran", "")
    name, said = outcome(spec, 1)
    assert name == "model-input"
    assert said.endswith("its forward(x, age) also needs age [model-input]\n  hint: wrap it in the factory "
                         "(docs/guide.md, A network of another form): let its forward(self, x) return self.net(x, …) "
                         "with fixed values for age")  # fmt: skip
