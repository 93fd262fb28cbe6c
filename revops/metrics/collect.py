"""From what the records say to metric families. Pure: no clock, no file, no prometheus_client.

Counters are sums from the database, not of this process: a run that lives for a second has nothing to count. Only open
channels are shown: a closed one has no balance any more, and what it earned stays in the node's totals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from revops.domain.decision import BudgetVerdict
from revops.domain.demand import DemandFigures
from revops.domain.occupancy import Occupancy
from revops.domain.reason import ReasonCode
from revops.domain.record import Books, ChannelRecord, PeerRecord, Report, ReserveStanding, Totals
from revops.domain.recorder import RecorderRecord
from revops.domain.stability import Stability
from revops.domain.text import printable
from revops.domain.traffic import Role
from revops.errors import PredicateFalse
from revops.metrics.catalog import Definition, Metric

#: What can suspend spending: exported as 0 while it doesn't, so that an alert has a series to look at.
SUSPENSIONS: Final = (
    ReasonCode.RESERVE_LOW,
    ReasonCode.RESERVE_RECOVERING,
    ReasonCode.NODE_SYNCING,
    ReasonCode.CLOCK_DOUBTFUL,
    ReasonCode.LEDGER_GAPS,
    ReasonCode.STRAY_PAYMENTS,
)

#: Exit codes of a run that did its work; 1 is the answer "nothing left" of `budget check`, not a failure.
SUCCESS_CODES: Final = frozenset({0, PredicateFalse.exit_code})


class Sample(NamedTuple):
    """One series' value; label values in the order of its definition."""

    label_values: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """A metric family with its samples; never empty."""

    definition: Definition
    samples: tuple[Sample, ...]


@dataclass(frozen=True, slots=True)
class CommandRun:
    """One run of a command, as it ends.

    `last_success_at` is what the records say of the runs before this one: None where there was none, or where the
    records can't be read. `version` is that of revops. `decision_counts` goes by outcome and is None where the run took
    no decisions.
    """

    command: str
    started_at: float
    finished_at: float
    exit_code: int
    last_success_at: float | None
    version: str
    decision_counts: Mapping[str, int] | None = None


def node_families(
    node: str, report: Report, peers: Iterable[PeerRecord] = (), recorder: RecorderRecord | None = None
) -> tuple[Family, ...]:
    """Given the node's label, its report, its peers and what was read of the companion plugin, return the node's file's
    families, in the catalogue's order.

    What isn't known (no sync yet, no opening row, a fee that was never read) has no sample; a family without samples is
    left out.
    """
    rows = [*_state(report), *_totals(report.lifetime), *_books(report.books), *_budget(report.budget)]
    rows += [row for one in report.reserves for row in _reserve(one)]
    rows += [row for peer in peers if peer.channel_count for row in _peer(peer)]
    rows += _recorder(recorder)
    found: dict[Metric, list[Sample]] = {metric: [] for metric, _, _ in rows}
    for metric, labels, value in rows:
        if value is not None:
            found[metric].append(_sample((node, *labels), value))
    found.update(_channels(node, report.channels, report.blockheight))
    return _in_order(found)


def command_families(node: str, run: CommandRun) -> tuple[Family, ...]:
    """Given the node's label and a run, return the families of the command's file, in the catalogue's order."""
    key = (node, run.command)
    found = {
        Metric.COMMAND_LAST_RUN: [_sample(key, run.finished_at)],
        # A clock that was set back during the run must not make it last less than nothing.
        Metric.COMMAND_LAST_DURATION: [_sample(key, max(0.0, run.finished_at - run.started_at))],
        Metric.COMMAND_LAST_EXIT_CODE: [_sample(key, run.exit_code)],
        Metric.BUILD_INFO: [_sample((*key, run.version), 1)],
    }
    success_at = run.finished_at if run.exit_code in SUCCESS_CODES else run.last_success_at
    if success_at is not None:
        found[Metric.COMMAND_LAST_SUCCESS] = [_sample(key, success_at)]
    if run.decision_counts is not None:
        counts = sorted(run.decision_counts.items())
        found[Metric.COMMAND_LAST_DECISIONS] = [_sample((*key, outcome), count) for outcome, count in counts]
    return _in_order(found)


