"""`revops init`: what it reads of the node, what it writes, and what it refuses to overwrite."""

from __future__ import annotations

import json
import os
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from revops.cli.crontab import example
from revops.cli.main import main
from revops.cli.program import called, called_by_path
from revops.config import read
from revops.cycle import db, init
from revops.domain.forward import ForwardStatus
from revops.domain.listed import Forward
from revops.domain.options import CommonOptions
from revops.errors import ConfigError, DataError, OutputError, UnavailableError
from revops.node.methods import permitted
from tests.builders import make_channel, make_node, make_wallet

NOW = 1_790_000_000.0
DAY = 86_400


class FakeReader:
    """A node with forwards, one every `gap_seconds` back from now; it counts the pages that it is asked for."""

    def __init__(self, count: int, gap_seconds: float, **changes: Any) -> None:
        self.rows = [
            Forward(
                created_index=index, updated_index=None, in_scid="1x1x1", out_scid="2x2x2",
                in_msat=1_001, out_msat=1_000, received_at=NOW - (count - index) * gap_seconds, resolved_at=None,
                failcode=None, **{"fee_msat": 1, "status": ForwardStatus.SETTLED, **changes},
            )
            for index in range(1, count + 1)
        ]  # fmt: skip
        self.pages: list[tuple[int, int]] = []

    def info(self) -> Any:
        return make_node()

    def wallet(self) -> Any:
        return make_wallet()

    def channels(self) -> Any:
        return (make_channel(1), make_channel(2))

    def top_index(self, subsystem: str, indexname: str) -> int:
        assert (subsystem, indexname) == ("forwards", "created")
        return len(self.rows)

    def forwards(self, index: str, start: int, limit: int) -> tuple[Forward, ...]:
        assert index == "created"
        assert 1 <= limit <= 5_000
        self.pages.append((start, limit))
        return tuple(row for row in self.rows if row.created_index >= start)[:limit]


def looked_at(reader: FakeReader) -> Any:
    return init.look_through(reader, "/run/rpc", NOW)  # type: ignore[arg-type]


def test_a_week_s_income_is_read_backwards_and_no_further():
    reader = FakeReader(12_001, gap_seconds=7 * DAY / 6_000)
    seen = looked_at(reader)
    assert (seen.earned_msat, seen.forward_count, seen.complete) == (6_001, 6_001, True)
    assert reader.pages == [(7_002, 5_000), (2_002, 5_000), (1, 2_001)]


def test_a_node_without_forwards_earned_nothing():
    seen = looked_at(FakeReader(0, 1))
    assert (seen.earned_msat, seen.forward_count, seen.complete) == (0, 0, True)


def test_only_what_settled_counts():
    assert looked_at(FakeReader(10, 1, status=ForwardStatus.FAILED, fee_msat=5)).earned_msat == 0


def test_a_settled_forward_without_a_fee_is_an_error():
    with pytest.raises(DataError, match="fee_msat"):
        looked_at(FakeReader(10, 1, fee_msat=None))


def test_a_very_busy_node_gets_a_lower_bound(monkeypatch):
    monkeypatch.setattr(init, "_MOST_PAGES", 2)
    seen = looked_at(FakeReader(10_500, 1))
    assert (seen.earned_msat, seen.complete) == (10_000, False)


@pytest.mark.parametrize("method", ["getinfo", "listfunds", "listpeerchannels", "listforwards", "wait"])
def test_what_init_reads_is_permitted_to_it(method):
    assert permitted(method, "init", writes_allowed=False) is not None


def test_writing_is_private_and_overwrites_only_when_told(tmp_path):
    path = tmp_path / "new" / "config.toml"
    init.write(path, "one", force=False)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigError, match="--force"):
        init.write(path, "two", force=False)
    assert path.read_text() == "one"
    path.chmod(0o644)
    init.write(path, "three", force=True)
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("three", 0o600)
    assert [each.name for each in path.parent.iterdir()] == ["config.toml"]


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for force in (False, True):
        with pytest.raises(OutputError, match="No space left"):
            init.write(tmp_path / "config.toml", "text", force=force)
        assert list(tmp_path.iterdir()) == []


