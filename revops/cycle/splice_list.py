"""`revops splice list`: the splices that were begun, and what became of them. Reads only."""

from __future__ import annotations

import time
from typing import Final

from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.options import CommonOptions
from revops.domain.splice import UNDER_WAY, SpliceJob, SpliceRow, SpliceRows
from revops.store.channel_names import named_channels
from revops.store.splices_begun import latest_splices

COMMAND: Final = "splice list"


def run(options: CommonOptions, count: int, clock: Clock = time.time) -> SpliceRows:
    """Given the flags and how many of the latest are wanted, return them."""
    with open_records(options, COMMAND, clock) as records, records.database.read(records.node_key) as tx:
        found = latest_splices(tx, count + 1)
        names = {one.channel_id: one.name for one in named_channels(tx).values()}
    rows = tuple(_row(job, names.get(job.channel_id, job.channel_id)) for job in found[:count])
    return SpliceRows(clock(), rows, len(found) > count)


def _row(job: SpliceJob, name: str) -> SpliceRow:
    start = job.start
    return SpliceRow(
        channel=name,
        channel_id=job.channel_id,
        direction=job.direction,
        amount_sat=job.amount_sat if start is None else start.amount_sat,
        status=job.status,
        begun_at=job.created_at if start is None else start.asked_at,
        finished_at=job.finished_at,
        reserved_msat=start.worst_msat if start is not None and job.status in UNDER_WAY else None,
        cost_msat=job.cost_msat,
        expected_gain_msat=job.expected_gain_msat,
        txid=job.txid,
        why=None if job.reason is None else job.reason.sentence,
    )
