"""What file managers leave in folders that somebody only looked at. It says nothing about whose a folder is."""

from __future__ import annotations

import os
from pathlib import Path

_NAMES = frozenset({".ds_store", ".directory", ".localized", "desktop.ini", "ehthumbs.db", "thumbs.db"})


def is_dropping(path: Path) -> bool:
    """Whether a file manager of macOS, Windows or KDE put this file there. It goes with the folder that it lies in."""
    known = path.name.lower() in _NAMES or path.name.startswith("._")
    return known and not path.is_symlink() and os.path.isfile(path)
