"""Strategies side by side in markets like a node: all of them in each market, so that they meet the same customers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from revops.domain.likeness import Contender
from revops.sim.arena.alike import draw_world
from revops.sim.arena.calibrate import Calibration
from revops.sim.arena.policies import Policy
from revops.sim.arena.world import run_policy

MONTH_DAYS: Final = 30.0
#: The middle 80 % of the markets lie between these.
LOW_SHARE, HIGH_SHARE = 0.1, 0.9


@dataclass(frozen=True, slots=True)
class _Run:
    """What came of a strategy in one market."""

    net_msat: int
    updates_per_day: float


def compare(
    fit: Calibration,
    contenders: Mapping[str, Callable[[], Policy]],
    configured: str,
    market_count: int,
    days: int,
    progress: Callable[[str, int, int | None], None],
) -> tuple[Contender, ...]:
    """Given a calibration, what makes each strategy, which of them is configured, and how many markets of how many
    days, live through all of it and return how they did, the best first.
    """
    runs: dict[str, list[_Run]] = {name: [] for name in contenders}
    done, total = 0, market_count * len(contenders)
    progress("months", done, total)
    for number in range(market_count):
        world = draw_world(fit, number, float(days))
        for name, make in contenders.items():
            result = run_policy(world, make())
            updates = fmean(span.updates_per_day for span in result.spans)
            runs[name].append(_Run(round(result.net_msat * MONTH_DAYS / days), updates))
            done += 1
            progress("months", done, total)
    base = runs[configured]
    found = [_contender(name, of_name, None if name == configured else base) for name, of_name in runs.items()]
    return tuple(sorted(found, key=lambda one: -one.net_msat_per_month))


def _contender(name: str, runs: Sequence[_Run], base: Sequence[_Run] | None) -> Contender:
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
