"""Returns per year: one formula, one span, and what of a sum counts; right values by hand."""

from __future__ import annotations

import pytest

from revops.domain.fleet import FleetNode, totals_of
from revops.domain.period import DAY_SECONDS, Period, Span, rated_span
from revops.domain.profit import ProfitLine, rebalance_return_ratio, total_of
from revops.domain.units import yearly_ratio

SAT = 1_000
DAY = float(DAY_SECONDS)


@pytest.mark.parametrize(
    ("net_msat", "capital_msat", "days", "found"),
    [
        (100 * SAT, 36_500 * SAT, 10, 0.1),  # 100 in 10 days are 3,650 a year
        (-100 * SAT, 36_500 * SAT, 10, -0.1),
        (0, 36_500 * SAT, 10, 0.0),
        (1, 365, 1, 1.0),
        (1, 365, 365, 1 / 365),
        (1, 365, 0.999, None),  # two hours say nothing of a year
        (1, 0, 10, None),
        (1, 365, -1, None),
    ],
)
def test_a_year_has_365_days(net_msat: int, capital_msat: int, days: float, found: float | None) -> None:
    ratio = yearly_ratio(net_msat, capital_msat, days * DAY)
    assert ratio == (None if found is None else pytest.approx(found))
    assert ProfitLine(earned_msat=net_msat, capital_msat=capital_msat).yearly_return_ratio(days * DAY) == ratio


@pytest.mark.parametrize(
    ("period", "balances_since", "synced", "found"),
    [
        (Period(100, 130), 90, 129.5, (100, 129.5)),  # all of it is on record, as far as it has passed
        (Period(100, 130), 120, 129.5, (120, 129.5)),  # balances begin in it
        (Period(None, 130), 120, 129.5, (120, 129.5)),  # "ever" begins there, too
        (Period(100, 130), 90, 124.25, (100, 124.25)),  # nobody has synced since
        (Period(100, 130), 90, 200, (100, 130)),
        (Period(100, 130), 130, 200, None),
        (Period(100, 130), 90, 100, None),
        (Period(100, 130), None, 129.5, None),
        (Period(100, 130), 90, None, None),
    ],
)
def test_a_return_is_of_what_is_on_record(
    period: Period, balances_since: int | None, synced: float | None, found: tuple[float, float] | None
) -> None:
    span = rated_span(
        period, None if balances_since is None else balances_since * DAY, None if synced is None else synced * DAY
    )
    assert span == (None if found is None else Span(found[0] * DAY, found[1] * DAY))


def test_what_other_channels_sold_is_no_return_on_a_rebalance() -> None:
    refilled = ProfitLine(earned_msat=300, out_msat=1_000, rebalanced_msat=500, rebalance_msat=100)
    unsold = ProfitLine(rebalanced_msat=500, rebalance_msat=100)
    sold_more = ProfitLine(earned_msat=50, out_msat=200, rebalanced_msat=900, rebalance_msat=10)
    other = ProfitLine(earned_msat=10**9, out_msat=10**9)
    assert rebalance_return_ratio([refilled]) == pytest.approx(0.5)  # half of it came out of what was bought: 150
    assert rebalance_return_ratio([unsold]) == -1.0
    assert rebalance_return_ratio([sold_more]) == pytest.approx(4.0)  # all 50, for 10
    assert rebalance_return_ratio([refilled, unsold, sold_more]) == pytest.approx(200 / 210 - 1)
    assert rebalance_return_ratio([refilled, other]) == rebalance_return_ratio([refilled])
    assert rebalance_return_ratio([other]) is None
    assert rebalance_return_ratio([]) is None


def node(number: int, rated_line: ProfitLine, days: float | None) -> FleetNode:
    """A node of which a return is known over so many days."""
    span = None if days is None else Span(0.0, days * DAY)
    ratio = None if span is None else rated_line.yearly_return_ratio(span.seconds)
    return FleetNode(
        f"{number:066x}", "", "bitcoin", None, None, 0, 0, 0, None, rated_line, rated_line, ratio, span, rated_line
    )


def test_nodes_of_different_spans_together() -> None:
    old = node(1, ProfitLine(earned_msat=10 * SAT, capital_msat=1_000 * SAT), 10)
    young = node(2, ProfitLine(earned_msat=4 * SAT, capital_msat=3_000 * SAT), 5)
    new = node(3, ProfitLine(earned_msat=99 * SAT, capital_msat=7_000 * SAT), 0.5)
    silent = node(4, ProfitLine(earned_msat=99 * SAT), None)
    (total,) = totals_of([old, young, new, silent])
    # 14 sat on 1,000 x 10 + 3,000 x 5 = 25,000 sat days; what isn't known of two is in neither.
    assert total.yearly_return_ratio == pytest.approx(14 / 25_000 * 365)
    assert total.window == total_of(one.window for one in (old, young, new, silent))
    assert totals_of([new, silent])[0].yearly_return_ratio is None
