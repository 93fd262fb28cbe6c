"""Whom to believe: how often a peer's payments succeed, as their sender and as their receiver.

A forward that settled speaks for the peer that sent it and for the one that took it on; one that failed beyond us
speaks against both, since we can't tell whose fault it was. What we refused ourselves (`local_failed`: no liquidity, a
fee that had changed) is nobody's fault but ours; how much it may prove is another matter (`belief.py`). An earlier tool
charged that to the sender, counted in whole numbers that lost 1 an hour however large they were, and counted replayed
events twice; here counts are floats that fade by wall time.

The score is Laplace's rule of succession, (s + 1) / (s + f + 2): 1/2 for a stranger, and always between 0 and 1.
"""

from __future__ import annotations

import math
from typing import Final

from revops.domain.forward import ForwardStatus
from revops.domain.traffic import REPUTATION_HALF_LIFE_SECONDS, FinalForward, Reputation, Role, faded, remaining

#: A payment below 1,000 sat costs its sender next to nothing at any fee: a good name can't be bought with many of them,
#: though their failures count, since probes look like that.
TINY_MSAT: Final = 1_000_000
#: Wallets try route after route until one works, so that of an honest sender's payments most may fail here. A sender is
#: believed in full down to one success in four: a stranger (1/2) and an ordinary sender lose nothing, which would only
#: shrink every figure by the same factor, and one that only probes or jams (1/50) loses nearly everything.
FULL_TRUST_SCORE: Final = 0.25
#: Below that, trust falls steeply: a sender with one success in fifty could else make up by numbers what it lost in
#: weight.
DISTRUST_POWER: Final = 3
#: Less than half a payment that is remembered and believed tells nothing: a mean doesn't show how little stands behind
#: it.
LEAST_HOLD_WEIGHT: Final = 0.5
#: A peer that nothing is known of.
STRANGER: Final = Reputation()


def score_of(reputation: Reputation) -> float:
    """Given what is left of a peer's successes and failures, return the chance that its next payment succeeds."""
    return (reputation.success + 1.0) / (reputation.success + reputation.failure + 2.0)


def weight_of(reputation: Reputation, at: float) -> float:
    """Given a sender's reputation and the time, return how much a payment of its counts then, above 0 and up to 1."""
    left = remaining(at - reputation.updated_at, REPUTATION_HALF_LIFE_SECONDS)
    success, failure = reputation.success * left, reputation.failure * left
    return float(min(1.0, (success + 1.0) / (success + failure + 2.0) / FULL_TRUST_SCORE) ** DISTRUST_POWER)


def counted(have: Reputation, forward: FinalForward, role: Role, belief: float = 1.0) -> Reputation:
    """Given a peer's reputation in a role, a forward in which it had that role, and how much that is believed, return
    the reputation with it.

    A forward from before `updated_at` counts as much as is left of it by then, so that the order doesn't matter (but to
    what is believed).
    """
    status = forward.status
    paid = status is ForwardStatus.SETTLED and forward.amount_msat >= TINY_MSAT
    wished_msat = belief * forward.amount_msat if role is Role.SENDER and status is not ForwardStatus.SETTLED else 0.0
    if status is ForwardStatus.OFFERED or (status is ForwardStatus.LOCAL_FAILED and wished_msat <= 0.0):
        return have
    success, failure, hold_log, hold_weight, updated_at, settled_msat, unsettled_msat = have
    left, share = faded(forward.counted_at - updated_at, REPUTATION_HALF_LIFE_SECONDS)
    hold_log_more, hold_weight_more = _hold(forward, belief) if role is Role.RECEIVER else (0.0, 0.0)
    return Reputation(
        success * left + (share if paid else 0.0),
        failure * left + (share if status is ForwardStatus.FAILED else 0.0),
        hold_log * left + share * hold_log_more,
        hold_weight * left + share * hold_weight_more,
        max(updated_at, forward.counted_at),
        settled_msat * left + (share * forward.amount_msat if paid and role is Role.SENDER else 0.0),
        unsettled_msat * left + share * wished_msat,
    )


def _hold(forward: FinalForward, belief: float) -> tuple[float, float]:
    """How long a payment took is its receiver's doing; but a tiny one, or a spammer's, must not price a peer."""
    if forward.hold_seconds is None or forward.amount_msat < TINY_MSAT or forward.status is ForwardStatus.LOCAL_FAILED:
        return 0.0, 0.0
    return belief * math.log1p(max(forward.hold_seconds, 0.0)), belief


def hold_seconds_of(reputation: Reputation) -> float | None:
    """Given a receiver's reputation, return how long it typically holds a payment; None where too little is remembered.

    The mean is one of logarithms: where nineteen payments took 2 s and one hung for a day, it says 4 s, a plain mean
    more than an hour. Seconds are counted from 1 up, so that instant ones have a logarithm.
    """
    if reputation.hold_weight < LEAST_HOLD_WEIGHT:
        return None
    return math.expm1(reputation.hold_log / reputation.hold_weight)
