"""How much of what a payment says is believed.

A settled payment has paid our fee: it is believed as far as its sender is trusted. One that didn't settle, since it
failed beyond us or was refused for want of liquidity, costs its sender next to nothing at any size, so that whoever
likes could make a channel look wanted, and dear, with a flood of large ones. A refusal can't count against its sender's
good name either, since it was ours. What bounds both is what the sender has paid for: all of its unsettled payments
together are believed up to `UNSETTLED_PER_SETTLED` times what it settled, both fading alike; by whichever channels they
came, so that a bound spent on one channel is spent on all.

Nothing is believed on credit. An allowance for strangers would be given to every new peer, and anew as its use fades:
on an empty channel that nobody wants, whose first sat is missed as soon as one payment is likely, any one would do. An
honest sender loses next to nothing: its first settled payment, anywhere, opens its bound, and a market that is
taken for four times what it has really bought is not underrated by much. Who wants to pretend still can, but has to buy
a quarter of it.
"""

from __future__ import annotations

from typing import Final

from revops.decide.reputation import FULL_TRUST_SCORE, TINY_MSAT, weight_of
from revops.domain.forward import ForwardStatus
from revops.domain.traffic import REPUTATION_HALF_LIFE_SECONDS, FinalForward, Reputation, faded

#: A sender is trusted in full down to one success in four payments; so in what they carry.
UNSETTLED_PER_SETTLED: Final = 1 / FULL_TRUST_SCORE - 1
#: WIRE_TEMPORARY_CHANNEL_FAILURE (BOLT 4: UPDATE|7) is what lightningd says of a channel without the capacity
#: (channeld.c, handle_offer_htlc), of one whose slots are full, and of one whose peer is away: the records can't tell
#: them apart. Fees, amounts and expiries that don't fit have codes of their own.
NO_LIQUIDITY_FAILCODE: Final = 0x1007


def wanted(forward: FinalForward) -> bool:
    """Given a final forward, return whether it was to use the exit's liquidity, and is large enough to prove it."""
    if forward.status is ForwardStatus.LOCAL_FAILED and forward.failcode != NO_LIQUIDITY_FAILCODE:
        return False
    return forward.amount_msat >= TINY_MSAT


def belief_in(forward: FinalForward, sender: Reputation) -> float:
    """Given a final forward and its sender's reputation before it, return how much it counts, from 0 to 1.

    One from before the reputation's `updated_at` takes of what is left there as much as is left of itself by then.
    """
    weight = weight_of(sender, forward.counted_at)
    if forward.status is ForwardStatus.SETTLED:
        return weight
    if forward.out_channel_id is None or not wanted(forward):
        return 0.0
    left, share = faded(forward.counted_at - sender.updated_at, REPUTATION_HALF_LIFE_SECONDS)
    room_msat = left * (UNSETTLED_PER_SETTLED * sender.settled_msat - sender.unsettled_msat)
    if room_msat <= 0.0:
        return 0.0
    asked_msat = share * weight * forward.amount_msat
    return weight if asked_msat <= room_msat else weight * (room_msat / asked_msat)
