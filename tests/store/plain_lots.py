"""What of each refill was sold, added up plainly: every forward of the window, one by one, without marks."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from revops.domain.rebalance import Lot
from revops.store import refills
from revops.store.engine import Tx
from revops.store.tables import forward
from tests.builders import DAY
from tests.store.rows import SETTLED


class _Followed:
    def __init__(self, row: Any, horizon_days: int) -> None:
        self.amount_msat, self.fee_msat = int(row.amount_msat), int(row.fee_msat)
        self.bought_at, self.ends_at = row.finished_at, row.finished_at + horizon_days * DAY
        self.level_msat = self.lowest_msat = self.amount_msat + int(row.local_before_msat)

    def move(self, at: float, change_msat: int) -> None:
        if self.bought_at < at <= self.ends_at:
            self.level_msat += change_msat
            self.lowest_msat = min(self.lowest_msat, self.level_msat)

    def lot(self, now: float) -> Lot:
        sold_msat = min(max(self.amount_msat - max(self.lowest_msat, 0), 0), self.amount_msat)
        return Lot(self.amount_msat, self.fee_msat, max(now - self.bought_at, 0.0) / DAY, sold_msat)


def plain_lots(tx: Tx, now: float, horizon_days: int) -> dict[str, tuple[Lot, ...]]:
    """As `refills.lots`."""
    found: dict[str, list[_Followed]] = {}
    keys: dict[int, str] = {}
    for row in tx.execute(refills._bought(), b_since=now - 2 * horizon_days * DAY).all():
        found.setdefault(row.channel_id, []).append(_Followed(row, horizon_days))
        keys[row.channel_key] = row.channel_id
    statement = (
        select(forward)
        .where(forward.c.node_key == tx.node_key, forward.c.status == int(SETTLED), forward.c.counted_at <= now)
        .order_by(forward.c.counted_at, forward.c.created_index)
    )
    for row in tx.connection.execute(statement):
        for key, change_msat in ((row.out_channel_key, -row.out_msat), (row.in_channel_key, row.in_msat)):
            for one in found.get(keys.get(key, ""), ()):
                one.move(row.counted_at, change_msat)
    return {channel_id: tuple(one.lot(now) for one in bought) for channel_id, bought in found.items()}
