"""What a user's code sets for the whole process is put back, and what it raises is told without the machine's paths."""

import os
import random
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from neurflow_report.errors import InputError, RunError
from neurflow_report.network.copies import copied
from neurflow_report.network.cut import cut
from neurflow_report.network.fence import as_it_was, blamed, fenced, first_line
from neurflow_report.network.forward import spatial_mean
from neurflow_report.network.inference import for_inference
from neurflow_report.network.load import load_network


def state() -> dict[str, object]:
    """What a process has that a network's code may set."""
    return {
        "number format": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "gradients": torch.is_grad_enabled(),
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "tf32": (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "autocast": torch.is_autocast_enabled("cpu"),
        "torch's generator": torch.get_rng_state().tolist(),
        "numpy's generator": np.random.get_state()[1].tolist(),
        "Python's generator": random.getstate(),
        "numpy's errors": np.geterr(),
        "folder": Path.cwd(),
        "handlers": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
        "streams": (sys.stdout, sys.stderr),
        "recursion": sys.getrecursionlimit(),
        "warnings": list(warnings.filters),
    }


CHANGES: dict[str, Callable[[], object]] = {
    "number format": lambda: torch.set_default_dtype(torch.float64),
    "device": lambda: torch.set_default_device("meta"),
    "gradients": lambda: torch.set_grad_enabled(False),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "deterministic": lambda: torch.set_deterministic_debug_mode(2 - torch.get_deterministic_debug_mode()),
    "tf32": lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", not torch.backends.cuda.matmul.allow_tf32),
    "cudnn": lambda: setattr(torch.backends.cudnn, "benchmark", not torch.backends.cudnn.benchmark),
    "autocast": lambda: torch.set_autocast_enabled("cpu", True),
    "torch's generator": lambda: torch.manual_seed(5),
    "numpy's generator": lambda: np.random.seed(5),
    "Python's generator": lambda: random.seed(5),
    "numpy's errors": lambda: np.seterr(all="raise"),
    "folder": lambda: os.chdir("/"),
    "handlers": lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    "streams": lambda: setattr(sys, "stdout", sys.stderr),
    "recursion": lambda: sys.setrecursionlimit(sys.getrecursionlimit() + 7),
    "warnings": lambda: warnings.simplefilter("error"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_set_for_the_process_is_put_back(what: str) -> None:
    before = state()
    with as_it_was():
        CHANGES[what]()
        changed = {name for name, value in state().items() if value != before[name]}
    assert what in changed
    assert state() == before


def test_a_folder_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with as_it_was():
        os.chdir(tmp_path)
    assert first_line(ValueError("as it was")) == "as it was"


def test_paths_of_the_machine_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    inside = f"{Path(torch.__file__).parent}/nn/x.py, {tmp_path}/net.py"
    assert first_line(ValueError(inside)) == "nn/x.py, net.py"
    assert len(first_line(ValueError("a" * 1000))) == 301


def test_what_passes_the_fence() -> None:
    for error in (KeyboardInterrupt(), InputError("model-fails", "as it is"), torch.OutOfMemoryError()):
        with pytest.raises(type(error)) as caught, fenced("doing it"):
            raise error
        assert caught.value is error


def graph_of(change: Callable[[torch.Tensor], torch.Tensor]) -> torch.fx.GraphModule:
    graph = torch.fx.Graph()
    graph.output(graph.call_function(change, (graph.placeholder("x"),)))
    return torch.fx.GraphModule(nn.Module(), graph)


def test_what_a_network_raises_while_it_is_examined_is_told_as_its_own() -> None:
    for error, said in ((ValueError("odd"), "ValueError: odd"), (SystemExit(2), "SystemExit: 2")):

        def raising(_x: object, error: BaseException = error) -> None:
            raise error

        with pytest.raises(RunError) as caught, blamed("it is examined"):
            graph_of(raising)(1)
        assert caught.value.slug == "model-fails"
        message = re.sub(r"line \d+", "line N", caught.value.message)
        assert message == f"the network fails while it is examined in test_fence.py, line N: {said}"
    with pytest.raises(RunError) as caught, blamed("it is examined"):
        graph_of(torch.linalg.inv)(torch.zeros(2, 2))
    assert caught.value.slug == "model-fails"
    assert ": _LinAlgError: linalg.inv: The diagonal element 1 is zero" in caught.value.message
    for memory in (MemoryError(), torch.OutOfMemoryError()):
        with pytest.raises(RunError) as caught, blamed("it is examined"):
            raise memory
        assert (caught.value.slug, caught.value.message) == ("out-of-memory", "memory ran out while it is examined")


def test_what_is_ours_is_not_blamed_on_the_network() -> None:
    with pytest.raises(AttributeError), blamed("it is examined"):
        spatial_mean("no tensor", 1)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt), blamed("it is examined"):
        raise KeyboardInterrupt


FACTORY = """
import threading
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


def lazy():
    net = Net()
    net.fc = nn.LazyLinear(3)
    return net


def on_meta():
    with torch.device("meta"):
        return Net()


def scripted():
    return torch.jit.script(Net())


def in_part():
    net = Net()
    net.fc = torch.jit.script(net.fc)
    return net


class Secretive(Net):
    def state_dict(self, *args, **kwargs):
        raise NotImplementedError("no state for you")


class Chatty(Net):
    def state_dict(self, *args, **kwargs):
        return super().state_dict(*args, **kwargs) | {"epoch": 3, "names": ["a", "b"], "lock": threading.Lock()}


class Immovable(Net):
    def _apply(self, fn, recurse=True):
        raise RuntimeError("pinned")


class Trains(Net):
    training = property(lambda self: True, lambda self, value: None)


class Forgetful(Net):
    def train(self, mode=True):
        super().train(mode)


def needs(width):
    return Net()


def changes():
    torch.set_default_dtype(torch.float64)
    return Net()
"""


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Callable[[str], object]]:
    (tmp_path / "fenced_net.py").write_text(FACTORY)

    def one(name: str) -> object:
        return load_network(
            source="python", factory=f"fenced_net:{name}", python_path=".", weights="none", base=tmp_path, seed=0,
            device=torch.device("cpu"), dtype=torch.float32, allow_code=True,
        )  # fmt: skip

    yield one
    sys.modules.pop("fenced_net", None)
    sys.path[:] = [p for p in sys.path if p != str(tmp_path.resolve())]


@pytest.mark.parametrize(
    ("name", "slug", "message", "hint"),
    [
        ("lazy", "factory-failed", "'fenced_net:lazy' returned a network whose 'fc.weight' is lazy: it has no shape "
         "yet", "let the factory run the network on one batch of pictures before it returns it"),
        ("on_meta", "factory-failed", "'fenced_net:on_meta' returned a network whose 'conv.weight' is on the device "
         "meta: it has no values", "let the factory make the network on a device with memory: leave "
         "torch.device('meta') out"),
        ("scripted", "factory-failed", "'fenced_net:scripted' returned a network which is compiled to TorchScript, and "
         "so has no Python to look into",
         "let the factory return the module from before torch.jit.script or torch.jit.trace"),
        ("in_part", "factory-failed", "'fenced_net:in_part' returned a network in which 'fc' is compiled to "
         "TorchScript, and so has no Python to look into",
         "let the factory return the module from before torch.jit.script or torch.jit.trace"),
        ("Secretive", "model-fails", "reading the network's state (state_dict) failed in fenced_net.py, line 39: "
         "NotImplementedError: no state for you", "try it in Python first: import the callable, call it, and pass it a "
         "batch of pictures"),
        ("Immovable", "model-fails", "moving the network to cpu and to eval mode failed in fenced_net.py, line 49: "
         "RuntimeError: pinned", "try it in Python first: import the callable, call it, and pass it a batch of "
         "pictures"),
        ("Trains", "model-fails", "the network does not go to eval mode: after module.eval() it is in training mode "
         "still", "let eval() and train() reach every module, and leave `training` to them"),
        ("needs", "factory-failed", "calling 'fenced_net:needs' with () failed: TypeError: needs() missing 1 required "
         "positional argument: 'width'", "it takes (width): set model.kwargs to what it needs"),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_what_a_factory_may_return(
    load: Callable[[str], object], name: str, slug: str, message: str, hint: str
) -> None:
    with pytest.raises(InputError) as caught:
        load(name)
    assert (caught.value.slug, caught.value.message, caught.value.hint) == (slug, message, hint)


def test_odd_networks_that_load(load: Callable[[str], object]) -> None:
    assert load("Chatty").digest == load("Chatty").digest != load("Net").digest  # type: ignore[attr-defined]
    assert load("Forgetful").digest == load("Net").digest  # type: ignore[attr-defined]
    assert load("changes").module.fc.weight.dtype == torch.float32  # type: ignore[attr-defined]
    assert torch.get_default_dtype() == torch.float32


class Locked(nn.Sequential):
    """Holds what cannot be copied."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
        self.lock, self.numbers = threading.Lock(), (n for n in range(3))


def test_a_convolution_that_cannot_be_copied_is_folded_all_the_same() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), *list(Locked())[1:]).eval()
    nn.init.uniform_(module[1].running_var, 0.5, 2)
    module[0].lock = threading.Lock()
    x = torch.rand(2, 3, 8, 8)
    segments = cut(module, ["2", "5"], x)
    with torch.no_grad():
        ready = for_inference(segments)
        assert [node.op for node in ready.stem.graph.nodes].count("call_module") == 2  # the norm is in the convolution
        torch.testing.assert_close(ready.stem(x), segments.stem(x))


class Unique(Locked):
    def __deepcopy__(self, memo: object) -> None:
        raise TypeError("there is only one")


def test_what_cannot_be_copied_is_shared() -> None:
    module = Locked()
    made = copied(module, share=True)
    assert made[0] is not module[0]
    assert made[0].weight is module[0].weight
    assert (made.lock, made.numbers) == (module.lock, module.numbers)
    assert copied(module, share=False)[0].weight is not module[0].weight
    with pytest.raises(InputError) as caught:
        copied(Unique(), share=True)
    assert caught.value.slug == "model-fails"
    assert caught.value.message.startswith("copying the network failed in test_fence.py, line ")
    assert caught.value.message.endswith(": TypeError: there is only one")
