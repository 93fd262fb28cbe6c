"""Refills that are decided or under way, counted as done: whoever is decided on next finds what they leave.

A source has given its amount and the dearest price, a target has got it, and what it cost is at stake on both. So no
liquidity is given twice, and no income staked twice, as long as the node's own balances don't show it yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from revops.domain.channel import Channel
from revops.domain.rebalance import Lot
from revops.domain.record import JobRecord
from revops.domain.snapshot import RebalanceSnapshot


@dataclass(frozen=True, slots=True)
class Move:
    """An amount that goes from one channel to another and costs `cost_msat` at most. `payment_hash` is that of its
    HTLCs: where the node lists them, it has taken them off what a channel can send or receive. None: it isn't known.
    """

    source_channel_id: str
    target_channel_id: str
    amount_msat: int
    cost_msat: int
    payment_hash: str | None = None


def moves_of(job: JobRecord) -> tuple[Move, ...]:
    """Given a job that is under way, return what it may be moving. Which source pays is known of a native job; of any
    other each may give all of it.
    """
    names = {job.source_channel_id}
    if job.executor != "native":
        names |= {one.channel_id for one in job.sources}
    cost_msat = max(job.max_fee_msat if job.reserved_msat is None else job.reserved_msat, 0)
    return tuple(
        Move(name, job.target_channel_id, job.amount_msat, cost_msat, job.payment_hash) for name in sorted(names)
    )


def counted(snapshot: RebalanceSnapshot, moves: Iterable[Move]) -> RebalanceSnapshot:
    """Given a snapshot and moves, return it as if they were done."""
    channels = {channel.channel_id: channel for channel in snapshot.view.channels}
    spent_msat, lots = dict(snapshot.spent_msat), dict(snapshot.lots)
    filled: set[tuple[str, str | None]] = set()
    for move in moves:
        source, target = channels.get(move.source_channel_id), channels.get(move.target_channel_id)
        if source is not None:
            channels[source.channel_id] = _given(source, move)
        spent_msat[move.source_channel_id] = spent_msat.get(move.source_channel_id, 0) + move.cost_msat
        # One payment that several sources may give still arrives once.
        arrival = (move.target_channel_id, move.payment_hash)
        if target is None or arrival in filled:
            continue
        filled.add(arrival)
        channels[target.channel_id] = _got(target, move)
        lot = Lot(move.amount_msat, move.cost_msat, 0.0, 0)
        lots[target.channel_id] = (*lots.get(target.channel_id, ()), lot)
    view = replace(snapshot.view, channels=tuple(channels[one.channel_id] for one in snapshot.view.channels))
    return replace(snapshot, view=view, spent_msat=spent_msat, lots=lots)


def _given(source: Channel, move: Move) -> Channel:
    out_msat = move.amount_msat + move.cost_msat
    held_msat = 0 if _listed(source, move, "out") else out_msat
    return replace(
        source,
        local_msat=max(source.local_msat - out_msat, 0),
        spendable_msat=max(source.spendable_msat - held_msat, 0),
    )


def _got(target: Channel, move: Move) -> Channel:
    held_msat = 0 if _listed(target, move, "in") else move.amount_msat
    return replace(
        target,
        local_msat=min(target.local_msat + move.amount_msat, target.capacity_msat),
        spendable_msat=min(target.spendable_msat + move.amount_msat, target.capacity_msat),
        receivable_msat=max(target.receivable_msat - held_msat, 0),
    )


def _listed(channel: Channel, move: Move, direction: str) -> bool:
    if move.payment_hash is None:
        return False
    return any(one.payment_hash == move.payment_hash and one.direction == direction for one in channel.htlcs)
