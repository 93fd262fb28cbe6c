"""Strictness: each field that a sample has is taken away, broken and joined by strangers, one at a time."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revops.node import parse_channels, parse_forwards, parse_node, parse_payments, parse_routes, parse_sling
from revops.node.errors import NodeError
from revops.node.fields import Fields
from tests.node.samples import CLOSED_CHANNELS, INVOICE, holder_of, paths_of, reply, sample, text_of

HASH = INVOICE["payment_hash"]
SETCHANNEL_ID = "640694bfc9b01f3367349e831cad176d963fc9c9ff8d1f42aba0f49abea066e1"
LISTED_HASH = reply("listsendpays")["payments"][0]["payment_hash"]
LISTED_LABEL = reply("listinvoices")["invoices"][0]["label"]
LISTED_NODE = reply("listnodes")["nodes"][0]["nodeid"]


def _wanted(name: str) -> parse_routes.RouteRequest:
    asked = sample(name)["params"]
    return parse_routes.RouteRequest(
        asked["source"], asked["destination"], asked["amount_msat"], asked["maxfee_msat"], asked["final_cltv"]
    )


def _old_style(name: str) -> dict[str, Any]:
    """A reply as v26.04 would have written it."""
    old = reply(name)
    for route in old["routes"]:
        for element in route["path"]:
            for field in ("node_id_in", "node_id_out", "amount_in_msat", "amount_out_msat", "cltv_in", "cltv_out"):
                del element[field]
    return old


Case = tuple[str, dict[str, Any], Callable[[dict[str, Any]], object], str]

_CHANNEL = (
    "peer_id peer_connected reestablished state opener channel_id private total_msat to_us_msat spendable_msat "
    "receivable_msat our_reserve_msat their_reserve_msat max_accepted_htlcs htlcs updates updates.local "
    "state_changes[0].new_state state_changes[0].timestamp state_changes[0].old_state "
)
_TERMS = "fee_base_msat fee_proportional_millionths htlc_minimum_msat htlc_maximum_msat cltv_expiry_delta"
_SIDES = " ".join(f"updates.{side}.{name}" for side in ("local", "remote") for name in _TERMS.split())
_MOVE = "created_index account_id credit_msat debit_msat timestamp primary_tag "
_ROUTE = "amount_msat final_cltv path "
_STEP = "short_channel_id_dir node_id_in node_id_out amount_in_msat amount_out_msat cltv_in cltv_out"


def _each(prefix: str, names: str) -> str:
    return " ".join(f"{prefix}.{name}" for name in names.split())


#: A name, a reply, its parser, and the fields without which it must be refused.
CASES: list[Case] = [
    ("sling-version", {"version": "v4.2.1"}, parse_sling.version, "version"),
    ("sling-once", {"result": "started"}, parse_sling.started, "result"),
    ("sling-stop", {"stopped_count": 2}, parse_sling.stopped, "stopped_count"),
    (
        "sling-stats",
        {"rows": [{"scid": "125x1x1", "status": ["1:Balanced"], "rebamount": "640,000", "w_feeppm": 129}]},
        parse_sling.tasks,
        "rows rows[0].scid rows[0].status",
    ),
    (
        "listsendpays page",
        {"payments": reply("listsendpays")["payments"][:1]},
        parse_sling.sent_payments,
        "payments " + _each("payments[0]", "created_index payment_hash amount_sent_msat created_at status"),
    ),
    (
        "getinfo",
        reply("getinfo"),
        parse_node.node_info,
        "id alias version network blockheight fees_collected_msat",
    ),
    (
        "listpeerchannels",
        reply("listpeerchannels"),
        parse_channels.channels,
        # Of a channel that the peer opened, what we put in is read, too.
        "channels channels[0].funding.local_funds_msat "
        + _each("channels[0]", _CHANNEL + _SIDES)
        + " "
        + _each("channels[1]", _CHANNEL + _SIDES),
    ),
    (
        "listclosedchannels",
        CLOSED_CHANNELS,
        parse_channels.closed_channels,
        "closedchannels " + _each("closedchannels[0]", "channel_id opener close_cause total_msat final_to_us_msat"),
    ),
    (
        "setchannel",
        reply("setchannel"),
        lambda found: parse_channels.fees_reply(found, SETCHANNEL_ID),
        "channels "
        + _each("channels[0]", "channel_id fee_base_msat fee_proportional_millionths maximum_htlc_out_msat"),
    ),
    (
        "listforwards",
        reply("listforwards"),
        parse_forwards.forwards,
        "forwards "
        + _each("forwards[0]", "created_index in_channel in_msat status received_time")
        + " "
        + _each("forwards[0]", "out_channel out_msat fee_msat resolved_time")
        + " "
        + _each("forwards[1]", "created_index in_channel in_msat status received_time")
        + " "
        + _each(
            "forwards[2]", "created_index in_channel in_msat status received_time resolved_time out_channel fee_msat"
        ),
    ),
    (
        "listchannelmoves",
        reply("listchannelmoves"),
        parse_forwards.channel_moves,
        "channelmoves "
        + _each("channelmoves[0]", _MOVE + "fees_msat")
        + " "
        + _each("channelmoves[1]", _MOVE + "fees_msat"),
    ),
    (
        "listchainmoves",
        reply("listchainmoves"),
        parse_forwards.chain_moves,
        "chainmoves "
        + " ".join(
            _each(f"chainmoves[{place}]", _MOVE + "extra_tags utxo output_msat blockheight") for place in range(3)
        ),
    ),
    (
        "listnetworkevents",
        reply("listnetworkevents"),
        parse_forwards.node_events,
        "networkevents "
        + " ".join(_each(f"networkevents[{place}]", "created_index peer_id type timestamp") for place in range(3)),
    ),
    (
        "listnodes",
        reply("listnodes"),
        lambda found: parse_node.peer_info(found, LISTED_NODE),
        "nodes nodes[0].nodeid",
    ),
    (
        "listfunds",
        reply("listfunds"),
        parse_node.wallet,
        "outputs "
        + " ".join(_each(f"outputs[{place}]", "txid output amount_msat status reserved") for place in (0, 1)),
    ),
    (
        "feerates",
        reply("feerates"),
        lambda found: parse_node.feerates(found, 1.0),
        "perkw perkw.floor perkw.estimates "
        + " ".join(_each(f"perkw.estimates[{place}]", "blockcount feerate") for place in range(4)),
    ),
    ("wait", reply("wait"), lambda found: parse_node.index_value(found, "forwards", "created"), "subsystem created"),
    (
        "listconfigs",
        reply("listconfigs"),
        lambda found: parse_node.config_value(found, "cltv-final"),
        "configs configs.cltv-final.value_int",
    ),
    (
        "askrene-listlayers",
        reply("askrene-listlayers"),
        lambda found: parse_node.disabled_nodes(found, "t1"),
        "layers layers[0].layer layers[1].layer layers[1].disabled_nodes",
    ),
    (
        "invoice",
        INVOICE,
        lambda found: parse_payments.new_invoice(found, "label", 1_000),
        "payment_hash payment_secret expires_at",
    ),
    (
        "listinvoices",
        reply("listinvoices"),
        lambda found: parse_payments.invoice(found, LISTED_LABEL),
        "invoices " + _each("invoices[0]", "label payment_hash status expires_at"),
    ),
    (
        "sendpay",
        reply("sendpay.circular"),
        lambda found: parse_payments.payment("sendpay", found, HASH),
        "payment_hash status amount_sent_msat created_at",
    ),
    (
        "waitsendpay",
        reply("waitsendpay.circular"),
        lambda found: parse_payments.payment("waitsendpay", found, HASH),
        "payment_hash status amount_sent_msat created_at",
    ),
    (
        "listsendpays",
        reply("listsendpays"),
        lambda found: parse_payments.payments(found, LISTED_HASH),
        "payments " + _each("payments[0]", "created_index payment_hash status amount_sent_msat created_at"),
    ),
    (
        "getroutes",
        reply("getroutes.layers"),
        lambda found: parse_routes.path(found, _wanted("getroutes.layers")),
        "routes " + _each("routes[0]", _ROUTE + _each("path[0]", _STEP) + " " + _each("path[1]", _STEP)),
    ),
    (
        "getroutes before v26.06",
        _old_style("getroutes.layers"),
        lambda found: parse_routes.path(found, _wanted("getroutes.layers")),
        "routes "
        + _each(
            "routes[0]",
            _ROUTE
            + _each("path[0]", "short_channel_id_dir next_node_id amount_msat delay")
            + " "
            + _each("path[1]", "short_channel_id_dir next_node_id amount_msat delay"),
        ),
    ),
]
IDS = [case[0] for case in CASES]


def refusal(parse: Callable[[dict[str, Any]], object], value: dict[str, Any]) -> NodeError | None:
    """Given a parser and a reply, return the error that it raises, or None where it takes the reply."""
    try:
        parse(value)
    except NodeError as error:
        return error
    return None


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_each_required_field_is_missed_by_name_and_no_other(case: Case) -> None:
    name, whole, parse, required = case
    parse(whole)
    refused = set()
    for path in paths_of(whole):
        lacking = copy.deepcopy(whole)
        del holder_of(lacking, path)[path[-1]]
        error = refusal(parse, lacking)
        if error is not None:
            refused.add(text_of(path))
            assert error.exit_code == 65
            assert str(error) == f"{name.split()[0]}: field {text_of(path)} is missing"
    assert refused == set(required.split())


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_null_is_the_same_as_absence(case: Case) -> None:
    _, whole, parse, required = case
    for path in paths_of(whole):
        lacking, nulled = copy.deepcopy(whole), copy.deepcopy(whole)
        del holder_of(lacking, path)[path[-1]]
        holder_of(nulled, path)[path[-1]] = None
        if text_of(path) in required.split():
            with pytest.raises(NodeError, match=r"null") as caught:
                parse(nulled)
            assert f"field {text_of(path)} is null" in str(caught.value)
        else:
            assert parse(nulled) == parse(lacking)


@pytest.mark.parametrize("case", CASES, ids=IDS)
@pytest.mark.parametrize("strange", ["5", "", True, 1.5, -1, 2**64, [], {}, [None], "\ud800", "0x0x0/2"])
def test_a_value_of_the_wrong_kind_is_refused_by_name_or_not_read(case: Case, strange: object) -> None:
    """A broken field either isn't used, or the error names the method; a required number never becomes another."""
    name, whole, parse, required = case
    numbers = {text_of(path) for path in paths_of(whole) if _is_number(holder_of(whole, path)[path[-1]])}
    for path in paths_of(whole):
        broken = copy.deepcopy(whole)
        holder_of(broken, path)[path[-1]] = strange
        error = refusal(parse, broken)
        if error is not None:
            assert error.exit_code == 65
            assert str(error).startswith(f"{name.split()[0]}: ")
        else:
            fractions = ("received_time", "resolved_time", "completed_at")
            if text_of(path) in numbers & set(required.split()) and not (strange == 1.5 and str(path[-1]) in fractions):
                pytest.fail(f"{text_of(path)} = {strange!r} went through")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_unknown_fields_never_matter(case: Case) -> None:
    _, whole, parse, _ = case
    richer = copy.deepcopy(whole)
    holders = [richer, *(holder_of(richer, path)[path[-1]] for path in list(paths_of(richer)))]
    for holder in holders:
        if isinstance(holder, dict):
            holder["field_of_the_future"] = {"x": [1, None]}
        elif isinstance(holder, list):
            for row in holder:
                if isinstance(row, dict):
                    row["field_of_the_future"] = -1
    assert parse(richer) == parse(whole)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(case=st.sampled_from(CASES), value=JSON, pick=st.integers(min_value=0, max_value=10_000))
