"""How often attempts between two channels end well, and when a pair is tried again.

A failed attempt costs no fee, only time and the trust of those on the way; so what failed lately lowers what a pair
promises, and keeps it from being tried again too soon, longer with each failure in a row. What a pair's two channels
did with others tells something of it as well, if less. Failures fade by half in two days, and a success ends the row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from revops.domain.policy import RebalanceConfig
from revops.domain.rebalance import Attempt, FailureKind

HALF_LIFE_SECONDS: Final = 2 * 86_400.0
#: Before anything is known of a pair, so many attempts of ten end well, and that counts as two attempts.
PRIOR_RATIO: Final = 0.6
PRIOR_WEIGHT: Final = 2.0
#: What the source did with other targets, and the target with other sources, counts by this.
NEIGHBOUR_WEIGHT: Final = 0.2
#: The wait after a failure doubles this many times at most.
MOST_DOUBLINGS: Final = 6
#: From so many failures in a row on, whatever the source, a target itself is left alone.
FUTILE_COUNT: Final = 8
#: How long to wait after a failure, by its kind, as multiples of the policy's wait: liquidity on the way comes back
#: soon; a payment that hung may have blocked money for hours; who delivers elsewhere once does so again; what was ours
#: tells nothing of the way.
WAIT_TIMES: Final[Mapping[FailureKind, float]] = {
    FailureKind.NO_ROUTE: 2.0,
    FailureKind.FEE_TOO_LOW: 1.0,
    FailureKind.LIQUIDITY: 0.5,
    FailureKind.TIME_OUT: 4.0,
    FailureKind.UNREACHABLE: 1.0,
    FailureKind.MISDELIVERED: 84.0,
    FailureKind.OTHER: 0.5,
}


@dataclass(slots=True)
class _Record:
    """Decayed counts, and the failures since the last success."""

    good: float = 0.0
    bad: float = 0.0
    hung: float = 0.0
    row_count: int = 0
    last_failed_at: float = 0.0
    last_kind: FailureKind = FailureKind.OTHER

    def count(self, attempt: Attempt, weight: float) -> None:
        if attempt.failure is None:
            self.good += weight
            self.row_count = 0
            return
        self.bad += weight
        self.hung += weight if attempt.failure is FailureKind.TIME_OUT else 0.0
        self.row_count += 1
        self.last_failed_at = attempt.ended_at
        self.last_kind = attempt.failure


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when something is left alone, and after how many failures in a row."""

    until_at: float
    failure_count: int


@dataclass(slots=True)
class Reliability:
    """What the attempts of late tell, by pair and by channel."""

    now: float
    pairs: dict[tuple[str, str], _Record] = field(default_factory=lambda: defaultdict(_Record))
    sources: dict[str, _Record] = field(default_factory=lambda: defaultdict(_Record))
    targets: dict[str, _Record] = field(default_factory=lambda: defaultdict(_Record))

    def success_ratio(self, source_id: str, target_id: str) -> float:
        """Given a pair's channel_ids, return the chance that an attempt between them ends well."""
        good, bad = self._counts(source_id, target_id)
        return (PRIOR_RATIO * PRIOR_WEIGHT + good) / (PRIOR_WEIGHT + good + bad)

    def hang_ratio(self, source_id: str, target_id: str) -> float:
        """Given a pair's channel_ids, return the chance that an attempt between them hangs for hours."""
        good, bad = self._counts(source_id, target_id)
        pair = self.pairs.get((source_id, target_id), _NOTHING)
        return pair.hung / (PRIOR_WEIGHT + good + bad)

    def pair_wait(self, source_id: str, target_id: str, policy: RebalanceConfig) -> Wait | None:
        """Given a pair, return how long it is left alone; None where it may be tried."""
        return self._wait(self.pairs.get((source_id, target_id), _NOTHING), policy, 1)

    def target_wait(self, target_id: str, policy: RebalanceConfig) -> Wait | None:
        """Given a target, return how long it is left alone whatever the source; None where it may be tried. What its
        peer delivered elsewhere was its doing, from whichever source.
        """
        record = self.targets.get(target_id, _NOTHING)
        return self._wait(record, policy, 1 if record.last_kind is FailureKind.MISDELIVERED else FUTILE_COUNT)

    def _wait(self, record: _Record, policy: RebalanceConfig, least_count: int) -> Wait | None:
        if record.row_count < least_count:
            return None
        doublings = min(record.row_count - least_count, MOST_DOUBLINGS)
        seconds = policy.cooldown_seconds * WAIT_TIMES[record.last_kind] * 2.0**doublings
        until_at = record.last_failed_at + seconds
        return Wait(until_at, record.row_count) if self.now < until_at else None

    def _counts(self, source_id: str, target_id: str) -> tuple[float, float]:
        pair = self.pairs.get((source_id, target_id), _NOTHING)
        others = (self.sources.get(source_id, _NOTHING), self.targets.get(target_id, _NOTHING))
        good = pair.good + NEIGHBOUR_WEIGHT * sum(one.good - pair.good for one in others)
        bad = pair.bad + NEIGHBOUR_WEIGHT * sum(one.bad - pair.bad for one in others)
        return good, bad


_NOTHING: Final = _Record()


def reliability(attempts: Iterable[Attempt], now: float) -> Reliability:
    """Given how attempts ended, oldest first, and the time, return what they tell."""
    known = Reliability(now)
    for attempt in attempts:
        weight = 0.5 ** (max(now - attempt.ended_at, 0.0) / HALF_LIFE_SECONDS)
        known.pairs[attempt.source_channel_id, attempt.target_channel_id].count(attempt, weight)
        known.sources[attempt.source_channel_id].count(attempt, weight)
        known.targets[attempt.target_channel_id].count(attempt, weight)
    return known
