"""Whose memory it is. A channel's strategy can change: by the operator, by a rule that begins to match, or block by
block in an experiment.

What a price has brought is true whoever has set it: the prices tried, the window of the one in force, idle time. Which
way a search was going, how long its steps were, what it compares with, and that it sleeps, is its own: another strategy
has moved the price since, so that it would turn on a comparison that nobody made, or sleep through a window that isn't
the one it fell asleep in. So a strategy that takes over from another starts its search anew, with all that is known.
"""

from __future__ import annotations

from revops.decide.strategies.base import Proposal
from revops.domain.decision import FeeState
from revops.domain.snapshot import FeeInput
from revops.domain.values import replace


def own_memory(offer: FeeInput, strategy: str) -> FeeInput:
    """Given a peer and the strategy that prices it now, return the peer without what another one has left of itself."""
    state = offer.state
    if state is None or state.strategy in ("", strategy):
        return offer
    shared = FeeState(
        fee_ppm=state.fee_ppm,
        window_start_at=state.window_start_at,
        counted_at=state.counted_at,
        open_seconds=state.open_seconds,
        idle_open_seconds=state.idle_open_seconds,
        congested_since_at=state.congested_since_at,
        windows=state.windows,
        provisional=state.provisional,
        strategy=strategy,
    )
    return replace(offer, state=shared)


def signed(proposal: Proposal, strategy: str) -> Proposal:
    """Given a strategy's proposal, return it with its name under what it remembers."""
    if proposal.state.strategy == proposal.if_sent.strategy == strategy:
        return proposal
    return replace(
        proposal,
        state=replace(proposal.state, strategy=strategy),
        if_sent=replace(proposal.if_sent, strategy=strategy),
    )
