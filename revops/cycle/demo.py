"""`revops demo`: a simulated node, some virtual days of the crontab's cycle on it, and the books compared at the end.

Everything takes the path that it takes on a real node: the socket, pyln-client, the database, the decisions, the
`.prom` files. Only time is virtual: the node's market is run up to the next line of the schedule, and the command is
told what time it is there. The last virtual midnight is the last real one: the figures depend on the seed and the day
alone (the market has livelier weekdays), ages in a report make sense, and `--serve` can go on in real time.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from revops import config as configuration
from revops.config_suggest import document, suggest
from revops.config_template import Suggestion
from revops.cycle import db, fees, init, rebalance, rebalance_plan, reconcile, report, rollup, sync
from revops.cycle.demo_books import compare, job_counts, refill_counts, too_dear_count
from revops.domain.options import CommonOptions
from revops.domain.summary import DemoSummary
from revops.errors import ConfigError, DataError
from revops.sim.config import SimBooks, SimConfig
from revops.sim.server import SimServer
from revops.sim.world import SimulatedNode
from revops.store.url import parse_url, sqlite_path

DAY_SECONDS: Final = 86_400
MINUTE_SECONDS: Final = 60
#: What the node did before revops came to it: the past that the first sync copies.
HISTORY_DAYS: Final = 7
NAME: Final = "demo"
#: Decisions of each kind that the summary shows.
SHOWN_COUNT: Final = 6


def hourly(*minutes: int, every_hours: int = 1) -> tuple[int, ...]:
    """Given minutes of the hour, return them as minutes of the day."""
    return tuple(hour * 60 + minute for hour in range(0, 24, every_hours) for minute in minutes)


#: The lines of crontab.example that act, by the minutes of the day at which they run; a test holds the two together.
SCHEDULE: Final[dict[str, tuple[int, ...]]] = {
    "sync": hourly(2, 32),
    "fees adjust": hourly(12, 42),
    "rebalance plan": hourly(21),
    "rebalance run": hourly(21, 51),
    "rollup": (3 * 60 + 7,),
    "reconcile": (4 * 60 + 47,),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where the demo keeps its things."""

    folder: Path

    @property
    def rpc(self) -> Path:
        """lightningd's socket, or what takes its place."""
        return self.folder / "lightning-rpc"

    @property
    def config(self) -> Path:
        """The configuration that `init` wrote."""
        return self.folder / "config.toml"

    @property
    def database(self) -> Path:
        """The records."""
        return self.folder / "revops.sqlite3"

    @property
    def database_url(self) -> str:
        """The records, as the configuration names them."""
        return f"sqlite:///{self.database}"

    @property
    def report(self) -> Path:
        """Where the last report goes."""
        return self.folder / "report.txt"

    @property
    def metrics(self) -> Path:
        """What node_exporter would read."""
        return self.folder / "metrics"


