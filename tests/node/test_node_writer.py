"""The writer: the requests as lightningd takes them, and replies about something else."""

from __future__ import annotations

from typing import Any

import pytest

from revops.domain.payment import Hop, PaymentStatus
from revops.node.errors import NodeError
from revops.node.parse_channels import FeesReply
from revops.node.rpc import Params
from revops.node.writer import DryRunWriter, NodeWriter, Writer
from tests.node.samples import INVOICE, Replay, reply, sample

CHANNEL_ID = reply("setchannel")["channels"][0]["channel_id"]
CIRCULAR = sample("sendpay.circular")["params"]
ROUTE = tuple(
    Hop(hop["id"], hop["channel"], hop["direction"], hop["amount_msat"], hop["delay"]) for hop in CIRCULAR["route"]
)


def test_fees_go_to_one_channel_and_come_back_as_they_are_in_force() -> None:
    rpc = Replay(setchannel=reply("setchannel"))
    told = NodeWriter(rpc).set_fees(CHANNEL_ID, 0, 300)
    assert told == FeesReply(CHANNEL_ID, 0, 260, (), 4_950_000_000)
    assert rpc.asked == [("setchannel", {"id": CHANNEL_ID, "feebase": 0, "feeppm": 300})]


def test_the_largest_payment_goes_in_the_same_call() -> None:
    answered = reply("setchannel")
    answered["channels"][0] |= {"fee_proportional_millionths": 255, "maximum_htlc_out_msat": 2_000_000_000}
    rpc = Replay(setchannel=answered)
    told = NodeWriter(rpc).set_fees(CHANNEL_ID, 0, 255, 2_000_000_000)
    assert told == FeesReply(CHANNEL_ID, 0, 255, (), 2_000_000_000)
    assert rpc.asked == [("setchannel", {"id": CHANNEL_ID, "feebase": 0, "feeppm": 255, "htlcmax": 2_000_000_000})]


def test_warnings_are_passed_on() -> None:
    clamped = reply("setchannel")
    clamped["channels"][0] |= {
        "warning_htlcmax_too_high": "Set to maximum",
        "warning_htlcmin_too_low": "Set to minimum",
    }
    told = NodeWriter(Replay(setchannel=clamped)).set_fees(CHANNEL_ID, 0, 260)
    assert told.warnings == ("Set to minimum", "Set to maximum")


@pytest.mark.parametrize("count", [0, 2])
def test_any_other_number_of_channels_is_refused(count: int) -> None:
    rpc = Replay(setchannel={"channels": reply("setchannel")["channels"] * count})
    with pytest.raises(NodeError, match=f"lists {count} channels"):
        NodeWriter(rpc).set_fees(CHANNEL_ID, 0, 260)


def test_another_channel_is_refused() -> None:
    with pytest.raises(NodeError, match=r"channels\[0\]\.channel_id is not the channel"):
        NodeWriter(Replay(setchannel=reply("setchannel"))).set_fees("ab" * 32, 0, 260)


def test_an_invoice() -> None:
    rpc = Replay(invoice=INVOICE)
    made = NodeWriter(rpc).create_invoice("revops-1", 50_000_000, "circular", 3_600)
    assert (made.label, made.status, made.amount_msat) == ("revops-1", "unpaid", 50_000_000)
    assert (made.payment_hash, made.payment_secret) == (INVOICE["payment_hash"], INVOICE["payment_secret"])
    asked = {"amount_msat": 50_000_000, "label": "revops-1", "description": "circular", "expiry": 3_600}
    assert rpc.asked == [("invoice", asked)]


def refused(code: int, data: object = None) -> NodeError:
    return NodeError("delinvoice", "no", code=code, data=data)


