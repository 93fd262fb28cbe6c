"""`rebalance run` with sling, killed at every commit, every call and every file, then run again.

sling goes on while the run is dead, and its payments have no names. So what is checked is told by their size, which the
order in our records names: nothing is under way without a reservation, nothing costs more than is reserved, and in the
end each msat is booked once, on the job that it was for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

import pytest

from revops.domain.decision import Outcome, RebalanceDecision, RebalancePlan
from revops.domain.reason import ReasonCode, why
from revops.domain.rebalance import SourceOffer
from revops.errors import ConfigError
from revops.sim.channels import Channel
from revops.sim.world import SimConfig, SimulatedNode
from revops.store import plans, runs
from revops.store.engine import Database
from tests.e2e.ledgers import OPEN, check_forwards, check_sound, reservations, rows
from tests.e2e.moments import Moments, watched
from tests.e2e.operator_place import HELPERS, Machine, Saved, machine
from tests.e2e.stock import NODE_KEY
from tests.e2e.test_e2e_kill import count_moments, died, kill

WORLD: Final = SimConfig(
    seed=13, channel_count=10, history_days=1.0, forwards_per_day=150.0, sling_version="v4.2.1", outages_per_day=0.0
)
AMOUNT_MSAT: Final = 60_000_000
MAX_FEE_MSAT: Final = 180_000
JOBS: Final = 2
UNHEARD_SECONDS: Final = 901.0
MOST_RUNS: Final = 6
CHUNK: Final = re.compile(r"sling \S+ ([0-9]+)x([0-9]+) ")


def plant(place: Machine) -> None:
    """Store a plan of jobs, each with sources of its own."""
    channels = place.node.world.channels.values()
    full = sorted((one for one in channels if one.scid and one.is_live), key=Channel.spendable_msat, reverse=True)
    decisions = []
    for number in range(JOBS):
        target = full[-1 - number]
        offers = tuple(SourceOffer(one.channel_id, "", MAX_FEE_MSAT) for one in full[2 * number : 2 * number + 2])
        decisions.append(
            RebalanceDecision(
                target_channel_id=target.channel_id, target_name="", source_channel_id=offers[0].channel_id,
                source_name="", outcome=Outcome.CHANGE, amount_msat=AMOUNT_MSAT, max_fee_msat=MAX_FEE_MSAT,
                expected_gain_msat=1, reasons=(why(ReasonCode.OBSERVE_MODE),), sources=offers,
            )
        )  # fmt: skip
    now = place.node.now_at
    with Database.open(f"sqlite:///{place.database}") as database, database.transaction(NODE_KEY) as tx:
        run_key = runs.begin_run(tx, "rebalance plan", now, "0")
        runs.end_run(tx, run_key, now, 0, None)
        plans.add_plan(tx, run_key, RebalancePlan(now, now + 30 * 86_400, tuple(decisions)))


@dataclass(frozen=True, slots=True)
class SlingStart:
    """A machine whose operator has sling, with a plan that is stored."""

    place: Machine
    planned: Saved

    def begin(self) -> None:
        self.place.restore(self.planned)


@pytest.fixture(scope="module")
def sling_start() -> Iterator[SlingStart]:
    with machine(WORLD) as place:
        place.write_config(rebalance={"executor": '"sling"'})
        place.here("sync")
        plant(place)
        yield SlingStart(place, place.save())


# ---- what must hold


def check_money(place: Machine, *, final: bool = False) -> None:
    """Whatever happened: money under way is reserved, and what is closed is booked at what it cost."""
    jobs = rows(place.database, "SELECT * FROM rebalance_job")
    marks = {}
    for job in jobs:
        match = CHUNK.match(job["label"] or "")
        if match is not None:
            marks[int(match[1]) * 1_000] = job["job_key"]
    cost_msat = dict.fromkeys((job["job_key"] for job in jobs), 0)
    pending = dict.fromkeys(cost_msat, 0)
    for payment in place.node.world.payments:
        job_key = marks[payment.amount_msat]
        if payment.status != "failed":
            cost_msat[job_key] += payment.amount_sent_msat - payment.amount_msat
            pending[job_key] += payment.status == "pending"
    for one in reservations(place):
        assert len(one.closed_by) <= 1
        if one.closed_by:
            assert not pending[one.job_key], "money is under way, and nothing is reserved"
            ((kind, booked_msat),) = one.closed_by
            assert (kind == "settle") == (cost_msat[one.job_key] > 0)
            assert booked_msat == cost_msat[one.job_key]
        else:
            assert cost_msat[one.job_key] <= one.amount_msat
    reserved = {one.job_key for one in reservations(place)}
    assert all(key in reserved for key, cost in cost_msat.items() if cost)
    if final:
        assert not [job for job in jobs if job["status"] in OPEN]
        settled = {job["job_key"]: job["fee_msat"] for job in jobs if job["status"] == "settled"}
        assert settled == {key: cost for key, cost in cost_msat.items() if cost}
        assert sum(settled.values()) == place.node.books().rebalance_fees_msat
        claimed = rows(place.database, "SELECT job_key, sum(fee_msat) AS fee FROM rebalance_payment GROUP BY job_key")
        assert {row["job_key"]: row["fee"] for row in claimed} == settled
        started = [call for call in place.node.call_log if call[0] == "sling-once"]
        assert len({call[1]["scid"] for call in started}) == len(started), "a job was begun twice"


# ---- what becomes of the payments

Change = Callable[[SimulatedNode], object]


def _nothing(_node: SimulatedNode) -> None:
    """All goes well."""


def _forget(node: SimulatedNode) -> None:
    """The plugin is started anew, in the middle of a payment."""
    node.advance_by(5)
    node.forget_sling()


def _hold(node: SimulatedNode) -> None:
    node.hold_payments()


def _let_go(node: SimulatedNode) -> None:
    node.hold_payments(False)
    node.advance_by(60)


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens before the run that dies, after its death, and when cron has come once more."""

    before: Change = _nothing
    after: Change = _nothing
    in_the_end: Change = _nothing


