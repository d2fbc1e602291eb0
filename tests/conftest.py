"""What all tests share: hypothesis draws the same examples in every run, and no test fails for being slow; signals do
what they do in a terminal, also where the tests are started by nohup or in the background of a script; files with
long tests come first.

HYPOTHESIS_PROFILE=searching draws others each time.
"""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, settings

from neurflow_report.demo.flowers import DATASET
from neurflow_report.drawing.write.sandbox import Sandbox
from tests.small_spec import SMALL, merged

settings.register_profile("searching", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", settings.get_profile("searching"), derandomize=True, database=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))

os.environ.setdefault("NEURFLOW_REPORT_CACHE", "off")  # what one test found, no other is to be given

for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, usual)


def pytest_collection_modifyitems(items):
    """The files with most slow tests (a browser's are such) are begun first, then those with most tests, so that no
    long one is left for the end, when the other cores have nothing more to do."""
    marks = ("slow", "browser")
    slow = Counter(item.path for item in items if any(item.get_closest_marker(mark) for mark in marks))
    count = Counter(item.path for item in items)
    items.sort(key=lambda item: (-slow[item.path], -count[item.path], str(item.path)))


@pytest.fixture(scope="session", autouse=True)
def compiled_once():
    """A template is compiled once a worker, not once a report: a third of the time of a small report's pages."""
    kept, compiled = {}, Sandbox.compile

    def compile_once(sandbox, *template):
        if template not in kept:
            kept[template] = compiled(sandbox, *template)
        return kept[template]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sandbox, "compile", compile_once)
        yield


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
    """A folder of the demo's pictures: a sub-folder for each of its first eight classes, `count` PNG files in each."""

    def make(count: int = 2, classes=DATASET.class_names[:8]) -> Path:
        root = tmp_path / "pictures"
        for name in classes:
            folder = root / name
            folder.mkdir(parents=True)
            for number in range(count):
                DATASET.draw(DATASET.class_names.index(name), number)[0].save(folder / f"{number}.png")
        return root

    return make
