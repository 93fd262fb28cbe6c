"""Every way in which the machine can fail a command: a locked, read-only, full or foreign database, no metrics folder.

One clear line, the exit code of the README, nothing half done: when the trouble is over, one more run leaves the books
that it would have left.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pytest

from revops.store.tables import SCHEMA_VERSION
from tests.e2e.conftest import Start
from tests.e2e.ledgers import check_money_meanwhile, dump, rows
from tests.e2e.operator_place import HELPERS, Machine
from tests.e2e.test_e2e_faults_node import COMMANDS, books_of, check_metrics, one_line, recover, state_of
from tests.e2e.test_e2e_faults_node import undisturbed as undisturbed  # the same fixture

NOBODY: Final = 65_534
#: How full a disk is, by what still fits: nothing, a few pages, and most of a run.
ROOM_BYTES: Final = (0, 40_000, 120_000)
TABLES_THAT_ACT: Final = ("spend_ledger", "rebalance_job", "fee_change", "action", "forward", "run")


def begin(start: Start, command: str) -> Machine:
    """Put everything back to where the command begins."""
    start.machine.restore(getattr(start, state_of(command)))
    return start.machine


# ---- locked


@pytest.mark.parametrize("command", COMMANDS)
def test_the_database_is_locked(start: Start, undisturbed: dict[str, object], command: str) -> None:
    machine = begin(start, command)
    before = dump(machine.database, TABLES_THAT_ACT)
    with closing(sqlite3.connect(machine.database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        ran = machine.command(*command.split(), program=(str(HELPERS / "child.py"),), E2E_DB_WAIT="0.2")
        other.execute("ROLLBACK")
    one_line(ran, 75, f"database {machine.database}", "another run is writing", "the next run tries again")
    check_metrics(machine, command, 75)
    assert dump(machine.database, TABLES_THAT_ACT) == before
    assert machine.node.call_log.writing_calls() == []
    recover(machine, command)
    assert books_of(machine, command) == undisturbed[command]


def test_a_locked_database_can_be_read(start: Start) -> None:
    machine = begin(start, "rebalance run")
    with closing(sqlite3.connect(machine.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ran = machine.command("budget", "check", "--json")
        other.execute("ROLLBACK")
    assert (ran.code, ran.err) == (0, "")


# ---- read-only


@contextmanager
def _modes(machine: Machine) -> Iterator[list[str]]:
    """Files of another user, as after `sudo revops …`: may be read, not written."""
    machine.database.chmod(0o444)
    machine.state.chmod(0o555)
    owner = machine.state.stat().st_uid
    if os.geteuid() == 0:
        for path in (machine.database, machine.state):
            os.chown(path, NOBODY, NOBODY)
    yield ["--no-override"]
    for path in (machine.database, machine.state):
        os.chown(path, owner, -1)
    machine.state.chmod(0o700)
    machine.database.chmod(0o600)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_database_belongs_to_somebody_else(start: Start, undisturbed: dict[str, object], command: str) -> None:
    machine = begin(start, command)
    with _modes(machine) as limits:
        ran = machine.confined(limits, *command.split())
    one_line(ran, 77, str(machine.state))
    check_metrics(machine, command, 77)
    assert machine.node.call_log.writing_calls() == []
    recover(machine, command)
    assert books_of(machine, command) == undisturbed[command]


@contextmanager
def mounted(machine: Machine, size_bytes: int) -> Iterator[None]:
    """Put the state on a file system of its own. Skip where that isn't allowed: it takes root."""
    aside = machine.folder / "on-disk"
    shutil.copytree(machine.state, aside)
    line = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes},mode=0700", "tmpfs", str(machine.state)]
    try:
        done = subprocess.run(line, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no `mount` on this machine")
    if done.returncode != 0:
        shutil.rmtree(aside)
        pytest.skip(f"this user may not mount a file system: {done.stderr.strip()}")
    try:
        shutil.copytree(aside, machine.state, dirs_exist_ok=True)
        yield
        shutil.rmtree(aside)
        shutil.copytree(machine.state, aside)
    finally:
        subprocess.run(["umount", str(machine.state)], check=True)
        shutil.copytree(aside, machine.state, dirs_exist_ok=True)
        shutil.rmtree(aside)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_file_system_is_read_only(start: Start, undisturbed: dict[str, object], command: str) -> None:
    machine = begin(start, command)
    with mounted(machine, 8_000_000):
        subprocess.run(["mount", "-o", "remount,ro", str(machine.state)], check=True)
        ran = machine.command(*command.split())
        subprocess.run(["mount", "-o", "remount,rw", str(machine.state)], check=True)
    one_line(ran, 74, str(machine.state))
    check_metrics(machine, command, 74)
    assert machine.node.call_log.writing_calls() == []
    recover(machine, command)
    assert books_of(machine, command) == undisturbed[command]


# ---- full


@pytest.mark.parametrize("room_bytes", ROOM_BYTES)
@pytest.mark.parametrize("command", COMMANDS)
def test_the_disk_is_full(start: Start, undisturbed: dict[str, object], command: str, room_bytes: int) -> None:
    """The log of the database grows until it doesn't fit any more, in the middle of a run."""
    machine = begin(start, command)
    size_bytes = machine.database.stat().st_size + 200_000
    with mounted(machine, size_bytes):
        ballast = machine.state / "ballast"
        usage = os.statvfs(machine.state)
        ballast.write_bytes(bytes(max(0, usage.f_bavail * usage.f_frsize - room_bytes)))
        ran = machine.command(*command.split())
        ballast.unlink()
    if room_bytes == ROOM_BYTES[-1] and ran.code == 0:
        assert command == "fees adjust", "a run that fits into the room shows nothing"
    else:
        one_line(ran, 74, str(machine.state))
        check_metrics(machine, command, 74)
    check_money_meanwhile(machine)
    recover(machine, command)
    assert books_of(machine, command) == undisturbed[command]


@pytest.mark.parametrize("room_bytes", [10_000, 60_000])
@pytest.mark.parametrize("command", COMMANDS)
def test_files_may_not_grow(start: Start, undisturbed: dict[str, object], command: str, room_bytes: int) -> None:
    """The same by a limit of the process (EFBIG), which needs no root."""
    machine = begin(start, command)
    ran = machine.confined(["--file-bytes", str(room_bytes)], *command.split())
    one_line(ran, 74, str(machine.database))
    check_money_meanwhile(machine)
    recover(machine, command)
    assert books_of(machine, command) == undisturbed[command]


# ---- no metrics folder


@pytest.mark.parametrize("command", COMMANDS)
def test_the_metrics_folder_is_missing(start: Start, undisturbed: dict[str, object], command: str) -> None:
    """The work is done, and the run says that nobody was told."""
    machine = begin(start, command)
    machine.metrics.rmdir()
    ran = machine.command(*command.split())
    machine.metrics.mkdir()
    one_line(ran, 73, f"metrics folder {machine.metrics} doesn't exist", "metrics.textfile_dir")
    query = "SELECT exit_code FROM run WHERE command = ? ORDER BY run_key DESC LIMIT 1"
    (last,) = rows(machine.database, query, command)
    assert last == {"exit_code": 73}
    recover(machine, command)
    assert books_of(machine, command) == undisturbed[command]


@pytest.mark.parametrize("command", ["report", "budget check"])
def test_the_metrics_folder_is_missing_for_a_command_that_reads(start: Start, command: str) -> None:
    machine = begin(start, "rebalance run")
    machine.metrics.rmdir()
    ran = machine.command(*command.split(), "--json")
    machine.metrics.mkdir()
    assert ran.code == 0
    assert json.loads(ran.out)["command"] == command
    (line,) = ran.err.splitlines()
    assert line.startswith(f"revops: warning: this run left no metrics: metrics folder {machine.metrics} doesn't exist")


# ---- another schema

READING: Final = ("report", "budget check")


def _remove(path: Path) -> None:
    path.unlink()


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _bare(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE something_else (a)")


def _older(path: Path) -> None:
    _stamp(path, "0000")


def _newer(path: Path) -> None:
    _stamp(path, "9999")


def _stamp(path: Path, version: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))


@pytest.mark.parametrize("command", [*READING, *COMMANDS, "rollup", "rebalance plan"])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_remove, ("there is no such file: not mounted, or moved?", "a new one knows of earlier spending")),
        (_empty, ("the file is empty", "a new one knows of earlier spending")),
        (_bare, ("there is no schema of revops", "run `revops db upgrade`")),
        (_older, ("its schema is 0000", f"needs {SCHEMA_VERSION}", "run `revops db upgrade`")),
        (_newer, ("its schema 9999 is newer", "upgrade revops itself")),
    ],
    ids=["missing", "empty", "foreign", "older", "newer"],
)
def test_the_schema_is_not_ours(start: Start, command: str, change: object, words: tuple[str, ...]) -> None:
    machine = begin(start, "rebalance run")
    change(machine.database)  # type: ignore[operator]
    found = machine.database.read_bytes() if machine.database.exists() else None
    ran = machine.command(*command.split())
    one_line(ran, 78, f"database {machine.database}", *words)
    assert machine.node.call_log == []
    assert (machine.database.read_bytes() if machine.database.exists() else None) == found


@pytest.mark.parametrize("command", READING)
def test_the_database_knows_no_node(start: Start, command: str) -> None:
    machine = begin(start, "sync")
    one_line(machine.command(*command.split()), 78, "the database knows no node yet", "run `revops sync` first")


@pytest.mark.parametrize("command", READING)
def test_the_database_is_damaged(start: Start, command: str) -> None:
    machine = begin(start, "rebalance run")
    machine.database.write_bytes(b"This is a diary, not a database. " * 200)
    one_line(machine.command(*command.split()), 65, f"database {machine.database}", "not an SQLite database")
