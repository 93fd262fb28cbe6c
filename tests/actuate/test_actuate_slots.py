"""Congestion and the htlc_max valve on the simulated node: from its HTLCs to what it is told, and what is on record."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from revops.actuate.fees import DryJournal, apply_fees
from revops.cycle import rebalance_plan
from revops.decide.valve import LEAST_HTLC_MAX_MSAT
from revops.domain.decision import FeeDecision, FeePlan, Outcome
from revops.domain.policy import FeesConfig
from revops.domain.reason import ReasonCode
from revops.errors import BugError, RevopsError
from revops.node.rpc import Rpc
from revops.node.writer import DryRunWriter, NodeWriter
from revops.sim.channels import Channel, Policy
from revops.sim.faults import FaultKind
from revops.store import fees as records
from revops.store import queries
from tests.actuate.bench import DAY, HOUR, NODE_KEY, Bench, make_template, open_bench

SLOTS = 30


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture
def bench(template: Path) -> Iterator[Bench]:
    with open_bench(template) as made:
        made.settings["fees"] |= {"max_updates_per_day": 1_000}
        made.settings["reserve"] = {"onchain_sat": 0}
        yield made


def widest(bench: Bench) -> Channel:
    """The channel that can send most, with lightningd's 30 slots on mainnet."""
    channel = max(bench.node.world.channels.values(), key=lambda one: one.spendable_msat())
    channel.max_accepted_htlcs = channel.peer_max_accepted_htlcs = SLOTS
    return channel


def hold(bench: Bench, channel: Channel, count: int, amount_msat: int = 10_000_000, blocks: int = 200) -> None:
    """Let exactly so many HTLCs of ours hang on the channel."""
    with bench.node.lock:
        for htlc in list(channel.htlcs_out.values()):
            channel.remove(htlc, fulfilled=False)
        for number in range(count):
            channel.offer_out(amount_msat, bench.node.world.height + blocks, f"{number:064x}")


def decided(bench: Bench, channel: Channel) -> FeeDecision:
    return next(one for one in bench.fees().decisions if one.channel_id == channel.channel_id)


def codes(decision: FeeDecision) -> set[ReasonCode]:
    return {reason.code for reason in decision.reasons}


def sent(bench: Bench, channel: Channel | None = None) -> list[dict[str, Any]]:
    calls = bench.calls("setchannel")
    return [params for params in calls if channel is None or params["id"] == channel.channel_id]


def test_a_channel_at_the_edge_is_held_through_48_runs_and_never_flaps(bench: Bench) -> None:
    channel = widest(bench)
    bench.fees()
    hold(bench, channel, 25)
    assert ReasonCode.CONGESTED_HOLD in codes(decided(bench, channel))
    before, told = channel.local, len(sent(bench, channel))
    since = open_seconds = None
    for run in range(48):
        bench.node.advance_by(HOUR / 2)
        hold(bench, channel, (19, 23, 25, 18)[run % 4])
        decision = decided(bench, channel)
        assert codes(decision) == {ReasonCode.CONGESTED_HOLD}, run
        assert decision.state is not None
        since = since or decision.state.congested_since_at
        open_seconds = decision.state.open_seconds if open_seconds is None else open_seconds + HOUR / 2
        # Slots are free: payments leave, and the time in which they do counts with them.
        assert (decision.state.congested_since_at, decision.state.open_seconds) == (since, open_seconds)
    assert (channel.local, len(sent(bench, channel))) == (before, told)
    hold(bench, channel, 17)
    bench.node.advance_by(HOUR / 2)
    assert ReasonCode.CONGESTED_HOLD not in codes(decided(bench, channel))
    with bench.database.read(NODE_KEY) as tx:
        assert records.congested_since(tx) == {}


def test_with_raise_the_fee_goes_up_step_by_step_and_waits_between(bench: Bench) -> None:
    channel = widest(bench)
    bench.settings["fees"] |= {"congestion": "raise"}
    bench.fees()
    bench.node.advance_by(9 * HOUR)
    hold(bench, channel, 28)
    before_ppm = channel.local.fee_ppm
    first = decided(bench, channel)
    assert ReasonCode.CONGESTED_RAISE in codes(first)
    assert before_ppm < first.new_ppm == channel.local.fee_ppm <= round(before_ppm * 1.25)
    second = decided(bench, channel)
    assert second.outcome is Outcome.SKIP
    assert second.reasons[-1].code is ReasonCode.MIN_INTERVAL


