"""When a ranking in markets like a node is the prior's, when the node's, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from revops.domain.node_traffic import ChannelPast, NodeTraffic, TrafficHour
from revops.report.amounts import instant
from revops.sim.arena.calibrate import Calibration, calibrate
from revops.sim.arena.footing import priced_ratio, waiting, warnings
from tests.builders import DAY, NOW

HOUR_NUMBER = int(NOW // 3_600) - 30


def make_past(number: int, attempts: int, *prices: int, days: float = 20.0) -> ChannelPast:
    """A channel with so many payments, all of them settled, and prices that were in force one after the other."""
    changes = tuple((NOW - days * DAY * (1 - place / len(prices)), ppm) for place, ppm in enumerate(prices))
    hours = (TrafficHour(HOUR_NUMBER, attempts, 0, 0, float(attempts), 0.0),)
    return ChannelPast(
        f"{number:064x}",
        f"{number}x1x0",
        None,
        10**9,
        5 * 10**8,
        prices[-1],
        0,
        NOW - days * DAY,
        hours,
        prices=changes,
    )


def make_fit(*channels: ChannelPast, days: float = 20.0) -> Calibration:
    return calibrate(NodeTraffic(NOW, NOW - days * DAY, channels, (), 0), 200)


TRIED = make_past(1, 600, 100, 250)
UNTRIED = make_past(2, 400, 100, 199)


def test_prices_far_apart_on_most_of_the_traffic_need_no_warning() -> None:
    fit = make_fit(TRIED, UNTRIED)
    assert priced_ratio(fit) == pytest.approx(0.6)
    assert warnings(fit) == ()


def test_where_no_price_was_tried_the_prior_decides_however_long_the_records() -> None:
    first, figures, when, how = warnings(make_fit(UNTRIED, make_past(3, 9_000, 50)))
    assert "the prior's alone" in first
    assert "0 of 2 channels, with 0 % of the payments" in figures
    assert when == "it begins to mean something with all three"
    assert "time alone brings none" in how


def test_where_little_was_tried_the_prior_decides_more() -> None:
    first, figures, *_rest = warnings(make_fit(replace(TRIED, hours=UNTRIED.hours), make_past(3, 600, 50)))
    assert "more the prior's than this node's" in first
    assert "1 of 2 channels, with 40 % of the payments" in figures


@pytest.mark.parametrize(
    ("attempts", "days", "first_on"), [(600, 10.0, 14.0), (200, 20.0, 30.0), (200, 10.0, 15.0), (299, 30.0, 30.1)]
)
def test_short_records_say_from_when_on_they_do(attempts: int, days: float, first_on: float) -> None:
    """At the pace so far: days since the records began."""
    fit = make_fit(make_past(1, attempts, 100, 250, days=days), days=days)
    first, _figures, when = warnings(fit)
    assert first == "The ranking below means little as yet: the records are too short."
    at = NOW + (first_on - days) * DAY
    assert when.startswith(f"it begins to mean something with all three, not before {instant(at)[:10]}")


def test_without_any_payment_nothing_is_promised() -> None:
    assert "can't be said" in waiting(NodeTraffic(NOW, NOW, (), (), 0))
    assert "can't be said" in waiting(NodeTraffic(NOW, NOW - DAY, (replace(TRIED, hours=()),), (), 0))


def test_too_little_says_when_it_is_enough() -> None:
    """50 payments in a day: 100 are there after two, 300 after six, 14 days after fourteen."""
    said = waiting(NodeTraffic(NOW, NOW - DAY, (make_past(1, 50, 100, days=1.0),), (), 0))
    assert f"enough from {instant(NOW + DAY)} on" in said
    assert f"300 payments, from {instant(NOW + 13 * DAY)} on" in said
