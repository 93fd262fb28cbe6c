"""Strategies that learn in small, deterministic markets: weeks of runs, each carried out before the next."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Any

import pytest

from revops.decide.fees import decide_fees
from revops.domain.channel import Channel
from revops.domain.decision import FeeDecision, FeeState, Outcome
from revops.domain.policy import FeesConfig
from revops.domain.signals import Rate, Signals
from revops.domain.units import forward_fee_msat
from tests.builders import DAY, HOUR, NOW, SAT, make_channel, make_climb, make_fee_input, make_fee_snapshot

#: How many payments an hour want to leave at a price.
Demand = Callable[[int], float]
PAYMENT_MSAT = 100_000 * SAT
#: The channel never runs empty: as much comes in as anybody could buy.
AMPLE = Signals(inflow=Rate(1e14, 1e21))
CLIMB, DEFAULT = make_climb(), FeesConfig()


@dataclass
class Market:
    """One channel, its records, and payments that come evenly as often as the price lets them."""

    demand: Demand
    fee_ppm: int
    policy: FeesConfig = field(default_factory=make_climb)
    channel: Channel = field(default_factory=make_channel)
    state: FeeState | None = None
    changed_at: float | None = None
    earned: list[tuple[float, int]] = field(default_factory=list)
    updates: list[float] = field(default_factory=list)
    waiting: float = 0.0

    def run(
        self, days: float, start_at: float = NOW, every_seconds: float = HOUR
    ) -> Iterator[tuple[float, FeeDecision]]:
        """Run `fees adjust` every hour; yield each run's moment and decision."""
        for tick in range(int(days * DAY / every_seconds)):
            now = start_at + tick * every_seconds
            decision = self._decide(now)
            yield now, decision
            self._trade(now, every_seconds)

    def _decide(self, now: float) -> FeeDecision:
        terms = replace(self.channel.local_terms, fee_ppm=self.fee_ppm)
        since_at = self.state.window_start_at if self.state else now
        window = [fee_msat for _at, fee_msat in takewhile(lambda row: row[0] >= since_at, reversed(self.earned))]
        fee_input = make_fee_input(
            replace(self.channel, local_terms=terms),
            state=self.state,
            earned_msat=sum(window),
            earned_count=len(window),
            last_earned_at=self.earned[-1][0] if self.earned else None,
            last_changed_at=self.changed_at,
            signals=AMPLE,
            own_updates_last_day_count=sum(1 for at in self.updates if at > now - DAY),
        )
        used = sum(1 for at in self.updates if at > now - DAY)
        decision = decide_fees(make_fee_snapshot(fee_input, updates_last_day_count=used, taken_at=now), self.policy)
        chosen = decision.decisions[0]
        self.state = chosen.state
        if chosen.outcome is Outcome.CHANGE:
            self.fee_ppm, self.state, self.changed_at = chosen.new_ppm, chosen.state_if_sent, now
            self.updates.append(now)
        return chosen

    def _trade(self, now: float, seconds: float) -> None:
        self.waiting += self.demand(self.fee_ppm) * seconds / HOUR
        count = int(self.waiting)
        self.waiting -= count
        for number in range(count):
            at = now + (number + 0.5) * seconds / count
            self.earned.append((at, forward_fee_msat(PAYMENT_MSAT, 0, self.fee_ppm)))


def smooth(best_ppm: int, per_hour: float = 60.0) -> Demand:
    """Demand that halves evenly, so that income p x demand(p) is concave around its best at `best_ppm`."""
    return lambda fee_ppm: per_hour * math.exp(-fee_ppm / best_ppm)


def nobody(_fee_ppm: int) -> float:
    return 0.0


@pytest.mark.parametrize(
    ("start_ppm", "policy"),
    [*((ppm, CLIMB) for ppm in (10, 11, 12, 100, 1_000, 2_500, 9_000)), (12, DEFAULT), (9_000, DEFAULT)],
)
def test_a_channel_without_revenue_sinks_to_the_floor_and_never_rises(start_ppm: int, policy: FeesConfig) -> None:
    market = Market(nobody, start_ppm, policy)
    fees = [start_ppm]
    for _now, decision in market.run(days=42):
        assert decision.new_ppm <= decision.old_ppm or decision.outcome is not Outcome.CHANGE
        fees.append(market.fee_ppm)
    assert fees == sorted(fees, reverse=True)
    # The last step may be within the dead band: not worth an announcement.
    assert market.fee_ppm - market.policy.min_ppm < market.policy.dead_band_ppm


def test_a_channel_below_the_floor_rises_to_it_and_no_further_without_revenue() -> None:
    market = Market(nobody, 0)
    assert {decision.new_ppm for _now, decision in market.run(days=14)} == {10}
    assert market.fee_ppm == 10


