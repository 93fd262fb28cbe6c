"""A machine worth killing: a history that was copied, fees that are out of bounds, and a plan whose jobs will be paid.

Which jobs those are is tried out on the node itself, which is then put back: so the tests of execution don't depend on
what the planner of the day finds worth its price.
"""

from __future__ import annotations

from typing import Final

from revops.domain.decision import Outcome, RebalanceDecision, RebalancePlan
from revops.domain.reason import ReasonCode, why
from revops.domain.rebalance import SourceOffer
from revops.store import plans, runs
from revops.store.engine import Database
from tests.e2e.ledgers import rows
from tests.e2e.operator_place import Machine, Saved

AMOUNT_MSAT: Final = 50_000_000
PLAN_SECONDS: Final = 30 * 86_400
#: As many jobs will settle; one more has no route that is cheap enough.
GOOD_JOBS: Final = 3
#: The database's key of the machine's only node.
NODE_KEY: Final = 1

Pair = tuple[str, str]


def plant(
    machine: Machine, pairs: list[Pair], max_fee_msat: int = AMOUNT_MSAT // 20, spare: tuple[str, ...] = ()
) -> None:
    """Store a plan with a job for each (source, target), as `rebalance plan` does.

    Each job has the `spare` channels as sources, too. As they may cost half as much only, they are used when the way
    from the first one has failed.
    """
    now = machine.node.now_at
    jobs = tuple(
        RebalanceDecision(
            target_channel_id=target, target_name=target[:8], source_channel_id=source, source_name=source[:8],
            outcome=Outcome.CHANGE, amount_msat=AMOUNT_MSAT, max_fee_msat=max_fee_msat, expected_gain_msat=1,
            reasons=(why(ReasonCode.OBSERVE_MODE),),
            sources=(
                SourceOffer(source, source[:8], max_fee_msat),
                *(SourceOffer(other, other[:8], max_fee_msat // 2) for other in spare if other != target),
            ),
        )
        for source, target in pairs
    )  # fmt: skip
    with Database.open(f"sqlite:///{machine.database}") as database, database.transaction(NODE_KEY) as tx:
        run_key = runs.begin_run(tx, "rebalance plan", now, "0")
        runs.end_run(tx, run_key, now, 0, None)
        plans.add_plan(tx, run_key, RebalancePlan(now, now + PLAN_SECONDS, jobs))


def candidates(machine: Machine) -> list[Pair]:
    """From the channels that have most to those that have least."""
    channels = sorted(machine.node.world.channels.values(), key=lambda one: one.spendable_msat(), reverse=True)
    able = [one.channel_id for one in channels if one.is_live and one.spendable_msat() > 4 * AMOUNT_MSAT]
    wanting = [one.channel_id for one in reversed(channels) if one.is_live and one.receivable_msat() > 4 * AMOUNT_MSAT]
    return [(source, target) for source in able[:6] for target in wanting[:6] if source != target]


def stocked(machine: Machine) -> Saved:
    """Sync, plan, and return the state in which every test begins."""
    machine.here("sync")
    synced = machine.save()
    machine.write_config(rebalance={"max_in_flight": 50})
    plant(machine, candidates(machine))
    machine.here("rebalance run")
    query = """SELECT s.channel_id AS source, t.channel_id AS target, status FROM rebalance_job AS j
               JOIN channel AS s ON s.node_key = j.node_key AND s.channel_key = j.source_channel_key
               JOIN channel AS t ON t.node_key = j.node_key AND t.channel_key = j.target_channel_key
               ORDER BY job_key"""
    good: list[Pair] = []
    for row in rows(machine.database, query):
        taken = {name for pair in good for name in pair}
        if row["status"] == "settled" and not taken & {row["source"], row["target"]}:
            good.append((row["source"], row["target"]))
    assert len(good) >= GOOD_JOBS, "too few circular payments succeed on this simulated node: choose another seed"
    machine.restore(synced)
    machine.write_config()
    chosen = good[:GOOD_JOBS]
    taken = {name for pair in chosen for name in pair}
    plant(machine, chosen, spare=tuple(source for source, _ in candidates(machine) if source not in taken)[:1])
    return machine.save()
