"""Did money leave? Asked where the node has deleted both the record of a payment and the invoice that it paid.

The node's ledger of channel moves is never cleaned. lightningd writes a move when it takes a fulfilled HTLC off a
channel (lightningd/peer_htlcs.c, remove_htlc_out), so for a channel that is still open, and on which no HTLC of the
payment is left, the ledger's silence is proof. In any other case there is none, and nothing may be concluded.
"""

from __future__ import annotations

from typing import Final

from revops.domain.record import JobRecord
from revops.node.reader import Reader

PAGE_SIZE: Final = 1_000
#: Rows are read from the newest backwards, to this long before the job was planned: node and tool share a clock.
MARGIN_SECONDS: Final = 86_400


def money_moved(job: JobRecord, reader: Reader) -> bool | None:
    """Given a job whose invoice can't be paid any more, return whether its payment was made; None where it isn't
    certain.

    The order matters: first that no HTLC is left, then the ledger.
    """
    source = next((channel for channel in reader.channels() if channel.channel_id == job.source_channel_id), None)
    settles_off_chain = source is not None and source.live
    under_way = source is not None and any(htlc.payment_hash == job.payment_hash for htlc in source.htlcs)
    if _has_move(job, reader):
        return True
    return False if settles_off_chain and not under_way else None


def _has_move(job: JobRecord, reader: Reader) -> bool:
    last = reader.top_index("channelmoves", "created")
    while last > 0:
        first = max(1, last - PAGE_SIZE + 1)
        rows = reader.channel_moves(first, last - first + 1)
        if any(row.payment_hash == job.payment_hash for row in rows):
            return True
        if rows and all(row.moved_at < job.created_at - MARGIN_SECONDS for row in rows):
            return False
        last = first - 1
    return False
