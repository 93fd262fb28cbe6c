"""`revops fees adjust`, `fees set` and `fees unset`: read, decide, act, record, export."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from revops.actuate.fee_findings import METHOD, FeeFinding, given_back, look_back, read_records, record_findings
from revops.actuate.fees import DryJournal, FeeJournal, FeeOutcome, StoreJournal, apply_fees
from revops.cycle.clboss import keep_clboss_out
from revops.cycle.expiry import warn_of_expiry
from revops.cycle.fee_inputs import names, no_such_channel, read_inputs
from revops.cycle.ingest import Synced
from revops.cycle.market import refresh_anchors
from revops.cycle.policies import channel_policies
from revops.cycle.session import Clock, Session, open_session
from revops.cycle.switchback import go_on, look_for_harm
from revops.decide.fees import decide_fees
from revops.domain.channel import Channel
from revops.domain.decision import FeePlan
from revops.domain.options import CommonOptions
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.snapshot import FeePin, NodeView
from revops.domain.text import counted
from revops.errors import (
    BugError,
    ConfigError,
    DataError,
    NothingToRelease,
    RevopsError,
    UnavailableError,
    UnknownChannel,
)
from revops.node.errors import NodeError
from revops.store import actions, decisions, experiments, fees, pins, signals
from revops.store.days import DAY_SECONDS
from revops.store.engine import Tx

COMMAND = "fees adjust"
SET_COMMAND = "fees set"
UNSET_COMMAND = "fees unset"
_log = logging.getLogger(__name__)


def run(options: CommonOptions, channels: Sequence[str] = (), clock: Clock = time.time) -> FeePlan:
    """Given the flags and the channels to look at (none: all), adjust fees; return the plan as it was carried out.

    Raise DataError or UnavailableError after the rest is done where the node refused or altered some of the changes,
    TemporaryError where it is behind the chain and nothing was sent.
    """
    with open_session(options, COMMAND, "fees", clock, writes=True) as session:
        synced = session.sync()
        refresh_anchors(session, synced.view)
        warn_of_expiry(synced.view)
        return _adjust(session, synced, channels)


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

    Rails and governor hold; `force` passes all but the bounds and the node's daily cap. Raise UnknownChannel for
    a channel that isn't there, ConfigError for a fee outside its bounds, and as `run` does.
    """
    with open_session(options, SET_COMMAND, "fees", clock, writes=True) as session:
        synced = session.sync()
        target = _find(synced.view, channel)
        with session.database.read(session.node_key) as tx:
            own = channel_policies(tx, session.config, (target,), synced.view.taken_at).get(target.channel_id)
        policy = session.config.fees if own is None else own.fees
        if not policy.min_ppm <= ppm <= policy.max_ppm:
            bounds = f"min_ppm = {policy.min_ppm} to max_ppm = {policy.max_ppm}"
            raise ConfigError(
                f"{ppm} ppm is outside {bounds}; `revops policy show {channel}` says whose bounds these are"
            )
        until_at = None if for_seconds is None else synced.view.taken_at + for_seconds
        pin = FeePin(ppm, synced.view.taken_at, until_at, force)
        return _adjust(session, synced, (target.channel_id,), FeeFinding(target.channel_id, pin=pin))


def unset_fee(options: CommonOptions, channel: str, clock: Clock = time.time) -> FeePlan:
    """Given a channel, release its pin, or a fee that somebody else set: the strategy goes on from the fee in force.

    Raise UnknownChannel for a channel that isn't there, NothingToRelease where neither stands, and as `run` does.
    """
    with open_session(options, UNSET_COMMAND, "fees", clock, writes=True) as session:
        synced = session.sync()
        target = _find(synced.view, channel)
        if not _held_by_hand(session, synced.view, target):
            raise NothingToRelease(f"{channel} isn't pinned, and its fee is our own: there is nothing to release")
        return _adjust(session, synced, (target.channel_id,), given_back(target, synced.view.taken_at))


def _held_by_hand(session: Session, view: NodeView, target: Channel) -> bool:
    """Whether a pin, or a fee that somebody else has set, stands on a channel, noticed yet or not. A pin that ended
    lately counts, too: it stands again if our clock is ahead and is put right.
    """
    with session.database.read(session.node_key) as tx:
        pinned = pins.pins_in_force(tx, view.taken_at - DAY_SECONDS)
        records = read_records(tx, view.taken_at)
        pending = actions.pending_actions(tx, METHOD)
    known = records.after(look_back(records, pending, view.channels, view.taken_at), view.taken_at)
    change = known.changes.get(target.channel_id)
    foreign = change is not None and change.source == fees.EXTERNAL and change.old_ppm is not None
    return foreign or target.channel_id in pinned


