"""`revops explain`: why a channel asks for what it asks, from the records alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace

from revops.cycle.named import Names, meant
from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.explanation import Explained
from revops.domain.options import CommonOptions
from revops.domain.record import ChannelRecord
from revops.store import classes, explain, job_stories, queries, refills
from revops.store.days import DAY_SECONDS
from revops.store.scids import names_by_channel

COMMAND = "explain"
#: Refills that are shown.
REFILL_COUNT = 8


def run(options: CommonOptions, name: str, at: float | None = None, clock: Clock = time.time) -> Explained:
    """Given a channel or peer by any of its names, and a moment (None: now), explain its fee then.

    Raise UnknownChannel where the records know no such channel or peer, or the name fits several peers.
    """
    with open_records(options, COMMAND, clock) as records:
        now = clock()
        days = records.config.report.window_days
        with records.database.read(records.node_key) as tx:
            known = queries.channel_records(tx, now - days * DAY_SECONDS)
            former = names_by_channel(tx)
            chosen = meant(name, known, lambda one: _names(one, former), "the records know no channel or peer")
            moment = now if at is None else at
            lots = refills.lots(tx, moment, records.config.rebalance.horizon_days)
            judged = classes.states(tx)
            explained = tuple(
                replace(
                    explain.explanation(tx, channel, moment, now, days),
                    refills=job_stories.of_channel(tx, channel.channel_id, moment, REFILL_COUNT, lots),
                    refill_totals=job_stories.totals_of_channel(
                        tx, channel.channel_id, moment, lots.get(channel.channel_id, ())
                    ),
                    profit_class=judged.get(channel.channel_id),
                )
                for channel in chosen
            )
            return Explained(explained, {channel.channel_id: channel.name for channel in known})


def _names(channel: ChannelRecord, former: Mapping[str, frozenset[str]]) -> Names:
    own = former.get(channel.channel_id, frozenset()) | {channel.channel_id, channel.name}
    return Names(own, channel.peer_id, channel.alias)
