"""One world: the oracle and the policies live through it, each by itself.

What comes of a world depends on nothing but the world and the policy: not on other worlds, nor on who else runs.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from revops.sim.arena.frozen import world_hash
from revops.sim.arena.null_test import disturbed, original_of
from revops.sim.arena.oracle import best_constants
from revops.sim.arena.outcome import Outcome, Span
from revops.sim.arena.policies import POLICIES, REBALANCING, STRATEGIES
from revops.sim.arena.rebalancing import SPENDING, run_rebalancing
from revops.sim.arena.setting import SETTINGS, Setting
from revops.sim.arena.world import Result, SpanResult, World, make_world, run_policy


@dataclass(frozen=True, slots=True)
class Job:
    """A world, and the policies to run in it. Small: it travels to another process. `full_cycles`: the product's own
    strategies are run as cron runs them, and so are those of them that rebalance too.
    """

    setting: str
    family: str
    seed: int
    days: float
    policies: tuple[str, ...]
    full_cycles: bool = False


@dataclass(frozen=True, slots=True)
class Cycles:
    """How many full cycles a policy had, and the seconds that they took by part."""

    count: int
    seconds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a job: outcomes in the order of the policies, the world's hash, seconds by kind of work, and the
    cycles of each policy that was run by full ones.
    """

    job: Job
    outcomes: tuple[Outcome, ...]
    world_hash: str
    seconds: Mapping[str, float] = field(compare=False)
    cycles: Mapping[str, Cycles] = field(compare=False, default_factory=dict)


def run_world(
    setting: Setting, family: str, seed: int, days: float, policies: Sequence[str] = tuple(POLICIES)
) -> list[Outcome]:
    """Given a world's setting, family, seed and length, and names of policies, return what each makes of it."""
    world = make_world(family, seed, days, setting)
    return _run_policies(world, policies, defaultdict(float), lambda name: _run_policy(world, name))


def run_job(job: Job) -> Done:
    """Given a job, do it."""
    seconds: defaultdict[str, float] = defaultdict(float)
    with _timed(seconds, "drawing worlds"):
        world = make_world(job.family, job.seed, job.days, SETTINGS[job.setting])
    with _timed(seconds, "hashing worlds"):
        found_hash = world_hash(world)
    cycles: dict[str, Cycles] = {}

    def run(name: str) -> Result:
        own = name.removesuffix(REBALANCING)
        if not job.full_cycles or own not in STRATEGIES:
            return _run_policy(world, name) if own == name else run_rebalancing(world, STRATEGIES[own])
        result, cycles[name] = _run_full(world, own, rebalances=own != name)
        return result

    outcomes = _run_policies(world, job.policies, seconds, run)
    return Done(job, tuple(outcomes), found_hash, seconds, cycles)


def hash_job(job: Job) -> Done:
    """Given a job, only draw its world."""
    world = make_world(job.family, job.seed, job.days, SETTINGS[job.setting])
    return Done(job, (), world_hash(world), {})


def _run_policies(
    world: World, policies: Sequence[str], seconds: defaultdict[str, float], run: Callable[[str], Result]
) -> list[Outcome]:
    with _timed(seconds, "oracle"):
        best = [result for result, _fees in best_constants(world)]
    outcomes = []
    for name in policies:
        with _timed(seconds, name):
            result = run(name)
        spans = tuple(_span(world, number, found, best[number].net_msat) for number, found in enumerate(result.spans))
        outcomes.append(Outcome(name, world.family, world.seed, spans, result.earned_by_day_msat))
    return outcomes


def _run_policy(world: World, name: str) -> Result:
    original, copy = original_of(name)
    policy = POLICIES[original]()
    if copy:
        world, policy = disturbed(world, policy, copy)
    return run_policy(world, policy)


def _run_full(world: World, strategy: str, *, rebalances: bool) -> tuple[Result, Cycles]:
    from revops.sim.arena.full import run_full  # here: it takes the whole product, which few jobs need

    found = run_full(world, STRATEGIES[strategy], SPENDING if rebalances else None, profile=True)
    return found.result, Cycles(found.cycle_count, found.seconds_by_part)


def _span(world: World, number: int, found: SpanResult, oracle_msat: int) -> Span:
    return Span(
        first_day=world.bounds_days[number],
        last_day=world.bounds_days[number + 1],
        net_msat=found.net_msat,
        oracle_msat=oracle_msat,
        earned_msat=found.earned_msat,
        rebalance_msat=found.rebalance_msat,
        chain_msat=found.chain_msat,
        updates_per_day=round(found.updates_per_day, 4),
        depleted_ratio=round(found.depleted_ratio, 4),
    )


@contextmanager
def _timed(seconds: defaultdict[str, float], part: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[part] += time.perf_counter() - start
