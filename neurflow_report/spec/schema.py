"""The spec, version 1, as frozen pydantic models: what a user writes, with each field's meaning, range and default."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from neurflow_report.results.given import is_address
from neurflow_report.spec.data import Data
from neurflow_report.spec.fidelity import Fidelity
from neurflow_report.spec.names import Names, odd_names
from neurflow_report.spec.section import Count, Index, Section, Text, problem, tell, unique

Scale = Annotated[float, Field(gt=0, le=1)]
Nodes = Annotated[int, Field(ge=1, le=1000)]
Pixels = Annotated[int, Field(ge=1, le=10_000)]
Channels = Annotated[tuple[float, ...], Field(min_length=1, max_length=3)]


class Model(Section):
    """The network to examine."""

    source: Literal["torchvision", "timm", "python", "demo"] = Field(
        description="Where the network comes from: torchvision's or timm's by name, a `factory` of your own, or an "
        "embedded demo network.",
        examples=["torchvision", "python"],
    )
    name: Text | None = Field(
        None,
        description="The model's name in its source; for the source python what the report calls it (default: the "
        "callable's name).",
        examples=["resnet50", "vit_base_patch16_224.augreg_in1k", "flowers"],
    )
    factory: Text | None = Field(
        None,
        description="The source python: `package.module:callable`, which returns the network (a torch.nn.Module). It "
        "is imported and run only with --allow-code.",
        examples=["mynet.models:resnet20"],
    )
    kwargs: dict[str, Any] = Field(
        {},
        description="Keyword arguments of the factory, or of torchvision's or timm's architecture; not those that load "
        "weights, which `weights` does.",
        examples=[{"num_classes": 10}, {"image_size": 64}],
    )
    python_path: Text | None = Field(
        None,
        description="The folder in which the factory's package lies, relative to the spec; default: the spec's own. "
        "What is installed is found in any case.",
        examples=["src"],
    )
    weights: Text = Field(
        "none",
        description="The name of trained weights (torchvision: an enum name; timm: a tag, or `pretrained`; demo: "
        "`demo`), a path to a checkpoint, relative to the spec, that ends in .safetensors, .pt, .pth, .th, .ckpt, .bin "
        "or .tar, or `none`: random from the seed, or as the factory made them.",
        examples=["IMAGENET1K_V2", "weights/model.safetensors", "none"],
    )
    state_dict_key: Text | None = Field(
        None,
        description="Where in the checkpoint the state lies, with dots between keys; default: where the one state is "
        "that fits the network.",
        examples=["ema.state_dict"],
    )
    strip_prefix: Text | None = Field(
        None,
        description="What to take off the names in the checkpoint. What DataParallel, torch.compile and their like put "
        "into names (`module.`, `_orig_mod.`) goes by itself, and so do `model.`, `net.`, `network.` and `backbone.` "
        "before all of them.",
        examples=["module.", "encoder."],
    )
    ignore_keys: tuple[Text, ...] = Field(
        (),
        description="Names of entries in the checkpoint to leave out, or patterns for them, in which `*` stands for "
        "anything; each must name some, and none that the network needs.",
        examples=[["criterion.*", "*.total_ops"]],
    )
    outputs: Count | None = Field(
        None,
        description="Number of logits, where the checkpoint's differ from the architecture's default.",
        examples=[10],
    )
    class_names: Text | None = Field(
        None,
        description="A file with the names of the logits, in their order: a name a line, or JSON (a list, or a mapping "
        "from the logit's number). Default: those of the trained weights, else the data's.",
        examples=["classes.txt"],
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        tell(self._wrong())
        return self

    def _wrong(self) -> Iterator[PydanticCustomError]:
        if self.source == "python" and self.factory is None:
            yield problem("the source python needs a `factory`, package.module:callable", "factory", missing=True)
        if self.source != "python" and self.name is None:
            yield problem(f"the source {self.source} needs a `name`", "name", missing=True)
        for key in _FOREIGN[self.source]:
            if key in self.model_fields_set and getattr(self, key):
                yield problem(f"the source {self.source} takes no `{key}`", key)
        for key in _LOADING if self.source != "python" else ():
            if key in self.kwargs:
                yield problem(f"`{key}` would load weights by another way than `weights`", "kwargs", key)
        if self.source != "python" and "cache_dir" in self.kwargs:
            yield problem("`cache_dir` would read weights from a folder of somebody's choice", "kwargs", "cache_dir")


_LOADING = ("pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "weights")
"""Arguments of torchvision and timm that load weights: a report would call them other than they are, and a reader of
theirs may run what is in a file."""
_FOREIGN = {
    "torchvision": ("factory", "python_path"),
    "timm": ("factory", "python_path"),
    "python": ("outputs",),
    "demo": ("factory", "python_path", "kwargs"),
}
"""Keys of `model` that mean nothing for a source."""


class PreprocessChange(Section):
    """What to do with a picture otherwise than the model's own preprocessing does; what is left out stays as it is."""

    size: Pixels | None = Field(None, description="The side of the network's input, in pixels.", examples=[224, 32])
    resize: Pixels | Literal["none"] | None = Field(
        None,
        description="Pixels of the short side before the centre is cut out; `none`: no resizing. Default, where only "
        "`size` is given: in the model's own ratio to it.",
        examples=[256, "none"],
    )
    interpolation: Literal["nearest", "bilinear", "bicubic"] | None = Field(
        None, description="How pictures are resized.", examples=["bicubic"]
    )
    antialias: bool | None = Field(None, description="Whether making a picture smaller smooths it.", examples=[True])
    mean: Channels | None = Field(
        None, description="Mean of each channel, at values 0 to 1.", examples=[[0.485, 0.456, 0.406]]
    )
    std: Channels | None = Field(
        None, description="Standard deviation of each channel, at values 0 to 1.", examples=[[0.229, 0.224, 0.225]]
    )
    channels: Literal[1, 3] | None = Field(None, description="1 for a grey input, 3 for colour.", examples=[1])
    squash: bool | None = Field(
        None,
        description="Whether both sides are resized to `resize` pixels, whatever the picture's shape, in place of the "
        "short side alone.",
        examples=[True],
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        tell(self._wrong())
        return self

    def _wrong(self) -> Iterator[PydanticCustomError]:
        if self.mean and self.std and len(self.mean) != len(self.std):
            yield problem(
                f"found {len(self.std)} values, expected as many as `mean` has, {len(self.mean)}",
                "std",
                against=("mean",),
            )
        for index, value in enumerate(self.std or ()):
            if value <= 0:
                yield problem(f"found {value:g}, expected a number greater than 0", "std", index)
        if isinstance(self.resize, int) and self.size is not None and self.resize < self.size:
            yield problem(f"found {self.resize}, expected at least size, which is {self.size}", "resize")
        if self.squash and self.resize == "none":
            yield problem("nothing is squashed where `resize` is none", "squash", against=("resize",))

    def values(self) -> dict[str, Any]:
        """The fields that were given, as those of the record Preprocess."""
        given = {key: value for key, value in self.model_dump().items() if value is not None}
        return given | ({"resize": None} if given.get("resize") == "none" else {})


class LayerRange(Section):
    """Block outputs between two layers, both included, and the logits: `layers` as a mapping."""

    from_: Text | None = Field(
        None, alias="from", description="The lowest layer; default: the first block.", examples=["layer2.3"]
    )
    to: Text | None = Field(
        None, description="The highest layer; the logits come on top in any case. Default: the logits.", examples=["fc"]
    )
    depth: Annotated[int, Field(ge=1, le=20)] | None = Field(
        None,
        description="How deeply nested the blocks' names are: 1 for `layer2`, 2 for `layer2.3`. Default: as `from`, or "
        "the least at which there are six.",
        examples=[2],
    )
    most: Annotated[int, Field(ge=2)] | None = Field(
        None, description="At most so many layers, counted from the logits. Default: all.", examples=[6]
    )


def _form(layers: object) -> str:
    """Which form of `layers` a value is meant to be."""
    if isinstance(layers, (list, tuple)):
        return "list"
    return "range" if isinstance(layers, (dict, LayerRange)) else "auto"


class Concept(Section):
    """The concept of a neuron: its top-k patches (METHOD §1)."""

    k: Annotated[int, Field(ge=2)] = Field(50, description="Patches in a concept.", examples=[30])
    scales: Annotated[tuple[Scale, ...], Field(min_length=1), AfterValidator(unique)] = Field(
        (1.0, 0.5, 0.25), description="Patch sides as shares of the input's side.", examples=[[1.0, 0.5]]
    )
    stride: Scale = Field(0.5, description="Step between patches as a share of their side.", examples=[0.25])


class Attribution(Section):
    """Integrated gradients (METHOD §2)."""

    rule: Literal["cells", "gauss"] = Field(
        "cells",
        description="How the path is integrated: cells with mean slopes, or Gauss–Legendre nodes.",
        examples=["gauss"],
    )
    nodes: Nodes = Field(
        4, description="Steps of the path to begin with: cells (an even number), or nodes.", examples=[8]
    )
    max_nodes: Nodes = Field(64, description="The most steps: doubled for patches over the tolerance.", examples=[128])
    tolerance: Annotated[float, Field(gt=0)] = Field(
        0.02, description="Relative error and completeness gap that are good enough.", examples=[0.01]
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        tell(self._wrong())
        return self

    def _wrong(self) -> Iterator[PydanticCustomError]:
        if self.rule == "cells" and self.nodes % 2:
            yield problem(
                f"found {self.nodes}, expected an even number: cells are compared with half as many",
                "nodes",
                against=("rule",),
            )
        if self.max_nodes < self.nodes:
            yield problem(
                f"found {self.max_nodes}, expected at least nodes, which is {self.nodes}",
                "max_nodes",
                against=("nodes",),
            )


class Core(Section):
    """Core concept neurons (METHOD §2)."""

    tau: Count | Literal["auto"] = Field(
        16,
        description="Core neurons of each target, τ; auto: of each class the fewest that are certified on pictures "
        "held out to be enough (METHOD §5).",
        examples=[8, "auto"],
    )
    largest: Count = Field(16, description="With `tau: auto` the most, at which the one search is run.", examples=[24])
    enough: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.8,
        description="With `tau: auto`: the share of the class's pictures that the core alone is to keep, all else at "
        "its mean.",
        examples=[0.9],
    )
    false_alarms: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3,
        description="With `tau: auto`: the share of other classes' pictures that it may take for the class.",
        examples=[0.1],
    )

    @property
    def searched(self) -> int:
        """The τ that the search is run with."""
        return self.largest if self.tau == "auto" else self.tau


