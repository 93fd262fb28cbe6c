"""The climb: what it proposes, what it remembers, when it waits, sleeps and wakes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.governor import dead_band_ppm
from revops.decide.proven import believed_interest
from revops.decide.strategies.calm import CALM_SECONDS, SLEEP_SECONDS
from revops.decide.strategies.evidence import WINDOW_COUNT
from revops.decide.strategies.hill_climb import (
    LEAST_STEP_RATIO,
    STEP_GROWTH,
    STEP_SHRINK,
    propose,
)
from revops.decide.value import value_ppm
from revops.domain.decision import FeeState, PriceWindow
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode
from revops.domain.signals import Rate, Signals
from revops.domain.snapshot import FeeInput
from tests.builders import DAY, HOUR, NOW, SAT, make_channel, make_climb, make_fee_input, make_state
from tests.strategies import fee_inputs, fees_policies

POLICY = make_climb()


def test_a_channel_seen_for_the_first_time_is_only_watched() -> None:
    proposal = propose(make_fee_input(state=None), POLICY, NOW)
    assert proposal.ppm == 100
    assert [reason.code for reason in proposal.reasons] == [ReasonCode.FIRST_SEEN]
    assert proposal.state == FeeState(100, NOW, NOW)


def test_a_fee_that_somebody_else_changed_is_learnt_anew() -> None:
    known = make_state(fee_ppm=90, last_rate_msat=5_000.0, direction=-1, idle_open_seconds=30 * HOUR)
    proposal = propose(make_fee_input(state=known, last_earned_at=None), POLICY, NOW)
    assert proposal.ppm == 100
    assert [reason.sentence for reason in proposal.reasons] == [
        "fee changed outside revops, 90 -> 100 ppm: learning starts anew"
    ]
    assert proposal.state == FeeState(100, NOW, NOW, idle_open_seconds=30 * HOUR)


def test_a_fee_that_somebody_else_changed_was_not_idle_while_it_earned() -> None:
    known = make_state(fee_ppm=90, counted_at=NOW - HOUR, idle_open_seconds=80 * HOUR)
    proposal = propose(make_fee_input(state=known, last_earned_at=NOW - 60), POLICY, NOW)
    assert proposal.state.idle_open_seconds == 60


KEEP, REVERSE, PROBE = ReasonCode.CLIMB_KEEP, ReasonCode.CLIMB_REVERSE, ReasonCode.CLIMB_PROBE
HARDLY_WANTED = Signals(demand=Rate(500.0 * SAT, (500.0 * SAT) ** 2 * 20))
WANTED = Signals(demand=Rate(1_000_000.0 * SAT, 1e17))


def remembered(*pairs: tuple[int, float]) -> tuple[PriceWindow, ...]:
    """Windows of ten open hours each: (fee, payments in it)."""
    return tuple(PriceWindow(NOW - HOUR, fee_ppm, 10.0, count) for fee_ppm, count in pairs)


def codes(fee_input: FeeInput) -> list[ReasonCode]:
    return [reason.code for reason in propose(fee_input, POLICY, NOW).reasons]


@pytest.mark.parametrize(("open_hours", "waiting"), [(0, True), (7.9, True), (8, False)])
def test_a_price_is_watched_for_the_interval(open_hours: float, waiting: bool) -> None:
    state = make_state(open_seconds=open_hours * HOUR)
    proposal = propose(make_fee_input(state=state), POLICY, NOW)
    assert (proposal.reasons[0].code is ReasonCode.OBSERVING) is waiting
    assert (proposal.ppm == 100) is waiting


@pytest.mark.parametrize(
    ("fee", "rate", "last", "direction", "step", "code", "proposed", "next_direction", "next_step"),
    [
        (100, 1_000, None, -1, 0.1, PROBE, 110, 1, 0.1),
        (100, 0, None, 1, 0.1, PROBE, 91, -1, 0.1),
        (100, 1_000, 900, 1, 0.1, KEEP, 113, 1, 0.1 * STEP_GROWTH),
        (100, 1_000, 1_000, 1, 0.1, KEEP, 113, 1, 0.1 * STEP_GROWTH),
        (100, 1_000, 900, -1, 0.1, KEEP, 88, -1, 0.1 * STEP_GROWTH),
        (100, 1_000, 1_100, 1, 0.1, REVERSE, 95, -1, 0.1 * STEP_SHRINK),
        (100, 1_000, 1_100, -1, 0.1, REVERSE, 105, 1, 0.1 * STEP_SHRINK),
        # Steps stay between the least and the policy's largest, and are never within the dead band.
        (100, 1_000, 1_100, 1, 0.05, REVERSE, 96, -1, LEAST_STEP_RATIO),
        (100, 1_000, 900, 1, 0.24, KEEP, 125, 1, 0.25),
        (12, 1_000, 900, 1, 0.05, KEEP, 14, 1, 0.05 * STEP_GROWTH),
        # Nothing earned: only a cheaper price can tell something.
        (100, 0, 900, 1, 0.1, REVERSE, 95, -1, 0.1 * STEP_SHRINK),
        (100, 0, 900, -1, 0.1, KEEP, 88, -1, 0.1 * STEP_GROWTH),
        # At a bound there is one way to go.
        (2_500, 1_000, 900, 1, 0.1, REVERSE, 2_381, -1, 0.1 * STEP_SHRINK),
        (2_500, 0, None, 1, 0.1, PROBE, 2_273, -1, 0.1),
        (10, 1_000, 900, -1, 0.1, REVERSE, 12, 1, 0.1 * STEP_SHRINK),
    ],
)
def test_each_step_of_who_knows_only_two_prices(
    fee: int,
    rate: int,
    last: float | None,
    direction: int,
    step: float,
    code: ReasonCode,
    proposed: int,
    next_direction: int,
    next_step: float,
) -> None:
    state = make_state(fee_ppm=fee, open_seconds=40 * HOUR, direction=direction, step_ratio=step, last_rate_msat=last)
    fee_input = make_fee_input(make_channel(fee_ppm=fee), state=state, earned_msat=40 * rate, earned_count=min(rate, 9))
    proposal = propose(fee_input, POLICY, NOW)
    assert [reason.code for reason in proposal.reasons] == [code, ReasonCode.CLIMB_WORTH]
    assert proposal.ppm == proposed
    assert proposal.if_sent.direction == next_direction
    assert proposal.if_sent.step_ratio == pytest.approx(next_step)
    assert proposal.if_sent.last_rate_msat == proposal.rate_msat == rate
    assert proposal.if_sent.windows == (PriceWindow(NOW, fee, 40.0, min(rate, 9)),)
    # Unless it is sent, nothing is learnt but time.
    assert proposal.state == state


@pytest.mark.parametrize(
    ("allowed", "direction", "proposed"),
    [(0.1, 1, 110), (0.1, -1, 91), (0.25, 1, 125), (0.25, -1, 80), (1.0, 1, 125), (1.0, -1, 80)],
)
def test_its_largest_step_is_a_quarter_or_the_policy_s_and_one_down_is_as_many_times_cheaper(
    allowed: float, direction: int, proposed: int
) -> None:
    state = make_state(direction=direction, step_ratio=0.9 * allowed, last_rate_msat=900.0)
    proposal = propose(make_fee_input(state=state), make_climb(max_step_ratio=allowed), NOW)
    assert (proposal.ppm, proposal.if_sent.step_ratio) == (proposed, min(allowed, 0.25))


@pytest.mark.parametrize(
    ("windows", "count", "rises"),
    [
        # Demand doesn't care: dearer. It flees: cheaper. Both against what the last rate alone would say.
        (((80, 90.0), (90, 90.0)), 90, True),
        (((80, 180.0), (90, 120.0)), 90, False),
    ],
)
def test_the_slope_through_many_prices_overrules_the_last_rate(
    windows: tuple[tuple[int, float], ...], count: int, rises: bool
) -> None:
    state = make_state(open_seconds=10 * HOUR, last_rate_msat=1e9 if rises else 1.0, windows=remembered(*windows))
    proposal = propose(make_fee_input(state=state, earned_count=count), POLICY, NOW)
    assert (proposal.ppm > 100) is rises


def test_an_empty_channel_that_is_wanted_gets_dearer_and_one_that_is_not_stays() -> None:
    state = make_state(open_seconds=0.0)
    empty = make_fee_input(make_channel(local_msat=0), state=state, earned_msat=0, earned_count=0, signals=WANTED)
    assert value_ppm(WANTED, 0, 100) == pytest.approx(100)
    assert propose(empty, POLICY, NOW).ppm > 100
    assert propose(replace(empty, signals=Signals()), POLICY, NOW).ppm == 100
    early = replace(empty, state=replace(state, window_start_at=NOW - HOUR))
    assert codes(early) == [ReasonCode.OBSERVING]


def test_what_can_not_forward_is_not_priced_by_guess() -> None:
    """Empty, hardly wanted, nothing sold in the window: no price would prove better, a lower one least of all."""
    state = make_state(open_seconds=0.0, last_rate_msat=0.0, windows=remembered((130, 0.0)))
    empty = make_fee_input(make_channel(local_msat=0), state=state, earned_msat=0, earned_count=0)
    assert 0 < value_ppm(HARDLY_WANTED, 0, 100) < 5
    proposal = propose(replace(empty, signals=HARDLY_WANTED), POLICY, NOW)
    assert proposal.ppm == 100
    assert proposal.reasons[0].sentence == (
        "it can't forward now, so that no price would prove better: 100 ppm is kept"
    )


@pytest.mark.parametrize(("fee", "bound"), [(294, 300), (300, 300), (11, 10), (10, 10)])
def test_a_slope_that_points_at_the_bound_keeps_the_price_there(fee: int, bound: int) -> None:
    """It would else be announced to and fro, twice a day."""
    policy = make_climb(max_ppm=300)
    up = bound == 300
    windows = remembered((round(fee * 0.8), 300.0), (round(fee * 0.9), 300.0 if up else 30.0))
    state = make_state(fee_ppm=fee, open_seconds=10 * HOUR, windows=windows, last_rate_msat=1.0)
    strong = make_fee_input(make_channel(fee_ppm=fee), state=state, earned_count=300 if up else 3)
    proposal = propose(strong, policy, NOW)
    assert proposal.ppm == fee
    assert proposal.reasons[0].sentence == (f"{fee} ppm is as near the bound of {bound} ppm as a step can go: kept")


def test_what_fails_later_counts_as_far_as_others_have_paid_the_price() -> None:
    assert believed_interest(make_fee_input(earned_count=7)) == (7.0, 7.0)
    flooded = make_fee_input(earned_count=7, interest_count=500.0, settled_interest_count=4.0)
    assert believed_interest(flooded) == (16.0, 4.0)
    assert believed_interest(replace(flooded, interest_count=9.0)) == (9.0, 4.0)
    assert believed_interest(replace(flooded, settled_interest_count=0.0)) == (0.0, 0.0)


def test_dust_is_no_revenue() -> None:
    """A free payment of 1 msat an hour: it must not drive a dead channel's price."""
    state = make_state(open_seconds=9 * HOUR, last_rate_msat=0.0, idle_open_seconds=80 * HOUR)
    dusty = make_fee_input(state=state, earned_msat=0, earned_count=24, score_msat=0.0, score_error_msat=0.0)
    assert propose(replace(dusty, interest_count=1e-6), POLICY, NOW).ppm < 100


