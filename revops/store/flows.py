"""What went through channels: sums over raw forwards and over the days into which old ones were summarised.

Both parts are disjoint, so totals don't depend on when a rollup ran. Days are whole: a window that begins or ends
inside a day of which rows were already pruned leaves those out; retention is a month at least, windows that decide
are shorter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Executable, Integer, bindparam, func, literal_column, select

from revops.domain.forward import Flow, ForwardStatus
from revops.store.days import DAY_SECONDS
from revops.store.engine import NODE, Tx
from revops.store.keys import channel_keys, total
from revops.store.tables import forward, forward_day


def status_literal(status: ForwardStatus) -> ColumnElement[int]:
    """A status written into the SQL: the partial indexes are only used where their condition stands literally."""
    return literal_column(str(int(status)), Integer)


class Window(NamedTuple):
    """Which ends of a window are given: all that its statements depend on. The rest are their parameters."""

    since: bool
    until: bool


def window_of(since_at: float | None, until_at: float | None = None) -> tuple[Window, dict[str, float]]:
    """Given a window's ends (None: no bound), return its kind and the values of its parameters."""
    # Without a bound SQLite would walk another index, in another order than the rows: five times slower.
    values: dict[str, float] = {"b_since": 0.0 if since_at is None else since_at}
    if since_at is not None:
        values["b_first_day"] = math.ceil(since_at / DAY_SECONDS)
    if until_at is not None:
        values |= {"b_until": until_at, "b_end_day": math.floor(until_at / DAY_SECONDS)}
    return Window(since_at is not None, until_at is not None), values


def raw_window(status: ForwardStatus, window: Window) -> list[Any]:
    """The condition for raw forwards of one status, counted from `b_since` to before `b_until`."""
    condition: list[Any] = [
        forward.c.node_key == NODE,
        forward.c.status == status_literal(status),
        forward.c.counted_at >= bindparam("b_since"),
    ]
    if window.until:
        condition.append(forward.c.counted_at < bindparam("b_until"))
    return condition


def day_window(window: Window) -> list[Any]:
    """The condition for summarised days that lie wholly in the window."""
    condition: list[Any] = [forward_day.c.node_key == NODE]
    if window.since:
        condition.append(forward_day.c.day >= bindparam("b_first_day"))
    if window.until:
        condition.append(forward_day.c.day < bindparam("b_end_day"))
    return condition


@dataclass(slots=True)
class _Sum:
    """A flow being added up."""

    in_msat: int = 0
    out_msat: int = 0
    in_count: int = 0
    out_count: int = 0
    earned_msat: int = 0
    sourced_msat: int = 0
    refused_count: int = 0
    last_settled_at: float | None = None

    def settled_at(self, at: float | None) -> None:
        if at is not None and (self.last_settled_at is None or at > self.last_settled_at):
            self.last_settled_at = at

    def flow(self) -> Flow:
        return Flow(
            in_msat=self.in_msat,
            out_msat=self.out_msat,
            in_count=self.in_count,
            out_count=self.out_count,
            earned_msat=self.earned_msat,
            sourced_msat=self.sourced_msat,
            refused_count=self.refused_count,
            last_settled_at=self.last_settled_at,
        )


def flows(tx: Tx, since_at: float | None, until_at: float | None = None) -> dict[str, Flow]:
    """Given a window (None: no bound), return the flow of each channel_id that had any; amounts in msat.

    `in_*` is what entered by a channel, `out_*` what left by it. A refusal (local_failed) is counted on the exit that
    was wanted.
    """
    by_key = flows_by_key(tx, since_at, until_at)
    ids = {key: channel_id for channel_id, key in channel_keys(tx).items()}
    return {ids[key]: flow for key, flow in by_key.items()}


