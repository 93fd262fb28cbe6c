"""What a fee decision sees: the channels as the node lists them, with all that the records know of each."""

from __future__ import annotations

from collections.abc import Sequence

from revops.actuate.fee_findings import FeeRecords
from revops.cycle.market import read_market
from revops.cycle.named import Names, near
from revops.cycle.policies import channel_policies
from revops.cycle.session import Session
from revops.cycle.switchback import in_turn
from revops.decide.hindsight import put_right
from revops.decide.lease_promise import bound_base, promise_on
from revops.decide.scoring import signals_of
from revops.domain.ads import PastOffer
from revops.domain.channel import Channel
from revops.domain.experiment import Experiment
from revops.domain.instants import known_past, not_ahead
from revops.domain.policy import FeesConfig
from revops.domain.snapshot import FeeInput, FeeSnapshot, NodeView
from revops.domain.values import replace
from revops.errors import UnknownChannel
from revops.store import ads, fees, signals
from revops.store.earned import Earned, earned_since

NOTHING_EARNED = Earned(0, 0, None, 0.0, 0.0, 0.0, 0.0)


def read_inputs(
    session: Session,
    view: NodeView,
    wanted: Sequence[str],
    records: FeeRecords,
    experiment: Experiment | None = None,
) -> FeeSnapshot:
    """Given the node, the channels that are named (none: all), what is on record about fees, also by this run, and the
    experiment that runs, return what the decision sees. Raise UnknownChannel for a name that is no channel's.

    What a clock that was ahead has left in the records is put right here, before anything is decided on it.
    """
    now = view.taken_at
    selected = [channel for channel in view.channels if channel.live]
    if wanted:
        selected = [channel for channel in view.channels if names(channel) & set(wanted)]
        missing = set(wanted) - {name for channel in selected for name in names(channel)}
        if missing:
            raise UnknownChannel("; ".join(no_such_channel(name, view) for name in sorted(missing)))
    with session.database.read(session.node_key) as tx:
        states = {channel_id: put_right(state, now) for channel_id, state in records.states.items()}
        earned = earned_since(tx, {channel_id: state.window_start_at for channel_id, state in states.items()})
        traffic = signals.load(tx)
        market = read_market(tx, now)
        policies = channel_policies(tx, session.config, selected, now)
        leased = any(channel.lent_msat is not None for channel in selected)
        offers = ads.past_offers(tx) if leased else ()
    inputs = []
    for channel in selected:
        found = earned.get(channel.channel_id, NOTHING_EARNED)
        change = records.changes.get(channel.channel_id)
        changed = change if change is not None and change.old_ppm is not None else None
        external = changed is not None and changed.source == fees.EXTERNAL
        own_changed_at = records.own_changed_at.get(channel.channel_id)
        own_changed_at = None if own_changed_at is None else known_past(own_changed_at, now)
        moments = (None if changed is None else known_past(changed.changed_at, now), own_changed_at)
        policy = policies.get(channel.channel_id)
        known = signals_of(channel.channel_id, channel.peer_id, traffic, now)
        fee_input = FeeInput(
            channel=channel,
            state=states.get(channel.channel_id),
            earned_msat=found.earned_msat,
            earned_count=found.earned_count,
            last_earned_at=found.last_at,
            last_changed_at=max((at for at in moments if at is not None), default=None),
            score_msat=found.score_msat,
            score_error_msat=found.score_error_msat,
            interest_count=found.interest_count,
            settled_interest_count=found.settled_interest_count,
            policy=None if policy is None else policy.fees,
            rules=() if policy is None else policy.rules,
            signals=market.signals(channel, known),
            pin=records.pins.get(channel.channel_id),
            last_own_changed_at=own_changed_at,
            external_since_at=not_ahead(changed.changed_at, now) if changed is not None and external else None,
            sold_msat=market.sold_msat.get(channel.channel_id, 0),
            own_updates_last_day_count=records.update_counts.get(channel.channel_id, 0),
        )
        fee_input = in_turn(fee_input, policy, session.config.fees, experiment, now)
        inputs.append(_bound(fee_input, session.config.fees, offers, view))
    return FeeSnapshot(view, tuple(inputs), sum(records.update_counts.values()), market.feerates)


def _bound(one: FeeInput, fees_policy: FeesConfig, offers: Sequence[PastOffer], view: NodeView) -> FeeInput:
    """A channel with what we promised to its lessee, if it is leased from us."""
    promise = promise_on(one.channel, offers, view.taken_at, view.node.blockheight)
    if promise is None:
        return one
    policy = one.policy or fees_policy
    bound = bound_base(policy, one.channel, promise)
    return replace(one, promise=promise, policy=one.policy if bound == policy else bound)


def names(channel: Channel) -> set[str]:
    """Given a channel, return what a person may call it."""
    return {name for name in (channel.scid, channel.alias_local, channel.channel_id) if name is not None}


def no_such_channel(name: str, view: NodeView) -> str:
    """Given a name that is no channel's, say so, with what is near it."""
    known = (Names(frozenset(names(channel)), channel.peer_id, None) for channel in view.channels)
    return f"no such channel: {name}{near(name, known)}"