def test_interest_is_no_revenue() -> None:
    """Payments that fail later, with a little dust that settles: whoever sends them pays nothing."""
    state = make_state(open_seconds=9 * HOUR, last_rate_msat=0.0, idle_open_seconds=80 * HOUR)
    dusty = make_fee_input(state=state, earned_msat=0, earned_count=24, score_msat=0.0, score_error_msat=0.0)
    wanted = replace(dusty, interest_count=500.0, settled_interest_count=0.039)
    assert propose(wanted, POLICY, NOW).ppm <= 100
    assert propose(replace(wanted, settled_interest_count=0.04), POLICY, NOW).ppm > 100
    for fields in ({"earned_count": 0}, {"settled_interest_count": 0.0}, {"settled_interest_count": 0.039}):
        asleep_never = replace(calm_input(), interest_count=480.0, **fields)
        assert ReasonCode.CALM not in codes(asleep_never)
    assert ReasonCode.CALM in codes(replace(calm_input(), interest_count=480.0, settled_interest_count=400.0))


def test_of_one_price_alone_no_slope_is_told() -> None:
    """What a sold sat costs shows the way, and is told; a slope "by the prices tried" there is none of."""
    state = make_state(open_seconds=40 * HOUR, last_rate_msat=None)
    alone = make_fee_input(state=state, earned_msat=40_000, earned_count=9, signals=Signals(demand=Rate(1e12, 1e21)))
    told = [reason.sentence for reason in propose(alone, POLICY, NOW).reasons]
    assert any("the first price of this search: try +" in sentence for sentence in told)
    assert not any("a fee 1 % higher" in sentence for sentence in told)
    same = replace(alone, state=replace(state, windows=remembered((100, 50.0))))
    assert ReasonCode.CLIMB_SLOPE not in codes(same)
    assert ReasonCode.CLIMB_SLOPE in codes(replace(alone, state=replace(state, windows=remembered((80, 50.0)))))


