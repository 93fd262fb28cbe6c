"""`revops rebalance plan`: which channels are worth refilling, and out of which. The plan is stored, and good for a
while.
"""

from __future__ import annotations

import time

from revops.cycle.market import read_market
from revops.cycle.policies import permissions
from revops.cycle.quotes import ask_for_routes
from revops.cycle.session import Clock, Session, open_session
from revops.cycle.stability import stability_reasons
from revops.cycle.verdict import read_verdict
from revops.decide.rebalance.obstacles import mode_reasons
from revops.decide.rebalance.plan import make_plan
from revops.decide.rebalance.priced import questions
from revops.decide.rebalance.scene import Scene
from revops.decide.rebalance.survey import survey
from revops.decide.scoring import signals_of
from revops.domain.decision import RebalancePlan
from revops.domain.options import CommonOptions
from revops.domain.snapshot import NodeView, RebalanceSnapshot
from revops.store import decisions, fees, flows, plans, refills, signals
from revops.store.days import DAY_SECONDS

COMMAND = "rebalance plan"
#: Attempts of so long tell how reliable a pair is; older ones have faded.
ATTEMPT_DAYS = 14


def run(options: CommonOptions, clock: Clock = time.time) -> RebalancePlan:
    """Given the flags, decide which channels are worth refilling, and store the plan."""
    with open_session(options, COMMAND, "rebalance", clock, writes=True) as session:
        synced = session.sync()
        policy = session.config.rebalance
        stopped = session.suspensions(synced, spending=True)
        if session.run_key is not None:
            with session.database.transaction(session.node_key) as tx:
                refills.mark_lots(tx, synced.view.taken_at, policy.horizon_days)
        scene = Scene(_snapshot(session, synced.view), policy)
        candidates = survey(scene)
        quotes = ask_for_routes(session, questions(candidates, scene), may_write=not stopped)
        decided = make_plan(candidates, scene, quotes, (*mode_reasons(policy), *stopped))
        session.count(decision.outcome for decision in decided.decisions)
        if session.run_key is not None:
            with session.database.transaction(session.node_key) as tx:
                plans.add_plan(tx, session.run_key, decided)
                decisions.record_rebalance_plan(tx, session.run_key, decided)
        return decided


def _snapshot(session: Session, view: NodeView) -> RebalanceSnapshot:
    """What the decision sees."""
    config, now = session.config, view.taken_at
    horizon_days = config.rebalance.horizon_days
    with session.database.read(session.node_key) as tx:
        traffic, market = signals.load(tx), read_market(tx, now)
        states = fees.fee_states(tx)
        return RebalanceSnapshot(
            view=view,
            flows=flows.flows(tx, now - horizon_days * DAY_SECONDS),
            in_flight=plans.in_flight_channels(tx),
            budget_left_msat=read_verdict(tx, config.budget, now).left_msat,
            signals={
                channel.channel_id: market.signals(
                    channel, signals_of(channel.channel_id, channel.peer_id, traffic, now)
                )
                for channel in view.channels
            },
            figures={name: state.demand for name, state in states.items() if state.demand is not None},
            attempts=refills.attempts(tx, now - ATTEMPT_DAYS * DAY_SECONDS),
            lots=refills.lots(tx, now, horizon_days),
            spent_msat=refills.spent_by_source(tx, now - horizon_days * DAY_SECONDS),
            permissions=permissions(tx, config, view),
            unstable=stability_reasons(tx, config, view),
            congested_since=fees.congested_since(tx),
        )
