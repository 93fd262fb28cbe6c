"""What a fee does while its channel is congested: it is held, or stepped up where the policy says so.

This takes the strategy's place, for a price learns nothing from a time in which payments found no slot: whatever was
earned in the window is set aside, and a new one begins with each look until the channel has room again. The fee is
raised only where payments of substance leave by the channel; a flood of dust, or slots that are full inwards, which our
fee has no say in, hold it.
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
    state = _set_aside(offer, state, now)
    shown = () if changed is None or changed.code is ReasonCode.FIRST_SEEN else (changed,)
    if policy.congestion == "hold" or not full.shows_demand:
        return Proposal(fee_ppm, rate_msat, (*shown, _held(full, now)), state, reset(state))
    step = min(state.step_ratio, policy.max_step_ratio)
    change_ppm = max(round(fee_ppm * step), dead_band_ppm(fee_ppm, policy))
    return Proposal(fee_ppm + change_ppm, rate_msat, (*shown, _raised(full, step, now)), state, reset(state))


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


def _set_aside(offer: FeeInput, state: FeeState, now: float) -> FeeState:
    """The state with a window that begins now, and no more idle time than before: it is not the price's fault."""
    idle_open_seconds = state.idle_open_seconds
    if offer.state is not None:
        idle_open_seconds = min(idle_open_seconds, offer.state.idle_open_seconds)
    window_start_at = max(state.window_start_at, now)
    return replace(state, window_start_at=window_start_at, open_seconds=0.0, idle_open_seconds=idle_open_seconds)


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
