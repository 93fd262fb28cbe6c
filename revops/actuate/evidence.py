"""Did money leave? Asked where the node has deleted both the record of a payment and the invoice that it paid.

The node's ledger of channel moves is never cleaned. lightningd writes a move when it takes a fulfilled HTLC off a
channel (lightningd/peer_htlcs.c, remove_htlc_out), so for a channel that is still open, and on which no HTLC of the
payment is left, the ledger's silence is proof. What was settled on the chain leaves no such row; but a channel that is
not even listed any more has no HTLC whose end is open.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from revops.domain.record import JobRecord
from revops.errors import DataError
from revops.node.reader import Reader

PAGE_SIZE: Final = 1_000
#: Rows are read from the newest backwards, to this long before the job was planned: node and tool share a clock.
MARGIN_SECONDS: Final = 86_400


class Evidence(Enum):
    """What the node can still tell of a payment without a record."""

    #: It was made: the ledger has it.
    PAID = auto()
    #: It was not made, and can't be any more.
    UNPAID = auto()
    #: It is final, but nobody knows how it ended.
    LOST = auto()
    #: It may still be under way.
    OPEN = auto()


def look_for(job: JobRecord, reader: Reader) -> Evidence:
    """Given a job whose invoice can't be paid any more, return what became of its payment.

    The order matters: first whether an HTLC is left, then the ledger.
    """
    source = next((channel for channel in reader.channels() if channel.channel_id == job.source_channel_id), None)
    if _has_move(job, reader):
        return Evidence.PAID
    if source is None:
        return Evidence.LOST
    if not source.live or any(htlc.payment_hash == job.payment_hash for htlc in source.htlcs):
        return Evidence.OPEN
    return Evidence.UNPAID


def _has_move(job: JobRecord, reader: Reader) -> bool:
    """What `wait` says is only where the search begins: what lies above is looked at, too, and that nothing is there
    where it says that something is can't be true, since moves are never deleted.
    """
    top = last = reader.top_index("channelmoves", "created")
    if last > 0 and not reader.channel_moves(last, 1):
        raise DataError(f"wait channelmoves: the created index is {last}, but no such row is listed")
    full = True
    while full:
        rows = reader.channel_moves(top + 1, PAGE_SIZE)
        if any(row.payment_hash == job.payment_hash for row in rows):
            return True
        full, top = len(rows) >= PAGE_SIZE, max((row.created_index for row in rows), default=top)
    while last > 0:
        first = max(1, last - PAGE_SIZE + 1)
        rows = reader.channel_moves(first, last - first + 1)
        if any(row.payment_hash == job.payment_hash for row in rows):
            return True
        if rows and all(row.moved_at < job.created_at - MARGIN_SECONDS for row in rows):
            return False
        last = first - 1
    return False
