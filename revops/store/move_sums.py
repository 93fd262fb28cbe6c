"""The node's channel moves added up by account and tag, so that books don't need the rows, which go by the retention.

Each row of the node's list is counted once, in the transaction that moves the cursor past it. Forwards are counted for
ever only: their days are in `flow_sum`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, select

from revops.domain.listed import ChannelMove
from revops.store.days import day_of
from revops.store.engine import NODE, Tx
from revops.store.keys import insert_of, total, write_rows
from revops.store.tables import EVER, move_sum

#: How lightningd tags the two rows of a forward.
ROUTED_TAG: Final = "routed"
#: Under what they are added up: what entered by a channel, and what left by it.
ROUTED_IN: Final = "routed_in"
ROUTED_OUT: Final = "routed_out"
_SUMS: Final = ("move_count", "credit_msat", "debit_msat", "fees_msat")
_COLUMNS: Final = ("node_key", "day", "account_key", "tag", *_SUMS)


def count_moves(tx: Tx, rows: Iterable[ChannelMove], keys: Mapping[str, int]) -> None:
    """Given a page of moves that weren't counted yet, and the key of each account, add them up."""
    sums: dict[tuple[int, int, str], list[int]] = {}
    routed: dict[tuple[str, bool], list[int]] = {}
    for row in rows:
        account, credit_msat, debit_msat, tag = row.account, row.credit_msat, row.debit_msat, row.tag
        if tag == ROUTED_TAG:  # nearly all are
            side = account, credit_msat > 0
            entry = routed.get(side)
            if entry is None:
                entry = routed[side] = [0, 0, 0, 0]
            entry[0] += 1
            entry[1] += credit_msat
            entry[2] += debit_msat
            entry[3] += row.fees_msat
            continue
        for day in (EVER, day_of(row.moved_at)):
            entry = sums.setdefault((day, keys[account], tag), [0, 0, 0, 0])
            for place, value in enumerate((1, credit_msat, debit_msat, row.fees_msat)):
                entry[place] += value
    for (account, entered), entry in routed.items():
        sums[EVER, keys[account], ROUTED_IN if entered else ROUTED_OUT] = entry
    rows_ = [(tx.node_key, *key, *entry) for key, entry in sums.items()]
    write_rows(tx, _count(tx.connection.dialect.name), _COLUMNS, rows_)


@cache
def _count(dialect_name: str) -> Executable:
    row = insert_of(move_sum, dialect_name)
    sums: dict[str, Any] = {name: move_sum.c[name] + row.excluded[name] for name in _SUMS}
    return row.on_conflict_do_update(index_elements=["node_key", "day", "account_key", "tag"], set_=sums)


def moves_ever(tx: Tx) -> Sequence[Any]:
    """Return the sums of all moves ever: rows of account_key, tag, move_count, credit_msat, debit_msat, fees_msat."""
    return tx.execute(_ever()).all()


@cache
def _ever() -> Executable:
    return select(move_sum).where(move_sum.c.node_key == NODE, move_sum.c.day == EVER)


def moves_of_days(tx: Tx, tags: Sequence[str], first_day: int, end_day: int) -> Sequence[Any]:
    """Given tags (but for that of forwards) and UTC days, return their sums from the first day to before the last:
    rows of account_key, tag, credit_msat, debit_msat.
    """
    return tx.execute(_of_days(), b_tags=list(tags), b_first=first_day, b_end=end_day).all()


@cache
def _of_days() -> Executable:
    sums = move_sum.c
    return (
        select(
            sums.account_key,
            sums.tag,
            total(sums.credit_msat).label("credit_msat"),
            total(sums.debit_msat).label("debit_msat"),
        )
        .where(
            sums.node_key == NODE,
            sums.day >= bindparam("b_first"),
            sums.day < bindparam("b_end"),
            sums.tag.in_(bindparam("b_tags", expanding=True)),
        )
        .group_by(sums.account_key, sums.tag)
    )
