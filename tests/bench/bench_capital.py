"""What do liquidity ads and splices bring? `python -m tests.bench.bench_capital`

Nodes live 90 days with both, with either, and with neither, in the same worlds (`capital_worlds.py`): printed is the
net income a year per sat of capital, and how surely that differs. README.md says what is counted, and what came of it.

    python -m tests.bench.bench_capital --short                 # a minute or two: 2 worlds of 30 days
    python -m tests.bench.bench_capital --seeds 6 --save found.json
    python -m tests.bench.bench_capital --show tests/bench/judged_capital.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from revops.cycle.studies import commit
from revops.sim.arena.pool import core_count, run_all
from tests.bench.capital_figures import Difference, differences
from tests.bench.capital_operator import ARMS, BOTH, OFF, CapitalOutcome, Job, live
from tests.bench.capital_worlds import DAYS, FAMILIES, JUDGED_SEED, TUNING_SEED

SCHEMA_VERSION: Final = 1
SHORT_DAYS: Final = 30.0
SHORT_FAMILIES: Final = ("tight", "ample")


def main() -> None:
    """Live through the worlds, or read what came of them, and print it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--judged", action="store_true", help="the seeds that the quoted result is of")
    parser.add_argument("--seeds", type=int, default=6, help="worlds of each family")
    parser.add_argument("--days", type=float, default=DAYS)
    parser.add_argument("--family", action="append", choices=tuple(FAMILIES))
    parser.add_argument("--arm", action="append", choices=ARMS)
    parser.add_argument("--jobs", type=int, default=core_count())
    parser.add_argument("--short", action="store_true", help="one world of two families each, both arms, 30 days")
    parser.add_argument("--save", type=Path, help="where the outcomes are kept, as they come")
    parser.add_argument("--show", type=Path, help="print outcomes that were kept")
    arguments = parser.parse_args()
    if arguments.show is not None:
        print(table(read(arguments.show)))
        return
    jobs = chosen(arguments)
    outcomes = [] if arguments.save is None or not arguments.save.exists() else read(arguments.save)
    known = {(one.family, one.seed, one.arm, one.days) for one in outcomes}
    jobs = [job for job in jobs if (job.family, job.seed, job.arm, job.days) not in known]
    made_of = commit()
    with closing(run_all(jobs, live, arguments.jobs)) as running:
        for one in running:
            outcomes.append(one)
            print(line(one), file=sys.stderr, flush=True)
            if arguments.save is not None:
                save(arguments.save, outcomes, made_of)
    print(table(outcomes))


def chosen(arguments: argparse.Namespace) -> list[Job]:
    """The worlds and arms that are asked for: doing neither, and both, first."""
    days, families, seeds = arguments.days, arguments.family or tuple(FAMILIES), arguments.seeds
    arms = arguments.arm or (OFF, BOTH, *(arm for arm in ARMS if arm not in (OFF, BOTH)))
    if arguments.short:
        days, families, arms, seeds = SHORT_DAYS, SHORT_FAMILIES, (OFF, BOTH), 1
    first_seed = JUDGED_SEED if arguments.judged else TUNING_SEED
    worlds = [(family, seed) for seed in range(first_seed, first_seed + seeds) for family in families]
    first = [arm for arm in arms if arm in (OFF, BOTH)]
    return [
        Job(family, seed, arm, days)
        for some in (first, [arm for arm in arms if arm not in first])
        for family, seed in worlds
        for arm in some
    ]


def table(outcomes: Sequence[CapitalOutcome]) -> str:
    """Given outcomes, return the figures as text."""
    met = {(one.family, one.seed): set[str]() for one in outcomes}
    for one in outcomes:
        met[one.family, one.seed].add(one.arm)
    arms = {one.arm for one in outcomes}
    whole = [one for one in outcomes if met[one.family, one.seed] == arms]
    head = (
        f"{'':9} {'family':14} worlds   neither  difference a year, percent of capital        routing  leases   costs"
    )
    rows = [row(one) for one in differences(whole)]
    return "\n".join((head, *rows))


def row(one: Difference) -> str:
    """One line of the table."""
    found = one.difference
    interval = "" if found.low is None or found.high is None else f"({100 * found.low:+.3f} to {100 * found.high:+.3f})"
    return (
        f"{one.arm:9} {one.family or 'all':14} {one.world_count:6} {100 * one.off_ratio:8.3f}  "
        f"{100 * found.value:+8.3f} {interval:20} {one.verdict if interval else '':20} {100 * one.routing_ratio:+7.3f} "
        f"{100 * one.lease_ratio:+7.3f} {-100 * one.cost_ratio:+7.3f}"
    )


def line(one: CapitalOutcome) -> str:
    """One outcome, as it comes."""
    return (
        f"{one.family} {one.seed} {one.arm}: {100 * one.yearly_ratio(one.net_msat):.3f} % a year on "
        f"{one.capital_msat // 10**9} million sat; {one.lease_count} leases, {one.splice_in_count} splices in, "
        f"{one.splice_out_count} out"
    )


def save(path: Path, outcomes: Sequence[CapitalOutcome], made_of: str | None) -> None:
    """Keep outcomes as JSON, with the commit that they are of."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "made_at": int(time.time()),
        "commit": made_of,
        "outcomes": [asdict(one) for one in outcomes],
    }
    path.write_text(json.dumps(document, separators=(",", ":")) + "\n", encoding="utf-8")


def read(path: Path) -> list[CapitalOutcome]:
    """Given a file that `save` wrote, return the outcomes. Raise ValueError for another one."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if document["schema_version"] != SCHEMA_VERSION:
        raise ValueError(f"{path}: schema_version is {document['schema_version']}, not {SCHEMA_VERSION}")
    return [CapitalOutcome(**one) for one in document["outcomes"]]


if __name__ == "__main__":
    main()
