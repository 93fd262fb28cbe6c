"""Returns per year, wherever they are shown: over one span, and of lines that lie wholly within it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from revops.domain.period import Period, Span, rated_span
from revops.domain.profit import ProfitLine
from revops.store import profits
from revops.store.engine import Tx
from revops.store.profits import Lines


@dataclass(frozen=True, slots=True)
class Rates:
    """The span, None where nothing of the period is on record, with the lines of it."""

    span: Span | None
    total: ProfitLine
    by_channel: Mapping[int, ProfitLine]

    def yearly_return_ratio(self, line: ProfitLine) -> float | None:
        """Given a line of the span, return what it is a year; None where that isn't known."""
        return None if self.span is None else line.yearly_return_ratio(self.span.seconds)


def rated_span_of(tx: Tx, period: Period, synced_at: float | None) -> Span | None:
    """Given a period, and when the last sync was, return the span over which returns are reckoned."""
    return rated_span(period, profits.balances_since_at(tx), synced_at)


def rates(tx: Tx, period: Period, synced_at: float | None, found: Lines | None = None) -> Rates:
    """Given a period, when the last sync was, and, where they are there, the lines of all of the period, return what
    returns are reckoned by.
    """
    span = rated_span_of(tx, period, synced_at)
    if span is None:
        return Rates(None, ProfitLine(), {})
    if found is None or span.first_day != period.first_day:
        found = profits.lines(tx, span.first_day, period.end_day)
    return Rates(span, found.total, found.by_channel)
