"""What sling may cost, held against what is staked on a job: by a stake that a test names, and by real plans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from revops.cycle import rebalance_plan, rebalance_queue
from revops.decide.rebalance.scene import Scene
from revops.domain.reason import ReasonCode
from revops.domain.rebalance import RebalanceTerms
from revops.domain.record import JobRecord
from revops.store import refills
from tests.actuate.bench import EASY, NODE_KEY
from tests.actuate.sling_bench import AMOUNT_MSAT, MAX_FEE_MSAT, SlingBench, open_sling_bench
from tests.actuate.test_actuate_judge import WORLD

TERMS = RebalanceTerms(
    target_ppm=1.0, source_ppm=1.0, route_ppm=1.0, risk_ppm=1.0, gain_ppm=1.0, income_ppm=1.0, sale_ratio=0.5,
    sale_low_ratio=0.4, lot_count=1.0, horizon_days=14, odds_ratio=1.0, kelly_ratio=0.1, stake_msat=0,
    wanted_msat=AMOUNT_MSAT,
)  # fmt: skip


def staked(bench: SlingBench, monkeypatch: pytest.MonkeyPatch, stake_msat: int) -> None:
    """Run a plan of one job on which so much is staked."""

    def judged(_scene: Scene, job: JobRecord) -> JobRecord:
        return replace(job, terms=replace(TERMS, stake_msat=stake_msat))

    monkeypatch.setattr(rebalance_queue, "judge", judged)
    bench.settings["rebalance"]["min_amount_sat"] = 20_000
    bench.order_plan()
    bench.run()


@pytest.mark.parametrize("times", [8.0, 2.0, 1.0, 0.6])
def test_no_more_is_reserved_than_is_staked(template: Path, monkeypatch: pytest.MonkeyPatch, times: float) -> None:
    """The limit of the whole amount is 200 sat, what sling might pay is several times that."""
    stake_msat = int(times * MAX_FEE_MSAT)
    with open_sling_bench(template) as bench:
        staked(bench, monkeypatch, stake_msat)
        assert bench.job().status == "in_flight"
        assert 0 < bench.totals().reserved_msat <= stake_msat
        assert bench.order().amount_msat <= AMOUNT_MSAT
        bench.end()
        assert bench.job().status == "settled"


def test_a_job_whose_stake_carries_no_order_is_given_up(template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_sling_bench(template) as bench:
        staked(bench, monkeypatch, 5_000)
        job = bench.job()
        assert job.status == "failed"
        assert job.reason is not None
        assert job.reason.code is ReasonCode.SLING_ABOVE_STAKE
        assert bench.entries() == []
        assert not bench.calls("sling-once")


@pytest.fixture
def bench(template: Path) -> Iterator[SlingBench]:
    world: dict[str, Any] = WORLD
    with open_sling_bench(template, **world) as opened:
        opened.settings["rebalance"] |= EASY
        opened.settings["budget"] |= {"daily_sat": 3_000, "weekly_sat": 9_000}
        yield opened


def test_plans_of_the_product_are_ordered_within_their_stakes_and_booked_on_who_paid(bench: SlingBench) -> None:
    rebalance_plan.run(bench.options, bench.clock)
    stakes = {job.job_key: job.terms.stake_msat for job in bench.jobs() if job.terms is not None}
    assert stakes
    for _ in range(4):
        bench.run()
        for job in bench.jobs():
            if job.reserved_msat is not None:
                assert job.reserved_msat <= stakes[job.job_key]
        bench.check()
        bench.later(901.0)
    bench.end()
    done = [job for job in bench.jobs() if job.status == "settled"]
    assert done
    with bench.database.read(NODE_KEY) as tx:
        spent_msat = refills.spent_by_source(tx, 0.0)
    paid_msat: dict[str, int] = {}
    rows = bench.rows(
        """SELECT channel_id, fee_msat FROM rebalance_payment AS p
           JOIN channel AS c ON c.channel_key = p.source_channel_key WHERE job_key != 0"""
    )
    for row in rows:
        paid_msat[row.channel_id] = paid_msat.get(row.channel_id, 0) + row.fee_msat
    assert spent_msat == paid_msat
    assert sum(spent_msat.values()) == bench.spent_msat
