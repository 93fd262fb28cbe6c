"""What the parsers make of real replies: each value where it belongs."""

from __future__ import annotations

import pytest

from revops.domain.channel import Htlc, Terms
from revops.domain.forward import ForwardStatus
from revops.domain.units import MAX_MSAT
from revops.node import parse_channels, parse_forwards, parse_node
from revops.node.errors import NodeError
from tests.node.samples import CLOSED_CHANNELS, reply


def test_node_info() -> None:
    info = parse_node.node_info(reply("getinfo"))
    assert (info.alias, info.version, info.network) == ("alice", "v26.06.6", "regtest")
    assert (info.blockheight, info.fees_collected_msat, info.sync_warning) == (233, 2_388_171, None)


def test_sync_warnings_are_joined() -> None:
    warned = reply("getinfo") | {"warning_bitcoind_sync": "a", "warning_lightningd_sync": "b"}
    assert parse_node.node_info(warned).sync_warning == "a; b"


def test_an_alias_is_no_longer_than_one_can_be() -> None:
    endless = "x" * 1_000_000
    assert parse_node.node_info({**reply("getinfo"), "alias": endless}).alias == "x" * 64
    peer_id = "02" * 33
    found = parse_node.peer_info({"nodes": [{"nodeid": peer_id, "alias": endless}]}, peer_id)
    assert found.alias == "x" * 64


def test_channel() -> None:
    (channel, other), opening_count = parse_channels.channels(reply("listpeerchannels"))
    assert opening_count == 0
    assert channel.channel_id == "d379fe1fa40aff055026ba9d0a978227be10af8fa3c4d6b2d625dd3e633d7122"
    assert channel.peer_id == "023dc3f4d6c1efdec0892011c0485e32a19b212cf052d53d282f83b9af8319c7ef"
    assert (channel.scid, channel.direction, channel.private) == ("123x1x0", 1, False)
    assert (channel.alias_local, channel.alias_remote) == ("16133624x4673719x57399", "9471920x9996359x43453")
    assert (channel.state, channel.opener, channel.connected) == ("CHANNELD_NORMAL", "remote", True)
    assert (channel.capacity_msat, channel.local_msat) == (10_000_000_000, 4_160_086_330)
    assert (channel.spendable_msat, channel.receivable_msat) == (4_060_086_330, 5_735_607_670)
    assert (channel.our_reserve_msat, channel.their_reserve_msat) == (100_000_000, 100_000_000)
    assert channel.local_terms == Terms(0, 40, 0, 9_900_000_000, 6)
    assert channel.remote_terms == Terms(0, 150, 0, 9_900_000_000, 6)
    assert (channel.max_accepted_htlcs, channel.htlcs) == (483, ())
    assert (channel.max_in_flight_out_msat, channel.max_in_flight_in_msat) == (None, None)  # both are 2^64-1 there
    assert channel.opened_at == 1_795_352_465  # 2026-11-22T13:01:05.355Z
    assert channel.last_stable_connection_at is None
    assert other.channel_id != channel.channel_id


def test_what_the_peer_lets_us_have_in_flight_is_their_limit() -> None:
    """`their_...` caps what we offer, `our_...` what they do (lightningd/peer_control.c, json_add_channel)."""
    listed = reply("listpeerchannels")
    row, other = listed["channels"][:2]
    row |= {"their_max_htlc_value_in_flight_msat": 7_000, "our_max_htlc_value_in_flight_msat": 8_000}
    for name in ("their_max_htlc_value_in_flight_msat", "our_max_htlc_value_in_flight_msat"):
        del other[name]
    first, second = parse_channels.channels(listed)[0][:2]
    assert (first.max_in_flight_out_msat, first.max_in_flight_in_msat) == (7_000, 8_000)
    assert (second.max_in_flight_out_msat, second.max_in_flight_in_msat) == (None, None)


def test_a_channel_in_which_we_lend_is_one_whose_peer_has_paid_for_it() -> None:
    """lightningd/peer_control.c: of `pushed_msat`, `fee_paid_msat` and `fee_rcvd_msat` one is there."""
    listed = reply("listpeerchannels")
    leased, lessee = (row["funding"] for row in listed["channels"][:2])
    del leased["pushed_msat"], lessee["pushed_msat"]
    leased |= {"local_funds_msat": 5_000_000, "fee_rcvd_msat": 0}
    lessee |= {"fee_paid_msat": 7_000}
    assert [channel.lent_msat for channel in parse_channels.channels(listed)[0][:2]] == [5_000_000, None]
    leased |= {"local_funds_msat": None}
    with pytest.raises(NodeError, match=r"channels\[0\]\.funding\.local_funds_msat"):
        parse_channels.channels(listed)


