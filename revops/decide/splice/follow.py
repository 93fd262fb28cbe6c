"""What has become of a splice that was begun, by the node's own records; and what is done about it.

A splice is settled when its transaction funds the channel and what it cost is on record. Its reservation is freed only
when nothing can come of it any more: lightningd forgets a splice that wasn't signed, and none that was (channeld,
`splice_abort`), so that a channel that lists none, and is funded as before, has none. While nobody can know, it stays
open, whatever its age.

A run that was killed between asking and noting the answer leaves no `txid`: then ours is the splice that the node
lists, or has locked in, of just the amount that was asked for. Where it lists none, the negotiation may still be going
on, as long as the peer stays connected: a new connection ends it (BOLT 2, "Message Retransmission"). If none comes of
itself, one is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from revops.domain.channel import Channel, SpliceInFlight
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
    this channel that belongs to no other job has cost, by transaction; and whether the peer has connected anew since
    the node was asked.
    """

    channel: Channel | None
    costs_msat: Mapping[str, int]
    reconnected: bool
    at: float


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
    txid = job.txid or _ours(job.direction, start, seen)
    return _unheard(start, seen) if txid is None else _heard(job, start, txid, seen)


def _heard(job: SpliceJob, start: SpliceStart, txid: str, seen: Evidence) -> Verdict:
    """The transaction is known."""
    channel, cost_msat = seen.channel, seen.costs_msat.get(txid)
    hours = round((seen.at - start.asked_at) / 3_600, 1)
    if channel is not None and any(one.txid == txid for one in channel.splices):
        waits = why(ReasonCode.SPLICE_WAITS, txid=txid, hours=hours, reserved_msat=start.worst_msat)
        return Verdict("in_flight", waits, txid)
    if channel is not None and channel.funding_txid == start.funding_txid:
        return Verdict("failed", why(ReasonCode.SPLICE_DROPPED, txid=txid), txid)
    if cost_msat is not None:
        locked = why(ReasonCode.SPLICE_LOCKED, amount_sat=start.amount_sat, cost_msat=cost_msat, txid=txid)
        return Verdict("settled", locked, txid, cost_msat)
    if channel is None:
        # Closed, and forgotten: what the splice was to cost at most is what it may have cost.
        assumed = why(ReasonCode.SPLICE_ASSUMED, txid=txid, cost_msat=start.worst_msat)
        return Verdict("settled", assumed, txid, start.worst_msat)
    if channel.funding_txid == txid:
        return Verdict("in_flight", why(ReasonCode.SPLICE_UNBOOKED, txid=txid, reserved_msat=start.worst_msat), txid)
    return Verdict("failed", why(ReasonCode.SPLICE_OVERTAKEN, txid=txid), txid)


def _unheard(start: SpliceStart, seen: Evidence) -> Verdict:
    """No transaction is known: it was asked for, and no splice of that amount is to be seen."""
    if seen.channel is None or seen.channel.funding_txid != start.funding_txid or seen.reconnected:
        return Verdict("failed", why(ReasonCode.SPLICE_NOT_MADE))
    waited_seconds = seen.at - start.asked_at
    unclear = why(
        ReasonCode.SPLICE_UNCLEAR,
        minutes=round(waited_seconds / 60),
        patience_minutes=round(PATIENCE_SECONDS / 60),
        reserved_msat=start.worst_msat,
    )
    return Verdict("sending", unclear, reconnect=waited_seconds >= PATIENCE_SECONDS and seen.channel.connected)


def _ours(direction: SpliceDirection, start: SpliceStart, seen: Evidence) -> str | None:
    """Which transaction is the one that was asked for, if any is to be seen."""
    channel = seen.channel
    if channel is None:
        return next(iter(seen.costs_msat), None)
    for one in channel.splices:
        if matches(direction, start, one.local_change_msat):
            return one.txid
    grown_msat = channel.capacity_msat - start.capacity_msat
    if channel.funding_txid != start.funding_txid and matches(direction, start, grown_msat):
        return channel.funding_txid
    return None


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
