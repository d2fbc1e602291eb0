"""The moment that SOURCE_DATE_EPOCH names: what a run's clock shows in its place, so that two runs are the same."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

from neurflow_report.errors import InputError

NAME = "SOURCE_DATE_EPOCH"
LAST = 253_402_300_799
"""The end of the year 9999."""


def source_date() -> datetime | None:
    """That moment, in UTC; None where the variable is not set, or empty.

    Others read it, too (the fonts of a PDF), so it is checked wherever something is made. Raises: InputError
    environment-bad-value.
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
