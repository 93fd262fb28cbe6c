"""`revops recorder status`: the spool as it lies there, and what was read of it. Reads only."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.cycle.spool import recorder_record
from revops.domain.options import CommonOptions
from revops.domain.recorder import RecorderStatus
from revops.recorder.reading import last_line, measure
from revops.store import nodes

COMMAND: Final = "recorder status"


def status(options: CommonOptions, clock: Clock = time.time) -> RecorderStatus:
    """Given the flags, look at the spool and at what was read of it. Reads only."""
    with open_records(options, COMMAND, clock) as records:
        now, spool_dir = clock(), records.config.recorder.spool_dir
        with records.database.read(records.node_key) as tx:
            record, synced_at = recorder_record(tx, now), nodes.node_row(tx).synced_at
        fault = spool = line = None
        if spool_dir:
            try:
                spool = measure(Path(spool_dir), None if record is None else record.place)
                line = last_line(Path(spool_dir))
            except OSError as error:
                fault = error.strerror or str(error)
        last_line_at = None if line is None else line.at
        return RecorderStatus(now, spool_dir, fault, spool, last_line_at, record, synced_at)
