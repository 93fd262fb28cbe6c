"""`revops rebalance plan`: which channels are worth refilling, and out of which. The plan is stored, and good for a
while.
"""

from __future__ import annotations

import time

from revops.cycle.policies import permissions
from revops.cycle.session import Clock, open_session
from revops.cycle.verdict import read_verdict
from revops.decide.rebalance import mode_reasons, plan_rebalances
from revops.domain.decision import RebalancePlan
from revops.domain.options import CommonOptions
from revops.domain.snapshot import RebalanceSnapshot
from revops.store import decisions, fees, flows, plans

COMMAND = "rebalance plan"
DAY_SECONDS = 86_400


def run(options: CommonOptions, clock: Clock = time.time) -> RebalancePlan:
    """Given the flags, decide which channels are worth refilling, and store the plan."""
    with open_session(options, COMMAND, "rebalance", clock) as session:
        synced = session.sync()
        view = synced.view
        suspended = (*mode_reasons(session.config.rebalance), *session.suspensions(synced, spending=True))
        policy = session.config.rebalance
        with session.database.read(session.node_key) as tx:
            since_at = view.taken_at - policy.horizon_days * DAY_SECONDS
            snapshot = RebalanceSnapshot(
                view=view,
                flows=flows.flows(tx, since_at),
                in_flight=plans.in_flight_channels(tx),
                pair_history=plans.pair_history(tx, since_at),
                budget_left_msat=read_verdict(tx, session.config.budget, view.taken_at).left_msat,
                permissions=permissions(tx, session.config, view),
                congested_since=fees.congested_since(tx),
            )
        decided = plan_rebalances(snapshot, policy, suspended)
        session.count(decision.outcome for decision in decided.decisions)
        if session.run_key is not None:
            with session.database.transaction(session.node_key) as tx:
                plans.add_plan(tx, session.run_key, decided)
                decisions.record_rebalance_plan(tx, session.run_key, decided)
        return decided
