"""`revops simulate`: fee policies compared in the arena's worlds."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Final

from revops import __version__
from revops.cycle import studies
from revops.domain.options import Progress, no_progress
from revops.errors import UnknownName
from revops.sim.arena import frozen
from revops.sim.arena.families import FAMILIES
from revops.sim.arena.null_test import copies_of
from revops.sim.arena.outcome import Outcome, Study
from revops.sim.arena.policies import POLICIES, REBALANCING, STRATEGIES
from revops.sim.arena.pool import core_count, run_all
from revops.sim.arena.runner import Cycles, Done, Job, hash_job, run_job
from revops.sim.arena.sets import SETS

#: The policy that the null test is made with where none is named: the one that has most to break ties by.
CHECKED: Final = "demand"


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be compared, and where. None, and nothing named, mean all that the set has. `check` adds two copies of
    the first policy that is named, for the null test. `full_cycles` runs the product's own strategies as cron runs
    them; `rebalance` runs each of them once more, rebalancing too.
    """

    set_name: str = "small"
    seed_count: int | None = None
    days: float | None = None
    families: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()
    check: bool = False
    full_cycles: bool = False
    rebalance: bool = False


@dataclass(frozen=True, slots=True)
class Simulation:
    """A study, and where the time went: seconds of all processes together by kind of work, and what passed meanwhile;
    None for a study that was stored. `cycles` are the full ones, by policy.
    """

    study: Study
    seconds: Mapping[str, float] = field(default_factory=dict)
    elapsed_seconds: float | None = None
    cycles: Mapping[str, Cycles] = field(default_factory=dict)


def run(
    question: Question,
    *,
    process_count: int | None = None,
    progress: Progress = no_progress,
    now: float | None = None,
) -> Simulation:
    """Given a question, let its policies live through its worlds. Raise UnknownName for names that aren't there, and
    for full cycles or rebalances of policies none of which is the product's.
    """
    started_at = time.perf_counter()
    world_set = SETS[question.set_name]
    families = _known("family", question.families, FAMILIES)
    policies = _known("policy", question.policies, tuple(POLICIES))
    if question.full_cycles or question.rebalance:
        policies = _with_variants(policies, rebalance=question.rebalance)
    if question.check:
        policies += copies_of(policies[0] if question.policies else CHECKED)
    seeds = world_set.seeds(question.seed_count)
    days = question.days or world_set.days
    jobs = [
        Job(world_set.setting.name, family, seed, days, policies, question.full_cycles)
        for family, seed in product(families, seeds)
    ]
    found = _all_done(jobs, run_job, process_count, progress)
    frozen_set = frozen.load() if world_set is frozen.JUDGED_SET else None
    study = Study(
        set_name=question.set_name,
        setting=world_set.setting.name,
        made_at=int(time.time() if now is None else now),
        version=__version__,
        commit=studies.commit(),
        days=days,
        seeds=seeds,
        families=families,
        policies=policies,
        frozen_hash=frozen_set.hash if frozen_set else None,
        frozen_count=frozen_set.world_count if frozen_set else 0,
        strange=tuple(_strange(frozen_set, found)) if frozen_set else (),
        outcomes=tuple(_with_few_curves(found, seeds[0])),
        full_cycles=question.full_cycles,
        rebalance=question.rebalance,
    )
    return Simulation(
        study, _added(done.seconds for done in found), time.perf_counter() - started_at, _all_cycles(found)
    )


def freeze(*, process_count: int | None = None, progress: Progress = no_progress) -> frozen.FrozenSet:
    """Draw the judged worlds anew, and make them the ones that results are held against."""
    judged = frozen.JUDGED_SET
    jobs = [
        Job(judged.setting.name, family, seed, judged.days, ()) for family, seed in product(FAMILIES, judged.seeds())
    ]
    worlds: dict[str, dict[int, str]] = {family: {} for family in FAMILIES}
    for done in _all_done(jobs, hash_job, process_count, progress):
        worlds[done.job.family][done.job.seed] = done.world_hash
    frozen_set = frozen.FrozenSet(judged.days, worlds)
    frozen.store(frozen_set)
    return frozen_set


def _known(kind: str, wanted: Sequence[str], names: tuple[str, ...]) -> tuple[str, ...]:
    """What is wanted, once each, in its order; all there are for nothing."""
    for name in wanted:
        if name not in names:
            raise UnknownName(f"no such {kind}: {name}; there are: {', '.join(names)}")
    return tuple(dict.fromkeys(wanted)) or names


def _with_variants(policies: tuple[str, ...], *, rebalance: bool) -> tuple[str, ...]:
    """The policies, and after each of the product's own the same with rebalances, if so."""
    if not any(policy in STRATEGIES for policy in policies):
        raise UnknownName(
            f"only the product's own strategies have full cycles or rebalance: name one of {', '.join(STRATEGIES)}"
        )
    variants = ("", REBALANCING) if rebalance else ("",)
    return tuple(
        policy + variant for policy in policies for variant in (variants if policy in STRATEGIES else variants[:1])
    )


def _all_done(
    jobs: Sequence[Job], work: Callable[[Job], Done], process_count: int | None, progress: Progress
) -> list[Done]:
    """Do all jobs; return what came of them in their order."""
    by_job: dict[Job, Done] = {}
    progress("worlds", 0, len(jobs))
    with closing(run_all(jobs, work, process_count or core_count())) as running:
        for done in running:
            by_job[done.job] = done
            progress("worlds", len(by_job), len(jobs))
    return [by_job[job] for job in jobs]


def _strange(frozen_set: frozen.FrozenSet, found: Iterable[Done]) -> Iterator[str]:
    """The worlds that aren't in the frozen set, or not as they were frozen."""
    for done in found:
        job = done.job
        if not frozen_set.holds(job.family, job.seed, job.days, done.world_hash):
            yield f"{job.family}, seed {job.seed}"


def _with_few_curves(found: Iterable[Done], seed: int) -> Iterator[Outcome]:
    """All outcomes; the day-by-day curve only for one world of each family, or the file would be mostly curves."""
    for done in found:
        for outcome in done.outcomes:
            yield outcome if outcome.seed == seed else replace(outcome, curve_msat=())


def _all_cycles(found: Sequence[Done]) -> dict[str, Cycles]:
    """Each policy's full cycles in all worlds together."""
    return {
        policy: Cycles(
            sum(done.cycles[policy].count for done in found), _added(done.cycles[policy].seconds for done in found)
        )
        for policy in found[0].cycles
    }


def _added(times: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Seconds by part, all together."""
    sums: dict[str, float] = defaultdict(float)
    for one in times:
        for part, seconds in one.items():
            sums[part] += seconds
    return dict(sums)