def _find(view: NodeView, name: str) -> Channel:
    for channel in view.channels:
        if name in names(channel):
            return channel
    raise UnknownChannel(no_such_channel(name, view))


def _adjust(session: Session, synced: Synced, channels: Sequence[str], by_hand: FeeFinding | None = None) -> FeePlan:
    """One cycle on the channels that are named (none: all), after what the operator has just done by hand.

    A dry run takes the same path: what is found counts, and isn't written. Under a doubtful clock nothing is looked
    for: the next run under the right one finds it.
    """
    view, doubts = synced.view, session.clock_doubts(synced)
    with session.database.read(session.node_key) as tx:
        records = read_records(tx, view.taken_at)
        pending = actions.pending_actions(tx, METHOD)
        tried = () if doubts else experiments.open_experiments(tx)
    experiment = next((one for one in tried if one.ended_at is None), None)
    findings = () if doubts else look_back(records, pending, view.channels, view.taken_at)
    if by_hand is not None:
        findings = (*findings, by_hand)
    if findings and session.run_key is not None:
        with session.database.transaction(session.node_key) as tx:
            record_findings(tx, findings, view.taken_at)
    snapshot = read_inputs(session, view, channels, records.after(findings, view.taken_at), experiment)
    policy = session.config.fees
    suspended = (*session.suspensions(synced, exempt="fees" in session.config.reserve.exempt), *doubts)
    held = (*_observing(policy.mode), *suspended)
    priced = tuple(one.channel for one in snapshot.inputs)
    clboss_fault = None if held else keep_clboss_out(session, "lnfee", priced, view.taken_at)
    plan = decide_fees(snapshot, policy, held)
    session.count(decision.outcome for decision in plan.decisions)
    own = {one.channel.channel_id: one.policy for one in snapshot.inputs if one.policy is not None}
    try:
        journal = _record(session, plan, learns=not doubts)
        if session.run_key is not None and tried:
            # While nothing may be sent it is nobody's turn.
            go_on(session, view, None if held else experiment, snapshot.inputs)
            look_for_harm(session, view.taken_at)
        outcome = apply_fees(plan, policy, session.writer, journal, own)
    except NodeError:
        _show_what_was_sent(session, synced)
        raise
    failure = _failures(outcome) or _failed_strategies(plan) or clboss_fault
    if failure is not None:
        _show_what_was_sent(session, synced)
        raise failure
    session.show_node(synced)
    session.insist_on_chain(suspended)
    return plan


def _observing(mode: str) -> tuple[Reason, ...]:
    return () if mode == "act" else (why(ReasonCode.OBSERVE_MODE),)


def _record(session: Session, plan: FeePlan, *, learns: bool) -> FeeJournal:
    """Write the decisions down before any is carried out, with what the strategy knows if nothing is sent. Under a
    doubtful clock a run learns nothing: what is known stays as it was for the first run under the right one.
    """
    if session.run_key is None:
        return DryJournal()
    with session.database.transaction(session.node_key) as tx:
        decisions.record_fee_plan(tx, session.run_key, plan)
        if learns:
            _save_what_is_known(tx, plan)
    return StoreJournal(session.database, session.node_key, session.run_key, session.clock)


def _save_what_is_known(tx: Tx, plan: FeePlan) -> None:
    signals.save_values(tx, {decision.channel_id: decision.value_ppm for decision in plan.decisions}, plan.taken_at)
    states = {decision.channel_id: decision.state for decision in plan.decisions if decision.state is not None}
    fees.save_fee_states(tx, states, plan.taken_at)


def _failed_strategies(plan: FeePlan) -> BugError | None:
    """A strategy that raised has cost its channels their turn; the rest of the run is done."""
    failed = [one for one in plan.decisions if any(r.code is ReasonCode.STRATEGY_FAILED for r in one.reasons)]
    if not failed:
        return None
    first = failed[0]
    return BugError(f"{counted(len(failed), 'channel')} left as they are; {first.name}: {first.reasons[0].sentence}")


def _show_what_was_sent(session: Session, synced: Synced) -> None:
    """Show the node after a call that failed, or whose outcome isn't known. That is the error to report, whatever goes
    wrong here.
    """
    try:
        session.show_node(synced)
    except RevopsError as second:
        _log.info("the failed run left no metrics of the node: %s", second)


def _failures(outcome: FeeOutcome) -> RevopsError | None:
    """One summary line for what the node refused or altered; everything else is done."""
    if not outcome.failures:
        return None
    first = outcome.failures[0]
    count = len(outcome.failures)
    message = f"{count} of {count + outcome.sent_count} fee changes are not as asked for; {first.name}: {first.message}"
    kind: type[RevopsError] = DataError if first.exit_code == DataError.exit_code else UnavailableError
    return kind(message)
