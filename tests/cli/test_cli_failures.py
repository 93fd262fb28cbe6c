"""`report failures`: what failed, where, why and how much of it, whatever is done with the rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from revops.cli.main import main
from revops.cycle import failures as cycle
from revops.cycle.failures import failure_report
from revops.domain.failure import FailureReport
from revops.domain.forward import ForwardStatus
from revops.domain.period import Period
from revops.store import channels, cursors, forwards, nodes, rollup
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED
from revops.store.engine import Database
from tests.builders import DAY, NOW, OWN_ID, make_node, node_id
from tests.databases import database as database
from tests.databases import kind as kind
from tests.databases import postgres_admin as postgres_admin
from tests.databases import postgres_server as postgres_server
from tests.databases import postgres_shared as postgres_shared
from tests.databases import postgres_template as postgres_template
from tests.databases import postgres_url as postgres_url
from tests.databases import postgres_urls as postgres_urls
from tests.databases import sqlite_template as sqlite_template
from tests.databases import sqlite_url as sqlite_url
from tests.databases import url as url
from tests.store.rows import FAILED, REFUSED, SETTLED, make_forward, record, scid

TODAY = int(NOW // DAY)
EVIL = "\x1b[2J\u202e=1+1"


def forward(index: int, days_ago: int, **overrides: Any) -> Any:
    return make_forward(index, received_at=(TODAY - days_ago) * DAY + 60, **overrides)


NO_EXIT = {"out_scid": None, "out_msat": None, "fee_msat": None}


@pytest.fixture
def filled(database: Database) -> Database:
    page = [
        forward(1, 0),
        forward(2, 3),
        forward(3, 3, status=REFUSED, failcode=4103),
        forward(4, 3, status=REFUSED, failcode=4103, in_msat=5_000_000),
        forward(5, 3, status=REFUSED, failcode=4108),
        forward(6, 3, status=FAILED),
        forward(7, 3, status=FAILED, out_scid=scid(3)),
        forward(8, 3, status=REFUSED, failcode=16394, **NO_EXIT),
        forward(9, 29, status=REFUSED, failcode=12345, out_scid=scid(3)),
        forward(10, 30, status=REFUSED, failcode=4103),
    ]
    with database.transaction(database.node_key(OWN_ID, "ours", "bitcoin")) as tx:
        record(tx, 1, 2, 3)
        channels.record_alias(tx, node_id(2), EVIL, NOW)
        forwards.ingest(tx, page, NOW)
        for name in (FORWARDS_CREATED, FORWARDS_UPDATED):
            cursors.set_cursor(tx, name, 10)
        nodes.record_node(tx, make_node(), wallet_spendable_msat=0, channels_spendable_msat=0, synced_at=NOW)
    return database


def report(database: Database, first_day: int | None, end_day: int) -> FailureReport:
    with database.read(database.known_nodes()[0].node_key) as tx:
        return failure_report(tx, Period(first_day, end_day), NOW)


def test_by_out_channel_and_kind_over_whole_days(filled: Database) -> None:
    value = report(filled, TODAY - 29, TODAY + 1)
    assert [(one.name, one.settled_count, one.failure_count) for one in value.channels] == [
        (scid(2), 2, 4), (scid(3), 0, 2), ("", 0, 1),
    ]  # fmt: skip
    assert [(kind.status, kind.failcode, kind.failure_count, kind.in_msat) for kind in value.channels[0].kinds] == [
        (REFUSED, 4103, 2, 6_000_100), (REFUSED, 4108, 1, 1_000_100), (FAILED, 0, 1, 1_000_100),
    ]  # fmt: skip
    total = value.total
    assert (total.settled_count, total.refused_count, total.failed_count, total.attempt_count) == (2, 5, 2, 9)
    assert total.in_msat == 7 * 1_000_100 + 3_999_900
    assert report(filled, TODAY, TODAY + 1).total.failure_count == 0
    assert report(filled, None, TODAY + 1).total.failure_count == 8


def test_pruning_and_a_forward_that_settled_after_all_change_it_as_they_should(filled: Database) -> None:
    before = report(filled, None, TODAY + 1)
    with filled.transaction(filled.known_nodes()[0].node_key) as tx:
        assert rollup.prune_forwards(tx, (TODAY - 20) * DAY, 10) == 2
    assert report(filled, None, TODAY + 1) == before
    with filled.transaction(filled.known_nodes()[0].node_key) as tx:
        forwards.ingest(tx, [forward(7, 3, out_scid=scid(3), updated_index=99)], NOW)
    after = report(filled, None, TODAY + 1)
    assert (after.total.failure_count, after.total.settled_count) == (7, 3)
    assert [(kind.failcode, kind.failure_count) for kind in after.channels[1].kinds] == [(12345, 1)]


def test_it_is_the_plain_count_of_all_forwards(database: Database) -> None:
    rng, rows = Random(5), []
    for index in range(1, 401):
        status = rng.choice([SETTLED, FAILED, REFUSED])
        code = rng.choice([None, 4103, 16394, 8194]) if status is not SETTLED else None
        rows.append(forward(index, rng.randrange(40), status=status, failcode=code, out_scid=scid(rng.choice([1, 2]))))
    with database.transaction(database.node_key(OWN_ID, "ours", "bitcoin")) as tx:
        record(tx, 1, 2)
        forwards.ingest(tx, rows, NOW)
    for first_day, end_day in ((TODAY - 39, TODAY + 1), (TODAY - 20, TODAY - 3), (TODAY, TODAY + 1)):
        inside = [row for row in rows if first_day <= row.received_at // DAY < end_day]
        value = report(database, first_day, end_day)
        for one in value.channels:
            of_channel = [row for row in inside if row.out_scid == one.name]
            assert one.settled_count == sum(row.status is SETTLED for row in of_channel)
            for each in one.kinds:
                same = [row for row in of_channel if (row.status, row.failcode or 0) == (each.status, each.failcode)]
                assert (each.failure_count, each.in_msat) == (len(same), sum(row.in_msat for row in same))
        assert value.total.attempt_count == len(inside)


@pytest.fixture
def told(
    filled: Database, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., str]:
    path = tmp_path / "config.toml"
    path.write_text(f'[node]\nrpc_path = "/x"\n[database]\nurl = "{url}"\n', encoding="utf-8")
    monkeypatch.setattr(cycle.run, "__defaults__", (None, lambda: NOW))

    def tell(*line: str) -> str:
        assert main(["report", "failures", *line, "--config", str(path)]) == 0
        return capsys.readouterr().out

    return tell


def test_the_page(told: Callable[..., str]) -> None:
    text = told()
    assert "9 forwards came to an end: 2 settled, 5 local_failed, 2 failed; 11,000 sat weren't forwarded" in text
    assert "2025-05-17 to 2025-06-15, 30 days (UTC)" in text
    assert "local_failed: refused by this node; failed: by a node beyond it" in text
    assert "not enough liquidity at the moment" in text
    assert "only the sender can read why" in text
    assert "code 12345" in text
    assert "\x1b" not in text
    assert "\u202e" not in text
    exits = [line for line in text.split("By out channel")[1].splitlines() if line.startswith(("7", "("))]
    assert [line.split("  ")[0] for line in exits] == [scid(2), scid(3), "(no out channel)"]
    assert exits[0].split()[2:8] == ["6", "3", "1", "66.7", "%", "8,000"]
    assert "local_failed: temporary_channel_failure 2 (33.3 %, 6,000); local_failed: fee_insufficient 1" in exits[0]
    assert "local_failed: unknown_next_peer 1 (100.0 %, 1,000)" in exits[2]


def test_the_page_of_days_without_failures(told: Callable[..., str]) -> None:
    text = told("--from", "2025-06-15", "--until", "2025-06-15")
    assert text.splitlines()[-1].startswith("1 forward came to an end: 1 settled, 0 local_failed")


def test_the_document(told: Callable[..., str]) -> None:
    document = json.loads(told("--json", "--from", "2025-01-01"))
    kinds = document["total"]["kinds"]
    assert document["total"]["failure_count"] == 8
    assert kinds[0] | {"meaning": "", "remedy": ""} == {
        "status": ForwardStatus.LOCAL_FAILED.name.lower(), "failcode": 4103, "failure_count": 3, "in_msat": 7_000_200,
        "name": "temporary_channel_failure", "meaning": "", "remedy": "",
    }  # fmt: skip
    assert document["channels"][0]["alias"] == EVIL
