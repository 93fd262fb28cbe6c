"""Scores and sums: each forward at the value and the reputation of its time, and rates that don't depend on age."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.reputation import DISTRUST_POWER, FULL_TRUST_SCORE
from revops.decide.scoring import observed_days, score_forwards, signals_of
from revops.decide.standing import peer_records
from revops.domain.forward import Flow
from revops.domain.record import ChannelRecord, Standing
from revops.domain.signals import Rate, Signals
from revops.domain.traffic import ChannelTraffic, FinalForward, Lesson, Reputation, Traffic
from revops.domain.units import MAX_MSAT
from tests.builders import DAY, NOW, channel_id, node_id
from tests.decide.test_decide_reputation import FAILED, REFUSED, SETTLED, final

ONE, TWO = channel_id(1), channel_id(2)
#: The sender of `final()`, known to have paid for a thousand typical payments.
KNOWN = {node_id(1): Reputation(settled_msat=2.5e10, updated_at=NOW)}


def traffic(**overrides: Any) -> Traffic:
    """Nothing counted yet; both channels opened a year ago."""
    open_since = {ONE: NOW - 365 * DAY, TWO: NOW - 365 * DAY}
    fields: dict[str, Mapping[str, Any]] = {"senders": {}, "receivers": {}, "channels": {}, "values_ppm": {}}
    return Traffic(**{**fields, "open_since": open_since, **overrides})


@pytest.mark.parametrize(
    ("values_ppm", "score_msat"),
    [
        ({}, 1_000),
        ({TWO: 60.0}, 1_000 - 600),
        ({TWO: 160.0}, 1_000 - 1_600),
        ({ONE: 100.0}, 2_000),  # 1,000.1 of value gained, rounded down
        ({ONE: 100.0, TWO: 60.0}, 1_400),
        ({TWO: 1e300}, -MAX_MSAT),
        ({ONE: 1e300}, MAX_MSAT),
    ],
)
def test_score_is_fee_less_value_used_plus_value_gained(values_ppm: dict[str, float], score_msat: int) -> None:
    found = score_forwards([final()], traffic(values_ppm=values_ppm), NOW)
    assert found.lessons == {1: Lesson(score_msat, 400)}


def test_only_settled_forwards_have_a_score() -> None:
    page = [final(created_index=1, status=FAILED), final(created_index=2, status=REFUSED, failcode=4103)]
    lessons = score_forwards(page, traffic(), NOW).lessons
    assert [lesson.score_msat for lesson in lessons.values()] == [None, None]


def test_sender_is_weighed_before_its_payment_is_counted() -> None:
    """Ten failures, then a success: the success is believed as little as the failures deserve."""
    page = [final(created_index=index, status=FAILED) for index in range(1, 11)] + [final(created_index=11)]
    found = score_forwards(page, traffic(), NOW)
    assert found.lessons[11].score_msat == math.floor(1_000 * (1 / 12 / FULL_TRUST_SCORE) ** DISTRUST_POWER)
    sender = found.senders[node_id(1)]
    assert (sender.success, sender.failure) == (1.0, 10.0)


def test_what_we_refuse_says_nothing_of_peers() -> None:
    page = [final(status=REFUSED, failcode=code) for code in (4103, 4108, None)]
    found = score_forwards(page, traffic(), NOW)
    assert found.senders == found.receivers == {}


def test_unknown_peers_have_the_neutral_weight_and_no_reputation() -> None:
    found = score_forwards([final(sender_id=None, receiver_id=None)], traffic(), NOW)
    assert found.lessons == {1: Lesson(1_000, 400)}
    assert found.senders == found.receivers == {}
    assert found.channels[ONE].inflow_msat == 10_001_000.0


@pytest.mark.parametrize(
    ("overrides", "demand_msat", "inflow_msat"),
    [
        ({}, 10_000_000, 10_001_000),
        ({"status": FAILED}, 10_000_000, 0),
        ({"status": REFUSED, "failcode": 0x1007}, 10_000_000, 0),
        ({"status": REFUSED, "failcode": 0x100C}, 0, 0),  # fee_insufficient
        ({"status": REFUSED, "failcode": 0x400A}, 0, 0),  # unknown_next_peer
        ({"status": REFUSED, "failcode": None}, 0, 0),
        ({"amount_msat": 999_999, "out_msat": 999_999, "in_msat": 1_000_099}, 0, 1_000_099),
        ({"status": REFUSED, "failcode": 0x1007, "out_msat": None, "amount_msat": 10_001_000}, 10_001_000, 0),
    ],
)
def test_demand_and_inflow(overrides: dict[str, Any], demand_msat: int, inflow_msat: int) -> None:
    found = score_forwards([final(**overrides)], traffic(senders=KNOWN), NOW).channels
    exit_, entry = found.get(TWO, ChannelTraffic(NOW, NOW)), found.get(ONE, ChannelTraffic(NOW, NOW))
    assert (exit_.demand_msat, exit_.demand_squares) == (demand_msat, demand_msat**2)
    assert (entry.inflow_msat, entry.inflow_squares) == (inflow_msat, inflow_msat**2)
    assert exit_.inflow_msat == entry.demand_msat == 0.0


def test_refusal_without_an_exit_is_nobodys_demand() -> None:
    lost = final(status=REFUSED, failcode=0x1007, out_channel_id=None, out_msat=None, receiver_id=None)
    assert score_forwards([lost], traffic(), NOW).channels == {}


def test_demand_counts_by_its_senders_weight() -> None:
    prober = {node_id(1): Reputation(failure=98.0, updated_at=NOW)}
    found = score_forwards([final()], traffic(senders=prober), NOW).channels[TWO]
    assert found.demand_msat == pytest.approx(10_000_000 * (0.01 / FULL_TRUST_SCORE) ** DISTRUST_POWER)


def test_entry_value_is_the_mean_over_the_channels_by_which_payments_enter() -> None:
    three = channel_id(3)
    page = [final(), final(in_channel_id=three, amount_msat=30_000_000), final(in_channel_id=three, status=FAILED)]
    before = traffic(values_ppm={ONE: 400.0, three: 80.0})
    found = score_forwards(page, before, NOW)
    after = traffic(channels=found.channels, receivers=found.receivers, values_ppm={TWO: 25.0})
    signals = signals_of(TWO, node_id(2), after, NOW)
    assert signals.entry_value_ppm == pytest.approx((400 + 3 * 80) / 4)
    assert signals.value_ppm == 25.0
    assert signals.hold_seconds == pytest.approx(2.0)


def test_channel_without_traffic_has_no_rates() -> None:
    assert signals_of(ONE, node_id(1), traffic(), NOW) == Signals(settle_ratio=0.5)
    assert signals_of(ONE, node_id(1), traffic(values_ppm={ONE: 7.0}), NOW) == Signals(value_ppm=7.0, settle_ratio=0.5)


@pytest.mark.parametrize("days", [2, 7, 30, 200])
def test_steady_flow_is_measured_at_any_age(days: int) -> None:
    """A payment an hour: 240,000 sat a day, whether it was watched for two days or for two hundred."""
    page = [final(counted_at=NOW - days * DAY + (hour + 0.5) * 3_600) for hour in range(days * 24)]
    opened = {ONE: NOW - 365 * DAY, TWO: NOW - 365 * DAY}
    after = traffic(channels=score_forwards(page, traffic(open_since=opened), NOW).channels)
    rate = signals_of(TWO, node_id(2), after, NOW).demand
    assert rate.msat_per_day == pytest.approx(240_000_000, rel=0.02)
    assert rate.squares_per_day == pytest.approx(24 * 1e14, rel=0.02)


def test_first_payment_of_an_old_channel_is_no_flood() -> None:
    """The node was watched for a month when this channel, opened long before, sees its first payment."""
    watched = {ONE: ChannelTraffic(since_at=NOW - 30 * DAY, updated_at=NOW - DAY)}
    found = score_forwards([final()], traffic(channels=watched), NOW)
    assert found.channels[TWO].since_at == NOW - 30 * DAY
    rate = signals_of(TWO, node_id(2), traffic(channels=found.channels), NOW).demand
    assert rate.msat_per_day == pytest.approx(10_000_000 / observed_days(30 * DAY))


def test_first_page_watches_all_channels_since_its_first_forward() -> None:
    """Channel 2 was open all the time, and its first payment came only after three weeks."""
    page = [final(counted_at=NOW - 21 * DAY, out_channel_id=channel_id(3)), final()]
    assert score_forwards(page, traffic(), NOW).channels[TWO].since_at == NOW - 21 * DAY


def test_what_comes_late_was_watched_too() -> None:
    """The node lists by creation: what was resolved before may come on a later page."""
    have = traffic(channels={TWO: ChannelTraffic(since_at=NOW - DAY, updated_at=NOW, demand_msat=1.0)})
    found = score_forwards([final(counted_at=NOW - 7 * DAY)], have, NOW).channels[TWO]
    assert (found.since_at, found.updated_at) == (NOW - 7 * DAY, NOW)
    assert found.demand_msat == pytest.approx(5_000_001.0)


def test_new_channel_was_watched_since_it_was_opened() -> None:
    watched = {ONE: ChannelTraffic(since_at=NOW - 30 * DAY, updated_at=NOW - DAY)}
    opened = {ONE: NOW - 365 * DAY, TWO: NOW - 3 * DAY}
    found = score_forwards([final()], traffic(channels=watched, open_since=opened), NOW)
    assert found.channels[TWO].since_at == NOW - 3 * DAY


def test_first_minute_is_spread_over_a_day() -> None:
    found = score_forwards([final()], traffic(), NOW)
    rate = signals_of(TWO, node_id(2), traffic(channels=found.channels), NOW).demand
    assert rate.msat_per_day == pytest.approx(10_000_000, rel=0.06)


def test_silence_fades() -> None:
    found = score_forwards([final(counted_at=NOW - 70 * DAY)], traffic(), NOW).channels
    fresh = signals_of(TWO, node_id(2), traffic(channels=found), NOW - 40 * DAY).demand.msat_per_day
    later = signals_of(TWO, node_id(2), traffic(channels=found), NOW).demand.msat_per_day
    assert 0 < later < fresh / 10


def test_sums_of_a_future_that_a_wrong_clock_invented_start_from_now() -> None:
    """A year ahead, then put right: what comes next counts in full, and what was there doesn't grow."""
    ahead = NOW + 365 * DAY
    have = traffic(
        channels={TWO: ChannelTraffic(NOW - DAY, ahead, demand_msat=5.0)},
        senders={node_id(1): Reputation(2.0, 1.0, 0.0, 0.0, ahead)},
        receivers={node_id(2): Reputation(2.0, 1.0, 0.0, 0.0, ahead)},
    )
    found = score_forwards([final()], have, NOW)
    assert found.channels[TWO].demand_msat == 10_000_005.0
    assert found.channels[TWO].updated_at == NOW
    assert found.senders[node_id(1)][:2] == found.receivers[node_id(2)][:2] == (3.0, 1.0)


