"""Pictures made for semantic groups: on a network that is known, and through a whole run."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import nn

from neurflow_report.analysis.anew import told
from neurflow_report.analysis.facets import DEAD, _Group
from neurflow_report.circuit.facet import BROKEN, FLAT
from neurflow_report.network.cut import cut
from neurflow_report.report import analyze, analyze_shard, merge, plan
from neurflow_report.results.bundle import Bundle, read_bundle
from neurflow_report.results.flow import semantic_shares
from neurflow_report.results.records import Neuron, Preprocess, SemanticGroup
from neurflow_report.results.shard import Part
from neurflow_report.spec.load import LoadedSpec, load_spec
from neurflow_report.verification.verify import verify
from tests.circuit.test_facet import SIZE, smooth
from tests.small_spec import SMALL, merged
from tests.verification.edits import record

FEW = {"groups": 2, "steps": 16}
PREPROCESS = Preprocess(resize=None, size=SIZE, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


class Known(nn.Module):
    """Channel 1 of its only layer is a known linear filter of the picture, channel 0 is never active, channel 2 is NaN
    where the picture is bright."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.top = nn.Conv2d(3, 2, SIZE), nn.Linear(3, 2)
        with torch.no_grad():
            self.seen.weight[0], self.seen.weight[1] = 0, smooth()
            self.seen.bias.copy_(torch.tensor([-1.0, 0.0]))
        self.joined = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bright = torch.sqrt(0.5 - x.mean(dim=(1, 2, 3))).view(-1, 1, 1, 1)
        value = self.joined(torch.cat([torch.relu(self.seen(x)), bright], dim=1))
        return self.top(value.flatten(1))


def group(channel: int, natural: float = 1.0, r: tuple[float, ...] = (0.0, 1.0, 0.5)) -> _Group:
    module = Known().double().eval()
    segments = cut(module, ["joined", "top"], torch.zeros(2, 3, SIZE, SIZE, dtype=torch.float64))
    semantic = SemanticGroup(index=1, patches=(0,), activation=natural, edges=())
    neuron = Neuron(
        layer="joined", channel=channel, concept=(0, 1), activations=(natural, natural / 2), core=(), gap_mean=None,
        gap_max=None, nodes=None, silhouette=None, groups=(semantic,), dead=natural <= 0,
    )  # fmt: skip
    return _Group(
        workspace=SimpleNamespace(segments=segments), preprocess=PREPROCESS, number=0, neuron=neuron, group=semantic,
        r=np.array(r), steps=128, seed=0,
    )  # fmt: skip


NATURAL = np.random.default_rng(0).uniform(0, 1, (40, 3))


def test_the_facet_of_a_linear_filter_is_the_filter() -> None:
    facet, data = group(1).facet(NATURAL)
    with Image.open(io.BytesIO(data)) as shown:
        values = np.asarray(shown, float).transpose(2, 0, 1)
    assert np.corrcoef(values.ravel(), smooth().numpy().ravel())[0, 1] > 0.7
    inputs = (torch.from_numpy(values / 255) - 0.5) / 0.25
    assert facet.activation == pytest.approx(float((inputs * smooth()).sum()))  # of the picture as it is kept
    assert facet.activation > max(facet.start, 0)
    assert facet.cosine > 0.8
    assert (facet.natural, facet.reason) == (1.0, "")
    assert facet.quantile == 1
    assert facet.distance > 1


def test_what_has_no_facet_is_told() -> None:
    assert [one.reason for one, _ in (group(1, natural=0.0).facet(NATURAL), group(0).facet(NATURAL))] == [DEAD, FLAT]
    facet, data = group(2).facet(NATURAL)  # it is √(½ − mean), which is steepest where it ends
    assert (facet.reason, data) in {("", data), (BROKEN, None)}
    broken = replace(group(1), r=np.array([np.nan, 1.0, 0.0]))
    facet, data = broken.facet(NATURAL)
    assert (facet.reason, data, facet.activation, facet.file) == (BROKEN, None, None, None)


def spec(folder: Path, name: str = "spec.yaml", **changes: object) -> LoadedSpec:
    quick = {"fidelity": {"experiments": [], "taus": None, "draws": None}, "output": str(folder / "out"), "facets": FEW}
    (folder / name).write_text(yaml.safe_dump(merged(merged(SMALL, quick), changes), sort_keys=False))
    return load_spec(folder / name)


def files(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory):
    """A run with a cache: its folder, its spec and its bundle."""
    folder = tmp_path_factory.mktemp("facets")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        loaded = spec(folder, runtime={"cache": str(folder / "cache")})
        yield folder, loaded, read_bundle(analyze(loaded))


