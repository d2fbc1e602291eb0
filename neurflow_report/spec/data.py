"""The spec's section `data`: where the pictures come from, and which of them count."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from neurflow_report.spec.section import Count, Section, Text, problem, tell


class Data(Section):
    """The pictures to examine it on."""

    source: Literal["folder", "csv", "torchvision", "huggingface", "demo"] = Field(
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
        description="The sources csv and huggingface: the column with the labels: names, or numbers of logits; empty "
        "where not known.",
        examples=["label"],
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

    @model_validator(mode="after")
    def _complete(self) -> Self:
        tell(self._wrong())
        return self

    def _wrong(self) -> Iterator[PydanticCustomError]:
        if self.source == "torchvision" and self.name is None:
            yield problem("the source torchvision needs a `name`, such as FashionMNIST", "name", missing=True)
        if self.source == "csv" and self.file is None:
            yield problem("the source csv needs a `file`, which lists the pictures", "file", missing=True)
        if self.source in {"folder", "torchvision", "huggingface"} and self.root is None:
            yield problem(
                f"the source {self.source} needs a `root`, the folder with the pictures", "root", missing=True
            )
        for key in _FOREIGN_DATA[self.source]:
            if key in self.model_fields_set and getattr(self, key):
                yield problem(f"the source {self.source} takes no `{key}`", key)
        if self.source != "huggingface" and self.split not in SPLITS:
            yield problem(f"found {self.split!r}, expected 'train', 'test' or 'val'", "split")


SPLITS = ("train", "test", "val")
_FOREIGN_DATA = {
    "folder": ("file", "path_column", "label_column", "image_column", "name", "split"),
    "csv": ("image_column", "name", "split"),
    "torchvision": ("file", "path_column", "label_column", "image_column"),
    "huggingface": ("file", "path_column", "name"),
    "demo": ("file", "path_column", "label_column", "image_column", "name", "root"),
}
"""Keys of `data` that mean nothing for a source."""
