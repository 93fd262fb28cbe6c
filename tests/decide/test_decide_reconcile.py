"""What of the node and the records differs, and why: each cause, and that nothing is explained away."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.reconcile import compared_count, differences
from revops.domain.reconciliation import (
    NOTHING,
    Cause,
    ChannelBooks,
    Difference,
    Figure,
    NodeBooks,
    Sides,
    unexplained_msat,
)

FLOW = Sides(in_msat=1_000_000, out_msat=2_000_000, sourced_msat=30, earned_msat=70)


def channel(**fields: Any) -> ChannelBooks:
    """A channel that agrees in all."""
    base = ChannelBooks("aa", "1x1x1", True, FLOW, NOTHING, FLOW, 0, 0, 0, 500, 500)
    return replace(base, **fields)


def books(*channels: ChannelBooks, **fields: Any) -> NodeBooks:
    """A node that agrees in all with them."""
    earned_msat = sum(one.forwards.earned_msat for one in channels)
    return replace(NodeBooks(earned_msat + 5, 5, earned_msat, 900, 900, channels), **fields)


def causes(given: NodeBooks) -> set[tuple[Figure, Cause]]:
    return {(one.figure, one.cause) for one in differences(given)}


def test_what_agrees_is_no_difference() -> None:
    agreed = books(channel(), channel(channel_id="bb", forwards=NOTHING, moves=NOTHING))
    assert differences(agreed) == ()
    assert compared_count(agreed) == 3 + 2 * 4 + 2
    assert compared_count(books(channel(final_msat=1, closed_msat=1, balance_msat=None))) == 3 + 4 + 1


@pytest.mark.parametrize(
    ("fields", "figure"),
    [
        ({"wallet_node_msat": 901}, Figure.WALLET),
        ({"fees_collected_msat": 74}, Figure.FEES),
        ({"booked_by_jobs_msat": 8}, Figure.LEDGER),
        ({"job_costs": ((3, 12, 11),)}, Figure.REBALANCES),
    ],
)
def test_a_difference_of_the_node_that_nothing_explains(fields: dict[str, Any], figure: Figure) -> None:
    (one,) = differences(books(channel(), **fields))
    assert (one.figure, one.cause, one.unexplained) == (figure, Cause.UNKNOWN, True)


@pytest.mark.parametrize(
    "fields", [{"balance_msat": 501}, {"final_msat": 4, "closed_msat": 3}, {"moves": replace(FLOW, in_msat=999_999)}]
)
def test_a_difference_of_a_channel_that_nothing_explains(fields: dict[str, Any]) -> None:
    found = differences(books(channel(**fields)))
    assert [one.cause for one in found] == [Cause.UNKNOWN]
    assert unexplained_msat(found) == 1


def test_what_was_booked_dearer_counts_as_booked() -> None:
    assert causes(books(channel(), job_costs=((3, 11, 12), (4, 5, 5)))) == {(Figure.REBALANCES, Cause.BOOKED_DEARER)}


def test_forwards_older_than_the_ledger() -> None:
    old = Sides(in_msat=300, sourced_msat=3)
    given = books(channel(before_ledger=old, moves=FLOW - old))
    assert causes(given) == {(Figure.IN, Cause.BEFORE_LEDGER), (Figure.SOURCED, Cause.BEFORE_LEDGER)}


def test_a_channel_that_was_opened_before_the_ledger() -> None:
    assert causes(books(channel(ledger_msat=-700, opening_known=False))) == {(Figure.BALANCE, Cause.BEFORE_LEDGER)}


@pytest.mark.parametrize(("cut_msat", "cause"), [(0, Cause.ON_CHAIN), (999, Cause.ON_CHAIN), (1_000, Cause.UNKNOWN)])
def test_an_htlc_that_we_claimed_on_the_chain(cut_msat: int, cause: Cause) -> None:
    """Whole satoshi: less than one of each is cut off."""
    missing = Sides(in_msat=40_000_000 + cut_msat, sourced_msat=37)
    one = channel(forwards=FLOW + missing, fulfilled_in_msat=40_000_000, fulfilled_count=1)
    assert causes(books(one)) == {(Figure.IN, cause), (Figure.SOURCED, cause)}


def test_an_htlc_that_the_peer_claimed_on_the_chain() -> None:
    missing = Sides(out_msat=40_000_000, earned_msat=37)
    one = channel(forwards=FLOW + missing, fulfilled_out_msat=40_000_000, fulfilled_count=1)
    assert causes(books(one)) == {(Figure.OUT, Cause.ON_CHAIN), (Figure.EARNED, Cause.ON_CHAIN)}
    fee_only = channel(forwards=FLOW + Sides(earned_msat=37), fulfilled_in_msat=0, fulfilled_count=1)
    assert causes(books(fee_only)) == {(Figure.EARNED, Cause.UNKNOWN)}


def test_a_forward_that_was_deleted_before_it_was_copied() -> None:
    gone = Sides(out_msat=100, earned_msat=9)
    counts = {"forward_count": 5, "move_count": 6}
    entry = channel(channel_id="bb", moves=FLOW + Sides(in_msat=109, sourced_msat=9), **counts)
    given = books(channel(moves=FLOW + gone, **counts), entry)
    missing = replace(given, fees_collected_msat=given.fees_collected_msat + 9)
    assert {cause for _, cause in causes(missing)} == {Cause.DELETED}
    assert unexplained_msat(differences(missing)) == 0
    # The ledger tells of as many as we hold: one is told otherwise, and nothing was deleted.
    alike = replace(missing, channels=tuple(replace(one, move_count=5) for one in missing.channels))
    assert {cause for _, cause in causes(alike)} == {Cause.UNKNOWN}
    # Nor does it explain what is older than the ledger that the ledger lacks it.
    early = replace(missing, channels=tuple(replace(one, before_count=1, move_count=4) for one in missing.channels))
    assert {cause for _, cause in causes(early)} == {Cause.UNKNOWN}


def test_fees_that_the_ledger_lacks_as_well_are_not_explained() -> None:
    given = books(channel())
    found = differences(replace(given, fees_collected_msat=given.fees_collected_msat + 9))
    assert [(one.figure, one.cause) for one in found] == [(Figure.FEES, Cause.UNKNOWN)]


def test_forwards_under_a_name_that_nobody_knows() -> None:
    """What one channel lacks the other has: it is the same one."""
    nameless = channel(channel_id="unknown:9x9x9", known=False, moves=NOTHING)
    named = channel(channel_id="bb", forwards=NOTHING)
    assert {cause for _, cause in causes(books(nameless, named))} == {Cause.UNKNOWN_SCID}
    assert {cause for _, cause in causes(books(nameless))} == {Cause.UNKNOWN}


@given(
    amounts=st.lists(st.tuples(*(st.integers(-(10**12), 10**12) for _ in range(4))), min_size=1, max_size=4),
    fees=st.integers(0, 10**12),
)
def test_a_difference_is_what_the_node_has_less_what_we_have(amounts: list[tuple[int, ...]], fees: int) -> None:
    channels = [channel(channel_id=str(place), moves=FLOW + Sides(*parts)) for place, parts in enumerate(amounts)]
    found = differences(books(*channels, fees_collected_msat=fees))
    by_channel: dict[str | None, list[Difference]] = {}
    for one in found:
        by_channel.setdefault(one.subject, []).append(one)
    for place, parts in enumerate(amounts):
        shown = [one.difference_msat for one in by_channel.get(str(place), [])]
        assert shown == [part for part in parts if part]
    assert unexplained_msat(found) == sum(abs(one.difference_msat) for one in found if one.cause is Cause.UNKNOWN)


def test_figures_of_two_known_channels_that_cancel_are_not_explained() -> None:
    """A forward that was booked to a wrong channel is no forward under a name that nobody knows."""
    one = channel(moves=NOTHING)
    other = channel(channel_id="bb", forwards=NOTHING)
    assert Cause.UNKNOWN_SCID not in {cause for _, cause in causes(books(one, other))}
    assert Cause.UNKNOWN in {cause for _, cause in causes(books(one, other))}
