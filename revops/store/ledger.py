"""The spend ledger: reserve, then settle or release. Rows are only ever added, and a reservation counts until it is
closed.

Each operation first updates the node's `ledger_head` row. That is the lock: on PostgreSQL two READ COMMITTED
transactions would otherwise both see room and both take it; the totals are read after it, so they see what the other
has committed. It is the fence, too: the row names the newest run that touched the ledger, and an older one, whose
advisory lock was lost with its connection, is turned away. Totals are added up live each time: no figure is kept that
could be stale.

What was spent leaves a window only when the clock *and* the chain say that it is over. So no clock that jumps, in
whichever direction, makes room that isn't there: an entry also counts until so many blocks have been found after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Executable, bindparam, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.units import sat_ceil, sat_floor
from revops.errors import BugError, DataError, RevopsError, TemporaryError
from revops.store.engine import NODE, Tx
from revops.store.flows import settled_fees_msat
from revops.store.keys import next_keys, total, upsert
from revops.store.tables import ledger_head, node, spend_ledger

DAY_SECONDS: Final = 86_400
WEEK_SECONDS: Final = 7 * DAY_SECONDS
#: 144 blocks are expected in a day, 1,008 in a week. By chance fewer than these come in one day of 100 and one week of
#: 1,000 (Poisson): then an honest clock waits a little longer.
DAY_BLOCKS: Final = 115
WEEK_BLOCKS: Final = 907
#: On a regtest chain blocks come when somebody asks for them: only the clock counts there.
CHAINLESS: Final = "regtest"
#: An HTLC of a circular payment is resolved, on the chain if need be, within two weeks (2,016 blocks is the most that
#: lightningd lets a payment take). A settlement that is dated later was dated by a clock that was wrong.
LONGEST_PAYMENT_SECONDS: Final = 15 * DAY_SECONDS
#: The daily and the weekly limit in msat, or what gives them inside the reserving transaction, at that moment.
Limits = tuple[int, int] | Callable[[Tx, float], tuple[int, int]]


class BudgetExceededError(RevopsError):
    """There is no room for the reservation. `reason` has the numbers."""

    exit_code = 75

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.sentence)
        self.reason = reason


class LedgerTotals(NamedTuple):
    """What was spent in the last day and week, and what is reserved by payments not known to be final; msat."""

    spent_day_msat: int
    spent_week_msat: int
    reserved_msat: int


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
    tx: Tx, *, run_key: int, job_key: int, amount_msat: int, at: float, limits: Limits, category: str = "rebalance"
) -> int:
    """Given the most that a payment may cost, reserve it; return the entry's key.

    Spent in the window (settled later than a day or week before `at`, or fewer than so many blocks ago; future-dated
    entries count) + all open reservations, whatever their age + this amount must be within the limit, daily and weekly.
    Raise BudgetExceededError where it isn't, TemporaryError where a newer run has taken over, DataError where entries
    are missing from the ledger.
    """
    if amount_msat < 0:
        raise BugError(f"a reservation of {amount_msat} msat")
    take_fence(tx, run_key)
    _refuse_gaps(tx)
    daily_msat, weekly_msat = limits(tx, at) if callable(limits) else limits
    sums = totals(tx, at)
    windows = (("daily", daily_msat, sums.spent_day_msat), ("weekly", weekly_msat, sums.spent_week_msat))
    for window, limit_msat, spent_msat in windows:
        left_msat = limit_msat - spent_msat - sums.reserved_msat
        if amount_msat > left_msat:
            raise BudgetExceededError(
                why(
                    ReasonCode.BUDGET_EXHAUSTED,
                    left_sat=max(0, sat_floor(left_msat)),
                    wanted_sat=sat_ceil(amount_msat),
                    window=window,
                )
            )
    return _append(tx, "reserve", None, amount_msat, at, job_key, category, run_key)


def settle(tx: Tx, reserve_key: int, fee_msat: int, at: float, run_key: int) -> int:
    """Given a reservation whose payment succeeded and what it cost, close it; return the entry's key.

    The cost is recorded as it is, even above the reservation: the money is gone. Raise BugError where the reservation
    is closed already or doesn't exist, TemporaryError where a newer run has taken over.
    """
    return _close(tx, "settle", reserve_key, fee_msat, at, run_key)


def release(tx: Tx, reserve_key: int, at: float, run_key: int) -> int:
    """Given a reservation whose payment is known to have failed, or was never sent, free it. Raise as `settle` does."""
    return _close(tx, "release", reserve_key, 0, at, run_key)


def correct(tx: Tx, *, run_key: int, job_key: int, amount_msat: int, at: float) -> None:
    """Given a job whose reservation is closed and what it cost beyond what was booked, book that as well.

    The money is gone: no limit is asked. Raise as `settle` does.
    """
    if amount_msat <= 0:
        raise BugError(f"a correction of {amount_msat} msat")
    take_fence(tx, run_key)
    reserve_key = _append(tx, "reserve", None, amount_msat, at, job_key, "rebalance", run_key)
    settle(tx, reserve_key, amount_msat, at, run_key)


def _close(tx: Tx, kind: str, reserve_key: int, amount_msat: int, at: float, run_key: int) -> int:
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
    job_key: int,
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
            category=category,
            run_key=run_key,
            blockheight=_blockheight(tx),
        )
    )
    head = ledger_head.c.node_key == tx.node_key
    tx.connection.execute(update(ledger_head).where(head).values(entry_count=ledger_head.c.entry_count + 1))
    return key


def _refuse_gaps(tx: Tx) -> None:
    """Fail closed: entries that vanished would make room that isn't there."""
    counted = select(func.count()).where(spend_ledger.c.node_key == tx.node_key).scalar_subquery()
    head = select(ledger_head.c.entry_count, counted).where(ledger_head.c.node_key == tx.node_key)
    expected, found = tx.connection.execute(head).one()
    if expected != found:
        raise DataError(f"the spend ledger has {found} entries, {expected} were written: spending stops")


