"""Loading a spec: what it says of every mistake, word for word, and that nothing else than a report error comes out."""

# ruff: noqa: E501 (the messages stand here word for word)

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from neurflow_report.errors import InputError, InputErrors, ReportError, RunError, Where
from neurflow_report.spec.load import LARGEST, load_spec, located

GOOD = """\
version: 1
title: A title
model:
  source: demo
  name: flowers
data:
  source: demo
classes: [bee, no, 207]
layers:
  - block1
  - block2
  - fc
"""


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / "spec.yaml"
    file.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    return file


def told(folder: Path, text: str | bytes, *overrides: str) -> list[str]:
    """Each error as `slug line:column path: message | hint`, the file left out."""
    file = write(folder, text)
    with pytest.raises(InputErrors) as caught:
        load_spec(file, overrides)
    return [
        str(e).replace(f"{file}:", "").replace(str(file), "").replace("\n  hint: ", " | ") for e in caught.value.errors
    ]


def with_line(line: str) -> str:
    return GOOD + line + "\n"


def test_a_good_spec(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD)
    loaded = load_spec(file)
    assert (loaded.text, loaded.file) == (GOOD, file)
    assert loaded.spec.classes == ("bee", "no", 207)
    assert loaded.spec.concept.scales == (1.0, 0.5, 0.25)
    assert loaded.where(("layers", 1)) == Where(file=str(file), line=11, column=5)
    assert loaded.where(("model", "weights")) == Where(file=str(file), line=4, column=3)
    assert loaded.where(()) == Where(file=str(file), line=1, column=1)


def test_a_bom_is_no_mistake(tmp_path: Path) -> None:
    assert load_spec(write(tmp_path, b"\xef\xbb\xbf" + GOOD.encode())).spec.title == "A title"


LAYERS = "layers:\n  - block1\n  - block2\n  - fc"


