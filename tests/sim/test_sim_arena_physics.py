"""The arena's physics: what moves, what is refused, what is held, and that nothing is made or lost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revops.sim.arena.demand import JAM_MSAT, LIMITED, SLOT_COUNT, Customer
from revops.sim.arena.families import DAY_SECONDS, Absences
from revops.sim.arena.market import FAILED, REFUSED, SETTLED, Market
from tests.sim.arena_worlds import Fates, make_market, payment


def test_a_payment_moves_liquidity_and_leaves_its_fee() -> None:
    market, fates = make_market(), Fates()
    market.trade([payment(0.0), payment(1.0, fails=1), payment(2.0, willing_ppm=199.0)], 9.0, fates)
    assert fates == [(20_000, SETTLED), (20_000, FAILED)]
    assert market.local_msat == [400_000_000, 600_020_000, 500_000_000]
    assert market.earned_msat == 20_000


def test_what_is_not_there_is_refused_and_the_reserve_stays() -> None:
    market, fates = make_market(), Fates()
    market.trade([payment(float(at)) for at in range(9)], 9.0, fates)
    assert [fate for _fee, fate in fates] == [SETTLED] * 4 + [REFUSED] * 5
    assert min(market.local_msat) >= market.reserve_msat(0)
    # By the second way in, where the first is full.
    assert market.local_msat[1:] == [900_080_000, 500_000_000]


def test_liquidity_out_of_nothing_is_noticed_at_the_next_payment() -> None:
    market = make_market()
    market.local_msat[2] += 1
    with pytest.raises(AssertionError, match="made or lost"):
        market.trade([payment(0.0)], 9.0)


@pytest.mark.parametrize(
    ("old_ppm", "new_ppm", "age_seconds", "lag_seconds", "paid_ppm"),
    [
        (200, 300, 700.0, 0.0, 300),
        (200, 300, 500.0, 900.0, 200),
        # Ten minutes after a raise the old fee is refused, and the sender told.
        (200, 300, 700.0, 900.0, 300),
        (200, 100, 700.0, 900.0, 200),
        (200, 100, 700.0, 600.0, 100),
    ],
)
def test_gossip_lags(old_ppm: int, new_ppm: int, age_seconds: float, lag_seconds: float, paid_ppm: int) -> None:
    market, fates = make_market(old_ppm), Fates()
    market.set_fee(0, new_ppm, 1_000.0)
    market.trade([payment(1_000.0 + age_seconds, lag_seconds=lag_seconds)], 9_000.0, fates)
    assert fates == [(paid_ppm * 100, SETTLED)]


def test_gossip_passes_on_a_few_updates_and_then_one_a_day() -> None:
    market = make_market()
    for count in range(6):
        market.set_fee(0, 300 + count, 1.0)
    fates = Fates()
    market.trade([payment(2.0, lag_seconds=LIMITED), payment(1_000.0, lag_seconds=LIMITED)], 9e3, fates)
    # The fifth and sixth didn't get through; who offers too little is told, when the grace is over.
    assert [fee // 100 for fee, _fate in fates] == [303, 305]
    market.set_fee(0, 100, 1.0 + DAY_SECONDS)
    market.trade([payment(2.0 + DAY_SECONDS, lag_seconds=LIMITED)], 9e9, fates)
    assert fates[-1] == (10_000, SETTLED)


JAM = Customer(0.0, 0, 1, 1, JAM_MSAT, 9e9, True, 0.0, 3_600.0, SLOT_COUNT)


def test_a_jammer_holds_slots_and_liquidity_until_its_payments_fail() -> None:
    market, fates = make_market(), Fates()
    # Half of the slots are free, but what is left of channel 0's balance isn't all its own.
    market.trade([JAM._replace(slot_count=15), payment(1.0, 480_000), payment(2.0, 470_000)], 3.0, fates)
    assert fates == [(96_000_000 // 1_000, REFUSED), (94_000, SETTLED)]
    market.trade([], 3_600.0, fates)
    assert fates[2:] == [(JAM_MSAT * 200 // 10**6, FAILED)] * 15


def test_where_all_slots_are_taken_nothing_passes() -> None:
    market, fates = make_market(), Fates()
    market.trade([JAM, payment(1.0)], 2.0, fates)
    assert fates == [(20_000, REFUSED)]
    market.trade([payment(3_601.0)], 4_000.0, fates)
    assert fates[-1] == (20_000, SETTLED)


def test_nobody_comes_while_a_peer_is_away() -> None:
    market, fates = make_market(), Fates()
    market.absences = (((10.0, 20.0),), ((30.0, 40.0),), ())
    market.trade([payment(float(at), 1_000) for at in (5, 10, 19, 20, 35)], 50.0, fates)
    assert len(fates) == 3
    # The fourth entered by its second way.
    assert market.local_msat[1:] == [502_000_400, 501_000_200]


# What holds whatever happens, for a day of 1,000 seconds in four parts, between which fees change.

COUNT = 4
CAPACITY_MSAT = (10**9, 10**9, 10**8, 3 * 10**7)
PARTS_AT = (0.0, 250.0, 500.0, 750.0, 1_000.0)
NUMBERS = st.integers(0, COUNT - 1)


@st.composite
def customers(draw: st.DrawFn) -> Customer:
    """An honest one or a jammer."""
    out, first, second = draw(st.permutations(range(COUNT)))[:3]
    jams = draw(st.booleans())
    return Customer(
        at=float(draw(st.integers(0, 999))),
        out=out,
        first=first,
        second=draw(st.sampled_from((first, second))),
        amount_msat=draw(st.integers(1_000, 10**6 if jams else 4 * 10**8)),
        willing_ppm=float(draw(st.sampled_from((150, 600, 2_500)))),
        fails=jams or draw(st.booleans()),
        lag_seconds=draw(st.sampled_from((0.0, 300.0, LIMITED))),
        hold_seconds=float(draw(st.integers(1, 600))) if jams else 0.0,
        slot_count=draw(st.integers(1, SLOT_COUNT + 10)) if jams else 1,
    )


@st.composite
def absences(draw: st.DrawFn) -> Absences:
    """Up to two, in order."""
    bounds = sorted(draw(st.sets(st.integers(1, 999), max_size=5)))
    return tuple((float(start), float(end)) for start, end in zip(bounds[::2], bounds[1::2], strict=False))


@st.composite
def markets(draw: st.DrawFn) -> Market:
    """Reserves on both sides of each channel, and the rest anywhere."""
    local_msat = [draw(st.integers(one // 100, one - one // 100)) for one in CAPACITY_MSAT]
    away = draw(st.one_of(st.just(()), st.tuples(*[absences()] * COUNT)))
    return Market(list(CAPACITY_MSAT), local_msat, [200] * COUNT, away)


@dataclass
class Book:
    """Does the sums by itself, from what is told of each payment; `moments` is when each came, its way in and out."""

    local_msat: list[int]
    earned_msat: int = 0
    moments: list[tuple[float, int, int]] = field(default_factory=list)

    def __call__(
        self, at: float, entry: int, out: int, amount_msat: int, fee_msat: int, fate: int, hold_seconds: float = 0.0
    ) -> None:
        if fate == SETTLED:
            self.local_msat[out] -= amount_msat
            self.local_msat[entry] += amount_msat + fee_msat
            self.earned_msat += fee_msat
        self.moments.append((at - hold_seconds, entry, out))


def check_balances(market: Market) -> None:
    """What can be sent and received is what is there, less the reserve and what is held; never less than nothing."""
    for number, local_msat in enumerate(market.local_msat):
        out = [held for held in market.held if held.out == number]
        into = [held for held in market.held if held.entry == number]
        held_out_msat = sum(held.slot_count * held.amount_msat for held in out)
        held_in_msat = sum(held.slot_count * (held.amount_msat + held.fee_msat) for held in into)
        reserve_msat = market.reserve_msat(number)
        sendable_msat = local_msat - held_out_msat - reserve_msat
        assert market.spendable_msat(number) == sendable_msat >= 0
        free_msat = market.capacity_msat[number] - local_msat - held_in_msat - reserve_msat
        assert market.receivable_msat(number) == free_msat >= 0
        assert sum(held.slot_count for held in (*out, *into)) <= SLOT_COUNT


def room_for_jams(market: Market) -> list[int]:
    """How many slots a jammer gets on each way through, one after the other."""
    filled = []
    for out, entry in ((0, 1), (1, 0), (2, 3), (3, 2)):
        market.trade([Customer(2e3, out, entry, entry, 1_000, 9e9, True, 0.0, 1.0, SLOT_COUNT)], 2e3)
        filled.append(sum(held.slot_count for held in market.held))
        market.trade([], 3e3)
    return filled


@settings(max_examples=150, deadline=None)
@given(
    markets(),
    st.lists(customers(), max_size=40).map(sorted),
    st.lists(st.tuples(NUMBERS, st.sampled_from((50, 100, 500, 1_000))), min_size=4, max_size=4),
)
def test_nothing_is_made_or_lost_whoever_comes(
    market: Market, coming: list[Customer], changes: list[tuple[int, int]]
) -> None:
    before_msat, book = sum(market.local_msat), Book(list(market.local_msat))
    for (since, until), (number, ppm) in zip(pairwise(PARTS_AT), changes, strict=True):
        market.set_fee(number, ppm, since)
        market.trade([one for one in coming if since <= one.at < until], until, book)
        assert all(held.until_at > until for held in market.held)
        assert sum(market.local_msat) == before_msat + market.earned_msat
        check_balances(market)
    left_count = sum(held.slot_count for held in market.held)
    told_count = len(book.moments)
    market.trade([], math.inf, book)
    assert (market.held, len(book.moments)) == ([], told_count + left_count)
    assert (market.local_msat, market.earned_msat) == (book.local_msat, book.earned_msat)
    check_balances(market)
    for at, entry, out in book.moments:
        assert not any(start <= at < end for number in (entry, out) for start, end in market.absences[number])
    fresh = Market(list(CAPACITY_MSAT), list(market.local_msat), list(market.fee_ppm))
    assert room_for_jams(market) == room_for_jams(fresh)
