"""Blocks as plain text, for pipes and files: tabulate, since rich cuts cells where there is no terminal."""

from __future__ import annotations

from typing import Final

from revops.domain.text import printable
from revops.report.blocks import Blocks, Table

#: A text in the last column is folded at this width: with the columns before it a line still fits a page.
PROSE_WIDTH: Final = 100


def page(blocks: Blocks) -> str:
    """Given blocks, return them as one text."""
    lines = [table_text(block) if isinstance(block, Table) else printable(block.text) for block in blocks]
    return "\n".join(lines) + "\n"


def table_text(table: Table) -> str:
    """Given a table, return it with its title; all texts of strangers escaped."""
    from tabulate import tabulate

    last = len(table.headings) - 1
    prose = last > 0 and side_of(table.headings[last]) == "left"
    text = tabulate(
        [[printable(cell) for cell in row] for row in table.rows],
        headers=[heading.lstrip(">") for heading in table.headings],
        tablefmt="simple",
        disable_numparse=True,
        colalign=[side_of(heading) for heading in table.headings] if table.rows else None,
        maxcolwidths=[*[None] * last, PROSE_WIDTH] if prose and table.rows else None,
    )
    return f"{printable(table.title)}\n{text}\n" if table.title else text


def side_of(heading: str) -> str:
    """Given a column's heading, return where its cells are aligned."""
    return "right" if heading.startswith(">") else "left"