moments = st.floats(NOW - 60 * DAY, NOW)
forwards = st.builds(
    lambda at, status, amount_msat, way: final(
        counted_at=at,
        status=status,
        in_msat=amount_msat + 1_000,
        out_msat=amount_msat,
        amount_msat=amount_msat,
        in_channel_id=channel_id(way[0]),
        out_channel_id=channel_id(way[1]),
        sender_id=node_id(way[0]),
        receiver_id=node_id(way[1]),
        failcode=4103 if status is REFUSED else None,
    ),
    moments,
    st.sampled_from([SETTLED, FAILED, REFUSED]),
    st.sampled_from([10, 10**6, 10**9, MAX_MSAT]),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
)


@given(page=st.lists(forwards, max_size=30), cut=st.integers(0, 30))
def test_pages_may_be_cut_anywhere(page: list[FinalForward], cut: int) -> None:
    """In order of resolution, one page or two teach the same."""
    page = [
        forward._replace(created_index=index)
        for index, forward in enumerate(sorted(page, key=lambda forward: forward.counted_at))
    ]
    whole = score_forwards(page, traffic(), NOW)
    first = score_forwards(page[:cut], traffic(), NOW)
    middle = traffic(senders=first.senders, receivers=first.receivers, channels=first.channels)
    second = score_forwards(page[cut:], middle, NOW)
    assert first.lessons | second.lessons == whole.lessons
    assert first.channels | second.channels == whole.channels
    assert first.senders | second.senders == whole.senders
    assert first.receivers | second.receivers == whole.receivers


