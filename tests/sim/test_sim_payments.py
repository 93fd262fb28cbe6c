"""sendpay and waitsendpay behave as lightningd's: hop by hop, once only, and pending until it is final."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from revops.sim.channels import Policy
from revops.sim.errors import SimRpcError
from revops.sim.graph import Edge
from revops.sim.hops import refusal_code
from revops.sim.payments import STUCK_LEAST_SECONDS, STUCK_MOST_SECONDS, stuck_seconds
from revops.sim.payrows import Hop, Payment
from revops.sim.rpc_pay import Attempt, check_progress
from revops.sim.world import SimulatedNode
from tests.sim.driving import Prepared, channels, prepare, quiet_node, rebalance, refused


@pytest.fixture
def node() -> SimulatedNode:
    return quiet_node()


def failure_of(node: SimulatedNode, prepared: Prepared, **more: Any) -> SimRpcError:
    """Send a payment and return the error that waitsendpay gives."""
    node.handle("sendpay", prepared.params(**more))
    return refused(node, "waitsendpay", {"payment_hash": prepared.payment_hash, "timeout": 60})


def changed(prepared: Prepared, position: int, **fields: Any) -> Prepared:
    """Return the payment with one hop changed."""
    route = [dict(hop) for hop in prepared.route]
    route[position] |= fields
    return replace(prepared, route=route)


def assert_untouched(node: SimulatedNode, before: list[dict[str, Any]]) -> None:
    """Assert that no balance moved and nothing is in flight."""
    now = channels(node)
    assert [(row["to_us_msat"], row["htlcs"]) for row in now] == [(row["to_us_msat"], []) for row in before]


def test_a_payment_is_pending_then_complete(node: SimulatedNode) -> None:
    prepared = prepare(node)
    at = node.now_at
    begun = node.handle("sendpay", prepared.params())
    assert begun["status"] == "pending"
    htlcs = node.channel(prepared.source).htlcs_out
    assert [htlc.amount_msat for htlc in htlcs.values()] == [begun["amount_sent_msat"]]
    assert node.handle("listsendpays", {"status": "pending"})["payments"][0]["payment_hash"] == prepared.payment_hash
    done = node.handle("waitsendpay", {"payment_hash": prepared.payment_hash})
    assert done["status"] == "complete"
    assert 0.5 < node.now_at - at < 10.0
    invoice = node.handle("listinvoices", {"payment_hash": prepared.payment_hash})["invoices"][0]
    assert (invoice["status"], invoice["amount_received_msat"]) == ("paid", 50_000_000)
    assert invoice["payment_preimage"] == done["payment_preimage"]


def test_a_paid_hash_answers_again_without_paying(node: SimulatedNode) -> None:
    prepared = rebalance(node)
    again = node.handle("sendpay", prepared.params())
    assert again["status"] == "complete"
    assert "message" not in again
    assert node.books().rebalance_count == 1
    assert len(node.handle("listsendpays")["payments"]) == 1
    other = changed(prepared, -1, amount_msat=49_000_000)
    assert refused(node, "sendpay", other.params()).code == 201


def test_one_group_in_flight_at_a_time(node: SimulatedNode) -> None:
    prepared = prepare(node)
    node.hold_payments()
    node.handle("sendpay", prepared.params())
    error = refused(node, "sendpay", prepared.params())
    assert error.code == 200
    assert error.message.startswith("Payment with groupid=1 still in progress")
    same = node.handle("sendpay", prepared.params(groupid=1))
    assert same["status"] == "pending"
    assert len(node.handle("listsendpays")["payments"]) == 1


def test_a_held_payment_stays_pending_whatever_one_waits(node: SimulatedNode) -> None:
    prepared = prepare(node)
    node.hold_payments()
    node.handle("sendpay", prepared.params())
    at = node.now_at
    for _ in range(3):
        error = refused(node, "waitsendpay", {"payment_hash": prepared.payment_hash, "timeout": 10})
        assert (error.code, error.message) == (200, "Timed out while waiting")
    assert node.now_at == pytest.approx(at + 30.0)
    assert refused(node, "waitsendpay", {"payment_hash": prepared.payment_hash}).code == 200
    node.waiting_takes_time(False)
    assert refused(node, "waitsendpay", {"payment_hash": prepared.payment_hash, "timeout": 10}).code == 200
    assert node.now_at == pytest.approx(at + 30.0)
    held = {row["channel_id"]: row["htlcs"] for row in channels(node) if row["htlcs"]}
    assert set(held) == {prepared.source, prepared.target}
    node.hold_payments(False)
    done = node.handle("waitsendpay", {"payment_hash": prepared.payment_hash, "timeout": 0})
    assert done["status"] == "complete"
    assert node.books().rebalance_count == 1


def test_a_stuck_payment_holds_its_first_channel_for_hours_and_goes_on_at_last() -> None:
    node = quiet_node(own_stuck_ratio=1.0)
    prepared = prepare(node)
    before = channels(node)
    error = failure_of(node, prepared)
    assert (error.code, error.message) == (200, "Timed out while waiting")
    assert [row["channel_id"] for row in channels(node) if row["htlcs"]] == [prepared.source]
    node.advance_by(STUCK_MOST_SECONDS)
    done = node.handle("waitsendpay", {"payment_hash": prepared.payment_hash, "timeout": 0})
    assert done["status"] == "complete"
    assert done["completed_at"] - done["created_at"] > STUCK_LEAST_SECONDS
    assert not any(row["htlcs"] for row in channels(node))
    assert [row["to_us_msat"] for row in channels(node)] != [row["to_us_msat"] for row in before]


def test_which_payments_are_stuck_depends_on_the_seed_and_their_number_alone() -> None:
    nodes = [quiet_node(own_stuck_ratio=0.3) for _ in range(2)]
    prepare(nodes[1])
    seconds = [[stuck_seconds(node.world) for _ in range(200)] for node in nodes]
    assert seconds[0] == seconds[1]
    stuck = [one for one in seconds[0] if one]
    assert 40 < len(stuck) < 80
    assert min(stuck) >= STUCK_LEAST_SECONDS
    assert max(stuck) <= STUCK_MOST_SECONDS


def test_a_failed_payment_moves_nothing_and_may_be_tried_again(node: SimulatedNode) -> None:
    prepared = prepare(node)
    before = channels(node)
    node.fail_payments()
    error = failure_of(node, prepared)
    assert error.code == 204
    assert error.data is not None
    assert error.data["erring_index"] == 1
    assert_untouched(node, before)
    node.fail_payments(False)
    node.handle("sendpay", prepared.params())
    assert node.handle("waitsendpay", {"payment_hash": prepared.payment_hash, "timeout": 60})["groupid"] == 2
    rows = node.handle("listsendpays", {"payment_hash": prepared.payment_hash})["payments"]
    assert [(row["groupid"], row["status"]) for row in rows] == [(1, "failed"), (2, "complete")]
    old = refused(node, "waitsendpay", {"payment_hash": prepared.payment_hash, "groupid": 1})
    assert old.code == 204


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"channel": "1x2x3"}, 16394),
        ({"amount_msat": 50_000_001}, None),
        ({"delay": 10_000}, 4109),
    ],
)
def test_a_hop_refuses_what_it_must(node: SimulatedNode, fields: dict[str, Any], code: int | None) -> None:
    prepared = prepare(node)
    before = channels(node)
    wrong = changed(prepared, 1, **fields)
    if code is None:
        # Nothing left as a fee for the node before that hop.
        wrong = changed(prepared, 1, amount_msat=prepared.route[0]["amount_msat"])
        code = 4108 if prepared.route[0]["amount_msat"] != prepared.route[1]["amount_msat"] else 0
    error = failure_of(node, wrong)
    assert error.code == 204
    assert error.data is not None
    if code:
        assert error.data["failcode"] == code
    assert error.data["erring_index"] == 1
    assert error.data["erring_node"] == prepared.route[0]["id"]
    assert error.data["erring_channel"] == wrong.route[1]["channel"]
    assert_untouched(node, before)


def test_a_hop_without_balance_fails(node: SimulatedNode) -> None:
    prepared = prepare(node)
    for hop in prepared.route[1:-1]:
        channel = node.world.graph.channels[hop["channel"]]
        channel.balance_msat = 0 if channel.nodes[1] == hop["id"] else channel.capacity_msat
    error = failure_of(node, prepared)
    assert error.data is not None
    assert (error.code, error.data["failcode"]) == (204, 4103)


@pytest.mark.parametrize("secret", [None, "00" * 32])
def test_the_final_node_wants_its_secret(node: SimulatedNode, secret: str | None) -> None:
    prepared = prepare(node)
    before = channels(node)
    params = {"route": prepared.route, "payment_hash": prepared.payment_hash}
    node.handle("sendpay", params | ({"payment_secret": secret} if secret else {}))
    error = refused(node, "waitsendpay", {"payment_hash": prepared.payment_hash, "timeout": 60})
    assert error.code == 203
    assert error.data is not None
    assert error.data["failcode"] == 16399
    assert error.data["erring_index"] == len(prepared.route)
    assert error.data["erring_node"] == node.node_id
    assert_untouched(node, before)


def test_a_deleted_or_expired_invoice_is_unknown(node: SimulatedNode) -> None:
    prepared = prepare(node)
    node.handle("delinvoice", {"label": "rebalance", "status": "unpaid"})
    assert failure_of(node, prepared).code == 203
    late = prepare(node, label="late")
    node.advance_by(8 * 86_400.0)
    assert node.handle("listinvoices", {"label": "late"})["invoices"][0]["status"] == "expired"
    node.handle("sendpay", late.params())
    assert refused(node, "waitsendpay", {"payment_hash": late.payment_hash, "timeout": 60}).code in (203, 204)
    assert node.books().rebalance_count == 0


def test_the_first_hop_must_be_ours_and_connected(node: SimulatedNode) -> None:
    prepared = prepare(node)
    error = refused(node, "sendpay", changed(prepared, 0, channel="1x2x3").params())
    assert (error.code, error.message) == (204, "No connection to first peer found")
    node.disconnect_peer(prepared.route[0]["id"])
    error = refused(node, "sendpay", prepared.params())
    assert error.code == 204
    assert "First peer not ready" in error.message
    assert node.handle("listsendpays")["payments"] == []


def test_too_much_for_the_first_channel_fails_after_the_answer(node: SimulatedNode) -> None:
    prepared = prepare(node)
    spendable = node.channel(prepared.source).spendable_msat()
    begun = node.handle("sendpay", changed(prepared, 0, amount_msat=spendable + 1).params())
    assert begun["status"] == "pending"
    error = refused(node, "waitsendpay", {"payment_hash": prepared.payment_hash, "timeout": 5})
    assert (error.code, "Capacity exceeded" in error.message) == (204, True)
    assert error.data is not None
    assert error.data["erring_index"] == 0


def test_a_peer_with_two_channels_may_choose_the_other(node: SimulatedNode) -> None:
    """BOLT 4 lets a forwarder use any channel to the next node: a rebalance may arrive where nobody wanted it."""
    double = next(peer for peer in node.world.peers.values() if len(peer.channels) == 2)
    sender = next(peer for peer in node.world.peers.values() if peer is not double and peer.channels[0].scid)
    named, other = double.channels
    named.to_us_msat = named.capacity_msat - named.their_reserve_msat
    other.to_us_msat = other.capacity_msat // 4
    sender.channels[0].to_us_msat = sender.channels[0].capacity_msat // 2
    asked = {
        "source": sender.node_id,
        "destination": double.node_id,
        "amount_msat": 1_100_000,
        "layers": [],
        "maxfee_msat": 10**6,
        "final_cltv": 200,
        "maxparts": 1,
    }
    node.handle("askrene-create-layer", {"layer": "mine"})
    node.handle("askrene-disable-node", {"layer": "mine", "node": node.node_id})
    path = node.handle("getroutes", asked | {"layers": ["mine"]})["routes"][0]["path"]
    for hop in path:
        channel = node.world.graph.channels[hop["short_channel_id_dir"].rpartition("/")[0]]
        channel.balance_msat = channel.capacity_msat // 2
    begin = path[0]
    route = [
        {
            "id": sender.node_id,
            "channel": sender.channels[0].scid,
            "amount_msat": begin["amount_in_msat"],
            "delay": begin["cltv_in"],
        },
        *path,
        {"id": node.node_id, "channel": named.scid, "amount_msat": 1_000_000, "delay": 18},
    ]
    made = node.handle("invoice", {"amount_msat": 1_000_000, "label": "small", "description": ""})
    paid = {"payment_hash": made["payment_hash"], "payment_secret": made["payment_secret"]}
    before = (named.to_us_msat, other.to_us_msat)
    node.handle("sendpay", {"route": route, **paid})
    done = node.handle("waitsendpay", {"payment_hash": made["payment_hash"], "timeout": 60})
    assert done["status"] == "complete"
    assert (named.to_us_msat, other.to_us_msat) == (before[0], before[1] + 1_000_000)


def test_older_releases_take_only_the_old_names() -> None:
    node = quiet_node(version="v26.04.1")
    prepared = prepare(node)
    renamed = {"id": "node_id_out", "amount_msat": "amount_out_msat", "delay": "cltv_out", "channel": "channel"}
    route = [{renamed.get(name, name): value for name, value in hop.items()} for hop in prepared.route]
    error = refused(node, "sendpay", {"route": route, "payment_hash": prepared.payment_hash})
    assert error.code == -32602
    node.handle("sendpay", prepared.params())
    assert node.handle("waitsendpay", {"payment_hash": prepared.payment_hash, "timeout": 60})["status"] == "complete"


def test_an_invoice_is_made_once_and_deleted_as_it_is(node: SimulatedNode) -> None:
    made = node.handle("invoice", [1_000, "label", "words"])
    assert refused(node, "invoice", [1_000, "label", "words"]).code == 900
    error = refused(node, "delinvoice", {"label": "label", "status": "paid"})
    assert (error.code, error.data) == (906, {"current_status": "unpaid", "expected_status": "paid"})
    gone = node.handle("delinvoice", ["label", "unpaid"])
    assert gone["payment_hash"] == made["payment_hash"]
    assert refused(node, "delinvoice", ["label", "unpaid"]).code == 905
    assert node.handle("listinvoices")["invoices"] == []


def test_an_empty_route_pays_ourselves_without_an_htlc(node: SimulatedNode) -> None:
    made = node.handle("invoice", [7_000, "self", ""])
    paid = {"payment_hash": made["payment_hash"], "payment_secret": made["payment_secret"]}
    assert refused(node, "sendpay", {"route": [], **paid}).message == "Self-payment requires amount_msat"
    before = channels(node)
    assert node.handle("sendpay", {"route": [], "amount_msat": 7_000, **paid})["status"] == "complete"
    assert_untouched(node, before)


def test_parts_need_a_secret_and_a_total(node: SimulatedNode) -> None:
    prepared = prepare(node)
    bare = {"route": prepared.route, "payment_hash": prepared.payment_hash, "partid": 1}
    assert refused(node, "sendpay", bare).message == "Must specify msatoshi with partid"
    assert refused(node, "sendpay", bare | {"amount_msat": 1}).message.endswith("despite MPP")
    assert refused(node, "sendpay", bare | {"amount_msat": 10**9}).message == "partid requires payment_secret"
    wrong = {"route": prepared.route, "payment_hash": prepared.payment_hash, "amount_msat": 5}
    assert "exactly the final amount" in refused(node, "sendpay", wrong).message


def test_nothing_is_known_of_a_payment_never_tried(node: SimulatedNode) -> None:
    assert refused(node, "waitsendpay", {"payment_hash": "ab" * 32}).code == 208


def edge(**fields: Any) -> Edge:
    """Return a hop's edge with an ordinary policy."""
    settings = {"enabled": True, "base": 1_000, "ppm": 100, "least": 1_000, "most": 10**9, "delta": 40} | fields
    policy = Policy(settings["base"], settings["ppm"], settings["least"], settings["most"], settings["delta"])
    return Edge("1x1x1", "02" + "aa" * 32, "03" + "bb" * 32, 10**10, policy, settings["enabled"], 0)


