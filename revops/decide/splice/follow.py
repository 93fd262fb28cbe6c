"""What has become of a splice that was begun, by the node's own records; and what is done about it.

A splice is settled when its transaction funds the channel and what it cost is on record. Its reservation is freed only
when nothing can come of it any more. Once our signatures are out, that is when another transaction funds the channel:
the peer may send ours whenever it likes, and a node that lists it no longer proves nothing. lightningd lets go of it
when the peer says so, signed or not (channeld, `check_tx_abort`, in v26.06 at least), and one that was restored from a
backup never knew it. Its state tells whether they are out: `CHANNELD_AWAITING_SPLICE` is set when they go, and taken
back only when a splice is locked in (lightningd, `handle_splice_sending_sigs`). `in_flight` says the same in our
records. While nobody can know, it stays open, whatever its age.

A run that was killed between asking and noting the answer leaves no `txid`: then ours is the splice that the node
lists, or has locked in, of just the amount that was asked for. Where the peer put in funds of its own, or another
splice came after it, ours is the one that has cost something. Where the node lists none, the negotiation may still be
going on, as long as the peer stays connected: a new connection ends it (BOLT 2, "Message Retransmission"). If none
comes of itself, one is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from revops.domain.channel import NORMAL_STATE, SPLICING_STATE, Channel, SpliceInFlight
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.splice import SpliceDirection, SpliceJob, SpliceStart
from revops.domain.units import MSAT_PER_SAT
from revops.errors import DataError

#: A negotiation of which nothing is heard for so long is ended by a new connection: until then no payment goes through
#: the channel.
PATIENCE_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the records say: the channel as it is now (None: the node doesn't list it any more); what each splice of
    this channel that belongs to no other job has cost, by transaction; whether the peer has connected anew since the
    node was asked; and whether the node has just refused to make it.
    """

    channel: Channel | None
    costs_msat: Mapping[str, int]
    reconnected: bool
    at: float
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a splice stands: its status from now on, its transaction, and what it cost; `reconnect` asks for a new
    connection to its peer.
    """

    status: str
    reason: Reason
    txid: str | None = None
    cost_msat: int = 0
    reconnect: bool = False


def follow(job: SpliceJob, seen: Evidence) -> Verdict:
    """Given an open splice and the evidence, say how it stands. Raise DataError for one that lacks what its status
    promises.
    """
    if job.status == "reserved":
        return Verdict("released", why(ReasonCode.SPLICE_NEVER_SENT))
    start = job.start
    if start is None or (job.status == "in_flight" and job.txid is None):
        raise DataError(f"splice {job.splice_key} is {job.status} without what was asked for")
    found = job.txid if _known(job.txid, seen) else _ours(job.direction, start, seen) or job.txid
    return _unheard(start, seen) if found is None else _heard(job, start, found, seen)


def _known(txid: str | None, seen: Evidence) -> bool:
    """Whether the node's records know the transaction. Else what it said may not be true, or another pays more."""
    channel = seen.channel
    if txid in seen.costs_msat:
        return True
    return channel is not None and txid in {channel.funding_txid, *(one.txid for one in channel.splices)}


def _heard(job: SpliceJob, start: SpliceStart, txid: str, seen: Evidence) -> Verdict:
    """The transaction is known."""
    channel, cost_msat = seen.channel, seen.costs_msat.get(txid)
    hours = round((seen.at - start.asked_at) / 3_600, 1)
    if channel is not None and any(one.txid == txid for one in channel.splices):
        if job.status == "sending" and channel.state != SPLICING_STATE:
            return _unclear(start, seen)
        waits = why(ReasonCode.SPLICE_WAITS, txid=txid, hours=hours, reserved_msat=start.worst_msat)
        return Verdict("in_flight", waits, txid)
    # A channel of which it isn't told what funds it has not been seen to be funded by anything else.
    if channel is not None and channel.funding_txid in {start.funding_txid, None}:
        dropped = why(ReasonCode.SPLICE_DROPPED, txid=txid, hours=hours, reserved_msat=start.worst_msat)
        return Verdict("in_flight", dropped, txid)
    if cost_msat is not None:
        locked = why(ReasonCode.SPLICE_LOCKED, amount_sat=start.amount_sat, cost_msat=cost_msat, txid=txid)
        return Verdict("settled", locked, txid, cost_msat)
    if channel is None:
        return _assumed(start, txid)
    if channel.funding_txid == txid:
        return Verdict("in_flight", _unbooked(start, txid), txid)
    return Verdict("failed", why(ReasonCode.SPLICE_OVERTAKEN, txid=txid), txid)


