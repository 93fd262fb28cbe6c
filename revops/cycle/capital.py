"""`revops report capital`: what a sat of outbound liquidity earns a year. Reads the records only."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from revops.cycle.classes import Judged, inputs
from revops.cycle.dead_capital import dead_report
from revops.cycle.rates import Rates, rates
from revops.cycle.records import open_records
from revops.cycle.session import Clock
from revops.decide import capital as decide
from revops.decide.dead_capital import young
from revops.decide.idle_capital import idle_dead, idle_silent, idle_wallet
from revops.decide.marginal_sat import MarginInput, marginal, sat_worth, standing
from revops.decide.profit_class import exit_ratio
from revops.decide.scoring import signals_of
from revops.domain.capital import CapitalReport, CapitalRow, CapitalSource, CapitalStanding, RealisedReturn
from revops.domain.demand import DemandFigures
from revops.domain.options import CommonOptions
from revops.domain.period import DAY_SECONDS, last_days
from revops.domain.policy import ClassesConfig, ReserveConfig
from revops.domain.profit import ProfitLine
from revops.domain.signals import Signals
from revops.store import fees, nodes, profits, signals
from revops.store.engine import Tx
from revops.store.keys import channel_keys
from revops.store.profit_days import day_lines

COMMAND = "report capital"


def run(options: CommonOptions, clock: Clock = time.time) -> CapitalReport:
    """Given the flags, return the node's cost of capital as of the last sync, and what it rests on."""
    with open_records(options, COMMAND, clock) as records, records.database.read(records.node_key) as tx:
        return capital_report(tx, records.config.classes, records.config.reserve, clock())


def capital_report(
    tx: Tx, policy: ClassesConfig, reserve: ReserveConfig, now: float, found: Sequence[Judged] | None = None
) -> CapitalReport:
    """Given how channels are judged, the wallet reserve, the time, and, where it is there, what channels are judged by,
    return the report. Returns are reckoned over the classes' window, as far as balances are on record.
    """
    node = nodes.node_row(tx)
    if found is None:
        found = () if node.synced_at is None else inputs(tx, policy, node.synced_at)
    rated, capital_days = Rates(None, ProfitLine(), {}), 0
    if node.synced_at is not None:
        period = last_days(node.synced_at, policy.window_days)
        lines = profits.lines(tx, period.first_day, period.end_day)
        rated, capital_days = rates(tx, period, node.synced_at, lines), lines.capital_days
    rows = _rows(tx, found, policy, now)
    realised = _realised(tx, rated)
    mean = decide.mean_marginal(rows)
    source, cost = CapitalSource.VALUE, mean
    if mean is None:
        source, cost = CapitalSource.INCOME, decide.from_income(realised)
    dead = dead_report(tx, policy, now, found)
    counted_msat = sum(one.capital_msat for one in rows if one.marginal is not None)
    return CapitalReport(
        taken_at=now,
        synced_at=node.synced_at,
        rated=rated.span,
        capital_days=capital_days,
        min_age_days=policy.min_age_days,
        min_open_days=policy.min_open_days,
        source=None if cost is None else source,
        cost=cost,
        marginal=mean,
        quantiles=decide.quantiles(rows),
        realised=realised,
        idle=(
            idle_wallet(node.wallet_spendable_msat, reserve, dead.rates, cost),
            idle_dead(dead.dead, cost),
            idle_silent(dead.silent, dead.rates, cost),
        ),
        channels=rows,
        counted_msat=counted_msat,
        uncounted_msat=sum(one.capital_msat for one in rows) - counted_msat,
    )


def _rows(tx: Tx, found: Iterable[Judged], policy: ClassesConfig, now: float) -> tuple[CapitalRow, ...]:
    """The most capital first."""
    keys, figures, traffic = channel_keys(tx), fees.demand_figures(tx), signals.load(tx)
    rows = []
    for one in found:
        channel = one.channel
        known = signals_of(channel.channel_id, channel.peer_id or "", traffic, now)
        rows.append(_row(one, known, figures.get(keys[channel.channel_id]), policy, now))
    return tuple(sorted(rows, key=lambda one: (-one.capital_msat, one.name)))


def _row(one: Judged, known: Signals, figures: DemandFigures | None, policy: ClassesConfig, now: float) -> CapitalRow:
    channel, line = one.channel, one.seen.line
    seen = MarginInput(
        line=line,
        rated_seconds=one.seen.rated_seconds,
        fee_ppm=channel.fee_ppm,
        value_ppm=channel.value_ppm,
        value_at=channel.value_at,
        young=young(one.seen, policy),
        capacity_msat=channel.capacity_msat,
        local_msat=channel.local_msat,
        signals=known,
        figures=figures,
    )
    stands = standing(seen, now, policy.min_open_days * float(DAY_SECONDS))
    worth = sat_worth(seen, now) if stands is CapitalStanding.COUNTED else None
    return CapitalRow(
        channel_id=channel.channel_id,
        name=channel.name,
        peer_id=channel.peer_id,
        alias=channel.alias,
        standing=stands,
        capital_msat=line.capital_msat,
        capacity_msat=channel.capacity_msat,
        local_msat=channel.local_msat,
        fee_ppm=channel.fee_ppm,
        value_ppm=channel.value_ppm,
        value_at=channel.value_at,
        earned_msat=line.earned_msat,
        out_msat=line.out_msat,
        in_msat=line.in_msat,
        rebalanced_msat=line.rebalanced_msat,
        rebalance_msat=line.rebalance_msat,
        worth=worth,
        marginal=None if worth is None else marginal(worth),
        realised_ratio=exit_ratio(one.seen),
    )


def _realised(tx: Tx, rated: Rates) -> RealisedReturn:
    """Bounds are of whole days: those that the span cuts say too little."""
    if rated.span is None:
        return decide.realised(rated.total, 0.0, ())
    first_day, end_day = -int(-rated.span.since_at // DAY_SECONDS), int(rated.span.until_at // DAY_SECONDS)
    found = day_lines(tx, first_day, end_day)
    days_msat = [found[day].line.income_msat if day in found else 0 for day in range(first_day, end_day)]
    return decide.realised(rated.total, rated.span.seconds, days_msat)