@pytest.mark.parametrize(
    ("fields", "amount_msat", "fee_msat", "delta", "code"),
    [
        ({}, 1_000_000, 1_100, 40, None),
        ({}, 1_000_000, 1_099, 40, 4108),
        ({}, 1_000_000, 1_100, 39, 4109),
        ({}, 999, 2_000, 40, 4107),
        ({}, 10**9 + 1, 10**9, 40, 4103),
        ({"enabled": False}, 1_000_000, 1_100, 40, 4116),
    ],
)
def test_a_forwarder_keeps_its_policy(
    fields: dict[str, Any], amount_msat: int, fee_msat: int, delta: int, code: int | None
) -> None:
    before = Hop("02" + "aa" * 32, "0x0x0", amount_msat + fee_msat, 100 + delta)
    assert refusal_code(edge(**fields), before, Hop("03" + "bb" * 32, "1x1x1", amount_msat, 100)) == code


def test_a_forwarder_without_that_channel_knows_no_next_peer() -> None:
    hop = Hop("02" + "aa" * 32, "0x0x0", 5, 5)
    assert refusal_code(None, hop, hop) == 16394


def earlier(status: str, *, group: int = 1, part: int = 1, amount_msat: int = 600) -> Payment:
    """Return a payment made before."""
    return Payment("ab" * 32, group, part, "02" + "aa" * 32, amount_msat, 1_000, amount_msat, 0, status=status)


