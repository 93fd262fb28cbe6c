"""Files are whole, readable, in order, and parse back to what was put in."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as ClientMetric
from prometheus_client.parser import text_string_to_metric_families

from revops.domain.measures import NO_FIGURES, CommandFigures, Measures
from revops.domain.metric import Definition, Kind, Place
from revops.domain.record import ChannelRecord, PeerRecord, Report
from revops.domain.text import printable
from revops.errors import DiskError, OutputError, PermissionDenied, RevopsError, TemporaryError
from revops.metrics import textfile
from revops.metrics.catalog import CATALOG
from revops.metrics.collect import node_families
from revops.metrics.collect.command import CommandRun
from revops.metrics.collect.families import Family, Sample
from revops.metrics.textfile import render, write_command_metrics, write_node_metrics

SAMPLES = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples_of(text: str) -> SAMPLES:
    """Given a file's text, return its samples by name and labels, as Prometheus' own parser reads it."""
    found: SAMPLES = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found
            assert sample.timestamp is None
            found[key] = sample.value
    return found


def value_of(path: Path, name: str) -> float:
    """Given a file and the name of a family with one series, return its value."""
    (value,) = [value for (each, _), value in samples_of(path.read_text()).items() if each == name]
    return value


def names_in(path: Path) -> list[str]:
    """Given a file, return the families in it by the names of their samples, in order."""
    return list(dict.fromkeys(name for name, _ in samples_of(path.read_text())))


def test_files_hold_the_catalogue_and_nothing_else(
    tmp_path: Path, report: Report, peer: PeerRecord, run: CommandRun, measures: Measures
) -> None:
    write_node_metrics(tmp_path, "main", report, (peer,), measures)
    write_command_metrics(tmp_path, "main", run)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["revops_main.prom", "revops_main_fees_adjust.prom"]
    for path, place in (
        (tmp_path / "revops_main.prom", Place.NODE),
        (tmp_path / "revops_main_fees_adjust.prom", Place.COMMAND),
    ):
        assert names_in(path) == [definition.name for definition in CATALOG if definition.place is place]


def test_types_and_help_are_the_catalogue_s(report: Report, peer: PeerRecord, measures: Measures) -> None:
    lines = render(node_families("main", report, (peer,), measures)).decode().splitlines()
    for definition in CATALOG:
        if definition.place is Place.NODE:
            assert lines.count(f"# HELP {definition.name} {definition.help}") == 1
            assert lines.count(f"# TYPE {definition.name} {definition.kind}") == 1
    assert not [line for line in lines if "_created" in line or "python_" in line or "process_" in line]


def test_the_same_values_come_back(tmp_path: Path, report: Report) -> None:
    write_node_metrics(tmp_path, "main", report)
    expected: SAMPLES = {}
    for family in node_families("main", report):
        for sample in family.samples:
            labels = frozenset(zip(family.definition.labels, sample.label_values, strict=True))
            expected[family.definition.name, labels] = sample.value
    assert samples_of((tmp_path / "revops_main.prom").read_text()) == expected


def test_nodes_and_commands_have_files_of_their_own(tmp_path: Path, report: Report, run: CommandRun) -> None:
    for node in ("a", "a_sync", "b/../c", "ö ä", ".."):
        write_node_metrics(tmp_path, node, report)
        for command in ("sync", "fees adjust"):
            write_command_metrics(tmp_path, node, replace(run, command=command))
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        f"revops_{node}{command}.prom"
        for node in ("a", "a%5Fsync", "b%2F..%2Fc", "%C3%B6%20%C3%A4", "..")
        for command in ("", "_sync", "_fees_adjust")
    }


@settings(deadline=None)
@given(st.text(st.characters(codec=None), max_size=20), st.text(st.characters(codec=None), max_size=20))
@example("a b", "a%20b")
@example("a_b", "a%5Fb")
@example("a~", "a%7E")
def test_file_names_are_safe_and_one_to_one(one: str, other: str) -> None:
    names = [textfile._in_file_name(text) for text in (one, other)]
    assert (names[0] == names[1]) == (one == other)
    assert not {"/", "_", "\0", "\n"} & set("".join(names))
    assert "".join(names).isascii()


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(alias=st.text(st.characters(codec=None)), node=st.text(st.characters(codec=None), min_size=1))
@example(alias='","evil="1"} 1\nrevops_snapshot_timestamp_seconds{} 9e99\n', node='}"')
@example(alias="\\n\\", node="\\")
@example(alias="# HELP x\r\n\x85\u2028\udcff\x00", node="{}")
def test_hostile_labels_come_back_as_they_are_shown(
    alias: str, node: str, report: Report, channel: ChannelRecord
) -> None:
    changed = replace(report, channels=(replace(channel, alias=alias),))
    text = render(node_families(node, changed)).decode("utf-8")
    found = samples_of(text)
    (labels,) = [dict(labels) for name, labels in found if name == "revops_channel_info"]
    assert labels["alias"] == printable(alias)
    assert {dict(labels)["node"] for _, labels in found} == {printable(node)}
    assert len(found) == len(samples_of(render(node_families("main", report)).decode()))


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(amount_msat=st.integers(-(2**53), 2**53))
@example(amount_msat=2**53 - 1)
@example(amount_msat=2**53)
@example(amount_msat=1_234_567_890_123_456)
def test_msat_come_back_exactly_up_to_2_to_the_53(amount_msat: int, report: Report) -> None:
    changed = replace(report, wallet_spendable_msat=amount_msat)
    found = samples_of(render(node_families("main", changed)).decode())
    value = found["revops_node_wallet_spendable_msat", frozenset({("node", "main")})]
    assert value == amount_msat
    assert int(value) == amount_msat


def test_all_the_bitcoin_there_will_be_is_rounded_by_less_than_a_sat(report: Report) -> None:
    amount_msat = 2_099_999_997_690_000_001
    changed = replace(report, wallet_spendable_msat=amount_msat)
    found = samples_of(render(node_families("main", changed)).decode())
    value = found["revops_node_wallet_spendable_msat", frozenset({("node", "main")})]
    assert 0 < abs(int(value) - amount_msat) < 1_000


@pytest.mark.parametrize("umask", [0o077, 0o022, 0o000, 0o777])
def test_files_are_readable_for_all_whatever_the_umask(
    tmp_path: Path, report: Report, run: CommandRun, umask: int
) -> None:
    before = os.umask(umask)
    try:
        write_node_metrics(tmp_path, "main", report)
        write_command_metrics(tmp_path, "main", run)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o7777 for path in tmp_path.iterdir()} == {0o644}


def test_an_older_snapshot_does_not_replace_a_newer_one(tmp_path: Path, report: Report) -> None:
    newer, older = replace(report, blockheight=2), replace(report, taken_at=report.taken_at - 0.001, blockheight=1)
    path = tmp_path / "revops_main.prom"
    write_node_metrics(tmp_path, "main", newer)
    write_node_metrics(tmp_path, "main", older)
    assert value_of(path, "revops_node_blockheight") == 2
    write_node_metrics(tmp_path, "main", replace(report, blockheight=3))
    assert value_of(path, "revops_node_blockheight") == 3


def test_another_node_s_newer_snapshot_is_no_hindrance(tmp_path: Path, report: Report) -> None:
    write_node_metrics(tmp_path, "other", report)
    write_node_metrics(tmp_path, "main", replace(report, taken_at=report.taken_at - 1_000))
    assert (tmp_path / "revops_main.prom").exists()


@pytest.mark.parametrize(
    ("taken_at", "present_at", "now", "stands"),
    [
        (1_000, 1_000, 5_000, False),
        (1_000, 1_001, 5_000, True),
        (1_000, 900_000, 900_000, True),
        (1_000, 900_000, 1_001, False),
        (1_000, 4_600, 1_001, True),
        (1_000, 4_601, 1_001, False),
    ],
)
def test_a_file_of_a_wrong_clock_does_not_stay(taken_at: float, present_at: float, now: float, stands: bool) -> None:
    assert textfile._overtaken(taken_at, present_at, now) is stands


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\n", b'revops_snapshot_timestamp_seconds{node="main"} ?\n'])
def test_a_spoilt_file_is_replaced(tmp_path: Path, report: Report, content: bytes) -> None:
    path = tmp_path / "revops_main.prom"
    path.write_bytes(content)
    write_node_metrics(tmp_path, "main", report)
    assert value_of(path, "revops_node_blockheight") == report.blockheight


def _ended(_number: int, _frame: object) -> None:
    raise AssertionError("it would have waited for ever")


@pytest.mark.parametrize("target", ["/nonexistent/file", "elsewhere", None], ids=["link to nothing", "link", "pipe"])
def test_what_others_put_in_a_file_s_place_is_not_read_but_replaced(
    tmp_path: Path, report: Report, target: str | None
) -> None:
    write_node_metrics(tmp_path, "main", replace(report, taken_at=report.taken_at + 60))
    path = tmp_path / "revops_main.prom"
    path.rename(tmp_path / "elsewhere")
    if target is None:
        os.mkfifo(path)
    else:
        path.symlink_to(target)
    before = signal.signal(signal.SIGALRM, _ended)
    signal.setitimer(signal.ITIMER_REAL, 5)
    try:
        write_node_metrics(tmp_path, "main", report)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert not path.is_symlink()
    assert value_of(path, "revops_snapshot_timestamp_seconds") == report.taken_at


def test_writers_at_the_same_time_leave_the_newest(tmp_path: Path, report: Report) -> None:
    ages = list(range(24))
    random.Random(8).shuffle(ages)

    def write(age: int) -> None:
        write_node_metrics(tmp_path, "main", replace(report, taken_at=report.taken_at - age, blockheight=age))

    with ThreadPoolExecutor(max_workers=8) as pool:
        assert list(pool.map(write, ages)) == [None] * len(ages)
    assert value_of(tmp_path / "revops_main.prom", "revops_node_blockheight") == 0
    assert [path.name for path in tmp_path.iterdir()] == ["revops_main.prom"]


def test_readers_never_see_half_a_file(tmp_path: Path, report: Report, channel: ChannelRecord) -> None:
    path = tmp_path / "revops_main.prom"
    channels = tuple(replace(channel, channel_id=f"{n:064x}", name=f"{n}x1x1") for n in range(50))
    versions = [report, replace(report, channels=channels)]
    contents = {render(node_families("main", version)) for version in versions}
    write_node_metrics(tmp_path, "main", report)
    done, seen = threading.Event(), set()

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for turn in range(1_000):
            write_node_metrics(tmp_path, "main", versions[turn % 2])
    finally:
        done.set()
        reader.join()
    assert seen <= contents


def test_last_success_survives_runs_that_do_not_know_it(tmp_path: Path, run: CommandRun) -> None:
    path, name = tmp_path / "revops_main_fees_adjust.prom", "revops_command_last_success_timestamp_seconds"
    write_command_metrics(tmp_path, "main", replace(run, exit_code=78, last_success_at=None))
    assert name not in names_in(path)
    write_command_metrics(tmp_path, "main", run)
    assert value_of(path, name) == run.finished_at
    failed = replace(run, started_at=run.started_at + 60, finished_at=run.finished_at + 60, exit_code=69)
    for known in (None, run.finished_at - 500):
        write_command_metrics(tmp_path, "main", replace(failed, last_success_at=known))
        assert value_of(path, name) == run.finished_at
        assert value_of(path, "revops_command_last_exit_code") == 69
    write_command_metrics(tmp_path, "main", replace(failed, last_success_at=run.finished_at + 30))
    assert value_of(path, name) == run.finished_at + 30


def test_figures_that_last_survive_runs_that_have_none(tmp_path: Path, run: CommandRun) -> None:
    path = tmp_path / "revops_main_fees_adjust.prom"
    write_command_metrics(tmp_path, "main", run)
    whole = samples_of(path.read_text())
    kept = [key for key in whole if key[0].startswith(("revops_reconcile_", "revops_database_", "revops_command_int"))]
    assert len(kept) == 8
    failed = replace(run, exit_code=69, figures=NO_FIGURES, interval_seconds=None, schema_found=None)
    for _ in range(2):
        write_command_metrics(tmp_path, "main", failed)
        after = samples_of(path.read_text())
        assert {key: after[key] for key in kept} == {key: whole[key] for key in kept}
        assert "revops_command_schema_version_found" not in names_in(path)
    # And give way to those of a run that has them, all of a family at once.
    write_command_metrics(tmp_path, "main", replace(failed, figures=CommandFigures(row_counts={"peer": 3})))
    rows = {labels: value for (name, labels), value in samples_of(path.read_text()).items() if "_rows" in name}
    assert rows == {frozenset({("node", "main"), ("command", "fees adjust"), ("table", "peer")}): 3}


def test_labels_that_last_come_back_as_they_were(tmp_path: Path, run: CommandRun) -> None:
    hostile = replace(run, figures=CommandFigures(row_counts={'a"b\\"c\\': 1, "},{": 2, "\\\\n": 3}))
    write_command_metrics(tmp_path, "main", hostile)
    path = tmp_path / "revops_main_fees_adjust.prom"
    before = samples_of(path.read_text())
    write_command_metrics(tmp_path, "main", replace(run, figures=NO_FIGURES))
    assert samples_of(path.read_text()) == before


def test_spoilt_lines_do_not_last(tmp_path: Path, run: CommandRun) -> None:
    path = tmp_path / "revops_main_fees_adjust.prom"
    path.write_text(
        'revops_database_rows{node="main"} 7\nrevops_reconcile_unexplained_msat{node="main",command="x"} ?\n'
    )
    write_command_metrics(tmp_path, "main", replace(run, figures=NO_FIGURES))
    assert not [name for name in names_in(path) if "_rows" in name or "reconcile" in name]


def test_a_success_after_this_run_is_not_believed(tmp_path: Path, run: CommandRun) -> None:
    future = replace(run, finished_at=run.finished_at + 10**6)
    write_command_metrics(tmp_path, "main", future)
    write_command_metrics(tmp_path, "main", replace(run, exit_code=69, last_success_at=5.0))
    path = tmp_path / "revops_main_fees_adjust.prom"
    assert value_of(path, "revops_command_last_success_timestamp_seconds") == 5


def fail_with(code: int) -> Callable[..., None]:
    """Given an errno, return a function that fails with it whatever it is asked."""

    def fail(*_args: object, **_named: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize(
    ("target", "code", "expected"),
    [
        ("pathlib.Path.replace", errno.EIO, DiskError),
        ("pathlib.Path.replace", errno.EACCES, PermissionDenied),
        ("pathlib.Path.replace", errno.EISDIR, OutputError),
        ("os.fsync", errno.ENOSPC, DiskError),
        ("os.fchmod", errno.EPERM, PermissionDenied),
        ("revops.metrics.textfile.mkstemp", errno.EROFS, DiskError),
        ("revops.metrics.textfile.mkstemp", errno.EACCES, PermissionDenied),
        ("revops.metrics.textfile.mkstemp", errno.EMFILE, OutputError),
        ("fcntl.flock", errno.EBADF, OutputError),
    ],
)
def test_a_failure_leaves_the_old_file_and_no_other(
    tmp_path: Path, report: Report, monkeypatch: pytest.MonkeyPatch, target: str, code: int, expected: type[RevopsError]
) -> None:
    path = tmp_path / "revops_main.prom"
    write_node_metrics(tmp_path, "main", report)
    before = path.read_bytes()
    newer = replace(report, taken_at=report.taken_at + 1)
    with monkeypatch.context() as patch:
        patch.setattr(target, fail_with(code))
        with pytest.raises(expected) as caught:
            write_node_metrics(tmp_path, "main", newer)
    assert type(caught.value) is expected
    assert str(tmp_path) in str(caught.value)
    assert os.strerror(code) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["revops_main.prom"]


def test_a_missing_folder_names_itself_the_cure_and_the_key(tmp_path: Path, report: Report, run: CommandRun) -> None:
    folder = tmp_path / "new\nline"
    expected = r"new\\x0aline doesn't exist: create it, or .* metrics\.textfile_dir"
    with pytest.raises(OutputError, match=expected):
        write_node_metrics(folder, "main", report)
    with pytest.raises(OutputError, match=expected):
        write_command_metrics(folder, "main", run)
    assert not folder.exists()


def test_a_file_in_place_of_the_folder_is_said_to_be_one(tmp_path: Path, report: Report) -> None:
    folder = tmp_path / "file"
    folder.touch()
    with pytest.raises(OutputError, match=r"is not a folder: change metrics\.textfile_dir"):
        write_node_metrics(folder, "main", report)


def test_a_name_too_long_for_a_file_is_our_error(tmp_path: Path, report: Report) -> None:
    with pytest.raises(OutputError, match="File name too long"):
        write_node_metrics(tmp_path, "n" * 300, report)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_a_matter_of_permission(tmp_path: Path, report: Report) -> None:
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(PermissionDenied, match="let this user read and write there"):
            write_node_metrics(tmp_path, "main", report)
    finally:
        tmp_path.chmod(0o755)


def test_a_folder_held_by_others_is_waited_for_but_not_for_ever(
    tmp_path: Path, report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(textfile, "_LOCK_WAIT_SECONDS", 0.1)
    holder = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(TemporaryError, match="has been locked"):
            write_node_metrics(tmp_path, "main", report)
        assert not list(tmp_path.iterdir())
        monkeypatch.setattr(textfile, "_LOCK_WAIT_SECONDS", 60.0)
        # The first look finds it held, the next one free.
        monkeypatch.setattr(time, "sleep", lambda _seconds: fcntl.flock(holder, fcntl.LOCK_UN))
        write_node_metrics(tmp_path, "main", report)
    finally:
        os.close(holder)
    assert (tmp_path / "revops_main.prom").exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from revops.metrics.collect.command import CommandRun
from revops.metrics.textfile import write_command_metrics
run = CommandRun("sync", 1.0, 2.0, 0, None, "0.1.0")
write_command_metrics(Path(sys.argv[1]), "main", run)
os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
write_command_metrics(Path(sys.argv[1]), "main", CommandRun("sync", 3.0, 4.0, 0, None, "0.1.0"))
"""


