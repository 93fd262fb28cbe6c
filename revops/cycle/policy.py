"""`revops policy show`: what the rules make of each channel, and its pin, from configuration and records alone."""

from __future__ import annotations

import time

from revops.cycle.named import Names, meant
from revops.cycle.policies import recorded_policies
from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.domain.options import CommonOptions
from revops.domain.rules import ChannelPolicy, PoliciesReport
from revops.store import experiments, nodes, pins, queries

COMMAND = "policy show"


def run(options: CommonOptions, name: str | None = None, clock: Clock = time.time) -> PoliciesReport:
    """Given the flags and a channel or peer by any of its names (None: all open channels), return their policies.

    Raise UnknownChannel where the records know none of that name, or it fits several peers.
    """
    with open_records(options, COMMAND, clock) as records:
        now = clock()
        with records.database.read(records.node_key) as tx:
            known = [record for record in queries.channel_records(tx, now) if record.open]
            policies = recorded_policies(tx, records.config, known, now)
            pinned = pins.pins_in_force(tx, now)
            experiment = experiments.running(tx)
            synced_at = nodes.node_row(tx).synced_at
        if name is not None:
            policies = meant(name, policies, _names, "the records know no open channel or peer")
        return PoliciesReport(now, synced_at, tuple(policies), pinned, experiment)


def _names(one: ChannelPolicy) -> Names:
    return Names(one.facts.names, one.facts.peer_id, one.facts.alias)