class Groups(Section):
    """Semantic groups and neuron groups (METHOD §3)."""

    max_semantic: Annotated[int, Field(ge=2)] = Field(
        5, description="The most semantic groups of a concept.", examples=[3]
    )
    max_neuron: Annotated[int, Field(ge=2)] = Field(
        100, description="The most neuron groups of a layer.", examples=[20]
    )


def _address(text: str) -> str:
    """An address with the slash at its end."""
    address = text if text.endswith("/") else f"{text}/"
    if not is_address(address):
        raise problem(f"found {text!r}, expected an address such as https://example.org/birds/")
    return address


def _form_of_images(images: object) -> str:
    """Which form of `debug.images` a value is meant to be."""
    return "list" if isinstance(images, (list, tuple)) else "word"


class Report(Section):
    """What is drawn."""

    formats: Annotated[tuple[Literal["html", "pdf", "single"], ...], Field(min_length=1)] = Field(
        ("html", "pdf"),
        description="What to write beside the bundle: `html` a site, `pdf` report.pdf and appendix.pdf, `single` the "
        "site as one file, report.html.",
        examples=[["html", "single"]],
    )
    theme: Literal["auto", "light", "dark"] = Field(
        "auto", description="Colours: the reader's system's, or fixed.", examples=["dark"]
    )
    templates: Text | None = Field(
        None,
        description="A directory of your own templates, style, logo and footer (relative to the spec), searched before "
        "the ones that come with the program; see docs/templates.md.",
        examples=["branding"],
    )
    attach_bundle: bool = Field(
        False, description="Whether report.pdf holds the bundle, as an attached zip.", examples=[True]
    )
    appendix: bool = Field(
        True,
        description="Whether `pdf` writes appendix.pdf too: every layer with its neuron groups, every test, the "
        "ledgers. It takes longer than the report.",
        examples=[False],
    )
    tiles: Literal["auto", "patch", "outlined"] = Field(
        "auto",
        description="How a patch is shown: alone (`patch`), or outlined in the whole picture (`outlined`); auto: "
        "outlined where the network's input has under 64 pixels a side, of which a patch alone would be a blur.",
        examples=["outlined"],
    )
    images: Literal["embed", "blur", "none"] = Field(
        "embed",
        description="What the bundle, and so the report, holds of the pictures: what the model saw of them (`embed`), "
        "that blurred until only colours are left (`blur`), or grey squares (`none`). Digests and names stay; so "
        "do pictures that are made (`facets`), but with `none` not the means of patches beside them.",
        examples=["blur"],
    )
    url: Annotated[Text, AfterValidator(_address)] | None = Field(
        None,
        description="The address at which the site will stand. Pages then name their pictures for previews by whole "
        "addresses, which most that show previews need.",
        examples=["https://example.org/birds/"],
    )


