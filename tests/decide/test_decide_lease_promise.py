"""What a lessee was promised, and that no fee breaks it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.fees import decide_fees
from revops.decide.lease_promise import LONGEST_OPENING_SECONDS, bound_base, promise_on
from revops.decide.rails import apply_rails
from revops.domain.ads import LeasePromise, LeaseRates, PastOffer
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode
from tests.builders import DAY, NOW, make_channel, make_fee_input, make_fee_snapshot, make_state, make_terms

HEIGHT = 900_000
OPENED_AT = NOW - 10 * DAY
LEASED = make_channel(scid="899000x1x0", lent_msat=10**9, opened_at=int(OPENED_AT))


def offer(days_before_opening: float, *thousandths: int, base_msat: int = 0) -> PastOffer:
    rates = tuple(LeaseRates(1_000, 1, 1, base_msat, one) for one in thousandths)
    return PastOffer(int(OPENED_AT) - days_before_opening * DAY, rates)


@pytest.mark.parametrize(
    ("offers", "ppm"),
    [
        ([offer(20, 3)], 3_000),
        # What stood when the two weeks of an opening began counts, and what came in them; nothing before or after.
        ([offer(30, 1), offer(20, 4), offer(5, 5), offer(-1, 2)], 4_000),
        ([offer(30, 9), offer(20, 9), offer(5, 5), offer(1, 7)], 5_000),
        # What stood there before a change may have been taken as well; what was withdrawn was not.
        ([offer(3, 2, 5)], 2_000),
        ([offer(20, 2), offer(19)], None),
        ([offer(20), offer(2, 6)], 6_000),
        ([offer(-2, 6)], None),
        ([], None),
    ],
)
def test_what_was_promised(offers: list[PastOffer], ppm: int | None) -> None:
    found = promise_on(LEASED, offers, NOW, HEIGHT)
    assert found is not None
    assert (found.ppm, found.left_blocks) == (ppm, 4_032 + 144 - 1_000)
    assert (found.base_msat is None) == (ppm is None)


def test_the_lowest_base_counts() -> None:
    found = promise_on(LEASED, [offer(3, 2, base_msat=7), offer(2, 9, base_msat=5)], NOW, HEIGHT)
    assert found == LeasePromise(5, 2_000, 3_176)


def test_what_a_change_found_may_have_been_taken_before_it() -> None:
    """The node was started anew, and offered what its own configuration says until the next run came by."""
    ours, own = offer(20, 3), offer(0, 1).rates
    late = PastOffer(int(OPENED_AT) + 3_600, offer(0, 3).rates, own)
    found = promise_on(LEASED, [ours, late, offer(-5, 4)], NOW, HEIGHT)
    assert found is not None
    assert found.ppm == 1_000
    # What the second change after it found was offered later.
    later = PastOffer(int(OPENED_AT) + 7_200, offer(0, 3).rates, own)
    found = promise_on(LEASED, [ours, offer(-0.01, 4), later], NOW, HEIGHT)
    assert found is not None
    assert found.ppm == 3_000


@pytest.mark.parametrize(
    ("channel", "height"),
    [
        (make_channel(), HEIGHT),
        (replace(LEASED, lent_msat=None), HEIGHT),
        (LEASED, 899_000 + 4_032 + 144),
        (LEASED, 2_000_000),
    ],
)
def test_nothing_is_promised_where_no_lease_runs(channel: Any, height: int) -> None:
    assert promise_on(channel, [offer(20, 3)], NOW, height) is None


def test_a_lease_without_a_date_is_dated_by_its_block() -> None:
    """1,000 blocks ago at ten minutes each: an offer of a day later isn't what was taken."""
    undated = replace(LEASED, opened_at=None)
    mined_at = NOW - 1_000 * 600
    inside, after = PastOffer(mined_at - 1, offer(0, 3).rates), PastOffer(mined_at + DAY, offer(0, 1).rates)
    found = promise_on(undated, [inside, after], NOW, HEIGHT)
    assert found is not None
    assert found.ppm == 3_000
    waiting = promise_on(replace(undated, scid=None), [after], NOW, HEIGHT)
    assert waiting == LeasePromise(0, 1_000, 4_176)
    assert LONGEST_OPENING_SECONDS == 14 * DAY


