"""What a page for a person is made of: lines and tables. `cli/output.py` shows them in the way that fits the stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text."""

    text: str


@dataclass(frozen=True, slots=True)
class Legend(Line):
    """What the figures of a table mean: long, and folded wherever it goes."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table. A heading that begins with ">" names a column of numbers, aligned to the right."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Line | Table
Blocks = Iterable[Block]
