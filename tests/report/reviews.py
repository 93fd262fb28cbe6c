"""A node's business over ten days, small enough to be reckoned by hand: what pages are made of in tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from revops.domain.budget import Category, CategoryState, Limit, WindowState
from revops.domain.dead_capital import DeadReport
from revops.domain.decision import BudgetVerdict, WindowBudget
from revops.domain.forward import Flow
from revops.domain.job_story import JobPayment, JobStory
from revops.domain.price_history import PriceChange, PriceHistory, PriceSum
from revops.domain.profit import ChannelProfit, ProfitLine, ProfitReport, SpanProfit, total_of
from revops.domain.profit_class import ClassState, ProfitClass
from revops.domain.reason import ReasonCode, why
from revops.domain.record import ChannelRecord, DecisionRecord, JobRecord, Report, Totals
from revops.domain.review import Attempts, Review
from revops.domain.status import CommandStanding
from tests.builders import DAY, HOUR, NOW, OWN_ID, SAT, channel_id, node_id

TODAY = int(NOW // DAY)
FIRST = TODAY - 9
DAYS = 10
_FLOW = Flow()
_TOTALS = Totals(0, 0, 0, 0, 0, 0, 0, 0)
WATCHED = why(ReasonCode.OBSERVING, fee_ppm=100, open_hours=1.0, needed_hours=8.0, forward_count=2)
WAITS = why(ReasonCode.MIN_INTERVAL, age_hours=1.0, interval_hours=8.0)


def make_line(**overrides: int) -> ProfitLine:
    """1,000.9 sat earned, 100.1 spent on refills, 10.5 on the chain, by 1,000,000 sat of ours."""
    base = ProfitLine(
        earned_msat=1_000_900, sourced_msat=500_000, in_msat=2_000_000_000, out_msat=2_000_000_000, in_count=20,
        out_count=40, rebalanced_msat=500_000_000, rebalance_msat=100_100, rebalance_count=1, open_msat=10_500,
        capital_msat=1_000_000 * SAT,
    )  # fmt: skip
    return replace(base, **overrides)


def make_profit_row(number: int = 1, **overrides: Any) -> ChannelProfit:
    base = ChannelProfit(
        channel_id=channel_id(number), name=f"{700_000 + number}x1x0", peer_id=node_id(number), alias=f"peer {number}",
        opener="local", capacity_msat=5_000_000 * SAT, opened_at=int(NOW - 90 * DAY), closed_at=None, line=make_line(),
    )  # fmt: skip
    return replace(base, **overrides)


def make_record(number: int = 1, **overrides: Any) -> ChannelRecord:
    base = ChannelRecord(
        channel_id=channel_id(number), name=f"{700_000 + number}x1x0", peer_id=node_id(number), alias=f"peer {number}",
        state="CHANNELD_NORMAL", open=True, private=False, connected=True, opener="local",
        capacity_msat=5_000_000 * SAT, local_msat=2_000_000 * SAT, spendable_msat=1_950_000 * SAT,
        receivable_msat=2_950_000 * SAT, fee_base_msat=0, fee_ppm=100, htlc_count=0, opened_at=int(NOW - 90 * DAY),
        window=_FLOW, lifetime=_FLOW, window_rebalanced_in_msat=0, window_rebalance_fees_msat=0,
        lifetime_rebalance_fees_msat=0, value_ppm=120.4,
    )  # fmt: skip
    return replace(base, **overrides)


def make_profit(*channels: ChannelProfit, first_day: int = FIRST, **overrides: Any) -> ProfitReport:
    """A period of ten days until today; all was earned on the first, half of the rest on each of the next two."""
    rows = channels or (make_profit_row(1), make_profit_row(2, line=make_line(earned_msat=1_500)))
    total = total_of(row.line for row in rows) + ProfitLine(wallet_msat=1_200)
    spans = [total, *[ProfitLine()] * (DAYS - 1)]
    base = ProfitReport(
        taken_at=NOW, synced_at=NOW - 600.0, since_at=first_day * DAY, until_at=(first_day + DAYS) * DAY, total=total,
        channels=rows, peers=(), capital_days=DAYS, recorded_since_at=NOW - 400 * DAY,
        spans=tuple(
            SpanProfit((first_day + place) * DAY, (first_day + place + 1) * DAY, line)
            for place, line in enumerate(spans)
        ),
    )  # fmt: skip
    return replace(base, **overrides)


def make_run(command: str = "sync", **overrides: Any) -> CommandStanding:
    base = CommandStanding(command, NOW - 700.0, 0, None, NOW - 690.0, 1_800.0, late=False)
    return replace(base, **overrides)


def make_decision(number: int = 1, **overrides: Any) -> DecisionRecord:
    base = DecisionRecord(
        command="fees adjust", channel_id=channel_id(number), name=f"{700_000 + number}x1x0", outcome="change",
        old_ppm=100, new_ppm=125, amount_msat=None, reasons=(WATCHED, WAITS), first_at=NOW - 2 * HOUR,
        last_at=NOW - HOUR, repeat_count=0,
    )  # fmt: skip
    return replace(base, **overrides)


def make_story(job_key: int = 1, *, target: int = 1, source: int = 2, fee_msat: int = 50_000, **more: Any) -> JobStory:
    """500,000 sat bought at 100 ppm, of which half was sold."""
    job = JobRecord(
        job_key=job_key, plan_key=1, source_channel_id=channel_id(source), target_channel_id=channel_id(target),
        amount_msat=500_000 * SAT, max_fee_msat=90_000, expected_gain_msat=1_000, status="settled",
        created_at=NOW - 5 * DAY, expires_at=NOW, fee_msat=fee_msat, finished_at=NOW - 5 * DAY,
    )  # fmt: skip
    paid = JobPayment("ab" * 32, job.source_channel_id, job.target_channel_id, job.amount_msat, fee_msat, NOW - 5 * DAY)
    return replace(JobStory(job, (), (paid,), 250_000 * SAT), **more)


def make_history(number: int = 1, sums: dict[int, PriceSum] | None = None, **overrides: Any) -> PriceHistory:
    found = {100: PriceSum(5 * DAY, 10 * SAT, 1_000_900, 40), 200: PriceSum(5 * DAY)} if sums is None else sums
    changes = tuple(PriceChange(FIRST * DAY + place * DAY, ppm) for place, ppm in enumerate(found))
    base = PriceHistory(channel_id(number), changes, found, earned_msat={FIRST: 1_000_900})
    return replace(base, **overrides)


def make_window(window: str, limit_sat: int, spent_msat: int = 0, reserved_msat: int = 0) -> WindowState:
    return WindowState(window, Limit(limit_sat * SAT), spent_msat, reserved_msat)


def make_category(day: WindowState | None = None, week: WindowState | None = None) -> CategoryState:
    return CategoryState(
        Category.REBALANCE, day or make_window("day", 100, 10_001), week or make_window("week", 1_000, 100_000)
    )


def make_standing(*channels: ChannelRecord, **overrides: Any) -> Report:
    windows = WindowBudget("day", 100 * SAT, 0, 0), WindowBudget("week", 1_000 * SAT, 0, 0)
    base = Report(
        taken_at=NOW, synced_at=NOW - 600.0, window_days=0, node_id=OWN_ID, alias="ours", version="v26.06.6",
        network="bitcoin", blockheight=900_000, wallet_spendable_msat=2_000_000 * SAT, window=_TOTALS, lifetime=_TOTALS,
        books=None, budget=BudgetVerdict(NOW, *windows), channels=channels or (make_record(1), make_record(2)),
        decisions=(), runs=(),
    )  # fmt: skip
    return replace(base, **overrides)


def make_review(**overrides: Any) -> Review:
    """Two channels, of which the second hardly earns; the ten days before brought a tenth more."""
    profit = make_profit()
    before = make_profit(make_profit_row(1, line=make_line(earned_msat=1_200_000)), first_day=FIRST - DAYS)
    dead = DeadReport(
        taken_at=NOW, synced_at=NOW, dead_days=30, min_age_days=30, dead=(), alive_count=2, wanted_count=0,
        young_count=0, unseen_count=0, unvalued_count=0, silent=(), elsewhere=None, rates=None,
    )  # fmt: skip
    base = Review(
        standing=make_standing(), profit=profit, before=before, categories=(make_category(),),
        prices=(make_history(),), decisions=(make_decision(),), decision_count=1,
        skips=(make_decision(2, outcome="skip", new_ppm=100),), skip_count=1, refills=(make_story(),), refill_count=1,
        attempts=(Attempts("failed", "no_route", 9), Attempts("released", None, 3)),
        classes={channel_id(1): ClassState(ProfitClass.PROFITABLE, NOW - DAY, None, None, NOW - DAY, ())}, dead=dead,
        commands=(make_run(),),
    )  # fmt: skip
    return replace(base, **overrides)