@pytest.mark.parametrize(
    ("written", "value"),
    [("no", "no"), ("off", "off"), ("2026-01-01", "2026-01-01"), ("1:30", "1:30"), ("007", "007"), ("<<", "<<"),
     ("=", "="), ("1_0", "1_0"), ("7", 7), ("0x10", 16), ("'7'", "7"), ("!!str 7", "7")],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(tmp_path: Path, written: str, value: object) -> None:
    assert load_spec(write(tmp_path, GOOD.replace("bee, no", f"bee, {written}"))).spec.classes[1] == value


def test_bare_exponents_are_numbers(tmp_path: Path) -> None:
    assert load_spec(write(tmp_path, with_line("attribution: {tolerance: 1e-3}"))).spec.attribution.tolerance == 1e-3


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("modle: {}", "13:1 modle: the spec has no key 'modle' [spec-unknown-key] | did you mean 'model'?"),
        ("zzz: 1", "13:1 zzz: the spec has no key 'zzz' [spec-unknown-key] | the keys of the spec are version, title, "
         "model, data, classes, layers, preprocess, concept, attribution, core, groups, fidelity, debug, facets, labels, "
         "report, names, output, runtime"),
        ("core: {Tau: 3}", "13:8 core.Tau: core has no key 'Tau' [spec-unknown-key] | did you mean 'tau'?"),
        ("concept: {scales: [0.5, 1, 0.5]}", "13:28 concept.scales[2]: 0.5 stands twice, first as number 1 "
         "[spec-bad-value] | Patch sides as shares of the input's side."),
        ("fidelity: {taus: [2, 2]}", "13:22 fidelity.taus[1]: 2 stands twice, first as number 1 [spec-bad-value] | "
         "F1: core set sizes τ to test, each at most core.tau; default: core.tau alone."),
        ("attribution: {max_nodes: 100000}", "13:26 attribution.max_nodes: found 100000, expected a number of at most 1000 "
         "[spec-bad-value] | The most steps: doubled for patches over the tolerance."),
        ("core: {largest: many}", "13:17 core.largest: found 'many', expected a whole number [spec-wrong-type] | "
         "With `tau: auto` the most, at which the one search is run."),
        ('core: {largest: "3"}', "13:17 core.largest: found '3', expected a whole number [spec-wrong-type] | leave out the "
         "quotes"),
        ("core: {largest: 3.5}", "13:17 core.largest: found 3.5, expected a whole number [spec-wrong-type] | "
         "With `tau: auto` the most, at which the one search is run."),
        ("core: {largest: true}", "13:17 core.largest: found true, expected a whole number [spec-wrong-type] | "
         "With `tau: auto` the most, at which the one search is run."),
        ("core: {largest: 0}", "13:17 core.largest: found 0, expected a number of at least 1 [spec-bad-value] | "
         "With `tau: auto` the most, at which the one search is run."),
        ("core: {tau: many}", "13:13 core.tau: found 'many', expected a whole number or 'auto' [spec-bad-value] | "
         "Core neurons of each target, τ; auto: of each class the fewest that are certified on pictures held out to be "
         "enough (METHOD §5)."),
        ("core: {tau: 0}", "13:13 core.tau: found 0, expected a number of at least 1 or 'auto' [spec-bad-value] | "
         "Core neurons of each target, τ; auto: of each class the fewest that are certified on pictures held out to be "
         "enough (METHOD §5)."),
        ("core: {tau: auto, largest: 8}\nfidelity: {taus: [9]}", "14:19 fidelity.taus[0]: found 9, expected at most "
         "core.largest, which is 8 [spec-bad-value] | F1: core set sizes τ to test, each at most core.tau; default: "
         "core.tau alone."),
        ("core: 5", "13:7 core: found 5, expected a mapping of keys to values [spec-wrong-type] | "
         "Core concept neurons (METHOD §2). Such as core: {tau: 8}"),
        ("core:", "13:6 core: found nothing, expected a mapping of keys to values [spec-wrong-type] | "
         "Core concept neurons (METHOD §2). Such as core: {tau: 8}"),
        ("concept: {scales: [1, 2]}", "13:23 concept.scales[1]: found 2, expected a number of at most 1.0 "
         "[spec-bad-value] | Patch sides as shares of the input's side."),
        ("concept: {stride: .nan}", "13:19 concept.stride: found .nan, expected a finite number [spec-bad-value] | "
         "Step between patches as a share of their side."),
        ("fidelity: {taus: [8, 17]}", "13:22 fidelity.taus[1]: found 17, expected at most core.tau, which is 16 "
         "[spec-bad-value] | F1: core set sizes τ to test, each at most core.tau; default: core.tau alone."),
        ("attribution: {nodes: 8, max_nodes: 4}", "13:36 attribution.max_nodes: found 4, expected at least nodes, which "
         "is 8 [spec-bad-value] | The most steps: doubled for patches over the tolerance."),
        ("attribution: {nodes: 9}", "13:22 attribution.nodes: found 9, expected an even number: cells are compared with "
         "half as many [spec-bad-value] | Steps of the path to begin with: cells (an even number), or nodes."),
        ("report: {theme: drak}", "13:17 report.theme: found 'drak', expected 'auto', 'light' or 'dark' [spec-bad-value] | "
         "did you mean 'dark'?"),
        ("runtime: {device: gpu}", "13:19 runtime.device: found 'gpu', expected one of the forms that the hint names "
         "[spec-bad-value] | auto (a GPU where there is one), cpu, cuda, cuda:N or mps."),
        ("title: Again", "13:1 title: the key 'title' stands twice, first in line 2 [spec-duplicate-key] | "
         "remove one of them"),
        ("output: !!python/name:os.system", "13:9 output: the tag !!python/name:os.system is not allowed [spec-syntax] | "
         "remove it"),
        ("output: *nothing", "13:9: found undefined alias 'nothing' [spec-syntax] | "
         "put a value that begins with * into quotes"),
        ("output: a: b", "13:10: mapping values are not allowed here [spec-syntax] | "
         "put a value that holds a colon and a space into quotes; check the indentation"),
        ("\toutput: a", "13:1: while scanning for the next token, found character '\\t' that cannot start any token "
         "[spec-syntax] | indent with spaces, never with tabs"),
        ("? [a]\n: b", "13:3: a key must be text [spec-syntax] | put braces and brackets into quotes"),
        ("output: \x07", "13:9: the character U+0007 is not allowed in YAML [spec-syntax] | remove it"),
        ('output: "\\UFFFFFFFF"', " an escape in double quotes stands for no character [spec-syntax] | use single quotes"),
        ("---\na: b", "13:1: expected a single document in the stream, but found another document [spec-syntax] | "
         "keep one spec a file: remove the line `---`"),
    ],
)  # fmt: skip
def test_one_mistake(tmp_path: Path, line: str, expected: str) -> None:
    assert told(tmp_path, with_line(line)) == [expected]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("title: A title", "title: 2024", '2:8 title: found 2024, expected text [spec-wrong-type] | put it into quotes: "2024"'),
        ("  name: flowers\n", "", "4:3 model.name: the source demo needs a `name` [spec-missing-key] | The model's "
         "name in its source; for the source python what the report calls it (default: the callable's name)."),
        ("  source: demo\nclasses", "  source: folder\nclasses", "7:3 data.root: the source folder needs a `root`, the "
         "folder with the pictures [spec-missing-key] | The folder (relative to the spec, " "`~` is expanded); for csv default: the file's own; "
         "for huggingface: the one that `save_to_disk` wrote."),
        ("  source: demo\nclasses", "  source: huggingface\nclasses", "7:3 data.root: the source huggingface needs a "
         "`root`, the folder with the pictures [spec-missing-key] | The folder (relative to the spec, `~` is expanded); "
         "for csv default: the file's own; for huggingface: the one that `save_to_disk` wrote."),
        ("  source: demo\nclasses", "  source: demo\n  root: here\nclasses", "8:9 data.root: the source demo takes no "
         "`root` [spec-bad-value] | The folder (relative to the spec, `~` is expanded); for csv default: the file's own; "
         "for huggingface: the one that `save_to_disk` wrote."),
        ("  source: demo\nclasses", "  source: demo\n  split: tset\nclasses", "8:10 data.split: found 'tset', expected "
         "'train', 'test' or 'val' [spec-bad-value] | Which split: train, test or val of a torchvision data set or of the "
         "demo; any that a data set of huggingface has, where it was saved with several."),
        ("  source: demo\nclasses", "  source: torchvision\n  root: r\nclasses", "7:3 data.name: the source torchvision needs a "
         "`name`, such as FashionMNIST [spec-missing-key] | The torchvision data set's class name."),
        ("block2", "block1", "11:5 layers[1]: 'block1' stands twice, first as number 1 [spec-bad-value] | Named modules, "
         "input → output, of which the last gives the logits (`output`: the network's own output); or a range of "
         "blocks; or `auto`: the topmost eight block outputs. See `neurflow-report layers`."),
        (LAYERS, "layers: atuo", "9:9 layers: found 'atuo', expected 'auto', a list of names, or a range such as "
         "{from: layer2.3, to: fc} [spec-bad-value] | did you mean 'auto'?"),
        (LAYERS, "layers: {form: block1}", "9:10 layers.form: layers has no key 'form' [spec-unknown-key] | "
         "did you mean 'from'?"),
        (LAYERS, "layers: {most: 1}", "9:16 layers.most: found 1, expected a number of at least 2 [spec-bad-value] | "
         "At most so many layers, counted from the logits. Default: all."),
        (LAYERS, "layers: 5", "9:9 layers: found 5, expected 'auto', a list of names, or a range such as {from: layer2.3, "
         "to: fc} [spec-bad-value] | Named modules, input → output, of which the last gives the logits (`output`: the network's own output); or a range of blocks; or `auto`: the topmost "
         "eight block outputs. See `neurflow-report layers`."),
        ("207", "1.5", "8:20 classes[2]: found 1.5, expected text or a whole number [spec-wrong-type] | "
         "Classes to examine: names, folder names or logit indices."),
        ("version: 1", "version: 2", "1:10 version: found 2, expected 1 [spec-bad-value] | The spec's version: 1."),
    ],
)  # fmt: skip
def test_a_changed_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert told(tmp_path, GOOD.replace(old, new)) == [expected]


