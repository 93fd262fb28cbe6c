"""Before money is spent: does the node know of payments of ours that this database has forgotten?

A database that was put back from a backup lacks what was spent since, and a second one all that the first has spent:
its budget has room that isn't there. The node remembers: each payment of ours is labelled `revops-NODE-JOB-RUN-TIME`,
and its job is on record before anything is sent. A labelled payment without a job is a stray. What it cost is booked
where the node's records tell it; where they don't yet, nothing is spent until they do.

Payments that the plugin sling makes for us have no label; of those a database that was put back knows nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import Final

from revops.cycle.session import Session
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.sling import SentPayment
from revops.errors import DataError
from revops.store import cursors, strays
from revops.store.days import DAY_SECONDS
from revops.store.ledger import LONGEST_PAYMENT_SECONDS

PAGE_SIZE: Final = 1_000
#: No window looks back further than a week of blocks, which takes some days more now and then.
BOOKED_SECONDS: Final = 10 * DAY_SECONDS
_OURS: Final = re.compile(r"revops-[0-9]+-[0-9]+-[0-9]+-[0-9]+")
_log = logging.getLogger(__name__)


def look_for_strays(session: Session) -> tuple[Reason, ...]:
    """Book what strays have cost; return why nothing may be spent now, where that of some isn't known yet.

    Rows are read once: from the first on which nothing could be decided on, those that are new. The first time all are.
    """
    with session.database.read(session.node_key) as tx:
        after = cursors.cursor(tx, cursors.SENT_PAYMENTS)
    unclear_count, full = 0, True
    while full:
        page = session.reader.sent_payments(after + 1, PAGE_SIZE)
        if any(row.created_index <= after for row in page):
            raise DataError(f"listsendpays: a row was listed where {after + 1} was the first asked")
        left = _book(session, page)
        last = max((row.created_index for row in page), default=after)
        if unclear_count == 0:
            decided = min((row.created_index - 1 for row in left), default=last)
            with session.database.transaction(session.node_key) as tx:
                cursors.set_cursor(tx, cursors.SENT_PAYMENTS, decided)
        unclear_count += len(left)
        after, full = last, len(page) >= PAGE_SIZE
    return (why(ReasonCode.STRAY_PAYMENTS, payment_count=unclear_count),) if unclear_count else ()


def _book(session: Session, page: Sequence[SentPayment]) -> list[SentPayment]:
    """Return the strays among these payments that couldn't be booked."""
    now, run_key = session.clock(), session.recorded_run_key()
    ours = [row for row in page if row.status != "failed" and row.label is not None and _OURS.fullmatch(row.label)]
    if not ours:
        return []
    with session.database.read(session.node_key) as tx:
        seen = set(strays.known(tx, ours))
    left: list[SentPayment] = []
    for row in ours:
        if row.payment_hash in seen or row.created_at < now - BOOKED_SECONDS - LONGEST_PAYMENT_SECONDS:
            continue
        seen.add(row.payment_hash)
        with session.database.transaction(session.node_key) as tx:
            by_moves = strays.moved(tx, row.payment_hash)
            if row.status != "complete" or by_moves is None:
                left.append(row)
            elif by_moves.moved_at >= now - BOOKED_SECONDS:
                job_key, fee_msat = strays.adopt(tx, row, by_moves, run_key=run_key, at=now)
                _log.warning(
                    "the node knows a payment of ours that this database has forgotten (%s): its %d msat are booked as"
                    " rebalance job %d; was the database restored from a backup, or is there another?",
                    row.label, fee_msat, job_key,
                )  # fmt: skip
    return left
