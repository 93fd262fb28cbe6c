"""Fees under a clock that is wrong: nothing is sent or learnt by it, and nothing waits for it once it is right."""

from __future__ import annotations

from typing import Any

import pytest

from revops.domain.decision import FeePlan, Outcome
from revops.domain.reason import ReasonCode
from revops.store.fees import fee_states
from revops.store.samples import record_clock_mark
from tests.actuate.bench import DAY, HOUR, NODE_KEY, Bench
from tests.actuate.test_actuate_fees import in_force
from tests.actuate.test_actuate_hand import pick


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """A node whose prices are ripe at each look: of a gap of nine hours six are counted."""
    bench.settings["fees"] |= {"min_interval_seconds": 5 * 3_600, "max_channel_updates_per_day": 5}
    return bench


def mark_every_hour(bench: Bench) -> None:
    """As if cron had run for two days."""
    with bench.database.transaction(NODE_KEY) as tx:
        for hours in range(48, 0, -1):
            record_clock_mark(tx, bench.node.now_at - hours * HOUR, bench.node.world.height - hours * 6)


def trust_any_clock(bench: Bench) -> None:
    """As if the chain had not been looked at for a day: no clock can be doubted."""
    with bench.database.transaction(NODE_KEY) as tx:
        tx.connection.exec_driver_sql("DELETE FROM clock_mark")


def states(bench: Bench) -> Any:
    with bench.database.read(NODE_KEY) as tx:
        return fee_states(tx)


def last_code(plan: FeePlan) -> set[ReasonCode]:
    return {decision.reasons[-1].code for decision in plan.decisions if decision.outcome is Outcome.DEFER}


def learn(bench: Bench, runs: int) -> int:
    """So many runs, nine hours apart; how many fees they changed."""
    changed = 0
    for _ in range(runs):
        bench.node.advance_by(9 * HOUR)
        before = in_force(bench)
        bench.fees()
        changed += sum(in_force(bench)[key] != fee for key, fee in before.items())
    return changed


@pytest.mark.parametrize("offset_days", [60, -60, -2_000])
def test_a_run_under_a_clock_that_the_chain_denies_sends_and_learns_nothing(bench: Bench, offset_days: float) -> None:
    learn(bench, 3)
    mark_every_hour(bench)
    bench.node.advance_by(9 * HOUR)
    before, known, values = in_force(bench), states(bench), bench.rows("SELECT * FROM channel_signal")
    bench.clock_offset = offset_days * DAY
    assert last_code(bench.fees()) == ({ReasonCode.CLOCK_DOUBTFUL} if offset_days > 0 else set())  # none was ripe then
    assert (in_force(bench), states(bench)) == (before, known)
    assert bench.rows("SELECT * FROM channel_signal") == values
    bench.clock_offset = 0.0
    bench.node.advance_by(60)
    assert last_code(bench.fees()) == set()
    assert in_force(bench) != before


def test_what_is_found_under_a_clock_that_is_denied_is_dated_by_the_next_run(bench: Bench) -> None:
    learn(bench, 2)
    mark_every_hour(bench)
    bench.node.set_fee_externally(pick(bench).channel_id, ppm=777)
    for offset_days in (60, -60):
        bench.clock_offset = offset_days * DAY
        bench.fees()
    bench.clock_offset = 0.0
    found = "SELECT * FROM fee_change WHERE source = 'external' AND new_ppm = 777"
    assert bench.rows(found) == []
    bench.node.advance_by(60)
    bench.fees()
    assert [row.changed_at for row in bench.rows(found)] == [bench.clock()]


@pytest.mark.parametrize(("strategy", "least_count"), [("hill_climb", 4 * 12 + 1), ("demand", 8)])
@pytest.mark.parametrize("offset_hours", [3, 60 * 24])
def test_a_clock_ahead_that_nobody_doubted_holds_nothing_up_once_it_is_right(
    bench: Bench, offset_hours: float, strategy: str, least_count: int
) -> None:
    """The climb moves nearly each price at each look, demand some of them: 93 and 11 under a clock that was right."""
    bench.settings["fees"] |= {"strategy": strategy}
    learn(bench, 3)
    bench.node.advance_by(9 * HOUR)
    trust_any_clock(bench)
    bench.clock_offset = offset_hours * HOUR
    before = in_force(bench)
    bench.fees()
    assert in_force(bench) != before
    bench.clock_offset = 0.0
    assert learn(bench, 8) >= least_count
    assert max(state.counted_at for state in states(bench).values()) == bench.clock()


def test_a_first_fee_is_given_once_whatever_the_clock_said(bench: Bench) -> None:
    """The records know that we have priced it, though they don't know when."""
    channel = pick(bench)
    channel.opened_at = int(bench.clock() - HOUR)
    trust_any_clock(bench)
    bench.clock_offset = DAY
    bench.fees()
    bench.clock_offset = 0.0
    bench.node.set_fee_externally(channel.channel_id, ppm=channel.local.fee_ppm)
    sent = len(bench.calls("setchannel"))
    assert [call["id"] for call in bench.calls("setchannel")].count(channel.channel_id) == 1
    bench.fees()
    assert channel.channel_id not in {call["id"] for call in bench.calls("setchannel")[sent:]}


@pytest.mark.parametrize("hours", [5, 20, 3 * 24, 30 * 24])
def test_an_outage_is_no_doubtful_clock(bench: Bench, hours: float) -> None:
    learn(bench, 2)
    mark_every_hour(bench)
    bench.node.advance_by(hours * HOUR)
    assert ReasonCode.CLOCK_DOUBTFUL not in {
        reason.code for decision in bench.fees().decisions for reason in decision.reasons
    }


@pytest.mark.parametrize("offset_days", [-2_000, -5])
def test_a_clock_in_the_past_makes_no_channel_new(bench: Bench, offset_days: float) -> None:
    trust_any_clock(bench)
    before = in_force(bench)
    bench.clock_offset = offset_days * DAY
    plan = bench.fees()
    codes = {reason.code for decision in plan.decisions for reason in decision.reasons}
    assert ReasonCode.FIRST_FEE_START not in codes
    assert {key: ppm for key, (_, ppm) in in_force(bench).items()} == {key: ppm for key, (_, ppm) in before.items()}
