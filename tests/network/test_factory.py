"""Networks that a user's own code makes: only when allowed, and what goes wrong in that code is told."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from neurflow_report.errors import InputError
from neurflow_report.network.factory import ALLOW, make
from neurflow_report.network.load import Network, load_network

ORACLES = Path(__file__).parents[1] / "oracles"


def load(**changes: object) -> Network:
    settings: dict[str, object] = {
        "source": "python", "factory": "cifar:resnet", "kwargs": {"num_classes": 5}, "python_path": "oracles",
        "weights": "none", "base": ORACLES.parent, "seed": 3, "device": torch.device("cpu"), "dtype": torch.float32,
        "allow_code": True,
    }  # fmt: skip
    return load_network(**(settings | changes))  # type: ignore[arg-type]


def problem(**changes: object) -> InputError:
    with pytest.raises(InputError) as caught:
        load(**changes)
    return caught.value


def test_a_factory_makes_the_network_after_the_seed() -> None:
    network = load()
    assert (network.source, network.name, network.weights) == ("python", "resnet", "the factory's")
    assert network.module(torch.zeros(1, 3, 32, 32)).shape == (1, 5)
    assert not network.module.training
    assert network.digest == load().digest != load(seed=4).digest
    assert load(name="My net").name == "My net"


def test_without_leave_nothing_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    monkeypatch.delenv(ALLOW, raising=False)
    error = problem(factory="evil:f", base=tmp_path, python_path=None, allow_code=False)
    assert (error.slug, error.path, error.exit_code) == ("code-not-allowed", ("model", "factory"), 2)
    assert error.message == (
        "this spec would import and run 'evil:f', and code that a spec names runs only if you allow it"
    )
    assert error.hint == (
        "if you trust the spec and its code: load_spec(…, allow_code=True), or set NEURFLOW_REPORT_ALLOW_CODE=1"
    )
    monkeypatch.setenv(ALLOW, "yes")
    assert problem(allow_code=False).hint == f"{error.hint} (it is 'yes', and 1 alone allows it)"
    monkeypatch.setenv(ALLOW, "1")
    assert load(allow_code=False).name == "resnet"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factory": "cifar"}, "'cifar' names no callable in a module"),
        ({"factory": "cifar:resnet()"}, "'cifar:resnet()' names no callable in a module"),
        ({"factory": "no_such_module:f"}, "there is no Python module 'no_such_module'"),
        ({"factory": "cifar:resnett"}, "module 'cifar' has no 'resnett'"),
        ({"factory": "cifar:not_callable"}, "'cifar:not_callable' is a Tensor, and cannot be called"),
        ({"factory": "cifar:nothing", "kwargs": {}},
         "'cifar:nothing' returned a dict, and a torch.nn.Module was expected"),
        ({"kwargs": {"depth": 9}},
         "calling 'cifar:resnet' with (depth=9) failed in cifar.py, line 31: ValueError: depth must be 6n+2, not 9"),
        ({"kwargs": {"deep": 9}}, "calling 'cifar:resnet' with (deep=9) failed: TypeError: resnet() got an unexpected "
         "keyword argument 'deep'"),
    ],
)  # fmt: skip
def test_what_goes_wrong(changes: dict[str, object], message: str) -> None:
    error = problem(**changes)
    assert (error.slug, error.path, error.message) == ("factory-failed", ("model", "factory"), message)
    assert error.hint


def test_code_that_fails_while_it_is_imported(tmp_path: Path) -> None:
    (tmp_path / "broken_net.py").write_text("import math\n\nx = 1 / 0\n")
    (tmp_path / "leaving_net.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "calls_net.py").write_text("def fails():\n    raise KeyError('x')\n")
    (tmp_path / "needs_net.py").write_text("import a_package_that_is_not_there\n")
    for name, message in (
        ("broken_net", "importing 'broken_net' failed in broken_net.py, line 3: ZeroDivisionError: division by zero"),
        ("leaving_net", "importing 'leaving_net' failed in leaving_net.py, line 1: SystemExit: 3"),
        ("needs_net", "importing 'needs_net' failed in needs_net.py, line 1: ModuleNotFoundError: No module named "
         "'a_package_that_is_not_there'"),
    ):  # fmt: skip
        assert problem(factory=f"{name}:f", base=tmp_path, python_path=None).message == message
    error = problem(factory="calls_net:fails", kwargs={}, base=tmp_path, python_path=None)
    assert error.message == "calling 'calls_net:fails' with () failed in calls_net.py, line 2: KeyError: 'x'"


def test_the_folder_comes_first_and_then_last(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("import torch\n\n\ndef f():\n    return torch.nn.Linear(2, 2)\n")
    sys.modules.pop("colorsys", None)
    assert isinstance(make("colorsys:f", {}, tmp_path, allow_code=True), nn.Linear)
    assert sys.path[-1] == str(tmp_path.resolve())
    sys.path.remove(str(tmp_path.resolve()))
    sys.modules.pop("colorsys")


def test_no_such_folder() -> None:
    error = problem(python_path="nowhere")
    assert (error.message, error.path) == ("the folder 'nowhere' does not exist", ("model", "python_path"))


def test_a_weights_name_is_no_checkpoint() -> None:
    assert problem(weights="IMAGENET1K_V1").message == "a network of the source python has no weights 'IMAGENET1K_V1'"
    error = problem(strip_prefix="module.")
    assert (error.slug, error.path) == ("spec-bad-value", ("model", "strip_prefix"))
    assert error.message == "strip_prefix is 'module.', and model.weights, 'none', is no checkpoint"


def test_arguments_for_a_callable_that_takes_none(tmp_path, monkeypatch):
    (tmp_path / "bare_net.py").write_text("def make():\n    return None\n")
    with pytest.raises(InputError) as caught:
        make("bare_net:make", {"n": 2}, tmp_path, allow_code=True)
    assert caught.value.hint == "it takes no arguments: leave model.kwargs out, or give it a parameter"
