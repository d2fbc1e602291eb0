"""Checkpoints as training programs write them, into a network: what is sure is done, and told; every other way is told
with lines of the spec, and those lines load it."""

# ruff: noqa: E501 (the messages stand here word for word)

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from neurflow_report.errors import InputError
from neurflow_report.network.fitting import Checkpoint, load_checkpoint, proposals

State = dict[str, Any]


class Net(nn.Module):
    """Two stages and a head."""

    def __init__(self, outputs: int = 4, width: int = 5, blocks: int = 1) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3)
        self.stage = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(width, width, 3), nn.BatchNorm2d(width)) for _ in range(blocks))
        )
        self.fc = nn.Linear(width, outputs)


def state(seed: int = 5, **changes: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return dict(Net(**changes).state_dict())


def before(prefix: str, seed: int = 5) -> State:
    return {f"{prefix}{name}": value for name, value in state(seed).items()}


LOSSES = {"criterion.weight": torch.ones(4), "train_acc.tp": torch.zeros(4), "train_acc.fp": torch.zeros(4)}
AVERAGE = {"n_averaged": torch.tensor(7)}


def load(
    tmp_path: Path, content: object, module: nn.Module | None = None, **more: Any
) -> tuple[nn.Module, tuple[str, ...]]:
    torch.save(content, tmp_path / "a.pt")
    module = Net() if module is None else module
    return module, load_checkpoint(module, Checkpoint(file=tmp_path / "a.pt", **more))


def refused(tmp_path: Path, content: object, module: nn.Module | None = None, **more: Any) -> InputError:
    module = Net() if module is None else module
    old = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(InputError) as caught:
        load(tmp_path, content, module, **more)
    assert all(torch.equal(value, old[name]) for name, value in module.state_dict().items())
    return caught.value


def same(module: nn.Module, expected: State) -> bool:
    return all(torch.equal(value, expected[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (state(), ""),
        ({"state_dict": state(), "epoch": 3}, ""),
        ({"model": {"state_dict": state()}}, "the state under 'model.state_dict'"),
        (before("module."), "'module.' taken off its names"),
        (before("_orig_mod."), "'_orig_mod.' taken off its names"),
        (before("module._orig_mod."), "'module._orig_mod.' taken off its names"),
        (before("module.model.backbone."), "'module.model.backbone.' taken off its names"),
        ({"state_dict": before("net.")}, "'net.' taken off its names"),
        (before("module.") | AVERAGE, "'module.' taken off its names; left out what is no weights: n_averaged"),
        ({"swa": before("module.module.") | AVERAGE}, "the state under 'swa'; 'module.module.' taken off its names; left out what is no weights: n_averaged"),
        ({k.replace("stage.0.", "stage.module.0._orig_mod."): v for k, v in state().items()}, "'_orig_mod', 'module' taken off its names"),
        ({"state_dict": state(), "state_dict_ema": state()}, ""),
        ({"state_dict": state(), "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}}}, ""),
        ({"net": state(), "acc": torch.tensor(0.9)}, "the state under 'net'"),
        (state() | {"epoch": 3, "optimizer": {"state": {}}}, "left out what is no weights: epoch, optimizer"),
        ({n: v for n, v in state().items() if "num_batches" not in n}, ""),
    ],
)  # fmt: skip
def test_what_is_sure_is_done_and_told(tmp_path: Path, content: State, told: str) -> None:
    module, notes = load(tmp_path, content)
    assert same(module, state() | {"stage.0.1.num_batches_tracked": torch.tensor(0)})
    assert notes == ((f"weights file 'a.pt': {told}",) if told else ())


CASES: list[tuple[Any, str, str]] = [
    (before("encoder."), "the weights in 'a.pt' do not fit the model; 8 missing: stem.weight, stem.bias, stage.0.0.weight, …; 11 unexpected: encoder.stem.weight, encoder.stem.bias, encoder.stage.0.0.weight, …".replace("8 missing", "10 missing"),
     "the file has the model's names with 'encoder.' in front: set model.strip_prefix: encoder."),
    ({"state_dict": before("model.") | LOSSES}, "the weights in 'a.pt' do not fit the model; 3 unexpected: criterion.weight, train_acc.tp, train_acc.fp",
     'the file has all of the model, and more: set model.ignore_keys: ["criterion.*", "train_acc.*"]'),
    ({"state_dict": before("encoder.") | LOSSES}, "the weights in 'a.pt' do not fit the model; 10 missing: stem.weight, stem.bias, stage.0.0.weight, …; 14 unexpected: encoder.stem.weight, encoder.stem.bias, encoder.stage.0.0.weight, …",
     'the file has all of the model, and more: set model.strip_prefix: encoder. and model.ignore_keys: ["criterion.*", "train_acc.*"]'),
    (state() | {f"{n}.total_ops": torch.zeros(1) for n in ("stem", "stage.0.0", "fc")}, "the weights in 'a.pt' do not fit the model; 3 unexpected: stem.total_ops, stage.0.0.total_ops, fc.total_ops",
     'the file has all of the model, and more: set model.ignore_keys: ["*.total_ops"]'),
    ({"state_dict": state(), "state_dict_ema": state(6)}, "weights file 'a.pt' holds 2 states that fit the model, and differ: 'state_dict', 'state_dict_ema'",
     "set model.state_dict_key: state_dict; or set model.state_dict_key: state_dict_ema (an average over training, by its name)"),
    ({"teacher": before("module.backbone.") | {"module.head.weight": torch.ones(3)}, "student": before("module.", 6)},
     "weights file 'a.pt' holds 2 states that fit the model, and differ: 'teacher', 'student'",
     'set model.state_dict_key: teacher and model.ignore_keys: ["module.head.*"] (an average over training, by its name); or set model.state_dict_key: student'),
    (before("student.") | before("teacher.", 6), "weights file 'a.pt' holds 2 states that fit the model, and differ: 'student.', 'teacher.'",
     'set model.strip_prefix: student. and model.ignore_keys: ["teacher.*"]; or set model.strip_prefix: teacher. and model.ignore_keys: ["student.*"] (an average over training, by its name)'),
    (state() | before("module.", 6), "weights file 'a.pt' holds 2 states that fit the model, and differ: 'the file itself', 'module.'",
     'set model.ignore_keys: ["module.*"]; or set model.ignore_keys: ["stem.*", "stage.*", "fc.*"]'),
    (state() | {"epoch": 3, "ema": state(6)}, "weights file 'a.pt' holds 2 states that fit the model, and differ: 'the file itself', 'ema'",
     'set model.ignore_keys: ["ema"]; or set model.state_dict_key: ema (an average over training, by its name)'),
]  # fmt: skip
KEYS = {"state_dict_key": "key", "strip_prefix": "strip", "ignore_keys": "ignore"}


def settings(hint: str) -> list[dict[str, Any]]:
    """The keys of the spec that each of a hint's ways sets, as a user would copy them."""
    ways = []
    for way in hint.split("; or "):
        lines = re.findall(r"model\.(\w+): (.*?)(?= and model\.| \(an average|$)", way)
        values = {KEYS[key]: yaml.safe_load(value) for key, value in lines}
        ways.append({key: tuple(value) if key == "ignore" else value for key, value in values.items()})
    return ways


@pytest.mark.parametrize(("content", "message", "hint"), CASES)
def test_what_is_not_is_told_with_lines_that_load_it(tmp_path: Path, content: State, message: str, hint: str) -> None:
    error = refused(tmp_path, content)
    assert (error.message, error.hint) == (message, hint)
    assert error.slug == ("weights-ambiguous" if "differ" in message else "weights-mismatch")
    found = [load(tmp_path, content, **way)[0].state_dict() for way in settings(hint)]
    assert len(found) == hint.count("; or ") + 1
    assert same_values(found[0], state())
    assert len(found) == 1 or same_values(found[1], state(6))


def same_values(one: State, other: State) -> bool:
    return all(torch.equal(one[name], other[name]) for name in other)


def test_proposals_for_a_spec_are_the_hints(tmp_path: Path) -> None:
    for content, _, hint in CASES:
        torch.save(content, tmp_path / "a.pt")
        ways = [
            {KEYS[key]: value for key, value in way.items()}
            for way in proposals(state(), Checkpoint(file=tmp_path / "a.pt"))
        ]
        assert [{k: tuple(v) if k == "ignore" else v for k, v in way.items()} for way in ways] == settings(hint)
    torch.save(before("module."), tmp_path / "a.pt")
    assert proposals(state(), Checkpoint(file=tmp_path / "a.pt")) == [{}]


def pruned() -> State:
    names = {"fc.weight": "fc.weight_orig"}
    return {names.get(n, n): v for n, v in state().items()} | {"fc.weight_mask": torch.ones(4, 5)}


@pytest.mark.parametrize(
    ("content", "more", "message", "hint"),
    [
        (state(outputs=7), {}, "2 with another shape: fc.weight (file (7, 5), model (4, 5)), fc.bias (file (7,), model (4,))",
         "the file's network has 7 outputs there, the model 4: set model.outputs: 7"),
        (state(outputs=7), {"number": "kwargs"}, "2 with another shape: fc.weight (file (7, 5), model (4, 5)), fc.bias (file (7,), model (4,))",
         "the file's network has 7 outputs there, the model 4: let the factory make 7 (by model.kwargs, where it takes their number)"),
        (state(blocks=2), {"number": "kwargs"}, "7 unexpected: stage.1.0.weight, stage.1.0.bias, stage.1.1.weight, …",
         "the file's network is larger, it has stage.1 too: check the factory and model.kwargs"),
        (state(width=6), {}, "9 with another shape: stem.weight (file (6, 3, 3, 3), model (5, 3, 3, 3)), stem.bias (file (6,), model (5,)), stage.0.0.weight (file (6, 6, 3, 3), model (5, 5, 3, 3)), …",
         "no way to read the names makes it fit: is the network that model.name names the one that was saved?"),
        ({n: v for n, v in state().items() if "fc" not in n}, {}, "2 missing: fc.weight, fc.bias",
         "the file has the rest of the model, and nothing for fc: give the checkpoint of the whole network"),
        ({n: v[None] if n == "fc.bias" else v for n, v in state().items()}, {}, "1 with another shape: fc.bias (file (1, 4), model (4,))",
         "there are as many numbers in another shape: save them in the model's, by state[name].reshape(…)"),
        (pruned(), {}, "1 missing: fc.weight; 2 unexpected: fc.weight_orig, fc.weight_mask",
         "it was saved while pruned: prune.remove(part, 'weight') for each pruned part, and save it again; or let the factory make the network so"),
        (state() | {"fc.weight": state()["fc.weight"] * (1 + 1j)}, {}, "1 with other numbers: fc.weight (complex64 in the file and float32 in the model)",
         "make the model with such numbers, or save a state with the model's"),
        (state() | {"fc.weight": state()["fc.weight"].double() * 1e300}, {}, "1 with other numbers: fc.weight (float64 in the file and float32 in the model)",
         "make the model with such numbers, or save a state with the model's"),
    ],
)  # fmt: skip
def test_the_true_cause_is_told(tmp_path: Path, content: State, more: Any, message: str, hint: str) -> None:
    error = refused(tmp_path, content, **more)
    assert (error.slug, error.path) == ("weights-mismatch", ("model", "weights"))
    assert (error.message, error.hint) == (f"the weights in 'a.pt' do not fit the model; {message}", hint)


def numbers(dtype: torch.dtype) -> State:
    return {n: v.to(dtype) if v.is_floating_point() else v for n, v in state().items()}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (numbers(torch.float16), "10 entries are float16 in the file and float32 in the model"),
        (numbers(torch.float64), "10 entries are float64 in the file and float32 in the model"),
        (state() | {"fc.bias": torch.full((4,), 0.1, dtype=torch.float64)}, "1 entry is float64 in the file and float32 in the model, which rounds them"),
        (state() | {"fc.weight": state()["fc.weight"] + 0j}, "1 entry is complex64 in the file and float32 in the model"),
    ],
)  # fmt: skip
def test_other_numbers_are_told(tmp_path: Path, content: State, told: str) -> None:
    assert load(tmp_path, content)[1] == (f"weights file 'a.pt': {told}",)


@pytest.mark.parametrize(
    ("content", "more", "key", "message", "hint"),
    [
        ({"state_dict": state() | LOSSES}, {"ignore": ("criterion.*", "train_ac.*")}, ("ignore_keys", 1), "no entry of weights file 'a.pt' is called 'train_ac.*'", "did you mean 'train_acc.*' or 'train_acc.tp' or 'train_acc.fp'?"),
        (state(), {"ignore": ("zzz",)}, ("ignore_keys", 0), "no entry of weights file 'a.pt' is called 'zzz'", "the names begin with stem, stage, fc; * stands for anything"),
        (state() | LOSSES, {"ignore": ("criterion.*", "t*")}, ("weights",), "", ""),
        (before("model.") | LOSSES, {"ignore": ("*.bias", "criterion.*", "train_acc.*")}, ("ignore_keys", 0), "'*.bias' would leave out what the model needs: stem.bias, stage.0.0.bias, stage.0.1.bias, …", "narrow the pattern, or leave it out"),
        (state(), {"ignore": ("*",)}, ("ignore_keys",), "model.ignore_keys leaves nothing of weights file 'a.pt'", "leave a pattern out"),
        (before("net."), {"strip": "modul."}, ("strip_prefix",), "no name in weights file 'a.pt' begins with 'modul.'", "the names are net.stem.weight, net.stem.bias, net.stage.0.0.weight, …"),
        (before("a.") | state(), {"strip": "a."}, ("strip_prefix",), "in weights file 'a.pt' 'a.stem.weight' and 'stem.weight' would be the same", 'leave one of the two networks out: set model.ignore_keys: ["stem.*", "stage.*", "fc.*"]'),
    ],
)  # fmt: skip
def test_keys_of_the_spec_that_are_wrong(
    tmp_path: Path, content: State, more: Any, key: tuple[str | int, ...], message: str, hint: str
) -> None:
    if not message:
        assert same(load(tmp_path, content, **more)[0], state())
        return
    error = refused(tmp_path, content, **more)
    assert (error.path, error.message, error.hint) == (("model", *key), message, hint)


def test_a_prefix_that_was_cut_too_short_is_said_whole(tmp_path: Path) -> None:
    content = before("model.encoder.")
    error = refused(tmp_path, content, strip="model.encoder")
    assert (
        error.hint
        == "the file has the model's names with 'model.encoder.' in front: set model.strip_prefix: model.encoder."
    )
    assert same(load(tmp_path, content, strip="model.encoder.")[0], state())


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    notes = load(tmp_path, before("model.") | LOSSES, ignore=("criterion.*", "train_acc.*"))[1]
    assert notes == (
        "weights file 'a.pt': 'model.' taken off its names; entries that ignore_keys left out: 'criterion.*' 1, 'train_acc.*' 2",
    )


def test_a_network_that_converts_old_names_itself(tmp_path: Path) -> None:
    torch.manual_seed(5)
    with pytest.warns(FutureWarning):
        old = nn.utils.weight_norm(nn.Linear(3, 2))
    module, notes = load(tmp_path, old.state_dict(), parametrizations.weight_norm(nn.Linear(3, 2)))
    assert torch.allclose(module.weight, old.weight)
    assert notes == ("weights file 'a.pt': the network's own code converted its entries",)


def test_a_network_whose_shapes_are_not_known_yet(tmp_path: Path) -> None:
    lazy = nn.Sequential(nn.Linear(3, 5), nn.LazyLinear(2))
    expected = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 2)).state_dict()
    module, notes = load(tmp_path, {f"module.{n}": v for n, v in expected.items()}, lazy)
    assert same(module, expected)
    assert notes == ("weights file 'a.pt': 'module.' taken off its names",)