@given(page=st.lists(forwards, max_size=30), values=st.dictionaries(st.integers(1, 3), st.floats(0, 1e9)))
def test_whatever_comes_is_finite_and_no_sum_is_negative(page: list[FinalForward], values: dict[int, float]) -> None:
    values_ppm = {channel_id(number): value for number, value in values.items()}
    found = score_forwards(page, traffic(values_ppm=values_ppm), NOW)
    assert all(abs(lesson.score_msat or 0) <= MAX_MSAT for lesson in found.lessons.values())
    assert all(0 <= lesson.interest_permille <= 1_000 for lesson in found.lessons.values())
    after = traffic(channels=found.channels, values_ppm=values_ppm, receivers=found.receivers)
    for number in (1, 2, 3):
        signals = signals_of(channel_id(number), node_id(number), after, NOW)
        for rate in (signals.demand, signals.inflow):
            assert 0 <= rate.msat_per_day < math.inf
            assert 0 <= rate.squares_per_day < math.inf
        assert 0 <= signals.entry_value_ppm <= max(values_ppm.values(), default=0.0) * (1 + 1e-9)
        assert signals.demand != Rate() or not any(
            forward.status is SETTLED and forward.amount_msat >= 10**6 and forward.out_channel_id == channel_id(number)
            for forward in page
        )


