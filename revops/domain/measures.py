"""What metrics show beyond a report: state of prices, what refills returned, tallies, the database itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from revops.domain.budget import CategoryState
from revops.domain.node import Feerates
from revops.domain.reconciliation import Reconciliation
from revops.domain.recorder import RecorderRecord

#: The command under which ends of rebalance jobs are tallied.
JOBS: Final = "rebalance run"


@dataclass(frozen=True, slots=True)
class PriceMarks:
    """What fee setting remembers of a channel's fee in force: since when it counts, how long the channel could have
    forwarded since, until when its search sleeps (None: awake), since when it is congested (None: it isn't).
    """

    window_start_at: float
    open_seconds: float
    asleep_until_at: float | None
    congested_since_at: float | None


@dataclass(frozen=True, slots=True)
class RefillReturn:
    """What was bought for a channel lately, what it cost, what of it was sold, and what these sales earned."""

    bought_msat: int
    fee_msat: int
    sold_msat: int
    income_msat: int

    @property
    def return_ratio(self) -> float | None:
        """Income less cost as a share of the cost; None where it cost nothing."""
        return (self.income_msat - self.fee_msat) / self.fee_msat if self.fee_msat > 0 else None


@dataclass(frozen=True, slots=True)
class Moved:
    """What circular payments brought to a channel by the node's ledger of moves, ever: it only grows."""

    amount_msat: int
    fee_msat: int
    payment_count: int


@dataclass(frozen=True, slots=True)
class Tally:
    """How often a decision, or the end of a job, was counted; `word` is a reason's code or a kind of failure, "" for
    the count of the outcome itself.
    """

    command: str
    outcome: str
    word: str
    count: int


@dataclass(frozen=True, slots=True)
class DatabaseSize:
    """How large the database is, and what of an SQLite file is free (None elsewhere)."""

    size_bytes: int
    free_bytes: int | None


@dataclass(frozen=True, slots=True)
class Measures:
    """All of it, channels by channel_id: a channel that fee setting hasn't looked at has no marks, one for which
    nothing was bought lately no refills; `moved` names channels that are closed, too. `earned_msat` is what the fee in
    force has earned.
    """

    marks: Mapping[str, PriceMarks] = field(default_factory=dict)
    earned_msat: Mapping[str, int] = field(default_factory=dict)
    refills: Mapping[str, RefillReturn] = field(default_factory=dict)
    #: None where it wasn't read.
    moved: Mapping[str, Moved] | None = None
    feerates: Feerates | None = None
    tallies: tuple[Tally, ...] = ()
    size: DatabaseSize | None = None
    #: What was read of the companion plugin; None where its spool was never looked for.
    recorder: RecorderRecord | None = None
    #: None where no limit is set for splices, and nothing was spent on them.
    splice_budget: CategoryState | None = None


#: Nothing is known.
NOTHING_MEASURED = Measures()


@dataclass(frozen=True, slots=True)
class CommandFigures:
    """What a command shows of its own in its metrics: rows by table that a rollup counted, what `reconcile` found."""

    row_counts: Mapping[str, int] = field(default_factory=dict)
    reconciled: Reconciliation | None = None


#: Most commands have none.
NO_FIGURES: Final = CommandFigures()
