"""The market is one that a strategy can learn from: dearer means less, a seed gives one history, and it is quick."""

from __future__ import annotations

import json
import time
from random import Random

import pytest

from revops.sim.demand import Demand, Family
from revops.sim.world import SimConfig, SimulatedNode
from tests.sim.driving import channels, quiet_node


def attempts(node: SimulatedNode) -> int:
    """Return how many forwards were tried."""
    books = node.books()
    return books.forwards_settled_count + books.forwards_failed_count + books.forwards_local_failed_count


def test_one_seed_one_history() -> None:
    texts = []
    for step in (86_400.0, 977.0):
        node = SimulatedNode(SimConfig(seed=11, history_days=1.0))
        begin = node.now_at
        while node.now_at < begin + 86_400.0:
            node.advance_to(min(begin + 86_400.0, node.now_at + step))
        texts.append(
            json.dumps([node.handle(name) for name in ("listforwards", "listchannelmoves", "listpeerchannels")])
        )
    assert texts[0] == texts[1]
    assert texts[0] != json.dumps(SimulatedNode(SimConfig(seed=12, history_days=1.0)).handle("listforwards"))


def test_reading_changes_nothing() -> None:
    quiet, asked = (SimulatedNode(SimConfig(seed=5)) for _ in range(2))
    for hour in range(12):
        quiet.advance_to(quiet.config.start_at + hour * 3600.0)
        asked.advance_to(asked.config.start_at + hour * 3600.0)
        for method in ("listpeerchannels", "listforwards", "listnodes", "listfunds"):
            asked.handle(method)
    assert quiet.handle("listforwards") == asked.handle("listforwards")


@pytest.mark.parametrize("family", list(Family))
def test_willingness_is_the_inverse_of_survival(family: Family) -> None:
    demand = Demand(family, 300.0, 2.2, 10.0, 1.0, 1.0, 0.1, 1.0, 1.0, 0.0)
    rng = Random(1)
    draws = [demand.willingness_ppm(1.0 - rng.random()) for _ in range(20_000)]
    for price in (0.0, 50.0, 150.0, 295.0, 300.0, 600.0):
        share = sum(draw >= price for draw in draws) / len(draws)
        assert share == pytest.approx(demand.survival(price), abs=0.015)


def test_a_dearer_node_is_asked_less() -> None:
    counts, fees = [], []
    for ppm in (20, 200, 2_000):
        node = SimulatedNode(SimConfig(seed=2, initial_fee_ppm=200))
        node.handle("setchannel", {"id": "all", "feebase": 0, "feeppm": ppm})
        node.advance_by(3 * 86_400.0)
        counts.append(attempts(node))
        fees.append(node.books().fees_earned_msat)
    assert counts[0] > 1.3 * counts[1] > 1.3 * 2 * counts[2]
    # Neither giving liquidity away nor asking the moon pays best.
    assert fees[1] > fees[0]


def test_rate_is_about_what_was_asked_for() -> None:
    node = SimulatedNode(SimConfig(seed=4, forwards_per_day=1_000.0))
    node.advance_by(2 * 86_400.0)
    assert 700.0 <= attempts(node) / 2 <= 1_500.0


def test_every_kind_of_end_occurs() -> None:
    node = SimulatedNode(SimConfig(seed=1, forwards_per_day=1_500.0))
    for day in range(6):
        node.handle("setchannel", {"id": "all", "feeppm": 100 if day % 2 else 400})
        node.advance_by(43_200.0)
    rows = node.handle("listforwards")["forwards"]
    assert {row["status"] for row in rows} >= {"settled", "failed", "local_failed"}
    codes = [row["failcode"] for row in rows if row["status"] == "local_failed"]
    assert set(codes) == {4103, 4108}
    assert codes.count(4108) < codes.count(4103)


def test_a_dead_peer_is_dead_and_a_source_is_a_source() -> None:
    node = SimulatedNode(SimConfig(seed=1, history_days=5.0))
    books = node.books().per_channel
    peers = list(node.world.peers.values())
    assert sum(books[one.channel_id].forwarded_out_count for one in peers[4].channels if one.channel_id in books) <= 12
    source = peers[2].channels[0].channel_id
    assert books[source].forwarded_in_msat > books[source].forwarded_out_msat


def test_forwards_hold_htlcs_for_a_while() -> None:
    node = SimulatedNode(SimConfig(seed=1, history_days=0.5, stuck_ratio=0.1))
    offered = node.handle("listforwards", {"status": "offered"})["forwards"]
    held = [htlc for row in channels(node) for htlc in row["htlcs"]]
    assert len(held) == 2 * len(offered) > 0
    assert all("updated_index" not in row and "resolved_time" not in row for row in offered)


