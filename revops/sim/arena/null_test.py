"""Does the instrument find a difference where there is none, and where there is one?

Two copies of one policy meet every world with its channels numbered otherwise and their first cycles left out by
chance: all that a policy may break ties by, or take for its own randomness, differs, and nothing that should matter
does. The interval of their difference must hold 0 (A/A test; by its nature it doesn't in one run out of twenty). The
same pair, one of them made five per cent worse, must show it: an interval too wide to see that judges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, TypeVar

from revops.sim.arena.market import Market
from revops.sim.arena.outcome import Outcome, Span
from revops.sim.arena.policies import Policy
from revops.sim.arena.records import Records
from revops.sim.arena.sample import Estimate, Sample
from revops.sim.arena.stats import compare
from revops.sim.arena.world import World

COPIES: Final = (" (first copy)", " (second copy)")
MADE_WORSE_RATIO: Final = 0.05
#: The most cycles that a copy leaves out at the beginning.
LATE_CYCLES: Final = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class NullTest:
    """Two copies of a policy in one span: their difference, in shares of the oracle, and the first against the second
    made worse. `sees_nothing`: the copies are rightly found alike; `sees_worse`: the one made worse is found. Without
    intervals neither is.
    """

    policy: str
    first_day: float
    last_day: float
    difference: Estimate
    difference_to_worse: Estimate
    sees_nothing: bool
    sees_worse: bool


def copies_of(policy: str) -> tuple[str, str]:
    """Given a policy's name, return those of its two copies."""
    return policy + COPIES[0], policy + COPIES[1]


def original_of(name: str) -> tuple[str, str]:
    """Given a name, return the policy's and which copy of it is meant: "" for the policy itself."""
    for copy in COPIES:
        if name.endswith(copy):
            return name.removesuffix(copy), copy
    return name, ""


def null_test(outcomes: Sequence[Outcome], policy: str, span: int) -> NullTest:
    """Given outcomes with those of a policy's copies among them, and a span's number, return how they differ."""
    first, second = copies_of(policy)
    worse = f"{second}, made worse"
    pair = [outcome for outcome in outcomes if outcome.policy in {first, second}]
    pair += [_made_worse(outcome, worse) for outcome in pair if outcome.policy == second]
    sample = Sample(pair, span)
    days = pair[0].spans[span]
    difference = compare(sample, first, second).difference
    difference_to_worse = compare(sample, first, worse).difference
    return NullTest(
        policy=policy,
        first_day=days.first_day,
        last_day=days.last_day,
        difference=difference,
        difference_to_worse=difference_to_worse,
        sees_nothing=difference.low is not None and not difference.excludes(0.0),
        sees_worse=difference_to_worse.value > 0 and difference_to_worse.excludes(0.0),
    )


def _made_worse(outcome: Outcome, name: str) -> Outcome:
    def made_worse(span: Span) -> Span:
        return replace(span, net_msat=span.net_msat - round(MADE_WORSE_RATIO * abs(span.net_msat)))

    return replace(outcome, policy=name, spans=tuple(made_worse(span) for span in outcome.spans))


class Late:
    """A policy that begins some cycles late."""

    def __init__(self, policy: Policy, cycle_count: int) -> None:
        self._policy, self._cycle_count = policy, cycle_count

    def __call__(self, market: Market, records: Records, now: float, /) -> None:
        """One cycle."""
        if self._cycle_count > 0:
            self._cycle_count -= 1
        else:
            self._policy(market, records, now)


def disturbed(world: World, policy: Policy, copy: str) -> tuple[World, Policy]:
    """Given a world, a policy and which copy of it this is, return both as this copy meets them."""
    rng = Random(f"{world.family} {world.seed} {copy}")
    order = list(range(len(world.capacity_msat)))
    rng.shuffle(order)
    return renumbered(world, order), Late(policy, rng.randint(0, LATE_CYCLES))


def renumbered(world: World, order: Sequence[int]) -> World:
    """Given a world and its channels' numbers in another order, return the same world with channel `order[0]` first."""
    new = {old: number for number, old in enumerate(order)}

    def sorted_as(values: Sequence[T]) -> tuple[T, ...]:
        return tuple(values[old] for old in order)

    return replace(
        world,
        capacity_msat=sorted_as(world.capacity_msat),
        local_msat=sorted_as(world.local_msat),
        customers=tuple(
            one._replace(out=new[one.out], first=new[one.first], second=new[one.second]) for one in world.customers
        ),
        later_ppm=tuple(sorted_as(fees) for fees in world.later_ppm),
        absences=sorted_as(world.absences),
        others_ppm=sorted_as(world.others_ppm),
        size_rank_ratio=sorted_as(world.size_rank_ratio),
        peer_channel_count=sorted_as(world.peer_channel_count),
        start_ppm=sorted_as(world.start_ppm),
    )
