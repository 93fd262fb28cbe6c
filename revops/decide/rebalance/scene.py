"""The channels of one plan, with what is asked of them again and again: income, worth, room, chance of sale."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from revops.decide.rebalance.bands import Band, band
from revops.decide.rebalance.moves import Move, counted
from revops.decide.rebalance.reliability import Reliability, reliability
from revops.decide.rebalance.room_prices import Passing, RoomPrices, room_prices
from revops.decide.rebalance.sale_chance import PAYMENTS_PER_LOT, SaleChance, sale_chance
from revops.decide.rebalance.worth import Rates, Worth, sendable_msat, worth
from revops.decide.value import chance_of_need
from revops.domain.channel import Channel
from revops.domain.forward import TYPICAL_PAYMENT_MSAT, Flow
from revops.domain.policy import RebalanceConfig
from revops.domain.signals import UNKNOWN, Signals
from revops.domain.snapshot import RebalanceSnapshot
from revops.domain.units import MSAT_PER_SAT, PPM, forward_fee_msat, sat_ceil

#: Left on a channel for the commitment fee and for other payments while ours is under way: one part of so many.
MARGIN_SHARE: Final = 50
#: Of what entries have earned, one part in so many may be staked on room for more of them: who pays little enters by
#: room that was made for those who pay.
ROOM_SHARE: Final = 4
_CHANCE_POINTS: Final = 4
_IDLE: Final = Flow()


@dataclass(frozen=True, slots=True)
class Room:
    """What a sat of room at a source should earn elsewhere, the lower bound of the chance that it does, and a share of
    what its entries have earned in the horizon, less what refills out of it cost then: no more is staked on its room.
    """

    income_ppm: float
    low_ratio: float
    left_msat: int


class Scene:
    """A snapshot and a policy. Figures are worked out when they are asked for, and once.

    What a sat is worth on a channel with a splice in flight goes by its balance after it: what comes by it needs no
    refill, what leaves by it is gone. What it can give and get fits before and after it.
    """

    def __init__(self, snapshot: RebalanceSnapshot, policy: RebalanceConfig) -> None:
        self.snapshot, self.policy, self.now = snapshot, policy, snapshot.view.taken_at
        self.attempts: Reliability = reliability(snapshot.attempts, self.now)
        self.live = tuple(channel for channel in snapshot.view.channels if channel.live)
        self.channels_of_peer = Counter(channel.peer_id for channel in self.live)
        self._by_id = {channel.channel_id: channel for channel in snapshot.view.channels}
        self._curves: dict[str, Worth] = {}
        self._worths: dict[str, Worth] = {}
        self._rooms: dict[str, Room] = {}
        self._prices: RoomPrices | None = None

    def after(self, move: Move) -> Scene:
        """Given a move that isn't reserved yet, return the scene that it leaves."""
        left_msat = self.snapshot.budget_left_msat - move.cost_msat
        left = Scene(replace(counted(self.snapshot, (move,)), budget_left_msat=left_msat), self.policy)
        # What a sat is worth along the balance doesn't depend on where that stands; what room is worth changes little
        # by one move, and stays as it is for all of a plan.
        left._curves, left._worths, left._prices = self._curves, self._worths, self.room_prices()
        ends = {move.source_channel_id, move.target_channel_id}
        left._rooms = {name: room for name, room in self._rooms.items() if name not in ends}
        return left

    def channel(self, channel_id: str) -> Channel | None:
        """Given a channel_id, return the channel as it stands in this scene; None where there is none."""
        return self._by_id.get(channel_id)

    def flow(self, channel: Channel) -> Flow:
        """Given a channel, return what went through it in the horizon."""
        return self.snapshot.flows.get(channel.channel_id, _IDLE)

    def signals(self, channel: Channel) -> Signals:
        """Given a channel, return what is known of it."""
        return self.snapshot.signals.get(channel.channel_id, UNKNOWN)

    def income_ppm(self, channel: Channel) -> float:
        """Given a channel, return what a sat that leaves by it earns: what it did lately, and no more than is asked for
        now.
        """
        flow = self.flow(channel)
        if flow.out_msat <= 0 or flow.earned_msat <= 0:
            return 0.0
        terms = channel.local_terms
        asked_msat = forward_fee_msat(TYPICAL_PAYMENT_MSAT, terms.fee_base_msat, terms.fee_ppm)
        return min(flow.earned_msat / flow.out_msat, asked_msat / TYPICAL_PAYMENT_MSAT) * PPM

    def sale_ppm(self, channel: Channel) -> float:
        """Given a channel, return what of that income is left when the room is paid for that the payment takes where it
        enters; below 0 where room is worth more than a sale: who sold it again and again would be paid for room that he
        himself takes.
        """
        return self.income_ppm(channel) - self.room_prices().entries_ppm

    def room_prices(self) -> RoomPrices:
        """What room is worth on each channel."""
        if self._prices is None:
            self._prices = room_prices([self._passing(channel) for channel in self.live])
        return self._prices

    def _passing(self, channel: Channel) -> Passing:
        flow, signals, days = self.flow(channel), self.signals(channel), self.policy.horizon_days
        free_msat = max(sendable_msat(channel) - channel.spendable_after_msat, 0)
        return Passing(
            channel_id=channel.channel_id,
            in_msat=flow.in_msat,
            sourced_msat=flow.sourced_msat,
            blocked_ratio=chance_of_need(signals.inflow, signals.demand, free_msat, days),
            out_msat=flow.out_msat,
            income_ppm=self.income_ppm(channel),
            sold_ppm=self._curve(channel).at_ppm(channel.spendable_after_msat),
        )

    def worth(self, channel: Channel) -> Worth:
        """Given a channel, return what its liquidity is worth."""
        known = self._worths.get(channel.channel_id)
        if known is None:
            prices = self.room_prices()
            rates = Rates(self.income_ppm(channel), prices.of(channel.channel_id), prices.entries_ppm)
            known = self._worths[channel.channel_id] = self._curve(channel).priced(rates)
        return known

    def _curve(self, channel: Channel) -> Worth:
        """The same, as if room were worth nothing anywhere."""
        known = self._curves.get(channel.channel_id)
        if known is None:
            known = self._curves[channel.channel_id] = worth(
                channel,
                self.signals(channel),
                self.snapshot.figures.get(channel.channel_id),
                Rates(self.income_ppm(channel)),
                self.policy.horizon_days,
                self.now,
                at_ceiling=self.at_ceiling(channel),
            )
        return known

    def at_ceiling(self, channel: Channel) -> bool:
        """Given a channel, return whether it asks for as much already as the operator allows."""
        ceiling_ppm = self.snapshot.ceilings_ppm.get(channel.channel_id)
        return ceiling_ppm is not None and channel.local_terms.fee_ppm >= ceiling_ppm

    def band(self, channel: Channel) -> Band:
        """Given a channel, return how far it may be filled and drained."""
        return band(self.flow(channel), self.policy)

    def chance(self, target: Channel, amount_msat: int) -> SaleChance:
        """Given a target and an amount that would be bought for it, return the chance that it is sold."""
        signals, flow = self.signals(target), self.flow(target)
        levels = (
            target.spendable_after_msat + int(amount_msat * (place + 0.5) / _CHANCE_POINTS)
            for place in range(_CHANCE_POINTS)
        )
        days = self.policy.horizon_days
        chances = [chance_of_need(signals.demand, signals.inflow, level, days) for level in levels]
        own_lots = min(flow.out_msat / max(amount_msat, 1), flow.out_count / PAYMENTS_PER_LOT)
        lots = self.snapshot.lots.get(target.channel_id, ())
        return sale_chance(lots, days, sum(chances) / _CHANCE_POINTS, own_lots)

    def room(self, source: Channel) -> Room:
        """Given a source, return what the room that it gains is good for: its inflow tells, as sales do of a target."""
        known = self._rooms.get(source.channel_id)
        if known is None:
            signals, flow, days = self.signals(source), self.flow(source), self.policy.horizon_days
            amount_msat = min(self.spare_msat(source), self.policy.max_amount_sat * MSAT_PER_SAT)
            free_msat = max(sendable_msat(source) - source.spendable_after_msat, 0)
            levels = (free_msat + int(amount_msat * (place + 0.5) / _CHANCE_POINTS) for place in range(_CHANCE_POINTS))
            chances = [chance_of_need(signals.inflow, signals.demand, level, days) for level in levels]
            own_lots = min(flow.in_msat / max(amount_msat, 1), flow.in_count / PAYMENTS_PER_LOT)
            chance = sale_chance((), days, sum(chances) / _CHANCE_POINTS, own_lots)
            spent_msat = self.snapshot.spent_msat.get(source.channel_id, 0)
            left_msat = max(flow.sourced_msat // ROOM_SHARE - spent_msat, 0)
            known = Room(self.room_prices().of(source.channel_id), chance.low_ratio, left_msat)
            self._rooms[source.channel_id] = known
        return known

    def unstaked_msat(self, target: Channel) -> int:
        """Given a target, return what it earned in the horizon less what is still at stake on it: the cost of liquidity
        that was bought and isn't sold.

        So no customer can make us spend more on him than he has paid, by wanting much and then buying nothing.
        """
        lots = self.snapshot.lots.get(target.channel_id, ())
        open_msat = sum(lot.fee_msat * (1.0 - min(lot.sold_msat / max(lot.amount_msat, 1), 1.0)) for lot in lots)
        return max(self.flow(target).earned_msat - math.ceil(open_msat), 0)

    def least_msat(self, target: Channel) -> int:
        """Given a target, return the least that is worth moving and that its peer would forward; whole sat."""
        least_msat = self.policy.min_amount_sat * MSAT_PER_SAT
        if target.remote_terms is not None:
            least_msat = max(least_msat, sat_ceil(target.remote_terms.htlc_min_msat) * MSAT_PER_SAT)
        return least_msat

    def room_msat(self, target: Channel) -> int:
        """Given a target, return the most that it may get: up to its band, and what fits."""
        return max(min(self.room_bounds_msat(target).values()), 0)

    def room_bounds_msat(self, target: Channel) -> dict[str, int]:
        """Given a target, return each bound on what it may get, by its name in words; the least of them counts."""
        bounds_msat = {
            f"max_amount_sat = {self.policy.max_amount_sat:,}": self.policy.max_amount_sat * MSAT_PER_SAT,
            "how far its band fills it (high_ratio)": min(
                int(size_msat * self.band(target).high_ratio) - local_msat
                for local_msat, size_msat in target.balances_msat
            ),
            "what it can receive": target.receivable_msat - target.capacity_msat // MARGIN_SHARE,
        }
        if target.remote_terms is not None:
            bounds_msat["the largest HTLC that its peer forwards"] = target.remote_terms.htlc_max_msat
        return bounds_msat

    def spare_msat(self, source: Channel) -> int:
        """Given a source, return the most that it may give: down to its band, and what it can send."""
        low_ratio = self.band(source).low_ratio
        above_msat = min(local_msat - int(size_msat * low_ratio) for local_msat, size_msat in source.balances_msat)
        return max(min(above_msat, source.spendable_msat - source.capacity_msat // MARGIN_SHARE), 0)
