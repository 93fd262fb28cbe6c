"""Jobs as they are told: those of a channel on either side, as they were known at any moment, with what was sold."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert

from revops.domain.job_story import RefillTotals
from revops.domain.reason import ReasonCode, why
from revops.domain.rebalance import Lot
from revops.store import job_stories, jobs, plans
from revops.store.engine import Database, Tx
from revops.store.keys import channel_keys
from revops.store.tables import rebalance_payment
from tests.builders import DAY, NOW, channel_id
from tests.store.rows import record
from tests.store.test_store_plans import plan, refill, reserve

FAILED = why(ReasonCode.NO_ROUTE, message="none")


@pytest.fixture
def tx(database: Database, node_key: int) -> Any:
    """Three jobs: from 2 to 1, from 1 to 3 and from 2 to 3, planned at NOW."""
    with database.transaction(node_key) as opened:
        record(opened, 1, 2, 3, 4)
        plans.add_plan(opened, 1, plan(refill(2, 1), refill(1, 3), refill(2, 3)))
        yield opened


def settle(tx: Tx, job_key: int, at: float) -> None:
    jobs.mark_reserved(tx, job_key, run_key=1, at=at - 2, reserve_key=reserve(tx, job_key), label=f"job-{job_key}")
    jobs.mark_sending(tx, job_key, f"{job_key:064x}", run_key=1, at=at - 2)
    reason = why(ReasonCode.PAYMENT_SETTLED, amount_msat=10**9, fee_msat=77)
    jobs.finish_job(tx, job_key, "settled", 77, at, reason, run_key=1)


def pay(tx: Tx, job_key: int, source: int, target: int, at: float, number: int = 1) -> None:
    keys = channel_keys(tx)
    row = {
        "node_key": tx.node_key, "payment_hash": bytes([number]) * 32, "job_key": job_key, "moved_at": at,
        "source_channel_key": keys[channel_id(source)], "target_channel_key": keys[channel_id(target)],
        "amount_msat": 10**9, "fee_msat": 77,
    }  # fmt: skip
    tx.connection.execute(insert(rebalance_payment).values(row))


def of(tx: Tx, number: int, at: float = NOW + DAY, lots: Any = None, limit: int = 9) -> list[int]:
    return [story.job.job_key for story in job_stories.of_channel(tx, channel_id(number), at, limit, lots or {})]


def test_a_channel_s_jobs_are_those_on_either_side_the_newest_first(tx: Tx) -> None:
    assert [of(tx, number) for number in (1, 2, 3, 4)] == [[2, 1], [3, 1], [3, 2], []]
    assert of(tx, 1, limit=1) == [2]
    assert of(tx, 1, at=NOW - 1) == []
    pay(tx, 3, 4, 3, NOW)  # an executor took another source than planned
    assert of(tx, 4) == [3]


def test_what_was_replaced_without_a_try_is_left_out(tx: Tx) -> None:
    jobs.finish_job(tx, 1, "failed", 0, NOW + 1, FAILED, run_key=1)
    plans.add_plan(tx, 1, plan(at=NOW + 2))
    assert [of(tx, number) for number in (1, 2, 3)] == [[1], [1], []]
    assert [story.job.status for story in job_stories.latest(tx, 9, NOW, {})] == ["expired", "expired", "failed"]


def test_a_job_is_told_as_it_stood_at_a_moment(tx: Tx) -> None:
    settle(tx, 1, NOW + 60)
    pay(tx, 1, 2, 1, NOW + 59)
    lots = {channel_id(1): (Lot(10**9, 77, (DAY - 60) / DAY, 4 * 10**8),)}
    told = {}
    for at in (NOW, NOW + 58, NOW + DAY):
        (story,) = [
            one for one in job_stories.of_channel(tx, channel_id(1), at, 9, lots if at == NOW + DAY else {})
            if one.job.job_key == 1
        ]  # fmt: skip
        told[at] = story
    before, during, after = told.values()
    assert (before.job.status, before.job.fee_msat, before.job.reason) == ("planned", None, None)
    assert (during.job.status, during.payments, during.sold_msat) == ("sending", (), None)
    assert (after.job.status, after.job.fee_msat, after.sold_msat) == ("settled", 77, 4 * 10**8)
    assert [step.status for step in after.steps] == ["planned", "reserved", "sending", "settled"]
    assert [one.payment_hash for one in after.payments] == ["01" * 32]


def test_only_the_lot_of_the_job_itself_tells_what_was_sold(tx: Tx) -> None:
    settle(tx, 1, NOW + 60)
    jobs.finish_job(tx, 2, "failed", 0, NOW + 60, FAILED, run_key=1)
    other = Lot(10**9, 77, (DAY - 90) / DAY, 10**8)
    lots = {channel_id(1): (other,), channel_id(3): (Lot(10**9, 77, (DAY - 60) / DAY, 10**8),)}
    assert {one.job.job_key: one.sold_msat for one in job_stories.latest(tx, 9, NOW + DAY, lots)} == {
        1: None, 2: None, 3: None
    }  # fmt: skip
    mine = {channel_id(1): (other, Lot(10**9, 77, (DAY - 60) / DAY, 3 * 10**8))}
    (story,) = job_stories.of_job(tx, 1, NOW + DAY, mine)
    assert story.sold_msat == 3 * 10**8
    assert job_stories.of_job(tx, 99, NOW, {}) == ()


def test_what_all_refills_of_a_channel_came_to(tx: Tx) -> None:
    """Job 1 went from 2 to 1, job 2 from 1 to 3, both as booked; job 3 was paid by 4, and not by 2."""
    for job_key in (1, 2, 3):
        settle(tx, job_key, NOW + 60 * job_key)
    pay(tx, 3, 4, 3, NOW + 179)
    sold = (Lot(10**9, 77, 0.9, 4 * 10**8),)
    planned_msat = jobs.job(tx, 1).amount_msat
    one = job_stories.totals_of_channel(tx, channel_id(1), NOW + DAY, sold)
    assert one == RefillTotals(2, 1, planned_msat, 77, 1, planned_msat, 77, 10**9, 4 * 10**8)
    assert job_stories.totals_of_channel(tx, channel_id(1), NOW + 90, ()) == RefillTotals(2, 1, planned_msat, 77)
    three = job_stories.totals_of_channel(tx, channel_id(3), NOW + DAY, ())
    assert three == RefillTotals(2, 2, planned_msat + 10**9, 2 * 77)
    assert job_stories.totals_of_channel(tx, channel_id(2), NOW + DAY, ()).gave_msat == planned_msat
    assert job_stories.totals_of_channel(tx, channel_id(4), NOW + DAY, ()).gave_msat == 10**9
    assert job_stories.totals_of_channel(tx, channel_id(1), NOW - 1, ()) == RefillTotals(0)


def test_another_attempt_knows_what_its_plan_was_made_for(tx: Tx) -> None:
    for failed_key in (3, 4):
        jobs.finish_job(tx, failed_key, "failed", 0, NOW + failed_key, FAILED, run_key=1)
        failed = jobs.job(tx, failed_key)
        assert plans.add_retry(tx, 1, failed, failed.sources, NOW + failed_key) == failed_key + 1
    told = [story.planned_as_key for key in (3, 4, 5) for story in job_stories.of_job(tx, key, NOW + 9, {})]
    assert told == [None, 3, 3]
