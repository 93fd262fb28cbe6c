"""Profitability classes: what each open channel's figures say, by the records, and the classes that follow."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Final

from revops.cycle.rates import rates
from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.cycle.spool import known_outages
from revops.decide.open_time import open_seconds, shut_days, times
from revops.decide.profit_class import judge, moved_on
from revops.decide.uptime import stretches
from revops.domain.options import CommonOptions
from revops.domain.period import DAY_SECONDS, last_days
from revops.domain.policy import ClassesConfig
from revops.domain.profit import ProfitLine
from revops.domain.profit_class import ClassedChannel, ClassesReport, ClassInput, OpenChannel, ProfitClass
from revops.domain.stability import Presence
from revops.store import classes, events, nodes
from revops.store.engine import Database, Tx
from revops.store.open_channels import open_channels

COMMAND = "report classes"
#: How far back silence is measured, in `dead_days`: what was away in two thirds of the time can still be judged.
_LOOK_BACK: Final = 3
_NOTHING: Final = ProfitLine()
_ORDER: Final = {one: place for place, one in enumerate(ProfitClass)}


@dataclass(frozen=True, slots=True)
class Judged:
    """An open channel, and what its class is judged by."""

    channel: OpenChannel
    seen: ClassInput


def inputs(tx: Tx, policy: ClassesConfig, now: float) -> tuple[Judged, ...]:
    """Given the bounds and the moment of the last look at the node, return what each open channel is judged by."""
    window = last_days(now, policy.window_days)
    rated = rates(tx, window, now)
    rated_seconds = 0.0 if rated.span is None else rated.span.seconds
    since_at = now - max(policy.window_days, _LOOK_BACK * policy.dead_days) * DAY_SECONDS
    known_since_at, happened = events.comings_and_goings(tx, since_at)
    away_ourselves = known_outages(tx, since_at)
    found = []
    for key, channel in open_channels(tx, int(since_at // DAY_SECONDS)).items():
        seen_since_at = now  # nothing is known of when the peer was there
        if known_since_at is not None:
            seen_since_at = max(since_at, known_since_at, float(channel.opened_at or 0))
        past = happened.get(channel.peer_id or "", ())
        stretched = stretches(past, channel.connected, seen_since_at, now, channel.last_stable_at, away_ourselves)
        up = times(stretched, Presence.UP)
        shut = shut_days(channel, int(since_at // DAY_SECONDS), window.end_day)
        begun_at = max(window.since_at or 0.0, float(channel.opened_at or 0))
        settled_at = channel.last_settled_at
        silent_since_at = max(seen_since_at, settled_at or 0.0)
        found.append(
            Judged(
                channel,
                ClassInput(
                    channel_id=channel.channel_id,
                    line=rated.by_channel.get(key, _NOTHING),
                    rated_seconds=rated_seconds,
                    age_seconds=None if channel.opened_at is None else max(now - channel.opened_at, 0.0),
                    open_seconds=open_seconds(up, shut, begun_at, now),
                    quiet_seconds=inf if settled_at is None else max(now - settled_at, 0.0),
                    silent_seconds=open_seconds(up, shut, silent_since_at, now),
                    value_ppm=channel.value_ppm,
                    connected_seconds=up.between(begun_at, now),
                    splicing=channel.splicing,
                ),
            )
        )
    return tuple(found)


def classify(database: Database, node_key: int, policy: ClassesConfig, now: float) -> int:
    """Given the bounds and the moment of the last look at the node, put each open channel's class in force, in one
    transaction; return how many have another one than before.
    """
    with database.transaction(node_key) as tx:
        before = classes.states(tx)
        after = {}
        for one in inputs(tx, policy, now):
            state = before.get(one.channel.channel_id)
            after[one.channel.channel_id] = moved_on(state, judge(one.seen, policy, state), policy, now)
        classes.save(tx, after)
    return sum(
        channel_id in before and before[channel_id].profit_class is not state.profit_class
        for channel_id, state in after.items()
    )


def run(options: CommonOptions, clock: Clock = time.time) -> ClassesReport:
    """Given the flags, return the class in force of each open channel, as the last rollup left it."""
    with open_records(options, COMMAND, clock) as records:
        policy = records.config.classes
        with records.database.read(records.node_key) as tx:
            channels = open_channels(tx, int(clock() // DAY_SECONDS))
            found = classed(tx, channels)
            return ClassesReport(
                taken_at=clock(),
                synced_at=nodes.node_row(tx).synced_at,
                window_days=policy.window_days,
                hold_days=policy.hold_days,
                channels=tuple(sorted(found.values(), key=lambda one: (_ORDER[one.state.profit_class], one.name))),
                waiting_count=len(channels) - len(found),
            )


def classed(tx: Tx, channels: Mapping[int, OpenChannel]) -> dict[str, ClassedChannel]:
    """Given open channels, return those that have a class, by channel_id."""
    states = classes.states(tx)
    return {
        one.channel_id: ClassedChannel(one.channel_id, one.name, one.peer_id, one.alias, states[one.channel_id])
        for one in channels.values()
        if one.channel_id in states
    }
