"""How each command stands: when it ran last, how that ended, and whether it is late."""

from __future__ import annotations

from revops.decide.cadence import RUNS, expected_seconds, is_late
from revops.domain.instants import AHEAD_SECONDS
from revops.domain.record import RunRecord
from revops.domain.schedule import EVERY_SECONDS
from revops.domain.status import CommandStanding
from revops.store import runs
from revops.store.engine import Tx


def command_standings(tx: Tx, now: float) -> tuple[CommandStanding, ...]:
    """Given the time, return each command that has ever run, by name."""
    return tuple(_standing(tx, one, now) for one in runs.last_runs(tx))


def _standing(tx: Tx, last: RunRecord, now: float) -> CommandStanding:
    every = expected_seconds(EVERY_SECONDS.get(last.command), runs.latest_starts(tx, last.command, RUNS))
    success_at = runs.last_success(tx, last.command, now + AHEAD_SECONDS)
    return CommandStanding(
        command=last.command,
        started_at=last.started_at,
        exit_code=last.exit_code,
        message=last.message,
        last_success_at=success_at,
        every_seconds=every,
        late=is_late(last.started_at if success_at is None else success_at, every, now),
    )