class Debug(Section):
    """Why is this picture taken for that class? (METHOD §7)"""

    images: Annotated[
        Annotated[Literal["none", "misclassified"], Tag("word")]
        | Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(unique), Tag("list")],
        Discriminator(_form_of_images),
    ] = Field(
        "none",
        description="Which pictures are explained: `none`, `misclassified` (those that the run looks at and the "
        "network takes for another class), or a list of names within the data, or of paths relative to the spec. A "
        "picture needs a circuit: the class that it is taken for, or the one that it is held against, must be among "
        "`classes`.",
        examples=["misclassified", ["bee/0013.jpg", "pictures/odd.png"]],
    )
    limit: Count = Field(
        20,
        description="The most misclassified pictures, in all: of each class in turn, those taken for it first.",
        examples=[50],
    )
    contrast: Literal["truth", "runner_up"] = Field(
        "truth",
        description="Which class a picture is held against: its true one (where that is not known, or is the one "
        "that it is taken for, the runner-up), or in any case the runner-up, the one with the second largest logit.",
        examples=["runner_up"],
    )


class Facets(Section):
    """Pictures made for semantic groups: what activates a neuron as a group's patches do (METHOD §9)."""

    groups: Annotated[int, Field(ge=0, le=20)] = Field(
        0,
        description="Semantic groups of each layer below the logits, and of each class, that a picture is made for: "
        "those of the largest share. 0 makes none.",
        examples=[2],
    )
    steps: Annotated[int, Field(ge=16, le=4096)] = Field(
        128, description="Steps of the ascent, each a pass there and back.", examples=[256]
    )


