"""Whose turn it is, on which channels, what of a block counts, and what a strategy finds when it takes over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as with_settings

from revops.decide.experiment import (
    SETTLE_SECONDS,
    arm_of,
    away_since,
    block_at,
    counted,
    due_blocks,
    takes_part,
    turn_of,
)
from revops.decide.fees import decide_fees
from revops.decide.strategies.memory import own_memory
from revops.domain.decision import FeeState, Outcome, PriceWindow
from revops.domain.experiment import Arm, BlockTime, Ending, Experiment, Look, Turn
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode, why
from revops.domain.snapshot import FeePin
from tests.builders import (
    DAY,
    HOUR,
    NOW,
    make_channel,
    make_climb,
    make_fee_input,
    make_fee_snapshot,
    make_state,
    node_id,
)

BLOCK = 3 * 86_400


def make_experiment(**overrides: Any) -> Experiment:
    """Seven pairs of blocks of three days, the first of each not measured."""
    base = Experiment(
        experiment_key=1,
        started_at=NOW,
        a="hill_climb",
        b="demand",
        seed=7,
        block_seconds=BLOCK,
        washout_seconds=86_400,
        block_count=14,
        seen_ratio=0.9,
        harm_alpha=0.01,
        version="0",
    )
    return replace(base, **overrides)


EXPERIMENT = make_experiment()


# ---- whose turn


@given(seed=st.integers(0, 2**31), peer=st.integers(0, 10**6), pair=st.integers(0, 200))
def test_each_pair_has_one_block_of_each(seed: int, peer: int, pair: int) -> None:
    arms = [arm_of(seed, node_id(peer), 2 * pair + second) for second in (0, 1)]
    assert sorted(arms) == [Arm.A, Arm.B]
    assert arms == [arm_of(seed, node_id(peer), 2 * pair + second) for second in (0, 1)]


def test_who_comes_first_is_even_by_peer_by_pair_and_by_seed_and_none_follows_from_another() -> None:
    firsts = {
        (seed, peer, pair): arm_of(seed, node_id(peer), 2 * pair) is Arm.B
        for seed in range(10)
        for peer in range(30)
        for pair in range(20)
    }
    assert abs(sum(firsts.values()) / len(firsts) - 0.5) < 0.02  # 6,000 draws: three standard errors
    for position in range(3):
        counts = Counter(key[position] for key, first in firsts.items() if first)
        share = len(firsts) / len({key[position] for key in firsts})
        assert all(abs(count / share - 0.5) < 4.5 * 0.5 / share**0.5 for count in counts.values())
    after = Counter(first == firsts[seed, peer, pair - 1] for (seed, peer, pair), first in firsts.items() if pair)
    assert abs(after[True] / after.total() - 0.5) < 0.02


@pytest.mark.parametrize(
    ("at", "block"),
    [
        (NOW - 1, None), (NOW, 0), (NOW + BLOCK - 1, 0), (NOW + BLOCK, 1), (NOW + 14 * BLOCK - 1, 13),
        (NOW + 14 * BLOCK, None),
    ],
)  # fmt: skip
def test_blocks_follow_the_clock(at: float, block: int | None) -> None:
    assert block_at(EXPERIMENT, at) == block
    turn = turn_of(EXPERIMENT, node_id(1), at)
    assert (None if turn is None else turn.block) == block
    assert block_at(replace(EXPERIMENT, ended_at=NOW, ending=Ending.STOPPED), at) is None


def test_a_turn_names_its_strategy() -> None:
    turns = [turn_of(EXPERIMENT, node_id(1), NOW + block * BLOCK) for block in range(14)]
    assert all(turn is not None and turn.strategy == EXPERIMENT.strategy_of(turn.arm) for turn in turns)
    assert Counter(turn.strategy for turn in turns if turn is not None) == {"hill_climb": 7, "demand": 7}


@pytest.mark.parametrize(
    ("count", "ended_after", "due"),
    [
        (0.0, None, 0),
        (1.0, None, 0),
        (1.0 + SETTLE_SECONDS / BLOCK, None, 1),
        (2.5, None, 2),
        (99.0, None, 14),
        (-5.0, None, 0),
        (99.0, 2.9, 2),
        (3.0, 2.0, 2),
        (2.0, 2.0, 1),
    ],
)
def test_blocks_are_due_once_their_payments_have_settled(count: float, ended_after: float | None, due: int) -> None:
    one = EXPERIMENT
    if ended_after is not None:
        one = replace(one, ended_at=NOW + ended_after * BLOCK, ending=Ending.STOPPED)
    assert due_blocks(one, NOW + count * BLOCK) == due


@given(started_at=st.floats(1e9, 3e9), blocks=st.integers(1, 60), seconds=st.integers(86_400, 14 * 86_400))
def test_no_block_is_lost_to_a_float(started_at: float, blocks: int, seconds: int) -> None:
    one = make_experiment(started_at=started_at, block_seconds=seconds, block_count=60)
    assert one.whole_blocks(one.block_end_at(blocks - 1)) == blocks
    assert one.whole_blocks(one.ends_at) == 60
    over = replace(one, ended_at=one.ends_at, ending=Ending.COMPLETE)
    assert due_blocks(over, one.ends_at + DAY) == 60


# ---- who takes part

PIN = FeePin(100, NOW, None, forced=False)


@pytest.mark.parametrize(
    ("overrides", "settings", "by_rule", "part"),
    [
        ({}, {}, False, True),
        ({}, {"strategy": "static"}, False, True),
        ({}, {"strategy": "static"}, True, False),
        ({}, {"strategy": "demand"}, True, True),
        ({}, {"strategy": "hill_climb"}, True, True),
        ({}, {"strategy": "off"}, False, False),
        ({}, {"strategy": "off"}, True, False),
        ({"pin": PIN}, {}, False, False),
        ({"external_since_at": NOW}, {"external": "respect"}, False, False),
        ({"external_since_at": NOW}, {"external": "learn"}, False, True),
        ({"channel": make_channel(state="ONCHAIN")}, {}, False, False),
    ],
)
def test_the_operator_s_word_comes_first(
    overrides: dict[str, Any], settings: dict[str, Any], by_rule: bool, part: bool
) -> None:
    one, policy = make_fee_input(**overrides), FeesConfig(**settings)
    assert takes_part(one, policy, by_rule=by_rule, experiment=EXPERIMENT) is part


@pytest.mark.parametrize(
    ("set_at", "since_at"), [(None, NOW), (NOW - DAY, NOW - DAY), (NOW, NOW), (NOW + 9 * DAY, NOW)]
)
def test_a_pin_keeps_out_from_when_it_was_set_unless_its_clock_was_ahead(set_at: float | None, since_at: float) -> None:
    pin = None if set_at is None else replace(PIN, set_at=set_at)
    assert away_since(make_fee_input(pin=pin), NOW) == since_at


# ---- what of a block counts

CHANNEL = make_channel(1)
ID = CHANNEL.channel_id


def turn(block: int = 0) -> Turn:
    found = turn_of(EXPERIMENT, CHANNEL.peer_id, NOW + block * BLOCK)
    assert found is not None
    return found


def run_at(
    hours: Sequence[float], closed_from: float = 1e9, pinned: tuple[float, float] = (1e9, 1e9)
) -> dict[tuple[str, int], BlockTime]:
    """A run at each hour after the beginning, all of which take part but those while the channel is pinned; it is down
    from some hour on.
    """
    known: dict[tuple[str, int], BlockTime] = {}
    for hour in hours:
        now = NOW + hour * HOUR
        look = Look(replace(CHANNEL, connected=hour < closed_from), turn_of(EXPERIMENT, CHANNEL.peer_id, now))
        if pinned[0] <= hour < pinned[1]:
            look = look._replace(turn=None, away_since_at=NOW + pinned[0] * HOUR)
        run(known, look, now)
    return known


def run(known: dict[tuple[str, int], BlockTime], look: Look, now: float) -> None:
    times, gone = counted(EXPERIMENT, known, [look], now)
    for key in gone:
        del known[key]
    known |= {(one.channel_id, one.block): one for one in times}


def hours_of(time: BlockTime) -> tuple[float, float]:
    return round(time.open_seconds / HOUR, 3), round(time.seen_seconds / HOUR, 3)


def test_a_block_is_measured_a_washout_after_its_first_run_up_to_its_end() -> None:
    known = run_at([0.5 * number for number in range(150)])
    assert hours_of(known[ID, 0]) == (48, 48)
    assert known[ID, 0].measured_at == NOW + DAY
    assert known[ID, 0].counted_at == NOW + BLOCK
    assert known[ID, 1].measured_at == NOW + BLOCK + DAY
    assert hours_of(known[ID, 1]) == (0, 0)
    assert known[ID, 0].arm is not known[ID, 1].arm


@given(st.lists(st.floats(0, 71.9), min_size=1, max_size=40))
def test_runs_at_any_hours_count_no_hour_twice_nor_one_that_was_not_measured(hours: list[float]) -> None:
    known = run_at([*sorted(hours), 72.5])
    open_hours, seen_hours = hours_of(known[ID, 0])
    assert 0 <= open_hours <= seen_hours <= max(48 - min(hours), 0) + 0.001
    assert run_at([*sorted(hours), 72.5, 72.5, 80])[ID, 0] == known[ID, 0]


def test_time_in_which_nothing_could_flow_is_seen_and_not_open() -> None:
    known = run_at([float(number) for number in range(74)], closed_from=48)
    assert hours_of(known[ID, 0]) == (23, 48)  # at 48 it is down: the hour before is taken for what is seen then


def test_a_gap_counts_for_six_hours_and_a_block_without_a_run_is_nobody_s() -> None:
    known = run_at([0, 30, 60, 160])
    assert hours_of(known[ID, 0]) == (12, 12)
    assert (ID, 1) not in known
    assert known[ID, 2].measured_at == NOW + 184 * HOUR


def test_a_clock_that_goes_back_counts_nothing_twice() -> None:
    known = run_at([0, 25, 26, 27, 25.5, 26.5, 27, 28])
    assert hours_of(known[ID, 0]) == (4, 4)


def test_a_run_that_prices_nothing_counts_only_what_is_over() -> None:
    known = {(ID, 0): BlockTime(ID, 0, turn().arm, NOW, NOW)}
    assert counted(EXPERIMENT, known, [Look(CHANNEL)], NOW + HOUR) == ((), ())
    assert counted(EXPERIMENT, known, [], NOW + HOUR) == ((), ())
    (one,) = counted(EXPERIMENT, known, [Look(CHANNEL, turn())], NOW + HOUR).times
    assert hours_of(one) == (1, 1)
    (over,) = counted(EXPERIMENT, known, [Look(CHANNEL)], NOW + BLOCK + HOUR).times
    assert hours_of(over) == (5, 5)  # of the six before


HOURLY = [float(hour) for hour in range(74)]


@pytest.mark.parametrize("length", [1, 3, 6, 20])
def test_a_pin_within_a_block_takes_the_channel_out_of_it_and_it_enters_anew(length: int) -> None:
    """What the pin brought, and what its price goes on to bring for a while after, is nobody's."""
    known = run_at(HOURLY, pinned=(30, 30 + length))
    back = 30 + length
    assert known[ID, 0].measured_at == NOW + back * HOUR + DAY
    assert hours_of(known[ID, 0]) == (max(48 - back, 0), max(48 - back, 0))
    assert known[ID, 1].measured_at == NOW + BLOCK + DAY


