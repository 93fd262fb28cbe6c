"""What can be said of policies from the worlds that they lived through.

Policies are compared in pairs: each met the same customers, so that what a world is worth cancels out. How surely it
can be said is for `sample.py` to find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from revops.sim.arena.outcome import Outcome
from revops.sim.arena.sample import Estimate, Sample

#: Of all worlds, those in which a policy did worst.
WORST_RATIO: Final = 0.05


@dataclass(frozen=True, slots=True)
class PolicyFigures:
    """One policy in one span. Shares are of the oracle: `share` of the sums over all worlds, `family_mean` the mean of
    the families' shares, `worst_share` the mean of the worst twentieth of worlds (None where no world has an income).
    """

    policy: str
    net_msat: int
    share: Estimate
    family_mean: Estimate
    worst_share: float | None
    updates_per_day: float
    depleted_ratio: float
    rebalance_msat: int


@dataclass(frozen=True, slots=True)
class Versus:
    """One policy against another over all worlds: the difference of their shares, and the ratio of what they make
    (None where the other makes nothing).
    """

    policy: str
    other: str
    difference: Estimate
    ratio: Estimate | None


@dataclass(frozen=True, slots=True)
class FamilyFigures:
    """One policy in one family, against the best of the others there. `lost_ratio` is how much less it makes than that
    one; below 0 it makes more; None where the other makes nothing. With one policy alone there is no other.
    """

    family: str
    policy: str
    oracle_msat: int
    share: Estimate
    best_other: str | None
    difference: Estimate | None
    lost_ratio: float | None

    @property
    def is_loss(self) -> bool:
        """Whether another makes more."""
        return self.difference is not None and self.difference.value < 0


@dataclass(frozen=True, slots=True)
class SpanFigures:
    """All policies in one span, in the order in which they were given; pairs in both directions. `leader` takes the
    greatest share; `losses` are the families in which a policy is beaten, the worst first.
    """

    first_day: float
    last_day: float
    world_count: int
    oracle_msat: int
    leader: str
    policies: tuple[PolicyFigures, ...]
    versus: tuple[Versus, ...]
    families: tuple[FamilyFigures, ...]
    losses: tuple[FamilyFigures, ...]


def span_figures(outcomes: Sequence[Outcome], span: int, seed: int = 1) -> SpanFigures:
    """Given outcomes of policies that all met the same worlds, and a span's number, return its figures."""
    sample = Sample(outcomes, span, seed)
    names = sample.policies
    policies = tuple(_policy_figures(sample, policy) for policy in names)
    families = tuple(_family_figures(sample, family, policy) for family in sample.worlds for policy in names)
    losses = [(one.difference.value, one) for one in families if one.difference is not None and one.is_loss]
    return SpanFigures(
        first_day=outcomes[0].spans[span].first_day,
        last_day=outcomes[0].spans[span].last_day,
        world_count=sum(len(worlds) for worlds in sample.worlds.values()),
        oracle_msat=round(sample.totals[0]),
        leader=max(policies, key=lambda one: one.share.value).policy,
        policies=policies,
        versus=tuple(compare(sample, policy, other) for policy in names for other in names if other != policy),
        families=families,
        losses=tuple(one for _difference, one in sorted(losses, key=lambda item: item[0])),
    )


def compare(sample: Sample, policy: str, other: str) -> Versus:
    """Given worlds and two policies, return the former against the latter."""
    mine, theirs = sample.place(policy), sample.place(other)
    difference = sample.overall(lambda sums: _share(sums[mine] - sums[theirs], sums[0]))
    all_positive = all(sums[theirs] > 0 for sums in (sample.totals, *sample.varied_totals))
    ratio = sample.overall(lambda sums: sums[mine] / sums[theirs]) if all_positive else None
    return Versus(policy, other, difference, ratio)


def world_shares(outcomes: Sequence[Outcome], span: int, policy: str) -> list[float]:
    """Given outcomes, return a policy's share in each world in which the oracle makes anything, the least first."""
    spans = [outcome.spans[span] for outcome in outcomes if outcome.policy == policy]
    return sorted(one.net_msat / one.oracle_msat for one in spans if one.oracle_msat > 0)


def worst_mean(shares: Sequence[float]) -> float | None:
    """Given shares, the least first, return the mean of the first twentieth, of one at least; None for none."""
    worst = shares[: max(1, int(len(shares) * WORST_RATIO))]
    return sum(worst) / len(worst) if worst else None


def _policy_figures(sample: Sample, policy: str) -> PolicyFigures:
    mine, spans = sample.place(policy), sample.spans[policy]
    shares = sorted(one.net_msat / one.oracle_msat for one in spans if one.oracle_msat > 0)
    return PolicyFigures(
        policy,
        round(sample.totals[mine]),
        sample.overall(lambda sums: _share(sums[mine], sums[0])),
        sample.family_mean(lambda sums: _share(sums[mine], sums[0])),
        worst_mean(shares),
        sum(one.updates_per_day for one in spans) / len(spans),
        sum(one.depleted_ratio for one in spans) / len(spans),
        sum(one.rebalance_msat for one in spans),
    )


def _family_figures(sample: Sample, family: str, policy: str) -> FamilyFigures:
    mine, sums = sample.place(policy), sample.sums[family]
    share = sample.in_family(family, lambda one: _share(one[mine], one[0]))
    others = [other for other in sample.policies if other != policy]
    if not others:
        return FamilyFigures(family, policy, round(sums[0]), share, None, None, None)
    best_other = max(others, key=lambda other: sums[sample.place(other)])
    theirs = sample.place(best_other)
    return FamilyFigures(
        family,
        policy,
        round(sums[0]),
        share,
        best_other,
        sample.in_family(family, lambda one: _share(one[mine] - one[theirs], one[0])),
        1.0 - sums[mine] / sums[theirs] if sums[theirs] > 0 else None,
    )


def _share(part: float, whole: float) -> float:
    """A share of the oracle; where that makes nothing there is nothing to take."""
    return part / whole if whole > 0 else 0.0