def test_a_killed_run_leaves_the_old_file_no_lock_and_a_temporary_that_the_next_removes(
    tmp_path: Path, run: CommandRun
) -> None:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, timeout=60)
    assert ended.returncode == -9
    path = tmp_path / "revops_main_sync.prom"
    assert value_of(path, "revops_command_last_run_timestamp_seconds") == 2
    (left_over,) = [each.name for each in tmp_path.iterdir() if each != path]
    assert left_over.startswith(".revops_")
    assert not left_over.endswith(".prom")
    other = tmp_path / ".other.tmp"
    other.touch()
    write_command_metrics(tmp_path, "main", replace(run, command="sync"))
    assert sorted(each.name for each in tmp_path.iterdir()) == [".other.tmp", path.name]


def test_prometheus_client_is_loaded_only_to_write() -> None:
    code = "import sys, revops.metrics.textfile; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@dataclass(frozen=True)
class Collected:
    """Families as prometheus_client wants them."""

    families: tuple[Family, ...]

    def collect(self) -> Iterator[ClientMetric]:
        """Make each of prometheus_client's."""
        makers = {Kind.COUNTER: CounterMetricFamily, Kind.GAUGE: GaugeMetricFamily}
        for family in self.families:
            definition = family.definition
            made = makers[definition.kind](definition.name, definition.help, labels=definition.labels)
            for sample in family.samples:
                made.add_metric(sample.label_values, sample.value)
            yield made


@given(
    st.lists(
        st.tuples(
            st.tuples(st.text(), st.text(), st.text()).map(lambda texts: tuple(printable(text) for text in texts)),
            st.one_of(st.integers(-(10**16), 10**16), st.floats(), st.sampled_from((1e6, 999_999.5, 1e7, 0.0, -0.0))),
        ),
        min_size=1,
    )
)
def test_what_is_written_is_what_prometheus_client_writes(rows: list[tuple[tuple[str, ...], float]]) -> None:
    """Byte for byte, for both kinds, whatever the labels and values are."""
    families = tuple(
        Family(Definition(name, kind, 'Help with a \\ and a ".', ("node", "channel", "peer_id"), Place.NODE), samples)
        for name, kind in (("revops_a", Kind.GAUGE), ("revops_b_total", Kind.COUNTER))
        for samples in [tuple(Sample(labels, value) for labels, value in rows)]
    )
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Collected(families))
    assert render(families) == generate_latest(registry)
