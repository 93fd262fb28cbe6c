"""crontab.example as cron runs it: each line through /bin/sh in cron's bare environment, silent and successful."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import Final

import pytest

from revops.domain.schedule import SCHEDULE
from tests.e2e.conftest import Start
from tests.e2e.ledgers import check_fees, check_forwards, check_money_at_rest, rows
from tests.e2e.operator_place import COMMAND_SECONDS, HELPERS, ROOT, Machine, Ran
from tests.e2e.test_e2e_kill import run_until_quiet

CRONTAB: Final = ROOT / "crontab.example"
#: Lines of these don't act: they only read.
READING: Final = frozenset({"report", "budget check"})


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a crontab."""

    minutes: str
    hours: str
    days: tuple[str, str, str]
    line: str

    @property
    def commands(self) -> list[str]:
        """The commands of ours in it, without their options."""
        return [" ".join(words.split()) for words in re.findall(r"\brevops((?: [a-z]+)+)", self.line)]

    @property
    def minutes_of_day(self) -> set[int]:
        """When it runs, on the days on which it does."""
        return {hour * 60 + minute for hour in times(self.hours, 24) for minute in times(self.minutes, 60)}


def times(text: str, end: int) -> set[int]:
    """Given a field of a crontab: "*", "*/6", "2,32", return what it stands for."""
    found: set[int] = set()
    for part in text.split(","):
        whole, _, step = part.partition("/")
        if whole == "*":
            found.update(range(0, end, int(step or 1)))
        else:
            assert not step
            found.add(int(whole))
    assert found <= set(range(end))
    return found


def parse(text: str) -> tuple[dict[str, str], list[Entry]]:
    """Return the variables and the lines of a crontab. As for cron, a line is one line and % would end it."""
    variables, entries = {}, []
    for row in (row.strip() for row in text.splitlines()):
        if not row or row.startswith("#"):
            continue
        if assignment := re.fullmatch(r"([A-Z_]+)=(.*)", row):
            variables[assignment[1]] = assignment[2]
            continue
        minutes, hours, day, month, weekday, line = row.split(None, 5)
        assert "%" not in line
        entries.append(Entry(minutes, hours, (day, month, weekday), line))
    return variables, entries


VARIABLES, ENTRIES = parse(CRONTAB.read_text(encoding="utf-8"))


def test_the_demo_lives_by_the_crontab() -> None:
    """domain/schedule.py promises to run the lines that act when the crontab does."""
    found: dict[str, list[int]] = {}
    for entry in ENTRIES:
        for command in entry.commands:
            if command not in READING:
                assert entry.days == ("*", "*", "*"), "the demo lives by days"
                found.setdefault(command, []).extend(entry.minutes_of_day)
    assert {command: sorted(minutes) for command, minutes in found.items()} == {
        command: sorted(minutes) for command, minutes in SCHEDULE.items()
    }


def test_no_two_lines_that_act_start_in_the_same_minute() -> None:
    """And none at all at a full hour, when everything else of the network starts."""
    acting = [entry for entry in ENTRIES if set(entry.commands) - READING]
    starts = sorted(minute for entry in acting for minute in entry.minutes_of_day)
    assert len(starts) == len(set(starts))
    assert not [minute for entry in ENTRIES for minute in entry.minutes_of_day if minute % 60 == 0]


def cron(machine: Machine, line: str) -> Ran:
    """Run a line as cron does: HOME and what the crontab sets; here PATH leads to revops, too."""
    folder = machine.folder / "bin"
    folder.mkdir(exist_ok=True)
    program = folder / "revops"
    settings = {"PYTHONPATH": f"{HELPERS / 'clock'}:{ROOT}", "E2E_NOW_AT": repr(machine.node.now_at)}
    words = ["exec", "env", *(f"{name}={value}" for name, value in settings.items()), sys.executable, "-m", "revops"]
    program.write_text(f'#!/bin/sh\n{shlex.join(words)} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    environment = {
        "HOME": str(machine.folder),
        "LOGNAME": "operator",
        "SHELL": VARIABLES["SHELL"],
        "PATH": f"{folder}:{VARIABLES['PATH']}",
    }
    written = machine.folder / ".config" / "revops" / "config.toml"  # by `revops init`
    written.parent.mkdir(parents=True, exist_ok=True)
    if not written.is_symlink():
        written.symlink_to(machine.config)
    done = subprocess.run(
        [VARIABLES["SHELL"], "-c", line], env=environment, cwd=machine.folder, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False,
    )  # fmt: skip
    return Ran(done.returncode, done.stdout, done.stderr)


def test_every_line_is_silent_and_succeeds(start: Start) -> None:
    """A day's lines in the order of their times, on a node that goes on living between them."""
    machine = start.machine
    machine.restore(start.stocked)
    machine.node.pause_market(False)
    # Nothing that leads away from where `revops init` writes the configuration.
    assert set(VARIABLES) == {"SHELL", "PATH"}
    for entry in sorted(ENTRIES, key=lambda entry: min(times(entry.minutes, 60))):
        ran = cron(machine, entry.line)
        assert (ran.code, ran.err) == (0, ""), (entry.line, ran)
        assert bool(ran.out) == (entry.commands == ["report"]), (entry.line, ran)
        machine.node.advance_by(300)
    machine.node.pause_market()
    # Each of them did something.
    assert {row["command"] for row in rows(machine.database, "SELECT command FROM run")} >= set(SCHEDULE)
    ran_ends = rows(machine.database, "SELECT command, exit_code FROM run WHERE exit_code IS NOT 0")
    assert ran_ends == []
    assert "sendpay" in machine.node.call_log.methods()
    assert "setchannel" in machine.node.call_log.methods()
    machine.node.advance_by(600)
    run_until_quiet(machine)
    machine.here("fees adjust")
    check_forwards(machine)
    check_money_at_rest(machine)
    check_fees(machine)


def test_nothing_is_executed_when_nothing_is_left(start: Start) -> None:
    """`revops budget check -q && …` is how the crontab says so: silent, and the second half doesn't run."""
    machine = start.machine
    machine.restore(start.stocked)
    machine.write_config(budget={"daily_sat": 0, "weekly_sat": 0})
    try:
        (entry,) = [entry for entry in ENTRIES if "&&" in entry.line]
        ran = cron(machine, entry.line)
        assert (ran.code, ran.out, ran.err) == (1, "", "")
        assert machine.node.call_log == []
    finally:
        machine.write_config()


@pytest.mark.parametrize("entry", [entry for entry in ENTRIES if "timeout" in entry.line], ids=lambda entry: entry.line)
def test_a_line_gives_up_in_time(entry: Entry) -> None:
    """No line outlives the next run of itself but for the daily ones, and none goes without a limit."""
    limits = [int(minutes) for minutes in re.findall(r"\btimeout\s+(\d+)m\b", entry.line)]
    assert len(limits) == 1
    starts = sorted(entry.minutes_of_day)
    gaps = [later - earlier for earlier, later in zip(starts, [*starts[1:], starts[0] + 1_440], strict=True)]
    assert limits[0] <= min(gaps)


def test_every_line_that_acts_has_a_limit() -> None:
    assert [entry for entry in ENTRIES if "timeout" not in entry.line] == []