def _assumed(start: SpliceStart, txid: str | None) -> Verdict:
    """The channel was closed, and forgotten: what the splice was to cost at most is what it may have cost."""
    known = why(ReasonCode.SPLICE_ASSUMED, txid=txid or "unknown", cost_msat=start.worst_msat)
    return Verdict("settled", known, txid, start.worst_msat)


def _unbooked(start: SpliceStart, txid: str) -> Reason:
    return why(ReasonCode.SPLICE_UNBOOKED, txid=txid, reserved_msat=start.worst_msat)


def _unheard(start: SpliceStart, seen: Evidence) -> Verdict:
    """No transaction is known: it was asked for, and no splice of that amount is to be seen."""
    channel = seen.channel
    if channel is None:
        return _assumed(start, None)
    if channel.funding_txid is not None and channel.funding_txid != start.funding_txid:
        if channel.funding_txid not in seen.costs_msat:
            return Verdict("sending", _unbooked(start, channel.funding_txid))
        return Verdict("failed", why(ReasonCode.SPLICE_NOT_MADE))
    signed_nothing = channel.state == NORMAL_STATE or (seen.refused and channel.state != SPLICING_STATE)
    if signed_nothing and (seen.reconnected or seen.refused):
        return Verdict("failed", why(ReasonCode.SPLICE_NOT_MADE))
    return _unclear(start, seen)


def _unclear(start: SpliceStart, seen: Evidence) -> Verdict:
    """Whether anything was signed, and what, isn't known yet."""
    waited_seconds = seen.at - start.asked_at
    unclear = why(
        ReasonCode.SPLICE_UNCLEAR,
        minutes=round(waited_seconds / 60),
        patience_minutes=round(PATIENCE_SECONDS / 60),
        reserved_msat=start.worst_msat,
    )
    hangs = waited_seconds >= PATIENCE_SECONDS and not seen.reconnected
    return Verdict("sending", unclear, reconnect=hangs and seen.channel is not None and seen.channel.connected)


def _ours(direction: SpliceDirection, start: SpliceStart, seen: Evidence) -> str | None:
    """Which transaction is the one that was asked for, if any is to be seen."""
    channel = seen.channel
    if channel is not None:
        for one in channel.splices:
            if matches(direction, start, one.local_change_msat):
                return one.txid
        if channel.funding_txid == start.funding_txid:
            return None
        if matches(direction, start, channel.capacity_msat - start.capacity_msat):
            return channel.funding_txid
    paid = (txid for txid, cost_msat in seen.costs_msat.items() if cost_msat > 0 and txid != start.funding_txid)
    return next(paid, None)


def matches(direction: SpliceDirection, start: SpliceStart, change_msat: int) -> bool:
    """Given what was asked for, and what a splice brings to our side (below 0: takes from it), return whether that is
    it: into a channel goes the amount, out of it amount and fee.
    """
    asked_msat = start.amount_sat * MSAT_PER_SAT
    if direction is SpliceDirection.IN:
        return change_msat == asked_msat
    return 0 <= -change_msat - asked_msat <= start.worst_msat


def mismatch(job: SpliceJob, start: SpliceStart, found: SpliceInFlight | None) -> str | None:
    """Given a splice and what the node lists of its transaction, return what is wrong with that; None where nothing."""
    if found is None:
        return "the node doesn't list the splice that it says it made"
    if not matches(job.direction, start, found.local_change_msat):
        return (
            f"the node's splice changes our side by {found.local_change_msat} msat, {start.amount_sat} sat were asked"
        )
    return None
