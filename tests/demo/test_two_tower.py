"""The demo's image–text model: small, honest of what was measured, and of words that it does not know."""

from pathlib import Path

import numpy as np
import pytest
import torch

from neurflow_report.demo import two_tower
from neurflow_report.demo.flowers import DATASET
from neurflow_report.demo.networks import header_metadata
from neurflow_report.demo.train_two_tower import caption, main, measured, painted, prominent


def test_its_weights_are_small_and_say_what_was_measured() -> None:
    assert two_tower.WEIGHTS_FILE.stat().st_size < 2_000_000
    facts = header_metadata(two_tower.WEIGHTS_FILE)
    assert {"accuracy", "count", "seed", "epochs", "torch"} <= set(facts)
    assert int(facts["count"]) >= 1000


def test_it_knows_the_demo_s_parts_and_classes_and_no_other_words() -> None:
    for text in (*DATASET.parts, *DATASET.class_names, "A dark ring and the Terracotta pot"):
        assert two_tower.unknown_words(text) == ()
    assert two_tower.unknown_words("a rusty bicycle") == ("rusty", "bicycle")
    assert two_tower.unknown_words("of the") == ("",)


def test_what_goes_together_lies_close() -> None:
    model = two_tower.load()
    with torch.inference_mode():
        texts = model.texts(two_tower.VOCABULARY)
        grey = model.pictures(torch.full((1, 3, two_tower.SIDE, two_tower.SIDE), 0.5))
    assert torch.allclose(texts.norm(dim=1), torch.ones(len(texts)))
    assert grey.shape == (1, two_tower.WIDTH)
    assert not model.training


@pytest.mark.slow
def test_it_is_as_good_as_its_weights_say() -> None:
    due = float(header_metadata(two_tower.WEIGHTS_FILE)["accuracy"])
    assert measured(two_tower.load(), painted("val", 8)) == pytest.approx(due, abs=0.08)


def test_a_window_is_called_by_what_it_shows() -> None:
    data = painted("val", 1)
    background = len(DATASET.parts) - 1
    empty = np.full((16, 16), background)
    assert prominent(empty, data.usual)[0] == background
    random = np.random.default_rng(0)
    assert caption(empty, data.usual, "firebell", random) == "background"
    said = {caption(data.shown[0], data.usual, "firebell", random) for _ in range(60)}
    assert "firebell" in said
    assert said <= {"firebell", *DATASET.parts} | {one for one in said if " and " in one}


@pytest.mark.slow
def test_the_script_writes_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        assert main(["--out", str(tmp_path / "a.safetensors"), "--epochs", "1", "--per-class", "6"]) == 0
    finally:
        torch.use_deterministic_algorithms(False)
    assert "epoch 1/1" in capsys.readouterr().err
    assert two_tower.load(tmp_path / "a.safetensors").texts(["dark ring"]).shape == (1, two_tower.WIDTH)
