"""From events to rows: whatever stops the plugin, fills the disk or interrupts a sync, each whole line counts once."""

from __future__ import annotations

import errno
import itertools
import json
import logging
import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from revops.cycle import spool as cycle
from revops.domain.policy import Config, NodeConfig, RecorderConfig
from revops.domain.recorder import BEAT_SECONDS, EVENT_KINDS, LineKind, RecorderRecord
from revops.recorder.complaints import Complaints
from revops.recorder.intake import Event, Intake
from revops.recorder.lines import LONGEST_LINE, event_of
from revops.recorder.reading import PAGE_BYTES, read_page
from revops.recorder.segments import Limits, name_of, numbers_in
from revops.recorder.spool import Spool
from revops.recorder.writer import LAST_RETRY_SECONDS, RunInfo, Writer
from revops.store import recorder as store
from revops.store.engine import Database
from revops.store.keys import ensure_channels, ensure_peers
from revops.store.rollup import prune_other
from revops.store.tables import recorder, recorder_event, recorder_span
from tests.builders import DAY, NOW, channel_id, node_id
from tests.recorder.node import lines_of

Op = tuple[str, int]
STRANGER = 9
LAST = int(LAST_RETRY_SECONDS)
NOTIFICATIONS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("connect", {"id": node_id(1)}),
    ("disconnect", {"id": node_id(1)}),
    ("connect", {"id": node_id(STRANGER)}),
    ("forward_event", {"status": "settled"}),
    (
        "channel_state_changed",
        {"peer_id": node_id(1), "channel_id": channel_id(1), "new_state": "CHANNELD_NORMAL", "cause": "user"},
    ),
    ("channel_state_changed", {"peer_id": node_id(1), "channel_id": channel_id(8), "new_state": "ONCHAIN"}),
)


class Hasty(Intake):
    """A queue at which nobody waits: time is ours."""

    def take(self, most: int, wait_seconds: float) -> list[Event]:
        return super().take(most, 0.0)

    def wait_closed(self, seconds: float) -> None:
        return


class Plugin:
    """The plugin's writing half on a clock of ours, with a disk that can fill up and a life that can end anywhere."""

    def __init__(self, folder: Path, limits: Limits, capacity: int = 8) -> None:
        self.folder, self.limits, self.capacity = folder, limits, capacity
        self.now = NOW
        self.room_bytes: int | None = None
        self.put_count = 0
        self.runs = itertools.count(1)
        self.begin()

    def begin(self) -> None:
        self.intake = Hasty(self.capacity)
        self.spool = Spool(self.folder, self.limits, self.write)
        info = RunInfo(f"{next(self.runs):032x}", self.now, "0")
        complaints = Complaints(lambda _level, _text: None, lambda: self.now)
        self.writer = Writer(self.intake, self.spool, info, complaints, lambda: self.now, lambda: self.now)

    def write(self, fd: int, data: bytes) -> int:
        """os.write on a disk with so much room."""
        if self.room_bytes is None:
            return os.write(fd, data)
        if not self.room_bytes:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = os.write(fd, data[: self.room_bytes])
        self.room_bytes -= written
        return written

    def put(self, number: int) -> None:
        """Each at a time of its own."""
        self.now, self.put_count = self.now + 0.25, self.put_count + 1
        topic, payload = NOTIFICATIONS[number % len(NOTIFICATIONS)]
        fields = event_of(topic, {topic: payload})
        assert fields is not None
        self.intake.put(Event(self.now, fields))

    def kill(self, cut_bytes: int, read_to: int) -> None:
        """It ends within a write: some bytes of the last segment were never written; none of what was read."""
        self.spool.close()
        numbers = numbers_in(path.name for path in self.folder.iterdir()) if self.folder.is_dir() else []
        if numbers:
            path = self.folder / name_of(numbers[-1])
            os.truncate(path, max(read_to, path.stat().st_size - cut_bytes))
        self.begin()