class Labels(Section):
    """Texts offered as names of neuron groups, and tested on pictures held out (METHOD §8)."""

    source: Literal["none", "demo", "annotations", "openclip", "transformers", "endpoint"] = Field(
        "none",
        description="Who says how well a text goes with a patch: `demo`, the small image–text model of the demo's own "
        "pictures; `annotations`, a CSV file of boxes or masks, whose labels are put together to formulas; `openclip` "
        "or `transformers`, an image–text model in a local folder (extras of the same names); `endpoint`, a model "
        "that is asked behind an OpenAI-compatible server on this machine. Nothing is fetched.",
        examples=["openclip", "annotations"],
    )
    vocabulary: Text | None = Field(
        None,
        description="A file with the texts, a text a line, relative to the spec; default for `demo`: its parts; "
        "for `endpoint`: its own words. Annotations bring their own.",
        examples=["words.txt"],
    )
    path: Text | None = Field(
        None,
        description="The folder of the model (`openclip`, `transformers`), relative to the spec.",
        examples=["models/siglip"],
    )
    file: Text | None = Field(
        None,
        description="The CSV file of annotations, relative to the spec: `picture`, `label`, and `left`, `top`, "
        "`width`, `height` in pixels, or `mask`, a picture file of the same size that is not black where the label is.",
        examples=["boxes.csv"],
    )
    terms: Annotated[int, Field(ge=1, le=3)] = Field(
        3, description="The most labels in a formula of annotations.", examples=[1]
    )
    url: Text | None = Field(
        None,
        description="The server's address (`endpoint`), on this machine: 127.0.0.0/8, ::1 or localhost.",
        examples=["http://127.0.0.1:11434/v1"],
    )
    model: Text | None = Field(
        None, description="The name by which the server knows the model (`endpoint`).", examples=["qwen2.5vl"]
    )
    questions: Annotated[int, Field(ge=5, le=200)] = Field(
        20,
        description="The most forced choices that an endpoint is asked for about a group's label, a picture each; as "
        "many about other labels, and one about each of 40 pictures at most, where the first go well.",
        examples=[10],
    )
    timeout: Annotated[float, Field(gt=0, le=3600)] = Field(
        120.0, description="Seconds that an answer of the endpoint may take.", examples=[600]
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        tell(self._wrong())
        return self

    def _wrong(self) -> Iterator[PydanticCustomError]:
        needed, taken = _OF_LABELS[self.source]
        for key in needed:
            if getattr(self, key) is None:
                yield problem(f"the source {self.source} needs a `{key}`", key, missing=True)
        for key in ("vocabulary", "path", "file", "url", "model"):
            if key not in (*needed, *taken) and getattr(self, key) is not None:
                yield problem(f"the source {self.source} takes no `{key}`", key)


_OF_LABELS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "none": ((), ()),
    "demo": ((), ("vocabulary",)),
    "annotations": (("file",), ()),
    "openclip": (("path", "vocabulary"), ()),
    "transformers": (("path", "vocabulary"), ()),
    "endpoint": (("url", "model"), ("vocabulary",)),
}
"""Keys that a source of labels needs, and those that it takes."""


