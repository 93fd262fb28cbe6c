"""Channels to one peer are priced together: one demand with several pipes.

A sender sees the cheapest of them, and of those with the same fee lightningd picks the one with the most room
(lightningd/peer_htlcs.c, best_channel). Prices that are tried apart would so only compete with each other.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace

from revops.domain.channel import Channel
from revops.domain.policy import FeesConfig
from revops.domain.signals import Rate, Signals
from revops.domain.snapshot import FeeInput


@dataclass(frozen=True, slots=True)
class PricedPeer:
    """Channels of one peer under one policy. `leader` is the member whose fee and memory stand for all."""

    policy: FeesConfig
    leader: FeeInput
    members: tuple[FeeInput, ...]

    @property
    def offer(self) -> FeeInput:
        """The peer as a strategy sees it: its leader, with what all members have added up."""
        return self.leader if len(self.members) == 1 else _merged(self.leader, self.members)


def price_together(inputs: Iterable[FeeInput], policy: FeesConfig) -> tuple[PricedPeer, ...]:
    """Given inputs and the policy of those that have none of their own, return them by peer and policy.

    The leader is the oldest channel: whatever a newcomer's size, it takes the price that was learnt before it came, and
    nothing that changes from run to run passes the lead on. Of channels of one age the largest leads.
    """
    groups: dict[tuple[str, FeesConfig], list[FeeInput]] = defaultdict(list)
    for one in inputs:
        groups[one.channel.peer_id, one.policy or policy].append(one)
    return tuple(
        PricedPeer(own_policy, max(members, key=_seniority), tuple(members))
        for (_peer_id, own_policy), members in groups.items()
    )


def _seniority(one: FeeInput) -> tuple[float, int, str]:
    channel = one.channel
    # An undated channel is from before the node kept dates.
    age_rank = math.inf if channel.opened_at is None else -float(channel.opened_at)
    return (age_rank, channel.capacity_msat, channel.channel_id)


def _merged(leader: FeeInput, members: tuple[FeeInput, ...]) -> FeeInput:
    return replace(
        leader,
        channel=_one_channel(leader.channel, [one.channel for one in members]),
        earned_msat=sum(one.earned_msat for one in members),
        earned_count=sum(one.earned_count for one in members),
        last_earned_at=_latest(one.last_earned_at for one in members),
        score_msat=_sum(one.score_msat for one in members),
        interest_count=_sum(one.interest_count for one in members),
        settled_interest_count=_sum(one.settled_interest_count for one in members),
        score_error_msat=_root_of_squares(one.score_error_msat for one in members),
        sold_msat=sum(one.sold_msat for one in members),
        signals=_one_signal(leader.signals, members),
    )


def _one_channel(leader: Channel, channels: list[Channel]) -> Channel:
    """Balances of pipes that are down don't count: nothing flows through them now. Nor does what splices in flight take
    out of them: it can't be sold any more.
    """
    usable = [channel for channel in channels if channel.usable] or channels
    return replace(
        leader,
        connected=any(channel.connected for channel in channels),
        capacity_msat=sum(channel.least_capacity_msat for channel in usable),
        local_msat=sum(max(channel.local_msat - channel.leaving_msat, 0) for channel in usable),
        spendable_msat=sum(channel.spendable_msat for channel in usable),
        receivable_msat=sum(channel.receivable_msat for channel in usable),
        our_reserve_msat=sum(channel.our_reserve_msat for channel in usable),
        their_reserve_msat=sum(channel.their_reserve_msat for channel in usable),
        max_accepted_htlcs=sum(channel.max_accepted_htlcs for channel in usable),
        max_in_flight_out_msat=_limit(channel.max_in_flight_out_msat for channel in usable),
        max_in_flight_in_msat=_limit(channel.max_in_flight_in_msat for channel in usable),
        htlcs=tuple(htlc for channel in usable for htlc in channel.htlcs),
        splices=(),
    )


def _one_signal(leader: Signals, members: tuple[FeeInput, ...]) -> Signals:
    """Rates add up; what is a price of liquidity counts by the capacity behind it. Of refills the dearest counts."""
    weights = [(one.signals, max(one.channel.capacity_msat, 1)) for one in members]
    total = sum(weight for _, weight in weights)
    refills = [one.signals.refill_ppm for one in members if one.signals.refill_ppm is not None]
    return replace(
        leader,
        demand=_rates(one.signals.demand for one in members),
        inflow=_rates(one.signals.inflow for one in members),
        value_ppm=sum(signals.value_ppm * weight for signals, weight in weights) / total,
        entry_value_ppm=sum(signals.entry_value_ppm * weight for signals, weight in weights) / total,
        refill_ppm=max(refills, default=None),
    )


def _rates(rates: Iterable[Rate]) -> Rate:
    added = list(rates)
    return Rate(sum(rate.msat_per_day for rate in added), sum(rate.squares_per_day for rate in added))


def _limit(limits: Iterable[int | None]) -> int | None:
    """None where one has no limit: then all together have none."""
    stated = list(limits)
    return None if None in stated else sum(limit_msat for limit_msat in stated if limit_msat is not None)


def _latest(moments: Iterable[float | None]) -> float | None:
    return max((at for at in moments if at is not None), default=None)


def _sum(scores: Iterable[float | None]) -> float | None:
    """None where one is not known: a sum without it would be too small."""
    known = list(scores)
    return None if None in known else sum(score for score in known if score is not None)


def _root_of_squares(errors: Iterable[float | None]) -> float | None:
    known = list(errors)
    return None if None in known else sum(error**2 for error in known if error is not None) ** 0.5
