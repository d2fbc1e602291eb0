"""Places that lead nowhere, and weights without a value, are told as such: not as a failure of the program."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from neurflow_report.analysis.run import analyze
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.errors import InputError
from neurflow_report.progress import Silent
from neurflow_report.spec.load import load_spec


@pytest.mark.parametrize(
    ("changes", "slug", "message"),
    [
        ({"model": {"weights": "~nobody-of-that-name/x.pt"}}, "weights-unreadable", "there is no weights file 'x.pt'"),
        (
            {"data": {"source": "folder", "root": "~nobody-of-that-name/x"}},
            "data-missing",
            "the data folder 'x' does not exist",
        ),
        (
            {"output": "a\0b"},
            "spec-bad-value",
            "found the character U+0000, which no name and no path may hold",
        ),
    ],
    ids=["weights", "root", "output"],
)
def test_a_place_that_cannot_be(write_spec, changes, slug, message):
    with pytest.raises(InputError) as caught:
        analyze(load_spec(write_spec(**changes)), progress=Silent())
    assert (caught.value.slug, caught.value.message) == (slug, message)


def test_logits_without_a_value_are_told_as_such_whatever_class_is_asked_for(write_spec, tmp_path):
    state = load_file(NETWORKS["flowers"].weights)
    state["fc.bias"][0] = torch.nan
    save_file(state, tmp_path / "nan.safetensors")
    told = r"model\.weights: the network's output holds NaN or Inf on .*: its weights do, 1 of 20 in 'fc\.bias' \["
    with pytest.raises(InputError, match=told):
        analyze(load_spec(write_spec(model={"weights": "nan.safetensors"}, classes=["snowstar"])), progress=Silent())
