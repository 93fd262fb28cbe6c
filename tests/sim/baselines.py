"""A small market for the baselines: three channels of 5,000,000 sat, half of each ours, 100 ppm charged by others."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from revops.sim.arena.baselines.view import Baseline
from revops.sim.arena.market import REFUSED, SETTLED, Market
from revops.sim.arena.records import Records

CAPACITY_MSAT = 5_000_000_000
CYCLE_SECONDS = 1_800.0
DAY_CYCLES = 48


def make_market(local_ratio: float = 0.5, others_ppm: int | None = 100, channel_count: int = 3) -> Market:
    """Return a market at its start: 200 ppm each."""
    return Market(
        capacity_msat=[CAPACITY_MSAT] * channel_count,
        local_msat=[int(CAPACITY_MSAT * local_ratio)] * channel_count,
        fee_ppm=[200] * channel_count,
        others_ppm=[others_ppm] * channel_count,
        size_rank_ratio=[0.5] * channel_count,
        peer_channel_count=[21] * channel_count,
    )


class Life:
    """A policy's life in a market where nothing moves but what a test makes happen."""

    def __init__(self, policy: Baseline, market: Market) -> None:
        self.policy, self.market = policy, market
        self.records = Records(len(market.fee_ppm))
        self.now = 0.0

    def live(self, cycle_count: int, happens: Callable[[], None] | None = None) -> Iterator[int]:
        """Live through so many cycles, and yield channel 0's fee in each."""
        for _cycle in range(cycle_count):
            self.policy(self.market, self.records, self.now)
            if happens is not None:
                happens()
            self.now += CYCLE_SECONDS
            self.records.fold(self.now)
            yield self.market.fee_ppm[0]

    def forward(self, amount_msat: int, fee_msat: int = 0, entry: int = 1, out: int = 0) -> None:
        """Let a payment settle; balances stay as they are."""
        self.records(self.now, entry, out, amount_msat, fee_msat, SETTLED)

    def refuse(self, amount_msat: int, out: int = 0) -> None:
        """Let a payment be refused."""
        self.records(self.now, 1, out, amount_msat, 0, REFUSED)
