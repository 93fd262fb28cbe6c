"""What came into force by a call of ours shows at once: in the records, the report, and the node's metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from revops.cycle import fees, rebalance, report, sync
from revops.errors import RevopsError, UnavailableError
from revops.node.reader import NodeReader
from revops.node.rpc import Rpc
from revops.sim.faults import FaultKind
from revops.store import channels
from tests.actuate.bench import HOUR, NODE_KEY, Bench
from tests.actuate.test_actuate_fees import in_force
from tests.actuate.test_actuate_hand import pick


@pytest.fixture
def shown(bench: Bench) -> Bench:
    """A node with a metrics folder, whose fees are all outside of what is allowed."""
    folder = bench.folder / "metrics"
    folder.mkdir()
    bench.settings["metrics"] = {"textfile_dir": str(folder)}
    bench.settings["node"]["name"] = "sim"
    bench.settings["fees"] |= {"min_ppm": 10, "max_ppm": 20, "base_msat": 1}
    return bench


def in_records(bench: Bench) -> dict[str, tuple[int, int]]:
    rows = bench.rows("SELECT * FROM channel WHERE closed_at IS NULL AND fee_ppm IS NOT NULL")
    return {row.channel_id: (row.fee_base_msat, row.fee_ppm) for row in rows}


def in_metrics(bench: Bench) -> dict[str, int]:
    """The fee of each channel by its name."""
    path = Path(bench.settings["metrics"]["textfile_dir"]) / "revops_sim.prom"
    lines = [
        line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("revops_channel_fee_ppm{")
    ]
    return {line.partition('channel="')[2].partition('"')[0]: int(float(line.rpartition(" ")[2])) for line in lines}


def by_name(bench: Bench) -> dict[str, int]:
    """The fees that are in force, as the node tells."""
    return {channel.name: channel.local_terms.fee_ppm for channel in reader(bench).channels() if channel.live}


def reader(bench: Bench) -> NodeReader:
    return NodeReader(Rpc(bench.folder / "rpc", command="fees adjust", timeout_seconds=5, writes_allowed=False))


def assert_shown(bench: Bench) -> None:
    told = in_records(bench)
    assert {channel_id: told[channel_id] for channel_id in in_force(bench)} == in_force(bench)
    found = report.run(bench.options, clock=bench.clock)
    wanted = by_name(bench)
    assert {one.name: one.fee_ppm for one in found.channels if one.name in wanted} == wanted
    metrics = in_metrics(bench)
    assert {name: metrics[name] for name in wanted} == wanted


def test_new_fees_show_before_the_next_sync(shown: Bench) -> None:
    before = in_force(shown)
    shown.fees()
    assert in_force(shown) != before
    assert_shown(shown)


def test_a_fee_by_hand_shows_and_so_does_its_release(shown: Bench) -> None:
    shown.fees()
    channel_id = pick(shown).channel_id
    fees.set_fee(shown.options, channel_id, 14, force=True, clock=shown.clock)
    assert in_force(shown)[channel_id] == (1, 14)
    assert_shown(shown)
    shown.node.advance_by(9 * HOUR)
    fees.unset_fee(shown.options, channel_id, clock=shown.clock)
    assert_shown(shown)


def test_the_largest_payment_shows_too(shown: Bench) -> None:
    shown.settings["fees"]["htlc_max"] = "valve"
    shown.fees()
    wanted = {one.channel_id: one.local_terms.htlc_max_msat for one in reader(shown).channels()}
    rows = shown.rows("SELECT * FROM channel WHERE closed_at IS NULL AND htlc_max_msat IS NOT NULL")
    assert {row.channel_id: row.htlc_max_msat for row in rows if row.channel_id in wanted} == wanted
    assert any("htlcmax" in call for call in shown.calls("setchannel"))


def test_what_the_node_made_of_a_request_shows_not_the_request(shown: Bench, monkeypatch: Any) -> None:
    asked = shown.node.handle

    def clamping(method: str, params: Any = None) -> dict[str, Any]:
        if method == "setchannel":
            params = params | {"feeppm": 17}
        return asked(method, params)

    monkeypatch.setattr(shown.node, "handle", clamping)
    with pytest.raises(RevopsError, match="the node set 17 ppm"):
        shown.fees()
    assert {ppm for _, ppm in in_force(shown).values()} == {17}
    assert_shown(shown)


def test_what_was_sent_before_an_answer_was_lost_shows(shown: Bench) -> None:
    shown.fault("setchannel", FaultKind.REPLY_LOST, after=3)
    with pytest.raises(RevopsError):
        shown.fees()
    assert [row.status for row in shown.rows("SELECT status FROM action ORDER BY action_key")][:3] == ["done"] * 3
    metrics, sent = in_metrics(shown), [call["id"] for call in shown.calls("setchannel")][:3]
    names = {channel.channel_id: channel.name for channel in reader(shown).channels()}
    assert [metrics[names[channel_id]] for channel_id in sent] == [20] * 3


def test_a_run_whose_metrics_fail_too_reports_the_first_error(shown: Bench) -> None:
    shown.fault("setchannel", FaultKind.REPLY_LOST)
    shown.settings["metrics"]["textfile_dir"] = str(shown.folder / "nowhere")
    with pytest.raises(RevopsError, match="setchannel"):
        shown.fees()


def test_a_refusal_comes_before_metrics_that_fail_too(shown: Bench) -> None:
    shown.refuse("setchannel", -1, "no")
    shown.settings["metrics"]["textfile_dir"] = str(shown.folder / "nowhere")
    with pytest.raises(UnavailableError, match="1 of 12 fee changes are not as asked for"):
        shown.fees()
    (row,) = shown.rows("SELECT message FROM run WHERE command = 'fees adjust'")
    assert "not as asked for" in row.message


def test_a_dry_run_shows_nothing(shown: Bench) -> None:
    before = in_records(shown)
    fees.run(replace(shown.options, dry_run=True), clock=shown.clock)
    assert in_records(shown) == before
    assert list((shown.folder / "metrics").iterdir()) == []


def test_a_look_from_before_the_call_does_not_take_it_back(shown: Bench) -> None:
    """A rebalance run may have asked the node before this run set the fees, and write down what it saw after it."""
    seen, seen_at = reader(shown).channels(), shown.clock()
    assert {one.local_terms.fee_ppm for one in seen} != {20}
    shown.node.advance_by(5)
    shown.fees()
    with shown.database.transaction(NODE_KEY) as tx:
        channels.record_channels(tx, [replace(one, connected=False) for one in seen], seen_at)
    assert_shown(shown)
    rows = shown.rows("SELECT connected FROM channel WHERE closed_at IS NULL")
    assert {bool(row.connected) for row in rows} == {False}
    shown.node.advance_by(5)
    shown.node.set_fee_externally(pick(shown).channel_id, ppm=11)
    shown.sync()
    assert in_records(shown)[pick(shown).channel_id][1] == 11


def test_a_call_under_a_clock_far_ahead_holds_nothing_up(shown: Bench) -> None:
    with shown.database.transaction(NODE_KEY) as tx:  # with them it would be doubted, and nothing sent
        tx.connection.exec_driver_sql("DELETE FROM clock_mark")
    shown.clock_offset = 30 * HOUR
    shown.fees()
    assert shown.calls("setchannel") != []
    shown.clock_offset = 0.0
    shown.node.advance_by(60)
    shown.node.set_fee_externally(pick(shown).channel_id, ppm=11)
    shown.sync()
    assert in_records(shown)[pick(shown).channel_id][1] == 11


def test_an_older_picture_does_not_replace_a_newer_one(shown: Bench) -> None:
    """The run that sets fees ends after one that looked later."""
    shown.fees()
    newer = in_metrics(shown)
    shown.node.set_fee_externally(pick(shown).channel_id, ppm=12)
    shown.clock_offset = -600.0
    shown.fees()
    assert in_metrics(shown) == newer
    shown.clock_offset = 60.0
    shown.fees()
    assert in_metrics(shown) == by_name(shown)


def test_fees_and_rebalances_at_once_end_with_what_is_in_force(shown: Bench) -> None:
    """Each holds another lock: whichever ends last, the records and the metrics show the node as it is."""
    options, started = replace(shown.options, lock_wait_seconds=30.0), time.monotonic()

    def clock() -> float:
        return shown.clock() + time.monotonic() - started

    commands: tuple[Callable[[], object], ...] = (
        lambda: fees.run(options, clock=clock),
        lambda: rebalance.run(options, clock),
        lambda: sync.run(options, clock),
    )
    with ThreadPoolExecutor(len(commands)) as pool:
        for done in [pool.submit(command) for _ in range(3) for command in commands]:
            done.result()
    assert_shown(shown)