@pytest.mark.slow
def test_the_groups_of_the_largest_shares_have_one(run) -> None:
    bundle: Bundle = run[2]
    assert bundle.run.facets is not None
    assert (bundle.run.facets.groups, bundle.run.facets.steps) == (2, 16)
    for result in bundle.classes:
        assert [one.layer for one in result.facets] == ["block4"] * 2 + ["block3"] * 2
        shares = semantic_shares(result)
        for layer in ("block4", "block3"):
            mine = [shares[layer][one.channel, one.group] for one in result.facets if one.layer == layer]
            assert mine == sorted(shares[layer].values(), reverse=True)[:2]
        for one in result.facets:
            assert one.activation > one.start
            assert 0 <= one.quantile <= 1
            with Image.open(io.BytesIO(bundle.picture_bytes(one.file))) as shown:
                assert (shown.size, shown.mode) == ((64, 64), "RGB")
            assert bundle.picture_bytes(one.tile)


@pytest.mark.slow
def test_again_and_in_shards_it_is_the_same_byte_for_byte(run) -> None:
    folder, loaded, bundle = run
    before = files(bundle.root)
    shutil.rmtree(folder / "out")
    assert files(analyze(loaded)) == before  # the classes from the cache, the pictures anew
    for i in (1, 2):
        analyze_shard(loaded, Part(i=i, n=2))
    assert files(merge([folder / "out"], output=folder / "merged")) == before


@pytest.mark.slow
def test_mean_tiles_follow_what_is_kept_of_pictures_and_facets_do_not(run, tmp_path: Path) -> None:
    _, _, bundle = run
    found = {}
    for images in ("blur", "none"):
        changes = {"report": {"images": images}, "output": str(tmp_path / images)}
        found[images] = read_bundle(analyze(spec(tmp_path, **changes)))
    for one, blurred, hidden in zip(*(b.classes[0].facets for b in (bundle, *found.values())), strict=True):
        assert one.file == blurred.file == hidden.file
        assert hidden.tile is None
        assert blurred.tile not in {None, one.tile}
        with Image.open(io.BytesIO(found["blur"].picture_bytes(blurred.tile))) as tile:
            small = tile.resize((6, 6), Image.Resampling.BOX).resize(tile.size, Image.Resampling.BICUBIC)
            assert np.abs(np.asarray(tile, float) - np.asarray(small, float)).mean() < 8
    for each in (bundle, *found.values()):
        assert [str(one) for one in verify(each.root, draw=None).findings] == []


def _exchange(facets: list, name: str) -> None:
    facets[0][name], facets[1][name] = facets[1][name], facets[0][name]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: f[0].update(natural=f[0]["natural"] * 2), "facets[0].natural: it is "),
        (lambda f: f[0].update(natural=0.0), "facets[0].natural: it is 0, and a neuron that is never above 0 has none"),
        (lambda f: f[0].update(activation=-1.0), "facets[0].activation: it is -1, and such a picture is not kept"),
        (lambda f: _exchange(f, "file"), "is not named by what it shows and the original's sha256"),
        (lambda f: f[0].update(tile=f[1]["tile"]), "is not named by what it shows and the original's sha256"),
        (lambda f: f[0].update(reason="none"), "facets[0].file: there is either a picture or a reason for none"),
        (lambda f: f[0].update(group=9), "facets[0].group: there is no semantic group 9 of neuron"),
        (lambda f: f[0].update(quantile=None), "facets[0].quantile: a distance and its quantile go together"),
        (lambda f: f[0].update(cosine=1.5), "facets[0].cosine: it is 1.5, which is not in -1..1"),
        (lambda f: f.append({**f[0], "layer": "block3"}), "facets"),
        (lambda f: f.pop(), "facets: there are 1 of 'block3'"),
    ],
)
def test_verify_follows_them(run, tmp_path: Path, change, told: str) -> None:
    shutil.copytree(run[2].root, tmp_path / "bundle")
    with record(tmp_path) as value:
        change(value["facets"])
    assert any(told in str(one) for one in verify(tmp_path / "bundle", draw=None).findings)


@pytest.mark.slow
def test_what_they_take_is_planned_and_what_is_not_computed_anew_is_told(run) -> None:
    _, loaded, bundle = run
    assert "the pictures made for groups" in told(bundle, ())[1]
    stages = {stage.name: stage for stage in plan(loaded).stages}
    assert (stages["facets"].amount, stages["facets"].unit) == (8, "pictures")
