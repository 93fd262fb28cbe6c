"""A decision on a channel's fee as a value: to leave it as it is, or what is wished and what it would do."""

from __future__ import annotations

import math

from revops.decide.proven import sale_price_ppm
from revops.decide.rails import sane
from revops.decide.strategies.base import EFFECTIVE_AFTER_SECONDS, Proposal
from revops.decide.value import value_ppm
from revops.domain.decision import FeeDecision, FeeState, Outcome
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason
from revops.domain.snapshot import FeeInput
from revops.domain.units import MAX_MSAT
from revops.domain.values import replace


def author_of(fee_input: FeeInput, policy: FeesConfig) -> str:
    """Given a channel and its policy, return whose price it has: a strategy's, or that of the operator's pin."""
    return "pin" if fee_input.pin is not None else policy.strategy


def decision_on(
    fee_input: FeeInput,
    policy: FeesConfig,
    reasons: tuple[Reason, ...],
    state: FeeState | None,
    *,
    outcome: Outcome = Outcome.SKIP,
    proposed_ppm: int | None = None,
    new_ppm: int | None = None,
    new_base_msat: int | None = None,
    expected_gain_msat: int = 0,
    state_if_sent: FeeState | None = None,
    new_htlc_max_msat: int | None = None,
    known_value_ppm: float | None = None,
) -> FeeDecision:
    """Given a channel, its policy, reasons, and its state, return the decision: what isn't given stays as it is."""
    channel = fee_input.channel
    terms = channel.local_terms
    author = author_of(fee_input, policy)
    return FeeDecision(
        channel_id=channel.channel_id,
        peer_id=channel.peer_id,
        name=channel.name,
        strategy=author,
        outcome=outcome,
        old_ppm=terms.fee_ppm,
        proposed_ppm=terms.fee_ppm if proposed_ppm is None else proposed_ppm,
        new_ppm=terms.fee_ppm if new_ppm is None else new_ppm,
        old_base_msat=terms.fee_base_msat,
        new_base_msat=terms.fee_base_msat if new_base_msat is None else new_base_msat,
        expected_gain_msat=expected_gain_msat,
        reasons=reasons,
        state=_of_author(state, author),
        state_if_sent=_of_author(state_if_sent, author),
        rules=fee_input.rules,
        min_ppm=policy.min_ppm,
        max_ppm=policy.max_ppm,
        value_ppm=value_ppm(fee_input.signals, channel.spendable_msat, sale_price_ppm(fee_input, policy))
        if known_value_ppm is None
        else known_value_ppm,
        old_htlc_max_msat=terms.htlc_max_msat,
        new_htlc_max_msat=new_htlc_max_msat,
    )


def _of_author(state: FeeState | None, author: str) -> FeeState | None:
    """What is remembered, without the figures of demand where nobody keeps them up to date any more."""
    if state is None or state.demand is None or author == "demand":
        return state
    return replace(state, demand=None)


def wish(
    fee_input: FeeInput,
    policy: FeesConfig,
    proposal: Proposal,
    new_ppm: int,
    new_htlc_max_msat: int | None,
    reasons: tuple[Reason, ...],
    now: float,
) -> FeeDecision:
    """Given a proposal, and what the rails left of it, return the change that it asks for; a skip where it asks for
    what is in force.
    """
    terms = fee_input.channel.local_terms
    same_fee = (new_ppm, policy.base_msat) == (terms.fee_ppm, terms.fee_base_msat)
    state_if_sent = _state_if_sent(proposal, terms.fee_ppm, new_ppm, now)
    if same_fee and new_htlc_max_msat is not None:
        state_if_sent = proposal.state  # only the valve is turned: the price goes on, and what is learnt of it
    return decision_on(
        fee_input,
        policy,
        reasons,
        proposal.state,
        outcome=Outcome.SKIP if same_fee and new_htlc_max_msat is None else Outcome.CHANGE,
        proposed_ppm=sane(proposal.ppm, terms.fee_ppm),
        new_ppm=new_ppm,
        new_base_msat=policy.base_msat,
        expected_gain_msat=_expected_gain_msat(terms.fee_ppm, new_ppm, proposal),
        state_if_sent=state_if_sent,
        new_htlc_max_msat=new_htlc_max_msat,
        known_value_ppm=proposal.value_ppm,
    )


def _state_if_sent(proposal: Proposal, old_ppm: int, new_ppm: int, now: float) -> FeeState:
    """What the strategy remembers once `new_ppm` is in force. Its direction is the one that the rails left."""
    direction = proposal.if_sent.direction
    if new_ppm != old_ppm:
        direction = 1 if new_ppm > old_ppm else -1
    return replace(
        proposal.if_sent,
        fee_ppm=new_ppm,
        direction=direction,
        window_start_at=now + EFFECTIVE_AFTER_SECONDS,
        counted_at=now,
        open_seconds=0.0,
    )


def _expected_gain_msat(old_ppm: int, new_ppm: int, proposal: Proposal) -> int:
    """A day's income times the size of the step: only good for ranking changes under the cap. At most all the bitcoin
    there is, which a database can hold.
    """
    if new_ppm == old_ppm or not math.isfinite(proposal.rate_msat):
        return 0
    gain_msat = proposal.rate_msat * 24 * abs(new_ppm - old_ppm) / max(old_ppm, 1)
    return int(min(max(gain_msat, -MAX_MSAT), MAX_MSAT))
