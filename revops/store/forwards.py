"""Copying forwards, exactly once: whatever is repeated, interrupted or comes in another order, each counts once.

The key is the node's `created_index`. Cursors say how far the node's two indexes were read; they are set in the
transaction that holds the page. What a rollup has pruned is never let in again: `PRUNED` is the highest index that it
took, and since it only takes rows that the created pass has seen, a row up to there that is missing was summarised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, Row, bindparam, or_, select

from revops.domain.forward import Forward, ForwardStatus
from revops.domain.traffic import FinalForward, Lesson
from revops.errors import BugError, DataError
from revops.store.cursors import PRUNED, cursor
from revops.store.engine import NODE, Tx
from revops.store.keys import chunks, insert_of
from revops.store.lot_marks import forget_behind
from revops.store.scids import resolve_scids
from revops.store.sums import count_rows, take_turns
from revops.store.tables import channel, forward, peer

#: Given the forwards that became final, in order of resolution, returns what each taught, by created_index.
Scorer = Callable[[Sequence[FinalForward]], Mapping[int, Lesson]]

_COMPARED: Final = (
    "updated_index",
    "in_channel_key",
    "in_htlc_id",
    "out_channel_key",
    "in_msat",
    "out_msat",
    "fee_msat",
    "status",
    "received_at",
    "resolved_at",
    "failcode",
)


@dataclass(frozen=True, slots=True)
class IngestCount:
    """What became of a page: rows that were new, that changed, and that we had (or had summarised) already."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0


