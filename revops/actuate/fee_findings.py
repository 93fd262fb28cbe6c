"""What a look at the node tells of our fees before anything is decided, and what the operator's hand adds.

A call of an earlier run was carried out or not; somebody else has set a fee; the operator pins one, or gives it back.
Each is a finding: a run writes it down, a dry run doesn't, and both decide on the records as they are with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from revops.decide.strategies.calm import awake
from revops.domain.channel import Channel
from revops.domain.decision import FeeState
from revops.domain.instants import AHEAD_SECONDS
from revops.domain.record import ActionRecord, FeeChange
from revops.domain.snapshot import FeePin
from revops.store import actions, fees, pins
from revops.store.days import DAY_SECONDS
from revops.store.engine import Tx

METHOD: Final = "setchannel"
#: Changes that were announced by us.
_OURS: Final = frozenset({fees.REVOPS, fees.VALVE})


@dataclass(frozen=True, slots=True)
class ClosedAction:
    """How an action that was left open ended, by what is in force."""

    action_key: int
    status: str
    reply: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class FeeFinding:
    """What is new about one channel's fee. `state` takes the place of what the strategy remembers, `pin` that of the
    pin on record; `released` ends a pin.
    """

    channel_id: str
    change: FeeChange | None = None
    state: FeeState | None = None
    closed: ClosedAction | None = None
    pin: FeePin | None = None
    released: bool = False


@dataclass(frozen=True, slots=True)
class FeeRecords:
    """What is on record about fees, by channel_id: the strategies' states, the last change of each fee, our last
    announcement, our announcements of the last 24 hours, and the pins in force.
    """

    states: Mapping[str, FeeState]
    changes: Mapping[str, FeeChange]
    own_changed_at: Mapping[str, float]
    update_counts: Mapping[str, int]
    pins: Mapping[str, FeePin]

    def after(self, findings: Iterable[FeeFinding], now: float) -> FeeRecords:
        """Given findings, return the records as they are once those are written."""
        states, changes, pinned = dict(self.states), dict(self.changes), dict(self.pins)
        own_changed_at, update_counts = dict(self.own_changed_at), dict(self.update_counts)
        for finding in findings:
            channel_id, change = finding.channel_id, finding.change
            if finding.state is not None:
                states[channel_id] = finding.state
            if finding.released:
                pinned.pop(channel_id, None)
            if finding.pin is not None:
                pinned[channel_id] = finding.pin
            if change is not None and change.source != fees.VALVE:
                changes[channel_id] = change
            if change is not None and change.source == fees.REVOPS:
                pinned |= _reached(channel_id, pinned.get(channel_id), change)
            if change is not None and change.source in _OURS:
                own_changed_at[channel_id] = change.changed_at
                if now - DAY_SECONDS <= change.changed_at <= now + AHEAD_SECONDS:
                    update_counts[channel_id] = update_counts.get(channel_id, 0) + 1
        return FeeRecords(states, changes, own_changed_at, update_counts, pinned)


def _reached(channel_id: str, pin: FeePin | None, change: FeeChange) -> dict[str, FeePin]:
    """A pin whose fee has come into force isn't forced any more (`pins_in_force`)."""
    if pin is None or pin.ppm != change.new_ppm or change.changed_at < pin.set_at:
        return {}
    return {channel_id: replace(pin, forced=False)}


def read_records(tx: Tx, now: float) -> FeeRecords:
    """Given the time, return what is on record about fees."""
    return FeeRecords(
        states=fees.fee_states(tx),
        changes=fees.last_fee_changes(tx),
        own_changed_at=fees.last_own_changes(tx),
        update_counts=fees.fee_updates_between(tx, now - DAY_SECONDS, now + AHEAD_SECONDS),
        pins=pins.pins_in_force(tx, now),
    )


def look_back(
    records: FeeRecords, pending: Sequence[ActionRecord], channels: Sequence[Channel], now: float
) -> tuple[FeeFinding, ...]:
    """Given the records, the actions that an earlier run left open and the channels as they are now, return what became
    of each action, and each fee in force that we didn't set. The first sight of a channel is one without an old fee.
    """
    by_id = {channel.channel_id: channel for channel in channels}
    last = dict(records.changes)
    findings: list[FeeFinding] = []
    for action in pending:
        channel_id = action.channel_id or ""
        finding = _closed(action, by_id.get(channel_id), last.get(channel_id), records.states.get(channel_id))
        findings.append(finding)
        if finding.change is not None and finding.change.source != fees.VALVE:
            last[channel_id] = finding.change
    for channel in channels:
        change = _external(channel, last.get(channel.channel_id), now)
        if change is not None:
            state = None
            if change.old_ppm == change.new_ppm:
                state = _anew(records.states.get(channel.channel_id), change.changed_at)
            findings.append(FeeFinding(channel.channel_id, change, state))
    return tuple(findings)


