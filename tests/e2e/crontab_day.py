"""A crontab read and run as cron does: each line through /bin/sh in cron's bare environment, at its virtual minute."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from tests.e2e.operator_place import COMMAND_SECONDS, HELPERS, ROOT, Machine, Ran

CRONTAB: Final = ROOT / "crontab.example"
MINUTE_SECONDS: Final = 60


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

    def is_due(self, at: float) -> bool:
        """Whether it runs in the minute that begins at `at` (UTC)."""
        day_of_month, month, weekday = self.days
        assert (day_of_month, month) == ("*", "*")
        moment = datetime.fromtimestamp(at, UTC)
        on_this_day = weekday == "*" or int(weekday) == moment.isoweekday() % 7
        return on_this_day and moment.hour * 60 + moment.minute in self.minutes_of_day


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


def live(machine: Machine, start_at: int, minute_count: int) -> Iterator[tuple[Entry, Ran]]:
    """Let virtual minutes pass from `start_at` on, and run the lines of each as cron does; yield how each ended.

    The market must not be paused: the node lives on between the lines.
    """
    for at in range(start_at, start_at + minute_count * MINUTE_SECONDS, MINUTE_SECONDS):
        for entry in ENTRIES:
            if entry.is_due(at):
                machine.node.advance_to(max(float(at), machine.node.now_at))
                yield entry, cron(machine, entry.line)
