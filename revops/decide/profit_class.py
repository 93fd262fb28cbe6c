"""Profitability classes: what a channel's capital did over a window, with hysteresis, by timestamps.

A channel through which nothing goes in either direction is stagnant, then dead (`dead_capital.py` has the predictor);
any other is judged by its yearly return: what it brought less what it cost, on our balance, over the window as far as
balances are on record, which is the return of `report pnl` but for what counts in it. It brought the larger of what its
exits earned and what its entries sourced, and leases: a channel by which others' income enters isn't poor. (The sum of
both would count each fee twice; totals of the node count exits only.) It cost rebalances and leases. What opening it
cost is spent, whatever becomes of it: it says nothing of what the capital does now, and stands in `report pnl`.

A class is left only at `leave_ratio` of the bound at which it is entered, and only when another one has been found at
each look for `hold_days`: how often anybody looks changes nothing but how soon it is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import copysign, inf
from typing import Final

from revops.decide.dead_capital import silent_days, wanted, young
from revops.domain.period import DAY_SECONDS
from revops.domain.policy import ClassesConfig
from revops.domain.profit_class import UNSETTLED, ClassInput, ClassState, ProfitClass, Verdict
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.units import MSAT_PER_SAT, yearly_ratio

_SILENT: Final = (ProfitClass.DEAD, ProfitClass.STAGNANT)


def brought_msat(seen: ClassInput) -> int:
    """Given what is known of a channel, return what it brought: by its exits or its entries, and by leases."""
    return max(seen.line.earned_msat, seen.line.sourced_msat) + seen.line.lease_earned_msat


def spent_msat(seen: ClassInput) -> int:
    """Given what is known of a channel, return what it cost to run: refills, and leases."""
    return seen.line.rebalance_msat + seen.line.lease_paid_msat


def return_ratio(seen: ClassInput) -> float:
    """Given what is known of a channel, return its yearly return; without capital ±inf, or 0 where it came to 0."""
    net_msat = brought_msat(seen) - spent_msat(seen)
    ratio = yearly_ratio(net_msat, seen.line.capital_msat, seen.rated_seconds)
    if ratio is not None:
        return ratio
    return copysign(inf, net_msat) if net_msat else 0.0


def exit_ratio(seen: ClassInput) -> float | None:
    """As `return_ratio`, of what its exits earned: each fee of the node counts once. None without capital, or of less
    than a day.
    """
    return yearly_ratio(seen.line.income_msat - spent_msat(seen), seen.line.capital_msat, seen.rated_seconds)


def judge(seen: ClassInput, policy: ClassesConfig, state: ClassState | None = None) -> Verdict:
    """Given what is known of a channel, the bounds and the class in force (None: it has none), return which class the
    figures say. The class in force, and the one that may follow it, keep what lies between their two bounds.
    """
    if young(seen, policy):
        age_days = round((seen.age_seconds or 0.0) / DAY_SECONDS, 1)
        reason = why(ReasonCode.CLASS_YOUNG, age_days=age_days, min_age_days=policy.min_age_days)
        return Verdict(ProfitClass.NEW, (reason,))
    if seen.open_seconds < policy.min_open_days * DAY_SECONDS:
        reason = why(
            ReasonCode.CLASS_UNSEEN,
            open_days=_days(seen.open_seconds),
            window_days=policy.window_days,
            min_open_days=policy.min_open_days,
        )
        return Verdict(ProfitClass.UNJUDGED, (reason,))
    kept = () if state is None else (state.profit_class, state.candidate)
    plain = _found(seen, policy, ())
    found = _found(seen, policy, kept)
    if found not in _SILENT and seen.rated_seconds < policy.min_open_days * DAY_SECONDS:
        reason = why(ReasonCode.CLASS_UNRATED, rated_days=_days(seen.rated_seconds), min_open_days=policy.min_open_days)
        return Verdict(ProfitClass.UNJUDGED, (reason,))
    reasons = list(_evidence(seen, policy, found))
    if found is not plain:
        reasons.append(why(ReasonCode.CLASS_KEPT, kept=found.word))
    return Verdict(found, tuple(reasons))


def _found(seen: ClassInput, policy: ClassesConfig, kept: tuple[ProfitClass | None, ...]) -> ProfitClass:
    """By the bounds to enter a class; of those to be kept, by the bounds to leave it."""
    if not wanted(seen):
        # What its next sat is worth was never judged: silent it is, but not dead.
        silent = _SILENT if seen.value_ppm is not None else (ProfitClass.STAGNANT,)
        bounds_days = {ProfitClass.DEAD: policy.dead_days, ProfitClass.STAGNANT: policy.stagnant_days}
        for one in silent:
            if silent_days(seen) >= bounds_days[one] * (policy.leave_ratio if one in kept else 1.0):
                return one
    ratio = return_ratio(seen)
    for held in kept:
        if held is ProfitClass.PROFITABLE and ratio >= policy.profitable_ratio * policy.leave_ratio:
            return held
        if held is ProfitClass.UNDERWATER and ratio <= -policy.underwater_ratio * policy.leave_ratio:
            return held
    if ratio >= policy.profitable_ratio:
        return ProfitClass.PROFITABLE
    return ProfitClass.UNDERWATER if ratio <= -policy.underwater_ratio else ProfitClass.BREAK_EVEN


def _evidence(seen: ClassInput, policy: ClassesConfig, found: ProfitClass) -> Iterator[Reason]:
    days = round(silent_days(seen), 1)
    if found in _SILENT:
        yield why(
            ReasonCode.CLASS_SILENT,
            silent_days=days,
            stagnant_days=policy.stagnant_days,
            dead_days=policy.dead_days,
        )
        if seen.value_ppm is None:
            yield why(ReasonCode.CLASS_UNVALUED)
    elif silent_days(seen) >= policy.stagnant_days and seen.value_ppm is not None:
        yield why(ReasonCode.CLASS_WANTED, silent_days=days, value_ppm=round(seen.value_ppm))
    brought, cost, counted_days = brought_msat(seen), spent_msat(seen), _days(seen.rated_seconds)
    if seen.line.capital_msat > 0:
        yield why(
            ReasonCode.CLASS_RETURN,
            counted_days=counted_days,
            window_days=policy.window_days,
            brought_msat=brought,
            cost_msat=cost,
            return_percent=round(100 * return_ratio(seen), 2),
            capital_msat=seen.line.capital_msat // MSAT_PER_SAT * MSAT_PER_SAT,
        )
    else:
        yield why(
            ReasonCode.CLASS_BARE,
            counted_days=counted_days,
            window_days=policy.window_days,
            brought_msat=brought,
            cost_msat=cost,
        )
    if seen.line.sourced_msat > seen.line.earned_msat:
        yield why(ReasonCode.CLASS_SOURCED, sourced_msat=seen.line.sourced_msat, earned_msat=seen.line.earned_msat)


def _days(seconds: float) -> float:
    return round(seconds / DAY_SECONDS, 1)


def moved_on(state: ClassState | None, verdict: Verdict, policy: ClassesConfig, now: float) -> ClassState:
    """Given the class in force (None: none yet), what the figures say now, and the time, return the class in force.

    A first judgement is in force at once. A channel that can't be judged now keeps its class, and what was about to
    follow it must hold anew. A clock that went back changes nothing.
    """
    if state is not None and now < state.judged_at:
        return state
    found, evidence = verdict.found, verdict.evidence
    if state is None or (state.profit_class in UNSETTLED and found is not state.profit_class):
        return ClassState(found, now, None, None, now, evidence)
    if found in UNSETTLED and found is not state.profit_class:
        lasting = (*evidence, why(ReasonCode.CLASS_LASTS))
        return ClassState(state.profit_class, state.since_at, None, None, now, lasting)
    if found is state.profit_class:
        return ClassState(found, state.since_at, None, None, now, evidence)
    since_at = now
    if found is state.candidate and state.candidate_since_at is not None:
        since_at = state.candidate_since_at
    hold_seconds = policy.hold_days * DAY_SECONDS
    if now - since_at >= hold_seconds:
        return ClassState(found, since_at + hold_seconds, None, None, now, evidence)
    pending = why(
        ReasonCode.CLASS_PENDING,
        candidate=found.word,
        held_days=_days(now - since_at),
        hold_days=policy.hold_days,
    )
    return ClassState(state.profit_class, state.since_at, found, since_at, now, (*evidence, pending))