# ---- the rail


def railed(
    current: int, proposed: float, promise: LeasePromise | None, min_ppm: int = 10
) -> tuple[int, set[ReasonCode]]:
    policy = FeesConfig(min_ppm=min_ppm, max_ppm=5_000)
    ppm, reasons = apply_rails(current, proposed, 0.0, True, policy, promise=promise)
    return ppm, {reason.code for reason in reasons}


PROMISE = LeasePromise(0, 1_000, 3_000)
UNKNOWN = LeasePromise(None, None, 3_000)


@pytest.mark.parametrize(
    ("current", "proposed", "promise", "ppm", "code"),
    [
        (800, 1_500, PROMISE, 1_000, ReasonCode.LEASE_CEILING),
        (800, 1_000, PROMISE, 1_000, None),
        # The way down to a promise is no step, from wherever.
        (4_000, 4_000, PROMISE, 1_000, ReasonCode.LEASE_CEILING),
        (4_000, 600, PROMISE, 600, None),
        (800, 900, UNKNOWN, 800, ReasonCode.LEASE_UNKNOWN),
        (800, 700, UNKNOWN, 700, None),
        (800, 1_500, None, 1_500, None),
    ],
)
def test_a_promise_is_a_ceiling(
    current: int, proposed: int, promise: LeasePromise | None, ppm: int, code: ReasonCode | None
) -> None:
    found, codes = railed(current, proposed, promise)
    assert found == ppm
    assert codes & {ReasonCode.LEASE_CEILING, ReasonCode.LEASE_UNKNOWN} == ({code} if code else set())


def test_the_bounds_come_after_the_promise() -> None:
    assert railed(800, 1_500, LeasePromise(0, 1_000, 9), min_ppm=1_200)[0] == 1_200


@given(
    current=st.integers(0, 5_000),
    proposed=st.integers(0, 20_000),
    promised=st.integers(10, 5_000),
    idle_seconds=st.floats(0, 10 * DAY),
    forced=st.booleans(),
    first=st.booleans(),
)
def test_nothing_passes_a_promise(
    current: int, proposed: int, promised: int, idle_seconds: float, forced: bool, first: bool
) -> None:
    promise = LeasePromise(0, promised, 1)
    policy = FeesConfig(min_ppm=10, max_ppm=5_000)
    ppm, _ = apply_rails(
        current, proposed, idle_seconds, True, policy, promise=promise, forced=forced, first=first, worth_ppm=900.0
    )
    assert ppm <= promised


@pytest.mark.parametrize(
    ("base_msat", "promise", "bound_msat"),
    [
        (500, PROMISE, 0),
        (0, PROMISE, 0),
        (500, LeasePromise(700, 1_000, 1), 500),
        (500, UNKNOWN, 200),
        (500, None, 500),
    ],
)
def test_a_base_fee_keeps_a_promise(base_msat: int, promise: LeasePromise | None, bound_msat: int) -> None:
    channel = make_channel(local_terms=make_terms(fee_base_msat=200))
    assert bound_base(FeesConfig(base_msat=base_msat), channel, promise).base_msat == bound_msat


def test_a_whole_decision_keeps_it() -> None:
    """A channel at 900 ppm whose strategy wants 2,000: as much as was promised, and why."""
    policy = FeesConfig(strategy="static", fixed_ppm=2_000, min_interval_seconds=600)
    one = make_fee_input(
        replace(LEASED, local_terms=make_terms(fee_ppm=900)), state=make_state(fee_ppm=900), promise=PROMISE
    )
    (decision,) = decide_fees(make_fee_snapshot(one), policy).decisions
    assert decision.new_ppm == 1_000
    assert decision.says(ReasonCode.LEASE_CEILING)
    (free,) = decide_fees(make_fee_snapshot(replace(one, promise=None)), policy).decisions
    assert free.new_ppm > 1_000
