"""Dead capital: the one predictor of it that has proved itself, and what it would take to move it elsewhere.

A channel's capital is dead when **nothing has settled over it in either direction for the window, and it is past its
grace period**; where its traffic isn't known, it never is. That is the "dead capital" flag of cl_revenue_ops, the
earlier tool for this job: of all that it predicted, this alone stood up to its own audit of 42 days on a live node (20
of 22 channels that it had flagged forwarded nothing in the next 14 days, one-sided p = 0.00014 against channels of like
capacity, still 0.024 without those that were closed meanwhile). The rule is CE-4 of
docs/audit/contracts/capital_efficiency.md there, the test is CP-H2 of docs/audit/contribution/capital-side.md. Its
classes by return didn't pass (p = 0.11), nor did any forecast of flows.

Here it is held more strictly: the window counts open hours only, is `dead_days` long (there 7 days, and 14 of grace),
and a channel whose next sat has a value is wanted, whatever has come of it; where that was never judged, it isn't
dead. Two of the 22 did forward again: it is
advice, and nothing is ever closed on it.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Final

from revops.decide.chain_floor import OLDEST_SECONDS, WALLET_INPUT_WEIGHT, chain_rate, unilateral_weight
from revops.domain.dead_capital import ChainRates, CloseCost, Elsewhere, Standing
from revops.domain.node import Feerates
from revops.domain.period import DAY_SECONDS
from revops.domain.policy import ClassesConfig
from revops.domain.profit_class import ClassInput
from revops.domain.units import SECONDS_PER_DAY, SECONDS_PER_YEAR

#: From this value on of its next sat a channel is wanted; decayed sums never come down to 0 itself.
WANTED_PPM: Final = 1.0
#: A mutual close (BOLT 3, "Closing Transaction"): version, locktime and counts (10 bytes), the funding input (41), two
#: outputs of 43 bytes as to taproot addresses, and the funding's witness with marker and flag (224 in its appendix A).
MUTUAL_WEIGHT: Final = 4 * (10 + 41 + 2 * 43) + 224
#: Opening a channel: frame (214 with the funding output, BOLT 5), one input of the wallet's, and change.
OPEN_WEIGHT: Final = 214 + WALLET_INPUT_WEIGHT + 4 * 43
DAYS_PER_YEAR: Final = SECONDS_PER_YEAR / SECONDS_PER_DAY
#: Quartiles of fewer are no spread; of these the least and the greatest are told.
_LEAST_FOR_QUARTILES: Final = 4


def silent_days(seen: ClassInput) -> float:
    """Given what is known of a channel, return for how many open days nothing has settled over it."""
    return seen.silent_seconds / DAY_SECONDS


def wanted(seen: ClassInput) -> bool:
    """Given what is known of a channel, return whether payments want it, whatever has come of them."""
    return seen.value_ppm is not None and seen.value_ppm >= WANTED_PPM


def young(seen: ClassInput, policy: ClassesConfig) -> bool:
    """Given what is known of a channel, return whether it is in its grace period."""
    return seen.age_seconds is not None and seen.age_seconds < policy.min_age_days * DAY_SECONDS


def is_dead(seen: ClassInput, policy: ClassesConfig) -> bool:
    """Given what is known of a channel, return whether its capital is dead by the predictor. One of which nobody has
    judged yet what its next sat is worth never is, nor one with a splice in flight: what is to become of its capital is
    decided.
    """
    return standing(seen, policy) is Standing.DEAD


def standing(seen: ClassInput, policy: ClassesConfig) -> Standing:
    """Given what is known of a channel, return how it stands to the predictor."""
    if young(seen, policy):
        return Standing.YOUNG
    if silent_days(seen) >= policy.dead_days:
        if seen.value_ppm is None:
            return Standing.UNVALUED
        if wanted(seen):
            return Standing.WANTED
        return Standing.SPLICING if seen.splicing else Standing.DEAD
    return Standing.UNSEEN if seen.quiet_seconds >= policy.dead_days * DAY_SECONDS else Standing.ALIVE


def chain_rates(samples: Sequence[Feerates], now: float) -> ChainRates | None:
    """Given samples of feerates, the oldest first, and the time, return the rates that count: the last ones of three
    days in which the node had an estimate. None where it had none.

    Where it estimates no mutual close or opening, that of a force-close takes their place: it is no cheaper.
    """
    force = chain_rate(samples, now)
    if force is None:
        return None
    recent = [one for one in samples if now - OLDEST_SECONDS <= one.sampled_at <= now]
    return ChainRates(
        sampled_at=now - force.age_seconds,
        mutual_perkw=_last((one.mutual_close_perkw for one in recent), force.perkw),
        unilateral_perkw=force.perkw,
        opening_perkw=_last((one.opening_perkw for one in recent), force.perkw),
    )


def _last(rates: Iterable[int | None], otherwise: int) -> int:
    known = [rate for rate in rates if rate is not None and rate > 0]
    return known[-1] if known else otherwise


def close_cost(opener: str | None, rates: ChainRates) -> CloseCost:
    """Given who opened a channel ("local", "remote"; None: not known, taken for us) and today's rates, return what
    closing it costs us; weight x sat per 1000 weight is msat.

    The opener pays the fee of a mutual close and of a commitment (BOLT 2, "Closing Negotiation"; BOLT 3, "Fee
    Payment"), whoever closes. Of a force-close we pay the anchor's bump and the sweep in any case.
    """
    ours = opener != "remote"
    return CloseCost(
        payer="we" if ours else "the peer",
        mutual_msat=MUTUAL_WEIGHT * rates.mutual_perkw if ours else 0,
        unilateral_msat=unilateral_weight(opener) * rates.unilateral_perkw,
        reopen_msat=OPEN_WEIGHT * rates.opening_perkw,
    )


def elsewhere(returns: Sequence[float]) -> Elsewhere | None:
    """Given the yearly returns of the node's profitable channels, return their median and spread: the quartiles, of
    fewer than four the extremes. None where there is none.
    """
    if not returns:
        return None
    low, high = min(returns), max(returns)
    if len(returns) >= _LEAST_FOR_QUARTILES:
        low, _middle, high = statistics.quantiles(returns, n=4, method="inclusive")
    return Elsewhere(len(returns), statistics.median(returns), low, high)


def yearly_msat(capital_msat: int, found: Elsewhere | None) -> int | None:
    """Given capital and what others return, return what it would earn in a year at their median, rounded down; never
    below 0. None where nothing tells what others return.
    """
    return None if found is None else max(int(capital_msat * found.median_ratio), 0)


def payback_days(cost: CloseCost | None, earned_msat: int | None) -> float | None:
    """Given what closing costs, and what the capital would earn in a year elsewhere, return after how many days a
    mutual close and a new opening are paid; None where they never are, or where what they cost isn't known.
    """
    if cost is None or earned_msat is None or earned_msat <= 0:
        return None
    return (cost.mutual_msat + cost.reopen_msat) / earned_msat * DAYS_PER_YEAR
