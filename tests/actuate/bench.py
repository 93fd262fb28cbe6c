"""A simulated node behind its socket, a database, and the commands on them: what the money tests drive and look at.

Whatever a test does to the node or to time goes through here; whatever it asserts is read from the database and from
the node's own books, never from what the commands return.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import text

from revops.cycle import fees, rebalance, sync
from revops.domain.decision import FeePlan, Outcome, RebalanceDecision, RebalancePlan
from revops.domain.options import CommonOptions
from revops.domain.reason import ReasonCode, why
from revops.domain.rebalance import JobStep, SourceOffer
from revops.domain.record import JobRecord
from revops.domain.summary import RebalanceSummary
from revops.sim.faults import Fault, FaultKind, FaultPlan
from revops.sim.payments import Failure, end_failed
from revops.sim.server import SimServer
from revops.sim.world import SimConfig, SimulatedNode
from revops.store import jobs as store_jobs
from revops.store import ledger, plans
from revops.store.engine import Database
from revops.store.upgrade import upgrade
from tests.sim.driving import circle

AMOUNT_MSAT = 50_000_000
MAX_FEE_MSAT = 50_000
HOUR, DAY = 3_600.0, 86_400.0
NODE_KEY = 1
#: With these a small node's week is enough for plans of the product's own to find jobs.
EASY: dict[str, Any] = {
    "min_amount_sat": 5_000,
    "min_return_ratio": 0.0,
    "max_fee_ppm": 5_000,
    "min_gain_sat": 0,
    "low_ratio": 0.2,
    "high_ratio": 0.8,
    "max_quotes": 60,
    "min_uptime_ratio": 0.0,
}


def make_node(**fields: Any) -> SimulatedNode:
    """A node with a quarter of a day behind it whose market is quiet: only what the test does happens."""
    settings: dict[str, Any] = {
        "channel_count": 12,
        "history_days": 0.25,
        "outages_per_day": 0.0,
        "route_failure_ratio": 0.0,
        "stuck_ratio": 0.0,
        "ping_interval_seconds": 0.0,
    }
    node = SimulatedNode(SimConfig(**(settings | fields)))
    node.pause_market()
    node.advance_by(HOUR)
    node.handle("askrene-create-layer", {"layer": "revops"})
    node.handle("askrene-disable-node", {"layer": "revops", "node": node.node_id})
    return node


class Bench:
    """One node, one database, one operator."""

    def __init__(self, folder: Path, url: str | None = None, **fields: Any) -> None:
        self.folder = folder
        self.node = make_node(**fields)
        self.faults = FaultPlan()
        self.clock_offset = 0.0
        self.settings: dict[str, dict[str, Any]] = {
            "node": {"rpc_path": str(folder / "rpc"), "rpc_timeout_seconds": 5},
            "database": {"url": url or f"sqlite:///{folder / 'db'}"},
            "fees": {"mode": "act", "min_ppm": 1, "max_ppm": 5_000},
            "rebalance": {
                "mode": "act",
                "max_in_flight": 2,
                "wait_seconds": 20,
                "plan_lifetime_seconds": 3_600,
                "max_attempts": 1,
            },
            "budget": {"daily_sat": 100, "weekly_sat": 300, "revenue_share_ratio": 10.0},
        }
        self.database = Database.open(self.settings["database"]["url"])

    @property
    def options(self) -> CommonOptions:
        """The flags, with the configuration as it is now written down."""
        lines = []
        for section, keys in self.settings.items():
            lines += [f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in keys.items())]
        path = self.folder / "config.toml"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        path.chmod(0o600)
        return CommonOptions(config_path=path, lock_wait_seconds=0.0)

    def clock(self) -> float:
        """The machine's clock, which a test may set wrong."""
        return self.node.now_at + self.clock_offset

    # What cron does.

    def sync(self) -> None:
        sync.run(self.options, self.clock)

    def run(self) -> RebalanceSummary:
        return rebalance.run(self.options, self.clock)

    def fees(self) -> FeePlan:
        return fees.run(self.options, clock=self.clock)

    # What is planned.

    def pairs(self, amount_msat: int = AMOUNT_MSAT) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Sources and targets between which the network really carries the amount, all with their own peer."""
        rows = [row for row in self.node.handle("listpeerchannels")["channels"] if "short_channel_id" in row]
        peers = [row["peer_id"] for row in rows]
        single = [row for row in rows if peers.count(row["peer_id"]) == 1 and row["peer_connected"]]
        for source in sorted(single, key=lambda row: -int(row["spendable_msat"])):
            for target in sorted(single, key=lambda row: -int(row["receivable_msat"])):
                if circle(self.node, source, target, amount_msat) is not None:
                    yield source, target

    def plan(
        self,
        count: int = 1,
        *,
        amount_msat: int = AMOUNT_MSAT,
        max_fee_msat: int = MAX_FEE_MSAT,
        busy: set[str] | None = None,
    ) -> None:
        """Sync, then store a plan of that many jobs over different channels that would succeed now."""
        self.sync()
        taken = set() if busy is None else busy
        chosen: list[tuple[str, str]] = []
        for source, target in self.pairs(amount_msat):
            if len(chosen) == count:
                break
            if not {source["channel_id"], target["channel_id"]} & taken:
                taken |= {source["channel_id"], target["channel_id"]}
                chosen.append((source["channel_id"], target["channel_id"]))
        assert len(chosen) == count, "the network carries no more jobs at once"
        self.plan_pairs(*chosen, amount_msat=amount_msat, max_fee_msat=max_fee_msat)

    def plan_sources(self, target: str, limits_msat: dict[str, int]) -> None:
        """Sync, then store a plan of one job with these sources, best first, and what the route may cost from each."""
        self.sync()
        offers = tuple(SourceOffer(source, "source", limit) for source, limit in limits_msat.items())
        job = replace(_decision(offers[0].channel_id, target, AMOUNT_MSAT, max(limits_msat.values())), sources=offers)
        self._store(job)

    def plan_pairs(
        self, *pairs: tuple[str, str], amount_msat: int = AMOUNT_MSAT, max_fee_msat: int = MAX_FEE_MSAT
    ) -> None:
        """Store a plan for (source, target) channel_ids."""
        self._store(*(_decision(source, target, amount_msat, max_fee_msat) for source, target in pairs))

    def _store(self, *jobs: RebalanceDecision) -> None:
        lifetime_seconds = self.settings["rebalance"]["plan_lifetime_seconds"]
        with self.database.transaction(NODE_KEY) as tx:
            run_key = tx.connection.execute(text("SELECT max(run_key) FROM run")).scalar_one()
            plans.add_plan(tx, run_key, RebalancePlan(self.clock(), self.clock() + lifetime_seconds, jobs))

    # What the records say.

    def jobs(self) -> list[JobRecord]:
        with self.database.read(NODE_KEY) as tx:
            return sorted(store_jobs.recent_jobs(tx, 1_000), key=lambda job: job.job_key)

    def job(self) -> JobRecord:
        """The newest job."""
        return self.jobs()[-1]

    def steps(self, job: JobRecord) -> tuple[JobStep, ...]:
        """What a job went through."""
        with self.database.read(NODE_KEY) as tx:
            return store_jobs.steps(tx, job.job_key)

    def entries(self) -> list[tuple[str, int]]:
        """The ledger, oldest first, as (kind, msat)."""
        return [(row.kind, row.amount_msat) for row in self.rows("SELECT * FROM spend_ledger ORDER BY entry_key")]

    def totals(self) -> ledger.LedgerTotals:
        with self.database.read(NODE_KEY) as tx:
            return ledger.totals(tx, self.clock())

    def rows(self, statement: str) -> list[Any]:
        with self.database.read(NODE_KEY) as tx:
            return list(tx.connection.execute(text(statement)))

    # What the node says.

    def payments(self, job: JobRecord | None = None) -> list[dict[str, Any]]:
        """The node's payments, of one job or all, asked behind the log's and the faults' back."""
        wanted = {} if job is None else {"payment_hash": job.payment_hash}
        found: list[dict[str, Any]] = self.node.answer("listsendpays", wanted)["payments"]
        return found

    def invoices(self) -> dict[str, str]:
        return {row["label"]: row["status"] for row in self.node.answer("listinvoices", {})["invoices"]}

    @property
    def spent_msat(self) -> int:
        """What rebalances really cost, by the node's own books."""
        return self.node.books().rebalance_fees_msat

    def calls(self, method: str) -> list[Any]:
        return [params for name, params in self.node.call_log if name == method]

    # What goes wrong.

    def fault(self, method: str, fault: Fault | FaultKind, *, after: int = 0, times: int = 1) -> None:
        """Let the next call of the method (or a later one) meet a fault."""
        self.faults.on(method, fault, nth=self.faults.counts[method] + 1 + after, times=times)

    def refuse(self, method: str, code: int, message: str = "simulated refusal", *, after: int = 0) -> None:
        self.fault(method, Fault(FaultKind.ERROR, code=code, message=message), after=after)

    def fail_held(self) -> None:
        """Let the payments that hang fail."""
        world = self.node.world
        with self.node.lock:
            world.held = []
            for flight in list(world.flights):
                end_failed(world, flight, Failure(1, 4103))

    def autoclean(self, *, payments: bool = True, paid_invoices: bool = False, expired_invoices: bool = False) -> None:
        """Delete finished rows, as the node's operator may have configured it."""
        world = self.node.world
        with self.node.lock:
            if payments:
                world.payments.delete(lambda row: row.status != "pending")
            doomed = {"paid"} if paid_invoices else set()
            doomed |= {"expired"} if expired_invoices else set()
            self.invoices()
            for row in world.invoices.delete(lambda row: row.status() in doomed):
                del world.invoice_by_hash[row.payment_hash]

    # What must always hold.

    def check(self, *, final: bool = False) -> None:
        """Assert what holds whatever happened: each reservation closed at most once, each job paid at most once, and
        money that is under way reserved. `final`: nothing is, so the books agree to the msat.
        """
        rows = self.rows("SELECT * FROM spend_ledger")
        closing = [row.reserve_key for row in rows if row.reserve_key is not None]
        assert len(closing) == len(set(closing))
        open_msat = {
            row.job_key: row.amount_msat for row in rows if row.kind == "reserve" and row.entry_key not in closing
        }
        jobs = {job.payment_hash: job for job in self.jobs() if job.payment_hash is not None}
        assert set(open_msat) == {job.job_key for job in self.jobs() if job.status in store_jobs.OPEN}
        complete = [row["payment_hash"] for row in self.payments() if row["status"] == "complete"]
        assert len(complete) == len(set(complete))
        for row in self.payments():
            if row["status"] == "pending":
                fee_msat = row["amount_sent_msat"] - row["amount_msat"]
                assert open_msat[jobs[row["payment_hash"]].job_key] >= fee_msat
        settled_msat = sum(row.amount_msat for row in rows if row.kind == "settle")
        assert settled_msat <= self.spent_msat <= settled_msat + sum(open_msat.values())
        if final:
            assert not open_msat
            assert settled_msat == self.spent_msat == sum(job.fee_msat or 0 for job in self.jobs())


