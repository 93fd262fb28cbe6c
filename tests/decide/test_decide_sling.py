"""What sling is asked for: the terms by hand, and against a sling that lets payments hang however it likes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.sling import draw, marks_of
from revops.decide.sling_pieces import LEAST_LEFT_SAT, MARKS, MOST_PAYMENTS, MOST_SOURCES, Drawn, Wanted
from revops.domain.channel import Channel
from revops.domain.reason import Reason, ReasonCode
from revops.domain.rebalance import SourceOffer
from revops.domain.sling import SlingOrder
from tests.builders import make_channel

AMOUNT_MSAT = 400_000_000


def source(number: int, local_sat: int, spendable_sat: int | None = None) -> Channel:
    return replace(
        make_channel(),
        channel_id=f"{number:064x}",
        scid=f"{number}x1x0",
        local_msat=local_sat * 1_000,
        spendable_msat=(local_sat if spendable_sat is None else spendable_sat) * 1_000,
        capacity_msat=max(local_sat * 1_000, 1) * 2,
    )


def offer(channel: Channel, max_ppm: int, amount_msat: int = AMOUNT_MSAT) -> tuple[Channel, SourceOffer]:
    return channel, SourceOffer(channel.channel_id, channel.name, amount_msat * max_ppm // 1_000_000)


def wanted(**changes: Any) -> Wanted:
    return replace(Wanted(AMOUNT_MSAT, 1_000, 5, frozenset(), 0), **changes)


def drawn(offers: list[tuple[Channel, SourceOffer]], **changes: object) -> Drawn:
    terms = draw(offers, wanted(**changes))
    assert isinstance(terms, Drawn)
    return terms


def test_one_source_gives_all_in_pieces() -> None:
    terms = drawn([offer(source(1, 2_000_000), 500)])
    assert (terms.chunk_sat, terms.payment_count, terms.max_ppm) == (19_999, 20, 500)
    # After nineteen payments it has more than the floor, after twenty it hasn't.
    out_msat = 19_999_000 + 9_999
    assert 2_000_000_000 - 19 * out_msat > terms.floor_sat * 1_000 >= 2_000_000_000 - 20 * out_msat
    # Twenty by the floor, the one that makes it round, six that hang and one too many: each at 500 ppm, in whole sat.
    assert terms.worst_msat == math.ceil(27 * 10_000 / 1_000) * 1_000


def test_the_fullest_give_down_to_one_level() -> None:
    terms = drawn([offer(source(1, 1_000_000), 500), offer(source(2, 1_200_000), 500), offer(source(3, 400_000), 500)])
    assert [one.scid for one in terms.sources] == ["1x1x0", "2x1x0"]
    assert 880_000 < terms.floor_sat < 920_000


def test_who_may_pay_less_is_left_out_as_long_as_the_others_can_pay() -> None:
    rich, poor, cheap = source(1, 2_000_000), source(2, 100_000), source(3, 9_000_000)
    assert drawn([offer(rich, 700), offer(poor, 900), offer(cheap, 100)]).max_ppm == 700
    assert drawn([offer(poor, 900), offer(cheap, 100)]).max_ppm == 100
    assert drawn([offer(rich, 700), offer(cheap, 100)], max_fee_ppm=300).max_ppm == 300


def test_sources_that_cannot_give_all_give_what_they_can() -> None:
    terms = drawn([offer(source(1, 100_000), 500)])
    assert 1 <= terms.payment_count < 20
    assert terms.payment_count * terms.chunk_sat < 100_000 - LEAST_LEFT_SAT


@pytest.mark.parametrize(
    ("offers", "code"),
    [
        ([], ReasonCode.NO_SOURCE),
        ([offer(source(1, 20_000), 500)], ReasonCode.LIQUIDITY_CHANGED),
        ([offer(source(1, 2_000_000, 0), 500)], ReasonCode.LIQUIDITY_CHANGED),
        ([offer(source(1, 2_000_000), 0)], ReasonCode.LIQUIDITY_CHANGED),
    ],
)
def test_nothing_to_draw(offers: list[tuple[Channel, SourceOffer]], code: ReasonCode) -> None:
    found = draw(offers, wanted())
    assert isinstance(found, Reason)
    assert found.code is code
    assert found.sentence


@pytest.mark.parametrize("amount_msat", [0, 999, 1_000])
def test_an_amount_too_small_for_a_size_of_its_own(amount_msat: int) -> None:
    found = draw([offer(source(1, 2_000_000), 500)], wanted(amount_msat=amount_msat))
    assert isinstance(found, Reason)


@given(first=st.integers(0, 10**9), taken=st.frozensets(st.integers(19_900, 20_000), max_size=90))
def test_a_size_is_never_one_that_is_taken(first: int, taken: frozenset[int]) -> None:
    terms = drawn([offer(source(1, 2_000_000), 500)], taken_sat=taken, first_mark=first)
    assert terms.chunk_sat not in taken
    assert 20_000 - MARKS <= terms.chunk_sat < 20_000


def test_when_all_sizes_are_taken_there_is_no_order() -> None:
    taken = frozenset(range(20_000 - MARKS - 1, 20_001))
    assert isinstance(draw([offer(source(1, 2_000_000), 500)], wanted(taken_sat=taken)), Reason)


def test_marks_of_orders() -> None:
    order = SlingOrder("1x1x1", 7, 1, 1, 1, ("2x1x1",), 1, 1, 1, "1-1-1")
    assert marks_of([order, replace(order, chunk_sat=9)]) == {7, 9}


OFFERS = st.lists(
    st.tuples(st.integers(0, 3_000_000), st.integers(0, 1_500), st.floats(0.0, 1.0)), min_size=1, max_size=6
)


def offers_of(rows: list[tuple[int, int, float]], amount_msat: int) -> list[tuple[Channel, SourceOffer]]:
    return [
        offer(source(number, local_sat, int(local_sat * share)), ppm, amount_msat)
        for number, (local_sat, ppm, share) in enumerate(rows, 1)
    ]


@given(rows=OFFERS, amount_sat=st.integers(1, 2_000_000), ceiling=st.integers(1, 2_000), slots=st.integers(0, 30))
def test_terms_keep_to_every_limit(
    rows: list[tuple[int, int, float]], amount_sat: int, ceiling: int, slots: int
) -> None:
    offers = offers_of(rows, amount_sat * 1_000)
    asked = wanted(amount_msat=amount_sat * 1_000, max_fee_ppm=ceiling, max_htlc_count=slots)
    terms = draw(offers, asked)
    if isinstance(terms, Reason):
        assert terms.sentence
        return
    limits = {channel.channel_id: one.max_fee_msat for channel, one in offers}
    assert 0 < terms.max_ppm <= ceiling
    assert 0 < terms.payment_count <= MOST_PAYMENTS
    assert 0 < terms.chunk_sat * terms.payment_count <= amount_sat
    assert 0 < len(terms.sources) <= MOST_SOURCES
    for one in terms.sources:
        # What the plan allows from there for the whole amount is never passed.
        assert terms.max_ppm * amount_sat * 1_000 <= limits[one.channel_id] * 1_000_000
        assert one.local_msat > terms.floor_sat * 1_000
    least_msat = terms.payment_count * (terms.chunk_sat * 1_000 * terms.max_ppm // 1_000_000)
    assert terms.worst_msat >= least_msat
    assert terms.worst_msat % 1_000 == 0


@dataclass
class Hostile:
    """sling as its source is (src/slings.rs, src/response.rs), on a network that lets any payment hang for as long as
    it likes and pays in the end. Nothing flows in.
    """

    terms: Drawn
    slots: int
    rng: Random
    local_msat: dict[str, int] = field(default_factory=dict)
    spendable_msat: dict[str, int] = field(default_factory=dict)
    hanging: dict[str, int] = field(default_factory=dict)
    #: sling reads balances once a second: it may miss the last payment.
    believed_msat: dict[str, int] = field(default_factory=dict)
    counted: int = 0
    fees_msat: int = 0

    def __post_init__(self) -> None:
        for one in self.terms.sources:
            self.local_msat[one.channel_id] = self.believed_msat[one.channel_id] = one.local_msat
            self.spendable_msat[one.channel_id] = one.spendable_msat
            self.hanging[one.channel_id] = 0

    def run(self) -> None:
        chunk_msat = self.terms.chunk_sat * 1_000
        fee_msat = chunk_msat * self.terms.max_ppm // 1_000_000
        floor_msat = max(chunk_msat + LEAST_LEFT_SAT * 1_000, self.terms.floor_sat * 1_000)
        for _ in range(2_000):
            for name, count in self.hanging.items():
                if count and self.rng.random() < 0.2:
                    self.hanging[name] -= 1
                    self.settle(name, chunk_msat + fee_msat)
            able = [
                name
                for name, believed in self.believed_msat.items()
                if believed > floor_msat
                and self.hanging[name] <= self.slots
                and self.spendable_msat[name] >= chunk_msat + fee_msat
            ]
            if self.counted == self.terms.payment_count or not able:
                break
            name = self.rng.choice(able)
            self.spendable_msat[name] -= chunk_msat + fee_msat
            self.fees_msat += fee_msat
            hangs = self.rng.random() < 0.8
            fresh = self.rng.random() < 0.5
            if fresh:
                self.believed_msat = dict(self.local_msat)
            if hangs:
                self.hanging[name] += 1
            else:
                self.counted += 1
                self.settle(name, chunk_msat + fee_msat)

    def settle(self, name: str, out_msat: int) -> None:
        self.local_msat[name] -= out_msat
        # The next look comes before the next but one payment.
        self.believed_msat = {
            key: min(value, self.local_msat[key] + out_msat) for key, value in self.believed_msat.items()
        }


@given(
    rows=OFFERS,
    amount_sat=st.integers(1_000, 2_000_000),
    slots=st.integers(0, 8),
    seed=st.integers(0, 10**6),
)
def test_however_payments_hang_they_cost_no_more_than_is_reserved(
    rows: list[tuple[int, int, float]], amount_sat: int, slots: int, seed: int
) -> None:
    offers = offers_of(rows, amount_sat * 1_000)
    terms = draw(offers, wanted(amount_msat=amount_sat * 1_000, max_htlc_count=slots))
    if isinstance(terms, Drawn):
        world = Hostile(terms, slots, Random(seed))
        world.run()
        assert world.fees_msat <= terms.worst_msat


def test_the_worst_case_is_met_by_payments_that_hang() -> None:
    """The bound isn't idle: more than the order's payments are really made."""
    terms = drawn([offer(source(1, 2_000_000), 500)])
    least_msat = terms.payment_count * (terms.chunk_sat * 1_000 * terms.max_ppm // 1_000_000)
    costs = []
    for seed in range(200):
        world = Hostile(terms, 5, Random(seed))
        world.run()
        costs.append(world.fees_msat)
    assert least_msat < max(costs) <= terms.worst_msat


# No more is reserved than is staked.


def test_an_order_that_is_staked_in_full_stays_as_it_is() -> None:
    whole = drawn([offer(source(1, 2_000_000), 500)])
    assert drawn([offer(source(1, 2_000_000), 500)], stake_msat=whole.worst_msat, least_msat=50_000_000) == whole


def quoted(channel: Channel, max_ppm: int, quoted_ppm: int) -> tuple[Channel, SourceOffer]:
    channel, one = offer(channel, max_ppm)
    return channel, replace(one, quoted_fee_msat=AMOUNT_MSAT * quoted_ppm // 1_000_000)


@pytest.mark.parametrize(
    ("stake_sat", "amount_sat", "max_ppm"),
    [
        # 27 payments of 20,000 sat at 500 ppm are 270 sat. A little less is staked: smaller pieces need no more.
        (270, 400_000, 500),
        # Then the price goes down, to what the node quoted at least;
        (200, 400_000, 350),
        (120, 400_000, 210),
        # then the amount does.
        (60, 215_000, 200),
        (20, 65_000, 200),
    ],
)
def test_an_order_is_cut_in_price_then_in_amount(stake_sat: int, amount_sat: int, max_ppm: int) -> None:
    terms = drawn(
        [quoted(source(1, 2_000_000), 500, 200)], stake_msat=stake_sat * 1_000, least_msat=50_000_000, first_mark=0
    )
    assert terms.worst_msat <= stake_sat * 1_000
    assert terms.worst_msat > 0.9 * stake_sat * 1_000
    assert terms.chunk_sat * terms.payment_count == pytest.approx(amount_sat, rel=0.1)
    assert terms.max_ppm == pytest.approx(max_ppm, rel=0.1)
    assert terms.max_ppm >= 200


def test_a_source_whose_quote_sling_would_refuse_is_not_asked() -> None:
    """`maxppm` is a whole number, and sling rounds what a route costs up."""
    channel, job = source(1, 2_000_000), wanted(amount_msat=100_000_000)
    dear = SourceOffer(channel.channel_id, channel.name, 2_055, quoted_fee_msat=2_002)
    found = draw([(channel, dear)], job)
    assert isinstance(found, Reason)
    assert (found.code, found.numbers) == (ReasonCode.ROUTE_TOO_DEAR, {"fee_msat": 2_002, "max_fee_msat": 2_000})
    cheap = (source(2, 1_000_000), SourceOffer(source(2, 0).channel_id, "cheap", 2_055, quoted_fee_msat=2_000))
    terms = draw([(channel, dear), cheap], job)
    assert isinstance(terms, Drawn)
    assert ([one.scid for one in terms.sources], terms.max_ppm) == (["2x1x0"], 20)


def test_without_a_quote_the_price_stays() -> None:
    terms = drawn([offer(source(1, 2_000_000), 500)], stake_msat=100_000, least_msat=50_000_000)
    assert terms.max_ppm == 500
    assert terms.worst_msat <= 100_000


def test_of_several_sources_fewer_are_asked_where_little_is_staked() -> None:
    """Each may hold payments that hang."""
    offers = [offer(source(number, 2_000_000), 500) for number in (1, 2, 3)]
    assert len(drawn(offers).sources) == 3
    terms = drawn(offers, stake_msat=120_000, least_msat=50_000_000)
    assert len(terms.sources) == 1
    assert terms.worst_msat <= 120_000


def test_a_stake_that_does_not_carry_the_least_amount_is_refused_with_its_figures() -> None:
    found = draw([quoted(source(1, 2_000_000), 500, 200)], wanted(stake_msat=9_000, least_msat=50_000_000))
    assert isinstance(found, Reason)
    assert found.code is ReasonCode.SLING_ABOVE_STAKE
    assert found.numbers["stake_msat"] == 9_000
    worst_msat = found.numbers["worst_msat"]
    assert isinstance(worst_msat, int)
    assert worst_msat > 9_000
    assert "50,000 sat at 200 ppm" in found.sentence
    poor = draw([offer(source(1, 50_000), 500)], wanted(stake_msat=1_000, least_msat=90_000_000))
    assert isinstance(poor, Reason)
    assert poor.code is ReasonCode.LIQUIDITY_CHANGED
    none = draw([offer(source(1, 2_000_000), 500)], wanted(stake_msat=0))
    assert isinstance(none, Reason)


@given(
    rows=OFFERS,
    amount_sat=st.integers(1_000, 2_000_000),
    slots=st.integers(0, 8),
    stake_msat=st.integers(0, 2_000_000),
    least_sat=st.integers(1, 100_000),
    quoted_ppm=st.one_of(st.none(), st.integers(0, 2_000)),
    seed=st.integers(0, 10**6),
)
def test_no_more_is_reserved_than_is_staked_however_payments_hang(
    rows: list[tuple[int, int, float]],
    amount_sat: int,
    slots: int,
    stake_msat: int,
    least_sat: int,
    quoted_ppm: int | None,
    seed: int,
) -> None:
    quoted_msat = None if quoted_ppm is None else amount_sat * quoted_ppm // 1_000
    offers = [
        (channel, replace(one, quoted_fee_msat=quoted_msat)) for channel, one in offers_of(rows, amount_sat * 1_000)
    ]
    asked = wanted(
        amount_msat=amount_sat * 1_000, max_htlc_count=slots, stake_msat=stake_msat, least_msat=least_sat * 1_000
    )
    terms = draw(offers, asked)
    if isinstance(terms, Reason):
        assert terms.sentence
        return
    assert terms.worst_msat <= stake_msat
    assert 0 < terms.chunk_sat * terms.payment_count <= amount_sat
    limits = {channel.channel_id: one.max_fee_msat for channel, one in offers}
    assert all(terms.max_ppm * amount_sat * 1_000 <= limits[one.channel_id] * 1_000_000 for one in terms.sources)
    world = Hostile(terms, slots, Random(seed))
    world.run()
    assert world.fees_msat <= terms.worst_msat


def test_strategies_yield_orders_that_are_cut() -> None:
    """Else the bound above would hold for want of orders."""
    rng, cut_count = Random(1), 0
    for _ in range(200):
        offers = [
            offer(source(number, rng.randrange(10**5, 3 * 10**6)), rng.randrange(100, 1_500)) for number in (1, 2, 3)
        ]
        whole = draw(offers, wanted())
        terms = draw(offers, wanted(stake_msat=rng.randrange(50_000, 400_000), least_msat=10_000_000))
        cut_count += isinstance(whole, Drawn) and isinstance(terms, Drawn) and terms != whole
    assert cut_count > 50
