"""What demand looks like, as people read it: each figure with the interval that holds 80 % of the belief."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from revops.domain.demand import DemandFigures
from revops.domain.record import ChannelRecord
from revops.report.amounts import age, instant
from revops.report.blocks import Block, Line, Table


def told(figures: DemandFigures) -> str:
    """Given the figures of a channel, return them as a sentence."""
    return (
        f"demand, as judged {instant(figures.judged_at)} from {figures.interest_count:,} payments (in brackets: where "
        f"80 % of the belief lies): at {figures.fee_ppm:,} ppm a fee 1 % higher loses {_elasticity(figures)} % of the "
        f"payments; the best price is {_best(figures)} ppm{_beyond(figures)}; a sat is worth {_value(figures)} ppm"
    )


def demand_table(channels: Sequence[ChannelRecord], now: float) -> Iterator[Block]:
    """Given open channels and the time, render what demand looks like on each; nothing where no channel has figures.

    Beside one that has, a channel that another strategy prices shows what its liquidity is worth, where that is known.
    """
    if not any(channel.demand for channel in channels):
        return
    headings = ("channel", "judged", ">payments", ">at ppm", ">elasticity", ">best ppm", ">a sat is worth, ppm")
    rows = [_row(one, now) for one in channels if one.demand is not None or one.value_ppm is not None]
    yield Table("Demand (in brackets: where 80 % of the belief lies)", headings, tuple(rows))
    if any(one.demand is not None and _open_ended(one.demand) for one in channels):
        yield Line("+: the dearest price at which a sale is expected so far; the best may lie beyond")
        yield Line("")


def _row(channel: ChannelRecord, now: float) -> tuple[str, ...]:
    figures = channel.demand
    if figures is None:
        return (channel.name, "-", "-", "-", "-", "-", "-" if channel.value_ppm is None else _ppm(channel.value_ppm))
    return (
        channel.name,
        age(figures.judged_at, now),
        f"{figures.interest_count:,}",
        f"{figures.fee_ppm:,}",
        _elasticity(figures),
        _best(figures),
        _value(figures),
    )


def _elasticity(figures: DemandFigures) -> str:
    return f"{figures.elasticity:.2f} ({figures.elasticity_low:.2f} to {figures.elasticity_high:.2f})"


def _best(figures: DemandFigures) -> str:
    best, low, high = (
        f"{ppm:,}+" if ppm >= figures.dearest_ppm else f"{ppm:,}"
        for ppm in (figures.best_ppm, figures.best_low_ppm, figures.best_high_ppm)
    )
    return f"{best} ({low} to {high})"


def _value(figures: DemandFigures) -> str:
    return f"{_ppm(figures.value_ppm)} ({_ppm(figures.value_low_ppm)} to {_ppm(figures.value_high_ppm)})"


def _ppm(value_ppm: float) -> str:
    return f"{value_ppm:,.0f}"


def _open_ended(figures: DemandFigures) -> bool:
    return figures.best_high_ppm >= figures.dearest_ppm


def _beyond(figures: DemandFigures) -> str:
    return " (+: no sale is expected beyond it so far)" if _open_ended(figures) else ""