def test_what_failed_later_tells_of_the_price_what_settled_does() -> None:
    """Half of all payments fail beyond us: the slope through the windows sees them all."""
    windows = remembered((71, 1_408.0), (84, 1_190.0), (119, 840.0), (141, 710.0))
    state = make_state(open_seconds=10 * HOUR, windows=windows)
    half = make_fee_input(state=state, earned_count=480, interest_count=1_000.0, settled_interest_count=500.0)
    (found,) = (one for one in propose(half, POLICY, NOW).reasons if one.code is ReasonCode.CLIMB_SLOPE)
    assert found.numbers["slope_percent"] == pytest.approx(0.0, abs=0.05)


def test_a_channel_whose_payments_enter_where_liquidity_is_dear_gets_cheaper() -> None:
    flat = remembered((80, 100.0), (90, 95.0))
    plain = make_fee_input(state=make_state(open_seconds=10 * HOUR, windows=flat), earned_count=90)
    refilling = replace(plain, signals=Signals(entry_value_ppm=300.0))
    assert propose(refilling, POLICY, NOW).ppm < propose(plain, POLICY, NOW).ppm


def calm_input(count: int = 480, **overrides: Any) -> FeeInput:
    """A channel at the top of a concave income, well known: demand of steepness 1 at 100 ppm."""
    windows = remembered((71, 704.0), (84, 595.0), (100, 500.0), (119, 420.0), (141, 355.0))
    fields: dict[str, Any] = {"open_seconds": 10 * HOUR, "last_rate_msat": 1_800.0, "windows": windows} | overrides
    return make_fee_input(state=make_state(**fields), earned_count=count)


