"""What a price has shown: what strategies that try prices decide on.

A price is judged by the time in which the channel could have forwarded, by how many payments wanted it then, and by
what they brought, net of the liquidity that they used up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from revops.decide.openness import could_route, could_sell
from revops.decide.proven import believed_interest, sale_price_ppm
from revops.decide.value import value_ppm
from revops.domain.decision import FeeState, PriceWindow
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeeInput

#: So many prices are remembered: two weeks of them at two a day.
WINDOW_COUNT: Final = 30
#: Less than the interest of one settled payment of 1,000 sat is dust, which its sender gets for nothing: no revenue,
#: however many payments failed beside it.
LEAST_INTEREST_COUNT: Final = 0.04


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a peer at its price: `windows` are the prices before it and itself, the oldest first.

    `routable` is whether a payment could get there and leave now; `sold_out` whether it could get there only. One that
    none can get to, or whose peer is away, is neither, and nothing is to be learnt there.
    """

    fee_ppm: int
    state: FeeState
    routable: bool
    sold_out: bool
    rate_msat: float
    error_msat: float
    interest_count: float
    earned_count: int
    value_ppm: float
    entry_value_ppm: float
    windows: tuple[PriceWindow, ...]


def look(offer: FeeInput, state: FeeState, policy: FeesConfig, now: float) -> Evidence:
    """Given a peer, its state counted up to now and its policy, return what its price has shown."""
    fee_ppm = state.fee_ppm
    open_hours = state.open_seconds / 3600
    rate_msat, error_msat = _rate(offer, open_hours)
    interest_count, paid_count = believed_interest(offer)
    windows = state.windows
    if open_hours > 0:
        windows = (*windows, PriceWindow(now, fee_ppm, open_hours, interest_count))[-WINDOW_COUNT:]
    return Evidence(
        fee_ppm=fee_ppm,
        state=state,
        routable=could_sell(offer),
        sold_out=offer.reachable and offer.channel.usable and not could_route(offer.channel),
        rate_msat=rate_msat,
        error_msat=error_msat,
        interest_count=interest_count,
        earned_count=offer.earned_count if paid_count >= LEAST_INTEREST_COUNT else 0,
        value_ppm=value_ppm(offer.signals, offer.channel.spendable_msat, sale_price_ppm(offer, policy)),
        entry_value_ppm=offer.signals.entry_value_ppm,
        windows=windows,
    )


def _rate(offer: FeeInput, open_hours: float) -> tuple[float, float]:
    """The net income per open hour in msat, and its Poisson error."""
    if open_hours <= 0:
        return 0.0, 0.0
    score_msat = float(offer.earned_msat) if offer.score_msat is None else offer.score_msat
    error_msat = offer.score_error_msat
    if error_msat is None:
        error_msat = abs(score_msat) / math.sqrt(offer.earned_count) if offer.earned_count else 0.0
    return score_msat / open_hours, error_msat / open_hours


def too_early(seen: Evidence, policy: FeesConfig, now: float) -> Reason | None:
    """Given the evidence, return why its price isn't judged yet; None when it can be.

    A clock that went back shows windows without their payments: nothing is judged until it has caught up.
    """
    if now >= seen.state.counted_at and _ripe(seen, policy, now):
        return None
    return why(
        ReasonCode.OBSERVING,
        fee_ppm=seen.fee_ppm,
        open_hours=round(seen.state.open_seconds / 3600, 1),
        needed_hours=round(policy.min_interval_seconds / 3600, 1),
        forward_count=seen.earned_count,
    )


def _ripe(seen: Evidence, policy: FeesConfig, now: float) -> bool:
    """Whether the price has been seen long enough: open for the interval, or in force for it on a channel that can't
    route for want of the liquidity that payments ask for. Where none can get to, or the peer is away, no time
    tells anything.
    """
    if not seen.sold_out or seen.value_ppm <= 0:
        return seen.state.open_seconds >= policy.min_interval_seconds
    return now - seen.state.window_start_at >= policy.min_interval_seconds