@pytest.mark.parametrize(
    ("funding", "opener", "given_msat"),
    [
        ({"local_funds_msat": 5_000_000, "pushed_msat": 0}, "remote", 5_000_000),
        ({"local_funds_msat": 0, "pushed_msat": 7_000}, "remote", None),
        ({"local_funds_msat": 5_000_000, "fee_rcvd_msat": 7_000}, "remote", None),
        ({"local_funds_msat": 5_000_000, "pushed_msat": 0}, "local", None),
    ],
)
def test_what_we_put_in_for_nothing_is_known(funding: dict[str, int], opener: str, given_msat: int | None) -> None:
    """A lease whose opening was bumped: we have put in as much, and nothing was paid."""
    listed = reply("listpeerchannels")
    row = listed["channels"][0]
    row |= {"funding": funding | {"remote_funds_msat": 1_000_000}, "opener": opener}
    assert parse_channels.channels(listed)[0][0].given_msat == given_msat
    # A splice makes our balance of it, whoever brought it.
    row["state_changes"] = [
        {
            "timestamp": "2026-11-22T13:01:05.355Z",
            "old_state": "CHANNELD_NORMAL",
            "new_state": "CHANNELD_AWAITING_SPLICE",
        }
    ]
    assert parse_channels.channels(listed)[0][0].given_msat is None


def test_a_splice_keeps_the_channel_its_birthday_and_its_life() -> None:
    (channel,), _ = parse_channels.channels(reply("listpeerchannels.splice"))
    assert channel.state == "CHANNELD_AWAITING_SPLICE"
    assert channel.usable
    assert channel.opened_at == 1_795_352_465
    assert channel.last_stable_connection_at == 1_795_352_525


def test_a_splice_in_flight_tells_what_comes_and_what_fits_meanwhile() -> None:
    (channel,), _ = parse_channels.channels(reply("listpeerchannels.splice"))
    (splice,) = channel.splices
    assert splice.txid == "f9c252ffadaa2c3f1e95f319b50567227637cfa54a71e36f9998eafc51043819"
    assert (splice.local_change_msat, splice.remote_change_msat) == (100_000_000, 0)
    assert splice.capacity_msat == 2_399_801_000
    assert (channel.capacity_msat, channel.local_msat) == (2_299_801_000, 1_359_943_319), "those before it"
    # The reserve grows from 22,998 to 23,998.01 sat, on either side.
    assert (channel.spendable_msat, channel.coming_msat) == (1_332_639_319, 98_999_990)
    assert channel.receivable_msat == 916_859_681 - 1_000_010


def test_what_leaves_by_a_splice_cannot_be_sent_whoever_takes_it() -> None:
    listed = reply("listpeerchannels.splice")
    (splice,) = listed["channels"][0]["inflight"]
    splice |= {"splice_amount": -1_000_000, "total_funding_msat": 1_299_801_000}
    (channel,), _ = parse_channels.channels(listed)
    assert channel.leaving_msat == 1_000_000_000
    assert (channel.spendable_msat, channel.receivable_msat) == (332_639_319, 916_859_681)
    splice |= {"splice_amount": 0, "total_funding_msat": 1_799_801_000}
    (channel,), _ = parse_channels.channels(listed)
    assert [one.remote_change_msat for one in channel.splices] == [-500_000_000]
    assert (channel.spendable_msat, channel.receivable_msat) == (1_332_639_319, 416_859_681)


def test_the_present_funding_and_candidates_of_an_opening_are_no_splices() -> None:
    listed = reply("listpeerchannels.splice")
    row = listed["channels"][0]
    present = {**row["inflight"][0], "funding_txid": row["funding_txid"]}
    for state, inflight in (("CHANNELD_NORMAL", [present]), ("DUALOPEND_AWAITING_LOCKIN", row["inflight"])):
        (channel,), _ = parse_channels.channels({"channels": [{**row, "state": state, "inflight": inflight}]})
        assert channel.splices == ()
        assert (channel.spendable_msat, channel.receivable_msat) == (1_332_639_319, 916_859_681)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("splice_amount", None, "is null, not a whole number"),
        ("splice_amount", "100000", "is a text, not a whole number"),
        ("splice_amount", True, "is true or false, not a whole number"),
        ("splice_amount", 21 * 10**14 + 1, "is out of range"),
        ("splice_amount", -21 * 10**14 - 1, "is out of range"),
        ("total_funding_msat", -1, "is out of range"),
        ("funding_txid", "ff", "is not 32 bytes of hex"),
    ],
)
def test_a_splice_that_cannot_be_read_is_an_error_with_its_field(name: str, value: object, problem: str) -> None:
    listed = reply("listpeerchannels.splice")
    listed["channels"][0]["inflight"][0][name] = value
    with pytest.raises(NodeError, match=rf"listpeerchannels.*channels\[0\]\.inflight\[0\]\.{name} {problem}"):
        parse_channels.channels(listed)