def test_an_invoice_is_deleted_unless_it_is_paid() -> None:
    rpc = Replay(delinvoice={"label": "a", "status": "unpaid"})
    assert NodeWriter(rpc).delete_invoice("a") is True
    assert rpc.asked == [("delinvoice", {"label": "a", "status": "unpaid"})]
    assert NodeWriter(Replay(delinvoice=refused(905))).delete_invoice("a") is False
    paid = Replay(delinvoice=refused(906, {"current_status": "paid", "expected_status": "unpaid"}))
    assert NodeWriter(paid).delete_invoice("a") is False
    assert len(paid.asked) == 1
    for unclear in (None, {}, {"current_status": "new"}):
        rpc = Replay(delinvoice=refused(906, unclear))
        assert NodeWriter(rpc).delete_invoice("a") is False
        assert len(rpc.asked) == 1
    with pytest.raises(NodeError):
        NodeWriter(Replay(delinvoice=refused(-1))).delete_invoice("a")
    with pytest.raises(NodeError, match="label is not"):
        NodeWriter(Replay(delinvoice={"label": "b"})).delete_invoice("a")


def test_an_expired_invoice_is_deleted_as_such() -> None:
    def answer(params: Params) -> dict[str, Any]:
        assert isinstance(params, dict)
        if params["status"] == "unpaid":
            raise refused(906, {"current_status": "expired", "expected_status": "unpaid"})
        return {"label": "a", "status": "expired"}

    rpc = Replay(delinvoice=answer)
    assert NodeWriter(rpc).delete_invoice("a") is True
    assert [params["status"] for _, params in rpc.asked] == ["unpaid", "expired"]


def test_a_payment_is_sent_exactly_as_the_node_takes_it() -> None:
    rpc = Replay(sendpay=reply("sendpay.circular"))
    writer: Writer = NodeWriter(rpc)
    sent = writer.send_pay(ROUTE, CIRCULAR["payment_hash"], CIRCULAR["payment_secret"], "circular")
    assert (sent.status, sent.amount_sent_msat, sent.fee_msat) == (PaymentStatus.PENDING, 50_013_500, 13_500)
    assert rpc.asked == [("sendpay", CIRCULAR)]
    with pytest.raises(NodeError, match="payment_hash is not"):
        writer.send_pay(ROUTE, "ab" * 32, CIRCULAR["payment_secret"], "circular")


def test_layers() -> None:
    rpc = Replay(
        askrene_create_layer={"layers": []},
        askrene_disable_node={},
        askrene_inform_channel={"constraints": []},
        askrene_age={"layer": "revops", "num_removed": 0},
    )
    writer = NodeWriter(rpc)
    writer.create_layer("revops")
    writer.disable_node("revops", "02" * 33)
    writer.inform_constrained("revops", "1x1x1/0", 5_000)
    writer.age_layer("revops", 1_000)
    assert rpc.asked == [
        ("askrene-create-layer", {"layer": "revops"}),
        ("askrene-disable-node", {"layer": "revops", "node": "02" * 33}),
        (
            "askrene-inform-channel",
            {"layer": "revops", "short_channel_id_dir": "1x1x1/0", "amount_msat": 5_000, "inform": "constrained"},
        ),
        ("askrene-age", {"layer": "revops", "cutoff": 1_000}),
    ]


def test_the_dry_twin_answers_as_if() -> None:
    writer: Writer = DryRunWriter(clock=lambda: 1_000.5)
    assert writer.set_fees(CHANNEL_ID, 1, 2) == FeesReply(CHANNEL_ID, 1, 2, ())
    assert writer.set_fees(CHANNEL_ID, 1, 2, 3) == FeesReply(CHANNEL_ID, 1, 2, (), 3)
    made = writer.create_invoice("a", 5, "d", 60)
    assert (made.status, made.amount_msat, made.expires_at, len(made.payment_hash)) == ("unpaid", 5, 1_060, 64)
    assert made.payment_hash != writer.create_invoice("b", 5, "d", 60).payment_hash
    assert writer.delete_invoice("a") is True
    sent = writer.send_pay(ROUTE, made.payment_hash, "00" * 32, "a")
    assert (sent.status, sent.fee_msat, sent.destination) == (PaymentStatus.PENDING, 13_500, ROUTE[-1].node_id)
    with pytest.raises(ValueError, match="route"):
        writer.send_pay((), made.payment_hash, "00" * 32, "a")
    writer.create_layer("l")
    writer.disable_node("l", "02" * 33)
    writer.inform_constrained("l", "1x1x1/0", 5)
    writer.age_layer("l", 5)
    writer.remove_layer("l")
