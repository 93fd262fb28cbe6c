"""Where a reading of the node's list of forwards was broken off, and what the node may have deleted before it went on.

What is deleted by age is the oldest part of a list, and is known by where the list begins (store/forgotten.py). But of
a list that was read in part it may be what came next, weeks later, and the list begins with what we have.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

from sqlalchemy import Executable, bindparam, func, select

from revops.domain.forward import ForwardStatus
from revops.domain.listed import Forward
from revops.store.cursors import FORWARDS_UNTIL, GAP_FROM, GAP_UNTIL, cursors, set_cursor
from revops.store.engine import NODE, Tx
from revops.store.matched import APART_SECONDS
from revops.store.tables import forward


def note_gap(tx: Tx, after: int, page: Sequence[Forward], seen_at: float, top: int | None = None) -> bool:
    """Given the created_index up to which forwards were stored before, what was read and stored since, and how far the
    list reaches where all of it was (None: there is more), remember between which moments rows are missing; return
    whether that is known now.

    A settled forward tells: what settled before it and was listed later isn't deleted by age.
    """
    settled = [row for row in page if row.created_index > after and row.status is ForwardStatus.SETTLED]
    until_at = seen_at
    if settled:
        first = min(settled, key=lambda row: row.created_index)
        top, until_at = first.created_index, first.received_at if first.resolved_at is None else first.resolved_at
    if top is None:
        return False
    if tx.execute(_count(), b_after=after, b_last=top).scalar_one() == top - after:
        return True
    from_at: float | None = tx.execute(_last_received(), b_after=after).scalar()
    if from_at is not None and from_at <= until_at:
        known = cursors(tx)
        if known.get(GAP_UNTIL, 0) <= known.get(FORWARDS_UNTIL, 0):  # the one before was looked at
            set_cursor(tx, GAP_FROM, math.floor(from_at))
        set_cursor(tx, GAP_UNTIL, math.ceil(until_at))
    return True


def gap(tx: Tx) -> tuple[float, float]:
    """Return between which moments `routed` moves are to be stored, since a reading was broken off there; what was
    looked at once is part of no gap any more.
    """
    known = cursors(tx)
    until_at = known.get(GAP_UNTIL, 0)
    if until_at <= known.get(FORWARDS_UNTIL, 0):
        return 0.0, 0.0
    return float(known.get(GAP_FROM, 0) - APART_SECONDS), float(until_at + APART_SECONDS)


@cache
def _count() -> Executable:
    here = (forward.c.created_index > bindparam("b_after"), forward.c.created_index <= bindparam("b_last"))
    return select(func.count()).where(forward.c.node_key == NODE, *here)


@cache
def _last_received() -> Executable:
    before = (forward.c.node_key == NODE, forward.c.created_index <= bindparam("b_after"))
    return select(forward.c.received_at).where(*before).order_by(forward.c.created_index.desc()).limit(1)