@pytest.fixture
def new_node(database: Database) -> Callable[[], int]:
    """Makes a node that knows one peer with one channel, of which there is another peer's in the same database."""
    numbers = itertools.count(1_000)

    def make() -> int:
        node_key = database.node_key(node_id(next(numbers)), "ours", "bitcoin")
        with database.transaction(node_key) as tx:
            ensure_peers(tx, [node_id(1)])
            ensure_channels(tx, [channel_id(1)], NOW)
        return node_key

    return make


def config_of(folder: Path) -> Config:
    return Config(node=NodeConfig(rpc_path="/x"), recorder=RecorderConfig(spool_dir=str(folder)))


def rows(database: Database, node_key: int) -> tuple[list[Any], list[Any]]:
    """Spans and events, without the node's key."""
    with database.read(node_key) as tx:
        found = []
        for table in (recorder_span, recorder_event):
            columns = [column for column in table.c if column.name not in {"node_key", "peer_key", "channel_key"}]
            order = list(table.primary_key.columns)
            found.append(
                [
                    tuple(row)
                    for row in tx.connection.execute(
                        select(*columns).where(table.c.node_key == node_key).order_by(*order)
                    )
                ]
            )
    return found[0], found[1]


def record(database: Database, node_key: int) -> RecorderRecord:
    with database.read(node_key) as tx:
        found = store.recorded(tx)
    assert found is not None
    return found


def forget_place(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        tx.connection.execute(update(recorder).where(recorder.c.node_key == node_key).values(segment=None))


def counts(found: RecorderRecord) -> dict[str, int]:
    kinds = {kind.value: getattr(found, f"{kind}_count") for kind in EVENT_KINDS}
    return kinds | {"dropped": found.dropped_count, "removed": found.removed_count}


OPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, len(NOTIFICATIONS) - 1)),
        st.tuples(st.just("put"), st.integers(0, len(NOTIFICATIONS) - 1)),
        st.tuples(st.just("step"), st.just(0)),
        st.tuples(st.just("wait"), st.integers(1, 120)),
        st.tuples(st.just("flood"), st.integers(5, 20)),
        st.tuples(st.just("kill"), st.integers(0, 300)),
        st.tuples(st.just("room"), st.integers(0, 300)),
        st.tuples(st.just("more room"), st.just(0)),
        st.tuples(st.just("sync"), st.just(0)),
    ),
    max_size=40,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ops=OPS, page_bytes=st.sampled_from([LONGEST_LINE, PAGE_BYTES]))
def test_every_whole_line_counts_once_whenever_it_is_read(
    database: Database,
    new_node: Callable[[], int],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    ops: list[Op],
    page_bytes: int,
) -> None:
    caplog.set_level(logging.ERROR)
    folder = tmp_path_factory.mktemp("spool")
    plugin = Plugin(folder, Limits(segment_bytes=700))
    by_and_by, config = new_node(), config_of(folder)
    with monkeypatch.context() as patched:
        patched.setattr(cycle, "read_page", partial(read_page, page_bytes=page_bytes))
        for name, number in (*ops, ("more room", 0), ("wait", LAST), *([("step", 0)] * 4)):
            run_op(plugin, database, by_and_by, config, name, number)
        cycle.ingest_spool(database, by_and_by, config)
        at_once = new_node()
        cycle.ingest_spool(database, at_once, config)
    lines = lines_of(folder)
    happened = [line.at for line in lines if line.kind in EVENT_KINDS]
    assert len(set(happened)) == len(happened), "none is written twice"
    if not any(name == "kill" for name, _ in ops):
        assert len(happened) + sum(line.dropped_count for line in lines) == plugin.put_count
    kinds = Counter(line.kind.value for line in lines)
    wanted = {kind.value: kinds[kind] for kind in EVENT_KINDS}
    wanted |= {"dropped": sum(line.dropped_count for line in lines), "removed": 0}
    for node_key in (by_and_by, at_once):
        assert counts(record(database, node_key)) == wanted
    assert rows(database, by_and_by) == rows(database, at_once)
    assert record(database, by_and_by).malformed_count == record(database, at_once).malformed_count
    spans, events = rows(database, by_and_by)
    kept = [line for line in lines if line.peer_id == node_id(1) and line.channel_id in {None, channel_id(1)}]
    assert [event[3] for event in events] == [line.at for line in kept]
    for before, after in itertools.pairwise(spans):
        assert before[2] <= before[3] <= after[2] <= after[3]

    # Once more from the beginning, as if nothing had been read: nothing changes.
    forget_place(database, by_and_by)
    cycle.ingest_spool(database, by_and_by, config)
    assert rows(database, by_and_by) == (spans, events)
    assert counts(record(database, by_and_by)) == wanted