FATES: Final = {
    "well": Fate(),
    "all fail": Fate(before=lambda node: node.fail_payments()),
    "forgotten": Fate(after=_forget),
    "gone": Fate(after=lambda node: node.forget_sling(gone=True)),
    "held, then paid": Fate(before=_hold, in_the_end=_let_go),
}


def recover(place: Machine, fate: Fate) -> None:
    """What cron does after a death, until nothing is left to do."""
    check_money(place)
    fate.after(place.node)
    for turn in range(MOST_RUNS):
        # Without its plugin nothing new is begun, and the run says so. What is open is settled nonetheless.
        with suppress(ConfigError):
            place.here("rebalance run")
        check_money(place)
        if turn:
            fate.in_the_end(place.node)
        if not rows(place.database, "SELECT 1 FROM rebalance_job WHERE status IN ('reserved', 'sending', 'in_flight')"):
            break
        place.node.advance_by(UNHEARD_SECONDS)
        check_money(place)
    place.here("sync")
    check_money(place, final=True)
    check_forwards(place)
    check_sound(place)


def die_and_recover(start: SlingStart, fate: Fate, chosen: Callable[[int], bool]) -> int:
    """Die at each moment that is chosen of those from the first word with sling on; what comes before is the same for
    every run (tests/e2e/test_e2e_kill.py).
    """
    place = start.place
    start.begin()
    fate.before(place.node)
    names = count_moments(place, "rebalance run").names
    total, first = len(names), names.index("before sling-version") + 1
    recover(place, fate)
    for at in range(first, total + 1):
        if chosen(at):
            start.begin()
            fate.before(place.node)
            with died(at, kill(place, "rebalance run", at)):
                recover(place, fate)
    return total - first


@pytest.mark.parametrize("shard", [1, 6])
def test_the_run_that_starts_jobs(sling_start: SlingStart, shard: int) -> None:
    assert die_and_recover(sling_start, FATES["well"], lambda at: at % 12 == shard) > 50


@pytest.mark.parametrize(("fate", "offset"), [(name, n) for n, name in enumerate(FATES) if name != "well"])
def test_by_the_fate_of_the_job(sling_start: SlingStart, fate: str, offset: int) -> None:
    die_and_recover(sling_start, FATES[fate], lambda at: at % 24 == offset)


@pytest.mark.campaign
@pytest.mark.parametrize("fate", FATES)
def test_at_each_moment(sling_start: SlingStart, fate: str) -> None:
    die_and_recover(sling_start, FATES[fate], lambda at: True)


@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.parametrize(
    ("fate", "spacing"),
    [("well", 3), ("held, then paid", 5), *(pytest.param(fate, 1, marks=pytest.mark.campaign) for fate in FATES)],
)
def test_the_runs_that_stop_and_settle(sling_start: SlingStart, fate: str, spacing: int, turn: int) -> None:
    """The first run has begun the jobs; the second tells sling to stop, the third closes them."""
    place = sling_start.place
    sling_start.begin()
    FATES[fate].before(place.node)
    for _ in range(turn):
        place.here("rebalance run")
        place.node.advance_by(UNHEARD_SECONDS)
    before = place.save()
    names = count_moments(place, "rebalance run").names
    for at in range(names.index("before sling-jobsettings") + 1, len(names) + 1, spacing):
        place.restore(before)
        with died(at, kill(place, "rebalance run", at)):
            recover(place, FATES[fate])


def test_an_order_that_was_on_its_way_arrives_at_any_moment(sling_start: SlingStart) -> None:
    """The run died with `sling-once` sent and not yet read, which happens before any call of the run that recovers."""
    place = sling_start.place
    sling_start.begin()
    names = count_moments(place, "rebalance run").names
    sent = next(call for call in place.node.call_log if call[0] == "sling-once")
    first = names.index("before sling-once") + 1
    sling_start.begin()
    kill(place, "rebalance run", first)
    dead = place.save()
    names = count_moments(place, "rebalance run").names
    calls = [n for n, name in enumerate(names, 1) if name.startswith("before ") and name[7:] not in {"commit", ".prom"}]
    for late in calls[::3]:
        place.restore(dead)
        with died(late, "the late order arrives"):
            with watched(Moments(late, partial(place.node.handle, *sent))):
                place.here("rebalance run")
            recover(place, FATES["well"])


def test_real_processes_die_at_the_same_moments(sling_start: SlingStart) -> None:
    place = sling_start.place
    sling_start.begin()
    names = count_moments(place, "rebalance run").names
    sharp = [n for n, name in enumerate(names, 1) if name in {"before sling-once", "after sling-once"}]
    assert len(sharp) == 2 * JOBS
    for at in sharp:
        sling_start.begin()
        done = place.command("rebalance", "run", program=[str(HELPERS / "child.py")], E2E_KILL_AT=str(at))
        with died(at, names[at - 1]):
            assert done.code == -9, done.err
            recover(place, FATES["well"])