def test_all_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        GOOD.replace("demo\n  name", "dmeo\n  nmae").replace("version: 1", "version: 2")
        + "core: {largest: x}\ncore: 3\n"
    )
    slugs = [
        (line.split(" ")[0], line.split(" | ")[0].split("[")[-1].rstrip("]"))
        for line in told(tmp_path, text, "a", "title=")
    ]
    assert slugs == [
        ("1:10", "spec-bad-value"), ("4:11", "spec-bad-value"), ("5:3", "spec-unknown-key"),
        ("13:17", "spec-wrong-type"), ("14:1", "spec-duplicate-key"), ("override", "spec-override"),
        ("override", "spec-wrong-type"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", " there is nothing in it [spec-syntax] | docs/guide.md has a spec to begin with"),
        (b"# only this\n", " there is nothing in it [spec-syntax] | docs/guide.md has a spec to begin with"),
        (b"- a\n", "1:1: found a list of 1, expected a mapping of keys to values [spec-wrong-type]"),
        (b"title: caf\xe9\n", " byte 10 (in line 1) is not UTF-8 [spec-unreadable] | save the file as UTF-8"),
        (b"#" * 10_000_000, " the file has 10.0 MB, a spec at most 256 KiB [spec-unreadable] | "
         "give the path of a spec file, such as specs/demo.yaml"),
    ],
)  # fmt: skip
def test_files_that_are_no_spec(tmp_path: Path, content: bytes, expected: str) -> None:
    assert told(tmp_path, content) == [expected]


