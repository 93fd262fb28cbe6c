"""How far a list of the node was read. A cursor that went too far would never let in what it has passed, so that it
goes by rows that the node has listed, never by what `wait` alone says; and by no row that `wait` doesn't know.
"""

from __future__ import annotations

from collections.abc import Sequence

from revops.errors import DataError
from revops.node.reader import ForwardIndex, Reader, Subsystem

#: pyln-client's read loop is quadratic in the size of a reply; at 5,000 rows it costs next to nothing.
PAGE_SIZE = 5_000
#: As many pages are stored in one transaction: so much of a first sync is read again after a kill, and each day's sums
#: are written a few times less often than with each page by itself.
PAGES_AT_ONCE = 4
Place = tuple[Subsystem, ForwardIndex]


def reached(reader: Reader, place: Place, after: int, indexes: Sequence[int], top: int) -> tuple[int, int]:
    """Given the indexes of a page that was asked for from `after` on, and how far the list reached before, return how
    far it was read with this page, and how far it reaches.

    A list that has grown meanwhile is asked again. Raise DataError for a row that wasn't asked for, or that lies beyond
    what the list says of itself.
    """
    if not indexes:
        return after, top
    first = min(indexes)
    if first <= after:
        raise DataError(f"{place[0]}: row {first} was listed by {place[1]}, where {after + 1} was the first asked")
    last = max(indexes)
    if last > top:
        top = reader.top_index(*place)
        if last > top:
            raise DataError(f"wait {place[0]}: the node's {place[1]} index is {top}, but row {last} was listed")
    return last, top


def is_listed(reader: Reader, index: ForwardIndex, value: int) -> bool:
    """Given how far `wait` says that an index of forwards reaches, return whether there is such a row."""
    rows = reader.forwards(index, value, 1)
    return any((row.created_index if index == "created" else row.updated_index) == value for row in rows)
