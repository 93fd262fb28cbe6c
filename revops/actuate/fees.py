"""Send a fee plan to the node: intent, call, check of the reply, record.

A call whose outcome isn't known (killed, connection lost) stays `pending`; the next run compares it with the fee that
is in force and closes it. Nothing outside `[min_ppm, max_ppm]` leaves this module, whatever the plan says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from revops.actuate.fee_findings import METHOD
from revops.decide.valve import LEAST_HTLC_MAX_MSAT
from revops.domain.decision import FeeDecision, FeePlan
from revops.domain.policy import FeesConfig
from revops.domain.record import FeeChange
from revops.errors import BugError
from revops.node.errors import NodeError
from revops.node.writer import FeesReply, Writer
from revops.store import actions, channels, fees
from revops.store.engine import Database


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

    def done(self, action_key: int, decision: FeeDecision, reply: FeesReply) -> None:
        """The node answered: record the fee that is in force now and what the strategy remembers of it."""

    def refused(self, action_key: int, message: str) -> None:
        """The node said no: nothing changed."""


class DryJournal:
    """Writes nothing: a dry run must not look like a run."""

    def begin(self, decision: FeeDecision) -> int:
        """Given a decision, return a key that nothing uses."""
        return 0

    def done(self, action_key: int, decision: FeeDecision, reply: FeesReply) -> None:
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
        """Given a decision, write it down as a pending action, with what is remembered once it is carried out, and
        return its key.
        """
        request: dict[str, object] = {"feebase": decision.new_base_msat, "feeppm": decision.new_ppm}
        if decision.new_htlc_max_msat is not None:
            request["htlcmax"] = decision.new_htlc_max_msat
        with self.database.transaction(self.node_key) as tx:
            return actions.begin_action(
                tx, self.run_key, METHOD, decision.channel_id, request, self.clock(), decision.state_if_sent
            )

    def done(self, action_key: int, decision: FeeDecision, reply: FeesReply) -> None:
        """Given the reply, close the action and record what is in force, and the strategy's new state.

        The channel shows it at once, so that no surface tells another fee until the next sync.
        """
        now, in_force_ppm = self.clock(), reply.fee_ppm
        told: dict[str, object] = {"feebase": reply.fee_base_msat, "feeppm": in_force_ppm}
        if decision.new_htlc_max_msat is not None:
            told["htlcmax"] = reply.htlc_max_msat
        with self.database.transaction(self.node_key) as tx:
            actions.finish_action(tx, action_key, "done", told, now)
            in_force = (in_force_ppm, reply.fee_base_msat)
            valve_alone = decision.same_fee and in_force == (decision.old_ppm, decision.old_base_msat)
            source = fees.VALVE if valve_alone else fees.REVOPS
            change = FeeChange(decision.channel_id, now, decision.old_ppm, in_force_ppm, source, reply.fee_base_msat)
            fees.record_fee_change(tx, change)
            channels.record_own_terms(tx, decision.channel_id, reply.fee_base_msat, in_force_ppm, reply.htlc_max_msat)
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
            reply = writer.set_fees(
                decision.channel_id, decision.new_base_msat, decision.new_ppm, decision.new_htlc_max_msat
            )
        except NodeError as error:
            if error.code is None or error.outcome_unknown:
                raise
            journal.refused(action_key, str(error))
            failures.append(FeeFailure(decision.name, str(error), error.exit_code))
            continue
        journal.done(action_key, decision, reply)
        sent_count += 1
        altered = _altered(decision, reply)
        if altered is not None:
            failures.append(FeeFailure(decision.name, altered, 65))
    return FeeOutcome(sent_count, tuple(failures))


def _altered(decision: FeeDecision, reply: FeesReply) -> str | None:
    """What the node made of what was asked for, where that is something else: it clamps silently, or with a warning."""
    asked = f"{decision.new_ppm} ppm + {decision.new_base_msat} msat"
    got = f"{reply.fee_ppm} ppm + {reply.fee_base_msat} msat"
    if decision.new_htlc_max_msat is not None:
        asked += f", htlc_max {decision.new_htlc_max_msat} msat"
        got += f", htlc_max {reply.htlc_max_msat} msat"
    return None if asked == got else f"asked for {asked}, the node set {got}"


def _check_rails(decision: FeeDecision, policy: FeesConfig) -> None:
    if not policy.min_ppm <= decision.new_ppm <= policy.max_ppm:
        raise BugError(f"{decision.name}: {decision.new_ppm} ppm is outside the bounds; nothing was sent")
    if decision.new_base_msat != policy.base_msat:
        raise BugError(f"{decision.name}: a base fee of {decision.new_base_msat} msat isn't the one that was set")
    htlc_max_msat = decision.new_htlc_max_msat
    if htlc_max_msat is not None and htlc_max_msat < LEAST_HTLC_MAX_MSAT:
        raise BugError(f"{decision.name}: an htlc_max of {htlc_max_msat} msat is useless; nothing was sent")
