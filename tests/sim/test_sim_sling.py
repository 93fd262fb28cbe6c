"""The simulated sling answers in the shapes of a real one (v4.2.1), and does with payments what its source says."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from revops.sim.channels import Channel
from revops.sim.world import SimulatedNode
from tests.sim.driving import quiet_node, refused
from tests.sim.test_sim_samples import FOLDER, differences, shape

CHUNK_SAT = 20_000


def recorded(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())["result"]


def sling_node(**fields: Any) -> SimulatedNode:
    return quiet_node(**({"seed": 3, "sling_version": "v4.2.1"} | fields))


def rich_and_poor(node: SimulatedNode) -> tuple[list[Channel], Channel]:
    """Channels that can pay, and one that can take."""
    live = [one for one in node.world.channels.values() if one.scid is not None and one.is_live]
    target = max(live, key=Channel.receivable_msat)
    return sorted((one for one in live if one is not target), key=Channel.spendable_msat)[-3:], target


def order(node: SimulatedNode, **changes: Any) -> dict[str, Any]:
    sources, target = rich_and_poor(node)
    asked: dict[str, Any] = {
        "scid": target.scid, "direction": "pull", "amount": CHUNK_SAT, "onceamount": 5 * CHUNK_SAT, "maxppm": 3_000,
        "candidates": [one.scid for one in sources], "depleteuptoamount": 100_000,
    }  # fmt: skip
    return asked | changes


def paid(node: SimulatedNode, status: str = "complete") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = node.answer("listsendpays", {"status": status})["payments"]
    return rows


def listed(node: SimulatedNode) -> Any:
    """sling-stats: the only result that is a bare list."""
    return node.handle("sling-stats", [True])


def test_without_the_plugin_its_methods_are_unknown() -> None:
    for method in ("sling-version", "sling-stats", "sling-once", "sling-stop", "sling-jobsettings"):
        assert refused(quiet_node(), method, []).code == -32601


def test_answers_have_the_recorded_shape() -> None:
    node = sling_node()
    ours: dict[str, Any] = {
        "sling-version": node.handle("sling-version", []),
        "sling-once": node.handle("sling-once", order(node)),
    }
    node.advance_by(300)
    ours["sling-stats"] = listed(node)
    ours["sling-stats.scid"] = node.handle("sling-stats", [order(node)["scid"], True])
    ours["sling-stop"] = node.handle("sling-stop", [])
    ours["sling-jobsettings"] = node.handle("sling-jobsettings", [])
    for name, answer in ours.items():
        real = recorded(name)
        if name == "sling-stats.scid":
            del real["failures_in_time_window"], answer["failures_in_time_window"]
        assert differences(shape(real), shape(answer)) == [], name
    assert recorded("sling-jobsettings") == ours["sling-jobsettings"] == {}


def test_a_job_pays_in_pieces_until_all_is_moved() -> None:
    node = sling_node()
    _, target = rich_and_poor(node)
    before_msat = target.to_us_msat
    node.handle("sling-once", order(node))
    assert paid(node, "pending") == []
    node.advance_by(600)
    rows = paid(node)
    assert [row["amount_msat"] for row in rows] == [CHUNK_SAT * 1_000] * 5
    assert target.to_us_msat - before_msat == 5 * CHUNK_SAT * 1_000
    assert {row["destination"] for row in rows} == {node.node_id}
    assert not [row for row in rows if {"label", "bolt11", "description"} & set(row)]
    real = [row for row in recorded("listsendpays")["payments"] if "label" not in row and row["status"] == "complete"]
    assert set(rows[0]) == set(real[0])
    moves = node.answer("listchannelmoves", {})["channelmoves"]
    pairs = [[row for row in moves if row.get("payment_hash") == one["payment_hash"]] for one in rows]
    for (credit, debit), row in zip(pairs, rows, strict=True):
        assert credit["account_id"] == target.channel_id
        assert (credit["credit_msat"], credit["primary_tag"]) == (row["amount_msat"], "invoice")
        assert (debit["debit_msat"], debit["primary_tag"]) == (row["amount_sent_msat"], "invoice")
    cost_msat = sum(row["amount_sent_msat"] - row["amount_msat"] for row in rows)
    assert (node.books().rebalance_count, node.books().rebalance_fees_msat) == (5, cost_msat)
    assert listed(node)[0]["status"] == ["1:Balanced"]
    assert node.handle("listinvoices")["invoices"] == []


def test_no_route_dearer_than_the_limit_is_taken() -> None:
    node = sling_node()
    node.handle("sling-once", order(node, maxppm=1))
    node.advance_by(2_000)
    assert paid(node) == []
    assert listed(node)[0]["status"] == ["1:NoCheapRoute"]


def test_sources_are_left_with_what_the_job_says() -> None:
    node = sling_node()
    sources, _ = rich_and_poor(node)
    source = sources[-1]
    floor_sat = source.to_us_msat // 1_000 - CHUNK_SAT - 500
    changes = {"candidates": [source.scid], "depleteuptoamount": floor_sat, "depleteuptopercent": 0.999}
    node.handle("sling-once", order(node, **changes))
    node.advance_by(2_000)
    assert len(paid(node)) == 2
    assert listed(node)[0]["status"] == ["1:NoCandidates"]


def test_a_payment_that_hangs_at_home_is_paid_and_not_counted() -> None:
    """What is moved may be more than what was asked for: sling takes what it stopped waiting for as failed."""
    node = sling_node()
    node.hold_payments()
    node.handle("sling-once", order(node, onceamount=CHUNK_SAT))
    node.advance_by(60)
    assert len(paid(node, "pending")) == 1
    node.advance_by(120)
    assert len(paid(node, "pending")) == 2
    node.hold_payments(False)
    node.advance_by(60)
    assert len(paid(node)) == 2


def test_what_sling_no_longer_waits_for_fails_at_home() -> None:
    node = sling_node()
    node.handle("sling-once", order(node))
    node.advance_by(0.1)
    assert len(paid(node, "pending")) == 1
    node.forget_sling()
    node.advance_by(600)
    assert (len(paid(node)), len(paid(node, "failed"))) == (0, 1)
    assert listed(node) == []


def test_a_job_is_stopped_after_its_payment() -> None:
    node = sling_node()
    node.handle("sling-once", order(node, onceamount=100 * CHUNK_SAT))
    node.advance_by(10)
    assert node.handle("sling-stop", [order(node)["scid"]]) == {"stopped_count": 1}
    assert paid(node, "pending") == []
    count = len(paid(node))
    node.advance_by(3_600)
    assert 0 < len(paid(node)) == count < 100
    assert node.handle("sling-stop", ["1x1x1"]) == {"stopped_count": 0}


def test_a_job_without_its_channel_vanishes() -> None:
    node = sling_node()
    _, target = rich_and_poor(node)
    node.handle("sling-once", order(node, onceamount=100 * CHUNK_SAT))
    node.advance_by(10)
    node.splice_channel(target.channel_id, 100_000)
    node.advance_by(600)
    assert listed(node) == []
    assert len(paid(node)) < 100


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"direction": "sideways"}, "could not parse flow direction from `sideways`"),
        ({"onceamount": CHUNK_SAT + 1}, "onceamount must be a multiple of amount"),
        ({"amount": 0}, "amount must be greater than 0"),
        ({"amount": "5"}, "amount must be an integer"),
        ({"target": 0.5}, "Invalid argument: target"),
        ({"scid": "1x1x1"}, "Channel not found"),
        ({"depleteuptopercent": 1.0}, "depleteuptopercent must be between"),
        ({"onceamount": CHUNK_SAT * 10**6}, "has not enough capacity to pull"),
    ],
)
def test_refusals_all_have_one_code(changes: dict[str, Any], message: str) -> None:
    node = sling_node()
    error = refused(node, "sling-once", order(node, **changes))
    assert error.code == -32700
    assert message in error.message


def test_one_job_a_channel() -> None:
    node = sling_node()
    node.handle("sling-once", order(node))
    assert "already a job" in refused(node, "sling-once", order(node)).message
    standing = {name: value for name, value in order(node).items() if name != "onceamount"}
    assert "Once-job" in refused(node, "sling-job", standing).message
    node.handle("sling-stop", [])
    assert node.handle("sling-job", standing) == {"result": "success"}
    assert "already a job" in refused(node, "sling-once", order(node)).message
    (settings,) = node.handle("sling-jobsettings", []).values()
    assert (settings["sat_direction"], settings["amount_msat"], settings["maxppm"]) == ("Pull", 20_000_000, 3_000)
    assert refused(node, "sling-jobsettings", ["1x1x1"]).message == "channel not found"


def test_versions_before_4_have_no_once_and_take_lists_alone() -> None:
    node = sling_node(sling_version="v3.0.6")
    assert node.handle("sling-version", []) == {"version": "v3.0.6"}
    assert refused(node, "sling-stats", {"json": True}).code == -32700
    assert refused(node, "sling-once", order(node)).code == -32601


def test_a_world_with_a_running_job_can_be_put_away() -> None:
    node = sling_node()
    node.handle("sling-once", order(node))
    node.advance_by(8)
    kept = SimulatedNode.around(pickle.loads(pickle.dumps(node.world)))
    for one in (node, kept):
        one.advance_by(600)
    assert paid(node) == paid(kept)
    assert len(paid(kept)) == 5