def _decision(source: str, target: str, amount_msat: int, max_fee_msat: int) -> RebalanceDecision:
    return RebalanceDecision(
        target_channel_id=target,
        target_name="target",
        source_channel_id=source,
        source_name="source",
        outcome=Outcome.CHANGE,
        amount_msat=amount_msat,
        max_fee_msat=max_fee_msat,
        expected_gain_msat=1,
        reasons=(why(ReasonCode.NO_SOURCE),),
    )


def _toml(value: Any) -> str:
    return (
        str(value).lower()
        if isinstance(value, bool)
        else repr(value).replace("'", '"').replace("(", "[").replace(")", "]")
    )


class Killed(BaseException):
    """The process is gone: nothing after this happens."""


class Killer:
    """Kills the run at its n-th moment: before or after a call to the node, before or after a commit."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.moment = 0
        self.dead = False

    def tick(self) -> None:
        """One moment passes; nothing moves after the last."""
        self.moment += 1
        if self.moment == self.at:
            self.dead = True
        if self.dead:
            raise Killed


@contextmanager
def killing(patch: Any, at: int, *, start_method: str | None = None) -> Iterator[Killer]:
    """Kill what the body runs at moment `at`; moments count from the first call of `start_method` (None: at once)."""
    killer = Killer(at)
    started = SimpleNamespace(yet=start_method is None)
    from revops.node.rpc import Rpc

    call, transaction = Rpc.call, Database.transaction

    def call_or_die(self: Rpc, method: str, *args: Any, **kwargs: Any) -> dict[str, object]:
        started.yet = started.yet or method == start_method
        if not started.yet:
            return call(self, method, *args, **kwargs)
        killer.tick()
        result = call(self, method, *args, **kwargs)
        killer.tick()
        return result

    @contextmanager
    def commit_or_die(self: Database, node_key: int) -> Iterator[Any]:
        with transaction(self, node_key) as tx:
            yield tx
            if started.yet:
                killer.tick()
        if started.yet:
            killer.tick()

    with patch.context() as scoped:
        scoped.setattr(Rpc, "call", call_or_die)
        scoped.setattr(Database, "transaction", commit_or_die)
        yield killer


def make_template(folder: Path) -> Path:
    """An empty database with the schema, to be copied."""
    path = folder / "template"
    upgrade(f"sqlite:///{path}")
    return path


@contextmanager
def open_bench(template: Path, **fields: Any) -> Iterator[Bench]:
    """A bench whose node answers at its socket. Unix socket paths are short: a folder of our own."""
    folder = Path(tempfile.mkdtemp(prefix="rv-"))
    try:
        shutil.copy(template, folder / "db")
        bench = Bench(folder, **fields)
        with SimServer(bench.node, folder / "rpc", faults=bench.faults), bench.database:
            bench.sync()
            yield bench
    finally:
        shutil.rmtree(folder)