def run_op(plugin: Plugin, database: Database, node_key: int, config: Config, name: str, number: int) -> None:
    match name:
        case "put":
            plugin.put(number)
        case "flood":
            for one in range(number):
                plugin.put(one)
        case "step":
            plugin.writer.step()
        case "wait":
            plugin.now += number
        case "room":
            plugin.room_bytes = number
        case "more room":
            plugin.room_bytes = None
        case "sync":
            cycle.ingest_spool(database, node_key, config)
        case "kill":
            with database.read(node_key) as tx:
                place = store.place(tx)
            numbers = numbers_in(path.name for path in plugin.folder.iterdir())
            last = place is not None and numbers and place.segment == numbers[-1]
            plugin.kill(number, place.offset_bytes if place is not None and last else 0)


def small_spool(folder: Path) -> Plugin:
    """One with three segments of a run, each with an event that is kept."""
    plugin = Plugin(folder, Limits(segment_bytes=200))
    for _ in range(3):
        plugin.put(0)
        plugin.writer.step()
        plugin.writer.step()
    return plugin


def test_what_is_removed_before_it_is_read_is_counted(
    database: Database, new_node: Callable[[], int], tmp_path: Path
) -> None:
    plugin, node_key, config = small_spool(tmp_path), new_node(), config_of(tmp_path)
    numbers = numbers_in(path.name for path in tmp_path.iterdir())
    assert len(numbers) == 3
    whole = len(lines_of(tmp_path))
    (tmp_path / name_of(numbers[0])).unlink()
    left = len(lines_of(tmp_path))
    cycle.ingest_spool(database, node_key, config)
    assert record(database, node_key).removed_count == whole - left
    (tmp_path / name_of(numbers[1])).unlink()
    plugin.put(0)
    plugin.writer.step()
    cycle.ingest_spool(database, node_key, config)
    assert record(database, node_key).removed_count == whole - left
    assert record(database, node_key).connect_count == 3


@pytest.mark.parametrize("event_count", [1, 5])
def test_a_spool_that_begins_anew_is_read_from_its_beginning(
    database: Database, new_node: Callable[[], int], tmp_path: Path, event_count: int
) -> None:
    node_key, config = new_node(), config_of(tmp_path)
    plugin = small_spool(tmp_path)
    cycle.ingest_spool(database, node_key, config)
    plugin.spool.close()
    for path in tmp_path.iterdir():
        path.unlink()
    plugin.begin()
    for _ in range(event_count):
        plugin.put(0)
        plugin.writer.step()
        plugin.writer.step()
    cycle.ingest_spool(database, node_key, config)
    found = record(database, node_key)
    assert (found.connect_count, found.removed_count, found.malformed_count) == (3 + event_count, 0, 0)


@pytest.mark.parametrize(
    ("garbage", "malformed_count"),
    [
        (b"\n", 1),
        (b"{\n", 1),
        (b"[1]\n\x00\x00\n", 2),
        (b'{"q":0,"t":1,"k":"beat"}\n{"q":true,"t":1,"k":"beat"}\n{"q":9,"t":NaN,"k":"beat"}\n', 3),
        (b'{"q":9,"t":1e400,"k":"beat"}\n{"q":9,"t":1,"k":"connect","peer":"02"}\n', 2),
        (b'{"q":99999999999999999999,"t":1,"k":"beat"}\n', 1),
        (b"[" * 1_900 + b"\n", 1),
        (b'"' + b"x" * 5_000 + b'"\n', 1),
    ],
)
def test_lines_that_mean_nothing_are_left_out_with_a_warning(
    database: Database,
    new_node: Callable[[], int],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    garbage: bytes,
    malformed_count: int,
) -> None:
    node_key, config = new_node(), config_of(tmp_path)
    plugin = Plugin(tmp_path, Limits())
    plugin.writer.step()
    with (tmp_path / name_of(1)).open("ab") as stream:
        stream.write(garbage)
    plugin.put(0)
    plugin.writer.step()
    cycle.ingest_spool(database, node_key, config)
    found = record(database, node_key)
    assert (found.connect_count, found.malformed_count) == (1, malformed_count)
    assert [line.message.count("could not be read") for line in caplog.records] == [1]
    caplog.clear()
    cycle.ingest_spool(database, node_key, config)
    assert caplog.records == []