def _blockheight(tx: Tx) -> int | None:
    """The chain's height at the last sync; None where that tells nothing of time, or is not known."""
    height: int | None = tx.execute(_height()).scalar()
    return height


@cache
def _height() -> Executable:
    return select(node.c.blockheight).where(node.c.node_key == NODE, node.c.network != CHAINLESS)


def totals(tx: Tx, now: float) -> LedgerTotals:
    """Return what was spent in the day and week before `now`, by the clock or by the chain, and what is reserved."""
    height = _blockheight(tx)
    spent = []
    for seconds, blocks in ((DAY_SECONDS, DAY_BLOCKS), (WEEK_SECONDS, WEEK_BLOCKS)):
        since = {"b_since": now - seconds} if height is None else {"b_since": now - seconds, "b_above": height - blocks}
        spent.append(tx.execute(_spent(height is not None), **since))
    reserved = tx.execute(_reserved())
    return LedgerTotals(*(int(result.scalar_one()) for result in (*spent, reserved)))


@cache
def _spent(by_chain: bool) -> Executable:
    """What was settled after `b_since`, or, where the chain tells time, above the height `b_above`."""
    entry = spend_ledger.c
    recent: ColumnElement[bool] = entry.entered_at > bindparam("b_since")
    if by_chain:
        recent = or_(recent, entry.blockheight > bindparam("b_above"))
    return select(total(entry.amount_msat)).where(entry.node_key == NODE, entry.kind == "settle", recent)


@cache
def _reserved() -> Executable:
    return select(total(spend_ledger.c.amount_msat)).where(spend_ledger.c.node_key == NODE, *_open())


def _open() -> tuple[Any, ...]:
    """The condition for reservations that nothing has closed."""
    closing = spend_ledger.alias("closing")
    closed = (
        select(closing.c.entry_key)
        .where(closing.c.node_key == spend_ledger.c.node_key, closing.c.reserve_key == spend_ledger.c.entry_key)
        .correlate(spend_ledger)
    )
    return spend_ledger.c.kind == "reserve", ~closed.exists()


def income_between(tx: Tx, since_at: float, until_at: float) -> int:
    """Return what forwards that settled from `since_at` to `until_at` earned, in msat. What a wrong clock dated into
    the future is no income yet: it would raise the limit for as long as it lies ahead.
    """
    return settled_fees_msat(tx, since_at, math.nextafter(until_at, math.inf))
