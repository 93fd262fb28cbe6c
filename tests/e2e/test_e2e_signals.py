"""From forwards to decisions: what sync has counted is what a fee decision and a person see."""

from __future__ import annotations

import json
import math
from contextlib import closing
from typing import Any, Final

import pytest

from revops.cycle import fees as cycle
from revops.decide.fees import decide_fees
from revops.decide.reputation import TINY_MSAT
from revops.domain.snapshot import FeeInput
from revops.store import signals
from revops.store.engine import Database
from tests.e2e.ledgers import rows
from tests.e2e.operator_place import Machine

HALF_LIFE_SECONDS: Final = 14 * 86_400.0
VALUE_PPM: Final = 5.0
FINAL: Final = "SELECT created_index, score_msat, fee_msat FROM forward WHERE status = 1 ORDER BY created_index"


def known_scores(machine: Machine) -> dict[int, int]:
    return {row["created_index"]: row["score_msat"] for row in rows(machine.database, FINAL)}


def sums(machine: Machine) -> list[dict[str, Any]]:
    peers = rows(machine.database, "SELECT * FROM peer_signal ORDER BY peer_key, role")
    return peers + rows(machine.database, "SELECT * FROM channel_signal ORDER BY channel_key")


def test_scores_stand_when_reputations_move(empty: Machine) -> None:
    empty.here("sync")
    first, before = known_scores(empty), sums(empty)
    assert first
    assert None not in first.values()
    empty.here("sync")
    assert (known_scores(empty), sums(empty)) == (first, before)  # nothing new: nothing moved
    empty.node.pause_market(False)
    empty.node.advance_by(6 * 3_600)
    empty.node.pause_market(True)
    empty.here("sync")
    later = known_scores(empty)
    assert len(later) > len(first)
    assert {index: later[index] for index in first} == first
    assert sums(empty) != before


def test_sums_are_those_of_all_forwards(empty: Machine) -> None:
    """Each forward of the node's list, counted by plain arithmetic at the moment of the last one."""
    empty.here("sync")
    channels = rows(empty.database, "SELECT channel_key, peer_id FROM channel JOIN peer USING (node_key, peer_key)")
    by_key = {row["channel_key"]: row["peer_id"] for row in channels}
    scids = rows(empty.database, "SELECT scid, channel_key FROM channel_scid")
    peer_of = {row["scid"]: by_key.get(row["channel_key"]) for row in scids}
    now = empty.node.now_at
    expected: dict[str, float] = {}
    for forward in empty.node.world.forwards:
        peer_id, amount_msat = peer_of[forward.in_channel], forward.out_msat or forward.in_msat
        counts = forward.status == "failed" or (forward.status == "settled" and amount_msat >= TINY_MSAT)
        if peer_id is not None and counts:
            assert forward.resolved_at is not None
            name = f"{peer_id} {forward.status}"
            left = 0.5 ** ((now - forward.resolved_at) / HALF_LIFE_SECONDS)
            expected[name] = expected.get(name, 0.0) + left
    found: dict[str, float] = {}
    query = "SELECT * FROM peer_signal JOIN peer USING (node_key, peer_key) WHERE role = 'sender'"
    for row in rows(empty.database, query):
        left = 0.5 ** ((now - row["updated_at"]) / HALF_LIFE_SECONDS)
        found[f"{row['peer_id']} settled"] = row["success"] * left
        found[f"{row['peer_id']} failed"] = row["failure"] * left
    assert {name: value for name, value in found.items() if value} == pytest.approx(expected, rel=1e-6)


def test_reports_and_metrics_show_them(empty: Machine) -> None:
    assert empty.command("sync").code == 0
    ran = empty.command("report", "peers", "--json")
    assert (ran.code, ran.err) == (0, "")
    peers = json.loads(ran.out)["peers"]
    open_peers = rows(empty.database, "SELECT DISTINCT peer_key FROM channel WHERE closed_at IS NULL")
    assert len([peer for peer in peers if peer["channel_count"]]) == len(open_peers) > 1
    assert any(peer["sender"]["payment_count"] > 1 for peer in peers)
    assert all(0 < peer[role]["score_ratio"] < 1 for peer in peers for role in ("sender", "receiver"))
    assert empty.command("report", "peers").out.count("\n") > len(peers)
    text = (empty.metrics / "revops_sim.prom").read_text()
    assert text.count("\nrevops_peer_reputation_ratio{") == 2 * len(open_peers)
    assert 'command="report peers"' in (empty.metrics / "revops_sim_report_peers.prom").read_text()


def test_fee_decisions_see_score_and_signals(empty: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    empty.here("sync")
    empty.here("fees adjust")
    channel_ids = [row["channel_id"] for row in rows(empty.database, "SELECT channel_id FROM channel")]
    with closing(Database.open(f"sqlite:///{empty.database}")) as database, database.transaction(1) as tx:
        signals.save_values(tx, dict.fromkeys(channel_ids, VALUE_PPM), empty.node.now_at)
    empty.node.pause_market(False)
    empty.node.advance_by(8 * 3_600)
    empty.node.pause_market(True)
    seen: list[FeeInput] = []

    def watch(snapshot: Any, *arguments: Any) -> Any:
        seen.extend(snapshot.inputs)
        return decide_fees(snapshot, *arguments)

    monkeypatch.setattr(cycle, "decide_fees", watch)
    empty.here("fees adjust")
    earning = [one for one in seen if one.earned_count]
    assert earning
    assert {one.signals.value_ppm for one in seen} == {VALUE_PPM}
    for one in earning:
        # Every channel has the same value: a sat that leaves and one that enters cancel out, but for the fee.
        assert one.score_msat is not None
        assert one.score_error_msat is not None
        assert one.score_msat <= one.earned_msat * (1 + VALUE_PPM / 1e6)
        assert 0 < one.score_error_msat <= one.score_msat
    assert any(one.signals.demand.msat_per_day > 0 for one in seen)
    assert any(one.signals.inflow.msat_per_day > 0 for one in seen)
    assert any(0 < one.signals.entry_value_ppm <= VALUE_PPM for one in seen)
    assert any(one.signals.hold_seconds for one in seen)
    assert all(math.isfinite(one.signals.demand.squares_per_day) for one in seen)
