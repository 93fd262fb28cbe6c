"""`revops fees adjust`: read, decide, act, record, export."""

from __future__ import annotations

import time
from collections.abc import Sequence

from revops.actuate.fees import DryJournal, FeeJournal, FeeOutcome, StoreJournal, apply_fees, reconcile_fees
from revops.cycle.session import Clock, Session, open_session
from revops.decide.fees import decide_fees
from revops.domain.channel import Channel
from revops.domain.decision import FeePlan, Reason, ReasonCode, why
from revops.domain.options import CommonOptions
from revops.domain.record import FeeChange
from revops.domain.snapshot import FeeInput, FeeSnapshot, NodeView
from revops.errors import DataError, RevopsError, UnavailableError, UnknownChannel
from revops.store import decisions, fees

COMMAND = "fees adjust"
DAY_SECONDS = 86_400


def run(options: CommonOptions, channels: Sequence[str] = (), clock: Clock = time.time) -> FeePlan:
    """Given the flags and the channels to look at (none: all), adjust fees; return the plan as it was carried out.

    Raise DataError or UnavailableError after the rest is done where the node refused or altered some of the changes,
    TemporaryError where it is behind the chain and nothing was sent.
    """
    with open_session(options, COMMAND, "fees", clock, writes=True) as session:
        synced = session.sync()
        view = synced.view
        if not options.dry_run:
            reconcile_fees(session.database, session.node_key, view.channels, view.taken_at)
            _notice_external_changes(session, view)
        snapshot = _snapshot(session, view, channels)
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


def _snapshot(session: Session, view: NodeView, wanted: Sequence[str]) -> FeeSnapshot:
    """What the decision sees: the channels, with what the records know of each price in force."""
    selected = [channel for channel in view.channels if channel.live]
    if wanted:
        selected = [channel for channel in view.channels if names(channel) & set(wanted)]
        missing = set(wanted) - {name for channel in selected for name in names(channel)}
        if missing:
            raise UnknownChannel(f"no such channel: {', '.join(sorted(missing))}")
    with session.database.read(session.node_key) as tx:
        states = fees.fee_states(tx)
        windows = {channel_id: state.window_start_at for channel_id, state in states.items()}
        earned = fees.earned_since(tx, windows)
        changes = fees.last_fee_changes(tx)
        updates = fees.fee_updates_since(tx, view.taken_at - DAY_SECONDS)
    inputs = []
    for channel in selected:
        amount_msat, count, last_at = earned.get(channel.channel_id, (0, 0, None))
        change = changes.get(channel.channel_id)
        inputs.append(
            FeeInput(
                channel=channel,
                state=states.get(channel.channel_id),
                earned_msat=amount_msat,
                earned_count=count,
                last_earned_at=last_at,
                last_changed_at=change.changed_at if change is not None and change.old_ppm is not None else None,
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
            new.append(FeeChange(channel.channel_id, view.taken_at, old_ppm, fee_ppm, "external"))
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