@settings(deadline=None, derandomize=True, max_examples=400)
def test_no_json_at_all_raises_anything_but_a_node_error(case: Case, value: object, pick: int) -> None:
    _, whole, parse, _ = case
    paths = list(paths_of(whole))
    path = paths[pick % len(paths)]
    broken = copy.deepcopy(whole)
    holder_of(broken, path)[path[-1]] = value
    error = refusal(parse, broken)
    assert error is None or error.exit_code == 65


@given(JSON)
@settings(deadline=None, derandomize=True)
def test_no_object_at_all_raises_anything_but_a_node_error(value: object) -> None:
    for _, whole, parse, _ in CASES:
        error = refusal(parse, dict.fromkeys(whole, value))
        assert error is None or error.exit_code == 65


def test_numbers_are_not_floats_strings_or_booleans() -> None:
    fields = Fields("m", {"a": 1.0, "b": "1", "c": True, "d": math.nan, "e": math.inf, "f": 2**63, "g": -1})
    for name in "abcfg":
        with pytest.raises(NodeError, match=rf"m: field {name} is "):
            fields.whole(name)
    for name in "bcdefg":
        with pytest.raises(NodeError, match=rf"m: field {name} is "):
            fields.number(name)


def test_amounts_are_cut_to_the_supply_and_no_further() -> None:
    supply_msat = 21_000_000 * 100_000_000 * 1_000
    assert Fields("m", {"a": 2**64 - 1}).msat("a") == supply_msat
    assert Fields("m", {"a": supply_msat - 1}).msat("a") == supply_msat - 1
    with pytest.raises(NodeError, match="out of range"):
        Fields("m", {"a": 2**64}).msat("a")
    with pytest.raises(NodeError, match="not a whole number"):
        Fields("m", {"a": "1000msat"}).msat("a")


def test_a_text_keeps_all_but_what_no_database_can_hold() -> None:
    assert Fields("m", {"a": "Ⓑ\u202e<b>\n\x00x\ud800"}).text("a") == "Ⓑ\u202e<b>\n\ufffdx\ufffd"


def test_errors_never_quote_a_value() -> None:
    with pytest.raises(NodeError) as caught:
        Fields("m", {"payment_secret": "secret"}).hash("payment_secret")
    assert str(caught.value) == "m: field payment_secret is not 32 bytes of hex"