def test_a_calm_channel_falls_asleep_sleeps_and_wakes_on_time() -> None:
    fee_input = calm_input()
    first = propose(fee_input, POLICY, NOW)
    assert [reason.code for reason in first.reasons] == [ReasonCode.CALM, ReasonCode.CLIMB_SLOPE]
    assert (first.ppm, first.state.calm_since_at, first.state.asleep_until_at) == (100, NOW, None)
    later = propose(calm_input(calm_since_at=NOW - CALM_SECONDS), POLICY, NOW)
    assert later.state.asleep_until_at == NOW + SLEEP_SECONDS
    sleeper = replace(fee_input, state=later.state)
    assert codes(sleeper) == [ReasonCode.ASLEEP]
    assert propose(sleeper, POLICY, NOW).state.asleep_until_at == NOW + SLEEP_SECONDS
    woken = propose(replace(sleeper, state=replace(later.state, asleep_until_at=NOW)), POLICY, NOW)
    assert woken.reasons[0].code is ReasonCode.WOKEN
    assert woken.reasons[0].numbers["cause"] == "time"
    assert woken.ppm != 100
    assert (woken.state.asleep_until_at, woken.if_sent.calm_since_at) == (None, None)


@pytest.mark.parametrize(
    ("slept_hours", "came", "signals", "cause"),
    [
        (10, 480, Signals(), None),
        (10, 560, Signals(), None),
        (10, 700, Signals(), "more payments"),
        (10, 300, Signals(), "fewer payments"),
        # A few payments more or less are luck, however many percent they are.
        (0.1, 12, Signals(), None),
        (0.1, 0, Signals(), None),
        (10, 480, Signals(demand=Rate(1e10, 1e18)), "the value of liquidity"),
    ],
)
def test_a_sleeper_wakes_on_what_chance_does_not_explain(
    slept_hours: float, came: int, signals: Signals, cause: str | None
) -> None:
    state = calm_input(
        open_seconds=(10 + slept_hours) * HOUR,
        calm_since_at=NOW - 40 * HOUR,
        asleep_until_at=NOW + DAY,
        asleep_open_seconds=10 * HOUR,
        asleep_interest_count=480.0,
    ).state
    reasons = propose(make_fee_input(state=state, earned_count=480 + came, signals=signals), POLICY, NOW).reasons
    assert reasons[0].numbers.get("cause") == cause