def run(
    options: CommonOptions,
    *,
    days: int,
    seed: int,
    channel_count: int,
    directory: Path | None = None,
    serve: bool = False,
    ready: Callable[[DemoSummary], None] | None = None,
    now: float | None = None,
) -> DemoSummary:
    """Given how long, which world and where, run the demo; return what came of it.

    With `serve` the node stays up in real time, after `ready` was told, until SIGINT or SIGTERM. Raise ConfigError
    where the folder holds something already, DataError where the books don't agree at the end.
    """
    place = _make_place(directory)
    end_at = int((time.time() if now is None else now) // DAY_SECONDS) * DAY_SECONDS
    start_at = end_at - days * DAY_SECONDS
    config = SimConfig(seed=seed, channel_count=channel_count, start_at=start_at, history_days=HISTORY_DAYS)
    node = SimulatedNode(config)
    with SimServer(node, place.rpc) as server:
        told = _told(options, place)
        _set_up(place, told, node)
        before = node.books()
        run_count = _live(node, told, start_at, end_at)
        summary = _summarise(place, told, node, before, days, seed, run_count)
        if serve:
            server.follow_wall_clock = True
            node.waiting_takes_time(False)
            if ready is not None:
                ready(summary)
            _wait_for_interrupt()
    return summary


def _told(options: CommonOptions, place: Place) -> CommonOptions:
    """The options of the demo's commands: its own configuration, and none of what the shell sets for a real node."""
    return replace(
        options, config_path=place.config, database_url=None, metrics_dir=None, dry_run=False, environment={}
    )


def _stay_inside(place: Place, options: CommonOptions) -> None:
    """Raise ConfigError unless the configuration in force is all of the demo's own: its commands act without asking."""
    config = configuration.read(options).config
    for key, found, own in (
        ("node.rpc_path", Path(config.node.rpc_path), place.rpc),
        ("database.url", sqlite_path(parse_url(configuration.database_url(config))), place.database),
        ("metrics.textfile_dir", Path(config.metrics.textfile_dir), place.metrics),
    ):
        if found != own:
            raise ConfigError(f"{key} leads the demo to {found} instead of {own}: nothing was run")


def _make_place(directory: Path | None) -> Place:
    if directory is None:
        return _prepared(Path(tempfile.mkdtemp(prefix="revops-demo-")))
    if directory.is_dir() and any(directory.iterdir()):
        raise ConfigError(f"{directory} is not empty: the demo starts from nothing; name another --dir")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return _prepared(directory)


def _prepared(folder: Path) -> Place:
    place = Place(folder)
    place.metrics.mkdir()
    return place


def _set_up(place: Place, options: CommonOptions, node: SimulatedNode) -> None:
    """What an operator does: `init`, read what it wrote, write `act`, name a budget."""
    seen = init.look(place.rpc, lambda: node.now_at)
    suggestions = suggest(seen)
    weekly_sat = max(int(suggestions["budget.weekly_sat"].value), 2_000)
    suggestions |= {
        "node.name": Suggestion(NAME, "The demo's name for it."),
        "database.url": Suggestion(place.database_url, "Everything of the demo is in one folder."),
        "metrics.textfile_dir": Suggestion(str(place.metrics), "Everything of the demo is in one folder."),
        "fees.mode": Suggestion("act", "In the demo there is nothing to lose."),
        "rebalance.mode": Suggestion("act", "In the demo there is nothing to lose."),
        "budget.weekly_sat": Suggestion(weekly_sat, "Half of what the last week earned, 2,000 sat at least."),
        "budget.daily_sat": Suggestion(weekly_sat // 3, "A third of weekly_sat."),
    }
    init.write(place.config, document(seen, suggestions), force=False)
    _stay_inside(place, options)
    db.upgrade(options)


def _live(node: SimulatedNode, options: CommonOptions, start_at: int, end_at: int) -> int:
    """Run the schedule's commands at their virtual times, and a last sync at the end; return how many ran."""
    commands: dict[str, Callable[[], object]] = {
        "sync": lambda: sync.run(options, clock=lambda: node.now_at),
        "fees adjust": lambda: fees.run(options, clock=lambda: node.now_at),
        "rebalance plan": lambda: rebalance_plan.run(options, clock=lambda: node.now_at),
        "rebalance run": lambda: rebalance.run(options, clock=lambda: node.now_at),
        "rollup": lambda: rollup.run(options, clock=lambda: node.now_at),
        "reconcile": lambda: reconcile.run(options, clock=lambda: node.now_at),
    }
    count = 0
    days = (end_at - start_at) // DAY_SECONDS
    for at, command in _occasions(start_at, end_at):
        node.advance_to(at)
        commands[command]()
        count += 1
        options.progress("virtual days", int((at - start_at) // DAY_SECONDS), days)
    node.advance_to(end_at)
    # What is still under way is settled, then everything is copied once more before the books are compared.
    commands["rebalance run"]()
    commands["sync"]()
    return count + 2


def _occasions(start_at: int, end_at: int) -> Iterator[tuple[int, str]]:
    """The schedule's commands in order of time."""
    for midnight in range(start_at, end_at, DAY_SECONDS):
        times = [(minute, command) for command, minutes in SCHEDULE.items() for minute in minutes]
        for minute, command in sorted(times):
            yield midnight + minute * MINUTE_SECONDS, command


def _summarise(
    place: Place, options: CommonOptions, node: SimulatedNode, before: SimBooks, days: int, seed: int, run_count: int
) -> DemoSummary:
    now = node.now_at
    shown = report.run(options, window_days=days, decision_count=SHOWN_COUNT, clock=lambda: now)
    books = node.books()
    comparisons = compare(books, shown, place.database_url, place.metrics, NAME)
    worst = next((comparison for comparison in comparisons if not comparison.equal), None)
    if worst is not None:
        raise DataError(
            f"the books don't agree: {worst.name} is {worst.node_msat} msat on the node, {worst.database_msat} in "
            f"the database, {worst.report_msat} in the report and {worst.metrics_msat} in the metrics; "
            f"everything is kept in {place.folder}"
        )
    return DemoSummary(
        directory=str(place.folder),
        config_path=str(place.config),
        rpc_path=str(place.rpc),
        database_path=str(place.database),
        metrics_dir=str(place.metrics),
        report_path=str(place.report),
        days=days,
        seed=seed,
        run_count=run_count,
        earned_msat=books.fees_earned_msat - before.fees_earned_msat,
        rebalance_fees_msat=books.rebalance_fees_msat - before.rebalance_fees_msat,
        comparisons=comparisons,
        report=shown,
        job_counts=job_counts(place.database_url),
        refill_counts=refill_counts(place.database_url),
        too_dear_count=too_dear_count(place.database_url),
    )


def _wait_for_interrupt() -> None:
    """Sleep until Ctrl-C, which is how a person ends it; SIGTERM ends the process as it does any command."""
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(3_600)