_Row = tuple[Metric, tuple[str, ...], float | None]


def _sample(label_values: Iterable[str], value: float) -> Sample:
    """Given raw label values and a value, return the sample with labels that are one visible line of valid UTF-8.

    Prometheus' own escapes, of quotes and backslashes, are added when the file is rendered.
    """
    return Sample(tuple(map(_shown, label_values)), value)


#: A label stands on many samples.
_shown: Final = lru_cache(maxsize=4_096)(printable)


def _in_order(found: Mapping[Metric, list[Sample]]) -> tuple[Family, ...]:
    """Given samples by definition, return the families that have any, in the catalogue's order."""
    return tuple(Family(metric.value, tuple(found[metric])) for metric in Metric if found.get(metric))


def _state(report: Report) -> list[_Row]:
    return [
        (Metric.SNAPSHOT_TIMESTAMP, (), report.taken_at),
        (Metric.SYNCED_TIMESTAMP, (), report.synced_at),
        (Metric.NODE_INFO, (report.node_id, report.network, report.version), 1),
        (Metric.NODE_BLOCKHEIGHT, (), report.blockheight),
        (Metric.NODE_WALLET_SPENDABLE, (), report.wallet_spendable_msat),
    ]


def _totals(lifetime: Totals) -> list[_Row]:
    return [
        (Metric.NODE_NET, (), lifetime.net_msat),
        (Metric.NODE_FEES_EARNED, (), lifetime.earned_msat),
        (Metric.NODE_FORWARDED, (), lifetime.forwarded_msat),
        (Metric.NODE_FORWARDS_SETTLED, (), lifetime.settled_count),
        (Metric.NODE_FORWARDS_FAILED, (), lifetime.failed_count),
        (Metric.NODE_FORWARDS_REFUSED, (), lifetime.refused_count),
        (Metric.NODE_REBALANCE_FEES, (), lifetime.rebalance_fees_msat),
        (Metric.NODE_CHAIN_COST, (), lifetime.chain_msat),
        (Metric.NODE_LEASE_NET, (), lifetime.lease_earned_msat - lifetime.lease_paid_msat),
        (Metric.NODE_REBALANCED, (), lifetime.rebalanced_msat),
        (Metric.NODE_REBALANCES, (), lifetime.rebalance_count),
    ]


def _books(books: Books | None) -> list[_Row]:
    if books is None:
        return []
    return [
        (Metric.BOOKS_NODE_FEES, (), books.node_fees_msat),
        (Metric.BOOKS_RECORDED_FEES, (), books.recorded_fees_msat),
        (Metric.BOOKS_OPENING, (), books.opening_msat),
        (Metric.BOOKS_DIFFERENCE, (), books.difference_msat),
        (Metric.BOOKS_CHECKED_TIMESTAMP, (), books.checked_at),
    ]


def _budget(verdict: BudgetVerdict) -> list[_Row]:
    rows: list[_Row] = [(Metric.SPENDING_LEFT, (), verdict.left_msat)]
    for name, window in (("daily", verdict.daily), ("weekly", verdict.weekly)):
        rows += [
            (Metric.BUDGET_LIMIT, (name,), window.limit_msat),
            (Metric.BUDGET_SPENT, (name,), window.spent_msat),
            (Metric.BUDGET_RESERVED, (name,), window.reserved_msat),
            (Metric.BUDGET_LEFT, (name,), window.left_msat),
        ]
    active = {reason.code for reason in verdict.suspended}
    rows += [(Metric.SPENDING_SUSPENDED, (code,), float(code in active)) for code in sorted(active.union(SUSPENSIONS))]
    return rows


