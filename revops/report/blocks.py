"""What a page for a person is made of: lines and tables. `cli/output.py` shows them in the way that fits the stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

#: So many names stand in a note where nobody asks for more.
MOST_NAMES: Final = 5


class Tone(Enum):
    """How a text is meant, for a terminal with colours; it says the same without them."""

    GOOD = "good"
    BAD = "bad"
    WARN = "warn"


class Toned(str):
    """A cell with a tone; a text like any other where there are no colours."""

    __slots__ = ("tone",)

    tone: Tone | None

    def __new__(cls, text: str, tone: Tone | None) -> Toned:
        """Given a text and how it is meant, make the cell."""
        made = super().__new__(cls, text)
        made.tone = tone
        return made


def tone_of(text: str) -> Tone | None:
    """Given a cell, return its tone; None for a plain one."""
    return text.tone if isinstance(text, Toned) else None


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text."""

    text: str


@dataclass(frozen=True, slots=True)
class Legend(Line):
    """What the figures of a table mean: long, and folded wherever it goes."""


@dataclass(frozen=True, slots=True)
class Listing(Legend):
    """A legend that names some of what it is about: all with -v, else the first, and how many more there are."""

    names: tuple[str, ...]

    def told(self, *, whole: bool) -> str:
        """Return its text with all names, or with as many as a note may have."""
        shown = self.names if whole else self.names[:MOST_NAMES]
        more = len(self.names) - len(shown)
        return f"{self.text}: {', '.join(shown)}{f', and {more:,} more (-v)' if more else ''}"


@dataclass(frozen=True, slots=True)
class Table:
    """A table. A heading that begins with ">" names a column of numbers, aligned to the right."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Block = Line | Table
Blocks = Iterable[Block]
