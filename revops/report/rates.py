"""What pages that show returns per year say of them in the same words."""

from __future__ import annotations

from collections.abc import Iterator

from revops.domain.period import DAY_SECONDS, Span
from revops.domain.units import SECONDS_PER_DAY
from revops.report.amounts import day, percent
from revops.report.blocks import Block, Legend

#: How sums are rounded, for pages that have columns of them.
ROUNDING = (
    "rounded last and against us: earnings, amounts and net down, costs up; so a column may differ from its total by "
    "up to a sat a row"
)


def yearly(ratio: float | None) -> str:
    """Given a return per year, return it in per cent; "?" where it isn't known."""
    return "?" if ratio is None else percent(ratio)


def span_days(span: Span | None) -> str:
    """Given the span of a return, return its length in days."""
    return "0" if span is None else f"{span.seconds / SECONDS_PER_DAY:.1f}"


def note_on_rates(span: Span | None, days: int) -> Iterator[Block]:
    """Given the span of a return, and of how many of its days balances are on record, say over which days it is
    reckoned.
    """
    if span is None or span.seconds < SECONDS_PER_DAY:
        yield Legend(
            "a year (?): known where balances are on record for a whole day of the period; "
            "none are from before the first sync"
        )
        return
    last_day = int((span.until_at - 1) // DAY_SECONDS)
    gaps = "" if days > last_day - span.first_day else f" (on record for {days:,} of them)"
    yield Legend(
        f"a year: net of {day(span.first_day)} to {day(last_day)} ({span_days(span)} days, as far as balances are on "
        f"record) on capital, which is our balance in the channels, averaged over the same days{gaps}; of 365 days"
    )
