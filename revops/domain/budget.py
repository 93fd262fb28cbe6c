"""What a budget is made of: categories of spending, the sums that a limit is the smallest of, and what was spent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from revops.domain.reason import Reason
from revops.domain.record import ReserveStanding


class Category(StrEnum):
    """What money is reserved for before it is spent; each has its own limits. The values are stored: only add.

    Liquidity that a peer leases from us is no category: the node's funder pays for it unasked, so that nothing can be
    reserved beforehand. What bounds it is the funder's own policy; what it came to is booked afterwards.
    """

    REBALANCE = "rebalance"
    SPLICE = "splice"


@dataclass(frozen=True, slots=True)
class Limit:
    """What may be spent in a window: the smaller of a sum and, where one is set, a share of what was earned.

    `share_msat` None: no share is set. `earned_msat` is what the share was taken of.
    """

    sum_msat: int
    share_msat: int | None = None
    earned_msat: int = 0

    @property
    def limit_msat(self) -> int:
        """The limit in force."""
        return self.sum_msat if self.share_msat is None else min(self.sum_msat, self.share_msat)

    @property
    def by_share(self) -> bool:
        """Whether it is the share that binds."""
        return self.share_msat is not None and self.share_msat < self.sum_msat


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a rolling day and a rolling week."""

    daily: Limit
    weekly: Limit

    @property
    def msat(self) -> tuple[int, int]:
        """The daily and the weekly limit in force, as the ledger takes them."""
        return self.daily.limit_msat, self.weekly.limit_msat


@dataclass(frozen=True, slots=True)
class Spent:
    """A sum that was spent, when, and the height of the chain that was known then (None: not known)."""

    amount_msat: int
    spent_at: float
    blockheight: int | None


@dataclass(frozen=True, slots=True)
class Leaving:
    """The next sum that leaves a window, and when that is expected. `by_chain`: the chain is slower than the clock."""

    amount_msat: int
    leaves_at: float
    by_chain: bool


@dataclass(frozen=True, slots=True)
class OpenReservation:
    """Money that is reserved. `job_key` is the rebalance job that it was reserved for, None in other categories; the
    rest is of that job: its state, and the names of its channels. None where no open job knows of the reservation.
    """

    reserve_key: int
    job_key: int | None
    amount_msat: int
    reserved_at: float
    status: str | None = None
    source: str | None = None
    target: str | None = None


@dataclass(frozen=True, slots=True)
class WindowState:
    """A window of a category: its limit, what is `spent` in it, and `reserved` by what isn't known to be final.

    `leaving` is the next sum that leaves it; None where nothing is spent in it.
    """

    window: str
    limit: Limit
    spent_msat: int
    reserved_msat: int
    leaving: Leaving | None = None

    @property
    def left_msat(self) -> int:
        """What may still be reserved; never negative."""
        return max(0, self.limit.limit_msat - self.spent_msat - self.reserved_msat)


@dataclass(frozen=True, slots=True)
class CategoryState:
    """A category's windows, and what its reservations are for."""

    category: Category
    daily: WindowState
    weekly: WindowState
    open: tuple[OpenReservation, ...] = ()

    @property
    def left_msat(self) -> int:
        """What both windows have room for."""
        return min(self.daily.left_msat, self.weekly.left_msat)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A row of the ledger. `reserved_msat` is the reservation's amount, also in the row that closes it."""

    kind: str
    category: Category
    amount_msat: int
    reserved_msat: int
    entered_at: float


@dataclass(frozen=True, slots=True)
class DaySpending:
    """What a category did on the day (UTC) that began at `day_at`; what was spent is dated by its settlement.

    `released_msat` was reserved and given back unspent. `refused_count` counts rebalance jobs that a limit stopped, as
    far as they are still on record.
    """

    day_at: float
    category: Category
    reserved_msat: int = 0
    reserved_count: int = 0
    spent_msat: int = 0
    spent_count: int = 0
    released_msat: int = 0
    released_count: int = 0
    refused_count: int = 0


@dataclass(frozen=True, slots=True)
class BudgetHistory:
    """All that `revops budget history` shows, the latest day first; days without entries are left out."""

    taken_at: float
    since_at: float
    days: tuple[DaySpending, ...]


@dataclass(frozen=True, slots=True)
class BudgetCheck:
    """All that `revops budget check` shows. `synced_at` is the data's age; `suspended` is why nothing may be spent."""

    taken_at: float
    synced_at: float | None
    suspended: tuple[Reason, ...]
    categories: tuple[CategoryState, ...]
    reserves: tuple[ReserveStanding, ...] = ()

    @property
    def left_msat(self) -> int:
        """What the next rebalance may cost at most, 0 while suspended."""
        if self.suspended:
            return 0
        return next((one.left_msat for one in self.categories if one.category is Category.REBALANCE), 0)
