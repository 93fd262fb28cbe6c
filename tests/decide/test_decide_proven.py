"""What a sale may be expected to bring."""

from __future__ import annotations

from dataclasses import replace

import pytest

from revops.decide.fees import decide_fees
from revops.decide.proven import MARKET_COUNT, UNPROVEN_FACTOR, dearest_sale_ppm, sale_price_ppm, shown_market_ppm
from revops.domain.decision import PriceWindow
from revops.domain.policy import FeesConfig
from revops.domain.signals import Rate, Signals
from tests.builders import HOUR, NOW, make_channel, make_fee_input, make_fee_snapshot, make_state

POLICY = FeesConfig()


def test_a_price_that_nobody_has_paid_is_worth_what_the_market_asks() -> None:
    wild = make_fee_input(make_channel(fee_ppm=3_000), state=make_state(fee_ppm=3_000), earned_msat=0, earned_count=0)
    assert sale_price_ppm(wild, POLICY) == dearest_sale_ppm(wild, POLICY) == UNPROVEN_FACTOR * POLICY.start_ppm
    assert sale_price_ppm(replace(wild, signals=Signals(anchor_ppm=70)), POLICY) == 140
    sold = replace(wild, state=make_state(fee_ppm=3_000, windows=(PriceWindow(NOW - HOUR, 500, 9.0, 2.0),)))
    assert sale_price_ppm(sold, POLICY) == 1_000
    assert sale_price_ppm(replace(wild, earned_msat=9, earned_count=1), POLICY) == 3_000
    modest = make_fee_input(make_channel(fee_ppm=50), state=make_state(fee_ppm=50), earned_msat=0, earned_count=0)
    assert sale_price_ppm(modest, POLICY) == 50


def test_the_value_of_liquidity_does_not_follow_a_foreign_fee() -> None:
    """Somebody sets 3,000 ppm on an empty channel: other channels' prices rest on what its sat is worth."""
    wanted = Signals(demand=Rate(1e10, 1e18))
    values = []
    for fee_ppm in (400, 3_000):
        empty = make_channel(fee_ppm=fee_ppm, local_msat=0)
        known = make_fee_input(empty, state=make_state(), earned_msat=0, earned_count=0, signals=wanted)
        values.append(decide_fees(make_fee_snapshot(known), POLICY).decisions[0].value_ppm)
    assert values[0] == values[1] > 390


@pytest.mark.parametrize(
    ("tried", "now_count", "shown_ppm"),
    [
        ((), 0.0, None),
        ((), MARKET_COUNT - 0.1, None),
        ((), MARKET_COUNT, 100),
        # The dearest prices first, and as many of them as it takes.
        (((900, 10.0), (700, 15.0), (500, 5.0), (300, 99.0)), 0.0, 500),
        (((900, MARKET_COUNT), (300, 99.0)), 0.0, 900),
        (((900, 29.0),), 1.0, 100),
    ],
)
def test_a_market_is_shown_by_what_thirty_have_paid(
    tried: tuple[tuple[int, float], ...], now_count: float, shown_ppm: int | None
) -> None:
    windows = tuple(PriceWindow(NOW - HOUR, fee_ppm, 9.0, count) for fee_ppm, count in tried)
    offer = make_fee_input(state=make_state(fee_ppm=100, windows=windows), interest_count=now_count)
    assert shown_market_ppm(offer) == shown_ppm
    assert shown_market_ppm(replace(offer, state=None)) is None


def test_what_only_failed_shows_no_market() -> None:
    """Of a flood that fails beyond us no more counts than four times what settled."""
    flooded = make_fee_input(state=make_state(fee_ppm=100), interest_count=1_000.0, settled_interest_count=7.0)
    assert shown_market_ppm(flooded) is None
    assert shown_market_ppm(replace(flooded, settled_interest_count=MARKET_COUNT / 4)) == 100
