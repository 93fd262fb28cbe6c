"""Splice plans are kept whole: what carrying one out takes, what a newer one replaces, and what time has overtaken."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from sqlalchemy import func, select, update

from revops.domain.decision import Outcome
from revops.domain.reason import ReasonCode, why
from revops.domain.splice import SpliceDecision, SpliceDirection, SplicePlan, SpliceTerms
from revops.errors import BugError, DataError
from revops.store import decisions, splices, tables
from revops.store.engine import Database, Tx
from tests.builders import DAY, NOW, channel_id
from tests.store.rows import record

TERMS = SpliceTerms(10, 5_000_000, 90_000_000, 90, 1_044, 417_600, 600, 626_400, 7.5)


def splice(number: int = 1, direction: SpliceDirection = SpliceDirection.IN) -> SpliceDecision:
    reasons = (why(ReasonCode.SPLICE_UNDER_WAY),)
    return SpliceDecision(
        channel_id(number), f"{number}x1x1", Outcome.CHANGE, direction, 1_000_000, 4_582_400, TERMS, reasons
    )


def skip(number: int = 1) -> SpliceDecision:
    reasons = (why(ReasonCode.SPLICE_NO_USE),)
    return SpliceDecision(channel_id(number), f"{number}x1x1", Outcome.SKIP, None, 0, 0, None, reasons)


def plan(*found: SpliceDecision, at: float = NOW) -> SplicePlan:
    return SplicePlan(at, at + 3_600, found)


def rows(tx: Tx) -> list[tuple[int, str]]:
    job = tables.splice_job.c
    of_node = select(job.splice_key, job.status).where(job.node_key == tx.node_key).order_by(job.splice_key)
    return [tuple(row) for row in tx.connection.execute(of_node)]


def test_what_carrying_one_out_takes_is_stored(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        plan_key = splices.add_plan(tx, 1, plan(splice(1), skip(2), splice(2, SpliceDirection.OUT)))
    with database.read(node_key) as tx:
        first, second = splices.planned(tx)
    assert (first.channel_id, first.direction, first.amount_sat) == (channel_id(1), SpliceDirection.IN, 1_000_000)
    assert (first.max_feerate_perkw, first.max_cost_msat, first.expected_gain_msat) == (600, 626_400, 4_582_400)
    assert (first.terms, first.status, first.plan_key) == (TERMS, "planned", plan_key)
    assert (first.created_at, first.expires_at, first.finished_at, first.reason) == (NOW, NOW + 3_600, None, None)
    assert (second.channel_id, second.direction) == (channel_id(2), SpliceDirection.OUT)


def test_a_newer_plan_replaces_what_is_left_of_the_last(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        splices.add_plan(tx, 1, plan(splice(1), splice(2)))
        mine = (tables.splice_job.c.node_key == tx.node_key, tables.splice_job.c.splice_key == 2)
        tx.connection.execute(update(tables.splice_job).where(*mine).values(status="in_flight"))
        splices.add_plan(tx, 2, plan(splice(1), at=NOW + 600))
        assert rows(tx) == [(1, "expired"), (2, "in_flight"), (3, "planned")]
        splices.add_plan(tx, 3, plan(skip(1), at=NOW + 1_200))
        assert rows(tx) == [(1, "expired"), (2, "in_flight"), (3, "expired")]


def test_time_overtakes_a_plan(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        splices.add_plan(tx, 1, plan(splice(1)))
        assert splices.expire(tx, NOW + 3_599) == 0
        assert splices.expire(tx, NOW + 3_600) == 1
        assert splices.expire(tx, NOW + 3_600) == 0
        reasons = select(tables.splice_job.c.reason_json).where(tables.splice_job.c.node_key == tx.node_key)
        assert json.loads(tx.connection.execute(reasons).scalar_one())[0][0] == "plan_expired"


def test_ended_splices_go_with_the_decisions_and_money_stays(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        splices.add_plan(tx, 1, plan(splice(1), splice(2), splice(3)))
        job = tables.splice_job.c
        for key, facts in ((2, {"status": "settled"}), (3, {"status": "failed", "reserve_key": 9})):
            mine = (job.node_key == tx.node_key, job.splice_key == key)
            tx.connection.execute(update(tables.splice_job).where(*mine).values(finished_at=NOW, **facts))
        splices.expire(tx, NOW + DAY)
        assert splices.prune_splices(tx, NOW + DAY) == 0, "nothing that ended just then"
        assert splices.prune_splices(tx, NOW + 2 * DAY) == 1
        assert rows(tx) == [(2, "settled"), (3, "failed")]
        count = select(func.count()).where(tables.splice_plan.c.node_key == tx.node_key)
        assert tx.connection.execute(count).scalar_one() == 1
        splices.add_plan(tx, 2, plan(skip(1), at=NOW + 3 * DAY))
        splices.prune_splices(tx, NOW + 4 * DAY)
        assert tx.connection.execute(count).scalar_one() == 1, "a plan without splices goes"


@pytest.mark.parametrize(
    "wrong", [replace(splice(), terms=None), replace(splice(), direction=None), replace(splice(), channel_id="ff" * 32)]
)
def test_what_could_not_be_carried_out_is_a_bug(database: Database, node_key: int, wrong: SpliceDecision) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
    with pytest.raises(BugError), database.transaction(node_key) as tx:
        splices.add_plan(tx, 1, plan(wrong))
    with database.read(node_key) as tx:
        assert rows(tx) == []


def test_terms_of_another_version_are_refused(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1)
        splices.add_plan(tx, 1, plan(splice(1)))
        mine = tables.splice_job.c.node_key == tx.node_key
        tx.connection.execute(update(tables.splice_job).where(mine).values(terms_json='{"x": 1}'))
        with pytest.raises(DataError, match="terms"):
            splices.planned(tx)


def test_each_decision_is_recorded_skips_too(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        for run_key in (1, 2):
            decisions.record_splice_plan(tx, run_key, plan(splice(1), skip(2), at=NOW + run_key))
    with database.read(node_key) as tx:
        found = {one.channel_id: one for one in decisions.recent_decisions(tx, 10, decisions.SPLICE)}
    taken, left = found[channel_id(1)], found[channel_id(2)]
    assert (taken.outcome, taken.amount_msat, taken.repeat_count) == ("change", 10**9, 1)
    assert (taken.details["direction"], taken.details["max_cost_msat"]) == ("in", 626_400)
    assert (left.outcome, left.details, left.reasons[0].code) == ("skip", {}, ReasonCode.SPLICE_NO_USE)
