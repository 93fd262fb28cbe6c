"""Rebalance jobs in tables: their ends by name, and what they cost, may cost, or are quoted at, each marked as what it
is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from revops.domain.budget import Category, OpenReservation
from revops.domain.reason import ReasonCode
from revops.domain.record import JobRecord
from revops.report.amounts import age, nearest_rate, to_the_msat

#: Money is reserved, or under way.
OPEN: Final = frozenset({"reserved", "sending", "in_flight"})
_QUOTES: Final = frozenset({ReasonCode.ROUTE_FOUND, ReasonCode.SLING_ORDER})


def named(channel_id: str, names: Mapping[str, str]) -> str:
    """Given a channel_id and names of channels, return its name; the beginning of the id where it has none."""
    return names.get(channel_id, channel_id[:12])


def fee(job: JobRecord) -> str:
    """Given a job, return what it has cost; of one that isn't over what is reserved for it, quoted, or allowed."""
    if job.status in OPEN:
        return f"{to_the_msat(job.reserved_msat or job.max_fee_msat)} reserved"
    if job.status == "planned":
        quoted = _is_quoted(job)
        return f"{to_the_msat(job.fee_msat or 0)} quoted" if quoted else f"at most {to_the_msat(job.max_fee_msat)}"
    if job.fee_msat is None:
        return ""
    return to_the_msat(job.fee_msat) if job.fee_msat else "0"


def _is_quoted(job: JobRecord) -> bool:
    quoted = job.reason is not None and job.reason.code in _QUOTES
    return quoted and job.status == "planned" and job.fee_msat is not None


def fee_rate(job: JobRecord) -> str:
    """Given a job, return at what rate it has paid, or would, in ppm; "-" where that isn't known."""
    known = job.status == "settled" or _is_quoted(job)
    return nearest_rate(job.fee_msat or 0, job.amount_msat) if known else "-"


def reserved_row(category: Category, held: OpenReservation, now: float) -> tuple[str, ...]:
    """Given what is reserved, return for what, how much, since when and in which state."""
    if held.status is not None:
        what = f"rebalance {held.job_key}: {held.source} to {held.target}"
    elif category is Category.REBALANCE:
        what = f"rebalance {held.job_key}"
    else:
        what = str(category)
    lost = "no open job knows of it: please report this" if category is Category.REBALANCE else "open: `splice list`"
    return what, to_the_msat(held.amount_msat), age(held.reserved_at, now), held.status or lost
