"""What the records hold against the node: forwards, the node's own ledger, and what was booked for rebalances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from sqlalchemy import Executable, func, select

from revops.domain.channel import Channel, ClosedChannel
from revops.domain.forward import OPEN_TAG
from revops.domain.reconciliation import NOTHING, ChannelBooks, NodeBooks, Sides
from revops.store.accounts import OUTSIDE_KEY, WALLET_KEY
from revops.store.books import books
from revops.store.closes import is_close
from revops.store.cursors import CHANNEL_MOVES_FROM, cursor
from revops.store.engine import NODE, Tx
from revops.store.flows import FlowSum, flow_sums
from revops.store.keys import total
from revops.store.move_sums import ROUTED_IN, ROUTED_OUT, moves_ever
from revops.store.sums import NO_CHANNEL
from revops.store.tables import chain_move, channel, rebalance_job, rebalance_payment, spend_ledger
from revops.store.under_way import under_way

#: A channel in these states has its funds on the chain, and none of them in the ledger.
_ON_CHAIN: Final = frozenset({"ONCHAIN"})
#: In these they are on the way there, or not in it yet.
_ON_THE_WAY: Final = frozenset({"FUNDING_SPEND_SEEN"})
_NOT_LOCKED_IN: Final = ("AWAITING_LOCKIN", "DUALOPEND_OPEN")


@dataclass(slots=True)
class _Chain:
    """A channel by the moves on the chain."""

    balance_msat: int = 0
    fulfilled_in_msat: int = 0
    fulfilled_out_msat: int = 0
    fulfilled_count: int = 0
    closed_msat: int | None = None
    opened: bool = False


def node_books(
    tx: Tx, listed: Iterable[Channel], closed: Iterable[ClosedChannel], *, fees_collected_msat: int, wallet_msat: int
) -> tuple[NodeBooks, tuple[str, ...]]:
    """Given what the node says, return all that is compared, and the channel_ids of closes of which something is still
    to be swept. To be called when the records are as far as the node.
    """
    here = {one.channel_id: one for one in listed}
    gone = {one.channel_id: one for one in closed}
    chain, waiting = _chain(tx)
    moved, routed, counted = _moves(tx)
    ever = flow_sums(tx, None)
    from_at = cursor(tx, CHANNEL_MOVES_FROM)
    before = flow_sums(tx, None, float(from_at)) if from_at else ever
    rows = tx.execute(_channels()).all()
    ending = under_way(tx, here.values(), {row.channel_id: row.channel_key for row in rows})
    found = []
    for row in rows:
        key, on_chain = row.channel_key, chain.get(row.channel_key, _Chain())
        ended = gone.get(row.channel_id)
        found.append(
            ChannelBooks(
                channel_id=row.channel_id,
                name=row.scid or row.alias_local or row.channel_id,
                known=not row.channel_id.startswith("unknown:"),
                forwards=_sides(ever.get(key)),
                before_ledger=_sides(before.get(key)),
                moves=routed.get(key, NOTHING),
                fulfilled_in_msat=on_chain.fulfilled_in_msat,
                fulfilled_out_msat=on_chain.fulfilled_out_msat,
                fulfilled_count=on_chain.fulfilled_count,
                ledger_msat=on_chain.balance_msat + moved.get(key, 0),
                balance_msat=_balance(here.get(row.channel_id)),
                final_msat=None if ended is None else ended.final_local_msat,
                closed_msat=on_chain.closed_msat,
                opening_known=on_chain.opened,
                under_way=ending.get(key, ()),
                forward_count=_count(ever.get(key)),
                before_count=_count(before.get(key)),
                move_count=counted.get(key, 0),
            )
        )
    standing = books(tx)
    names = {row.channel_key: row.channel_id for row in rows}
    compared = NodeBooks(
        fees_collected_msat=fees_collected_msat,
        opening_msat=0 if standing is None or standing.opening_msat is None else standing.opening_msat,
        recorded_fees_msat=sum(flow.earned_msat for flow in ever.values()),
        wallet_node_msat=wallet_msat,
        wallet_ledger_msat=chain.get(WALLET_KEY, _Chain()).balance_msat,
        channels=tuple(found),
        job_costs=tuple((row.job_key, int(row.moved_msat), row.fee_msat) for row in tx.execute(_job_costs())),
        booked_by_jobs_msat=int(tx.execute(_booked()).scalar_one()),
        booked_in_ledger_msat=int(tx.execute(_settled()).scalar_one()),
    )
    return compared, tuple(names[key] for key in waiting if key in names and names[key] not in gone)


def _balance(listed: Channel | None) -> int | None:
    """What the ledger must say of a channel: nothing of one that is gone, or whose funds are on the chain."""
    if listed is None or listed.state in _ON_CHAIN:
        return 0
    if listed.state in _ON_THE_WAY or any(part in listed.state for part in _NOT_LOCKED_IN):
        return None
    return listed.local_msat


def _sides(flow: FlowSum | None) -> Sides:
    return NOTHING if flow is None else Sides(flow.in_msat, flow.out_msat, flow.sourced_msat, flow.earned_msat)


def _count(flow: FlowSum | None) -> int:
    """How many times a forward entered or left."""
    return 0 if flow is None else flow.in_count + flow.out_count


def _moves(tx: Tx) -> tuple[Mapping[int, int], Mapping[int, Sides], Mapping[int, int]]:
    """What channel moves have changed each balance by, what forwards were by them, and how many moves these are."""
    balances: dict[int, int] = defaultdict(int)
    counts: dict[int, int] = defaultdict(int)
    routed: dict[int, Sides] = {}
    for row in moves_ever(tx):
        balances[row.account_key] += row.credit_msat - row.debit_msat
        if row.tag == ROUTED_IN:
            part = Sides(in_msat=row.credit_msat, sourced_msat=row.fees_msat)
        elif row.tag == ROUTED_OUT:
            part = Sides(out_msat=row.debit_msat, earned_msat=row.fees_msat)
        else:
            continue
        counts[row.account_key] += row.move_count
        routed[row.account_key] = routed.get(row.account_key, NOTHING) + part
    return balances, routed, counts


def _chain(tx: Tx) -> tuple[Mapping[int, _Chain], list[int]]:
    """Each account by the moves on the chain, and the channels of whose closing transactions outputs are missing."""
    rows = tx.execute(_chain_rows()).all()
    closes = {row.txid: row for row in rows if row.is_close}
    made: dict[str, set[str]] = defaultdict(set)
    found: dict[int, _Chain] = defaultdict(_Chain)
    for row in rows:
        if row.outpoint.startswith(row.txid):
            made[row.txid].add(row.outpoint)
        one = found[row.account_key]
        one.balance_msat += row.credit_msat - row.debit_msat
        one.opened |= row.tag == OPEN_TAG
        if row.tag == "htlc_fulfill" and row.credit_msat:
            ours = row.account_key != OUTSIDE_KEY
            target = one if ours else found[closes[row.txid].account_key] if row.txid in closes else _Chain()
            target.fulfilled_count += 1
            if ours:
                target.fulfilled_in_msat += row.credit_msat
            else:
                target.fulfilled_out_msat += row.credit_msat
    for row in closes.values():
        one = found[row.account_key]
        one.closed_msat = (one.closed_msat or 0) + row.debit_msat
    waiting = [
        row.account_key
        for txid, row in closes.items()
        if row.output_count is not None and len(made[txid]) < row.output_count
    ]
    return found, waiting


@cache
def _chain_rows() -> Executable:
    move = chain_move.c
    columns = (move.account_key, move.credit_msat, move.debit_msat, move.tag, is_close(move).label("is_close"),
               move.outpoint, move.txid, move.output_count)  # fmt: skip
    return select(*columns).where(move.node_key == NODE).order_by(move.created_index)


@cache
def _channels() -> Executable:
    columns = (channel.c[name] for name in ("channel_key", "channel_id", "scid", "alias_local"))
    return select(*columns).where(channel.c.node_key == NODE, channel.c.channel_key != NO_CHANNEL)


@cache
def _job_costs() -> Executable:
    job, paid = rebalance_job.c, rebalance_payment.c
    return (
        select(job.job_key, job.fee_msat, func.sum(paid.fee_msat).label("moved_msat"))
        .join(rebalance_payment, (paid.node_key == job.node_key) & (paid.job_key == job.job_key))
        .where(job.node_key == NODE, job.status == "settled")
        .group_by(job.job_key, job.fee_msat)
        .order_by(job.job_key)
    )


@cache
def _booked() -> Executable:
    job = rebalance_job.c
    return select(total(job.fee_msat)).where(job.node_key == NODE, job.status == "settled")


@cache
def _settled() -> Executable:
    entry = spend_ledger.c
    return select(total(entry.amount_msat)).where(
        entry.node_key == NODE, entry.kind == "settle", entry.category == "rebalance"
    )
