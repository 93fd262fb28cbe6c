"""A node's whole life: what it earned and cost since its first record, by channel and by how channels ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from revops.domain.balance_change import BalanceChange
from revops.domain.profit import ChannelProfit, ProfitLine, total_of

#: Of channels that are open.
OPEN = "open"
#: Of channels whose close isn't swept yet.
UNSWEPT = "unswept"
#: Of channels that are closed, and of which the node doesn't say why.
NOT_TOLD = "not told"


@dataclass(frozen=True, slots=True)
class Ending:
    """Channels that ended alike: `cause` is OPEN, UNSWEPT, NOT_TOLD, or lightningd's word; `closer` who began it."""

    cause: str
    closer: str | None
    channel_count: int
    line: ProfitLine


@dataclass(frozen=True, slots=True)
class History:
    """All that `revops history` shows. `opening_msat` was earned before the node kept rows of any kind: it is in no
    channel's line, and in `earned_msat`. `since_at` is when the first forward on record settled, to the day. `balance`
    is there for the node, not for a part of it.
    """

    taken_at: float
    synced_at: float | None
    since_at: float | None
    opening_msat: int
    total: ProfitLine
    endings: tuple[Ending, ...]
    channels: tuple[ChannelProfit, ...]
    untold_msat: int = 0
    #: Whether the node's ledger was read since the database's schema knows it.
    ledger_read: bool = True
    balance: BalanceChange | None = None

    @property
    def earned_msat(self) -> int:
        """Fees of the node's whole life."""
        return self.opening_msat + self.total.earned_msat

    @property
    def net_msat(self) -> int:
        """What its whole life has brought."""
        return self.opening_msat + self.total.net_msat


def _ending(one: ChannelProfit) -> tuple[str, str | None]:
    if one.open:
        return OPEN, None
    if one.unswept_msat is not None:
        return UNSWEPT, None
    return one.close_cause or NOT_TOLD, one.closer


def endings(channels: Iterable[ChannelProfit]) -> tuple[Ending, ...]:
    """Given channels, return them by how they ended, those that are open first, then the most."""
    groups: dict[tuple[str, str | None], list[ProfitLine]] = {}
    for one in channels:
        groups.setdefault(_ending(one), []).append(one.line)
    found = [Ending(cause, closer, len(lines), total_of(lines)) for (cause, closer), lines in groups.items()]
    return tuple(sorted(found, key=lambda one: (one.cause != OPEN, -one.channel_count, one.cause, one.closer or "")))
