"""LNDg's auto-fees: steps of a few ppm a day, up where payments fail for lack of liquidity or much flows out, down
where nothing flows.

Source: cryptosharks131/lndg bd75f83 (2025-06-14), `af.py` (rules, defaults), `jobs.py` (active channels only, whenever
the last change is a day old), `htlc_stream.py` (what counts as failed). By peer; in the arena each peer has one
channel. Its inbound fees are off by default and left out. Bounds: 0 to 2,500 ppm.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from revops.sim.arena.baselines.flows import Flows
from revops.sim.arena.baselines.view import MarketView, News, PagedRecords, Payment

LEAST_PPM, MOST_PPM = 0, 2_500
MULTIPLIER: Final = 5
INCREMENT_PPM: Final = 5
UPDATE_SECONDS: Final = 24 * 3_600.0
DAY_SECONDS: Final = 86_400.0
WEEK_SECONDS: Final = 7 * DAY_SECONDS
#: Smaller forwards aren't looked at.
LEAST_FORWARD_MSAT: Final = 1_000_000
FAILED_LIMIT: Final = 25
LOW_PERCENT, EXCESS_PERCENT = 15, 95
ASSIST_RATIO: Final = 10


@dataclass(frozen=True, slots=True)
class Facts:
    """What LNDg knows of a channel: of the last week, but of the last day failures and whether anything came in."""

    local_msat: int
    capacity_msat: int
    out_msat: int = 0
    in_msat: int = 0
    fee_msat: int = 0
    assisted_msat: int = 0
    failed_count: int = 0
    fed_today: bool = False

    @property
    def net_routed(self) -> float:
        """How many times the channel's capacity has left it on balance."""
        return (self.out_msat - self.in_msat) / self.capacity_msat

    @property
    def stagnant(self) -> bool:
        """Whether nothing flowed."""
        return self.in_msat + self.out_msat == 0


def change_ppm(facts: Facts) -> float:
    """Given what is known of a channel, return by how much its fee is to change."""
    local_percent = facts.local_msat / facts.capacity_msat * 100
    if local_percent <= LOW_PERCENT:
        return 5 * MULTIPLIER if facts.failed_count > FAILED_LIMIT and not facts.fed_today else 0
    if local_percent < EXCESS_PERCENT:
        if facts.stagnant:
            return -3 * MULTIPLIER
        return 2 * MULTIPLIER * (1 + facts.net_routed) if facts.net_routed > 1 else 0
    assisting = facts.net_routed < 0 and facts.assisted_msat > ASSIST_RATIO * facts.fee_msat
    return -5 * MULTIPLIER if facts.stagnant or assisting else 0


def new_ppm(fee_ppm: int, facts: Facts) -> int:
    """Given the fee in force and what is known of a channel, return its fee from now on."""
    rounded = round((fee_ppm + change_ppm(facts)) / INCREMENT_PPM) * INCREMENT_PPM
    return min(max(rounded, LEAST_PPM), MOST_PPM)


class Lndg:
    """All connected channels whose last change is more than a day old."""

    def __init__(self) -> None:
        self._news = News()
        self._flows = Flows(0, WEEK_SECONDS)
        self._local_msat: list[int] = []
        self._fed_at: list[float] = []
        self._failed_at: list[deque[float]] = []
        self._changed_at: list[float] = []

    def __call__(self, market: MarketView, records: PagedRecords, now: float) -> None:
        """One round."""
        if not self._changed_at:
            self._meet(market, now)
        for payment in self._news.since_last(records):
            self._book(payment, market)
        self._local_msat = list(market.local_msat)
        self._flows.forget(now)
        for number, fee_ppm in enumerate(market.fee_ppm):
            if now - self._changed_at[number] <= UPDATE_SECONDS or not market.connected(number, now):
                continue
            ppm = new_ppm(fee_ppm, self._facts(number, market, now))
            if ppm != fee_ppm:
                market.set_fee(number, ppm, now)
                self._changed_at[number] = now

    def _meet(self, market: MarketView, now: float) -> None:
        count = len(market.fee_ppm)
        self._flows = Flows(count, WEEK_SECONDS)
        self._fed_at = [float("-inf")] * count
        self._failed_at = [deque() for _number in range(count)]
        self._changed_at = [now] * count

    def _book(self, payment: Payment, market: MarketView) -> None:
        if payment.settled and payment.amount_msat >= LEAST_FORWARD_MSAT:
            self._flows.book(payment)
            self._fed_at[payment.entry] = payment.at
        elif payment.refused:
            # What would have fitted wasn't refused for lack of liquidity. LNDg, too, knows the balance some time late.
            local_msat = min(self._local_msat[payment.out], market.local_msat[payment.out])
            if payment.amount_msat > local_msat - market.reserve_msat(payment.out):
                self._failed_at[payment.out].append(payment.at)

    def _facts(self, number: int, market: MarketView, now: float) -> Facts:
        failed_at = self._failed_at[number]
        while failed_at and failed_at[0] < now - UPDATE_SECONDS:
            failed_at.popleft()
        return Facts(
            local_msat=market.local_msat[number],
            capacity_msat=market.capacity_msat[number],
            out_msat=self._flows.out_msat[number],
            in_msat=self._flows.in_msat[number],
            fee_msat=self._flows.fee_msat[number],
            assisted_msat=self._flows.assisted_msat[number],
            failed_count=len(failed_at),
            fed_today=self._fed_at[number] >= now - DAY_SECONDS,
        )
