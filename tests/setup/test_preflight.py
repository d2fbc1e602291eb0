"""Everything that can be checked is checked first, and told at once: by build, plan and validate --deep alike."""

# ruff: noqa: E501 (the messages stand here word for word)

import json
import shutil
from collections import namedtuple
from contextvars import Context

import pytest
from safetensors.torch import save_file

from neurflow_report.cli import main
from neurflow_report.demo.flowers import DATASET
from neurflow_report.demo.networks import NETWORKS
from neurflow_report.errors import InputError
from neurflow_report.images.sources import Item
from neurflow_report.progress import Silent
from neurflow_report.results.bundle import read_bundle
from neurflow_report.results.folder_lock import claimed
from neurflow_report.setup import preflight as module
from neurflow_report.setup.output import check_space, check_writable
from neurflow_report.setup.preflight import preflight
from neurflow_report.setup.stored_pictures import FEW
from neurflow_report.spec.load import load_spec

WRONG = {
    "layers": ["blok3", "block4", "fd"],
    "classes": ["firebel", 29, "snowstar"],
    "concept": {"scales": [1.0, 0.001]},
    "runtime": {"device": "cuda:7"},
    "output": "taken/here",
}
TOLD = [
    "11:3 classes[0]: there is no class 'firebel' [class-unknown]",
    "12:3 classes[1]: there is no class 29: the network has 20 outputs, 0 to 19 [class-unknown]",
    "15:3 layers[0]: the network has no layer 'blok3' [layer-unknown]",
    "17:3 layers[2]: the network has no layer 'fd' [layer-unknown]",
    "22:5 concept.scales[1]: at scale 0.001 a patch of the 64-pixel input has 0 pixels a side [spec-bad-value]",
    "36:11 runtime.device: there is no device 'cuda:7' [device-unavailable]",
    "38:9 output: the output folder taken/here cannot be written: Not a directory [output-unwritable]",
]


@pytest.fixture
def told(tmp_path, capsys, monkeypatch):
    """Runs a command on a spec, which it refuses with exit code 2; → each error without its hint."""
    monkeypatch.chdir(tmp_path)

    def run(command, spec):
        assert main([*command, str(spec), "--json"]) == 2
        errors = json.loads(capsys.readouterr().out)["errors"]
        return [f"{e['line']}:{e['column']} {e['path']}: {e['message']} [{e['slug']}]" for e in errors]

    return run


@pytest.mark.parametrize("command", [["build"], ["analyze"], ["plan", "--no-time"], ["validate", "--deep"]])
def test_what_does_not_depend_on_each_other_is_told_at_once(command, told, write_spec, tmp_path):
    (tmp_path / "taken").write_text("a file")
    assert told(command, write_spec(**WRONG)) == TOLD
    assert sorted(p.name for p in tmp_path.iterdir()) == ["spec.yaml", "taken"]


