"""Whether a report stands there already as it would be drawn: from the same bundle, by the same program and packages,
with the same templates, fonts and settings, and not changed since (ADR 30)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurflow_report.drawing.figures.dot import dot_marks
from neurflow_report.drawing.write.templates import own_templates
from neurflow_report.results.bundle import DIGEST
from neurflow_report.results.cache import Cache
from neurflow_report.results.surroundings import digest, modules, packages, program, system, tree, variables

SUFFIX = ".drawn"
IMPORTED = (
    "jinja2", "markupsafe", "matplotlib", "graphviz", "weasyprint", "pydyf", "tinycss2", "tinyhtml5", "cssselect2",
    "pyphen", "fontTools", "PIL", "numpy", "cffi", "pydantic", "yaml",
)  # fmt: skip
"""The packages that reports are drawn with."""
VARIABLES = ("LANG", "LC_", "TZ", "SOURCE_DATE_EPOCH", "FONTCONFIG", "XDG_", "HOME", "PANGO", "GV", "GRAPHVIZ", "MPL",
             "LD_")  # fmt: skip
_FONTS = (
    "/usr/share/fonts", "/usr/local/share/fonts", "~/.fonts", "~/.local/share/fonts", "~/.config/fontconfig",
    "/etc/fonts",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Redrawn:
    """A report's key, and where it is to stand: `places` by format."""

    cache: Cache
    key: str
    places: Mapping[str, Path]

    @classmethod
    def of(
        cls, cache: Cache, bundle: Path, places: Mapping[str, Path], templates: Path | None, names: Path, attach: bool
    ) -> Redrawn | None:
        """The key of a report.

        Args: names: the file with names by hand, which may not be there.
        Returns: None where something of it cannot be read.
        """
        try:
            made_from = [
                tree(bundle / DIGEST),
                tree(own_templates()),
                tree(templates) if templates else "",
                tree(names),
            ]
            fonts = [[place, _fonts(Path(place).expanduser())] for place in _FONTS]
        except (OSError, RuntimeError):
            return None
        values = {
            "program": program(),
            "packages": packages(),
            "modules": modules(IMPORTED),
            "system": system(),
            "variables": variables(VARIABLES),
            "dot": dot_marks(),
            "fonts": fonts,
            "matplotlib": [tree(file) for file in _matplotlibrc()],
            "made from": made_from,
            "formats": sorted(places),
            "attach": attach,
        }
        return cls(cache=cache, key=digest(values), places=places)

    def there(self) -> dict[str, Any] | None:
        """What was said of the report when it was drawn, if it stands there; else None."""
        said = self.cache.read(self.key, SUFFIX, lambda files: json.loads(files["drawn.json"]))
        try:
            same = isinstance(said, dict) and said["files"] == self._files()
        except (OSError, KeyError):
            return None
        return said["told"] if isinstance(said, dict) and same else None

    def keep(self, told: Mapping[str, Any], title: str) -> None:
        """Keep what stands there now, and what is said of it.

        Raises: OSError.
        """
        said = {"files": self._files(), "told": told}
        self.cache.write(self.key, SUFFIX, {"drawn.json": json.dumps(said).encode()}, name="(drawn)", title=title)

    def _files(self) -> dict[str, str]:
        return {name: tree(path) for name, path in sorted(self.places.items())}


def _fonts(folder: Path) -> list[list[Any]]:
    """The sizes and times of the files of a folder of fonts, or of their configuration."""
    found = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    found = [folder] if folder.is_file() else found
    return [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in found]


def _matplotlibrc() -> list[Path]:
    home = Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser()
    given = os.environ.get("MATPLOTLIBRC")
    beside = [Path(os.environ[name]) / "matplotlibrc" for name in ("MPLCONFIGDIR",) if os.environ.get(name)]
    rest = [Path("matplotlibrc"), home / "matplotlib" / "matplotlibrc", Path("~/.matplotlib/matplotlibrc").expanduser()]
    return [*([Path(given), Path(given) / "matplotlibrc"] if given else []), *beside, *rest]
