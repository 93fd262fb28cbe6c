"""What others charge, from the simulated node's gossip to the fee in force."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from revops.domain.decision import FeeDecision, FeePlan, Outcome
from revops.domain.reason import ReasonCode
from revops.sim.faults import Fault, FaultKind, FaultPlan
from revops.sim.ids import iso_time
from revops.sim.world import SimConfig
from tests.e2e.ledgers import rows
from tests.e2e.operator_place import Machine, machine

WORLD = SimConfig(seed=13, channel_count=10, history_days=2.0, forwards_per_day=60.0)
FEES: dict[str, str | int | float] = {"min_ppm": 1, "max_ppm": 5_000}


@pytest.fixture
def place() -> Iterator[Machine]:
    with machine(WORLD) as built:
        built.write_config(fees=FEES)
        yield built


def codes(decision: FeeDecision) -> list[ReasonCode]:
    return [reason.code for reason in decision.reasons]


def by_id(plan: FeePlan) -> dict[str, FeeDecision]:
    return {decision.channel_id: decision for decision in plan.decisions}


def anchors(place: Machine) -> dict[str, int | None]:
    """What is kept of each peer_id."""
    query = "SELECT peer_id, anchor_ppm FROM peer_anchor JOIN peer USING (node_key, peer_key)"
    return {row["peer_id"]: row["anchor_ppm"] for row in rows(place.database, query)}


def channel_of(place: Machine, *, anchored: bool) -> Any:
    """A public channel of a peer that has no other one with us, and has a market or not."""
    known = anchors(place)
    for peer in place.node.world.peers.values():
        if len(peer.channels) == 1 and (known[peer.node_id] is not None) is anchored and not peer.channels[0].private:
            return peer.channels[0]
    raise AssertionError("no such channel in this world")


def make_new(place: Machine, channel: Any) -> None:
    """Let the channel have been opened just now, with the node's default fee."""
    channel.opened_at = int(place.node.now_at) - 7_200
    channel.state_changes[0]["timestamp"] = iso_time(place.node.now_at - 3_600)
    channel.local = replace(channel.local, fee_ppm=10, fee_base_msat=1_000)


def test_anchors_are_asked_for_once_a_day(place: Machine) -> None:
    place.here("fees adjust")
    asked = [call["destination"] for method, call in place.node.call_log if method == "listchannels"]
    assert sorted(asked) == sorted(place.node.world.peers)
    stored = rows(place.database, "SELECT anchor_ppm FROM peer_anchor WHERE anchor_ppm IS NOT NULL")
    assert len(stored) >= len(asked) // 2
    place.node.advance_by(8 * 3_600)
    place.here("fees adjust")
    place.here("sync")
    place.here("rebalance plan")
    assert place.node.call_log.methods().count("listchannels") == len(asked)
    place.node.advance_by(17 * 3_600)
    place.here("fees adjust")
    assert place.node.call_log.methods().count("listchannels") == 2 * len(asked)


def test_a_new_channel_gets_its_first_fee_in_one_cycle(place: Machine) -> None:
    place.here("fees adjust")
    known = place.save()
    channel = channel_of(place, anchored=True)
    anchor_ppm = anchors(place)[channel.peer_id]
    # Nothing was ever seen of it, nor asked about its peer.
    place.restore(known)
    channel = place.node.world.channels[channel.channel_id]
    make_new(place, channel)
    for table in ("fee_state", "fee_change", "peer_anchor"):
        execute(place, f"DELETE FROM {table}")
    decision = by_id(place.here("fees adjust"))[channel.channel_id]
    assert (decision.outcome, decision.old_ppm, decision.new_ppm) == (Outcome.CHANGE, 10, anchor_ppm)
    assert codes(decision)[0] is ReasonCode.FIRST_FEE_ANCHOR
    assert (channel.local.fee_ppm, channel.local.fee_base_msat) == (anchor_ppm, 0)
    # Once: from now on it is watched.
    place.node.advance_by(1_800)
    again = by_id(place.here("fees adjust"))[channel.channel_id]
    assert (again.outcome, codes(again)) == (Outcome.SKIP, [ReasonCode.OBSERVING])


