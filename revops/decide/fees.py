"""`fees adjust`, decided: snapshot and policy in, one decision a channel out.

The path of each channel: strategy, rails, governor, and whatever suspends writing altogether (observe mode, reserve,
a node that syncs). Nothing here sends anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from revops.decide.chain_floor import chain_rate
from revops.decide.congested import answer, remember, remember_all, remembered
from revops.decide.experiment import reason_of
from revops.decide.fee_decision import author_of, decision_on, wish
from revops.decide.first_fee import first_fee, is_new
from revops.decide.floors import NO_LIMITS, Chain, Limits, limits_of, narrowed
from revops.decide.governor import cap, gate
from revops.decide.node_ratio import node_ratio
from revops.decide.occupancy import congestion
from revops.decide.openness import could_sell, count_open_time, unreachable_peers
from revops.decide.peers import PricedPeer, price_together
from revops.decide.rails import apply_rails
from revops.decide.strategies.base import Proposal, propose_price, reset
from revops.decide.strategies.memory import own_memory, signed
from revops.decide.strategies.registry import LEARNING, STRATEGIES
from revops.decide.valve import LEVEL_COUNT, wanted_step
from revops.domain.channel import Channel
from revops.domain.decision import FeeDecision, FeePlan, Outcome
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, says, why
from revops.domain.snapshot import FeeInput, FeePin, FeeSnapshot
from revops.domain.units import sat_floor
from revops.domain.values import replace

_HOUR_SECONDS = 3_600
_ERROR_LENGTH = 200


def decide_fees(snapshot: FeeSnapshot, policy: FeesConfig, suspended: tuple[Reason, ...] = ()) -> FeePlan:
    """Given a snapshot, the policy and what suspends writing, return what to do with each channel's fee.

    The plan is ordered by channel_id and depends on nothing but the arguments.
    """
    now = snapshot.view.taken_at
    decisions: list[FeeDecision] = []
    priced: list[FeeInput] = []
    unreachable = unreachable_peers(snapshot.view.channels)
    for fee_input in sorted(snapshot.inputs, key=lambda fee_input: fee_input.channel.channel_id):
        if fee_input.channel.peer_id in unreachable:
            fee_input = replace(fee_input, reachable=False)
        own_policy = fee_input.policy or policy
        alone = _safely((fee_input,), own_policy, partial(_decide_alone, fee_input, own_policy, now))
        decisions += alone
        if not alone:
            priced.append(fee_input)
    samples = snapshot.feerates
    chain = Chain() if samples is None else Chain(chain_rate(samples, now), sampled=True)
    market_ratio = node_ratio(priced)
    for peer in price_together((replace(one, market_ratio=market_ratio) for one in priced), policy):
        decide = partial(decide_peer, peer, chain, snapshot.view.channels, now)
        decisions += _safely(peer.members, peer.policy, decide)
    decisions.sort(key=lambda decision: decision.channel_id)
    decisions = cap(decisions, snapshot.updates_last_day_count, policy)
    notes = {one.channel.channel_id: tuple(_notes(one)) for one in priced}
    decisions = [_noted(decision, notes.get(decision.channel_id, ())) for decision in decisions]
    if suspended:
        decisions = [_suspend(decision, suspended) for decision in decisions]
    return FeePlan(taken_at=now, decisions=tuple(decisions))


def _decide_alone(fee_input: FeeInput, policy: FeesConfig, now: float) -> list[FeeDecision]:
    """A channel that no strategy looks at, or whose fee the operator has set; none where a strategy prices it."""
    left_alone = _left_alone(fee_input, policy, now)
    if left_alone is not None:
        return [_leave(fee_input, policy, left_alone, now)]
    return [] if fee_input.pin is None else [_decide_pinned(fee_input, fee_input.pin, policy, now)]


def _left_alone(fee_input: FeeInput, policy: FeesConfig, now: float) -> Reason | None:
    """Why no strategy looks at a channel at all; None where one does."""
    channel = fee_input.channel
    if fee_input.pin is None and policy.strategy == "off":
        return why(ReasonCode.STRATEGY_OFF)
    if not channel.live:
        return why(ReasonCode.NOT_USABLE, state=channel.state)
    if fee_input.pin is None and policy.external == "respect" and fee_input.external_since_at is not None:
        age_hours = round(max(now - fee_input.external_since_at, 0) / _HOUR_SECONDS, 1)
        return why(ReasonCode.EXTERNAL_RESPECTED, fee_ppm=channel.local_terms.fee_ppm, age_hours=age_hours)
    return None


def _leave(fee_input: FeeInput, policy: FeesConfig, reason: Reason, now: float) -> FeeDecision:
    """A channel that no strategy looks at; whether it is congested is remembered all the same."""
    state = fee_input.state
    if state is not None:
        state = remember(state, congestion(fee_input.channel, state.congested_since_at, now))
    return decision_on(fee_input, policy, (reason,), state)


def _safely(
    members: tuple[FeeInput, ...], policy: FeesConfig, decide: Callable[[], list[FeeDecision]]
) -> list[FeeDecision]:
    """What is decided on these channels; where that raises, they stay as they are, and the others get their turn."""
    try:
        return decide()
    except Exception as error:  # noqa: BLE001  one peer's misfortune must not stop the rest; the run says so at its end
        message = f"{type(error).__name__}: {error}"[:_ERROR_LENGTH]
        return [_leave_failed(member, policy, message) for member in members]


def _leave_failed(member: FeeInput, policy: FeesConfig, message: str) -> FeeDecision:
    reason = why(ReasonCode.STRATEGY_FAILED, strategy=author_of(member, policy), error=message)
    return decision_on(member, policy, (reason,), member.state)


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
    decision = _decide(member, proposal, policy, could_sell(member), now, limits=limits, first=True)
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
    return _decide(member, proposal, peer.policy, routable, now, limits=limits, first=put_back)


def _decide_pinned(fee_input: FeeInput, pin: FeePin, policy: FeesConfig, now: float) -> FeeDecision:
    """A channel whose fee the operator has set: no strategy, but rails and governor all the same."""
    left_hours = None if pin.until_at is None else round(max(pin.until_at - now, 0) / _HOUR_SECONDS, 1)
    span = "until it is released" if left_hours is None else f"for {left_hours} h more"
    proposal = propose_price(fee_input, pin.ppm, why(ReasonCode.PINNED, pin_ppm=pin.ppm, span=span), now)
    full = congestion(fee_input.channel, remembered(fee_input), now)
    proposal = remember_all(proposal, full)
    routable = full is None and could_sell(fee_input)
    return _decide(fee_input, proposal, policy, routable, now, forced=pin.forced)


def _decide(
    fee_input: FeeInput,
    proposal: Proposal,
    policy: FeesConfig,
    routable: bool,
    now: float,
    *,
    limits: Limits = NO_LIMITS,
    forced: bool = False,
    first: bool = False,
) -> FeeDecision:
    """Rails and governor on a proposal. `forced` passes all of them but the bounds and the node's daily cap, `first`
    (also a fee that is put back) the step limit. What the operator has set by hand has no soft limits.
    """
    terms = fee_input.channel.local_terms
    new_ppm, railed = apply_rails(
        terms.fee_ppm,
        proposal.ppm,
        proposal.state.idle_open_seconds,
        routable,
        policy,
        limits=limits,
        worth_ppm=fee_input.signals.value_ppm if proposal.value_ppm is None else proposal.value_ppm,
        forced=forced,
        first=first,
    )
    reasons = (*proposal.reasons, *railed, *limits.notes)
    if terms.fee_base_msat != policy.base_msat:
        base = why(ReasonCode.BASE_FEE, base_msat=terms.fee_base_msat, wanted_base_msat=policy.base_msat)
        reasons = (*reasons, base)
    htlc_max_msat, turned = _valve(fee_input.channel, policy)
    decision = wish(fee_input, policy, proposal, new_ppm, htlc_max_msat, (*reasons, *turned), now)
    return gate(decision, fee_input, policy, now, forced=forced)


def _valve(channel: Channel, policy: FeesConfig) -> tuple[int | None, tuple[Reason, ...]]:
    """The largest payment that the valve should let through, and why; None where it stays."""
    step = wanted_step(channel) if policy.htlc_max == "valve" else None
    if step is None:
        return None, ()
    reason = why(
        ReasonCode.HTLC_MAX,
        local_percent=round(channel.local_ratio * 100),
        old_sat=sat_floor(channel.local_terms.htlc_max_msat),
        new_sat=sat_floor(step.htlc_max_msat),
        level=step.level,
        level_count=LEVEL_COUNT,
    )
    return step.htlc_max_msat, (reason,)


def _notes(one: FeeInput) -> Iterator[Reason]:
    """What a reader should know beside the price: nobody can get here, an experiment has chosen the strategy."""
    if not one.reachable:
        yield why(ReasonCode.UNREACHABLE)
    if one.turn is not None:
        yield reason_of(one.turn)


def _noted(decision: FeeDecision, notes: tuple[Reason, ...]) -> FeeDecision:
    return replace(decision, reasons=(*decision.reasons, *notes)) if notes else decision


def _suspend(decision: FeeDecision, suspended: tuple[Reason, ...]) -> FeeDecision:
    if decision.outcome is not Outcome.CHANGE:
        return decision
    return replace(decision, outcome=Outcome.DEFER, reasons=(*decision.reasons, *suspended))
