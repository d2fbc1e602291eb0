"""Which networks go through: torchvision's classifiers and many families of timm, with random weights.

    python bench/models.py [torchvision | timm | NAME …] [--json FILE]

For each: it is traced, its layers are found, the whole analysis runs on two hops (the three topmost layers) with
4 painted pictures, and for 3 neurons of the middle layer the attribution T is compared with that of Captum's
IntegratedGradients on the same segment, 32 nodes both. T agrees where no difference is over 1e-3 of the largest |T|.
A network that cannot is listed with the program's own reason. Ends with 1 where one cannot, or does not agree.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torchvision
import yaml
from captum.attr import IntegratedGradients

from neurflow_report.circuit.attribution import Pairs, Quadrature, attribute
from neurflow_report.demo.flowers import DATASET
from neurflow_report.errors import ReportError
from neurflow_report.network.cut import Segments, cut
from neurflow_report.network.forward import activations, spatial_mean
from neurflow_report.network.layers import offers
from neurflow_report.network.load import Network
from neurflow_report.pipeline.networks import example_input, load_spec_network
from neurflow_report.pipeline.progress import Silent
from neurflow_report.pipeline.stages import analyze
from neurflow_report.results.bundle import Bundle, read_bundle
from neurflow_report.spec.load import LoadedSpec, load_spec

NODES, NEURONS, PATCHES, AGREES = 32, 3, 2, 1e-3
CPU = torch.device("cpu")
TIMM = [
    "beit_base_patch16_224",
    "caformer_s18",
    "cait_xxs24_224",
    "coat_tiny",
    "coatnet_nano_rw_224",
    "convformer_s18",
    "convmixer_768_32",
    "convnext_atto",
    "convnextv2_atto",
    "crossvit_tiny_240",
    "cspresnet50",
    "darknet53",
    "davit_tiny",
    "deit_tiny_patch16_224",
    "densenet121",
    "dla34",
    "dpn68",
    "eca_nfnet_l0",
    "edgenext_xx_small",
    "efficientformer_l1",
    "efficientnet_lite0",
    "efficientvit_b0",
    "fastvit_t8",
    "focalnet_tiny_srf",
    "gcvit_xxtiny",
    "ghostnet_100",
    "hardcorenas_a",
    "hgnetv2_b0",
    "hrnet_w18_small",
    "inception_next_atto",
    "lcnet_050",
    "levit_128s",
    "mambaout_femto",
    "mixer_s16_224",
    "mixnet_s",
    "mobilenetv3_small_050",
    "mobilenetv4_conv_small",
    "mobilevit_xxs",
    "mobilevitv2_050",
    "nest_tiny",
    "nextvit_small",
    "nf_regnet_b0",
    "pit_ti_224",
    "poolformer_s12",
    "pvt_v2_b0",
    "regnetx_002",
    "regnety_002",
    "repghostnet_050",
    "repvgg_a0",
    "repvit_m0_9",
    "res2net50_26w_4s",
    "resmlp_12_224",
    "resnest14d",
    "resnet18",
    "rexnet_100",
    "sknet18",
    "starnet_s1",
    "swin_tiny_patch4_window7_224",
    "swinv2_cr_tiny_224",
    "tiny_vit_5m_224",
    "tnt_s_patch16_224",
    "twins_svt_small",
    "vit_tiny_patch16_224",
    "volo_d1_224",
    "xception41",
    "xcit_nano_12_p16_224",
]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One network. `layers`: how many cuts it has; `taken`: what auto takes of them; `error`: of T against Captum's,
    relative to the largest |T|; `reason`: why it cannot, empty where it can."""

    source: str
    name: str
    size: int = 0
    layers: int = 0
    taken: str = ""
    error: float = float("nan")
    seconds: float = 0.0
    reason: str = ""

    @property
    def agrees(self) -> bool:
        """Whether it went through and T agrees."""
        return not self.reason and self.error <= AGREES


def model_of(source: str, name: str) -> Iterator[tuple[dict[str, object], dict[str, object]]]:
    """The spec's `model` and `preprocess` to try, small inputs first."""
    model: dict[str, object] = {"source": source, "name": name, "outputs": 2}
    if name.startswith("vit_") and source == "torchvision":
        side = 56 if name.endswith("14") else 64
        yield model | {"kwargs": {"image_size": side}}, {}
    else:
        yield model, {"size": 96 if name == "inception_v3" else 64, "resize": 96 if name == "inception_v3" else 64}
        yield model, {}