@given(st.integers(1, 71), st.integers(1, 30))
def test_no_hour_of_a_pin_is_anybody_s(since: int, length: int) -> None:
    for time in run_at([0.5 * half for half in range(150)], pinned=(since, since + length)).values():
        first, last = (time.measured_at - NOW) / HOUR, (time.counted_at - NOW) / HOUR
        assert hours_of(time)[1] == pytest.approx(max(last - first, 0))
        assert first >= last or first >= since + length or last <= since


def test_a_pin_across_the_end_of_a_block_leaves_it_without_the_channel() -> None:
    known = run_at([*HOURLY, 80, 90], pinned=(70, 85))
    assert (ID, 0) not in known
    assert known[ID, 1].measured_at == NOW + 114 * HOUR


LAST = 14 * 72


@pytest.mark.parametrize(("pinned_from", "hours"), [(1e9, 48), (LAST + 0.2, 48), (LAST - 1, None)])
def test_the_last_block_is_counted_to_its_end_though_it_is_nobody_s_turn_any_more(
    pinned_from: float, hours: int | None
) -> None:
    """A pin that is set after the end takes nothing of what was the strategy's own."""
    known = run_at([*(LAST - 72 + 3 * number for number in range(24)), LAST + 0.5], pinned=(pinned_from, 1e9))
    assert (None if hours is None else (hours, hours)) == (hours_of(known[ID, 13]) if (ID, 13) in known else None)