@pytest.mark.slow
def test_what_cannot_be_drawn_is_told_with_the_rest(told, write_spec, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    spec = write_spec(layers=["block3", "blok4", "fc"], report={"templates": "branding"})
    for command in (["build"], ["plan", "--no-time"], ["validate", "--deep"]):
        assert told(command, spec) == [
            "0:0 : Graphviz's program `dot` was not found [graphviz-missing]",
            "15:3 layers[1]: the network has no layer 'blok4' [layer-unknown]",
            "39:14 report.templates: there is no directory of templates 'branding' [template-broken]",
        ]
    assert told(["analyze"], spec) == ["15:3 layers[1]: the network has no layer 'blok4' [layer-unknown]"]


def test_names_by_hand_at_no_layer_are_told_where_the_layers_come_from_the_network(told, write_spec):
    names = {"firebell": {"block4": {"G1": "a"}, "block44": {"G1": "a"}}}
    spec = write_spec(layers={"from": "block3", "to": "fc"}, classes=["firebell"], names=names)
    (message,) = told(["validate", "--deep"], spec)
    assert message.partition(": ")[2].startswith(
        "there is no layer 'block44': did you mean 'block4' or 'block3'? [spec-bad-value]"
    )
    assert " names.firebell.block44: " in f" {message}"


def test_the_network_and_the_data_are_told_together(told, write_spec):
    spec = write_spec(
        model={"name": "flower", "class_names": "names.txt"}, data={"source": "folder", "root": "nowhere"}, classes=[3]
    )
    assert told(["validate", "--deep"], spec) == [
        "5:9 model.name: there is no demo network 'flower' [model-unknown]",
        "7:16 model.class_names: there is no file 'names.txt' with class names [names-unreadable]",
        "11:9 data.root: the data folder 'nowhere' does not exist [data-missing]",
    ]


@pytest.mark.parametrize("command", [["build"], ["plan", "--no-time"], ["validate", "--deep"]])
def test_weights_layers_and_classes_are_told_together(command, told, write_spec):
    spec = write_spec(model={"weights": "gone.pth"}, layers=["block3", "blok4", "fc"], classes=["firebel", 29])
    assert told(command, spec) == [
        "6:12 model.weights: there is no weights file 'gone.pth' [weights-unreadable]",
        "11:3 classes[0]: there is no class 'firebel' [class-unknown]",
        "12:3 classes[1]: there is no class 29: the network has 20 outputs, 0 to 19 [class-unknown]",
        "15:3 layers[1]: the network has no layer 'blok4' [layer-unknown]",
    ]


def test_weights_that_bring_the_names_are_needed_to_tell_a_wrong_one(told, write_spec):
    model = {"source": "torchvision", "name": "resnet18", "weights": "IMAGENET_V9"}
    spec = write_spec(model=model, preprocess={"size": 32}, layers=["layr4", "fc"], classes=["perhaps", 1000])
    assert told(["validate", "--deep"], spec) == [
        "6:12 model.weights: torchvision model 'resnet18' has no weights 'IMAGENET_V9' [weights-unknown]",
        "12:3 classes[1]: there is no class 1000: the network has 1000 outputs, 0 to 999 [class-unknown]",
        "14:3 layers[0]: the network has no layer 'layr4' [layer-unknown]",
    ]


def test_weights_of_another_number_of_outputs_say_nothing_of_the_classes(told, write_spec, tmp_path):
    state = NETWORKS["flowers"].build().state_dict()
    save_file(state | {name: state[name][:5].clone() for name in ("fc.weight", "fc.bias")}, tmp_path / "w.safetensors")
    spec = write_spec(model={"weights": "w.safetensors"}, layers=["blok4", "fc"], classes=["zzz", 7])
    assert [[*line.split(":")[:2], line.split("[")[-1]] for line in told(["validate", "--deep"], spec)] == [
        ["6", "12 model.weights", "weights-mismatch]"], ["14", "3 layers[0]", "layer-unknown]"],
    ]  # fmt: skip


def test_without_the_data_only_numbers_can_be_told_wrong(told, write_spec):
    spec = write_spec(data={"source": "folder", "root": "nowhere"}, classes=["perhaps a folder", 20, 7])
    assert told(["validate", "--deep"], spec) == [
        "10:9 data.root: the data folder 'nowhere' does not exist [data-missing]",
        "13:3 classes[1]: there is no class 20: the network has 20 outputs, 0 to 19 [class-unknown]",
    ]


def test_every_class_with_too_little_is_told(told, write_spec, picture_folder):
    root = picture_folder(2)
    for number in range(2):
        (root / "snowstar" / f"{number}.png").unlink()
    (root / "duskbloom" / "0.png").unlink()
    data = {"source": "folder", "root": "pictures", "pool": "class"}
    assert told(["build"], write_spec(data=data, classes=["firebell", "snowstar", "duskbloom"])) == [
        "10:9 data.root: class 'snowstar' has no picture: 'snowstar' in 'pictures' holds none that is read [class-empty]",
        "21:6 concept.k: class 'duskbloom' has 10 patches from 1 pictures, and a concept needs k = 12 [too-few-patches]",
    ]


def test_a_class_that_is_unknown_hides_nothing_of_the_others(told, write_spec):
    spec = write_spec(classes=["bee", 29, "firebell", 0], concept={"k": 5000}, data={"limit": 3})
    assert told(["validate", "--deep"], spec) == [
        "11:3 classes[0]: there is no class 'bee' [class-unknown]",
        "12:3 classes[1]: there is no class 29: the network has 20 outputs, 0 to 19 [class-unknown]",
        "14:3 classes[3]: classes names logit 0 twice, the second time as 0 [spec-bad-value]",
        "20:6 concept.k: class 'firebell' has 30 patches from 3 pictures, and a concept needs k = 5000 [too-few-patches]",
    ]


def test_pictures_that_no_class_has_are_told_of_all_classes(told, write_spec, picture_folder):
    for file in picture_folder(2).rglob("*.png"):
        file.write_bytes(b"not a picture")
    spec = write_spec(data={"source": "folder", "root": "pictures", "select": "labelled"})
    assert told(["build"], spec) == [
        f"{line}:3 classes[{i}]: class {name!r} (logit {logit}): of 2 pictures looked at, 0 are usable (2 could not be read: not a picture in a known format) "
        "[too-few-images]"
        for i, (line, name, logit) in enumerate([(13, "firebell", 0), (14, "snowstar", 5)])
    ]


@pytest.mark.parametrize(
    ("experiments", "missing", "expected"),
    [
        (["masking", "critical", "methods"], {"captum"}, [
            "31:5 fidelity.experiments[2]: the experiment methods needs the Python package captum, which is not installed [missing-package]",
        ]),
        (["methods"], {"captum"}, [
            "29:5 fidelity.experiments[0]: the experiment methods needs the Python package captum, which is not installed [missing-package]",
        ]),
    ],
)  # fmt: skip
def test_packages_of_experiments_that_the_spec_names(told, write_spec, monkeypatch, experiments, missing, expected):
    monkeypatch.setattr(module, "find_spec", lambda name: None if name in missing else object())
    assert told(["validate", "--deep"], write_spec(fidelity={"experiments": experiments})) == expected


@pytest.mark.slow
def test_what_only_the_preset_brings_in_is_a_note(write_spec, monkeypatch, capsys):
    monkeypatch.setattr(module, "find_spec", lambda _name: None)
    spec = str(write_spec(fidelity={"experiments": None, "preset": "standard"}))
    assert main(["validate", "--deep", spec]) == 0
    printed = capsys.readouterr()
    notes = [
        "the experiment methods of the preset standard will not run whole: it needs the Python package captum (pip install 'neurflow-report[run]')",
    ]
    assert printed.out == f"{spec}: ok\n"
    assert [line for line in printed.err.splitlines() if line.startswith("check: the")] == [
        f"check: {n}" for n in notes
    ]
    assert main(["validate", "--deep", spec, "--json", "--quiet"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"][spec][:-1] == notes


def test_a_disk_that_is_too_small(told, write_spec, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(10, 10, 1000))
    spec = write_spec(output="out/put")
    assert told(["build"], spec) == [
        "37:9 output: the report's pictures take about 0.3 MB, and the disk of out/put has 0.0 MB free [output-unwritable]"
    ]


def test_the_pictures_bytes_are_counted_once_a_format(write_spec, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "check_space", lambda _output, _place, needed: asked.append(needed))
    monkeypatch.setattr(module, "_kept", lambda *_arguments: 100)
    for formats in (["html"], ["html", "pdf", "single"]):
        preflight(load_spec(write_spec(report={"formats": formats})), progress=Silent())
    assert asked == [3 * 2 * 4 * 100, round((4 + 4 / 3) * 2 * 4 * 100)]  # the site holds the bundle as a zip, too


def test_a_folder_that_may_not_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    assert check_writable(tmp_path / "a" / "b") == check_writable(tmp_path) == tmp_path
    check_space(tmp_path / "a" / "b", tmp_path, 1)
    for place in ("file", "file/x", "nowhere", "nowhere/x", "a\0b"):
        with pytest.raises(Exception, match="cannot be written") as caught:
            check_writable(tmp_path / place)
        assert caught.value.slug == "output-unwritable"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "nowhere"]


def test_a_bundle_in_the_way_is_told_before_anything_is_computed(told, write_spec, tmp_path, monkeypatch):
    (tmp_path / "out" / "bundle").mkdir(parents=True)
    (tmp_path / "out" / "bundle" / "mine.txt").write_text("")
    assert told(["build"], write_spec(output="out")) == [
        "37:9 output: the bundle cannot be written to out/bundle: there is something else of that name, which is no bundle [output-unwritable]"
    ]


@pytest.mark.slow
def test_what_writes_nothing_needs_no_folder_of_its_own(write_spec, tmp_path, capsys):
    """`claimed` is known within one context: a run in another context is another run."""
    spec, out = str(write_spec()), tmp_path / "out"
    out.mkdir()
    with claimed(out):
        for command in (["validate", "--deep"], ["plan", "--no-time"]):
            assert Context().run(main, [*command, spec, "--quiet"]) == 0
        assert Context().run(main, ["analyze", spec, "--quiet"]) == 2
    assert f"another run is writing to {out} [output-unwritable]" in capsys.readouterr().err


def test_what_a_run_begins_with(write_spec):
    ready = preflight(load_spec(write_spec(data={"sample": "random"})), progress=Silent())
    assert [t.name for t in ready.targets] == ["firebell", "snowstar"]
    assert ready.workspace.memory == 500_000_000
    assert (ready.labels, ready.notes) == ("", ())
    own = {n for n, item in enumerate(ready.source.items) if item.label == 0}
    assert set(ready.eligible[0][: len(own)]) == own
    assert ready.eligible[0][: len(own)] != sorted(own)


@pytest.mark.slow
def test_a_misspelt_folder_is_told_and_the_spec_can_say_what_it_is(told, write_spec, picture_folder):
    root = picture_folder(2)
    (root / "duskbloom").rename(root / "duskblom")
    data = {"source": "folder", "root": "pictures"}
    spec = write_spec(data=data, classes=["duskblom", 99])
    assert told(["build"], spec) == [
        "12:3 classes[0]: it cannot be told which of the network's 20 outputs is the data's class 'duskblom': none has "
        "its name, or several have [classes-mismatch]",
        "13:3 classes[1]: there is no class 99: the network has 20 outputs, 0 to 19 [class-unknown]",
    ]
    spec = write_spec(data=data | {"labels": {"duskblom": "duskbloom"}}, classes=["duskblom"])
    ready = preflight(load_spec(spec), progress=Silent())
    assert [target.name for target in ready.targets] == ["duskbloom"]
    assert ready.logits.count(None) == 7
    spec = write_spec(data=data | {"labels": {"duskblum": "duskbloom", "snowstar": 20}}, classes=["firebell"])
    assert told(["build"], spec) == [
        "12:15 data.labels.duskblum: the data has no class 'duskblum' [class-unknown]",
        "13:15 data.labels.snowstar: there is no class 20: the network has 20 outputs, 0 to 19 [class-unknown]",
    ]


def test_a_file_says_which_class_is_which_output(told, write_spec, picture_folder, tmp_path):
    picture_folder(2, classes=DATASET.class_names[:2])
    data = {"source": "folder", "root": "pictures", "labels": "labels.csv"}
    rows = zip(DATASET.class_names[:2], (1, 0), strict=True)
    (tmp_path / "labels.csv").write_text("class,output\n" + "".join(f"{name},{output}\n" for name, output in rows))
    ready = preflight(load_spec(write_spec(data=data, classes=[0])), progress=Silent())
    assert sorted(ready.logits) == [0, 1]
    assert ready.source.class_names[ready.targets[0].label] == DATASET.class_names[1]
    (tmp_path / "labels.csv").unlink()
    assert told(["build"], write_spec(data=data, classes=[0])) == [
        "11:11 data.labels: there is no file 'labels.csv' [labels-unclear]"
    ]


@pytest.mark.slow
def test_what_is_known_of_the_pictures_is_noted_and_stands_in_the_report(write_spec, picture_folder, tmp_path, capsys):
    root = picture_folder(2)
    (root / "duskbloom").rename(root / "duskblom")
    (root / "firebell" / "notes.txt").write_text("no picture")
    (root / "empty").mkdir()
    data = {"source": "folder", "root": "pictures", "select": "labelled"}
    spec = str(write_spec(data=data, classes=["firebell"], report={"formats": ["html"]}))
    labels = "classes without an output of their own name, whose pictures count as not labelled: 'duskblom' (1 of 8)"
    notes = [
        "left out: folders without a picture, which are no classes: 'empty'",
        "left out: files that end in .txt: 'firebell/notes.txt'",
    ]
    assert main(["validate", "--deep", spec]) == 0
    err = capsys.readouterr().err
    assert all(f"check: {note}\n" in err for note in (labels, *notes))
    assert main(["build", spec, "--quiet"]) == 0
    found = read_bundle(tmp_path / "out").run.data
    assert found.labels == labels
    assert [(left.reason, left.count, left.names) for left in found.left_out] == [
        ("folders without a picture, which are no classes", 1, ("empty",)),
        ("files that end in .txt", 1, ("firebell/notes.txt",)),
    ]
    page = (tmp_path / "out" / "site" / "index.html").read_text()
    for line in (labels, "folders without a picture, which are no classes", "files that end in .txt"):
        assert line.replace("'", "&#39;") in page


def test_a_run_begins_before_any_picture_is_predicted(write_spec, monkeypatch):
    opened = []
    real = Item.__init__

    def watched(self, **fields):
        name, opener = fields["name"], fields["open"]
        real(self, **fields | {"open": lambda: (opened.append(name), opener())[1]})

    monkeypatch.setattr(Item, "__init__", watched)
    preflight(load_spec(write_spec()), progress=Silent())
    assert len(opened) <= 2 * (2 + 3) + FEW


def test_a_file_system_that_takes_no_new_files_is_told(monkeypatch, tmp_path):
    def refuse(**_):
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(InputError) as caught:
        check_writable(tmp_path)
    assert caught.value.message == f"the output folder {tmp_path} cannot be written: its file system takes no new files"


def test_checks_that_would_take_longer_than_there_is_time_are_left_out_and_told(write_spec, monkeypatch):
    """A picture takes a second on this clock; the cheap answers are those of a patient run."""
    ran = list[str]()
    for name in ("check_conduct", "gradient_notes", "output_note"):
        monkeypatch.setattr(module, name, lambda *_, name=name: ran.append(name) or ())
    now = iter(range(1000))
    loaded = load_spec(write_spec())
    hurried = preflight(loaded, progress=Silent(), patience=30.0, clock=lambda: float(next(now)))
    assert ran == []
    assert hurried.uncompared == module.PASSES
    (told,) = [note for note in hurried.notes if "so slow a network" in note]
    assert told == (
        "so slow a network is not tried out for a plan: a run first looks, for about 2 min, whether its results stay the "
        "same from run to run and in any batch, whether gradients lead from layer to layer, and whether the copies made of it "
        "agree with it"
    )
    patient = preflight(loaded, progress=Silent(), patience=1000.0, clock=lambda: float(next(now)))
    assert ran == ["check_conduct", "gradient_notes", "output_note"]
    assert patient.uncompared is None
    assert hurried.workspace.segments.layers == patient.workspace.segments.layers
    for name in ("forward_rows", "pair_rows", "trust"):
        assert getattr(hurried.workspace, name) == getattr(patient.workspace, name)
    assert hurried.workspace.forward.rows == patient.workspace.forward.rows


def test_what_was_slow_only_at_first_is_compared(write_spec):
    """The first passes set things up: the clock stands still after them."""
    times = iter([0.0, 0.0, 50.0])
    ready = preflight(load_spec(write_spec()), progress=Silent(), patience=60.0, clock=lambda: next(times, 50.0))
    assert ready.uncompared is None


def test_a_network_that_is_slow_to_load_is_tried_out(write_spec, monkeypatch):
    now = [0.0]
    load = module.load_spec_network

    def slowly(*arguments):
        now[0] += 500.0
        return load(*arguments)

    monkeypatch.setattr(module, "load_spec_network", slowly)
    ready = preflight(load_spec(write_spec()), progress=Silent(), patience=40.0, clock=lambda: now[0])
    assert (ready.uncompared, ready.trying) == (None, 0.0)