def attempt(*, group: int = 1, part: int = 2, amount_msat: int = 600, total_msat: int = 1_000) -> Attempt:
    """Return what a sendpay asks for."""
    return Attempt("ab" * 32, group, part, "02" + "aa" * 32, amount_msat, total_msat)


@pytest.mark.parametrize(
    ("before", "asked", "code"),
    [
        ([earlier("pending")], attempt(group=2), 200),
        ([earlier("pending", part=0)], attempt(), 200),
        ([earlier("pending")], attempt(part=1, amount_msat=5), 201),
        ([earlier("pending"), earlier("pending", part=3)], attempt(), 200),
        ([earlier("complete")], attempt(), 201),
        ([earlier("complete")], attempt(part=1, amount_msat=5), 201),
        ([earlier("failed")], attempt(part=1), 201),
    ],
)
def test_what_a_hash_went_through_decides(before: list[Payment], asked: Attempt, code: int) -> None:
    with pytest.raises(SimRpcError) as refusal:
        check_progress(before, asked)
    assert refusal.value.code == code


def test_what_a_hash_went_through_answers() -> None:
    done = earlier("complete")
    assert check_progress([done], attempt(part=1)) is done
    waiting = earlier("pending")
    assert check_progress([waiting], attempt(part=1)) is waiting
    assert check_progress([waiting], attempt()) is None
    assert check_progress([earlier("failed")], attempt(group=2, part=1)) is None
    with pytest.raises(SimRpcError, match="Already succeeded to"):
        check_progress([done], replace(attempt(part=1), destination="03" + "cc" * 32))


