"""Open time: what counts as time in which a price could have been paid, and what doesn't."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.openness import (
    LONGEST_GAP_SECONDS,
    could_receive,
    could_route,
    could_sell,
    count_open_time,
    unreachable_peers,
)
from revops.domain.channel import Channel
from revops.domain.decision import FeeState
from revops.domain.snapshot import FeeInput
from tests.builders import HOUR, NOW, SAT, make_channel, make_fee_input, make_htlc, make_state, node_id
from tests.strategies import channels, fee_states, moments

OPEN = make_channel()
SHUT = make_channel(connected=False)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, True),
        ({"connected": False}, False),
        ({"state": "CHANNELD_SHUTTING_DOWN"}, False),
        ({"state": "CHANNELD_AWAITING_SPLICE"}, True),
        ({"spendable_msat": 25_000 * SAT}, True),
        ({"spendable_msat": 25_000 * SAT - 1}, False),
        # A channel of 100,000 sat is judged by a twentieth of its size.
        ({"capacity_msat": 100_000 * SAT, "spendable_msat": 5_000 * SAT}, True),
        ({"capacity_msat": 100_000 * SAT, "spendable_msat": 5_000 * SAT - 1}, False),
        ({"max_accepted_htlcs": 2, "htlcs": (make_htlc(), make_htlc())}, False),
        ({"max_accepted_htlcs": 2, "htlcs": (make_htlc(), make_htlc(direction="in"))}, True),
        ({"max_accepted_htlcs": 0}, False),
    ],
)
def test_a_channel_can_route_when_connected_filled_and_with_a_free_slot(
    overrides: dict[str, Any], expected: bool
) -> None:
    assert could_route(make_channel(**overrides)) is expected


def seen(channel: Channel, last_earned_at: float | None = None) -> FeeInput:
    return make_fee_input(channel, last_earned_at=last_earned_at)


def counting(**overrides: Any) -> FeeState:
    """Last counted an hour ago, with ten hours open and five idle."""
    known = make_state(
        window_start_at=NOW - 20 * HOUR,
        counted_at=NOW - HOUR,
        open_seconds=10 * HOUR,
        idle_open_seconds=5 * HOUR,
    )
    return replace(known, **overrides)


@pytest.mark.parametrize(
    ("channel", "last_earned_at", "hours_later", "open_hours", "idle_hours"),
    [
        # An open hour counts; a shut one doesn't.
        (OPEN, None, 0, 11, 6),
        (SHUT, None, 0, 10, 5),
        (make_channel(local_msat=0), None, 0, 10, 5),
        # Revenue since the last look ends the idle time: what counts is the time since then.
        (OPEN, NOW - 0.25 * HOUR, 0, 11, 0.25),
        (OPEN, NOW - HOUR, 0, 11, 1),
        (OPEN, NOW + HOUR, 0, 11, 0),
        (SHUT, NOW - 0.25 * HOUR, 0, 10, 0),
        # Revenue from before the last look was counted then.
        (OPEN, NOW - 1.25 * HOUR, 0, 11, 6),
        # A long gap is capped at six hours, a clock that went back counts nothing.
        (OPEN, None, 30, 16, 11),
        (OPEN, NOW, 30, 16, 6),
        (OPEN, None, -2, 10, 5),
        (OPEN, NOW - 0.5 * HOUR, -2, 10, 0),
    ],
)
def test_what_counts(
    channel: Channel, last_earned_at: float | None, hours_later: float, open_hours: float, idle_hours: float
) -> None:
    now = NOW + hours_later * HOUR
    counted = count_open_time(seen(channel, last_earned_at), counting(), now)
    assert counted.open_seconds == open_hours * HOUR
    assert counted.idle_open_seconds == idle_hours * HOUR
    assert counted.counted_at == max(now, NOW - HOUR)


@pytest.mark.parametrize(("hours_later", "open_hours"), [(-0.5, 10), (0, 10), (0.25, 10.25), (5, 15), (9, 16)])
def test_a_window_is_open_from_its_start_on(hours_later: float, open_hours: float) -> None:
    """Before the window starts the former price still holds; its time isn't this price's."""
    state = counting(window_start_at=NOW)
    counted = count_open_time(seen(OPEN), state, NOW + hours_later * HOUR)
    assert counted.open_seconds == open_hours * HOUR
    assert counted.idle_open_seconds == 5 * HOUR + min((1 + hours_later) * HOUR, LONGEST_GAP_SECONDS)


@given(
    state=fee_states(100), channel=channels(), last_earned_at=st.one_of(st.none(), moments), now=moments, later=moments
)
def test_time_is_counted_once_and_never_more_than_has_passed(
    state: FeeState, channel: Channel, last_earned_at: float | None, now: float, later: float
) -> None:
    counted = count_open_time(seen(channel, last_earned_at), state, now)
    passed = min(max(now - state.counted_at, 0.0), LONGEST_GAP_SECONDS)
    assert 0 <= counted.open_seconds - state.open_seconds <= passed + 1e-6
    assert 0 <= counted.idle_open_seconds <= state.idle_open_seconds + passed
    assert counted.counted_at >= state.counted_at
    if not could_route(channel):
        assert counted.open_seconds == state.open_seconds
    again = count_open_time(seen(channel, last_earned_at), counted, now)
    assert again.open_seconds == counted.open_seconds
    back = count_open_time(seen(channel), counted, min(later, counted.counted_at))
    assert (back.open_seconds, back.idle_open_seconds) == (counted.open_seconds, counted.idle_open_seconds)
    kept = replace(counted, counted_at=state.counted_at, open_seconds=0.0, idle_open_seconds=0.0)
    assert kept == replace(state, open_seconds=0.0, idle_open_seconds=0.0)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, True),
        ({"connected": False}, False),
        ({"receivable_msat": 25_000 * SAT}, True),
        ({"receivable_msat": 25_000 * SAT - 1}, False),
        ({"max_accepted_htlcs": 1, "htlcs": (make_htlc(direction="in"),)}, False),
        ({"max_accepted_htlcs": 1, "htlcs": (make_htlc(),)}, True),
    ],
)
def test_a_payment_can_enter_where_there_is_room_and_a_free_slot(overrides: dict[str, Any], expected: bool) -> None:
    assert could_receive(make_channel(**overrides)) is expected


FULL: dict[str, Any] = {"receivable_msat": 0}


@pytest.mark.parametrize(
    ("channels", "unreachable"),
    [
        ([], set()),
        # A single peer: nothing is ever forwarded, and nothing new to say.
        ([{"peer_id": node_id(1), **FULL}], set()),
        ([{"peer_id": node_id(1)}, {"peer_id": node_id(2)}], set()),
        # What enters by a peer's own channel has to leave by another's.
        ([{"peer_id": node_id(1)}, {"peer_id": node_id(2), **FULL}], {node_id(1)}),
        ([{"peer_id": node_id(1)}, {"peer_id": node_id(1), **FULL}, {"peer_id": node_id(2), **FULL}], {node_id(1)}),
        ([{"peer_id": node_id(1), **FULL}, {"peer_id": node_id(2), **FULL}], {node_id(1), node_id(2)}),
        ([{"peer_id": node_id(1), **FULL}, {"peer_id": node_id(2), "connected": False}], {node_id(1), node_id(2)}),
        ([{"peer_id": node_id(1), **FULL}, {"peer_id": node_id(2), "state": "ONCHAIN"}], set()),
    ],
)
def test_where_all_others_are_full_no_payment_can_get_to_a_peer(
    channels: list[dict[str, Any]], unreachable: set[str]
) -> None:
    ours = [make_channel(number, **one) for number, one in enumerate(channels, start=1)]
    assert unreachable_peers(ours) == unreachable


def test_time_in_which_nothing_could_get_there_counts_as_shut() -> None:
    out_of_reach = replace(seen(OPEN), reachable=False)
    assert could_sell(seen(OPEN))
    assert not could_sell(out_of_reach)
    state = counting()
    assert count_open_time(out_of_reach, state, NOW) == replace(state, counted_at=NOW)
