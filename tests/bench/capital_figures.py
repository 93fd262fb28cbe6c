"""What the outcomes say: net income a year per sat of capital with ads and splices against without, and how surely.

Worlds are pairs: both arms met the same customers, lessees and feerates, so that what a world is worth cancels out.
Each world counts alike. Intervals are of 95 %, as those of `revops simulate` are (`revops/sim/arena/sample.py`): paired
Student's t in one family, and by bootstrap over all, families being strata.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Final

from revops.sim.arena.outcome import Outcome, Span
from revops.sim.arena.sample import Estimate, Sample
from tests.bench.capital_operator import ARMS, OFF, CapitalOutcome

#: Shares are kept as whole numbers of this.
WHOLE: Final = 10**12


@dataclass(frozen=True, slots=True)
class Difference:
    """An arm against doing neither, in one family, or in all (None): yearly ratios per sat of capital, and means of
    what makes the difference.
    """

    family: str | None
    arm: str
    world_count: int
    off_ratio: float
    difference: Estimate
    routing_ratio: float
    lease_ratio: float
    cost_ratio: float

    @property
    def verdict(self) -> str:
        """Whether it can be told from chance that the arm makes more, or less."""
        if not self.difference.excludes(0.0):
            return "not told from chance"
        return "more" if self.difference.value > 0 else "less"


def differences(outcomes: Sequence[CapitalOutcome]) -> list[Difference]:
    """Given outcomes of arms that all met the same worlds, return each arm's differences, those of all worlds first."""
    arms = [arm for arm in ARMS if any(one.arm == arm for one in outcomes)]
    sample = Sample([_as_outcome(one) for one in outcomes], 0)
    return [one for arm in arms if arm != OFF for one in _of_arm(arm, outcomes, sample)]


def _of_arm(arm: str, outcomes: Sequence[CapitalOutcome], sample: Sample) -> Iterator[Difference]:
    mine, theirs = sample.place(arm), sample.place(OFF)

    def figure(sums: list[float]) -> float:
        return (sums[mine] - sums[theirs]) / sums[0]

    for family in (None, *sample.worlds):
        found = sample.overall(figure) if family is None else sample.in_family(family, figure)
        pairs = list(_pairs(arm, family, outcomes))
        yield Difference(
            family=family,
            arm=arm,
            world_count=len(pairs),
            off_ratio=fmean(off.yearly_ratio(off.net_msat) for _, off in pairs),
            difference=found,
            routing_ratio=fmean(
                on.yearly_ratio(on.routing_msat) - off.yearly_ratio(off.routing_msat) for on, off in pairs
            ),
            lease_ratio=fmean(on.yearly_ratio(on.lease_msat) for on, _ in pairs),
            cost_ratio=fmean(on.yearly_ratio(on.chain_msat + on.closing_msat) for on, _ in pairs),
        )


def _pairs(
    arm: str, family: str | None, outcomes: Sequence[CapitalOutcome]
) -> Iterator[tuple[CapitalOutcome, CapitalOutcome]]:
    """Each world's outcome in an arm, and that of doing neither."""
    off = {(one.family, one.seed): one for one in outcomes if one.arm == OFF}
    for one in outcomes:
        if one.arm == arm and family in (None, one.family):
            yield one, off[one.family, one.seed]


def _as_outcome(one: CapitalOutcome) -> Outcome:
    """The same in the words of the arena: the capital, a year's, in the oracle's place."""
    net = round(one.yearly_ratio(one.net_msat) * WHOLE)
    return Outcome(one.arm, one.family, one.seed, (Span(0.0, one.days, net, WHOLE, one.routing_msat, 0, 0, 0.0, 0.0),))
