"""Channels and reports of capital for tests that reckon with them."""

from __future__ import annotations

from hypothesis import strategies as st

from revops.decide.marginal_sat import marginal
from revops.domain.capital import (
    CapitalReport,
    CapitalRow,
    CapitalSource,
    CapitalStanding,
    RatioRange,
    RealisedReturn,
    SatWorth,
)
from tests.builders import NOW, SAT, channel_id

#: 100 ppm a sale, sold in half of all windows of 3 days; it comes back 12 times a year, and could 20 times.
WORTH = SatWorth(50.0, 20.0, 80.0, 3.0, 100.0, 12.0, 20.0, 0.0)


def row(number: int, capital_sat: int, worth: SatWorth | None) -> CapitalRow:
    return CapitalRow(
        channel_id(number), f"{number}x1x1", None, None,
        CapitalStanding.UNVALUED if worth is None else CapitalStanding.COUNTED, capital_sat * SAT, capital_sat * SAT,
        capital_sat * SAT, None, None, None, 0, 0, 0, 0, 0, worth, None if worth is None else marginal(worth),
    )  # fmt: skip


def report(rows: tuple[CapitalRow, ...], source: CapitalSource | None, cost: RatioRange | None) -> CapitalReport:
    nothing = RealisedReturn(0, 0, 0, 0, 0, 0)
    return CapitalReport(NOW, NOW, None, 0, 30, 7, source, cost, cost, (), nothing, (), rows)


worths = st.builds(
    lambda sale, part, low, high, window, most, share, restoring: SatWorth(
        sale * part, sale * part * low, sale * part + (sale - sale * part) * high, window, sale, most * share, most,
        restoring,
    ),
    st.floats(0, 1e6), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.sampled_from([3.0, 30.0]),
    st.floats(0, 1e5), st.floats(0, 1), st.floats(0, 1e4),
)  # fmt: skip
