"""Bad inputs, a row each: what was done, what the program says word for word, and its exit code. Nothing is written, no
traceback is shown. An error is spelt `line:column path: message [slug] | hint`."""

# ruff: noqa: E501 (the messages stand here word for word)

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from neurflow_report.cli import main
from neurflow_report.demo.networks import NETWORKS

RESNET = {"source": "torchvision", "name": "resnet18", "weights": "none", "outputs": 20}
PYTHON = {"source": "python", "name": None, "weights": "none"}
PICTURES = {"source": "folder", "root": "pictures"}


@dataclass(frozen=True, kw_only=True)
class Bad:
    """A row: changes to the small spec, or `edit` of its text, or a command line of its own; `prepare` gets the folder
    and a function that makes pictures in it."""

    name: str
    told: tuple[str, ...]
    changes: dict[str, Any] = field(default_factory=dict)
    edit: Callable[[str], str | bytes] | None = None
    words: tuple[str, ...] = ("build", "spec.yaml")
    prepare: Callable[[Path, Callable[..., Path]], object] | None = None
    code: int = 2


def bad(name: str, *told: str, **more: Any) -> Bad:
    keys = {"edit", "words", "prepare", "code"}
    changes = {key: value for key, value in more.items() if key not in keys}
    return Bad(name=name, told=told, changes=changes, **{key: value for key, value in more.items() if key in keys})


def text(content: str | bytes, file: str) -> Callable[[Path, Callable[..., Path]], object]:
    data = content.encode() if isinstance(content, str) else content
    return lambda here, _pictures: (here / file).write_bytes(data)


def checkpoint(file: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path, Callable[..., Path]], object]:
    def write(here: Path, _pictures: Callable[..., Path]) -> None:
        torch.save(change(load_file(NETWORKS["flowers"].weights)), here / file)

    return write


def smaller(here: Path, _pictures: Callable[..., Path]) -> None:
    state = load_file(NETWORKS["flowers"].weights)
    save_file(state | {"fc.weight": state["fc.weight"][:5].clone()}, here / "other.safetensors")


def pictures(count: int, change: Callable[[Path], object] = lambda _root: None) -> Callable[..., object]:
    return lambda _here, make: change(make(count))


def code(source: str) -> Callable[[Path, Callable[..., Path]], object]:
    return text(source, "mynet.py")


def link(name: str, target: str) -> Callable[[Path, Callable[..., Path]], object]:
    return lambda here, _pictures: (here / name).symlink_to(target)


