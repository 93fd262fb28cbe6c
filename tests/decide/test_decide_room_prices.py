"""What room is worth: room and liquidity share one fee."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.rebalance.room_prices import Passing, room_prices

SAT = 1_000


def entry(name: str, blocked: float, in_sat: int = 1_000_000, sourced_sat: int = 400) -> Passing:
    return Passing(name, in_sat * SAT, sourced_sat * SAT, blocked, 0, 0.0, 0.0)


def leaves(name: str, sold_ppm: float, out_sat: int = 1_000_000, income_ppm: float = 400.0) -> Passing:
    return Passing(name, 0, 0, 0.0, out_sat * SAT, income_ppm, sold_ppm)


@pytest.mark.parametrize(
    ("blocked", "sold_ppm", "room_ppm", "entries_ppm"),
    [
        (1.0, 0.0, 400, 400),  # plenty to sell, no room to enter: the fee is the room's
        (1.0, 400.0, 0, 0),  # all of it is the liquidity's
        (1.0, 100.0, 300, 300),
        (0.25, 100.0, 300, 75),  # one in four finds no room
        (0.0, 100.0, 300, 0),  # room as it would be worth if it were missing; nobody pays for it
    ],
)
def test_what_the_liquidity_leaves_of_the_fee_is_the_rooms(
    blocked: float, sold_ppm: float, room_ppm: float, entries_ppm: float
) -> None:
    prices = room_prices([entry("in", blocked), leaves("out", sold_ppm)])
    assert prices.of("in") == pytest.approx(room_ppm)
    assert prices.entries_ppm == pytest.approx(entries_ppm)
    assert prices.of("out") == 0


def test_who_finds_no_room_tries_another_channel() -> None:
    """A third of what could come by others finds no room there."""
    passing = [entry("full", 1.0), entry("free", 0.0, in_sat=2_000_000), entry("other", 1.0), leaves("out", 100.0)]
    assert room_prices(passing).of("full") == pytest.approx(300 / 3)
    assert room_prices(passing).of("free") == pytest.approx(300 * 400 / 800)  # it earned half by the sat


def test_exits_count_by_what_they_earned() -> None:
    """Of 2,000 ppm that one earned 1,000 are its liquidity's, of 400 that the other did nothing: 7 of 12 are left."""
    dear = leaves("dear", 1_000.0, income_ppm=2_000.0)
    assert room_prices([entry("in", 1.0), dear, leaves("out", 0.0)]).of("in") == pytest.approx(400 * 1_400 / 2_400)


def test_without_entries_or_sales_room_is_worth_nothing() -> None:
    assert room_prices([]).entries_ppm == 0
    assert room_prices([entry("in", 1.0)]).of("in") == 0
    nothing = room_prices([leaves("out", 0.0), entry("idle", 1.0, in_sat=0, sourced_sat=0)])
    assert (nothing.of("idle"), nothing.entries_ppm) == (0, 0)


_msat = st.integers(0, 10**15)
_passing = st.builds(
    Passing,
    channel_id=st.uuids().map(str),
    in_msat=_msat,
    sourced_msat=st.integers(0, 10**12),
    blocked_ratio=st.floats(0, 1),
    out_msat=_msat,
    income_ppm=st.floats(0, 1e6),
    sold_ppm=st.floats(-1e6, 1e6),
)


@given(st.lists(_passing, max_size=6))
def test_room_is_worth_no_more_than_its_entries_have_earned(passing: list[Passing]) -> None:
    prices = room_prices(passing)
    for one in passing:
        sourced_ppm = one.sourced_msat / one.in_msat * 1e6 if one.in_msat else 0.0
        assert 0 <= prices.of(one.channel_id) <= sourced_ppm * (1 + 1e-9)
    all_in = sum(one.in_msat for one in passing)
    mean_ppm = sum(one.sourced_msat for one in passing if one.in_msat) / all_in * 1e6 if all_in else 0.0
    assert 0 <= prices.entries_ppm <= mean_ppm * (1 + 1e-9)
