"""Lots of bought liquidity while forwards are followed: what they have changed a channel's balance by since."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any, Final

from sqlalchemy import Executable, or_, select

from revops.domain.forward import ForwardStatus
from revops.domain.rebalance import Lot, sold_of
from revops.store.days import DAY_SECONDS
from revops.store.engine import Tx
from revops.store.flows import status_literal
from revops.store.tables import forward

_PAGE_ROWS: Final = 50_000
#: All the msat that there will ever be.
UNKNOWN_MSAT: Final = 21 * 10**17


class OpenLot:
    """A lot while forwards are added up: what they have changed the balance by since, and the lowest that this was."""

    __slots__ = (
        "amount_msat", "bought_at", "channel_id", "channel_key", "ends_at", "fee_msat", "job_key", "local_before_msat",
        "low_msat", "moved", "net_msat", "until_at",
    )  # fmt: skip

    def __init__(self, row: Any, horizon_days: int) -> None:
        self.job_key, self.channel_key, self.channel_id = row.job_key, row.channel_key, row.channel_id
        self.amount_msat, self.fee_msat = int(row.amount_msat), int(row.fee_msat)
        # Not known (None) is more than any channel could sell.
        self.local_before_msat = UNKNOWN_MSAT if row.local_before_msat is None else int(row.local_before_msat)
        self.bought_at, self.ends_at = row.finished_at, row.finished_at + horizon_days * DAY_SECONDS
        self.until_at, self.net_msat, self.low_msat, self.moved = self.bought_at, 0, 0, False

    def take_up(self, mark: Any, now: float) -> None:
        """Go on from a mark; not from one of another horizon or clock, which counts what came after the end."""
        if mark.channel_key == self.channel_key and self.bought_at <= mark.until_at <= min(self.ends_at, now):
            self.until_at, self.net_msat, self.low_msat = mark.until_at, mark.net_msat, mark.low_msat

    def take(self, changes: Sequence[int]) -> None:
        """Changes of the balance in the order in which they came; not empty."""
        nets = list(accumulate(changes, initial=self.net_msat))
        self.net_msat, self.low_msat = nets[-1], min(self.low_msat, min(nets))

    def mark(self) -> dict[str, Any]:
        """What is to be remembered of it (`lot_marks.keep`)."""
        names = ("job_key", "channel_key", "until_at", "net_msat", "low_msat")
        return {name: getattr(self, name) for name in names}

    def lot(self, now: float) -> Lot:
        """Return the lot with what of it was sold by what was followed."""
        sold_msat = sold_of(self.amount_msat, self.local_before_msat, self.low_msat)
        return Lot(self.amount_msat, self.fee_msat, max(now - self.bought_at, 0.0) / DAY_SECONDS, sold_msat)


def follow(tx: Tx, found: Iterable[OpenLot], until_at: float) -> None:
    """Add up what forwards counted until then have changed, or until the end of each lot's horizon."""
    by_key: dict[int, list[tuple[OpenLot, float, float]]] = {}
    for one in found:
        stop_at = min(one.ends_at, until_at)
        if one.until_at < stop_at:
            by_key.setdefault(one.channel_key, []).append((one, one.until_at, stop_at))
            one.until_at, one.moved = stop_at, True
    if not by_key:
        return
    spans = [(from_at, stop_at) for following in by_key.values() for _, from_at, stop_at in following]
    statement = _moved(tuple(by_key), tx.node_key, min(span[0] for span in spans), max(span[1] for span in spans))
    rows = tx.connection.execute(statement)
    while page := rows.fetchmany(_PAGE_ROWS):
        for key, (instants, amounts) in _by_channel(page, by_key.keys()).items():
            for one, from_at, stop_at in by_key[key]:
                first, last = bisect_right(instants, from_at), bisect_right(instants, stop_at)
                if first < last:
                    one.take(amounts[first:last])


def _by_channel(page: Iterable[Any], keys: Iterable[int]) -> dict[int, tuple[list[float], list[int]]]:
    """When these channels' balances changed and by what, in the order of the rows."""
    changes: dict[int, tuple[list[float], list[int]]] = {key: ([], []) for key in keys}
    for at, in_key, in_msat, out_key, out_msat in page:
        if (left := changes.get(out_key)) is not None:
            left[0].append(at)
            left[1].append(-out_msat)
        if (entered := changes.get(in_key)) is not None:
            entered[0].append(at)
            entered[1].append(in_msat)
    return changes


def _moved(keys: Sequence[int], node_key: int, since_at: float, now: float) -> Executable:
    row = forward.c
    return (
        select(row.counted_at, row.in_channel_key, row.in_msat, row.out_channel_key, row.out_msat)
        .where(
            row.node_key == node_key,
            row.status == status_literal(ForwardStatus.SETTLED),
            row.counted_at > since_at,
            row.counted_at <= now,
            or_(row.out_channel_key.in_(keys), row.in_channel_key.in_(keys)),
        )
        .order_by(row.counted_at, row.created_index)
    )
