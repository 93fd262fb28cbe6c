"""What each forward was worth, and what it proved, counted once, when it became final.

A forward out of channel j that entered by i earns its fee, uses up local liquidity on j and brings some to i. At the
value of liquidity V (ppm) that was in force, and as far as it is believed (w, `belief.py`), it scores

    w · (fee − V_j · amount out / 10⁶ + V_i · amount in / 10⁶)   [msat]

and keeps that score for good: a strategy that learns from scores must not see past income move because a reputation
moved. Its interest is kept with it: how much of a typical payment's it showed in the price, if it found liquidity.

The same pass feeds the decayed sums from which demand and inflow follow. Demand is what wanted to leave: settled,
failed later, or refused for want of liquidity; what was refused for another reason wouldn't have passed at any balance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from revops.decide.belief import belief_in, wanted
from revops.decide.reputation import FULL_TRUST_SCORE, STRANGER, counted, hold_seconds_of, score_of
from revops.domain.forward import ForwardStatus
from revops.domain.signals import Rate, Signals
from revops.domain.traffic import (
    DAY_SECONDS,
    TRAFFIC_HALF_LIFE_SECONDS,
    ChannelTraffic,
    FinalForward,
    Lesson,
    Reputation,
    Role,
    Traffic,
    faded,
    remaining,
    size_permille,
)
from revops.domain.units import MAX_MSAT, PPM

#: What is known of a channel for less than this is spread over this: one payment in the first minute is no flood.
LEAST_OBSERVED_SECONDS: Final = DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Scored:
    """What each forward taught, by created_index, and the sums that have changed, as they are now."""

    lessons: dict[int, Lesson]
    senders: dict[str, Reputation]
    receivers: dict[str, Reputation]
    channels: dict[str, ChannelTraffic]


def score_forwards(forwards: Sequence[FinalForward], traffic: Traffic, seen_at: float) -> Scored:
    """Given forwards that became final, in order of resolution, and the sums before them, return what becomes of both.

    No sum may be of a time after `seen_at`: a clock that ran ahead and was put right would else freeze it.
    """
    book = _Book(traffic, seen_at)
    for forward in forwards:
        sender = STRANGER if forward.sender_id is None else book.sender(forward.sender_id)
        belief = belief_in(forward, sender)
        score_msat = None
        if forward.status is ForwardStatus.SETTLED:
            score_msat = _score_msat(forward, belief, traffic)
            book.count_entry(forward)
        book.lessons[forward.created_index] = Lesson(score_msat, _interest_permille(forward, belief))
        if forward.out_channel_id is not None and wanted(forward):
            book.count_exit(forward, forward.out_channel_id, belief)
        book.count_peers(forward, sender, belief)
    return Scored(book.lessons, book.senders, book.receivers, book.channels)


def _score_msat(forward: FinalForward, belief: float, traffic: Traffic) -> int:
    """Revenue is rounded down; what can't be an amount is cut to the supply of bitcoin."""
    used_ppm = 0.0 if forward.out_channel_id is None else traffic.values_ppm.get(forward.out_channel_id, 0.0)
    gained_ppm = traffic.values_ppm.get(forward.in_channel_id, 0.0)
    net_msat = (forward.fee_msat or 0) + (gained_ppm * forward.in_msat - used_ppm * (forward.out_msat or 0)) / PPM
    return math.floor(min(max(belief * net_msat, -float(MAX_MSAT)), float(MAX_MSAT)))


def _interest_permille(forward: FinalForward, belief: float) -> int:
    """What was refused found no liquidity, whatever the price."""
    if forward.status is ForwardStatus.LOCAL_FAILED:
        return 0
    return int(belief * size_permille(forward.amount_msat))


