"""What the spend ledger says: totals by category and window, what is reserved, and what was spent day by day.

Totals are added up live each time: no figure is kept that could be stale. What was spent leaves a window only when the
clock *and* the chain say that it is over. So no clock that jumps, in whichever direction, makes room that isn't there:
an entry also counts until so many blocks have been found after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Executable, bindparam, func, or_, select

from revops.domain.budget import Category, LedgerEntry, OpenReservation, Spent
from revops.domain.reason import Reason, ReasonCode, why
from revops.errors import BugError
from revops.store.engine import NODE, Tx
from revops.store.flows import settled_fees_msat
from revops.store.keys import total
from revops.store.tables import channel, ledger_head, node, rebalance_job, spend_ledger

DAY_SECONDS: Final = 86_400
WEEK_SECONDS: Final = 7 * DAY_SECONDS
#: 144 blocks are expected in a day, 1,008 in a week. By chance fewer than these come in one day of 100 and one week of
#: 1,000 (Poisson): then an honest clock waits a little longer.
DAY_BLOCKS: Final = 115
WEEK_BLOCKS: Final = 907
#: On a regtest chain blocks come when somebody asks for them: only the clock counts there.
CHAINLESS: Final = "regtest"


class LedgerTotals(NamedTuple):
    """What was spent in the last day and week, and what is reserved by payments not known to be final; msat."""

    spent_day_msat: int
    spent_week_msat: int
    reserved_msat: int


def totals(tx: Tx, now: float, category: Category = Category.REBALANCE) -> LedgerTotals:
    """Given the moment and a category, return what it spent in the day and week before, by the clock or by the chain,
    and what is reserved for it. Raise BugError for a moment that isn't finite: no entry would be in its windows.
    """
    if not math.isfinite(now):
        raise BugError(f"totals of the spend ledger at {now!r}")
    height = known_height(tx)
    spent = [
        tx.execute(_spent(height is not None), b_category=str(category), **_since(now, height, seconds, blocks))
        for seconds, blocks in ((DAY_SECONDS, DAY_BLOCKS), (WEEK_SECONDS, WEEK_BLOCKS))
    ]
    reserved = tx.execute(_reserved(), b_category=str(category))
    return LedgerTotals(*(int(result.scalar_one()) for result in (*spent, reserved)))


def _since(now: float, height: int | None, seconds: int, blocks: int) -> dict[str, float]:
    since = {"b_since": now - seconds}
    return since if height is None else {**since, "b_above": height - blocks}


@cache
def _spent(by_chain: bool) -> Executable:
    return select(total(spend_ledger.c.amount_msat)).where(*_in_window(by_chain))


@cache
def _spent_rows(by_chain: bool) -> Executable:
    entry = spend_ledger.c
    columns = select(entry.amount_msat, entry.entered_at, entry.blockheight)
    return columns.where(*_in_window(by_chain), entry.amount_msat > 0).order_by(entry.entered_at)


def _in_window(by_chain: bool) -> tuple[ColumnElement[bool], ...]:
    """What was settled after `b_since`, or, where the chain tells time, above the height `b_above`."""
    entry = spend_ledger.c
    recent: ColumnElement[bool] = entry.entered_at > bindparam("b_since")
    if by_chain:
        recent = or_(recent, entry.blockheight > bindparam("b_above"))
    return entry.node_key == NODE, entry.kind == "settle", entry.category == bindparam("b_category"), recent


@cache
def _reserved() -> Executable:
    return select(total(spend_ledger.c.amount_msat)).where(*_open())


@cache
def _reserved_rows() -> Executable:
    """Each with the open job that it is for; a rebalance's reservation without one has been lost sight of."""
    entry, job = spend_ledger.c, rebalance_job.c
    source, target = channel.alias("source"), channel.alias("target")
    behind = (job.node_key == entry.node_key) & (job.reserve_key == entry.entry_key) & job.finished_at.is_(None)
    pays = (source.c.node_key == job.node_key) & (source.c.channel_key == job.source_channel_key)
    gets = (target.c.node_key == job.node_key) & (target.c.channel_key == job.target_channel_key)
    names = [func.coalesce(side.c.scid, side.c.channel_id) for side in (source, target)]
    return (
        select(entry.entry_key, entry.job_key, entry.amount_msat, entry.entered_at, job.status, *names)
        .select_from(spend_ledger.outerjoin(rebalance_job, behind).outerjoin(source, pays).outerjoin(target, gets))
        .where(*_open())
        .order_by(entry.entry_key)
    )