def test_a_congested_channel_is_neither_planned_nor_executed(bench: Bench) -> None:
    source, target = next(bench.pairs())
    bench.plan_pairs((source["channel_id"], target["channel_id"]))
    world = bench.node.world
    full = world.channels[source["channel_id"]]
    full.max_accepted_htlcs = full.peer_max_accepted_htlcs = 3
    hold(bench, full, 3, amount_msat=1_000)
    bench.run()
    reason = bench.job().reason
    assert reason is not None
    assert (bench.job().status, reason.code) == ("failed", ReasonCode.CONGESTED)
    assert bench.calls("sendpay") == []
    for channel in world.channels.values():
        channel.max_accepted_htlcs = channel.peer_max_accepted_htlcs = 1
        hold(bench, channel, 1, amount_msat=1_000)
    plan = rebalance_plan.run(bench.options, bench.clock)
    usable = [one for one in plan.decisions if one.reasons[0].code is not ReasonCode.NOT_USABLE]
    assert usable
    assert {one.reasons[0].code for one in usable} == {ReasonCode.CONGESTED}


def test_what_fees_have_seen_counts_for_rebalances(bench: Bench) -> None:
    """At two thirds a channel is congested or not by what it was."""
    channel = widest(bench)
    hold(bench, channel, 20)

    def planned() -> ReasonCode:
        decisions = rebalance_plan.run(bench.options, bench.clock).decisions
        return next(one for one in decisions if one.target_channel_id == channel.channel_id).reasons[0].code

    assert planned() is not ReasonCode.CONGESTED
    hold(bench, channel, 27)
    bench.fees()
    hold(bench, channel, 20)
    assert planned() is ReasonCode.CONGESTED


def test_occupancy_and_expiry_are_on_record(bench: Bench) -> None:
    channel = widest(bench)
    hold(bench, channel, 6, blocks=40)
    bench.sync()
    with bench.database.read(NODE_KEY) as tx:
        record = next(one for one in queries.channel_records(tx, 0.0) if one.channel_id == channel.channel_id)
    assert record.occupancy_out is not None
    assert record.occupancy_in is not None
    assert (record.occupancy_out.slot_ratio, record.occupancy_in.htlc_count) == (0.2, len(channel.htlcs_in))
    assert record.occupancy_out.in_flight_msat == 60_000_000
    assert record.occupancy_out.limit_msat == channel.htlc_max_possible_msat()
    assert record.nearest_expiry_blockheight == bench.node.world.height + 40


def test_one_line_warns_of_an_end_that_is_near_and_none_of_others(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, logger="revops.cycle.expiry")
    channel = widest(bench)
    hold(bench, channel, 2, blocks=12)
    bench.sync()
    assert caplog.messages == []
    hold(bench, channel, 2, blocks=5)
    bench.sync()
    bench.fees()
    line = f"an HTLC on {channel.key_scid} expires in 5 blocks: a channel whose HTLC expires is closed by force"
    assert caplog.messages == [line, line]
    caplog.clear()
    hold(bench, channel, 1, blocks=0)
    other = next(one for one in bench.node.world.channels.values() if one is not channel and one.spendable_msat())
    hold(bench, other, 1, amount_msat=1_000, blocks=3)
    bench.sync()
    (line,) = caplog.messages
    assert f"{channel.key_scid} has expired, and on 1 other channel:" in line


# ---- the valve


def valve(bench: Bench) -> Bench:
    """With fees that stay, so that only the valve moves."""
    bench.settings["fees"] |= {"htlc_max": "valve", "dead_band_ppm": 500_000}
    return bench


def test_the_valve_takes_one_call_a_channel_and_then_rests(bench: Bench) -> None:
    bench.fees()
    bench.node.advance_by(9 * HOUR)
    started = {key: one.window_start_at for key, one in states(bench).items()}
    already = len(sent(bench))
    before = {key: channel.local for key, channel in bench.node.world.channels.items()}
    plan = valve(bench).fees()
    turned = {one.channel_id: one for one in plan.changes}
    calls = sent(bench)[already:]
    assert len(calls) == len(turned) == len({params["id"] for params in calls}) > 3
    for params in calls:
        channel = bench.node.world.channels[params["id"]]
        assert params["feeppm"] == before[params["id"]].fee_ppm == channel.local.fee_ppm
        assert params["htlcmax"] == channel.local.htlc_maximum_msat == turned[params["id"]].new_htlc_max_msat
        assert LEAST_HTLC_MAX_MSAT <= params["htlcmax"] <= channel.htlc_max_possible_msat()
        assert states(bench)[params["id"]].window_start_at == started[params["id"]]
    sources = [row.source for row in bench.rows("SELECT source FROM fee_change ORDER BY change_key")]
    assert sources[-len(calls) :] == ["valve"] * len(calls)
    for _ in range(3):
        bench.node.advance_by(9 * HOUR)
        assert bench.fees().changes == ()
    assert len(sent(bench)) == already + len(calls)


