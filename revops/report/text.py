"""Blocks as plain text, for pipes and files: tabulate, since rich cuts cells where there is no terminal."""

from __future__ import annotations

import textwrap
from typing import Final

from revops.domain.text import printable
from revops.report.blocks import Block, Blocks, Legend, Line, Listing, Table

#: A text in the last column is folded at this width: with the columns before it a line still fits a page.
PROSE_WIDTH: Final = 100
#: What a legend is folded at where there is no terminal.
LEGEND_WIDTH: Final = 120


def page(blocks: Blocks) -> str:
    """Given blocks, return them as one text, with all that they name: a file can't be asked for more."""
    return "\n".join(block_text(block, whole=True) for block in blocks) + "\n"


def block_text(block: Block, *, whole: bool = False) -> str:
    """Given a block, return its text: a table as wide as it is, a legend folded, any other line as one. `whole`: with
    all names of a listing.
    """
    if isinstance(block, Table):
        return table_text(block)
    text = line_text(block, whole=whole)
    return folded(text, LEGEND_WIDTH) if isinstance(block, Legend) else text


def line_text(line: Line, *, whole: bool) -> str:
    """Given a line, return what it says, on one."""
    return printable(line.told(whole=whole) if isinstance(line, Listing) else line.text)


def folded(text: str, width: int) -> str:
    """Given one line and a width, return it broken between words, what follows indented below its text."""
    if len(text) <= width:
        return text
    start = len(text) - len(text.lstrip(" -"))
    return textwrap.fill(
        text, width, subsequent_indent=" " * start, break_long_words=False, break_on_hyphens=False
    )  # fmt: skip


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
