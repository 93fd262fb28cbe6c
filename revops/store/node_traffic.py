"""Traffic added up for a likeness of the node: by hour and exit, and by size. The database adds; rows stay there.

It looks back no further than raw forwards are kept (a month at least), since hours and sizes aren't in the days.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, case, cast, func, literal_column, select

from revops.domain.forward import ForwardStatus
from revops.domain.node_traffic import AmountBin, EntryHour, TrafficHour
from revops.domain.traffic import FULL_INTEREST_PERMILLE
from revops.store.earned import LEAST_EARNING_MSAT, size_permille
from revops.store.engine import Tx
from revops.store.fees import VALVE
from revops.store.flows import status_literal
from revops.store.keys import channel_keys, total
from revops.store.tables import channel, channel_move, fee_change, forward

#: WIRE_TEMPORARY_CHANNEL_FAILURE: what a channel without the liquidity says. Other refusals are of fees and expiries.
_NO_LIQUIDITY_FAILCODE: Final = 0x1007
#: Sizes are counted in bins that double in two steps, from 1,000 sat on; 34 of them reach 1.3 bitcoin.
_BIN_COUNT: Final = 34
_BIN_EDGES_MSAT: Final = tuple(round(LEAST_EARNING_MSAT * 2 ** (number / 2)) for number in range(_BIN_COUNT + 1))
_FINAL: Final = (ForwardStatus.SETTLED, ForwardStatus.FAILED, ForwardStatus.LOCAL_FAILED)


def oldest_at(tx: Tx) -> float | None:
    """Return when the oldest payment on record was counted, of those that are not summed up by day; None for none."""
    oldest = [
        tx.connection.execute(select(func.min(forward.c.counted_at)).where(*_raw(tx, status, 0.0))).scalar()
        for status in _FINAL
    ]
    return min((at for at in oldest if at is not None), default=None)


def attempts_by_channel(tx: Tx, since_at: float) -> dict[str, int]:
    """Return how many payments wanted to leave by each channel_id since then, of those by which any did."""
    ids = {key: channel_id for channel_id, key in channel_keys(tx).items()}
    counts: dict[str, int] = {}
    for status in _FINAL:
        statement = (
            select(forward.c.out_channel_key, func.count().label("attempt_count"))
            .where(*_wanted(tx, status, since_at))
            .group_by(forward.c.out_channel_key)
        )
        for row in tx.connection.execute(statement):
            channel_id = ids[row.out_channel_key]
            counts[channel_id] = counts.get(channel_id, 0) + int(row.attempt_count)
    return counts


def traffic_hours(tx: Tx, channel_ids: Collection[str], since_at: float) -> dict[str, tuple[TrafficHour, ...]]:
    """Given channels, return the hours since then in which a payment wanted to leave by them, in order."""
    found: dict[str, dict[int, TrafficHour]] = {channel_id: {} for channel_id in channel_ids}
    for status in _FINAL:
        sums = total(_interest(status)).label("permille"), total(forward.c.out_msat).label("sent_msat")
        for channel_id, row in _by_hour(tx, status, forward.c.out_channel_key, channel_ids, since_at, *sums):
            interest, count = int(row.permille) / FULL_INTEREST_PERMILLE, int(row.payment_count)
            hour = TrafficHour(row.hour, 0, 0, count, 0.0, 0.0)
            if status is ForwardStatus.SETTLED:
                hour = TrafficHour(row.hour, count, 0, 0, interest, 0.0, int(row.sent_msat))
            elif status is ForwardStatus.FAILED:
                hour = TrafficHour(row.hour, 0, count, 0, 0.0, interest)
            had = found[channel_id].get(row.hour)
            found[channel_id][row.hour] = hour if had is None else had.joined(hour)
    return {channel_id: tuple(sorted(by_hour.values())) for channel_id, by_hour in found.items()}


def entry_hours(tx: Tx, channel_ids: Collection[str], since_at: float) -> dict[str, tuple[EntryHour, ...]]:
    """Given channels, return the hours since then in which a payment entered by them, or anything but a forward moved
    their balance, in order.
    """
    found: dict[str, dict[int, EntryHour]] = {channel_id: {} for channel_id in channel_ids}

    def add(channel_id: str, hour: EntryHour) -> None:
        had = found[channel_id].get(hour.hour)
        found[channel_id][hour.hour] = hour if had is None else had.joined(hour)

    received = total(forward.c["in_msat"]).label("received_msat")
    for status in _FINAL:
        for channel_id, row in _by_hour(tx, status, forward.c.in_channel_key, channel_ids, since_at, received):
            count = int(row.payment_count)
            hour = EntryHour(row.hour, 0, count)
            if status is ForwardStatus.SETTLED:
                hour = EntryHour(row.hour, count, 0, int(row.received_msat))
            add(channel_id, hour)
    for channel_id, number, moved_msat in _moved(tx, channel_ids, since_at):
        add(channel_id, EntryHour(number, 0, 0, 0, moved_msat))
    return {channel_id: tuple(sorted(by_hour.values())) for channel_id, by_hour in found.items()}


def _by_hour(
    tx: Tx, status: ForwardStatus, side: Any, channel_ids: Collection[str], since_at: float, *sums: Any
) -> Iterator[tuple[str, Any]]:
    """Payments of one status by channel on one side and hour: how many, and these sums."""
    ids = _ids(tx, channel_ids)
    hour = _hour(tx, forward.c.counted_at).label("hour")
    statement = (
        select(side.label("channel_key"), hour, func.count().label("payment_count"), *sums)
        .where(*_wanted(tx, status, since_at), side.in_(sorted(ids)))
        .group_by(side, hour)
    )
    for row in tx.connection.execute(statement):
        yield ids[row.channel_key], row


def _moved(tx: Tx, channel_ids: Collection[str], since_at: float) -> Iterator[tuple[str, int, int]]:
    """What moved a channel's balance beside forwards, which have no such rows here (`moves.py`)."""
    ids = _ids(tx, channel_ids)
    move = channel_move.c
    hour = _hour(tx, move.moved_at).label("hour")
    statement = (
        select(move.account_key, hour, (total(move.credit_msat) - total(move.debit_msat)).label("moved_msat"))
        .where(move.node_key == tx.node_key, move.moved_at >= int(since_at), move.account_key.in_(sorted(ids)))
        .group_by(move.account_key, hour)
    )
    for row in tx.connection.execute(statement):
        yield ids[row.account_key], row.hour, int(row.moved_msat)