def test_no_count_that_a_spool_claims_ends_a_sync(
    database: Database, new_node: Callable[[], int], tmp_path: Path
) -> None:
    node_key, config = new_node(), config_of(tmp_path)
    drop = {"t": NOW, "k": "drop", "n": 2**53 - 1, "since": NOW}
    for number in (1, 2):
        claims = [{"q": 1, "t": NOW, "k": "open", "v": 1, "run": f"{number:032x}"}]
        claims += [{"q": sequence, **drop} for sequence in range(2, 1_100)] + [{"q": 2**53 - 1, "t": NOW, "k": "beat"}]
        (tmp_path / name_of(number)).write_text("".join(json.dumps(claim) + "\n" for claim in claims))
    assert cycle.ingest_spool(database, node_key, config) == 2_200
    found = record(database, node_key)
    assert (found.dropped_count, found.removed_count) == (store.MOST_COUNTED, store.MOST_COUNTED)


def test_a_line_without_its_end_is_waited_for_and_given_up_when_there_is_a_next_segment(
    database: Database, new_node: Callable[[], int], tmp_path: Path
) -> None:
    node_key, config = new_node(), config_of(tmp_path)
    plugin = small_spool(tmp_path)
    path = tmp_path / name_of(numbers_in(one.name for one in tmp_path.iterdir())[-1])
    with path.open("ab") as stream:
        stream.write(b'{"q":1')
    for _ in range(2):
        cycle.ingest_spool(database, node_key, config)
        assert record(database, node_key).malformed_count == 0
    plugin.spool.close()
    plugin.begin()
    plugin.writer.step()
    for _ in range(2):
        cycle.ingest_spool(database, node_key, config)
        assert record(database, node_key).malformed_count == 1


