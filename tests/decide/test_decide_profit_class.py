"""Profitability classes: the bounds, fairness to entries and to absences, and hysteresis by timestamps."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.dead_capital import is_dead
from revops.decide.profit_class import brought_msat, exit_ratio, judge, moved_on, return_ratio
from revops.domain.policy import ClassesConfig
from revops.domain.profit import ProfitLine
from revops.domain.profit_class import ClassInput, ClassState, ProfitClass, Verdict
from revops.domain.reason import ReasonCode, says
from tests.builders import DAY, NOW, SAT, channel_id

POLICY = ClassesConfig()
PROFITABLE, BREAK_EVEN, UNDERWATER = ProfitClass.PROFITABLE, ProfitClass.BREAK_EVEN, ProfitClass.UNDERWATER
STAGNANT, DEAD, NEW, UNJUDGED = ProfitClass.STAGNANT, ProfitClass.DEAD, ProfitClass.NEW, ProfitClass.UNJUDGED
#: By this a channel with 3,650,000 sat returns a hundredth of a per cent a year, over a whole window of 30 days.
STEP = 30 * SAT


def seen(steps: float = 0, capital_msat: int = 3_650_000 * SAT, **overrides: Any) -> ClassInput:
    """A channel whose exits earned so many hundredths of a per cent a year; it forwarded an hour ago."""
    line = ProfitLine(
        earned_msat=round(max(steps, 0) * STEP), rebalance_msat=round(max(-steps, 0) * STEP), out_count=1
    )  # fmt: skip
    base = ClassInput(
        channel_id=channel_id(1),
        line=line,
        rated_seconds=30 * DAY,
        age_seconds=400 * DAY,
        open_seconds=30 * DAY,
        silent_seconds=3_600.0,
        quiet_seconds=3_600.0,
    )
    found = replace(base, **overrides)
    return replace(found, line=replace(found.line, capital_msat=capital_msat))


def state(profit_class: ProfitClass, **overrides: Any) -> ClassState:
    return replace(ClassState(profit_class, NOW - 90 * DAY, None, None, NOW - DAY, ()), **overrides)


def silent(days: float, **overrides: Any) -> ClassInput:
    return seen(0, silent_seconds=days * DAY, quiet_seconds=days * DAY, **overrides)


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (seen(50), PROFITABLE),
        (seen(49), BREAK_EVEN),
        (seen(0), BREAK_EVEN),
        (seen(-49), BREAK_EVEN),
        (seen(-50), UNDERWATER),
        (silent(13.9), BREAK_EVEN),
        (silent(14), STAGNANT),
        (silent(29.9), STAGNANT),
        (silent(30), DEAD),
        (silent(300), DEAD),
        (seen(5_000, silent_seconds=14 * DAY), STAGNANT),  # earned well once
        (seen(5_000, silent_seconds=30 * DAY), DEAD),
        (silent(300, value_ppm=0.9), DEAD),
        (silent(300, value_ppm=1.0), BREAK_EVEN),  # payments want it
        (silent(300, age_seconds=None), DEAD),  # older than the node can tell
        (silent(300, age_seconds=29 * DAY), NEW),
        (seen(5_000, age_seconds=29 * DAY), NEW),
        (seen(5_000, age_seconds=30 * DAY), PROFITABLE),
        (seen(5_000, open_seconds=6.9 * DAY), UNJUDGED),
        (seen(5_000, open_seconds=7 * DAY), PROFITABLE),
        (seen(0, capital_msat=0), BREAK_EVEN),
        (seen(1, capital_msat=0), PROFITABLE),
        (seen(-1, capital_msat=0), UNDERWATER),
        (seen(50, rated_seconds=0.0), UNJUDGED),
        (seen(5_000, rated_seconds=6.9 * DAY), UNJUDGED),  # too few days of balances
        (seen(5_000, rated_seconds=7 * DAY), PROFITABLE),
        (silent(300, rated_seconds=0.0), DEAD),  # silence needs no return
        (silent(300, value_ppm=None), STAGNANT),  # what it is worth was never judged: not dead
        (silent(13, value_ppm=None), BREAK_EVEN),
    ],
)
def test_what_the_figures_say(one: ClassInput, found: ProfitClass) -> None:
    verdict = judge(one, POLICY)
    assert verdict.found is found
    assert all(reason.sentence for reason in verdict.evidence)


def test_each_class_rests_on_its_figures_by_name() -> None:
    (reason,) = judge(seen(75, line=ProfitLine(earned_msat=75 * STEP, sourced_msat=2)), POLICY).evidence
    assert reason.code is ReasonCode.CLASS_RETURN
    assert dict(reason.numbers) == {
        "counted_days": 30.0, "window_days": 30, "brought_msat": 75 * STEP, "cost_msat": 0, "return_percent": 0.75,
        "capital_msat": 3_650_000 * SAT,
    }  # fmt: skip
    assert reason.sentence == (
        "in 30.0 of 30 days it brought 2,250 sat and cost 0 sat: +0.75 % a year on 3,650,000 sat"
    )
    codes = [one.code for one in judge(silent(40), POLICY).evidence]
    assert codes == [ReasonCode.CLASS_SILENT, ReasonCode.CLASS_RETURN]
    assert "for 40.0 usable days (stagnant from 14 on, dead from 30)" in judge(silent(40), POLICY).evidence[0].sentence
    assert says(judge(silent(40, value_ppm=7.0), POLICY).evidence, ReasonCode.CLASS_WANTED)
    assert says(judge(seen(1, capital_msat=0), POLICY).evidence, ReasonCode.CLASS_BARE)


def test_entries_count_where_they_source_more_and_are_never_added() -> None:
    """A channel that earns nothing by its exits, but by which others' income enters, isn't poor."""
    line = ProfitLine(earned_msat=10 * STEP, sourced_msat=60 * STEP, lease_earned_msat=STEP, lease_paid_msat=STEP)
    one = seen(line=line)
    assert brought_msat(one) == 61 * STEP
    assert judge(one, POLICY).found is PROFITABLE
    assert says(judge(one, POLICY).evidence, ReasonCode.CLASS_SOURCED)
    assert return_ratio(one) == pytest.approx(0.006)
    assert exit_ratio(one) == pytest.approx(0.001)


def test_the_opening_is_spent_and_no_cost_of_the_window() -> None:
    one = seen(line=ProfitLine(earned_msat=50 * STEP, open_msat=10**9, splice_msat=10**9, close_msat=10**9))
    assert judge(one, POLICY).found is PROFITABLE


def test_a_year_is_of_the_days_that_are_on_record() -> None:
    assert judge(seen(25), POLICY).found is BREAK_EVEN
    assert judge(seen(25, rated_seconds=15 * DAY, open_seconds=15 * DAY), POLICY).found is PROFITABLE
    assert exit_ratio(seen(25, rated_seconds=15 * DAY)) == pytest.approx(0.005)
    assert exit_ratio(seen(25, rated_seconds=0.9 * DAY)) is None
    assert exit_ratio(seen(25, capital_msat=0)) is None


def test_what_was_never_judged_is_said() -> None:
    codes = [one.code for one in judge(silent(40, value_ppm=None), POLICY).evidence]
    assert codes == [ReasonCode.CLASS_SILENT, ReasonCode.CLASS_UNVALUED, ReasonCode.CLASS_RETURN]
    (reason,) = judge(seen(5, rated_seconds=2.5 * DAY), POLICY).evidence
    assert reason.code is ReasonCode.CLASS_UNRATED
    assert "on record for 2.5 days: judged from 7 on" in reason.sentence


@pytest.mark.parametrize(
    ("held", "one", "found"),
    [
        (PROFITABLE, seen(25), PROFITABLE),
        (PROFITABLE, seen(24), BREAK_EVEN),
        (PROFITABLE, seen(-50), UNDERWATER),
        (UNDERWATER, seen(-25), UNDERWATER),
        (UNDERWATER, seen(-24), BREAK_EVEN),
        (BREAK_EVEN, seen(49), BREAK_EVEN),
        (BREAK_EVEN, seen(50), PROFITABLE),
        (STAGNANT, silent(7), STAGNANT),
        (STAGNANT, silent(6.9), BREAK_EVEN),
        (DEAD, silent(15), DEAD),
        (DEAD, silent(14.5), STAGNANT),
        (DEAD, silent(13), BREAK_EVEN),
        (DEAD, silent(40, value_ppm=9.0), BREAK_EVEN),
    ],
)
def test_bounds_to_leave_are_wider_than_those_to_enter(held: ProfitClass, one: ClassInput, found: ProfitClass) -> None:
    verdict = judge(one, POLICY, state(held))
    assert verdict.found is found
    assert says(verdict.evidence, ReasonCode.CLASS_KEPT) is (found is not judge(one, POLICY).found)


def test_what_is_about_to_follow_is_kept_in_the_same_way() -> None:
    pending = state(PROFITABLE, candidate=UNDERWATER, candidate_since_at=NOW - DAY)
    assert judge(seen(-30), POLICY, pending).found is UNDERWATER


def after(looks: list[tuple[float, ProfitClass]], begin: ClassState | None = None) -> ClassState:
    found = begin
    for days, one in looks:
        found = moved_on(found, Verdict(one, ()), POLICY, NOW + days * DAY)
    assert found is not None
    return found


def test_a_first_judgement_is_in_force_at_once() -> None:
    for before in (None, state(NEW), state(UNJUDGED)):
        found = after([(0, PROFITABLE)], before)
        assert (found.profit_class, found.since_at, found.candidate) == (PROFITABLE, NOW, None)
    young = after([(0, NEW), (3, NEW)])
    assert (young.profit_class, young.since_at, young.judged_at) == (NEW, NOW, NOW + 3 * DAY)


def test_a_class_changes_when_another_has_held() -> None:
    waiting = after([(0, UNDERWATER), (6.9, UNDERWATER)], state(PROFITABLE))
    assert (waiting.profit_class, waiting.candidate, waiting.candidate_since_at) == (PROFITABLE, UNDERWATER, NOW)
    assert "underwater for 6.9 days: its class from 7 on" in waiting.evidence[-1].sentence
    changed = after([(7.0, UNDERWATER)], waiting)
    assert (changed.profit_class, changed.since_at, changed.candidate) == (UNDERWATER, NOW + 7 * DAY, None)


def test_how_often_it_is_looked_at_changes_nothing() -> None:
    often = after([(hour / 24, UNDERWATER) for hour in range(10 * 24)], state(PROFITABLE))
    seldom = after([(0, UNDERWATER), (9, UNDERWATER)], state(PROFITABLE))
    assert (often.profit_class, often.since_at) == (seldom.profit_class, seldom.since_at) == (UNDERWATER, NOW + 7 * DAY)


def test_what_interrupts_begins_the_wait_anew() -> None:
    back = after([(0, UNDERWATER), (3, PROFITABLE), (4, UNDERWATER), (8, UNDERWATER)], state(PROFITABLE))
    assert (back.profit_class, back.candidate_since_at) == (PROFITABLE, NOW + 4 * DAY)
    other = after([(0, UNDERWATER), (3, BREAK_EVEN), (8, BREAK_EVEN)], state(PROFITABLE))
    assert (other.profit_class, other.candidate, other.candidate_since_at) == (PROFITABLE, BREAK_EVEN, NOW + 3 * DAY)


def test_who_cannot_be_judged_keeps_the_class_and_waits_anew() -> None:
    away = after([(0, UNDERWATER), (5, UNJUDGED)], state(PROFITABLE))
    assert (away.profit_class, away.candidate, away.since_at) == (PROFITABLE, None, NOW - 90 * DAY)
    assert away.evidence[-1].code is ReasonCode.CLASS_LASTS
    assert after([(8, UNDERWATER)], away).candidate_since_at == NOW + 8 * DAY


def test_without_a_wait_the_class_follows_at_once() -> None:
    policy = ClassesConfig(hold_days=0)
    found = moved_on(state(PROFITABLE), Verdict(DEAD, ()), policy, NOW)
    assert (found.profit_class, found.since_at) == (DEAD, NOW)


def test_a_clock_that_went_back_changes_nothing() -> None:
    before = state(PROFITABLE, judged_at=NOW + DAY)
    assert moved_on(before, Verdict(DEAD, ()), POLICY, NOW) is before


lines = st.builds(
    ProfitLine,
    earned_msat=st.integers(0, 10**9), sourced_msat=st.integers(0, 10**9), rebalance_msat=st.integers(0, 10**9),
    lease_paid_msat=st.integers(0, 10**6), lease_earned_msat=st.integers(0, 10**6),
    capital_msat=st.integers(0, 10**11),
)  # fmt: skip
seconds = st.floats(0, 120 * DAY)
inputs = st.builds(
    ClassInput,
    channel_id=st.just(channel_id(1)), line=lines, rated_seconds=seconds,
    age_seconds=st.one_of(st.none(), st.floats(0, 900 * DAY)), open_seconds=seconds, silent_seconds=seconds,
    quiet_seconds=st.one_of(seconds, st.just(math.inf)), value_ppm=st.one_of(st.none(), st.floats(0, 1_000)),
)  # fmt: skip


@given(inputs, st.lists(st.floats(0.01, 20), max_size=12), st.data())
def test_whatever_comes_a_class_has_held_before_it_follows(
    one: ClassInput, gaps: list[float], data: st.DataObject
) -> None:
    held, at = moved_on(None, judge(one, POLICY), POLICY, NOW), NOW
    for gap in gaps:
        at += gap * DAY
        verdict = judge(data.draw(inputs), POLICY, held)
        assert all(reason.sentence for reason in verdict.evidence)
        before, held = held, moved_on(held, verdict, POLICY, at)
        assert moved_on(held, verdict, POLICY, at) == held, "a second look at the same moment changes nothing"
        assert (held.candidate is None) == (held.candidate_since_at is None)
        assert held.candidate is not held.profit_class
        assert held.since_at <= at
        if held.profit_class is not before.profit_class and before.profit_class not in (NEW, UNJUDGED):
            assert held.profit_class not in (NEW, UNJUDGED)
            assert before.candidate is held.profit_class
            assert before.candidate_since_at is not None
            assert held.since_at == before.candidate_since_at + 7 * DAY


@given(inputs)
def test_dead_is_what_the_one_predictor_says(one: ClassInput) -> None:
    judged = judge(one, POLICY).found
    if judged not in (UNJUDGED, NEW):
        assert (judged is DEAD) == is_dead(one, POLICY)
    if judged is NEW:
        assert not is_dead(one, POLICY)
