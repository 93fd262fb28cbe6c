"""`python -m revops.sim.server`: a simulated node in the foreground, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time
from pathlib import Path

from revops.sim.config import SimConfig
from revops.sim.faults import FaultPlan, parse_rule
from revops.sim.server import SimServer
from revops.sim.world import SimulatedNode


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m revops.sim.server", description=__doc__)
    defaults = SimConfig()
    parser.add_argument("--socket", required=True, help="path of the unix socket to serve (108 bytes at most)")
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--channels", type=int, default=defaults.channel_count)
    parser.add_argument("--forwards-per-day", type=float, default=defaults.forwards_per_day)
    parser.add_argument("--history-days", type=float, default=defaults.history_days)
    parser.add_argument("--node-version", default=defaults.version, help="the release to imitate")
    parser.add_argument("--network", default=defaults.network)
    parser.add_argument(
        "--start-at", type=int, help="UTC epoch seconds; default: fixed, or now with --follow-wall-clock"
    )
    parser.add_argument("--follow-wall-clock", action="store_true", help="live in real time instead of virtual time")
    parser.add_argument("--control", action="store_true", help="answer `sim-hook`, which calls a hook of the node")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="METHOD:NTH:KIND[:ARGUMENT]", help="may be repeated"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Serve until a signal comes. Prints one line, "ready PATH", when the socket accepts."""
    options = parse_arguments(arguments)
    begin = int(time.time()) if options.follow_wall_clock else SimConfig().start_at
    config = SimConfig(
        seed=options.seed,
        channel_count=options.channels,
        start_at=begin if options.start_at is None else options.start_at,
        forwards_per_day=options.forwards_per_day,
        version=options.node_version,
        network=options.network,
        history_days=options.history_days,
    )
    faults = FaultPlan()
    for text in options.fault:
        method, fault, nth = parse_rule(text)
        faults.on(method, fault, nth=nth)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = SimServer(
        SimulatedNode(config),
        Path(options.socket),
        follow_wall_clock=options.follow_wall_clock,
        faults=faults,
        control=options.control,
    )
    with server:
        sys.stdout.write(f"ready {options.socket}\n")
        sys.stdout.flush()
        stop.wait()
