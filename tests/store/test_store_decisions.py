"""Decisions: a repeat extends the last row, a change starts a new one, and counts outlive them all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import func, select

from revops.domain.decision import FeeDecision, FeePlan, Outcome, RebalanceDecision, RebalancePlan
from revops.domain.reason import Reason, ReasonCode, why
from revops.errors import DataError
from revops.store import decisions, tally
from revops.store.engine import Database, Tx
from revops.store.tables import decision
from tests.builders import DAY, HOUR, NOW, channel_id, node_id
from tests.store.rows import record


def dead_band(change_ppm: int = 1) -> Reason:
    return why(ReasonCode.DEAD_BAND, change_ppm=change_ppm, band_ppm=5)


def make_fee(number: int = 1, **overrides) -> FeeDecision:
    base = FeeDecision(
        channel_id=channel_id(number),
        peer_id=node_id(number),
        name=f"name{number}",
        strategy="hill_climb",
        outcome=Outcome.SKIP,
        old_ppm=100,
        proposed_ppm=101,
        new_ppm=100,
        old_base_msat=0,
        new_base_msat=0,
        expected_gain_msat=5,
        reasons=(dead_band(),),
        state=None,
        state_if_sent=None,
    )
    return replace(base, **overrides)


def take(tx: Tx, at: float, *items: FeeDecision) -> None:
    decisions.record_fee_plan(tx, 1, FeePlan(at, items))


def rows(tx: Tx) -> int:
    return int(tx.connection.execute(select(func.count()).select_from(decision)).scalar_one())


@pytest.fixture
def tx(database: Database, node_key: int):
    with database.transaction(node_key) as open_tx:
        record(open_tx, 1, 2, 3)
        yield open_tx


def test_another_turn_of_the_valve_is_another_decision(tx: Tx) -> None:
    turned = make_fee(outcome=Outcome.CHANGE, old_htlc_max_msat=4_000, new_htlc_max_msat=3_000)
    take(tx, NOW, turned)
    take(tx, NOW + 60, turned)
    assert rows(tx) == 1
    take(tx, NOW + 120, replace(turned, old_htlc_max_msat=3_000, new_htlc_max_msat=2_000))
    assert rows(tx) == 2
    assert decisions.recent_decisions(tx, 1)[0].details["new_htlc_max_msat"] == 2_000


def test_decision_comes_back_as_it_was_taken(tx: Tx) -> None:
    reasons = (why(ReasonCode.STRATEGY_OFF), why(ReasonCode.STEP_LIMIT, limit_ppm=120))
    take(tx, NOW, make_fee(outcome=Outcome.CHANGE, old_ppm=100, new_ppm=120, reasons=reasons))
    (found,) = decisions.recent_decisions(tx, 10)
    assert (found.command, found.channel_id, found.name) == ("fees adjust", channel_id(1), "name1")
    assert (found.outcome, found.old_ppm, found.new_ppm, found.amount_msat) == ("change", 100, 120, None)
    assert found.reasons == reasons
    assert [reason.sentence for reason in found.reasons] == ["strategy is off", "step limited to 120 ppm"]
    assert (found.first_at, found.last_at, found.repeat_count) == (NOW, NOW, 0)


def test_repeat_extends_the_row_with_the_newest_numbers(tx: Tx) -> None:
    for number, at in enumerate((NOW, NOW + 60, NOW + 120)):
        take(tx, at, make_fee(reasons=(dead_band(number),), expected_gain_msat=number))
    (found,) = decisions.recent_decisions(tx, 10)
    assert (found.first_at, found.last_at, found.repeat_count) == (NOW, NOW + 120, 2)
    assert found.reasons[0].numbers["change_ppm"] == 2
    assert tally.outcome_counts(tx) == {("fees adjust", "skip"): 3}


@pytest.mark.parametrize(
    "other",
    [
        {"outcome": Outcome.DEFER},
        {"new_ppm": 101},
        {"old_ppm": 99},
        {"reasons": (why(ReasonCode.STRATEGY_OFF),)},
        {"reasons": (dead_band(), why(ReasonCode.STRATEGY_OFF))},
        {"reasons": ()},
    ],
)
def test_any_other_decision_is_a_new_row(tx: Tx, other) -> None:
    take(tx, NOW, make_fee())
    take(tx, NOW + 60, make_fee(**other))
    take(tx, NOW + 120, make_fee())  # the same as the last but one
    found = decisions.recent_decisions(tx, 10)
    assert [(one.first_at, one.repeat_count) for one in found] == [(NOW + 120, 0), (NOW + 60, 0), (NOW, 0)]


def test_order_of_reasons_matters(tx: Tx) -> None:
    off = why(ReasonCode.STRATEGY_OFF)
    take(tx, NOW, make_fee(reasons=(off, dead_band())))
    take(tx, NOW + 60, make_fee(reasons=(dead_band(), off)))
    assert rows(tx) == 2


def test_channels_and_commands_are_apart(tx: Tx) -> None:
    skip = RebalanceDecision(channel_id(1), "name1", None, None, Outcome.SKIP, 0, 0, 0, (dead_band(),))
    take(tx, NOW, make_fee(1), make_fee(2))
    decisions.record_rebalance_plan(tx, 1, RebalancePlan(NOW + 30, NOW + 90, (skip,)))
    take(tx, NOW + 60, make_fee(2), make_fee(1))
    assert rows(tx) == 3
    assert tally.outcome_counts(tx) == {("fees adjust", "skip"): 4, ("rebalance plan", "skip"): 1}
    only = decisions.recent_decisions(tx, 10, command="rebalance plan")
    assert [one.command for one in only] == ["rebalance plan"]
    assert {one.command for one in decisions.recent_decisions(tx, 10, channel_id=channel_id(1))} == {
        "fees adjust",
        "rebalance plan",
    }
    assert decisions.recent_decisions(tx, 10, channel_id=channel_id(3)) == ()
    assert decisions.recent_decisions(tx, 10, command="fees adjust", channel_id=channel_id(2))[0].name == "name2"


def refill(source: int, amount: int = 1_000) -> RebalanceDecision:
    return RebalanceDecision(
        target_channel_id=channel_id(1),
        target_name="target",
        source_channel_id=channel_id(source),
        source_name=f"source{source}",
        outcome=Outcome.CHANGE,
        amount_msat=amount,
        max_fee_msat=1,
        expected_gain_msat=1,
        reasons=(why(ReasonCode.STRATEGY_OFF),),
    )


def test_two_sources_of_one_target_repeat_each_their_own(tx: Tx) -> None:
    for at, amount in ((NOW, 1), (NOW + 60, 2)):
        plan = RebalancePlan(at, at + 90, (refill(2, amount), refill(3, amount * 10)))
        decisions.record_rebalance_plan(tx, 1, plan)
    found = decisions.recent_decisions(tx, 10)
    assert [(one.name, one.amount_msat, one.repeat_count) for one in found] == [
        ("source3 -> target", 20, 1),
        ("source2 -> target", 2, 1),
    ]


def test_plan_that_says_the_same_twice_keeps_both(tx: Tx) -> None:
    decisions.record_rebalance_plan(tx, 1, RebalancePlan(NOW, NOW + 90, (refill(2), refill(2))))
    assert rows(tx) == 2


def test_pair_that_was_left_out_once_starts_anew(tx: Tx) -> None:
    """Only the last plan's decisions of a target can be repeated: time in a row must be without gaps."""
    for at, sources in ((NOW, (2, 3)), (NOW + 60, (3,)), (NOW + 120, (2, 3))):
        plan = RebalancePlan(at, at + 90, tuple(refill(source) for source in sources))
        decisions.record_rebalance_plan(tx, 1, plan)
    found = {(one.name, one.first_at): one.repeat_count for one in decisions.recent_decisions(tx, 10)}
    assert found == {
        ("source2 -> target", NOW): 0,
        ("source3 -> target", NOW): 2,
        ("source2 -> target", NOW + 120): 0,
    }