@pytest.mark.parametrize("name", ["splice_amount", "total_funding_msat"])
def test_a_splice_without_its_amounts_is_an_error(name: str) -> None:
    listed = reply("listpeerchannels.splice")
    del listed["channels"][0]["inflight"][0][name]
    with pytest.raises(NodeError, match=rf"inflight\[0\]\.{name} is missing"):
        parse_channels.channels(listed)


def changed(**fields: object) -> dict[str, object]:
    row = reply("listpeerchannels")["channels"][0] | fields
    return {"channels": [{name: value for name, value in row.items() if value is not None}]}


def test_a_log_that_starts_with_a_splice_tells_no_birthday() -> None:
    change = {
        "timestamp": "2026-11-22T13:02:14.501Z",
        "old_state": "CHANNELD_AWAITING_SPLICE",
        "new_state": "CHANNELD_NORMAL",
    }
    assert parse_channels.channels(changed(state_changes=[change]))[0][0].opened_at is None
    assert parse_channels.channels(changed(state_changes=[]))[0][0].opened_at is None
    assert parse_channels.channels(changed(state_changes=None))[0][0].opened_at is None


@pytest.mark.parametrize("moment", ["yesterday", "2026-11-22T13:02:14", ""])
def test_a_moment_without_a_zone_is_none(moment: str) -> None:
    change = {"timestamp": moment, "old_state": "CHANNELD_AWAITING_LOCKIN", "new_state": "CHANNELD_NORMAL"}
    with pytest.raises(NodeError, match=r"channels\[0\]\.state_changes\[0\]\.timestamp"):
        parse_channels.channels(changed(state_changes=[change]))


@pytest.mark.parametrize(
    ("connected", "reestablished", "usable"), [(True, True, True), (True, False, False), (False, None, False)]
)
def test_connected_means_reestablished(connected: bool, reestablished: bool | None, usable: bool) -> None:
    found, _ = parse_channels.channels(changed(peer_connected=connected, reestablished=reestablished))
    assert found[0].connected is usable


def test_a_channel_without_funding_is_counted_and_left_out() -> None:
    opening: list[dict[str, object]] = [
        {"peer_id": "02" * 33, "peer_connected": True, "state": state, "opener": "local", "features": []}
        for state in ("OPENINGD", "DUALOPEND_OPEN_INIT")
    ]
    both = {"channels": opening + reply("listpeerchannels")["channels"]}
    found, opening_count = parse_channels.channels(both)
    assert (len(found), opening_count) == (2, 2)


def test_a_channel_that_waits_for_its_funding_has_little() -> None:
    waiting = changed(
        state="CHANNELD_AWAITING_LOCKIN",
        short_channel_id=None,
        direction=None,
        alias=None,
        updates={"local": reply("listpeerchannels")["channels"][0]["updates"]["local"]},
        state_changes=[],
    )
    (channel,), _ = parse_channels.channels(waiting)
    assert (channel.scid, channel.alias_local, channel.alias_remote, channel.direction) == (None,) * 4
    assert channel.remote_terms is None
    assert channel.live is False


def test_no_limit_is_the_supply_and_htlcs_are_kept() -> None:
    htlc = {
        "direction": "out",
        "id": 3,
        "amount_msat": 5_000,
        "expiry": 900,
        "payment_hash": "ab" * 32,
        "state": "SENT_ADD_ACK_REVOCATION",
        "local_trimmed": True,
    }
    terms = reply("listpeerchannels")["channels"][0]["updates"]
    terms["remote"]["htlc_maximum_msat"] = 2**64 - 1
    (channel,), _ = parse_channels.channels(changed(htlcs=[htlc], updates=terms))
    assert channel.htlcs == (Htlc("out", 5_000, 900, "ab" * 32, "SENT_ADD_ACK_REVOCATION"),)
    assert channel.remote_terms is not None
    assert channel.remote_terms.htlc_max_msat == MAX_MSAT


def test_closed_channel() -> None:
    (closed,) = parse_channels.closed_channels(CLOSED_CHANNELS)
    assert (closed.scid, closed.alias_local) == ("122x1x0", "16133624x4673719x57399")
    assert (closed.opener, closed.closer, closed.close_cause) == ("local", "remote", "remote")
    assert (closed.capacity_msat, closed.final_local_msat) == (5_000_000_000, 1_234_567_890)
    bare = {**CLOSED_CHANNELS["closedchannels"][0]}
    for name in ("peer_id", "short_channel_id", "alias", "closer", "last_stable_connection"):
        del bare[name]
    (closed,) = parse_channels.closed_channels({"closedchannels": [bare]})
    assert (closed.peer_id, closed.scid, closed.alias_local, closed.closer) == (None,) * 4
    assert closed.last_stable_connection_at is None


