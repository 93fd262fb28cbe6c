"""`revops recorder`: what a person sees, and a sync that reads a spool, against the simulated node."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from revops.cli.main import main
from revops.cycle import spool as cycle
from revops.domain.policy import Config, NodeConfig, RecorderConfig
from revops.domain.recorder import LineKind
from revops.recorder.intake import Event, Intake
from revops.recorder.segments import Limits, name_of
from revops.recorder.spool import Spool
from revops.recorder.writer import RunInfo, Writer
from revops.store.engine import Database
from revops.store.keys import ensure_channels, ensure_peers
from tests.builders import OWN_ID, channel_id, node_id


def wrote(folder: Path, at: float, *events: dict[str, Any], run_id: str = "a" * 32) -> None:
    """A run of the plugin that wrote events at a time, and ended."""
    from revops.recorder.complaints import Complaints

    intake = Intake()
    complaints = Complaints(lambda _level, text: pytest.fail(text))
    writer = Writer(intake, Spool(folder, Limits()), RunInfo(run_id, at, "0"), complaints, lambda: at)
    for fields in events:
        intake.put(Event(at, fields))
    intake.close()
    writer.run()


def test_path_is_that_of_the_installed_program_or_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    program = tmp_path / "revops-recorder"
    for _ in range(2):
        assert main(["recorder", "path"]) == 69
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        program.touch(0o644)
    program.chmod(0o755)
    assert main(["recorder", "path"]) == 0
    assert capsys.readouterr().out == f"{program}\n"
    assert main(["recorder", "path", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(program)


@pytest.fixture
def config_path(tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration whose database knows one node, and a spool that isn't there yet."""
    for name in ("REVOPS_CONFIG", "REVOPS_RECORDER_SPOOL_DIR"):
        monkeypatch.delenv(name, raising=False)
    database = Database.open(sqlite_url)
    database.node_key(OWN_ID, "ours", "bitcoin")
    database.close()
    path = tmp_path / "config.toml"
    path.write_text(
        f'[node]\nrpc_path = "/nowhere/rpc"\n[database]\nurl = "{sqlite_url}"\n'
        f'[recorder]\nspool_dir = "{tmp_path / "spool"}"\n'
    )
    return path


def test_status_tells_what_to_look_at(
    config_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    spool = tmp_path / "spool"

    def said(*arguments: str) -> str:
        assert main(["recorder", "status", "-c", str(config_path), *arguments]) == 0
        return capsys.readouterr().out

    assert f"{spool} can't be read: No such file or directory" in said()
    spool.mkdir()
    assert "has no line yet" in said()
    wrote(spool, time.time() - 7_200, {"k": LineKind.CONNECT.value, "peer": node_id(1)})
    assert "silent, last line 2 h ago" in said()
    assert "none of it read: run `revops sync`" in said()
    wrote(spool, time.time(), {"k": LineKind.FORWARD.value})
    assert "writing, last line 0 s ago" in said()
    document = json.loads(said("--json"))
    assert (document["fault"], document["record"], document["spool"]["segment_count"]) == (None, None, 2)
    with (spool / name_of(2)).open("a") as stream:
        stream.write("torn")
    assert "writing" in said()
    monkeypatch.setenv("REVOPS_RECORDER_SPOOL_DIR", "")
    assert "recorder.spool_dir is empty" in said()


def test_events_are_shown_the_latest_first_those_of_strangers_never(
    config_path: Path, sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*arguments: str, code: int = 0) -> str:
        assert main(["recorder", "events", "-c", str(config_path), *arguments]) == code
        return capsys.readouterr().out

    assert "nothing was ever recorded" in said()
    spool = tmp_path / "spool"
    spool.mkdir()
    with closing(Database.open(sqlite_url)) as database:
        node_key = database.node_key(OWN_ID, "ours", "bitcoin")
        with database.transaction(node_key) as tx:
            ensure_peers(tx, [node_id(1)])
            ensure_channels(tx, [channel_id(1)], 1_790_000_000.0)
        for at, event in (
            (1_790_000_000.0, {"k": "connect", "peer": node_id(1)}),
            (1_790_000_060.0, {"k": "connect", "peer": node_id(2)}),
            (1_790_000_120.0, {
                "k": "state", "peer": node_id(1), "channel": channel_id(1), "old": "CHANNELD_NORMAL",
                "new": "CHANNELD_SHUTTING_DOWN", "cause": "remote",
            }),
        ):  # fmt: skip
            wrote(spool, at, event, run_id=f"{at:032.0f}")
        config = Config(node=NodeConfig(rpc_path="/x"), recorder=RecorderConfig(spool_dir=str(spool)))
        assert cycle.ingest_spool(database, node_key, config) > 0

    lines = said().splitlines()
    assert [line.split()[:2] for line in lines[2:4]] == [["2026-09-21", "14:15Z"], ["2026-09-21", "14:13Z"]]
    assert "normal -> channeld_shutting_down" in lines[2]
    assert lines[2].endswith("remote")
    assert "connected" in lines[3]
    assert lines[-1].startswith("2 events; last line ")
    latest = json.loads(said("--last", "1", "--json"))
    assert latest["more"]
    assert [(one["kind"], one["new_state"]) for one in latest["events"]] == [("state", "CHANNELD_SHUTTING_DOWN")]
    assert said("--where", "kind=connect", "--csv").splitlines()[1].split(",")[1] == "connect"