class Runtime(Section):
    """Where and how it runs."""

    device: Annotated[str, StringConstraints(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$")] = Field(
        "auto", description="auto (a GPU where there is one), cpu, cuda, cuda:N or mps.", examples=["cuda:1"]
    )
    precision: Literal["auto", "float32", "float64", "tf32"] = Field(
        "auto",
        description="Number format of the network; tf32: float32, but for the attributions a GPU rounds the factors of "
        "its products to 10 bits, and what that changes is measured and reported; auto: tf32 where it changes them by "
        "at most a tenth of `attribution.tolerance`, else float32.",
        examples=["float64"],
    )
    memory: Annotated[str, StringConstraints(pattern=r"^(auto|\d+(\.\d+)?\s?([KMG]i?B))$")] = Field(
        "auto",
        description="Memory for activations: auto (half of what is free), or a size such as 6GiB.",
        examples=["6GiB"],
    )
    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="Seed of everything random.", examples=[1])
    cache: Text = Field(
        "auto",
        description="Where the results of each class are kept, so that a run that was ended goes on, and one that was "
        "changed does again only what changed: auto (the user's folder for caches, or what `NEURFLOW_REPORT_CACHE` "
        "names), none (or off), a folder, or an address that fsspec knows, such as s3://bucket/cache.",
        examples=["/scratch/cache"],
    )
    engine: Literal["here", "ray"] = Field(
        "here",
        description="Where classes are examined: in this process and those of `--jobs`, or in the actors of `ray`: one "
        "on each GPU, or as many as `--jobs` says on processors.",
        examples=["ray"],
    )
    address: Text = Field(
        "local",
        description="With `engine: ray`, which Ray: `local`, one that is started for the run on this machine; `auto`, "
        "the one that runs here; or the address of a cluster.",
        examples=["ray://head:10001"],
    )


