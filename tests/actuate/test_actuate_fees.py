"""Fees on a real socket: nothing outside the rails leaves us, and what is in force is what is on record."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.actuate.fees import DryJournal, StoreJournal, apply_fees
from revops.domain.decision import FeeDecision, FeePlan, Outcome, PriceWindow
from revops.domain.policy import FeesConfig
from revops.errors import BugError, DataError, RevopsError, UnavailableError
from revops.node.errors import NodeError
from revops.node.parse_channels import FeesReply
from revops.node.rpc import Rpc
from revops.node.writer import DryRunWriter, NodeWriter
from revops.sim.faults import FaultKind
from revops.store import actions, fees
from tests.actuate.bench import HOUR, NODE_KEY, Bench, Killed, killing, open_bench

#: Below every fee of the bench's channels: one run brings all of them inside.
MAX_PPM = 20
POLICY = FeesConfig(min_ppm=10, max_ppm=MAX_PPM, base_msat=1)


@pytest.fixture
def cheap(bench: Bench) -> Bench:
    """A node whose fees are all outside of what its operator allows now."""
    bench.settings["fees"] |= {"min_ppm": 10, "max_ppm": MAX_PPM, "base_msat": 1}
    return bench


def in_force(bench: Bench) -> dict[str, tuple[int, int]]:
    """(base, ppm) of each live channel, as the node has it."""
    channels = bench.node.world.channels.values()
    return {row.channel_id: (row.local.fee_base_msat, row.local.fee_ppm) for row in channels if row.is_live}


def changes(bench: Bench) -> list[Any]:
    """What was recorded, without the first sight of each channel."""
    return bench.rows("SELECT * FROM fee_change WHERE old_ppm IS NOT NULL ORDER BY change_key")


def action_statuses(bench: Bench) -> Counter[str]:
    return Counter(row.status for row in bench.rows("SELECT * FROM action WHERE method = 'setchannel'"))


def assert_on_record(bench: Bench) -> None:
    """The last recorded fee of each channel is the one in force; nothing of ours is taken for somebody else's."""
    with bench.database.read(NODE_KEY) as tx:
        last = fees.last_fee_changes(tx)
    assert {key: change.new_ppm for key, change in last.items()} == {
        key: ppm for key, (_, ppm) in in_force(bench).items()
    }
    for sent in bench.calls("setchannel"):
        assert 10 <= sent["feeppm"] <= MAX_PPM
        assert sent["feebase"] == 1


def fails(bench: Bench, exit_code: int = 69) -> RevopsError:
    with pytest.raises(RevopsError) as caught:
        bench.fees()
    assert caught.value.exit_code == exit_code, caught.value
    return caught.value


def decision(bench: Bench, number: int = 0, **overrides: Any) -> FeeDecision:
    channel_id = list(bench.node.world.channels)[number]
    base, ppm = in_force(bench)[channel_id]
    asked = FeeDecision(
        channel_id=channel_id, peer_id=bench.node.channel(channel_id).peer_id, name=f"channel {number}",
        strategy="hill_climb", outcome=Outcome.CHANGE, old_ppm=ppm, proposed_ppm=MAX_PPM, new_ppm=MAX_PPM,
        old_base_msat=base, new_base_msat=1, expected_gain_msat=0, reasons=(), state=None, state_if_sent=None,
    )  # fmt: skip
    return replace(asked, **overrides)


def writer_of(bench: Bench) -> NodeWriter:
    return NodeWriter(Rpc(bench.folder / "rpc", command="fees adjust", timeout_seconds=5, writes_allowed=True))


def test_each_fee_is_brought_inside_and_recorded_as_ours(cheap: Bench) -> None:
    cheap.fees()
    assert {ppm for _, ppm in in_force(cheap).values()} == {MAX_PPM}
    assert {base for base, _ in in_force(cheap).values()} == {1}
    assert {row.source for row in changes(cheap)} == {"revops"}
    assert action_statuses(cheap) == {"done": len(in_force(cheap))}
    assert_on_record(cheap)
    sent_count = len(cheap.calls("setchannel"))
    cheap.fees()
    assert len(cheap.calls("setchannel")) == sent_count
    assert len(changes(cheap)) == sent_count


