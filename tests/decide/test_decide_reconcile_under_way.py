"""Which cause a difference gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from revops.decide.reconcile import differences
from revops.domain.reconciliation import NOTHING, Cause, ChannelBooks, Figure, NodeBooks, Sides, unexplained_msat

#: A forward of a million that entered, and one that left.
ENTERED = Sides(in_msat=1_001_000, sourced_msat=1_000)
LEFT = Sides(out_msat=2_000_000, earned_msat=2_000)
CHANNEL = ChannelBooks(
    channel_id="ab",
    name="1x1x1",
    known=True,
    forwards=NOTHING,
    before_ledger=NOTHING,
    moves=NOTHING,
    fulfilled_in_msat=0,
    fulfilled_out_msat=0,
    fulfilled_count=0,
    ledger_msat=0,
    balance_msat=0,
)


def causes(*channels: ChannelBooks) -> set[Cause]:
    books = NodeBooks(0, 0, 0, 0, 0, channels)
    return {one.cause for one in differences(books)}


@pytest.mark.parametrize("missing", [ENTERED, LEFT, ENTERED + LEFT])
def test_a_forward_that_a_peer_has_not_let_go_of_is_no_riddle(missing: Sides) -> None:
    channel = replace(CHANNEL, forwards=missing, under_way=(ENTERED, LEFT))
    found = differences(NodeBooks(0, 0, 0, 0, 0, (channel,)))
    assert {one.cause for one in found} == {Cause.UNDER_WAY}
    assert unexplained_msat(found) == 0


@pytest.mark.parametrize(
    "missing",
    [
        Sides(in_msat=1_001_001, sourced_msat=1_000),  # a msat too much
        Sides(in_msat=1_001_000, sourced_msat=999),  # another fee
        ENTERED + ENTERED,  # twice what is under way
    ],
)
def test_another_amount_is_not_explained_by_what_is_under_way(missing: Sides) -> None:
    assert causes(replace(CHANNEL, forwards=missing, under_way=(ENTERED, LEFT))) == {Cause.UNKNOWN}


def test_what_is_under_way_hides_no_other_cause() -> None:
    early = replace(CHANNEL, forwards=LEFT, before_ledger=LEFT)
    assert causes(early) == {Cause.BEFORE_LEDGER}
    assert causes(replace(early, forwards=LEFT + ENTERED, under_way=(ENTERED,))) == {Cause.UNDER_WAY}
    claimed = replace(CHANNEL, forwards=LEFT, fulfilled_out_msat=2_000_000, fulfilled_count=1)
    assert causes(claimed) == {Cause.ON_CHAIN}
    assert causes(replace(claimed, forwards=LEFT + ENTERED, under_way=(ENTERED,))) == {Cause.ON_CHAIN}
    # It is listed on, as long as the channel is.
    assert causes(replace(claimed, under_way=(LEFT,))) == {Cause.ON_CHAIN}
    deleted = replace(CHANNEL, moves=LEFT, move_count=1)
    assert causes(deleted) == {Cause.DELETED}
    busy = replace(deleted, forwards=ENTERED, forward_count=1, under_way=(ENTERED,))
    assert causes(busy) == {Cause.DELETED}
    assert causes(replace(busy, move_count=0)) == {Cause.UNKNOWN}


@pytest.mark.parametrize("more", [Sides(sourced_msat=1), Sides(earned_msat=1), Sides(in_msat=5, earned_msat=1)])
def test_no_deleted_forward_leaves_its_fee_alone(more: Sides) -> None:
    assert causes(replace(CHANNEL, moves=more)) == {Cause.UNKNOWN}


def test_an_unknown_scid_is_one_while_payments_are_under_way_too() -> None:
    placeholder = replace(CHANNEL, channel_id="unknown:1x1x1", known=False, forwards=LEFT)
    owner = replace(CHANNEL, channel_id="cd", moves=LEFT)
    busy = replace(CHANNEL, forwards=ENTERED, under_way=(ENTERED,))
    assert causes(placeholder, owner) == {Cause.UNKNOWN_SCID}
    assert causes(placeholder, owner, busy) == {Cause.UNKNOWN_SCID, Cause.UNDER_WAY}


def test_many_payments_under_way_take_no_time() -> None:
    parts = tuple(Sides(in_msat=2**number) for number in range(400))
    assert causes(replace(CHANNEL, forwards=Sides(in_msat=2**9 - 1), under_way=parts)) == {Cause.UNDER_WAY}
    assert causes(replace(CHANNEL, forwards=Sides(in_msat=2**50), under_way=parts)) == {Cause.UNKNOWN}


def test_figures_are_named() -> None:
    books = NodeBooks(10, 0, 7, 5, 6, (replace(CHANNEL, balance_msat=1),))
    assert [one.figure for one in differences(books)] == [Figure.FEES, Figure.WALLET, Figure.BALANCE]
    assert unexplained_msat(differences(books)) == 3 + 1 + 1