def test_what_is_no_file(tmp_path: Path) -> None:
    for path, message in (
        (tmp_path, "this is a folder"),
        (tmp_path / "none.yaml", "there is no such file"),
        (tmp_path / "a\0b", "there is no such file"),
        (tmp_path / ("x" * 5000), "the file cannot be read: File name too long"),
        (Path("/dev/null"), "this is no ordinary file"),
    ):
        with pytest.raises(InputErrors) as caught:
            load_spec(path)
        assert (caught.value.slug, caught.value.message) == ("spec-unreadable", message)


@pytest.mark.slow
def test_bombs_end_soon(tmp_path: Path) -> None:
    laughs = "a: &a [x, x]\n" + "".join(f"{c}: &{c} [{', '.join(['*' + chr(ord(c) - 1)] * 9)}]\n" for c in "bcdefghijk")
    assert "it holds more than 20000 values (aliases count as often as they stand)" in told(tmp_path, laughs)[0]
    assert "nested too deeply" in told(tmp_path, "a: &a [*a]")[0]
    assert "nested too deeply" in told(tmp_path, "[" * (LARGEST // 2))[0]
    assert "expected a whole number" in told(tmp_path, with_line(f"core: {{tau: {'9' * 9999}}}"))[0]


class TestOverrides:
    @pytest.mark.parametrize(
        ("option", "path", "value"),
        [
            ("core.tau=8", ("core", "tau"), 8),
            ("layers[1]=x", ("layers", 1), "x"),
            ("layers=[a, b]", ("layers",), ("a", "b")),
            ("title=a=b", ("title",), "a=b"),
            ("title='7'", ("title",), "7"),
            ("report={theme: dark}", ("report", "theme"), "dark"),
            ("fidelity.taus=", ("fidelity", "taus"), None),
            ("attribution.tolerance=1e-3", ("attribution", "tolerance"), 0.001),
        ],
    )
    def test_are_put_in(self, tmp_path: Path, option: str, path: tuple[str | int, ...], value: object) -> None:
        loaded = load_spec(write(tmp_path, GOOD), [option])
        found: object = loaded.spec
        for part in path:
            found = found[part] if isinstance(part, int) else getattr(found, part)  # type: ignore[index]
        assert found == value
        assert loaded.where(path) == Where(file=f"override {option!r}")

    def test_the_last_one_counts(self, tmp_path: Path) -> None:
        assert load_spec(write(tmp_path, GOOD), ["core.tau=8", "core={tau: 9}", "core.tau=7"]).spec.core.tau == 7

    def test_they_mend_what_is_wrong_in_the_file(self, tmp_path: Path) -> None:
        assert load_spec(write(tmp_path, with_line("core: {tau: x}")), ["core.tau=8"]).spec.core.tau == 8

    @pytest.mark.parametrize(
        ("option", "expected"),
        [
            ("tau", "override 'tau': there is no = [spec-override] | write it as in 'runtime.seed=1' or "
             "'layers[1]=layer4.0'"),
            ("a..b=1", "override 'a..b=1': 'a..b' is no path of the spec [spec-override] | write it as in 'runtime.seed=1' "
             "or 'layers[1]=layer4.0'"),
            ("title.x=1", "override 'title.x=1': title is no mapping, so it has no 'x' [spec-override] | "
             "set the whole value instead"),
            ("layers[3]=x", "override 'layers[3]=x': layers has 3 entries, so there is no number 3 [spec-override] | the "
             "first has the number 0; set the whole list to make it longer"),
            ("fidelity.taus[0]=3", "override 'fidelity.taus[0]=3': the spec has no list fidelity.taus that could have a "
             "number 0 [spec-override] | set the whole list instead: 'fidelity.taus=[…]'"),
            ("core.tau=[", "override 'core.tau=[': the value is not YAML: while parsing a flow node, expected the node "
             "content, but found '<stream end>' [spec-override] | docs/guide.md shows how a spec is written"),
            ("core.largest=x", "override 'core.largest=x' core.largest: found 'x', expected a whole number "
             "[spec-wrong-type] | With `tau: auto` the most, at which the one search is run."),
            ("cor.tau=1", "override 'cor.tau=1' cor: the spec has no key 'cor' [spec-unknown-key] | did you mean 'core'?"),
        ],
    )  # fmt: skip
    def test_mistakes(self, tmp_path: Path, option: str, expected: str) -> None:
        assert told(tmp_path, GOOD, option) == [expected]


def test_located(tmp_path: Path) -> None:
    loaded = load_spec(write(tmp_path, GOOD), ["core.tau=8"])
    file = str(loaded.file)
    layer = InputError("layer-unknown", "there is no layer 'block2'", path=("layers", 1))
    assert located(layer, loaded).where == Where(file=file, line=11, column=5)
    assert layer.where is None
    assert located(RunError("out-of-memory", "x", path=("runtime", "memory")), loaded).where == Where(
        file=file, line=1, column=1
    )
    both = located(InputErrors([layer, InputError("spec-bad-value", "x", path=("core", "tau"))]), loaded)
    assert [e.where for e in both.problems()] == [
        Where(file=file, line=11, column=5),
        Where(file="override 'core.tau=8'"),
    ]
    placed = InputError("class-empty", "x", path=("classes", 0), where=Where(file="elsewhere"))
    assert located(placed, loaded).where == Where(file="elsewhere")
    assert located(InputError("data-empty", "x"), loaded).where is None


FUZZ = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
YAMLISH = st.text(alphabet="ab:-[]{}&*!'\"|>?#%@`,. \n\t01\\~<=\x85\ud800", max_size=60)


def survives(folder: Path, content: str | bytes, overrides: tuple[str, ...] = ()) -> None:
    problems: tuple[ReportError, ...] = ()
    try:
        load_spec(write(folder, content), overrides)
    except InputErrors as error:
        problems = error.problems()
    assert all(str(problem) and problem.exit_code == 2 for problem in problems)


@pytest.mark.slow
@FUZZ
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60), YAMLISH))
def test_any_content_gives_report_errors_alone(tmp_path: Path, content: str | bytes) -> None:
    survives(tmp_path, content)