@pytest.mark.parametrize("ppm", [-1, 0, 9, MAX_PPM + 1, 10**6])
def test_a_plan_that_breaks_a_rail_is_not_carried_out_at_all(bench: Bench, ppm: int) -> None:
    """The other channels' changes stand before it in the plan, and aren't sent either."""
    plan = FeePlan(0.0, (decision(bench), decision(bench, 1), decision(bench, 2, new_ppm=ppm)))
    before = in_force(bench)
    with pytest.raises(BugError, match=f"channel 2: {ppm} ppm"):
        apply_fees(plan, POLICY, writer_of(bench), DryJournal())
    assert bench.calls("setchannel") == []
    assert in_force(bench) == before


def test_a_base_fee_that_nobody_set_is_not_sent(bench: Bench) -> None:
    with pytest.raises(BugError, match="base fee of 2 msat"):
        apply_fees(FeePlan(0.0, (decision(bench, new_base_msat=2),)), POLICY, writer_of(bench), DryJournal())
    assert bench.calls("setchannel") == []


class Spy(DryRunWriter):
    """Remembers what it was told to send."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[int] = []

    def set_fees(
        self, channel_id: str, fee_base_msat: int, fee_ppm: int, htlc_max_msat: int | None = None
    ) -> FeesReply:
        self.sent.append(fee_ppm)
        return super().set_fees(channel_id, fee_base_msat, fee_ppm, htlc_max_msat)


@given(
    wanted=st.lists(st.integers(-5, 2_000_000) | st.integers(0, 300), max_size=6),
    low=st.integers(0, 100),
    width=st.integers(0, 100),
)
def test_nothing_outside_the_bounds_is_ever_sent(wanted: list[int], low: int, width: int) -> None:
    policy = FeesConfig(min_ppm=low, max_ppm=low + width, base_msat=0)
    template = FeeDecision("ab", "cd", "n", "s", Outcome.CHANGE, 1, 1, 1, 0, 0, 0, (), None, None)
    plan = FeePlan(0.0, tuple(replace(template, new_ppm=ppm) for ppm in wanted))
    spy = Spy()
    inside = all(low <= ppm <= low + width for ppm in wanted)
    if inside:
        assert apply_fees(plan, policy, spy, DryJournal()).sent_count == len(wanted)
    else:
        with pytest.raises(BugError):
            apply_fees(plan, policy, spy, DryJournal())
    assert spy.sent == (wanted if inside else [])


def test_what_the_node_clamps_is_recorded_as_it_is_in_force(cheap: Bench, monkeypatch: Any) -> None:
    """lightningd clamps without an error: the reply counts, not the request."""
    asked = cheap.node.handle

    def clamping(method: str, params: Any = None) -> dict[str, Any]:
        if method == "setchannel" and params["id"] == next(iter(in_force(cheap))):
            params = params | {"feeppm": MAX_PPM - 3}
        return asked(method, params)

    monkeypatch.setattr(cheap.node, "handle", clamping)
    error = fails(cheap, 65)
    assert isinstance(error, DataError)
    assert f"asked for {MAX_PPM} ppm + 1 msat, the node set {MAX_PPM - 3} ppm + 1 msat" in str(error)
    assert Counter(ppm for _, ppm in in_force(cheap).values())[MAX_PPM - 3] == 1
    assert_on_record(cheap)
    monkeypatch.undo()
    cheap.fees()
    assert {row.source for row in changes(cheap)} == {"revops"}
    assert_on_record(cheap)


@pytest.mark.parametrize("kind", [FaultKind.REPLY_LOST, FaultKind.DROP_MIDWAY, FaultKind.GARBAGE])
@pytest.mark.parametrize("after", [0, 3])
def test_a_lost_reply_is_reconciled_as_ours(cheap: Bench, kind: FaultKind, after: int) -> None:
    cheap.fault("setchannel", kind, after=after)
    fails(cheap, 65 if kind is FaultKind.GARBAGE else 69)
    assert action_statuses(cheap)["pending"] == 1
    assert len(changes(cheap)) == after
    cheap.node.advance_by(60)
    cheap.fees()
    assert action_statuses(cheap) == {"done": len(in_force(cheap))}
    assert {row.source for row in changes(cheap)} == {"revops"}
    assert len(changes(cheap)) == len(in_force(cheap)) == len(cheap.calls("setchannel"))
    assert_on_record(cheap)


@pytest.mark.parametrize("kind", [FaultKind.REPLY_LOST, FaultKind.DROP_MIDWAY])
def test_a_lost_reply_costs_nothing_of_what_was_learnt(template: Any, kind: FaultKind) -> None:
    """The strategy remembers what it would have remembered had the answer come: two benches, one of them without."""
    learnt = []
    for lost in (False, True):
        with open_bench(template, channel_count=3) as bench:
            bench.settings["fees"]["min_interval_seconds"] = 5 * 3_600
            for _ in range(4):
                bench.fees()
                bench.node.advance_by(9 * HOUR)
            if lost:
                bench.fault("setchannel", kind, after=2)  # the others have had their turn
                fails(bench)
            else:
                bench.fees()
            bench.node.advance_by(60)
            plan = bench.fees()
            assert action_statuses(bench)["done"] == sum(action_statuses(bench).values())
            learnt.append(([one.state for one in plan.decisions], in_force(bench)))
            assert bench.rows("SELECT * FROM action WHERE state_json IS NOT NULL") == []
    assert learnt[0] == learnt[1]
    assert all(state is not None and state.windows for state in learnt[0][0])


def test_a_call_of_an_earlier_version_that_was_left_open_costs_its_window_only(cheap: Bench) -> None:
    cheap.fault("setchannel", FaultKind.REPLY_LOST)
    fails(cheap)
    with cheap.database.transaction(NODE_KEY) as tx:
        (open_call,) = actions.pending_actions(tx, "setchannel")
        assert open_call.channel_id is not None
        assert open_call.state_if_done is not None
        tx.connection.exec_driver_sql("UPDATE action SET state_json = NULL")
        known = replace(
            fees.fee_states(tx)[open_call.channel_id], windows=(PriceWindow(1.0, 5, 2.0, 3.0),), asleep_until_at=2.0
        )
        fees.save_fee_state(tx, open_call.channel_id, known, 0.0)
    cheap.fees()
    with cheap.database.read(NODE_KEY) as tx:
        state = fees.fee_states(tx)[open_call.channel_id]
    assert (state.fee_ppm, state.windows, state.direction) == (MAX_PPM, known.windows, known.direction)
    assert (state.window_start_at, state.open_seconds, state.asleep_until_at) == (open_call.created_at, 0.0, None)


@pytest.mark.parametrize("code", [-4, -5])
def test_a_node_that_shuts_down_while_it_is_asked_may_have_done_it(cheap: Bench, code: int) -> None:
    cheap.refuse("setchannel", code)
    error = fails(cheap)
    assert isinstance(error, NodeError)
    assert error.outcome_unknown
    assert action_statuses(cheap) == {"pending": 1}
    cheap.fees()
    assert action_statuses(cheap) == {"failed": 1, "done": len(in_force(cheap))}
    assert_on_record(cheap)


def test_a_call_that_never_arrived_is_closed_and_made_again(cheap: Bench) -> None:
    cheap.fault("setchannel", FaultKind.DROP_BEFORE)
    fails(cheap)
    cheap.fees()
    assert action_statuses(cheap) == {"failed": 1, "done": len(in_force(cheap))}
    assert_on_record(cheap)


def test_a_refusal_is_recorded_and_the_rest_goes_on(cheap: Bench) -> None:
    cheap.refuse("setchannel", -1, "no")
    error = fails(cheap)
    assert isinstance(error, UnavailableError)
    assert action_statuses(cheap) == {"failed": 1, "done": len(in_force(cheap)) - 1}
    assert_on_record(cheap)


def test_a_base_fee_that_isn_t_in_force_was_not_set(bench: Bench) -> None:
    """The ppm is what it was before: it must not pass for a proof that the call was executed."""
    asked = decision(bench)
    asked = replace(asked, new_ppm=asked.old_ppm)
    policy = FeesConfig(min_ppm=0, max_ppm=10_000, base_msat=1)
    bench.settings["fees"]["mode"] = "observe"
    bench.node.set_fee_externally(asked.channel_id, ppm=asked.old_ppm, base_msat=777)
    bench.fees()
    bench.fault("setchannel", FaultKind.DROP_BEFORE)
    journal = StoreJournal(bench.database, NODE_KEY, 1, bench.clock)
    with pytest.raises(NodeError):
        apply_fees(FeePlan(0.0, (asked,)), policy, writer_of(bench), journal)
    bench.fees()
    assert action_statuses(bench) == {"failed": 1}
    assert changes(bench) == []


def test_a_change_by_somebody_else_is_noticed_once(cheap: Bench) -> None:
    cheap.fees()
    before = len(changes(cheap))
    channel_id = next(iter(in_force(cheap)))
    cheap.node.set_fee_externally(channel_id, ppm=15)
    for _ in range(3):
        cheap.node.advance_by(600)
        cheap.fees()
    (external,) = [row for row in changes(cheap) if row.source == "external"]
    assert (external.old_ppm, external.new_ppm) == (MAX_PPM, 15)
    assert len(changes(cheap)) == before + 1 + len([row for row in changes(cheap)[before:] if row.source == "revops"])


def test_reconciling_respects_what_somebody_else_set_since(cheap: Bench) -> None:
    cheap.fault("setchannel", FaultKind.REPLY_LOST)
    fails(cheap)
    (pending,) = cheap.rows("SELECT * FROM action WHERE status = 'pending'")
    with cheap.database.read(NODE_KEY) as tx:
        (record,) = actions.pending_actions(tx, "setchannel")
    assert record.channel_id is not None
    cheap.node.set_fee_externally(record.channel_id, ppm=13)
    cheap.fees()
    (closed,) = [row for row in cheap.rows("SELECT * FROM action") if row.action_key == pending.action_key]
    assert closed.status == "failed"
    (external,) = [row for row in changes(cheap) if row.source == "external"]
    assert external.new_ppm == 13


def test_a_run_that_is_killed_anywhere_is_finished_by_the_next(template: Any, monkeypatch: Any) -> None:
    """No fee of ours is ever taken for an external change, and none is sent twice."""
    at = 0
    while True:
        at += 1
        with open_bench(template, channel_count=3) as bench:
            bench.settings["fees"] |= {"min_ppm": 10, "max_ppm": MAX_PPM, "base_msat": 1}
            killed = False
            with killing(monkeypatch, at, start_method="setchannel"):
                try:
                    bench.fees()
                except Killed:
                    killed = True
            bench.node.advance_by(60)
            bench.fees()
            assert {row.source for row in changes(bench)} == {"revops"}
            assert "pending" not in action_statuses(bench)
            assert_on_record(bench)
            assert len(bench.calls("setchannel")) == 3
        if not killed:
            break
    assert at > 10


def test_a_dry_run_sends_and_records_nothing(cheap: Bench) -> None:
    from revops.cycle import fees as command

    before = in_force(cheap)
    plan = command.run(replace(cheap.options, dry_run=True), clock=cheap.clock)
    assert len(plan.changes) == len(before)
    assert cheap.calls("setchannel") == []
    assert in_force(cheap) == before
    assert changes(cheap) == cheap.rows("SELECT * FROM action") == []
