"""A database of any schema that ever was on the main branch is brought up to date without a row or a msat lost."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from revops.domain.budget import Category
from revops.domain.decision import BudgetVerdict, WindowBudget
from revops.domain.record import Report
from revops.store import fees, ledger, pins, profits, queries, rollup, tables, upgrade
from revops.store.engine import Database, Tx, make_engine
from revops.store.recount import wrong_sums
from revops.store.url import parse_url
from tests.builders import DAY, NOW, channel_id
from tests.store import every_schema as made
from tests.store.test_store_upgrade import describe

NAMES = [*made.revisions(), *made.FORMS]
#: What a migration empties on purpose, since the next sync reads it anew: the tables, and the cursors.
READ_ANEW = {"0013": ({"chain_move"}, {"channelmoves_created", "chainmoves_created"})}
#: Plain sums of money, by table and column.
SUMS = (
    "SELECT COUNT(*), SUM(in_msat), SUM(out_msat), SUM(fee_msat) FROM forward WHERE node_key = :node",
    "SELECT COUNT(*), SUM(settled_out_msat), SUM(fee_msat), SUM(failed_count) FROM forward_day WHERE node_key = :node",
    "SELECT kind, COUNT(*), SUM(amount_msat) FROM spend_ledger WHERE node_key = :node GROUP BY kind ORDER BY kind",
    "SELECT status, COUNT(*), SUM(fee_msat) FROM rebalance_job WHERE node_key = :node GROUP BY status ORDER BY status",
    "SELECT COUNT(*), SUM(new_ppm) FROM fee_change WHERE node_key = :node",
    "SELECT COUNT(*), SUM(final_local_msat) FROM closed_channel WHERE node_key = :node",
    "SELECT COUNT(*), SUM(credit_msat), SUM(debit_msat) FROM channel_move WHERE node_key = :node",
)
NO_BUDGET = BudgetVerdict(NOW, WindowBudget("day", 0, 0, 0), WindowBudget("week", 0, 0, 0))


def look(url: str) -> tuple[dict[str, Any], list[Any]]:
    """All rows, and plain sums of them."""
    engine = make_engine(parse_url(url), migrating=True)
    try:
        with engine.connect() as connection:
            sums = [
                [tuple(row) for row in connection.execute(text(statement), {"node": node})]
                for statement in SUMS
                for node in made.NODES
            ]
            return made.contents(connection), sums
    finally:
        engine.dispose()


def test_every_schema_is_listed() -> None:
    assert made.revisions()[-1] == tables.SCHEMA_VERSION
    assert {revision for _, _, revision in made.FORMS.values()} <= set(made.revisions())


def described(url: str) -> dict[str, Any]:
    """The schema in every detail, but for Alembic's own table."""
    found = describe(url)
    for own in ("alembic_version", "alembic_version_pkc"):
        found["sql"].pop(own, None)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_upgrade_keeps_every_row(name: str, empty_url: str, url: str) -> None:
    revision = made.build(empty_url, name)
    before, sums = look(empty_url)
    assert all(rows for _, rows in before.values())
    state = upgrade.upgrade(empty_url)
    assert (state.version_before, state.version, state.warning) == (revision, tables.SCHEMA_VERSION, None)
    assert upgrade.check(empty_url).problems == ()
    if name in made.FORMS:  # what Alembic doesn't compare; the others come by the same migrations as a new one
        wanted = described(url)
        assert described(empty_url) == wanted

    after, sums_after = look(empty_url)
    assert sums_after == sums
    emptied, cursors = READ_ANEW["0013"] if revision < "0013" else (set(), set())
    for table, (columns, rows) in before.items():
        kept = rows if table != "cursor" else {row for row in rows if not cursors.intersection(row)}
        if table == "forward" and revision < "0014":
            columns, kept = made_smaller(columns, rows)
        now = made_of(after[table], columns)
        if table == "cursor" and revision < "0013":
            added = {row for row in now if "forwards_until" in row}
            assert {row[columns.index("node_key")] for row in added} == set(made.NODES)
            now -= added
        if table in emptied:
            assert now == set()
        elif (name, table) == ("first 0011", "rebalance_source"):
            assert kept < now
        else:
            assert kept == now, table
    _insist_on_what_was_made(after, revision)
    _insist_on_readings(empty_url, revision)


def made_smaller(columns: tuple[str, ...], rows: set[tuple[Any, ...]]) -> tuple[tuple[str, ...], set[tuple[Any, ...]]]:
    """Forwards from before 0014 as they are after it."""
    left = tuple(name for name in columns if name != "in_htlc_id")
    found = set()
    for row in (dict(zip(columns, values, strict=True)) for values in rows):
        if row["status"] in (1, 3) and row["resolved_at"] == row["counted_at"]:
            row["resolved_at"] = None
        found.add(tuple(row[name] for name in left))
    return left, found


def made_of(found: tuple[tuple[str, ...], set[tuple[Any, ...]]], columns: tuple[str, ...]) -> set[tuple[Any, ...]]:
    """Rows with some of their columns only."""
    names, rows = found
    places = [names.index(name) for name in columns]
    return {tuple(row[place] for place in places) for row in rows}


