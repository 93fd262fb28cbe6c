"""The nearest earlier tool's hill climbing, faults and all.

Source: lightning-goats/cl_revenue_ops a3846c6 (2025-12-16), `modules/fee_controller.py`, `flow_analysis.py`,
`profitability_analyzer.py` and `config.py`, with its defaults. Its reputation is in `predecessor_trust.py`.

Every half hour, per channel whose last look is an hour old: sats an hour = volume x today's fee, floored; better: on;
worse or the same: back with a smaller step; the result is multiplied by what the balance asks for, each time anew, so
that it compounds. Kept with the rest of its faults: income is reckoned at the fee in force, not at those paid; volume
is weighed by a count of each sender's payments that loses at least one an hour and blames senders for our empty
channels; from no income to some counts as calm; a channel that earns nothing falls asleep; a sink's floor lies below
the least fee. Bounds: 8 (a sink's floor) to 5,000 ppm.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from revops.sim.arena.baselines.flows import Flows
from revops.sim.arena.baselines.predecessor_trust import Trust
from revops.sim.arena.baselines.view import MarketView, News, PagedRecords, Payment

LEAST_PPM, MOST_PPM = 10, 5_000
#: Below this share of spendable liquidity the fee is multiplied by that.
BALANCE_FACTORS: Final = ((0.10, 3.0), (0.25, 2.0), (0.40, 1.25), (0.60, 1.0), (0.75, 0.85), (0.90, 0.7), (9.0, 0.5))
#: A channel that earned anything, with no rebalance to pay for, is taken for highly profitable.
EARNER_FACTOR: Final = 0.95
FIRST_STEP_PPM, LEAST_STEP_PPM, MOST_STEP_PPM = 50, 10, 200
STEP_RATIO, DAMPING, KEPT_LIMIT = 0.05, 0.8, 5
LEAST_CHANGE_PPM, LEAST_CHANGE_RATIO = 5, 0.03
CALM_CHANGE, WAKING_CHANGE, VOLATILE_CHANGE = 0.01, 0.20, 0.50
CALM_COUNT, SLEEP_SECONDS = 3, 4 * 1_800.0
#: More of the capacity than this flowing out in a week makes a source, flowing in a sink; without flow, the balance.
FLOW_RATIO, SOURCE_BELOW, SINK_ABOVE = 0.5, 0.30, 0.70
SOURCE_FACTOR, SINK_FACTOR = 1.25, 0.80
WEEK_SECONDS: Final = 7 * 86_400.0
LIFETIME_SAT: Final = 1_000_000 * 365


@dataclass(slots=True)
class Climb:
    """What is remembered of one channel."""

    looked_at: float | None = None
    last_rate: float = 0.0
    direction: int = 1
    step_ppm: int = FIRST_STEP_PPM
    kept_count: int = 0
    calm_count: int = 0
    asleep_until: float | None = None
    #: What left by the channel since it was last looked at, by channel of entry.
    volume_msat: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def sleeps(self, rate: float, now: float) -> bool:
        """Given income now, tell whether it goes on sleeping; wake it if its time is over or income jumped."""
        if self.asleep_until is None:
            return False
        if now <= self.asleep_until and abs(rate - self.last_rate) / max(1.0, self.last_rate) <= WAKING_CHANGE:
            return True
        self.asleep_until, self.calm_count = None, 0
        return False

    def falls_asleep(self, rate: float, now: float) -> bool:
        """Given income now, count how long it has been calm, and tell whether that was long enough."""
        if self.looked_at is None:
            return False
        # From 0 there is no ratio: it is taken for none.
        change = abs(rate - self.last_rate) / max(1.0, self.last_rate) if self.last_rate > 0 else 0.0
        if change > VOLATILE_CHANGE:
            self.step_ppm = FIRST_STEP_PPM
        self.calm_count = self.calm_count + 1 if change < CALM_CHANGE else 0
        if self.calm_count < CALM_COUNT:
            return False
        self.asleep_until = now + SLEEP_SECONDS
        return True

    def climb(self, rate: float, fee_ppm: int) -> int:
        """Given income now and the fee in force, return the fee one step on, or back."""
        if self.looked_at is not None:
            if rate > self.last_rate:
                self.kept_count += 1
            else:
                self.direction, self.kept_count = -self.direction, 0
                self.step_ppm = max(LEAST_STEP_PPM, int(self.step_ppm * DAMPING))
        self.step_ppm = min(max(self.step_ppm, LEAST_STEP_PPM, int(fee_ppm * STEP_RATIO)), MOST_STEP_PPM)
        if self.kept_count > KEPT_LIMIT:
            self.step_ppm = max(self.step_ppm // 2, LEAST_STEP_PPM)
        return fee_ppm + self.direction * self.step_ppm

    def look(self, rate: float, now: float) -> None:
        """Given income now, remember it and begin to count anew."""
        self.looked_at, self.last_rate = now, rate
        self.volume_msat.clear()


class Predecessor:
    """All channels, every half hour."""

    def __init__(self) -> None:
        self._news = News()
        self._climbs: list[Climb] = []
        self._flows = Flows(0, WEEK_SECONDS)
        self._trust = Trust(0)
        self._earned_sat: list[int] = []

    def __call__(self, market: MarketView, records: PagedRecords, now: float) -> None:
        """Adjust every channel whose hour is over."""
        if not self._climbs:
            count = len(market.fee_ppm)
            self._climbs = [Climb() for _number in range(count)]
            self._flows, self._trust = Flows(count, WEEK_SECONDS), Trust(count)
            self._earned_sat = [0] * count
        for payment in self._news.since_last(records):
            self._book(payment)
        self._flows.forget(now)
        self._trust.decay(now)
        floor_ppm = max(chain_floor_ppm(market.feerate_perkw), LEAST_PPM)
        for number, climb in enumerate(self._climbs):
            self._adjust(number, climb, market, floor_ppm, now)

    def _book(self, payment: Payment) -> None:
        self._trust.judge(payment.entry, settled=payment.settled)
        if payment.settled:
            self._flows.book(payment)
            self._climbs[payment.out].volume_msat[payment.entry] += payment.amount_msat
            self._earned_sat[payment.out] += payment.fee_msat // 1_000

    def _adjust(self, number: int, climb: Climb, market: MarketView, floor_ppm: int, now: float) -> None:
        fee_ppm = market.fee_ppm[number]
        hours = 1.0 if climb.looked_at is None else max((now - climb.looked_at) / 3_600, 0.1)
        volume_sat = int(self._trust.weigh(climb.volume_msat)) // 1_000
        rate = income_rate(volume_sat, fee_ppm, hours)
        if climb.sleeps(rate, now) or hours < 1:
            return
        if climb.falls_asleep(rate, now):
            climb.look(rate, now)
            return
        factor = balance_factor(market.spendable_msat(number) / market.capacity_msat[number])
        factor *= EARNER_FACTOR if self._earned_sat[number] > 0 else 1.0
        ppm = int(climb.climb(rate, fee_ppm) * factor)
        ppm = max(min(ppm, MOST_PPM), int(floor_ppm * self._flow_factor(number, market)))
        climb.look(rate, now)
        if abs(ppm - fee_ppm) >= max(LEAST_CHANGE_PPM, fee_ppm * LEAST_CHANGE_RATIO):
            market.set_fee(number, ppm, now)

    def _flow_factor(self, number: int, market: MarketView) -> float:
        out_msat, in_msat = self._flows.out_msat[number], self._flows.in_msat[number]
        capacity_msat = market.capacity_msat[number]
        if out_msat or in_msat:
            flow_ratio = (out_msat - in_msat) / capacity_msat
            source, sink = flow_ratio > FLOW_RATIO, flow_ratio < -FLOW_RATIO
        else:
            local_ratio = market.local_msat[number] / capacity_msat
            source, sink = local_ratio < SOURCE_BELOW, local_ratio > SINK_ABOVE
        return SOURCE_FACTOR if source else SINK_FACTOR if sink else 1.0


def income_rate(volume_sat: int, fee_ppm: int, hours: float) -> float:
    """Given what left by a channel and its fee now, return what it took that for: sats an hour."""
    return volume_sat * fee_ppm // 1_000_000 / hours


def balance_factor(spendable_ratio: float) -> float:
    """Given what share of a channel can be sent, return the fee's factor."""
    return next(factor for below, factor in BALANCE_FACTORS if spendable_ratio < below)


def chain_floor_ppm(feerate_perkw: int) -> int:
    """Given the on-chain feerate, return the cost of opening (140 vB) and closing (200 vB) over a year of 1 M sat a
    day. Where it is unknown it is reckoned with 8,000 sat, as at 23 sat/vB.
    """
    if not feerate_perkw:
        return (5_000 + 3_000) * 1_000_000 // LIFETIME_SAT
    sat_per_vbyte = feerate_perkw * 4 / 1_000
    open_sat = min(max(int(sat_per_vbyte * 140), 500), 50_000)
    close_sat = min(max(int(sat_per_vbyte * 200), 300), 50_000)
    return max((open_sat + close_sat) * 1_000_000 // LIFETIME_SAT, 1)
