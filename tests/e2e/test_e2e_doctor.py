"""`revops doctor` on a machine where one thing is broken on purpose: it says which, and what to do, and still looks at
all the rest.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from revops.cycle import doctor, doctor_machine, doctor_node, find_node
from revops.cycle.processes import Process
from revops.domain.health import DoctorReport, Finding, Severity
from revops.domain.options import CommonOptions
from revops.lock import lock_path
from revops.sim.faults import Fault, FaultKind
from revops.store import health
from tests.e2e.conftest import Start
from tests.e2e.operator_place import Machine, Saved
from tests.report.documents import validator

HOUR: Final = 3_600
#: What the sandbox of a test has, or lacks, whatever is broken on purpose.
OF_THE_MACHINE: Final = frozenset({"clock", "metrics.exporter", "disk"})
#: All that is looked at where nothing is missing.
CHECKS: Final = frozenset(
    {
        "config", "config.budget", "config.fees", "config.reserve", "config.classes", "node.socket", "node.answer",
        "node.version", "node.chain", "node.replies", "node.autoclean", "node.router", "node.sling", "node.bookkeeper",
        "node.clboss", "node.ads", "database", "database.integrity", "database.backup", "records.node",
        "records.ledger", "records.fresh", "records.books", "records.spending", "records.under_way", "cron",
        "metrics.folder", "metrics.exporter", "disk", "locks", "clock",
    }
)  # fmt: skip


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever runs on this machine beside the test is none of its business; a call that hangs is given up soon."""
    monkeypatch.setattr(doctor_machine, "running", lambda _names: ())
    monkeypatch.setattr(doctor_node, "_TIMEOUT_SECONDS", 3.0)


def configure(machine: Machine, **changes: Mapping[str, str | int | float]) -> None:
    """Write a configuration in which nothing stands out but what is changed."""
    sound: dict[str, dict[str, str | int | float]] = {
        "reserve": {"onchain_sat": 1_000, "offchain_sat": 1_000}, "budget": {"revenue_share_ratio": 0.5}
    }  # fmt: skip
    machine.write_config(**{name: {**sound.get(name, {}), **changes.get(name, {})} for name in {*sound, *changes}})


@pytest.fixture(scope="session")
def lived(start: Start) -> Saved:
    """A machine on which cron has just run."""
    start.machine.restore(start.stocked)
    configure(start.machine)
    for command in ("sync", "fees adjust", "rebalance plan", "rebalance run", "rollup"):
        start.machine.here(command)
    return start.machine.save()


@pytest.fixture
def settled(start: Start, lived: Saved) -> Iterator[Machine]:
    """The same, put back to how it was; other tests find the configuration that they know."""
    start.machine.restore(lived)
    configure(start.machine)
    yield start.machine
    start.machine.write_config()


def look(machine: Machine, options: CommonOptions | None = None, later_seconds: float = 0.0) -> DoctorReport:
    return doctor.run(options or machine.options, lambda: machine.node.now_at + later_seconds)


def wrong(report: DoctorReport) -> dict[str, Finding]:
    """What is worse than a note, by its check."""
    bad = (Severity.ERROR, Severity.WARNING)
    return {one.check: one for one in report.findings if one.severity in bad and one.check not in OF_THE_MACHINE}


def only(report: DoctorReport, check: str) -> Finding:
    """The finding of a check, which must be the only one that is worse than a note."""
    found = wrong(report)
    assert found.keys() == {check}, found
    return found[check]


def test_where_nothing_is_wrong_everything_is_looked_at(settled: Machine) -> None:
    report = look(settled)
    assert wrong(report) == {}
    assert {one.check for one in report.findings} == CHECKS
    assert not [one for one in report.findings if one.severity is Severity.UNCHECKED]
    assert report.call_count <= 20


