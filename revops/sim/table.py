"""A table with lightningd's indexes: `created_index`, `updated_index` and a count of deletions (wait.c, db `rowid`).

Rows are only ever appended, so both orders are sorted lists and a page is a bisection and a slice. A row that was never
changed has `updated_index` 0: `index=updated` lists it from start 0 only, as `WHERE updated_index >= ?` does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Generic, Protocol, TypeVar


class Row(Protocol):
    """What the table needs of a row; the table alone writes both fields."""

    created_index: int
    updated_index: int


R = TypeVar("R", bound=Row)


class IndexedTable(Generic[R]):
    """Rows in creation order with the three counters of `wait`."""

    def __init__(self) -> None:
        self.created = 0
        self.updated = 0
        self.deleted = 0
        self._rows: list[R] = []
        self._created_keys: list[int] = []
        self._changes: list[R] = []
        self._updated_keys: list[int] = []

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[R]:
        return iter(self._rows)

    def add(self, row: R) -> R:
        """Append a row and give it the next created index."""
        self.created += 1
        row.created_index = self.created
        row.updated_index = 0
        self._rows.append(row)
        self._created_keys.append(self.created)
        return row

    def renumber(self, key: Callable[[R], int]) -> None:
        """Order the rows anew and number them from 1: for a table whose past is being made up, before anyone reads."""
        rows, self._rows, self._created_keys, self.created = sorted(self._rows, key=key), [], [], 0
        for row in rows:
            self.add(row)

    def touch(self, row: R) -> None:
        """Record that a row changed: it moves to the end of the `updated` order. A row that is gone stays gone."""
        if not self.holds(row):
            return
        self.updated += 1
        row.updated_index = self.updated
        self._changes.append(row)
        self._updated_keys.append(self.updated)

    def holds(self, row: R) -> bool:
        """Whether the row is (still) in the table."""
        position = bisect_left(self._created_keys, row.created_index)
        return position < len(self._rows) and self._rows[position] is row

    def rows_from(self, index: str, start: int) -> Iterator[R]:
        """Return the rows whose index ("created" or "updated") is at least `start`, in that order."""
        if index == "created":
            for position in range(bisect_left(self._created_keys, start), len(self._rows)):
                yield self._rows[position]
            return
        if start == 0:
            yield from (row for row in self._rows if row.updated_index == 0)
        for position in range(bisect_left(self._updated_keys, start), len(self._changes)):
            row = self._changes[position]
            if row.updated_index == self._updated_keys[position]:
                yield row

    def page(self, index: str, start: int, limit: int | None, keep: Callable[[R], bool] | None = None) -> list[R]:
        """Return at most `limit` rows from `start` that `keep` accepts; the limit counts accepted rows (SQL LIMIT)."""
        page: list[R] = []
        for row in self.rows_from(index, start):
            if limit is not None and len(page) >= limit:
                break
            if keep is None or keep(row):
                page.append(row)
        return page

    def delete(self, doomed: Callable[[R], bool]) -> list[R]:
        """Delete the rows that `doomed` accepts, count them, and return them. Indexes are never reused."""
        gone = [row for row in self._rows if doomed(row)]
        self._drop({row.created_index for row in gone})
        self.deleted += len(gone)
        return gone

    def restore(self, kept: Callable[[R], bool]) -> list[R]:
        """Forget what `kept` refuses as a restored backup would: the counters fall back. Return the forgotten rows."""
        gone = [row for row in self._rows if not kept(row)]
        self._drop({row.created_index for row in gone})
        self.created = self._created_keys[-1] if self._created_keys else 0
        self.updated = max((row.updated_index for row in self._rows), default=0)
        return gone

    def _drop(self, created_indexes: set[int]) -> None:
        self._rows = [row for row in self._rows if row.created_index not in created_indexes]
        self._created_keys = [row.created_index for row in self._rows]
        self._changes = sorted((row for row in self._rows if row.updated_index), key=lambda row: row.updated_index)
        self._updated_keys = [row.updated_index for row in self._changes]
