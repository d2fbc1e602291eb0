"""Networks whose results mean nothing for the next run, or for a picture alone: the cause, and where it is."""

import inspect

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from neurflow_report.errors import InputError
from neurflow_report.network.conduct import check_conduct
from neurflow_report.network.cut import cut
from tests.oracles.odd import Small, small


class Dropping(Small):
    def forward(self, x):
        return self.head(F.dropout(self.high(self.mid(self.low(x))).mean((2, 3)), 0.5))


class Uncertain(Small):
    """Dropout that stays on, as Monte-Carlo dropout wants it."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        self.drop.train()
        return self.head(self.drop(self.high(self.mid(self.low(x))).mean((2, 3))))


class Noisy(Small):
    def forward(self, x):
        return super().forward(x + 0.1 * torch.randn_like(x))


class Counting(Small):
    """Each pass leaves something for the next."""

    def __init__(self):
        super().__init__()
        self.register_buffer("passes", torch.zeros(()))

    def forward(self, x):
        self.passes += 1
        return super().forward(x) * self.passes


class ByNumpy(Small):
    def __init__(self):
        super().__init__()
        self.mid[0].register_forward_hook(self.shaken)

    def shaken(self, _module, _inputs, out):
        import numpy as np

        return out * float(np.random.default_rng().random())


class Neighbours(Small):
    def forward(self, x):
        x = self.mid(self.low(x))
        return self.head(self.high(x - x.mean(0)).mean((2, 3)))


class Statless(Small):
    def __init__(self):
        super().__init__()
        self.mid[1] = nn.BatchNorm2d(8, track_running_stats=False)


class Woken(Small):
    """A batch norm that is put back into training mode."""

    def eval(self):
        super().eval()
        self.high[1].train()
        return self


class Rounded(Small):
    def forward(self, x):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return super().forward(x)


class ThroughAView(Small):
    def forward(self, x):
        y = self.mid(self.low(x)).clone()
        y[:, :2].mul_(3)
        return self.head(self.high(y).mean((2, 3)))


class InPlace(nn.Module):
    """Branches, so that it is kept whole, and changes what it is given."""

    def forward(self, x):
        return x.mul_(2) if x.sum() > -1e9 else x


class ChangesItsInput(Small):
    def __init__(self):
        super().__init__()
        self.twice = InPlace()

    def forward(self, x):
        y = self.mid(self.low(x))
        return self.head((self.high(self.twice(y)) + self.high(y)).mean((2, 3)))


class ChangesThePictures(Small):
    """What the graph says without changing anything."""

    def forward(self, x):
        x -= 0.5
        return super().forward(x.mul_(2))


@pytest.fixture
def pictures():
    return torch.randn((4, 3, 16, 16), generator=torch.Generator().manual_seed(1))


def line(kind: type, number: int) -> int:
    """The file's line of a line of a class's forward, counted from its `def`."""
    return inspect.getsourcelines(kind.forward)[1] + number


def problem(kind: type[nn.Module], pictures, *, cutting: bool = False) -> InputError:
    torch.manual_seed(0)
    model = kind().eval().requires_grad_(False)
    with pytest.raises(InputError) as caught:
        cut(model, ["low", "mid", "output"], pictures) if cutting else check_conduct(model, pictures)
    assert caught.value.path == ("model",)
    return caught.value


def test_a_network_that_keeps_to_it_says_nothing_and_stays_as_it_is(pictures):
    model, before = small().float(), pictures.clone()
    check_conduct(model, pictures)
    assert torch.equal(pictures, before)
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())


RANDOM = {
    Dropping: (
        f"F.dropout in test_conduct.py, line {line(Dropping, 1)} is told to drop at random",
        "give it training=self.training: F.dropout's own is True",
    ),
    Uncertain: (
        "'drop' (Dropout) is in training mode",
        "the network was put into eval mode, and its own code puts this module back: take that out",
    ),
    Noisy: (
        f"randn_like in test_conduct.py, line {line(Noisy, 1)} draws at random",
        "let the network draw nothing in eval mode (if self.training: …)",
    ),
}


@pytest.mark.parametrize("kind", RANDOM)
def test_random_numbers_are_told_with_their_place(kind, pictures):
    error, (where, hint) = problem(kind, pictures), RANDOM[kind]
    assert error.slug == "model-random"
    said, _, found = error.message.partition("%")
    assert said.startswith("two runs of the network on the same pictures differ by ")
    assert found == f" of its largest output: {where}"
    assert error.hint == hint


@pytest.mark.parametrize(("kind", "where"), [
    (Counting, "the network's own forward (Counting)"), (ByNumpy, "'mid.0' (Conv2d)"),
])  # fmt: skip
def test_what_is_not_torch_s_random_numbers_is_not_called_so(kind, where, pictures):
    error = problem(kind, pictures)
    assert error.slug == "model-random"
    assert error.message.endswith(f"% of its largest output; the first module whose output differs is {where}")
    assert error.hint == (
        "torch drew no random number there: look for other random numbers, and for what one pass leaves to the next"
    )


BATCH = {
    Neighbours: ("'high.0' (Conv2d)", "let each picture be treated by itself: a picture's circuit cannot depend on its "
                 "neighbours"),
    Statless: ("'mid.1' (BatchNorm2d)", "it takes its statistics from the batch, since it keeps no statistics "
               "(track_running_stats): let it use those of the training data"),
    Woken: ("'high.1' (BatchNorm2d)", "it takes its statistics from the batch, since it is in training mode: let it "
            "use those of the training data"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BATCH)
def test_what_depends_on_the_batch_is_told_with_its_module(kind, pictures):
    error, (where, hint) = problem(kind, pictures), BATCH[kind]
    assert error.slug == "model-batch"
    said, _, found = error.message.partition("%")
    assert said.startswith("what the network gives for a picture differs by ")
    assert found == f" when other pictures are in its batch; the first module whose output differs is {where}"
    assert error.hint == hint


def test_autocast_is_told_as_that(pictures):
    error = problem(Rounded, pictures, cutting=True)
    assert error.slug == "model-precision"
    first, _, rest = error.message.partition("; ")
    assert first.startswith("the network's graph does not give the network's own output: layer 'low' is off by 0.")
    place = f"odd.py, line {line(Small, 1)}"
    assert rest == f"convolution in 'low.0' (Conv2d) ({place}) rounds more, under torch.autocast"
    assert error.hint == "take autocast out of its forward pass, or leave it off in eval mode"


def test_a_change_through_a_view_is_told_with_its_line(pictures):
    error = problem(ThroughAView, pictures, cutting=True)
    assert error.slug == "model-not-traceable"
    assert error.message.endswith(
        f"; mul_ in test_conduct.py, line {line(ThroughAView, 2)} changes a tensor in place through a view of it, "
        "which a graph cannot follow"
    )


def test_a_part_that_changes_its_input_is_named(pictures):
    torch.manual_seed(0)
    model = ChangesItsInput().eval().requires_grad_(False)
    with pytest.raises(InputError) as caught:
        cut(model, ["low", "mid", "output"], pictures)
    assert caught.value.message == (
        "module 'twice', which leads to layer 'output', changes its own input in place, where the graph cannot see it"
    )


def test_pictures_that_are_changed_in_place_are_no_fault_of_the_graph(pictures):
    before = pictures.clone()
    model = ChangesThePictures().eval().requires_grad_(False)
    check_conduct(model, pictures)
    segments = cut(model, ["low", "mid", "output"], pictures)
    assert torch.equal(pictures, before)
    value = pictures
    for part in (segments.stem, *segments.stages):
        value = part(value)
    assert torch.allclose(value, model(pictures.clone()), atol=1e-6)
    assert torch.equal(pictures, before)


def test_outputs_that_are_not_finite_are_told_with_the_weights_that_are_not() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(144, 2)).eval().requires_grad_(False)
    net[0].weight[0, 0, 0, :2] = torch.nan
    net[2].bias[1] = torch.inf
    with pytest.raises(InputError) as caught:
        check_conduct(net, torch.rand(2, 3, 8, 8))
    assert str(caught.value) == (
        "model.weights: the network's output holds NaN or Inf on a picture of the data: its weights do, 2 of 108 in "
        "'0.weight', and 1 other parameter [not-finite]\n  hint: give a checkpoint from before they did"
    )

    class Divides(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mean((2, 3)) / 0

    with pytest.raises(InputError, match=r"^model: the network's output holds NaN or Inf on a picture of the data \["):
        check_conduct(Divides(), torch.rand(2, 3, 8, 8))
