"""Figures and instants as people read them. The only place where msat become sat and seconds become words.

Rounding is against ourselves: what came in down, what went out up. Rows that belong to the books are exact instead.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from revops.domain.instants import span as span
from revops.domain.units import MSAT_PER_SAT, PPM, ppm_of, sat_ceil, sat_floor


def income(amount_msat: int) -> str:
    """Given an amount that is ours, return whole sat, rounded down, with thousands separators."""
    return f"{sat_floor(amount_msat):,}"


def cost(amount_msat: int) -> str:
    """Given an amount that we pay, return whole sat, rounded up."""
    return f"{sat_ceil(amount_msat):,}"


def whole(figure: float) -> str:
    """Given a figure that may be below 0, return it to the nearest whole number; never "-0"."""
    return f"{round(figure):,}"


def to_the_msat(amount_msat: int) -> str:
    """Given an amount, return sat with three decimals: rows of such figures add up to their sum."""
    whole, rest = divmod(amount_msat, MSAT_PER_SAT)
    return f"{whole:,}.{rest:03}"


def income_rate(part_msat: int, whole_msat: int) -> str:
    """Given what was earned on an amount, return ppm; "-" where nothing moved."""
    return f"{ppm_of(part_msat, whole_msat):,}" if whole_msat > 0 else "-"


def nearest_rate(part_msat: int, whole_msat: int) -> str:
    """Given what was paid on an amount, return ppm, to the nearest: beside exact sums; "-" where nothing moved."""
    return f"{round(part_msat * PPM / whole_msat):,}" if whole_msat > 0 else "-"


def share(part: int, whole: int) -> str:
    """Given a part and the whole, return per cent; "-" where there is no whole."""
    return f"{100 * part // whole} %" if whole > 0 else "-"


def percent(ratio: float) -> str:
    """Given a ratio, return per cent with one decimal; beyond 1,000 % without. Never "-0.0 %"."""
    digits = 0 if abs(ratio) >= 10 else 1
    rounded = round(100 * ratio, digits) + 0.0
    return f"{rounded:,.{digits}f} %"


def instant(at: float) -> str:
    """Given a UTC epoch, return it to the minute; "?" for one that no calendar has, as a node may tell."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%MZ")
    except (OverflowError, ValueError):
        return "?"


def day(number: int) -> str:
    """Given a UTC day, counted from 1970-01-01, return its date."""
    return (date(1970, 1, 1) + timedelta(days=number)).isoformat()


def age(at: float | None, now: float) -> str:
    """Given an instant and now, return how long ago it was."""
    return "never" if at is None else f"{span(now - at)} ago"
