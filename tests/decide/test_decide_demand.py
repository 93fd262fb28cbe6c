"""The strategy `demand`: what it proposes, when it judges, and what it never does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from revops.decide.governor import dead_band_ppm
from revops.decide.strategies.demand import TURNS_PER_INTERVAL, propose
from revops.domain.decision import FeeState, PriceWindow
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode
from revops.domain.signals import Rate, Signals
from revops.domain.snapshot import FeeInput
from tests.builders import HOUR, NOW, SAT, make_channel, make_fee_input, make_state
from tests.strategies import fee_inputs, fees_policies

POLICY = FeesConfig(strategy="demand")
JUDGED = (ReasonCode.DEMAND, ReasonCode.DEMAND_OUTSIDE, ReasonCode.JUDGED_BEST)
#: Why a price is kept that isn't the best.
KEPT_BY = {ReasonCode.DEAD_BAND, ReasonCode.UNPAID, ReasonCode.AT_BOUND}
#: More comes in than anybody buys: liquidity is worth nothing.
AMPLE = Rate(1e14, 1e21)


def offer(*tried: tuple[int, float], count: int = 10, fee_ppm: int = 100, **overrides: Any) -> FeeInput:
    """A channel that was open for ten hours at its price, an hour of them since the last look; `tried` are (fee,
    payments) of ten open hours each.
    """
    memory = tuple(PriceWindow(NOW - HOUR, fee, 10.0, interest) for fee, interest in tried)
    since_at = NOW - 10.5 * HOUR
    state = make_state(
        fee_ppm=fee_ppm, window_start_at=since_at, open_seconds=9.5 * HOUR, counted_at=NOW - HOUR, windows=memory
    )
    base = make_fee_input(make_channel(fee_ppm=fee_ppm), state=state, earned_count=count, earned_msat=count * 2_500)
    return replace(base, **overrides)


def codes(fee_input: FeeInput) -> list[ReasonCode]:
    return [reason.code for reason in propose(fee_input, POLICY, NOW).reasons]


def test_the_first_look_only_watches() -> None:
    proposal = propose(make_fee_input(state=None), POLICY, NOW)
    assert (proposal.ppm, proposal.state) == (100, FeeState(100, NOW, NOW))
    assert [reason.code for reason in proposal.reasons] == [ReasonCode.FIRST_SEEN]


@pytest.mark.parametrize(
    ("tried", "count", "dearer"),
    [
        # Nobody minds the price; everybody does.
        (((60, 100.0), (80, 100.0)), 100, True),
        (((60, 200.0), (80, 60.0)), 10, False),
    ],
)
def test_it_goes_where_more_is_expected(tried: tuple[tuple[int, float], ...], count: int, dearer: bool) -> None:
    proposal = propose(offer(*tried, count=count, signals=Signals(inflow=AMPLE)), POLICY, NOW)
    assert (proposal.ppm > 100) is dearer
    assert 50 <= proposal.ppm <= 200
    assert proposal.if_sent.windows[-1] == PriceWindow(NOW, 100, 10.5, float(count))
    sentence = proposal.reasons[0].sentence
    assert "of all prices " in sentence
    assert " -" not in sentence.split("promises most, ")[1][:2]


def test_scarce_liquidity_is_dearer_and_payments_that_enter_where_it_is_scarce_are_cheaper() -> None:
    tried = ((60, 200.0), (80, 170.0))
    plain = propose(offer(*tried, count=140, signals=Signals(inflow=AMPLE)), POLICY, NOW).ppm
    wanted = Signals(demand=Rate(1e12, 1e21))
    scarce = offer(*tried, count=140, channel=make_channel(fee_ppm=100, local_msat=80_000 * SAT), signals=wanted)
    refilling = offer(*tried, count=140, signals=Signals(inflow=AMPLE, entry_value_ppm=300.0))
    assert propose(refilling, POLICY, NOW).ppm < plain < propose(scarce, POLICY, NOW).ppm


def test_it_judges_a_few_times_in_an_interval_and_not_before_the_first_is_over() -> None:
    assert codes(offer(state=make_state(open_seconds=7 * HOUR, counted_at=NOW))) == [ReasonCode.OBSERVING]
    assert POLICY.min_interval_seconds / TURNS_PER_INTERVAL == 2 * HOUR
    lately = make_state(open_seconds=8.1 * HOUR, counted_at=NOW - 0.5 * HOUR)
    assert codes(offer(state=lately)) == [ReasonCode.JUDGED_LATELY]
    assert codes(offer(state=replace(lately, counted_at=NOW - 1.1 * HOUR))) == [ReasonCode.DEMAND]


def test_a_channel_that_can_not_forward_is_judged_by_the_clock() -> None:
    empty = make_channel(fee_ppm=100, local_msat=0)
    wanted = Signals(demand=Rate(1e12, 1e21))
    state = make_state(open_seconds=0.0, window_start_at=NOW - 10.5 * HOUR, counted_at=NOW - HOUR)
    dry = offer(channel=empty, state=state, signals=wanted, count=0)
    assert codes(dry) == [ReasonCode.DEMAND]
    assert propose(dry, POLICY, NOW).ppm > 100
    assert codes(replace(dry, state=replace(state, counted_at=NOW - 60))) == [ReasonCode.JUDGED_LATELY]


def settled(*tried: tuple[int, float]) -> FeeInput:
    """A channel at 100 ppm with a hundred payments there, and what was tried besides."""
    return offer(*tried, count=100, signals=Signals(inflow=AMPLE))


#: A bound has kept the price where it is.
HELD_DOWN = FeesConfig(strategy="demand", max_ppm=100)
SLIGHT = ((98, 103.0), (102, 97.0))


@pytest.mark.parametrize("tried", [(), SLIGHT, (*SLIGHT, (104, 95.0))])
def test_where_all_payments_came_at_about_one_price_another_is_tried(tried: tuple[tuple[int, float], ...]) -> None:
    proposal = propose(settled(*tried), HELD_DOWN, NOW)
    assert [reason.code for reason in proposal.reasons] == [ReasonCode.DEMAND_PROBE, ReasonCode.DEMAND]
    assert 50 <= proposal.ppm <= 67


@pytest.mark.parametrize("far", [(150, 60.0), (150, 0.0), (60, 130.0)])
def test_hours_at_a_price_far_away_tell_enough_also_where_nobody_came(far: tuple[int, float]) -> None:
    proposal = propose(settled(*SLIGHT, far), HELD_DOWN, NOW)
    assert [reason.code for reason in proposal.reasons] == [ReasonCode.DEMAND]


def test_a_probe_keeps_to_the_largest_step() -> None:
    careful = FeesConfig(strategy="demand", max_ppm=100, max_step_ratio=0.2)
    assert propose(settled(*SLIGHT), careful, NOW).ppm == 83


def test_where_steps_are_too_short_to_tell_anything_none_is_made_to_tell() -> None:
    hesitant = FeesConfig(strategy="demand", max_ppm=100, max_step_ratio=0.1)
    assert [reason.code for reason in propose(settled(*SLIGHT), hesitant, NOW).reasons] == [ReasonCode.DEMAND]


def test_an_empty_channel_tries_nothing_in_vain() -> None:
    empty = replace(settled(*SLIGHT), channel=make_channel(fee_ppm=100, local_msat=0))
    assert ReasonCode.DEMAND_PROBE not in {reason.code for reason in propose(empty, HELD_DOWN, NOW).reasons}


def test_few_payments_are_no_reason_to_try_another_price() -> None:
    few = offer((100, 20.0), count=20, signals=Signals(inflow=AMPLE))
    assert [reason.code for reason in propose(few, HELD_DOWN, NOW).reasons] == [ReasonCode.DEMAND]


def test_without_revenue_it_is_not_raised_by_what_others_charge() -> None:
    dear_market = Signals(anchor_ppm=2_000)
    idle = offer(count=0, signals=dear_market)
    kept = propose(idle, POLICY, NOW)
    assert kept.ppm == 100
    assert kept.reasons[-1].sentence == (
        "nobody has paid 100 ppm since it is in force: 200 ppm isn't tried before somebody has"
    )
    assert propose(replace(idle, earned_count=1), POLICY, NOW).ppm > 100


@given(fee_input=fee_inputs(), policy=fees_policies())
def test_a_proposal_is_in_reach_and_worth_an_announcement_or_the_fee_in_force(
    fee_input: FeeInput, policy: FeesConfig
) -> None:
    proposal = propose(fee_input, policy, NOW)
    fee_ppm = fee_input.channel.local_terms.fee_ppm
    assert [reason.sentence for reason in proposal.reasons]
    figures = proposal.state.demand
    if proposal.ppm == fee_ppm:
        judged = any(reason.code in JUDGED for reason in proposal.reasons)
        if judged and figures is not None and figures.best_ppm != fee_ppm:
            assert KEPT_BY & {reason.code for reason in proposal.reasons}
        return
    assert abs(proposal.ppm - fee_ppm) >= dead_band_ppm(fee_ppm, policy)
    assert policy.min_ppm <= proposal.ppm <= policy.max_ppm
    most = 1 + policy.max_step_ratio
    assert round(max(fee_ppm, 1) / most) <= proposal.ppm <= round(max(fee_ppm, 1) * most)
    assert propose(fee_input, policy, NOW) == proposal


def test_a_change_that_is_too_small_to_announce_says_so_with_its_figures() -> None:
    """When it is judged, and at each look from then on."""
    one = offer((80, 30.0), count=30, signals=Signals(inflow=AMPLE))
    figures = propose(one, POLICY, NOW).state.demand
    assert figures is not None
    change_ppm = min(figures.best_ppm, 200) - 100
    wide = FeesConfig(strategy="demand", dead_band_ppm=change_ppm + 1)
    assert change_ppm > 0
    judged = propose(one, wide, NOW)
    state = replace(judged.state, counted_at=NOW)
    later = propose(replace(one, state=state), wide, NOW + 60)
    said = f"a change of {change_ppm} ppm is not worth an announcement (dead band {wide.dead_band_ppm})"
    for proposal, first in ((judged, ReasonCode.DEMAND), (later, ReasonCode.JUDGED_BEST)):
        assert proposal.ppm == 100
        assert [reason.code for reason in proposal.reasons] == [first, ReasonCode.DEAD_BAND]
        assert proposal.reasons[-1].sentence == said


def test_a_price_that_a_bound_keeps_from_the_best_says_so() -> None:
    """The next price that is compared lies beyond the bound."""
    scarce = Signals(demand=Rate(1e12, 1e21), anchor_ppm=200)
    near = offer((60, 20.0), (100, 20.0), (150, 20.0), count=16, fee_ppm=1_327, signals=scarce)
    proposal = propose(near, FeesConfig(strategy="demand", max_ppm=1_385), NOW)
    assert proposal.ppm == 1_327
    assert [reason.code for reason in proposal.reasons] == [ReasonCode.DEMAND, ReasonCode.AT_BOUND]
    assert proposal.reasons[-1].sentence == "1,327 ppm is as near the bound of 1,385 ppm as a step can go: kept"


def test_a_fee_above_the_dearest_that_may_be_tried_promises_no_negative_gain() -> None:
    """Liquidity is worth nearly the dearest price at which a sale may be expected: by the belief a fee that others have
    set above it brings more.
    """
    scarce = Signals(demand=Rate(1e12, 1e21), anchor_ppm=200)
    far = offer((60, 20.0), (100, 20.0), (150, 20.0), count=0, fee_ppm=500, signals=scarce)
    (reason, *_more) = propose(far, POLICY, NOW).reasons
    assert reason.code is ReasonCode.DEMAND_OUTSIDE
    assert "500 ppm is none of the prices that may be tried so far, 10 to 400 ppm: of those" in reason.sentence
    assert "more" not in reason.sentence
    assert " -" not in reason.sentence


@given(fee_input=fee_inputs(), policy=fees_policies())
def test_no_sentence_tells_a_gain_or_a_loss_below_nothing(fee_input: FeeInput, policy: FeesConfig) -> None:
    for reason in propose(fee_input, policy, NOW).reasons:
        for name in ("gain_msat", "lost_msat"):
            amount = reason.numbers.get(name, 0)
            assert isinstance(amount, int)
            assert amount >= 0


def test_it_goes_for_the_best_price_of_all_not_for_the_nearest_peak() -> None:
    """Payments that refill a dear channel are worth their while for next to nothing, and worth more at ten times the
    price, which few mind: in between is less than either, so that of the prices in reach the cheapest is best.
    """
    signals = Signals(inflow=AMPLE, entry_value_ppm=200.0, anchor_ppm=1_300, market_read=True)
    tried = tuple((ppm, 100.0 * (ppm / 100) ** -0.4) for ppm in (50, 70, 140, 200))
    proposal = propose(offer(*tried, count=100, signals=signals), POLICY, NOW)
    figures = proposal.state.demand
    assert figures is not None
    assert figures.best_ppm > 1_000
    assert proposal.ppm == 200


def test_what_could_not_be_sent_is_wanted_still_at_the_next_look() -> None:
    """Whoever agrees with what it would do has it done at once, not at the next judgement."""
    first = propose(offer((60, 30.0), count=100, signals=Signals(inflow=AMPLE)), POLICY, NOW)
    assert first.ppm > 100
    again = offer(state=first.state, count=100, signals=Signals(inflow=AMPLE))
    later = propose(again, POLICY, NOW + 60)
    assert [reason.code for reason in later.reasons] == [ReasonCode.JUDGED_WANTED]
    assert later.ppm == first.ppm
    assert later.if_sent.windows[-1].fee_ppm == 100
    sent = replace(first.if_sent, fee_ppm=int(first.ppm), window_start_at=NOW + 600, counted_at=NOW, open_seconds=0.0)
    now_dearer = offer(state=sent, count=0, channel=make_channel(fee_ppm=int(first.ppm)))
    assert codes(now_dearer) == [ReasonCode.OBSERVING]
