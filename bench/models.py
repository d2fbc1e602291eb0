"""Which networks go through: torchvision's classifiers and many families of timm, with random weights.

    python bench/models.py [torchvision | timm | NAME …] [--json FILE] [--markdown]

For each: it is traced, its layers are found, the whole analysis runs on two pairs of layers (the three topmost) with
4 painted pictures, and for 3 neurons of the middle layer the attribution T is compared with that of Captum's
IntegratedGradients on the same segment, 32 nodes both. T agrees where no difference is over 1e-3 of the largest |T|.
A network that cannot is listed with the program's own reason. Ends with 1 where one cannot, or does not agree.

With --json the rows are kept in the file, and those that are in it are not made again: so it can be done in parts.
--markdown runs nothing, and prints what is in the file as docs/models.md, naming what is not.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

import timm
import torch
import torchvision
import yaml
from captum.attr import IntegratedGradients
from torch import nn

from neurflow_report.analysis.run import analyze
from neurflow_report.attribution.integrated_gradients import Pairs, Quadrature, attribute
from neurflow_report.demo.flowers import DATASET
from neurflow_report.errors import ReportError
from neurflow_report.network.cut import Segments, cut
from neurflow_report.network.forward import activations, spatial_mean
from neurflow_report.network.layers import offers
from neurflow_report.network.load import Network
from neurflow_report.progress import Silent
from neurflow_report.results.bundle import Bundle, read_bundle
from neurflow_report.setup.networks import example_input, load_spec_network
from neurflow_report.spec.load import LoadedSpec, load_spec

NODES, NEURONS, PATCHES, AGREES = 32, 3, 2, 1e-3
CPU = torch.device("cpu")
HEAD = "| network | input | cuts | layers | error of T |\n| --- | ---: | ---: | --- | ---: |"
PAGE = """# Which networks go through

<!-- Made by `python bench/models.py --json FILE --markdown`. -->

Made on {date} with torch {torch}, on a CPU. Each network has random weights, ten outputs and a small input. It is
traced, its layers are found, and the whole analysis runs with four pictures on two pairs of layers: the three
topmost, which `layers: {{most: 3}}` takes. Then, for three neurons of the middle layer, the attribution T
(METHOD §2) is compared with Captum's IntegratedGradients on the same segment, both with 32 nodes.

*input*: the side of the pictures in pixels, the model's own where it takes no smaller one. *cuts*: layers that it can
be cut at. *layers*: those that the analysis ran on or, where it could not, the program's own reason. *error of T*: the
largest difference from Captum's, relative to the largest |T|; up to 1e-3 counts as agreement. Both compute in float32;
where they then differ by more, once more in float64, which tells rounding from disagreement.

"""
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
    "skresnet18",
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
    precision: str = "float32"
    seconds: float = 0.0
    reason: str = ""

    @property
    def agrees(self) -> bool:
        """Whether it went through and T agrees."""
        return not self.reason and self.error <= AGREES


def model_of(source: str, name: str) -> Iterator[tuple[dict[str, object], dict[str, object]]]:
    """The spec's `model` and `preprocess` to try, small inputs first, the model's own size last."""
    model: dict[str, object] = {"source": source, "name": name, "outputs": 10}
    side = 96 if name.startswith("inception_v") else 56 if name.endswith("14") else 64
    if source == "timm" and timm.get_pretrained_cfg(name).fixed_input_size:
        yield model | {"kwargs": {"img_size": side}}, {}
    elif source == "torchvision" and name.startswith("vit_"):
        yield model | {"kwargs": {"image_size": side}}, {}
    else:
        yield model, {"size": side, "resize": side}
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
    """The pictures: four of one of the demo's classes, two of another; folders are called by the logit."""
    for label, count in ((0, 4), (1, 2)):
        (folder / "pictures" / str(label)).mkdir(parents=True)
        for number in range(count):
            DATASET.draw(label, number)[0].save(folder / "pictures" / str(label) / f"{number}.png")


def compared(network: Network, example: torch.Tensor, bundle: Bundle) -> tuple[float, str]:
    """How far T is from Captum's, and in which number format: float64 where float32's rounding may be what differs."""
    error = against_captum(network.module, example, bundle)
    if not error > AGREES:
        return error, "float32"
    return against_captum(network.module.double(), example.double(), bundle), "float64"


