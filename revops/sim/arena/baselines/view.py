"""What a baseline may see of the market, how it hears of payments, and the chance that some of them use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple, Protocol

from revops.domain.forward import ForwardStatus
from revops.domain.traffic import FinalForward
from revops.sim.arena.names import EPOCH_AT


class MarketView(Protocol):
    """The node and its surroundings as any tool would find them, channels by number; and all that may be done there."""

    @property
    def capacity_msat(self) -> Sequence[int]:
        """Each channel's size."""

    @property
    def local_msat(self) -> Sequence[int]:
        """What each channel holds on our side."""

    @property
    def fee_ppm(self) -> Sequence[int]:
        """The fees in force."""

    @property
    def others_ppm(self) -> Sequence[int | None]:
        """The median of what others charge into each peer, where gossip knows it."""

    @property
    def size_rank_ratio(self) -> Sequence[float]:
        """Where we stand by capacity among each peer's channels: 0 smallest, 1 largest."""

    @property
    def peer_channel_count(self) -> Sequence[int]:
        """How many channels each peer has, ours among them."""

    @property
    def feerate_perkw(self) -> int:
        """The on-chain feerate now, in sat per 1000 weight units; 0: unknown."""

    def reserve_msat(self, number: int, /) -> int:
        """What must stay on our side."""

    def spendable_msat(self, number: int, /) -> int:
        """What a channel can send now."""

    def connected(self, number: int, now: float, /) -> bool:
        """Whether a channel's peer is there."""

    def set_fee(self, number: int, ppm: int, now: float, /) -> None:
        """Broadcast a fee."""


class PagedRecords(Protocol):
    """The product's records, of which a baseline takes nothing but the bare payments."""

    @property
    def page(self) -> Sequence[FinalForward]:
        """What has reached the node in this cycle; each cycle begins a new page."""


class Baseline(Protocol):
    """A policy that looks at the market, hears of payments, and sets fees."""

    def __call__(self, market: MarketView, records: PagedRecords, now: float, /) -> None: ...


class Payment(NamedTuple):
    """One payment that reached the node, channels by number. `refused`: by ourselves, which mostly means an empty
    channel.
    """

    at: float
    entry: int
    out: int
    amount_msat: int
    fee_msat: int
    settled: bool
    refused: bool


class News:
    """For tools that keep books of their own: the payments of the cycle that is over."""

    def __init__(self) -> None:
        self._page: Sequence[FinalForward] = ()

    def since_last(self, records: PagedRecords) -> Iterator[Payment]:
        """Given the records at the beginning of a cycle, yield what has come since the last one began."""
        page, self._page = self._page, records.page
        for forward in page:
            yield Payment(
                forward.counted_at - EPOCH_AT,
                int(forward.in_channel_id, 16),
                int(forward.out_channel_id or "", 16),
                forward.amount_msat,
                forward.fee_msat or 0,
                forward.status is ForwardStatus.SETTLED,
                forward.status is ForwardStatus.LOCAL_FAILED,
            )


def seeded(name: str, market: MarketView) -> Random:
    """Given who asks and a market at first sight, return a generator that repeats itself on the same world: channels'
    sizes and first balances are drawn from the world's seed.
    """
    return Random(f"{name} {list(market.capacity_msat)} {list(market.local_msat)}")
