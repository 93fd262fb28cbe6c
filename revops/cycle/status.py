"""`revops status`: how the node stands now, and what happens next. Reads the records only."""

from __future__ import annotations

import time
from collections.abc import Sequence

from revops.cycle.commands import command_standings
from revops.cycle.records import Records, open_records
from revops.cycle.reserves import read_reserve
from revops.cycle.session import Clock
from revops.cycle.verdict import gaps, read_categories
from revops.domain.budget import BudgetCheck
from revops.domain.decision import Outcome
from revops.domain.options import CommonOptions
from revops.domain.period import DAY_SECONDS, last_days
from revops.domain.profit import ProfitLine, total_of
from revops.domain.record import ChannelRecord, JobRecord
from revops.domain.status import ChannelCounts, Earnings, RefillsAhead, Status
from revops.store import decisions, experiments, fees, jobs, nodes, queries
from revops.store.books import books
from revops.store.engine import Tx
from revops.store.profit_days import day_lines

COMMAND = "status"
#: Earnings are told of so many days, and of the last of them each by itself.
DAYS = (1, 7, 30)


def run(options: CommonOptions, clock: Clock = time.time) -> Status:
    """Given the flags, return how the node stands."""
    with open_records(options, COMMAND, clock) as records:
        now = clock()
        with records.database.read(records.node_key) as tx:
            return _status(tx, records, now)


def _status(tx: Tx, records: Records, now: float) -> Status:
    node, config = nodes.node_row(tx), records.config
    lines = _by_day(tx, now)
    return Status(
        taken_at=now,
        synced_at=node.synced_at,
        node_id=node.node_id,
        alias=node.alias,
        version=node.version or "",
        network=node.network,
        blockheight=node.blockheight or 0,
        wallet_spendable_msat=node.wallet_spendable_msat,
        channels_spendable_msat=node.channels_spendable_msat,
        modes={"fees": config.fees.mode, "rebalance": config.rebalance.mode},
        earnings=tuple(Earnings(days, total_of(lines[-days:])) for days in DAYS),
        net_by_day_msat=tuple(line.net_msat for line in lines),
        budget=BudgetCheck(
            taken_at=now,
            synced_at=node.synced_at,
            suspended=(*records.suspensions(tx, now), *gaps(tx)),
            categories=read_categories(tx, config, now),
            reserves=read_reserve(tx, config.reserve),
        ),
        books=books(tx),
        channels=_channels(tx, queries.channel_records(tx, now), node.blockheight or 0, now),
        refills=_refills(tx, now),
        commands=command_standings(tx, now),
        experiment=experiments.running(tx),
    )


def _by_day(tx: Tx, now: float) -> list[ProfitLine]:
    """The node's line of each of the last days, oldest first."""
    period = last_days(now, max(DAYS))
    found = day_lines(tx, period.first_day, period.end_day)
    today = int(now // DAY_SECONDS)
    days = range(today + 1 - max(DAYS), today + 1)
    return [found[day].line if day in found else ProfitLine() for day in days]


def _channels(tx: Tx, known: Sequence[ChannelRecord], blockheight: int, now: float) -> ChannelCounts:
    standing = [channel for channel in known if channel.open]
    states = fees.fee_states(tx)
    asleep = [states[one.channel_id] for one in standing if one.channel_id in states]
    return ChannelCounts(
        open=len(standing),
        offline=sum(not channel.connected for channel in standing),
        asleep=sum(state.asleep_until_at is not None and state.asleep_until_at > now for state in asleep),
        deferred=decisions.outcomes_in_force(tx, decisions.FEES, now).get(Outcome.DEFER, 0),
        expiring=sum(channel.near_expiry_blocks(blockheight) is not None for channel in standing),
        splicing=sum(channel.splicing for channel in standing),
    )


def _refills(tx: Tx, now: float) -> RefillsAhead:
    planned = [job for job in jobs.planned_jobs(tx) if job.expires_at > now]
    under_way = jobs.open_jobs(tx)
    return RefillsAhead(*_summed(planned), *_summed(under_way))


def _summed(found: Sequence[JobRecord]) -> tuple[int, int, int]:
    """How many, of how much, and at which cost at most."""
    costs = (job.reserved_msat if job.reserved_msat is not None else job.max_fee_msat for job in found)
    return len(found), sum(job.amount_msat for job in found), sum(costs)
