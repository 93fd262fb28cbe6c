"""Strategies side by side in markets like a node: all of them in each market, so that they meet the same customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from revops.domain.likeness import Contender
from revops.domain.options import Progress
from revops.domain.policy import FeesConfig
from revops.sim.arena.alike import draw_world
from revops.sim.arena.baselines.static import nothing
from revops.sim.arena.calibrate import Calibration
from revops.sim.arena.policies import Product
from revops.sim.arena.pool import run_all
from revops.sim.arena.world import run_policy

MONTH_DAYS: Final = 30.0
#: The middle 80 % of the markets lie between these.
LOW_SHARE, HIGH_SHARE = 0.1, 0.9


@dataclass(frozen=True, slots=True)
class MarketJob:
    """One market, and the policies to run in it by name; None leaves all fees as they are."""

    fit: Calibration
    number: int
    days: float
    policies: Mapping[str, FeesConfig | None]


@dataclass(frozen=True, slots=True)
class MarketRun:
    """What came of a strategy in one market."""

    net_msat: int
    updates_per_day: float


@dataclass(frozen=True, slots=True)
class MarketDone:
    """What came of each strategy in one market, by name."""

    number: int
    runs: Mapping[str, MarketRun]


def run_market(job: MarketJob) -> MarketDone:
    """Given a market and its policies, let each live through it."""
    world = draw_world(job.fit, job.number, job.days)
    runs = {}
    for name, policy in job.policies.items():
        result = run_policy(world, nothing if policy is None else Product(policy))
        updates_per_day = fmean(span.updates_per_day for span in result.spans)
        runs[name] = MarketRun(round(result.net_msat * MONTH_DAYS / job.days), updates_per_day)
    return MarketDone(job.number, runs)


def compare(
    jobs: Sequence[MarketJob], configured: str, process_count: int, progress: Progress
) -> tuple[Contender, ...]:
    """Given markets with the same policies in each, and which of these is configured, live through all of them and
    return how they did, the best first.
    """
    done: list[MarketDone] = []
    progress("markets", 0, len(jobs))
    with closing(run_all(jobs, run_market, process_count)) as running:
        for one in running:
            done.append(one)
            progress("markets", len(done), len(jobs))
    done.sort(key=lambda one: one.number)
    runs = {name: [one.runs[name] for one in done] for name in jobs[0].policies}
    base = runs[configured]
    found = [_contender(name, of_name, None if name == configured else base) for name, of_name in runs.items()]
    return tuple(sorted(found, key=lambda one: -one.net_msat_per_month))


def _contender(name: str, runs: Sequence[MarketRun], base: Sequence[MarketRun] | None) -> Contender:
    net_msat = round(fmean(run.net_msat for run in runs))
    updates_per_day = fmean(run.updates_per_day for run in runs)
    if base is None:
        return Contender(name, True, net_msat, updates_per_day)
    differences = sorted(run.net_msat - other.net_msat for run, other in zip(runs, base, strict=True))
    return Contender(
        strategy=name,
        configured=False,
        net_msat_per_month=net_msat,
        updates_per_day=updates_per_day,
        difference_msat=round(fmean(differences)),
        difference_low_msat=round(between(differences, LOW_SHARE)),
        difference_high_msat=round(between(differences, HIGH_SHARE)),
        better_count=sum(difference > 0 for difference in differences),
    )


def between(ranked: Sequence[float], share: float) -> float:
    """Given values in order, return the one below which such a share of them lies, on a line between neighbours."""
    place = share * (len(ranked) - 1)
    low = int(place)
    high = min(low + 1, len(ranked) - 1)
    return ranked[low] + (place - low) * (ranked[high] - ranked[low])