def test_joined_traffic_is_of_the_later_moment() -> None:
    one = ChannelTraffic(NOW - 9 * DAY, NOW - 7 * DAY, 8.0, 64.0, 2.0, 4.0, 6.0, 60.0)
    two = ChannelTraffic(NOW - 3 * DAY, NOW, 1.0, 1.0, 0.0, 0.0, 1.0, 5.0)
    expected = ChannelTraffic(NOW - 9 * DAY, NOW, 5.0, 33.0, 1.0, 2.0, 4.0, 35.0)
    assert one.joined(two) == two.joined(one) == expected


def record_of(number: int, peer: int | None, **overrides: Any) -> ChannelRecord:
    fields: dict[str, Any] = {
        "channel_id": channel_id(number), "name": f"{number}x1x1", "peer_id": None if peer is None else node_id(peer),
        "alias": f"peer {peer}", "state": "CHANNELD_NORMAL", "open": True, "private": False, "connected": False,
        "opener": "local", "capacity_msat": 1, "local_msat": 1, "spendable_msat": 1, "receivable_msat": 1,
        "fee_base_msat": 0,
        "fee_ppm": 1, "htlc_count": 0, "opened_at": None, "window": Flow(), "lifetime": Flow(),
        "window_rebalanced_in_msat": 0, "window_rebalance_fees_msat": 0, "lifetime_rebalance_fees_msat": 0,
    }  # fmt: skip
    return ChannelRecord(**{**fields, **overrides})


def test_peers_with_several_channels_are_one_row() -> None:
    channels = [
        record_of(1, 1, window=Flow(in_msat=5, sourced_msat=2)),
        record_of(2, 2, window=Flow(out_msat=7, earned_msat=3), connected=True),
        record_of(3, 2, window=Flow(out_msat=1, in_msat=4, earned_msat=1), open=False),
        record_of(4, None, window=Flow(out_msat=100, earned_msat=100)),
    ]
    have = traffic(senders={node_id(2): Reputation(6.0, 2.0, 0.0, 0.0, NOW - 14 * DAY)})
    two, one = peer_records(channels, have, NOW)
    assert (two.peer_id, two.alias, two.channel_count, two.connected) == (node_id(2), "peer 2", 1, True)
    assert (two.in_msat, two.out_msat, two.earned_msat, two.sourced_msat, two.moved_msat) == (4, 8, 4, 0, 12)
    assert two.sender.score_ratio == pytest.approx(4 / 6)
    assert two.sender.payment_count == pytest.approx(4.0)
    assert one.receiver == Standing(0.5, 0.0)
    assert (one.sourced_msat, one.hold_seconds, one.connected) == (2, None, False)
