"""How full a channel is, when that is congestion, and when its payments run out of time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.occupancy import congestion, left_alone, near_expiry
from revops.domain.channel import Channel, Htlc
from revops.domain.occupancy import DIRECTIONS, NEAR_EXPIRY_BLOCKS, Direction, Occupancy, nearest_expiry, occupancy
from tests.builders import HOUR, NOW, SAT, make_channel, make_htlc
from tests.strategies import channels, moments

#: 5,000,000 sat with a reserve of 1 %: the most that one side can have in flight.
MOST_MSAT = 4_950_000 * SAT


def htlcs(count: int, direction: str = "out", amount_msat: int = 10_000 * SAT) -> tuple[Htlc, ...]:
    return (make_htlc(direction=direction, amount_msat=amount_msat),) * count


def narrow(*held: tuple[Htlc, ...], **overrides: Any) -> Channel:
    """A channel with lightningd's 30 slots on mainnet, and these HTLCs."""
    return make_channel(max_accepted_htlcs=30, htlcs=tuple(one for some in held for one in some), **overrides)


@pytest.mark.parametrize(
    ("channel", "direction", "expected"),
    [
        (narrow(), "out", Occupancy(0, 30, 0, MOST_MSAT)),
        (narrow(htlcs(3), htlcs(2, "in")), "out", Occupancy(3, 30, 30_000 * SAT, MOST_MSAT)),
        (narrow(htlcs(3), htlcs(2, "in")), "in", Occupancy(2, 30, 20_000 * SAT, MOST_MSAT)),
        (narrow(max_in_flight_out_msat=5_000, max_in_flight_in_msat=7_000), "out", Occupancy(0, 30, 0, 5_000)),
        (narrow(max_in_flight_out_msat=5_000, max_in_flight_in_msat=7_000), "in", Occupancy(0, 30, 0, 7_000)),
        (narrow(max_in_flight_out_msat=9 * MOST_MSAT), "out", Occupancy(0, 30, 0, MOST_MSAT)),
        (narrow(our_reserve_msat=2 * 10**9, their_reserve_msat=10**9), "out", Occupancy(0, 30, 0, 3 * 10**9)),
        (narrow(our_reserve_msat=2 * 10**9, their_reserve_msat=10**9), "in", Occupancy(0, 30, 0, 4 * 10**9)),
    ],
)
def test_each_direction_has_its_own_slots_and_limit(
    channel: Channel, direction: Direction, expected: Occupancy
) -> None:
    assert occupancy(channel, direction) == expected


def test_a_share_of_nothing_is_not_known() -> None:
    assert (Occupancy(0, 0, 0, 0).slot_ratio, Occupancy(0, 0, 0, 0).value_ratio) == (None, None)
    assert (Occupancy(3, 30, 1, 4).slot_ratio, Occupancy(3, 30, 1, 4).value_ratio) == (0.1, 0.25)


@given(channel=channels())
def test_shares_lie_between_nothing_and_all(channel: Channel) -> None:
    for direction in DIRECTIONS:
        fill = occupancy(channel, direction)
        for ratio in (fill.slot_ratio, fill.value_ratio):
            assert ratio is None or 0 <= ratio <= 1
        assert fill.limit_msat <= channel.capacity_msat


