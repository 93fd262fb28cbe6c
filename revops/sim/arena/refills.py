"""What rebalancing remembers of a market, kept in memory as the store keeps it (`store/flows.py`, `store/refills.py`):
what went through each channel within the horizon, what was bought for it, and what became of that.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from revops.cycle.refill_scene import ATTEMPT_DAYS
from revops.domain.forward import Flow
from revops.domain.rebalance import Attempt, Lot, sold_of
from revops.domain.units import ppm_of_ceil
from revops.sim.arena.families import DAY_SECONDS
from revops.sim.arena.market import SETTLED
from revops.sim.arena.names import channel_id, instant
from revops.sim.arena.records import SOLD_SECONDS, Records
from revops.store.flows import FlowSum

WEEK_SECONDS: Final = 7 * DAY_SECONDS


class _Passed(NamedTuple):
    """A payment that entered or left by a channel; of the two amounts one is 0."""

    at: float
    in_msat: int
    out_msat: int
    fee_msat: int


@dataclass(slots=True)
class _FlowPast:
    """What went through a channel in a window that moves on."""

    passed: deque[_Passed] = field(default_factory=deque)
    sums: FlowSum = field(default_factory=FlowSum)

    def add(self, one: _Passed, sign: int = 1) -> None:
        """Count a payment, or take it out (-1)."""
        if one.out_msat:
            self.sums.out_msat += sign * one.out_msat
            self.sums.out_count += sign
            self.sums.earned_msat += sign * one.fee_msat
        else:
            self.sums.in_msat += sign * one.in_msat
            self.sums.in_count += sign
            self.sums.sourced_msat += sign * one.fee_msat

    def flow(self, since_at: float) -> Flow:
        """Given where the window begins, return what went through since; moments are asked for in order."""
        while self.passed and self.passed[0].at < since_at:
            self.add(self.passed.popleft(), -1)
        return self.sums.flow()


class Refill(NamedTuple):
    """A rebalance that settled: when, out of which channel, into which, what arrived, and what it cost."""

    at: float
    source: int
    target: int
    amount_msat: int
    fee_msat: int


@dataclass(slots=True)
class _OpenLot:
    """A lot, what forwards have changed the balance by since, and the lowest that this was."""

    refill: Refill
    local_before_msat: int
    ends_at: float
    net_msat: int = 0
    low_msat: int = 0

    def move(self, at: float, change_msat: int) -> None:
        """Count a payment through the channel."""
        if self.refill.at < at <= self.ends_at:
            self.net_msat += change_msat
            self.low_msat = min(self.low_msat, self.net_msat)

    def lot(self, now: float) -> Lot:
        """What became of it until now."""
        _at, _source, _target, amount_msat, fee_msat = self.refill
        age_days = (now - self.refill.at) / DAY_SECONDS
        return Lot(amount_msat, fee_msat, age_days, sold_of(amount_msat, self.local_before_msat, self.low_msat))


class RefillRecords(Records):
    """Records that tell of rebalances, too. Windows are of `horizon_days` unless their name says otherwise."""

    def __init__(self, channel_count: int, horizon_days: int) -> None:
        super().__init__(channel_count)
        self._horizon_seconds = horizon_days * DAY_SECONDS
        self._flows = [_FlowPast() for _number in range(channel_count)]
        self._lots: list[list[_OpenLot]] = [[] for _number in range(channel_count)]
        self._earned: deque[tuple[float, int]] = deque()
        self._refills: deque[Refill] = deque()
        self._attempts: deque[Attempt] = deque()

    def __call__(
        self, at: float, entry: int, out: int, amount_msat: int, fee_msat: int, fate: int, hold_seconds: float = 0.0
    ) -> None:
        """Book one payment."""
        super().__call__(at, entry, out, amount_msat, fee_msat, fate, hold_seconds)
        if fate != SETTLED:
            return
        ended_at, in_msat = instant(at), amount_msat + fee_msat
        self._earned.append((ended_at, fee_msat))
        for number, passed, change_msat in (
            (out, _Passed(ended_at, 0, amount_msat, fee_msat), -amount_msat),
            (entry, _Passed(ended_at, in_msat, 0, fee_msat), in_msat),
        ):
            self._flows[number].passed.append(passed)
            self._flows[number].add(passed)
            for lot in self._lots[number]:
                lot.move(ended_at, change_msat)

    def refilled(self, refill: Refill, local_before_msat: int) -> None:
        """Book a rebalance that has settled, and what was on the target before."""
        self._refills.append(refill)
        self._lots[refill.target].append(_OpenLot(refill, local_before_msat, refill.at + self._horizon_seconds))

    def attempted(self, attempt: Attempt) -> None:
        """Book how an attempt ended."""
        self._attempts.append(attempt)

    def attempts(self, now: float) -> tuple[Attempt, ...]:
        """How those of late ended, oldest first."""
        while self._attempts and self._attempts[0].ended_at < now - ATTEMPT_DAYS * DAY_SECONDS:
            self._attempts.popleft()
        return tuple(self._attempts)

    def flows(self, now: float) -> dict[str, Flow]:
        """By channel_id, what went through it; those only by which anything did."""
        found = {channel_id(number): past.flow(now - self._horizon_seconds) for number, past in enumerate(self._flows)}
        return {name: flow for name, flow in found.items() if flow.in_count or flow.out_count}

    def lots(self, now: float) -> dict[str, tuple[Lot, ...]]:
        """By channel_id, what was bought in the last two horizons and what of it was sold, oldest first."""
        found: dict[str, tuple[Lot, ...]] = {}
        for number, lots in enumerate(self._lots):
            lots[:] = [one for one in lots if one.refill.at >= now - 2 * self._horizon_seconds]
            if lots:
                found[channel_id(number)] = tuple(one.lot(now) for one in lots)
        return found

    def earned_msat(self, now: float) -> tuple[int, int]:
        """What forwards earned in the last day and in the last seven."""
        while self._earned and self._earned[0][0] < now - WEEK_SECONDS:
            self._earned.popleft()
        day_msat = sum(fee_msat for at, fee_msat in self._earned if at >= now - DAY_SECONDS)
        return day_msat, sum(fee_msat for _at, fee_msat in self._earned)

    def spent_msat(self, now: float, seconds: float) -> int:
        """What refills of the last so many seconds cost."""
        return sum(one.fee_msat for one in self._refills if one.at > now - seconds)

    def spent_by_source(self, now: float) -> dict[str, int]:
        """By channel_id, what refills out of it cost."""
        found: dict[str, int] = {}
        for one in self._refills:
            if one.at >= now - self._horizon_seconds:
                name = channel_id(one.source)
                found[name] = found.get(name, 0) + one.fee_msat
        return found

    def refill_ppm(self, number: int, now: float) -> int | None:
        """What refills of a channel cost in 30 days, as a rate on what it sold, or on what they moved where that is
        more (`store/payments.py`); None without any.
        """
        while self._refills and self._refills[0].at < now - SOLD_SECONDS:
            self._refills.popleft()
        bought = [one for one in self._refills if one.target == number]
        amount_msat = max(sum(one.amount_msat for one in bought), self.channels[number].sold_msat(now))
        return ppm_of_ceil(sum(one.fee_msat for one in bought), amount_msat) if bought else None
