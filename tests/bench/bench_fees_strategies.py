"""How much dearer is `demand` than `hill_climb`? `python tests/bench/bench_fees_strategies.py`

500 channels, each with thirty prices in its memory. First `decide_fees` alone, in the processor's seconds: a run in
which every channel is due to be judged, which is rare, one in which none is, and the mean over a day of runs a few
minutes apart, where channels are due by turns. Then whole processes of `fees adjust` with every channel due. All in
turn in one run, so that the machine's mood cancels out; what counts is the ratio of the minima; nothing is asserted.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from revops.decide.fees import decide_fees
from revops.decide.strategies.demand import TURNS_PER_INTERVAL
from revops.domain.decision import FeeState, PriceWindow
from revops.domain.policy import FeesConfig, Strategy
from revops.domain.signals import Rate, Signals
from revops.domain.snapshot import FeeInput, FeeSnapshot
from revops.sim.config import SimConfig
from revops.sim.server import SimServer
from revops.sim.world import SimulatedNode
from revops.store.codec import dump_state, load_state
from tests.builders import HOUR, NOW, make_channel, make_fee_input, make_fee_snapshot

STRATEGIES: Final[tuple[Strategy, ...]] = ("hill_climb", "demand")
WINDOW_COUNT = 30


def remembered(fee_ppm: int, now: float, rng: Random) -> FeeState:
    """Thirty prices around this one, and itself for long enough to be judged, on a turn that has just begun."""
    windows = tuple(
        PriceWindow(
            now - 12 * HOUR * (WINDOW_COUNT - number),
            max(round(fee_ppm * 1.05 ** rng.randint(-10, 10)), 1),
            12.0,
            rng.uniform(0, 20),
        )
        for number in range(WINDOW_COUNT)
    )
    return FeeState(
        fee_ppm=fee_ppm,
        window_start_at=now - 10.1 * HOUR,
        counted_at=now - HOUR,
        open_seconds=9.1 * HOUR,
        last_rate_msat=1_000.0,
        last_rate_error_msat=100.0,
        windows=windows,
    )


def channel_input(number: int, rng: Random) -> FeeInput:
    """A channel of any balance with a market of its own."""
    fee_ppm = rng.randint(20, 1_500)
    demand_msat = 10 ** rng.uniform(7, 10)
    signals = Signals(
        demand=Rate(demand_msat, demand_msat * 2e8),
        inflow=Rate(demand_msat * rng.random(), demand_msat * 1e8),
        entry_value_ppm=rng.uniform(0, 200),
        anchor_ppm=round(fee_ppm * rng.uniform(0.5, 2)),
        settle_ratio=0.9,
    )
    channel = make_channel(number, fee_ppm=fee_ppm, local_msat=int(5e9 * rng.uniform(0.02, 0.98)))
    return make_fee_input(channel, state=remembered(fee_ppm, NOW, rng), signals=signals)


def looked_at(snapshot: FeeSnapshot, ages_seconds: Sequence[float]) -> FeeSnapshot:
    """The same node, each channel looked at so long ago."""
    inputs = [
        replace(one, state=replace(one.state, counted_at=NOW - age_seconds))
        for one, age_seconds in zip(snapshot.inputs, ages_seconds, strict=True)
        if one.state is not None
    ]
    return replace(snapshot, inputs=tuple(inputs))


def processor_seconds(work: Callable[[], object]) -> float:
    """Do some work and return what of the processor it took."""
    started = time.process_time()
    work()
    return time.process_time() - started


def decisions_alone(channel_count: int, interval_seconds: float, runs: int) -> None:
    """Time `decide_fees` with both strategies, and print their ratio."""
    rng = Random(4)
    due = make_fee_snapshot(*(channel_input(number, rng) for number in range(1, channel_count + 1)))
    idle = looked_at(due, [60.0] * channel_count)
    taken: dict[tuple[str, str], list[float]] = {}
    for _run in range(runs):
        for label, snapshot in (("every channel is due", due), ("none is due", idle)):
            for strategy in STRATEGIES:
                seconds = processor_seconds(partial(decide_fees, snapshot, FeesConfig(strategy=strategy)))
                taken.setdefault((label, strategy), []).append(seconds)
    least = {key: min(seconds) for key, seconds in taken.items()}
    turn_seconds = FeesConfig().min_interval_seconds / TURNS_PER_INTERVAL
    due_ratio = min(interval_seconds / turn_seconds, 1.0)
    mean = f"mean of a day, a run each {interval_seconds / 60:g} min"
    for strategy in STRATEGIES:
        parts = least["every channel is due", strategy], least["none is due", strategy]
        least[mean, strategy] = due_ratio * parts[0] + (1 - due_ratio) * parts[1]
    print(f"decide_fees alone, {channel_count} channels, {runs} runs of each, in turn")
    for label in ("every channel is due", "none is due", mean):
        climb, demand = (least[label, strategy] for strategy in STRATEGIES)
        print(f"  {label:36} hill_climb {climb:.3f} s  demand {demand:.3f} s  ratio {demand / climb:.2f}")


def make_due(database: Path) -> None:
    """Write behind the product's back what makes every channel due."""
    rng, now = Random(4), time.time()
    with sqlite3.connect(database) as connection:
        rows = connection.execute("SELECT channel_key, state_json FROM fee_state").fetchall()
        connection.executemany(
            "UPDATE fee_state SET state_json = ?, updated_at = ? WHERE channel_key = ?",
            [
                (dump_state(remembered(load_state(document).fee_ppm, now, rng)), now - HOUR, key)
                for key, document in rows
            ],
        )
    connection.close()