def test_special_channels_are_there() -> None:
    node = SimulatedNode(SimConfig())
    rows = channels(node)
    assert len(rows) == 20
    assert sum("short_channel_id" not in row and row["private"] for row in rows) == 1
    assert any(row["max_accepted_htlcs"] == 5 for row in rows)
    assert all(row["our_max_htlc_value_in_flight_msat"] == 2**64 - 1 for row in rows)
    assert sum(row["num_channels"] == 2 for row in node.handle("listpeers")["peers"]) == 2
    aliases = "".join(row["alias"] for row in node.handle("listnodes")["nodes"])
    assert all(mark in aliases for mark in ("\x1b", "\n", "<script", '"', "'", "\u202e"))
    outputs = node.handle("listfunds")["outputs"]
    assert sum(row["status"] == "unconfirmed" for row in outputs) == 1
    assert sum(row["reserved"] for row in outputs) == 1


def test_the_private_channel_is_known_by_its_alias() -> None:
    node = quiet_node()
    row = next(row for row in channels(node) if "short_channel_id" not in row)
    found = node.handle("listpeerchannels", {"short_channel_id": row["alias"]["local"]})["channels"]
    assert [one["channel_id"] for one in found] == [row["channel_id"]]
    gossip = {one["short_channel_id"] for one in node.handle("listchannels")["channels"]}
    assert row["alias"]["local"] not in gossip


def test_a_small_slot_limit_binds() -> None:
    node = SimulatedNode(SimConfig(seed=1, history_days=0.5, stuck_ratio=1.0, forwards_per_day=4_000.0))
    row = next(row for row in channels(node) if row["max_accepted_htlcs"] == 5)
    counts = [sum(htlc["direction"] == way for htlc in row["htlcs"]) for way in ("in", "out")]
    assert max(counts) == 5


def test_peers_go_and_come_back() -> None:
    node = SimulatedNode(SimConfig(seed=1, history_days=4.0))
    events = node.handle("listnetworkevents")["networkevents"]
    kinds = {row["type"] for row in events}
    assert kinds == {"connect", "disconnect", "connect_fail", "ping"}
    for row in events:
        assert ("connect_attempted" in row) == (row["type"] == "connect_fail")
    peer = channels(node)[0]["peer_id"]
    node.disconnect_peer(peer)
    node.advance_by(3 * 86_400.0)
    row = channels(node)[0]
    assert not row["peer_connected"]
    assert "reestablished" not in row
    mine = node.handle("listnetworkevents", {"id": peer})["networkevents"]
    assert mine[-1]["type"] in ("disconnect", "connect_fail")
    node.connect_peer(peer)
    assert channels(node)[0]["peer_connected"]


def test_blocks_and_feerates_move() -> None:
    node = SimulatedNode(SimConfig(seed=1))
    heights, rates = [], []
    for _ in range(14):
        heights.append(node.handle("getinfo")["blockheight"])
        rates.append(node.handle("feerates", {"style": "perkw"})["perkw"]["opening"])
        node.advance_by(86_400.0)
    assert heights == sorted(heights)
    assert 13 * 144 * 0.9 < heights[-1] - heights[0] < 13 * 144 * 1.1
    assert len(set(rates)) > 10
    node.hide_feerates()
    assert "warning_missing_feerates" in node.handle("feerates", {"style": "perkb"})


def test_feerates_fall_below_one_sat_per_vbyte() -> None:
    lows = []
    for seed in range(4):
        node = SimulatedNode(SimConfig(seed=seed, forwards_per_day=1.0, ping_interval_seconds=0.0))
        for _ in range(60):
            node.advance_by(43_200.0)
            lows.append(node.handle("feerates", {"style": "perkb"})["perkb"]["opening"])
    assert min(lows) < 1_000 < max(lows)


def test_three_busy_days_take_a_moment() -> None:
    node = SimulatedNode(SimConfig(forwards_per_day=1_500.0))
    begun = time.process_time()
    node.advance_by(3 * 86_400.0)
    page = node.handle("listforwards", {"index": "created", "start": 1, "limit": 5_000})["forwards"]
    assert time.process_time() - begun < 8.0
    assert len(page) > 3_000


def test_time_never_runs_backwards() -> None:
    node = SimulatedNode(SimConfig())
    at = node.now_at
    node.advance_to(at - 1_000.0)
    assert node.now_at == at
