"""Each command: what it asks of its cycle, what it prints, when it is silent, and with which code it ends."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import revops.cycle
from revops import config_outlook
from revops.cli.main import main
from revops.domain.budget import (
    BudgetCheck,
    BudgetHistory,
    Category,
    CategoryState,
    DaySpending,
    Leaving,
    Limit,
    OpenReservation,
    WindowState,
)
from revops.domain.decision import (
    BudgetVerdict,
    FeeDecision,
    FeePlan,
    Outcome,
    RebalanceDecision,
    RebalancePlan,
    WindowBudget,
)
from revops.domain.experiment import Experiment
from revops.domain.explanation import Explained, Explanation
from revops.domain.forward import Flow
from revops.domain.job_story import JobPayment, JobStory, RebalancesReport
from revops.domain.options import CommonOptions
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import JobStep, RebalanceTerms, SourceOffer
from revops.domain.record import (
    Books,
    ChannelRecord,
    DecisionRecord,
    JobRecord,
    PeerRecord,
    PeersReport,
    Report,
    RunRecord,
    Standing,
    Totals,
)
from revops.domain.stability import Stability, StabilityWindow
from revops.domain.summary import (
    BackupSummary,
    Comparison,
    DatabaseState,
    DemoSummary,
    OperatorDeed,
    RebalanceSummary,
    RollupSummary,
    UpgradePlan,
    UpgradeStep,
)
from revops.report import budgets, summaries
from revops.report.blocks import Line, Table
from tests.builders import NOW, make_demand

NODE_ID = "02" + "ab" * 32
CHANNEL_ID = "cd" * 32
DEAD_BAND = why(ReasonCode.DEAD_BAND, change_ppm=1, band_ppm=3)
STEP = why(ReasonCode.STEP_LIMIT, limit_ppm=125)


class Calls(list[tuple[tuple[Any, ...], dict[str, Any]]]):
    """What a cycle was asked."""


@pytest.fixture
def cycle(monkeypatch) -> Callable[..., Calls]:
    def install(module: str, function: str, result: Any) -> Calls:
        calls = Calls()

        def called(*args: Any, **kwargs: Any) -> Any:
            calls.append((args, kwargs))
            return result

        monkeypatch.setattr(revops.cycle, module, SimpleNamespace(**{function: called}), raising=False)
        return calls

    return install


def fee(name: str, outcome: Outcome, old_ppm: int, new_ppm: int, *reasons: Reason) -> FeeDecision:
    return FeeDecision(
        channel_id=CHANNEL_ID, peer_id=NODE_ID, name=name, strategy="hill_climb", outcome=outcome, old_ppm=old_ppm,
        proposed_ppm=new_ppm, new_ppm=new_ppm, old_base_msat=1, new_base_msat=0, expected_gain_msat=0,
        reasons=reasons, state=None, state_if_sent=None,
    )  # fmt: skip


PLAN = FeePlan(
    0.0,
    (
        fee("1x1x1", Outcome.CHANGE, 100, 125, STEP),
        fee("2x1x1", Outcome.SKIP, 50, 51, DEAD_BAND),
        fee("3x1x1", Outcome.SKIP, 60, 61, STEP, DEAD_BAND),
        fee("4x1x1", Outcome.DEFER, 70, 80, why(ReasonCode.MIN_INTERVAL, age_hours=1, interval_hours=8)),
    ),
)


def test_fees_adjust_is_silent_for_cron(cycle, capsys):
    calls = cycle("fees", "run", PLAN)
    assert main(["fees", "adjust"]) == 0
    assert capsys.readouterr() == ("", "")
    assert calls == [((CommonOptions(),), {"channels": ()})]


def test_fees_adjust_dry_run_says_changes_and_groups_the_rest(cycle, capsys):
    calls = cycle("fees", "run", PLAN)
    assert main(["fees", "adjust", "-n"]) == 0
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert calls[0][0][0].dry_run
    assert lines[2].split()[:4] == ["1x1x1", NODE_ID[:12], "100", "125"]
    assert lines[2].split()[4:7] == ["would", "be", "sent"]
    assert "step limited to 125 ppm" in lines[2]
    assert lines[3].split()[0] == "4x1x1"
    assert any(line.split()[:4] == ["2", "not", "sent", "dead_band"] and "2x1x1" in line for line in lines)
    assert "3x1x1" not in out
    assert lines[-1] == "4 channels: 1 would be sent, 3 not sent, 0 kept"


def test_who_names_channels_is_told_of_each(cycle, capsys):
    calls = cycle("fees", "run", PLAN)
    assert main(["fees", "adjust", "-n", "--channel", "1x1x1", "--channel", CHANNEL_ID]) == 0
    assert calls[0][1] == {"channels": ("1x1x1", CHANNEL_ID)}
    out = capsys.readouterr().out
    assert all(name in out for name in ("2x1x1", "3x1x1", "4x1x1"))


def test_the_valve_has_a_column_where_it_turns(cycle, capsys):
    turned, *others = PLAN.decisions
    turned = replace(turned, old_htlc_max_msat=4_950_000_000, new_htlc_max_msat=1_237_500_000)
    cycle("fees", "run", replace(PLAN, decisions=(turned, *others)))
    assert main(["fees", "adjust", "-n"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[:6] == ["1x1x1", NODE_ID[:12], "100", "125", "1,237,500", "would"]
    assert "as it is" in lines[3]
    assert lines[-1] == "4 channels: 1 would be sent, 3 not sent, 0 kept"


def test_fees_adjust_verbose_lists_each_skip(cycle, capsys):
    cycle("fees", "run", PLAN)
    assert main(["fees", "adjust", "-v"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("2x1x1", "3x1x1", "4x1x1", "last changed 1 h ago, least interval 8 h"))


def test_fees_adjust_json_holds_every_decision(cycle, capsys):
    cycle("fees", "run", PLAN)
    assert main(["fees", "adjust", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [decision["name"] for decision in document["decisions"]] == ["1x1x1", "2x1x1", "3x1x1", "4x1x1"]
    assert document["decisions"][0]["reasons"][0]["numbers"] == {"limit_ppm": 125}


@pytest.mark.parametrize("name", ["1x1", "../x", "CD" * 32, "", "1x1x99999"])
def test_a_channel_s_name_is_checked(cycle, capsys, name):
    calls = cycle("fees", "run", PLAN)
    assert main(["fees", "adjust", "--channel", name]) == 2
    assert calls == []
    assert "short channel id" in capsys.readouterr().err


REFILL = why(ReasonCode.REFILL, income_ppm=500, out_sat=1_000, horizon_days=14, max_fee_ppm=250)
JOB = RebalanceDecision(CHANNEL_ID, "1x1x1", "ef" * 32, "2x2x2", Outcome.CHANGE, 10**8, 25_001, 24_999, (REFILL,))
POOR = why(ReasonCode.NO_INCOME, horizon_days=14)
SKIP = RebalanceDecision("aa" * 32, "3x3x3", None, None, Outcome.SKIP, 0, 0, 0, (POOR,))


def test_rebalance_plan_prints_its_product(cycle, capsys):
    cycle("rebalance_plan", "run", RebalancePlan(0.0, 3_600.0, (JOB, SKIP)))
    assert main(["rebalance", "plan"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[2].split()[:6] == ["1x1x1", "2x2x2", "100,000", "25.001", "250", "24.999"]
    assert "no_income" in out
    assert "good until 1970-01-01 01:00Z" in out
    assert main(["rebalance", "plan", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "good until" not in out
    assert "a dry run stores nothing: `revops rebalance plan` makes a plan" in out
    assert main(["rebalance", "plan", "-v"]) == 0
    assert "forwards out of it earned nothing in 14 days" in capsys.readouterr().out


TERMS = RebalanceTerms(
    target_ppm=490.4, source_ppm=12.1, route_ppm=50.0, risk_ppm=1.4, gain_ppm=426.9, income_ppm=500.0, sale_ratio=0.83,
    sale_low_ratio=0.7, lot_count=2.0, horizon_days=14, odds_ratio=7.05, kelly_ratio=0.654, stake_msat=1_961_957,
    wanted_msat=2 * 10**8, kelly_fraction=0.5, entries_ppm=81.0, room_ppm=226.0, room_low_ratio=0.65,
    left_msat=6_000_000, success_ratio=0.6, limited_by="what the stake buys",
)  # fmt: skip
WORTH = why(
    ReasonCode.WORTH, source="2x2x2", target_ppm=490, source_ppm=12, route_ppm=50, risk_ppm=1, gain_ppm=427,
    limit_ppm=337, success_percent=60,
)  # fmt: skip
NEAR = why(
    ReasonCode.ROUTE_ABOVE_WORTH, source="2x2x2", route_ppm=700, limit_ppm=337, target_ppm=490, source_ppm=12,
    bound="max_fee_ppm",
)  # fmt: skip


def test_rebalance_plan_prints_each_term_of_a_job_and_what_came_near(cycle, capsys):
    sources = (SourceOffer("ef" * 32, "2x2x2", 25_001, 5_000), SourceOffer("ee" * 32, "4x4x4", 20_000))
    purpose = why(ReasonCode.FOR_ROOM, source="2x2x2", room_ppm=76, target_ppm=-2)
    nothing = why(ReasonCode.PLENTY, worth_ppm=0, have_sat=1, wanted_sat=1, enters_sat=1, horizon_days=14)
    weighed = replace(JOB, sources=sources, terms=TERMS, reasons=(WORTH, purpose, nothing))
    missed = replace(SKIP, target_channel_id="bb" * 32, target_name="5x5x5", reasons=(NEAR,))
    cycle("rebalance_plan", "run", RebalancePlan(0.0, 3_600.0, (weighed, missed, SKIP)))
    assert main(["rebalance", "plan"]) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    job_row = ["1x1x1", "2x2x2,", "4x4x4", "100,000", "25.001", "250", "24.999", "planned"]
    told = " ".join(out.split())
    assert f"{' '.join(job_row)} in truth it drains 2x2x2, where room is worth 76 ppm; here a refill's sat is" in told
    assert "cut from 200,000 sat to what the stake buys" in told
    # Why a sat is worth nothing there speaks against what is done.
    assert "isn't likely to run out" not in told
    uncut = replace(weighed, terms=replace(TERMS, wanted_msat=10**8))
    cycle("rebalance_plan", "run", RebalancePlan(0.0, 3_600.0, (uncut,)))
    assert main(["rebalance", "plan"]) == 0
    assert "cut from" not in capsys.readouterr().out
    cycle("rebalance_plan", "run", RebalancePlan(0.0, 3_600.0, (weighed, missed, SKIP)))
    assert ["1x1x1", "490", "12", "50", "1", "427", "60%"] in lines
    assert ["1x1x1", "500", "81", "226", "(65%)", "62", "83%", "(70%)", "70%", "7.05"] in lines
    assert ["1x1x1", "65%", "6,000", "1,961", "200,000", *["what", "the", "stake", "buys"]] in lines
    assert max(len(line) for line in out.splitlines() if "Kelly's share of what the budget has left" in line) <= 120
    assert any(line[:1] == ["5x5x5"] for line in lines)
    assert "the cheapest costs 700" in " ".join(out.split())
    assert "Near misses" in out
    assert main(["rebalance", "plan", "-v"]) == 0
    assert "the cheapest costs 700" in " ".join(capsys.readouterr().out.split())
    assert main(["rebalance", "plan", "--json"]) == 0
    (first, *_rest) = json.loads(capsys.readouterr().out)["decisions"]
    assert first["terms"]["kelly_ratio"] == 0.654
    assert [one["max_fee_msat"] for one in first["sources"]] == [25_001, 20_000]


def test_a_bet_that_cant_lose_is_shown_without_odds(cycle, capsys):
    free = replace(TERMS, odds_ratio=1_000_000.0, kelly_ratio=0.7)
    cycle("rebalance_plan", "run", RebalancePlan(0.0, 3_600.0, (replace(JOB, terms=free, reasons=(WORTH,)),)))
    assert main(["rebalance", "plan"]) == 0
    out = capsys.readouterr().out
    assert ["70%", "no", "risk"] in [line.split()[-3:] for line in out.splitlines()]
    assert "1,000,000" not in out


def test_a_plan_is_listed_by_what_it_gains_then_by_name(cycle, capsys):
    def skip(name: str, first: str, *reasons: Reason) -> RebalanceDecision:
        return replace(SKIP, target_channel_id=first * 64, target_name=name, reasons=reasons or (POOR,))

    later = replace(JOB, target_channel_id="0" * 64, target_name="8x8x8", expected_gain_msat=10_000)
    nearer = Reason(NEAR.code, {**NEAR.numbers, "route_ppm": 338})
    unknown = why(ReasonCode.NOT_QUOTED, source="2x2x2", limit_ppm=5, cause="in turns")
    waits = replace(JOB, target_channel_id="9" * 64, target_name="9x9x9", outcome=Outcome.DEFER)
    rows = (
        waits, later, skip("3x3x3", "0"), skip("2x2x2", "f", NEAR), JOB, skip("1x2x3", "2", unknown),
        skip("4x4x4", "1", nearer), skip("0x9x0", "8"),
    )  # fmt: skip
    cycle("rebalance_plan", "run", RebalancePlan(0.0, 3_600.0, rows))
    assert main(["rebalance", "plan", "-v"]) == 0
    found = [line.split()[0] for line in capsys.readouterr().out.splitlines() if re.match(r"\dx\dx\d ", line)]
    order = ["1x1x1", "8x8x8", "9x9x9", "4x4x4", "2x2x2", "1x2x3", "0x9x0", "3x3x3"]
    assert found == order
    assert main(["rebalance", "plan", "--json"]) == 0
    assert [one["target_name"] for one in json.loads(capsys.readouterr().out)["decisions"]] == order


def test_a_plan_without_prices_says_why(cycle, capsys):
    unasked = why(ReasonCode.NO_LAYER, layer="revops")
    cycle("rebalance_plan", "run", RebalancePlan(0.0, 3_600.0, (SKIP,), (unasked,)))
    assert main(["rebalance", "plan", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "no route was asked for, so that no price is known" in out
    assert main(["rebalance", "plan", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["reasons"][0]["code"] == "no_layer"


def job(status: str, fee_msat: int | None) -> JobRecord:
    return JobRecord(1, 1, "ef" * 32, CHANNEL_ID, 10**8, 25_001, 0, status, 0.0, 1.0, fee_msat=fee_msat, reason=POOR)


def test_rebalance_run_says_what_became_of_each_job(cycle, capsys):
    summary = RebalanceSummary(
        0.0, (job("settled", 1_001), job("in_flight", None)), {CHANNEL_ID: "1x1x1"}, (why(ReasonCode.OBSERVE_MODE),)
    )
    cycle("rebalance", "run", summary)
    assert main(["rebalance", "run"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["rebalance", "run", "-v"]) == 0
    out = capsys.readouterr().out
    assert "observe mode: nothing is sent" in out
    assert ["1x1x1", "efefefefefef", "100,000", "settled", "1.001", "10"] in [
        line.split()[:6] for line in out.splitlines()
    ]
    assert ["in_flight", "25.001", "reserved", "-"] in [line.split()[3:7] for line in out.splitlines()]
    cycle("rebalance", "run", RebalanceSummary(0.0, ()))
    assert main(["rebalance", "run", "-v"]) == 0
    assert capsys.readouterr().out == "no job to send or settle\n"
    cycle("rebalance", "run", RebalanceSummary(0.0, (), waiting_count=2))
    assert main(["rebalance", "run", "-v"]) == 0
    assert capsys.readouterr().out == "waiting: 2 planned jobs, until there is room, or what is under way has ended\n"


def test_what_a_job_may_cost_is_marked_as_what_it_is(cycle, capsys):
    quoted = replace(job("planned", 7_001), reason=why(ReasonCode.ROUTE_FOUND, hop_count=3, fee_msat=7_001))
    reserved = replace(job("in_flight", None), reserved_msat=9_001)
    cycle("rebalance", "run", RebalanceSummary(0.0, (quoted, job("planned", 0), reserved, job("failed", 0))))
    assert main(["rebalance", "run", "--dry-run"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    cells = [line[3:6] for line in lines]
    assert ["planned", "7.001", "quoted", "70"] in [line[3:7] for line in lines]  # what it would pay, in ppm, too
    assert ["planned", "at", "most"] in cells
    assert ["in_flight", "9.001", "reserved"] in cells
    assert ["failed", "0", "-"] in cells


def test_a_dry_run_lists_what_is_under_way(cycle, capsys):
    held = OpenReservation(3, 7, 12_001, 0.0, "in_flight", "2x2x2", "1x1x1")
    lost = OpenReservation(4, 8, 1_000, 0.0)
    cycle("rebalance", "run", RebalanceSummary(7_200.0, (), under_way=(held, lost)))
    assert main(["rebalance", "run", "--dry-run"]) == 0
    lines = [re.split(r" {2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert ["no job is planned"] in lines
    assert ["rebalance 7: 2x2x2 to 1x1x1", "12.001", "2 h ago", "in_flight"] in lines
    assert ["rebalance 8", "1.000", "2 h ago", "no open job knows of it: please report this"] in lines
    assert main(["rebalance", "run", "--json"]) == 0
    (first, _second) = json.loads(capsys.readouterr().out)["under_way"]
    assert (first["job_key"], first["amount_msat"], first["reserved_at"]) == (7, 12_001, 0.0)


amounts = st.integers(0, 10**9)


def verdict(spent_msat: int = 0, *suspended: Reason) -> BudgetVerdict:
    daily = WindowBudget("daily", 100_000, spent_msat, 0)
    return BudgetVerdict(0.0, daily, WindowBudget("weekly", 300_000, spent_msat, 0), suspended)


def window(name: str, limit: Limit, spent_msat: int = 0, reserved_msat: int = 0, **more: Any) -> WindowState:
    return WindowState(name, limit, spent_msat, reserved_msat, **more)


DAILY = Limit(100_000)


def budget_check(spent_msat: int = 0, *suspended: Reason, daily: Limit = DAILY) -> BudgetCheck:
    week = window("week", Limit(300_000, 900_000, 1_800_000), spent_msat)
    state = CategoryState(Category.REBALANCE, window("day", daily, spent_msat), week)
    return BudgetCheck(7_200.0, 0.0, suspended, (state,))


def test_budget_check_with_something_left(cycle, capsys):
    cycle("budget", "run", budget_check(1_001))
    assert main(["budget", "check"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["budget", "check", "-v"]) == 0
    assert "left for the next rebalance: 98 sat; synced 2 h ago" in capsys.readouterr().out


def test_budget_check_says_why_and_for_what(cycle, capsys):
    held = (
        OpenReservation(8, 3, 40_001, 0.0, "in_flight", "1x1x1", "2x2x2"),
        OpenReservation(9, 4, 1_000, 7_140.0),
    )
    week = window("week", Limit(300_000, 900_000, 1_800_000), 7_001, 41_001)
    day = window("day", Limit(100_000, 90_000, 180_000), 5_000, 41_001, leaving=Leaving(2_500, 9_000.0, True))
    rebalances = CategoryState(Category.REBALANCE, day, replace(week, leaving=Leaving(2_001, 0.0, False)), held)
    splices = CategoryState(
        Category.SPLICE,
        window("day", Limit(0)),
        window("week", Limit(20_000), 900),
        (OpenReservation(10, None, 5, 7_190.0),),
    )
    cycle("budget", "run", BudgetCheck(7_200.0, None, (), (rebalances, splices)))
    assert main(["budget", "check", "-v"]) == 0
    lines = [re.split(r" {2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    waits = "3 sat about 1970-01-01 02:30Z, when the chain has come so far"
    share = "revenue_share_ratio of 180 sat earned, less than daily_sat of 100"
    assert ["rebalance", "day", "90", "5", "42", "43", waits, share] in lines
    share = "weekly_sat; the share of revenue would be 900 sat"
    assert ["rebalance", "week", "300", "8", "42", "250", "3 sat about 1970-01-01 02:00Z", share] in lines
    assert ["splice", "day", "0", "0", "0", "0", "-", "splice.daily_sat is 0: nothing may be spent"] in lines
    assert ["splice", "week", "20", "1", "0", "19", "-", "splice.weekly_sat"] in lines
    assert ["rebalance 3: 1x1x1 to 2x2x2", "40.001", "2 h ago", "in_flight"] in lines
    assert ["rebalance 4", "1.000", "60 s ago", "no open job knows of it: please report this"] in lines
    assert ["splice", "0.005", "10 s ago", "open: `splice list`"] in lines
    assert ["left for the next rebalance: 43 sat; synced never"] in lines


@given(limit_msat=amounts, spent_msat=amounts, reserved_msat=amounts)
def test_the_rows_of_budget_check_add_up_and_promise_no_more_than_there_is(limit_msat, spent_msat, reserved_msat):
    day = window("day", Limit(limit_msat), spent_msat, reserved_msat)
    week = replace(day, window="week")
    value = BudgetCheck(0.0, 0.0, (), (CategoryState(Category.REBALANCE, day, week),))
    table, line = budgets.check(value)
    assert isinstance(table, Table)
    assert isinstance(line, Line)
    limit, spent, reserved, left = (int(cell.replace(",", "")) for cell in table.rows[0][2:6])
    assert left == max(0, limit - spent - reserved)
    assert left * 1_000 <= value.left_msat
    assert line.text == f"left for the next rebalance: {left:,} sat; synced 0 s ago"


def test_report_rebalances_shows_the_latest_or_one(cycle, capsys):
    steps = (JobStep("planned", 0.0, None, 3), JobStep("settled", 130.0, "settled: of an older revops", 4))
    payment = JobPayment("ab" * 32, "ef" * 32, CHANNEL_ID, 10**8, 1_001, 129.0)
    settled = why(ReasonCode.PAYMENT_SETTLED, amount_msat=10**8, fee_msat=1_001)
    story = JobStory(replace(job("settled", 1_001), reason=settled, terms=TERMS), steps, (payment,), 4 * 10**7)
    again = JobStory(replace(job("failed", 0), job_key=2, retry_of_key=1, erring_scidd="7x7x7/1"), ())
    found = RebalancesReport(7_200.0, None, (again, story), names={CHANNEL_ID: "1x1x1"})
    calls = cycle("job_stories", "run", found)
    assert main(["report", "rebalances", "--last", "2"]) == 0
    assert calls[-1][0][1:] == (None, 2)
    lines = [re.split(r" {2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    row = ["1", "1970-01-01 00:00Z", "1x1x1", "efefefefefef", "100,000", "1.001", "10", "40 %"]
    assert [*row, "settled: 100,000 sat moved for 1.001 sat"] in lines
    assert any(line[0] == "2 (again 1)" and line[-1] == f"failed: {POOR.sentence}; at 7x7x7/1" for line in lines)
    assert main(["report", "rebalances", "-v"]) == 0
    out = capsys.readouterr().out
    assert "planned; 2 min later settled: 100,000 sat moved for 1.001 sat" in out
    assert "ab" * 32 in out
    assert main(["report", "rebalances", "--job", "1"]) == 0
    assert calls[-1][0][1] == 1
    out = capsys.readouterr().out
    assert "Steps" in out
    assert "Kelly" in out
    assert "as it was planned" not in out
    assert "sold: the share of what arrived" in out
    third = JobStory(replace(job("failed", 0), job_key=3, retry_of_key=2, attempt=3, terms=TERMS), (), planned_as_key=1)
    cycle("job_stories", "run", replace(found, stories=(third,)))
    assert main(["report", "rebalances", "--job", "3"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "what follows was weighed for job 1, as it was planned: this is attempt 3 at it" in told
    cycle("job_stories", "run", found)
    assert main(["report", "rebalances", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["stories"][1]["payments"][0]["fee_msat"] == 1_001
    assert [step["run_key"] for step in shown["stories"][1]["steps"]] == [3, 4]
    cycle("job_stories", "run", RebalancesReport(0.0, None, ()))
    assert main(["report", "rebalances"]) == 0
    assert "no rebalance job is on record" in capsys.readouterr().out
    assert main(["report", "rebalances", "--job", "0"]) == 2


def test_budget_history(cycle, capsys):
    days = (
        DaySpending(172_800.0, Category.REBALANCE, 5_000, 2, 3_001, 1, 1_500, 1, 4),
        DaySpending(86_400.0, Category.SPLICE, 1_000_000, 1),
    )
    calls = cycle("budget", "history", BudgetHistory(200_000.0, 86_400.0, days))
    assert main(["budget", "history", "--days", "2"]) == 0
    assert calls[0][0][1] == 2
    lines = [re.split(r" {2,}", line.strip()) for line in capsys.readouterr().out.splitlines()]
    assert ["1970-01-03", "rebalance", "3.001", "1", "5.000", "2", "1.500", "1", "4"] in lines
    assert ["1970-01-02", "splice", "0.000", "0", "1,000.000", "1", "0.000", "0", "0"] in lines
    assert ["3.001 sat spent since 1970-01-02"] in lines
    assert main(["budget", "history", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["days"][0] == {
        "day_at": 172_800.0, "category": "rebalance", "reserved_msat": 5_000, "reserved_count": 2,
        "spent_msat": 3_001, "spent_count": 1, "released_msat": 1_500, "released_count": 1, "refused_count": 4,
    }  # fmt: skip
    cycle("budget", "history", BudgetHistory(200_000.0, 86_400.0, ()))
    assert main(["budget", "history"]) == 0
    assert capsys.readouterr().out == "0.000 sat spent since 1970-01-02\n"


@given(st.lists(st.tuples(amounts, amounts, amounts), max_size=6))
def test_the_rows_of_the_history_add_up_to_its_sum(days):
    spendings = tuple(
        DaySpending(86_400.0 * number, Category.REBALANCE, reserved, 1, spent, 1, released)
        for number, (spent, reserved, released) in enumerate(days)
    )
    *tables, line = budgets.history(BudgetHistory(200_000.0, 0.0, spendings))
    assert isinstance(line, Line)
    cells = [Fraction(row[2].replace(",", "")) for table in tables if isinstance(table, Table) for row in table.rows]
    assert Fraction(line.text.split()[0].replace(",", "")) == sum(cells)


@given(limit_msat=amounts, spent_msat=amounts, reserved_msat=amounts)
def test_the_budget_s_rows_add_up_and_promise_no_more_than_there_is(limit_msat, spent_msat, reserved_msat):
    window = WindowBudget("day", limit_msat, spent_msat, reserved_msat)
    table, line = summaries.budget(BudgetVerdict(0.0, window, window, ()))
    assert isinstance(table, Table)
    assert isinstance(line, Line)
    limit, spent, reserved, left = (int(cell.replace(",", "")) for cell in table.rows[0][1:])
    assert left == max(0, limit - spent - reserved)
    assert left * 1_000 <= window.left_msat
    assert line.text == f"left for the next rebalance: {left:,} sat"


@pytest.mark.parametrize(
    ("value", "why_text"),
    [
        (
            budget_check(100_000),
            "nothing is left to reserve for a rebalance: day limit 100 sat (daily_sat), spent 100, reserved 0",
        ),
        (
            budget_check(daily=Limit(100_000, 0)),
            (
                "nothing is left to reserve for a rebalance: day limit 0 sat (revenue_share_ratio of 0 sat earned, "
                "less than daily_sat of 100), spent 0, reserved 0"
            ),
        ),
        (
            budget_check(daily=Limit(0, 147_000)),
            (
                "nothing is left to reserve for a rebalance: day limit 0 sat (daily_sat; the share of revenue would be "
                "147 sat), spent 0, reserved 0; set budget.daily_sat and budget.weekly_sat"
            ),
        ),
        (budget_check(0, why(ReasonCode.OBSERVE_MODE)), "nothing is left to reserve: observe mode: nothing is sent"),
    ],
)
def test_budget_check_with_nothing_left(cycle, capsys, value, why_text):
    cycle("budget", "run", value)
    assert main(["budget", "check"]) == 1
    assert capsys.readouterr() == ("", f"revops: {why_text}\n")
    assert main(["budget", "check", "-q"]) == 1
    assert capsys.readouterr() == ("", "")
    assert main(["budget", "check", "--json", "-q"]) == 1
    assert json.loads(capsys.readouterr().out)["left_msat"] == 0


def test_rollup(cycle, capsys):
    cycle("rollup", "run", RollupSummary(0.0, 12_345, {"forwards": 3, "runs": 0}))
    assert main(["rollup"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["rollup", "-v"]) == 0
    assert capsys.readouterr().out == "12,345 forwards summarised; pruned: 3 forwards\n"
    cycle("rollup", "run", RollupSummary(0.0, 1, given_back_bytes=4_096_000))
    assert main(["rollup", "-v"]) == 0
    room = "4,096,000 bytes given back to the disk"
    assert capsys.readouterr().out == f"1 forward summarised; pruned: nothing; {room}\n"
    assert main(["rollup", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["given_back_bytes"] == 4_096_000


TOTALS = Totals(
    earned_msat=5_000_999, forwarded_msat=10**10, settled_count=1_234, failed_count=5, refused_count=6,
    rebalance_fees_msat=1_000_001, rebalanced_msat=2 * 10**9, rebalance_count=7,
)  # fmt: skip
CHANNEL = ChannelRecord(
    channel_id=CHANNEL_ID, name="1x1x1", peer_id=NODE_ID, alias="evil\x1b[2J\nalias", state="CHANNELD_NORMAL",
    open=True, private=True, connected=False, opener="local", capacity_msat=10**10, local_msat=25 * 10**8,
    spendable_msat=1,
    receivable_msat=1, fee_base_msat=0, fee_ppm=321, htlc_count=0, opened_at=None,
    window=Flow(in_msat=10**6, out_msat=2 * 10**6, earned_msat=7_999), lifetime=Flow(earned_msat=9_999),
    window_rebalanced_in_msat=3 * 10**6, window_rebalance_fees_msat=1_001, lifetime_rebalance_fees_msat=20_000,
)  # fmt: skip
DECISION = DecisionRecord("fees adjust", CHANNEL_ID, "1x1x1", "change", 100, 125, None, (STEP,), 0.0, 60.0, 3)
REPORT = Report(
    taken_at=1_000.0, synced_at=700.0, window_days=7, node_id=NODE_ID, alias="my\x07node", version="v26.06",
    network="bitcoin", blockheight=900_000, wallet_spendable_msat=5_000_000, window=TOTALS, lifetime=TOTALS,
    books=Books(6_000_000, 5_000_000, 1_000_000, 700.0), budget=verdict(1_001),
    channels=(CHANNEL, replace(CHANNEL, name="2x2x2", open=False)), decisions=(DECISION,),
    runs=(RunRecord("sync", 400.0, 401.5, 0, None), RunRecord("fees adjust", 500.0, None, None, None)),
)  # fmt: skip


def test_report_shows_money_channels_decisions_and_runs(cycle, capsys):
    calls = cycle("report", "run", REPORT)
    assert main(["report", "--window-days", "3", "--decisions", "5"]) == 0
    out = capsys.readouterr().out
    assert calls == [((CommonOptions(),), {"window_days": 3, "decision_count": 5})]
    assert "\x1b" not in out
    assert "\x07" not in out
    assert "evil\\x1b[2J\\x0aalias" in out
    rows = {line.split("  ")[0].strip(): line.split()[-2:] for line in out.splitlines()}
    assert rows["earned, sat"] == ["5,000", "5,000"]
    assert rows["rebalance costs, sat"] == ["1,001", "1,001"]
    assert rows["net, sat"] == ["4,000", "4,000"]
    assert rows["earned, ppm"] == ["500", "500"]
    assert "synced 5 min ago" in out
    assert "books: right, 6,000 sat in all" in out
    assert "normal, offline, private" in out
    (closed,) = [number for number, line in enumerate(out.splitlines()) if line.startswith("1 closed channel earned")]
    assert "earned 9 sat, rebalance costs 20, chain costs" in out.splitlines()[closed]
    # The next title stands apart.
    assert out.splitlines()[closed + 1 : closed + 3] == ["", "Decisions"]
    decided = next(line for line in out.splitlines() if "100 -> 125 ppm" in line)
    assert "  4  step limited to 125 ppm" in decided  # once, and three times more
    assert "killed?" in out
    channel_row = next(line for line in out.splitlines() if line.startswith("1x1x1"))
    assert channel_row.split()[-8:] == ["%", "321", "1,000", "2,000", "7", "3,000", "2", "-11"]


def test_what_leases_brought_a_channel_is_in_what_it_brought_ever(cycle, capsys):
    leased = replace(CHANNEL, lifetime_lease_earned_msat=30_000, lifetime_lease_paid_msat=2_000)
    closed = replace(leased, name="2x2x2", open=False)
    cycle("report", "run", replace(REPORT, channels=(leased, closed)))
    assert main(["report"]) == 0
    out = capsys.readouterr().out
    assert next(line for line in out.splitlines() if line.startswith("1x1x1")).split()[-1] == "17"
    assert "chain costs 0; earned by leases 30, paid for leases 2\n" in out


@pytest.mark.parametrize(
    ("left_blocks", "words"), [(12, None), (11, "HTLC expires in 11 blocks"), (0, "HTLC expired"), (-9, "HTLC expired")]
)
def test_report_names_an_htlc_only_where_its_end_is_near(cycle, capsys, left_blocks, words):
    held = replace(CHANNEL, nearest_expiry_blockheight=900_000 + left_blocks)
    cycle("report", "run", replace(REPORT, channels=(held,)))
    assert main(["report"]) == 0
    out = capsys.readouterr().out
    assert ("HTLC" in out) is (words is not None)
    assert words is None or f"normal, offline, private, {words}" in out


def test_report_shows_demand_with_intervals_where_it_is_known(cycle, capsys):
    judged = replace(CHANNEL, demand=make_demand(judged_at=-6_500.0), value_ppm=70.4)
    other = replace(CHANNEL, name="3x3x3", value_ppm=33.4)
    blank = replace(CHANNEL, name="4x4x4")
    capped = replace(judged, name="6x6x6", demand=make_demand(value_low_ppm=69.8, value_high_ppm=70.4))
    gone = replace(judged, name="5x5x5", open=False)
    cycle("report", "run", replace(REPORT, channels=(judged, other, blank, gone, capped)))
    assert main(["report"]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("Demand (in brackets: where 80 % of the belief lies)")
    rows = [" ".join(line.split()) for line in lines[start : lines.index("", start)]]
    assert rows[-1].endswith(" 140 (90 to 1,300+) 70")
    assert rows[-3:-1] == [
        "1x1x1 2 h ago 1,234.5 100 1.20 (0.61 to 2.13) 140 (90 to 1,300+) 70 (41 to 113)",
        "3x3x3 not judged 33",
    ]
    why = [line for line in lines if line.startswith("not judged: ")]
    assert why == [
        "not judged: another strategy prices it, or demand hasn't judged it yet; a sat's worth is known all the same"
    ]
    assert "+: the dearest price that may be tried so far; the best may lie beyond" in lines
    assert main(["report", "--json"]) == 0
    known, unknown = json.loads(capsys.readouterr().out)["channels"][:2]
    assert unknown["demand"] is None
    assert known["demand"] == {
        "judged_at": -6_500.0, "fee_ppm": 100, "interest_count": 1_234.5, "elasticity": 1.204, "elasticity_low": 0.611,
        "elasticity_high": 2.134, "best_ppm": 140, "best_low_ppm": 90, "best_high_ppm": 1_300, "dearest_ppm": 1_300,
        "value_ppm": 70.4, "value_low_ppm": 41.3, "value_high_ppm": 112.7, "values_ppm": [],
    }  # fmt: skip


def test_under_an_experiment_the_report_says_why_demand_is_not_judged(cycle, capsys):
    judged = replace(CHANNEL, demand=make_demand(judged_at=-6_500.0), value_ppm=70.4)
    turns = Experiment(7, 0.0, "hill_climb", "demand", 1, 100_000, 30_000, 4, 0.9, 0.01, "0")
    cycle(
        "report", "run",
        replace(REPORT, channels=(judged, replace(CHANNEL, name="3x3x3", value_ppm=33.4)), experiment=turns),
    )  # fmt: skip
    assert main(["report"]) == 0
    assert "\nnot judged: under the experiment it is another strategy's turn, or demand" in capsys.readouterr().out
    cycle("report", "run", replace(REPORT, channels=(judged,), experiment=turns))
    assert main(["report"]) == 0
    assert "not judged" not in capsys.readouterr().out


def test_report_of_other_strategies_has_no_table_of_demand(cycle, capsys):
    cycle("report", "run", replace(REPORT, channels=(replace(CHANNEL, value_ppm=33.4),)))
    assert main(["report"]) == 0
    assert "80 % of the belief" not in capsys.readouterr().out


def test_explain_tells_what_demand_looks_like(cycle, capsys):
    one = Explanation(NOW, NOW, replace(CHANNEL, demand=make_demand()), None, None, None, (), (), 7)
    cycle("explain", "run", Explained((one,)))
    assert main(["explain", "1x1x1"]) == 0
    (told,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("demand, as judged")]
    assert told.endswith(
        "from 1,234.5 payments (in brackets: where 80 % of the belief lies): a fee 1 % above 100 ppm loses "
        "1.20 % (0.61 to 2.13) of them; of prices up to 1,300 ppm, the dearest that may be tried so far, "
        "140 ppm (90 to 1,300) is best; a sat is worth 70 ppm (41 to 113)"
    )


def test_explain_calls_a_planned_job_planned_as_the_plan_does(cycle, capsys):
    planned = DecisionRecord("rebalance plan", CHANNEL_ID, "1x1x1", "change", None, None, 10**8, (POOR,), NOW, NOW, 0)
    one = Explanation(NOW, NOW, CHANNEL, None, None, planned, (), (), 7)
    cycle("explain", "run", Explained((one,)))
    assert main(["explain", "1x1x1"]) == 0
    assert ": planned 100,000 sat" in capsys.readouterr().out
    assert main(["explain", "1x1x1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["channels"][0]["rebalance"]["outcome"] == "change"


def test_the_report_says_that_its_window_ends_now(cycle, capsys):
    cycle("report", "run", replace(REPORT, taken_at=1_790_000_000.0, window_days=30))
    assert main(["report"]) == 0
    told = "Profit and loss (30 d: the last 720 h, since 2026-08-22 14:13Z, not whole UTC days)"
    assert told in capsys.readouterr().out


def test_report_prints_also_when_told_to_be_quiet(cycle, capsys):
    cycle("report", "run", replace(REPORT, books=None, channels=(), decisions=(), runs=(), synced_at=None))
    assert main(["report", "-q"]) == 0
    assert "synced never" in capsys.readouterr().out


#: An interface: scripts and dashboards read these. Add, never rename; a change of meaning raises schema_version.
REPORT_KEYS = [
    "schema_version", "command", "taken_at", "synced_at", "window_days", "node_id", "alias", "version", "network",
    "blockheight", "wallet_spendable_msat", "window", "lifetime", "books", "budget", "channels", "decisions", "runs",
]  # fmt: skip


def test_report_json_has_stable_keys(cycle, capsys):
    cycle("report", "run", REPORT)
    assert main(["report", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [key for key in document if key in REPORT_KEYS] == REPORT_KEYS
    assert document["window"]["net_msat"] == 5_000_999 - 1_000_001
    assert document["channels"][0]["window"]["earned_msat"] == 7_999


@pytest.mark.parametrize(
    ("books", "text"),
    [
        (Books(10, 5, None, 0.0), "books: not compared yet"),
        (Books(10, 5, 3, 0.0), "books: the node says 10 msat, our rows 5 and 3 before them: +2 msat apart"),
        (Books(7, 5, 3, 0.0), "-1 msat apart"),
    ],
)
def test_books_say_their_difference(cycle, capsys, books, text):
    cycle("report", "run", replace(REPORT, books=books))
    assert main(["report"]) == 0
    assert text in capsys.readouterr().out


PEERS = PeersReport(
    taken_at=1_000.0, synced_at=700.0, window_days=7,
    peers=(
        PeerRecord(
            NODE_ID, "evil\x1b[2J\nalias", 2, True, Standing(0.875, 1_234.5), Standing(0.5, 0.0), 1.25, 1_999,
            2_000_000, 7_999, 999,
            Stability(
                NODE_ID,
                StabilityWindow(86_400.0, 77_500.0, 2_500.0, 3),
                StabilityWindow(604_800.0, 90_000.0, 2_500.0, 4),
            ),
        ),
        PeerRecord("03" + "ab" * 32, None, 0, False, Standing(0.9, 0.2), Standing(0.25, 9), 86_400.0, 0, 0, 0, 0),
        PeerRecord("02" + "cd" * 32, None, 1, False, Standing(0.5, 0), Standing(0.5, 0), None, 0, 0, 0, 0),
    ),
)  # fmt: skip


def test_report_peers_shows_whom_to_believe(cycle, capsys):
    whole = cycle("report", "run", REPORT)
    calls = cycle("peers", "run", PEERS)
    assert main(["report", "peers", "--window-days", "3"]) == 0
    out = capsys.readouterr().out
    assert (calls, whole) == ([((CommonOptions(),), {"window_days": 3})], [])
    assert "3 peers; synced 5 min ago" in out
    rows = out.splitlines()
    known = next(line for line in rows if line.startswith("evil\\x1b[2J\\x0aalias"))
    assert known.split()[1:] == [
        "2", "88", "%", "1,234.5", "-", "0.0", "1.2", "s", "96.9", "%", "-", "4", "1", "2,000", "7", "0",
    ]  # fmt: skip
    unnamed = next(line for line in rows if line.startswith("03abababab"))
    assert unnamed.split()[1:] == [
        "0", "90", "%", "0.2", "25", "%", "9.0", "24", "h", "-", "-", "-", "0", "0", "0", "0",
    ]  # fmt: skip
    idle = next(line for line in rows if line.startswith("02cdcdcdcd"))
    assert idle.split()[1:] == ["1", "-", "0.0", "-", "0.0", "-", "-", "-", "-", "0", "0", "0", "0"]


def test_report_peers_takes_the_window_wherever_it_stands(cycle, capsys):
    calls = cycle("peers", "run", replace(PEERS, peers=()))
    assert main(["report", "--window-days", "3", "peers"]) == 0
    assert main(["report", "--window-days", "3", "peers", "--window-days", "4"]) == 0
    assert main(["report", "peers"]) == 0
    assert [keywords for _, keywords in calls] == [{"window_days": days} for days in (3, 4, None)]
    assert "0 peers" in capsys.readouterr().out


def test_report_peers_json_has_stable_keys(cycle, capsys):
    cycle("peers", "run", PEERS)
    assert main(["report", "peers", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["schema_version", "command", "taken_at", "synced_at", "window_days", "peers"]
    assert document["command"] == "report peers"
    assert document["peers"][0] == {
        "peer_id": NODE_ID, "alias": "evil\x1b[2J\nalias", "channel_count": 2, "connected": True,
        "sender": {"score_ratio": 0.875, "payment_count": 1_234.5},
        "receiver": {"score_ratio": 0.5, "payment_count": 0.0}, "hold_seconds": 1.25, "in_msat": 1_999,
        "out_msat": 2_000_000, "earned_msat": 7_999, "sourced_msat": 999,
        "stability": {
            "peer_id": NODE_ID,
            "day": {
                "window_seconds": 86_400.0, "up_seconds": 77_500.0, "down_seconds": 2_500.0, "flap_count": 3,
                "covered_seconds": 80_000.0, "uptime_ratio": 0.96875,
            },
            "week": {
                "window_seconds": 604_800.0, "up_seconds": 90_000.0, "down_seconds": 2_500.0, "flap_count": 4,
                "covered_seconds": 92_500.0, "uptime_ratio": None,
            },
        },
    }  # fmt: skip


def test_report_knows_its_parts(cycle, capsys):
    cycle("report", "run", REPORT)
    assert main(["report", "pears"]) == 2
    assert "Did you mean 'peers'?" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--window-days", "0"], ["--decisions", "-1"], ["--window-days", "x"]])
def test_report_refuses_nonsense(cycle, arguments):
    calls = cycle("report", "run", REPORT)
    assert main(["report", *arguments]) == 2
    assert calls == []


STATES = [
    (DatabaseState("/x.db", None, "0002"), "/x.db: created, schema 0002"),
    (DatabaseState("/x.db", "0001", "0002"), "/x.db: schema 0001 -> 0002"),
    (DatabaseState("/x.db", "0002", "0002"), "/x.db: schema 0002, up to date"),
]


@pytest.mark.parametrize(("state", "text"), STATES)
def test_db_upgrade_and_check(cycle, capsys, state, text):
    for command in ("upgrade", "check"):
        cycle("db", command, state)
        assert main(["db", command]) == 0
        assert capsys.readouterr() == ("", "")
        assert main(["db", command, "-v"]) == 0
        assert capsys.readouterr().out == f"{text}\n"


def test_db_backup(cycle, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = cycle("db", "backup", BackupSummary("t.db", 4_096))
    assert main(["db", "backup", "t.db", "-v"]) == 0
    assert calls[0][0][1] == tmp_path / "t.db"
    assert capsys.readouterr().out == "t.db: 4,096 bytes\n"


def test_what_has_no_dry_run_refuses_one(cycle, capsys):
    calls = cycle("db", "backup", None)
    assert main(["db", "backup", "t.db", "--dry-run"]) == 2
    assert calls == []
    assert "no dry run" in capsys.readouterr().err


STEPS = (UpgradeStep("0002", "More"), UpgradeStep("0003", "Most"))
PREVIEWS = [
    (UpgradePlan("/x.db", None, "0003", STEPS, 0, 0, 9), ["/x.db: would be made, schema 0003; nothing was changed"]),
    (
        UpgradePlan("/x.db", "0003", "0003", (), 4_096, 0, 9),
        ["/x.db: schema 0003, up to date; nothing was changed", "size now: 4,096 bytes; no room beside it is needed"],
    ),
    (
        UpgradePlan("/x.db", "0001", "0003", STEPS, 4_096, 8_192, 9_000, is_rewritten=True),
        [
            "/x.db: schema 0001 -> 0003 by 2 steps, all or nothing; nothing was changed", "0002  More", "0003  Most",
            "the file is written anew, once,",
            "size now: 4,096 bytes; as much as 8,192 bytes beside it for a while, 9,000 are free\n",
            "no backup is made",
        ],
    ),
    (UpgradePlan("/x.db", "0001", "0003", STEPS, 4_096, 4_096, 9), ["9 are free (TOO LITTLE)"]),
    (UpgradePlan("h/db", "0001", "0003", STEPS, 4_096, 4_096, None), ["4,096 bytes beside it for a while\n"]),
]  # fmt: skip


@pytest.mark.parametrize(("plan", "told"), PREVIEWS)
def test_db_upgrade_can_be_tried_dry(cycle, capsys, plan, told):
    calls = cycle("db", "preview", plan)
    assert main(["db", "upgrade", "--dry-run"]) == 0
    assert len(calls) == 1
    out = capsys.readouterr().out
    assert [text for text in told if text not in out] == []
    assert main(["db", "upgrade", "-n", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["needed_bytes"] == plan.needed_bytes


DEMO = DemoSummary(
    directory="/d", config_path="/d/config.toml", rpc_path="/d/rpc", database_path="/d/db", metrics_dir="/d/m",
    report_path="/d/report.txt", days=3, seed=4, run_count=99, earned_msat=5_000, rebalance_fees_msat=1_001,
    comparisons=(Comparison("fees earned", 5_000, 5_000, 5_000, 5_000),), report=REPORT,
    job_counts={"failed": 1_019, "settled": 1, "expired": 3}, too_dear_count=1_018,
    refill_counts={"failed": 318, "settled": 1, "expired": 3}, chain_msat=1_000,
    deeds=(
        OperatorDeed("splice", ("ab",), 7_000), OperatorDeed("batch_open", ("cd", "ef"), 8_000),
        OperatorDeed("mutual_close", ("gh",), 9_000),
    ),
)  # fmt: skip


def test_demo_shows_a_report_and_what_to_try(cycle, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    program = tmp_path / "bin" / "revops"
    program.parent.mkdir()
    program.touch()
    monkeypatch.setattr(sys, "argv", [str(program)])
    calls = cycle("demo", "run", replace(DEMO, report_path=str(tmp_path / "report.txt")))
    assert main(["demo", "--days", "3", "--seed", "4", "--channels", "5", "--dir", "here"]) == 0
    out = capsys.readouterr().out
    wanted = {"days": 3, "seed": 4, "channel_count": 5, "directory": tmp_path / "here", "serve": False, "ready": None}
    assert calls[0][1] == wanted
    assert f"try: {program} report --config /d/config.toml" in out
    assert "earned 5 sat, spent 3, net 2" in out
    assert "meanwhile: 7 sat spliced into ab; cd and ef opened by one transaction, with 8 sat; gh closed, in" in out
    assert "refills: 1 settled, 3 expired, 318 failed; 1,020 attempts in all\n1,018 attempts found no route as" in out
    assert "Ctrl-C" not in out
    assert "Profit and loss" in (tmp_path / "report.txt").read_text()


def test_demo_that_serves_prints_when_the_node_answers(monkeypatch, capsys, tmp_path):
    printed: list[str] = []
    summary = replace(DEMO, report_path=str(tmp_path / "report.txt"))

    def run(_options: CommonOptions, *, ready: Callable[[DemoSummary], None], **_specific: Any) -> DemoSummary:
        ready(summary)
        printed.append(capsys.readouterr().out)
        return summary

    monkeypatch.setattr(revops.cycle, "demo", SimpleNamespace(run=run), raising=False)
    assert main(["demo", "--serve"]) == 0
    assert "/d/rpc until Ctrl-C" in printed[0]
    assert capsys.readouterr().out == ""


@pytest.fixture
def config_file(tmp_path) -> Path:
    path: Path = tmp_path / "config.toml"
    path.write_text(
        '[node]\nrpc_path = "/run/rpc"\n[database]\nurl = "postgresql://me:s3cret@host/db"\n', encoding="utf-8"
    )
    path.chmod(0o600)
    return path


def test_config_show_says_values_and_origins(config_file, capsys, monkeypatch):
    monkeypatch.setenv("REVOPS_FEES_MAX_PPM", "777")
    arguments = ["config", "show", "-c", str(config_file), "--metrics-dir", "none"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "s3cret" not in out
    parsed = tomllib.loads(out)
    assert parsed["fees"]["max_ppm"] == 777
    assert "# REVOPS_FEES_MAX_PPM" in out
    assert "# --metrics-dir" in out
    assert f"# {config_file}" in out
    assert main([*arguments, "--json"]) == 0
    text = capsys.readouterr().out
    assert "s3cret" not in text
    document = json.loads(text)
    assert document["values"]["fees"]["max_ppm"] == {"value": 777, "origin": "REVOPS_FEES_MAX_PPM"}
    assert document["values"]["fees"]["min_ppm"] == {"value": 10, "origin": "default"}


def test_config_check(config_file, capsys, monkeypatch):
    monkeypatch.setattr(config_outlook, "outlook", lambda _config: ())  # of this machine: tests/config
    assert main(["config", "check", "-c", str(config_file)]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["config", "check", "-c", str(config_file), "-v"]) == 0
    assert capsys.readouterr().out == f"ok: {config_file}\n"
    config_file.chmod(0o666)
    assert main(["config", "check", "-c", str(config_file)]) == 0
    assert capsys.readouterr().err.count("revops: warning: ") == 2
    with config_file.open("a", encoding="utf-8") as stream:
        stream.write("[fees]\nmin_ppm = -1\n[budget]\nday = 2\n")
    assert main(["config", "check", "-c", str(config_file)]) == 78
    assert capsys.readouterr().err.splitlines() == [
        f"revops: {config_file}: fees.min_ppm: Expected int >= 0",
        f"revops: {config_file}: budget.day: unknown key",
    ]