class _Book:
    """The sums while a page is being counted: its own are those that the page touched."""

    def __init__(self, traffic: Traffic, seen_at: float) -> None:
        self.traffic = traffic
        self.seen_at = seen_at
        self.senders: dict[str, Reputation] = {}
        self.receivers: dict[str, Reputation] = {}
        self.channels: dict[str, ChannelTraffic] = {}
        self.lessons: dict[int, Lesson] = {}
        #: When the first forward of all was counted: before, no channel was watched.
        self.since_at = min((one.since_at for one in traffic.channels.values()), default=math.inf)

    def sender(self, peer_id: str) -> Reputation:
        return self.senders.get(peer_id) or self._by_now(self.traffic.senders.get(peer_id, STRANGER))

    def receiver(self, peer_id: str) -> Reputation:
        return self.receivers.get(peer_id) or self._by_now(self.traffic.receivers.get(peer_id, STRANGER))

    def _by_now(self, have: Reputation) -> Reputation:
        return have if have.updated_at <= self.seen_at else have._replace(updated_at=self.seen_at)

    def count_peers(self, forward: FinalForward, sender: Reputation, belief: float) -> None:
        if forward.sender_id is not None:
            counted_sender = counted(sender, forward, Role.SENDER, belief)
            if counted_sender is not sender:
                self.senders[forward.sender_id] = counted_sender
        if forward.receiver_id is not None and forward.status is not ForwardStatus.LOCAL_FAILED:
            receiver = self.receiver(forward.receiver_id)
            self.receivers[forward.receiver_id] = counted(receiver, forward, Role.RECEIVER, belief)

    def count_exit(self, forward: FinalForward, channel_id: str, belief: float) -> None:
        at = forward.counted_at
        have = self._channel(channel_id, at)
        since_at, updated_at, demand, demand_squares, inflow, inflow_squares, entry, entry_value = have
        left, share = faded(at - updated_at, TRAFFIC_HALF_LIFE_SECONDS)
        amount_msat = belief * forward.amount_msat
        entered = share * amount_msat if forward.status is ForwardStatus.SETTLED else 0.0
        gained_ppm = self.traffic.values_ppm.get(forward.in_channel_id, 0.0)
        self.channels[channel_id] = ChannelTraffic(
            since_at, max(updated_at, at), demand * left + share * amount_msat,
            demand_squares * left + share * amount_msat * amount_msat, inflow * left, inflow_squares * left,
            entry * left + entered, entry_value * left + entered * gained_ppm,
        )  # fmt: skip

    def count_entry(self, forward: FinalForward) -> None:
        at = forward.counted_at
        have = self._channel(forward.in_channel_id, at)
        since_at, updated_at, demand, demand_squares, inflow, inflow_squares, entry, entry_value = have
        left, share = faded(at - updated_at, TRAFFIC_HALF_LIFE_SECONDS)
        amount_msat = float(forward.in_msat)
        self.channels[forward.in_channel_id] = ChannelTraffic(
            since_at, max(updated_at, at), demand * left, demand_squares * left, inflow * left + share * amount_msat,
            inflow_squares * left + share * amount_msat * amount_msat, entry * left, entry_value * left,
        )  # fmt: skip

    def _channel(self, channel_id: str, at: float) -> ChannelTraffic:
        """The sums so far, counted since no later than this forward."""
        have = self.channels.get(channel_id) or self.traffic.channels.get(channel_id)
        if at < self.since_at:
            self.since_at = at
        if have is None:
            since_at = max(self.traffic.open_since.get(channel_id, at), self.since_at)
            return ChannelTraffic(since_at=min(since_at, at), updated_at=at)
        if have.updated_at > self.seen_at:
            have = have._replace(updated_at=self.seen_at)
        return have if have.since_at <= at else have._replace(since_at=at)


def signals_of(channel_id: str, peer_id: str, traffic: Traffic, now: float) -> Signals:
    """Given a channel and its peer, and all sums, return what they say of it at `now`."""
    value_ppm = traffic.values_ppm.get(channel_id, 0.0)
    receiver = traffic.receivers.get(peer_id, STRANGER).at(now)
    hold_seconds, settle_ratio = hold_seconds_of(receiver), max(score_of(receiver), FULL_TRUST_SCORE)
    have = traffic.channels.get(channel_id)
    if have is None:
        return Signals(value_ppm=value_ppm, hold_seconds=hold_seconds, settle_ratio=settle_ratio)
    have = have.at(now)
    days = observed_days(now - have.since_at)
    return Signals(
        demand=Rate(have.demand_msat / days, have.demand_squares / days),
        inflow=Rate(have.inflow_msat / days, have.inflow_squares / days),
        value_ppm=value_ppm,
        entry_value_ppm=have.entry_value / have.entry_msat if have.entry_msat > 0 else 0.0,
        hold_seconds=hold_seconds,
        settle_ratio=settle_ratio,
    )


def observed_days(age_seconds: float) -> float:
    """Given how long a channel was watched, return that time in days, decayed as its sums are.

    What comes at a steady rate r adds up to r · h/ln 2 · (1 − 0.5^(age/h)); dividing by the rest gives r back, however
    young the sums are.
    """
    left = remaining(max(age_seconds, LEAST_OBSERVED_SECONDS), TRAFFIC_HALF_LIFE_SECONDS)
    return TRAFFIC_HALF_LIFE_SECONDS / DAY_SECONDS / math.log(2) * (1 - left)
