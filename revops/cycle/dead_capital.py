"""`revops report dead`: capital that does nothing, and what it would take to move it. Reads the records only."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from revops.cycle.classes import Judged, inputs
from revops.cycle.rates import rated_span_of
from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.decide import dead_capital as decide
from revops.decide.chain_floor import OLDEST_SECONDS
from revops.decide.profit_class import exit_ratio, judge
from revops.domain.dead_capital import ChainRates, DeadChannel, DeadReport, Elsewhere, SilentChannel, Standing
from revops.domain.options import CommonOptions
from revops.domain.period import DAY_SECONDS, last_days
from revops.domain.policy import ClassesConfig
from revops.domain.profit_class import ClassState, ProfitClass
from revops.store import classes, nodes, samples
from revops.store.engine import Tx

COMMAND = "report dead"
_ORDER = {one: place for place, one in enumerate(Standing)}


def run(options: CommonOptions, clock: Clock = time.time) -> DeadReport:
    """Given the flags, return which channels hold dead capital as of the last sync, and what closing them would cost
    now.
    """
    with open_records(options, COMMAND, clock) as records, records.database.read(records.node_key) as tx:
        return dead_report(tx, records.config.classes, clock())


def dead_report(tx: Tx, policy: ClassesConfig, now: float, found: Sequence[Judged] | None = None) -> DeadReport:
    """Given the bounds, the time, and, where it is there, what channels are judged by, return the report. Nothing is
    known of the time since the last sync.
    """
    synced_at = nodes.node_row(tx).synced_at
    if found is None:
        found = () if synced_at is None else inputs(tx, policy, synced_at)
    states = classes.states(tx)
    chain = decide.chain_rates(samples.feerates_since(tx, now - OLDEST_SECONDS), now)
    others = decide.elsewhere(
        [
            ratio
            for one in found
            if _profitable(one, policy, states.get(one.channel.channel_id))
            and (ratio := exit_ratio(one.seen)) is not None
        ]
    )
    standings = {one.channel.channel_id: decide.standing(one.seen, policy) for one in found}
    counts = Counter(standings.values())
    dead, silent = [], []
    for one in found:
        standing = standings[one.channel.channel_id]
        if standing is Standing.DEAD:
            dead.append(_row(one, states.get(one.channel.channel_id), chain, others))
        elif standing is not Standing.ALIVE and one.seen.quiet_seconds >= policy.dead_days * DAY_SECONDS:
            silent.append(_silent(one, standing))
    return DeadReport(
        taken_at=now,
        synced_at=synced_at,
        dead_days=policy.dead_days,
        min_age_days=policy.min_age_days,
        dead=tuple(sorted(dead, key=lambda one: (-one.local_msat, one.name))),
        alive_count=counts[Standing.ALIVE],
        wanted_count=counts[Standing.WANTED],
        young_count=counts[Standing.YOUNG],
        unseen_count=counts[Standing.UNSEEN],
        unvalued_count=counts[Standing.UNVALUED],
        splicing_count=counts[Standing.SPLICING],
        silent=tuple(sorted(silent, key=lambda one: (_ORDER[one.standing], -one.local_msat, one.name))),
        elsewhere=others,
        rates=chain,
        rated=None if synced_at is None else rated_span_of(tx, last_days(synced_at, policy.window_days), synced_at),
    )


def _silent(one: Judged, standing: Standing) -> SilentChannel:
    channel = one.channel
    return SilentChannel(
        channel_id=channel.channel_id,
        name=channel.name,
        peer_id=channel.peer_id,
        alias=channel.alias,
        standing=standing,
        local_msat=channel.local_msat,
        last_settled_at=channel.last_settled_at,
        silent_days=round(decide.silent_days(one.seen), 1),
        value_ppm=channel.value_ppm,
    )


def _profitable(one: Judged, policy: ClassesConfig, state: ClassState | None) -> bool:
    """By the class in force; before the first rollup by what the figures say."""
    found = judge(one.seen, policy).found if state is None else state.profit_class
    return found is ProfitClass.PROFITABLE


def _row(one: Judged, state: ClassState | None, chain: ChainRates | None, others: Elsewhere | None) -> DeadChannel:
    channel = one.channel
    cost = None if chain is None else decide.close_cost(channel.opener, chain)
    earned_msat = decide.yearly_msat(channel.local_msat, others)
    return DeadChannel(
        channel_id=channel.channel_id,
        name=channel.name,
        peer_id=channel.peer_id,
        alias=channel.alias,
        opener=channel.opener,
        capacity_msat=channel.capacity_msat,
        local_msat=channel.local_msat,
        last_settled_at=channel.last_settled_at,
        silent_days=round(decide.silent_days(one.seen), 1),
        value_ppm=channel.value_ppm,
        profit_class=None if state is None else state.profit_class,
        close=cost,
        elsewhere_msat=earned_msat,
        payback_days=decide.payback_days(cost, earned_msat),
    )
