"""What rebalances really did: the node's own ledger of channel moves, held against what was planned and booked."""

from __future__ import annotations

import logging

from revops.cycle.pages import PAGE_SIZE, Place, reached
from revops.cycle.session import Session
from revops.errors import TemporaryError
from revops.node.errors import NodeError
from revops.node.reader import Reader
from revops.store import cursors, jobs, ledger, moves, payments
from revops.store.engine import Database

#: Settlements of this long ago are compared; moves come with the payment or, after trouble, with one of the next runs.
LOOK_BACK_SECONDS = 30 * 86_400
_log = logging.getLogger(__name__)


def read_channel_moves(database: Database, node_key: int, reader: Reader) -> None:
    """Copy what is new in the node's ledger of channel moves. The caller holds the lock of `sync`."""
    place: Place = ("channelmoves", "created")
    top = reader.top_index(*place)
    with database.read(node_key) as tx:
        last = cursors.cursor(tx, cursors.CHANNEL_MOVES)
    more = True
    while more and last < top:
        page = reader.channel_moves(last + 1, PAGE_SIZE)
        last, top = reached(reader, place, last, [row.created_index for row in page], top)
        more = len(page) >= PAGE_SIZE
        if page:
            with database.transaction(node_key) as tx:
                moves.ingest_channel_moves(tx, page)
                cursors.set_cursor(tx, cursors.CHANNEL_MOVES, last)


def compare_with_moves(session: Session) -> None:
    """Read the moves of what has just settled, and note where they say something else than what was planned and booked.

    Where a refill arrived over another channel, it counts there. Of two prices the dearer is booked. A job whose moves
    aren't there yet is looked at by a later run.
    """
    try:
        with session.exclusive("sync"):
            read_channel_moves(session.database, session.node_key, session.reader)
    except (TemporaryError, NodeError) as error:  # all is booked already: nothing of it waits for this
        _log.info("channel moves are left to a later run: %s", error)
        return
    run_key = session.recorded_run_key()
    with session.database.read(session.node_key) as tx:
        found = payments.surprises(tx, session.clock() - LOOK_BACK_SECONDS)
    for one in found:
        note = _note_of(one)
        _log.warning("rebalance job %d: %s", one.job_key, note)
        now, more_msat = session.clock(), one.moved_msat - one.booked_msat
        with session.database.transaction(session.node_key) as tx:
            if more_msat > 0:
                ledger.correct(tx, run_key=run_key, job_key=one.job_key, amount_msat=more_msat, at=now)
            else:
                ledger.take_fence(tx, run_key)
            fee_msat = max(one.booked_msat, one.moved_msat)
            jobs.note_moves(tx, one.job_key, fee_msat, run_key=run_key, at=now, note=note)


def _note_of(one: payments.Surprise) -> str:
    parts = []
    if one.actual_target != one.planned_target:
        parts.append(f"it arrived over channel {one.actual_target}, not over {one.planned_target}, and counts there")
    if one.moved_msat != one.booked_msat:
        parts.append(
            f"it cost {one.booked_msat} msat by listsendpays, {one.moved_msat} by listchannelmoves: the dearer counts"
        )
    return "; ".join(parts)
