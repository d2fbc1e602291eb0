import pytest

from neurflow_report.fidelity.cautions import cautions
from neurflow_report.results.records import LayerResult, Masking, Neuron


def neuron(channel, *, layer="low", silhouette=0.5, gap=0.01, dead=False):
    return Neuron(
        layer=layer, channel=channel, concept=(0, 1), activations=(2.0, 1.0), core=(), gap_mean=gap, gap_max=gap,
        nodes=8, silhouette=silhouette, groups=(), dead=dead,
    )  # fmt: skip


def layer(name, neurons, *, channels=10, silhouette=0.5):
    return LayerResult(name=name, channels=channels, neurons=tuple(neurons), groups=(), silhouette=silhouette)


def retained(accuracy, baseline=1.0, n=10, drop_low=None):
    return Masking(
        mode="retain", layer="low", tau=2, size=1, channels=10, n=n, baseline=baseline, accuracy=accuracy, low=0,
        high=1, null=(0.5,), p_value=1.0, drop_low=drop_low, drop_high=None if drop_low is None else 1.0,
    )  # fmt: skip


TOP = layer("fc", [neuron(0, layer="fc")], channels=2)


def found(low, *, masking=(), pictures=10, limit=10, crowded=0.5, silent=0.0):
    return [
        (c.code, c.layer, c.channel, c.figure)
        for c in cautions(
            [low, TOP], masking, pictures=pictures, limit=limit, crowded=crowded, tolerance=0.02,
            silent={"low": silent, "fc": 0.9},
        )
    ]  # fmt: skip


def test_nothing_to_caution_of():
    assert found(layer("low", [neuron(1)])) == []


@pytest.mark.parametrize(
    ("low", "options", "expected"),
    [
        (layer("low", [neuron(1)]), {"pictures": 7}, ("few-images", "", None, 7)),
        (layer("low", [neuron(1)]), {"crowded": 0.8}, ("few-patches", "", None, 0.8)),
        (layer("low", [neuron(i) for i in range(6)]), {}, ("saturation", "low", None, 0.6)),
        (layer("low", [neuron(1)]), {"masking": [retained(0.4, 0.4)]}, ("low-baseline", "", None, 0.4)),
        (layer("low", []), {}, ("no-core", "fc", None, 0)),
        (layer("low", []), {"silent": 1.0}, ("no-core", "fc", None, 0)),
        (layer("low", [neuron(1)], silhouette=0.05), {}, ("silhouette", "low", None, 0.05)),
        (layer("low", [neuron(1)]), {"silent": 0.3}, ("silent", "low", None, 0.3)),
        (layer("low", [neuron(1, silhouette=0.05)]), {}, ("silhouette", "low", 1, 0.05)),
        (layer("low", [neuron(1, silhouette=None)]), {}, ("single-group", "low", 1, 2)),
        (layer("low", [neuron(1, gap=0.5)]), {}, ("completeness", "low", 1, 0.5)),
        (layer("low", [neuron(1, dead=True)]), {}, ("dead-neuron", "low", 1, 2)),
        (layer("low", [neuron(1)]), {"masking": [retained(0.4)]}, ("retain-loses", "low", None, 0.4)),
    ],
)
def test_each_signature(low, options, expected):
    assert found(low, **options) == [expected]


def test_half_of_a_layer_and_the_tolerance_itself_are_still_fine():
    low = layer("low", [neuron(i, gap=0.02, silhouette=0.1) for i in range(5)], silhouette=0.1)
    assert found(low, masking=[retained(0.5)], silent=0.25) == []


def test_the_logit_s_layer_is_neither_saturated_nor_silent():
    low = layer("low", [neuron(1)])
    top = layer("fc", [neuron(0, layer="fc"), neuron(1, layer="fc")], channels=2, silhouette=0.0)
    assert cautions([low, top], [], pictures=1, limit=1, crowded=0.1, tolerance=1, silent={"fc": 1.0}) == ()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (retained(0.0, 1 / 8, n=8), False),  # one picture of eight was the class, and is not any more
        (retained(0.0, 1.0, n=1), False),
        (retained(0.0, 1.0, n=2), True),
        (retained(0.0, 2 / 8, n=8, drop_low=-0.05), False),
        (retained(0.2, 1.0, drop_low=0.4), True),
    ],
)
def test_one_picture_that_changes_is_no_loss(row, told):
    assert bool([c for c in found(layer("low", [neuron(1)]), masking=[row]) if c[0] == "retain-loses"]) is told