def test_invoices_of_many_kinds(node: SimulatedNode) -> None:
    made = node.handle("invoice", {"amount_msat": "any", "label": 5, "description": "", "preimage": "07" * 32})
    assert refused(node, "invoice", ["1sat", "6", "", None, None, "07" * 32]).code == 901
    stripped = node.handle("delinvoice", {"label": 5, "status": "unpaid", "desconly": True})
    assert "description" not in stripped
    assert refused(node, "delinvoice", {"label": 5, "status": "unpaid", "desconly": True}).code == 908
    by_text = node.handle("listinvoices", {"invstring": made["bolt11"]})["invoices"]
    assert [one["label"] for one in by_text] == ["5"]
    assert refused(node, "listinvoices", {"label": "5", "payment_hash": made["payment_hash"]}).code == -32602
    assert node.handle("listinvoices", {"offer_id": "00" * 32}) == {"invoices": []}


def test_sendpays_are_found_by_invoice(node: SimulatedNode) -> None:
    done = rebalance(node)
    bolt11 = node.handle("listinvoices", {"payment_hash": done.payment_hash})["invoices"][0]["bolt11"]
    assert len(node.handle("listsendpays", {"bolt11": bolt11})["payments"]) == 1
    both = {"bolt11": bolt11, "payment_hash": done.payment_hash}
    assert refused(node, "listsendpays", both).code == -32602
    assert (
        refused(node, "listsendpays", {"payment_hash": done.payment_hash, "index": "created", "start": 1}).code
        == -32602
    )
