"""`revops report channels`: each channel with what it holds, asks for and earned. Reads the records only."""

from __future__ import annotations

import time

from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.channel_list import ChannelsReport, ListedChannel
from revops.domain.options import CommonOptions
from revops.domain.period import DAY_SECONDS, last_days
from revops.store import classes, fees, nodes, queries
from revops.store.channel_days import earned_by_day

COMMAND = "report channels"


def run(
    options: CommonOptions, window_days: int | None = None, clock: Clock = time.time, *, closed: bool = False
) -> ChannelsReport:
    """Given the flags, the window (report.window_days) in whole UTC days, and whether channels that are gone are wanted
    too, return the channels, the best earner first.
    """
    with open_records(options, COMMAND, clock) as records:
        now = clock()
        days = window_days or records.config.report.window_days
        first_day = last_days(now, days).first_day or 0
        with records.database.read(records.node_key) as tx:
            node = nodes.node_row(tx)
            known = queries.channel_records(tx, first_day * DAY_SECONDS)
            states, judged = fees.fee_states(tx), classes.states(tx)
            earned = earned_by_day(tx, first_day, days)
    nothing = (0,) * days
    listed = []
    for one in known:
        if one.open or closed:
            state, judgement = states.get(one.channel_id), judged.get(one.channel_id)
            asleep_at = None if state is None or (state.asleep_until_at or 0) <= now else state.asleep_until_at
            profit_class = None if judgement is None else judgement.profit_class
            listed.append(ListedChannel(one, profit_class, asleep_at, earned.get(one.channel_id, nothing)))
    return ChannelsReport(now, node.synced_at, days, node.blockheight or 0, tuple(listed))