@pytest.mark.slow
@FUZZ
@given(st.lists(st.one_of(YAMLISH, st.from_regex(r"[a-z]+(\.[a-z]+|\[\d\])*=.*", fullmatch=True)), max_size=3))
@example(["layers[1]=&a [*a]"])
def test_any_override_gives_report_errors_alone(tmp_path: Path, overrides: list[str]) -> None:
    survives(tmp_path, GOOD, tuple(overrides))


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=6,
)
KEYS = ("version", "title", "model", "data", "classes", "layers", "concept", "core", "fidelity", "report", "runtime")


@pytest.mark.slow
@FUZZ
@given(st.dictionaries(st.sampled_from(KEYS), VALUES))
def test_any_values_give_report_errors_alone(tmp_path: Path, values: dict[str, object]) -> None:
    survives(tmp_path, yaml.safe_dump(yaml.safe_load(GOOD) | values, allow_unicode=True))


def test_what_is_wrong_with_a_network_of_one_s_own_stands_at_its_factory(tmp_path: Path) -> None:
    """The spec has no model.name, and what --set says counts."""
    own = GOOD.replace("source: demo\n  name: flowers", "source: python\n  factory: net:a\n  weights: none")
    loaded = load_spec(write(tmp_path, own), ["model.factory=net:b"], allow_code=True)
    for path in (("model",), ("model", "name")):
        found = located(InputError("model-fails", "x", path=path), loaded)
        assert found.path == ("model", "factory")
        assert str(found.where) == "override 'model.factory=net:b'"
