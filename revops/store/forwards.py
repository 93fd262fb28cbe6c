"""Copying forwards, exactly once: whatever is repeated, interrupted or comes in another order, each counts once.

The key is the node's `created_index`. Cursors say how far the node's two indexes were read; they are set in the
transaction that holds the page. What a rollup has pruned is never let in again: `PRUNED` is the highest index that it
took, and since it only takes rows that the created pass has seen, a row up to there that is missing was summarised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import Executable, bindparam, func, or_, select

from revops.domain.forward import ForwardStatus
from revops.domain.listed import Forward
from revops.domain.traffic import TAUGHT_SECONDS, FinalForward, Lesson
from revops.errors import BugError, DataError
from revops.store.cursors import PRUNED, cursor
from revops.store.engine import NODE, Tx
from revops.store.flows import status_literal
from revops.store.keys import chunks, insert_of, write_rows
from revops.store.lot_marks import forget_behind
from revops.store.scids import resolve_scids
from revops.store.sums import count_rows, take_turns
from revops.store.tables import channel, forward, peer

#: Given the forwards that became final, in order of resolution, returns what each taught, by created_index.
Scorer = Callable[[Sequence[FinalForward]], Mapping[int, Lesson]]


class ForwardRow(NamedTuple):
    """A forward as it is stored."""

    node_key: int
    created_index: int
    updated_index: int | None
    in_channel_key: int
    out_channel_key: int | None
    in_msat: int
    out_msat: int | None
    fee_msat: int | None
    status: int
    received_at: float
    resolved_at: float | None
    counted_at: float
    failcode: int | None
    score_msat: int | None = None
    interest_permille: int | None = None


_OFFERED, _SETTLED, _REFUSED, _FAILED = (
    int(status)
    for status in (
        ForwardStatus.OFFERED, ForwardStatus.SETTLED, ForwardStatus.LOCAL_FAILED, ForwardStatus.FAILED
    )
)  # fmt: skip


def resolved_at(row: Any) -> float | None:
    """Given a row, return when the forward was settled, or failed beyond us, by the node's clock (UTC epoch seconds);
    None for what wasn't. It is stored only where that isn't when it is counted.
    """
    if row.resolved_at is None and row.status in (_SETTLED, _FAILED):
        return float(row.counted_at)
    at: float | None = row.resolved_at
    return at


@dataclass(frozen=True, slots=True)
class IngestCount:
    """What became of a page: rows that were new, that changed, and that we had (or had summarised) already."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0


def ingest(tx: Tx, forwards: Sequence[Forward], seen_at: float, score: Scorer | None = None) -> IngestCount:
    """Given a page of forwards, store what is new or has changed. Set the cursor in the same transaction.

    `score` is given each forward once, when it becomes final, whatever is repeated or was pruned, unless that was long
    ago (TAUGHT_SECONDS); whatever it writes belongs to the same transaction. What nobody scored counts as what it
    earned, and as interest by its size if it settled.

    None is counted later than `seen_at`: income that a wrong clock dated into the future would never leave a window,
    and the spending that it allows neither. Each scid must be known (`scids.unknown_scids`), else BugError; a refusal
    for a wish that names no channel has no exit. Raise DataError for a settled forward without its amounts: a sum over
    it would be wrong for ever.
    """
    if not forwards:
        return IngestCount()
    newest: dict[int, Forward] = {}
    for item in forwards:
        have = newest.get(item.created_index)
        if have is None or _rank(item.status, item.updated_index) >= _rank(have.status, have.updated_index):
            newest[item.created_index] = item
    take_turns(tx)
    keys = resolve_scids(tx, _scids(forwards))
    rows = {index: _row(tx.node_key, item, keys, seen_at) for index, item in newest.items()}
    stored = _stored(tx, rows)
    pruned_index = cursor(tx, PRUNED)
    new = [row for index, row in rows.items() if index not in stored and index > pruned_index]
    changed = [rows[index] for index, row in stored.items() if _supersedes(rows[index], row)]
    lessons = {} if score is None else score(_became_final(tx, new + changed, stored, seen_at - TAUGHT_SECONDS))
    if lessons:
        new = [_taught(row, lessons[row.created_index]) if row.created_index in lessons else row for row in new]
    changed = [_with_lesson(row, lessons.get(row.created_index), stored[row.created_index]) for row in changed]
    write_rows(tx, _upsert(tx.connection.dialect.name), ForwardRow._fields, new + changed)
    replaced = [stored[row.created_index] for row in changed]
    count_rows(tx, new + changed, replaced)
    forget_behind(tx, (*new, *changed, *replaced))
    return IngestCount(len(new), len(changed), len(forwards) - len(new) - len(changed))


def _became_final(
    tx: Tx, rows: Sequence[ForwardRow], stored: Mapping[int, ForwardRow], since_at: float
) -> list[FinalForward]:
    """Since then, in order of resolution. A final row that changes again was counted before."""
    known = {index for index, row in stored.items() if row.status != _OFFERED}
    final = [
        row for row in rows if row.counted_at >= since_at and row.status != _OFFERED and row.created_index not in known
    ]
    names = _names(tx) if final else {}
    final.sort(key=lambda row: (row.counted_at, row.created_index))
    return [_final(row, names) for row in final]


_STATUS_OF: Final = {int(status): status for status in ForwardStatus}


