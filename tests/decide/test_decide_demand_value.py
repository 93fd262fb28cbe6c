"""The strategy `demand` and what liquidity is worth: when that is reckoned, what it does to prices, and that silence
brings both down.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.fees import decide_fees
from revops.decide.proven import dearest_sale_ppm
from revops.decide.strategies.demand import TURNS_PER_INTERVAL, propose
from revops.domain.decision import Outcome, PriceWindow
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode
from revops.domain.signals import Rate, Signals
from revops.domain.snapshot import FeeInput
from tests.builders import (
    DAY,
    HOUR,
    NOW,
    SAT,
    make_channel,
    make_climb,
    make_fee_input,
    make_fee_snapshot,
    make_state,
    make_terms,
)
from tests.strategies import fee_inputs, fees_policies

POLICY = FeesConfig(strategy="demand")
TURN = POLICY.min_interval_seconds / TURNS_PER_INTERVAL
CAPACITY_SAT = 5_000_000
MIN_PPM = POLICY.min_ppm
#: Two prices were tried at which as many bought, 50 a day; two million sat a day want to leave, a tenth comes in.
TRIED = tuple(PriceWindow(NOW - DAY, ppm, 10.0, 20.0) for ppm in (60, 80))
MUCH, LITTLE = Rate(2e9, 2e17), Rate(2e8, 2e16)


def channel_at(local_ratio: float, hours: float = 10.5, since_look: float = HOUR, **signals: Any) -> FeeInput:
    """A channel of 100 ppm, so full, so long at its price, and looked at a while ago; 20 have bought at it."""
    state = make_state(
        window_start_at=NOW - hours * HOUR,
        open_seconds=max(hours * HOUR - since_look, 0.0) if local_ratio > 0.1 else 0.0,
        counted_at=NOW - since_look,
        windows=TRIED,
    )
    return make_fee_input(
        make_channel(local_msat=int(CAPACITY_SAT * SAT * local_ratio)),
        state=state,
        earned_count=20,
        earned_msat=50_000,
        signals=Signals(**{"demand": MUCH, "inflow": LITTLE, "value_ppm": 77.0, **signals}),
    )


def codes(fee_input: FeeInput) -> list[ReasonCode]:
    return [reason.code for reason in propose(fee_input, POLICY, NOW).reasons]


@pytest.mark.parametrize("hours", [2.1, 4.1, 6.1])
def test_the_value_is_refreshed_each_turn_while_it_is_too_early_to_act(hours: float) -> None:
    """The turn ended a tenth of an hour ago: the look before was in the former one."""
    early = channel_at(0.5, hours)
    proposal = propose(early, POLICY, NOW)
    assert [reason.code for reason in proposal.reasons] == [ReasonCode.OBSERVING]
    assert proposal.ppm == 100
    assert proposal.value_ppm is not None
    assert proposal.value_ppm > 200


@pytest.mark.parametrize(("hours", "code"), [(1.9, ReasonCode.OBSERVING), (9.9, ReasonCode.JUDGED_LATELY)])
def test_in_between_it_stays_as_it_was_stored(hours: float, code: ReasonCode) -> None:
    kept = channel_at(0.5, hours)
    assert codes(kept) == [code]
    assert propose(kept, POLICY, NOW).value_ppm == kept.signals.value_ppm == 77.0
    [decision] = decide_fees(make_fee_snapshot(kept), POLICY).decisions
    assert decision.value_ppm == 77.0


def test_a_clock_that_went_back_refreshes_nothing() -> None:
    back = channel_at(0.5, since_look=-HOUR)
    assert codes(back) == [ReasonCode.OBSERVING]
    assert propose(back, POLICY, NOW).value_ppm == 77.0


def test_the_decision_carries_the_value_that_the_strategy_knows() -> None:
    """And not that of the net outflow's chance, which would be 0: twice as much comes in as leaves."""
    full = channel_at(0.9, inflow=Rate(1.9e9, 2e17))
    [decision] = decide_fees(make_fee_snapshot(full), POLICY).decisions
    assert decision.value_ppm == propose(full, POLICY, NOW).value_ppm
    [climbed] = decide_fees(make_fee_snapshot(full), make_climb()).decisions
    assert climbed.value_ppm != decision.value_ppm


def test_an_empty_channel_that_is_asked_for_more_than_comes_in_gets_dearer() -> None:
    empty, full = channel_at(0.0), channel_at(0.98, inflow=Rate(1e10, 1e18))
    values = [propose(one, POLICY, NOW).value_ppm or 0.0 for one in (empty, channel_at(0.5), full)]
    assert values[0] > values[1] > 300 > 1 > values[2]
    assert propose(empty, POLICY, NOW).ppm == 200  # the dearest in reach: twice


def test_a_channel_that_brings_payments_in_where_liquidity_is_scarce_gets_cheaper() -> None:
    """The same channel, full, with or without scarce channels by which its payments enter."""
    ample = Rate(1e10, 1e18)
    plain, helpful = (
        propose(channel_at(0.98, inflow=ample, entry_value_ppm=ppm), POLICY, NOW).ppm for ppm in (0.0, 300.0)
    )
    assert helpful < 100 < plain