def test_a_rule_that_keeps_a_channel_out_is_obeyed_from_the_run_on_that_finds_it() -> None:
    known = {(ID, 0): BlockTime(ID, 0, turn().arm, NOW + DAY, NOW + BLOCK - HOUR)}
    within, after = NOW + BLOCK - 60, NOW + BLOCK + 60
    assert counted(EXPERIMENT, known, [Look(CHANNEL, None, within)], within) == ((), ((ID, 0),))
    (over,) = counted(EXPERIMENT, known, [Look(CHANNEL, None, after)], after).times
    assert over.counted_at == NOW + BLOCK


def test_a_foreign_fee_may_have_stood_since_the_last_look() -> None:
    """Where it is learnt from or overwritten, the strategy goes on; what it stood for isn't the strategy's."""
    known = {(ID, 0): BlockTime(ID, 0, turn().arm, NOW + DAY, NOW + 30 * HOUR, 6 * HOUR, 6 * HOUR)}
    found = Look(CHANNEL, turn(), foreign_since_at=NOW + 31 * HOUR)
    run(known, found, NOW + 31 * HOUR)
    assert known[ID, 0] == BlockTime(ID, 0, turn().arm, NOW + 55 * HOUR, NOW + 31 * HOUR)
    for hour in (32, 56, 57):  # it is kept to: found once, it is what the strategy has chosen
        run(known, found, NOW + hour * HOUR)
    assert hours_of(known[ID, 0]) == (2, 2)
    over = {(ID, 0): BlockTime(ID, 0, turn().arm, NOW + DAY, NOW + BLOCK, 48 * HOUR, 48 * HOUR)}
    after = found._replace(turn=None, foreign_since_at=NOW + BLOCK + HOUR)
    assert counted(EXPERIMENT, over, [after], NOW + BLOCK + HOUR) == ((), ())


