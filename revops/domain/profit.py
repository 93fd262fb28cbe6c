"""Profit and loss: what channels earned and cost over a period, in msat to the last."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from revops.domain.balance_change import BalanceChange
from revops.domain.period import Span
from revops.domain.units import yearly_ratio


@dataclass(frozen=True, slots=True)
class ProfitLine:
    """Sums over a period, of a channel, of a peer's channels, or of the node. Lines add up, field by field.

    `earned` is credited where a payment left, `sourced` where it entered: it says what a channel brings, and is never
    added to what was earned. Rebalances cost where the liquidity arrived. `capital` is our balance in the channel,
    averaged over the days of the period that balances are on record for, 0 on those on which it wasn't there. `forfeit`
    is what a peer could take since a channel was closed by an old state of it.
    """

    earned_msat: int = 0
    sourced_msat: int = 0
    in_msat: int = 0
    out_msat: int = 0
    in_count: int = 0
    out_count: int = 0
    failed_count: int = 0
    refused_count: int = 0
    rebalanced_msat: int = 0
    rebalance_msat: int = 0
    rebalance_count: int = 0
    open_msat: int = 0
    splice_msat: int = 0
    close_msat: int = 0
    forfeit_msat: int = 0
    wallet_msat: int = 0
    lease_paid_msat: int = 0
    lease_earned_msat: int = 0
    capital_msat: int = 0

    def __add__(self, other: ProfitLine) -> ProfitLine:
        """Add two lines."""
        return ProfitLine(*(getattr(self, name) + getattr(other, name) for name in _FIELDS))

    def __sub__(self, other: ProfitLine) -> ProfitLine:
        """What is left of a line without a part of it."""
        return ProfitLine(*(getattr(self, name) - getattr(other, name) for name in _FIELDS))

    @property
    def income_msat(self) -> int:
        """What came in: fees of forwards, and of leases."""
        return self.earned_msat + self.lease_earned_msat

    @property
    def chain_msat(self) -> int:
        """What transactions cost: opening, splicing, closing and sweeping, and the wallet's own."""
        return self.open_msat + self.splice_msat + self.close_msat + self.forfeit_msat + self.wallet_msat

    @property
    def cost_msat(self) -> int:
        """All that was paid."""
        return self.rebalance_msat + self.chain_msat + self.lease_paid_msat

    @property
    def net_msat(self) -> int:
        """Income less cost."""
        return self.income_msat - self.cost_msat

    def yearly_return_ratio(self, seconds: float) -> float | None:
        """Given how long the span is that the line is of, return net as a share of the capital, a year."""
        return yearly_ratio(self.net_msat, self.capital_msat, seconds)


_FIELDS = tuple(field.name for field in fields(ProfitLine))


def rebalance_return_ratio(lines: Iterable[ProfitLine]) -> float | None:
    """Given the lines of channels, one each, return what sales of rebalanced liquidity brought beyond what it cost, as
    a share of that, at most: as if in each channel that got some all that left had come out of it first. What other
    channels sold is no part of it. None where nothing was paid.
    """
    refilled = [line for line in lines if line.rebalanced_msat > 0 or line.rebalance_msat > 0]
    paid_msat = sum(line.rebalance_msat for line in refilled)
    if paid_msat <= 0:
        return None
    brought_msat = sum(
        line.earned_msat * min(line.rebalanced_msat, line.out_msat) // line.out_msat
        for line in refilled
        if line.out_msat > 0
    )
    return brought_msat / paid_msat - 1.0


def total_of(lines: Iterable[ProfitLine]) -> ProfitLine:
    """Given lines, return their sum."""
    return sum(lines, ProfitLine())


@dataclass(frozen=True, slots=True)
class ChannelProfit:
    """A channel, open or closed, with its line. `closed_at` is None while it is open, and where nobody knows when it
    was closed; `cost_is_known` is False where we opened it and the node's ledger doesn't say for how much.
    `yearly_return_ratio` is reckoned over the report's rated span, None where that says nothing.
    """

    channel_id: str
    name: str
    peer_id: str | None
    alias: str | None
    opener: str | None
    capacity_msat: int
    opened_at: int | None
    closed_at: float | None
    line: ProfitLine
    cost_is_known: bool = True
    #: By listclosedchannels: who began the close, and lightningd's word for why.
    closer: str | None = None
    close_cause: str | None = None
    #: What its close has left on the chain that hasn't come home yet, its fee still in it; None: nothing is awaited.
    unswept_msat: int | None = None
    yearly_return_ratio: float | None = None
    rebalance_return_ratio: float | None = None
    open: bool = True


@dataclass(frozen=True, slots=True)
class PeerProfit:
    """A peer with the sum of its channels; ratios as a channel's."""

    peer_id: str | None
    alias: str | None
    channel_count: int
    line: ProfitLine
    yearly_return_ratio: float | None = None
    rebalance_return_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class SpanProfit:
    """The node's line of a UTC day or month, or of the part of a month that is in a period: whole days from `since_at`
    to before `until_at`. Its capital is an average over the days of it that balances are on record for.
    """

    since_at: float
    until_at: float
    line: ProfitLine
    untold_msat: int = 0
    capital_days: int = 0


@dataclass(frozen=True, slots=True)
class ProfitReport:
    """All that `revops report pnl` shows, for UTC days from `since_at` to before `until_at`.

    `total` is the node: its channels, and the wallet's own transactions. `untold_msat` left the wallet without a word
    how much of it was a fee: it is in no line. `capital_days` of the period's days have balances on record. `spans` are
    the days or months, oldest first, where they were asked for: their lines add up to `total`, but for the capital.
    `rated` is the span over which returns are reckoned: what they count and what they are divided by lies within it.
    """

    taken_at: float
    synced_at: float | None
    since_at: float
    until_at: float
    total: ProfitLine
    channels: tuple[ChannelProfit, ...]
    peers: tuple[PeerProfit, ...]
    untold_msat: int = 0
    capital_days: int = 0
    spans: tuple[SpanProfit, ...] = ()
    network: str = "bitcoin"
    #: The day on which the first forward on record settled; None before any has.
    recorded_since_at: float | None = None
    #: Whether the node's ledger was read since the database's schema knows it: without it costs are missing.
    ledger_read: bool = True
    rated: Span | None = None
    yearly_return_ratio: float | None = None
    rebalance_return_ratio: float | None = None
    #: Of all that the node holds, and what brought it about.
    balance: BalanceChange | None = None
