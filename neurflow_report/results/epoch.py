"""The moment that SOURCE_DATE_EPOCH names: what a run's clock shows in its place, so that two runs are the same."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from neurflow_report.errors import InputError

NAME = "SOURCE_DATE_EPOCH"
LAST = 253_402_300_799
"""The end of the year 9999."""


def source_date() -> datetime | None:
    """That moment, in UTC; None where the variable is not set, or empty.

    Others read it, too (the fonts of a PDF), so it is checked wherever something is made.

    Raises: InputError environment-bad-value.
    """
    text = os.environ.get(NAME, "")
    if not text:
        return None
    if not re.fullmatch("[0-9]{1,20}", text) or int(text) > LAST:
        shown = text if len(text) <= 60 else f"{text[:57]}…"
        message = f"the environment variable {NAME} is {shown!r}, and the seconds since 1970 were expected, 0 to {LAST}"
        hint = f"unset it, or set it as in {NAME}=1700000000"
        raise InputError("environment-bad-value", message, hint=hint)
    return datetime.fromtimestamp(int(text), UTC)


@contextmanager
def importing() -> Iterator[None]:
    """Inside, packages are imported that read the variable (SciPy, by way of numpy.f2py): one that is empty, or no
    number, at which they fail, is out of their sight. It is checked later, with all else."""
    hidden = None if re.fullmatch("[0-9]+", os.environ.get(NAME, "")) else os.environ.pop(NAME, None)
    try:
        yield
    finally:
        if hidden is not None:
            os.environ[NAME] = hidden
