"""`revops recorder status` and `recorder events`: the spool as it lies there, and what was read of it. Reads only."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.cycle.spool import recorder_record
from revops.domain.options import CommonOptions
from revops.domain.policy import Config
from revops.domain.recorder import RecordedEvents, RecorderStatus
from revops.recorder.reading import last_line, measure
from revops.store import nodes
from revops.store.engine import Tx
from revops.store.recorder import latest_events

COMMAND: Final = "recorder status"
EVENTS: Final = "recorder events"


def status(options: CommonOptions, clock: Clock = time.time) -> RecorderStatus:
    """Given the flags, look at the spool and at what was read of it. Reads only."""
    with open_records(options, COMMAND, clock) as records, records.database.read(records.node_key) as tx:
        return spool_status(tx, records.config, clock())


def spool_status(tx: Tx, config: Config, now: float) -> RecorderStatus:
    """Given the configuration and the time, return how the spool stands, and what was read of it."""
    record, spool_dir = recorder_record(tx, now), config.recorder.spool_dir
    fault = spool = line = None
    if spool_dir:
        try:
            spool = measure(Path(spool_dir), None if record is None else record.place)
            line = last_line(Path(spool_dir))
        except OSError as error:
            fault = error.strerror or str(error)
    last_line_at = None if line is None else line.at
    return RecorderStatus(now, spool_dir, fault, spool, last_line_at, record, nodes.node_row(tx).synced_at)


def events(options: CommonOptions, count: int, clock: Clock = time.time) -> RecordedEvents:
    """Given the flags and how many of the latest events are wanted, return them. Reads only."""
    with open_records(options, EVENTS, clock) as records, records.database.read(records.node_key) as tx:
        found = latest_events(tx, count + 1)
        return RecordedEvents(clock(), recorder_record(tx, clock()), found[:count], len(found) > count)
