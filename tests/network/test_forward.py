"""Means of all layers in one pass, memory, and knock-outs, against the plain way."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from neurflow_report.errors import InputError, RunError
from neurflow_report.network.cut import Segments, cut
from neurflow_report.network.forward import (
    AdaptiveBatch,
    KeptActivations,
    _cgroup_free,
    _metered,
    activations,
    batch_rows,
    check_picture,
    layer_means,
    memory_budget,
    one_picture,
    pair_rows,
    row_bytes,
    spatial_mean,
    spelt_bytes,
    widest_row,
)
from tests.network.test_cut import CASES, build


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    return build("resnet18").double()


@pytest.fixture(scope="module")
def segments(resnet: nn.Module) -> Segments:
    return cut(resnet, ["layer2.1", "layer3.0", "layer4.1", "fc"], torch.randn(1, 3, 32, 32, dtype=torch.float64))


def test_layer_means_are_the_hooked_means(resnet: nn.Module, segments: Segments) -> None:
    pictures = torch.randn(7, 3, 32, 32, dtype=torch.float64)
    rows: list[int] = []
    means = layer_means(segments, pictures.split(3), total=7, on_batch=rows.append)
    assert rows == [3, 3, 1]
    for info, mean in zip(segments.layers, means, strict=True):
        seen = []
        handle = resnet.get_submodule(info.name).register_forward_hook(lambda m, i, o, seen=seen: seen.append(o))
        resnet(pictures)
        handle.remove()
        expected = seen[0].flatten(2).mean(2) if seen[0].ndim == 4 else seen[0]
        assert mean.dtype == np.float64
        np.testing.assert_allclose(mean, expected.numpy(), rtol=1e-10, atol=1e-12)


def test_layer_means_of_no_picture_and_a_wrong_total(segments: Segments) -> None:
    assert [m.shape for m in layer_means(segments, [], total=0)] == [(0, 128), (0, 256), (0, 512), (0, 7)]
    with pytest.raises(ValueError, match="2 pictures were announced, 1 came"):
        layer_means(segments, [torch.randn(1, 3, 32, 32)], total=2)
    with pytest.raises(ValueError, match="2 pictures were announced, 3 came"):
        layer_means(segments, [torch.randn(1, 3, 32, 32), torch.randn(2, 3, 32, 32)], total=2)


def test_not_finite_names_the_layer(segments: Segments) -> None:
    pictures = torch.randn(2, 3, 32, 32)
    pictures[1, 0, 5, 5] = float("nan")
    with pytest.raises(RunError) as caught:
        layer_means(segments, [pictures], total=2)
    assert caught.value.slug == "not-finite"
    assert caught.value.message == "the activation of layer 'layer2.1' holds NaN or Inf"


def test_activations_compose(segments: Segments) -> None:
    pictures = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    low = activations(segments, 0, pictures)
    assert torch.equal(segments.between(0, 2)(low), activations(segments, 2, pictures))


def test_spatial_mean() -> None:
    x = torch.arange(24.0).reshape(1, 2, 3, 4)
    assert spatial_mean(x, 1).tolist() == [[5.5, 17.5]]
    assert spatial_mean(torch.tensor([[[1.0, 2.0], [3.0, 6.0]]]), -1).tolist() == [[2.0, 4.0]]
    assert spatial_mean(torch.ones(2, 3), 1).tolist() == [[1.0] * 3] * 2


@pytest.mark.parametrize(
    ("text", "size"),
    [("500MB", 500_000_000), ("6GiB", 6 * 2**30), ("1.5 KiB", 1536), ("9" * 400 + "GB", 2**62)],
    ids=["MB", "GiB", "KiB", "more than any"],
)
def test_memory_sizes(text: str, size: int) -> None:
    assert memory_budget(text, torch.device("cpu")) == size


def test_memory_auto_and_nonsense() -> None:
    assert 2**20 < memory_budget("auto", torch.device("cpu")) < 2**50
    with pytest.raises(InputError, match="memory is 'lots', and auto or a size such as 6GiB was expected"):
        memory_budget("lots", torch.device("cpu"))


def test_cached_files_of_a_container_count_as_free(tmp_path: Path) -> None:
    assert _cgroup_free(tmp_path) == []
    for name, text in {"max": "1000\n", "current": "990\n", "stat": "anon 90\ninactive_file 700\nfile 9\n"}.items():
        (tmp_path / f"memory.{name}").write_text(text)
    assert _cgroup_free(tmp_path) == [710]
    (tmp_path / "memory.max").write_text("max\n")
    assert _cgroup_free(tmp_path) == []


def test_row_bytes_of_a_known_chain() -> None:
    module = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    stage = cut(module, ["0", "3"], torch.ones(1, 1, 4, 4)).stages[0]
    row = torch.ones(1, 2, 4, 4)
    assert row_bytes(stage, row) == 2 * (128 + 128)
    assert row_bytes(stage, row, gradients=True) == 2 * 2 * (128 + 128 + 8 + 8)
    assert row_bytes(stage, row, kept=True) == 2 * (128 + 128)


def test_row_bytes_of_a_long_chain_whose_values_all_stay() -> None:
    pooled = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
    module = nn.Sequential(nn.Conv2d(1, 2, 1), *(nn.ReLU() for _ in range(9)), *pooled).eval()
    stage = cut(module, ["0", "11"], torch.ones(1, 1, 4, 4)).stages[0]
    row = torch.ones(1, 2, 4, 4)
    assert row_bytes(stage, row) == 2 * (128 + 128)
    assert row_bytes(stage, row, kept=True) == 10 * 128 + 8 + 8


def test_batch_rows_are_powers_of_two_within_the_budget(segments: Segments) -> None:
    example = torch.randn(1, 3, 32, 32, dtype=torch.float64)
    one = row_bytes(segments.stem, example)
    assert batch_rows(segments, 1 << 40, example) == 256
    assert batch_rows(segments, 5 * one, example) == 4
    assert batch_rows(segments, 1 << 40, example, most=9) == 8
    assert batch_rows(segments, 20 * one, example, gradients=True) < 16 == batch_rows(segments, 20 * one, example)
    assert batch_rows(segments, 5 * one, example, stage=2) > 4
    with pytest.raises(InputError) as caught:
        batch_rows(segments, 1000, example)
    assert (caught.value.slug, caught.value.path) == ("out-of-memory", ("runtime", "memory"))
    assert caught.value.message.startswith("one row needs about ")


CPU = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate 8"
)


@pytest.mark.parametrize("error", [RuntimeError(CPU), torch.OutOfMemoryError("CUDA out of memory.")])
def test_rows_are_halved_for_good_where_memory_runs_out(error: RuntimeError) -> None:
    said: list[str] = []
    rows, tried = AdaptiveBatch(most=12, note=said.append), []

    def work(n: int) -> str:
        tried.append(n)
        if n > 4:
            raise error
        return f"done with {n}"

    assert (rows.attempt(work), rows.attempt(work), tried) == ("done with 3", "done with 3", [12, 6, 3, 3])
    assert said == [
        "out of memory with 12 rows at once: going on with 6",
        "out of memory with 6 rows at once: going on with 3",
    ]


def test_one_row_that_does_not_fit_is_a_failed_run() -> None:
    def work(_n: int) -> None:
        raise torch.OutOfMemoryError

    with pytest.raises(RunError) as caught:
        AdaptiveBatch(most=2).attempt(work)
    assert (caught.value.slug, caught.value.exit_code) == ("out-of-memory", 1)


def test_other_errors_are_not_taken_for_want_of_memory() -> None:
    def work(_n: int) -> None:
        raise RuntimeError("shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="shapes"):
        AdaptiveBatch(most=64).attempt(work)


def test_where_there_is_no_memory_to_keep_a_layer_it_is_not_kept_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    kept = KeptActivations([0, 1], 4, told.append)
    new_empty = Tensor.new_empty

    def bounded(self: Tensor, shape: tuple[int, ...], **options: object) -> Tensor:
        if shape[1] == 5:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return new_empty(self, shape, **options)

    monkeypatch.setattr(Tensor, "new_empty", bounded)
    for first in (0, 2):
        kept.put({0: torch.full((2, 3), float(first)), 1: torch.ones(2, 5)}, 2)
    assert kept.get(1, np.array([0])) is None
    assert kept.get(0, np.array([3, 0])).tolist() == [[2.0] * 3, [0.0] * 3]  # type: ignore[union-attr]
    assert told == ["out of memory for a layer's activations: they are not kept, and made again when needed"]


@pytest.mark.parametrize(
    ("count", "spelt"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (3 << 20, "3.0 MiB"), (5 << 40, "5120.0 GiB")],
)
def test_bytes_are_spelt_in_the_unit_that_suits_them(count: int, spelt: str) -> None:
    assert spelt_bytes(count) == spelt


def test_a_picture_that_fits_no_memory_is_told() -> None:
    path = ("preprocess", "size")
    check_picture(10, 3, 4, 1200, path)
    with pytest.raises(InputError) as caught:
        check_picture(10, 3, 4, 1199, path)
    assert (caught.value.slug, caught.value.path, caught.value.message) == (
        "out-of-memory", path, "one picture of 10 × 10 pixels takes 1.2 KiB, and the budget is 1.2 KiB"
    )  # fmt: skip


def test_no_memory_for_a_picture_on_its_way_is_told() -> None:
    with pytest.raises(InputError) as caught, one_picture(7000, ("runtime", "memory")):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")
    assert caught.value.message == "one picture of 7000 × 7000 pixels takes more memory in the network than there is"
    with pytest.raises(RuntimeError, match="another"), one_picture(7000, ("runtime", "memory")):
        raise RuntimeError("another")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet18", "googlenet", "shufflenet_v2_x0_5", "vit_b_16", "swin_t"])
def test_bytes_are_those_of_a_run_and_nothing_is_computed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layers, size, options = CASES[name]
    example = torch.rand(1, 3, size, size)
    segments = cut(build(name, **options), layers, example)
    value, expected = example, []
    with torch.no_grad():
        for part in (segments.stem, *segments.stages):
            expected.append(_metered(part, value))
            value = part(value)
    for part in (segments.stem, *segments.stages):
        monkeypatch.setattr(part, "forward", None)
    widest = 2 * max(peak for _, peak in expected)
    assert widest_row(segments, example) == widest
    gradients = [4 * every for every, _ in expected[1:]]
    assert pair_rows(segments, 10**9, example, most=10**6) == tuple(
        1 << (10**9 // need).bit_length() - 1 for need in gradients
    )


def test_bytes_of_a_segment_that_looks_at_values_are_counted_by_running_it() -> None:
    class Looks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if float(x.sum()) > -1e9 else x[:, :1]

    example = torch.rand(1, 3, 8, 8)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), Looks(), nn.Flatten(), nn.Linear(144, 2)).eval().requires_grad_(False)
    segments = cut(net, ["0", "1", "3"], example)
    assert row_bytes(segments.stages[0], torch.rand(1, 4, 6, 6)) == 2 * 4 * (144 + 144)
