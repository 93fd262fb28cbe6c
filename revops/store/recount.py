"""Whether the sums by channel and day are still those of all forwards: a look at all of history, for `db check`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Connection, Select, case, func, literal_column, or_, select, union_all

from revops.domain.forward import ForwardStatus
from revops.store.flows import status_literal
from revops.store.sums import SUMS
from revops.store.tables import EVER, flow_sum, forward, forward_day

_NONE = literal_column("0", BigInteger)
_ONE = literal_column("1", BigInteger)


def wrong_sums(connection: Connection, node_key: int | None = None) -> list[str]:
    """Given a connection and a node (None: all), return, for a person, which sums of all time aren't those of all
    forwards, or of all days.
    """
    compared = {"forwards": _of_forwards(), "days": (_kept(flow_sum.c.day != EVER, 1),)}
    return [
        f"node {row.node_key}: the sums of channel_key {row.channel_key} aren't those of its {what}"
        for what, parts in compared.items()
        for row in connection.execute(_differing(*parts))
        if node_key in (None, row.node_key)
    ]


def _differing(*parts: Select[Any]) -> Select[Any]:
    """The channels where all parts less the sums of all time don't come to nothing."""
    both = union_all(*parts, _kept(flow_sum.c.day == EVER, -1)).subquery()
    keys = (both.c.node_key, both.c.channel_key)
    differs = or_(*(func.sum(both.c[name]) != 0 for name in SUMS))
    return select(*keys).group_by(*keys).having(differs).order_by(*keys)


def _kept(condition: Any, sign: int) -> Select[Any]:
    amounts = {name: sign * flow_sum.c[name] for name in SUMS}
    return _part(flow_sum.c.node_key, flow_sum.c.channel_key, **amounts).where(condition)


def _of_forwards() -> tuple[Select[Any], ...]:
    """What each forward was to its entry and to its exit; the pruned ones by day."""
    raw, days = forward.c, forward_day.c
    settled, refused, failed = (
        raw.status == status_literal(status)
        for status in (ForwardStatus.SETTLED, ForwardStatus.LOCAL_FAILED, ForwardStatus.FAILED)
    )
    entered = {"in_count": _ONE, "in_msat": raw.in_msat, "sourced_msat": raw.fee_msat}
    left = {"out_count": _ONE, "out_msat": raw.out_msat, "earned_msat": raw.fee_msat}
    ended = {"refused_count": case((refused, _ONE), else_=_NONE), "failed_count": case((failed, _ONE), else_=_NONE)}
    by_day = {
        "in": {"in_count": days.settled_count, "in_msat": days.settled_in_msat, "sourced_msat": days.fee_msat},
        "out": {"out_count": days.settled_count, "out_msat": days.settled_out_msat, "earned_msat": days.fee_msat}
        | {"refused_count": days.refused_count, "failed_count": days.failed_count},
    }
    return (
        _part(raw.node_key, raw.in_channel_key, **entered).where(settled),
        _part(raw.node_key, raw.out_channel_key, **left).where(settled),
        _part(raw.node_key, func.coalesce(raw.out_channel_key, 0), **ended).where(or_(refused, failed)),
        *(_part(days.node_key, days[f"{side}_channel_key"], **amounts) for side, amounts in by_day.items()),
    )


def _part(node_key: Any, channel_key: Any, **amounts: Any) -> Select[Any]:
    columns = (amounts.get(name, _NONE).label(name) for name in SUMS)
    return select(node_key.label("node_key"), channel_key.label("channel_key"), *columns)
