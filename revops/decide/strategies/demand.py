"""`demand`: learn what the channel's customers would pay, and ask for what is expected to bring the most.

All prices that were tried lately, and what came at each, make one belief about demand (`demand_curve.py`), centred on
what others charge into the peer until there is evidence. From it follows what a local sat is worth (`inventory.py`):
what the node would lose without it if prices were set at their best ever after. The price is the one whose expected
net income is highest: the payments that should come at it, times what each leaves after the liquidity that it uses up
here and gives where it enters. Prices move often enough by that to learn from, so that there is no bonus for trying
something new, but for a channel that has settled: where all payments came at about one price, nothing tells whether
another is better, and one who only ever does what seems best may stay there for good (A. den Boer & B. Zwart,
Management Science 60, 2014). Then one update goes far enough to tell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from revops.decide.demand_curve import (
    BLIND_SPREAD,
    MARKET_SPREAD,
    Belief,
    best_price,
    learn,
    rate_per_hour,
    rates_per_hour,
)
from revops.decide.demand_figures import Outlook, demand_figures, spread_prices
from revops.decide.inventory import marginal_values_ppm, value_at
from revops.decide.proven import dearest_sale_ppm
from revops.decide.strategies.base import Proposal, reset, watch
from revops.decide.strategies.demand_reasons import found, probing, why_kept
from revops.decide.strategies.evidence import Evidence, look, too_early
from revops.decide.volume import demand_per_day, payment_msat, shown_per_day
from revops.domain.decision import FeeState
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeeInput
from revops.domain.values import replace

#: Prices that are compared, evenly in the logarithm, between one step down and one step up.
PRICE_COUNT: Final = 25
#: Prices of which the liquidity's value knows, from the lowest to the dearest that may count on a sale.
VALUED_COUNT: Final = 24
#: From so many payments on, as they count, a channel that keeps to one price could know better: one is tried that is
#: this much dearer, or as much cheaper, until an elasticity of 0 could be told from one of 1.2 (1 / the root of the
#: contrast: a standard error).
SETTLED_COUNT: Final = 30.0
ENOUGH_CONTRAST: Final = 0.7
PROBE_RATIO: Final = 0.5
#: A price is judged so often in the least interval between two updates, and liquidity valued.
TURNS_PER_INTERVAL: Final = 4


def propose(offer: FeeInput, policy: FeesConfig, now: float) -> Proposal:
    """Given a peer and what its prices have brought, return the fee that is expected to bring the most."""
    fee_ppm = offer.channel.local_terms.fee_ppm
    state, anew = watch(offer, now)
    if anew is not None:
        return Proposal(fee_ppm, 0.0, (anew,), state, reset(state))
    seen = look(offer, state, policy, now)
    early = too_early(seen, policy, now)
    if not _due(offer, seen, policy, now):
        return _as_judged(offer, seen, early, policy, now)
    anchor_ppm = offer.signals.anchor_ppm
    if anchor_ppm is None:
        belief = learn(seen.windows, policy.start_ppm, now, BLIND_SPREAD)
    else:
        belief = learn(seen.windows, anchor_ppm * offer.market_ratio, now, MARKET_SPREAD)
    outlook = _outlook(offer, seen, belief, policy, now)
    figures, value_ppm = demand_figures(outlook, now), outlook.value_ppm
    state = replace(state, demand=figures)
    if early is not None:
        return Proposal(fee_ppm, seen.rate_msat, (early,), state, reset(state), value_ppm)
    best_ppm = _towards(figures.best_ppm, fee_ppm, policy)
    reasons: tuple[Reason, ...] = (found(seen, outlook, figures),)
    # An empty channel would be tried in vain, again and again.
    probe_ppm = _probe(belief, best_ppm, fee_ppm, outlook.cost_ppm, policy) if seen.routable else None
    wanted_ppm = best_ppm if probe_ppm is None else probe_ppm
    kept = why_kept(figures.best_ppm, wanted_ppm, seen, policy)
    if kept or wanted_ppm == fee_ppm:
        return Proposal(fee_ppm, seen.rate_msat, (*reasons, *kept), state, reset(state), value_ppm)
    if probe_ppm is not None:
        reasons = (probing(belief, best_ppm, probe_ppm, outlook.cost_ppm), *reasons)
    return Proposal(wanted_ppm, seen.rate_msat, reasons, state, _if_sent(seen, state), value_ppm)


def _if_sent(seen: Evidence, state: FeeState) -> FeeState:
    return replace(
        reset(state), windows=seen.windows, last_rate_msat=seen.rate_msat, last_rate_error_msat=seen.error_msat
    )


def _as_judged(offer: FeeInput, seen: Evidence, early: Reason | None, policy: FeesConfig, now: float) -> Proposal:
    """What was found at the last look. What wasn't sent then is wanted still: the mode, the governor or the node's
    daily cap may let it pass now.
    """
    fee_ppm, state, known = seen.fee_ppm, seen.state, seen.state.demand
    value_ppm = offer.signals.value_ppm
    if early is not None or known is None or known.fee_ppm != fee_ppm:
        reason = early or why(ReasonCode.JUDGED_LATELY, fee_ppm=fee_ppm, hours=_turn_hours(policy))
        return Proposal(fee_ppm, seen.rate_msat, (reason,), state, reset(state), value_ppm)
    wanted_ppm = _towards(known.best_ppm, fee_ppm, policy)
    hours_ago = round(max(now - known.judged_at, 0.0) / 3600, 1)
    kept = why_kept(known.best_ppm, wanted_ppm, seen, policy)
    if kept or wanted_ppm == fee_ppm:
        judged = why(
            ReasonCode.JUDGED_BEST,
            fee_ppm=fee_ppm,
            hours=_turn_hours(policy),
            hours_ago=hours_ago,
            best_ppm=known.best_ppm,
        )
        return Proposal(fee_ppm, seen.rate_msat, (judged, *kept), state, reset(state), value_ppm)
    waits = why(ReasonCode.JUDGED_WANTED, fee_ppm=fee_ppm, hours_ago=hours_ago, best_ppm=known.best_ppm)
    return Proposal(wanted_ppm, seen.rate_msat, (waits,), state, _if_sent(seen, state), value_ppm)


def _turn_seconds(policy: FeesConfig) -> float:
    return policy.min_interval_seconds / TURNS_PER_INTERVAL


def _turn_hours(policy: FeesConfig) -> float:
    return round(_turn_seconds(policy) / 3600, 1)


def _due(offer: FeeInput, seen: Evidence, policy: FeesConfig, now: float) -> bool:
    """Whether enough time has passed since the last look to judge anew. It costs more than all the rest of a decision,
    and a run every few minutes brings next to nothing new. While the channel was congested nothing was judged.
    """
    known, state = offer.state or seen.state, seen.state
    if known.congested_since_at is not None:
        return True
    turn_seconds = _turn_seconds(policy)
    before, after = known.counted_at - state.window_start_at, now - state.window_start_at
    return before // turn_seconds < after // turn_seconds


def _outlook(offer: FeeInput, seen: Evidence, belief: Belief, policy: FeesConfig, now: float) -> Outlook:
    """What is expected where prices may go as far as a sale is proven."""
    prices = spread_prices(policy.min_ppm, min(dearest_sale_ppm(offer, policy), policy.max_ppm), VALUED_COUNT)
    rates = rates_per_hour(belief, prices)
    volume_msat: Sequence[float] = demand_per_day(seen.windows, offer.signals, rates, now)
    if seen.sold_out:
        at_fee = [rate_per_hour(belief, seen.fee_ppm)]
        [expected_msat] = demand_per_day(seen.windows, offer.signals, at_fee, now)
        volume_msat = shown_per_day(volume_msat, expected_msat, offer.signals)
    signals, channel = offer.signals, offer.channel
    sendable_msat = max(channel.least_capacity_msat - channel.our_reserve_msat - channel.their_reserve_msat, 1)
    inflow_msat, step_msat = signals.inflow.msat_per_day, payment_msat(signals)

    def values(times: float) -> list[float]:
        """From empty to full, at so many times the expected demand."""
        wanted_msat = [msat * times for msat in volume_msat]
        return marginal_values_ppm(prices, wanted_msat, inflow_msat, seen.entry_value_ppm, sendable_msat, step_msat)

    def here(values_ppm: Sequence[float]) -> float:
        return value_at(values_ppm, channel.spendable_msat / sendable_msat)

    expected = values(1.0)
    value_ppm = here(expected)
    return Outlook(
        belief=belief,
        fee_ppm=seen.fee_ppm,
        prices_ppm=prices,
        rates_per_hour=rates,
        cost_ppm=value_ppm - seen.entry_value_ppm,
        value_ppm=value_ppm,
        worth=lambda times: here(values(times)),
        values_ppm=expected,
    )


def _towards(best_ppm: int, fee_ppm: int, policy: FeesConfig) -> int:
    """As far as one update goes on the way to the best price of all. Not the best of what one update reaches: where
    payments refill dear channels, income has two peaks, and who climbs the nearer one never sees the other.
    """
    prices = _prices(fee_ppm, policy)
    return min(max(best_ppm, prices[0]), prices[-1])


def _prices(fee_ppm: int, policy: FeesConfig) -> Sequence[int]:
    """What one update can reach."""
    most = 1.0 + policy.max_step_ratio
    half = PRICE_COUNT // 2
    wished = (round(max(fee_ppm, 1) * most ** (place / half)) for place in range(-half, half + 1))
    return sorted({fee_ppm, *(ppm for ppm in wished if policy.min_ppm <= ppm <= policy.max_ppm)})


def _probe(belief: Belief, best_ppm: int, fee_ppm: int, cost_ppm: float, policy: FeesConfig) -> int | None:
    """The best of the prices that are far enough away to tell something; None where enough is told, or too little was
    paid for that, or the best price is as far anyway.
    """
    if belief.interest_count < SETTLED_COUNT or belief.contrast >= ENOUGH_CONTRAST:
        return None
    times = 1.0 + min(PROBE_RATIO, policy.max_step_ratio)
    # Half of the time at either price, and more can't be told by steps of this length.
    if belief.interest_count * (math.log(times) / 2) ** 2 < ENOUGH_CONTRAST:
        return None
    cheap_ppm, dear_ppm = round(fee_ppm / times), round(fee_ppm * times)
    if not cheap_ppm < best_ppm < dear_ppm:
        return None
    far = [ppm for ppm in _prices(fee_ppm, policy) if not cheap_ppm < ppm < dear_ppm]
    return best_price(belief, far, cost_ppm) if far else None
