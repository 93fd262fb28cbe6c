"""Reputations: fade by wall time in any number of steps, believe nobody fully, and blame no peer for what we did."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.reputation import (
    DISTRUST_POWER,
    FULL_TRUST_SCORE,
    STRANGER,
    counted,
    hold_seconds_of,
    score_of,
    weight_of,
)
from revops.domain.forward import ForwardStatus
from revops.domain.traffic import REPUTATION_HALF_LIFE_SECONDS, FinalForward, Reputation, Role
from tests.builders import DAY, NOW, channel_id, node_id

SETTLED, FAILED = ForwardStatus.SETTLED, ForwardStatus.FAILED
REFUSED, OFFERED = ForwardStatus.LOCAL_FAILED, ForwardStatus.OFFERED

amounts = st.floats(0, 1e6)
reputations = st.builds(
    Reputation, amounts, amounts, amounts, amounts, st.floats(NOW - 90 * DAY, NOW + 90 * DAY), amounts, amounts
)
roles = st.sampled_from(Role)


def final(**overrides: Any) -> FinalForward:
    """A forward of 10,000 sat from channel 1 to channel 2, settled at `NOW` after 2 s."""
    base = FinalForward(
        created_index=1,
        status=SETTLED,
        in_channel_id=channel_id(1),
        out_channel_id=channel_id(2),
        sender_id=node_id(1),
        receiver_id=node_id(2),
        in_msat=10_001_000,
        out_msat=10_000_000,
        fee_msat=1_000,
        amount_msat=10_000_000,
        counted_at=NOW,
        hold_seconds=2.0,
        failcode=None,
    )
    return base._replace(**overrides)


@pytest.mark.parametrize(
    ("overrides", "success", "failure"),
    [
        ({}, 1.0, 0.0),
        ({"status": FAILED}, 0.0, 1.0),
        ({"status": REFUSED}, 0.0, 0.0),
        ({"status": OFFERED}, 0.0, 0.0),
        ({"amount_msat": 999_999}, 0.0, 0.0),
        ({"amount_msat": 1_000_000}, 1.0, 0.0),
        ({"amount_msat": 1, "status": FAILED}, 0.0, 1.0),
    ],
)
@pytest.mark.parametrize("role", Role)
def test_what_counts_as_what(role: Role, overrides: dict[str, Any], success: float, failure: float) -> None:
    found = counted(STRANGER, final(**overrides), role)
    assert (found.success, found.failure) == (success, failure)


def test_local_failures_and_offers_leave_a_reputation_as_it_is() -> None:
    have = Reputation(3.0, 2.0, 1.0, 1.0, NOW - DAY)
    for role in Role:
        for status in (REFUSED, OFFERED):
            assert counted(have, final(status=status), role, belief=0.0) is have


def test_half_is_left_after_a_half_life() -> None:
    later = Reputation(8.0, 4.0, 2.0, 1.0, NOW, 6.0, 10.0).at(NOW + REPUTATION_HALF_LIFE_SECONDS)
    assert later == Reputation(4.0, 2.0, 1.0, 0.5, NOW + REPUTATION_HALF_LIFE_SECONDS, 3.0, 5.0)


@given(have=reputations, days=st.floats(0, 400))
def test_one_step_equals_two_halves(have: Reputation, days: float) -> None:
    middle, end = have.updated_at + days / 2 * DAY, have.updated_at + days * DAY
    assert have.at(middle).at(end) == pytest.approx(have.at(end), rel=1e-9, abs=1e-300)


@given(have=reputations, days=st.floats(-400, 400))
def test_no_step_of_time_raises_a_count(have: Reputation, days: float) -> None:
    later = have.at(have.updated_at + days * DAY)
    sums, before = later._replace(updated_at=0.0), have._replace(updated_at=0.0)
    assert all(left <= had for left, had in zip(sums, before, strict=True))
    assert later.updated_at >= have.updated_at


@given(have=reputations, statuses=st.lists(st.sampled_from(ForwardStatus), max_size=20), role=roles)
def test_score_is_between_0_and_1_and_a_weight_above_0(
    have: Reputation, statuses: list[ForwardStatus], role: Role
) -> None:
    for status in statuses:
        have = counted(have, final(status=status), role)
    assert 0.0 < score_of(have) < 1.0
    assert 0.0 < weight_of(have, NOW) <= 1.0


@given(days=st.lists(st.floats(-60, 60), min_size=2, max_size=6), seed=st.randoms(use_true_random=False))
def test_order_does_not_matter(days: list[float], seed: Any) -> None:
    """A stuck payment is listed with its page, weeks after what comes on the next one."""
    page = [
        final(counted_at=NOW + day * DAY, status=SETTLED if index % 2 else FAILED) for index, day in enumerate(days)
    ]
    one = STRANGER
    for forward in page:
        one = counted(one, forward, Role.RECEIVER)
    seed.shuffle(page)
    other = STRANGER
    for forward in page:
        other = counted(other, forward, Role.RECEIVER)
    assert one == pytest.approx(other, rel=1e-9)


def test_strangers_and_ordinary_senders_count_in_full_and_probers_do_not() -> None:
    assert score_of(STRANGER) == 0.5
    assert weight_of(STRANGER, NOW) == 1.0
    assert weight_of(Reputation(success=30, failure=70, updated_at=NOW), NOW) == 1.0
    prober = Reputation(success=0, failure=98, updated_at=NOW)
    assert weight_of(prober, NOW) == pytest.approx((0.01 / FULL_TRUST_SCORE) ** DISTRUST_POWER)
    # Left alone for long enough, it is a stranger again.
    assert weight_of(prober, NOW + 400 * DAY) == 1.0


def test_one_stuck_payment_does_not_make_a_slow_peer() -> None:
    have = STRANGER
    for seconds in [2.0] * 19 + [DAY]:
        have = counted(have, final(hold_seconds=seconds), Role.RECEIVER)
    assert hold_seconds_of(have) == pytest.approx(4.0, abs=0.1)


@pytest.mark.parametrize("seconds", [0.0, 1e-9, 2.0, 1e6])
def test_hold_time_of_equal_payments_is_theirs(seconds: float) -> None:
    have = counted(
        counted(STRANGER, final(hold_seconds=seconds), Role.RECEIVER),
        final(hold_seconds=seconds, status=FAILED),
        Role.RECEIVER,
    )
    assert hold_seconds_of(have) == pytest.approx(seconds)
    assert hold_seconds_of(have.at(NOW + 27 * DAY)) == pytest.approx(seconds)
    # Two payments, four weeks ago: what is left of them is less than half of one.
    assert hold_seconds_of(have.at(NOW + 29 * DAY)) is None


@pytest.mark.parametrize("status", [SETTLED, FAILED])
def test_tiny_payments_and_those_of_spammers_do_not_make_a_slow_peer(status: ForwardStatus) -> None:
    have = counted(STRANGER, final(hold_seconds=2.0), Role.RECEIVER)
    for _time in range(1_000):
        have = counted(have, final(hold_seconds=DAY, amount_msat=999_999, status=status), Role.RECEIVER)
        have = counted(have, final(hold_seconds=DAY, status=status), Role.RECEIVER, belief=1e-6)
    assert hold_seconds_of(have) == pytest.approx(2.0, abs=0.1)
    alone = counted(STRANGER, final(hold_seconds=DAY, status=status), Role.RECEIVER, belief=0.1)
    assert hold_seconds_of(alone) is None


def test_hold_time_is_the_receivers_and_may_be_unknown() -> None:
    assert hold_seconds_of(STRANGER) is None
    assert hold_seconds_of(counted(STRANGER, final(), Role.SENDER)) is None
    assert hold_seconds_of(counted(STRANGER, final(hold_seconds=None), Role.RECEIVER)) is None
    # A node's clock may have been set back between the two moments.
    assert hold_seconds_of(counted(STRANGER, final(hold_seconds=-5.0), Role.RECEIVER)) == 0.0
    assert math.isfinite(score_of(STRANGER.at(1e300)))
