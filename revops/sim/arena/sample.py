"""The worlds that policies lived through as a sample: what figures of them come to, and how surely.

Intervals are of 95 %. Where worlds are many they are by the percentile bootstrap over worlds (B. Efron & R. Tibshirani,
An Introduction to the Bootstrap, 1993, ch. 13), families being strata (A. Davison & D. Hinkley, Bootstrap Methods and
their Application, 1997, §3.2): every resample has as many worlds of each family as there were. Of n worlds n - 1 are
drawn and their sums enlarged by n / (n - 1), which makes the variance unbiased where n is small (P. McCarthy &
C. Snowden, Vital and Health Statistics 2-95, 1985).

For a single family, and where worlds are few, that is too narrow. There the standard error is the jackknife's (Efron &
Tibshirani, ch. 11), each world left out of its family in turn, and Student's t stands for the normal distribution: in
one family of worlds that weigh alike, and for a difference of two policies, that is the paired t interval. Its degrees
of freedom are those of F. Satterthwaite (Biometrics Bulletin 2, 1946), since families vary unequally.

One world of a family says nothing of its spread: then there is no interval. Nor is there one where the spare worlds,
n - 1 of each family, are fewer than `LEAST_SPARE_COUNT`: that few hardly show what is usual among them.

Of 95 % of normal worlds of uneven weights (oracles log-normal, sigma 0.5; 2,000 trials), in so many families of so
many worlds each, intervals held the truth in

    families x worlds   1 x 6   1 x 10   1 x 15   2 x 4   3 x 3   5 x 2   13 x 2   14 x 2   14 x 3
    by t                 94.7     94.2     94.6    95.7    96.5    98.6     97.8
    by bootstrap           88       91       91                                      90       95
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from revops.sim.arena.outcome import Outcome, Span

RESAMPLE_COUNT: Final = 2_000
CONFIDENCE_RATIO: Final = 0.95
#: With fewer worlds to spare than this no interval is given.
LEAST_SPARE_COUNT: Final = 5
#: With so many to spare, in several families, intervals are by bootstrap. Raising this changes figures that are quoted.
MANY_SPARE_COUNT: Final = 14
#: Student's t that is passed, to either side, in 5 cases of 100, from one degree of freedom on; the last stands for
#: all that follow (NIST/SEMATECH e-Handbook of Statistical Methods, §1.3.6.7.2).
STUDENT_T: Final = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval; None where there is none."""

    value: float
    low: float | None
    high: float | None

    def excludes(self, number: float) -> bool:
        """Whether the interval lies to one side of a number."""
        return self.low is not None and self.high is not None and not self.low <= number <= self.high


#: Sums over worlds: the oracle's net, then each policy's.
Sums = list[float]
#: Given such sums by family, a figure.
Figure = Callable[[dict[str, Sums]], float]


