"""A switch-back experiment on a simulated node: two strategies by turns, blocks that are counted once, and its end."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from revops.cycle import experiment, explain, fees, policy, rollup
from revops.cycle import report as cycle_report
from revops.decide.experiment import arm_of
from revops.domain.decision import FeePlan
from revops.domain.experiment import Arm, BlockResult, Ending, ExperimentReport, ExperimentStatus
from revops.domain.reason import ReasonCode
from revops.domain.snapshot import FeePin
from revops.errors import ConfigError, ExperimentRuns, NoExperiment, TemporaryError
from revops.report import overview, policies
from revops.report.amounts import instant
from revops.report.explanation import explained
from revops.report.text import page
from revops.store import experiment_blocks, pins
from revops.store.fees import fee_states
from tests.actuate.bench import DAY, HOUR, NODE_KEY, Bench, Killed, killing, open_bench
from tests.actuate.test_actuate_hand import pick

BLOCK = DAY
TURNS = {ReasonCode.EXPERIMENT_A: Arm.A, ReasonCode.EXPERIMENT_B: Arm.B}


@pytest.fixture
def bench(template: Path) -> Iterator[Bench]:
    """A small node, so that days of runs are cheap."""
    with open_bench(template, channel_count=4) as opened:
        opened.fees()
        yield opened


def start(bench: Bench, a: str = "hill_climb", b: str = "demand", **given: Any) -> ExperimentStatus:
    plan = {"block_seconds": int(BLOCK), "block_count": 4, "seed": 3} | given
    return experiment.start(bench.options, a, b, clock=bench.clock, **plan)


def report(bench: Bench) -> ExperimentReport:
    return experiment.report(bench.options, clock=bench.clock)


def status(bench: Bench) -> ExperimentStatus:
    return experiment.status(bench.options, clock=bench.clock)


def go_on(bench: Bench, hours: float, every: float = 3) -> list[FeePlan]:
    """Runs of cron for so many hours."""
    plans = []
    for _ in range(round(hours / every)):
        bench.node.advance_by(every * HOUR)
        plans.append(bench.fees())
    return plans


def pay(bench: Bench, fee_msat: int, number: int = 0) -> None:
    """A payment out of a channel."""
    index = len(bench.node.handle("listforwards")["forwards"]) + 1_000
    bench.node.add_forward(
        in_channel=pick(bench, number + 1).scid, in_htlc_id=index, in_msat=50_000_000 + fee_msat, status="settled",
        fee_msat=fee_msat, received_at=bench.clock() - 60, out_channel=pick(bench, number).scid, out_htlc_id=index,
        out_msat=50_000_000, resolved_at=bench.clock() - 30,
    )  # fmt: skip


def results(bench: Bench) -> tuple[BlockResult, ...]:
    with bench.database.read(NODE_KEY) as tx:
        return experiment_blocks.results(tx, 1)


def turns_of(plan: FeePlan) -> dict[str, Arm]:
    return {
        decision.channel_id: TURNS[reason.code]
        for decision in plan.decisions
        for reason in decision.reasons
        if reason.code in TURNS
    }


# ---- turns


def test_each_channel_is_priced_by_the_strategy_whose_turn_it_is(bench: Bench) -> None:
    begun = start(bench)
    assert begun.experiment is not None
    seen: dict[str, list[str]] = defaultdict(list)
    peers = {row.channel_id: row.peer_id for row in bench.node.world.channels.values()}
    assert set(begun.turns) == {channel_id for channel_id in peers if bench.node.channel(channel_id).is_live}
    for plan in go_on(bench, 4 * 24, every=8):
        block = int((plan.taken_at - begun.experiment.started_at) // BLOCK)
        for decision in plan.decisions:
            arm = arm_of(3, peers[decision.channel_id], block) if block < 4 else None
            assert turns_of(plan).get(decision.channel_id) is arm
            if arm is not None:
                assert decision.strategy == begun.experiment.strategy_of(arm)
                seen[decision.channel_id].append(decision.strategy)
    assert all({*strategies} == {"hill_climb", "demand"} for strategies in seen.values())
    with bench.database.read(NODE_KEY) as tx:
        states = fee_states(tx)
    assert {state.strategy for state in states.values()} == {"demand"}  # over: the configured one goes on


def test_explain_tells_whose_turn_it_was(bench: Bench) -> None:
    start(bench)
    go_on(bench, 48)
    channel = pick(bench)
    for at in (bench.clock() - 25 * HOUR, bench.clock() - HOUR):
        value = explain.run(bench.options, channel.channel_id, at, clock=bench.clock)
        (one,) = value.channels
        assert one.decision is not None
        block = int((at - bench.clock() + 48 * HOUR) // BLOCK)
        arm = arm_of(3, channel.peer_id, block)
        assert f"block {block + 1} of 4: {arm}'s turn, {'hill_climb' if arm is Arm.A else 'demand'}" in page(
            explained(value)
        )
        assert one.decision.details["strategy"] == ("hill_climb" if arm is Arm.A else "demand")


def test_pins_and_rules_come_first(bench: Bench) -> None:
    pinned, ruled, named = (pick(bench, number) for number in range(3))
    with bench.database.transaction(NODE_KEY) as tx:
        pins.set_pin(tx, pinned.channel_id, FeePin(500, bench.clock(), None, forced=False))
    options = bench.options
    path = bench.folder / "ruled.toml"
    path.write_text(
        (bench.folder / "config.toml").read_text()
        + f'[[rule]]\nname = "third"\nmatch = {{ scid = ["{ruled.scid}"] }}\nstrategy = "static"\n'
        f'[[rule]]\nname = "one of them"\nmatch = {{ scid = ["{named.scid}"] }}\nstrategy = "demand"\n'
    )
    path.chmod(0o600)
    options = replace(options, config_path=path)
    begun = experiment.start(
        options, "hill_climb", "demand", block_seconds=int(BLOCK), block_count=4, seed=3, clock=bench.clock
    )
    assert {pinned.channel_id, ruled.channel_id}.isdisjoint(begun.turns)
    assert named.channel_id in begun.turns
    bench.node.advance_by(HOUR)
    plan = fees.run(options, clock=bench.clock)
    assert set(turns_of(plan)) == set(begun.turns)
    strategies = {decision.channel_id: decision.strategy for decision in plan.decisions}
    assert (strategies[pinned.channel_id], strategies[ruled.channel_id]) == ("pin", "static")


# ---- the beginning


@pytest.mark.parametrize(
    ("settings", "given", "told"),
    [
        ({"mode": "observe"}, {}, "nothing is sent"),
        ({}, {"block_seconds": 23 * 3_600}, "blocks of 23 h are too short"),
        ({"strategy": "off"}, {}, "no channel would take part"),
    ],
)
def test_what_can_show_nothing_is_not_begun(
    bench: Bench, settings: dict[str, Any], given: dict[str, Any], told: str
) -> None:
    bench.settings["fees"] |= settings
    with pytest.raises(ConfigError, match=told):
        start(bench, **given)
    assert status(bench).experiment is None


def test_one_runs_at_a_time_and_an_ended_one_is_still_read(bench: Bench) -> None:
    with pytest.raises(NoExperiment):
        report(bench)
    start(bench)
    with pytest.raises(ExperimentRuns, match=r"experiment 1 runs until .*stop"):
        start(bench)
    go_on(bench, 6)
    stopped = experiment.stop(bench.options, clock=bench.clock)
    assert stopped.experiment is not None
    assert stopped.experiment.ending is Ending.STOPPED
    assert not turns_of(bench.fees())
    with pytest.raises(NoExperiment, match="nothing to stop"):
        experiment.stop(bench.options, clock=bench.clock)
    assert start(bench, seed=8).experiment == report(bench).experiment
    first = experiment.report(bench.options, 1, clock=bench.clock).experiment
    assert (first, first.seed) == (stopped.experiment, 3)


def test_a_report_lists_all_that_were_begun_before_and_since(bench: Bench) -> None:
    for seed in (3, 4, 5):
        start(bench, seed=seed)
        go_on(bench, 6)
        experiment.stop(bench.options, clock=bench.clock)
    value = report(bench)
    assert [one.experiment.seed for one in value.others] == [3, 4]
    assert {one.experiment.ending for one in value.others} == {Ending.STOPPED}
    second = experiment.report(bench.options, 2, clock=bench.clock)
    assert [one.experiment.experiment_key for one in second.others] == [1, 3]


def test_status_tells_whose_turn_it_is_by_the_records(bench: Bench) -> None:
    begun = start(bench)
    assert begun.experiment is not None
    assert (status(bench).members, status(bench).turns) == ((), {})
    go_on(bench, 6)
    assert status(bench).turns == begun.turns
    go_on(bench, 24)
    fees.set_fee(bench.options, pick(bench).channel_id, 300, clock=bench.clock)
    value = status(bench)
    assert value.block == 1
    assert {one.channel_id for one in value.members} == set(begun.turns)
    assert set(value.turns) == set(begun.turns) - {pick(bench).channel_id}
    peers = {one.channel_id: one.peer_id for one in value.members}
    assert all(turn.arm is arm_of(3, peers[channel_id], 1) for channel_id, turn in value.turns.items())
    assert {(one.recorded_count, one.counting_count) for one in value.members} == {(1, 0)}  # begun three hours late
    assert value.recorded_count == len(value.members)
    experiment.stop(bench.options, clock=bench.clock)
    assert status(bench).turns == {}


def test_report_and_policy_show_tell_that_one_runs(bench: Bench) -> None:
    for value in (cycle_report.run(bench.options, clock=bench.clock), policy.run(bench.options, clock=bench.clock)):
        assert value.experiment is None
    begun = start(bench).experiment
    assert begun is not None
    report_value = cycle_report.run(bench.options, clock=bench.clock)
    policies_value = policy.run(bench.options, clock=bench.clock)
    assert (report_value.experiment, policies_value.experiment) == (begun, begun)
    told = f"experiment 1 runs until {instant(begun.ends_at)}: hill_climb (A) and demand (B) price by turns; "
    for shown in (page(overview.report(report_value)), page(policies.shown(policies_value, whole=False))):
        assert told in " ".join(shown.split())
    assert policies.document(policies_value)["experiment"]["experiment_key"] == 1
    over = replace(report_value, taken_at=begun.ends_at)
    assert "price by turns" not in page(overview.report(over))


def test_a_clock_that_the_chain_denies_begins_nothing_and_gives_no_turn(bench: Bench) -> None:
    for _ in range(8):
        bench.node.advance_by(HOUR)
        bench.sync()
    bench.clock_offset = 60 * DAY
    with pytest.raises(TemporaryError, match="nothing can be registered"):
        start(bench)
    bench.clock_offset = 0.0
    start(bench)
    bench.fees()
    before = bench.rows("SELECT * FROM experiment_block")
    for offset_days in (60, -60):
        bench.clock_offset = offset_days * DAY
        assert not turns_of(bench.fees())
        rollup.run(bench.options, bench.clock)
    assert bench.rows("SELECT * FROM experiment_block") == before
    bench.clock_offset = 0.0
    bench.node.advance_by(HOUR)
    assert turns_of(bench.fees())
    assert status(bench).block == 0


@pytest.mark.parametrize("command", ["start", "stop", "fees"])
def test_a_dry_run_leaves_nothing(bench: Bench, command: str) -> None:
    if command != "start":
        start(bench)
        go_on(bench, 30)
        bench.node.advance_by(HOUR)
    tables = ("experiment", "experiment_block", "fee_state", "decision")
    before = [bench.rows(f"SELECT * FROM {table}") for table in tables]
    options = replace(bench.options, dry_run=True)
    if command == "start":
        plan = {"block_seconds": int(BLOCK), "block_count": 4}
        assert experiment.start(options, "static", "demand", clock=bench.clock, **plan).turns
    elif command == "stop":
        experiment.stop(options, clock=bench.clock)
    else:
        assert turns_of(fees.run(options, clock=bench.clock))
    assert [bench.rows(f"SELECT * FROM {table}") for table in tables] == before


# ---- blocks


def test_blocks_are_counted_and_stand_when_the_forwards_are_gone(bench: Bench) -> None:
    start(bench, a="static", b="static")
    for plan in range(4 * 8):
        go_on(bench, 3)
        pay(bench, 1_000 * (plan + 1))
    go_on(bench, 3)
    found = results(bench)
    assert len(found) == 4 * len({one.channel_id for one in found})
    # The first run comes after three hours, those of the other blocks as they begin; eight hours later it counts.
    assert {(one.block, round(one.seen_seconds / HOUR)) for one in found} == {(0, 13), (1, 16), (2, 16), (3, 16)}
    mine = [one for one in found if one.channel_id == pick(bench).channel_id]
    first = [(8 * block + 4 if block == 0 else 8 * block + 3, 8 * block + 8) for block in range(4)]
    assert [one.fee_msat for one in mine] == [1_000 * sum(range(low, high + 1)) for low, high in first]
    assert [one.forward_count for one in mine] == [5, 6, 6, 6]
    ended = report(bench).experiment
    assert (ended.ending, ended.ended_at) == (Ending.COMPLETE, ended.ends_at)
    before = replace(report(bench), taken_at=0.0)
    bench.node.advance_by(200 * DAY)
    rollup.run(bench.options, bench.clock)
    assert bench.rows("SELECT * FROM forward") == []
    assert results(bench) == found
    assert replace(report(bench), taken_at=0.0) == before


def test_a_rollup_records_what_it_is_about_to_prune(bench: Bench) -> None:
    start(bench)
    for _ in range(8):
        go_on(bench, 3)
        pay(bench, 5_000)
    bench.node.advance_by(200 * DAY)
    rollup.run(bench.options, bench.clock)
    assert bench.rows("SELECT * FROM forward") == []
    # A block began with the last run; of it nothing was seen, so that it won't count.
    mine = [one for one in results(bench) if one.channel_id == pick(bench).channel_id]
    assert [(one.fee_msat, round(one.seen_seconds / HOUR)) for one in mine] == [(25_000, 13), (0, 0)]


def test_a_run_that_is_killed_anywhere_neither_loses_nor_doubles_a_block(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    start(bench, block_count=2)
    for _ in range(8):
        go_on(bench, 3)
        pay(bench, 5_000)
    go_on(bench, 24)
    bench.node.advance_by(2 * HOUR)
    assert {one.block for one in results(bench)} == {0}
    at, killed = 0, True
    while killed:
        at, killed = at + 1, False
        with killing(monkeypatch, at):
            try:
                bench.fees()
            except Killed:
                killed = True
    assert at > 10
    found = results(bench)
    assert sorted(one.block for one in found) == sorted([0, 1] * (len(found) // 2))
    assert max(one.seen_seconds for one in found) <= 16 * HOUR
    assert sum(one.fee_msat for one in found if one.block == 0) == 5 * 5_000
    ended = report(bench).experiment
    assert ended.ending is Ending.COMPLETE


def test_a_block_in_which_cron_was_dead_does_not_count(bench: Bench) -> None:
    start(bench)
    go_on(bench, 23, every=1)
    bench.node.advance_by(25 * HOUR)
    go_on(bench, 50, every=1)
    found = results(bench)
    assert {one.block for one in found} == {0, 2, 3}
    value = report(bench)
    assert value.experiment.ending is Ending.COMPLETE
    assert (value.pair_count, value.left_out_count) == (value.peer_count, value.peer_count)


def seen_hours(bench: Bench, number: int = 0) -> dict[int, int]:
    """How much of each recorded block of a channel was measured."""
    mine = [one for one in results(bench) if one.channel_id == pick(bench, number).channel_id]
    return {one.block: round(one.seen_seconds / HOUR) for one in mine}


def test_what_a_pin_within_a_block_brings_is_nobody_s(bench: Bench) -> None:
    start(bench, a="static", b="static")
    go_on(bench, 24, every=6)
    go_on(bench, 12)
    fees.set_fee(bench.options, pick(bench).channel_id, 300, clock=bench.clock)
    bench.node.advance_by(2 * HOUR)
    pay(bench, 77_000)
    fees.unset_fee(bench.options, pick(bench).channel_id, clock=bench.clock)
    go_on(bench, 4, every=4)
    go_on(bench, 60, every=6)
    assert seen_hours(bench) == {0: 10, 1: 2, 2: 16, 3: 16}  # eight hours after it was released, up to the end
    assert seen_hours(bench, 1) == {0: 10, 1: 16, 2: 16, 3: 16}
    assert {one.fee_msat for one in results(bench)} == {0}


def test_a_pin_after_the_last_block_takes_nothing_of_it(bench: Bench) -> None:
    start(bench, block_count=2)
    go_on(bench, 42, every=6)
    go_on(bench, 5, every=5)
    bench.node.advance_by(1.5 * HOUR)
    fees.set_fee(bench.options, pick(bench).channel_id, 300, clock=bench.clock)
    go_on(bench, 2, every=2)
    assert seen_hours(bench) == {0: 10, 1: 16}
    assert report(bench).experiment.ending is Ending.COMPLETE


@pytest.mark.parametrize("last", ["rollup", "stop", "fees", "observe"])
def test_whoever_records_a_block_counts_it_to_its_end(bench: Bench, last: str) -> None:
    start(bench)
    go_on(bench, 48, every=6)
    go_on(bench, 21, every=3)
    bench.node.advance_by(5 * HOUR)
    if last == "rollup":
        rollup.run(bench.options, bench.clock)
    elif last == "stop":
        experiment.stop(bench.options, clock=bench.clock)
    else:
        bench.settings["fees"]["mode"] = "observe" if last == "observe" else "act"
        bench.fees()
    assert seen_hours(bench) == {0: 10, 1: 16, 2: 16}


def test_while_nothing_may_be_sent_it_is_nobody_s_turn(bench: Bench) -> None:
    start(bench)
    bench.settings["fees"]["mode"] = "observe"
    go_on(bench, 12)
    assert bench.rows("SELECT * FROM experiment_block") == []


# ---- the end


def test_harm_ends_it_early_and_says_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    looks: list[int] = []

    def worse(_experiment: Any, _pairs: Any, over_count: int, _bits: Any) -> bool:
        looks.append(over_count)
        return over_count == 2

    monkeypatch.setattr("revops.cycle.switchback.harmful", worse)
    start(bench, block_count=8)
    go_on(bench, 5 * 24, every=6)
    assert looks == [1, 2]
    value = report(bench)
    assert value.experiment.ending is Ending.HARM
    assert {one.block for one in results(bench)} == {0, 1, 2, 3}
    assert not turns_of(bench.fees())
    assert "experiment 1 was ended: B, demand, brings less than A, hill_climb" in caplog.text


def test_a_look_that_was_missed_is_made_up_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    monkeypatch.setattr("revops.cycle.switchback.harmful", lambda *given: looks.append(given[2]))
    start(bench, block_count=8)
    go_on(bench, 48, every=6)
    bench.node.advance_by(60 * HOUR)
    go_on(bench, 12, every=6)
    assert looks == [2]
    assert json.dumps(bench.rows("SELECT look_count FROM experiment")[0][0]) == "2"