def _reserve(standing: ReserveStanding) -> list[_Row]:
    labels = (standing.place,)
    return [
        (Metric.RESERVE_FUNDS, labels, standing.have_msat),
        (Metric.RESERVE_FLOOR, labels, standing.floor_msat),
        (Metric.RESERVE_SUSPENDED, labels, float(standing.since_at is not None)),
        (Metric.RESERVE_SINCE, labels, standing.since_at),
    ]


def _peer(peer: PeerRecord) -> list[_Row]:
    rows: list[_Row] = [(Metric.PEER_HOLD, (peer.peer_id,), peer.hold_seconds)]
    for role, standing in ((Role.SENDER, peer.sender), (Role.RECEIVER, peer.receiver)):
        rows += [
            (Metric.PEER_REPUTATION, (peer.peer_id, role), standing.score_ratio),
            (Metric.PEER_PAYMENTS, (peer.peer_id, role), standing.payment_count),
        ]
    return [*rows, *_stability(peer.stability)]


def _stability(stability: Stability | None) -> list[_Row]:
    if stability is None:
        return []
    rows: list[_Row] = []
    for name, window in (("24h", stability.day), ("7d", stability.week)):
        labels = (stability.peer_id, name)
        rows += [
            (Metric.PEER_UPTIME, labels, window.uptime_ratio),
            (Metric.PEER_DOWN, labels, window.down_seconds),
            (Metric.PEER_COVERED, labels, window.covered_seconds),
            (Metric.PEER_FLAPS, labels, window.flap_count),
        ]
    return rows


def _recorder(record: RecorderRecord | None) -> list[_Row]:
    """Where none was ever looked for there are no figures."""
    if record is None:
        return []
    events = {
        "connect": record.connect_count,
        "disconnect": record.disconnect_count,
        "forward": record.forward_count,
        "state": record.state_count,
    }
    lost = {"dropped": record.dropped_count, "removed": record.removed_count, "malformed": record.malformed_count}
    return [
        (Metric.RECORDER_LAST, (), record.last_at),
        (Metric.RECORDER_READABLE, (), float(record.readable)),
        *((Metric.RECORDER_EVENTS, (kind,), count) for kind, count in events.items()),
        *((Metric.RECORDER_LOST, (cause,), count) for cause, count in lost.items()),
        *((Metric.RECORDER_GAP, (window,), seconds) for window, seconds in record.gap_seconds.items()),
    ]


#: What each family of a channel reads.
_CHANNEL_VALUES: Final[tuple[tuple[Metric, Callable[[ChannelRecord], float | None]], ...]] = (
    (Metric.CHANNEL_CAPACITY, lambda channel: channel.capacity_msat),
    (Metric.CHANNEL_LOCAL, lambda channel: channel.local_msat),
    (Metric.CHANNEL_SPENDABLE, lambda channel: channel.spendable_msat),
    (Metric.CHANNEL_RECEIVABLE, lambda channel: channel.receivable_msat),
    (Metric.CHANNEL_FEE_PPM, lambda channel: channel.fee_ppm),
    (Metric.CHANNEL_FEE_BASE, lambda channel: channel.fee_base_msat),
    (Metric.CHANNEL_VALUE, lambda channel: channel.value_ppm),
    (Metric.CHANNEL_HTLCS, lambda channel: channel.htlc_count),
    (Metric.CHANNEL_CONNECTED, lambda channel: int(channel.connected)),
    (Metric.CHANNEL_FORWARDED_IN, lambda channel: channel.lifetime.in_msat),
    (Metric.CHANNEL_FORWARDED_OUT, lambda channel: channel.lifetime.out_msat),
    (Metric.CHANNEL_FORWARDS_IN, lambda channel: channel.lifetime.in_count),
    (Metric.CHANNEL_FORWARDS_OUT, lambda channel: channel.lifetime.out_count),
    (Metric.CHANNEL_FORWARDS_REFUSED, lambda channel: channel.lifetime.refused_count),
    (Metric.CHANNEL_FEES_EARNED, lambda channel: channel.lifetime.earned_msat),
    (Metric.CHANNEL_FEES_SOURCED, lambda channel: channel.lifetime.sourced_msat),
    (Metric.CHANNEL_REBALANCE_FEES, lambda channel: channel.lifetime_rebalance_fees_msat),
    (Metric.CHANNEL_CHAIN_COST, lambda channel: channel.lifetime_chain_msat),
)