def _insist_on_what_was_made(after: dict[str, Any], revision: str) -> None:
    """What migrations have added up or filled in is what plain Python makes of the same rows."""
    wanted: dict[str, list[made.Row]] = {"flow_sum": [], "failure_sum": [], "forward_day": [], "rebalance_source": []}
    for node in made.NODES:
        for table, rows in wanted.items():
            rows += made.rows(node)[table]
    wanted["peer_signal"] = [row for node in made.NODES for row in made.rows(node)["peer_signal"]]
    if revision < "0006":
        wanted["peer_signal"] = []
    for table, rows in wanted.items():
        if not rows:
            assert after[table][1] == set()
            continue
        columns = tuple(rows[0])
        found = made_of(after[table], columns)
        if table == "flow_sum":  # a row of a channel of which nothing went, on a day, says nothing
            found = {row for row in found if any(row[3:])}
        assert found == {tuple(row[name] for name in columns) for row in rows}, table


def _insist_on_readings(url: str, revision: str) -> None:
    """The store's own functions read it, and go on with it."""
    with closing(Database.open(url)) as database:
        assert [node.node_key for node in database.known_nodes()] == list(made.NODES)
        for node in made.NODES:
            with database.read(node) as tx:
                report = queries.report(tx, NOW, 30, NO_BUDGET, 10)
                _insist_on_report(report, node)
                _insist_on_money(tx, node, revision)
                assert fees.fee_states(tx) == dict.fromkeys((channel_id(1), channel_id(2)), made.initial_state())
                assert {name: change.new_ppm for name, change in fees.last_fee_changes(tx).items()} == {
                    channel_id(1): 240,
                    channel_id(2): 240,
                }
                pinned = {} if revision < "0003" else {channel_id(2): 321}
                assert {name: pin.ppm for name, pin in pins.pins_in_force(tx, NOW).items()} == pinned
            with database.transaction(node) as tx:
                # A rollup of all that is there, and a payment more: totals stay exact.
                assert rollup.prune_forwards(tx, NOW + DAY, 100) == 9
                key = ledger.reserve(tx, run_key=3, job_key=4, amount_msat=77, at=NOW, limits=(10**9, 10**9))
                ledger.settle(tx, key, 7, NOW, 3)
                day, week, reserved = made.spent(node)
                assert ledger.totals(tx, NOW) == (day + 7, week + 7, reserved)
            with database.read(node) as tx:
                again = queries.report(tx, NOW, 30, NO_BUDGET, 10)
                assert again.lifetime == report.lifetime
                assert wrong_sums(tx.connection) == []


def _insist_on_report(report: Report, node: int) -> None:
    assert report.lifetime.earned_msat == made.fees_msat(node)
    ends = [row["status"] for row in made.forwards(node)]
    days = made.forward_days(node)
    assert report.lifetime.settled_count == ends.count(1) + sum(row["settled_count"] for row in days)
    assert report.lifetime.refused_count == ends.count(2) + sum(row["refused_count"] for row in days)
    assert report.lifetime.failed_count == ends.count(3) + sum(row["failed_count"] for row in days)
    assert report.lifetime.rebalance_fees_msat == (made.REFILL_FEE_MSAT + 50) * node + 9_000
    assert report.window.rebalance_fees_msat == (made.REFILL_FEE_MSAT + 50) * node
    assert report.lifetime.rebalance_count == 3
    assert report.books is not None
    assert report.books.difference_msat == 0
    assert [channel.name for channel in report.channels if channel.open] == ["2x1x0", "1x1x0"]
    assert len(report.channels) == len(made.CHANNELS)
    assert len(report.jobs) == 6
    assert [len(job.sources) for job in report.jobs] == [1] * 6
    (decision,) = report.decisions
    assert [reason.code for reason in decision.reasons] == ["first_fee_anchor", "fixed"]
    assert all(reason.sentence for reason in decision.reasons)


def _insist_on_money(tx: Tx, node: int, revision: str) -> None:
    assert ledger.totals(tx, NOW) == made.spent(node)
    assert ledger.totals(tx, NOW, Category.REBALANCE) == made.spent(node)
    total = profits.lines(tx, None, None).total
    assert total.earned_msat == total.sourced_msat == made.fees_msat(node)
    assert total.rebalance_msat == (made.REFILL_FEE_MSAT + 50) * node + 9_000
    # What the node's ledger tells besides comes with the first sync after 0013.
    known = revision >= "0013"
    assert total.open_msat == (15_000 * node if known else 0)
    assert total.lease_paid_msat == (12_000 if known else 0)


def test_rows_that_are_lost_are_found(tmp_path: Path) -> None:
    """The comparison above can fail."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    made.build(url, "0005")
    before, sums = look(url)
    engine = make_engine(parse_url(url), migrating=True)
    with engine.begin() as connection:
        connection.execute(text("UPDATE forward SET fee_msat = fee_msat + 1 WHERE created_index = 4 AND node_key = 2"))
    engine.dispose()
    after, sums_after = look(url)
    assert sums_after != sums
    assert after["forward"] != before["forward"]
