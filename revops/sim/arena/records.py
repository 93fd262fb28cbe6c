"""What the product's records would hold: signals, scores and states, kept in memory.

Sums are folded once a cycle, which is short against their half-life. Reputation is the sender's share of payments that
settled, Laplace-smoothed; a refusal of ours is not the sender's fault.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from revops.decide.reputation import DISTRUST_POWER, FULL_TRUST_SCORE
from revops.domain.decision import FeeState
from revops.domain.forward import TYPICAL_PAYMENT_MSAT
from revops.domain.signals import Rate, Signals
from revops.sim.arena.demand import DAY_SECONDS
from revops.sim.arena.market import FAILED, REFUSED

HALF_LIFE_DAYS: Final = 7.0
TINY_MSAT: Final = 1_000_000


@dataclass(slots=True)
class Decayed:
    """A sum that forgets, and since when it has been kept: a young average isn't taken for a low one."""

    total: float = 0.0
    fresh: float = 0.0

    def fold(self, kept: float) -> None:
        """Let the old fade and add what is new."""
        self.total = self.total * kept + self.fresh
        self.fresh = 0.0


@dataclass(slots=True)
class ChannelRecord:
    """One channel: what its fee has earned since it was set, and what is known of its trade."""

    window_start_at: float = 0.0
    earned_msat: int = 0
    earned_count: int = 0
    score_msat: float = 0.0
    score_squares: float = 0.0
    interest_count: float = 0.0
    last_earned_at: float | None = None
    last_changed_at: float | None = None
    updates_at: list[float] = field(default_factory=list)
    state: FeeState | None = None
    value_ppm: float = 0.0
    demand: Decayed = field(default_factory=Decayed)
    demand_squares: Decayed = field(default_factory=Decayed)
    inflow: Decayed = field(default_factory=Decayed)
    inflow_squares: Decayed = field(default_factory=Decayed)
    entry_worth: Decayed = field(default_factory=Decayed)
    entry_volume: Decayed = field(default_factory=Decayed)
    settled: Decayed = field(default_factory=Decayed)
    failed: Decayed = field(default_factory=Decayed)
    trust: float = 1.0

    def sums(self) -> tuple[Decayed, ...]:
        """All that fades."""
        return (
            self.demand,
            self.demand_squares,
            self.inflow,
            self.inflow_squares,
            self.entry_worth,
            self.entry_volume,
            self.settled,
            self.failed,
        )

    def open_window(self, start_at: float) -> None:
        """Start to count for a new fee."""
        self.window_start_at = start_at
        self.earned_msat, self.earned_count = 0, 0
        self.score_msat, self.score_squares, self.interest_count = 0.0, 0.0, 0.0


class Records:
    """All channels' records; called with each payment that reached the node."""

    def __init__(self, channel_count: int) -> None:
        self.channels = [ChannelRecord() for _number in range(channel_count)]
        self._folded_at = 0.0
        self._known_days = 0.0

    def __call__(self, at: float, entry: int, out: int, amount_msat: int, fee_msat: int, fate: int) -> None:
        """Book one payment."""
        channel, source = self.channels[out], self.channels[entry]
        trust = source.trust
        channel.demand.fresh += trust * amount_msat
        channel.demand_squares.fresh += trust * amount_msat * amount_msat
        if fate == REFUSED:
            return
        in_window = at >= channel.window_start_at
        if in_window:
            channel.interest_count += trust * min(amount_msat / TYPICAL_PAYMENT_MSAT, 1.0)
        if fate == FAILED:
            source.failed.fresh += 1
            return
        # A good name can't be bought with tiny payments.
        source.settled.fresh += amount_msat >= TINY_MSAT
        source.inflow.fresh += amount_msat
        source.inflow_squares.fresh += amount_msat * amount_msat
        channel.entry_volume.fresh += amount_msat
        channel.entry_worth.fresh += amount_msat * source.value_ppm
        channel.last_earned_at = at
        if in_window:
            net_ppm = source.value_ppm - channel.value_ppm
            score_msat = trust * (fee_msat + net_ppm * amount_msat / 1e6)
            channel.earned_msat += fee_msat
            channel.earned_count += 1
            channel.score_msat += score_msat
            channel.score_squares += score_msat * score_msat

    def fold(self, now: float) -> None:
        """Let what is old fade, up to now."""
        elapsed_days = (now - self._folded_at) / DAY_SECONDS
        kept = 0.5 ** (elapsed_days / HALF_LIFE_DAYS)
        self._folded_at = now
        self._known_days = self._known_days * kept + elapsed_days
        for channel in self.channels:
            for decayed in channel.sums():
                decayed.fold(kept)
            settled, failed = channel.settled.total, channel.failed.total
            channel.trust = min((settled + 1) / (settled + failed + 2) / FULL_TRUST_SCORE, 1.0) ** DISTRUST_POWER

    def signals(self, number: int) -> Signals:
        """What is known of a channel's trade."""
        channel = self.channels[number]
        # In the first day everything looks rare or wild: one day is the least that an average is taken over.
        days = max(self._known_days, 1.0)
        volume = channel.entry_volume.total
        return Signals(
            demand=Rate(channel.demand.total / days, channel.demand_squares.total / days),
            inflow=Rate(channel.inflow.total / days, channel.inflow_squares.total / days),
            value_ppm=channel.value_ppm,
            entry_value_ppm=channel.entry_worth.total / volume if volume > 0 else 0.0,
        )
