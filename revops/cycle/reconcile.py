"""`revops reconcile`: all that the records say, held against the node, to the msat."""

from __future__ import annotations

import time
from functools import partial

from revops.cycle.ingest import opening_of
from revops.cycle.session import Clock, Session, open_session
from revops.decide.chain_costs import chain_costs
from revops.decide.reconcile import compared_count, differences
from revops.domain.measures import CommandFigures
from revops.domain.options import CommonOptions
from revops.domain.reconciliation import Reconciliation
from revops.domain.summary import SyncSummary
from revops.errors import Unexplained
from revops.store import reconciled
from revops.store.chain_costs import wrong_costs
from revops.store.closes import final_txids
from revops.store.recount import wrong_sums

COMMAND = "reconcile"
#: A node that forwards all the time may never stand still: then figures of different moments are compared, and said so.
MOST_LOOKS = 5


def run(options: CommonOptions, clock: Clock = time.time) -> Reconciliation:
    """Given the flags, sync, and compare; return what differs, and why."""
    with open_session(options, COMMAND, None, clock) as session:
        session.sync()
        for _ in range(MOST_LOOKS):
            found = _look(session)
            if found.still:
                break
        session.figures = CommandFigures(reconciled=found)
        if not found.agrees:
            session.exit_code = Unexplained.exit_code  # as the command line will have it
        return found


def _look(session: Session) -> Reconciliation:
    """Ask the node how it stands, sync once more, and compare. Where that sync has brought nothing, the node stood as
    the records do.
    """
    reader = session.reader
    info, channels, closed, wallet = session.node_info(), reader.channels(), reader.closed_channels(), reader.wallet()
    still = not _has_news(session.sync().summary)
    with session.database.read(session.node_key) as tx:
        books, to_sweep = reconciled.node_books(
            tx, channels, closed, fees_collected_msat=info.fees_collected_msat, wallet_msat=wallet.confirmed_msat
        )
        book = partial(chain_costs, opening=opening_of(channels), final=final_txids(tx))
        damaged = (*wrong_sums(tx.connection, tx.node_key), *wrong_costs(tx, book))
    return Reconciliation(
        taken_at=session.clock(),
        books=books,
        differences=differences(books),
        still=still,
        compared_count=compared_count(books),
        to_sweep=to_sweep,
        damaged=damaged,
    )


def _has_news(summary: SyncSummary) -> bool:
    return bool(summary.new_forward_count or summary.changed_forward_count or summary.move_count)
