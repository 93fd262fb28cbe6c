"""What each channel earned on each of the last days, as its line in a list shows it."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Executable, bindparam, select

from revops.store.engine import NODE, Tx
from revops.store.tables import channel, flow_sum


def earned_by_day(tx: Tx, first_day: int, day_count: int) -> dict[str, tuple[int, ...]]:
    """Given UTC days, return by channel_id what forwards that left by it earned on each, in msat; without the channels
    that earned nothing.
    """
    found: dict[str, list[int]] = {}
    days = {"b_first": first_day, "b_end": first_day + day_count}
    for channel_id, day, earned_msat in tx.execute(_earned(), **days).all():
        found.setdefault(channel_id, [0] * day_count)[day - first_day] = earned_msat
    return {channel_id: tuple(days_msat) for channel_id, days_msat in found.items()}


@cache
def _earned() -> Executable:
    own = (channel.c.node_key == flow_sum.c.node_key) & (channel.c.channel_key == flow_sum.c.channel_key)
    during = (flow_sum.c.day >= bindparam("b_first"), flow_sum.c.day < bindparam("b_end"))
    return (
        select(channel.c.channel_id, flow_sum.c.day, flow_sum.c.earned_msat)
        .join(channel, own)
        .where(flow_sum.c.node_key == NODE, *during, flow_sum.c.earned_msat > 0)
    )
