"""How a node stands now, on one screen: what it earns and spends, what is suspended or stale, and what happens next."""

from __future__ import annotations

from dataclasses import dataclass

from revops.domain.budget import BudgetCheck
from revops.domain.experiment import Experiment
from revops.domain.profit import ProfitLine
from revops.domain.record import Books


@dataclass(frozen=True, slots=True)
class Earnings:
    """What the node earned and spent over the last `days` UTC days, today among them."""

    days: int
    line: ProfitLine


@dataclass(frozen=True, slots=True)
class CommandStanding:
    """A command: its last run, its last success, and how often it is expected (None where it isn't for cron, or has run
    once only). `exit_code` is None where the run was killed, or runs now. `due_at` is when it is expected
    next; `late` says that it has missed two runs.
    """

    command: str
    started_at: float
    exit_code: int | None
    message: str | None
    last_success_at: float | None
    every_seconds: float | None
    late: bool

    @property
    def due_at(self) -> float | None:
        """When it is expected to start next; None where nobody knows how often it comes."""
        return None if self.every_seconds is None else self.started_at + self.every_seconds


@dataclass(frozen=True, slots=True)
class ChannelCounts:
    """How many channels are open, how many of their peers are away, how many are asleep (their fee is left alone, by
    the strategy), how many wait for a change of fee that was put off, on how many an HTLC is near its end, and how many
    have a splice in flight.
    """

    open: int
    offline: int
    asleep: int
    deferred: int
    expiring: int
    splicing: int = 0


@dataclass(frozen=True, slots=True)
class RefillsAhead:
    """Rebalances that wait for the next run, and those under way: how many, of how much, at which cost at most."""

    planned_count: int
    planned_msat: int
    planned_fee_msat: int
    under_way_count: int
    under_way_msat: int
    under_way_fee_msat: int


@dataclass(frozen=True, slots=True)
class Status:
    """All that `revops status` shows. `net_by_day_msat` are the last days, oldest first, today last; `modes` are
    "observe" or "act", by what they are of.
    """

    taken_at: float
    synced_at: float | None
    node_id: str
    alias: str
    version: str
    network: str
    blockheight: int
    wallet_spendable_msat: int | None
    channels_spendable_msat: int | None
    modes: dict[str, str]
    earnings: tuple[Earnings, ...]
    net_by_day_msat: tuple[int, ...]
    budget: BudgetCheck
    books: Books | None
    channels: ChannelCounts
    refills: RefillsAhead
    commands: tuple[CommandStanding, ...]
    experiment: Experiment | None = None
