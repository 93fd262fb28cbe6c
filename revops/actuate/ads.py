"""Offer liquidity for lease, or withdraw the offer: intent, call, check, record.

The node forgets an offer when it stops, and somebody else may change it, so that what is in force is read before
anything is decided. A call whose outcome isn't known (killed, connection lost) stays `pending`, and counts as offered;
the next run closes it by what is in force then. Where the node makes something else of a call, all is withdrawn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from revops.decide.ads import WITHDRAWN
from revops.decide.ads_cost import checked
from revops.domain.ads import AdsDecision, AdTerms
from revops.domain.decision import Outcome
from revops.errors import BugError, DataError, RevopsError
from revops.node.errors import NodeError
from revops.node.writer import Writer
from revops.store import actions, ads
from revops.store.engine import Database

_ELSE: Final = "funderupdate: the node offers something else than it was asked to"


@dataclass(frozen=True, slots=True)
class AdsKeeper:
    """Who changes what is offered; the caller holds the lock. `run_key` is None in a dry run."""

    database: Database
    node_key: int
    run_key: int | None
    writer: Writer
    clock: Callable[[], float]

    def in_force(self) -> AdTerms:
        """Ask the node what is in force, and close the calls of earlier runs by it. Not in a dry run: it writes."""
        found = self.writer.offer_leases(None)
        with self.database.transaction(self.node_key) as tx:
            for action in actions.pending_actions(tx, ads.METHOD):
                status = "done" if same(ads.terms_of(action), found) else "unknown"
                actions.finish_action(tx, action.action_key, status, None, self.clock())
        return found

    def apply(self, decision: AdsDecision, reserve_msat: int) -> RevopsError | None:
        """Given a decision and the on-chain reserve, carry it out; return the error to end with where the node refused
        or altered it. Raise NodeError where the outcome isn't known, BugError, with nothing sent, where the terms
        break a limit.
        """
        if decision.outcome is not Outcome.CHANGE:
            return None
        _check_limits(decision.new, reserve_msat)
        if self.run_key is None:
            self.writer.offer_leases(decision.new)
            return None
        if decision.old is None:
            raise BugError("liquidity ads: what is in force wasn't asked for; nothing was sent")
        found = self._send(self.run_key, decision.old, decision.new)
        if isinstance(found, NodeError):
            return found
        if same(decision.new, found):
            return None
        if not found.withdrawn:
            # What nobody decided may lend the reserve, or for nothing.
            ended = self._send(self.run_key, found, WITHDRAWN)
            if isinstance(ended, NodeError) or not ended.withdrawn:
                return DataError(f"{_ELSE}, and goes on; look at it yourself (lightning-cli funderupdate)")
        return DataError(f"{_ELSE}; nothing is offered now")

    def _send(self, run_key: int, old: AdTerms, new: AdTerms) -> AdTerms | NodeError:
        """Write a change down, ask for it, and write down what came of it; return what the node offers then, or the
        error by which it refused.
        """
        with self.database.transaction(self.node_key) as tx:
            key = ads.begin_offer(tx, run_key, old, new, self.clock())
        try:
            reply = self.writer.offer_leases(new)
        except NodeError as error:
            if error.code is None or error.outcome_unknown:
                raise
            self._finish(key, "failed", {"error": str(error)})
            return error
        status = "done" if same(new, reply) else "unknown"
        self._finish(key, status, {"policy": reply.policy, "policy_mod": reply.policy_mod})
        return reply

    def _finish(self, action_key: int, status: str, reply: dict[str, object]) -> None:
        with self.database.transaction(self.node_key) as tx:
            actions.finish_action(tx, action_key, status, reply, self.clock())


def same(asked: AdTerms, found: AdTerms) -> bool:
    """Given terms that were sent and those in force, return whether they come to the same: what is withdrawn is."""
    return asked == found or (asked.withdrawn and found.withdrawn)


def _check_limits(terms: AdTerms, reserve_msat: int) -> None:
    """Whatever was decided: nothing is given for nothing, and nothing lent of the reserve."""
    if terms.withdrawn:
        return
    if terms.policy != "match" or terms.policy_mod != 100 or not terms.leases_only:
        raise BugError("liquidity ads: funds would be given to who doesn't pay for them; nothing was sent")
    if terms.reserve_tank_msat < reserve_msat or terms.per_channel_max_msat < terms.per_channel_min_msat:
        raise BugError("liquidity ads: the on-chain reserve would be lent; nothing was sent")
    rates = terms.rates
    if checked(rates) is None or rates.fee_base_msat <= 0 or rates.funding_weight <= 0:
        raise BugError("liquidity ads: a lease would be for nothing; nothing was sent")
