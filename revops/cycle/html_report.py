"""`revops report --html`: a node's business over a period, from the records alone, at one moment."""

from __future__ import annotations

import time
from typing import Final

from revops.cycle.commands import command_standings
from revops.cycle.dead_capital import dead_report
from revops.cycle.profit import DAY, DEFAULT_DAYS, profit_report, spans
from revops.cycle.records import Records, open_records
from revops.cycle.reserves import read_reserve
from revops.cycle.session import Clock
from revops.cycle.verdict import read_categories, read_verdict
from revops.domain.options import CommonOptions
from revops.domain.period import Period, last_days
from revops.domain.profit import ProfitReport
from revops.domain.record import Report
from revops.domain.review import Review
from revops.domain.values import replace
from revops.store import classes, experiments, job_stories, period_records, price_histories, queries, refills
from revops.store.engine import Tx

COMMAND: Final = "report html"
#: Channels whose prices are shown, those that earned most; a page stays small however many there are.
PRICED_COUNT: Final = 30
#: Decisions, skips and refills that are shown, the latest of the period.
DECISION_COUNT: Final = 300
SKIP_COUNT: Final = 150
REFILL_COUNT: Final = 100
_STEPS: Final = 5


def run(options: CommonOptions, period: Period | None = None, clock: Clock = time.time) -> Review:
    """Given the flags and the period (the last 30 days), return all that the page shows."""
    with open_records(options, COMMAND, clock) as records:
        now = clock()
        with records.database.read(records.node_key) as tx:
            return _review(tx, records, period or last_days(now, DEFAULT_DAYS), now, options)


def _review(tx: Tx, records: Records, period: Period, now: float, options: CommonOptions) -> Review:
    def done(step: int) -> None:
        options.progress("records", step, _STEPS)

    done(0)
    profit = replace(profit_report(tx, period, now), spans=spans(tx, period, now, DAY))
    before = _before(tx, period, now, profit)
    done(1)
    standing = _standing(tx, records, now)
    done(2)
    earners = sorted(profit.channels, key=lambda one: (-one.line.earned_msat, one.channel_id))
    chosen = [one.channel_id for one in earners if one.line.earned_msat > 0][:PRICED_COUNT]
    prices = price_histories.price_histories(tx, chosen, period, standing.synced_at or now)
    done(3)
    since_at, until_at = period.since_at or 0.0, period.until_at
    decision_count, decisions = period_records.decisions_between(tx, since_at, until_at, DECISION_COUNT, skips=False)
    skip_count, skips = period_records.decisions_between(tx, since_at, until_at, SKIP_COUNT, skips=True)
    lots = refills.lots(tx, now, records.config.rebalance.horizon_days)
    done(4)
    review = Review(
        standing=standing,
        profit=profit,
        before=before,
        categories=read_categories(tx, records.config, now),
        prices=prices,
        decisions=decisions,
        decision_count=decision_count,
        skips=skips,
        skip_count=skip_count,
        refills=job_stories.settled_between(tx, since_at, until_at, REFILL_COUNT, now, lots),
        refill_count=period_records.settled_job_count(tx, since_at, until_at),
        attempts=period_records.attempts_between(tx, since_at, until_at),
        classes=classes.states(tx),
        dead=dead_report(tx, records.config.classes, now),
        commands=command_standings(tx, now),
        fees_mode=records.config.fees.mode,
        rebalance_mode=records.config.rebalance.mode,
    )
    done(_STEPS)
    return review


def _before(tx: Tx, period: Period, now: float, profit: ProfitReport) -> ProfitReport | None:
    """As many days before the period; None where these are not wholly on record."""
    first_at = profit.recorded_since_at
    if period.first_day is None or first_at is None:
        return None
    earlier = Period(2 * period.first_day - period.end_day, period.first_day)
    if (earlier.since_at or 0.0) < first_at:
        return None
    return replace(profit_report(tx, earlier, now), spans=spans(tx, earlier, now, DAY))


def _standing(tx: Tx, records: Records, now: float) -> Report:
    verdict = read_verdict(tx, records.config.budget, now, records.suspensions(tx, now))
    return replace(
        queries.standing(tx, now, verdict),
        experiment=experiments.running(tx),
        reserves=read_reserve(tx, records.config.reserve),
    )
