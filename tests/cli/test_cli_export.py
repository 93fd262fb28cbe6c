"""`revops export` and `report pnl` on real records: sums to the msat, files whole or not at all, readers that leave."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, update

from revops.cli.files import replace_file
from revops.cli.main import main
from revops.domain.chain_cost import CostKind
from revops.errors import OutputError, UnavailableError
from revops.report import exports, pnl_csv
from revops.store.engine import Database
from revops.store.tables import peer, run
from revops.store.upgrade import upgrade
from tests.builders import DAY, NOW, OWN_ID
from tests.report.documents import validator
from tests.store.histories import MIDNIGHT, History, Payment, store
from tests.store.rows import SETTLED, scid

TODAY = int(MIDNIGHT // DAY)
#: A day of each kind of row; forwards of the first days are summarised.
HISTORY = History(
    forwards=[
        {
            "in_scid": scid(1 + index % 3), "out_scid": scid(1 + index % 2), "in_msat": 10_007 + 2 * index,
            "out_msat": 10_000 + index, "fee_msat": 7 + index, "status": SETTLED,
            "received_at": MIDNIGHT - 4 * DAY + index * DAY / 4, "resolved_at": None,
        }
        for index in range(18)
    ],
    prunes=[(MIDNIGHT - 2 * DAY - 9, 99)],
    payments=[
        Payment(1, 2, 5_000, 11, int(MIDNIGHT) - 5, MIDNIGHT - 4, 13),
        Payment(2, 3, 6_000, 17, int(MIDNIGHT) - 86_405, None, 0),
        Payment(3, 1, 7_000, 0, None, MIDNIGHT + 3, 19),
    ],
    leases=[(1, int(MIDNIGHT) - 9, 23, 29)],
    costs=[
        (0, CostKind.WALLET, 31, int(MIDNIGHT) - 100_000), (1, CostKind.OPEN, 37, int(MIDNIGHT) - 200_000),
        (0, CostKind.UNTOLD, 41, int(MIDNIGHT)), (2, CostKind.SWEEP, 43, int(MIDNIGHT) - 1),
    ],
    balances={(-1, 1): 1_000, (0, 1): 3_000},
)  # fmt: skip
ALIAS = "=cmd|' /C calc'!A0;\u202e\n-1"
PERIODS = [
    [],
    ["--from", "2025-06-11", "--until", "2025-06-15"],
    ["--from", "2025-06-12", "--until", "2025-06-13"],
    ["--until", "2025-06-14"],
    ["--from", "2025-06-15"],
]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without rows."""
    path = tmp_path_factory.mktemp("migrated") / "revops.sqlite3"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def empty(migrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a database that knows its node and nothing else; the configuration leads to it."""
    path = tmp_path / "revops.sqlite3"
    shutil.copy2(migrated, path)
    (tmp_path / "config.toml").write_text('[node]\nrpc_path = "/nowhere/lightning-rpc"\n', encoding="utf-8")
    monkeypatch.setenv("REVOPS_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("REVOPS_DATABASE_URL", f"sqlite:///{path}")
    with closing(Database.open(f"sqlite:///{path}")) as database:
        database.node_key(OWN_ID, "ours", "bitcoin")
    return f"sqlite:///{path}"


@pytest.fixture
def records(empty: str) -> Iterator[str]:
    """The history, and a peer with a hostile alias."""
    with closing(Database.open(empty)) as database, database.transaction(1) as tx:
        store(tx, HISTORY)
        tx.connection.execute(update(peer).where(peer.c.peer_key == 1).values(alias=ALIAS))
    yield empty
    with closing(Database.open(empty)) as database, database.read(1) as tx:
        assert tx.connection.execute(run.select()).all() == []  # they only read


Capture = pytest.CaptureFixture[str]


def printed(capsys: Capture, *arguments: str) -> str:
    assert main(list(arguments)) == 0, capsys.readouterr().err
    shown = capsys.readouterr()
    assert shown.err == ""
    return shown.out


def table(text: str) -> list[dict[str, str]]:
    assert text.endswith("\n")
    assert "\r" not in text
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def total(rows: list[dict[str, str]], name: str) -> int:
    """A column's sum, which the amounts in bitcoin beside it must give, too."""
    found = sum(int(row[name] or 0) for row in rows)
    assert sum(Decimal(row[name.replace("_msat", "_btc")] or 0) for row in rows) * 10**11 == found
    return found


@pytest.mark.parametrize("period", PERIODS, ids=" ".join)
def test_exports_add_up_to_the_report_to_the_msat(records: str, capsys: Capture, period: list[str]) -> None:
    shown = period or ["--from", "1970-01-01"]
    report = json.loads(printed(capsys, "report", "pnl", "--by", "day", "--json", *shown))
    validator("report-pnl").validate(report)
    node = report["total"]
    forwards = table(printed(capsys, "export", "forwards", *period))
    for name, figure in (("fee_msat", "earned_msat"), ("in_msat", "in_msat"), ("out_msat", "out_msat")):
        assert total(forwards, name) == node[figure]
    assert sum(int(row["forward_count"]) for row in forwards) == node["out_count"]
    rebalances = table(printed(capsys, "export", "rebalances", *period))
    assert total(rebalances, "fee_msat") == node["rebalance_msat"]
    assert total(rebalances, "amount_msat") == node["rebalanced_msat"]
    costs = table(printed(capsys, "export", "costs", *period))
    assert total(costs, "cost_msat") == node["chain_msat"] + node["lease_paid_msat"] - node["lease_earned_msat"]
    assert total(costs, "untold_msat") == report["untold_msat"]
    for by in pnl_csv.PNL_BY:
        rows = table(printed(capsys, "export", "pnl", "--by", by, *shown))
        assert total(rows, "net_msat") == node["net_msat"], by
    assert sum(one["line"]["net_msat"] for one in report["spans"]) == node["net_msat"]
    # The exports' own sum is the net: nothing is in two of them, and nothing in none.
    assert node["net_msat"] == total(forwards, "fee_msat") - total(rebalances, "fee_msat") - total(costs, "cost_msat")


@pytest.mark.parametrize("by", [[], ["--by", "day"], ["--by", "peer"]], ids=" ".join)
def test_the_two_names_of_profit_and_loss_as_csv_are_one_command(records: str, capsys: Capture, by: list[str]) -> None:
    """With the defaults of the page: by channel, the last 30 days, in which nothing is on record here."""
    for period in ([], ["--from", "2025-06-12"]):
        found = []
        for command in (["report", "pnl", "--csv"], ["export", "pnl"]):
            assert main([*command, *by, *period]) == 0
            found.append(capsys.readouterr())
        assert found[0] == found[1]
        rows = table(found[0].out)
        shown = json.loads(printed(capsys, "report", "pnl", "--json", *by, *period))
        assert total(rows, "net_msat") == shown["total"]["net_msat"]
        if not by:
            assert [row["channel_id"] for row in rows] == [one["channel_id"] for one in shown["channels"]] + (
                [""] if period else []
            )


def test_the_whole_history_is_in_it(records: str, capsys: Capture) -> None:
    forwards = table(printed(capsys, "export", "forwards"))
    assert {row["type"] for row in forwards} == {"forward", "summary"}
    assert total(forwards, "fee_msat") == sum(7 + index for index in range(18))
    days = [row["booked_at"] for row in forwards]
    assert days == sorted(days)
    assert days[0] == "2025-06-11T00:00:00Z"
    rebalances = table(printed(capsys, "export", "rebalances"))
    assert [(row["type"], row["job_key"], row["fee_msat"], row["payment_count"]) for row in rebalances] == [
        ("payment", "", "17", "1"), ("payment", "1", "11", "1"), ("booked", "1", "2", "0"), ("booked", "3", "19", "1"),
    ]  # fmt: skip
    costs = table(printed(capsys, "export", "costs"))
    assert [(row["type"], row["cost_msat"], row["untold_msat"]) for row in costs] == [
        ("open", "37", "0"), ("wallet", "31", "0"), ("lease_paid", "29", "0"), ("lease_earned", "-23", "0"),
        ("sweep", "43", "0"), ("untold", "", "41"),
    ]  # fmt: skip
    first = next(row for row in costs if row["type"] == "open")
    assert (first["channel"], first["currency"], first["txid"]) == (scid(1), "BTC", f"{1:064x}")
    assert first["peer_alias"] == "'=cmd|' /C calc'!A0;\\u202e\\x0a-1"


def test_pnl_by_day_and_month_for_people(records: str, capsys: Capture) -> None:
    days = printed(capsys, "report", "pnl", "--by", "day", "--from", "2025-06-01", "--until", "2025-06-15")
    assert "Days (UTC, sat)" in days
    assert "2025-06-11" in days
    assert "sourced:" not in days
    months = printed(capsys, "report", "pnl", "--by", "month", "--from", "2025-06-01", "--until", "2025-06-15")
    assert "Months (UTC, sat)" in months
    assert "2025-06-11 to 2025-06-15" in months
    assert "rounded last" in printed(capsys, "report", "pnl", "--from", "2025-06-01")


@pytest.mark.parametrize(
    ("what", "headings"),
    [("forwards", exports.FORWARDS), ("rebalances", exports.REBALANCES), ("costs", exports.COSTS), ("pnl", None)],
)
def test_without_records_there_is_the_header_alone(
    empty: str, capsys: Capture, tmp_path: Path, what: str, headings: tuple[str, ...] | None
) -> None:
    text = printed(capsys, "export", what, "-q")
    assert text.count("\n") == 1
    if headings is not None:
        assert text == ",".join(headings) + "\n"
    for place in ([], ["--output", str(tmp_path / "out.csv")]):
        assert main(["export", what, *place]) == 0
        shown = capsys.readouterr()
        assert shown == ("" if place else text, "revops: nothing on record in this period\n")
    assert (tmp_path / "out.csv").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("by", ["channel", "peer", "day", "month"])
def test_documents_of_real_records_keep_to_their_schemas(records: str, capsys: Capture, by: str) -> None:
    report = json.loads(printed(capsys, "report", "--json", "--window-days", "10000"))
    validator("report").validate(report)
    assert report["channels"]
    assert report["jobs"]
    pnl = json.loads(printed(capsys, "report", "pnl", "--json", "--by", by, "--from", "2025-01-01"))
    validator("report-pnl").validate(pnl)
    assert bool(pnl["spans"]) is (by in {"day", "month"})
    pnl["total"]["extra_msat"] = 1
    assert not validator("report-pnl").is_valid(pnl)


def test_a_file_is_for_its_owner_whatever_stood_there(records: str, capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        assert printed(capsys, "export", "forwards", "-o", str(path)) == ""
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text(encoding="utf-8") == printed(capsys, "export", "forwards")
    assert printed(capsys, "export", "forwards", "-o", "-") == path.read_text(encoding="utf-8")
    assert main(["export", "forwards", "-v", "-o", str(path)]) == 0
    assert str(path) in capsys.readouterr().err
    link = tmp_path / "link.csv"
    link.symlink_to(path)
    assert printed(capsys, "export", "pnl", "--from", "2025-06-01", "-o", str(link)) == ""
    assert link.is_symlink()
    assert path.read_text(encoding="utf-8").startswith("channel,channel_id,peer_id,")
    assert not list(tmp_path.glob(".revops_*"))


def test_what_ends_before_it_is_whole_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("old", encoding="utf-8")

    def failing(error: BaseException) -> Iterator[str]:
        yield "new"
        raise error

    for error in (UnavailableError("gone"), KeyboardInterrupt(), OSError("of the database")):
        with pytest.raises(type(error), match=r"gone|database|^$"):
            replace_file(path, failing(error))
        assert [(one.name, one.read_text(encoding="utf-8")) for one in tmp_path.iterdir()] == [("out.csv", "old")]


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """As a file may not grow any more, which the system says by another number."""
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from revops.cli.files import replace_file; from revops.errors import RevopsError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try: replace_file(Path(sys.argv[1]), ['x' * 1_000] * 100)\n"
        "except RevopsError as error: print(type(error).__name__, error.exit_code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out.csv")], capture_output=True, text=True, check=True
    )
    assert done.stdout == "DiskError 74\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [".", "missing/out.csv", "/dev/null", "config.toml/x"])