# ---- taking over


def test_what_is_a_search_s_own_stays_with_it() -> None:
    windows = (PriceWindow(NOW - DAY, 90, 8.0, 3.0),)
    state = make_state(
        strategy="hill_climb", windows=windows, direction=-1, step_ratio=0.2, calm_since_at=NOW - DAY,
        asleep_until_at=NOW + DAY, asleep_open_seconds=7.0, asleep_interest_count=2.0, congested_since_at=NOW - HOUR,
        idle_open_seconds=5.0, provisional=True,
    )  # fmt: skip
    offer = make_fee_input(state=state)
    assert own_memory(offer, "hill_climb") is offer
    unsigned = make_fee_input(state=replace(state, strategy=""))
    assert own_memory(unsigned, "demand") is unsigned
    assert own_memory(make_fee_input(state=None), "demand").state is None
    found = own_memory(offer, "demand").state
    assert found == FeeState(
        fee_ppm=state.fee_ppm, window_start_at=state.window_start_at, counted_at=state.counted_at,
        open_seconds=state.open_seconds, idle_open_seconds=5.0, congested_since_at=NOW - HOUR, windows=windows,
        provisional=True, strategy="demand",
    )  # fmt: skip


def test_a_sleeper_of_one_strategy_is_awake_for_the_next() -> None:
    asleep = make_state(
        strategy="hill_climb", asleep_until_at=NOW + DAY, asleep_open_seconds=9 * HOUR, asleep_interest_count=9.0
    )
    one = make_fee_input(state=asleep)
    (slept,) = decide_fees(make_fee_snapshot(one), make_climb()).decisions
    assert slept.reasons[0].code is ReasonCode.ASLEEP
    (woke,) = decide_fees(make_fee_snapshot(one), FeesConfig(strategy="proportional")).decisions
    assert woke.state is not None
    assert woke.state.strategy == "proportional"
    (back,) = decide_fees(make_fee_snapshot(replace(one, state=woke.state)), make_climb()).decisions
    assert back.reasons[0].code is not ReasonCode.ASLEEP
    assert back.state is not None
    assert (back.state.strategy, back.state.asleep_until_at) == ("hill_climb", None)


# ---- what the decision says


def test_each_decision_of_a_turn_says_whose_it_is_and_rails_and_governor_hold() -> None:
    strategies: dict[Arm, str] = {Arm.A: "static", Arm.B: "proportional"}
    seen = {}
    for arm, strategy in strategies.items():
        policy = with_settings(FeesConfig(fixed_ppm=2_000), strategy=strategy)
        one = make_fee_input(policy=policy, turn=Turn(3, arm, strategy, 4, 14))
        held = (why(ReasonCode.OBSERVE_MODE),)
        (decision,) = decide_fees(make_fee_snapshot(one), FeesConfig()).decisions
        (deferred,) = decide_fees(make_fee_snapshot(one), FeesConfig(), held).decisions
        assert decision.strategy == strategy
        assert decision.reasons[-1].sentence == f"experiment 3, block 5 of 14: {arm}'s turn, {strategy}"
        assert decision.new_ppm == 200  # both want more: twice what is asked now is the largest step
        assert (deferred.outcome, deferred.reasons[-1].code) == (Outcome.DEFER, ReasonCode.OBSERVE_MODE)
        seen[arm] = decision.reasons[-1].code
    assert len(set(seen.values())) == 2


def test_a_pinned_channel_has_no_turn() -> None:
    one = make_fee_input(pin=PIN)
    (decision,) = decide_fees(make_fee_snapshot(one), FeesConfig()).decisions
    assert {reason.code for reason in decision.reasons}.isdisjoint({ReasonCode.EXPERIMENT_A, ReasonCode.EXPERIMENT_B})
