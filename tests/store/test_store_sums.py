"""The sums by channel and day: always those of all forwards, raw or pruned, however they came to be."""

from __future__ import annotations

import math
from contextlib import closing
from pathlib import Path

import alembic.command
from sqlalchemy import text, update

from revops.store import channels, cursors, forwards, recount, rollup, scids, upgrade
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED
from revops.store.engine import Database, Tx, make_engine
from revops.store.files import create_file
from revops.store.keys import channel_keys
from revops.store.sums import SUMS
from revops.store.tables import EVER, flow_sum
from revops.store.url import parse_url
from tests.builders import DAY, NOW, OWN_ID, channel_id, make_channel
from tests.store.rows import FAILED, OFFERED, REFUSED, SETTLED, make_forward, record, scid
from tests.store.sums import kept, recounted

MIDNIGHT = NOW // DAY * DAY


def caught_up(tx: Tx, index: int) -> None:
    for name in (FORWARDS_CREATED, FORWARDS_UPDATED):
        cursors.set_cursor(tx, name, index)


def test_settled_row_that_changes_is_taken_out_as_it_was(database: Database, node_key: int) -> None:
    """Of what settled last, too: in its day, and ever, among rows that are there and such as were pruned."""
    ends = [MIDNIGHT - 30 * DAY + 5, MIDNIGHT - 30 * DAY + 9, MIDNIGHT - DAY + 5, MIDNIGHT - DAY + 9]
    page = [make_forward(index, received_at=end - 1) for index, end in enumerate(ends, 1)]
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, page, NOW)
        caught_up(tx, 1)
        assert rollup.prune_forwards(tx, MIDNIGHT - 20 * DAY, 10) == 1
        caught_up(tx, 4)
        for changed in (
            make_forward(4, updated_index=5, received_at=ends[3] - 1, status=FAILED),
            make_forward(3, updated_index=6, received_at=ends[2] - 1, in_scid=scid(2), out_scid=scid(1), fee_msat=7),
            make_forward(2, updated_index=7, received_at=ends[1] - 1, out_scid=None, status=REFUSED),
            make_forward(3, updated_index=8, received_at=ends[2] - 1, status=FAILED),
        ):
            forwards.ingest(tx, [changed], NOW)
            assert kept(tx) == recounted(tx)
        assert {sums["last_settled_at"] for key, sums in kept(tx).items() if key[0] == EVER and sums["in_count"]} == {
            ends[0]
        }


def test_placeholders_sums_move_with_its_forwards(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        scids.add_placeholder(tx, "9x9x9", NOW)
        pairs = [("9x9x9", scid(1)), (scid(1), "9x9x9"), ("9x9x9", "9x9x9"), (scid(2), scid(1)), (scid(1), scid(2))]
        page = [
            make_forward(index, in_scid=into, out_scid=out, received_at=MIDNIGHT - index * DAY / 2, status=status)
            for index, ((into, out), status) in enumerate(
                [(pair, status) for pair in pairs for status in (SETTLED, FAILED, REFUSED, OFFERED)], 1
            )
        ]
        forwards.ingest(tx, page, NOW)
        caught_up(tx, len(page))
        rollup.prune_forwards(tx, MIDNIGHT - 4 * DAY, 100)
        before = kept(tx)
        assert before == recounted(tx)
        scids.attach_scids(tx, {"9x9x9": channel_id(2)})
        assert kept(tx) == recounted(tx)
        assert kept(tx) != before


def test_migration_adds_up_what_is_there(empty_url: str) -> None:
    """To the day in which an instant lies, also a moment before midnight, where a quotient would be rounded."""
    parsed = parse_url(empty_url)
    if empty_url.startswith("sqlite"):
        create_file(Path(parsed.database or ""))
    engine = make_engine(parsed, migrating=True)
    moments = [MIDNIGHT, math.nextafter(MIDNIGHT, 0), MIDNIGHT - 0.5, MIDNIGHT - 1, MIDNIGHT - 2 * DAY, MIDNIGHT + 9.75]
    try:
        with engine.begin() as connection:
            alembic.command.upgrade(upgrade._config(connection), "0009")
            connection.execute(
                text("INSERT INTO node VALUES (1, :id, 'ours', 'bitcoin', NULL, NULL, NULL, NULL, NULL)"),
                {"id": OWN_ID},
            )
            places = [(at, status) for at in moments for status in (OFFERED, SETTLED, REFUSED, FAILED)]
            for index, (at, status) in enumerate(places, 1):
                out = None if status in (REFUSED, FAILED) and index % 3 == 0 else index % 2 + 1
                connection.execute(
                    text(
                        "INSERT INTO forward VALUES"
                        " (1, :i, :i, 1, :i, :out, 110, 100, 10, :status, :at, :at, :at, NULL, NULL, NULL)"
                    ),
                    {"i": index, "at": at, "status": int(status), "out": out},
                )
            for day, into, out, settled, failed, refused in (
                (3, 1, 2, 4, 0, 0),
                (3, 2, 1, 0, 1, 2),
                (4, 1, 0, 0, 3, 5),
            ):
                connection.execute(
                    text(
                        "INSERT INTO forward_day VALUES"
                        " (1, :day, :into, :out, :n, :n, :n, :n, :failed, 0, :refused, 0, :at, 0, 0, 0)"
                    ),
                    {"day": day, "into": into, "out": out, "n": settled, "failed": failed, "refused": refused}
                    | {"at": day * DAY + 1.5 if settled else None},
                )
    finally:
        engine.dispose()
    upgrade.upgrade(empty_url)
    with closing(Database.open(empty_url)) as database, database.transaction(1) as tx:
        sums = kept(tx)
        assert sums == recounted(tx)
        assert {day for day, _channel_key in sums} >= {EVER, 3, 4, int(MIDNIGHT // DAY), int(MIDNIGHT // DAY) - 1}
        channels.record_channels(tx, [make_channel(1), make_channel(2)], NOW)  # what comes later is added to it
        forwards.ingest(tx, [make_forward(100)], NOW)
        assert kept(tx) == recounted(tx)


def test_sum_that_is_wrong_is_found(database: Database, node_key: int) -> None:
    """Of all time, which reports show, and of a day, of which windows are made."""
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, [make_forward(1), make_forward(2, out_scid=None, status=REFUSED)], NOW)
        caught_up(tx, 1)
        rollup.prune_forwards(tx, NOW + DAY, 1)
        key = channel_keys(tx)[channel_id(2)]
        said = f"node {node_key}: the sums of channel_key {key} aren't those of its "
        for name in SUMS:
            for day, wrong in ((EVER, ["forwards", "days"]), (int(MIDNIGHT // DAY), ["days"])):
                row = (flow_sum.c.node_key == node_key, flow_sum.c.day == day, flow_sum.c.channel_key == key)
                for error, found in ((1, wrong), (-2, wrong), (1, [])):
                    tx.connection.execute(update(flow_sum).where(*row).values({name: flow_sum.c[name] + error}))
                    assert recount.wrong_sums(tx.connection) == [said + one for one in found]
