"""The market anchor: what others charge into a peer, whatever strangers put into gossip."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.anchor import ABSURD_PPM, LEAST_CHANNELS, anchor_ppm, price_ppm
from revops.domain.gossip import GossipEdge
from tests.builders import OWN_ID, SAT, node_id


def edge(number: int, ppm: int, **overrides: Any) -> GossipEdge:
    """A channel of 5,000,000 sat of its own node."""
    base = GossipEdge(f"{800_000 + number}x1x0", node_id(number), 5_000_000 * SAT, 0, ppm, active=True)
    return replace(base, **overrides)


def market(*prices: int) -> list[GossipEdge]:
    return [edge(number, ppm) for number, ppm in enumerate(prices, start=1)]


FIVE = market(100, 200, 300, 400, 500)


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ([], 300),
        # What isn't a price of somebody else's: ours, disabled, free, absurd, without capacity.
        ([edge(6, 1, source_id=OWN_ID)], 300),
        ([edge(6, 1, active=False)], 300),
        ([edge(number, 0) for number in range(6, 40)], 300),
        ([edge(number, ABSURD_PPM + 1) for number in range(6, 40)], 300),
        ([edge(6, 1, capacity_msat=0)], 300),
        # One that is a price counts, and may be as dear as that.
        ([edge(6, ABSURD_PPM), edge(7, 450)], 400),
        # The base fee counts as what it adds to a payment of 25,000 sat.
        ([edge(6, 410, fee_base_msat=1_000), edge(7, 410, fee_base_msat=1_000)], 400),
        ([edge(6, 0, fee_base_msat=10_000), edge(7, 0, fee_base_msat=10_000)], 400),
        # A huge channel weighs no more than an ordinary node.
        ([edge(6, 1, capacity_msat=10**15)], 200),
        ([edge(6, 250, capacity_msat=10**15)], 250),
        ([edge(6, 9_000, capacity_msat=10**15)], 300),
        # Nor do many channels of one node, and two nodes that lie together are outvoted.
        ([edge(100 + number, 5, source_id=node_id(6)) for number in range(50)], 200),
        ([edge(6, 1, capacity_msat=10**12), edge(7, 1, capacity_msat=10**12)], 200),
    ],
)
def test_what_counts(extra: list[GossipEdge], expected: int) -> None:
    assert anchor_ppm([*FIVE, *extra], OWN_ID) == expected


def test_too_few_channels_are_no_market() -> None:
    assert anchor_ppm([], OWN_ID) is None
    assert anchor_ppm(FIVE[: LEAST_CHANNELS - 1], OWN_ID) is None
    assert anchor_ppm([*FIVE[: LEAST_CHANNELS - 1], edge(9, 300, source_id=OWN_ID), edge(8, 0)], OWN_ID) is None


def test_capacity_weighs() -> None:
    cheap = [edge(number, 50, capacity_msat=1_000_000 * SAT) for number in range(1, 4)]
    dear = [edge(number, 500, capacity_msat=3_000_000 * SAT) for number in range(4, 7)]
    assert anchor_ppm(cheap + dear, OWN_ID) == 500


@pytest.mark.parametrize(("base_msat", "ppm", "price"), [(0, 7, 7), (1_000, 7, 47), (1, 7, 8)])
def test_a_base_fee_is_part_of_the_price(base_msat: int, ppm: int, price: int) -> None:
    assert price_ppm(edge(1, ppm, fee_base_msat=base_msat)) == price


prices = st.integers(1, ABSURD_PPM)
edges = st.lists(
    st.builds(
        edge,
        st.integers(1, 30),
        st.one_of(st.integers(0, 2_000), st.integers(0, 2**32 - 1)),
        capacity_msat=st.integers(0, 10**15),
        fee_base_msat=st.one_of(st.just(0), st.integers(0, 2**32 - 1)),
        active=st.booleans(),
    ),
    max_size=40,
)


@given(found=edges, ours=st.lists(prices), data=st.data())
def test_our_own_channels_and_the_order_change_nothing(
    found: list[GossipEdge], ours: list[int], data: st.DataObject
) -> None:
    own = [edge(900 + place, ppm, source_id=OWN_ID) for place, ppm in enumerate(ours)]
    shuffled = data.draw(st.permutations(found + own))
    assert anchor_ppm(shuffled, OWN_ID) == anchor_ppm(found, OWN_ID)


@given(found=edges)
def test_it_is_a_price_that_somebody_asks(found: list[GossipEdge]) -> None:
    anchor = anchor_ppm(found, OWN_ID)
    assert anchor is None or (0 < anchor <= ABSURD_PPM and anchor in {price_ppm(one) for one in found})


@given(honest=st.lists(prices, min_size=7, max_size=30), wild=st.lists(prices, max_size=3), huge=st.integers(1, 10**15))
def test_few_outliers_do_not_move_it_out_of_what_the_others_ask(honest: list[int], wild: list[int], huge: int) -> None:
    """Three nodes against fifteen and more of equal size: at most four times a node's weight each."""
    honest = [*honest, *honest, *honest]
    others = market(*honest)
    outliers = [edge(500 + place, ppm, capacity_msat=huge) for place, ppm in enumerate(wild)]
    anchor = anchor_ppm(others + outliers, OWN_ID)
    assert anchor is not None
    assert min(honest) <= anchor <= max(honest)
