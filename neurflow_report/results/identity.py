"""What results are cited by."""

from __future__ import annotations

import hashlib

from neurflow_report.results.records import Manifest


def identity(manifest: Manifest) -> str:
    """The sha256 over the names and digests of the bundle's files: what the report was made from, without the clock."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(manifest.files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()
