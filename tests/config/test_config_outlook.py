"""What `config check` says of a configuration that is valid and would fail on this machine all the same."""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from revops.cli.main import main

BUDGET = "[budget]\ndaily_sat = 1\nweekly_sat = 1\n"


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a socket, metrics and a configuration of both. A socket's path holds 108 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="r"))
    (folder / "prom").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "rpc"))
        write(folder)
        yield folder
    shutil.rmtree(folder)


def write(place: Path, more: str = "") -> None:
    metrics = f'[metrics]\ntextfile_dir = "{place / "prom"}"\n'
    text = f'[node]\nrpc_path = "{place / "rpc"}"\n{metrics}{more}'
    (place / "c.toml").write_text(text, encoding="utf-8")


def check(place: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["config", "check", "--json", "-c", str(place / "c.toml")]) == 0
    said = capsys.readouterr()
    warnings: list[str] = json.loads(said.out)["warnings"]
    assert said.err == "".join(f"revops: warning: {warning}\n" for warning in warnings)
    return warnings


def test_all_is_well(place, capsys):
    write(place, f'[rebalance]\nmode = "act"\n{BUDGET}')
    assert check(place, capsys) == []
    write(place)  # no budget is fine for who only observes
    assert check(place, capsys) == []


def test_no_socket(place, capsys):
    (place / "rpc").unlink()
    (warning,) = check(place, capsys)
    assert f"{place}/rpc: No such file or directory; is lightningd running" in warning
    (place / "rpc").touch()
    (warning,) = check(place, capsys)
    assert "is not a socket" in warning


def test_no_metrics_folder(place, capsys):
    (place / "prom").rmdir()
    assert check(place, capsys) == [
        f"metrics.textfile_dir: there is no folder {place}/prom: every run would fail at its end"
    ]


def test_no_spool_or_one_of_somebody_else_s(place, capsys, monkeypatch):
    write(place, f'[recorder]\nspool_dir = "{place / "spool"}"\n')
    (warning,) = check(place, capsys)
    assert warning.startswith(f"recorder.spool_dir: there is no folder {place}/spool: ")
    (place / "spool").mkdir()
    assert check(place, capsys) == []
    (place / "spool").rmdir()
    (place / "spool").touch()
    (warning,) = check(place, capsys)
    assert warning.startswith("recorder.spool_dir: this user may not read ")


def test_what_this_user_may_not_use(place, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    socket_warning, metrics_warning = check(place, capsys)
    assert "rpc-file-mode" in socket_warning
    assert "may not write to" in metrics_warning


@pytest.mark.parametrize(
    ("budget", "unset"),
    [
        ("", "budget.daily_sat = 0 and budget.weekly_sat = 0"),
        ("[budget]\nweekly_sat = 5\n", "budget.daily_sat = 0"),
        (f"{BUDGET}revenue_share_ratio = 0\n", "budget.revenue_share_ratio = 0"),
    ],
)
def test_spending_without_a_budget(place, capsys, budget, unset):
    write(place, f'[rebalance]\nmode = "act"\n{budget}')
    assert check(place, capsys) == [f'rebalance.mode is "act", but {unset}: nothing will ever be spent']


@pytest.mark.parametrize(
    ("limits", "unset"),
    [("", "splice.daily_sat = 0 and splice.weekly_sat = 0"), ("weekly_sat = 5\n", "splice.daily_sat = 0")],
)
def test_splices_without_a_budget(place, capsys, limits, unset):
    write(place, f'[splice]\nmode = "act"\n{limits}')
    assert check(place, capsys) == [f'splice.mode is "act", but {unset}: no splice will ever be made']
    write(place, '[splice]\nmode = "act"\ndaily_sat = 5\nweekly_sat = 5\n')
    assert check(place, capsys) == []


def test_the_verdict_counts_them(place, capsys):
    (place / "prom").rmdir()
    assert main(["config", "check", "-v", "-c", str(place / "c.toml")]) == 0
    assert capsys.readouterr().out == f"valid, with 1 warning: {place / 'c.toml'}\n"


def test_silence_longer_than_events_are_kept(place, capsys):
    write(place, "[classes]\nstagnant_days = 60\ndead_days = 91\n")
    (warning,) = check(place, capsys)
    assert warning == ("classes.dead_days = 91 is above retention.events_days = 90: no channel will ever be it")
    write(place, "[classes]\nstagnant_days = 60\ndead_days = 90\n")
    assert check(place, capsys) == []
