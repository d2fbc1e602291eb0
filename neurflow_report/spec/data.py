"""The spec's section `data`: where the pictures come from, and which of them count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Discriminator, Field, StringConstraints, Tag, model_validator
from pydantic_core import PydanticCustomError

from neurflow_report.spec.section import Count, Index, Section, Text, problem, tell
from neurflow_report.spec.sources import OWN, SOURCES
from neurflow_report.spec.template import problem_of

WAYS = ("auto", "names", "numbers", "numbers_from_1", "order")
"""How classes can be tied to outputs, in a word."""
FILES = (".csv", ".json")


if TYPE_CHECKING:
    SourceName = str
else:
    SourceName = Literal[tuple(SOURCES)]


def _form(labels: object) -> str:
    return "mapping" if isinstance(labels, dict) else "text"


class Data(Section):
    """The pictures to examine it on."""

    source: SourceName = Field(
        description="A folder with a sub-folder per class, a CSV file that lists pictures, a torchvision data set, a "
        "data set that Hugging Face's `datasets` saved to disk, or the demo's generator.",
        examples=["folder"],
    )
    file: Text | None = Field(
        None,
        description="The source csv: the file, relative to the spec; its first line names the columns.",
        examples=["labels.csv"],
    )
    path_column: Text = Field(
        "path",
        description="The source csv: the column with the pictures' paths, relative to `root`.",
        examples=["path"],
    )
    label_column: Text = Field(
        "label",
        description="The sources csv and huggingface: the column with the labels: names, or numbers of logits, counted "
        "from 0; empty where not known.",
        examples=["label"],
    )
    extension: (
        Annotated[str, StringConstraints(pattern=r"(?i)^(any|\.(jpe?g|jpe|jfif|png|webp|bmp|gif|tiff?|p[bgnp]m))$")]
        | None
    ) = Field(
        None,
        description="The source csv: the ending that the paths lack, such as .png; `any`: that of the one picture of "
        "the name, whatever it is.",
        examples=[".png", "any"],
    )
    label_pattern: Text | None = Field(
        None,
        description="The source folder, where the labels stand in the pictures' names and not in those of sub-folders: "
        "a template with `{label}` where the label stands, `#` for all digits there, `*` for anything else. With a `/` "
        "in it, it is compared with the path below `root`, else with the file's name alone; always with the whole.",
        examples=["{label}.#.jpg", "{label}_#.*", "*/{label}/*"],
    )
    labels: Annotated[
        Annotated[Text, Tag("text")] | Annotated[dict[str, Index | Text], Field(min_length=1), Tag("mapping")],
        Discriminator(_form),
    ] = Field(
        "auto",
        description="Which output of the network each class of the data is. `auto`: only where it cannot mean "
        "something else. `names`: that of its name; `numbers`: that of its number, counted from 0; `numbers_from_1`: "
        "counted from 1; `order`: the classes in their order (names in byte order, numbers by size) are the outputs 0, "
        "1, 2, …. Or a mapping from classes to outputs, by number or name; or a file with one: .json, or .csv with the "
        "columns class and output.",
        examples=["order", {"Katze": "tabby", "Hund": 207}, "labels.csv"],
    )
    image_column: Text = Field(
        "image", description="The source huggingface: the column with the pictures.", examples=["image", "img"]
    )
    name: Text | None = Field(None, description="The torchvision data set's class name.", examples=["FashionMNIST"])
    root: Text | None = Field(
        None,
        description="The folder (relative to the spec, `~` is expanded); for csv default: the file's own; for "
        "huggingface: the one that `save_to_disk` wrote.",
        examples=["/data/imagenet/val"],
    )
    split: Text = Field(
        "test",
        description="Which split: train, test or val of a torchvision data set or of the demo; any that a data set of "
        "huggingface has, where it was saved with several.",
        examples=["val"],
    )
    white: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="The value that is white in grey pictures whose values have more than 8 bits; 0 is black. Default: "
        "what the file says: 65535 at 16 bits, and what a TIFF or a PPM says of itself.",
        examples=[4095, 1.0],
    )
    select: Literal["predicted", "labelled", "correct", "any"] = Field(
        "predicted",
        description="Which pictures count for a class: those predicted as it, labelled as it, both (`correct`), or "
        "`any`: the class's own first, then all others.",
        examples=["labelled"],
    )
    limit: Count = Field(50, description="The most pictures a class.", examples=[20])
    sample: Literal["first", "random"] = Field(
        "first",
        description="Which are taken where more pictures count than `limit`: the first in the data's fixed order, or a "
        "random draw by runtime.seed, for each class alone.",
        examples=["random"],
    )
    pool: Literal["all", "class"] = Field(
        "all",
        description="Where predicted pictures are looked for: in all classes' pictures (the class's own first), or "
        "only in the class's own.",
        examples=["class"],
    )

    holdout: Annotated[float, Field(ge=0, le=0.9)] = Field(
        0.5,
        description="The share of a class's pictures that its circuit is not found on, and that masking (F1) and edges "
        "(F8) are measured on; where the class has fewer than 40 pictures, or with 0, both are done on all of them.",
        examples=[0.3, 0],
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        tell(self._wrong())
        return self

    def _wrong(self) -> Iterator[PydanticCustomError]:
        kind = SOURCES[self.source]
        for key, what in kind.needs.items():
            if getattr(self, key) is None:
                yield problem(f"the source {self.source} needs {what}", key, missing=True)
        if isinstance(self.labels, str) and self.labels not in WAYS and not self.labels.lower().endswith(FILES):
            yield problem(
                f"found {self.labels!r}, expected {', '.join(WAYS)}, a mapping from classes to outputs, or a file that "
                f"ends in {' or '.join(FILES)}",
                "labels",
            )
        if self.label_pattern is not None and (wrong := problem_of(self.label_pattern)):
            yield problem(wrong, "label_pattern")
        for key in OWN:
            if key not in kind.takes and key in self.model_fields_set and getattr(self, key):
                yield problem(f"the source {self.source} takes no `{key}`", key)
        if kind.splits and self.split not in kind.splits:
            yield problem(f"found {self.split!r}, expected 'train', 'test' or 'val'", "split")