def _ids(tx: Tx, channel_ids: Collection[str]) -> dict[int, str]:
    keys = channel_keys(tx)
    return {keys[channel_id]: channel_id for channel_id in channel_ids if channel_id in keys}


def _hour(tx: Tx, moment: Any) -> ColumnElement[int]:
    """PostgreSQL rounds where SQLite cuts, and SQLite may be built without floor()."""
    hours = moment / literal_column("3600.0")
    return cast(func.floor(hours) if tx.connection.dialect.name == "postgresql" else hours, BigInteger)


def _interest(status: ForwardStatus) -> ColumnElement[int]:
    """As strategies count it: what was never scored counts by its size if it settled, else for nothing."""
    if status is not ForwardStatus.SETTLED:
        return func.coalesce(forward.c.interest_permille, 0)
    return func.coalesce(forward.c.interest_permille, size_permille(forward.c.out_msat))


def amounts(tx: Tx, since_at: float) -> tuple[AmountBin, ...]:
    """Return the payments since then by size, settled or not; bins without any are left out."""
    amount = _amount()
    counts: dict[int, int] = {}
    for status in _FINAL:
        place = case(
            *((amount < edge, number) for number, edge in enumerate(_BIN_EDGES_MSAT[1:])), else_=_BIN_COUNT - 1
        )
        statement = select(place.label("place"), func.count().label("count")).where(*_wanted(tx, status, since_at))
        for row in tx.connection.execute(statement.group_by(place)):
            counts[row.place] = counts.get(row.place, 0) + int(row[1])
    return tuple(
        AmountBin(_BIN_EDGES_MSAT[place], _BIN_EDGES_MSAT[place + 1], counts[place]) for place in sorted(counts)
    )


def tiny_count(tx: Tx, since_at: float) -> int:
    """Return how many payments since then were too small to prove anything."""
    return sum(
        int(
            tx.connection.execute(
                select(func.count())
                .select_from(forward)
                .where(*_raw(tx, status, since_at), _amount() < LEAST_EARNING_MSAT)
            ).scalar_one()
        )
        for status in _FINAL
    )


def _raw(tx: Tx, status: ForwardStatus, since_at: float) -> list[Any]:
    """The condition for raw forwards of one status, counted from `since_at` on; with a bound even where all are meant,
    since SQLite would walk another index without, in another order than the rows.
    """
    return [
        forward.c.node_key == tx.node_key,
        forward.c.status == status_literal(status),
        forward.c.counted_at >= since_at,
    ]


def _amount() -> ColumnElement[int]:
    return func.coalesce(forward.c.out_msat, forward.c["in_msat"])


def _wanted(tx: Tx, status: ForwardStatus, since_at: float) -> list[Any]:
    """Payments that were to use an exit's liquidity, and are large enough to prove it."""
    condition = [
        *_raw(tx, status, since_at), forward.c.out_channel_key.is_not(None), _amount() >= LEAST_EARNING_MSAT
    ]  # fmt: skip
    if status is ForwardStatus.LOCAL_FAILED:
        condition.append(forward.c.failcode == _NO_LIQUIDITY_FAILCODE)
    return condition


def prices_since(tx: Tx, since_at: float) -> dict[str, tuple[tuple[float, int], ...]]:
    """Return from when on each fee of each channel_id was in force, in order: those since then, and the one before."""
    mine = (fee_change.c.node_key == tx.node_key, fee_change.c.source != VALVE)
    before = (
        select(func.max(fee_change.c.change_key))
        .where(*mine, fee_change.c.changed_at < since_at)
        .group_by(fee_change.c.channel_key)
    )
    statement = (
        select(channel.c.channel_id, fee_change.c.changed_at, fee_change.c.new_ppm)
        .join(
            channel, (channel.c.node_key == fee_change.c.node_key) & (channel.c.channel_key == fee_change.c.channel_key)
        )
        .where(*mine, (fee_change.c.changed_at >= since_at) | fee_change.c.change_key.in_(before))
        .order_by(fee_change.c.change_key)
    )
    found: dict[str, list[tuple[float, int]]] = {}
    for row in tx.connection.execute(statement):
        found.setdefault(row.channel_id, []).append((row.changed_at, row.new_ppm))
    return {channel_id: tuple(sorted(prices)) for channel_id, prices in found.items()}
