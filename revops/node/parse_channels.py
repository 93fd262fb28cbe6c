"""`listpeerchannels`, `listclosedchannels` and `setchannel` as domain values.

Only `peer_id`, `peer_connected`, `state` and `opener` are always there; a channel without a funding transaction has
little else and is left out. Of a committed channel lightningd writes every field that is read here as required,
whatever its state (lightningd/peer_control.c, json_add_channel).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from revops.domain.channel import SPLICING_STATE, Channel, ClosedChannel, Htlc, SpliceInFlight, Terms, before_and_after
from revops.domain.units import MAX_MSAT
from revops.node.fields import Fields

#:  States before there is a channel: opening_common.c json_add_uncommitted_channel, dual_open_control.c
#: json_add_unsaved_channel.
_UNCOMMITTED_STATES: Final = frozenset({"OPENINGD", "DUALOPEND_OPEN_INIT"})
#: Candidates of an opening that both sides fund are listed as splices are (dual_open_control.c), and are none.
_OPENING: Final = "DUALOPEND_"
_SIDES: Final = ("local", "remote")


@dataclass(frozen=True, slots=True)
class FeesReply:
    """What `setchannel` says is in force now. It clamps silently, so compare this with what was asked for."""

    channel_id: str
    fee_base_msat: int
    fee_ppm: int
    warnings: tuple[str, ...]
    #: None in a dry run that left it as it is.
    htlc_max_msat: int | None = None


def channels(reply: dict[str, object]) -> tuple[tuple[Channel, ...], int]:
    """Given the reply of `listpeerchannels`, return the committed channels, and how many are still being opened."""
    found, opening_count = [], 0
    for row in Fields("listpeerchannels", reply).rows("channels"):
        if row.text("state") in _UNCOMMITTED_STATES:
            opening_count += 1
        else:
            found.append(_channel(row))
    return tuple(found), opening_count


def _channel(row: Fields) -> Channel:
    updates = row.child("updates")
    alias = row.maybe(row.child, "alias")
    inflight = tuple(row.rows("inflight")) if "inflight" in row else ()
    capacity_msat, state = row.msat("total_msat"), row.text("state")
    found = Channel(
        channel_id=row.channel_id("channel_id"),
        peer_id=row.node_id("peer_id"),
        scid=row.maybe(row.scid, "short_channel_id"),
        alias_local=alias.maybe(alias.scid, "local") if alias else None,
        alias_remote=alias.maybe(alias.scid, "remote") if alias else None,
        direction=row.maybe(row.bit, "direction"),
        state=state,
        opener=row.one_of("opener", _SIDES),
        private=row.flag("private"),
        connected=_connected(row),
        capacity_msat=capacity_msat,
        local_msat=row.msat("to_us_msat"),
        spendable_msat=row.msat("spendable_msat"),
        receivable_msat=row.msat("receivable_msat"),
        our_reserve_msat=row.msat("our_reserve_msat"),
        their_reserve_msat=row.msat("their_reserve_msat"),
        local_terms=_terms(updates.child("local")),
        remote_terms=_terms(updates.child("remote")) if "remote" in updates else None,
        max_accepted_htlcs=row.whole("max_accepted_htlcs"),
        htlcs=tuple(_htlc(htlc) for htlc in row.rows("htlcs")),
        opened_at=_opened_at(row),
        last_stable_connection_at=row.maybe(row.whole, "last_stable_connection"),
        max_in_flight_out_msat=_limit(row, "their_max_htlc_value_in_flight_msat"),
        max_in_flight_in_msat=_limit(row, "our_max_htlc_value_in_flight_msat"),
        funding_txids=frozenset(one.hash("funding_txid") for one in (row, *inflight) if "funding_txid" in one),
        funding_txid=row.maybe(row.hash, "funding_txid"),
        lent_msat=_lent(row),
        given_msat=_given(row),
        splices=() if state.startswith(_OPENING) else tuple(_splices(row, inflight, capacity_msat)),
    )
    return before_and_after(found)


def _splices(row: Fields, inflight: tuple[Fields, ...], capacity_msat: int) -> Iterator[SpliceInFlight]:
    """Splices that aren't locked in. Until one is, `total_msat` and balances are those before it, and the funding
    transaction is; `splice_amount`, in sat, is what our side gains. What the peer's does follows from the size.
    """
    present_txid = row.maybe(row.hash, "funding_txid")
    for one in inflight:
        txid, after_msat = one.hash("funding_txid"), one.msat("total_funding_msat")
        local_change_msat = one.signed_sat_as_msat("splice_amount")
        if txid != present_txid:
            yield SpliceInFlight(txid, local_change_msat, after_msat - capacity_msat - local_change_msat, after_msat)


def _lent(row: Fields) -> int | None:
    """lightningd writes `fee_rcvd_msat` where the peer has paid us for what we put in, and nowhere else."""
    funding = row.maybe(row.child, "funding")
    return funding.msat("local_funds_msat") if funding is not None and "fee_rcvd_msat" in funding else None


def _given(row: Fields) -> int | None:
    """A lessee may raise the feerate of the transaction that opens the channel, and lightningd (up to v26.06 at least)
    then puts in the same without a fee (openingd/dualopend.c, rbf_remote_start). After a splice `local_funds_msat` is
    our balance, whoever put it in.
    """
    funding = row.maybe(row.child, "funding")
    changes = row.rows("state_changes") if "state_changes" in row else ()
    spliced = any(change.text("new_state") == SPLICING_STATE for change in changes)
    if funding is None or spliced or row.text("opener") != "remote" or "fee_rcvd_msat" in funding:
        return None
    return funding.msat("local_funds_msat") or None


def _limit(row: Fields, name: str) -> int | None:
    """A limit that isn't one (2^64-1, cut to the supply of bitcoin) is None, as is one that isn't stated."""
    stated_msat = row.maybe(row.msat, name)
    return stated_msat if stated_msat is not None and stated_msat < MAX_MSAT else None


def _connected(row: Fields) -> bool:
    """A peer that is connected but hasn't reestablished the channel can't take a payment on it yet.

    lightningd writes `reestablished` for each committed channel whose peer is connected, and for no other.
    """
    return row.flag("peer_connected") and row.flag("reestablished")


def _terms(row: Fields) -> Terms:
    return Terms(
        fee_base_msat=row.msat("fee_base_msat"),
        fee_ppm=row.whole("fee_proportional_millionths"),
        htlc_min_msat=row.msat("htlc_minimum_msat"),
        htlc_max_msat=row.msat("htlc_maximum_msat"),
        cltv_delta_blocks=row.whole("cltv_expiry_delta"),
    )


def _htlc(row: Fields) -> Htlc:
    return Htlc(
        direction=row.one_of("direction", ("in", "out")),
        amount_msat=row.msat("amount_msat"),
        expiry_blockheight=row.whole("expiry"),
        payment_hash=row.hash("payment_hash"),
        state=row.text("state"),
    )


def _opened_at(row: Fields) -> int | None:
    """When it first became usable. A splice comes back to CHANNELD_NORMAL too, which is no opening."""
    if "state_changes" not in row:
        return None
    for change in row.rows("state_changes"):
        if change.text("new_state") == "CHANNELD_NORMAL":
            return None if change.text("old_state") == "CHANNELD_AWAITING_SPLICE" else _instant(change, "timestamp")
    return None


def _instant(row: Fields, name: str) -> int:
    try:
        moment = datetime.fromisoformat(row.text(name))
    except ValueError:
        raise row.wrong(name, "is not a time") from None
    if moment.tzinfo is None:
        raise row.wrong(name, "is a time without a zone")
    return int(moment.timestamp())


def closed_channels(reply: dict[str, object]) -> tuple[ClosedChannel, ...]:
    """Given the reply of `listclosedchannels`, return the channels that are gone."""
    return tuple(_closed(row) for row in Fields("listclosedchannels", reply).rows("closedchannels"))


def _closed(row: Fields) -> ClosedChannel:
    alias = row.maybe(row.child, "alias")
    return ClosedChannel(
        channel_id=row.channel_id("channel_id"),
        peer_id=row.maybe(row.node_id, "peer_id"),
        scid=row.maybe(row.scid, "short_channel_id"),
        alias_local=alias.maybe(alias.scid, "local") if alias else None,
        opener=row.one_of("opener", _SIDES),
        closer=row.one_of("closer", _SIDES) if "closer" in row else None,
        close_cause=row.text("close_cause"),
        capacity_msat=row.msat("total_msat"),
        final_local_msat=row.msat("final_to_us_msat"),
        last_stable_connection_at=row.maybe(row.whole, "last_stable_connection"),
    )


def fees_reply(reply: dict[str, object], channel_id: str) -> FeesReply:
    """Given the reply of `setchannel` and the one channel it was for, return what is in force. Raise NodeError
    otherwise.
    """
    fields = Fields("setchannel", reply)
    rows = tuple(fields.rows("channels"))
    if len(rows) != 1:
        raise fields.wrong("channels", f"lists {len(rows)} channels, not the one that was asked for")
    row = rows[0]
    if row.channel_id("channel_id") != channel_id:
        raise row.wrong("channel_id", "is not the channel that was asked for")
    names = ("warning_htlcmin_too_low", "warning_htlcmax_too_high")
    return FeesReply(
        channel_id=channel_id,
        fee_base_msat=row.msat("fee_base_msat"),
        fee_ppm=row.whole("fee_proportional_millionths"),
        warnings=tuple(row.text(name) for name in names if name in row),
        htlc_max_msat=row.msat("maximum_htlc_out_msat"),
    )
