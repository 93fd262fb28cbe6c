"""Keeps a market and its node the same: payments and fees by the market's physics, payments of our own by the node's.

Each payment that reaches the node is written down as lightningd would show it: its row, from the moment at which a
jammer's begins to be held; its two moves in the ledger; balances, slots and counters of both channels.
"""

from __future__ import annotations

from functools import partial
from typing import Final, NamedTuple

from revops.decide.belief import NO_LIQUIDITY_FAILCODE
from revops.sim.arena import names
from revops.sim.arena.market import REFUSED, SETTLED, Held, Market
from revops.sim.arena.node import MarketChannel
from revops.sim.arena.records import Records
from revops.sim.channels import Channel, Htlc, Policy
from revops.sim.ids import digest
from revops.sim.market import finish
from revops.sim.rows import ForwardRow
from revops.sim.state import World as NodeWorld

#: Expiry of what is under way: far off, since nothing here is ever enforced on the chain.
EXPIRY_BLOCKS: Final = 2_016


class UnequalError(Exception):
    """Market and node differ: one of the two simulations is wrong."""


class _Forward(NamedTuple):
    """A payment under way through the node."""

    row: ForwardRow
    inward: Channel
    in_htlc: Htlc
    outward: Channel
    out_htlc: Htlc


class _Own(NamedTuple):
    """What payments of our own hold on a channel."""

    slot_count: int = 0
    out_msat: int = 0
    in_msat: int = 0


class Bridge(Records):
    """Takes the records' place: what the node is told of its payments, the product reads from the node."""

    def __init__(self, channel_count: int) -> None:
        super().__init__(channel_count)
        self._held: dict[int, list[_Forward]] = {}
        self._own = [_Own()] * channel_count
        self._channels: list[Channel] = []

    def connect(self, market: Market, node: NodeWorld) -> None:
        """Given a market and its node, at the start, tell each what happens in the other."""
        self._market, self._node = market, node
        self._channels = list(node.channels.values())
        market.on_held = self._on_held
        for number, channel in enumerate(self._channels):
            if isinstance(channel, MarketChannel):
                channel.on_policy = partial(self._on_policy, number)

    def __call__(
        self, at: float, entry: int, out: int, amount_msat: int, fee_msat: int, fate: int, hold_seconds: float = 0.0
    ) -> None:
        """Show a payment as it ended; the row of one that was held is there since it began."""
        if hold_seconds:
            return
        moment = names.instant(at)
        if fate == REFUSED:
            self._refuse(moment, self._channels[entry], self._channels[out], amount_msat + fee_msat)
        else:
            self._end(self._begin(moment, entry, out, amount_msat, fee_msat), moment, settled=fate == SETTLED)

    def fold(self, now: float) -> None:
        """Nothing: the product copies what is new when it syncs."""

    def take_over(self) -> None:
        """Let the market have what payments of our own have moved, and hold, on the node."""
        market = self._market
        for number, channel in enumerate(self._channels):
            market.local_msat[number] = channel.to_us_msat
        market.rebalance_msat = self._node.ledger.rebalance_fees_msat
        own = self._own_now()
        for number, (before, after) in enumerate(zip(self._own, own, strict=True)):
            if before != after:
                market.occupy(
                    number,
                    after.slot_count - before.slot_count,
                    out_msat=after.out_msat - before.out_msat,
                    in_msat=after.in_msat - before.in_msat,
                )
        self._own = own

    def check(self) -> None:
        """Raise UnequalError unless market and node agree to the msat."""
        market = self._market
        for number, channel in enumerate(self._channels):
            here = (market.local_msat[number], market.spendable_msat(number), market.receivable_msat(number))
            there = (channel.to_us_msat, channel.spendable_msat(), channel.receivable_msat())
            if here != there or market.fee_ppm[number] != channel.local.fee_ppm:
                raise UnequalError(f"channel {number}: the market has {here}, the node {there}")
        if market.earned_msat != self._node.ledger.fees_collected_msat:
            node_msat = self._node.ledger.fees_collected_msat
            raise UnequalError(f"the market earned {market.earned_msat}, the node {node_msat}")

    def _own_now(self) -> list[_Own]:
        if not self._node.flights:
            return [_Own()] * len(self._channels)
        numbers = {channel.channel_id: number for number, channel in enumerate(self._channels)}
        own = [_Own()] * len(self._channels)
        for flight in self._node.flights:
            number = numbers[flight.first.channel_id]
            slots, out_msat, in_msat = own[number]
            own[number] = _Own(slots + 1, out_msat + flight.htlc.amount_msat, in_msat)
            if flight.last is not None and flight.last_htlc is not None:
                number = numbers[flight.last.channel_id]
                slots, out_msat, in_msat = own[number]
                own[number] = _Own(slots + 1, out_msat, in_msat + flight.last_htlc.amount_msat)
        return own

    def _on_policy(self, number: int, policy: Policy) -> None:
        if policy.fee_ppm != self._market.fee_ppm[number]:
            self._market.set_fee(number, policy.fee_ppm, self._node.now_at - names.EPOCH_AT)

    def _on_held(self, held: Held, sign: int) -> None:
        if sign > 0:
            since_at = names.instant(held.since_at)
            begun = [
                self._begin(since_at, held.entry, held.out, held.amount_msat, held.fee_msat)
                for _payment in range(held.slot_count)
            ]
            self._held[held.serial] = begun
            return
        for one in self._held.pop(held.serial):
            self._end(one, names.instant(held.until_at), settled=False)

    def _begin(self, at: float, entry: int, out: int, amount_msat: int, fee_msat: int) -> _Forward:
        node, inward, outward = self._node, self._channels[entry], self._channels[out]
        payment_hash = digest("arena", node.next_serial())
        expiry = node.height + EXPIRY_BLOCKS
        in_htlc = inward.offer_in(amount_msat + fee_msat, expiry + names.CLTV_DELTA_BLOCKS, payment_hash)
        out_htlc = outward.offer_out(amount_msat, expiry, payment_hash)
        row = ForwardRow(
            inward.key_scid, in_htlc.htlc_id, in_htlc.amount_msat, "offered", at, outward.key_scid, out_htlc.htlc_id,
            amount_msat, fee_msat,
        )  # fmt: skip
        node.forwards.add(row)
        return _Forward(row, inward, in_htlc, outward, out_htlc)

    def _end(self, one: _Forward, at: float, *, settled: bool) -> None:
        finish(self._node, one.row, one.inward, one.in_htlc, one.outward, one.out_htlc, settled, at)

    def _refuse(self, at: float, inward: Channel, outward: Channel, in_msat: int) -> None:
        node = self._node
        payment_hash = digest("arena", node.next_serial())
        htlc = inward.offer_in(in_msat, node.height + EXPIRY_BLOCKS, payment_hash)
        inward.remove(htlc, fulfilled=False)
        row = ForwardRow(inward.key_scid, htlc.htlc_id, in_msat, "local_failed", at, outward.key_scid)
        row.failcode = NO_LIQUIDITY_FAILCODE
        node.forwards.add(row)
        node.ledger.local_failed_count += 1
