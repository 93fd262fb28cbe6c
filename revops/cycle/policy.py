"""`revops policy show`: what the rules make of each channel, from configuration and records alone."""

from __future__ import annotations

import time

from revops.cycle.policies import recorded_policies
from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.options import CommonOptions
from revops.domain.rules import ChannelPolicy
from revops.errors import UnknownChannel
from revops.store import queries

COMMAND = "policy show"


def run(options: CommonOptions, name: str | None = None, clock: Clock = time.time) -> tuple[ChannelPolicy, ...]:
    """Given the flags and a channel or peer by its name (None: all open channels), return their policies.

    Raise UnknownChannel where the records know none of that name.
    """
    with open_records(options, COMMAND, clock) as records:
        now = clock()
        with records.database.read(records.node_key) as tx:
            known = [record for record in queries.channel_records(tx, now) if record.open]
            if name is not None:
                known = [record for record in known if name in {record.name, record.channel_id, record.peer_id}]
                if not known:
                    raise UnknownChannel(f"the records know no open channel or peer {name}")
            return tuple(recorded_policies(tx, records.config, known, now))
