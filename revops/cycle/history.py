"""`revops history`: the node's whole life, closed channels included, as far as anything remembers it. Reads only."""

from __future__ import annotations

import time

from revops.cycle.named import Names, meant
from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.history import History, endings
from revops.domain.options import CommonOptions
from revops.domain.profit import ChannelProfit, total_of
from revops.store import nodes, profits
from revops.store.balance_change import balance_change
from revops.store.books import books
from revops.store.cursors import ledger_is_read
from revops.store.engine import Tx
from revops.store.profit_rows import channel_profits
from revops.store.scids import names_by_channel

COMMAND = "history"


def run(options: CommonOptions, channel: str | None = None, clock: Clock = time.time) -> History:
    """Given the flags and a channel or peer (None: all), return its history. Raise UnknownChannel for a name that
    nothing goes by.
    """
    with open_records(options, COMMAND, clock) as records, records.database.read(records.node_key) as tx:
        found = profits.lines(tx, None, None)
        channels = channel_profits(tx, found.by_channel)
        total, opening_msat = found.total, (standing.opening_msat or 0) if (standing := books(tx)) else 0
        if channel is not None:
            channels = _named(tx, channel, channels)
            total, opening_msat = total_of(one.line for one in channels), 0
        return History(
            taken_at=clock(),
            synced_at=nodes.node_row(tx).synced_at,
            since_at=profits.first_at(tx),
            opening_msat=opening_msat,
            total=total,
            endings=endings(channels),
            channels=channels,
            ledger_read=ledger_is_read(tx),
            untold_msat=found.untold_msat if channel is None else 0,
            balance=balance_change(tx, None, None, found) if channel is None else None,
        )


def _named(tx: Tx, name: str, channels: tuple[ChannelProfit, ...]) -> tuple[ChannelProfit, ...]:
    known = names_by_channel(tx)

    def names_of(one: ChannelProfit) -> Names:
        own = known.get(one.channel_id, frozenset()) | {one.channel_id, one.name}
        return Names(own, one.peer_id, one.alias)

    return tuple(meant(name, channels, names_of, "the records know no channel or peer"))