@pytest.mark.parametrize("shut", [{"connected": False}, {"local_msat": 0}])
def test_a_channel_that_could_not_route_is_not_blamed(shut: dict[str, Any]) -> None:
    market = Market(nobody, 400, channel=make_channel(**shut))
    assert {decision.outcome for _now, decision in market.run(days=28)} == {Outcome.SKIP}
    assert market.fee_ppm == 400


def late_incomes(start_ppm: int, best_ppm: int, policy: FeesConfig, days: int) -> tuple[float, float]:
    """What the last third of so many days brings, as a share of the best, and as a multiple of the beginning's."""
    demand = smooth(best_ppm)
    market = Market(demand, start_ppm, policy)
    late = [decision.old_ppm for now, decision in market.run(days=days) if now >= NOW + days * DAY * 2 / 3]
    income = sum(fee_ppm * demand(fee_ppm) for fee_ppm in late) / len(late)
    return income / (best_ppm * demand(best_ppm)), income / (start_ppm * demand(start_ppm))


@pytest.mark.parametrize(("start_ppm", "best_ppm"), [(60, 400), (1_800, 400), (400, 80), (50, 1_500), (2_500, 1_200)])
def test_the_climb_finds_the_region_where_income_is_best(start_ppm: int, best_ppm: int) -> None:
    share, growth = late_incomes(start_ppm, best_ppm, CLIMB, days=60)
    assert share >= 0.9
    assert growth > 1.1


@pytest.mark.parametrize(("start_ppm", "best_ppm"), [(60, 400), (1_800, 400), (400, 80), (50, 1_500), (2_500, 1_200)])
def test_the_default_finds_it_in_half_the_time_and_keeps_to_what_it_can_tell(start_ppm: int, best_ppm: int) -> None:
    """It stops where the prices tried don't tell the next one apart, a little off the best."""
    share, growth = late_incomes(start_ppm, best_ppm, DEFAULT, days=30)
    assert share >= 0.8
    assert growth > 1.1


@pytest.mark.parametrize(("start_ppm", "best_ppm"), [(60, 400), (1_800, 400), (10, 800), (2_500, 30)])
@pytest.mark.parametrize(
    ("minutes", "policy"), [(10, CLIMB), (30, CLIMB), (60, CLIMB), (240, CLIMB), (10, DEFAULT), (240, DEFAULT)]
)
def test_no_pace_of_runs_breaks_interval_dead_band_or_step(
    start_ppm: int, best_ppm: int, minutes: int, policy: FeesConfig
) -> None:
    market, times = Market(smooth(best_ppm), start_ppm, policy), 1 + policy.max_step_ratio
    previous_at: float | None = None
    for now, decision in market.run(days=10, every_seconds=minutes * 60):
        if decision.outcome is not Outcome.CHANGE:
            continue
        assert previous_at is None or now - previous_at >= market.policy.min_interval_seconds
        low_ppm, high_ppm = decision.old_ppm / times - 0.5, decision.old_ppm * times + 0.5
        assert min(low_ppm, decision.old_ppm - 2) <= decision.new_ppm <= max(high_ppm, decision.old_ppm + 2)
        assert abs(decision.new_ppm - decision.old_ppm) >= 2
        assert 10 <= decision.new_ppm <= 2_500
        previous_at = now
    assert len(market.updates) >= (5 if policy is CLIMB else 4)


def test_a_change_by_somebody_else_resets_what_was_learnt() -> None:
    market = Market(smooth(400), 100)
    for _step in market.run(days=10):
        pass
    assert market.state is not None
    assert market.state.last_rate_msat is not None
    market.fee_ppm = 1_111
    market.changed_at = NOW + 10 * DAY
    _now, decision = next(market.run(days=1, start_at=NOW + 10 * DAY))
    assert decision.outcome is Outcome.SKIP
    assert decision.new_ppm == 1_111
    assert market.state is not None
    begun = FeeState(1_111, NOW + 10 * DAY, NOW + 10 * DAY, strategy="hill_climb")
    assert replace(market.state, idle_open_seconds=0.0) == begun


def test_a_clock_that_went_back_sends_nothing_until_it_has_caught_up() -> None:
    market = Market(smooth(400), 100)
    for _step in market.run(days=10):
        pass
    sent = len(market.updates)
    for _step in market.run(days=2, start_at=NOW + 7 * DAY):
        pass
    assert len(market.updates) == sent
    for _step in market.run(days=4, start_at=NOW + 9 * DAY):
        pass
    assert len(market.updates) > sent


def test_with_the_shortest_interval_a_price_is_not_judged_by_the_time_before_it_counts() -> None:
    """`setchannel` honours the old price for ten minutes: those say nothing about the new one."""
    market = Market(smooth(400), 100, policy=make_climb(min_interval_seconds=600, max_updates_per_day=100_000))
    for _now, decision in market.run(days=2, every_seconds=600):
        if decision.outcome is Outcome.CHANGE:
            assert "earned 0 msat" not in decision.reasons[0].sentence
    assert market.fee_ppm > 100
