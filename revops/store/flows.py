"""What went through channels: sums of whole days and of all time as they are kept, and of raw forwards at a window's
ends.

Sums count a forward whether its row is still there or not, so totals don't depend on when a rollup ran. The ends do: a
window that begins or ends inside a day of which rows were already pruned leaves those out; retention is a month at
least, windows that decide are shorter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from typing import Final

from sqlalchemy import ColumnElement, Executable, Integer, bindparam, func, literal_column, select

from revops.domain.forward import Flow, ForwardStatus
from revops.store.days import DAY_SECONDS, day_of
from revops.store.engine import NODE, Tx
from revops.store.keys import channel_keys, total
from revops.store.sums import NO_CHANNEL
from revops.store.tables import EVER, flow_sum, forward

#: Later than all days.
_NO_END: Final = 2**31 - 1


def status_literal(status: ForwardStatus) -> ColumnElement[int]:
    """A status written into the SQL: the partial indexes are only used where their condition stands literally."""
    return literal_column(str(int(status)), Integer)


@dataclass(frozen=True, slots=True)
class _Window:
    """A window, taken apart: the days that lie wholly in it, and parts of those that it begins and ends in."""

    first_day: int
    end_day: int
    edges: tuple[tuple[float, float], ...]

    @property
    def days(self) -> dict[str, int]:
        """The parameters for its days."""
        return {"b_first_day": self.first_day, "b_end_day": self.end_day}


def _window(since_at: float | None, until_at: float | None) -> _Window:
    """Given a window's ends (None: no bound), not both None, take it apart."""
    first_day = EVER + 1 if since_at is None else max(-day_of(-since_at), EVER + 1)
    end_day = _NO_END if until_at is None else day_of(until_at)
    edges = []
    if since_at is not None and (until_at is None or first_day <= end_day):
        edges.append((since_at, float(first_day * DAY_SECONDS)))
    if until_at is not None:
        start_at = end_day * DAY_SECONDS
        edges.append((float(start_at) if since_at is None else max(float(start_at), since_at), until_at))
    return _Window(first_day, end_day, tuple(edge for edge in edges if edge[0] < edge[1]))


@dataclass(slots=True)
class FlowSum:
    """A flow being added up, and how many forwards to the channel failed beyond us."""

    in_msat: int = 0
    out_msat: int = 0
    in_count: int = 0
    out_count: int = 0
    earned_msat: int = 0
    sourced_msat: int = 0
    refused_count: int = 0
    failed_count: int = 0
    last_settled_at: float | None = None

    @property
    def flowed(self) -> bool:
        """Whether anything went through, or was refused."""
        return self.in_count > 0 or self.out_count > 0 or self.refused_count > 0

    def settled_at(self, at: float | None) -> None:
        """Given when something settled last, keep it if it is the latest."""
        if at is not None and (self.last_settled_at is None or at > self.last_settled_at):
            self.last_settled_at = at

    def flow(self) -> Flow:
        """Return what was added up."""
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
    ids = {key: channel_id for channel_id, key in channel_keys(tx).items()}
    by_key = flow_sums(tx, since_at, until_at)
    return {ids[key]: one.flow() for key, one in by_key.items() if one.flowed and key != NO_CHANNEL}


def flow_sums(tx: Tx, since_at: float | None, until_at: float | None = None) -> dict[int, FlowSum]:
    """Given a window (None: no bound), return the sums by channel_key: of failures for which no exit was chosen by
    NO_CHANNEL.
    """
    if since_at is None and until_at is None:
        return {row[0]: _flow_sum(*row[1:]) for row in tx.execute(_ever())}
    window = _window(since_at, until_at)
    found = {row[0]: _flow_sum(*row[1:]) for row in tx.execute(_days(), **window.days)}
    for since, until in window.edges:
        _add_raw(tx, found, since, until)
    return found


def _flow_sum(last_settled_at: float | None, *sums: int) -> FlowSum:
    """PostgreSQL sums bigint into numeric."""
    found = FlowSum(*map(int, sums))
    found.settled_at(last_settled_at)
    return found


#: What FlowSum adds up, in its order.
_COLUMNS: Final = tuple(field.name for field in fields(FlowSum) if field.name != "last_settled_at")


@cache
def _ever() -> Executable:
    columns = ("channel_key", "last_settled_at", *_COLUMNS)
    return select(*(flow_sum.c[name] for name in columns)).where(flow_sum.c.node_key == NODE, flow_sum.c.day == EVER)


@cache
def _days() -> Executable:
    columns = (total(flow_sum.c[name]) for name in _COLUMNS)
    sums = select(flow_sum.c.channel_key, func.max(flow_sum.c.last_settled_at), *columns)
    return sums.where(*_whole_days()).group_by(flow_sum.c.channel_key)


