"""CSV as RFC 4180 has it, but for line ends (\\n): a header line, commas, quotes where they are needed.

A spreadsheet runs a cell that begins like a formula, and aliases are chosen by strangers: every text is made harmless
(domain/text.py). Numbers are only ours, and stay numbers: amounts in msat, and in bitcoin without rounding.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from io import StringIO
from typing import Final, NamedTuple

from revops.domain.text import csv_cell
from revops.domain.units import btc_exact

#: So many rows become one text: fewer writes, and still no more memory for millions of rows.
_BATCH_ROWS: Final = 500


class Btc(NamedTuple):
    """An amount that is to be shown in bitcoin."""

    msat: int


Cell = str | int | float | Btc | None


def csv_texts(headings: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    """Given headings and rows, yield the text of the file, some lines at a time, the header line first."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(headings)
    for number, row in enumerate(rows, start=1):
        writer.writerow([_text(cell) for cell in row])
        if number % _BATCH_ROWS == 0:
            yield _taken(buffer)
    yield _taken(buffer)


def _taken(buffer: StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return _safe(cell)
    return btc_exact(cell.msat) if isinstance(cell, Btc) else str(cell)


#: Names come again in each row; the search for what a spreadsheet would run takes longer than all else of a row.
_safe: Final = lru_cache(maxsize=4_096)(csv_cell)


def moment(at: float) -> str:
    """Given a UTC epoch, return it as ISO 8601 to the second, cut: it stays within its day; nothing for one that no
    calendar has, as a node may tell.
    """
    try:
        return datetime.fromtimestamp(int(at // 1), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError):
        return ""
