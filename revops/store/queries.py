"""What reports and metrics read: all of it from the records, in one read transaction, without the node."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, func, select

from revops.domain.decision import BudgetVerdict
from revops.domain.forward import Flow
from revops.domain.occupancy import Occupancy
from revops.domain.record import ChannelRecord, Report, Totals
from revops.domain.values import replace
from revops.store import profits
from revops.store.books import books
from revops.store.circular import Bought, circular_by_target
from revops.store.days import DAY_SECONDS
from revops.store.decisions import recent_decisions
from revops.store.engine import NODE, Tx
from revops.store.fees import demand_figures
from revops.store.flows import FlowSum, flow_sums
from revops.store.jobs import recent_jobs
from revops.store.nodes import node_row
from revops.store.runs import last_runs
from revops.store.tables import channel, channel_signal, peer, rebalance_job, rebalance_payment

_NOTHING: Final = FlowSum()
_NONE: Final = Bought()
#: Later than all.
_FOREVER: Final = 1e15
_NO_TOTALS: Final = Totals(0, 0, 0, 0, 0, 0, 0, 0)


def report(tx: Tx, now: float, window_days: int, budget: BudgetVerdict, decision_limit: int) -> Report:
    """Given the moment and the window, return all that a report shows."""
    since_at = now - window_days * DAY_SECONDS
    window, lifetime = flow_sums(tx, since_at), flow_sums(tx, None)
    return replace(
        _standing(tx, now, budget, lifetime, _channels(tx, since_at, window, lifetime)),
        window_days=window_days,
        window=_totals(tx, since_at, window),
        decisions=recent_decisions(tx, decision_limit, skips=False),
        runs=last_runs(tx),
        skips=recent_decisions(tx, decision_limit, skips=True),
        jobs=recent_jobs(tx, decision_limit),
    )


def standing(tx: Tx, now: float, budget: BudgetVerdict) -> Report:
    """Given the moment, return what metrics show of a report: no window, no runs and no decisions."""
    lifetime = flow_sums(tx, None)
    return _standing(tx, now, budget, lifetime, _records(tx, {}, lifetime, {}))


def _standing(
    tx: Tx, now: float, budget: BudgetVerdict, lifetime: Mapping[int, FlowSum], channels: tuple[ChannelRecord, ...]
) -> Report:
    node = node_row(tx)
    return Report(
        taken_at=now,
        synced_at=node.synced_at,
        window_days=0,
        node_id=node.node_id,
        alias=node.alias,
        version=node.version or "",
        network=node.network,
        blockheight=node.blockheight or 0,
        wallet_spendable_msat=node.wallet_spendable_msat or 0,
        window=_NO_TOTALS,
        lifetime=_totals(tx, None, lifetime),
        books=books(tx),
        budget=budget,
        channels=channels,
        decisions=(),
        runs=(),
    )


def channel_records(tx: Tx, since_at: float) -> tuple[ChannelRecord, ...]:
    """Return every channel, open or closed, with its flows since `since_at` and ever; the best earner first."""
    return _channels(tx, since_at, flow_sums(tx, since_at), flow_sums(tx, None))


def _totals(tx: Tx, since_at: float | None, by_key: Mapping[int, FlowSum]) -> Totals:
    """Each settled forward leaves by one channel, so the exits of all channels add up to the node. Leases are known by
    the day: all of the first day counts.
    """
    flows, since = by_key.values(), _since(since_at)
    bought = circular_by_target(tx, since, _FOREVER).values()
    costs = profits.other_costs(tx, since)
    return Totals(
        earned_msat=sum(flow.earned_msat for flow in flows),
        forwarded_msat=sum(flow.out_msat for flow in flows),
        settled_count=sum(flow.out_count for flow in flows),
        failed_count=sum(flow.failed_count for flow in flows),
        refused_count=sum(flow.refused_count for flow in flows),
        rebalance_fees_msat=sum(one.fee_msat for one in bought),
        rebalanced_msat=sum(one.amount_msat for one in bought),
        rebalance_count=tx.execute(_settled_count(), b_since=since).scalar_one(),
        chain_msat=costs.chain_msat,
        lease_earned_msat=costs.lease_earned_msat,
        lease_paid_msat=costs.lease_paid_msat,
    )


def _since(since_at: float | None) -> float:
    """Nothing is older than the epoch."""
    return 0.0 if since_at is None else since_at


@cache
def _settled_count() -> Executable:
    """Jobs, and circular payments that somebody else has sent."""
    job, paid = rebalance_job.c, rebalance_payment.c
    jobs = select(func.count()).where(
        job.node_key == NODE, job.status == "settled", job.finished_at >= bindparam("b_since")
    )
    others = select(func.count()).where(paid.node_key == NODE, paid.job_key == 0, paid.moved_at >= bindparam("b_since"))
    return select(jobs.scalar_subquery() + others.scalar_subquery())


def _channels(
    tx: Tx, since_at: float, window: Mapping[int, FlowSum], lifetime: Mapping[int, FlowSum]
) -> tuple[ChannelRecord, ...]:
    return _records(tx, window, lifetime, circular_by_target(tx, since_at, _FOREVER))


def _records(
    tx: Tx, window: Mapping[int, FlowSum], lifetime: Mapping[int, FlowSum], recent: Mapping[int, Bought]
) -> tuple[ChannelRecord, ...]:
    ever = circular_by_target(tx, _since(None), _FOREVER)
    chain_msat, leases = profits.chain_cost_of_channels(tx), profits.leases_of_channels(tx)
    judged = demand_figures(tx)
    records = []
    for row in tx.execute(_listed()).all():
        key = row.channel_key
        flow_pair = window.get(key, _NOTHING).flow(), lifetime.get(key, _NOTHING).flow()
        one = _record_of(row, *flow_pair, recent.get(key, _NONE), ever.get(key, _NONE), chain_msat.get(key, 0))
        if key in leases:
            one = replace(
                one,
                lifetime_lease_earned_msat=leases[key].lease_earned_msat,
                lifetime_lease_paid_msat=leases[key].lease_paid_msat,
            )
        records.append(replace(one, demand=judged.get(key)) if key in judged else one)
    records.sort(key=lambda record: (-record.window.earned_msat, -record.lifetime.earned_msat, record.name))
    return tuple(records)


@cache
def _listed() -> Executable:
    return (
        select(channel, peer.c.peer_id, peer.c.alias, channel_signal.c.value_ppm, channel_signal.c.value_at)
        .outerjoin(peer, (peer.c.node_key == channel.c.node_key) & (peer.c.peer_key == channel.c.peer_key))
        .outerjoin(
            channel_signal,
            (channel_signal.c.node_key == channel.c.node_key) & (channel_signal.c.channel_key == channel.c.channel_key),
        )
        .where(channel.c.node_key == NODE)
    )


def _record_of(row: Any, window: Flow, lifetime: Flow, recent: Bought, ever: Bought, chain_msat: int) -> ChannelRecord:
    """A channel that only its forwards or moves remember has no figures; it holds nothing any more."""
    slot_count = row.max_accepted_htlcs
    return ChannelRecord(
        channel_id=row.channel_id,
        name=row.scid or row.alias_local or row.channel_id,
        peer_id=row.peer_id,
        alias=row.alias,
        state=row.state,
        open=row.closed_at is None,
        private=row.private,
        connected=row.connected,
        opener=row.opener,
        capacity_msat=row.capacity_msat or 0,
        local_msat=row.local_msat or 0,
        spendable_msat=row.spendable_msat or 0,
        receivable_msat=row.receivable_msat or 0,
        fee_base_msat=row.fee_base_msat,
        fee_ppm=row.fee_ppm,
        htlc_count=row.htlc_count,
        opened_at=row.opened_at,
        window=window,
        lifetime=lifetime,
        window_rebalanced_in_msat=recent.amount_msat,
        window_rebalance_fees_msat=recent.fee_msat,
        lifetime_rebalance_fees_msat=ever.fee_msat,
        lifetime_chain_msat=chain_msat,
        value_ppm=None if row.value_at is None else row.value_ppm,
        occupancy_out=_occupancy(slot_count, row.htlc_out_count, row.htlc_out_msat, row.htlc_out_limit_msat),
        occupancy_in=_occupancy(slot_count, row.htlc_in_count, row.htlc_in_msat, row.htlc_in_limit_msat),
        nearest_expiry_blockheight=row.nearest_expiry_blockheight,
        last_stable_connection_at=row.last_stable_connection_at,
    )


def _occupancy(
    slot_count: int | None, htlc_count: int | None, in_flight_msat: int | None, limit_msat: int | None
) -> Occupancy | None:
    """None where a figure isn't recorded: before the first sync since there are such columns, or of a channel that was
    never listed.
    """
    if slot_count is None or htlc_count is None or in_flight_msat is None or limit_msat is None:
        return None
    return Occupancy(htlc_count, slot_count, in_flight_msat, limit_msat)
