"""Metrics from a crontab's line to an answer of Prometheus, and two virtual days of the whole crontab."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import combinations
from pathlib import Path
from typing import Final

import pytest

from revops.cycle import reconcile, report
from revops.domain.options import CommonOptions
from revops.sim.world import SimConfig
from tests.e2e.conftest import Start
from tests.e2e.crontab_day import ENTRIES, cron, times
from tests.e2e.operator_place import HERE, Machine, machine
from tests.e2e.stock import candidates, plant
from tests.metrics.servers import NODE_EXPORTER, PROMETHEUS, PROMTOOL, node_exporter, prometheus, queried, wait_for

DAY_MINUTES: Final = 24 * 60
#: Lines of the crontab that leave no `.prom`: they need neither the node nor its records.
UNMEASURED: Final = frozenset({"db backup"})
DAYS: Final = 2
#: Old enough that a rollup has something to prune.
WORLD: Final = SimConfig(seed=29, channel_count=8, history_days=32.0, forwards_per_day=120.0)
#: Reading commands that leave a file, beside those of the crontab.
READING: Final = (
    ("report", "peers"), ("report", "pnl"), ("report", "rebalances"), ("report", "classes"), ("report", "dead"),
    ("report", "failures"), ("report", "flows"), ("report", "--fleet"), ("history",), ("budget", "history"),
    ("policy", "show"),
)  # fmt: skip

Series = dict[str, float]
COMMANDS: Final[dict[str, Callable[[CommonOptions, Callable[[], float]], object]]] = {
    **HERE,
    "reconcile": lambda options, clock: reconcile.run(options, clock=clock),
    "report": lambda options, clock: report.run(options, clock=clock),
}


def read(path: Path) -> tuple[Series, set[str]]:
    """The series of a file by name and labels, and which of its families are counters. One that stands twice fails."""
    series: Series = {}
    counters: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            if kind == "counter":
                counters.add(name)
        elif not line.startswith("#"):
            key, _, value = line.rpartition(" ")
            assert key not in series, (path.name, key)
            series[key] = float(value)
    return series, counters


def files_of(place: Machine) -> dict[str, tuple[Series, set[str]]]:
    return {path.name: read(path) for path in sorted(place.metrics.glob("*.prom"))}


def fell(before: tuple[Series, set[str]], after: tuple[Series, set[str]]) -> list[str]:
    """The counters that went back from one reading of a file to the next."""
    counters = after[1]
    return [
        f"{key}: {value} to {after[0][key]}"
        for key, value in before[0].items()
        if key.partition("{")[0] in counters and key in after[0] and after[0][key] < value
    ]


def test_counters_that_fall_are_seen(tmp_path: Path) -> None:
    for number in (5, 4):
        (tmp_path / str(number)).write_text(
            f'# HELP a_total x\n# TYPE a_total counter\na_total{{b="c"}} {number}.0\n# TYPE b gauge\nb{{}} {number}.0\n'
        )
    high, low = read(tmp_path / "5"), read(tmp_path / "4")
    assert fell(high, low) == ['a_total{b="c"}: 5.0 to 4.0']
    assert fell(low, high) == fell(low, low) == []


@pytest.fixture
def place() -> Iterator[Machine]:
    with machine(WORLD, paused=False) as built:
        built.write_config(retention={"forwards_days": 30, "decisions_days": 1, "runs_days": 1})
        yield built


def occasions() -> Iterator[tuple[int, str]]:
    """The crontab's commands in the order of their minutes, of `DAYS` days; the weekly one on the second of them."""
    lines = [
        (day * DAY_MINUTES + minute, command)
        for day in range(DAYS)
        for entry in ENTRIES
        if entry.days[2] == "*" or day == 1
        for minute in entry.minutes_of_day
        for command in entry.commands
        if command not in UNMEASURED
    ]
    yield from sorted(lines, key=lambda one: one[0])


