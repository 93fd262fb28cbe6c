"""Splices in flight: what decisions on fees and rebalances make of them, in words.

Until a splice is locked in, forwards go on, and a payment must fit the channel before it and after it
(`domain/channel.py`, `before_and_after`). So what a splice takes out can't be sold any more, and is never sold twice.
What it brings can't be sold yet: the price goes by what there is now, but no refill is bought for what comes anyway.
"""

from __future__ import annotations

from revops.domain.channel import Channel
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.units import MSAT_PER_SAT, sat_floor


def notes(channel: Channel) -> tuple[Reason, ...]:
    """Given a channel, return what a reader should know of its splice in flight (the last one of several); nothing
    where it has none.
    """
    if not channel.splices:
        return ()
    last = channel.splices[-1]
    change_sat = last.local_change_msat // MSAT_PER_SAT
    if change_sat > 0:
        return (why(ReasonCode.SPLICE_COMING, amount_sat=change_sat),)
    if change_sat < 0:
        fits_sat = sat_floor(channel.spendable_msat)
        return (why(ReasonCode.SPLICE_LEAVING, amount_sat=-change_sat, fits_sat=fits_sat),)
    before_sat, after_sat = sat_floor(channel.capacity_msat), sat_floor(last.capacity_msat)
    return (why(ReasonCode.SPLICE_OF_PEER, before_sat=before_sat, after_sat=after_sat),)


def short(channel: Channel, side: str, have_msat: int, wanted_msat: int) -> Reason:
    """Given a channel that can't carry a payment, which side of the payment it is on, what it can carry and what is
    wanted, say so, with the splice in flight if it has one.
    """
    have_sat, wanted_sat = sat_floor(have_msat), sat_floor(wanted_msat)
    if channel.splices:
        return why(ReasonCode.SPLICE_SHORT, side=side, have_sat=have_sat, wanted_sat=wanted_sat)
    return why(ReasonCode.LIQUIDITY_CHANGED, side=side, have_sat=have_sat, wanted_sat=wanted_sat)


def supplied(target: Channel, worth_ppm: float) -> Reason:
    """Given a target that gets liquidity by a splice in flight, and what a sat more is worth on it, say so."""
    return why(ReasonCode.SPLICE_SUPPLIES, amount_sat=sat_floor(target.coming_msat), worth_ppm=round(worth_ppm))


def keeps_sling_away(channel: Channel, side: str) -> Reason | None:
    """Given a channel and the side of a payment that it would be on, return why sling isn't asked; None where it may
    be. sling forgets a job when its channel gets another short channel id, and reckons with all that the node lists as
    spendable, whatever a splice takes of it.
    """
    return why(ReasonCode.SPLICE_SLING, side=side) if channel.splicing else None
