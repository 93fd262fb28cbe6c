"""Made-up outcomes, whose figures are known beforehand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from revops.sim.arena.outcome import Outcome, Span, Study

MADE_AT = 1_795_310_000


def make_span(net_msat: float, oracle_msat: float = 1_000_000, first_day: float = 0.0, last_day: float = 30.0) -> Span:
    return Span(first_day, last_day, round(net_msat), round(oracle_msat), round(net_msat), 0, 0, 1.5, 0.25)


def make_outcomes(
    shares: Mapping[str, Callable[[str, int], float]],
    families: Sequence[str] = ("calm", "wild"),
    seeds: Sequence[int] = (1, 2, 3),
    span_count: int = 1,
) -> list[Outcome]:
    """Given each policy's share of the oracle by family and seed, return outcomes; an oracle makes 1,000 sat a seed."""
    bounds = [(0.0, 30.0), (30.0, 90.0)][:span_count]
    return [
        Outcome(
            policy,
            family,
            seed,
            tuple(make_span(share(family, seed) * 1e6 * seed, 1e6 * seed, *days) for days in bounds),
            (0, 1_000, 2_500) if seed == seeds[0] else (),
        )
        for family in families
        for seed in seeds
        for policy, share in shares.items()
    ]


def noisy(mean: float, spread: float, salt: str = "") -> Callable[[str, int], float]:
    """Shares about a mean, the same for the same world."""
    return lambda family, seed: Random(f"{family} {seed} {salt}").gauss(mean, spread)


def make_study(outcomes: Sequence[Outcome], frozen_hash: str | None = None, strange: tuple[str, ...] = ()) -> Study:
    return Study(
        set_name="judged" if frozen_hash else "tuning",
        setting="judged" if frozen_hash else "tuning",
        made_at=MADE_AT,
        version="0.1.0",
        commit="0123456789ab",
        days=30.0,
        seeds=tuple(dict.fromkeys(one.seed for one in outcomes)),
        families=tuple(dict.fromkeys(one.family for one in outcomes)),
        policies=tuple(dict.fromkeys(one.policy for one in outcomes)),
        frozen_hash=frozen_hash,
        frozen_count=len({(one.family, one.seed) for one in outcomes}) if frozen_hash else 0,
        strange=strange,
        outcomes=tuple(outcomes),
    )
