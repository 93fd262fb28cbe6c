"""Prometheus' own programs read the files without complaint. They are used where they are on PATH."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from revops.domain.record import ChannelRecord, PeerRecord, Report
from revops.domain.recorder import RecorderRecord
from revops.metrics.catalog import CATALOG
from revops.metrics.collect import CommandRun
from revops.metrics.textfile import write_command_metrics, write_node_metrics

PROMTOOL = shutil.which("promtool")
NODE_EXPORTER = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")

HOSTILE = (
    'line\nbreak "quoted" back\\slash \\n',
    "\x00\x01\x1b[2J\x7f\x85\u2028",
    "bad \udcff\ud800 utf-8",
    '"} 1\nrevops_node_blockheight{node="main"} 7\n#',
    "⚡ ＬＩＧＨＴＮＩＮＧ \U0001f600",
    "",
)


@pytest.fixture
def folder(
    tmp_path: Path,
    report: Report,
    channel: ChannelRecord,
    peer: PeerRecord,
    recorder: RecorderRecord,
    run: CommandRun,
) -> Path:
    """Two nodes and two commands each, with peers that chose their aliases to do harm."""
    channels = tuple(
        replace(channel, channel_id=f"{number:064x}", name=f"{number}x1x1", alias=alias)
        for number, alias in enumerate(HOSTILE)
    )
    for node in ("main", 'odd "name"\n'):
        write_node_metrics(tmp_path, node, replace(report, channels=channels), (peer,), recorder)
        for command in ("sync", "fees adjust"):
            write_command_metrics(tmp_path, node, replace(run, command=command))
    return tmp_path


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on PATH")
def test_promtool_finds_no_fault(folder: Path) -> None:
    assert PROMTOOL is not None
    for path in sorted(folder.glob("*.prom")):
        checked = subprocess.run(
            [PROMTOOL, "check", "metrics"], input=path.read_bytes(), capture_output=True, check=False, timeout=60
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@pytest.fixture
def exporter_url(folder: Path) -> Iterator[str]:
    """node_exporter with nothing but its textfile collector, on a port of the loopback interface."""
    if NODE_EXPORTER is None:
        pytest.skip("node_exporter is not on PATH")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--collector.disable-defaults", "--collector.textfile", f"--collector.textfile.directory={folder}"]
    command = [NODE_EXPORTER, *options, "--web.disable-exporter-metrics", f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            yield f"http://127.0.0.1:{port}/metrics"
        finally:
            process.kill()


def fetched(url: str) -> str:
    """Given the exporter's address, return its page, waiting for the exporter to come up."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                page: bytes = answer.read()
                return page.decode()
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_node_exporter_shows_every_series_of_every_file(folder: Path, exporter_url: str) -> None:
    def series(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
        families = text_string_to_metric_families(text)
        return {
            # Prometheus drops a label without a value.
            (each.name, frozenset(label for label in each.labels.items() if label[1])): each.value
            for family in families
            for each in family.samples
        }

    page = fetched(exporter_url)
    shown = series(page)
    assert shown["node_textfile_scrape_error", frozenset()] == 0
    ours = {key: value for key, value in shown.items() if key[0].startswith("revops_")}
    files = [series(path.read_text()) for path in sorted(folder.glob("*.prom"))]
    assert len(files) == 6
    assert ours == {key: value for each in files for key, value in each.items()}
    assert len(ours) == sum(len(each) for each in files)
    assert {name for name, _ in ours} == {definition.name for definition in CATALOG}
    log = (folder / "log").read_text()
    assert "collected before" not in log
    assert "level=error" not in log