def spec_of(model: dict[str, object], preprocess: dict[str, object], folder: Path) -> LoadedSpec:
    """A small spec over four painted pictures of one class, and two of another."""
    spec = {
        "version": 1,
        "title": str(model["name"]),
        "model": model,
        "preprocess": preprocess,
        "data": {"source": "folder", "root": "pictures", "select": "labelled", "limit": 4},
        "classes": [0],
        "layers": {"most": 3},
        "concept": {"k": 4, "scales": [1.0]},
        "attribution": {"nodes": 4, "max_nodes": 8},
        "core": {"tau": 3},
        "fidelity": {"experiments": []},
        "output": str(folder / "out"),
        "runtime": {"device": "cpu"},
    }
    (folder / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    return load_spec(folder / "spec.yaml")


def paint(folder: Path) -> None:
    """The pictures: four of one of the demo's classes, two of another."""
    for name, count in (("firebell", 4), ("snowstar", 2)):
        (folder / "pictures" / name).mkdir(parents=True)
        for number in range(count):
            picture, _ = DATASET.draw(DATASET.class_names.index(name), number)
            picture.save(folder / "pictures" / name / f"{number}.png")


def against_captum(network: Network, example: torch.Tensor, bundle: Bundle) -> float:
    """The largest difference of T from Captum's over the first neurons of the middle layer, relative to the largest."""
    names = [layer.name for layer in bundle.classes[0].layers]
    segments = cut(network.module, names, example)
    pictures = torch.randn((PATCHES, *example.shape[1:]), generator=torch.Generator().manual_seed(1))
    below = activations(segments, 0, pictures)
    core = [n.channel for n in bundle.classes[0].layers[1].neurons] or range(NEURONS)  # none: a head of zeros
    return max(_difference(segments, below, channel) for channel in core[:NEURONS])


def _difference(segments: Segments, below: torch.Tensor, channel: int) -> float:
    """Of one target, both with the same nodes."""
    stage, axis, out_axis = segments.stages[0], segments.feature_axis(0), segments.feature_axis(1)
    rows = torch.arange(len(below))
    pairs = Pairs(rows=rows, channels=torch.full_like(rows, channel))
    quadrature = Quadrature(rule="gauss", nodes=NODES, max_nodes=NODES, tolerance=1e-9)
    ours = attribute(stage, below, pairs, axis=axis, out_axis=out_axis, quadrature=quadrature, rows=16).values
    captum = IntegratedGradients(lambda x: spatial_mean(stage(x), out_axis), multiply_by_inputs=True)
    theirs = captum.attribute(below, target=channel, n_steps=NODES, method="gausslegendre", internal_batch_size=16)
    theirs = spatial_mean(theirs, axis) * (theirs[0].numel() / theirs.shape[axis])
    return float((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-12))


def examined(source: str, name: str) -> Row:
    """One network through all of it."""
    begun, row = time.monotonic(), Row(source=source, name=name)
    for model, preprocess in model_of(source, name):
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            try:
                paint(folder)
                loaded = spec_of(model, preprocess, folder)
                network = load_spec_network(loaded, CPU)
                example = example_input(network, CPU, torch.float32)
                count = len(offers(network.module, example))
                bundle = read_bundle(analyze(loaded, progress=Silent()))
                row = Row(
                    source=source,
                    name=name,
                    size=example.shape[-1],
                    layers=count,
                    taken=" → ".join(layer.name for layer in bundle.classes[0].layers),
                    error=against_captum(network, example, bundle),
                )
            except ReportError as error:
                row = Row(source=source, name=name, reason=f"{error.message} [{error.slug}]")
            except Exception as error:
                if os.environ.get("NEURFLOW_REPORT_DEBUG"):
                    raise
                row = Row(source=source, name=name, reason=f"UNFORESEEN {type(error).__name__}: {error}")
        if not row.reason:
            break
    return Row(**(asdict(row) | {"seconds": round(time.monotonic() - begun, 1)}))


def line(row: Row) -> str:
    """A row of the table."""
    what = row.reason.replace("\n", " ").replace("|", "/") or f"{row.taken}"
    return f"| {row.source} {row.name} | {row.size} | {row.layers} | {what} | {row.error:.0e} | {row.seconds:.0f} |"


def main(words: Sequence[str] | None = None) -> int:
    """Print the table as it grows; → 0 where all go through and agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", default=["torchvision", "timm"])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(words)
    warnings.simplefilter("ignore")
    known = torchvision.models.list_models(module=torchvision.models)
    asked = [
        ("torchvision", n) if n in known and group != "timm" else ("timm", n)
        for group in options.names
        for n in (known if group == "torchvision" else TIMM if group == "timm" else [group.removeprefix("timm:")])
    ]
    print("| network | input | cuts | layers | error of T | s |\n| --- | --- | --- | --- | --- | --- |", flush=True)
    rows = []
    for source, name in asked:
        rows.append(examined(source, name))
        print(line(rows[-1]), flush=True)
        if options.json:
            options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    through = sum(not row.reason for row in rows)
    print(f"\n{through} of {len(rows)} go through, {sum(row.agrees for row in rows)} agree with Captum")
    return 0 if all(row.agrees for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
