"""The reader: what it asks, and what it makes of answers that are easily misread."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from revops.domain.payment import PaymentFailure, PaymentStatus
from revops.node.errors import NodeError
from revops.node.reader import NodeReader, Reader
from tests.node.samples import INVOICE, Replay, reply, sample

HASH = INVOICE["payment_hash"]
FAILED_HASH = "11" * 32
FAILURE = sample("waitsendpay.failed")["error"]


def refusal(method: str, code: int, answer: str = "no", data: object = None) -> NodeError:
    return NodeError(method, f"{answer} (code {code})", code=code, answer=answer, data=data)


def attempts(*states: str, payment_hash: str = FAILED_HASH) -> dict[str, Any]:
    rows = []
    for place, state in enumerate(states):
        row = reply("sendpay.circular") | {
            "payment_hash": payment_hash,
            "status": state,
            "created_index": place + 1,
            "created_at": 1_000 + place,
        }
        rows.append(row)
    return {"payments": rows[::-1]}


def test_what_is_asked() -> None:
    rpc = Replay(
        getinfo=reply("getinfo"),
        listpeerchannels=reply("listpeerchannels"),
        listclosedchannels={"closedchannels": []},
        listnodes=reply("listnodes"),
        listfunds=reply("listfunds"),
        feerates=reply("feerates"),
        listforwards=reply("listforwards"),
        listchannelmoves=reply("listchannelmoves"),
        listchainmoves=reply("listchainmoves"),
        listnetworkevents=reply("listnetworkevents"),
        wait=reply("wait"),
    )
    reader: Reader = NodeReader(rpc)
    node_id = reply("listnodes")["nodes"][0]["nodeid"]
    assert reader.info().alias == "alice"
    assert len(reader.channels()) == 2
    assert reader.closed_channels() == ()
    assert reader.peer(node_id).alias == "bob"
    assert len(reader.wallet().outputs) == 2
    assert reader.feerates(9.5).sampled_at == 9.5
    assert len(reader.forwards("updated", 5, 100)) == 3
    assert len(reader.channel_moves(6, 200)) == 2
    assert len(reader.chain_moves(7, 300)) == 3
    assert len(reader.node_events(8, 400)) == 3
    assert reader.top_index("forwards", "created") == 413
    assert rpc.asked == [
        ("getinfo", None),
        ("listpeerchannels", None),
        ("listclosedchannels", None),
        ("listnodes", {"id": node_id}),
        ("listfunds", None),
        ("feerates", {"style": "perkw"}),
        ("listforwards", {"index": "updated", "start": 5, "limit": 100}),
        ("listchannelmoves", {"index": "created", "start": 6, "limit": 200}),
        ("listchainmoves", {"index": "created", "start": 7, "limit": 300}),
        ("listnetworkevents", {"index": "created", "start": 8, "limit": 400}),
        ("wait", {"subsystem": "forwards", "indexname": "created", "nextvalue": 0}),
    ]


def test_a_wait_for_another_list_is_refused() -> None:
    with pytest.raises(NodeError, match="wait: field subsystem"):
        NodeReader(Replay(wait=reply("wait"))).top_index("invoices", "created")


def test_a_peer_that_gossip_does_not_know() -> None:
    reader = NodeReader(Replay(listnodes={"nodes": []}))
    assert reader.peer("02" * 33).alias is None
    unannounced = {"nodes": [{"nodeid": "02" * 33}]}
    assert NodeReader(Replay(listnodes=unannounced)).peer("02" * 33).alias is None
    with pytest.raises(NodeError, match="not the node that was asked for"):
        NodeReader(Replay(listnodes=reply("listnodes"))).peer("02" * 33)


def test_a_channel_by_an_scid_from_before_a_splice() -> None:
    one = reply("listpeerchannels.splice")
    rpc = Replay(listpeerchannels=one)
    found = NodeReader(rpc).channel_by_scid("100x1x0")
    assert found is not None
    assert found.channel_id == one["channels"][0]["channel_id"]
    assert rpc.asked == [("listpeerchannels", {"short_channel_id": "100x1x0"})]
    assert NodeReader(Replay(listpeerchannels={"channels": []})).channel_by_scid("100x1x0") is None
    with pytest.raises(NodeError, match="2 channels for one"):
        NodeReader(Replay(listpeerchannels=reply("listpeerchannels"))).channel_by_scid("100x1x0")


def test_channels_being_opened_are_told(caplog: pytest.LogCaptureFixture) -> None:
    opening = {"peer_id": "02" * 33, "peer_connected": True, "state": "OPENINGD", "opener": "local", "features": []}
    with caplog.at_level(logging.INFO, logger="revops"):
        assert NodeReader(Replay(listpeerchannels={"channels": [opening]})).channels() == ()
    assert "1 channels are still being opened" in caplog.text


def test_invoices() -> None:
    known = reply("listinvoices")["invoices"][0]
    rpc = Replay(listinvoices=reply("listinvoices"))
    found = NodeReader(rpc).invoice(known["label"])
    assert found is not None
    assert (found.status, found.amount_msat, found.payment_secret) == ("paid", 1_000_000_000, None)
    assert rpc.asked == [("listinvoices", {"label": known["label"]})]
    assert NodeReader(Replay(listinvoices={"invoices": []})).invoice("x") is None
    with pytest.raises(NodeError, match="label is not"):
        NodeReader(rpc).invoice("x")


def test_payments_are_in_order_and_about_the_hash() -> None:
    rpc = Replay(listsendpays=attempts("failed", "failed", "pending"))
    found = NodeReader(rpc).payments(FAILED_HASH)
    assert [payment.created_at for payment in found] == [1_000, 1_001, 1_002]
    assert [str(payment.status) for payment in found] == ["failed", "failed", "pending"]
    assert rpc.asked == [("listsendpays", {"payment_hash": FAILED_HASH})]
    with pytest.raises(NodeError, match=r"payments\[\d\]\.payment_hash is not"):
        NodeReader(rpc).payments(HASH)


def test_a_payment_that_settled() -> None:
    rpc = Replay(waitsendpay=reply("waitsendpay.circular"))
    paid = NodeReader(rpc).wait_payment(HASH, 30)
    assert paid.status is PaymentStatus.COMPLETE
    assert (paid.amount_msat, paid.amount_sent_msat, paid.fee_msat) == (50_000_000, 50_013_500, 13_500)
    assert (paid.created_at, paid.completed_at, paid.failure) == (1_795_352_555, 1_795_352_555, None)
    assert rpc.asked == [("waitsendpay", {"payment_hash": HASH, "timeout": 30})]
    assert rpc.timeouts[0] is not None
    assert rpc.timeouts[0] > 30


def test_a_payment_that_failed() -> None:
    failed = refusal("waitsendpay", FAILURE["code"], FAILURE["message"], FAILURE["data"])
    rpc = Replay(waitsendpay=failed, listsendpays=attempts("failed", "failed"))
    payment = NodeReader(rpc).wait_payment(FAILED_HASH, 5)
    # The error's data says "pending": it was written before the failure.
    assert FAILURE["data"]["status"] == "pending"
    assert payment.status is PaymentStatus.FAILED
    assert payment.created_at == 1_001
    assert payment.failure == PaymentFailure(
        message="WIRE_INCORRECT_OR_UNKNOWN_PAYMENT_DETAILS (reply from remote) (code 203)",
        code=203,
        failcode=FAILURE["data"]["failcode"],
        erring_scidd="148x1x0/1",
        held_seconds=None if payment.completed_at is None else payment.completed_at - payment.created_at,
    )


@pytest.mark.parametrize("state", ["pending", "failed", "complete"])
def test_time_up_is_pending_whatever_else_is_said(state: str) -> None:
    rpc = Replay(waitsendpay=refusal("waitsendpay", 200), listsendpays=attempts("failed", state))
    payment = NodeReader(rpc).wait_payment(FAILED_HASH, 5)
    assert (payment.status, payment.completed_at, payment.created_at) == (PaymentStatus.PENDING, None, 1_001)


@pytest.mark.parametrize("code", [202, 203, 204, 208, 209])
@pytest.mark.parametrize("state", ["pending", "complete"])
def test_a_failure_that_the_records_contradict_is_none(code: int, state: str) -> None:
    rpc = Replay(waitsendpay=refusal("waitsendpay", code), listsendpays=attempts(state, "failed"))
    assert NodeReader(rpc).wait_payment(FAILED_HASH, 5).status is PaymentStatus(state)


@pytest.mark.parametrize("code", [202, 203, 204, 208, 209])
def test_a_failure_without_data(code: int) -> None:
    rpc = Replay(waitsendpay=refusal("waitsendpay", code, "gone"), listsendpays=attempts("failed"))
    payment = NodeReader(rpc).wait_payment(FAILED_HASH, 5)
    assert payment.status is PaymentStatus.FAILED
    assert payment.failure is not None
    assert (payment.failure.message, payment.failure.code) == (f"gone (code {code})", code)
    assert (payment.failure.failcode, payment.failure.erring_scidd) == (None, None)


def test_a_payment_that_was_never_made_cost_nothing() -> None:
    rpc = Replay(waitsendpay=refusal("waitsendpay", 208, "Never attempted"), listsendpays={"payments": []})
    payment = NodeReader(rpc).wait_payment(FAILED_HASH, 5)
    assert (payment.status, payment.amount_sent_msat, payment.amount_msat) == (PaymentStatus.FAILED, 0, None)


@pytest.mark.parametrize("code", [200, 202, 203, 204, 209])
def test_a_payment_without_a_record_is_not_guessed(code: int) -> None:
    rpc = Replay(waitsendpay=refusal("waitsendpay", code), listsendpays={"payments": []})
    with pytest.raises(NodeError, match="listsendpays: has no record") as caught:
        NodeReader(rpc).wait_payment(FAILED_HASH, 5)
    assert caught.value.exit_code == 65


@pytest.mark.parametrize("code", [None, -1, -4, -32601, 205])
def test_any_other_error_tells_nothing_of_the_payment(code: int | None) -> None:
    lost = NodeError("waitsendpay", "lost", code=code)
    with pytest.raises(NodeError) as caught:
        NodeReader(Replay(waitsendpay=lost)).wait_payment(FAILED_HASH, 5)
    assert caught.value is lost


@pytest.mark.parametrize(
    "data",
    [
        None,
        "x",
        {},
        {"erring_channel": "0:0:0", "erring_direction": 1},
        {"erring_channel": "1x1x1"},
        {"erring_channel": "1x1x1", "erring_direction": 2},
        {"erring_channel": "1x1x1", "erring_direction": True},
        {"erring_channel": "1x1x1", "erring_direction": 1.0},
        {"erring_channel": "1x1x1", "erring_direction": []},
    ],
)
def test_a_hint_that_names_no_channel_is_none(data: object) -> None:
    rpc = Replay(waitsendpay=refusal("waitsendpay", 204, "no", data), listsendpays=attempts("failed"))
    failure = NodeReader(rpc).wait_payment(FAILED_HASH, 5).failure
    assert failure is not None
    assert failure.erring_scidd is None


def test_a_path_is_asked_for_in_one_part() -> None:
    asked = sample("getroutes.layers")["params"]
    rpc = Replay(getroutes=reply("getroutes.layers"))
    steps = NodeReader(rpc).path(
        asked["source"], asked["destination"], 300_000_000, 5_000_000, 18, ("auto.sourcefree", "t1")
    )
    assert len(steps) == 2
    assert rpc.asked == [("getroutes", {**asked, "maxdelay": 1_008, "maxparts": 1})]
    failure = sample("getroutes.self")["error"]
    with pytest.raises(NodeError) as caught:
        NodeReader(Replay(getroutes=refusal("getroutes", failure["code"], failure["message"]))).path(
            asked["source"], asked["source"], 1, 1, 18, ()
        )
    assert caught.value.code == -1


def test_layers() -> None:
    rpc = Replay(askrene_listlayers=reply("askrene-listlayers"))
    reader = NodeReader(rpc)
    assert reader.layer_disabled_nodes("t1") == frozenset(
        {"035d896df735033262990a9c4bfac98b2240c8d840f6b07cbaf5a9dda480bb8616"}
    )
    assert reader.layer_disabled_nodes("xpay") == frozenset()
    assert reader.layer_disabled_nodes("revops") is None
    assert rpc.asked[0] == ("askrene-listlayers", {"layer": "t1"})
    unknown = Replay(askrene_listlayers=refusal("askrene-listlayers", -32602, "Unknown layer"))
    assert NodeReader(unknown).layer_disabled_nodes("revops") is None
    dead = Replay(askrene_listlayers=refusal("askrene-listlayers", -4))
    with pytest.raises(NodeError):
        NodeReader(dead).layer_disabled_nodes("revops")


def test_configs() -> None:
    rpc = Replay(listconfigs=reply("listconfigs"))
    assert NodeReader(rpc).config_int("cltv-final") == 10
    assert rpc.asked == [("listconfigs", {"config": "cltv-final"})]
    unknown = Replay(listconfigs=refusal("listconfigs", -32602, "Unknown config option"))
    assert NodeReader(unknown).config_int("x") is None
