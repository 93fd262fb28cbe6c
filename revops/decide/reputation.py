"""Whom to believe: how often a peer's payments succeed, as their sender and as their receiver.

A forward that settled speaks for the peer that sent it and for the one that took it on; one that failed beyond us
speaks against both, since we can't tell whose fault it was. What we refused ourselves (`local_failed`: no liquidity, a
fee that had changed) is nobody's fault but ours. An earlier tool charged that to the sender, counted in whole numbers
that lost 1 an hour however large they were, and counted replayed events twice; here counts are floats that fade by wall
time.

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


def counted(have: Reputation, forward: FinalForward, role: Role) -> Reputation:
    """Given a peer's reputation in a role and a forward in which it had that role, return the reputation with it.

    How long a payment took is its receiver's doing. A forward from before `updated_at` counts as much as is left of it
    by then, so that the order doesn't matter.
    """
    status = forward.status
    if status is not ForwardStatus.SETTLED and status is not ForwardStatus.FAILED:
        return have
    success, failure, hold_log, hold_weight, updated_at = have
    left, share = faded(forward.counted_at - updated_at, REPUTATION_HALF_LIFE_SECONDS)
    succeeded = share if status is ForwardStatus.SETTLED and forward.amount_msat >= TINY_MSAT else 0.0
    failed = share if status is ForwardStatus.FAILED else 0.0
    hold_log, hold_weight = hold_log * left, hold_weight * left
    if role is Role.RECEIVER and forward.hold_seconds is not None:
        hold_log += share * math.log1p(max(forward.hold_seconds, 0.0))
        hold_weight += share
    return Reputation(
        success * left + succeeded,
        failure * left + failed,
        hold_log,
        hold_weight,
        max(updated_at, forward.counted_at),
    )


def hold_seconds_of(reputation: Reputation) -> float | None:
    """Given a receiver's reputation, return how long it typically holds a payment; None where none is remembered.

    The mean is one of logarithms: where nineteen payments took 2 s and one hung for a day, it says 4 s, a plain mean
    more than an hour. Seconds are counted from 1 up, so that instant ones have a logarithm.
    """
    if reputation.hold_weight <= 0.0:
        return None
    return math.expm1(reputation.hold_log / reputation.hold_weight)
