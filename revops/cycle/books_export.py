"""`revops export`: rows of the books for accountants and other programs. Reads the records only, at one moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.options import CommonOptions
from revops.domain.period import Period, last_days
from revops.store import export_rows, nodes
from revops.store.engine import Tx

#: What can be exported row by row: forwards, circular payments, costs.
LISTS: Final[dict[str, Callable[[Tx, Period], Generator[Any, None, None]]]] = {
    "forwards": export_rows.forward_entries,
    "rebalances": export_rows.circular_entries,
    "costs": export_rows.cost_entries,
}


@contextmanager
def rows(
    options: CommonOptions, what: str, period: Period | None = None, clock: Clock = time.time
) -> Iterator[tuple[Iterator[Any], str]]:
    """Given the flags, what of LISTS, and the period (all that is on record), yield its rows, which come as they are
    taken, and the node's network.
    """
    with open_records(options, f"export {what}", clock) as records, records.database.read(records.node_key) as tx:
        network = nodes.node_row(tx).network
        with closing(LISTS[what](tx, period or whole(clock()))) as found:
            yield found, network


def whole(now: float) -> Period:
    """Given the moment, return the period from the beginning of all to today."""
    return Period(None, last_days(now, 1).end_day)
