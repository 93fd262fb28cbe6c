"""The migration that adds up history: exact on a store in use, and all or nothing when it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Integer, func, inspect, select, text

from revops.store import cursors, forwards, rollup, scids, tables, upgrade
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED
from revops.store.engine import Database, make_engine
from revops.store.tables import flow_sum
from revops.store.url import parse_url
from tests.builders import DAY, NOW
from tests.store.rows import FAILED, OFFERED, REFUSED, SETTLED, make_forward, new_node, record, scid
from tests.store.sums import Sums, kept, recounted

REPOSITORY = Path(__file__).resolve().parents[2]
KILLED = """
import os, signal, sys
from alembic import op
from revops.store import upgrade
make, stage = op.create_index, sys.argv[2]
def create_index(name, *arguments, **options):
    if name == stage:
        os.kill(os.getpid(), signal.SIGKILL)
    make(name, *arguments, **options)
op.create_index = create_index
upgrade.upgrade(sys.argv[1])
"""


def fill(url: str) -> dict[int, Sums]:
    """Give two nodes some history, some of it pruned; return their sums as they were kept all along."""
    rng = Random(7)
    found = {}
    with closing(Database.open(url)) as database:
        for node_key in (new_node(database), new_node(database)):
            with database.transaction(node_key) as tx:
                record(tx, 1, 2, 3)
                scids.add_placeholder(tx, "9x9x9", NOW)
                names = [scid(1), scid(2), scid(3), "9x9x9"]
                page = [
                    make_forward(
                        index,
                        in_scid=rng.choice(names),
                        out_scid=rng.choice(names if status in (SETTLED, OFFERED) else [*names, None]),
                        out_msat=rng.randrange(1, 10**15),
                        fee_msat=rng.randrange(10**12),
                        status=status,
                        received_at=NOW - rng.choice([rng.random() * 60 * DAY, NOW % DAY, NOW % DAY + DAY]),
                    )
                    for index, status in enumerate(rng.choices((SETTLED, FAILED, REFUSED, OFFERED), k=400), 1)
                ]
                forwards.ingest(tx, page, NOW)
                for name in (FORWARDS_CREATED, FORWARDS_UPDATED):
                    cursors.set_cursor(tx, name, len(page))
                assert rollup.prune_forwards(tx, NOW - 5 * DAY, 75) == 75
                found[node_key] = kept(tx)
                assert found[node_key] == recounted(tx)
    return found


def back_to_0009(url: str) -> None:
    """As a database was before: what the migration makes is taken out again."""
    engine = make_engine(parse_url(url), migrating=True)
    later = ("executor", "attempt", "retry_of_key", "terms_json", "failure", "erring_scidd", "local_before_msat")
    try:
        with engine.begin() as connection:
            for name in ("source", "step", "payment"):
                connection.execute(text(f"DROP TABLE rebalance_{name}"))
            books = ("failure_sum", "balance_day", "move_sum", "chain_cost", "channel_class")
            recorded, splices = ("recorder_event", "recorder_span", "recorder"), ("splice_job", "splice_plan")
            for table in ("lot_mark", "reserve_state", "clboss_tag", "flow_sum", *books, *recorded, *splices):
                connection.execute(text(f"DROP TABLE {table}"))
            for name in later:
                connection.execute(text(f"ALTER TABLE rebalance_job DROP COLUMN {name}"))
            operations = Operations(MigrationContext.configure(connection))
            with operations.batch_alter_table("spend_ledger") as ledger:
                ledger.drop_constraint(operations.f("ck_spend_ledger_job"), type_="check")
                ledger.alter_column("job_key", existing_type=Integer(), nullable=False)
            later_indexes = ("peer_event_node_key_peer_key_created_index", "channel_move_node_key_payment_hash")
            indexes = ("fee_change_last", "fee_change_announced", "run_succeeded", "run_unfinished")
            for name in (*indexes, *later_indexes, "channel_move_routed", "chain_move_node_key_txid"):
                connection.execute(text(f"DROP INDEX ix_{name}"))
            for name in ("txid", "output_count"):
                connection.execute(text(f"ALTER TABLE chain_move DROP COLUMN {name}"))
            connection.execute(text("ALTER TABLE forward ADD COLUMN in_htlc_id BIGINT"))
            connection.execute(text("CREATE INDEX ix_forward_settled ON forward (node_key, counted_at)"))
            connection.execute(text("UPDATE alembic_version SET version_num = '0009'"))
    finally:
        engine.dispose()


def sums_of(url: str, node_keys: dict[int, Sums]) -> dict[int, Sums]:
    found = {}
    with closing(Database.open(url)) as database:
        for node_key in node_keys:
            with database.read(node_key) as tx:
                found[node_key] = kept(tx)
    return found


def test_history_is_added_up_as_it_would_have_been_kept(own_url: str) -> None:
    wanted = fill(own_url)
    back_to_0009(own_url)
    assert upgrade.upgrade(own_url).version_before == "0009"
    assert sums_of(own_url, wanted) == wanted
    assert upgrade.upgrade(own_url).version_before == tables.SCHEMA_VERSION  # nothing is counted again
    assert sums_of(own_url, wanted) == wanted
    assert upgrade.check(own_url).problems == ()


def test_killed_upgrade_leaves_nothing_and_is_done_again(own_url: str) -> None:
    wanted = fill(own_url)
    back_to_0009(own_url)
    for stage in ("ix_fee_change_last", "ix_run_unfinished"):
        answer = subprocess.run(
            [sys.executable, "-c", KILLED, own_url, stage], capture_output=True, timeout=60, cwd=REPOSITORY
        )
        assert answer.returncode == -signal.SIGKILL, answer.stderr
        engine = make_engine(parse_url(own_url), migrating=True)
        try:
            with engine.connect() as connection:
                assert not inspect(connection).has_table("flow_sum")
        finally:
            engine.dispose()
    assert upgrade.upgrade(own_url).version_before == "0009"
    assert sums_of(own_url, wanted) == wanted
    with closing(Database.open(own_url)) as database, database.read(min(wanted)) as tx:
        assert tx.connection.execute(select(func.count()).select_from(flow_sum)).scalar_one() > 100
