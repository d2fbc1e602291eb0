"""A table with a column for each class or layer, on paper: cut into tables that a sheet has room for."""

from __future__ import annotations

from dataclasses import replace

from neurflow_report.drawing.view.model.components import Table

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