def test_newest_first_and_no_more_than_asked(tx: Tx) -> None:
    take(tx, NOW, make_fee(1))
    take(tx, NOW + 60, make_fee(2))
    take(tx, NOW + 120, make_fee(1))
    assert [one.name for one in decisions.recent_decisions(tx, 1)] == ["name1"]
    assert [one.name for one in decisions.recent_decisions(tx, 9)] == ["name1", "name2"]
    assert decisions.recent_decisions(tx, 0) == ()


def test_skips_can_be_asked_for_apart(tx: Tx) -> None:
    take(tx, NOW, make_fee(1), make_fee(2, outcome=Outcome.CHANGE), make_fee(3, outcome=Outcome.DEFER))
    names = [[one.name for one in decisions.recent_decisions(tx, 9, skips=skips)] for skips in (True, False, None)]
    assert names == [["name1"], ["name3", "name2"], ["name3", "name2", "name1"]]


def test_a_decision_of_a_clock_ahead_is_not_the_last_for_as_long(tx: Tx) -> None:
    take(tx, NOW, make_fee())
    take(tx, NOW + 60 * DAY, make_fee(outcome=Outcome.DEFER))
    for hours in (1, 2, 3):
        take(tx, NOW + hours * HOUR, make_fee())
    assert rows(tx) == 2
    take(tx, NOW + 4 * HOUR, make_fee(new_ppm=101))
    take(tx, NOW + 4 * HOUR - 60, make_fee(new_ppm=101))  # clocks differ a little
    assert rows(tx) == 3


def test_empty_plan(tx: Tx) -> None:
    take(tx, NOW)
    assert (rows(tx), tally.outcome_counts(tx)) == (0, {})


def test_reason_of_a_newer_version_is_not_guessed(tx: Tx) -> None:
    take(tx, NOW, make_fee())
    tx.connection.execute(decision.update().values(reasons_json='[["from_the_future",{}]]'))
    with pytest.raises(DataError, match="newer revops"):
        decisions.recent_decisions(tx, 1)


def test_numbers_that_json_can_not_hold_are_refused(tx: Tx) -> None:
    with pytest.raises(ValueError, match="JSON"):
        take(tx, NOW, make_fee(reasons=(dead_band(float("nan")),)))  # type: ignore[arg-type]
