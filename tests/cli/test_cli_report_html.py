"""`revops report --html`: the file, its figures beside those of `report pnl`, and what is refused."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest
from sqlalchemy import select, update

from revops.cli import report_html
from revops.cli.main import main
from revops.store.engine import Database
from revops.store.tables import node, peer, run
from tests.builders import DAY, NOW
from tests.cli.test_cli_export import empty as empty
from tests.cli.test_cli_export import migrated as migrated
from tests.store.histories import MIDNIGHT, History, Payment, store
from tests.store.rows import SETTLED, scid

ALIAS = "</script><img src=x onerror=alert(1)>\x1b[2J\u202e"
TODAY = int(MIDNIGHT // DAY)
HISTORY = History(
    forwards=[
        {
            "in_scid": scid(1 + index % 3), "out_scid": scid(1 + index % 2), "in_msat": 1_000_900 + 2 * index,
            "out_msat": 1_000_000, "fee_msat": 900 + 2 * index, "status": SETTLED,
            "received_at": MIDNIGHT - 4 * DAY + index * DAY / 4, "resolved_at": None,
        }
        for index in range(18)
    ],
    prunes=[(MIDNIGHT - 2 * DAY - 9, 99)],
    payments=[Payment(1, 2, 500_000, 1_100, int(MIDNIGHT) - 5, MIDNIGHT - 4, 1_300)],
    balances={(-1, 1): 1_000_000, (0, 1): 3_000_000},
)  # fmt: skip
PERIOD = ("--from", "2025-06-11", "--until", "2025-06-15")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def records(empty: str, tmp_path: Path) -> Iterator[Path]:
    """A folder whose configuration leads to a small history, and to a peer with a hostile alias."""
    with closing(Database.open(empty)) as database, database.transaction(1) as tx:
        store(tx, HISTORY)
        tx.connection.execute(update(peer).where(peer.c.peer_key == 1).values(alias=ALIAS))
        tx.connection.execute(update(node).values(synced_at=NOW, version="v26.06.6", blockheight=900_000))
    yield tmp_path
    with closing(Database.open(empty)) as database, database.read(1) as tx:
        assert tx.connection.execute(select(run)).all() == []  # it only reads


def shown(text: str) -> str:
    return unescape(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(script|style).*?</\1>", "", text)))


def test_its_figures_are_those_of_pnl(records: Path, capsys: Capture) -> None:
    path = records / "page.html"
    assert main(["report", "--html", str(path), *PERIOD]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "")
    assert main(["report", "pnl", "--json", *PERIOD]) == 0
    pnl = json.loads(capsys.readouterr().out)
    page = path.read_text(encoding="utf-8")
    total = pnl["total"]
    for label, figure in (
        ("Net earned", total["net_msat"] // 1_000), ("Earned", total["income_msat"] // 1_000),
        ("Spent", -(-total["cost_msat"] // 1_000)),
    ):  # fmt: skip
        assert re.search(rf"<dt>{label}</dt>\s*<dd class=\"value num\">{figure:,} <small>sat", page), label
    section = page[page.index('<section id="earnings">') : page.index('<section id="liquidity">')]
    nets = re.findall(r'data-label="net">([^<]+)<', section)
    assert nets == [f"{one['line']['net_msat'] // 1_000:,}" for one in pnl["channels"]] + [
        f"{total['net_msat'] // 1_000:,}"
    ]  # fmt: skip
    assert "2025-06-11 to 2025-06-15, 5 days (UTC)" in page


def test_the_file_is_whole_private_and_harmless(records: Path, capsys: Capture) -> None:
    path = records / "page.html"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    umask = os.umask(0)
    try:
        assert main(["report", "--html", str(path), "-v", *PERIOD]) == 0
    finally:
        os.umask(umask)
    assert capsys.readouterr().err == f"revops: {path} is written\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    page = path.read_text(encoding="utf-8")
    assert "</script><img src=x onerror=alert(1)>" in shown(page)
    assert "<img" not in page
    assert page.count("<script") == 1
    assert sorted(one.name for one in records.iterdir() if one.name.startswith(".revops")) == []


def test_it_goes_to_standard_output_too(records: Path, capsys: Capture) -> None:
    assert main(["report", "--html", "-", "-n", *PERIOD]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("<!doctype html>")
    assert told.out.endswith("</html>")
    assert told.err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--html", "x", "--json"], "--json and --html don't go together"),
        (["--html", "x", "--fleet"], "--fleet has no meaning with --html"),
        (["--html", "x", "--window-days", "3"], "--window-days has no meaning with --html"),
        (["--html", "x", "--decisions", "3"], "--decisions has no meaning with --html"),
        (["--html", "x", "--last", "3", "--from", "2025-06-11"], "--last and a period"),
        (["--html", "x", "-n"], "there is no dry run of writing a file"),
        (["--last", "3"], "a period goes with --html"),
        (["--last", "3", "pnl"], "--last stands after the part's name"),
        (["--html", "x", "pnl"], "--html is the page of the whole report, and no part of it"),
        (["--fleet", "pnl"], "--fleet is the report of all nodes, and no part of it"),
        (["--html", ""], "the path is empty"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_has_no_meaning_is_refused(
    records: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(records)
    before = sorted(records.iterdir())
    assert main(["report", *arguments]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
    assert sorted(records.iterdir()) == before


def test_without_the_extra_it_says_what_to_install(
    records: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_html, "_NEEDED", ("jinja2", "nothing_by_that_name"))
    assert main(["report", "--html", str(records / "page.html")]) == 78
    # By its name the package index would bring another project of the same name.
    told = "revops: --html needs nothing_by_that_name: pip install '.[html]' in the checkout of revops\n"
    assert capsys.readouterr().err == told
    assert not (records / "page.html").exists()


def test_where_it_can_not_be_written_that_is_said_first(records: Path, capsys: Capture) -> None:
    assert main(["report", "--html", str(records / "none" / "page.html")]) == 73
    assert "there is no folder" in capsys.readouterr().err
    assert main(["report", "--html", str(records)]) == 73
    assert "is no ordinary file" in capsys.readouterr().err


@pytest.mark.usefixtures("empty")
def test_a_database_that_knows_nothing_yet_has_a_page(capsys: Capture) -> None:
    assert main(["report", "--html", "-"]) == 0
    assert "Nothing was ever copied from the node" in capsys.readouterr().out


def test_the_days_before_stand_beside_it_only_where_they_are_on_record(records: Path, capsys: Capture) -> None:
    for period, words in (
        (("--from", "2025-06-14", "--until", "2025-06-15"), "in the 2 days before"), (PERIOD, "no full period before"),
        (("--until", "2025-06-15"), "all that is on record"),
    ):  # fmt: skip
        assert main(["report", "--html", "-", *period]) == 0
        assert words in shown(capsys.readouterr().out)


def test_nothing_heavy_is_loaded_for_the_report_as_text(records: Path) -> None:
    spy = (
        "import sys\nfrom revops.cli.main import main\ncode = main(['report'])\n"
        "assert not {'jinja2', 'matplotlib', 'numpy'} & set(sys.modules)\nsys.exit(code)\n"
    )
    done = subprocess.run([sys.executable, "-c", spy], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_home_that_can_not_be_written_says_nothing_to_cron(records: Path) -> None:
    """matplotlib keeps a list of fonts at home, and complains where it can't."""
    (records / "file").write_text("", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name.startswith("REVOPS_")}
    environment |= {"HOME": str(records / "file" / "home"), "PATH": os.defpath, "TMPDIR": str(records)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-m", "revops", "report", "--html", str(records / "page.html")],
        env=environment, capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