def test_a_place_where_no_file_can_be(records: str, capsys: Capture, tmp_path: Path, place: str) -> None:
    assert main(["export", "pnl", "--output", str(tmp_path / place)]) == OutputError.exit_code
    assert (tmp_path / place).name in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["export", "forwards", "--json"],
        ["export", "pnl", "-n", "-o", "x.csv"],
        ["export", "costs", "-o", ""],
        ["export", "costs", "--last", "3", "--from", "2025-01-01"],
        ["export", "costs", "--from", "2025-01-02", "--until", "2025-01-01"],
        ["export", "taxes"],
        ["export", "pnl", "--by", "year"],
        ["report", "pnl", "--csv", "--json"],
    ],
)
def test_usage(records: str, capsys: Capture, tmp_path: Path, arguments: list[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().out == ""


def started(*arguments: str, **environment: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "revops", *arguments], env={**os.environ, **environment}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip


def test_a_reader_that_leaves_ends_it_quietly(records: str) -> None:
    """More rows than a pipe holds."""
    with closing(Database.open(records)) as database, database.transaction(1) as tx:
        from revops.store.tables import forward

        row: dict[str, Any] = {
            "node_key": 1, "in_channel_key": 1, "out_channel_key": 2, "in_msat": 2, "out_msat": 1, "fee_msat": 1,
            "status": 1, "received_at": NOW, "counted_at": NOW,
        }  # fmt: skip
        tx.connection.execute(insert(forward), [{**row, "created_index": index} for index in range(1_000, 4_000)])
    with started("export", "forwards") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"booked_at,")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(60) == 141


def test_it_is_utf_8_whatever_the_terminal(records: str) -> None:
    with closing(Database.open(records)) as database, database.transaction(1) as tx:
        tx.connection.execute(update(peer).where(peer.c.peer_key == 1).values(alias="Zürich ⚡"))
    with started("export", "costs", PYTHONIOENCODING="ascii") as process:
        out, err = process.communicate(timeout=60)
    assert err == b""
    assert "Zürich ⚡" in out.decode("utf-8")