def test_it_reads_and_nothing_else(settled: Machine) -> None:
    settled.here("sync")  # there are locks and metrics now

    def files() -> dict[Path, tuple[int, bytes]]:
        return {path: (path.stat().st_mode, path.read_bytes()) for path in settled.folder.rglob("*") if path.is_file()}

    before = files()
    settled.node.call_log.clear()
    look(settled)
    assert settled.node.call_log.writing_calls() == []
    assert not {"setconfig", "bkpr-listbalances"} & set(settled.node.call_log.methods())
    assert not [name for name in settled.node.call_log.methods() if name.startswith("autoclean")]
    after = files()
    assert {path.name for path in after.keys() ^ before.keys()} <= {"revops.sqlite3-wal", "revops.sqlite3-shm"}
    assert {path: after[path] for path in before.keys() & after.keys()} == before


def test_as_a_person_runs_it(settled: Machine) -> None:
    """Told on a terminal and piped; JSON by its schema; the exit code is the report's; -q says nothing."""
    settled.node.set_syncing()
    try:
        ran = settled.command("doctor", "--json")
        document = json.loads(ran.out)
        validator("doctor").validate(document)
        assert (ran.code, ran.err) == (document["exit_code"], "")
        assert ran.code == 75
        told = settled.command("doctor")
        assert told.code == 75
        assert "ERROR" in told.out
        assert "node.chain" in told.out
        assert "-> wait" in told.out
        quiet = settled.command("doctor", "-q")
        assert (quiet.code, quiet.out, quiet.err) == (75, "", "")
    finally:
        settled.node.set_syncing(False)


# ---- configuration


