"""The physics: payments enter by one channel, leave by another, and liquidity is neither made nor lost.

A sender sees our fee with a delay; the lower of the old and the new fee is honoured for 600 s (setchannel's
`enforcedelay`); later a sender who offers too little is told and tries again. Slots and time under way are left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from revops.sim.arena.demand import Customer

HONOURED_SECONDS = 600.0
SETTLED, FAILED, REFUSED = 0, 1, 2


class Recorder(Protocol):
    """What is told of each payment that reached us: moment, way in, way out, amount, fee, what became of it."""

    def __call__(self, at: float, entry: int, out: int, amount_msat: int, fee_msat: int, fate: int) -> None: ...


@dataclass(slots=True)
class Market:
    """The node's channels by number: balances, fees, and when fees changed."""

    capacity_msat: list[int]
    local_msat: list[int]
    fee_ppm: list[int]
    earned_msat: int = 0
    update_count: list[int] = field(default_factory=list)
    _former_ppm: list[int] = field(default_factory=list)
    _changed_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._former_ppm = list(self.fee_ppm)
        self._changed_at = [-1e18] * len(self.fee_ppm)
        self.update_count = [0] * len(self.fee_ppm)

    def reserve_msat(self, number: int) -> int:
        """What must stay on either side of a channel: 1 %."""
        return self.capacity_msat[number] // 100

    def spendable_msat(self, number: int) -> int:
        """What a channel can send."""
        return max(self.local_msat[number] - self.reserve_msat(number), 0)

    def set_fee(self, number: int, ppm: int, now: float) -> None:
        """Broadcast a fee."""
        self._former_ppm[number], self.fee_ppm[number] = self.fee_ppm[number], ppm
        self._changed_at[number] = now
        self.update_count[number] += 1

    def trade(self, customers: Iterable[Customer], record: Recorder | None = None) -> None:
        """Let customers come, in order of time."""
        local_msat, fee_ppm, former_ppm, changed_at = self.local_msat, self.fee_ppm, self._former_ppm, self._changed_at
        least_msat = [capacity // 100 for capacity in self.capacity_msat]
        most_msat = [capacity - capacity // 100 for capacity in self.capacity_msat]
        total_msat = sum(local_msat)
        for at, out, first, second, amount_msat, willing_ppm, fails, lag_seconds in customers:
            ppm = fee_ppm[out]
            age_seconds = at - changed_at[out]
            if age_seconds < lag_seconds and not (age_seconds > HONOURED_SECONDS and former_ppm[out] < ppm):
                ppm = former_ppm[out]
            if ppm > willing_ppm:
                continue
            fee_msat = amount_msat * ppm // 1_000_000
            if local_msat[first] + amount_msat + fee_msat <= most_msat[first]:
                entry = first
            elif local_msat[second] + amount_msat + fee_msat <= most_msat[second]:
                entry = second
            else:
                continue
            if local_msat[out] - amount_msat < least_msat[out]:
                fate = REFUSED
            elif fails:
                fate = FAILED
            else:
                fate = SETTLED
                local_msat[out] -= amount_msat
                local_msat[entry] += amount_msat + fee_msat
                self.earned_msat += fee_msat
                total_msat += fee_msat
                assert sum(local_msat) == total_msat, "liquidity was made or lost"
            if record is not None:
                record(at, entry, out, amount_msat, fee_msat, fate)