def test_what_a_refill_cost_once_makes_nothing_cheaper() -> None:
    """It may not be had again; who sells as if it could sells what is scarce for too little."""
    assert propose(channel_at(0.0), POLICY, NOW).ppm == propose(channel_at(0.0, refill_ppm=120), POLICY, NOW).ppm


@pytest.mark.parametrize("settle_ratio", [1.0, 0.25])
def test_what_fails_beyond_uses_no_liquidity(settle_ratio: float) -> None:
    """A quarter of the payments settles: the half-full channel lasts four times as long."""
    value_ppm = propose(channel_at(0.5, settle_ratio=settle_ratio), POLICY, NOW).value_ppm
    assert value_ppm is not None
    assert (value_ppm > 300) is (settle_ratio == 1.0)


def test_an_empty_channel_is_worth_twice_the_dearest_price_that_was_paid_and_no_more() -> None:
    """Nobody minded any price: whatever might be asked, only what is proven counts."""
    empty = channel_at(0.0, anchor_ppm=90)
    assert 190 < (propose(empty, POLICY, NOW).value_ppm or 0.0) <= 200
    assert empty.state is not None
    paid = (*TRIED, PriceWindow(NOW - DAY, 700, 10.0, 20.0))
    dearer = replace(empty, state=replace(empty.state, windows=paid))
    assert 1_000 < (propose(dearer, POLICY, NOW).value_ppm or 0.0) <= 1_400


@given(fee_input=fee_inputs(), policy=fees_policies(), ratio=st.floats(0.25, 4))
def test_nothing_is_worth_more_than_what_is_proven_to_sell(
    fee_input: FeeInput, policy: FeesConfig, ratio: float
) -> None:
    offer = replace(fee_input, market_ratio=ratio)
    value_ppm = propose(offer, policy, NOW).value_ppm
    if value_ppm is None or value_ppm == offer.signals.value_ppm:
        return
    dearest_ppm = max(min(dearest_sale_ppm(offer, policy), policy.max_ppm), policy.min_ppm, 1)
    assert 0 <= value_ppm <= dearest_ppm + offer.signals.entry_value_ppm


def hourly(one: FeeInput, days: float) -> list[tuple[int, float]]:
    """Fee and value of each hour that a channel lives on, all its decisions carried out, while nobody comes: what had
    been wanted fades as the records' sums do.
    """
    seen = []
    demand = one.signals.demand
    for hour in range(round(days * 24)):
        now = NOW + hour * HOUR
        [decision] = decide_fees(make_fee_snapshot(one, taken_at=now), POLICY).decisions
        seen.append((decision.old_ppm, decision.value_ppm))
        left = 0.5 ** ((hour + 1) / 24 / 7)
        signals = replace(
            one.signals,
            value_ppm=decision.value_ppm,
            demand=Rate(demand.msat_per_day * left, demand.squares_per_day * left),
        )
        one = replace(one, state=decision.state, signals=signals, earned_count=0, earned_msat=0)
        if decision.outcome is Outcome.CHANGE:
            channel = replace(one.channel, local_terms=make_terms(fee_ppm=decision.new_ppm))
            one = replace(one, channel=channel, state=decision.state_if_sent, last_changed_at=now)
            one = replace(one, last_own_changed_at=now)
    return seen


@pytest.mark.parametrize("local_ratio", [0.5, 0.98])
@pytest.mark.parametrize("had_a_life", [False, True])
def test_a_dead_channel_is_worth_nothing_within_days_and_its_price_only_falls(
    local_ratio: float, had_a_life: bool
) -> None:
    if had_a_life:
        memory = tuple(PriceWindow(NOW - (20 - n) * 12 * HOUR, 300, 10.0, 20.0) for n in range(20))
        state = make_state(fee_ppm=300, windows=memory)
        start = channel_at(local_ratio, inflow=Rate(), settle_ratio=0.9)
    else:
        state = None
        start = channel_at(local_ratio, demand=Rate(), inflow=Rate(), settle_ratio=0.5)
    channel = replace(start.channel, local_terms=make_terms(fee_ppm=300))
    dead = replace(start, channel=channel, state=state, earned_count=0, earned_msat=0, last_earned_at=None)
    seen = hourly(dead, 12.0)
    fees = [fee_ppm for fee_ppm, _value_ppm in seen]
    assert fees == sorted(fees, reverse=True)
    assert fees[-1] == MIN_PPM
    assert max(value_ppm for _fee_ppm, value_ppm in seen[5 * 24 :]) < MIN_PPM
    assert max(value_ppm for _fee_ppm, value_ppm in seen[10 * 24 :]) < 0.1


def test_an_empty_channel_that_nobody_asks_for_is_worth_nothing() -> None:
    """Nothing is sold there, so that no price shows it; but what is refused would be in the demand."""
    silent = channel_at(0.0, demand=Rate(), inflow=Rate())
    silent = replace(silent, earned_count=0, earned_msat=0, last_earned_at=None)
    fresh = replace(silent, state=replace(silent.state, windows=())) if silent.state is not None else silent
    for one in (silent, fresh):
        seen = hourly(one, 3.0)
        assert {fee_ppm for fee_ppm, _value_ppm in seen} == {100}
        assert {value_ppm for _fee_ppm, value_ppm in seen[3:]} == {0.0}
    asked = replace(fresh, signals=replace(fresh.signals, demand=MUCH))
    assert (propose(asked, POLICY, NOW).value_ppm or 0.0) > 300
