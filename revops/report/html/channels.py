"""What each channel earned and cost, and how its liquidity lies: the best by name, all others in one row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from revops.domain.profit import ChannelProfit, ProfitLine, ProfitReport, total_of
from revops.domain.profit_class import ClassState
from revops.domain.record import ChannelRecord
from revops.domain.review import Review
from revops.domain.text import counted
from revops.report.amounts import income, share, whole
from revops.report.html.names import Name, name_of
from revops.report.profit import spent
from revops.report.rates import yearly
from revops.report.words import state_word

#: Rows by name in the table of earnings: so many of the best, so many of the worst.
BEST_COUNT: Final = 25
WORST_COUNT: Final = 5
#: Rows of the liquidity map that are open; of the rest as many as a page can carry.
OPEN_COUNT: Final = 30
MOST_ROWS: Final = 600
#: How dark a value of liquidity is shown, from none to the highest of the node.
LEVELS: Final = 4
_OTHERS: Final = Name("", "", "")


@dataclass(frozen=True, slots=True)
class EarningRow:
    """A channel's figures as `report pnl` has them, and its bars as per cent of the longest of the table."""

    name: Name
    earned: str
    sourced: str
    leases: str
    refills: str
    chain: str
    net: str
    yearly: str
    standing: str
    earned_percent: float
    spent_percent: float


@dataclass(frozen=True, slots=True)
class Earnings:
    """The table of earnings: rows, what all others came to, and the node's total with what belongs to no channel. Most
    nodes have no leases, and no column for them.
    """

    rows: tuple[EarningRow, ...]
    others: EarningRow | None
    rest: EarningRow | None
    total: EarningRow
    has_leases: bool


def earnings(profit: ProfitReport, classes: Mapping[str, ClassState]) -> Earnings:
    """Given the period, and the class of each channel_id, return the table: all its rows add up to the total."""
    shown, others = _chosen(profit.channels)
    longest_msat = max((max(one.line.income_msat, one.line.cost_msat) for one in shown), default=0) or 1

    def row(name: Name, line: ProfitLine, a_year: str = "", standing: str = "", *, bars: bool = False) -> EarningRow:
        return EarningRow(
            name,
            income(line.earned_msat),
            income(line.sourced_msat),
            income(line.lease_earned_msat - line.lease_paid_msat),
            spent(line.rebalance_msat),
            spent(line.chain_msat),
            income(line.net_msat),
            a_year,
            standing,
            _percent(line.income_msat, longest_msat) if bars else 0.0,
            _percent(line.cost_msat, longest_msat) if bars else 0.0,
        )

    sums = total_of(one.line for one in profit.channels)
    rest = profit.total - sums
    return Earnings(
        tuple(
            row(name_of(one), one.line, yearly(one.yearly_return_ratio), _standing(one, classes), bars=True)
            for one in shown
        ),
        row(_OTHERS._replace(peer=f"all others ({len(others):,})"), total_of(one.line for one in others))
        if others
        else None,
        row(_OTHERS._replace(peer="wallet"), rest) if rest.net_msat or rest.chain_msat else None,
        row(
            _OTHERS._replace(peer=counted(len(profit.channels), "channel")),
            profit.total,
            yearly(profit.yearly_return_ratio),
        ),
        any(one.line.lease_earned_msat or one.line.lease_paid_msat for one in profit.channels),
    )


def _chosen(
    channels: Sequence[ChannelProfit],
) -> tuple[Sequence[ChannelProfit], Sequence[ChannelProfit]]:
    """The best and the worst, and the rest between them; channels come with the best net first."""
    if len(channels) <= BEST_COUNT + WORST_COUNT:
        return channels, ()
    worst = [one for one in channels[-WORST_COUNT:] if one.line.net_msat < 0]
    end = len(channels) - len(worst)
    best_count = BEST_COUNT + WORST_COUNT - len(worst)
    return (*channels[:best_count], *worst), channels[best_count:end]


def _standing(one: ChannelProfit, classes: Mapping[str, ClassState]) -> str:
    if not one.open:
        return "closed"
    state = classes.get(one.channel_id)
    return "" if state is None else state.profit_class.word


def _percent(part_msat: int, whole_msat: int) -> float:
    return round(100 * min(max(part_msat, 0), whole_msat) / whole_msat, 1)


@dataclass(frozen=True, slots=True)
class LiquidityRow:
    """A channel's capacity as per cent of the largest, how much of it is ours, and what its next sat is worth:
    `level` is 0 for nothing, LEVELS for the highest value of the node.
    """

    name: Name
    capacity: str
    local: str
    remote: str
    local_share: str
    value: str
    fee: str
    level: int
    capacity_percent: float
    local_percent: float
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Liquidity:
    """The map: what is open, what is folded, and how many channels are beyond what a page carries."""

    rows: tuple[LiquidityRow, ...]
    more: tuple[LiquidityRow, ...]
    left_out_count: int


def liquidity(review: Review) -> Liquidity:
    """Given a review, return its open channels, the largest first."""
    channels = sorted(_open(review.standing.channels), key=lambda one: (-one.capacity_msat, one.name))
    largest_msat = max((one.capacity_msat for one in channels), default=0) or 1
    highest_ppm = max((one.value_ppm or 0.0 for one in channels), default=0.0)
    rows = tuple(_row(one, largest_msat, highest_ppm) for one in channels[:MOST_ROWS])
    return Liquidity(rows[:OPEN_COUNT], rows[OPEN_COUNT:], len(channels) - len(rows))


def _open(channels: Iterable[ChannelRecord]) -> list[ChannelRecord]:
    return [channel for channel in channels if channel.open]


def _row(one: ChannelRecord, largest_msat: int, highest_ppm: float) -> LiquidityRow:
    flags = []
    if not one.connected:
        flags.append("offline")
    if one.private:
        flags.append("private")
    if (word := state_word(one.state)) != "normal":
        flags.append(word.replace("_", " "))
    return LiquidityRow(
        name_of(one),
        income(one.capacity_msat),
        income(one.local_msat),
        income(one.capacity_msat - one.local_msat),
        share(one.local_msat, one.capacity_msat),
        "-" if one.value_ppm is None else whole(one.value_ppm),
        "-" if one.fee_ppm is None else f"{one.fee_ppm:,}",
        level_of(one.value_ppm, highest_ppm),
        max(_percent(one.capacity_msat, largest_msat), 2.0),
        _percent(one.local_msat, max(one.capacity_msat, 1)),
        tuple(flags),
    )


def level_of(value_ppm: float | None, highest_ppm: float) -> int:
    """Given a value and the highest of the node, return its level; what is worth anything is at 1 at least."""
    if not value_ppm or value_ppm < 0.5 or highest_ppm <= 0:
        return 0
    # By the square root: one value far above all others leaves them distinct.
    return max(1, min(LEVELS, round(LEVELS * math.sqrt(value_ppm / max(value_ppm, highest_ppm)))))