def _open() -> tuple[Any, ...]:
    """The condition for reservations of a category that nothing has closed."""
    closing = spend_ledger.alias("closing")
    closed = (
        select(closing.c.entry_key)
        .where(closing.c.node_key == spend_ledger.c.node_key, closing.c.reserve_key == spend_ledger.c.entry_key)
        .correlate(spend_ledger)
    )
    entry = spend_ledger.c
    return entry.node_key == NODE, entry.category == bindparam("b_category"), entry.kind == "reserve", ~closed.exists()


def spent_entries(tx: Tx, now: float, category: Category) -> tuple[tuple[Spent, ...], tuple[Spent, ...]]:
    """Given the moment and a category, return the sums that `totals` counts for its day and its week."""
    height = known_height(tx)
    found = []
    for seconds, blocks in ((DAY_SECONDS, DAY_BLOCKS), (WEEK_SECONDS, WEEK_BLOCKS)):
        since = _since(now, height, seconds, blocks)
        rows = tx.execute(_spent_rows(height is not None), b_category=str(category), **since).all()
        found.append(tuple(Spent(row.amount_msat, row.entered_at, row.blockheight) for row in rows))
    return found[0], found[1]


def open_reservations(tx: Tx, category: Category) -> tuple[OpenReservation, ...]:
    """Given a category, return its reservations that nothing has closed, oldest first, with what they are for."""
    rows: Sequence[Any] = tx.execute(_reserved_rows(), b_category=str(category)).all()
    return tuple(OpenReservation(*row) for row in rows)


def refused_at(tx: Tx, since_at: float) -> tuple[float, ...]:
    """Given an instant, return when rebalance jobs since then were stopped by a limit, as far as they are on record."""
    return tuple(row[0] for row in tx.execute(_refused(), b_since=since_at).all())


@cache
def _refused() -> Executable:
    job = rebalance_job.c
    return select(job.finished_at).where(
        job.node_key == NODE,
        job.finished_at >= bindparam("b_since"),
        job.status == "failed",
        # Reasons are stored as [[code, numbers], ...]; the first decided.
        job.reason_json.startswith(f'[["{ReasonCode.BUDGET_EXHAUSTED}"'),
    )


def entries_since(tx: Tx, since_at: float) -> tuple[LedgerEntry, ...]:
    """Given an instant, return the entries that were made since, oldest first."""
    rows: Sequence[Any] = tx.execute(_entries(), b_since=since_at).all()
    return tuple(LedgerEntry(kind, Category(category), *rest) for kind, category, *rest in rows)


@cache
def _entries() -> Executable:
    entry, reservation = spend_ledger.c, spend_ledger.alias("reservation")
    reserved = (reservation.c.node_key == entry.node_key) & (reservation.c.entry_key == entry.reserve_key)
    amount = func.coalesce(reservation.c.amount_msat, entry.amount_msat)
    return (
        select(entry.kind, entry.category, entry.amount_msat, amount, entry.entered_at)
        .select_from(spend_ledger.outerjoin(reservation, reserved))
        .where(entry.node_key == NODE, entry.entered_at >= bindparam("b_since"))
        .order_by(entry.entered_at, entry.entry_key)
    )


def gaps(tx: Tx) -> Reason | None:
    """Return how many entries are missing from the ledger, or are too many, of all categories; None where none is."""
    expected, found = tx.execute(_counts()).one()
    return None if expected == found else why(ReasonCode.LEDGER_GAPS, found_count=found, written_count=expected)


@cache
def _counts() -> Executable:
    """A node without a head has written nothing."""
    expected = select(ledger_head.c.entry_count).where(ledger_head.c.node_key == NODE).scalar_subquery()
    found = select(func.count()).select_from(spend_ledger).where(spend_ledger.c.node_key == NODE).scalar_subquery()
    return select(func.coalesce(expected, 0), found)


def known_height(tx: Tx) -> int | None:
    """The chain's height at the last sync; None where that tells nothing of time, or is not known."""
    height: int | None = tx.execute(_height()).scalar()
    return height


@cache
def _height() -> Executable:
    return select(node.c.blockheight).where(node.c.node_key == NODE, node.c.network != CHAINLESS)


def income_between(tx: Tx, since_at: float, until_at: float) -> int:
    """Return what forwards that settled from `since_at` to `until_at` earned, in msat. What a wrong clock dated into
    the future is no income yet: it would raise the limit for as long as it lies ahead.
    """
    return settled_fees_msat(tx, since_at, math.nextafter(until_at, math.inf))
