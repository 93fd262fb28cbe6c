"""A PostgreSQL that is sharded by `node_key` would take the schema, and each statement goes to one shard.

The rules are those of Citus: what is unique, and what refers to something, does so by the column that tables are
distributed by; there are no sequences; a table that is on all shards refers to none that isn't.
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Sequence,
    Table,
    UniqueConstraint,
    create_engine,
    delete,
    event,
    exists,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)

from revops.store import cursors, tables
from revops.store.engine import Database
from revops.store.tables import channel, forward, metadata, node, peer, run
from tests.store.sharded import KEY, REFERENCE, hook, unfiltered


def problems(found: MetaData) -> list[str]:
    """What a sharded PostgreSQL would refuse, or would make slow."""
    said = []
    for table in found.sorted_tables:
        if table.name in REFERENCE:
            said += [f"{table.name} refers to {key.referred_table.name}" for key in table.foreign_key_constraints]
        else:
            said += _of_distributed(table)
        said += [f"{table.name}.{one.name} counts by itself" for one in table.columns if _counts(one)]
    return said


def _of_distributed(table: Table) -> list[str]:
    if KEY not in table.columns:
        return [f"{table.name} has no {KEY}"]
    said = []
    if str(table.columns[KEY].type) != "INTEGER" or table.columns[KEY].nullable:
        said.append(f"{table.name}.{KEY} is {table.columns[KEY].type}")
    if next(iter(table.primary_key.columns.keys()), None) != KEY:
        said.append(f"{table.name}: the primary key doesn't begin with {KEY}")
    for one in table.constraints:
        if isinstance(one, UniqueConstraint) and KEY not in one.columns:
            said.append(f"{table.name}: {one.name} is unique without {KEY}")
    said += [f"{table.name}: {one.name} is unique without {KEY}" for one in table.indexes if _loose(one)]
    for key in table.foreign_key_constraints:
        ends = [(element.parent.name, element.column.name) for element in key.elements]
        if key.referred_table.name not in REFERENCE and (KEY, KEY) not in ends:
            said.append(f"{table.name}: {key.name} refers to another shard")
    return said


def _loose(index: Index) -> bool:
    return index.unique and KEY not in index.columns


def _counts(column: Column[Any]) -> bool:
    default = str(getattr(column.server_default, "arg", ""))
    automatic = column.primary_key and column.autoincrement is True
    return bool(column.identity or isinstance(column.default, Sequence) or "nextval" in default or automatic)


def test_schema_of_the_code_could_be_sharded() -> None:
    assert problems(metadata) == []


@pytest.mark.postgres
def test_schema_of_postgresql_could_be_sharded(postgres_url: str) -> None:
    engine = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        found = MetaData()
        with engine.connect() as connection:
            found.reflect(connection, only=list(metadata.tables))
            assert problems(found) == []
            assert inspect(connection).get_sequence_names() == []
            kinds = (
                "SELECT count(*) FROM information_schema.columns WHERE table_schema = 'public' AND is_identity = 'YES'"
            )
            assert connection.execute(text(kinds)).scalar_one() == 0
    finally:
        engine.dispose()


def test_what_could_not_be_sharded_is_found() -> None:
    made = MetaData()
    Table("parent", made, Column("parent_key", Integer, Identity(), primary_key=True))
    Table(
        "child", made, Column(KEY, Integer), Column("child_key", Integer), Column("parent_key", Integer),
        Column("name", Integer), PrimaryKeyConstraint("child_key", KEY), UniqueConstraint("name", name="uq_name"),
        ForeignKeyConstraint(["parent_key"], ["parent.parent_key"], name="fk_parent"),
        Index("ix_name", "name", unique=True),
    )  # fmt: skip
    Table("node", made, Column(KEY, Integer), ForeignKeyConstraint([KEY], ["child.child_key"]))
    assert set(problems(made)) == {
        f"parent has no {KEY}",
        "parent.parent_key counts by itself",
        f"child: the primary key doesn't begin with {KEY}",
        f"child: uq_name is unique without {KEY}",
        f"child: ix_name is unique without {KEY}",
        "child: fk_parent refers to another shard",
        "node refers to child",
    }


_BY_NODE = forward.c.node_key == 1
_OTHER = channel.alias("other")
_JOINED = channel.c.node_key == peer.c.node_key
_SUMS = select(forward.c.node_key, func.sum(forward.c.fee_msat)).group_by(forward.c.node_key)


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        (select(forward).where(_BY_NODE), []),
        (select(forward), ["forward"]),
        (select(forward).where(_BY_NODE | (forward.c.fee_msat > 0)), ["forward"]),
        (select(forward).where(_BY_NODE & (forward.c.fee_msat > 0)), []),
        (select(forward).where(forward.c.node_key > 0), ["forward"]),
        (select(node), []),
        # Joined by the node, at any distance and from either side; and not.
        (select(channel).join(peer, _JOINED).where(peer.c.node_key == 1), []),
        (select(channel).outerjoin(peer, _JOINED).where(channel.c.node_key == 1), []),
        (select(channel).join(peer, channel.c.peer_key == peer.c.peer_key).where(peer.c.node_key == 1), ["channel"]),
        (select(channel).outerjoin(peer, _JOINED & (channel.c.node_key == 1)), ["channel", "peer"]),
        (select(channel).join(peer, _JOINED & (channel.c.node_key == 1)), []),
        (select(channel, _OTHER).where(channel.c.node_key == 1), ["channel"]),
        (select(channel, _OTHER).where(channel.c.node_key == 1, _OTHER.c.node_key == channel.c.node_key), []),
        # Within: by itself, by what is around it, or not.
        (select(select(func.count()).where(_BY_NODE).scalar_subquery()), []),
        (select(select(func.count()).select_from(forward).scalar_subquery()), ["forward"]),
        (select(run).where(run.c.node_key == 1, exists().where(forward.c.node_key == run.c.node_key)), []),
        (select(run).where(run.c.node_key == 1, exists().where(forward.c.fee_msat == run.c.run_key)), ["forward"]),
        (select(_SUMS.where(_BY_NODE).subquery()), []),
        (select(_SUMS.subquery()), ["forward"]),
        (select(forward.c.in_msat).where(_BY_NODE).union_all(select(forward.c.in_msat)), ["forward"]),
        (update(run).values(exit_code=1).where(run.c.node_key == 1), []),
        (update(run).values(exit_code=1).where(run.c.run_key == 1), ["run"]),
        (delete(run).where(run.c.node_key == 1), []),
        (delete(run), ["run"]),
        (delete(run).where(run.c.node_key == 1, run.c.run_key.in_(select(forward.c.created_index))), ["forward"]),
        (insert(run).values(node_key=1, run_key=1), []),
        (insert(run).values(run_key=1), ["run"]),
        (insert(run).from_select(["node_key"], select(forward.c.node_key)), ["forward"]),
        (text("SELECT count(*) FROM forward"), ["forward"]),
        (text("PRAGMA foreign_key_check"), []),
    ],
)
def test_statements_that_touch_another_node_are_found(statement: Any, missing: list[str]) -> None:
    assert sorted(unfiltered(statement)) == missing


def test_hook_is_there_in_every_store_test(database: Database, node_key: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stops one of the store's own functions that forgets its node."""
    assert event.contains(Engine, "before_execute", hook)
    forgets = select(tables.cursor.c.name, tables.cursor.c.value)
    monkeypatch.setattr(cursors, "_cursors", lambda: forgets)
    with (
        database.read(node_key) as tx,
        pytest.raises(AssertionError, match=r"store/cursors.py: cursor not by node_key"),
    ):
        cursors.cursors(tx)
    with database.transaction(node_key) as tx:
        tx.connection.execute(forgets)  # a test may look at all
