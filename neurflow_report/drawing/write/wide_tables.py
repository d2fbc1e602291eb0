"""Tables too wide or too long for a sheet: cut into parts side by side, or gathered by what stands first in a row; and
short rows in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate

from neurflow_report.drawing.view.model.components import Cell, Table
from neurflow_report.drawing.view.text.glossary import Word

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


LETTERS = {1: 120, 2: 58, 3: 36}
"""Of a line, by how many columns a sheet has."""


def balanced(items: Sequence[tuple[Cell, ...]] | Sequence[Word], columns: int) -> tuple[tuple[object, ...], ...]:
    """Items in order in at most so many columns of about as many lines. WeasyPrint balances columns of its own by
    setting them again and again: two thirds of the time of a report."""
    *begins, total = accumulate((1 + _letters(item) // LETTERS[columns] for item in items), initial=0)
    placed = [(item, begin * columns // total) for item, begin in zip(items, begins, strict=True)]
    return tuple(found for n in range(columns) if (found := tuple(item for item, column in placed if column == n)))


def _letters(item: tuple[Cell, ...] | Word) -> int:
    return sum(len(cell.text) for cell in item) if isinstance(item, tuple) else len(item.term) + len(item.text)