def run_once(environment: dict[str, str], *arguments: str) -> float:
    """Run a command of the product as a process of its own, and return its seconds of the processor."""
    process = subprocess.Popen([sys.executable, "-m", "revops", *arguments], env=environment, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def whole_processes(channel_count: int, runs: int) -> None:
    """Time `fees adjust` with both strategies on a simulated node, and print their ratio."""
    with tempfile.TemporaryDirectory(prefix="revops-bench-") as name:
        folder = Path(name)
        path = folder / "rpc"
        config = SimConfig(channel_count=channel_count, start_at=int(time.time()), history_days=0.1)
        with SimServer(SimulatedNode(config), path, follow_wall_clock=True):
            environments = {}
            for strategy in STRATEGIES:
                place = folder / strategy
                place.mkdir()
                settings = place / "config.toml"
                settings.write_text(
                    f'[node]\nrpc_path = "{path}"\n[database]\nurl = "sqlite:///{place / "revops.sqlite3"}"\n'
                    f'[fees]\nmode = "observe"\nstrategy = "{strategy}"\n'
                )
                settings.chmod(0o600)
                environments[strategy] = {**os.environ, "REVOPS_CONFIG": str(settings)}
                run_once(environments[strategy], "db", "upgrade")
                run_once(environments[strategy], "fees", "adjust")
            taken: dict[Strategy, list[float]] = {strategy: [] for strategy in STRATEGIES}
            for _run in range(runs):
                for strategy, environment in environments.items():
                    make_due(folder / strategy / "revops.sqlite3")
                    taken[strategy].append(run_once(environment, "fees", "adjust"))
    print(f"fees adjust as a process, every channel due, {runs} runs of each, in turn")
    for strategy, seconds in taken.items():
        print(f"  {strategy:12} min {min(seconds):.3f} s  median {statistics.median(seconds):.3f} s")
    print(f"  ratio of the minima {min(taken['demand']) / min(taken['hill_climb']):.2f}")


def main() -> None:
    """Time decisions alone, then whole processes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--channels", type=int, default=500)
    parser.add_argument("--interval", type=float, default=600.0, help="seconds between two runs of `fees adjust`")
    arguments = parser.parse_args()
    decisions_alone(arguments.channels, arguments.interval, arguments.runs)
    whole_processes(arguments.channels, arguments.runs)


if __name__ == "__main__":
    main()