class Sample:
    """The worlds of one span by family, and resamples of them that serve every figure: pairs stay pairs."""

    def __init__(self, outcomes: Sequence[Outcome], span: int, seed: int = 1) -> None:
        self.policies = tuple(dict.fromkeys(outcome.policy for outcome in outcomes))
        self.spans: dict[str, list[Span]] = {policy: [] for policy in self.policies}
        by_world: dict[str, dict[int, Sums]] = {}
        for outcome in outcomes:
            one = outcome.spans[span]
            fresh = [float(one.oracle_msat), *[0.0] * len(self.policies)]
            sums = by_world.setdefault(outcome.family, {}).setdefault(outcome.seed, fresh)
            sums[self.place(outcome.policy)] = float(one.net_msat)
            self.spans[outcome.policy].append(one)
        self.worlds = {family: list(worlds.values()) for family, worlds in by_world.items()}
        self.sums = {family: _added(worlds) for family, worlds in self.worlds.items()}
        self.totals = _added(list(self.sums.values()))
        spare = [len(worlds) - 1 for worlds in self.worlds.values()]
        self._enough = min(spare) > 0 and sum(spare) >= LEAST_SPARE_COUNT
        self._many = self._enough and len(spare) > 1 and sum(spare) >= MANY_SPARE_COUNT
        rng = Random(seed)
        self._resamples = [self._resample(rng) for _count in range(RESAMPLE_COUNT if self._many else 0)]
        #: Of each family, its sums without each of its worlds in turn.
        self._without = {family: list(self._left_out(family)) for family in self.worlds} if self._enough else {}
        self.varied_totals = [_total(sums) for sums in (self._resamples if self._many else self._jackknifed())]

    def place(self, policy: str) -> int:
        """Where a policy stands in sums."""
        return 1 + self.policies.index(policy)

    def overall(self, figure: Callable[[Sums], float]) -> Estimate:
        """Given a figure of sums over all worlds, estimate it."""
        if self._many:
            return _by_bootstrap(figure(self.totals), [figure(sums) for sums in self.varied_totals])
        return self._by_t(lambda by_family: figure(_total(by_family)), tuple(self.worlds))

    def in_family(self, family: str, figure: Callable[[Sums], float]) -> Estimate:
        """Given a figure of sums over worlds, estimate it for those of one family, without an interval for few."""
        if len(self.worlds[family]) - 1 < LEAST_SPARE_COUNT:
            return Estimate(figure(self.sums[family]), None, None)
        return self._by_t(lambda by_family: figure(by_family[family]), (family,))

    def family_mean(self, figure: Callable[[Sums], float]) -> Estimate:
        """Given a figure of sums over worlds, estimate the mean of the families'."""

        def mean(by_family: dict[str, Sums]) -> float:
            return sum(figure(sums) for sums in by_family.values()) / len(by_family)

        if self._many:
            return _by_bootstrap(mean(self.sums), [mean(sums) for sums in self._resamples])
        return self._by_t(mean, tuple(self.worlds))

    def _by_t(self, figure: Figure, families: Sequence[str]) -> Estimate:
        """A figure that depends on some families, with Student's interval about it; without one where there are too
        few worlds.
        """
        value = figure(self.sums)
        if not self._enough:
            return Estimate(value, None, None)
        variances = []
        for family in families:
            found = [figure({**self.sums, family: sums}) for sums in self._without[family]]
            mean = sum(found) / len(found)
            spare_count = len(found) - 1
            variances.append((spare_count / len(found) * sum((one - mean) ** 2 for one in found), spare_count))
        reach = _student_t(variances) * math.sqrt(sum(variance for variance, _spare_count in variances))
        return Estimate(value, value - reach, value + reach)

    def _jackknifed(self) -> Iterator[dict[str, Sums]]:
        """The families' sums, each world left out in turn."""
        for family, found in self._without.items():
            yield from ({**self.sums, family: sums} for sums in found)

    def _left_out(self, family: str) -> Iterator[Sums]:
        """A family's sums without each of its worlds in turn, enlarged to as many as there were."""
        count = len(self.worlds[family])
        for world in self.worlds[family]:
            rest = zip(self.sums[family], world, strict=True)
            yield [(total - amount) * count / (count - 1) for total, amount in rest]

    def _resample(self, rng: Random) -> dict[str, Sums]:
        resample = {}
        for family, worlds in self.worlds.items():
            count = len(worlds)
            sums = _added(rng.choices(worlds, k=count - 1))
            resample[family] = [amount * count / (count - 1) for amount in sums]
        return resample


def _student_t(variances: Sequence[tuple[float, int]]) -> float:
    """Given each family's part of the variance and its spare worlds, return by how many standard errors an interval
    reaches to either side.
    """
    whole = sum(variance for variance, _spare_count in variances)
    doubt = sum(variance**2 / spare_count for variance, spare_count in variances)
    freedom = int(whole**2 / doubt * (1 + 1e-9)) if doubt > 0 else 1
    return STUDENT_T[min(max(freedom, 1), len(STUDENT_T)) - 1]


def _total(by_family: dict[str, Sums]) -> Sums:
    return _added(list(by_family.values()))


def _added(rows: Sequence[Sums]) -> Sums:
    return [sum(column) for column in zip(*rows, strict=True)]


def _by_bootstrap(value: float, resampled: list[float]) -> Estimate:
    resampled.sort()
    tail = (1.0 - CONFIDENCE_RATIO) / 2.0
    last = len(resampled) - 1
    return Estimate(value, resampled[round(tail * last)], resampled[round((1.0 - tail) * last)])
