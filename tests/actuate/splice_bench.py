"""A bench on which one channel wants more and another is dead, for the tests of `splice run`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from revops.cycle import splice_plan, splice_run, splice_scene, sync
from revops.domain.reason import ReasonCode
from revops.domain.splice import SplicePlan, SpliceScene, SpliceSummary
from revops.sim.wallet import receive
from tests.actuate.bench import NODE_KEY, Bench
from tests.splice_records import told

WANTED_SAT = 300_000
BLOCK = 600.0


class Splices:
    """A bench on which one channel wants more and another is dead, by what its records are said to hold."""

    def __init__(self, bench: Bench, patch: pytest.MonkeyPatch) -> None:
        self.bench = bench
        bench.settings["splice"] = {
            "mode": "act", "min_amount_sat": 10_000, "daily_sat": 50_000, "weekly_sat": 100_000,
            "max_feerate_perkw": 5_000,
        }  # fmt: skip
        bench.settings["reserve"] = {"onchain_sat": 100_000, "offchain_sat": 0}
        for number in range(6):
            receive(bench.node.world, f"{number:02x}" * 32, 0, 3_000_000_000)
        patch.setattr("revops.node.writer._SPLICE_SECONDS", 0.5)
        sync.run(bench.options, bench.clock)
        rows = [
            row for row in bench.node.handle("listpeerchannels")["channels"]
            if row["state"] == "CHANNELD_NORMAL" and row["peer_connected"]
        ]  # fmt: skip
        rows.sort(key=lambda row: row["spendable_msat"])
        self.wanted, self.dead = rows[0]["channel_id"], rows[-1]["channel_id"]
        scene = splice_scene.splice_scene

        def seen(*arguments: Any) -> SpliceScene:
            return told(scene(*arguments), self.wanted, WANTED_SAT, self.dead)

        patch.setattr(splice_plan, "splice_scene", seen)
        patch.setattr(splice_run, "splice_scene", seen)

    def plan(self) -> SplicePlan:
        self.bench.node.world.feerate_perkw = 300
        self.later(1.0)
        return splice_plan.run(self.bench.options, self.bench.clock)

    def run(self, *, dry_run: bool = False) -> SpliceSummary:
        return splice_run.run(replace(self.bench.options, dry_run=dry_run), self.bench.clock)

    def later(self, seconds: float = 7 * BLOCK) -> None:
        self.bench.node.advance_by(seconds)

    def channel(self, channel_id: str) -> dict[str, Any]:
        rows = self.bench.node.handle("listpeerchannels")["channels"]
        return next(row for row in rows if row["channel_id"] == channel_id)

    def asked(self) -> list[Any]:
        """The splices that the node was asked for."""
        calls = self.bench.node.call_log.writing_calls()
        return [params for method, params in calls if method == "dev-splice"]

    def jobs(self) -> list[tuple[str, str, int | None]]:
        rows = self.rows("SELECT direction, status, cost_msat FROM splice_job ORDER BY splice_key")
        return [(row.direction, row.status, row.cost_msat) for row in rows]

    def rows(self, query: str) -> list[Any]:
        with self.bench.database.read(NODE_KEY) as tx:
            return list(tx.connection.execute(text(query)).all())

    def ledger_msat(self) -> tuple[int, int]:
        """What is settled, and what is reserved, by the rows alone."""
        rows = self.rows("SELECT entry_key, kind, reserve_key, amount_msat, category FROM spend_ledger")
        assert {row.category for row in rows} <= {"splice"}
        closed = {row.reserve_key for row in rows if row.kind != "reserve"}
        settled = sum(row.amount_msat for row in rows if row.kind == "settle")
        return settled, sum(row.amount_msat for row in rows if row.kind == "reserve" and row.entry_key not in closed)

    def booked_msat(self) -> int:
        """What splices have cost by the node's ledger."""
        return int(self.rows("SELECT COALESCE(SUM(cost_msat), 0) FROM chain_cost WHERE kind = 'splice'")[0][0])


def codes(summary: SpliceSummary) -> list[ReasonCode]:
    return [job.reason.code for job in summary.jobs if job.reason is not None]
