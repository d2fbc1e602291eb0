"""Tables too wide or too long for a sheet: cut into parts side by side, or gathered by what stands first in a row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from neurflow_report.drawing.view.model.components import Cell, Table

MOST = 12
"""Columns of a table, at most: what the tables have whose columns are fixed."""
BESIDE = 8
"""Columns beside the first, where a table is cut."""


def across(table: Table | None) -> tuple[Table, ...]:
    """The table, or where it has too many columns its parts, each with the first column, which names the rows."""
    if table is None:
        return ()
    if len(table.columns) <= MOST:
        return (table,)
    starts = range(1, len(table.columns), BESIDE)
    return tuple(
        replace(
            table,
            caption=f"{table.caption}, part {number} of {len(starts)}",
            columns=(table.columns[0], *table.columns[start : start + BESIDE]),
            rows=tuple((row[0], *row[start : start + BESIDE]) for row in table.rows),
        )
        for number, start in enumerate(starts, 1)
    )


def gathered(table: Table) -> Mapping[str, tuple[tuple[Cell, ...], ...]]:
    """The rows by their first cell's text, in the order of the table, without that cell."""
    names = dict.fromkeys(row[0].text for row in table.rows)
    return {name: tuple(row[1:] for row in table.rows if row[0].text == name) for name in names}
