"""The systemd units: every one starts a command that exists, the same ones as the crontab, in a sandbox that holds."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

import click
import pytest

from revops.cli.crontab import example
from revops.cli.main import cli

UNITS: Final = files("revops").joinpath("share/systemd")
PROGRAM: Final = "/usr/local/bin/revops"
SANDBOX: Final = "revops-.service.d/10-sandbox.conf"
#: Of the lines of the crontab these have no unit: what they print is for a mail.
PRINTING: Final = ["report"]
#: "OK" begins at 5.0; what the units need leaves them far below.
MOST_EXPOSED: Final = 1.0

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not on PATH")


def settings(name: str) -> list[tuple[str, str, str]]:
    """The lines of a unit: section, key, value."""
    found, section = [], ""
    for row in UNITS.joinpath(name).read_text(encoding="utf-8").splitlines():
        if row.startswith("["):
            section = row.strip("[]")
        elif row and not row.startswith("#"):
            key, mark, value = row.partition("=")
            assert mark, row
            found.append((section, key, value))
    return found


def values(name: str, section: str, key: str) -> list[str]:
    return [value for found, at, value in settings(name) if (found, at) == (section, key)]


SERVICES = sorted(path.name for path in UNITS.iterdir() if path.name.endswith(".service"))
TIMERS = sorted(path.name for path in UNITS.iterdir() if path.name.endswith(".timer"))


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that a line of words names, and what is left of them: its options."""
    found: click.Command = cli
    rest = list(words)
    while isinstance(found, click.Group) and rest:
        inner = found.get_command(click.Context(found), rest[0])
        if inner is None:
            break
        found, rest = inner, rest[1:]
    return found, rest


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_a_command_that_exists(name: str) -> None:
    lines = values(name, "Service", "ExecStart")
    assert len(lines) == 1
    program, *words = lines[0].split()
    assert program == PROGRAM
    command, rest = command_of(words)
    assert not isinstance(command, click.Group), lines
    command.make_context("revops", rest, resilient_parsing=False, obj={})  # a usage error fails here
    assert values(name, "Service", "Type") == ["oneshot"]
    assert values(name, "Service", "TimeoutStartSec")


def test_a_command_that_does_not_exist_would_be_noticed() -> None:
    command, rest = command_of(["fees", "ajust"])
    assert isinstance(command, click.Group)
    assert rest == ["ajust"]


def test_the_units_are_the_lines_of_the_crontab() -> None:
    """With the same limits; what only prints is left out."""
    entries = re.findall(r"timeout (\d+)m +revops ([^;\n]+)", example())
    of_cron = {(command.strip(), minutes) for minutes, command in entries if command.strip() not in PRINTING}
    of_units = {
        (
            values(name, "Service", "ExecStart")[0].removeprefix(f"{PROGRAM} "),
            values(name, "Service", "TimeoutStartSec")[0].removesuffix("min"),
        )
        for name in SERVICES
    }
    assert of_units == of_cron


def test_each_service_has_its_timer() -> None:
    assert [name.removesuffix(".timer") for name in TIMERS] == [name.removesuffix(".service") for name in SERVICES]
    for name in TIMERS:
        (when,) = values(name, "Timer", "OnCalendar")
        assert not re.search(r":0?0\b", when), "everything else starts at the full hour"
        assert values(name, "Install", "WantedBy") == ["timers.target"]


def test_the_sandbox_keeps_revops_to_the_socket() -> None:
    held = {key: value for section, key, value in settings(SANDBOX) if section == "Service"}
    assert held["ProtectSystem"] == "strict"
    assert held["RestrictAddressFamilies"] == "AF_UNIX"
    assert held["CapabilityBoundingSet"] == ""
    assert held["NoNewPrivileges"] == "yes"
    assert held["UMask"] == "0077"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as systemd would find them, with a program that is there."""
    folder = tmp_path / "system"
    with as_file(UNITS) as units:
        shutil.copytree(units, folder)
    for unit in folder.glob("*.service"):
        unit.write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
    return folder


def analyze(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin", "SYSTEMD_UNIT_PATH": f"{folder}:", "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        ["systemd-analyze", *arguments], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@needs_systemd
def test_systemd_finds_no_fault(installed: Path) -> None:
    done = analyze(installed, "verify", *(str(path) for path in sorted(installed.glob("revops-*.[st]*[re]"))))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


@needs_systemd
def test_systemd_finds_a_fault_that_is_there(installed: Path) -> None:
    unit = installed / "revops-sync.service"
    unit.write_text(unit.read_text().replace("/bin/true", "/bin/there-is-no-such-program"))
    assert analyze(installed, "verify", str(unit)).returncode != 0


@needs_systemd
@pytest.mark.parametrize("name", SERVICES)
def test_little_is_exposed(installed: Path, name: str) -> None:
    done = analyze(installed, "security", "--offline=true", "--no-pager", name)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    if found is None and "offline" in done.stderr:
        pytest.skip("this systemd-analyze can't look at files")
    assert found is not None, done
    assert float(found[1]) <= MOST_EXPOSED