ALLOWED = ("build", "spec.yaml", "--allow-code")
SPEC = [
    bad(
        "unknown key",
        "27:3 core.taus: core has no key 'taus' [spec-unknown-key] | did you mean 'tau'?",
        core={"taus": 3},
    ),
    bad(
        "wrong type",
        "26:8 core.tau: found 'many', expected a whole number or 'auto' [spec-bad-value] | "
        "Core neurons of each target, τ; auto: of each class the fewest that are certified on pictures held out to be enough (METHOD §5).",
        core={"tau": "many"},
    ),
    bad(
        "out of range",
        "22:11 concept.stride: found 0, expected a number greater than 0.0 [spec-bad-value] | Step between patches as a share of their side.",
        concept={"stride": 0},
    ),
    bad(
        "values that contradict each other",
        "32:5 fidelity.taus[1]: found 9, expected at most core.tau, which is 3 [spec-bad-value] | F1: core set sizes τ to test, each at most core.tau; default: core.tau alone.",
        fidelity={"taus": [1, 9]},
    ),
    bad(
        "missing key",
        "4:3 model.name: the source demo needs a `name` [spec-missing-key] | The model's name in its source; for the source python what the report calls it (default: the callable's name).",
        model={"name": None},
    ),
    bad(
        "key twice",
        "38:1 title: the key 'title' stands twice, first in line 2 [spec-duplicate-key] | remove one of them",
        edit=lambda spec: spec + "title: Again\n",
    ),
    bad(
        "tag",
        "2:8 title: the tag !!python/name:os.system is not allowed [spec-syntax] | remove it",
        edit=lambda spec: spec.replace("title: Small", "title: !!python/name:os.system"),
    ),
    bad(
        "no YAML",
        "2:9: mapping values are not allowed here [spec-syntax] | put a value that holds a colon and a space into quotes; check the indentation",
        edit=lambda spec: spec.replace("title: Small", "title: a: b"),
    ),
    bad(
        "tab",
        "8:1: while scanning for the next token, found character '\\t' that cannot start any token [spec-syntax] | indent with spaces, never with tabs",
        edit=lambda spec: spec.replace("  source: demo\n  limit", "\tsource: demo\n  limit"),
    ),
    bad(
        "no UTF-8",
        "spec.yaml: byte 5 (in line 1) is not UTF-8 [spec-unreadable] | save the file as UTF-8",
        edit=lambda spec: b"# caf\xe9\n" + spec.encode(),
    ),
    bad(
        "empty",
        "spec.yaml: there is nothing in it [spec-syntax] | docs/guide.md has a spec to begin with",
        edit=lambda _spec: "",
    ),
    bad(
        "a list",
        "1:1: found a list of 1, expected a mapping of keys to values [spec-wrong-type] | ",
        edit=lambda _spec: "- a\n",
    ),
    bad(
        "no file",
        "other.yaml: there is no such file [spec-unreadable] | give the path of a spec file, such as specs/demo.yaml",
        words=("build", "other.yaml"),
    ),
    bad(
        "no path=value",
        "--set tau: there is no = [spec-override] | write it as in --set runtime.seed=1 or --set layers[1]=layer4.0",
        words=("build", "spec.yaml", "--set", "tau"),
    ),
    bad(
        "a path that leads nowhere",
        "--set layers[7]=x: layers has 3 entries, so there is no number 7 [spec-override] | the first has the number 0; set the whole list to make it longer",
        words=("build", "spec.yaml", "--set", "layers[7]=x"),
    ),
    bad(
        "all at once",
        "20:5 concept.scales[0]: found 2.0, expected a number of at most 1.0 [spec-bad-value] | Patch sides as shares of the input's side.",
        "25:8 core.tau: found 0, expected a number of at least 1 or 'auto' [spec-bad-value] | "
        "Core neurons of each target, τ; auto: of each class the fewest that are certified on pictures held out to be enough (METHOD §5).",
        "37:1 colour: the spec has no key 'colour' [spec-unknown-key] | did you mean 'core'?",
        core={"tau": 0},
        concept={"scales": [2.0]},
        colour="red",
    ),
]
MODEL = [
    bad("model",
        "5:9 model.name: there is no demo network 'flower' [model-unknown] | did you mean 'flowers'?",
        model={"name": "flower"}),
    bad("torchvision model",
        "5:9 model.name: torchvision has no classification model 'resnet81' [model-unknown] | did you mean 'resnet18' or 'resnet152' or 'resnet101'?",
        model=RESNET | {"name": "resnet81"}),
    bad("weights",
        "6:12 model.weights: demo network 'flowers' has no weights 'dmeo' [weights-unknown] | did you mean 'demo'?",
        model={"weights": "dmeo"}),
    bad("no checkpoint",
        "6:12 model.weights: there is no weights file 'gone.safetensors' [weights-unreadable] | the path is relative to the spec",
        model={"weights": "gone.safetensors"}),
    bad("no checkpoint in it",
        "6:12 model.weights: weights file 'junk.safetensors' cannot be read (SafetensorError) [weights-unreadable] | it is truncated, or no checkpoint: save it anew, or fetch it again",
        model={"weights": "junk.safetensors"}, prepare=text("junk", "junk.safetensors")),
    bad("another model's checkpoint",
        "6:12 model.weights: the weights in 'other.safetensors' do not fit the model; 1 with another shape: fc.weight (file (5, 128), model (20, 128)) [weights-mismatch] | no way to read the names makes it fit: is the network that model.name names the one that was saved?",
        model={"weights": "other.safetensors"}, prepare=smaller),
    bad("a checkpoint of a network of one's own with other classes",
        "5:12 model.weights: the weights in 'w.pt' do not fit the model; 1 with another shape: 2.weight (file (5, 3), model (2, 3)) [weights-mismatch] | the file's network has 5 outputs there, the model 2: let the factory make 5 (by model.kwargs, where it takes their number)",
        model=PYTHON | {"factory": "linear_net:make", "weights": "w.pt"}, layers=["1", "2"], words=ALLOWED,
        prepare=lambda here, _make: (
            (here / "linear_net.py").write_text("from torch import nn\n\ndef make():\n    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2, bias=False))\n"),
            torch.save({"2.weight": torch.zeros(5, 3)}, here / "w.pt"))),
    bad("a whole module",
        "6:12 model.weights: weights file 'w.pt' holds more than tensors: unpickling it would run torch.nn.modules.activation.ReLU, which is refused [weights-unreadable] | where you trust it, load it in Python and save the state alone: c = torch.load(\"w.pt\", weights_only=False); torch.save(c.state_dict(), \"weights.pt\")",
        model={"weights": "w.pt"}, prepare=checkpoint("w.pt", lambda _s: torch.nn.ReLU())),
    bad("key of the checkpoint",
        "7:19 model.state_dict_key: weights file 'w.pt' has no key 'ena' [weights-unreadable] | did you mean 'ema'?",
        model={"weights": "w.pt", "state_dict_key": "ena"},
        prepare=checkpoint("w.pt", lambda state: {"ema": state})),
    bad("prefix of the checkpoint",
        "7:17 model.strip_prefix: no name in weights file 'w.pt' begins with 'module.' [weights-unreadable] | the names are block1.1.num_batches_tracked, block2.1.num_batches_tracked, block3.1.num_batches_tracked, …",
        model={"weights": "w.pt", "strip_prefix": "module."},
        prepare=checkpoint("w.pt", dict)),
    bad("outputs of weights",
        "7:12 model.outputs: demo network 'flowers' has 20 outputs, and model.outputs says 5 [weights-mismatch] | leave model.outputs out",
        model={"outputs": 5}),
    bad("names of outputs",
        "7:16 model.class_names: 'names.txt' has 2 class names, and the network 20 outputs [classes-mismatch] | give one name for each output, in their order",
        model={"class_names": "names.txt"}, prepare=text("a\nb\n", "names.txt")),
    bad("no names of outputs",
        "7:16 model.class_names: there is no file 'gone.txt' with class names [names-unreadable] | the path is relative to the spec",
        model={"class_names": "gone.txt"}),
    bad("code",
        "6:12 model.factory: this spec would import and run 'mynet:make', and code that a spec names runs only if you allow it [code-not-allowed] | if you trust the spec and its code, add --allow-code, or set NEURFLOW_REPORT_ALLOW_CODE=1",
        model=PYTHON | {"factory": "mynet:make"}),
    bad("no callable",
        "6:12 model.factory: 'mynet.make' names no callable in a module [factory-failed] | write package.module:callable, such as mynet.models:resnet20",
        model=PYTHON | {"factory": "mynet.make"}, words=ALLOWED),
    bad("no module",
        "6:12 model.factory: there is no Python module 'gonenet' [factory-failed] | install it, or set model.python_path to the folder that holds it (default: the spec's own folder)",
        model=PYTHON | {"factory": "gonenet:make"}, words=ALLOWED),
    bad("code that fails",
        "6:12 model.factory: calling 'failing_net:make' with () failed in failing_net.py, line 2: ValueError: depth must be even [factory-failed] | try it in Python first: import the callable, call it, and pass it a batch of pictures",
        model=PYTHON | {"factory": "failing_net:make"}, words=ALLOWED,
        prepare=text("def make():\n    raise ValueError('depth must be even')\n", "failing_net.py")),
    bad("no network",
        "6:12 model.factory: 'no_net:make' returned a int, and a torch.nn.Module was expected [factory-failed] | let it return the network",
        model=PYTHON | {"factory": "no_net:make"}, words=ALLOWED,
        prepare=text("def make():\n    return 7\n", "no_net.py")),
    bad("mean",
        "40:3 preprocess.mean: mean has 1 values, and the network's input 3 channels [spec-bad-value] | give mean and std with one value a channel; for a grey input also channels: 1",
        preprocess={"mean": [0.5]}),
    bad("a name that is too long",
        f"6:12 model.weights: there is no weights file '{'w' * 300}.pt': File name too long [weights-unreadable] | the path is relative to the spec",
        model={"weights": f"{'w' * 300}.pt"}),
    bad("no name at all",
        "6:12 model.weights: found the character U+0000, which no name and no path may hold [spec-bad-value] | The name of trained weights (torchvision: an enum name; timm: a tag, or `pretrained`; demo: `demo`), a path to a checkpoint, relative to the spec, that ends in .safetensors, .pt, .pth, .th, .ckpt, .bin or .tar, or `none`: random from the seed, or as the factory made them.",
        model={"weights": "a\0.pt"}),
    bad("weights by another way",
        "9:22 model.kwargs.checkpoint_path: `checkpoint_path` would load weights by another way than `weights` [spec-bad-value] | Keyword arguments of the factory, or of torchvision's or timm's architecture; not those that load weights, which `weights` does.",
        model=RESNET | {"source": "timm", "kwargs": {"checkpoint_path": "evil.pth"}}),
    bad("a number of a hundred digits",
        "26:8 core.tau: found '0xfffffffffffffffffffffffffffffffffffffffffffffffffffffff…', expected a whole number or 'auto' [spec-bad-value] | "
        "Core neurons of each target, τ; auto: of each class the fewest that are certified on pictures held out to be enough (METHOD §5).",
        edit=lambda spec: spec.replace("tau: 3", f"tau: 0x{'f' * 9000}")),
    bad("size beyond all measure",
        "39:9 preprocess.size: found 100000, expected a number of at most 10000 [spec-bad-value] | The side of the network's input, in pixels.",
        preprocess={"size": 100000}),
    bad("size that the network cannot take",
        "5:9 model.name: the network fails on a picture of 3 × 33 × 33: AssertionError: Wrong image height! Expected 224 but got 33! [model-fails] | it runs on pictures of 224 × 224: set preprocess.size: 224",
        model=RESNET | {"name": "vit_b_32"}, preprocess={"size": 33},
        layers=["encoder.layers.encoder_layer_10", "heads"]),
]  # fmt: skip
LAYERS = [
    bad(
        "two misspelt layers",
        "14:3 layers[0]: the network has no layer 'blok3' [layer-unknown] | did you mean 'block3' or 'block3.2' or 'block3.1'?",
        "15:3 layers[1]: the network has no layer 'blok4' [layer-unknown] | did you mean 'block4' or 'block4.2' or 'block4.1'?",
        layers=["blok3", "blok4", "fc"],
    ),
    bad(
        "wrong order",
        "15:3 layers[1]: layer 'block3' comes before 'block4' in the network [layers-order] | from input to output the order is: block3, block4, fc",
        layers=["block4", "block3", "fc"],
    ),
    bad(
        "one tensor twice",
        "15:3 layers[1]: layers 'block1.3' and 'block1' are the same output [layers-order] | name only one of them",
        layers=["block1.3", "block1", "fc"],
    ),
    bad(
        "no cut",
        "15:3 layers[0]: another tensor crosses beside layer 'layer4.0.conv1', between 'layer4.0.conv1' and 'layer4.1': layer3_1_relu_1 (1, 256, 14, 14; from module 'layer3') [layers-not-a-cut] | layers that can be cut: nearest below 'layer3', nearest above 'layer4.0'",
        model=RESNET,
        layers=["layer4.0.conv1", "layer4.1", "fc"],
    ),
    bad(
        "called twice",
        "15:3 layers[0]: layer 'layer4.0.relu' is called 2 times in a pass, with different results [layer-reused] | name the module that holds it, 'layer4.0', instead",
        model=RESNET,
        layers=["layer4.0.relu", "fc"],
    ),
    bad(
        "not up to the logits",
        "15:3 layers[1]: the last layer, 'block4', is not the network's output [layers-top] | let the list end with 'fc' (or 'output')",
        layers=["block3", "block4"],
    ),
    bad(
        "deeper than there is",
        "14:10 layers.depth: found 9, and the network's blocks lie at depth 1 [spec-bad-value] | set no more than that, or leave it out",
        layers={"depth": 9},
    ),
    bad(
        "range",
        "14:9 layers.from: the network has no layer 'blok3' [layer-unknown] | did you mean 'block3' or 'block3.2' or 'block3.1'?",
        layers={"from": "blok3"},
    ),
]
DATA = [
    bad("no folder",
        "10:9 data.root: the data folder 'nowhere' does not exist [data-missing] | a relative root is looked for beside the spec",
        data={"source": "folder", "root": "nowhere"}),
    bad("a file for a folder",
        "10:9 data.root: the data folder 'spec.yaml' is a file, and a folder was expected [data-missing] | a relative root is looked for beside the spec",
        data={"source": "folder", "root": "spec.yaml"}),
    bad("no sub-folder",
        "10:9 data.root: the data folder 'pictures' holds no sub-folder with pictures, only 1 picture beside each other [data-layout] | put those of each class into a sub-folder, or list them in a CSV file (source: csv)",
        data=PICTURES,
        prepare=lambda here, _make: ((here / "pictures").mkdir(), (here / "pictures" / "a.png").write_text(""))),
    bad("no list",
        "10:9 data.file: there is no file 'gone.csv' [data-missing] | the path is relative to the spec",
        data={"source": "csv", "file": "gone.csv"}),
    bad("no column",
        "8:3 data.path_column: the file 'l.csv' has no column 'path' [data-missing] | its first line names the columns: 'file', 'label'",
        data={"source": "csv", "file": "l.csv"}, prepare=text("file,label\na.png,x\n", "l.csv")),
    bad("both columns",
        "8:3 data.path_column: the file 'l.csv' has no column 'path' [data-missing] | its first line names the columns: 'file', 'name'",
        "8:3 data.label_column: the file 'l.csv' has no column 'label' [data-missing] | its first line names the columns: 'file', 'name'",
        data={"source": "csv", "file": "l.csv"}, prepare=text("file,name\na.png,x\n", "l.csv")),
    bad("a list of pictures that are not there",
        "10:9 data.file: of the 4 pictures that 'l.csv' lists none is there: 'a.png' (line 2), 'b.png' (line 3), 'c.png' (line 4), … (4 in all) [data-missing] | set data.root to the folder that the paths are relative to (default: the file's own)",
        data={"source": "csv", "file": "l.csv"}, words=("validate", "--deep", "spec.yaml"),
        prepare=text("path,label\na.png,x\nb.png,x\nc.png,x\nd.png,x\n", "l.csv")),
    bad("links that lead nowhere",
        "10:9 data.root: the data folder 'pictures' holds links alone that lead nowhere (2 of them) [data-empty] | bee/a.png leads to gone/a.png: put the pictures there, or make the links anew",
        data=PICTURES, words=("validate", "--deep", "spec.yaml"),
        prepare=lambda here, _make: ((here / "pictures" / "bee").mkdir(parents=True), [(here / "pictures" / "bee" / n).symlink_to(f"gone/{n}") for n in ("a.png", "b.png")])),
    bad("a class whose links lead nowhere",
        "13:3 classes[0]: class 'firebell' (logit 0): of 2 pictures looked at, 0 are usable (2 could not be read: a link that leads nowhere) [too-few-images] | are the files there, and may you read them?",
        data=PICTURES | {"select": "labelled"},
        prepare=pictures(2, lambda r: [(f.unlink(), f.symlink_to("gone.png")) for f in (r / "firebell").iterdir()])),
    bad("ragged list",
        "10:9 data.file: line 2 of 'l.csv' has not as many values as there are columns, or no path [data-missing] | quote values that hold commas",
        data={"source": "csv", "file": "l.csv"}, prepare=text("path,label\na.png\n", "l.csv")),
    bad("no saved data set",
        "10:9 data.root: the folder 'saved' holds no data set that was saved to disk [data-missing] | expected what the method save_to_disk of a data set wrote: it has dataset_dict.json or state.json",
        data={"source": "huggingface", "root": "saved"}, prepare=lambda here, _make: (here / "saved").mkdir()),
    bad("data set",
        "10:9 data.name: torchvision has no data set 'FashionMINST' [data-missing] | did you mean 'FashionMNIST'?",
        data={"source": "torchvision", "name": "FashionMINST", "root": "."}),
    bad("split",
        "12:10 data.split: the data set MNIST has no split 'val' [data-missing] | it has train and test",
        data={"source": "torchvision", "name": "MNIST", "root": ".", "split": "val"}),
    bad("folder with a name that is too long",
        f"10:9 data.root: the data folder '{'d' * 300}' does not exist [data-missing] | a relative root is looked for beside the spec",
        data={"source": "folder", "root": "d" * 300}),
    bad("empty class",
        "10:9 data.root: class 'firebell' has no picture: 'firebell' in 'pictures' holds none that is read [class-empty] | add pictures of the class, or take it out of `classes`",
        data=PICTURES, prepare=pictures(2, lambda r: [f.unlink() for f in (r / "firebell").iterdir()])),
    bad("unreadable class",
        "13:3 classes[0]: class 'firebell' (logit 0): of 2 pictures looked at, 0 are usable (2 could not be read: not a picture in a known format) [too-few-images] | give pictures that can be read; docs/guide.md says which formats",
        data=PICTURES | {"select": "labelled"},
        prepare=pictures(2, lambda r: [f.write_bytes(b"x") for f in (r / "firebell").iterdir()])),
    bad("no picture predicted",
        "12:3 classes[0]: class 'firebell' (logit 0): of 16 pictures looked at, 0 are predicted as it (16 could not be read: not a picture in a known format) [too-few-images] | give pictures that can be read; docs/guide.md says which formats",
        classes=["firebell"], data=PICTURES,
        prepare=pictures(2, lambda r: [f.write_bytes(b"x") for f in r.rglob("*.png")])),
    bad("misspelt folder",
        "13:3 classes[0]: class 'snowstar' (logit 5) has no picture: 'pictures' has no such class [class-empty] | did you mean 'snowstr'? Or use select: predicted with pool: all, or a data set that has the class",
        data=PICTURES | {"select": "labelled"}, classes=["snowstar"], prepare=pictures(2, lambda r: (r / "snowstar").rename(r / "snowstr"))),
    bad("misspelt classes",
        "11:3 classes[0]: there is no class 'firebel' [class-unknown] | did you mean 'firebell'?",
        "13:3 classes[2]: there is no class 'rosemalow' [class-unknown] | did you mean 'rosemallow'?",
        classes=["firebel", "snowstar", "rosemalow"]),
    bad("number of a class",
        "11:3 classes[0]: there is no class 20: the network has 20 outputs, 0 to 19 [class-unknown] | numbers of logits count from 0",
        classes=[20]),
    bad("one class twice",
        "12:3 classes[1]: classes names logit 0 twice, the second time as 0 [spec-bad-value] | leave one of them out",
        classes=["firebell", 0]),
]  # fmt: skip
MACHINE = [
    bad("k",
        "18:6 concept.k: class 'firebell' has 30 patches from 3 pictures, and a concept needs k = 50 [too-few-patches] | set concept.k to at most 30, or give more pictures, scales or a smaller stride",
        "18:6 concept.k: class 'snowstar' has 30 patches from 3 pictures, and a concept needs k = 50 [too-few-patches] | set concept.k to at most 30, or give more pictures, scales or a smaller stride",
        concept={"k": 50}, data={"limit": 3}),
    bad("scale",
        "21:5 concept.scales[1]: at scale 0.01 a patch of the 64-pixel input has 0 pixels a side [spec-bad-value] | scales run from 0.0156 to 1 here",
        concept={"scales": [1.0, 0.01]}),
    bad("memory",
        "36:11 runtime.memory: one row needs about 2.0 MiB, and the budget is 976.6 KiB [out-of-memory] | raise runtime.memory, or free memory on the device",
        runtime={"memory": "1MB"}),
    bad("memory for a picture",
        "36:11 runtime.memory: one picture of 64 × 64 pixels takes 48.0 KiB, and the budget is 1000 bytes [out-of-memory] | set preprocess.size smaller, raise runtime.memory, or free memory on the device",
        runtime={"memory": "1KB"}),
    bad("a picture that fits no memory",
        "39:9 preprocess.size: one picture of 10000 × 10000 pixels takes 1.1 GiB, and the budget is 476.8 MiB [out-of-memory] | set preprocess.size smaller, raise runtime.memory, or free memory on the device",
        preprocess={"size": 10000}),
    bad("device",
        "35:11 runtime.device: there is no device 'cuda:99' [device-unavailable] | this machine has: cpu; `auto` takes what is there",
        runtime={"device": "cuda:99"}),
    bad("precision",
        "37:14 runtime.precision: precision is tf32, which an NVIDIA GPU has since Ampere, and the run is on cpu [precision-device] | set runtime.precision to float32, or run on a GPU",
        runtime={"precision": "tf32"}),
    bad("output below a file", "37:9 output: the output folder spec.yaml/out cannot be written: Not a directory [output-unwritable] | name a folder that you may write to", output="spec.yaml/out"),
    bad("bundle in the way",
        "37:9 output: the bundle cannot be written to here/bundle: there is something else of that name, which is no bundle [output-unwritable] | move it away, or set `output` to another folder",
        output="here",
        prepare=lambda here, _make: ((here / "here" / "bundle").mkdir(parents=True), (here / "here" / "bundle" / "x").touch())),
    bad("site in the way",
        "37:9 output: site exists and is no site of a report [output-unwritable] | choose another folder, or move it away",
        output="here",
        prepare=lambda here, _make: ((here / "here" / "site").mkdir(parents=True), (here / "here" / "site" / "x").touch())),
    bad("somebody's app in the way",
        "37:9 output: the bundle cannot be written to here/bundle: there is something else of that name, which is no bundle [output-unwritable] | move it away, or set `output` to another folder",
        output="here",
        prepare=lambda here, _make: ((here / "here" / "bundle").mkdir(parents=True), (here / "here" / "bundle" / "manifest.json").write_text("{}"))),
    bad("somebody's PDF in the way",
        "37:9 output: report.pdf exists and is no report of this program [output-unwritable] | move it away, or choose another folder",
        output="here",
        prepare=lambda here, _make: ((here / "here").mkdir(), (here / "here" / "report.pdf").write_text("a thesis"))),
    bad("output with a name that is too long",
        f"37:9 output: the output folder {'o' * 300} cannot be written: File name too long [output-unwritable] | name a folder that you may write to",
        output="o" * 300),
    bad("templates",
        "39:14 report.templates: there is no directory of templates 'branding' [template-broken] | report.templates is relative to the spec's folder; docs/templates.md says what it holds",
        report={"templates": "branding"}),
]  # fmt: skip
COMMANDS = [
    bad("command",
        "there is no command 'biuld' [command-line] | did you mean 'build'?",
        words=("biuld", "spec.yaml")),
    bad("option",
        "unrecognized arguments: --fast [command-line] | `neurflow-report build --help` tells what it takes",
        words=("build", "spec.yaml", "--fast")),
    bad("misspelt option",
        "unrecognized arguments: --depe [command-line] | did you mean --deep?",
        words=("validate", "spec.yaml", "--depe")),
    bad("a value of the spec for a model's name",
        "--set changes a spec, and 'resnet18' is the name of a model [command-line] | leave --set out, or name a spec file",
        words=("layers", "resnet18", "--set", "core.tau=3")),
    bad("a size for a spec",
        "--size is for a model's name, and 'spec.yaml' is a spec [command-line] | use --set preprocess.size=32",
        words=("layers", "spec.yaml", "--size", "32")),
    bad("layers of a model that there is not",
        "5:9 model.name: there is no demo network 'flower' [model-unknown] | did you mean 'flowers'?",
        words=("layers", "spec.yaml"), model={"name": "flower"}),
    bad("no bundle",
        "nowhere: there is no bundle: there is no such folder [bundle-missing] | give the folder that `neurflow-report analyze` or `build` wrote: it holds manifest.json, or bundle/",
        words=("render", "nowhere")),
    bad("format",
        "argument --format: invalid choice: 'docx' (choose from 'html', 'pdf', 'single') [command-line] | `neurflow-report render --help` tells what it takes",
        words=("render", "nowhere", "--format", "docx")),
    bad("damaged bundle",
        "b/manifest.json: format_version: Field required [bundle-damaged] | get a whole copy of the bundle, or make it again with `neurflow-report analyze`",
        words=("render", "b"),
        prepare=lambda here, _make: ((here / "b").mkdir(), (here / "b" / "manifest.json").write_text("{}"))),
    bad("spec in the way",
        "spec.yaml: the spec cannot be written: there is already something of that name, which is left alone [output-unwritable] | name another file: --output other.yaml",
        words=("init", "--yes")),
]  # fmt: skip
ALL = [*SPEC, *MODEL, *LAYERS, *DATA, *MACHINE, *COMMANDS]


