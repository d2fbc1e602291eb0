"""What was assumed of the preprocessing, and what becomes of pictures of their size: told by every command, and kept."""

# ruff: noqa: E501 (the messages stand here word for word)

import pytest

from neurflow_report.drawing.view.text.examined import doubts, given
from neurflow_report.network.load import Assumed
from neurflow_report.results.records import Preprocess
from neurflow_report.setup.input_notes import Looks, input_notes
from tests.sample_bundle import frozen_bundle

IMAGENET = Preprocess(resize=256, size=224)
ALL = Assumed(keys=("size", "resize", "mean", "std", "channels"), whose="what is usual for ImageNet")
ASSUMED = (
    "assumed of the preprocessing: size 224, resize 256, mean [0.485, 0.456, 0.406], std [0.229, 0.224, 0.225], channels 3 "
    "(what is usual for ImageNet): neither the weights nor the spec say it, so set `preprocess` to what the network was trained with"
)
CIFAR = (
    "pictures of 32 × 32 pixels are made 8.0 times as large, 256 × 256, for an input of 224 × 224: right only for a network "
    "that was trained so (`preprocess.size` and `.resize`)"
)


@pytest.mark.parametrize(
    ("preprocess", "assumed", "sizes", "grey", "told"),
    [
        (IMAGENET, ALL, [(32, 32)] * 3, False, [ASSUMED, CIFAR]),
        (IMAGENET, None, [(500, 375), (400, 400), (333, 500)], False, []),
        (Preprocess(resize=32, size=32), None, [(32, 32)], False, []),
        (Preprocess(resize=37, size=32), Assumed(keys=("resize",), whose="what is usual for ImageNet"), [(32, 32)], False,
         ["assumed of the preprocessing: resize 37 (what is usual for ImageNet): neither the weights nor the spec say it, so set `preprocess` to what the network was trained with"]),
        (Preprocess(resize=None, size=224), None, [(32, 40)], False,
         ["pictures of 32 × 40 pixels are set into black: the network's input is 224 × 224, unresized",]),
        (Preprocess(resize=None, size=32), None, [(500, 400)], False,
         ["the network sees 1% of a picture of 500 × 400 pixels: the 32 × 32 in its middle"]),
        (Preprocess(resize=28, size=28), None, [(28, 28)], True,
         ["the pictures are grey, and the network's input is RGB: it gets the same values in all three channels"]),
        (IMAGENET, None, [], False, []),
    ],
)  # fmt: skip
def test_what_is_said(preprocess, assumed, sizes, grey, told):
    assert list(input_notes(preprocess, assumed, Looks(sizes=tuple(sizes), grey=grey))) == told


def test_the_report_says_it(tmp_path):
    run = frozen_bundle(tmp_path).run
    model = run.model.model_copy(
        update={"input_notes": (ASSUMED, CIFAR), "notes": ("weights file 'a': 'x.' taken off",)}
    )
    changed = run.model_copy(update={"model": model})
    assert given(changed)["To know"] == f"weights file 'a': 'x.' taken off; {ASSUMED}; {CIFAR}"
    assert [(n.code, n.text) for n in doubts(changed)] == [("assumed", f"A{ASSUMED[1:]}.")]
    assert (given(run).keys(), list(doubts(run))) == ({"Input"}, [])
