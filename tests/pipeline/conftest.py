"""A small spec over the demo network, and folders of the demo's pictures, to run the whole pipeline in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from neurflow_report.demo.flowers import DATASET

SMALL = {
    "version": 1,
    "title": "Small",
    "model": {"source": "demo", "name": "flowers", "weights": "demo"},
    "data": {"source": "demo", "limit": 4},
    "classes": ["firebell", "snowstar"],
    "layers": ["block3", "block4", "fc"],
    "concept": {"k": 12, "scales": [1.0, 0.5]},
    "attribution": {"nodes": 4, "max_nodes": 8},
    "core": {"tau": 3},
    "fidelity": {"experiments": ["masking"], "taus": [1, 3], "draws": 5},
    "runtime": {"device": "cpu", "memory": "500MB"},
}


def merged(spec: dict, changes: dict) -> dict:
    """`spec` with `changes` put in, mapping by mapping; a value of None takes the key out."""
    result = dict(spec)
    for key, value in changes.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if nested else value
    return {k: v for k, v in result.items() if v is not None}


@pytest.fixture
def write_spec(tmp_path):
    """Writes the small spec with changes to a file, its output beside it."""

    def write(name: str = "spec.yaml", **changes) -> Path:
        file = tmp_path / name
        spec = merged(SMALL | {"output": str(tmp_path / "out")}, changes)
        file.write_text(yaml.safe_dump(spec, sort_keys=False))
        return file

    return write


@pytest.fixture
def picture_folder(tmp_path):
    """A folder of the demo's pictures: a sub-folder for each of its classes, `count` PNG files in each."""

    def make(count: int = 2, classes=DATASET.class_names) -> Path:
        root = tmp_path / "pictures"
        for name in classes:
            folder = root / name
            folder.mkdir(parents=True)
            for number in range(count):
                DATASET.draw(DATASET.class_names.index(name), number)[0].save(folder / f"{number}.png")
        return root

    return make
