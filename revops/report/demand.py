"""What demand looks like, as people read it: each figure with the interval that holds 80 % of the belief."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from revops.domain.demand import DemandFigures
from revops.domain.record import ChannelRecord
from revops.report.amounts import age, instant
from revops.report.blocks import Block, Line, Table

#: Of a channel for which `demand` has no figures.
NOT_JUDGED: Final = "not judged"


def told(figures: DemandFigures) -> str:
    """Given the figures of a channel, return them as a sentence."""
    return (
        f"demand, as judged {instant(figures.judged_at)} from {figures.interest_count:,} payments (in brackets: where "
        f"80 % of the belief lies): a fee 1 % above {figures.fee_ppm:,} ppm loses {_elasticity(figures, ' %')} of "
        f"them; of prices up to {figures.dearest_ppm:,} ppm, the dearest that may be tried so far, "
        f"{_spread(*_prices(figures), ' ppm')} is best; a sat is worth {_value(figures, ' ppm')}"
    )


def demand_table(channels: Sequence[ChannelRecord], now: float, *, by_turns: bool = False) -> Iterator[Block]:
    """Given open channels, the time, and whether an experiment prices by turns, render what demand looks like on each;
    nothing where no channel has figures.

    Beside one that has, a channel that another strategy prices shows what its liquidity is worth, where that is known,
    and it is said why it has no more.
    """
    if not any(channel.demand for channel in channels):
        return
    headings = ("channel", "judged", ">payments", ">at ppm", ">elasticity", ">best ppm", ">a sat is worth, ppm")
    rows = [_row(one, now) for one in channels if one.demand is not None or one.value_ppm is not None]
    yield Table("Demand (in brackets: where 80 % of the belief lies)", headings, tuple(rows))
    notes = []
    if any(one.demand is not None and _open_ended(one.demand) for one in channels):
        notes.append("+: the dearest price that may be tried so far; the best may lie beyond")
    if any(one.demand is None and one.value_ppm is not None for one in channels):
        other = "under the experiment it is another strategy's turn" if by_turns else "another strategy prices it"
        notes.append(f"{NOT_JUDGED}: {other}, or demand hasn't judged it yet; a sat's worth is known all the same")
    if notes:
        yield from (Line(note) for note in (*notes, ""))


def _row(channel: ChannelRecord, now: float) -> tuple[str, ...]:
    figures = channel.demand
    if figures is None:
        return (channel.name, NOT_JUDGED, "", "", "", "", "-" if channel.value_ppm is None else _ppm(channel.value_ppm))
    return (
        channel.name,
        age(figures.judged_at, now),
        f"{figures.interest_count:,}",
        f"{figures.fee_ppm:,}",
        _elasticity(figures),
        _best(figures),
        _value(figures),
    )


def _elasticity(figures: DemandFigures, unit: str = "") -> str:
    low, high = f"{figures.elasticity_low:.2f}", f"{figures.elasticity_high:.2f}"
    return _spread(f"{figures.elasticity:.2f}", low, high, unit)


def _prices(figures: DemandFigures) -> tuple[str, str, str]:
    return f"{figures.best_ppm:,}", f"{figures.best_low_ppm:,}", f"{figures.best_high_ppm:,}"


def _best(figures: DemandFigures) -> str:
    """The best price, where each that is the dearest at which a sale is expected is marked."""
    dearest = f"{figures.dearest_ppm:,}"
    return _spread(*(f"{ppm}+" if ppm == dearest else ppm for ppm in _prices(figures)))


def _value(figures: DemandFigures, unit: str = "") -> str:
    """What a sat is worth; alone where no demand changes it: at a refill's cost, and where nobody misses it."""
    value, low, high = (_ppm(one) for one in (figures.value_ppm, figures.value_low_ppm, figures.value_high_ppm))
    return f"{value}{unit}" if low == high else _spread(value, low, high, unit)


def _spread(value: str, low: str, high: str, unit: str = "") -> str:
    return f"{value}{unit} ({low} to {high})"


def _ppm(value_ppm: float) -> str:
    return f"{value_ppm:,.0f}"


def _open_ended(figures: DemandFigures) -> bool:
    return figures.best_high_ppm >= figures.dearest_ppm
