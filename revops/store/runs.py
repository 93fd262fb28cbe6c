"""The runs of each command: when, how they ended, and the last success."""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, Integer, bindparam, func, insert, literal_column, select, update

from revops.domain.record import RunRecord
from revops.errors import BugError
from revops.store.engine import NODE, Tx
from revops.store.keys import next_keys
from revops.store.tables import run

#: Written into the SQL: a partial index is only used where its condition stands literally.
_SUCCESS: Final = literal_column("0", Integer)
INTERRUPTED: Final = "interrupted: it never reported its end"


def begin_run(tx: Tx, command: str, started_at: float, version: str) -> int:
    """Given a command that starts, return its run's key. Earlier runs of it that never ended are marked as
    interrupted.

    Keys grow with every run, so that of two runs the later one is known.
    """
    tx.execute(_mark_interrupted(), b_command=command)
    run_key = next_keys(tx, "run")
    values = {"node_key": tx.node_key, "run_key": run_key, "command": command, "version": version}
    tx.connection.execute(_insert_run(), {**values, "started_at": started_at})
    return run_key


@cache
def _insert_run() -> Executable:
    return insert(run)


@cache
def _mark_interrupted() -> Executable:
    unfinished = (run.c.node_key == NODE, run.c.command == bindparam("b_command"), run.c.finished_at.is_(None))
    return update(run).where(*unfinished, run.c.message.is_(None)).values(message=INTERRUPTED)


def end_run(tx: Tx, run_key: int, finished_at: float, exit_code: int, message: str | None) -> None:
    """Given how a run ended, record it; a later word (its metrics could not be written) replaces an earlier one."""
    values = {"finished_at": finished_at, "exit_code": exit_code, "message": message}
    if tx.execute(_end_run(), b_run=run_key, **values).rowcount != 1:
        raise BugError(f"run {run_key} ends without having begun")


@cache
def _end_run() -> Executable:
    values: dict[str, Any] = {name: bindparam(name) for name in ("finished_at", "exit_code", "message")}
    return update(run).where(run.c.node_key == NODE, run.c.run_key == bindparam("b_run")).values(values)


def last_runs(tx: Tx) -> tuple[RunRecord, ...]:
    """Return the last run of each command, by command."""
    return tuple(
        RunRecord(row.command, row.started_at, row.finished_at, row.exit_code, row.message)
        for row in tx.execute(_last_runs())
    )


@cache
def _last_runs() -> Executable:
    """From one command to the next, and to the end of each: a few steps in an index, not all runs that ever were."""
    mine = run.c.node_key == NODE
    commands = select(func.min(run.c.command).label("command")).where(mine).cte("commands", recursive=True)
    following = select(func.min(run.c.command)).where(mine, run.c.command > commands.c.command).correlate(commands)
    commands = commands.union_all(select(following.scalar_subquery()).where(commands.c.command.is_not(None)))
    latest = select(func.max(run.c.run_key)).where(mine, run.c.command == commands.c.command).correlate(commands)
    return (
        select(run)
        .select_from(commands)
        .join(run, mine & (run.c.run_key == latest.scalar_subquery()))
        .order_by(run.c.command)
    )


def last_success(tx: Tx, command: str, until_at: float = math.inf) -> float | None:
    """Given a command and a moment, return when it last ended with exit code 0 by then; None if never. A run that was
    recorded under a clock that ran ahead must not stand for all that come after.
    """
    at: float | None = tx.execute(_last_success(), b_command=command, b_until=until_at).scalar()
    return at


@cache
def _last_success() -> Executable:
    ended = (run.c.node_key == NODE, run.c.command == bindparam("b_command"), run.c.exit_code == _SUCCESS)
    return select(func.max(run.c.finished_at)).where(*ended, run.c.finished_at <= bindparam("b_until"))


def latest_starts(tx: Tx, command: str, count: int) -> tuple[float, ...]:
    """Given a command, return when its latest `count` runs started, the newest first."""
    return tuple(tx.execute(_latest_starts(), b_command=command, b_count=count).scalars())


@cache
def _latest_starts() -> Executable:
    mine = (run.c.node_key == NODE, run.c.command == bindparam("b_command"))
    return (
        select(run.c.started_at).where(*mine).order_by(run.c.run_key.desc()).limit(bindparam("b_count", type_=Integer))
    )
