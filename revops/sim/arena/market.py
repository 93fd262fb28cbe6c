"""The physics: payments enter by one channel, leave by another, and liquidity is neither made nor lost.

A sender sees our fee with a delay; the lower of the old and the new fee is honoured for 600 s (setchannel's
`enforcedelay`); later a sender who offers too little is told and tries again. Nodes that limit gossip pass on a few
updates of a channel at once and then one a day (lightningd's gossipd did until v23.05: four, and one more every 24 h).
Payments take no time, but for those of a jammer, which hold their slots and their liquidity until they fail.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from revops.sim.arena.demand import LIMITED, SLOT_COUNT, Customer
from revops.sim.arena.families import DAY_SECONDS, Absences

HONOURED_SECONDS: Final = 600.0
SETTLED, FAILED, REFUSED = 0, 1, 2
GOSSIP_BURST: Final = 4.0


class Recorder(Protocol):
    """What is told of each payment that reached us, at its end: moment, way in, way out, amount, fee, what became of
    it, and how long it was held.
    """

    def __call__(
        self, at: float, entry: int, out: int, amount_msat: int, fee_msat: int, fate: int, hold_seconds: float = 0.0, /
    ) -> None: ...


class Held(NamedTuple):
    """Payments of a jammer under way, all alike: until when, their number in order of arrival, and what they hold."""

    until_at: float
    serial: int
    entry: int
    out: int
    amount_msat: int
    fee_msat: int
    slot_count: int
    since_at: float


@dataclass(slots=True)
class Market:
    """The node's channels by number: balances, fees, when fees changed, and what is under way.

    `others_ppm` is what gossip shows of others' fees into each peer today, `size_rank_ratio` where our channel stands
    by capacity among the peer's `peer_channel_count` (0 smallest, 1 largest), `feerate_perkw` what the chain costs now:
    all that a policy may look at beside the balances and its own records.
    """

    capacity_msat: list[int]
    local_msat: list[int]
    fee_ppm: list[int]
    absences: Sequence[Absences] = ()
    others_ppm: list[int | None] = field(default_factory=list)
    size_rank_ratio: Sequence[float] = ()
    peer_channel_count: Sequence[int] = ()
    feerate_perkw: int = 253
    earned_msat: int = 0
    #: What rebalances have cost.
    rebalance_msat: int = 0
    update_count: list[int] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    #: Is told of payments that begin (1) and cease (-1) to be held.
    on_held: Callable[[Held, int], None] | None = None
    _former_ppm: list[int] = field(default_factory=list)
    _changed_at: list[float] = field(default_factory=list)
    _limited_ppm: list[int] = field(default_factory=list)
    _gossip_tokens: list[float] = field(default_factory=list)
    _gossiped_at: list[float] = field(default_factory=list)
    _slots: list[int] = field(default_factory=list)
    #: What a balance may fall to and rise to, for the reserves and for what is under way.
    _least_msat: list[int] = field(default_factory=list)
    _most_msat: list[int] = field(default_factory=list)
    _absence: list[int] = field(default_factory=list)
    _serial: int = 0
    #: What all balances would be without what was earned.
    _own_msat: int = 0

    def __post_init__(self) -> None:
        count = len(self.fee_ppm)
        self._former_ppm, self._limited_ppm = list(self.fee_ppm), list(self.fee_ppm)
        self._changed_at, self._gossiped_at = [-1e18] * count, [0.0] * count
        self._gossip_tokens = [GOSSIP_BURST] * count
        self.update_count, self._slots, self._absence = [0] * count, [0] * count, [0] * count
        self._least_msat = [self.reserve_msat(number) for number in range(count)]
        self._most_msat = [self.capacity_msat[number] - self.reserve_msat(number) for number in range(count)]
        self._own_msat = sum(self.local_msat) - self.earned_msat
        self.absences = self.absences or ((),) * count
        self.others_ppm = self.others_ppm or [None] * count

    def reserve_msat(self, number: int) -> int:
        """What must stay on either side of a channel: 1 %."""
        return self.capacity_msat[number] // 100

    def spendable_msat(self, number: int) -> int:
        """What a channel can send."""
        return max(self.local_msat[number] - self._least_msat[number], 0)

    def receivable_msat(self, number: int) -> int:
        """What a channel can receive."""
        return max(self._most_msat[number] - self.local_msat[number], 0)

    def connected(self, number: int, now: float) -> bool:
        """Whether a channel's peer is there. Moments are asked for in order."""
        absences, place = self.absences[number], self._absence[number]
        while place < len(absences) and absences[place][1] <= now:
            place += 1
        self._absence[number] = place
        return place == len(absences) or now < absences[place][0]

    def set_fee(self, number: int, ppm: int, now: float) -> None:
        """Broadcast a fee."""
        self._former_ppm[number], self.fee_ppm[number] = self.fee_ppm[number], ppm
        self._changed_at[number] = now
        self.update_count[number] += 1
        tokens = self._gossip_tokens[number] + (now - self._gossiped_at[number]) / DAY_SECONDS
        self._gossip_tokens[number], self._gossiped_at[number] = min(tokens, GOSSIP_BURST), now
        if tokens >= 1.0:
            self._gossip_tokens[number] -= 1.0
            self._limited_ppm[number] = ppm

    def trade(self, customers: Iterable[Customer], until_at: float, record: Recorder | None = None) -> None:
        """Let customers come, in order of time, and let what is held until `until_at` end."""
        fee_ppm, changed_at, held = self.fee_ppm, self._changed_at, self.held
        flapping = any(self.absences)
        for customer in customers:
            at, out, _first, _second, _amount, willing_ppm, _fails, lag_seconds, hold_seconds, _slots = customer
            if held and held[0].until_at <= at:
                self._release(at, record)
            ppm = fee_ppm[out] if at - changed_at[out] >= lag_seconds else self._seen_ppm(out, at, lag_seconds)
            if ppm > willing_ppm or (flapping and not self.connected(out, at)):
                continue
            if hold_seconds:
                self._hold(customer, ppm)
            else:
                self._forward(customer, ppm, flapping, record)
        self._release(until_at, record)

    def _forward(self, customer: Customer, ppm: int, flapping: bool, record: Recorder | None) -> None:
        """Let a payment in by the first of its ways that has room, if one has, and on if it can leave."""
        at, out, entry, second, amount_msat, _willing, fails, _lag, _hold, _slots = customer
        fee_msat = amount_msat * ppm // 1_000_000
        in_msat = amount_msat + fee_msat
        local_msat, slots = self.local_msat, self._slots
        if not self._enters(entry, in_msat, at, flapping):
            entry = second
            if not self._enters(entry, in_msat, at, flapping):
                return
        if local_msat[out] - amount_msat < self._least_msat[out] or slots[out] >= SLOT_COUNT:
            fate = REFUSED
        elif fails:
            fate = FAILED
        else:
            fate = SETTLED
            local_msat[out] -= amount_msat
            local_msat[entry] += in_msat
            self.earned_msat += fee_msat
            assert sum(local_msat) == self._own_msat + self.earned_msat - self.rebalance_msat, (
                "liquidity was made or lost"
            )
        if record is not None:
            record(at, entry, out, amount_msat, fee_msat, fate)

    def _seen_ppm(self, out: int, at: float, lag_seconds: float) -> int:
        """The fee that a sender goes by whose gossip is old. One who offers too little is told the fee in force."""
        seen_ppm = self._limited_ppm[out] if lag_seconds == LIMITED else self._former_ppm[out]
        told = seen_ppm < self.fee_ppm[out] and at - self._changed_at[out] > HONOURED_SECONDS
        return self.fee_ppm[out] if told else seen_ppm

    def _enters(self, entry: int, in_msat: int, at: float, flapping: bool) -> bool:
        """Whether a payment can come in by a channel."""
        if self.local_msat[entry] + in_msat > self._most_msat[entry] or self._slots[entry] >= SLOT_COUNT:
            return False
        return not flapping or self.connected(entry, at)

    def _hold(self, customer: Customer, ppm: int) -> None:
        """Begin to hold as many of a jammer's payments as there is room for."""
        now, entry, out, amount_msat = customer.at, customer.first, customer.out, customer.amount_msat
        if not self.connected(entry, now):
            return
        fee_msat = amount_msat * ppm // 1_000_000
        in_msat = amount_msat + fee_msat
        room = min(
            SLOT_COUNT - self._slots[entry],
            SLOT_COUNT - self._slots[out],
            customer.slot_count,
            self.spendable_msat(out) // amount_msat,
            self.receivable_msat(entry) // in_msat,
        )
        if room <= 0:
            return
        self._serial += 1
        held = Held(now + customer.hold_seconds, self._serial, entry, out, amount_msat, fee_msat, room, now)
        heapq.heappush(self.held, held)
        self._count(held, 1)

    def _count(self, held: Held, sign: int) -> None:
        count = sign * held.slot_count
        self.occupy(held.entry, count, in_msat=count * (held.amount_msat + held.fee_msat))
        self.occupy(held.out, count, out_msat=count * held.amount_msat)
        if self.on_held is not None:
            self.on_held(held, sign)

    def occupy(self, number: int, slot_count: int, *, out_msat: int = 0, in_msat: int = 0) -> None:
        """Take (below 0: give back) slots of a channel, and liquidity for what is to leave or enter by it."""
        self._slots[number] += slot_count
        self._least_msat[number] += out_msat
        self._most_msat[number] -= in_msat

    def _release(self, now: float, record: Recorder | None) -> None:
        """Fail what was held long enough: each payment by itself."""
        while self.held and self.held[0].until_at <= now:
            held = heapq.heappop(self.held)
            self._count(held, -1)
            if record is not None:
                for _payment in range(held.slot_count):
                    record(
                        held.until_at, held.entry, held.out, held.amount_msat, held.fee_msat, FAILED,
                        held.until_at - held.since_at,
                    )  # fmt: skip
