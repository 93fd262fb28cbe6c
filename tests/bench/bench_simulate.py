"""How long do full cycles take, and how long the market alone? `python tests/bench/bench_simulate.py`

20 channels, 30 days, 100 attempts per channel and day, a run of `fees adjust` each half hour with its sync, decisions,
records and metrics. Seconds of the wall clock and of the processor, which a busy machine sets apart, and where the time
went. The market alone is the same customers at constant fees, without any node or record. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

from revops.domain.policy import FeesConfig
from revops.sim.arena.full import run_full
from revops.sim.arena.policies import START_PPM, Product
from revops.sim.arena.setting import TUNING
from revops.sim.arena.world import World, make_world, run_policy


def timed(what: str, work: Callable[[], object]) -> None:
    """Do some work and print how long that took."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    print(f"{what:24} {wall:8.2f} s  of the processor {processor:8.2f} s", flush=True)


def trade(world: World) -> None:
    """All customers at constant fees, half an hour at a time."""
    market = world.market([START_PPM] * len(world.capacity_msat))
    for half_hour in range(round(world.days * 48)):
        market.trade(world.between(half_hour / 48, (half_hour + 1) / 48), (half_hour + 1) * 1_800.0)


def full(world: World, policy: FeesConfig, *, profile: bool) -> None:
    """Full cycles, and where their time went."""
    result = run_full(world, policy, profile=profile)
    print(f"{result.cycle_count} cycles, {1_000 * result.seconds / result.cycle_count:.1f} ms each")
    for part, seconds in result.seconds_by_part.items():
        print(f"  {part:10} {seconds:8.2f} s  {seconds / result.seconds:5.1%}")


def main() -> None:
    """Time the market alone, records alone, and full cycles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--channels", type=int, default=20)
    parser.add_argument("--attempts", type=float, default=100.0, help="per channel and day, at price 0")
    parser.add_argument("--family", default="logistic")
    parser.add_argument("--strategy", default="demand")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    setting = replace(
        TUNING, channel_count=arguments.channels, customers_per_day=arguments.attempts, customers_spread=0.0
    )
    world = make_world(arguments.family, 1, arguments.days, setting)
    policy = FeesConfig(strategy=arguments.strategy)
    print(f"{arguments.channels} channels, {arguments.days:g} days, {len(world.between(0, world.days)):,} customers")
    timed("market alone", lambda: trade(world))
    timed("records alone", lambda: run_policy(world, Product(policy)))
    timed("full cycles", lambda: full(world, policy, profile=arguments.profile))


if __name__ == "__main__":
    main()
