"""The first fee of a new channel: asked for at once, since the node's default is nobody's decision.

A channel that is merely new to us is another thing: somebody has priced it, so it is watched first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from revops.decide.strategies.base import Proposal, propose_price
from revops.decide.strategies.registry import LEARNING, STRATEGIES
from revops.domain.channel import Channel
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode, why
from revops.domain.snapshot import FeeInput

#: A channel counts as new for so long: long enough for a crontab that was off over a weekend.
NEW_SECONDS: Final = 3 * 86_400
#: The chain's clock may be ahead of ours by so much: a block is dated at most two hours ahead (Bitcoin Core,
#: MAX_FUTURE_BLOCK_TIME). A channel of the future beyond that is no new one: our clock has gone back.
SKEW_SECONDS: Final = 2 * 3_600

#: A strategy that learns begins no lower than at this part of `start_ppm`, whatever strangers say: a whole balance is
#: sold for next to nothing before a price has been doubled a few times, and a dear price costs a few days.
TRUSTED_FACTOR: Final = 4


def is_new(one: FeeInput, now: float) -> bool:
    """Given a channel and the time, return whether it was opened lately and nobody has priced it since, or we have
    before the market's price was known.
    """
    provisional = one.state is not None and one.state.provisional and one.signals.market_read
    unpriced = provisional or one.last_own_changed_at is None
    return is_young(one.channel, now) and unpriced and one.external_since_at is None


def is_young(channel: Channel, now: float) -> bool:
    """Given a channel and the time, return whether it was opened lately; never where it isn't dated."""
    return channel.opened_at is not None and -SKEW_SECONDS <= now - channel.opened_at <= NEW_SECONDS


def first_fee(one: FeeInput, channels: Iterable[Channel], policy: FeesConfig, now: float) -> Proposal:
    """Given a new channel and all of ours, propose what it should ask for: what our other channels to the peer do, else
    what its strategy wants if that is a price by itself, else the market's price, else `start_ppm`.
    """
    peer_id = one.channel.peer_id
    others = [other for other in channels if other.peer_id == peer_id and other.live and not is_young(other, now)]
    if others:
        largest = max(others, key=lambda other: (other.capacity_msat, other.channel_id))
        fee_ppm = largest.local_terms.fee_ppm
        return propose_price(one, fee_ppm, why(ReasonCode.FIRST_FEE_PEER, name=largest.name, fee_ppm=fee_ppm), now)
    anchor_ppm = one.signals.anchor_ppm
    if policy.strategy not in LEARNING and policy.strategy != "match_peer":
        proposal = STRATEGIES[policy.strategy](one, policy, now)
        first = why(ReasonCode.FIRST_FEE_STRATEGY, strategy=policy.strategy)
        return replace(proposal, reasons=(first, *proposal.reasons))
    if anchor_ppm is not None:
        least_ppm = policy.min_ppm if policy.strategy == "match_peer" else policy.start_ppm // TRUSTED_FACTOR
        reason = why(
            ReasonCode.FIRST_FEE_ANCHOR, anchor_ppm=anchor_ppm, match_ratio=policy.match_ratio, least_ppm=least_ppm
        )
        return propose_price(one, max(round(anchor_ppm * policy.match_ratio), least_ppm), reason, now)
    proposal = propose_price(one, policy.start_ppm, why(ReasonCode.FIRST_FEE_START, start_ppm=policy.start_ppm), now)
    return replace(proposal, if_sent=replace(proposal.if_sent, provisional=not one.signals.market_read))
