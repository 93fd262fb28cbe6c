"""The wallet reserve: below it no command changes the node but for its cures, and it says so until funds are well above
it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from revops.cycle import budget, rebalance, report
from revops.cycle import fees as fees_cycle
from revops.domain.budget import BudgetCheck
from revops.domain.reason import ReasonCode
from revops.node.methods import METHODS
from revops.report import budgets, overview
from revops.report.blocks import Line
from revops.report.rebalances import rebalance_run
from revops.report.text import page
from tests.actuate.bench import HOUR, Bench

#: What changes the node and goes on below the reserve, and which cure it is part of.
CURES = {
    "delinvoice": "settling: an invoice that is gone can't be paid any more",
    "askrene-inform-channel": "settling: where the payment failed",
    "clboss-unmanage": "giving back to CLBOSS what was taken from it",
}
#: Each way in which a command changes the node, by command: what does it where nothing stands in the way.
WRITING: dict[str, Callable[[Bench], object]] = {
    "fees adjust": lambda bench: bench.fees(),
    "fees set": lambda bench: fees_cycle.set_fee(bench.options, _channel(bench), 4_000, force=True, clock=bench.clock),
    "fees unset": lambda bench: _unset(bench),
    "rebalance run": lambda bench: bench.run(),
}

#: What else changes something, and why not here: it has a test of its own.
ELSEWHERE = {
    "rebalance plan": "the routing layer by which it asks for prices (test_actuate_quotes.py)",
    "clboss release": "gives back what was taken (test_actuate_clboss.py)",
    "splice run": "a splice out is a cure for the wallet (test_actuate_splice.py)",
    "ads adjust": "withdraws what it has offered: a cure (test_actuate_ads.py)",
}


def _channel(bench: Bench) -> str:
    return next(iter(bench.node.world.channels))


def _unset(bench: Bench) -> object:
    """A pin stands, and the fee is outside its bounds: to release it sets the fee."""
    before = bench.settings.get("reserve", {})
    bench.settings["reserve"] = {"onchain_sat": 0, "exempt": ["fees"]}
    fees_cycle.set_fee(bench.options, _channel(bench), 4_000, force=True, clock=bench.clock)
    bench.settings["reserve"] = before
    bench.node.advance_by(9 * HOUR)
    bench.settings["fees"] |= {"min_ppm": 4_500}
    bench.node.call_log.clear()
    return fees_cycle.unset_fee(bench.options, _channel(bench), clock=bench.clock)


def written(bench: Bench) -> set[str]:
    return {method for method, _ in bench.node.call_log if method not in METHODS or METHODS[method].writes}


def ready(bench: Bench) -> None:
    """There is a job to execute, and every fee is outside its bounds."""
    bench.plan(1)
    bench.settings["fees"] |= {"min_ppm": 3_000, "base_msat": 1}
    bench.node.call_log.clear()


def test_every_command_that_changes_the_node_is_looked_at() -> None:
    assert set(WRITING) | set(ELSEWHERE) == {
        command for entry in METHODS.values() if entry.writes for command in entry.commands
    }


@pytest.mark.parametrize("floor", ["onchain_sat", "offchain_sat"])
@pytest.mark.parametrize("command", WRITING)
def test_below_the_reserve_nothing_is_written_but_cures(bench: Bench, command: str, floor: str) -> None:
    ready(bench)
    bench.settings["reserve"] = {"onchain_sat": 0, floor: 2_000_000_000}
    WRITING[command](bench)
    assert written(bench) <= set(CURES)


@pytest.mark.parametrize("command", WRITING)
def test_above_it_the_same_commands_write(bench: Bench, command: str) -> None:
    ready(bench)
    bench.settings["reserve"] = {"onchain_sat": 0}
    WRITING[command](bench)
    assert written(bench) - set(CURES)


def test_a_planned_job_that_waits_below_the_reserve_is_counted(bench: Bench) -> None:
    bench.plan()
    bench.settings["reserve"] = {"onchain_sat": 2_000_000_000}
    found = bench.run()
    assert (found.jobs, found.names, found.waiting_count) == ((), {}, 1)
    text = page(rebalance_run(found, dry_run=False))
    assert "waiting: 1 planned job, suspended" in text
    assert "no job" not in text
    bench.settings["reserve"] = {"onchain_sat": 0}
    done = bench.run()
    assert done.waiting_count == 0
    (job,) = done.jobs
    assert set(done.names) == {job.source_channel_id, job.target_channel_id}
    bench.node.advance_by(2 * 3_600)
    assert bench.run().waiting_count == 0


def test_what_is_under_way_is_settled_below_the_reserve(bench: Bench) -> None:
    bench.node.hold_payments()
    bench.plan(1)
    bench.run()
    bench.fail_held()
    bench.settings["reserve"] = {"onchain_sat": 2_000_000_000}
    bench.node.call_log.clear()
    bench.run()
    assert [kind for kind, _ in bench.entries()] == ["reserve", "release"]
    assert written(bench) <= set(CURES)


# ---- hysteresis


def set_floor(bench: Bench, ratio: float) -> int:
    """Put the floor at that share of what the wallet holds; return it in sat."""
    rows = bench.node.answer("listfunds", {})["outputs"]
    held = sum(row["amount_msat"] for row in rows if row["status"] == "confirmed" and not row["reserved"]) // 1_000
    floor_sat = int(held * ratio)
    bench.settings["reserve"] = {"onchain_sat": floor_sat}
    return floor_sat


def states(bench: Bench) -> list[tuple[str, float]]:
    return [(row.place, row.since_at) for row in bench.rows("SELECT * FROM reserve_state")]


def reasons(bench: Bench) -> set[ReasonCode]:
    return {reason.code for decision in bench.fees().decisions for reason in decision.reasons} & {
        ReasonCode.RESERVE_LOW,
        ReasonCode.RESERVE_RECOVERING,
    }


def test_it_falls_by_the_floor_and_comes_back_well_above_it(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    set_floor(bench, 1.01)
    assert reasons(bench) == {ReasonCode.RESERVE_LOW}
    fell_at = bench.clock()
    assert states(bench) == [("onchain", fell_at)]
    bench.node.advance_by(HOUR)
    set_floor(bench, 0.95)
    assert reasons(bench) == {ReasonCode.RESERVE_RECOVERING}
    bench.plan(1)
    summary = bench.run()
    assert {reason.code for reason in summary.reasons} == {ReasonCode.RESERVE_RECOVERING}
    assert bench.calls("sendpay") == []
    assert states(bench) == [("onchain", fell_at)]
    floor_sat = set_floor(bench, 0.90)
    with caplog.at_level(logging.INFO):
        assert reasons(bench) == set()
    assert f" sat in the wallet, well above the reserve of {floor_sat:,} again" in caplog.text
    assert states(bench) == []
    # And the gap is one way only.
    set_floor(bench, 0.95)
    assert reasons(bench) == set()


def test_the_gap_is_the_operators(bench: Bench) -> None:
    set_floor(bench, 1.01)
    bench.fees()
    set_floor(bench, 0.90)
    bench.settings["reserve"]["resume_ratio"] = 0.5
    assert reasons(bench) == {ReasonCode.RESERVE_RECOVERING}
    bench.settings["reserve"]["resume_ratio"] = 0.0
    assert reasons(bench) == set()


def test_a_dry_run_reckons_with_it_and_writes_nothing_down(bench: Bench) -> None:
    set_floor(bench, 1.01)
    options = replace(bench.options, dry_run=True)
    shown = fees_cycle.run(options, clock=bench.clock)
    assert any(decision.says(ReasonCode.RESERVE_LOW) for decision in shown.decisions)
    assert rebalance.run(options, bench.clock).reasons[0].code is ReasonCode.RESERVE_LOW
    assert states(bench) == []
    bench.fees()
    before = states(bench)
    set_floor(bench, 0.5)
    fees_cycle.run(replace(bench.options, dry_run=True), clock=bench.clock)
    assert states(bench) == before != []


def test_exempt_fees_are_set_while_rebalances_wait(bench: Bench) -> None:
    ready(bench)
    floor_sat = set_floor(bench, 1.01)
    bench.settings["reserve"] = {"onchain_sat": floor_sat, "exempt": ["fees"]}
    bench.fees()
    assert written(bench) == {"setchannel"}
    assert [place for place, _ in states(bench)] == ["onchain"]
    summary = bench.run()
    assert summary.reasons[0].code is ReasonCode.RESERVE_LOW
    assert bench.calls("sendpay") == []


def test_a_sync_notices_too(bench: Bench) -> None:
    set_floor(bench, 1.01)
    bench.sync()
    assert [place for place, _ in states(bench)] == ["onchain"]


def test_the_fall_is_told_once(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    floor_sat = set_floor(bench, 1.01)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            bench.fees()
    told = [record.getMessage() for record in caplog.records if "reserve is" in record.getMessage()]
    assert len(told) == 1
    assert f"reserve is {floor_sat:,}: suspended" in told[0]


# ---- what people and scrapers see


def lines(check: BudgetCheck) -> list[str]:
    return [block.text for block in budgets.check(check) if isinstance(block, Line)]


def test_readers_say_since_when(bench: Bench, tmp_path: Path) -> None:
    bench.settings["metrics"] = {"textfile_dir": str(tmp_path)}
    set_floor(bench, 1.01)
    bench.sync()
    fell_at = bench.clock()
    bench.node.advance_by(2 * HOUR)
    set_floor(bench, 0.95)
    check = budget.run(bench.options, bench.clock)
    assert [reason.code for reason in check.suspended] == [ReasonCode.RESERVE_RECOVERING]
    assert check.left_msat == 0
    (onchain, offchain) = check.reserves
    assert (onchain.place, onchain.since_at) == ("onchain", fell_at)
    assert (offchain.place, offchain.since_at, offchain.reason) == ("offchain", None, None)
    assert any("suspended until there are" in line and "; since " in line for line in lines(check))
    shown = report.run(bench.options, clock=bench.clock)
    texts = [block.text for block in overview.report(shown) if isinstance(block, Line)]
    assert any("suspended until there are" in text and "; since " in text for text in texts)
    assert [place for place, _ in states(bench)] == ["onchain"]
    metrics = (tmp_path / "revops_node.prom").read_text()
    assert 'revops_reserve_suspended{node="node",place="onchain"} 1.0' in metrics
    assert 'revops_reserve_suspended{node="node",place="offchain"} 0.0' in metrics
    assert 'revops_reserve_suspended_since_timestamp_seconds{node="node",place="onchain"}' in metrics
    assert 'revops_spending_suspended{node="node",reason="reserve_low"} 1.0' in metrics


def test_missing_ledger_entries_leave_nothing_to_spend_and_say_so(bench: Bench) -> None:
    bench.node.hold_payments()
    bench.plan(1)
    bench.run()
    with bench.database.transaction(1) as tx:
        tx.connection.exec_driver_sql("DELETE FROM spend_ledger")
    check = budget.run(bench.options, bench.clock)
    assert check.left_msat == 0
    assert [reason.code for reason in check.suspended] == [ReasonCode.LEDGER_GAPS]
    assert report.run(bench.options, clock=bench.clock).budget.left_msat == 0
