"""Random networks through the whole path, and what came out: `python -m tests.analysis.random_networks 2000 [FIRST]`.

Each is checked as by `validate --deep`, then analysed with tiny settings. Exit code 1 where the program failed.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from neurflow_report import report
from neurflow_report.errors import ReportError
from neurflow_report.spec.load import load_spec
from tests.oracles import patchwork

NAMES = ("ant", "bee", "cat")


def write(folder: Path) -> Path:
    """A spec over a few pictures, in `folder`; → its file."""
    random = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        (folder / "pictures" / name).mkdir(parents=True)
        for i in range(2):
            pixels = random.integers(0, 120, (32, 32, 3), dtype=np.uint8)
            pixels[8 * i : 8 * i + 12, 4:20, number] = 230
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{i}.png")
    spec = {
        "version": 1,
        "title": "Random",
        "model": {
            "source": "python", "factory": "patchwork:network", "python_path": str(Path(patchwork.__file__).parent),
            "weights": "none", "kwargs": {"seed": 0},
        },
        "data": {"source": "folder", "root": "pictures", "select": "any", "limit": 2},
        "classes": ["bee"],
        "layers": {"most": 3},
        "preprocess": {"size": 32, "resize": 32},
        "concept": {"k": 5, "scales": [1.0, 0.5]},
        "attribution": {"nodes": 2, "max_nodes": 4},
        "core": {"tau": 2},
        "fidelity": {"experiments": ["masking"], "draws": 2},
        "report": {"formats": ["html"]},
        "runtime": {"device": "cpu", "memory": "500MB"},
        "output": str(folder / "out"),
    }  # fmt: skip
    file = folder / "spec.yaml"
    file.write_text(yaml.safe_dump(spec, sort_keys=False))
    return file


def outcome(spec: Path, seed: int) -> tuple[str, str]:
    """What came out for the network of that number: `ran`, or the error's name, with `late` where all checks had
    passed; and what was said."""
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = load_spec(spec, [f"model.kwargs.seed={seed}"], allow_code=True)
            report.analyze(loaded)
    except ReportError as error:
        return f"{error.problems()[0].slug}{_late(error)}", str(error)
    except Exception as error:
        return f"internal-error{_late(error)}", traceback.format_exc()
    return "ran", ""


def _late(error: BaseException) -> str:
    """Whether all checks had passed."""
    return " (late)" if any(f.name == "_examine_all" for f in traceback.extract_tb(error.__traceback__)) else ""


def main(count: int, first: int = 0) -> int:
    found = Counter[str]()
    with tempfile.TemporaryDirectory() as folder:
        spec = write(Path(folder))
        for seed in range(first, first + count):
            name, said = outcome(spec, seed)
            found[name] += 1
            if name != "ran":
                print(f"{seed}: {name}: {said}", flush=True)
    print(f"{count} networks: " + ", ".join(f"{number} {name}" for name, number in found.most_common()))
    return int(any(name.startswith("internal-error") for name in found))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:3])))
