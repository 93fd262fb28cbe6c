"""The spend ledger: reserve, then settle or release. Rows are only ever added, and a reservation counts until it is
closed.

Each operation first updates the node's `ledger_head` row. That is the lock: on PostgreSQL two READ COMMITTED
transactions would otherwise both see room and both take it; the totals are read after it, so they see what the other
has committed. It is the fence, too: the row names the newest run that touched the ledger, and an older one, whose
advisory lock was lost with its connection, is turned away. Totals are added up live each time: no figure is kept that
could be stale.

Each category of spending has limits of its own, and is checked against them alone. Liquidity that a peer leases from
us is none: the node's funder pays for it unasked, bounded by its own policy, and it is booked afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from revops.domain.budget import Category
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.units import MAX_MSAT, sat_ceil, sat_floor
from revops.errors import BugError, DataError, RevopsError, TemporaryError
from revops.store.engine import Tx
from revops.store.keys import next_keys, upsert
from revops.store.spending import (
    DAY_BLOCKS,
    WEEK_BLOCKS,
    LedgerTotals,
    gaps,
    income_between,
    known_height,
    totals,
)
from revops.store.tables import ledger_head, spend_ledger

__all__ = [
    "DAY_BLOCKS", "WEEK_BLOCKS", "LedgerTotals",
    "income_between", "release", "reserve", "settle", "take_fence", "totals",
]  # fmt: skip

#: An HTLC of a circular payment is resolved, on the chain if need be, within two weeks (2,016 blocks is the most that
#: lightningd lets a payment take). A settlement that is dated later was dated by a clock that was wrong.
LONGEST_PAYMENT_SECONDS: Final = 15 * 86_400
#: The daily and the weekly limit in msat, or what gives them inside the reserving transaction, at that moment.
Limits = tuple[int, int] | Callable[[Tx, float], tuple[int, int]]


class BudgetExceededError(RevopsError):
    """There is no room for the reservation. `reason` has the numbers."""

    exit_code = 75

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.sentence)
        self.reason = reason


def take_fence(tx: Tx, run_key: int) -> None:
    """Given a run, make it the one that may use the ledger. Raise TemporaryError when a newer run has done so."""
    insert_ = upsert(tx, ledger_head).values(node_key=tx.node_key, fence_run_key=run_key, entry_count=0)
    insert_ = insert_.on_conflict_do_update(
        index_elements=["node_key"],
        set_={"fence_run_key": insert_.excluded.fence_run_key},
        where=ledger_head.c.fence_run_key <= insert_.excluded.fence_run_key,
    )
    if tx.connection.execute(insert_.returning(ledger_head.c.fence_run_key)).first() is None:
        raise TemporaryError("a newer run has taken over the spend ledger; this one stops")


def reserve(
    tx: Tx,
    *,
    run_key: int,
    job_key: int | None,
    amount_msat: int,
    at: float,
    limits: Limits,
    category: str = Category.REBALANCE,
) -> int:
    """Given the most that a payment may cost, reserve it; return the entry's key.

    Spent by the category in the window (settled later than a day or week before `at`, or fewer than so many blocks ago;
    future-dated entries count) + its open reservations, whatever their age + this amount must be within its limit,
    daily and weekly. A rebalance names its job, nothing else has one. Raise BudgetExceededError where it isn't within,
    TemporaryError where a newer run has taken over, DataError where entries are missing from the ledger, whatever their
    category, and BugError for what is no category, amount, limit or instant.
    """
    known = _category(category)
    if (known is Category.REBALANCE) != (job_key is not None):
        raise BugError(f"a reservation of category {known} for rebalance job {job_key}")
    _insist_on_amount("a reservation", amount_msat)
    _insist_on_instant(at)
    take_fence(tx, run_key)
    _refuse_gaps(tx)
    daily_msat, weekly_msat = limits(tx, at) if callable(limits) else limits
    refused = refusal(tx, amount_msat, at, (daily_msat, weekly_msat), known)
    if refused is not None:
        raise BudgetExceededError(refused)
    return _append(tx, "reserve", None, amount_msat, at, job_key, known, run_key)


def refusal(tx: Tx, amount_msat: int, at: float, limits_msat: tuple[int, int], category: Category) -> Reason | None:
    """Given an amount, the moment, and the daily and weekly limit of a category, return why the amount can't be
    reserved; None where it can. Raise BugError for what is no limit.
    """
    sums = totals(tx, at, category)
    spent_msat = (sums.spent_day_msat, sums.spent_week_msat)
    for window, limit_msat, window_msat in zip(("daily", "weekly"), limits_msat, spent_msat, strict=True):
        if type(limit_msat) is not int:  # NaN is below nothing, and so no limit at all
            raise BugError(f"a {window} limit of {limit_msat!r} msat")
        left_msat = limit_msat - window_msat - sums.reserved_msat
        if amount_msat > left_msat:
            return why(
                ReasonCode.BUDGET_EXHAUSTED,
                left_sat=max(0, sat_floor(left_msat)),
                wanted_sat=sat_ceil(amount_msat),
                window=window,
            )
    return None


def _category(name: str) -> Category:
    try:
        return Category(name)
    except ValueError as error:
        raise BugError(f"the spend ledger knows no category {name!r}") from error


def _insist_on_amount(what: str, amount_msat: int) -> None:
    if type(amount_msat) is not int or not 0 <= amount_msat <= MAX_MSAT:
        raise BugError(f"{what} of {amount_msat!r} msat")


def _insist_on_instant(at: float) -> None:
    if not math.isfinite(at):  # it is in no window
        raise BugError(f"a ledger entry at {at!r}")


def settle(tx: Tx, reserve_key: int, fee_msat: int, at: float, run_key: int) -> int:
    """Given a reservation whose payment succeeded and what it cost, close it; return the entry's key.

    The cost is recorded as it is, even above the reservation: the money is gone. Raise BugError where the reservation
    is closed already or doesn't exist, TemporaryError where a newer run has taken over, DataError for a cost that can't
    be true: the reservation then stands.
    """
    if type(fee_msat) is int and not 0 <= fee_msat <= MAX_MSAT:
        raise DataError(f"reservation {reserve_key} can't have cost {fee_msat} msat")
    return _close(tx, "settle", reserve_key, fee_msat, at, run_key)


def release(tx: Tx, reserve_key: int, at: float, run_key: int) -> int:
    """Given a reservation whose payment is known to have failed, or was never sent, free it. Raise as `settle` does."""
    return _close(tx, "release", reserve_key, 0, at, run_key)


def correct(tx: Tx, *, run_key: int, job_key: int, amount_msat: int, at: float) -> None:
    """Given a job whose reservation is closed and what it cost beyond what was booked, book that as well.

    The money is gone: no limit is asked. Raise as `settle` does.
    """
    _insist_on_amount("a correction", amount_msat)
    if amount_msat == 0:
        raise BugError("a correction of nothing")
    _insist_on_instant(at)
    take_fence(tx, run_key)
    reserve_key = _append(tx, "reserve", None, amount_msat, at, job_key, Category.REBALANCE, run_key)
    settle(tx, reserve_key, amount_msat, at, run_key)


def _close(tx: Tx, kind: str, reserve_key: int, amount_msat: int, at: float, run_key: int) -> int:
    _insist_on_amount(f"a {kind}", amount_msat)
    _insist_on_instant(at)
    take_fence(tx, run_key)
    entry = spend_ledger.c
    found = (entry.node_key == tx.node_key, entry.entry_key == reserve_key, entry.kind == "reserve")
    columns = (entry.job_key, entry.category, entry.entered_at)
    row = tx.connection.execute(select(*columns).where(*found)).one_or_none()
    if row is None:
        raise BugError(f"reservation {reserve_key} doesn't exist")
    # A clock that went back must not date the cost before its own reservation, where no window would see it; one that
    # went ahead must not block the budget for years.
    at = min(max(at, row.entered_at), row.entered_at + LONGEST_PAYMENT_SECONDS)
    try:
        return _append(tx, kind, reserve_key, amount_msat, at, row.job_key, row.category, run_key)
    except IntegrityError as error:
        raise BugError(f"reservation {reserve_key} is closed already; {kind} of {amount_msat} msat refused") from error


def _append(
    tx: Tx,
    kind: str,
    reserve_key: int | None,
    amount_msat: int,
    at: float,
    job_key: int | None,
    category: str,
    run_key: int,
) -> int:
    key = next_keys(tx, "spend_ledger")
    tx.connection.execute(
        insert(spend_ledger).values(
            node_key=tx.node_key,
            entry_key=key,
            kind=kind,
            reserve_key=reserve_key,
            amount_msat=amount_msat,
            entered_at=at,
            job_key=job_key,
            category=str(category),
            run_key=run_key,
            blockheight=known_height(tx),
        )
    )
    head = ledger_head.c.node_key == tx.node_key
    tx.connection.execute(update(ledger_head).where(head).values(entry_count=ledger_head.c.entry_count + 1))
    return key


def _refuse_gaps(tx: Tx) -> None:
    """Fail closed: entries that vanished would make room that isn't there."""
    missing = gaps(tx)
    if missing is not None:
        raise DataError(f"{missing.sentence}: spending stops")
