"""The bench with the plugin sling: plans with several sources, and what must hold of money whose payments have no
names.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import text

from revops.domain.decision import Outcome, RebalanceDecision, RebalancePlan
from revops.domain.reason import ReasonCode, why
from revops.domain.rebalance import SourceOffer
from revops.domain.record import JobRecord
from revops.domain.sling import SlingOrder, order_of
from revops.sim.channels import Channel
from revops.sim.server import SimServer
from revops.store import jobs as store_jobs
from revops.store import plans
from tests.actuate.bench import NODE_KEY, Bench

AMOUNT_MSAT = 100_000_000
MAX_FEE_MSAT = 200_000
#: What a job whose order was answered needs at least, from the stop to the judgement.
STOPPED_SECONDS = 61.0
UNHEARD_SECONDS = 901.0


class SlingBench(Bench):
    """One node with sling, one database, one operator who wants it used."""

    def __init__(self, folder: Path, **fields: Any) -> None:
        super().__init__(folder, **({"sling_version": "v4.2.1"} | fields))
        self.settings["rebalance"]["executor"] = "sling"
        self.settings["budget"] |= {"daily_sat": 10_000, "weekly_sat": 10_000}

    def channels(self) -> list[Channel]:
        """Live channels, each the only one with its peer, the fullest first."""
        live = [one for one in self.node.world.channels.values() if one.scid is not None and one.is_live]
        peers = [one.peer_id for one in live]
        return sorted((one for one in live if peers.count(one.peer_id) == 1), key=lambda one: -one.to_us_msat)

    def order_plan(
        self,
        count: int = 1,
        *,
        sources: int = 2,
        amount_msat: int = AMOUNT_MSAT,
        max_fees_msat: tuple[int, ...] = (MAX_FEE_MSAT,),
    ) -> None:
        """Sync, then plan that many jobs, each with sources of its own."""
        self.sync()
        full, empty = self.channels(), self.channels()[::-1]
        decisions = []
        for number in range(count):
            offers = tuple(
                SourceOffer(one.channel_id, one.scid or "", max_fees_msat[place % len(max_fees_msat)])
                for place, one in enumerate(full[number * sources : (number + 1) * sources])
            )
            decision = RebalanceDecision(
                target_channel_id=empty[number].channel_id, target_name="target",
                source_channel_id=offers[0].channel_id, source_name="source", outcome=Outcome.CHANGE,
                amount_msat=amount_msat, max_fee_msat=max(max_fees_msat), expected_gain_msat=1,
                reasons=(why(ReasonCode.NO_SOURCE),),
            )  # fmt: skip
            decisions.append(replace(decision, sources=offers))
        lifetime_seconds = self.settings["rebalance"]["plan_lifetime_seconds"]
        plan = RebalancePlan(self.clock(), self.clock() + lifetime_seconds, tuple(decisions))
        with self.database.transaction(NODE_KEY) as tx:
            run_key = tx.connection.execute(text("SELECT max(run_key) FROM run")).scalar_one()
            plans.add_plan(tx, run_key, plan)

    def order(self, job: JobRecord | None = None) -> SlingOrder:
        """What sling was asked for."""
        order = order_of((job or self.job()).label)
        assert order is not None
        return order

    def words(self) -> list[str]:
        """What the newest job went through."""
        with self.database.read(NODE_KEY) as tx:
            return [step.status for step in store_jobs.steps(tx, self.job().job_key)]

    def states(self) -> list[str]:
        """What sling says of the newest job's channel."""
        rows: Any = self.node.answer("sling-stats", [True])
        return [state for row in rows if row["scid"] == self.order().scid for state in row["status"]]

    def later(self, seconds: float) -> None:
        """Let time pass, then let cron come."""
        self.node.advance_by(seconds)
        self.run()

    def end(self, *, most: int = 4) -> None:
        """Let cron come until all is closed."""
        for _ in range(most):
            self.later(UNHEARD_SECONDS)
            self.check()
            if not [job for job in self.jobs() if job.status in store_jobs.OPEN]:
                break
        self.check(final=True)

    def owned(self) -> dict[str, int]:
        """The job that each payment belongs to, by the size that its order named; the operator's belong to 0."""
        marks = {self.order(job).chunk_msat: job.job_key for job in self.jobs() if job.label is not None}
        return {row["payment_hash"]: marks.get(row["amount_msat"], 0) for row in self.payments()}

    def check(self, *, final: bool = False) -> None:
        """Assert what holds whatever happened: each reservation closed once at most, money under way reserved, all that
        was paid and isn't under a reservation booked once. `final`: nothing is open, and the books agree to the msat.
        """
        rows = self.rows("SELECT * FROM spend_ledger")
        closing = [row.reserve_key for row in rows if row.reserve_key is not None]
        assert len(closing) == len(set(closing))
        open_msat = {
            row.job_key: row.amount_msat for row in rows if row.kind == "reserve" and row.entry_key not in closing
        }
        assert set(open_msat) == {job.job_key for job in self.jobs() if job.status in store_jobs.OPEN}
        owned, cost_msat = self.owned(), dict.fromkeys((job.job_key for job in self.jobs()), 0)
        for row in self.payments():
            job_key = owned[row["payment_hash"]]
            if job_key and row["status"] != "failed":
                cost_msat[job_key] += row["amount_sent_msat"] - row["amount_msat"]
                assert row["status"] == "complete" or job_key in open_msat, "money under way without a reservation"
        booked_msat = {row.job_key: 0 for row in rows}
        for row in rows:
            if row.kind == "settle":
                booked_msat[row.job_key] += row.amount_msat
        for job in self.jobs():
            if job.job_key in open_msat:
                assert cost_msat[job.job_key] <= open_msat[job.job_key], "it costs more than is reserved"
            else:
                assert cost_msat[job.job_key] == booked_msat.get(job.job_key, 0) == (job.fee_msat or 0)
        claimed = {
            row.payment_hash.hex(): row.job_key
            for row in self.rows("SELECT * FROM rebalance_payment WHERE job_key != 0")
        }
        assert claimed.items() <= owned.items()
        if final:
            assert not open_msat
            paid = {row["payment_hash"] for row in self.payments() if row["status"] == "complete"}
            assert claimed == {name: key for name, key in owned.items() if key and name in paid}


@contextmanager
def open_sling_bench(template: Path, **fields: Any) -> Iterator[SlingBench]:
    """A bench whose node answers at its socket."""
    folder = Path(tempfile.mkdtemp(prefix="rv-"))
    try:
        shutil.copy(template, folder / "db")
        bench = SlingBench(folder, **fields)
        with SimServer(bench.node, folder / "rpc", faults=bench.faults), bench.database:
            bench.sync()
            yield bench
    finally:
        shutil.rmtree(folder)
