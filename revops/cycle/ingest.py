"""Copy what is new on the node into the database, exactly once. Every command that may act starts with this.

Two cursors on forwards, since a row can change after it was made: `created` finds new rows, `updated` finds changes.
The first sync notes where `updated` stands, makes the `created` pass, and starts `updated` there, so that history
isn't read twice; where no row bears that out, it is read twice. A few pages and their cursor are one transaction: a
run killed anywhere goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from revops.cycle.passes import Passes
from revops.domain.channel import Channel
from revops.domain.node import NodeInfo
from revops.domain.options import Progress, no_progress
from revops.domain.snapshot import NodeView
from revops.domain.summary import SyncSummary
from revops.node.reader import Reader
from revops.store import balances, books, channels, nodes, samples
from revops.store.engine import Database

#: The `updated` pass is repeated while the node forwards during the sync, so that the books can be compared.
MOST_PASSES: Final = 5
ALIAS_AGE_SECONDS: Final = 86_400.0
ALIASES_A_RUN: Final = 50


@dataclass(frozen=True, slots=True)
class Synced:
    """What one sync found: the node as it was read, and the counts for a person."""

    view: NodeView
    summary: SyncSummary


def sync_node(
    database: Database,
    node_key: int,
    reader: Reader,
    info: NodeInfo,
    clock: Callable[[], float],
    progress: Progress = no_progress,
) -> Synced:
    """Given a node and its key, copy what is new; return what was found, with the view that was read.

    Raise DataError, with nothing written, where the node's indexes lie below our cursors: it was restored from a
    backup, and new rows would take the place of ones that we know.
    """
    before_msat = info.fees_collected_msat
    view = _read_view(reader, info, clock)
    passes = Passes(database, node_key, reader, clock, progress, opening_of(view.channels))
    closed = reader.closed_channels()
    feerates = reader.feerates(view.taken_at)
    with database.transaction(node_key) as tx:
        channels.record_channels(tx, view.channels, view.taken_at)
        channels.record_closed(tx, closed, view.taken_at)
        balances.record_balances(tx, view.channels, view.taken_at)
        samples.record_feerates(tx, feerates)
        if info.sync_warning is None:  # a chain that is still being read tells no time
            samples.record_clock_mark(tx, view.taken_at, info.blockheight)
    passes.forwards()
    passes.moves()
    passes.again()
    passes.forgotten()
    _reconcile(passes, before_msat)
    _learn_aliases(database, node_key, reader, view.taken_at)
    with database.transaction(node_key) as tx:
        nodes.record_node(
            tx,
            info,
            wallet_spendable_msat=view.wallet.spendable_msat,
            channels_spendable_msat=view.spendable_msat,
            synced_at=view.taken_at,
        )
        reconciled = books.books(tx)
    summary = SyncSummary(
        taken_at=view.taken_at,
        new_forward_count=passes.new_count,
        changed_forward_count=passes.changed_count,
        move_count=passes.move_count,
        event_count=passes.event_count,
        channel_count=len(view.channels),
        closed_channel_count=len(closed),
        books=reconciled,
    )
    return Synced(view, summary)


def opening_of(channels: Iterable[Channel]) -> dict[str, set[str]]:
    """Given channels, return by txid those that a transaction funds, or is to fund."""
    found: dict[str, set[str]] = {}
    for channel in channels:
        for txid in channel.funding_txids:
            found.setdefault(txid, set()).add(channel.channel_id)
    return found


def _read_view(reader: Reader, info: NodeInfo, clock: Callable[[], float]) -> NodeView:
    taken_at = clock()
    return NodeView(taken_at=taken_at, node=info, wallet=reader.wallet(), channels=reader.channels())


def _reconcile(passes: Passes, before_msat: int) -> None:
    """Compare the node's own sum of fees with ours, at a moment when both have stood still.

    What the node had earned before it kept the rows that we found becomes the opening row, once. On a node that
    forwards all the time no such moment may come: then the last comparison stays, and the next run tries again.
    """
    for _ in range(MOST_PASSES):
        after_msat = passes.reader.info().fees_collected_msat
        if after_msat == before_msat:
            with passes.database.transaction(passes.node_key) as tx:
                books.record_reconciliation(tx, after_msat, passes.clock())
            return
        before_msat = after_msat
        passes.again()


def _learn_aliases(database: Database, node_key: int, reader: Reader, now: float) -> None:
    """Ask gossip for the names of peers, a few a run."""
    with database.read(node_key) as tx:
        peers = channels.peers_without_alias(tx, now - ALIAS_AGE_SECONDS, ALIASES_A_RUN)
    found = [(peer_id, reader.peer(peer_id).alias) for peer_id in peers]
    if found:
        with database.transaction(node_key) as tx:
            for peer_id, alias in found:
                channels.record_alias(tx, peer_id, alias, now)
