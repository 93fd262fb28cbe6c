"""`revops fees adjust`, `fees set` and `fees unset`: read, decide, act, record, export."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from revops.actuate.fees import DryJournal, FeeJournal, FeeOutcome, StoreJournal, apply_fees, reconcile_fees
from revops.cycle.ingest import Synced
from revops.cycle.session import Clock, Session, open_session
from revops.decide.fees import decide_fees
from revops.decide.scoring import signals_of
from revops.domain.channel import Channel
from revops.domain.decision import FeePlan
from revops.domain.options import CommonOptions
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.record import FeeChange
from revops.domain.snapshot import FeeInput, FeePin, FeeSnapshot, NodeView
from revops.errors import ConfigError, DataError, RevopsError, UnavailableError
from revops.store import decisions, fees, pins, signals

COMMAND = "fees adjust"
SET_COMMAND = "fees set"
UNSET_COMMAND = "fees unset"
DAY_SECONDS = 86_400
NOTHING_EARNED = fees.Earned(0, 0, None, 0.0, 0.0)


def run(options: CommonOptions, channels: Sequence[str] = (), clock: Clock = time.time) -> FeePlan:
    """Given the flags and the channels to look at (none: all), adjust fees; return the plan as it was carried out.

    Raise DataError or UnavailableError after the rest is done where the node refused or altered some of the changes,
    TemporaryError where it is behind the chain and nothing was sent.
    """
    with open_session(options, COMMAND, "fees", clock, writes=True) as session:
        return _adjust(session, session.sync(), channels)


def set_fee(
    options: CommonOptions,
    channel: str,
    ppm: int,
    *,
    for_seconds: float | None = None,
    force: bool = False,
    clock: Clock = time.time,
) -> FeePlan:
    """Given a channel and a fee, pin the fee on it, for a span or until it is released, and go towards it at once.

    Rails and governor hold; `force` passes all but the bounds and the node's daily cap. Raise ConfigError for a channel
    that isn't there, or a fee outside its bounds, and as `run` does.
    """
    with open_session(options, SET_COMMAND, "fees", clock, writes=True) as session:
        synced = session.sync()
        target = _find(synced.view, channel)
        policy = session.config.fees
        if not policy.min_ppm <= ppm <= policy.max_ppm:
            raise ConfigError(
                f"{ppm} ppm is outside fees.min_ppm = {policy.min_ppm} to fees.max_ppm = {policy.max_ppm}"
            )
        until_at = None if for_seconds is None else synced.view.taken_at + for_seconds
        pin = FeePin(ppm, synced.view.taken_at, until_at, force)
        if not options.dry_run:
            with session.database.transaction(session.node_key) as tx:
                pins.set_pin(tx, target.channel_id, pin)
        return _adjust(session, synced, (target.channel_id,), {target.channel_id: pin})


def unset_fee(options: CommonOptions, channel: str, clock: Clock = time.time) -> FeePlan:
    """Given a channel, release its pin, or a fee that somebody else set: the strategy goes on from the fee in force.

    Raise ConfigError for a channel that isn't there, and as `run` does.
    """
    with open_session(options, UNSET_COMMAND, "fees", clock, writes=True) as session:
        synced = session.sync()
        target = _find(synced.view, channel)
        if not options.dry_run:
            now, fee_ppm = synced.view.taken_at, target.local_terms.fee_ppm
            with session.database.transaction(session.node_key) as tx:
                pins.release_pin(tx, target.channel_id, now)
                fees.record_fee_change(tx, FeeChange(target.channel_id, now, fee_ppm, fee_ppm, fees.RELEASED))
        return _adjust(session, synced, (target.channel_id,))


def _find(view: NodeView, name: str) -> Channel:
    for channel in view.channels:
        if name in names(channel):
            return channel
    raise ConfigError(f"no such channel: {name}")


def _adjust(
    session: Session, synced: Synced, channels: Sequence[str], new_pins: Mapping[str, FeePin] | None = None
) -> FeePlan:
    """One cycle on the channels that are named (none: all). `new_pins` are in force, also in a dry run."""
    view = synced.view
    if not session.options.dry_run:
        reconcile_fees(session.database, session.node_key, view.channels, view.taken_at)
        _notice_external_changes(session, view)
    snapshot = _snapshot(session, view, channels, new_pins or {})
    policy = session.config.fees
    suspended = session.suspensions(synced, exempt="fees" in session.config.reserve.exempt)
    plan = decide_fees(snapshot, policy, (*_observing(policy.mode), *suspended))
    session.count(decision.outcome for decision in plan.decisions)
    outcome = apply_fees(plan, policy, session.writer, _record(session, plan))
    _raise_failures(outcome)
    session.insist_on_chain(suspended)
    return plan


def _observing(mode: str) -> tuple[Reason, ...]:
    return () if mode == "act" else (why(ReasonCode.OBSERVE_MODE),)


def _snapshot(session: Session, view: NodeView, wanted: Sequence[str], new_pins: Mapping[str, FeePin]) -> FeeSnapshot:
    """What the decision sees: the channels, with what the records know of each price in force."""
    selected = [channel for channel in view.channels if channel.live]
    if wanted:
        selected = [channel for channel in view.channels if names(channel) & set(wanted)]
        missing = set(wanted) - {name for channel in selected for name in names(channel)}
        if missing:
            raise ConfigError(f"no such channel: {', '.join(sorted(missing))}")
    with session.database.read(session.node_key) as tx:
        states = fees.fee_states(tx)
        windows = {channel_id: state.window_start_at for channel_id, state in states.items()}
        earned = fees.earned_since(tx, windows)
        traffic = signals.load(tx)
        changes = fees.last_fee_changes(tx)
        own_changes = fees.last_own_changes(tx)
        pinned = {**pins.pins_at(tx, view.taken_at), **new_pins}
        updates = fees.fee_updates_since(tx, view.taken_at - DAY_SECONDS)
    inputs = []
    for channel in selected:
        found = earned.get(channel.channel_id, NOTHING_EARNED)
        change = changes.get(channel.channel_id)
        changed = change if change is not None and change.old_ppm is not None else None
        external = changed is not None and changed.source == fees.EXTERNAL
        inputs.append(
            FeeInput(
                channel=channel,
                state=states.get(channel.channel_id),
                earned_msat=found.earned_msat,
                earned_count=found.earned_count,
                last_earned_at=found.last_at,
                last_changed_at=changed.changed_at if changed is not None else None,
                score_msat=found.score_msat,
                score_error_msat=found.score_error_msat,
                signals=signals_of(channel.channel_id, channel.peer_id, traffic, view.taken_at),
                pin=pinned.get(channel.channel_id),
                last_own_changed_at=own_changes.get(channel.channel_id),
                external_since_at=changed.changed_at if changed is not None and external else None,
            )
        )
    return FeeSnapshot(view, tuple(inputs), updates)


def names(channel: Channel) -> set[str]:
    """Given a channel, return what a person may call it."""
    return {name for name in (channel.scid, channel.alias_local, channel.channel_id) if name is not None}


def _notice_external_changes(session: Session, view: NodeView) -> None:
    """Record each fee in force that we didn't set; the first sight of a channel is recorded without an old fee."""
    with session.database.read(session.node_key) as tx:
        known = fees.last_fee_changes(tx)
    new = []
    for channel in view.channels:
        before = known.get(channel.channel_id)
        fee_ppm = channel.local_terms.fee_ppm
        if channel.live and (before is None or before.new_ppm != fee_ppm):
            old_ppm = None if before is None else before.new_ppm
            new.append(FeeChange(channel.channel_id, view.taken_at, old_ppm, fee_ppm, fees.EXTERNAL))
    if new:
        with session.database.transaction(session.node_key) as tx:
            for change in new:
                fees.record_fee_change(tx, change)


def _record(session: Session, plan: FeePlan) -> FeeJournal:
    """Write the decisions down before any is carried out, with what the strategy knows if nothing is sent."""
    if session.run_key is None:
        return DryJournal()
    with session.database.transaction(session.node_key) as tx:
        decisions.record_fee_plan(tx, session.run_key, plan)
        for decision in plan.decisions:
            if decision.state is not None:
                fees.save_fee_state(tx, decision.channel_id, decision.state, plan.taken_at)
    return StoreJournal(session.database, session.node_key, session.run_key, session.clock)


def _raise_failures(outcome: FeeOutcome) -> None:
    """One summary line for what the node refused or altered; everything else is done."""
    if not outcome.failures:
        return
    first = outcome.failures[0]
    count = len(outcome.failures)
    message = f"{count} of {count + outcome.sent_count} fee changes are not as asked for; {first.name}: {first.message}"
    kind: type[RevopsError] = DataError if first.exit_code == DataError.exit_code else UnavailableError
    raise kind(message)