@pytest.mark.parametrize(
    ("channel", "known", "cause", "direction", "demand"),
    [
        (narrow(htlcs(24)), False, None, None, None),  # 80 % exactly
        (narrow(htlcs(25)), False, "slots", "out", True),
        (narrow(htlcs(25, "in")), False, "slots", "in", False),
        (narrow(htlcs(15), htlcs(15, "in")), False, None, None, None),  # 30 of 30, but each way half
        (narrow(htlcs(25), htlcs(30, "in")), False, "slots", "out", True),
        (narrow(htlcs(2, amount_msat=2 * 10**9)), False, "value in flight", "out", True),
        (narrow(htlcs(25, amount_msat=180_000 * SAT)), False, "slots and value in flight", "out", True),
        (narrow(htlcs(25, amount_msat=354 * SAT)), False, "slots full of dust", "out", False),
        # One large payment among the dust makes no demand of it, unless it fills the value by itself.
        (narrow(htlcs(24, amount_msat=1), htlcs(1, amount_msat=10**9)), False, "slots full of dust", "out", False),
        (
            narrow(htlcs(24, amount_msat=1), htlcs(1, amount_msat=4_500_000 * SAT)),
            False,
            "slots full of dust and value in flight",
            "out",
            True,
        ),
        # What was congested stays so down to 60 %.
        (narrow(htlcs(18)), True, "slots", "out", True),
        (narrow(htlcs(17)), True, None, None, None),
        (narrow(htlcs(18)), False, None, None, None),
        (make_channel(max_accepted_htlcs=0), True, None, None, None),
    ],
)
def test_congestion_is_either_share_above_four_fifths(
    channel: Channel, known: bool, cause: str | None, direction: str | None, demand: bool | None
) -> None:
    full = congestion(channel, NOW - HOUR if known else None, NOW)
    assert (full and full.cause) == cause
    assert (full and full.direction) == direction
    assert (None if full is None else full.shows_demand) == demand
    if full is not None:
        assert full.since_at == (NOW - HOUR if known else NOW)


@given(channel=channels(), since_at=moments)
def test_what_is_congested_anew_would_stay_so(channel: Channel, since_at: float) -> None:
    if congestion(channel, None, NOW) is not None:
        again = congestion(channel, since_at, NOW)
        assert again is not None
        assert again.since_at == since_at


@given(counts=st.lists(st.integers(19, 24), min_size=2, max_size=60))
def test_between_the_two_bounds_nothing_ever_changes(counts: list[int]) -> None:
    for start in (None, NOW):
        since_at = start
        for count in counts:
            full = congestion(narrow(htlcs(count)), since_at, NOW)
            since_at = None if full is None else full.since_at
            assert since_at == start


def test_the_reason_names_what_is_full() -> None:
    assert left_alone(narrow(htlcs(24)), None, NOW) is None
    reason = left_alone(narrow(htlcs(27, "in", 354 * SAT)), None, NOW)
    assert reason is not None
    assert reason.sentence == (
        "congested inwards by slots full of dust: 90 % of the HTLC slots and 0 % of the value are taken; left alone"
    )
    slotless = left_alone(make_channel(max_accepted_htlcs=0, htlcs=htlcs(1, amount_msat=MOST_MSAT)), None, NOW)
    assert slotless is not None
    assert slotless.numbers["slot_percent"] == "?"


@pytest.mark.parametrize(
    ("left_blocks", "near"), [(NEAR_EXPIRY_BLOCKS, False), (NEAR_EXPIRY_BLOCKS - 1, True), (-3, True)]
)
def test_an_end_is_near_within_so_many_blocks(left_blocks: int, near: bool) -> None:
    held = (make_htlc(expiry_blockheight=900_000 + left_blocks), make_htlc(direction="in", expiry_blockheight=900_400))
    channel = make_channel(htlcs=held)
    assert nearest_expiry(channel) == 900_000 + left_blocks
    assert near_expiry([channel, make_channel(2)], 900_000) == (((channel.name, left_blocks),) if near else ())


def test_the_nearest_comes_first_and_a_closing_channel_is_past_warning() -> None:
    first, second, third = (
        make_channel(number, htlcs=(make_htlc(expiry_blockheight=900_000 + left),))
        for number, left in ((1, 9), (2, 4), (3, 1))
    )
    closing = replace(third, state="AWAITING_UNILATERAL")
    assert near_expiry([first, second, closing], 900_000) == ((second.name, 4), (first.name, 9))
    assert nearest_expiry(closing) is None
    assert nearest_expiry(make_channel()) is None
