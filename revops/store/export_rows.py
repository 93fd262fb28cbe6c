"""What exports list, row by row in order of time, never all at once: there are millions of forwards.

Each list adds up to the figures of profit and loss for any period of whole UTC days (store/profits.py).
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Mapping
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, Select, bindparam, select

from revops.domain.chain_cost import CostKind
from revops.domain.exported import ChannelName, CircularEntry, CostEntry, ForwardEntry
from revops.domain.forward import ForwardStatus
from revops.domain.period import Period
from revops.store.circular import circular_each
from revops.store.days import DAY_SECONDS
from revops.store.engine import NODE, Tx
from revops.store.flows import status_literal
from revops.store.profits import LEASE_TAG, day_bounds
from revops.store.tables import chain_cost, channel, forward, forward_day, move_sum, peer

#: So many rows are held at a time; PostgreSQL's driver would fetch all of them.
_BATCH_ROWS: Final = 2_000
#: A channel of which there is no row: it must not take its sums along.
_NOBODY: Final = ChannelName("")
LEASE_PAID: Final = "lease_paid"
LEASE_EARNED: Final = "lease_earned"


def channel_names(tx: Tx) -> dict[int, ChannelName]:
    """Return who each channel is, by channel_key."""
    return {
        row.channel_key: ChannelName(row.channel_id, row.scid or row.alias_local, row.peer_id, row.alias)
        for row in tx.execute(_names())
    }


@cache
def _names() -> Executable:
    columns = (channel.c[name] for name in ("channel_key", "channel_id", "scid", "alias_local"))
    return (
        select(*columns, peer.c.peer_id, peer.c.alias)
        .outerjoin(peer, (peer.c.node_key == channel.c.node_key) & (peer.c.peer_key == channel.c.peer_key))
        .where(channel.c.node_key == NODE)
    )


def forward_entries(tx: Tx, period: Period) -> Generator[ForwardEntry, None, None]:
    """Given a period, yield what settled in it; of a day, what was summarised comes first. Who stops before the end
    closes it while the transaction is open.
    """
    names = channel_names(tx)
    first, end = day_bounds(period.first_day, period.end_day)
    with (
        tx.execute(_raw(), b_since=first * float(DAY_SECONDS), b_until=end * float(DAY_SECONDS)) as raw_rows,
        tx.execute(_summarised(), b_first=first, b_end=end) as day_rows,
    ):
        raw = (
            ForwardEntry(
                row.counted_at, row.created_index, 1, *_ends(names, row), row.in_msat, row.out_msat, row.fee_msat
            )
            for row in raw_rows
        )
        summarised = (
            ForwardEntry(
                float(row.day * DAY_SECONDS), None, row.settled_count, *_ends(names, row), row.settled_in_msat,
                row.settled_out_msat, row.fee_msat,
            )
            for row in day_rows
        )  # fmt: skip
        yield from heapq.merge(summarised, raw, key=lambda one: one.counted_at)


def _ends(names: Mapping[int, ChannelName], row: Any) -> tuple[ChannelName, ChannelName]:
    return names.get(row.in_channel_key, _NOBODY), names.get(row.out_channel_key, _NOBODY)


@cache
def _raw() -> Select[Any]:
    row = forward.c
    names = ("created_index", "counted_at", "in_channel_key", "out_channel_key", "in_msat", "out_msat", "fee_msat")
    return (
        select(*(row[name] for name in names))
        .where(
            row.node_key == NODE,
            row.status == status_literal(ForwardStatus.SETTLED),
            row.counted_at >= bindparam("b_since"),
            row.counted_at < bindparam("b_until"),
        )
        .order_by(row.counted_at, row.created_index)
        .execution_options(yield_per=_BATCH_ROWS)
    )


@cache
def _summarised() -> Select[Any]:
    row = forward_day.c
    names = ("day", "in_channel_key", "out_channel_key", "settled_count", "settled_in_msat", "settled_out_msat")
    return (
        select(*(row[name] for name in names), row.fee_msat)
        .where(row.node_key == NODE, row.day >= bindparam("b_first"), row.day < bindparam("b_end"))
        .where(row.settled_count > 0)
        .order_by(row.day, row.in_channel_key, row.out_channel_key)
        .execution_options(yield_per=_BATCH_ROWS)
    )


def circular_entries(tx: Tx, period: Period) -> Generator[CircularEntry, None, None]:
    """Given a period, yield the circular payments in it, and what was booked for jobs beyond them."""
    names = channel_names(tx)
    first, end = day_bounds(period.first_day, period.end_day)
    for one in circular_each(tx, first * float(DAY_SECONDS), end * float(DAY_SECONDS)):
        payment_hash = None if one.payment_hash is None else one.payment_hash.hex()
        source, target = (names.get(key, _NOBODY) for key in (one.source_channel_key, one.target_channel_key))
        sums = (one.amount_msat, one.fee_msat, one.payment_count)
        yield CircularEntry(one.booked_at, payment_hash, one.job_key or None, source, target, *sums)


def cost_entries(tx: Tx, period: Period) -> Generator[CostEntry, None, None]:
    """Given a period, yield what transactions cost in it, by account, and each day's lease fees."""
    names = channel_names(tx)
    first, end = day_bounds(period.first_day, period.end_day)
    chain = (
        _chain_entry(row, names) for row in tx.execute(_costs(), b_since=first * DAY_SECONDS, b_until=end * DAY_SECONDS)
    )
    leases = (
        CostEntry(float(row.day * DAY_SECONDS), kind, cost_msat, 0, names.get(row.account_key))
        for row in tx.execute(_leases(), b_first=first, b_end=end)
        for kind, cost_msat in ((LEASE_PAID, row.debit_msat), (LEASE_EARNED, -row.credit_msat))
        if cost_msat
    )
    yield from heapq.merge(leases, chain, key=lambda one: one.booked_at)


def _chain_entry(row: Any, names: Mapping[int, ChannelName]) -> CostEntry:
    untold = row.kind == CostKind.UNTOLD.value
    return CostEntry(
        booked_at=float(row.booked_at),
        kind=row.kind,
        cost_msat=0 if untold else row.cost_msat,
        untold_msat=row.cost_msat if untold else 0,
        channel=names.get(row.account_key),
        txid=row.txid,
        blockheight=row.blockheight,
        share_count=row.share_count,
    )


@cache
def _costs() -> Executable:
    cost = chain_cost.c
    during = (cost.booked_at >= bindparam("b_since"), cost.booked_at < bindparam("b_until"))
    return (
        select(chain_cost).where(cost.node_key == NODE, *during).order_by(cost.booked_at, cost.txid, cost.account_key)
    )


@cache
def _leases() -> Executable:
    sums = move_sum.c
    in_days = (sums.day >= bindparam("b_first"), sums.day < bindparam("b_end"))
    return (
        select(sums.day, sums.account_key, sums.credit_msat, sums.debit_msat)
        .where(sums.node_key == NODE, *in_days, sums.tag == LEASE_TAG)
        .order_by(sums.day, sums.account_key)
    )