def _final(row: ForwardRow, names: Mapping[int, tuple[str, str | None]]) -> FinalForward:
    in_channel_id, sender_id = names[row.in_channel_key]
    out_channel_key, out_msat, ended_at = row.out_channel_key, row.out_msat, resolved_at(row)
    out_channel_id, receiver_id = (None, None) if out_channel_key is None else names[out_channel_key]
    return FinalForward(
        row.created_index,
        _STATUS_OF[row.status],
        in_channel_id,
        out_channel_id,
        sender_id,
        receiver_id,
        row.in_msat,
        out_msat,
        row.fee_msat,
        row.in_msat if out_msat is None else out_msat,
        row.counted_at,
        None if ended_at is None else ended_at - row.received_at,
        row.failcode,
    )


def _names(tx: Tx) -> dict[int, tuple[str, str | None]]:
    """The channel_id of each channel_key, and its peer_id where that is known."""
    return {row[0]: (row[1], row[2]) for row in tx.execute(_all_names())}


@cache
def _all_names() -> Executable:
    return (
        select(channel.c.channel_key, channel.c.channel_id, peer.c.peer_id)
        .outerjoin(peer, (peer.c.node_key == channel.c.node_key) & (peer.c.peer_key == channel.c.peer_key))
        .where(channel.c.node_key == NODE)
    )


def _taught(row: ForwardRow, lesson: Lesson) -> ForwardRow:
    return ForwardRow._make(row[:-2] + lesson)


def _with_lesson(row: ForwardRow, lesson: Lesson | None, stored: ForwardRow) -> ForwardRow:
    """A final row that changes and stays what it is keeps what it taught: it was counted with it."""
    if lesson is not None:
        return _taught(row, lesson)
    if stored.status != row.status:
        return row
    return row._replace(score_msat=stored.score_msat, interest_permille=stored.interest_permille)


def _scids(forwards: Sequence[Forward]) -> set[str]:
    return {item.in_scid for item in forwards} | {item.out_scid for item in forwards if item.out_scid is not None}


def _row(node_key: int, item: Forward, keys: Mapping[str, int], seen_at: float) -> ForwardRow:
    index, out_scid, out_msat, fee_msat, status = (
        item.created_index, item.out_scid, item.out_msat, item.fee_msat, item.status
    )  # fmt: skip
    try:
        in_channel_key = keys[item.in_scid]
        wish = status is ForwardStatus.LOCAL_FAILED and item.exit_is_a_wish and out_scid not in keys
        out_channel_key = None if out_scid is None or wish else keys[out_scid]
    except KeyError as missing:
        raise BugError(f"forward {index}: {missing.args[0]} was not resolved before it was stored") from None
    if status is ForwardStatus.SETTLED and (out_scid is None or out_msat is None or fee_msat is None):
        raise DataError(f"listforwards: forward {index} is settled without out_channel, out_msat or fee_msat")
    ended_at = item.resolved_at
    counted_at = item.received_at if ended_at is None else ended_at
    if counted_at > seen_at:
        counted_at = seen_at
    return ForwardRow(
        node_key, index, item.updated_index, in_channel_key, out_channel_key, item.in_msat, out_msat, fee_msat,
        int(status), item.received_at, None if ended_at == counted_at else ended_at, counted_at, item.failcode,
    )  # fmt: skip


def _stored(tx: Tx, rows: Mapping[int, ForwardRow]) -> dict[int, ForwardRow]:
    """Those of these rows that are there. Most pages lie beyond all that is."""
    last_index = tx.execute(_last_index()).scalar()
    old = [] if last_index is None else [index for index in rows if index <= last_index]
    return {
        row.created_index: ForwardRow._make(row)
        for indexes in chunks(old)
        for row in tx.execute(_with_indexes(), b_indexes=indexes).all()
    }


@cache
def _last_index() -> Executable:
    return select(func.max(forward.c.created_index)).where(forward.c.node_key == NODE)


@cache
def _with_indexes() -> Executable:
    columns = [forward.c[name] for name in ForwardRow._fields]
    listed = forward.c.created_index.in_(bindparam("b_indexes", expanding=True))
    return select(*columns).where(forward.c.node_key == NODE, listed)


def _rank(status: int, updated_index: int | None) -> tuple[bool, int]:
    """What is final stands above what isn't; among equals the later change wins."""
    return status != _OFFERED, updated_index or 0


def _supersedes(row: ForwardRow, stored: ForwardRow) -> bool:
    if _rank(row.status, row.updated_index) < _rank(stored.status, stored.updated_index):
        return False
    return _said(row) != _said(stored)


def _said(row: ForwardRow) -> tuple[Any, ...]:
    """What the node says of a forward."""
    return (*row[2:10], row.failcode, resolved_at(row))


@cache
def _upsert(dialect_name: str) -> Executable:
    """The rule of `_supersedes` stands in the statement, too: on PostgreSQL another session may have been faster."""
    insert = insert_of(forward, dialect_name)
    offered = status_literal(ForwardStatus.OFFERED)
    return insert.on_conflict_do_update(
        index_elements=["node_key", "created_index"],
        set_={name: insert.excluded[name] for name in ForwardRow._fields[2:]},
        where=or_(forward.c.status == offered, insert.excluded.status != offered),
    )
