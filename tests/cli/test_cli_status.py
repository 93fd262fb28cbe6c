"""`status`, `report channels`, `report decisions`: how things stand, and rows that are chosen, sorted and exported."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from revops.cli.main import main
from revops.cycle import channel_list, decision_list
from revops.cycle import status as cycle
from revops.domain.decision import FeePlan, FeeState, Outcome
from revops.domain.options import CommonOptions
from revops.domain.profit import ProfitLine
from revops.domain.status import CommandStanding, Earnings, Status
from revops.domain.values import replace
from revops.report.blocks import Table
from revops.report.status import status as page_of
from revops.report.text import page
from revops.store import cursors, decisions, fees, forwards, nodes, runs
from revops.store.cursors import FORWARDS_CREATED, FORWARDS_UPDATED
from revops.store.engine import Database, Tx
from tests.builders import DAY, HOUR, NOW, OWN_ID, channel_id, make_node
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
from tests.store.rows import make_forward, record, scid
from tests.store.test_store_decisions import make_fee

HALF_HOUR = HOUR / 2
#: Noon, so that "today" is no matter of minutes.
NOON = NOW // DAY * DAY + DAY / 2


def fill(tx: Tx) -> None:
    """Three channels; a forward today, three days ago and a week ago; a fee put off, one sent; a channel asleep."""
    record(tx, 1, 2, 3, seen_at=NOON)
    page_of_forwards = [
        make_forward(1, received_at=NOON - HOUR, fee_msat=1_500),
        make_forward(2, received_at=NOON - 3 * DAY, fee_msat=3_000, out_scid=scid(3)),
        make_forward(3, received_at=NOON - 8 * DAY, fee_msat=70_000),
    ]
    forwards.ingest(tx, page_of_forwards, NOON)
    for name in (FORWARDS_CREATED, FORWARDS_UPDATED):
        cursors.set_cursor(tx, name, 3)
    nodes.record_node(
        tx, make_node(), wallet_spendable_msat=5_000_000_000, channels_spendable_msat=7_000_000_000,
        synced_at=NOON - 300,
    )  # fmt: skip
    put_off = make_fee(1, outcome=Outcome.DEFER, new_ppm=150)
    decisions.record_fee_plan(tx, 1, FeePlan(NOON - HOUR, (put_off, make_fee(2, outcome=Outcome.CHANGE, new_ppm=120))))
    fees.save_fee_state(tx, channel_id(3), FeeState(100, NOON - DAY, NOON, asleep_until_at=NOON + DAY), NOON)
    fees.save_fee_state(tx, channel_id(2), FeeState(100, NOON - DAY, NOON, asleep_until_at=NOON - 1), NOON)


def run_of(tx: Tx, command: str, started_at: float, exit_code: int | None = 0, message: str | None = None) -> None:
    key = runs.begin_run(tx, command, started_at, "0")
    if exit_code is not None:
        runs.end_run(tx, key, started_at + 2, exit_code, message)


@pytest.fixture
def config(database: Database, url: str, tmp_path: Path) -> Path:
    with database.transaction(database.node_key(OWN_ID, "ours", "bitcoin")) as tx:
        fill(tx)
    path = tmp_path / "config.toml"
    path.write_text(f'[node]\nrpc_path = "/x"\n[database]\nurl = "{url}"\n', encoding="utf-8")
    path.chmod(0o600)
    return path


@pytest.fixture
def stand(config: Path) -> Callable[[], Status]:
    return lambda: cycle.run(CommonOptions(config_path=config, environment={}), lambda: NOON)


def test_earnings_by_days_add_up_to_the_last_day(stand: Callable[[], Status]) -> None:
    value = stand()
    assert [(one.days, one.line.earned_msat) for one in value.earnings] == [(1, 1_500), (7, 4_500), (30, 74_500)]
    assert len(value.net_by_day_msat) == 30
    assert (value.net_by_day_msat[-1], value.net_by_day_msat[-4], value.net_by_day_msat[-9]) == (1_500, 3_000, 70_000)
    assert sum(value.net_by_day_msat) == value.earnings[-1].line.net_msat == 74_500


def test_sums_have_the_names_that_they_have_on_other_pages(stand: Callable[[], Status]) -> None:
    """`forwards` are counts there."""
    line = ProfitLine(
        earned_msat=9_000, lease_earned_msat=2_000, rebalance_msat=1_000, open_msat=3_000, lease_paid_msat=4_000
    )
    (table, *_) = [
        block
        for block in page_of(replace(stand(), earnings=(Earnings(7, line),)))
        if isinstance(block, Table) and block.title.startswith("Earned and spent")
    ]
    names = ("last", ">earned", ">leases", ">rebalance costs", ">chain costs", ">paid for leases", ">net")
    assert table.headings == names
    assert [str(cell) for cell in table.rows[0][:-1]] == ["7 days", "9", "2", "1", "3", "4"]


def test_what_waits(stand: Callable[[], Status]) -> None:
    value = stand()
    counts = value.channels
    assert (counts.open, counts.offline, counts.asleep, counts.deferred, counts.expiring) == (3, 0, 1, 1, 0)
    assert value.refills.planned_count == value.refills.under_way_count == 0
    assert value.modes == {"fees": "observe", "rebalance": "observe"}


def of(value: Status, command: str) -> CommandStanding:
    (found,) = (one for one in value.commands if one.command == command)
    return found


def test_commands_by_how_often_they_come(database: Database, stand: Callable[[], Status]) -> None:
    with database.transaction(1) as tx:
        for number in range(5, 0, -1):
            run_of(tx, "sync", NOON - number * HALF_HOUR + 60)
            run_of(tx, "rebalance plan", NOON - (number + 4) * HALF_HOUR)
            run_of(tx, "fees set", NOON - 9 * DAY - number * 60)
        run_of(tx, "fees adjust", NOON - 9 * HOUR)
        run_of(tx, "fees adjust", NOON - 60, 69, "lightningd isn't there")
        run_of(tx, "rollup", NOON - 30, None)
        run_of(tx, "reconcile", NOON - 3 * DAY, None)
    value = stand()
    sync = of(value, "sync")
    assert (sync.every_seconds, sync.due_at, sync.late) == (HALF_HOUR, NOON + 60, False)
    assert of(value, "rebalance plan").late
    # Who runs it twice may have it in his crontab as the example has it; what people run by hand is never awaited.
    assert of(value, "fees adjust").every_seconds == HALF_HOUR
    by_hand = of(value, "fees set")
    assert (by_hand.every_seconds, by_hand.due_at, by_hand.late) == (None, None, False)
    text = page(page_of(value))
    assert "`rebalance plan` last succeeded 2 h ago, and is expected every 60 min" in text
    assert "`fees adjust` last succeeded 8 h ago, and is expected every 30 min; it ended with exit code 69:" in text
    rows = {line.split("  ")[0]: line for line in text[text.index("Commands") :].splitlines()}
    assert "in 60 s" in rows["sync"]
    assert "late" in rows["rebalance plan"]
    assert " runs " in rows["rollup"]
    assert " killed " in rows["reconcile"]
    assert "observes only; 1 change put off, 1 asleep" in rows["fees adjust"]


def test_where_all_have_stopped_the_cause_is_told_once(database: Database, stand: Callable[[], Status]) -> None:
    with database.transaction(1) as tx:
        for number in range(8, 3, -1):
            run_of(tx, "sync", NOON - number * HALF_HOUR)
            run_of(tx, "fees adjust", NOON - number * HALF_HOUR + 1)
    text = page(page_of(stand()))
    assert "no command has run as it used to since" in text
    assert "last succeeded" not in text


def test_what_a_clock_that_ran_ahead_recorded_hides_neither_itself_nor_a_cron_that_died(
    database: Database, stand: Callable[[], Status]
) -> None:
    with database.transaction(1) as tx:
        for number in range(8, 3, -1):
            run_of(tx, "fees adjust", NOON - number * HALF_HOUR)
        run_of(tx, "fees adjust", NOON + DAY)
        run_of(tx, "fees adjust", NOON - 3 * HALF_HOUR, 69)
        run_of(tx, "sync", NOON + DAY)
        nodes.record_node(
            tx, make_node(), wallet_spendable_msat=1, channels_spendable_msat=1, synced_at=NOON + DAY
        )  # fmt: skip
    value = stand()
    assert of(value, "fees adjust").last_success_at == NOON - 4 * HALF_HOUR + 2
    assert of(value, "fees adjust").late
    text = page(page_of(value))
    assert "the last sync was recorded 24 h in the future: a clock was, or is, wrong" in text
    assert " in 24 h" not in text


def test_a_node_without_records_still_has_a_page(url: str, database: Database, tmp_path: Path) -> None:
    database.node_key(OWN_ID, "ours", "bitcoin")
    path = tmp_path / "bare.toml"
    path.write_text(f'[node]\nrpc_path = "/x"\n[database]\nurl = "{url}"\n', encoding="utf-8")
    path.chmod(0o600)
    text = page(page_of(cycle.run(CommonOptions(config_path=path, environment={}), lambda: NOON)))
    assert "the node was never synced: run `revops sync`" in text
    assert "wallet not known, channels not known" in text


@pytest.fixture
def told(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str]]:
    for module in (channel_list, decision_list, cycle):
        defaults: tuple[Any, ...] = module.run.__defaults__ or ()
        monkeypatch.setattr(module.run, "__defaults__", (*defaults[:-1], lambda: NOON))

    def tell(*line: str) -> tuple[int, str]:
        code = main([*line, "--config", str(config)])
        done = capsys.readouterr()
        return code, done.out + done.err

    return tell


def test_channels_are_chosen_and_sorted(told: Callable[..., tuple[int, str]]) -> None:
    code, text = told("report", "channels", "--window-days", "10")
    assert code == 0
    assert "3 channels, last 10 UTC days; synced 5 min ago" in text
    rows = [line for line in text.splitlines() if line.startswith("70000")]
    assert [row.split()[0] for row in rows] == [scid(2), scid(3), scid(1)]
    assert rows[0].rstrip().endswith("▁█▁▁▁▁▁▁▁▂")
    assert "normal, asleep" in rows[1]
    assert "asleep" not in rows[0]
    code, text = told("report", "channels", "--where", "channel.window.earned_msat>1sat", "--sort", "name", "--json")
    document = json.loads(text)
    assert [one["channel"]["name"] for one in document["channels"]] == [scid(2), scid(3)]
    assert document["channels"][1]["earned_by_day_msat"] == [0, 0, 0, 3_000, 0, 0, 0]


def test_rows_as_csv_have_the_figures_of_the_json(told: Callable[..., tuple[int, str]]) -> None:
    _, text = told("report", "channels", "--csv", "--sort", "-channel.window.earned_msat")
    rows = list(csv.DictReader(io.StringIO(text)))
    _, text = told("report", "channels", "--json", "--sort", "-channel.window.earned_msat")
    documents = json.loads(text)["channels"]
    assert [row["channel.channel_id"] for row in rows] == [one["channel"]["channel_id"] for one in documents]
    assert [int(row["channel.window.earned_msat"]) for row in rows] == [3_000, 1_500, 0]
    assert rows[0]["channel.demand"] == ""
    code, text = told("report", "channels", "--csv", "--where", "alias=nobody")
    assert (code, text) == (0, "revops: no rows\n")


def test_decisions_tell_all_reasons(told: Callable[..., tuple[int, str]]) -> None:
    code, text = told("report", "decisions")
    assert code == 0
    assert "put off" in text
    assert "100 ppm (150 wanted)" in text
    assert "2 decisions; synced 5 min ago" in text
    _, text = told("report", "decisions", "--where", "outcome=change", "--json")
    assert [one["new_ppm"] for one in json.loads(text)["decisions"]] == [120]
    _, text = told("report", "decisions", "--last", "1")
    assert "1 decision; there are older ones: --last N" in text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("--where", "ppm"), "is no condition like"),
        (("--where", "colour=red"), "there is no column 'colour'"),
        (("--sort", "earned_msat"), "fits several columns: write one of"),
        (("--csv", "--json"), "don't go together"),
    ],
)
def test_what_can_t_be_meant_is_a_usage_error(
    told: Callable[..., tuple[int, str]], line: tuple[str, ...], said: str
) -> None:
    code, text = told("report", "channels", *line)
    assert code == 2
    assert said in text.replace("\n", " ")