def states(bench: Bench) -> dict[str, Any]:
    with bench.database.read(NODE_KEY) as tx:
        return dict(records.fee_states(tx))


def test_a_turn_of_the_valve_counts_for_interval_and_cap(bench: Bench) -> None:
    bench.settings["fees"] |= {"dead_band_ppm": 500_000}
    bench.fees()
    bench.node.advance_by(9 * HOUR)
    with bench.database.read(NODE_KEY) as tx:
        used_count = sum(records.fee_updates_between(tx, bench.clock() - DAY, bench.clock()).values())
    plan = valve(bench).fees()
    turned = plan.changes[0]
    channel = bench.node.world.channels[turned.channel_id]
    with bench.database.read(NODE_KEY) as tx:
        assert sum(records.fee_updates_between(tx, bench.clock() - DAY, bench.clock()).values()) == used_count + len(
            plan.changes
        )
        assert turned.channel_id in records.last_own_changes(tx)
        # It is no change of the fee: nobody takes it for one.
        assert records.last_fee_changes(tx)[turned.channel_id].source == records.EXTERNAL
        assert records.next_fee_change_at(tx, turned.channel_id, bench.clock() - 1) is None
    with bench.node.lock:
        channel.set_local(_with_htlc_max(channel, 50_000_000), bench.node.now_at, 0)
    again = decided(bench, channel)
    assert again.new_htlc_max_msat is not None
    assert (again.outcome, again.reasons[-1].code) == (Outcome.SKIP, ReasonCode.MIN_INTERVAL)
    bench.node.advance_by(9 * HOUR)
    assert decided(bench, channel).outcome is Outcome.CHANGE


def _with_htlc_max(channel: Channel, htlc_max_msat: int) -> Policy:
    return replace(channel.local, htlc_maximum_msat=htlc_max_msat)


def test_an_answer_that_was_lost_is_found_in_force(bench: Bench) -> None:
    bench.fees()
    bench.node.advance_by(9 * HOUR)
    kept = states(bench)
    valve(bench).fault("setchannel", FaultKind.REPLY_LOST)
    with pytest.raises(RevopsError):
        bench.fees()
    (pending,) = bench.rows("SELECT * FROM action WHERE status = 'pending'")
    (params,) = sent(bench)[-1:]
    bench.fees()
    assert bench.rows(f"SELECT status FROM action WHERE action_key = {pending.action_key}")[0].status == "done"
    rows = bench.rows("SELECT source FROM fee_change ORDER BY change_key")
    assert rows[-1].source == "valve"
    assert states(bench)[params["id"]].window_start_at == kept[params["id"]].window_start_at
    assert len(sent(bench, bench.node.world.channels[params["id"]])) == 1


def test_what_the_node_cuts_is_told(bench: Bench) -> None:
    channel = widest(bench)
    plan = _wish(bench, channel, 10**14)
    outcome = apply_fees(plan, FeesConfig(min_ppm=0, max_ppm=1_000_000), _writer(bench), DryJournal())
    (failure,) = outcome.failures
    most_msat = channel.htlc_max_possible_msat()
    assert failure.exit_code == 65
    assert f"htlc_max {10**14} msat, the node set" in failure.message
    assert failure.message.endswith(f"htlc_max {most_msat} msat")


def _wish(bench: Bench, channel: Channel, htlc_max_msat: int) -> FeePlan:
    ppm, base = channel.local.fee_ppm, 0
    decision = FeeDecision(
        channel_id=channel.channel_id, peer_id=channel.peer_id, name="wide", strategy="static", outcome=Outcome.CHANGE,
        old_ppm=ppm, proposed_ppm=ppm, new_ppm=ppm, old_base_msat=base, new_base_msat=base, expected_gain_msat=0,
        reasons=(), state=None, state_if_sent=None, old_htlc_max_msat=1, new_htlc_max_msat=htlc_max_msat,
    )  # fmt: skip
    return FeePlan(bench.clock(), (decision,))


def _writer(bench: Bench) -> NodeWriter:
    return NodeWriter(Rpc(bench.folder / "rpc", command="fees adjust", timeout_seconds=5, writes_allowed=True))


def test_a_uselessly_small_payment_is_never_sent(bench: Bench) -> None:
    plan = _wish(bench, widest(bench), LEAST_HTLC_MAX_MSAT - 1)
    with pytest.raises(BugError, match="useless"):
        apply_fees(plan, FeesConfig(min_ppm=0, max_ppm=1_000_000), DryRunWriter(), DryJournal())
