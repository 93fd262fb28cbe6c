"""sling: what is asked, in which units and form, and replies that can't be true."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from revops.domain.sling import SlingJob, SlingOrder, SlingTask, order_of
from revops.errors import BugError
from revops.node.errors import NodeError
from revops.node.methods import METHODS
from revops.node.reader import NodeReader
from revops.node.rpc import Rpc
from revops.node.writer import DryRunWriter, NodeWriter
from tests.node.fake_node import FakeNode, error, result
from tests.node.samples import FOLDER, Replay, reply

ORDER = SlingOrder("125x1x1", 20_011, 5, 700, 300_000, ("122x1x0", "124x1x0"), 1_795_305_600, 17, 23, "1-7-9")
#: As src/lib.rs writes a job (v4.2.1); v2 and v3 write the same members.
SETTINGS: dict[str, Any] = {
    "125x1x1": {
        "sat_direction": "Pull", "amount_msat": 50_000_000, "outppm": 5_000, "maxppm": 3_000, "target": 0.3,
        "depleteuptoamount_msat": 100_000_000,
    },
    "124x1x0": {"sat_direction": "Push", "amount_msat": 40_000_000, "maxppm": 2_000, "candidates": ["122x1x0"]},
}  # fmt: skip


def recorded(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())["result"]


def test_what_is_asked_and_answered() -> None:
    rpc = Replay(
        sling_version=recorded("sling-version"),
        sling_jobsettings=SETTINGS,
        sling_stats={"rows": recorded("sling-stats")},
        sling_once=recorded("sling-once"),
        sling_stop=recorded("sling-stop"),
        listsendpays=reply("listsendpays"),
    )
    reader, writer = NodeReader(rpc), NodeWriter(rpc)
    assert reader.sling_version() == "v4.2.1"
    assert reader.sling_jobs() == (
        SlingJob("125x1x1", True, 50_000_000, 3_000),
        SlingJob("124x1x0", False, 40_000_000, 2_000),
    )
    assert reader.sling_tasks() == (SlingTask("125x1x1", ("Balanced",)),)
    writer.sling_once(ORDER)
    assert writer.sling_stop("125x1x1", 150.0) == 2
    rows = reader.sent_payments(5, 100)
    assert reader.pending_payments() == rows
    # By position wherever that is possible: v2 and v3 take nothing else. Amounts in sat.
    assert rpc.asked == [
        ("sling-version", []),
        ("sling-jobsettings", []),
        ("sling-stats", [True]),
        (
            "sling-once",
            {
                "scid": "125x1x1", "direction": "pull", "amount": 20_011, "onceamount": 100_055, "maxppm": 700,
                "candidates": ["122x1x0", "124x1x0"], "depleteuptopercent": 0.999, "depleteuptoamount": 300_000,
                "paralleljobs": 1,
            },
        ),
        ("sling-stop", ["125x1x1"]),
        ("listsendpays", {"index": "created", "start": 5, "limit": 100}),
        ("listsendpays", {"status": "pending"}),
    ]  # fmt: skip
    assert rpc.timeouts[4] == 150.0


def test_no_job_at_all() -> None:
    assert NodeReader(Replay(sling_jobsettings=recorded("sling-jobsettings"))).sling_jobs() == ()
    assert NodeReader(Replay(sling_stats={"rows": []})).sling_tasks() == ()


def test_a_payment_of_slings_is_told_from_one_with_a_label() -> None:
    row = {
        "created_index": 7, "id": 7, "payment_hash": "ab" * 32, "groupid": 1, "destination": "02" * 33,
        "amount_msat": 20_011_000, "amount_sent_msat": 20_020_000, "created_at": 1_795_352_555, "status": "pending",
    }  # fmt: skip
    for extra in ({}, {"label": "x"}, {"bolt11": "lnbc1"}, {"bolt12": "lni1"}):
        (found,) = NodeReader(Replay(listsendpays={"payments": [row | extra]})).sent_payments(1, 1)
        assert found.labelled == bool(extra)
        assert (found.amount_msat, found.amount_sent_msat, found.status) == (20_011_000, 20_020_000, "pending")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"sat_direction": "sideways"}, "sat_direction"),
        ({"amount_msat": -1}, "amount_msat"),
        ({"amount_msat": "50000000"}, "amount_msat"),
        ({"maxppm": None}, "maxppm"),
        ({"maxppm": 1.5}, "maxppm"),
    ],
)
def test_settings_that_cannot_be_read_are_an_error_with_the_field(change: dict[str, Any], field: str) -> None:
    broken = copy.deepcopy(SETTINGS)
    broken["125x1x1"] |= change
    with pytest.raises(NodeError, match=rf"sling-jobsettings: field 125x1x1\.{field} "):
        NodeReader(Replay(sling_jobsettings=broken)).sling_jobs()


@pytest.mark.parametrize("broken", [{"nonsense": {}}, {"125x1x1": None}, {"125x1x1": []}, {"125x1x1": "x"}])
def test_settings_of_no_channel_are_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(NodeError, match="sling-jobsettings: field ") as caught:
        NodeReader(Replay(sling_jobsettings=broken)).sling_jobs()
    assert caught.value.exit_code == 65


@pytest.mark.parametrize("status", [["Balanced"], ["1:"], ["1:Bal anced"], [1], None, "1:Balanced", [["1:x"]]])
def test_states_that_are_none_of_slings(status: object) -> None:
    row = recorded("sling-stats")[0] | {"status": status}
    with pytest.raises(NodeError, match=r"sling-stats: field rows\[0\]\.status"):
        NodeReader(Replay(sling_stats={"rows": [row]})).sling_tasks()


@pytest.mark.parametrize("answer", [{}, {"result": "success"}, {"result": None}, {"result": 1}])
def test_only_started_is_started(answer: dict[str, Any]) -> None:
    with pytest.raises(NodeError, match="sling-once: field result") as caught:
        NodeWriter(Replay(sling_once=answer)).sling_once(ORDER)
    assert caught.value.code is None


def test_a_bare_list_is_one_only_where_it_belongs() -> None:
    with FakeNode(result(recorded("sling-stats"))) as node:
        rpc = Rpc(node.path, command="rebalance run", timeout_seconds=10, writes_allowed=True)
        assert NodeReader(rpc).sling_tasks() == (SlingTask("125x1x1", ("Balanced",)),)
        assert node.requests[0]["params"] == [True]
        with pytest.raises(NodeError, match="sling-version: the result is not a JSON object"):
            NodeReader(rpc).sling_version()
        assert node.requests[1]["params"] == []
    # Without its second parameter sling answers with a table for people.
    with FakeNode(result({"format-hint": "simple", "result": "x"})) as node:
        rpc = Rpc(node.path, command="rebalance run", timeout_seconds=10, writes_allowed=True)
        with pytest.raises(NodeError, match="sling-stats: the result is not a JSON list"):
            NodeReader(rpc).sling_tasks()


def test_slings_own_errors_are_refusals_with_their_code() -> None:
    refused = json.loads((FOLDER / "sling-job.bad.json").read_text())["error"]
    with FakeNode(error(refused["code"], refused["message"])) as node:
        rpc = Rpc(node.path, command="rebalance run", timeout_seconds=10, writes_allowed=True)
        with pytest.raises(NodeError, match="could not parse flow direction") as caught:
            NodeWriter(rpc).sling_once(ORDER)
    assert (caught.value.code, caught.value.outcome_unknown) == (-32700, False)


def test_the_operators_jobs_can_be_neither_made_nor_deleted() -> None:
    assert {name for name in METHODS if name.startswith("sling-")} == {
        "sling-version", "sling-jobsettings", "sling-stats", "sling-once", "sling-stop",
    }  # fmt: skip
    rpc = Rpc("/nowhere", command="rebalance run", timeout_seconds=1, writes_allowed=True)
    for method in ("sling-job", "sling-go", "sling-deletejob", "sling-except-chan", "sling-except-peer"):
        with pytest.raises(BugError, match="not on the list"):
            rpc.call(method, [])


def test_a_dry_run_starts_and_stops_nothing() -> None:
    DryRunWriter().sling_once(ORDER)
    assert DryRunWriter().sling_stop("125x1x1", 1.0) == 0


def test_an_order_is_kept_as_text() -> None:
    assert order_of(ORDER.as_text()) == ORDER
    assert ORDER.as_text() == (
        "sling 125x1x1 20011x5 700 ppm down to 300000 from 122x1x0,124x1x0 at 1795305600 after 17/23 for 1-7-9"
    )
    assert (ORDER.chunk_msat, ORDER.amount_msat, ORDER.chunk_fee_msat) == (20_011_000, 100_055_000, 14_007)
    for text in (None, "", "revops-1-2-3-4", ORDER.as_text() + "x", ORDER.as_text().replace("125x1x1", "99999999x1x1")):
        assert order_of(text) is None