def _anew(state: FeeState | None, now: float) -> FeeState | None:
    """What is remembered where the base fee alone was changed: strategies don't see it, but their window was at another
    price for a time that nobody knows.
    """
    return None if state is None else replace(awake(state), window_start_at=now, open_seconds=0.0)


def _closed(
    action: ActionRecord, channel: Channel | None, before: FeeChange | None, known: FeeState | None
) -> FeeFinding:
    """A call whose fee is in force was carried out: it is recorded as ours, so that it isn't taken for somebody else's
    change, and what was learnt before it is remembered as if its answer had come. Where the fee was in force before,
    only our largest HTLC was to change, and the fee's window goes on.
    """
    old_ppm = before.new_ppm if before is not None else None
    same_base = before is None or before.base_msat in (None, action.request["feebase"])
    valve_alone = "htlcmax" in action.request and action.request["feeppm"] == old_ppm and same_base
    if channel is None or not _in_force(action, channel, valve_alone=valve_alone):
        closed = ClosedAction(action.action_key, "failed", {"error": "not in force"})
        return FeeFinding(action.channel_id or "", closed=closed)
    fee_ppm = channel.local_terms.fee_ppm
    reply: dict[str, object] = {"feeppm": fee_ppm, "found": "in force"}
    if "htlcmax" in action.request:
        reply["htlcmax"] = channel.local_terms.htlc_max_msat
    source = fees.VALVE if valve_alone else fees.REVOPS
    return FeeFinding(
        channel.channel_id,
        change=FeeChange(
            channel.channel_id, action.created_at, old_ppm, fee_ppm, source, channel.local_terms.fee_base_msat
        ),
        state=None if valve_alone else _state_since(action, fee_ppm, known),
        closed=ClosedAction(action.action_key, "done", reply),
    )


def _state_since(action: ActionRecord, fee_ppm: int, known: FeeState | None) -> FeeState:
    """What the strategy remembers of the fee that the call put in force; of a call that was made before this was kept,
    what it remembered then, with a new window.
    """
    if action.state_if_done is not None:
        return action.state_if_done
    begun_at = action.created_at
    state = known or FeeState(fee_ppm=fee_ppm, window_start_at=begun_at, counted_at=begun_at)
    return replace(
        awake(state),
        fee_ppm=fee_ppm,
        window_start_at=begun_at,
        counted_at=begun_at,
        open_seconds=0.0,
        provisional=False,
    )


def _in_force(action: ActionRecord, channel: Channel, *, valve_alone: bool) -> bool:
    """A new fee tells by itself that the call was carried out, whatever the node made of the rest."""
    terms = channel.local_terms
    same_fee = (terms.fee_base_msat, terms.fee_ppm) == (action.request["feebase"], action.request["feeppm"])
    return same_fee and (not valve_alone or terms.htlc_max_msat == action.request["htlcmax"])


def _external(channel: Channel, before: FeeChange | None, now: float) -> FeeChange | None:
    fee_ppm, base_msat = channel.local_terms.fee_ppm, channel.local_terms.fee_base_msat
    if not channel.live:
        return None
    if before is not None and before.new_ppm == fee_ppm and before.base_msat in (None, base_msat):
        return None
    old_ppm = None if before is None else before.new_ppm
    return FeeChange(channel.channel_id, now, old_ppm, fee_ppm, fees.EXTERNAL, base_msat)


def given_back(channel: Channel, now: float) -> FeeFinding:
    """Given a channel whose fee was pinned, or set by somebody else, return that the operator gives it back to us."""
    fee_ppm = channel.local_terms.fee_ppm
    return FeeFinding(
        channel.channel_id,
        change=FeeChange(channel.channel_id, now, fee_ppm, fee_ppm, fees.RELEASED, channel.local_terms.fee_base_msat),
        state=FeeState(fee_ppm, now, now),
        released=True,
    )


def record_findings(tx: Tx, findings: Iterable[FeeFinding], now: float) -> None:
    """Given findings, write each down, in their order."""
    for finding in findings:
        if finding.closed is not None:
            closed = finding.closed
            actions.finish_action(tx, closed.action_key, closed.status, closed.reply, now)
        if finding.released:
            pins.release_pin(tx, finding.channel_id, now)
        if finding.pin is not None:
            pins.set_pin(tx, finding.channel_id, finding.pin)
        if finding.change is not None:
            fees.record_fee_change(tx, finding.change)
        if finding.state is not None:
            fees.save_fee_state(tx, finding.channel_id, finding.state, now)
