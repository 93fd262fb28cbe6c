"""What a strategy is: one function from what is known of a peer to the fee that it would try next.

To write one: look at `static.py`, which is the shortest, put the function into `registry.py`, and its name into
`Strategy` in `domain/policy.py`. Whatever it returns, also nonsense, the rails make safe. Rules that save grief:

- Propose in ppm from `offer`, `policy` and `now` alone: the same snapshot must give the same plan.
- `state` is what is remembered if nothing is sent, `if_sent` what is remembered if something is; the caller fills the
  fee that came into force into the latter.
- Say why, with the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from revops.decide.openness import count_open_time
from revops.domain.decision import FeeState
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeeInput
from revops.domain.values import replace

#: lightningd accepts the former fee for this long after a raise (setchannel's `enforcedelay`).
EFFECTIVE_AFTER_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A strategy's wish: a fee, why, and what it remembers if nothing is sent and if something is.

    `rate_msat` is what the channel earned per open hour. `value_ppm` is what the strategy knows of the liquidity's
    value; None: nothing of its own. `if_sent` still holds the old fee: the caller fills in the one that the rails let
    through.
    """

    ppm: float
    rate_msat: float
    reasons: tuple[Reason, ...]
    state: FeeState
    if_sent: FeeState
    value_ppm: float | None = None


class Strategy(Protocol):
    """Given what is known of a peer, its policy and the time, propose a fee.

    A peer with several channels comes as one: capacities, balances and earnings added up.
    """

    def __call__(self, offer: FeeInput, policy: FeesConfig, now: float) -> Proposal: ...


def watch(offer: FeeInput, now: float) -> tuple[FeeState, Reason | None]:
    """Given what is known of a peer, return its state counted up to now, and why it starts anew, if it does: it was
    never seen before, or its fee was changed by somebody else.
    """
    fee_ppm = offer.channel.local_terms.fee_ppm
    known = offer.state
    if known is None:
        return fresh(fee_ppm, now), why(ReasonCode.FIRST_SEEN, fee_ppm=fee_ppm)
    state = count_open_time(offer, known, now)
    if known.fee_ppm == fee_ppm:
        return state, None
    changed = why(ReasonCode.EXTERNAL_CHANGE, expected_ppm=known.fee_ppm, fee_ppm=fee_ppm)
    return replace(fresh(fee_ppm, now), idle_open_seconds=state.idle_open_seconds), changed


def fresh(fee_ppm: int, now: float) -> FeeState:
    """Given a fee in force, return the state of one that nothing is known about yet."""
    return FeeState(fee_ppm=fee_ppm, window_start_at=now, counted_at=now)


def reset(state: FeeState) -> FeeState:
    """Given a state, return what of it is remembered under another price; the caller gives it that and a new window."""
    return replace(state, provisional=False) if state.provisional else state


def propose_price(offer: FeeInput, ppm: float, reason: Reason, now: float) -> Proposal:
    """Given the fee that a strategy without a memory wants, and why, return it as a proposal."""
    state, changed = watch(offer, now)
    reasons = (reason,) if changed is None or changed.code is ReasonCode.FIRST_SEEN else (changed, reason)
    open_hours = state.open_seconds / 3600
    rate_msat = offer.earned_msat / open_hours if open_hours > 0 else 0.0
    return Proposal(ppm, rate_msat, reasons, state, reset(state))