def test_the_first_fee_of_a_new_channel_where_nothing_is_known(place: Machine) -> None:
    place.server.faults = FaultPlan().on("listchannels", Fault(FaultKind.ERROR, code=-1, message="busy"), times=99)
    channel = next(peer.channels[0] for peer in place.node.world.peers.values() if len(peer.channels) == 1)
    make_new(place, channel)
    decision = by_id(place.here("fees adjust"))[channel.channel_id]
    assert (decision.outcome, decision.new_ppm, codes(decision)[0]) == (
        Outcome.CHANGE, 200, ReasonCode.FIRST_FEE_START,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        # The node doesn't answer: the rest waits for the next run. An answer that makes no sense costs one turn.
        (Fault(FaultKind.ERROR, code=-1, message="busy"), 1),
        (Fault(FaultKind.MISSING_FIELD, path="channels.*.fee_per_millionth"), 9),
    ],
)
def test_a_failed_call_leaves_the_last_anchor_and_the_run_goes_on(place: Machine, fault: Fault, asked: int) -> None:
    place.here("fees adjust")
    before = anchors(place)
    assert any(before.values())
    place.node.advance_by(25 * 3_600)
    place.server.faults = FaultPlan().on("listchannels", fault, times=99)
    logged = len([one for one, _ in place.node.call_log if one == "listchannels"])
    plan = place.here("fees adjust")
    assert len(plan.decisions) == WORLD.channel_count
    assert anchors(place) == before
    assert place.server.faults.counts["listchannels"] == min(asked, len(before))
    assert logged
    # And when it answers again those that failed have had their turn, the others come first.
    place.server.faults = FaultPlan()
    place.here("fees adjust")
    assert set(anchors(place)) == set(before)


def test_match_peer_follows_the_anchor(place: Machine) -> None:
    place.write_config(fees={**FEES, "strategy": '"match_peer"', "match_ratio": 1.5, "max_step_ratio": 10.0})
    plan = place.here("fees adjust")
    known = anchors(place)
    followed = 0
    for decision in plan.decisions:
        anchor_ppm = known[decision.peer_id]
        if anchor_ppm is None:
            assert codes(decision)[0] is ReasonCode.NO_ANCHOR
        elif decision.outcome is Outcome.CHANGE:
            followed += 1
            assert (decision.proposed_ppm, decision.new_ppm) == (round(anchor_ppm * 1.5), round(anchor_ppm * 1.5))
            assert place.node.world.channels[decision.channel_id].local.fee_ppm == round(anchor_ppm * 1.5)
    assert followed >= 3


def test_a_spike_on_the_chain_is_a_floor_that_holds_no_longer_than_it(place: Machine) -> None:
    """Dear blocks raise the floor; without estimates the last one counts for three days, then none does."""
    place.write_config(fees={**FEES, "strategy": '"static"', "fixed_ppm": 1})
    world = place.node.world
    world.feerate_perkw = 50_000
    dear = place.here("fees adjust")
    bound = [one for one in dear.decisions if ReasonCode.CHAIN_FLOOR in codes(one)]
    assert len(bound) >= WORLD.channel_count // 2
    assert all(one.new_ppm > 1 for one in bound)
    world.knobs.feerates_missing = True
    place.node.advance_by(4 * 86_400)
    unknown = place.here("fees adjust")
    assert all(ReasonCode.CHAIN_FLOOR not in codes(one) for one in unknown.decisions)
    assert any(ReasonCode.CHAIN_RATE_UNKNOWN in codes(one) for one in unknown.decisions)


def execute(place: Machine, statement: str) -> None:
    with closing(sqlite3.connect(place.database)) as connection, connection:
        connection.execute(statement)
