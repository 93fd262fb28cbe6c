"""What was promised to those who lease from us: the ceiling of routing fees that stood in our offer when they took it.

The node tells that a channel was leased, and not at what promise. That is what our own records say: the lowest that was
offered in the time in which it may have been agreed on. Where they say nothing (the offer was somebody else's), the fee
in force isn't raised as long as the lease runs: no figure, no raise.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from msgspec.structs import replace

from revops.decide.ads_limits import AHEAD_BLOCKS, lease_end
from revops.domain.ads import LEASE_BLOCKS, LeasePromise, LeaseRates, PastOffer
from revops.domain.channel import Channel
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why

#: A transaction that isn't mined for two weeks is given up (BOLT 2: 2016 blocks).
LONGEST_OPENING_SECONDS: Final = 2_016 * 600.0
#: As long as a lease may run from its block on.
_LONGEST_BLOCKS: Final = LEASE_BLOCKS + AHEAD_BLOCKS


def promise_on(channel: Channel, offers: Sequence[PastOffer], now: float, blockheight: int) -> LeasePromise | None:
    """Given a channel, what was ever offered, the oldest first, the time and the block height, return what was promised
    on it; None where no lease of ours runs.
    """
    if channel.lent_msat is None:
        return None
    end = lease_end(channel)
    left_blocks = _LONGEST_BLOCKS if end is None else end - blockheight
    if left_blocks <= 0:
        return None
    known = list(_offered(offers, _agreed_by(channel, now, left_blocks)))
    if not known:
        return LeasePromise(None, None, left_blocks)
    return LeasePromise(
        min(rates.max_base_msat for rates in known), min(rates.promised_ppm for rates in known), left_blocks
    )


def _agreed_by(channel: Channel, now: float, left_blocks: int) -> float:
    """When it was agreed on at the latest: it was usable from then on, or its block was mined."""
    if channel.opened_at is not None:
        return float(channel.opened_at)
    return now - (_LONGEST_BLOCKS - left_blocks) * 600.0


def _offered(offers: Sequence[PastOffer], until_at: float) -> Iterable[LeaseRates]:
    """What stood at any time of the opening: what was offered in it, and last before it, and what the first change
    after it found: a node that was started anew offers what its own configuration says until the next run.
    """
    since_at = until_at - LONGEST_OPENING_SECONDS
    before = [offer for offer in offers if offer.at <= since_at]
    during = [offer for offer in offers if since_at < offer.at <= until_at]
    after = [offer for offer in offers if offer.at > until_at]
    for offer in before[-1:]:
        yield from offer.rates
    for offer in during:
        yield from (*offer.before, *offer.rates)
    for offer in after[:1]:
        yield from offer.before


def bound_base(policy: FeesConfig, channel: Channel, promise: LeasePromise | None) -> FeesConfig:
    """Given a channel's policy and what was promised on it, return the policy with a base fee that keeps it."""
    if promise is None:
        return policy
    most_msat = channel.local_terms.fee_base_msat if promise.base_msat is None else promise.base_msat
    return policy if policy.base_msat <= most_msat else replace(policy, base_msat=most_msat)


def promised_ppm(promise: LeasePromise | None, current_ppm: int) -> tuple[int, Reason] | None:
    """Given what was promised, and the fee in force, return the highest fee that keeps it, and why; None where nothing
    was promised.
    """
    if promise is None:
        return None
    if promise.ppm is None:
        return current_ppm, why(ReasonCode.LEASE_UNKNOWN, left_blocks=promise.left_blocks, fee_ppm=current_ppm)
    return promise.ppm, why(ReasonCode.LEASE_CEILING, left_blocks=promise.left_blocks, promised_ppm=promise.ppm)
