"""crontab.example as cron runs it: each line through /bin/sh in cron's bare environment, silent and successful."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

import pytest

from revops.domain.schedule import EVERY_SECONDS, SCHEDULE
from tests.e2e.conftest import Start
from tests.e2e.crontab_day import ENTRIES, MINUTE_SECONDS, VARIABLES, Entry, cron, live
from tests.e2e.ledgers import check_fees, check_forwards, check_money_at_rest, rows
from tests.e2e.operator_place import Machine
from tests.e2e.test_e2e_kill import run_until_quiet

#: Lines of these don't act: they only read.
READING: Final = frozenset({"report", "db backup"})
DAY_SECONDS: Final = 86_400
DAY_MINUTES: Final = 1_440


def acting() -> dict[str, list[int]]:
    """The commands that act, by the minutes of the day at which they are started."""
    found: dict[str, list[int]] = {}
    for entry in ENTRIES:
        for command in entry.commands:
            if command not in READING:
                assert entry.days == ("*", "*", "*"), "the demo lives by days"
                found.setdefault(command, []).extend(entry.minutes_of_day)
    return {command: sorted(minutes) for command, minutes in found.items()}


def gaps(minutes: list[int]) -> list[int]:
    """Minutes from each start of a day to the next one."""
    starts = sorted(minutes)
    return [later - earlier for earlier, later in zip(starts, [*starts[1:], starts[0] + DAY_MINUTES], strict=True)]


def test_the_demo_lives_by_the_crontab() -> None:
    """domain/schedule.py promises to run the lines that act when the crontab does."""
    assert acting() == {command: sorted(minutes) for command, minutes in SCHEDULE.items()}


def test_what_is_expected_of_each_command_is_what_the_crontab_does() -> None:
    assert {command: 60 * max(gaps(minutes)) for command, minutes in acting().items()} == dict(EVERY_SECONDS)


def test_no_two_lines_that_act_start_in_the_same_minute() -> None:
    """And none at all at a full hour, when everything else of the network starts."""
    starts = sorted(minute for entry in ENTRIES for minute in entry.minutes_of_day)
    assert len(starts) == len(set(starts))
    assert not [minute for minute in starts if minute % 60 == 0]


@pytest.mark.timeout(3_600)
@pytest.mark.parametrize(
    ("first_minute", "minute_count"),
    [
        # From before the first to after the last line of those that come once a day.
        pytest.param(180, 240, id="morning"),
        pytest.param(0, DAY_MINUTES, id="day", marks=pytest.mark.campaign),
    ],
)
def test_a_day_of_it_is_silent_and_succeeds(start: Start, first_minute: int, minute_count: int) -> None:
    """The lines of a Monday at their virtual minutes, on a node that goes on living between them."""
    machine = start.machine
    machine.restore(start.stocked)
    machine.node.pause_market(False)
    # Nothing that leads away from where `revops init` writes the configuration.
    assert set(VARIABLES) == {"SHELL", "PATH"}
    begin_at = next_monday(machine.node.now_at) + first_minute * MINUTE_SECONDS
    counts: Counter[str] = Counter()
    for entry, ran in live(machine, begin_at, minute_count):
        assert (ran.code, ran.err) == (0, ""), (entry.line, ran)
        assert bool(ran.out) == (entry.commands == ["report"]), (entry.line, ran)
        counts[entry.line] += 1
    lived = range(first_minute, first_minute + minute_count)
    assert counts == {entry.line: len(entry.minutes_of_day.intersection(lived)) for entry in ENTRIES}
    assert min(counts.values()) >= 1, "every line was run"
    machine.node.pause_market()
    # Each of them did something.
    ran_rows = rows(machine.database, "SELECT command, exit_code FROM run WHERE finished_at > 0")
    assert Counter(row["command"] for row in ran_rows) >= Counter(
        {command: len(set(minutes).intersection(lived)) for command, minutes in SCHEDULE.items()}
    )
    assert [row for row in ran_rows if row["exit_code"] != 0] == []
    assert len(list((machine.state / "backups").iterdir())) == 1
    assert "sendpay" in machine.node.call_log.methods()
    assert "setchannel" in machine.node.call_log.methods()
    machine.node.advance_by(600)
    run_until_quiet(machine)
    machine.here("fees adjust")
    check_forwards(machine)
    check_money_at_rest(machine)
    check_fees(machine)


def next_monday(at: float) -> int:
    """Given an instant, return the first Monday's beginning after it. 1970-01-01 was a Thursday."""
    day = int(at // DAY_SECONDS) + 1
    return (day + (4 - day) % 7) * DAY_SECONDS


def test_what_is_under_way_is_settled_also_when_nothing_is_left(start: Start) -> None:
    """`rebalance run` is called whatever the budget says, and then sends nothing: silently."""
    machine = start.machine
    machine.restore(start.stocked)
    machine.write_config(budget={"daily_sat": 0, "weekly_sat": 0})
    try:
        entry = next(entry for entry in ENTRIES if entry.commands == ["rebalance run"])
        ran = cron(machine, entry.line)
        assert (ran.code, ran.out, ran.err) == (0, "", "")
        assert "sendpay" not in machine.node.call_log.methods()
        assert rows(machine.database, "SELECT exit_code FROM run WHERE command = 'rebalance run'")[-1]["exit_code"] == 0
    finally:
        machine.write_config()


def test_a_run_follows_a_plan_that_fails(empty: Machine) -> None:
    """A plan that can't be made keeps nothing from being settled: the shell goes on."""
    entry = next(entry for entry in ENTRIES if entry.commands == ["rebalance plan", "rebalance run"])
    empty.database.unlink()
    ran = cron(empty, entry.line)
    assert ran.code == 78
    assert ran.err.count("revops db upgrade") == len(entry.commands)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.line)
def test_a_line_gives_up_in_time(entry: Entry) -> None:
    """No line outlives the next run of itself but for the weekly one, and no command goes without a limit."""
    limits = [int(minutes) for minutes in re.findall(r"\btimeout\s+(\d+)m\b", entry.line)]
    assert len(limits) == len(entry.commands)
    assert sum(limits) <= min(gaps(sorted(entry.minutes_of_day)))


def test_no_rebalance_outlives_the_next() -> None:
    """`run` is in two lines: the one that plans first ends before the other begins."""
    minutes = {
        minute: entry for entry in ENTRIES if "rebalance run" in entry.commands for minute in entry.minutes_of_day
    }
    for minute, gap in zip(sorted(minutes), gaps(sorted(minutes)), strict=True):
        assert sum(int(limit) for limit in re.findall(r"timeout\s+(\d+)m", minutes[minute].line)) < gap
