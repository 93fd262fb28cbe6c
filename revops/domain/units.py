"""Amounts and rates: msat is the base unit, ppm the rate, both `int`.

Everything is whole numbers on purpose: a float loses msat above 2^53, and pyln's `Millisatoshi` refuses the negative
numbers that a net result needs. Convert to sat once, at the edge, and round against ourselves: revenue down, cost up.
"""

from __future__ import annotations

from typing import Final

MSAT_PER_SAT: Final = 1_000
MSAT_PER_BTC: Final = 100_000_000 * MSAT_PER_SAT
PPM: Final = 1_000_000
#: All the bitcoin there will be, in msat. The node reports "no limit" as 2^64-1, which no signed column can hold.
MAX_MSAT: Final = 21_000_000 * 100_000_000 * MSAT_PER_SAT
MAX_U32: Final = 2**32 - 1
SECONDS_PER_DAY: Final = 86_400.0
SECONDS_PER_YEAR: Final = 365.0 * SECONDS_PER_DAY


def clamp_msat(amount_msat: int) -> int:
    """Given an amount that may be the node's 2^64-1 for "no limit", return it cut to the supply of bitcoin."""
    return min(amount_msat, MAX_MSAT)


def forward_fee_msat(amount_msat: int, fee_base_msat: int, fee_ppm: int) -> int:
    """Given the amount that leaves us, return our forwarding fee (BOLT 7: base + amount * ppm / 1,000,000, floored)."""
    return fee_base_msat + amount_msat * fee_ppm // PPM


def ppm_of(part_msat: int, whole_msat: int) -> int:
    """Given a fee and the amount it was paid on, return the rate, floored; 0 where nothing moved."""
    return part_msat * PPM // whole_msat if whole_msat > 0 else 0


def ppm_of_ceil(part_msat: int, whole_msat: int) -> int:
    """Given a cost and the amount it bought, return the rate, rounded up; 0 where nothing moved."""
    return -(-part_msat * PPM // whole_msat) if whole_msat > 0 else 0


def share_msat(amount_msat: int, rate_ppm: int) -> int:
    """Given an amount and a rate, return that share of it, floored."""
    return amount_msat * rate_ppm // PPM


def yearly_ratio(net_msat: int, capital_msat: float, seconds: float) -> float | None:
    """Given what capital brought in a span, what it was on an average over that span, and how long that was, return the
    former as a share of the latter, a year of 365 days. None without capital, and of less than a day: that says nothing
    of a year.

    All returns are reckoned here, and all of them over `domain.period.rated_span`.
    """
    if capital_msat <= 0 or seconds < SECONDS_PER_DAY:
        return None
    return net_msat / capital_msat * SECONDS_PER_YEAR / seconds


def sat_floor(amount_msat: int) -> int:
    """Given msat, return whole sat rounded down (for revenue)."""
    return amount_msat // MSAT_PER_SAT


def sat_ceil(amount_msat: int) -> int:
    """Given msat, return whole sat rounded up (for costs)."""
    return -(-amount_msat // MSAT_PER_SAT)


def sat_exact(amount_msat: int) -> str:
    """Given msat, return sat to the msat, for people: "12.345"; whole ones without decimals: "1,000"."""
    sign, (whole, rest) = "-" * (amount_msat < 0), divmod(abs(amount_msat), MSAT_PER_SAT)
    return f"{sign}{whole:,}.{rest:03}" if rest else f"{sign}{whole:,}"


def btc_exact(amount_msat: int) -> str:
    """Given msat, return bitcoin to the msat, for other programs: "0.00001234567", always with 11 decimals."""
    whole, rest = divmod(abs(amount_msat), MSAT_PER_BTC)
    return f"{'-' * (amount_msat < 0)}{whole}.{rest:011}"


def clamp(value: int, low: int, high: int) -> int:
    """Given a value and bounds, return it within them; the upper bound wins where they cross."""
    raised = low if value < low else value
    return high if raised > high else raised
