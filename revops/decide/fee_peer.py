"""The channels of one peer, decided: one proposal for all of them, and on each what rails and governor make of it."""

from __future__ import annotations

from revops.decide.congested import answer, remember_all, remembered
from revops.decide.fee_channel import decide_channel
from revops.decide.first_fee import first_fee, is_new
from revops.decide.floors import NO_LIMITS, Chain, Limits, limits_of, narrowed
from revops.decide.occupancy import congestion
from revops.decide.openness import could_sell, count_open_time
from revops.decide.peers import PricedPeer
from revops.decide.strategies.base import Proposal, reset
from revops.decide.strategies.memory import own_memory, signed
from revops.decide.strategies.registry import LEARNING, STRATEGIES
from revops.domain.channel import Channel
from revops.domain.decision import FeeDecision, Outcome
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode, says, why
from revops.domain.snapshot import FeeInput
from revops.domain.values import replace


def decide_peer(peer: PricedPeer, chain: Chain, channels: tuple[Channel, ...], now: float) -> list[FeeDecision]:
    """Given the channels of one peer, the chain and all our channels, propose one price for them, and return each one's
    decision before the node's daily cap. New channels get a first fee instead.
    """
    policy = peer.policy
    offer = own_memory(peer.offer, policy.strategy)
    limits = limits_of(offer, peer.members, chain, policy, learns=policy.strategy in LEARNING)
    bounds = narrowed(policy, limits, offer.channel.local_terms.fee_ppm)
    full = congestion(offer.channel, remembered(offer), now)
    proposal = _put_back(offer, policy, now)
    if proposal is None and full is not None:
        proposal = answer(offer, full, bounds, now)
        if proposal.reasons[-1].code is ReasonCode.CONGESTED_HOLD:
            limits = NO_LIMITS  # held is held: a soft floor waits as well
    if proposal is None:
        proposal = STRATEGIES[policy.strategy](offer, bounds, now)
    proposal = signed(remember_all(proposal, full), policy.strategy)
    routable = full is None and could_sell(offer)

    def decide(member: FeeInput, wanted: Proposal) -> FeeDecision:
        first = _decide_first(member, channels, policy, limits, now) if is_new(member, now) else None
        return first or _decide_member(peer, member, wanted, limits, routable, now)

    lead = decide(peer.leader, proposal)
    # What the governor keeps the leader from, the others wait for as well.
    following = replace(proposal, ppm=float(lead.new_ppm if lead.outcome is Outcome.CHANGE else lead.old_ppm))
    return [lead if member is peer.leader else decide(member, following) for member in peer.members]


def _decide_first(
    member: FeeInput, channels: tuple[Channel, ...], policy: FeesConfig, limits: Limits, now: float
) -> FeeDecision | None:
    """A new channel's first fee; None where it asks for about as much already, or may not be raised: then it is
    watched as any other.
    """
    proposal = first_fee(member, channels, policy, now)
    decision = decide_channel(member, proposal, policy, could_sell(member), now, limits=limits, first=True)
    changed = decision.outcome is Outcome.CHANGE and decision.new_ppm != decision.old_ppm
    return decision if changed else None


def _put_back(offer: FeeInput, policy: FeesConfig, now: float) -> Proposal | None:
    """Our own fee again, where the policy wants it put back and somebody has changed it."""
    known, fee_ppm = offer.state, offer.channel.local_terms.fee_ppm
    if policy.external != "overwrite" or known is None or known.fee_ppm == fee_ppm:
        return None
    state = count_open_time(offer, known, now)
    reason = why(ReasonCode.EXTERNAL_OVERWRITTEN, expected_ppm=known.fee_ppm, fee_ppm=fee_ppm)
    return Proposal(known.fee_ppm, 0.0, (reason,), state, reset(state))


def _decide_member(
    peer: PricedPeer, member: FeeInput, proposal: Proposal, limits: Limits, routable: bool, now: float
) -> FeeDecision:
    """One channel of a peer: the peer's proposal on it, by way of the rails and the governor."""
    if member is not peer.leader:
        fee_ppm = member.channel.local_terms.fee_ppm
        state = replace(proposal.state, fee_ppm=fee_ppm)
        aligned = why(
            ReasonCode.ALIGNED, name=peer.leader.channel.name, fee_ppm=peer.leader.channel.local_terms.fee_ppm
        )
        proposal = replace(proposal, reasons=(aligned, *proposal.reasons), state=state)
    put_back = says(proposal.reasons, ReasonCode.EXTERNAL_OVERWRITTEN)
    return decide_channel(member, proposal, peer.policy, routable, now, limits=limits, first=put_back)