def against_captum(module: nn.Module, example: torch.Tensor, bundle: Bundle) -> float:
    """The largest difference of T from Captum's over the first neurons of the middle layer, relative to the largest."""
    names = [layer.name for layer in bundle.classes[0].layers]
    segments = cut(module, names, example)
    pictures = torch.randn((PATCHES, *example.shape[1:]), generator=torch.Generator().manual_seed(1))
    below = activations(segments, 0, pictures)
    core = [n.channel for n in bundle.classes[0].layers[1].neurons] or range(min(NEURONS, segments.layers[1].channels))
    found = [_difference(segments, below, channel) for channel in core]
    return max([error for error in found if not math.isnan(error)][:NEURONS], default=math.nan)


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
    return float((ours - theirs).abs().max() / theirs.abs().max())  # 0 / 0, a neuron that nothing reaches, is no number


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
                error, precision = compared(network, example, bundle)
                row = Row(
                    source=source,
                    name=name,
                    size=example.shape[-1],
                    layers=count,
                    taken=" → ".join(layer.name for layer in bundle.classes[0].layers),
                    error=error,
                    precision=precision,
                )
            except ReportError as found:
                row = Row(source=source, name=name, reason=f"{found.message} [{found.slug}]")
            except Exception as found:
                if os.environ.get("NEURFLOW_REPORT_DEBUG"):
                    raise
                row = Row(source=source, name=name, reason=f"UNFORESEEN {type(found).__name__}: {found}")
        if not row.reason:
            break
    return Row(**(asdict(row) | {"seconds": round(time.monotonic() - begun, 1)}))


def line(row: Row) -> str:
    """A row of the table."""
    what = row.reason.replace("\n", " ").replace("|", "/") or f"{row.taken}"
    if row.reason:
        return f"| {row.name} | | | {what} | |"
    error = f"{row.error:.0e}" + (f" ({row.precision})" if row.precision != "float32" else "")
    return f"| {row.name} | {row.size} | {row.layers} | {what} | {error} |"


def table(rows: Sequence[Row]) -> str:
    """The rows under their heads, and how many there are of each kind."""
    return "\n".join([HEAD, *map(line, rows)]) + f"\n\n{summary(rows)}"


def summary(rows: Sequence[Row]) -> str:
    """How many go through, and how many agree."""
    through = sum(not row.reason for row in rows)
    return f"{through} of {len(rows)} go through; T of {sum(row.agrees for row in rows)} agrees with Captum's."


def page(rows: Sequence[Row], missing: Sequence[str] = ()) -> str:
    """docs/models.md. Args: missing: names of the networks that were asked for and not run."""
    parts = {source: [row for row in rows if row.source == source] for source in ("torchvision", "timm")}
    versions = {"torchvision": torchvision.__version__.partition("+")[0], "timm": version("timm")}
    tables = [f"## {source} {versions[source]}\n\n{table(part)}\n" for source, part in parts.items() if part]
    if missing:
        tables.append(f"Not run: {', '.join(missing)}.\n")
    return PAGE.format(date=date.today().isoformat(), torch=torch.__version__.partition("+")[0]) + "\n".join(tables)


def asked_for(groups: Sequence[str]) -> list[tuple[str, str]]:
    """Source and name of the networks that the words of the command line mean."""
    known = torchvision.models.list_models(module=torchvision.models)
    return [
        ("torchvision", n) if n in known and not group.startswith("timm") else ("timm", n)
        for group in groups
        for n in (known if group == "torchvision" else TIMM if group == "timm" else [group.removeprefix("timm:")])
    ]


def main(words: Sequence[str] | None = None) -> int:
    """Print the table as it grows; → 0 where all go through and agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", default=["torchvision", "timm"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args(words)
    warnings.simplefilter("ignore")
    kept = json.loads(options.json.read_text()) if options.json and options.json.exists() else []
    done = {(row["source"], row["name"]): Row(**row) for row in kept}
    asked = asked_for(options.names)
    if options.markdown:
        print(page([done[key] for key in asked if key in done], [n for s, n in asked if (s, n) not in done]), end="")
        return 0
    print(HEAD, flush=True)
    for key in asked:
        new = key not in done
        done[key] = examined(*key) if new else done[key]
        print(line(done[key]), flush=True)
        if options.json and new:
            options.json.write_text(json.dumps([asdict(row) for row in done.values()], indent=1))
    rows = [done[key] for key in asked]
    print(f"\n{summary(rows)}")
    return 0 if all(row.agrees for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