@pytest.mark.parametrize("row", ALL, ids=lambda row: row.name)
def test_it_is_told(row, write_spec, picture_folder, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("NEURFLOW_REPORT_ALLOW_CODE", raising=False)
    spec = write_spec(**{"output": "out", **row.changes})
    if row.edit is not None:
        content = row.edit(spec.read_text())
        spec.write_bytes(content if isinstance(content, bytes) else content.encode())
    if row.prepare is not None:
        row.prepare(tmp_path, picture_folder)
    monkeypatch.chdir(tmp_path)
    before = everything(tmp_path)
    assert main([*row.words, "--json"]) == row.code
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err
    found = json.loads(printed.out)
    assert (found["ok"], tuple(map(spelt, found["errors"]))) == (False, row.told)
    assert everything(tmp_path) == before


def spelt(error: dict[str, Any]) -> str:
    place = f"{error['line']}:{error['column']}" if error["line"] else error["file"]
    head = " ".join(part for part in (place, error["path"]) if part)
    return f"{head}{': ' if head else ''}{error['message']} [{error['slug']}] | {error['hint']}"


def everything(root: Path) -> dict[str, bytes | None]:
    """All files and folders below, but what Python itself keeps of modules."""
    found = (p for p in sorted(root.rglob("*")) if "__pycache__" not in p.parts)
    return {os.fspath(p.relative_to(root)): p.read_bytes() if p.is_file() else None for p in found}


def test_there_are_more_than_forty():
    assert len({row.name for row in ALL}) == len(ALL) > 60
