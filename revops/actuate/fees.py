"""Send a fee plan to the node: intent, call, check of the reply, record.

A call whose outcome isn't known (killed, connection lost) stays `pending`; the next run compares it with the fee that
is in force and closes it. Nothing outside `[min_ppm, max_ppm]` leaves this module, whatever the plan says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from revops.domain.channel import Channel
from revops.domain.decision import FeeDecision, FeePlan, FeeState
from revops.domain.policy import FeesConfig
from revops.domain.record import ActionRecord, FeeChange
from revops.errors import BugError
from revops.node.errors import NodeError
from revops.node.writer import Writer
from revops.store import actions, fees
from revops.store.engine import Database

METHOD = "setchannel"


@dataclass(frozen=True, slots=True)
class FeeFailure:
    """A change that didn't come into force as it was asked for."""

    name: str
    message: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class FeeOutcome:
    """What became of a plan."""

    sent_count: int
    failures: tuple[FeeFailure, ...]


class FeeJournal(Protocol):
    """Where intents and outcomes are written."""

    def begin(self, decision: FeeDecision) -> int:
        """Write down what is about to be sent; return its key."""

    def done(self, action_key: int, decision: FeeDecision, reply: dict[str, object], in_force_ppm: int) -> None:
        """The node answered: record the fee that is in force now and what the strategy remembers of it."""

    def refused(self, action_key: int, message: str) -> None:
        """The node said no: nothing changed."""


class DryJournal:
    """Writes nothing: a dry run must not look like a run."""

    def begin(self, decision: FeeDecision) -> int:
        """Given a decision, return a key that nothing uses."""
        return 0

    def done(self, action_key: int, decision: FeeDecision, reply: dict[str, object], in_force_ppm: int) -> None:
        """Record nothing."""

    def refused(self, action_key: int, message: str) -> None:
        """Record nothing."""


@dataclass(frozen=True, slots=True)
class StoreJournal:
    """Writes to the database, each step in a short transaction of its own: none spans a call to the node."""

    database: Database
    node_key: int
    run_key: int
    clock: Callable[[], float]

    def begin(self, decision: FeeDecision) -> int:
        """Given a decision, write it down as a pending action and return its key."""
        request: dict[str, object] = {"feebase": decision.new_base_msat, "feeppm": decision.new_ppm}
        with self.database.transaction(self.node_key) as tx:
            return actions.begin_action(tx, self.run_key, METHOD, decision.channel_id, request, self.clock())

    def done(self, action_key: int, decision: FeeDecision, reply: dict[str, object], in_force_ppm: int) -> None:
        """Given the reply, close the action and record the fee in force and the strategy's new state."""
        now = self.clock()
        with self.database.transaction(self.node_key) as tx:
            actions.finish_action(tx, action_key, "done", reply, now)
            change = FeeChange(decision.channel_id, now, decision.old_ppm, in_force_ppm, "revops")
            fees.record_fee_change(tx, change)
            if decision.state_if_sent is not None:
                state = replace(decision.state_if_sent, fee_ppm=in_force_ppm)
                fees.save_fee_state(tx, decision.channel_id, state, now)

    def refused(self, action_key: int, message: str) -> None:
        """Given the node's refusal, close the action as failed."""
        with self.database.transaction(self.node_key) as tx:
            actions.finish_action(tx, action_key, "failed", {"error": message}, self.clock())


def apply_fees(
    plan: FeePlan,
    policy: FeesConfig,
    writer: Writer,
    journal: FeeJournal,
    own_policies: Mapping[str, FeesConfig] | None = None,
) -> FeeOutcome:
    """Given a plan, send its changes one by one and return what became of them. `own_policies` are those of channels
    (by channel_id) for which rules have another than `policy`.

    A refusal by the node is recorded and the rest goes on. Raise NodeError where the outcome isn't known: the action
    stays pending, since the node may have executed it. Raise BugError, with nothing sent, where the plan breaks a rail.
    """
    for decision in plan.changes:
        _check_rails(decision, (own_policies or {}).get(decision.channel_id, policy))
    sent_count = 0
    failures: list[FeeFailure] = []
    for decision in plan.changes:
        action_key = journal.begin(decision)
        try:
            reply = writer.set_fees(decision.channel_id, decision.new_base_msat, decision.new_ppm)
        except NodeError as error:
            if error.code is None or error.outcome_unknown:
                raise
            journal.refused(action_key, str(error))
            failures.append(FeeFailure(decision.name, str(error), error.exit_code))
            continue
        told: dict[str, object] = {"feebase": reply.fee_base_msat, "feeppm": reply.fee_ppm}
        journal.done(action_key, decision, told, reply.fee_ppm)
        sent_count += 1
        if (reply.fee_ppm, reply.fee_base_msat) != (decision.new_ppm, decision.new_base_msat):
            asked = f"{decision.new_ppm} ppm + {decision.new_base_msat} msat"
            got = f"{reply.fee_ppm} ppm + {reply.fee_base_msat} msat"
            failures.append(FeeFailure(decision.name, f"asked for {asked}, the node set {got}", 65))
    return FeeOutcome(sent_count, tuple(failures))


def _check_rails(decision: FeeDecision, policy: FeesConfig) -> None:
    if not policy.min_ppm <= decision.new_ppm <= policy.max_ppm:
        raise BugError(f"{decision.name}: {decision.new_ppm} ppm is outside the bounds; nothing was sent")
    if decision.new_base_msat != policy.base_msat:
        raise BugError(f"{decision.name}: a base fee of {decision.new_base_msat} msat isn't the one that was set")


def reconcile_fees(
    database: Database, node_key: int, channels: Iterable[Channel], now: float
) -> tuple[ActionRecord, ...]:
    """Given the channels as they are now, close the actions that an earlier run left open; return them.

    One whose fee is in force was executed: it is recorded as ours, so that it isn't taken for somebody else's change.
    """
    by_id = {channel.channel_id: channel for channel in channels}
    with database.read(node_key) as tx:
        pending = actions.pending_actions(tx, METHOD)
    for action in pending:
        channel = by_id.get(action.channel_id or "")
        with database.transaction(node_key) as tx:
            if channel is None or not _in_force(action, channel):
                actions.finish_action(tx, action.action_key, "failed", {"error": "not in force"}, now)
                continue
            fee_ppm = channel.local_terms.fee_ppm
            actions.finish_action(tx, action.action_key, "done", {"feeppm": fee_ppm, "found": "in force"}, now)
            before = fees.last_fee_changes(tx).get(channel.channel_id)
            old_ppm = before.new_ppm if before is not None else None
            fees.record_fee_change(tx, FeeChange(channel.channel_id, action.created_at, old_ppm, fee_ppm, "revops"))
            state = FeeState(fee_ppm=fee_ppm, window_start_at=action.created_at, counted_at=now)
            fees.save_fee_state(tx, channel.channel_id, state, now)
    return pending


def _in_force(action: ActionRecord, channel: Channel) -> bool:
    terms = channel.local_terms
    return (terms.fee_base_msat, terms.fee_ppm) == (action.request["feebase"], action.request["feeppm"])
