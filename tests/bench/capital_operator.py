"""An operator with a crontab, for 90 days of virtual time: the product's own cycles on a simulated node.

Each run takes the path that it takes from the crontab: configuration file, locks, SQLite, RPC, decisions, records. Only
time is virtual, and the node is in this process. The arms differ in whether ads and splices are acted on, and in
nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from revops.cycle import ads, db, fees, rollup, splice_plan, splice_run
from revops.decide.chain_floor import unilateral_weight
from revops.domain.options import CommonOptions
from revops.domain.policy import AdsConfig, FeesConfig, MetricsConfig, Section, SpliceConfig
from revops.node.errors import NodeError
from revops.node.local import served
from revops.sim.arena.full import few_collections, place, write_config
from revops.sim.channels import Channel
from revops.sim.leases import LEASE_SECONDS
from revops.sim.server import SimServer
from revops.sim.state import World
from revops.sim.world import SimulatedNode
from tests.bench.capital_worlds import config_of

DAY_SECONDS: Final = 86_400
#: How often fees are looked at; capital is once a day. Both arms alike: oftener takes longer.
RUNS_PER_DAY: Final = 2
ROLLUP_DAYS: Final = 7
#: The last days are for what is under way to end.
QUIET_DAYS: Final = 2
#: What an operator might allow; nothing is spliced without a figure.
SPLICE_BUDGET: Final = {"daily_sat": 20_000, "weekly_sat": 60_000}
OFF, ADS, SPLICES, BOTH = "off", "ads", "splices", "both"
ARMS: Final = (OFF, ADS, SPLICES, BOTH)


@dataclass(frozen=True, slots=True)
class Job:
    """A world, and what its operator does."""

    family: str
    seed: int
    arm: str
    days: float


@dataclass(frozen=True, slots=True)
class CapitalOutcome:
    """What came of it. `capital_msat` is all that the node held, channels and wallet, on average over time. Of what
    lessees paid `lease_msat` is for the days that have gone, `deferred_msat` for those of leases that run on;
    `closing_msat` is what closing the leased channels that are open at the end costs, all of them by force. Splices
    are counted as they were asked of the node.
    """

    family: str
    seed: int
    arm: str
    days: float
    capital_msat: int
    routing_msat: int
    lease_msat: int
    deferred_msat: int
    chain_msat: int
    closing_msat: int
    lease_count: int
    lent_msat: int
    splice_in_count: int
    splice_out_count: int
    settled_count: int
    turned_away_count: int

    @property
    def net_msat(self) -> int:
        """What was earned less what it cost."""
        return self.routing_msat + self.lease_msat - self.chain_msat - self.closing_msat

    def yearly_ratio(self, amount_msat: int) -> float:
        """Of an amount that came in these days, what it is a year per sat of capital."""
        return amount_msat / self.capital_msat * 365 / self.days


def live(job: Job) -> CapitalOutcome:
    """Given a job, live through it."""
    return operate(SimulatedNode(config_of(job.family, job.seed)), job)


def operate(node: SimulatedNode, job: Job) -> CapitalOutcome:
    """Given a node at its start, and a job, live through it on that node."""
    with place() as folder, few_collections():
        operator = _Operator(node, SimServer(node, folder / "rpc"), write_config(folder, _sections(job.arm)), job)
        return operator.live()


def _sections(arm: str) -> Mapping[str, Section]:
    return {
        "metrics": MetricsConfig(),
        "fees": FeesConfig(mode="act"),
        "ads": AdsConfig(mode="act" if arm in (ADS, BOTH) else "observe"),
        "splice": SpliceConfig(mode="act" if arm in (SPLICES, BOTH) else "observe", **SPLICE_BUDGET),
    }


@dataclass(slots=True)
class _Operator:
    """Runs what the crontab says, and counts what there is."""

    node: SimulatedNode
    server: SimServer
    options: CommonOptions
    job: Job

    def live(self) -> CapitalOutcome:
        """The whole time; returns what came of it."""
        db.upgrade(self.options)
        world, start_at = self.node.world, self.node.now_at
        before_msat, held_msat = wealth_msat(world), 0
        run_count = round(self.job.days * RUNS_PER_DAY)
        for number in range(run_count):
            self.node.advance_to(start_at + number * DAY_SECONDS / RUNS_PER_DAY)
            held_msat += wealth_msat(world)
            with served(self.server.socket_path, self.server.answer):
                self._run(number)
        self.node.advance_to(start_at + self.job.days * DAY_SECONDS)
        return self._outcome(before_msat, held_msat // run_count)

    def _run(self, number: int) -> None:
        def clock() -> float:
            return self.node.now_at

        fees.run(self.options, clock=clock)
        if number % (RUNS_PER_DAY * ROLLUP_DAYS) == 0:
            rollup.run(self.options, clock=clock)
        if number % RUNS_PER_DAY or number > (self.job.days - QUIET_DAYS) * RUNS_PER_DAY:
            return
        if self.job.arm in (ADS, BOTH):
            ads.run(self.options, clock=clock)
        if self.job.arm in (SPLICES, BOTH):
            plan = splice_plan.run(self.options, clock=clock)
            for _run in range(max(len(plan.jobs), 1)):  # each begins one, after having followed those that were begun
                with suppress(NodeError):  # cron mails it, and the next run sees to it
                    splice_run.run(self.options, clock=clock)

    def _outcome(self, before_msat: int, capital_msat: int) -> CapitalOutcome:
        world, books, job = self.node.world, self.node.books(), self.job
        leased = [channel for channel in (*world.channels.values(), *world.closed) if channel.leased]
        paid_msat = sum(channel.pushed_msat for channel in leased)
        earned_msat = sum(round(channel.pushed_msat * elapsed_ratio(channel, world.now_at)) for channel in leased)
        open_count = sum(channel.closed_at is None for channel in leased)
        scripts = [call[1]["script_or_json"] for call in self.node.call_log.writing_calls() if call[0] == "dev-splice"]
        return CapitalOutcome(
            family=job.family,
            seed=job.seed,
            arm=job.arm,
            days=job.days,
            capital_msat=capital_msat,
            routing_msat=books.fees_earned_msat,
            lease_msat=earned_msat,
            deferred_msat=paid_msat - earned_msat,
            # What came in and isn't there is what the chain took: openings of leases, and splices.
            chain_msat=before_msat + books.fees_earned_msat + paid_msat - wealth_msat(world),
            closing_msat=open_count * unilateral_weight("remote") * world.config.calm_perkw,
            lease_count=len(leased),
            lent_msat=sum(channel.local_funds_msat for channel in leased),
            splice_in_count=sum(script.startswith("wallet") for script in scripts),
            splice_out_count=sum(not script.startswith("wallet") for script in scripts),
            settled_count=books.forwards_settled_count,
            turned_away_count=books.forwards_local_failed_count,
        )


def elapsed_ratio(channel: Channel, now: float) -> float:
    """Given a leased channel and the time, return which part of its lease has gone."""
    return min((now - channel.opened_at) / LEASE_SECONDS, 1.0)


def wealth_msat(world: World) -> int:
    """All that the node holds. What a splice under way gives back still stands where it came from."""
    channels_msat = sum(channel.to_us_msat for channel in world.channels.values())
    return channels_msat + sum(output.amount_msat for output in world.outputs if not output.own)