class Spec(Section):
    """A report's specification, version 1."""

    version: Literal[1] = Field(description="The spec's version: 1.", examples=[1])
    title: Text = Field(description="The report's title.", examples=["ResNet-50 on my birds"])
    model: Model = Field(
        examples=[
            {"source": "torchvision", "name": "resnet50", "weights": "IMAGENET1K_V2"},
            {"source": "python", "factory": "mynet.models:resnet20", "weights": "best.pth"},
        ]
    )
    data: Data = Field(examples=[{"source": "folder", "root": "/data/imagenet/val", "limit": 20}])
    classes: Annotated[tuple[Text | Index, ...], Field(min_length=1), AfterValidator(unique)] = Field(
        description="Classes to examine: names, folder names or logit indices.", examples=[["bee", 207]]
    )
    layers: Annotated[
        Annotated[tuple[Text, ...], Field(min_length=2), AfterValidator(unique), Tag("list")]
        | Annotated[LayerRange, Tag("range")]
        | Annotated[Literal["auto"], Tag("auto")],
        Discriminator(_form),
    ] = Field(
        description="Named modules, input → output, of which the last gives the logits (`output`: the network's own "
        "output); or a range of blocks; or `auto`: the topmost eight block outputs. See `neurflow-report layers`.",
        examples=[["layer3.0", "layer4.2", "fc"], {"from": "layer2.3", "to": "fc"}, "auto"],
    )
    preprocess: PreprocessChange = Field(
        default_factory=PreprocessChange, examples=[{"size": 32, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}]
    )
    concept: Concept = Field(default_factory=Concept, examples=[{"k": 30, "scales": [1.0, 0.5]}])
    attribution: Attribution = Field(default_factory=Attribution, examples=[{"nodes": 8, "tolerance": 0.01}])
    core: Core = Field(default_factory=Core, examples=[{"tau": 8}])
    groups: Groups = Field(default_factory=Groups, examples=[{"max_semantic": 3}])
    fidelity: Fidelity = Field(
        default_factory=Fidelity, examples=[{"preset": "standard", "controls": ["random_weights"]}]
    )
    debug: Debug = Field(default_factory=Debug, examples=[{"images": "misclassified", "limit": 20}])
    facets: Facets = Field(default_factory=Facets, examples=[{"groups": 2}])
    labels: Labels = Field(
        default_factory=Labels, examples=[{"source": "openclip", "path": "models/clip", "vocabulary": "words.txt"}]
    )
    report: Report = Field(default_factory=Report, examples=[{"formats": ["html", "single"], "theme": "dark"}])
    names: Names = Field(
        {},
        description="Names by hand for neuron groups and neurons: class (as in `classes`), layer, then `G3` for a "
        "group or `n12` for a neuron, and the name.",
        examples=[{"bee": {"layer4.2": {"G1": "striped abdomen", "n12": "vertical edges"}}}],
    )
    output: Text = Field(
        "output/report",
        description="Folder to write to, relative to where the command runs.",
        examples=["output/birds"],
    )
    runtime: Runtime = Field(default_factory=Runtime, examples=[{"device": "cpu", "memory": "6GiB", "seed": 1}])

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        tell(self._wrong())
        return self

    def _wrong(self) -> Iterator[PydanticCustomError]:
        for index, tau in enumerate(self.fidelity.taus or ()):
            if tau > self.core.searched:
                name = "largest" if self.core.tau == "auto" else "tau"
                message = f"found {tau}, expected at most core.{name}, which is {self.core.searched}"
                yield problem(message, "fidelity", "taus", index, against=("core", name))
        if self.labels.source != "none" and self.data.holdout == 0:
            message = "found 0, expected more: `labels` are tested on pictures held out"
            yield problem(message, "data", "holdout", against=("labels", "source"))
        layers = self.layers if isinstance(self.layers, tuple) else None
        for odd in odd_names(self.names, [str(c) for c in self.classes], layers):
            against = (odd.against,) if odd.against else ()
            yield problem(odd.message, "names", *odd.path, at_key=odd.at_key, against=against)
