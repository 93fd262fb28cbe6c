"""Columns of a table for people that say nothing: left out. Documents keep all."""

from __future__ import annotations

from typing import Final

from revops.report.blocks import Table

#: Cells of a figure that is 0, unknown ("?"), or that there is none of ("-").
_NOTHING: Final = frozenset({"", "-", "?", "0"})


def telling(table: Table, *always: str) -> Table:
    """Given a table, and headings of columns that stay whatever is in them, return it without those columns of figures
    in which every cell is zero or unknown.
    """
    kept = [
        place
        for place, heading in enumerate(table.headings)
        if not heading.startswith(">")
        or heading.removeprefix(">") in always
        or any(row[place] not in _NOTHING for row in table.rows)
    ]
    return Table(
        table.title,
        tuple(table.headings[place] for place in kept),
        tuple(tuple(row[place] for place in kept) for row in table.rows),
    )
