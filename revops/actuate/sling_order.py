"""What sling is to be asked for a job: the plan's sources and limits, held against the node as it is now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from revops.actuate.sling_records import newest
from revops.decide.in_flight import keeps_sling_away, short
from revops.decide.recheck import revalidate
from revops.decide.sling import draw, marks_of
from revops.decide.sling_pieces import MAX_HTLC_COUNT, Wanted
from revops.domain.channel import Channel
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import SourceOffer
from revops.domain.record import JobRecord
from revops.domain.sling import SlingOrder
from revops.domain.snapshot import NodeView
from revops.node.errors import NodeError
from revops.node.faults import METHOD_NOT_FOUND
from revops.node.reader import Reader
from revops.store import fees, plans
from revops.store.engine import Database

#: A once job that was stopped stays listed as that.
_OVER = frozenset({"Stopped", "Stopping"})


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order with the most that it may cost, and what is recorded with it."""

    order: SlingOrder
    worst_msat: int
    first_source_id: str
    local_before_msat: int


def ordered(
    job: JobRecord,
    view: NodeView,
    reader: Reader,
    database: Database,
    node_key: int,
    max_fee_ppm: int,
    *,
    least_msat: int,
    others: Sequence[SlingOrder],
    name: str,
) -> Ordered | Reason:
    """Given a planned job, the node as it is, the least amount that is worth an order and our other orders, return the
    order, which reserves no more than is staked on the job, or why there can't be one.

    Channels on which the operator lets sling work are neither target nor source. Raise NodeError where the node doesn't
    answer.
    """
    try:
        jobs_there, tasks_there = reader.sling_jobs(), reader.sling_tasks()
    except NodeError as error:
        if error.code != METHOD_NOT_FOUND:
            raise
        return why(ReasonCode.NOT_USABLE, state="the plugin sling is gone")
    channels = {channel.channel_id: channel for channel in view.channels}
    target = channels.get(job.target_channel_id)
    if target is None or target.scid is None:
        return why(ReasonCode.NOT_USABLE, state="the target is gone, or has no short channel id")
    busy_scids = {one.scid for one in jobs_there}
    running = {task.scid for task in tasks_there if not set(task.states) <= _OVER}
    if target.scid in busy_scids | running:
        return why(ReasonCode.NOT_USABLE, state="sling has a job on the target already, which isn't ours")
    offers = _offers(job, view, target, database, node_key)
    if isinstance(offers, Reason):
        return offers
    offers = [(source, offer) for source, offer in offers if source.scid not in busy_scids]
    after_payment, after_move, sizes = newest(reader)
    standing = frozenset(one.amount_msat // 1_000 for one in jobs_there)
    wanted = Wanted(
        amount_msat=min(job.amount_msat, target.receivable_msat),
        max_fee_ppm=max_fee_ppm,
        max_htlc_count=_max_htlc_count(reader),
        taken_sat=marks_of(others) | sizes | standing,
        first_mark=job.job_key,
        stake_msat=None if job.terms is None else job.terms.stake_msat,
        least_msat=least_msat,
    )
    drawn = draw(offers, wanted)
    if isinstance(drawn, Reason):
        return drawn
    order = SlingOrder(
        scid=target.scid,
        chunk_sat=drawn.chunk_sat,
        payment_count=drawn.payment_count,
        max_ppm=drawn.max_ppm,
        floor_sat=drawn.floor_sat,
        source_scids=tuple(source.scid for source in drawn.sources if source.scid is not None),
        ordered_at=int(view.taken_at),
        after_payment=after_payment,
        after_move=after_move,
        job=name,
    )
    return Ordered(order, drawn.worst_msat, drawn.sources[0].channel_id, target.local_msat)


def _max_htlc_count(reader: Reader) -> int:
    found = reader.config_int("sling-max-htlc-count")
    return MAX_HTLC_COUNT if found is None else found


def _offers(
    job: JobRecord, view: NodeView, target: Channel, database: Database, node_key: int
) -> list[tuple[Channel, SourceOffer]] | Reason:
    """The sources that may pay now; why none may, where the target or all of them can't."""
    with database.read(node_key) as tx:
        busy, congested_since = sorted(plans.in_flight_channels(tx)), fees.congested_since(tx)
    channels = {channel.channel_id: channel for channel in view.channels}
    refused: Reason | None = None
    found: list[tuple[Channel, SourceOffer]] = []
    spliced = keeps_sling_away(target, "the target")
    if spliced is not None:
        return spliced
    if target.receivable_msat < job.amount_msat:
        return short(target, "the target", target.receivable_msat, job.amount_msat)
    for offer in job.sources:
        source = channels.get(offer.channel_id)
        # What each can give is drawn from what it has: here it is enough that it can pay at all.
        obstacle = revalidate(source, target, 1, busy, congested_since, view)
        if obstacle is None and source is not None:
            obstacle = keeps_sling_away(source, "the source")
        if obstacle is None and source is not None and source.scid is not None and source.peer_id != target.peer_id:
            found.append((source, offer))
        refused = refused or obstacle
    return found or refused or why(ReasonCode.NO_SOURCE)
