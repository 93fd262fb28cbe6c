"""`dev-splice` and `disconnect` of the simulated node, as a real node of v26.06.6 answers them."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from revops.sim.errors import UnansweredError
from revops.sim.server import SimServer
from revops.sim.world import SimulatedNode
from tests.sim.driving import channels, quiet_node, refused
from tests.sim.ledgers import check_ledger
from tests.sim.schemas import complaints, schema_folder

PERKW = 1_500
#: Weights of a splice with one of the wallet's coins, and of one out (BOLT 3; a P2TR input, two outputs).
IN_WEIGHT, OUT_WEIGHT = 1_002, 772


def rich(node: SimulatedNode, least_msat: int = 500_000_000) -> dict[str, Any]:
    """Return a channel with money of ours."""
    rows = [row for row in channels(node) if row["spendable_msat"] > least_msat and "short_channel_id" in row]
    return next(row for row in rows if row["peer_connected"] and row["state"] == "CHANNELD_NORMAL")


def inward(channel_id: str, sat: int = 300_000, perkw: int = PERKW) -> str:
    return f"wallet -> {sat} + fee@{perkw}; {sat} -> {channel_id}"


def outward(channel_id: str, sat: int = 200_000, perkw: int = PERKW) -> str:
    return f"{channel_id} -> {sat} + fee@{perkw}; 100% -> wallet"


def splice(node: SimulatedNode, script: str, **more: Any) -> dict[str, Any]:
    return node.handle("dev-splice", {"script_or_json": script, **more})


def row_of(node: SimulatedNode, channel_id: str) -> dict[str, Any]:
    return next(row for row in channels(node) if row["channel_id"] == channel_id)


def outputs(node: SimulatedNode) -> dict[str, dict[str, Any]]:
    rows = node.handle("listfunds")["outputs"]
    return {f"{row['txid']}:{row['output']}": row for row in rows}


def blocks(node: SimulatedNode, count: int) -> None:
    """Let so many blocks come."""
    height = node.world.height + count
    while node.world.height < height:
        node.advance_by(30.0)


def test_a_dry_run_tells_what_would_be_done_and_does_nothing() -> None:
    node = quiet_node()
    name = rich(node)["channel_id"]
    before = (channels(node), outputs(node))
    assert splice(node, inward(name), dryrun=True) == {
        "dryrun": [
            "wallet withdraw 300000sat plus fee (1500/kw, 6.00 sat/vB) ",
            f"put 300000sat into {name}",
            "put 100% of rest into wallet",
        ]
    }
    assert splice(node, outward(name), dryrun=True) == {
        "dryrun": [f"{name} withdraw 200000sat plus fee (1500/kw, 6.00 sat/vB) ", "put 100% of rest into wallet"]
    }
    assert (channels(node), outputs(node)) == before
    assert node.call_log.writing_calls() == []


def test_a_splice_in_waits_for_six_blocks() -> None:
    node = quiet_node()
    row = rich(node)
    name, held = row["channel_id"], outputs(node)
    answer = splice(node, inward(name))
    now = row_of(node, name)
    [inflight] = now["inflight"]
    assert now["state"] == "CHANNELD_AWAITING_SPLICE"
    assert (inflight["splice_amount"], inflight["funding_txid"]) == (300_000, answer["txid"])
    assert (inflight["feerate"], inflight["total_funding_msat"]) == ("1500perkw", row["total_msat"] + 300_000_000)
    for same in ("to_us_msat", "total_msat", "short_channel_id", "funding_txid"):
        assert now[same] == row[same], same
    after = outputs(node)
    spent = [name for name in held if after[name]["reserved"] and not held[name]["reserved"]]
    [change] = set(after) - set(held)
    fee_msat = IN_WEIGHT * PERKW // 1000 * 1000
    assert (after[change]["status"], after[change]["reserved"]) == ("unconfirmed", False)
    assert after[change]["amount_msat"] == held[spent[0]]["amount_msat"] - 300_000_000 - fee_msat
    assert len(spent) == 1
    blocks(node, 1)
    assert spent[0] not in outputs(node)
    assert outputs(node)[change]["status"] == "confirmed"
    assert row_of(node, name)["to_us_msat"] == row["to_us_msat"]
    blocks(node, 4)
    assert row_of(node, name)["state"] == "CHANNELD_AWAITING_SPLICE"
    blocks(node, 1)
    done = row_of(node, name)
    assert (done["state"], "inflight" in done) == ("CHANNELD_NORMAL", False)
    assert done["to_us_msat"] == row["to_us_msat"] + 300_000_000
    assert done["short_channel_id"] != row["short_channel_id"]
    assert node.handle("listpeerchannels", {"short_channel_id": row["short_channel_id"]})["channels"] == [done]
    check_ledger(node)


def test_a_splice_out_pays_its_fee_from_the_channel() -> None:
    node = quiet_node()
    row, held = rich(node), outputs(node)
    name = row["channel_id"]
    answer = splice(node, outward(name))
    fee_sat = OUT_WEIGHT * PERKW // 1000
    [inflight] = row_of(node, name)["inflight"]
    assert inflight["splice_amount"] == -(200_000 + fee_sat)
    [back] = set(outputs(node)) - set(held)
    assert back.startswith(answer["txid"])
    assert (outputs(node)[back]["amount_msat"], outputs(node)[back]["status"]) == (200_000_000, "unconfirmed")
    blocks(node, 6)
    assert row_of(node, name)["to_us_msat"] == row["to_us_msat"] - (200_000 + fee_sat) * 1000
    check_ledger(node)


def test_the_wallets_coins_are_drawn_by_lot() -> None:
    spent = set()
    for seed in range(1, 9):
        node = quiet_node(seed=seed)
        before = outputs(node)
        splice(node, inward(rich(node)["channel_id"]))
        after = outputs(node)
        drawn = [name for name in before if after[name]["reserved"] and not before[name]["reserved"]]
        spent.add(tuple(sorted(before[name]["amount_msat"] for name in drawn)))
    assert len(spent) > 2, "neither the first nor the largest is taken always"


def test_change_that_is_dust_goes_to_the_fee() -> None:
    node = quiet_node()
    name = rich(node)["channel_id"]
    fee_sat = IN_WEIGHT * PERKW // 1000
    free = [output for output in node.world.outputs if output.height is not None and not output.reserved_to_height]
    for output in free[1:]:
        output.reserved_to_height = node.world.height + 1_000
    before = set(outputs(node))
    splice(node, inward(name, free[0].amount_msat // 1000 - fee_sat - 545))
    assert set(outputs(node)) == before, "no change"


BAD_SCRIPTS = (
    "wallet -> 300000; 300000 -> {}",
    "wallet -> 300000 + fee@1500; 300001 -> {}",
    "wallet -> 0 + fee@1500; 0 -> {}",
    "{} -> 200000 + fee@1500; 50% -> wallet",
    "{} -> 200000 + fee@-1; 100% -> wallet",
    "",
)


@pytest.mark.parametrize("script", BAD_SCRIPTS)
@pytest.mark.parametrize("dryrun", [True, False])
def test_other_scripts_are_refused(script: str, dryrun: bool) -> None:
    node = quiet_node()
    error = refused(node, "dev-splice", {"script_or_json": script.format(rich(node)["channel_id"]), "dryrun": dryrun})
    assert (error.code, error.message) == (-32602, "Splice script compile failed")


def test_json_is_refused_and_so_is_a_channel_that_is_not_there() -> None:
    node = quiet_node()
    for given in ([], [{"into_wallet": True}], "[]"):
        assert refused(node, "dev-splice", {"script_or_json": given}).message == "splice json failed validation"
    assert refused(node, "dev-splice", {"script_or_json": inward("ab" * 32)}).code == -32602
    assert refused(node, "dev-splice", {}).code == -32602


def test_what_cannot_be_is_refused_and_leaves_everything_as_it_was() -> None:
    node = quiet_node()
    row, other = rich(node), next(row for row in reversed(channels(node)) if "short_channel_id" in row)
    name = row["channel_id"]
    before = outputs(node)
    poor = refused(node, "dev-splice", {"script_or_json": inward(name, 10_000_000)})
    assert poor.code == -32602
    inner = json.loads(poor.message.removeprefix("addpsbtinput: "))
    assert inner["code"] == 301
    assert inner["message"].startswith("Could not afford 1000")
    assert refused(node, "dev-splice", {"script_or_json": outward(name, row["to_us_msat"] // 1000)}).code == 357
    node.set_splicing(other["peer_id"], False)
    assert refused(node, "dev-splice", {"script_or_json": inward(other["channel_id"])}).code == 354
    assert int(node.handle("listpeers", {"id": other["peer_id"]})["peers"][0]["features"], 16) >> 62 & 3 == 0
    node.disconnect_peer(row["peer_id"])
    gone = refused(node, "dev-splice", {"script_or_json": inward(name)})
    assert (gone.code, gone.message) == (351, "Channel is disconnected")
    node.connect_peer(row["peer_id"])
    assert outputs(node) == before
    splice(node, inward(name))
    under_way = (row_of(node, name), outputs(node))
    assert refused(node, "dev-splice", {"script_or_json": outward(name)}).code == 355
    assert (row_of(node, name), outputs(node)) == under_way
    node.close_channel(other["channel_id"], forget=False)
    node.set_splicing(other["peer_id"], True)
    assert refused(node, "dev-splice", {"script_or_json": inward(other["channel_id"])}).code == 353


def test_disconnecting_is_told_and_lasts_a_second() -> None:
    node = quiet_node()
    peer = rich(node)["peer_id"]
    unforced = refused(node, "disconnect", {"id": peer})
    assert (unforced.code, unforced.message) == (-1, "Peer has (at least one) channel in state CHANNELD_NORMAL")
    count = len(node.handle("listnetworkevents")["networkevents"])
    assert node.handle("disconnect", {"id": peer, "force": True}) == {}
    assert refused(node, "disconnect", {"id": peer, "force": True}).message == "Peer not connected"
    assert refused(node, "disconnect", {"id": "02" + "ab" * 32, "force": True}).code == -32602
    node.advance_by(0.5)
    assert not node.handle("listpeers", {"id": peer})["peers"][0]["connected"]
    node.advance_by(0.5)
    assert node.handle("listpeers", {"id": peer})["peers"][0]["connected"]
    rows = node.handle("listnetworkevents")["networkevents"][count:]
    assert [row["type"] for row in rows if row["peer_id"] == peer] == ["disconnect", "connect"]


def test_a_peer_that_vanishes_leaves_nothing() -> None:
    node = quiet_node()
    row = rich(node)
    name, peer, before = row["channel_id"], row["peer_id"], outputs(node)
    node.trouble_splice("vanishes")
    assert refused(node, "dev-splice", {"script_or_json": inward(name)}).code == 351
    assert row_of(node, name)["state"] == "CHANNELD_NORMAL"
    assert "inflight" not in row_of(node, name)
    assert outputs(node) == before
    assert not node.handle("listpeers", {"id": peer})["peers"][0]["connected"]
    node.advance_by(301.0)
    assert splice(node, inward(name))["txid"], "the next one goes well"


def test_a_peer_that_hangs_bars_splices_until_it_is_disconnected() -> None:
    node = quiet_node()
    row = rich(node)
    name, before = row["channel_id"], outputs(node)
    node.trouble_splice("hangs")
    with pytest.raises(UnansweredError):
        splice(node, inward(name))
    assert outputs(node) != before, "the coins are reserved"
    assert "inflight" not in row_of(node, name)
    assert refused(node, "dev-splice", {"script_or_json": outward(name)}).code == 355
    node.handle("disconnect", {"id": row["peer_id"], "force": True})
    assert outputs(node) == before
    node.advance_by(1.0)
    assert splice(node, outward(name))["txid"]


def test_a_server_does_not_answer_where_the_peer_hangs(socket_path: Path) -> None:
    node = quiet_node()
    name = rich(node)["channel_id"]
    node.trouble_splice("hangs")
    request = {"jsonrpc": "2.0", "id": 1, "method": "dev-splice", "params": {"script_or_json": inward(name)}}
    with SimServer(node, socket_path), socket.socket(socket.AF_UNIX) as client:
        client.connect(str(socket_path))
        client.sendall(json.dumps(request).encode())
        client.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.recv(1)


def test_a_close_ends_a_splice_that_no_block_has_and_keeps_one_that_a_block_has() -> None:
    node = quiet_node()
    row = rich(node)
    held = outputs(node)
    splice(node, inward(row["channel_id"]))
    node.close_channel(row["channel_id"])
    closing = set(outputs(node)) - set(held)
    assert len(closing) == 1, "our side of the channel alone"
    assert {name: one for name, one in outputs(node).items() if name not in closing} == held
    second = rich(node)
    splice(node, inward(second["channel_id"]))
    blocks(node, 2)
    node.close_channel(second["channel_id"])
    closed = next(
        one for one in node.handle("listclosedchannels")["closedchannels"] if one["channel_id"] == second["channel_id"]
    )
    assert closed["final_to_us_msat"] == second["to_us_msat"] + 300_000_000
    check_ledger(node)


@pytest.mark.parametrize("folder_version", [None, "v26.04.1", "v25.12.1"])
def test_answers_and_requests_conform(folder_version: str | None) -> None:
    folder = schema_folder(folder_version)
    node = quiet_node(version=folder_version or "v26.06.6")
    row = rich(node)
    asked: list[tuple[str, dict[str, Any]]] = [
        ("dev-splice", {"script_or_json": inward(row["channel_id"]), "dryrun": True}),
        ("dev-splice", {"script_or_json": inward(row["channel_id"])}),
        ("listpeerchannels", {}),
        ("listfunds", {}),
        ("disconnect", {"id": row["peer_id"], "force": True}),
    ]
    for method, params in asked:
        assert complaints(folder, method, "request", params) == []
        answer = node.handle(method, params)
        if method == "listfunds":
            answer = {"outputs": answer["outputs"], "channels": []}
        assert complaints(folder, method, "response", answer) == [], method
