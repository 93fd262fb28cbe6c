"""When the next sync is started. Pure: every time is an argument, of a clock that never goes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from revops.domain.values import replace

#: Events come in bursts, and the node's own records follow them: so long a sync waits for the rest of its burst.
SETTLE_SECONDS: Final = 0.5
#: Of the time four fifths at least are free of syncs, however long one takes.
REST_RATIO: Final = 4.0
#: A sync that fails again and again is tried as rarely as this.
LONGEST_REST_SECONDS: Final = 300.0
#: Another run of revops holds the lock (errors.TemporaryError): no failure of the sync's own.
BUSY_EXIT_CODE: Final = 75


@dataclass(frozen=True, slots=True)
class Pace:
    """What is known of the syncs so far. `wanted_at` is when the first event came that none of them can have seen."""

    least_seconds: float
    wanted_at: float | None = None
    started_at: float | None = None
    rested_at: float = 0.0
    failure_count: int = 0
    running: bool = False

    @property
    def due_at(self) -> float | None:
        """When the next sync starts; None while nothing is wanted, or one is under way."""
        if self.wanted_at is None or self.running:
            return None
        since_last = self.wanted_at if self.started_at is None else self.started_at + self.least_seconds
        return max(self.wanted_at + SETTLE_SECONDS, since_last, self.rested_at)


def event_came(pace: Pace, now: float) -> Pace:
    """Given an event, return the pace: a sync is wanted."""
    return pace if pace.wanted_at is not None else replace(pace, wanted_at=now)


def sync_started(pace: Pace, now: float) -> Pace:
    """Given that a sync was started, return the pace: what comes from now on it may miss."""
    return replace(pace, wanted_at=None, started_at=now, running=True)


def sync_ended(pace: Pace, now: float, exit_code: int | None) -> Pace:
    """Given how it ended (None: it could not be started, or had to be stopped), return the pace. One that failed, or
    found the lock held, is wanted again.
    """
    took_seconds = 0.0 if pace.started_at is None else max(0.0, now - pace.started_at)
    rest_seconds = REST_RATIO * took_seconds
    failure_count = 0 if exit_code in {0, BUSY_EXIT_CODE} else pace.failure_count + 1
    if failure_count:
        doubled = pace.least_seconds * 2.0 ** min(failure_count, 30)
        rest_seconds = max(rest_seconds, min(LONGEST_REST_SECONDS, doubled))
    wanted_at = pace.wanted_at if exit_code == 0 else now if pace.wanted_at is None else pace.wanted_at
    return replace(pace, running=False, rested_at=now + rest_seconds, failure_count=failure_count, wanted_at=wanted_at)