#: What each family of a channel's direction reads.
_OCCUPANCY_VALUES: Final[tuple[tuple[Metric, Callable[[Occupancy], float | None]], ...]] = (
    (Metric.CHANNEL_SLOTS_USED, lambda fill: fill.slot_ratio),
    (Metric.CHANNEL_VALUE_USED, lambda fill: fill.value_ratio),
)


#: What each family of the figures of demand reads, and its labels beside those of the channel.
_DEMAND_VALUES: Final[tuple[tuple[Metric, tuple[str, ...], Callable[[DemandFigures], float]], ...]] = (
    (Metric.CHANNEL_VALUE_BOUND, ("low",), lambda figures: figures.value_low_ppm),
    (Metric.CHANNEL_VALUE_BOUND, ("high",), lambda figures: figures.value_high_ppm),
    (Metric.CHANNEL_ELASTICITY, (), lambda figures: figures.elasticity),
    (Metric.CHANNEL_ELASTICITY_BOUND, ("low",), lambda figures: figures.elasticity_low),
    (Metric.CHANNEL_ELASTICITY_BOUND, ("high",), lambda figures: figures.elasticity_high),
    (Metric.CHANNEL_BEST_PRICE, (), lambda figures: figures.best_ppm),
    (Metric.CHANNEL_BEST_PRICE_BOUND, ("low",), lambda figures: figures.best_low_ppm),
    (Metric.CHANNEL_BEST_PRICE_BOUND, ("high",), lambda figures: figures.best_high_ppm),
    (Metric.CHANNEL_DEMAND_TIMESTAMP, (), lambda figures: figures.judged_at),
)


def _demand(figures: DemandFigures | None) -> list[_Row]:
    return [] if figures is None else [(metric, labels, read(figures)) for metric, labels, read in _DEMAND_VALUES]


def _in_flight(channel: ChannelRecord, blockheight: int) -> list[_Row]:
    """What is under way on a channel. A chain of no height was never read: it tells no blocks."""
    rows: list[_Row] = []
    if channel.nearest_expiry_blockheight is not None and blockheight > 0:
        rows.append((Metric.CHANNEL_EXPIRY_BLOCKS, (), channel.nearest_expiry_blockheight - blockheight))
    for direction, fill in (("out", channel.occupancy_out), ("in", channel.occupancy_in)):
        if fill is not None:
            rows += [(metric, (direction,), read(fill)) for metric, read in _OCCUPANCY_VALUES]
    return rows


def _channels(node: str, records: Iterable[ChannelRecord], blockheight: int) -> list[tuple[Metric, list[Sample]]]:
    """Given the node's label, its channels and its height, return the samples of the open ones by family."""
    channels = [record for record in records if record.open]
    uses = Counter(record.name for record in channels)
    info: list[Sample] = []
    found: dict[Metric, list[Sample]] = {}
    for channel in channels:
        # Two series with the same labels would spoil the whole file: a name that isn't unique gives way to the id.
        name = channel.name if uses[channel.name] == 1 else channel.channel_id
        peer_id = channel.peer_id or ""
        info.append(_sample((node, name, channel.channel_id, peer_id, channel.alias or ""), 1))
        shown = tuple(map(_shown, (node, name, peer_id)))
        rows: list[_Row] = [(metric, (), read(channel)) for metric, read in _CHANNEL_VALUES]
        for metric, labels, value in (*rows, *_demand(channel.demand), *_in_flight(channel, blockheight)):
            if value is not None:
                found.setdefault(metric, []).append(Sample((*shown, *labels), value))
    return [(Metric.CHANNEL_INFO, info), *found.items()]
