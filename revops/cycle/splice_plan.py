"""`revops splice plan`: which channels earn by more capacity, and out of what they get it. Stored advice: nothing is
sent to the node.
"""

from __future__ import annotations

import time
from dataclasses import replace

from revops.cycle.session import Clock, open_session
from revops.cycle.splice_scene import budget_reasons, mode_reasons, splice_scene
from revops.decide.splice.plan import make_plan
from revops.domain.options import CommonOptions
from revops.domain.splice import SplicePlan
from revops.store import decisions, splices

COMMAND = "splice plan"


def run(options: CommonOptions, clock: Clock = time.time) -> SplicePlan:
    """Given the flags, decide which channels are worth a splice, and store the plan."""
    with open_session(options, COMMAND, "capital", clock) as session:
        synced = session.sync()
        policy, classes = session.config.splice, session.config.classes
        stopped = session.suspensions(synced, spending=True)
        scene = splice_scene(session, synced.view, stopped)
        suspended = (*mode_reasons(session), *stopped)
        plan = make_plan(scene, policy, classes.min_open_days, suspended)
        session.count(decision.outcome for decision in plan.decisions)
        if session.run_key is not None:
            with session.database.transaction(session.node_key) as tx:
                splices.expire(tx, scene.taken_at)
                splices.add_plan(tx, session.run_key, plan)
                decisions.record_splice_plan(tx, session.run_key, plan)
        return replace(plan, reasons=(*plan.reasons, *budget_reasons(policy)))