def test_a_spool_that_cannot_be_read_is_a_warning_and_a_figure(
    database: Database, new_node: Callable[[], int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    node_key, folder = new_node(), tmp_path / "spool"
    config = config_of(folder)
    assert cycle.ingest_spool(database, node_key, config) == 0
    assert not record(database, node_key).readable
    assert "can't be read: No such file or directory" in caplog.text
    folder.mkdir()
    cycle.ingest_spool(database, node_key, config)
    assert record(database, node_key).readable
    os.mkfifo(folder / name_of(1))
    cycle.ingest_spool(database, node_key, config)
    assert not record(database, node_key).readable
    (folder / name_of(1)).unlink()
    (folder / name_of(1)).symlink_to("/etc/hostname")
    cycle.ingest_spool(database, node_key, config)
    assert not record(database, node_key).readable
    assert cycle.ingest_spool(database, node_key, Config(node=NodeConfig(rpc_path="/x"))) == 0


def test_a_silence_is_a_gap_and_a_restart_an_outage(
    database: Database, new_node: Callable[[], int], tmp_path: Path
) -> None:
    node_key, config = new_node(), config_of(tmp_path)
    plugin = small_spool(tmp_path)
    first_at = plugin.now
    plugin.now += 10 * BEAT_SECONDS
    plugin.put(0)
    plugin.writer.step()
    quiet_at = plugin.now
    plugin.spool.close()
    plugin.now += 1_000
    plugin.begin()
    plugin.writer.step()
    cycle.ingest_spool(database, node_key, config)
    with database.read(node_key) as tx:
        found = cycle.recorder_record(tx, plugin.now)
        (outage,) = cycle.known_outages(tx, NOW)
        assert cycle.known_outages(tx, plugin.now + 1) == ()
    assert found is not None
    assert found.gap_seconds == {"24h": 1_300.25, "7d": 1_300.25}
    assert (outage.from_at, outage.until_at) == (quiet_at, plugin.now)
    assert quiet_at == first_at + 300.25
    with database.read(node_key) as tx:
        later = cycle.recorder_record(tx, plugin.now + BEAT_SECONDS)
        much_later = cycle.recorder_record(tx, plugin.now + 2 * DAY)
    assert later is not None
    assert much_later is not None
    assert later.gap_seconds["24h"] == 1_300.25
    assert much_later.gap_seconds == {"24h": DAY, "7d": 1_300.25 + 2 * DAY}


def test_old_events_go_and_what_they_add_up_to_stays(
    database: Database, new_node: Callable[[], int], tmp_path: Path
) -> None:
    node_key, config = new_node(), config_of(tmp_path)
    plugin = small_spool(tmp_path)
    plugin.now += 10 * DAY
    plugin.put(0)
    plugin.writer.step()
    cycle.ingest_spool(database, node_key, config)
    before = record(database, node_key)
    forever = dict.fromkeys(("decisions_before_at", "runs_before_at", "samples_before_at", "moves_before_at"), 0.0)
    with database.transaction(node_key) as tx:
        assert prune_other(tx, events_before_at=NOW + DAY, **forever)["events"] == 3
    spans, events = rows(database, node_key)
    assert (len(spans), len(events)) == (1, 1)
    assert record(database, node_key) == before
    with database.transaction(node_key) as tx:
        assert prune_other(tx, events_before_at=NOW + 20 * DAY, **forever)["events"] == 1
    assert len(rows(database, node_key)[0]) == 1, "the last span says since when nothing is recorded"
    assert record(database, node_key).connect_count == 4


def test_two_syncs_that_read_the_same_page_count_it_once(
    database: Database, new_node: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of the first was lost: the other comes between its page and its transaction."""
    node_key, config = new_node(), config_of(tmp_path)
    small_spool(tmp_path)
    with (tmp_path / name_of(1)).open("ab") as stream:
        stream.write(b"?\n")
    between = True

    def read(folder: Path, place: Any) -> Any:
        nonlocal between
        page = read_page(folder, place)
        if between:
            between = False
            cycle.ingest_spool(database, node_key, config)
        return page

    monkeypatch.setattr(cycle, "read_page", read)
    cycle.ingest_spool(database, node_key, config)
    found = record(database, node_key)
    assert (found.connect_count, found.malformed_count) == (3, 1)


def test_kinds_that_a_later_recorder_writes_are_no_fault(
    database: Database, new_node: Callable[[], int], tmp_path: Path
) -> None:
    node_key, config = new_node(), config_of(tmp_path)
    plugin = Plugin(tmp_path, Limits())
    plugin.writer.step()
    with (tmp_path / name_of(1)).open("ab") as stream:
        stream.write(b'{"q":2,"t":%d,"k":"weather","peer":7}\n' % int(NOW))
    cycle.ingest_spool(database, node_key, config)
    found = record(database, node_key)
    assert (found.malformed_count, found.removed_count, found.last_at) == (0, 0, NOW)
    assert LineKind.BEAT not in EVENT_KINDS


def test_a_disk_that_fills_up_at_any_byte_costs_no_line_and_doubles_none(tmp_path: Path) -> None:
    torn_count = 0
    for room_bytes in range(400):
        plugin = Plugin(tmp_path / str(room_bytes), Limits())
        plugin.folder.mkdir()
        plugin.writer.step()
        for _ in range(3):
            plugin.put(0)
        plugin.room_bytes = room_bytes
        plugin.writer.step()
        torn_count += not plugin.spool.writable
        plugin.room_bytes = None
        plugin.now += LAST_RETRY_SECONDS
        plugin.writer.step()
        plugin.writer.step()
        plugin.spool.close()
        lines = lines_of(plugin.folder)
        assert [line.sequence for line in lines] == list(range(1, len(lines) + 1))
        assert [line.at for line in lines if line.kind is LineKind.CONNECT] == [NOW + 0.25, NOW + 0.5, NOW + 0.75]
    assert 300 < torn_count < 400