def ingest(tx: Tx, forwards: Sequence[Forward], seen_at: float, score: Scorer | None = None) -> IngestCount:
    """Given a page of forwards, store what is new or has changed. Set the cursor in the same transaction.

    `score` is given each forward once, when it becomes final, whatever is repeated or was pruned; whatever it writes
    belongs to the same transaction. What nobody scored counts as what it earned, and as interest by its size if it
    settled.

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
    changed = [row for index, row in rows.items() if index in stored and _supersedes(row, stored[index])]
    lessons = {} if score is None else score(_became_final(tx, new + changed, stored))
    for row in new + changed:
        index = row["created_index"]
        row.update(lessons[index]._asdict() if index in lessons else _kept_lesson(row, stored.get(index)))
    _write(tx, new + changed)
    replaced = [stored[row["created_index"]]._asdict() for row in changed]
    count_rows(tx, new + changed, replaced)
    forget_behind(tx, (*new, *changed, *replaced))
    return IngestCount(len(new), len(changed), len(forwards) - len(new) - len(changed))


def _became_final(tx: Tx, rows: Sequence[Mapping[str, Any]], stored: Mapping[int, Row[Any]]) -> list[FinalForward]:
    """In order of resolution. A final row that changes again was counted before."""
    known = {index for index, row in stored.items() if row.status != ForwardStatus.OFFERED}
    final = [row for row in rows if row["status"] != ForwardStatus.OFFERED and row["created_index"] not in known]
    names = _names(tx) if final else {}
    final.sort(key=lambda row: (row["counted_at"], row["created_index"]))
    return [_final(row, names) for row in final]


_STATUS_OF: Final = {int(status): status for status in ForwardStatus}


def _final(row: Mapping[str, Any], names: Mapping[int, tuple[str, str | None]]) -> FinalForward:
    in_channel_id, sender_id = names[row["in_channel_key"]]
    out_channel_key, out_msat, resolved_at = row["out_channel_key"], row["out_msat"], row["resolved_at"]
    out_channel_id, receiver_id = (None, None) if out_channel_key is None else names[out_channel_key]
    return FinalForward(
        row["created_index"],
        _STATUS_OF[row["status"]],
        in_channel_id,
        out_channel_id,
        sender_id,
        receiver_id,
        row["in_msat"],
        out_msat,
        row["fee_msat"],
        row["in_msat"] if out_msat is None else out_msat,
        row["counted_at"],
        None if resolved_at is None else resolved_at - row["received_at"],
        row["failcode"],
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


_NOTHING_TAUGHT: Final[Mapping[str, Any]] = dict.fromkeys(Lesson._fields)


def _kept_lesson(row: Mapping[str, Any], stored: Row[Any] | None) -> Mapping[str, Any]:
    """A final row that changes and stays what it is keeps what it taught: it was counted with it."""
    if stored is None or stored.status != row["status"]:
        return _NOTHING_TAUGHT
    return {name: getattr(stored, name) for name in Lesson._fields}


def _scids(forwards: Sequence[Forward]) -> set[str]:
    return {item.in_scid for item in forwards} | {item.out_scid for item in forwards if item.out_scid is not None}


def _row(node_key: int, item: Forward, keys: Mapping[str, int], seen_at: float) -> dict[str, Any]:
    try:
        in_channel_key = keys[item.in_scid]
        wish = item.exit_is_a_wish and item.out_scid not in keys
        out_channel_key = None if item.out_scid is None or wish else keys[item.out_scid]
    except KeyError as missing:
        raise BugError(
            f"forward {item.created_index}: {missing.args[0]} was not resolved before it was stored"
        ) from None
    settled = item.status is ForwardStatus.SETTLED
    if settled and (item.out_scid is None or item.out_msat is None or item.fee_msat is None):
        raise DataError(
            f"listforwards: forward {item.created_index} is settled without out_channel, out_msat or fee_msat"
        )
    return {
        "node_key": node_key,
        "created_index": item.created_index,
        "updated_index": item.updated_index,
        "in_channel_key": in_channel_key,
        "in_htlc_id": item.in_htlc_id,
        "out_channel_key": out_channel_key,
        "in_msat": item.in_msat,
        "out_msat": item.out_msat,
        "fee_msat": item.fee_msat,
        "status": int(item.status),
        "received_at": item.received_at,
        "resolved_at": item.resolved_at,
        "counted_at": min(seen_at, item.received_at if item.resolved_at is None else item.resolved_at),
        "failcode": item.failcode,
    }


def _stored(tx: Tx, rows: Mapping[int, Any]) -> dict[int, Row[Any]]:
    found: dict[int, Row[Any]] = {}
    for indexes in chunks(rows):
        found.update((row.created_index, row) for row in tx.execute(_with_indexes(), b_indexes=indexes))
    return found


@cache
def _with_indexes() -> Executable:
    columns = [forward.c[name] for name in ("created_index", "counted_at", *Lesson._fields, *_COMPARED)]
    listed = forward.c.created_index.in_(bindparam("b_indexes", expanding=True))
    return select(*columns).where(forward.c.node_key == NODE, listed)


def _rank(status: int, updated_index: int | None) -> tuple[bool, int]:
    """What is final stands above what isn't; among equals the later change wins."""
    return ForwardStatus(status).final, updated_index or 0


def _supersedes(row: Mapping[str, Any], stored: Row[Any]) -> bool:
    if _rank(row["status"], row["updated_index"]) < _rank(stored.status, stored.updated_index):
        return False
    return any(row[name] != getattr(stored, name) for name in _COMPARED)


def _write(tx: Tx, rows: Sequence[Mapping[str, Any]]) -> None:
    """The rule of `_supersedes` stands in the statement, too: on PostgreSQL another session may have been faster."""
    if not rows:
        return
    tx.connection.execute(_upsert(tx.connection.dialect.name), list(rows))


@cache
def _upsert(dialect_name: str) -> Executable:
    insert = insert_of(forward, dialect_name)
    return insert.on_conflict_do_update(
        index_elements=["node_key", "created_index"],
        set_={name: insert.excluded[name] for name in (*_COMPARED, "counted_at", *Lesson._fields)},
        where=or_(forward.c.status == int(ForwardStatus.OFFERED), insert.excluded.status != int(ForwardStatus.OFFERED)),
    )
