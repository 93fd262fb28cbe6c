"""Forwards that are settled while a peer has not let go of their HTLC yet: the node's ledger has them when he has.

A forward is settled as soon as the payee's side tells the preimage. The payer's side may be away for hours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from sqlalchemy import BindParameter, ColumnElement, Executable, bindparam, func, select

from revops.domain.channel import Channel
from revops.domain.forward import ForwardStatus
from revops.domain.reconciliation import Sides
from revops.store.engine import NODE, Tx
from revops.store.flows import status_literal
from revops.store.tables import forward

#: How an HTLC's state is called from the moment on that its end is known to one side.
_ENDING: Final = "_REMOVE_"
#: An HTLC ends at its expiry at the latest, and none may last for longer than two weeks (2,016 blocks).
LONGEST_SECONDS: Final = 21 * 86_400.0


def under_way(tx: Tx, listed: Iterable[Channel], keys: Mapping[str, int]) -> dict[int, tuple[Sides, ...]]:
    """Given the channels as the node lists them and their keys, return by channel_key what the forwards may be that are
    settled and not yet in the ledger, one by one. An HTLC that ends is one if a forward like it has settled.
    """
    ending = [
        (keys[one.channel_id], htlc.direction, htlc.amount_msat)
        for one in listed
        if one.channel_id in keys
        for htlc in one.htlcs
        if _ENDING in htlc.state
    ]
    if not ending:
        return {}
    found: dict[int, list[Sides]] = defaultdict(list)
    last_at = tx.execute(_last()).scalar() or 0.0
    amounts = sorted({msat for _, _, msat in ending})
    fees: dict[tuple[int, str, int], int] = {}
    for row in tx.execute(_alike(), b_since=last_at - LONGEST_SECONDS, b_amounts=amounts):
        fees[row.in_channel_key, "in", row.in_msat] = row.fee_msat
        fees[row.out_channel_key, "out", row.out_msat] = row.fee_msat
    for key, direction, msat in ending:
        fee_msat = fees.get((key, direction, msat))
        if fee_msat is None:
            continue
        entered = direction == "in"
        found[key].append(
            Sides(in_msat=msat, sourced_msat=fee_msat) if entered else Sides(out_msat=msat, earned_msat=fee_msat)
        )
    return {key: tuple(parts) for key, parts in found.items()}


@cache
def _last() -> Executable:
    return select(func.max(forward.c.counted_at)).where(*_settled())


@cache
def _alike() -> Executable:
    raw = forward.c
    amounts: BindParameter[list[int]] = bindparam("b_amounts", expanding=True)
    alike = raw.in_msat.in_(amounts) | raw.out_msat.in_(amounts)
    return (
        select(raw.in_channel_key, raw.out_channel_key, raw.in_msat, raw.out_msat, raw.fee_msat)
        .where(*_settled(), raw.counted_at >= bindparam("b_since"), alike)
        .order_by(raw.counted_at)
    )


def _settled() -> tuple[ColumnElement[bool], ...]:
    return forward.c.node_key == NODE, forward.c.status == status_literal(ForwardStatus.SETTLED)
