"""The product with rebalancing, by its decisions alone: what `rebalance plan` would store, `rebalance run` would carry
out at once on the market itself. A tenth of the time of full cycles (`full.py`), and close to what comes of these; not
equal, since here a route is a price and no path: each payment arrives, but for the few that hang for hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple

from revops.cycle.quotes import BEYOND_TIMES
from revops.decide.attempts import counted_in_flight
from revops.decide.budget import limits
from revops.decide.fees import decide_fees
from revops.decide.rebalance.plan import cut_questions, gather, make_plan
from revops.decide.rebalance.priced import Question, questions
from revops.decide.rebalance.scene import Scene
from revops.decide.rebalance.survey import survey
from revops.decide.stability import unstable_reason, window_of
from revops.domain.decision import RebalanceDecision
from revops.domain.policy import BudgetConfig, FeesConfig, RebalanceConfig
from revops.domain.reason import Reason
from revops.domain.rebalance import Attempt, FailureKind, Quote
from revops.domain.snapshot import FeeInput, FeeSnapshot, RebalanceSnapshot
from revops.domain.stability import Presence, Stability, Stretch
from revops.domain.traffic import Traffic
from revops.domain.units import forward_fee_msat
from revops.domain.values import replace
from revops.sim.arena import names
from revops.sim.arena.families import DAY_SECONDS
from revops.sim.arena.market import Market
from revops.sim.arena.policies import Product, channels_of
from revops.sim.arena.records import Records
from revops.sim.arena.refills import WEEK_SECONDS, Refill, RefillRecords
from revops.sim.arena.world import Result, World, run_policy
from revops.sim.payments import stuck_for

HOUR_SECONDS: Final = 3_600


@dataclass(frozen=True, slots=True)
class Spending:
    """What may be spent on rebalancing, and how."""

    rebalance: RebalanceConfig
    budget: BudgetConfig


#: As the product rebalances unless told otherwise; what binds it is its share of what forwards earned in a week. The
#: figures are above that for the arena's nodes, daily a third of weekly as `revops init` proposes it.
SPENDING: Final = Spending(RebalanceConfig(), BudgetConfig(daily_sat=20_000, weekly_sat=60_000))


class _Hanging(NamedTuple):
    """A payment that hangs: since and until when, from where to where, and how much."""

    since: float
    until: float
    source: int
    target: int
    amount_msat: int
    fee_msat: int


def run_rebalancing(world: World, policy: FeesConfig, spending: Spending = SPENDING) -> Result:
    """Given a world, a fee policy and what may be spent, live through it. Raise ValueError for a policy that the market
    can't judge.
    """
    horizon_days = spending.rebalance.horizon_days
    return run_policy(
        world, Rebalancing(policy, spending, world.seed), lambda count: RefillRecords(count, horizon_days)
    )


class Rebalancing(Product):
    """What cron would run: `fees adjust` each half hour, `rebalance plan` and `rebalance run` each hour."""

    def __init__(self, policy: FeesConfig, spending: Spending, seed: int) -> None:
        super().__init__(policy)
        self.spending = spending
        self._rng = Random(f"rebalances {seed}")
        self._hanging: list[_Hanging] = []

    def __call__(self, market: Market, records: Records, now: float) -> None:
        """The runs of one moment."""
        records = _of_refills(records)
        self._end_hanging(market, records, now)
        snapshot = self._snapshot(market, records, now)
        self._carry_out(decide_fees(snapshot, self.policy), market, records, now)
        if now % HOUR_SECONDS == 0:
            self._rebalance(self._seen(snapshot, market, records, now), market, records, now)

    def _input(self, number: int, records: Records, traffic: Traffic, at: float) -> FeeInput:
        one = super()._input(number, records, traffic, at)
        return replace(one, signals=replace(one.signals, refill_ppm=_of_refills(records).refill_ppm(number, at)))

    def _seen(self, fees: FeeSnapshot, market: Market, records: RefillRecords, now: float) -> RebalanceSnapshot:
        """What a plan would see, after fees were set."""
        at, policy = names.instant(now), self.spending.rebalance
        channels, traffic = tuple(channels_of(market, now, self._channels)), records.traffic()
        states = {one.channel_id: known.state for one, known in zip(channels, records.channels, strict=True)}
        return RebalanceSnapshot(
            view=replace(fees.view, channels=channels),
            flows=records.flows(at),
            in_flight=frozenset(
                names.channel_id(number) for one in self._hanging for number in (one.source, one.target)
            ),
            budget_left_msat=self._left_msat(records, at),
            signals={
                one.channel_id: self._input(number, records, traffic, at).signals for number, one in enumerate(channels)
            },
            figures={name: state.demand for name, state in states.items() if state and state.demand is not None},
            attempts=records.attempts(at),
            lots=records.lots(at),
            spent_msat=records.spent_by_source(at),
            unstable=_unstable(market, now, policy),
            congested_since={
                name: state.congested_since_at
                for name, state in states.items()
                if state and state.congested_since_at is not None
            },
        )

    def _left_msat(self, records: RefillRecords, at: float) -> int:
        daily_msat, weekly_msat = limits(self.spending.budget, *records.earned_msat(at)).msat
        reserved_msat = sum(one.fee_msat for one in self._hanging)
        left_day_msat = daily_msat - records.spent_msat(at, DAY_SECONDS)
        return min(left_day_msat, weekly_msat - records.spent_msat(at, WEEK_SECONDS)) - reserved_msat

    def _rebalance(self, seen: RebalanceSnapshot, market: Market, records: RefillRecords, now: float) -> None:
        scene = Scene(seen, self.spending.rebalance)
        candidates = survey(scene)
        quotes = gather(
            questions(candidates, scene),
            lambda found: cut_questions(candidates, scene, found),
            lambda question: self._quote(question, market),
        )
        for job in make_plan(candidates, scene, quotes).jobs:
            if self._in_flight_count(now) < self.spending.rebalance.max_in_flight:
                self._execute(job, market, records, now)

    def _in_flight_count(self, now: float) -> int:
        under_way = [("native", one.since) for one in self._hanging]
        return counted_in_flight(under_way, now, self.spending.rebalance.max_hung)

    def _quote(self, question: Question, market: Market) -> Quote:
        fee_msat = route_fee_msat(market.others_ppm[names.number_of(question.target.channel_id)], question.amount_msat)
        if fee_msat > BEYOND_TIMES * question.max_fee_msat:
            return Quote(question.amount_msat, None, FailureKind.FEE_TOO_LOW, "none for so little")
        return Quote(question.amount_msat, fee_msat)

    def _execute(self, job: RebalanceDecision, market: Market, records: RefillRecords, now: float) -> None:
        """Pay from the first source that can, if the way costs no more than it may."""
        target = names.number_of(job.target_channel_id)
        fee_msat = route_fee_msat(market.others_ppm[target], job.amount_msat)
        for offer in job.sources:
            source = names.number_of(offer.channel_id)
            able = market.spendable_msat(source) >= job.amount_msat + fee_msat
            if fee_msat <= offer.max_fee_msat and able and market.receivable_msat(target) >= job.amount_msat:
                break
        else:
            return
        seconds = stuck_for(self._rng, names.OWN_STUCK_RATIO)
        payment = _Hanging(now, now + seconds, source, target, job.amount_msat, fee_msat)
        if seconds:
            market.occupy(source, 1, out_msat=payment.amount_msat + payment.fee_msat)
            self._hanging.append(payment)
        else:
            _settle(payment, market, records, now)

    def _end_hanging(self, market: Market, records: RefillRecords, now: float) -> None:
        """Let what hung for long enough arrive, or fail where its target has become too full or its peer is away."""
        over = [one for one in self._hanging if one.until <= now]
        self._hanging = [one for one in self._hanging if one.until > now]
        for one in over:
            market.occupy(one.source, -1, out_msat=-one.amount_msat - one.fee_msat)
            if market.receivable_msat(one.target) >= one.amount_msat and market.connected(one.target, now):
                _settle(one, market, records, now)
            else:
                records.attempted(_attempt(one, now, FailureKind.TIME_OUT))


def _of_refills(records: Records) -> RefillRecords:
    if not isinstance(records, RefillRecords):
        raise TypeError("rebalancing needs records that tell of it: run it with RefillRecords")
    return records


def _settle(one: _Hanging, market: Market, records: RefillRecords, now: float) -> None:
    before_msat = market.local_msat[one.target]
    market.local_msat[one.source] -= one.amount_msat + one.fee_msat
    market.local_msat[one.target] += one.amount_msat
    market.rebalance_msat += one.fee_msat
    records.refilled(Refill(names.instant(now), one.source, one.target, one.amount_msat, one.fee_msat), before_msat)
    records.attempted(_attempt(one, now, None))


def _attempt(one: _Hanging, now: float, failure: FailureKind | None) -> Attempt:
    return Attempt(names.channel_id(one.source), names.channel_id(one.target), names.instant(now), failure)


def route_fee_msat(others_ppm: int | None, amount_msat: int) -> int:
    """Given what others charge into the target's peer (None: gossip doesn't tell), and what is to arrive, return what
    the way costs: the target's peer, the hub before it, and the source's peer, as the simulated node has them.
    """
    sent_msat = amount_msat
    for ppm in (names.REMOTE_PPM, names.UNKNOWN_PPM if others_ppm is None else others_ppm, names.HUB_PPM):
        sent_msat += forward_fee_msat(sent_msat, 0, ppm)
    return sent_msat - amount_msat


def _unstable(market: Market, now: float, policy: RebalanceConfig) -> dict[str, Reason]:
    """Whose peer comes and goes too often."""
    found: dict[str, Reason] = {}
    for number, absences in enumerate(market.absences):
        if absences:
            stretches = _stretches(absences, now)
            day, week = (window_of(stretches, now, seconds) for seconds in (DAY_SECONDS, WEEK_SECONDS))
            reason = unstable_reason(Stability(names.peer_id(number), day, week), policy)
            if reason is not None:
                found[names.channel_id(number)] = reason
    return found


def _stretches(absences: Sequence[tuple[float, float]], now: float) -> list[Stretch]:
    """When a peer was there and when not, in the last seven days."""
    found: list[Stretch] = []
    at = now - WEEK_SECONDS
    for gone_at, back_at in absences:
        if back_at <= at or gone_at >= now:
            continue
        if gone_at > at:
            found.append(Stretch(at, gone_at, Presence.UP))
        at = min(back_at, now)
        found.append(Stretch(max(gone_at, now - WEEK_SECONDS), at, Presence.DOWN, dropped=gone_at > now - WEEK_SECONDS))
    if at < now:
        found.append(Stretch(at, now, Presence.UP))
    return found