def _whole_days() -> tuple[ColumnElement[bool], ...]:
    day = flow_sum.c.day
    return flow_sum.c.node_key == NODE, day >= bindparam("b_first_day"), day < bindparam("b_end_day")


def _add_raw(tx: Tx, sums: dict[int, FlowSum], since_at: float, until_at: float) -> None:
    """Add what raw forwards say of a part of a day."""
    bounds = {"b_since": since_at, "b_until": until_at}
    for row in tx.execute(_settled("out"), **bounds):
        out = sums.setdefault(row.channel_key, FlowSum())
        out.out_msat += int(row.amount_msat)
        out.out_count += int(row.settled_count)
        out.earned_msat += int(row.fee_msat)
        out.settled_at(row.last_at)
    for row in tx.execute(_settled("in"), **bounds):
        entry = sums.setdefault(row.channel_key, FlowSum())
        entry.in_msat += int(row.amount_msat)
        entry.in_count += int(row.settled_count)
        entry.sourced_msat += int(row.fee_msat)
        entry.settled_at(row.last_at)
    for row in tx.execute(_unsettled(ForwardStatus.LOCAL_FAILED), **bounds):
        sums.setdefault(row.out_channel_key or NO_CHANNEL, FlowSum()).refused_count += int(row.unsettled_count)
    for row in tx.execute(_unsettled(ForwardStatus.FAILED), **bounds):
        sums.setdefault(row.out_channel_key or NO_CHANNEL, FlowSum()).failed_count += int(row.unsettled_count)


def raw_between(status: ForwardStatus) -> tuple[ColumnElement[bool], ...]:
    """Given a status, return the condition for raw forwards of it, counted from `b_since` to before `b_until`."""
    return (
        forward.c.node_key == NODE,
        forward.c.status == status_literal(status),
        forward.c.counted_at >= bindparam("b_since"),
        forward.c.counted_at < bindparam("b_until"),
    )


@cache
def _settled(side: str) -> Executable:
    """Settled sums by the channel on one side ("in", "out"): a row a channel, not one for each of its pairs."""
    # A term, since to group by the column itself SQLite would walk all of an index that is in the exits' order.
    key = forward.c[f"{side}_channel_key"] + literal_column("0", Integer)
    sums = select(
        key.label("channel_key"),
        func.count().label("settled_count"),
        total(forward.c[f"{side}_msat"]).label("amount_msat"),
        total(forward.c.fee_msat).label("fee_msat"),
        func.max(forward.c.counted_at).label("last_at"),
    )
    return sums.where(*raw_between(ForwardStatus.SETTLED)).group_by(key)


@cache
def _unsettled(status: ForwardStatus) -> Executable:
    key = forward.c.out_channel_key
    return select(key, func.count().label("unsettled_count")).where(*raw_between(status)).group_by(key)


def sold_msat(tx: Tx, since_at: float) -> dict[str, int]:
    """Return what left by each channel_id since then, in msat, of those by which anything did."""
    keys = {key: channel_id for channel_id, key in channel_keys(tx).items()}
    sums: dict[str, int] = {}
    for key, amount_msat, count in _sold(tx, since_at):
        if count > 0:
            sums[keys[key]] = sums.get(keys[key], 0) + int(amount_msat)
    return sums


def _sold(tx: Tx, since_at: float) -> Iterator[tuple[int, int, int]]:
    window = _window(since_at, None)
    yield from tx.execute(_sold_days(), **window.days)
    for since, until in window.edges:
        for row in tx.execute(_settled("out"), b_since=since, b_until=until):
            yield row.channel_key, row.amount_msat, row.settled_count


@cache
def _sold_days() -> Executable:
    sums = select(flow_sum.c.channel_key, total(flow_sum.c.out_msat), total(flow_sum.c.out_count))
    return sums.where(*_whole_days()).group_by(flow_sum.c.channel_key)


def settled_fees_msat(tx: Tx, since_at: float | None, until_at: float | None = None) -> int:
    """Given a window (None: no bound), return what settled forwards earned in it."""
    if since_at is None and until_at is None:
        return int(tx.execute(_fees_ever()).scalar_one())
    window = _window(since_at, until_at)
    parts = [tx.execute(_fees_of_days(), **window.days)]
    parts += [tx.execute(_raw_fees(), b_since=since, b_until=until) for since, until in window.edges]
    return sum(int(part.scalar_one()) for part in parts)


@cache
def _fees_ever() -> Executable:
    return select(total(flow_sum.c.earned_msat)).where(flow_sum.c.node_key == NODE, flow_sum.c.day == EVER)


@cache
def _fees_of_days() -> Executable:
    return select(total(flow_sum.c.earned_msat)).where(*_whole_days())


@cache
def _raw_fees() -> Executable:
    return select(total(forward.c.fee_msat)).where(*raw_between(ForwardStatus.SETTLED))
