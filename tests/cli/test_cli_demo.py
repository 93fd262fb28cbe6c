"""`revops demo` keeps to its folder: whatever the shell has set for a real node, that node is never spoken to."""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from revops.cli.main import main
from revops.cycle import demo, demo_books, demo_operator
from revops.domain.options import CommonOptions
from revops.domain.reason import Reason, ReasonCode
from revops.domain.record import JobRecord
from revops.domain.schedule import SCHEDULE
from revops.errors import ConfigError
from revops.sim.config import SimConfig
from revops.sim.server import SimServer
from revops.sim.world import SimulatedNode


@pytest.fixture
def folder() -> Iterator[Path]:
    """A unix socket's path holds 108 bytes."""
    made = Path(tempfile.mkdtemp(prefix="r"))
    yield made
    shutil.rmtree(made)


@pytest.fixture(autouse=True)
def short_day(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run of each kind is enough to reach a node that isn't the demo's."""
    monkeypatch.setattr(demo, "SCHEDULE", {command: (minute,) for minute, command in enumerate(SCHEDULE, 600)})


@pytest.fixture
def real(folder: Path) -> Iterator[SimulatedNode]:
    """What stands for the operator's own node."""
    node = SimulatedNode(SimConfig(seed=5, channel_count=3, start_at=1_790_000_000, history_days=1))
    with SimServer(node, folder / "real-rpc"):
        yield node


def test_variables_of_a_real_node_lead_nowhere(folder, real, monkeypatch, capsys):
    metrics, config, database = folder / "real-metrics", folder / "real.toml", folder / "real.sqlite3"
    metrics.mkdir()
    config.write_text(f'[node]\nrpc_path = "{folder / "real-rpc"}"\n', encoding="utf-8")
    for name, value in {
        "CONFIG": config,
        "NODE_RPC_PATH": folder / "real-rpc",
        "NODE_NAME": "real",
        "DATABASE_URL": f"sqlite:///{database}",
        "METRICS_TEXTFILE_DIR": metrics,
        "FEES_MAX_PPM": "7",
    }.items():
        monkeypatch.setenv(f"REVOPS_{name}", str(value))
    monkeypatch.setenv("REVOPS_CLN_SCHEMAS", str(folder))  # for the tests alone: it overrides nothing
    assert main(["demo", "--days", "1", "--channels", "4", "--dir", str(folder / "demo")]) == 0
    assert "first unset REVOPS_CONFIG REVOPS_DATABASE_URL" in capsys.readouterr().out
    assert real.call_log == []
    assert list(metrics.iterdir()) == []
    assert not database.exists()
    assert {path.name for path in (folder / "demo" / "metrics").iterdir()} >= {"revops_demo.prom"}


def test_the_books_of_a_demo_have_a_splice_a_batch_and_a_close(folder, capsys):
    place = folder / "demo"
    before = os.umask(0)
    try:
        assert main(["demo", "--days", "1", "--channels", "6", "--dir", str(place), "--json"]) == 0
    finally:
        os.umask(before)
    summary = json.loads(capsys.readouterr().out)
    assert [deed["what"] for deed in summary["deeds"]] == ["splice", "mutual_close", "batch_open"]
    assert stat.S_IMODE((place / "report.txt").stat().st_mode) == 0o600
    assert main(["history", "--json", "-c", str(place / "config.toml")]) == 0
    life = json.loads(capsys.readouterr().out)
    by_id = {one["channel_id"]: one for one in life["channels"]}
    splice, close, batch = (deed["channel_ids"] for deed in summary["deeds"])
    assert by_id[splice[0]]["line"]["splice_msat"] > 0
    assert len({by_id[one]["line"]["open_msat"] for one in batch}) == 1
    assert by_id[close[0]]["close_cause"] == "user"
    told = [by_id[one]["line"] for one in (*splice, *batch, *close)]
    spent_msat = sum(line["splice_msat"] + line["close_msat"] for line in told)
    spent_msat += sum(by_id[one]["line"]["open_msat"] for one in batch)
    assert summary["chain_msat"] == spent_msat > 0
    assert summary["net_msat"] == summary["earned_msat"] - summary["rebalance_fees_msat"] - spent_msat


@pytest.mark.parametrize("channel_count", [2, 3])
def test_a_node_of_few_channels_loses_none(channel_count):
    node = SimulatedNode(SimConfig(seed=5, channel_count=channel_count, start_at=1_790_000_000, history_days=1))
    assert demo_operator.closed(node) is None
    assert len(node.handle("listpeerchannels")["channels"]) == channel_count


def test_a_wallet_that_cannot_pay_pays_nothing():
    node = SimulatedNode(SimConfig(seed=5, channel_count=6, start_at=1_790_000_000, history_days=1))
    node.withdraw(6_000_000)
    before = node.handle("listfunds")
    assert (demo_operator.spliced(node), demo_operator.opened_batch(node)) == (None, None)
    assert node.handle("listfunds") == before


@pytest.mark.parametrize("key", ["node.rpc_path", "database.url", "metrics.textfile_dir"])
def test_a_configuration_that_leads_elsewhere_is_refused(folder, key, monkeypatch):
    """The fence behind the first one."""
    elsewhere = f"sqlite:///{folder}/real" if key == "database.url" else f"{folder}/real"
    section, _, name = key.partition(".")
    variables = {f"REVOPS_{section.upper()}_{name.upper()}": elsewhere}
    told = demo._told
    monkeypatch.setattr(demo, "_told", lambda options, place: replace(told(options, place), environment=variables))
    with pytest.raises(ConfigError, match=f"{key} leads the demo to {folder}/real instead of"):
        demo.run(CommonOptions(), days=1, seed=1, channel_count=3, directory=folder / "demo")


@pytest.mark.parametrize(
    ("code", "is_too_dear"),
    [
        ("no_route", True),
        ("route_too_dear", True),
        ("payment_failed", False),
        ("payment_settled", False),
        (None, False),
    ],
)
def test_jobs_without_a_route_cheap_enough_are_counted(code, is_too_dear, monkeypatch):
    reason = None if code is None else Reason(ReasonCode(code))
    job = JobRecord(1, 1, "a", "b", 10**9, 10**5, 10**5, "failed", 0.0, 1.0, reason=reason)
    monkeypatch.setattr(demo_books, "_jobs", lambda _url: (job, job))
    assert demo_books.too_dear_count("") == (2 if is_too_dear else 0)


def test_attempts_at_one_refill_count_once(monkeypatch):
    first = JobRecord(1, 1, "a", "b", 10**9, 10**5, 10**5, "failed", 0.0, 1.0)
    again = replace(first, job_key=2, attempt=2, retry_of_key=1)
    third = replace(first, job_key=3, attempt=3, retry_of_key=2, status="settled")
    monkeypatch.setattr(demo_books, "_jobs", lambda _url: (third, again, first, replace(first, job_key=4)))
    assert demo_books.refill_counts("") == {"settled": 1, "failed": 1}
    assert demo_books.job_counts("") == {"settled": 1, "failed": 3}


@pytest.mark.parametrize("given", [["--db", "sqlite:////x"], ["-c", "/x"], ["--metrics-dir", "none"], ["-n"]])
def test_what_the_demo_would_not_heed_is_refused(folder, given, capsys):
    assert main(["demo", "--dir", str(folder / "demo"), *given]) == 2
    assert "own folder" in capsys.readouterr().err
    assert not (folder / "demo").exists()
