"""Soft floors and the market's ceiling: how they add up, what binds, and that rails and climb honour them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.chain_floor import ChainRate
from revops.decide.fees import decide_fees
from revops.decide.floors import NO_LIMITS, Chain, Limits, hold_premium, limits_of, narrowed
from revops.decide.rails import apply_rails
from revops.decide.strategies.registry import LEARNING
from revops.domain.channel import Channel
from revops.domain.decision import FeeDecision, Outcome, PriceWindow
from revops.domain.node import Feerates
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode, why
from revops.domain.signals import UNKNOWN, Rate, Signals
from revops.domain.snapshot import FeeInput, FeePin
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
    node_id,
)
from tests.strategies import fee_inputs, fees_policies, signals

POLICY = make_climb()
READ = replace(UNKNOWN, market_read=True)
#: 10 sat/vB: 6,070 sat for a channel of ours; over 25,000,000 sat a year 25 ppm.
TEN = Chain(ChainRate(2_500, 0.0), sampled=True)


def limits(
    channel: Channel | None = None, chain: Chain = TEN, policy: FeesConfig = POLICY, *, sold: int = 0, **known: Any
) -> Limits:
    fee_input = make_fee_input(channel, sold_msat=sold, signals=replace(READ, **known))
    return limits_of(fee_input, (fee_input,), chain, policy, learns=policy.strategy in LEARNING)


def codes(found: Limits) -> list[ReasonCode]:
    return [reason.code for reason in found.floor_reasons]


CHAIN, CAPPED, SPIKE, OLD = (
    ReasonCode.CHAIN_FLOOR,
    ReasonCode.CHAIN_CAPPED,
    ReasonCode.CHAIN_SPIKE,
    ReasonCode.CHAIN_RATE_OLD,
)
REFILLED, HELD = ReasonCode.REFILL_FLOOR, ReasonCode.HOLD_FLOOR


@pytest.mark.parametrize(
    ("channel", "rate", "sold_sat", "known", "floor", "expected"),
    [
        ({}, ChainRate(2_500, 0.0), 0, {}, 25, [CHAIN]),
        # Half the cost where the peer has opened; less on a larger channel, or on one that sells more.
        ({"opener": "remote"}, ChainRate(2_500, 0.0), 0, {}, 14, [CHAIN]),
        ({"capacity_msat": 10_000_000 * SAT}, ChainRate(2_500, 0.0), 0, {}, 13, [CHAIN]),
        ({}, ChainRate(2_500, 0.0), 4_000_000, {}, 13, [CHAIN]),
        # Below 1 sat/vB it is next to nothing: `min_ppm` is more, and says so itself.
        ({}, ChainRate(50, 0.0), 0, {}, 10, []),
        # An old sample, and a spike.
        ({}, ChainRate(2_500, 5 * HOUR), 0, {}, 25, [CHAIN, OLD]),
        ({}, ChainRate(2_500, 0.0, 4.0), 0, {}, 49, [CHAIN, SPIKE]),
        # At most half of what others charge, of `start_ppm` where that isn't known.
        ({}, ChainRate(25_000, 0.0), 0, {}, 100, [CHAIN, CAPPED]),
        ({}, ChainRate(25_000, 0.0), 0, {"anchor_ppm": 60}, 30, [CHAIN, CAPPED]),
        ({}, ChainRate(25_000, 0.0), 0, {"anchor_ppm": 8}, 10, []),
        ({}, ChainRate(25_000, 0.0), 0, {"anchor_ppm": 1_000}, 243, [CHAIN]),
        # The dearest floor counts.
        ({}, None, 0, {"refill_ppm": 300}, 360, [REFILLED]),
        ({}, ChainRate(2_500, 0.0), 0, {"refill_ppm": 300}, 360, [REFILLED]),
        ({}, ChainRate(2_500, 0.0), 0, {"refill_ppm": 15}, 25, [CHAIN]),
        ({}, None, 0, {"refill_ppm": 0}, 10, []),
        # Slow peers: on whichever floor there is.
        ({}, None, 0, {"hold_seconds": 60.0}, 15, [HELD]),
        ({}, None, 0, {"hold_seconds": 10.0}, 10, []),
        ({}, None, 0, {"refill_ppm": 300, "hold_seconds": 35.0}, 450, [REFILLED, HELD]),
        ({}, ChainRate(25_000, 0.0), 0, {"anchor_ppm": 60, "hold_seconds": 600.0}, 45, [CHAIN, CAPPED, HELD]),
        # Nothing beats `max_ppm`.
        ({}, None, 0, {"refill_ppm": 9_000}, 2_500, [REFILLED]),
    ],
)
def test_what_binds(
    channel: dict[str, Any],
    rate: ChainRate | None,
    sold_sat: int,
    known: dict[str, Any],
    floor: int,
    expected: list[ReasonCode],
) -> None:
    found = limits(make_channel(**channel), Chain(rate, sampled=rate is not None), sold=sold_sat * SAT, **known)
    assert (found.floor_ppm, codes(found)) == (floor, expected)
    assert all(reason.sentence for reason in (*found.floor_reasons, *found.notes))


def test_the_numbers_are_told() -> None:
    spike = limits(chain=Chain(ChainRate(2_500, 6 * HOUR, 2.75), sampled=True))
    assert [reason.sentence for reason in spike.floor_reasons] == [
        (
            "floor of 37 ppm by the chain: a force-close at 10.0 sat/vB would cost 6,070 sat, by 10.0 % a year, earned "
            "on 25,000,000 sat"
        ),
        "the node has no estimate of feerates now, the last is 6.0 h old",
        "feerates are 2.8 times their median of 24 hours: the chain's floor times 1.5",
    ]


def test_each_floor_can_be_switched_off_or_bounded() -> None:
    assert limits(policy=make_climb(chain_floor=False)).floor_ppm == 10
    assert limits(policy=make_climb(chain_floor_share_ratio=0.1)).floor_ppm == 20
    assert limits(policy=make_climb(chain_floor_share_ratio=0.0)).floor_ppm == 10
    assert limits(policy=make_climb(refill_floor_ratio=0.0), refill_ppm=500).floor_ppm == 25
    assert limits(policy=make_climb(refill_floor_ratio=2.0), refill_ppm=500).floor_ppm == 1_000
    assert limits(policy=make_climb(anchor_ceiling_ratio=2.0), anchor_ppm=500).ceiling_ppm == 1_000


def test_without_any_estimate_there_is_no_floor_and_it_is_said() -> None:
    unknown = limits(chain=Chain(None, sampled=True))
    assert (unknown.floor_ppm, unknown.floor_reasons) == (10, ())
    assert [reason.code for reason in unknown.notes] == [ReasonCode.CHAIN_RATE_UNKNOWN]
    assert limits(chain=Chain(None, sampled=True), policy=make_climb(chain_floor=False)).notes == ()
    assert limits(chain=Chain()).notes == ()


def test_nothing_is_raised_because_gossip_could_not_be_read() -> None:
    cheap = make_channel(fee_ppm=15)
    unread = limits(cheap, market_read=False)
    assert (unread.floor_ppm, codes(unread)) == (15, [CHAIN, ReasonCode.MARKET_UNREAD])
    # It stops a fall all the same, and raises once the market has been read, though it may have no price.
    assert limits(make_channel(fee_ppm=100), market_read=False) == limits(make_channel(fee_ppm=100))
    assert (limits(cheap).floor_ppm, codes(limits(cheap))) == (25, [CHAIN])


def test_an_old_price_stands_and_says_its_age() -> None:
    fresh = limits(anchor_ppm=30, anchor_age_seconds=3 * DAY)
    old = limits(anchor_ppm=30, anchor_age_seconds=14 * DAY)
    assert fresh.notes == ()
    assert [reason.sentence for reason in old.notes] == ["what others charge into the peer was last read 14 days ago"]
    assert replace(old, notes=()) == fresh


def test_channels_of_one_peer_share_a_floor() -> None:
    one, two = (make_fee_input(make_channel(number, peer_id=node_id(1))) for number in (1, 2))
    both = limits_of(replace(one, sold_msat=0), (one, two), TEN, POLICY, learns=True)
    assert both.floor_ppm == limits().floor_ppm


@pytest.mark.parametrize(("seconds", "premium"), [(None, 1), (0, 1), (10, 1), (35, 1.25), (60, 1.5), (1e9, 1.5)])
def test_the_premium_for_slow_peers(seconds: float | None, premium: float) -> None:
    assert hold_premium(seconds) == pytest.approx(premium)


@pytest.mark.parametrize(
    ("strategy", "known", "ceiling"),
    [
        ("hill_climb", {}, None),
        ("hill_climb", {"anchor_ppm": 300}, 1_500),
        ("demand", {"anchor_ppm": 300}, 1_500),
        # Strangers may lie: what counts is start_ppm, 200, where that is more.
        ("demand", {"anchor_ppm": 1}, 1_000),
        # Never below the floor.
        ("hill_climb", {"anchor_ppm": 100, "refill_ppm": 1_000}, 1_200),
        # What the operator has named is no experiment.
        ("static", {"anchor_ppm": 100}, None),
        ("match_peer", {"anchor_ppm": 100}, None),
    ],
)
def test_the_ceiling_of_the_market(strategy: str, known: dict[str, Any], ceiling: int | None) -> None:
    policy = FeesConfig(strategy=strategy)  # type: ignore[arg-type]  # one of them
    assert limits(policy=policy, **known).ceiling_ppm == ceiling


@pytest.mark.parametrize(
    ("paid_count", "ceiling", "code"),
    [(29.0, 1_000, ReasonCode.ANCHOR_CEILING), (30.0, 1_800, ReasonCode.SHOWN_CEILING)],
)
def test_the_ceiling_yields_to_a_market_that_its_own_customers_have_shown(
    paid_count: float, ceiling: int, code: ReasonCode
) -> None:
    windows = (PriceWindow(NOW - HOUR, 900, 9.0, paid_count),)
    one = make_fee_input(state=make_state(windows=windows), signals=Signals(anchor_ppm=200, market_read=True))
    found = limits_of(one, (one,), Chain(), POLICY, learns=True)
    assert found.ceiling_ppm == ceiling
    assert found.ceiling_reason is not None
    assert found.ceiling_reason.code is code
    assert f"{ceiling:,} ppm" in found.ceiling_reason.sentence


@pytest.mark.parametrize(
    ("channel", "known", "windows", "earned", "ceiling"),
    [
        # What can forward learns by itself.
        ({}, {}, (), 0, None),
        # Empty: twice what was paid lately, at least twice what others charge, or start_ppm.
        ({"local_msat": 0}, {}, (), 0, 400),
        ({"local_msat": 0}, {"anchor_ppm": 60}, (), 0, 120),
        ({"local_msat": 0}, {"anchor_ppm": 60}, ((500, 0.0), (70, 0.1)), 0, 140),
        ({"local_msat": 0, "fee_ppm": 100}, {"anchor_ppm": 60}, ((70, 0.1),), 5, 200),
        ({"local_msat": 0, "fee_ppm": 1_000}, {"anchor_ppm": 60}, (), 5, 1_000),
        ({"connected": False}, {"anchor_ppm": 60}, (), 0, 120),
        ({"local_msat": 0}, {"anchor_ppm": 60, "refill_ppm": 500}, (), 0, 600),
    ],
)
def test_what_can_not_forward_gets_no_dearer_than_twice_what_was_paid(
    channel: dict[str, Any],
    known: dict[str, Any],
    windows: tuple[tuple[int, float], ...],
    earned: int,
    ceiling: int | None,
) -> None:
    memory = tuple(PriceWindow(NOW - DAY, fee_ppm, 10.0, count) for fee_ppm, count in windows)
    fee_input = make_fee_input(
        make_channel(**channel),
        state=make_state(windows=memory),
        earned_msat=earned,
        signals=replace(READ, **known),
    )
    found = limits_of(fee_input, (fee_input,), TEN, POLICY, learns=True)
    assert found.ceiling_ppm == ceiling
    assert (found.ceiling_reason is None) is (ceiling is None)


def test_an_empty_channel_stops_getting_dearer() -> None:
    wanted = Signals(demand=Rate(1e9, 1e17), anchor_ppm=100, market_read=True)
    empty = make_fee_input(
        make_channel(local_msat=0, fee_ppm=180),
        state=make_state(fee_ppm=180, last_rate_msat=0.0),
        signals=wanted,
        earned_msat=0,
        earned_count=0,
    )
    decision = decide(empty, 250)
    assert (decision.new_ppm, reasons_of(decision)[-1]) == (200, ReasonCode.UNPROVEN_CEILING)
    there = replace(empty, channel=make_channel(local_msat=0, fee_ppm=200), state=make_state(fee_ppm=200))
    assert reasons_of(decide(there, 250))[0] is ReasonCode.AT_BOUND


chains = st.builds(
    Chain,
    st.one_of(st.none(), st.builds(ChainRate, st.integers(1, 10**7), st.floats(0, 3 * DAY), st.floats(0, 1e6))),
    st.booleans(),
)


CAP = why(ReasonCode.ANCHOR_CEILING, ceiling_ppm=500, anchor_ppm=100)


@given(fee_input=fee_inputs(), known=signals(), chain=chains, policy=fees_policies(), learns=st.booleans())
def test_limits_fit_into_the_bounds(
    fee_input: FeeInput, known: Signals, chain: Chain, policy: FeesConfig, learns: bool
) -> None:
    found = limits_of(replace(fee_input, signals=known), (fee_input,), chain, policy, learns=learns)
    assert policy.min_ppm <= found.floor_ppm <= policy.max_ppm
    assert found.ceiling_ppm is None or found.ceiling_ppm >= found.floor_ppm
    assert bool(found.floor_reasons) or found.floor_ppm == policy.min_ppm
    assert all(reason.sentence for reason in (*found.floor_reasons, *found.notes))
    inside = narrowed(policy, found, fee_input.channel.local_terms.fee_ppm)
    assert policy.min_ppm <= inside.min_ppm <= inside.max_ppm <= policy.max_ppm


@given(
    floor=st.integers(0, 2**32),
    ceiling=st.one_of(st.none(), st.integers(0, 2**32)),
    policy=fees_policies(),
    current=st.integers(0, 3_000),
    proposal=st.integers(0, 5_000),
    idle=st.floats(0, 400 * HOUR),
    routable=st.booleans(),
    first=st.booleans(),
)
def test_soft_limits_never_beat_the_bounds_nor_raise_what_is_idle(
    floor: int,
    ceiling: int | None,
    policy: FeesConfig,
    current: int,
    proposal: int,
    idle: float,
    routable: bool,
    first: bool,
) -> None:
    soft = Limits(floor, (why(ReasonCode.HOLD_FLOOR, floor_ppm=floor, hold_seconds=60.0, premium=1.5),), ceiling, CAP)
    ppm, reasons = apply_rails(current, proposal, idle, routable, policy, limits=soft, first=first)
    assert policy.min_ppm <= ppm <= policy.max_ppm
    assert len({reason.code for reason in reasons}) == len(reasons)
    if idle >= policy.zero_flow_hold_seconds:
        assert ppm <= max(current, policy.min_ppm)
    if policy.min_ppm <= current <= policy.max_ppm:
        assert ppm >= min(current, floor)
    if ppm != proposal:
        assert reasons


SOFT = Limits(80, (why(ReasonCode.REFILL_FLOOR, floor_ppm=80, refill_ppm=60, refill_floor_ratio=1.2),), 500, CAP)
F, H, D, S, A, C = (
    ReasonCode.REFILL_FLOOR,
    ReasonCode.ZERO_FLOW_HOLD,
    ReasonCode.ZERO_FLOW_DROP,
    ReasonCode.STEP_LIMIT,
    ReasonCode.ANCHOR_CEILING,
    ReasonCode.CEILING,
)


@pytest.mark.parametrize(
    ("current", "proposal", "idle_hours", "expected", "expected_codes"),
    [
        (100, 90, 0, 90, []),
        (85, 75, 0, 80, [F]),
        (50, 45, 0, 62, [F, S]),
        # Without revenue: not raised, and not lowered below the floor.
        (50, 45, 24, 50, [F, H]),
        (50, 55, 24, 50, [H]),
        (50, 50, 72, 50, [F]),
        (50, 55, 72, 50, [F, H]),
        (100, 100, 72, 85, [D]),
        (90, 90, 72, 80, [D, F]),
        (80, 76, 72, 80, [F]),
        (5, 5, 72, 10, [ReasonCode.FLOOR, ReasonCode.OUT_OF_BOUNDS]),
        # The market's ceiling: for what is tried above it and above the price in force.
        (450, 520, 0, 500, [A]),
        (900, 1_000, 0, 900, [A]),
        (900, 850, 0, 850, []),
        (3_000, 3_100, 0, 2_500, [A, C, ReasonCode.OUT_OF_BOUNDS]),
    ],
)
def test_rails_with_soft_limits(
    current: int, proposal: int, idle_hours: float, expected: int, expected_codes: list[ReasonCode]
) -> None:
    ppm, reasons = apply_rails(current, proposal, idle_hours * HOUR, True, POLICY, limits=SOFT)
    assert ppm == expected
    assert [reason.code for reason in reasons] == expected_codes


def test_without_soft_limits_rails_are_as_ever() -> None:
    assert apply_rails(100, 40, 0, True, POLICY, limits=NO_LIMITS) == apply_rails(100, 40, 0, True, POLICY)


def decide(fee_input: FeeInput, *perkws: int | None, policy: FeesConfig = POLICY) -> FeeDecision:
    """The decision on one channel, with a sample of feerates an hour, the last of them now."""
    samples = tuple(
        Feerates(NOW - (len(perkws) - 1 - place) * HOUR, 253, None, None, perkw, None, None, None)
        for place, perkw in enumerate(perkws)
    )
    read = replace(fee_input, signals=replace(fee_input.signals, market_read=True))
    snapshot = replace(make_fee_snapshot(read), feerates=samples)
    return decide_fees(snapshot, policy).decisions[0]


def reasons_of(decision: FeeDecision) -> list[ReasonCode]:
    return [reason.code for reason in decision.reasons]


def test_the_floor_by_the_chain_reaches_the_decision() -> None:
    falling = make_fee_input(
        make_channel(fee_ppm=100), state=make_state(last_rate_msat=9_000.0, direction=1, step_ratio=0.25)
    )
    assert decide(falling, 250).new_ppm == 89
    held = decide(falling, *[25_000] * 30)
    # The climb turns round at the floor instead of asking for what the rails take back.
    assert held.new_ppm > 100
    assert CHAIN not in reasons_of(held)
    below = decide(make_fee_input(make_channel(fee_ppm=50), state=make_state(fee_ppm=50)), *[25_000] * 30)
    assert (below.new_ppm, reasons_of(below)[-3:]) == (62, [CHAIN, CAPPED, S])
    assert decide(falling, 2_500, None, None).new_ppm == 89


def test_no_estimate_no_floor_and_never_an_error() -> None:
    decision = decide(make_fee_input(), None)
    assert reasons_of(decision)[-1] is ReasonCode.CHAIN_RATE_UNKNOWN
    assert decision.new_ppm == decide(make_fee_input(), 250).new_ppm


def test_an_idle_channel_is_not_raised_by_a_spike_nor_lowered_below_its_floor() -> None:
    idle = make_state(fee_ppm=50, counted_at=NOW - HOUR, idle_open_seconds=100 * HOUR)
    resting = make_fee_input(make_channel(fee_ppm=50), state=idle, earned_msat=0, earned_count=0, last_earned_at=None)
    decision = decide(resting, *[250] * 23, 50_000)
    assert (decision.outcome, decision.new_ppm) == (Outcome.SKIP, 50)
    assert {CHAIN, ReasonCode.ZERO_FLOW_HOLD} <= set(reasons_of(decision))


def test_a_climb_goes_no_further_than_the_market_bears() -> None:
    climbing = make_fee_input(
        make_channel(fee_ppm=980),
        state=make_state(fee_ppm=980, last_rate_msat=100.0, step_ratio=0.2),
        signals=Signals(anchor_ppm=200),
    )
    decision = decide(climbing, 250)
    # 980 to 1,000 is less than the dead band, so there is one way to go.
    assert decision.new_ppm < 980
    free = decide(replace(climbing, signals=UNKNOWN), 250)
    assert free.new_ppm > 1_000
    nearer = replace(climbing, channel=make_channel(fee_ppm=910), state=make_state(fee_ppm=910, last_rate_msat=100.0))
    assert (decide(nearer, 250).new_ppm, reasons_of(decide(nearer, 250))[-1]) == (1_000, ReasonCode.ANCHOR_CEILING)


def test_what_the_operator_pinned_has_no_soft_floor() -> None:
    pinned = make_fee_input(signals=Signals(refill_ppm=900), pin=FeePin(90, NOW, None, forced=False))
    assert decide(pinned, *[25_000] * 30).new_ppm == 90


def test_match_peer_follows_the_anchor() -> None:
    policy = FeesConfig(strategy="match_peer", match_ratio=1.1)
    decision = decide(make_fee_input(signals=Signals(anchor_ppm=110)), 250, policy=policy)
    assert (decision.proposed_ppm, decision.new_ppm) == (121, 121)
