"""`revops rebalance plan`: which channels are worth refilling, and out of which. The plan is stored, and good for a
while.
"""

from __future__ import annotations

import time

from revops.actuate.pricing import LAYER
from revops.cycle.quotes import ask_for_routes
from revops.cycle.refill_scene import read_scene
from revops.cycle.session import Clock, open_session
from revops.decide.rebalance.obstacles import mode_reasons
from revops.decide.rebalance.plan import cut_questions, make_plan, without_layer
from revops.decide.rebalance.priced import questions
from revops.decide.rebalance.survey import survey
from revops.domain.decision import RebalancePlan
from revops.domain.options import CommonOptions
from revops.store import decisions, plans, refills

COMMAND = "rebalance plan"


def run(options: CommonOptions, clock: Clock = time.time) -> RebalancePlan:
    """Given the flags, decide which channels are worth refilling, and store the plan."""
    with open_session(options, COMMAND, "rebalance", clock, writes=True) as session:
        synced = session.sync()
        policy = session.config.rebalance
        stopped = session.suspensions(synced, spending=True)
        if session.run_key is not None:
            with session.database.transaction(session.node_key) as tx:
                refills.mark_lots(tx, synced.view.taken_at, policy.horizon_days)
        scene = read_scene(session, synced.view)
        candidates = survey(scene)
        asked = questions(candidates, scene)
        quotes = ask_for_routes(
            session,
            asked,
            lambda found: cut_questions(candidates, scene, found),
            may_write=not stopped,
        )
        decided = make_plan(candidates, scene, quotes, (*mode_reasons(policy), *stopped))
        if asked and not quotes:
            decided = without_layer(decided, LAYER)
        session.count(decision.outcome for decision in decided.decisions)
        if session.run_key is not None:
            with session.database.transaction(session.node_key) as tx:
                plans.add_plan(tx, session.run_key, decided)
                decisions.record_rebalance_plan(tx, session.run_key, decided)
        return decided