def test_forwards() -> None:
    settled, refused, failed = parse_forwards.forwards(reply("listforwards"))
    assert (settled.created_index, settled.updated_index, settled.status) == (1, 1, ForwardStatus.SETTLED)
    assert (settled.in_scid, settled.out_scid) == ("122x1x0", "123x1x0")
    assert (settled.in_msat, settled.out_msat, settled.fee_msat) == (29_576_546, 29_575_363, 1_183)
    assert settled.received_at == pytest.approx(1_795_352_478.9703074)
    assert settled.resolved_at == pytest.approx(1_795_352_479.151972)
    assert (refused.status, refused.failcode, refused.out_scid) == (ForwardStatus.LOCAL_FAILED, 4103, "125x1x1")
    assert (refused.out_msat, refused.fee_msat, refused.resolved_at, refused.updated_index) == (None,) * 4
    assert (failed.status, failed.fee_msat) == (ForwardStatus.FAILED, 50_035)


def test_an_ancient_forward_lacks_its_exit() -> None:
    row = {"created_index": 1, "in_channel": "1x2x3", "in_msat": 5, "status": "offered", "received_time": 0}
    (forward,) = parse_forwards.forwards({"forwards": [row]})
    assert (forward.out_scid, forward.received_at) == (None, 0.0)


def test_moves_and_events() -> None:
    ours, theirs = parse_forwards.channel_moves(reply("listchannelmoves"))
    assert (ours.debit_msat, ours.credit_msat, ours.tag, ours.fees_msat) == (1_000_000_000, 0, "invoice", 0)
    assert theirs.credit_msat == 1_000_000_000
    first, spent, opened = parse_forwards.chain_moves(reply("listchainmoves"))
    assert (first.account, first.credit_msat, first.spending_txid, first.blockheight) == (
        "wallet",
        50_000_000_000,
        None,
        121,
    )
    assert spent.spending_txid == "e166a0be9af4a0ab421f8dffc9c93f966d17ad1c839e3467331fb0c9bf940664"
    assert (opened.tag, opened.extra_tags) == ("channel_open", ("opener",))
    connect, inbound, disconnect = parse_forwards.node_events(reply("listnetworkevents"))
    assert connect.kind == "connect"
    assert connect.duration_seconds == pytest.approx(0.001990252)
    assert inbound.duration_seconds is None
    assert disconnect.duration_seconds == pytest.approx(43.093628651)


def test_wallet_feerates_and_configs() -> None:
    wallet = parse_node.wallet(reply("listfunds"))
    assert wallet.spendable_msat == 100_000_000_000
    assert wallet.outputs[0].outpoint == "7535b43b31fb2003a30402ec0fc2d2693aad7c22e1d86e38291ebc720d47baf6:0"
    rates = parse_node.feerates(reply("feerates"), 5.0)
    assert (rates.sampled_at, rates.floor_perkw, rates.blocks_2_perkw, rates.blocks_12_perkw) == (5.0, 253, 253, 253)
    bare: dict[str, object] = {"perkw": {"min_acceptable": 1, "max_acceptable": 2, "floor": 253, "estimates": []}}
    unknown = parse_node.feerates(bare, 5.0)
    assert (unknown.opening_perkw, unknown.unilateral_close_perkw, unknown.blocks_2_perkw) == (None,) * 3
    assert parse_node.config_value(reply("listconfigs"), "cltv-final") == 10
    assert parse_node.config_value(reply("listconfigs"), "htlc-maximum-msat") == MAX_MSAT
    assert parse_node.config_value(reply("listconfigs"), "no-such-option") is None
    with pytest.raises(NodeError, match=r"configs\.network\.value_int is missing"):
        parse_node.config_value(reply("listconfigs"), "network")


@pytest.mark.parametrize(
    ("status", "more", "counts"),
    [
        ("confirmed", {}, True),
        ("unconfirmed", {}, False),
        ("immature", {}, False),
        ("spent", {}, False),
        ("confirmed", {"reserved": True}, False),
        ("confirmed", {"reserved": True, "reserved_to_block": 900_000}, False),
        # A reservation's height without a reservation: the row can't be relied on.
        ("confirmed", {"reserved_to_block": 900_000}, False),
    ],
)
def test_only_confirmed_and_unreserved_funds_count(status: str, more: dict[str, object], counts: bool) -> None:
    row = reply("listfunds")["outputs"][0] | {"status": status, "reserved": False} | more
    assert (parse_node.wallet({"outputs": [row]}).spendable_msat > 0) is counts
