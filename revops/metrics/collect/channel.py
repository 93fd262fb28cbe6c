"""Open channels. A closed one has no balance any more, and what it earned stays in the node's totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from revops.domain.demand import DemandFigures
from revops.domain.measures import Measures, PriceMarks, RefillReturn
from revops.domain.occupancy import Occupancy
from revops.domain.record import ChannelRecord, Report
from revops.metrics.catalog import ChannelMetric, Metric
from revops.metrics.collect.families import Row, Sample, sample, shown

HOUR_SECONDS: Final = 3_600

#: What each family of a channel reads.
_CHANNEL_VALUES: Final[tuple[tuple[Metric, Callable[[ChannelRecord], float | None]], ...]] = (
    (ChannelMetric.CAPACITY, lambda channel: channel.capacity_msat),
    (ChannelMetric.LOCAL, lambda channel: channel.local_msat),
    (ChannelMetric.SPENDABLE, lambda channel: channel.spendable_msat),
    (ChannelMetric.RECEIVABLE, lambda channel: channel.receivable_msat),
    (ChannelMetric.FEE_PPM, lambda channel: channel.fee_ppm),
    (ChannelMetric.FEE_BASE, lambda channel: channel.fee_base_msat),
    (ChannelMetric.VALUE, lambda channel: channel.value_ppm),
    (ChannelMetric.HTLCS, lambda channel: channel.htlc_count),
    (ChannelMetric.CONNECTED, lambda channel: int(channel.connected)),
    (ChannelMetric.SPLICING, lambda channel: int(channel.splicing)),
    (ChannelMetric.FORWARDED_IN, lambda channel: channel.lifetime.in_msat),
    (ChannelMetric.FORWARDED_OUT, lambda channel: channel.lifetime.out_msat),
    (ChannelMetric.FORWARDS_IN, lambda channel: channel.lifetime.in_count),
    (ChannelMetric.FORWARDS_OUT, lambda channel: channel.lifetime.out_count),
    (ChannelMetric.FORWARDS_REFUSED, lambda channel: channel.lifetime.refused_count),
    (ChannelMetric.FEES_EARNED, lambda channel: channel.lifetime.earned_msat),
    (ChannelMetric.FEES_SOURCED, lambda channel: channel.lifetime.sourced_msat),
    (ChannelMetric.CHAIN_COST, lambda channel: channel.lifetime_chain_msat),
)


#: What each family of a channel's direction reads.
_OCCUPANCY_VALUES: Final[tuple[tuple[Metric, Callable[[Occupancy], float | None]], ...]] = (
    (ChannelMetric.SLOTS_USED, lambda fill: fill.slot_ratio),
    (ChannelMetric.VALUE_USED, lambda fill: fill.value_ratio),
)


#: What each family of the figures of demand reads, and its labels beside those of the channel.
_DEMAND_VALUES: Final[tuple[tuple[Metric, tuple[str, ...], Callable[[DemandFigures], float]], ...]] = (
    (ChannelMetric.VALUE_BOUND, ("low",), lambda figures: figures.value_low_ppm),
    (ChannelMetric.VALUE_BOUND, ("high",), lambda figures: figures.value_high_ppm),
    (ChannelMetric.ELASTICITY, (), lambda figures: figures.elasticity),
    (ChannelMetric.ELASTICITY_BOUND, ("low",), lambda figures: figures.elasticity_low),
    (ChannelMetric.ELASTICITY_BOUND, ("high",), lambda figures: figures.elasticity_high),
    (ChannelMetric.BEST_PRICE, (), lambda figures: figures.best_ppm),
    (ChannelMetric.BEST_PRICE_BOUND, ("low",), lambda figures: figures.best_low_ppm),
    (ChannelMetric.BEST_PRICE_BOUND, ("high",), lambda figures: figures.best_high_ppm),
    (ChannelMetric.DEMAND_TIMESTAMP, (), lambda figures: figures.judged_at),
)


def _demand(figures: DemandFigures | None) -> list[Row]:
    return [] if figures is None else [(metric, labels, read(figures)) for metric, labels, read in _DEMAND_VALUES]


def _in_flight(channel: ChannelRecord, blockheight: int) -> list[Row]:
    """What is under way on a channel. A chain of no height was never read: it tells no blocks."""
    rows: list[Row] = []
    if channel.nearest_expiry_blockheight is not None and blockheight > 0:
        rows.append((ChannelMetric.EXPIRY_BLOCKS, (), channel.nearest_expiry_blockheight - blockheight))
    for direction, fill in (("out", channel.occupancy_out), ("in", channel.occupancy_in)):
        if fill is not None:
            rows += [(metric, (direction,), read(fill)) for metric, read in _OCCUPANCY_VALUES]
    return rows


def _price(marks: PriceMarks | None, earned_msat: int, taken_at: float) -> list[Row]:
    """How the fee in force does, as far as fee setting has looked at the channel."""
    if marks is None:
        return []
    open_hours = marks.open_seconds / HOUR_SECONDS
    asleep_until_at = marks.asleep_until_at
    if asleep_until_at is not None and asleep_until_at <= taken_at:
        asleep_until_at = None
    return [
        (ChannelMetric.PRICE_OPEN, (), marks.open_seconds),
        (ChannelMetric.REVENUE_RATE, (), earned_msat / open_hours if open_hours >= 1 else None),
        (ChannelMetric.ASLEEP, (), float(asleep_until_at is not None)),
        (ChannelMetric.ASLEEP_UNTIL, (), asleep_until_at),
        (ChannelMetric.CONGESTED, (), float(marks.congested_since_at is not None)),
        (ChannelMetric.CONGESTED_SINCE, (), marks.congested_since_at),
    ]


def _refills(refill: RefillReturn | None) -> list[Row]:
    if refill is None:
        return []
    return [
        (ChannelMetric.REFILLED, (), refill.bought_msat),
        (ChannelMetric.REFILL_SOLD, (), refill.sold_msat),
        (ChannelMetric.REFILL_FEES, (), refill.fee_msat),
        (ChannelMetric.REFILL_RETURN, (), refill.return_ratio),
    ]


def _fees_moved(measures: Measures, channel_id: str) -> int | None:
    if measures.moved is None:
        return None
    moved = measures.moved.get(channel_id)
    return 0 if moved is None else moved.fee_msat


def channel_samples(node: str, report: Report, measures: Measures) -> dict[Metric, list[Sample]]:
    """Given the node's label, its report and what was measured, return the samples of the open channels by metric."""
    channels = [record for record in report.channels if record.open]
    uses = Counter(record.name for record in channels)
    found: dict[Metric, list[Sample]] = {ChannelMetric.INFO: []}
    for channel in channels:
        # Two series with the same labels would spoil the whole file: a name that isn't unique gives way to the id.
        name = channel.name if uses[channel.name] == 1 else channel.channel_id
        peer_id = channel.peer_id or ""
        info = (node, name, channel.channel_id, peer_id, channel.alias or "")
        found[ChannelMetric.INFO].append(sample(info, 1))
        labels = tuple(map(shown, (node, name, peer_id)))
        for metric, more, value in _rows(channel, report, measures):
            if value is not None:
                found.setdefault(metric, []).append(Sample((*labels, *more), value))
    return found


def _rows(channel: ChannelRecord, report: Report, measures: Measures) -> list[Row]:
    channel_id = channel.channel_id
    earned_msat = measures.earned_msat.get(channel_id, 0)
    return [
        *((metric, (), read(channel)) for metric, read in _CHANNEL_VALUES),
        *_demand(channel.demand),
        *_in_flight(channel, report.blockheight),
        *_price(measures.marks.get(channel_id), earned_msat, report.taken_at),
        *_refills(measures.refills.get(channel_id)),
        (ChannelMetric.REBALANCE_FEES, (), _fees_moved(measures, channel_id)),
    ]
