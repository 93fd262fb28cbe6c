"""Policies side by side: what share each takes of what the oracle makes of the same worlds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from revops.sim.arena.oracle import best_constant
from revops.sim.arena.policies import POLICIES
from revops.sim.arena.world import make_world, run_policy

#: The product's constants were chosen on the former; only the latter may be quoted.
TUNED_SEEDS: Final = (1, 2, 3)
JUDGED_SEEDS: Final = (101, 102, 103)


@dataclass(frozen=True, slots=True)
class Line:
    """One family over all seeds: the oracle's net income, and each policy's net income and updates per channel and
    day.
    """

    family: str
    oracle_msat: int
    net_msat: dict[str, int]
    updates_per_day: dict[str, float]


def score_family(family: str, seeds: Sequence[int], days: float) -> Line:
    """Given a family, seeds and a length in days, let every policy and the oracle live through the same worlds."""
    oracle_msat = 0
    net_msat = dict.fromkeys(POLICIES, 0)
    updates = dict.fromkeys(POLICIES, 0.0)
    for seed in seeds:
        world = make_world(family, seed, days)
        oracle_msat += best_constant(world)[0]
        for name, make_policy in POLICIES.items():
            result = run_policy(world, make_policy())
            net_msat[name] += result.net_msat
            updates[name] += result.updates_per_day / len(seeds)
    return Line(family, oracle_msat, net_msat, updates)


def table(lines: Sequence[Line]) -> str:
    """Given the families' lines, return them as text: shares of the oracle, with updates per channel and day."""
    rows = [f"{'family':16}{'oracle sat':>12}" + "".join(f"{name:>20}" for name in POLICIES)]
    rows += [_row(line.family, line.oracle_msat, line) for line in lines]
    total = Line(
        "sum",
        sum(line.oracle_msat for line in lines),
        {name: sum(line.net_msat[name] for line in lines) for name in POLICIES},
        {name: sum(line.updates_per_day[name] for line in lines) / len(lines) for name in POLICIES},
    )
    rows.append(_row("sum", total.oracle_msat, total))
    means = {name: sum(line.net_msat[name] / line.oracle_msat for line in lines) / len(lines) for name in POLICIES}
    rows.append(f"{'mean share':28}" + "".join(f"{mean:>13.2f}       " for mean in means.values()))
    return "\n".join(rows)


def _row(family: str, oracle_msat: int, line: Line) -> str:
    cells = (f"{line.net_msat[name] / oracle_msat:>13.2f} ({line.updates_per_day[name]:4.1f})" for name in POLICIES)
    return f"{family:16}{oracle_msat // 1_000:>12,}" + "".join(cells)