def test_a_channel_without_revenue_is_never_calm() -> None:
    assert ReasonCode.CALM in codes(calm_input())
    assert ReasonCode.CALM not in codes(calm_input(count=0))


def test_it_forgets_the_oldest_windows() -> None:
    state = make_state(windows=remembered(*((100 + number, 5.0) for number in range(WINDOW_COUNT))))
    windows = propose(make_fee_input(state=state), POLICY, NOW).if_sent.windows
    if windows:
        assert len(windows) == WINDOW_COUNT
        assert (windows[0].fee_ppm, windows[-1].fee_ppm) == (101, 100)


@pytest.mark.parametrize("fee", [10, 60, 67, 101, 134, 1_000, 2_400])
@pytest.mark.parametrize("ratio", [0.03, 0.04, 0.1, 0.2])
def test_the_smallest_step_passes_the_dead_band(fee: int, ratio: float) -> None:
    """A step that is never announced is never learnt from: the climb would stand still for good."""
    policy = make_climb(dead_band_ratio=ratio)
    state = make_state(fee_ppm=fee, step_ratio=LEAST_STEP_RATIO, last_rate_msat=9_000.0)
    proposal = propose(make_fee_input(make_channel(fee_ppm=fee), state=state), policy, NOW)
    assert abs(proposal.ppm - fee) >= dead_band_ppm(fee, policy)


@given(fee_input=fee_inputs(), policy=fees_policies())
def test_a_proposal_is_the_fee_in_force_or_a_step_that_passes_the_dead_band(
    fee_input: FeeInput, policy: FeesConfig
) -> None:
    proposal = propose(fee_input, policy, NOW)
    fee_ppm = fee_input.channel.local_terms.fee_ppm
    assert [reason.sentence for reason in proposal.reasons]
    if {reason.code for reason in proposal.reasons} & {KEEP, REVERSE, PROBE}:
        assert abs(proposal.ppm - fee_ppm) >= dead_band_ppm(fee_ppm, policy)
        assert (proposal.ppm > fee_ppm) is (proposal.if_sent.direction > 0)
        assert proposal.if_sent.step_ratio <= policy.max_step_ratio
    else:
        assert proposal.ppm == fee_ppm


@given(
    fee_input=fee_inputs(),
    policy=fees_policies(),
    interest_count=st.none() | st.floats(0, 1e4),
    dust_count=st.integers(0, 1_000),
)
def test_without_revenue_it_never_proposes_a_raise_while_it_could_route(
    fee_input: FeeInput, policy: FeesConfig, interest_count: float | None, dust_count: int
) -> None:
    channel = make_channel(local_terms=fee_input.channel.local_terms)
    fee_input = replace(
        fee_input,
        channel=channel,
        earned_msat=0,
        earned_count=dust_count,
        interest_count=interest_count,
        settled_interest_count=0.0,
    )
    assert propose(fee_input, policy, NOW).ppm <= fee_input.channel.local_terms.fee_ppm


@given(fee_input=fee_inputs(), policy=fees_policies())
def test_the_rate_is_the_score_per_open_hour(fee_input: FeeInput, policy: FeesConfig) -> None:
    """What was earned where nothing better is known: weighted by reputation, net of liquidity."""
    proposal = propose(fee_input, policy, NOW)
    score_msat = fee_input.earned_msat if fee_input.score_msat is None else fee_input.score_msat
    assert proposal.rate_msat * proposal.state.open_seconds in (0.0, pytest.approx(score_msat * 3600))
