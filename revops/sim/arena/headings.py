"""What is said of a study beside its tables: what it is, whether it may be quoted, and why some rows are alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from revops.domain.text import counted
from revops.report.amounts import income, instant
from revops.sim.arena.baselines.static import CONSTANT_PPM
from revops.sim.arena.outcome import Study
from revops.sim.arena.policies import REBALANCING, STRATEGIES
from revops.sim.arena.sample import LEAST_SPARE_COUNT
from revops.sim.arena.stats import SpanFigures

#: So many strange worlds are named; the rest is counted.
NAMED_COUNT = 5


def heading(study: Study) -> Iterator[str]:
    """Given a study, say what it is, when and by what it was made, and whether it may be quoted."""
    made_by = f"revops {study.version}" + (f", commit {study.commit}" if study.commit else "")
    families = "1 family" if len(study.families) == 1 else f"{len(study.families)} families"
    first, last = min(study.seeds), max(study.seeds)
    seeds = f"{counted(len(study.seeds), 'seed')} ({first if first == last else f'{first} to {last}'})"
    yield (
        f"set {study.set_name} (market {study.setting}): {families} x {seeds}, {study.days:g} d each; "
        f"made {instant(study.made_at)} by {made_by}"
    )
    if len(study.seeds) <= LEAST_SPARE_COUNT:
        yield f"No more than {LEAST_SPARE_COUNT} worlds of a family: for a single family no interval is given."
    if study.full_cycles:
        yield _full_cycles_line(study)
    if study.rebalance:
        yield (
            "Where it says so rebalances were made too, within the product's own limits; the oracle makes none."
            + (
                ""
                if study.full_cycles
                else " They were decided on as the product does, and paid at a price, by no path."
            )
        )
    if study.judged:
        yield f"Judged: its worlds are all those of the frozen set, sha256 {(study.frozen_hash or '')[:16]}."
    elif study.frozen_hash is not None and not study.strange:
        yield (
            f"NOT JUDGED: {study.world_count} of the {counted(study.frozen_count, 'frozen world')} only; "
            "nobody may choose among them"
        )
    elif study.frozen_hash is not None:
        named = "; ".join(study.strange[:NAMED_COUNT])
        more = f"; and {len(study.strange) - NAMED_COUNT} more" if len(study.strange) > NAMED_COUNT else ""
        yield f"NOT JUDGED: these worlds are not the frozen ones: {named}{more}"
    else:
        yield "Not judged: what the product is tuned on proves nothing; only --set judged may be quoted."


def _full_cycles_line(study: Study) -> str:
    own = [policy for policy in study.policies if policy in STRATEGIES]
    others = any(policy.removesuffix(REBALANCING) not in STRATEGIES for policy in study.policies)
    line = f"Full cycles: {' and '.join(own)}, as from cron on a simulated node"
    return line + ("; the others only decide." if others else ".")


def span_title(span: SpanFigures, number: int, span_count: int) -> str:
    """Given a span and its place among so many, return its title."""
    name = "Steady state" if number > 0 and number == span_count - 1 else "Learning"
    return (
        f"{name}, days {span.first_day:g} to {span.last_day:g}: {counted(span.world_count, 'world')}, "
        f"the oracle makes {income(span.oracle_msat)} sat"
    )


def same_line(policies: Sequence[str]) -> str:
    """Given policies that came to the same in each world, say so, or their rows would look like a mistake."""
    line = f"The rows of {', '.join(policies[:-1])} and {policies[-1]} are alike: they did the same in each world."
    if {"nothing", "constant"} <= set(policies):
        line += (
            f" These channels begin with the {CONSTANT_PPM} ppm that constant asks for, and nothing leaves them there."
        )
    return line
