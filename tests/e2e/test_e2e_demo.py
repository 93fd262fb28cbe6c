"""`revops demo` twice on one day: the same figures, and one truth in four places."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.conftest import Start
from tests.e2e.ledgers import check_money_at_rest, rows
from tests.e2e.operator_place import HELPERS, NAME, ROOT
from tests.report.documents import validator

DEMO_SECONDS: Final = 280.0
#: Early and late on 2026-11-22. Another day is another weekday, on which the simulated market is livelier or calmer.
TIMES_AT: Final = (1_795_310_000, 1_795_390_000)
#: What may differ between two runs: where things lie, and when.
_PLACE: Final = re.compile(r"(directory|_path|_dir)$")
_TIME: Final = re.compile(r"_at$")


@dataclass(frozen=True, slots=True)
class Demo:
    """What one demo left."""

    folder: Path
    now_at: int
    document: dict[str, Any]


def environment(now_at: int, folder: Path) -> dict[str, str]:
    """What the demo's process finds."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "PYTHONPATH": f"{HELPERS / 'clock'}:{ROOT}",
        "PYTHONWARNINGS": "error",
        "E2E_NOW_AT": str(now_at),
    }


@pytest.fixture
def demos() -> Iterator[list[Demo]]:
    """Both at once, since each takes a core for a while."""
    folders = [Path(tempfile.mkdtemp(prefix="demo")) for _ in TIMES_AT]
    try:
        with ExitStack() as stack:
            processes = []
            for folder, now_at in zip(folders, TIMES_AT, strict=True):
                line = [sys.executable, "-m", "revops", "demo", "--days", "1", "--seed", "3", "--json"]
                process = subprocess.Popen(
                    [*line, "--dir", str(folder / "demo")], env=environment(now_at, folder), text=True,
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                )  # fmt: skip
                stack.callback(process.kill)
                processes.append(stack.enter_context(process))
            said = [process.communicate(timeout=DEMO_SECONDS) for process in processes]
            ends = [(process.returncode, err) for process, (_, err) in zip(processes, said, strict=True)]
            assert ends == [(0, "")] * len(TIMES_AT)
        yield [
            Demo(folder / "demo", now_at, json.loads(out))
            for folder, now_at, (out, _) in zip(folders, TIMES_AT, said, strict=True)
        ]
    finally:
        for folder in folders:
            shutil.rmtree(folder)


def figures(value: Any) -> Any:
    """Given a document, return it without what says where and when."""
    if isinstance(value, dict):
        return {name: figures(one) for name, one in value.items() if not _PLACE.search(name) and not _TIME.search(name)}
    return [figures(one) for one in value] if isinstance(value, list) else value


def test_the_same_seed_gives_the_same_figures_and_they_are_true(demos: list[Demo]) -> None:
    """One test, so that two workers don't live through four demos."""
    first, second = demos
    assert first.document["directory"] != second.document["directory"]
    assert figures(first.document) == figures(second.document)
    assert first.document["run_count"] > 100
    assert first.document["earned_msat"] > 0
    for demo in demos:
        check_one_truth_in_four_places(demo)


def metric(folder: Path, name: str, node: str = "demo") -> int:
    """Return the value of a metric of the node without further labels."""
    text = (folder / "metrics" / f"revops_{node}.prom").read_text(encoding="utf-8")
    found = re.search(rf'(?m)^{name}{{node="{node}"}} (\S+)$', text)
    assert found is not None, name
    return int(float(found[1]))


def check_one_truth_in_four_places(demo: Demo) -> None:
    """The node's own books, the database read with sqlite3, the metrics, and what `revops report` says."""
    node = {one["name"]: one["node_msat"] for one in demo.document["comparisons"]}
    database = demo.folder / "revops.sqlite3"
    (forwards,) = rows(database, "SELECT SUM(fee_msat) AS fee FROM forward WHERE status = 1")
    (pruned,) = rows(database, "SELECT COALESCE(SUM(fee_msat), 0) AS fee FROM forward_day")
    (books,) = rows(database, "SELECT * FROM books")
    (paid,) = rows(database, "SELECT COALESCE(SUM(amount_msat), 0) AS fee FROM spend_ledger WHERE kind = 'settle'")
    (moved,) = rows(
        database, "SELECT COALESCE(SUM(amount_msat), 0) AS amount FROM rebalance_job WHERE status = 'settled'"
    )
    now_at = demo.now_at // 86_400 * 86_400
    line = [sys.executable, "-m", "revops", "report", "--json", "--config", str(demo.folder / "config.toml")]
    done = subprocess.run(
        line, env=environment(now_at, demo.folder), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    validator("report").validate(report)
    lifetime, opening_msat = report["lifetime"], report["books"]["opening_msat"]
    assert {
        forwards["fee"] + pruned["fee"] + books["opening_msat"],
        lifetime["earned_msat"] + opening_msat,
        metric(demo.folder, "revops_node_fees_earned_msat_total") + metric(demo.folder, "revops_books_opening_msat"),
        books["node_fees_msat"],
    } == {node["fees earned"]}
    assert {
        paid["fee"], lifetime["rebalance_fees_msat"], metric(demo.folder, "revops_node_rebalance_fees_msat_total")
    } == {node["fees paid for rebalances"]}  # fmt: skip
    assert {
        moved["amount"], lifetime["rebalanced_msat"], metric(demo.folder, "revops_node_rebalanced_msat_total")
    } == {node["amount rebalanced"]}  # fmt: skip
    assert metric(demo.folder, "revops_books_difference_msat") == 0


def test_what_rebalances_cost_is_one_truth_too(start: Start) -> None:
    """Whether the demo's planner finds a refill worth its price is its business; here there are some that do."""
    machine = start.machine
    machine.restore(start.stocked)
    assert machine.command("rebalance", "run").code == 0
    check_money_at_rest(machine)
    books = machine.node.books()
    assert books.rebalance_fees_msat > 0
    ran = machine.command("report", "--json")
    assert (ran.code, ran.err) == (0, "")
    lifetime = json.loads(ran.out)["lifetime"]
    assert (lifetime["rebalance_fees_msat"], lifetime["rebalanced_msat"], lifetime["rebalance_count"]) == (
        books.rebalance_fees_msat, books.rebalance_amount_msat, books.rebalance_count
    )  # fmt: skip
    shown = [
        metric(machine.folder, f"revops_node_{name}_msat_total", NAME) for name in ("rebalance_fees", "rebalanced")
    ]
    assert shown == [books.rebalance_fees_msat, books.rebalance_amount_msat]