def flows_by_key(tx: Tx, since_at: float | None, until_at: float | None = None) -> dict[int, Flow]:
    """As `flows`, by channel_key."""
    sums: dict[int, _Sum] = {}
    for row in _settled(tx, "out", since_at, until_at):
        out = sums.setdefault(row.channel_key, _Sum())
        out.out_msat += int(row.amount_msat)
        out.out_count += int(row.settled_count)
        out.earned_msat += int(row.fee_msat)
        out.settled_at(row.last_at)
    for row in _settled(tx, "in", since_at, until_at):
        entry = sums.setdefault(row.channel_key, _Sum())
        entry.in_msat += int(row.amount_msat)
        entry.in_count += int(row.settled_count)
        entry.sourced_msat += int(row.fee_msat)
        entry.settled_at(row.last_at)
    for row in _refused(tx, since_at, until_at):
        sums.setdefault(row.out_channel_key, _Sum()).refused_count += int(row.refused_count)
    return {key: sum_.flow() for key, sum_ in sums.items()}


def sold_msat(tx: Tx, since_at: float) -> dict[str, int]:
    """Return what left by each channel_id since then, in msat, of those by which anything did."""
    keys = {key: channel_id for channel_id, key in channel_keys(tx).items()}
    sums: dict[str, int] = {}
    for row in _settled(tx, "out", since_at, None):
        channel_id = keys[row.channel_key]
        sums[channel_id] = sums.get(channel_id, 0) + int(row.amount_msat)
    return sums


def _settled(tx: Tx, side: str, since_at: float | None, until_at: float | None) -> Iterator[Any]:
    """Settled sums by the channel on one side ("in", "out"): a row a channel, not one for each of its pairs."""
    window, values = window_of(since_at, until_at)
    for statement in _settled_parts(side, window):
        yield from tx.execute(statement, **values)


@cache
def _settled_parts(side: str, window: Window) -> tuple[Executable, Executable]:
    raw_key, day_key = forward.c[f"{side}_channel_key"], forward_day.c[f"{side}_channel_key"]
    raw = select(
        raw_key.label("channel_key"),
        func.count().label("settled_count"),
        total(forward.c[f"{side}_msat"]).label("amount_msat"),
        total(forward.c.fee_msat).label("fee_msat"),
        func.max(forward.c.counted_at).label("last_at"),
    ).where(*raw_window(ForwardStatus.SETTLED, window))
    days = select(
        day_key.label("channel_key"),
        total(forward_day.c.settled_count).label("settled_count"),
        total(forward_day.c[f"settled_{side}_msat"]).label("amount_msat"),
        total(forward_day.c.fee_msat).label("fee_msat"),
        func.max(forward_day.c.last_settled_at).label("last_at"),
    ).where(*day_window(window), forward_day.c.settled_count > 0)
    return raw.group_by(raw_key), days.group_by(day_key)


def _refused(tx: Tx, since_at: float | None, until_at: float | None) -> Iterator[Any]:
    window, values = window_of(since_at, until_at)
    for statement in _refused_parts(window):
        yield from tx.execute(statement, **values)


@cache
def _refused_parts(window: Window) -> tuple[Executable, Executable]:
    raw = select(forward.c.out_channel_key, func.count().label("refused_count")).where(
        *raw_window(ForwardStatus.LOCAL_FAILED, window), forward.c.out_channel_key.is_not(None)
    )
    days = select(forward_day.c.out_channel_key, total(forward_day.c.refused_count).label("refused_count")).where(
        *day_window(window), forward_day.c.refused_count > 0, forward_day.c.out_channel_key != 0
    )
    return raw.group_by(forward.c.out_channel_key), days.group_by(forward_day.c.out_channel_key)


def settled_fees_msat(tx: Tx, since_at: float | None, until_at: float | None = None) -> int:
    """Given a window (None: no bound), return what settled forwards earned in it."""
    window, values = window_of(since_at, until_at)
    return sum(int(tx.execute(part, **values).scalar_one()) for part in _fee_parts(window))


@cache
def _fee_parts(window: Window) -> tuple[Executable, Executable]:
    raw = select(total(forward.c.fee_msat)).where(*raw_window(ForwardStatus.SETTLED, window))
    return raw, select(total(forward_day.c.fee_msat)).where(*day_window(window))