def test_init_makes_a_configuration_and_a_database(node, home, capsys):
    assert main(["init", "--rpc-path", str(node)]) == 0
    out = capsys.readouterr().out
    path = home / ".config/revops/config.toml"
    config = read(CommonOptions(), {}).config
    assert config.node.rpc_path == str(node)
    assert config.fees.mode == config.rebalance.mode == "observe"
    assert path.stat().st_mode & 0o777 == 0o600
    database = home / ".local/state/revops/revops.sqlite3"
    assert database.stat().st_mode & 0o777 == 0o600
    assert str(path) in out
    assert "revops fees adjust --dry-run" in out
    assert "they watch and record" in out
    assert main(["db", "check"]) == 0
    capsys.readouterr()
    assert main(["init", "--rpc-path", str(node), "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["config_path"] == str(path)


def test_init_dry_run_prints_the_file_and_writes_nothing(node, home, capsys):
    assert main(["init", "--rpc-path", str(node), "-n"]) == 0
    assert tomllib.loads(capsys.readouterr().out)["node"]["rpc_path"] == str(node)
    assert list(home.iterdir()) == []


def test_init_says_when_only_half_is_done(node, home, capsys, monkeypatch):
    def refuse(_options: CommonOptions) -> None:
        raise UnavailableError("no database today")

    monkeypatch.setattr(db, "upgrade", refuse)
    target = home / "c.toml"
    assert main(["init", "--rpc-path", str(node), "-o", str(target)]) == 69
    err = capsys.readouterr().err
    assert "revops db upgrade" in err
    assert "no database today" in err
    assert target.exists()


def test_init_without_a_node_writes_nothing(home, capsys):
    assert main(["init"]) == 78
    assert "is lightningd running?" in capsys.readouterr().err
    assert list(home.iterdir()) == []


def test_init_prints_the_crontab_of_this_machine(node, home, capsys, monkeypatch):
    """cron looks for programs in few folders, and for the configuration in two places."""
    program = home / "a venv" / "bin" / "revops"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert main(["init", "--rpc", str(node), "-o", str(home / "c.toml")]) == 0
    out = capsys.readouterr().out
    lines = out.partition("# revops: ")[2].splitlines()[1:]
    assert lines[0] == f"REVOPS_CONFIG={home / 'c.toml'}"
    called_at = f"'{program}'"
    assert f"2,32   *     *   *   *    timeout 9m  {called_at} sync" in lines
    assert f"timeout 4m  {called_at} rebalance plan -q; timeout 24m {called_at} rebalance run" in lines[4]
    assert f"  {called_at} fees adjust --dry-run --config {home / 'c.toml'}" in out
    assert main(["init", "--crontab", "-o", str(home / "c.toml")]) == 0
    alone = capsys.readouterr()
    assert alone.err == ""
    assert out.endswith(alone.out)
    assert alone.out.splitlines()[1:] == lines


def test_the_crontab_has_every_line_of_the_example_and_no_other(node, home, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/usr/bin/revops"])
    assert main(["init", "--rpc", str(node), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    entries = [line for line in document["crontab"].splitlines() if not line.startswith("#")]
    program = called_by_path()
    assert [line.replace(program, "revops") for line in entries] == [
        line for line in example().splitlines() if re.match("[0-9*]", line)
    ]
    assert "REVOPS_CONFIG" not in document["crontab"]


def test_a_percent_sign_ends_no_line_of_the_crontab(home, capsys, monkeypatch):
    program = home / "100%" / "revops"
    program.parent.mkdir()
    program.touch()
    (home / "c.toml").touch()
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert main(["init", "--crontab", "-c", str(home / "c.toml")]) == 0
    assert f"{program.parent.parent}/100\\%/revops sync" in capsys.readouterr().out


def test_there_is_no_crontab_before_there_is_a_configuration(home, capsys):
    assert main(["init", "--crontab"]) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert "run `revops init` first" in err


def test_twice_changes_nothing_and_says_so(node, home, capsys):
    assert main(["init", "--rpc", str(node)]) == 0
    capsys.readouterr()

    def files() -> dict[Path, tuple[int, bytes]]:
        return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in home.rglob("*") if path.is_file()}

    before = files()
    for line in (["init"], ["init", "--rpc", str(node)]):
        assert main(line) == 0
        out, err = capsys.readouterr()
        assert "nothing was changed" in out
        assert err == ""
    assert main(["init", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["written"], document["node_id"]) == (False, None)
    assert files() == before


@pytest.mark.parametrize("flags", [["--rpc", "/elsewhere"], ["--db", "sqlite:////else.db"], ["--metrics-dir", "/else"]])
def test_twice_with_other_flags_is_refused(node, home, capsys, flags):
    assert main(["init", "--rpc", str(node), "--json"]) == 0
    capsys.readouterr()
    assert main(["init", *flags]) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert "--force replaces it" in err
    assert "/else" in err


def test_twice_without_the_database_makes_no_new_one(node, home, capsys):
    """It would have forgotten what was spent."""
    assert main(["init", "--rpc", str(node), "--json"]) == 0
    database = home / ".local/state/revops/revops.sqlite3"
    database.unlink()
    capsys.readouterr()
    assert main(["init"]) == 78
    assert "revops db upgrade" in capsys.readouterr().err
    assert not database.exists()


def test_python_m_is_called_as_it_was(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/x/revops/__main__.py"])
    assert called() == f"{sys.executable} -m revops"


def test_init_writes_what_its_flags_name(node, home, capsys, monkeypatch):
    """Else the next command works on another database, with an unspent budget."""
    monkeypatch.chdir(home)
    (home / "prom").mkdir()
    assert main(["init", "--rpc-path", str(node), "--db", "sqlite:///rel.db", "--metrics-dir", "prom"]) == 0
    config = read(CommonOptions(), {}).config
    assert config.database.url == f"sqlite:///{home}/rel.db"
    assert config.metrics.textfile_dir == str(home / "prom")
    assert (home / "rel.db").is_file()
    monkeypatch.chdir("/")
    assert main(["db", "check"]) == 0
    assert main(["init", "--rpc-path", str(node), "--force", "--metrics-dir", "none"]) == 0
    assert read(CommonOptions(), {}).config.metrics.textfile_dir == ""


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite:///:memory:"])
def test_init_refuses_a_database_before_it_writes(node, home, capsys, url):
    assert main(["init", "--rpc-path", str(node), "--db", url]) == 78
    assert "sqlite:////absolute/path" in capsys.readouterr().err
    assert list(home.iterdir()) == []


def test_a_channel_that_is_not_there_is_usage(node, home, capsys):
    assert main(["init", "--rpc-path", str(node), "--json"]) == 0
    capsys.readouterr()
    assert main(["fees", "adjust", "-n", "--channel", "1x1x1"]) == 2
    assert capsys.readouterr() == ("", "revops: no such channel: 1x1x1\n")