@pytest.mark.timeout(1_200)
def test_two_days_of_cron_leave_counters_monotonic_and_no_series_twice(place: Machine) -> None:
    began_at = place.node.now_at - place.node.now_at % 86_400 + 86_400
    before: dict[str, tuple[Series, set[str]]] = {}
    seen: set[str] = set()
    falls: list[str] = []
    for minute, command in occasions():
        place.node.advance_to(max(place.node.now_at, began_at + minute * 60))
        if command == "rebalance run" and minute % 480 == 21:  # what the planner of the day finds is its own affair
            plant(place, candidates(place)[:3])
        COMMANDS[command](place.options, lambda: place.node.now_at)
        after = files_of(place)
        for name, found in after.items():
            if name in before:
                falls += [f"minute {minute}, {command}: {fall}" for fall in fell(before[name], found)]
        for (one, (mine, _)), (other, (theirs, _)) in combinations(after.items(), 2):
            shared = mine.keys() & theirs.keys()
            assert not shared, (one, other, shared)
        before = after
        seen.add(command)
    assert falls == []
    assert seen == COMMANDS.keys()
    node = before["revops_sim.prom"][0]
    # It was worth looking at: forwards were pruned, jobs ended, fees changed.
    with closing(sqlite3.connect(place.database)) as connection:
        assert connection.execute("SELECT count(*) FROM forward_day").fetchone()[0] > 0
    assert node['revops_decisions_total{command="fees adjust",node="sim",outcome="change"}'] > 0
    assert node['revops_rebalance_jobs_total{node="sim",outcome="settled"}'] > 0
    assert node['revops_node_forwards_settled_total{node="sim"}'] > 0
    expected = dict.fromkeys(("sync", "fees adjust", "rebalance run"), "1800.0")
    for command, interval in expected.items():
        own = before[f"revops_sim_{command.replace(' ', '_')}.prom"][0]
        assert str(own[f'revops_command_interval_seconds{{command="{command}",node="sim"}}']) == interval


@pytest.mark.timeout(1_200)
@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on PATH")
def test_promtool_takes_every_file_of_every_command(start: Start) -> None:
    assert PROMTOOL is not None
    place = start.machine
    place.restore(start.stocked)
    for entry in ENTRIES:
        cron(place, entry.line)
    for arguments in READING:
        ran = place.command(*arguments)
        assert ran.code == 0, (arguments, ran)
    place.command("fees", "set", "1x1x1", "100")  # there is no such channel: it fails, and says so
    paths = sorted(place.metrics.glob("*.prom"))
    assert len(paths) >= 1 + 8 + len(READING)
    for path in paths:
        checked = subprocess.run(
            [PROMTOOL, "check", "metrics"], input=path.read_bytes(), capture_output=True, check=False, timeout=60
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b""), path.name
    for (one, (mine, _)), (other, (theirs, _)) in combinations(files_of(place).items(), 2):
        assert not mine.keys() & theirs.keys(), (one, other)


@pytest.mark.skipif(NODE_EXPORTER is None or PROMETHEUS is None, reason="prometheus and node_exporter are not on PATH")
def test_a_line_of_the_crontab_is_an_answer_of_prometheus(start: Start, tmp_path: Path) -> None:
    place = start.machine
    place.restore(start.stocked)
    for entry in sorted(ENTRIES, key=lambda entry: min(times(entry.minutes, 60))):
        ran = cron(place, entry.line)
        assert (ran.code, ran.err) == (0, ""), (entry.line, ran)
    log = tmp_path / "exporter.log"
    with node_exporter(place.metrics, log) as exporter, prometheus(tmp_path, exporter) as url:
        (earned,) = wait_for(url, 'revops_node_fees_earned_msat_total{node="sim"}')
        with closing(sqlite3.connect(place.database)) as connection:
            ((sum_msat,),) = connection.execute("SELECT sum(fee_msat) FROM forward WHERE status = 1")
        assert int(float(earned["value"][1])) == sum_msat > 0
        found = queried(url, "revops_command_last_success_timestamp_seconds")
        commands = {command for entry in ENTRIES for command in entry.commands} - UNMEASURED
        assert {one["metric"]["command"] for one in found} >= commands
        assert [one["value"][1] for one in queried(url, "node_textfile_scrape_error")] == ["0"]
        # Every series that is in a file is in Prometheus.
        (count,) = queried(url, 'count({__name__=~"revops_.+"})')
        assert int(count["value"][1]) == sum(len(series) for series, _ in files_of(place).values())
    assert "level=error" not in log.read_text()
