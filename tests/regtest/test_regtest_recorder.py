"""The companion plugin under a real lightningd: what it records, and that the node goes on whatever becomes of it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

import revops
from revops.domain.recorder import LineKind
from tests.recorder.node import count, lines_of
from tests.regtest.life import new_street
from tests.regtest.network import Lightningd
from tests.regtest.operator_home import Operator
from tests.regtest.processes import wait_until
from tests.regtest.street import Street

pytestmark = [pytest.mark.regtest, pytest.mark.timeout(1_200)]
CHECKOUT = Path(revops.__file__).parents[1]
COIN_SAT, CAPACITY_SAT, PAID_MSAT = 3_000_000, 1_000_000, 20_000_000
#: The plugin's syncs come after all else that the machine has to do, and four times as long as one took it rests.
SYNC_DEADLINE_SECONDS = 300.0


def script(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(("#!/bin/sh", f"export PYTHONPATH={shlex.quote(str(CHECKOUT))}", *lines)) + "\n")
    path.chmod(0o755)
    return path


def plugin_pid(street: Street) -> int | None:
    """The process of the plugin below alice's."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            words = path.with_name("cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if parent == street.alice.daemon.pid and b"revops.recorder" in words:
            return int(path.parent.name)
    return None


def value(operator: Operator, series: str) -> float | None:
    """A sample of the node's metrics, whichever run wrote them; None while there is none."""
    for text in operator.metrics().values():
        found = re.search(rf"^{re.escape(series)} (\S+)$", text, re.MULTILINE)
        if found:
            return float(found[1])
    return None


def _is_fresh(operator: Operator, series: str, at_least: float) -> bool:
    return (value(operator, series) or 0) >= at_least


def _has_coins(node: Lightningd) -> bool:
    return [output["status"] for output in node.call("listfunds")["outputs"]] == ["confirmed"]


def open_channels(street: Street) -> None:
    """carol's to alice and alice's to bob, both public."""
    alice, bob, carol = street.alice, *(street.neighbours[name] for name in ("bob", "carol"))
    for node in (alice, carol):
        street.fund(node, COIN_SAT)
    street.mine()
    for node in (alice, carol):
        wait_until(f"coins of {node.name}", partial(_has_coins, node))
    for node, peer in ((alice, bob), (carol, alice)):
        street.connect(node, peer)
        node.call("fundchannel", id=peer.node_id, amount=CAPACITY_SAT)
    street.mine(6)
    street.usable((alice, bob), (carol, alice))


def test_recorded_and_fresh_at_once_and_never_in_the_node_s_way(stack: ExitStack, tmp_path: Path) -> None:
    operator = Operator(tmp_path / "home")
    program = script(tmp_path / "recorder", f"exec {sys.executable} -m revops.recorder")
    sync = script(
        tmp_path / "sync",
        f"export HOME={operator.home} REVOPS_CONFIG={operator.config_path}",
        f"export REVOPS_METRICS_TEXTFILE_DIR={operator.metrics_dir} REVOPS_RECORDER_SPOOL_DIR={tmp_path / 'spool'}",
        f"exec {sys.executable} -m revops sync -q",
    )
    spool = tmp_path / "spool"
    options = (f"--revops-recorder-spool={spool}", f"--revops-recorder-sync={sync}", "--revops-recorder-sync-seconds=1")
    street = new_street(stack, {"bob": (), "carol": ()}, f"--plugin={program}", *options)
    alice, bob, carol = street.alice, *(street.neighbours[name] for name in ("bob", "carol"))
    assert operator.run("init", "--rpc-path", str(alice.rpc_path)).code == 0
    operator.settings["recorder.spool_dir"] = str(spool)
    open_channels(street)
    node = 'node="alice"'

    def fresh(series: str, at_least: float) -> None:
        is_fresh = partial(_is_fresh, operator, series, at_least)
        wait_until(f"{series} of {at_least:g}", is_fresh, SYNC_DEADLINE_SECONDS)

    # Nobody runs a command here: the plugin does.
    fresh(f'revops_recorder_events_total{{kind="connect",{node}}}', 2)
    fresh(f'revops_recorder_events_total{{kind="state",{node}}}', 4)
    street.send(carol, alice, bob, amount_msat=PAID_MSAT)
    fresh(f"revops_node_forwards_settled_total{{{node}}}", 1)
    fresh(f'revops_recorder_events_total{{kind="forward",{node}}}', 2)
    bob.stop()
    fresh(f'revops_recorder_events_total{{kind="disconnect",{node}}}', 1)
    bob.start()
    street.usable((alice, bob))
    (opened,) = [line for line in lines_of(spool) if line.kind is LineKind.OPEN]
    assert opened.node_started_at is not None
    kinds = [row["kind"] for row in operator.rows("SELECT kind FROM recorder_event ORDER BY sequence")]
    assert kinds.count("disconnect") == 1
    assert "state" in kinds

    # The plugin is killed, and the node goes on; one that is started anew tells of no outage of the node's.
    pid = plugin_pid(street)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until("end of the plugin", lambda: plugin_pid(street) is None)
    street.send(carol, alice, bob, amount_msat=PAID_MSAT)
    operator.cron("sync")
    assert alice.call("getinfo")["id"] == alice.node_id
    alice.call("plugin", subcommand="start", plugin=str(program))
    wait_until("second run", lambda: count(spool, LineKind.OPEN) == 2)
    second = [line for line in lines_of(spool) if line.kind is LineKind.OPEN][-1]
    assert second.node_started_at is not None
    assert second.node_started_at < opened.at + 1

    # The node is killed, and starts again: the time between is known to be unknown.
    before = peer_day(operator, bob.node_id)
    os.kill(alice.daemon.pid, signal.SIGKILL)
    alice.stop()
    killed_at = time.time()
    time.sleep(3)
    alice.start()
    wait_until("answer of alice", alice.up)
    street.usable((alice, bob), (carol, alice))
    started_at = time.time()
    wait_until("third run", lambda: count(spool, LineKind.OPEN) == 3)
    street.send(carol, alice, bob, amount_msat=PAID_MSAT)
    fresh(f"revops_node_forwards_settled_total{{{node}}}", 3)
    operator.cron("sync")
    last, third = operator.rows("SELECT * FROM recorder_span ORDER BY from_at")[-2:]
    assert killed_at <= third["node_started_at"] <= started_at
    after = peer_day(operator, bob.node_id)
    assert after.flap_count == before.flap_count
    # Rows are in whole seconds. Without the recorder all of it would count as connected.
    unknown_seconds = (after.synced_at - before.synced_at) - (after.known_seconds - before.known_seconds)
    assert unknown_seconds >= third["node_started_at"] - last["until_at"] - 2 >= 1
    status = operator.json("recorder", "status")
    assert (status["fault"], status["record"]["dropped_count"], status["spool"]["segment_count"]) == (None, 0, 3)


@dataclass(frozen=True, slots=True)
class Day:
    """A peer's last 24 hours, at a sync."""

    synced_at: float
    known_seconds: float
    flap_count: int


def peer_day(operator: Operator, peer_id: str) -> Day:
    operator.cron("sync")
    page = operator.json("report", "peers")
    (found,) = [one for one in page["peers"] if one["peer_id"] == peer_id]
    day = found["stability"]["day"]
    return Day(page["synced_at"], day["up_seconds"] + day["down_seconds"], day["flap_count"])