def test_no_configuration(settled: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor anything else of ours: a newcomer is told of `init`, and not to make a database."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(find_node, "running", lambda _names: ())
    monkeypatch.delenv("LIGHTNING_DIR", raising=False)
    report = doctor.run(CommonOptions(config_path=tmp_path / "none.toml", environment={}))
    assert wrong(report).keys() == {"config", "node.socket"}
    assert report.exit_code == 78
    assert report.config_path is None
    assert "revops init" in wrong(report)["config"].sentence
    (database,) = [one for one in report.findings if one.check == "database"]
    assert database.severity is Severity.UNCHECKED
    assert list(tmp_path.iterdir()) == []


def test_no_configuration_beside_a_node(settled: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node is found as `init` finds it."""
    monkeypatch.setenv("HOME", str(settled.folder / "home"))
    monkeypatch.setenv("LIGHTNING_DIR", str(settled.folder / "ln"))
    monkeypatch.setattr(find_node, "running", lambda _names: ())
    (settled.folder / "ln").mkdir()
    (settled.folder / "ln" / "lightning-rpc").symlink_to(settled.rpc)
    try:
        report = doctor.run(CommonOptions(config_path=settled.folder / "none.toml", environment={}))
    finally:
        shutil.rmtree(settled.folder / "ln")
    assert wrong(report).keys() == {"config"}
    assert "node.replies" in {one.check for one in report.findings if one.severity is Severity.OK}


@pytest.mark.parametrize("line", ["[fees]\nmax_pmp = 3", "[fees]\nmin_ppm = 900\nmax_ppm = 100", "[nonsense]"])
def test_a_faulty_configuration_hides_nothing_else(settled: Machine, tmp_path: Path, line: str) -> None:
    """What of it holds leads to the node and the database."""
    places = f'[node]\nrpc_path = "{settled.rpc}"\n[database]\nurl = "sqlite:///{settled.database}"\n'
    path = tmp_path / "config.toml"
    path.write_text(places + line + "\n")
    report = look(settled, CommonOptions(config_path=path, environment={}))
    assert report.exit_code == 78
    assert str(path) in only(report, "config").sentence
    fine = {one.check for one in report.findings if one.severity is Severity.OK}
    assert {"node.answer", "database", "records.node"} <= fine
    assert not [one for one in report.findings if one.check.startswith("config.")]


def test_a_file_that_is_no_toml(settled: Machine, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[node\n")
    assert "not valid TOML" in wrong(look(settled, CommonOptions(config_path=path, environment={})))["config"].sentence


def test_a_mode_that_acts_without_a_budget(settled: Machine) -> None:
    configure(settled, budget={"daily_sat": 0, "weekly_sat": 0})
    report = look(settled)
    assert "nothing will ever be spent" in only(report, "config.budget").sentence
    assert report.exit_code == (1 if not clock_errors(report) else report.exit_code)


def clock_errors(report: DoctorReport) -> list[Finding]:
    return [one for one in report.findings if one.check in OF_THE_MACHINE and one.severity is Severity.ERROR]


def test_a_variable_that_cron_does_not_have(settled: Machine) -> None:
    options = CommonOptions(config_path=settled.config, environment={"REVOPS_FEES_MAX_PPM": "900"})
    found = [one for one in look(settled, options).findings if one.check == "config"]
    assert [one for one in found if one.severity is Severity.NOTE and "REVOPS_FEES_MAX_PPM" in one.sentence]


# ---- the node


@contextmanager
def other_socket(machine: Machine, path: Path) -> Iterator[None]:
    """Let the configuration lead to another socket."""
    configure(machine, node={"rpc_path": f'"{path}"'})
    try:
        yield
    finally:
        machine.write_config()


def test_no_socket(settled: Machine) -> None:
    with other_socket(settled, settled.folder / "nowhere" / "lightning-rpc"):
        report = look(settled)
    assert only(report, "node.socket").exit_code == report.exit_code == 69
    unmade = {one.check for one in report.findings if one.severity is Severity.UNCHECKED}
    assert {"node.version", "node.router", "records.node"} <= unmade


def test_a_file_where_the_socket_should_be(settled: Machine) -> None:
    with other_socket(settled, settled.config):
        assert only(look(settled), "node.socket").exit_code == 78


def test_nobody_listens(settled: Machine) -> None:
    path = settled.folder / "dead"
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(path))
    try:
        with other_socket(settled, path):
            found = only(look(settled), "node.answer")
    finally:
        path.unlink()
    assert found.exit_code == 69
    assert "nobody listens" in found.sentence


def test_a_socket_that_is_closed_to_us(settled: Machine) -> None:
    settled.rpc.chmod(0o000)
    try:
        ran = settled.confined(["--no-override"], "doctor", "--json")
    finally:
        settled.rpc.chmod(0o600)
    (found,) = [one for one in json.loads(ran.out)["findings"] if one["check"] == "node.socket"]
    assert (found["severity"], found["exit_code"], ran.code) == ("error", 77, 77)
    assert "rpc-file-mode=0660" in found["remedy"]


def test_a_socket_that_is_open_to_everybody(settled: Machine) -> None:
    settled.rpc.chmod(0o666)
    try:
        assert "everybody" in only(look(settled), "node.socket").sentence
    finally:
        settled.rpc.chmod(0o600)


@pytest.mark.parametrize(("version", "severity"), [("v25.09.3", Severity.ERROR), ("v99.01", Severity.NOTE)])
def test_a_version_that_is_not_supported(settled: Machine, version: str, severity: Severity) -> None:
    settled.node.false_reply("getinfo", {"version": version})
    try:
        report = look(settled)
    finally:
        settled.node.false_reply("getinfo", None)
    (found,) = [one for one in report.findings if one.check == "node.version"]
    assert found.severity is severity
    assert version in found.sentence


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("listfunds", "outputs"), ("listpeerchannels", "channels.*.to_us_msat"), ("listforwards", "forwards.*.status"),
        ("listchannelmoves", "channelmoves.*.timestamp"), ("listnetworkevents", "networkevents.*.type"),
        ("feerates", "perkw.floor"),
    ],
)  # fmt: skip
def test_a_field_that_an_update_of_the_node_took_away(settled: Machine, method: str, path: str) -> None:
    """What would stop every sync, silently but for its mail: here it is named, with the method."""
    settled.server.faults.on(method, Fault(FaultKind.MISSING_FIELD, path=path), times=9)
    report = look(settled)
    found = only(report, "node.replies")
    assert (found.exit_code, report.exit_code) == (65, 65)
    assert found.sentence.startswith(f"{method}: ")
    assert path.rpartition(".")[2] in found.sentence


def test_a_method_that_is_gone(settled: Machine) -> None:
    error = Fault(FaultKind.ERROR, code=-32601, message="Unknown command 'listchainmoves'")
    settled.server.faults.on("listchainmoves", error, times=9)
    assert "listchainmoves" in only(look(settled), "node.replies").sentence


def test_a_node_that_hangs_is_asked_no_further(settled: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_node, "_TIMEOUT_SECONDS", 0.3)
    settled.server.faults.on("listfunds", Fault(FaultKind.DELAY, seconds=1.0), times=9)
    report = look(settled)
    found = only(report, "node.answer")
    assert "no complete reply" in found.sentence
    assert settled.node.call_log.methods()[-1] != "help"
    assert "listforwards" not in settled.node.call_log.methods()[-3:]


def test_a_node_that_does_not_tell_its_methods(settled: Machine) -> None:
    settled.server.faults.on("help", Fault(FaultKind.ERROR, code=-32601, message="no"), times=9)
    report = look(settled)
    assert wrong(report) == {}
    unmade = {one.check for one in report.findings if one.severity is Severity.UNCHECKED}
    assert unmade == {"node.router", "node.sling", "node.bookkeeper", "node.clboss"}


def test_sling_is_wanted_and_missing(settled: Machine) -> None:
    configure(settled, rebalance={"executor": '"sling"'})
    assert only(look(settled), "node.sling").exit_code == 78


def test_clboss_beside_us(settled: Machine) -> None:
    settled.node.run_clboss()
    try:
        assert "lnfee and balance" in only(look(settled), "node.clboss").sentence
    finally:
        settled.node.run_clboss(False)


def test_a_node_that_forgets_too_soon(settled: Machine) -> None:
    short = {"configs": {"autoclean-networkevents-age": {"value_int": 3_600, "source": "cmdline"}}}
    settled.node.false_reply("listconfigs", short)
    try:
        findings = look(settled).findings
    finally:
        settled.node.false_reply("listconfigs", None)
    (found,) = [one for one in findings if one.check == "node.autoclean"]
    assert found.severity is Severity.NOTE


# ---- the records


def test_no_database(settled: Machine) -> None:
    settled.database.unlink()
    report = look(settled)
    assert only(report, "database").exit_code == report.exit_code == 78
    assert "revops db upgrade" in wrong(report)["database"].sentence
    assert not settled.database.exists()


def change(machine: Machine, statement: str) -> None:
    with closing(sqlite3.connect(machine.database)) as connection, connection:
        connection.execute(statement)


def test_a_schema_of_another_version(settled: Machine) -> None:
    change(settled, "UPDATE alembic_version SET version_num = '0001'")
    assert "this revops needs" in only(look(settled), "database").sentence


def test_a_file_that_is_no_database(settled: Machine) -> None:
    settled.database.write_bytes(b"not a database, whatever its name" * 200)
    assert only(look(settled), "database").exit_code == 65


def test_a_damaged_page(settled: Machine) -> None:
    """The root of an index: nothing else that is looked at reads it."""
    with closing(sqlite3.connect(settled.database)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'ix_forward_interest'"
        (root,) = connection.execute(query).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with settled.database.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * size)
    found = only(look(settled), "database.integrity")
    assert found.exit_code == 65
    assert "restore a backup" in found.remedy


def test_a_file_that_is_too_large_to_be_read_in_time(settled: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite is stopped before it has begun."""

    class AtOnce(threading.Timer):
        def start(self) -> None:
            self.function()

        def join(self, timeout: float | None = None) -> None:
            pass

    real = sqlite3.connect

    class Stopped(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            self.set_progress_handler(lambda: 1, 1)
            return super().execute(*arguments)

    monkeypatch.setattr(threading, "Timer", AtOnce)
    monkeypatch.setattr(sqlite3, "connect", lambda *given, **named: real(*given, **named, factory=Stopped))
    facts = health.database_facts(f"sqlite:///{settled.database}", None)
    assert (facts.complete, facts.problems) == (False, ())


def test_a_database_that_others_may_read(settled: Machine) -> None:
    settled.database.chmod(0o644)
    assert only(look(settled), "database").remedy == f"chmod 600 {settled.database}"


def test_a_database_that_is_closed_to_us(settled: Machine) -> None:
    settled.database.chmod(0o400)
    ran = settled.confined(["--no-override"], "doctor", "--json")
    (found,) = [one for one in json.loads(ran.out)["findings"] if one["check"] == "database"]
    assert (found["severity"], found["exit_code"]) == ("error", 77)


def test_a_gap_in_the_ledger(settled: Machine) -> None:
    change(settled, "UPDATE ledger_head SET entry_count = entry_count + 2")
    report = look(settled)
    assert wrong(report).keys() == {"records.ledger"}
    assert report.exit_code == 65


def test_books_that_differ(settled: Machine) -> None:
    change(settled, "UPDATE books SET node_fees_msat = node_fees_msat + 7")
    assert "0.007 sat" in only(look(settled), "records.books").sentence


def test_the_records_of_another_node(settled: Machine) -> None:
    change(settled, f"UPDATE node SET node_id = '03{'cd' * 32}'")
    assert "the next sync begins records of another node" in only(look(settled), "records.node").remedy


def test_a_reserve_that_is_not_kept(settled: Machine) -> None:
    configure(settled, reserve={"onchain_sat": 2_000_000_000})
    assert "spending is suspended" in only(look(settled), "records.spending").sentence


def test_a_cron_that_stopped(settled: Machine) -> None:
    report = look(settled, later_seconds=3 * HOUR)
    found = {one.sentence.split("`")[1] for one in report.findings if one.check == "cron"}
    assert found == {"revops sync", "revops fees adjust", "revops rebalance plan", "revops rebalance run"}
    assert wrong(report).keys() == {"cron"}
    assert "crontab" in wrong(look(settled, later_seconds=60 * HOUR))["cron"].remedy + "crontab"


def test_a_line_that_is_missing_in_the_crontab(settled: Machine) -> None:
    change(settled, "DELETE FROM run WHERE command = 'rebalance run'")
    change(settled, f"UPDATE run SET started_at = started_at - {3 * HOUR} WHERE command = 'rollup'")
    assert "`revops rebalance run` has never run" in only(look(settled), "cron").sentence


def test_a_database_that_knows_no_node(empty: Machine) -> None:
    report = look(empty)
    (fresh,) = [one for one in report.findings if one.check == "records.fresh"]
    assert fresh.severity is Severity.NOTE
    assert "revops sync" in fresh.remedy


# ---- the machine


def test_no_folder_for_metrics(settled: Machine) -> None:
    shutil.rmtree(settled.metrics)
    assert only(look(settled), "metrics.folder").exit_code == 73


def test_a_folder_that_is_closed_to_us(settled: Machine) -> None:
    settled.metrics.chmod(0o500)
    try:
        ran = settled.confined(["--no-override"], "doctor", "--json")
    finally:
        settled.metrics.chmod(0o755)
    (found,) = [one for one in json.loads(ran.out)["findings"] if one["check"] == "metrics.folder"]
    assert (found["severity"], found["exit_code"], ran.code) == ("error", 77, 77)


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets a node_exporter run."""

    def runs(uid: int, *arguments: str) -> None:
        process = Process(7, uid, frozenset({uid}), ("/usr/bin/prometheus-node-exporter", *arguments))
        monkeypatch.setattr(doctor_machine, "running", lambda _names: (process,))

    return runs


def exporters_finding(machine: Machine) -> Finding:
    return next(one for one in look(machine).findings if one.check == "metrics.exporter")


def test_node_exporter_that_may_not_enter(settled: Machine, exporter: Callable[..., None]) -> None:
    exporter(65_534)
    found = exporters_finding(settled)  # the machine's own folder is 0700, as mkdtemp makes it
    assert found.severity is Severity.WARNING
    assert str(settled.folder) in found.sentence
    assert "chmod o+rx" in found.remedy


def test_node_exporter_that_reads_elsewhere(settled: Machine, exporter: Callable[..., None]) -> None:
    exporter(0, "--collector.textfile.directory=/else")
    assert "reads /else" in exporters_finding(settled).sentence
    exporter(0, "--collector.textfile.directory", str(settled.metrics))
    assert exporters_finding(settled).severity is Severity.OK


def test_a_prom_file_that_others_may_not_read(settled: Machine, exporter: Callable[..., None]) -> None:
    exporter(0)
    (settled.metrics / "revops_x.prom").touch(0o600)
    assert exporters_finding(settled).severity is Severity.WARNING


@contextmanager
def held(machine: Machine, since_at: float) -> Iterator[Path]:
    """Hold a lock as a run does that began at `since_at`."""
    path = lock_path(machine.state, machine.node.world.node_id[:16], "sync")
    written = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(since_at))
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(f"{os.getpid()} {written} sync\n")
        file.flush()
        yield path


def test_a_lock_that_is_held_for_long(settled: Machine) -> None:
    with held(settled, settled.node.now_at - 5 * HOUR) as path:
        found = only(look(settled), "locks")
        assert found.sentence == f"`revops sync` (process {os.getpid()}) has held {path} for 5 h"
        assert f"kill {os.getpid()}" in found.remedy
    assert "locks" not in wrong(look(settled))


def test_a_lock_that_is_held_for_a_moment_is_no_fault(settled: Machine) -> None:
    with held(settled, settled.node.now_at - 60):
        report = look(settled)
    assert [one.sentence for one in report.findings if one.check == "locks"] == [
        "none is held for long; `revops sync` runs now"
    ]
    assert wrong(report) == {}


def test_a_lock_of_another_user(settled: Machine) -> None:
    lock_path(settled.state, settled.node.world.node_id[:16], "sync").touch(0o000)
    ran = settled.confined(["--no-override"], "doctor", "--json")
    (found,) = [one for one in json.loads(ran.out)["findings"] if one["check"] == "locks"]
    assert (found["severity"], found["exit_code"]) == ("error", 77)


def test_a_disk_that_is_full(settled: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs

    def full(path: Any) -> os.statvfs_result:
        found = list(real(path))
        found[4] = 10  # f_bavail
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "statvfs", full)
    report = look(settled)
    (found,) = [one for one in report.findings if one.check == "disk"]
    assert (found.severity, report.exit_code) == (Severity.ERROR, 74)


def test_a_clock_that_is_ahead_of_the_chain(settled: Machine) -> None:
    report = look(settled, later_seconds=30 * HOUR)
    found = [one for one in report.findings if one.check == "clock" and one.severity is Severity.WARNING]
    assert found


def test_a_link_in_the_folder_that_leads_nowhere_is_named(settled: Machine, exporter: Callable[..., None]) -> None:
    exporter(0, "--collector.textfile.directory", str(settled.metrics))
    (settled.metrics / "revops_gone.prom").symlink_to("/nonexistent/file")
    found = exporters_finding(settled)
    assert found.severity is Severity.WARNING
    assert "revops_gone.prom" in found.sentence


# ---- and the doctor itself


@pytest.mark.parametrize("reading", ["textfile_facts", "disk_facts", "lock_facts"])
def test_a_check_that_breaks_stops_no_other(settled: Machine, monkeypatch: pytest.MonkeyPatch, reading: str) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("oh no")

    monkeypatch.setattr(doctor_machine, reading, broken)
    report = look(settled)
    assert report.exit_code == 70
    (found,) = [one for one in report.findings if "this check itself failed" in one.sentence]
    assert "ZeroDivisionError: oh no" in found.sentence
    assert {one.check for one in report.findings} | {"metrics.exporter"} == CHECKS
