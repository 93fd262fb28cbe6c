"""The profitability class in force of each open channel. Written by the rollup, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from sqlalchemy import Executable, delete, select

from revops.domain.profit_class import ClassState, ProfitClass
from revops.errors import DataError
from revops.store.codec import dump_reasons, load_reasons
from revops.store.engine import NODE, Tx
from revops.store.keys import channel_keys, insert_of
from revops.store.tables import channel, channel_class

_COLUMNS: Final = ("class", "since_at", "candidate", "candidate_since_at", "judged_at", "evidence_json")


def states(tx: Tx) -> dict[str, ClassState]:
    """Return the class in force of each channel_id that has one. Raise DataError for a class of another version."""
    return {
        channel_id: ClassState(
            profit_class=_class(name),
            since_at=since_at,
            candidate=None if candidate is None else _class(candidate),
            candidate_since_at=candidate_since_at,
            judged_at=judged_at,
            evidence=load_reasons(evidence),
        )
        for channel_id, name, since_at, candidate, candidate_since_at, judged_at, evidence in tx.execute(
            _states()
        ).all()
    }


def _class(word: str) -> ProfitClass:
    try:
        return ProfitClass(word)
    except ValueError as error:
        raise DataError(f"database: {word!r} is no profitability class; was it written by a newer revops?") from error


@cache
def _states() -> Executable:
    own = (channel.c.node_key == channel_class.c.node_key) & (channel.c.channel_key == channel_class.c.channel_key)
    return (
        select(channel.c.channel_id, *(channel_class.c[name] for name in _COLUMNS))
        .select_from(channel_class)
        .join(channel, own)
        .where(channel_class.c.node_key == NODE)
    )


def save(tx: Tx, found: Mapping[str, ClassState]) -> None:
    """Given the class in force of every open channel_id, keep them in place of those before; channels that are gone
    have none any more.
    """
    keys = channel_keys(tx)
    wanted = {keys[channel_id]: state for channel_id, state in found.items()}
    known = set(tx.execute(_keys()).scalars())
    for key in sorted(known - wanted.keys()):
        gone = (channel_class.c.node_key == tx.node_key, channel_class.c.channel_key == key)
        tx.connection.execute(delete(channel_class).where(*gone))
    rows = [
        {
            "node_key": tx.node_key,
            "channel_key": key,
            "class": str(state.profit_class),
            "since_at": state.since_at,
            "candidate": None if state.candidate is None else str(state.candidate),
            "candidate_since_at": state.candidate_since_at,
            "judged_at": state.judged_at,
            "evidence_json": dump_reasons(state.evidence),
        }
        for key, state in wanted.items()
    ]
    if rows:
        tx.connection.execute(_save(tx.connection.dialect.name), rows)


@cache
def _keys() -> Executable:
    return select(channel_class.c.channel_key).where(channel_class.c.node_key == NODE)


@cache
def _save(dialect_name: str) -> Executable:
    insert = insert_of(channel_class, dialect_name)
    return insert.on_conflict_do_update(
        index_elements=["node_key", "channel_key"], set_={name: insert.excluded[name] for name in _COLUMNS}
    )
