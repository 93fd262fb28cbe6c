"""What a fee does while its channel is congested: it is held, or stepped up where the policy says so.

This takes the strategy's place, and want of revenue is not the price's fault meanwhile: the time doesn't count as idle.
What was seen before still counts, or who fills the slots every few hours, which costs next to nothing, would keep a
price from ever being judged. For the same reason the time counts as open where one more payment could leave: those that
did count as well, and who holds a few hundred dust payments while a price is dear, in either direction, would make it
look as if as many times the customers paid it. The fee is raised only where payments of substance leave by the channel;
a flood of dust, or slots that are full inwards, which our fee has no say in, hold it.
"""

from __future__ import annotations

from revops.decide.governor import dead_band_ppm
from revops.decide.occupancy import Congestion, direction_word, percent
from revops.decide.strategies.base import Proposal, reset, watch
from revops.domain.decision import FeeState
from revops.domain.policy import FeesConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeeInput
from revops.domain.values import replace


def answer(offer: FeeInput, full: Congestion, policy: FeesConfig, now: float) -> Proposal:
    """Given a peer whose channel is congested, and the policy, propose the fee in force or one step above it."""
    fee_ppm = offer.channel.local_terms.fee_ppm
    state, changed = watch(offer, now)
    open_hours = state.open_seconds / 3600
    rate_msat = offer.earned_msat / open_hours if open_hours > 0 else 0.0
    state = _not_idle(offer, state)
    # What a strategy knows of the liquidity's value is as true as at its last look.
    value_ppm = None if state.demand is None else offer.signals.value_ppm
    shown = () if changed is None or changed.code is ReasonCode.FIRST_SEEN else (changed,)
    if policy.congestion == "hold" or not full.shows_demand:
        return Proposal(fee_ppm, rate_msat, (*shown, _held(full, now)), state, reset(state), value_ppm)
    step = min(state.step_ratio, policy.max_step_ratio)
    change_ppm = max(round(fee_ppm * step), dead_band_ppm(fee_ppm, policy))
    raised = (*shown, _raised(full, step, now))
    return Proposal(fee_ppm + change_ppm, rate_msat, raised, state, reset(state), value_ppm)


def remember(state: FeeState, full: Congestion | None) -> FeeState:
    """Given a state and how congested its channel is, return it with the moment since when it has been."""
    since_at = None if full is None else full.since_at
    return state if state.congested_since_at == since_at else replace(state, congested_since_at=since_at)


def remember_all(proposal: Proposal, full: Congestion | None) -> Proposal:
    """Given a proposal and how congested its channel is, return it with both of its states remembering that."""
    state, if_sent = remember(proposal.state, full), remember(proposal.if_sent, full)
    if state is proposal.state and if_sent is proposal.if_sent:
        return proposal
    return replace(proposal, state=state, if_sent=if_sent)


def remembered(offer: FeeInput) -> float | None:
    """Given what is known of a channel, return since when it was congested at the last look; None if it wasn't."""
    return None if offer.state is None else offer.state.congested_since_at


def _not_idle(offer: FeeInput, state: FeeState) -> FeeState:
    """The state with no more idle time than at the last look."""
    known = offer.state
    if known is None or state.window_start_at != known.window_start_at:
        return state  # a window that has just begun
    return replace(state, idle_open_seconds=min(state.idle_open_seconds, known.idle_open_seconds))


def _held(full: Congestion, now: float) -> Reason:
    return why(
        ReasonCode.CONGESTED_HOLD,
        direction=direction_word(full),
        since_hours=_since_hours(full, now),
        cause=full.cause,
        slot_percent=percent(full.fill.slot_ratio),
        value_percent=percent(full.fill.value_ratio),
    )


def _raised(full: Congestion, step: float, now: float) -> Reason:
    return why(
        ReasonCode.CONGESTED_RAISE,
        direction=direction_word(full),
        since_hours=_since_hours(full, now),
        cause=full.cause,
        slot_percent=percent(full.fill.slot_ratio),
        value_percent=percent(full.fill.value_ratio),
        step_percent=round(step * 100, 1),
    )


def _since_hours(full: Congestion, now: float) -> float:
    return round(max(now - full.since_at, 0.0) / 3600, 1)
