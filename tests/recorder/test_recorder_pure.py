"""What is kept of a notification, when a sync is due, which segments go: tables and properties, no clock, no disk."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import revops.recorder
from revops.decide.recorder import fold, gap_seconds, outages
from revops.domain.recorder import GAP_SECONDS, LineKind, RecorderSpan, SpoolLine, SpoolPage
from revops.recorder.complaints import SILENCE_SECONDS, Complaints
from revops.recorder.debounce import (
    BUSY_EXIT_CODE,
    LONGEST_REST_SECONDS,
    REST_RATIO,
    SETTLE_SECONDS,
    Pace,
    event_came,
    sync_ended,
    sync_started,
)
from revops.recorder.intake import Event, Intake
from revops.recorder.lines import LONGEST_LINE, TOPICS, decode, encode, event_of
from revops.recorder.segments import Limits, Segment, is_full, name_of, number_of, numbers_in, too_many
from revops.recorder.startup import node_started_at, settings_of
from tests.builders import NOW, channel_id, node_id

PEER = node_id(1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
#: Fields as they are called, with whatever in them.
PAYLOAD = st.dictionaries(
    st.sampled_from(["id", "status", "peer_id", "channel_id", "old_state", "new_state", "cause", "message"]),
    JSON | st.sampled_from([PEER, channel_id(1), "ONCHAIN", "user", "settled"]),
)


@given(st.sampled_from(sorted(TOPICS)), PAYLOAD | JSON)
def test_whatever_comes_is_kept_by_the_lists_alone_and_comes_back(topic: str, payload: Any) -> None:
    fields = event_of(topic, {topic: payload, "origin": "x"})
    if fields is None:
        return
    assert set(fields) <= {"k", "peer", "channel", "status", "old", "new", "cause"}
    raw = encode(7, NOW + 0.12345, fields)
    assert raw.endswith(b"\n")
    assert raw.count(b"\n") == 1
    assert len(raw) < LONGEST_LINE
    line = decode(raw[:-1])
    assert line is not None
    assert (line.sequence, line.at, line.kind) == (7, round(NOW + 0.12345, 3), TOPICS[topic])
    assert line.peer_id == fields.get("peer")
    assert (line.channel_id, line.old_state, line.new_state, line.cause) == tuple(
        fields.get(name) for name in ("channel", "old", "new", "cause")
    )


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_whatever_stands_in_a_file_is_a_line_or_none(raw: bytes) -> None:
    line = decode(raw)
    assert line is None or line.sequence > 0


@pytest.mark.parametrize(
    ("topic", "payload", "kept"),
    [
        ("connect", {"id": PEER, "direction": "in"}, {"k": "connect", "peer": PEER}),
        ("connect", {"id": PEER.replace("02", "0A", 1)}, None),
        ("connect", {"id": PEER + "\n"}, None),
        ("disconnect", {}, None),
        ("forward_event", {}, {"k": "forward"}),
        ("forward_event", {"status": "set\ntled"}, {"k": "forward"}),
        ("forward_event", {"status": "failed", "payment_hash": "aa"}, {"k": "forward", "status": "failed"}),
        (
            "channel_state_changed",
            {
                "peer_id": PEER,
                "channel_id": channel_id(1),
                "new_state": "ONCHAIN",
                "old_state": "unknown",
                "message": "x",
            },
            {"k": "state", "peer": PEER, "channel": channel_id(1), "new": "ONCHAIN"},
        ),
        ("channel_state_changed", {"peer_id": PEER, "channel_id": channel_id(1)}, None),
    ],
)
def test_what_is_kept(topic: str, payload: dict[str, Any], kept: dict[str, str] | None) -> None:
    assert event_of(topic, {topic: payload}) == kept


def test_a_sync_waits_for_its_burst_and_for_the_last_one() -> None:
    pace = Pace(5.0)
    assert pace.due_at is None
    pace = event_came(event_came(pace, 100.0), 100.4)
    assert pace.due_at == 100.0 + SETTLE_SECONDS
    pace = sync_started(pace, 100.5)
    assert pace.due_at is None
    pace = event_came(pace, 100.6)
    assert pace.due_at is None, "one at a time"
    quick = sync_ended(pace, 100.8, 0)
    assert quick.due_at == 105.5
    slow = sync_ended(pace, 110.5, 0)
    assert slow.due_at == 110.5 + REST_RATIO * 10.0
    idle = sync_ended(sync_started(slow, 200.0), 201.0, 0)
    assert idle.due_at is None


def test_a_sync_that_failed_is_tried_again_more_and_more_rarely() -> None:
    pace, rests = event_came(Pace(5.0), 0.0), []
    now = 0.0
    for _ in range(40):
        assert pace.due_at is not None
        now = max(now, pace.due_at)
        pace = sync_ended(sync_started(pace, now), now, 69)
        assert pace.due_at is not None
        rests.append(pace.due_at - now)
    assert rests[:3] == [10.0, 20.0, 40.0]
    assert set(rests[7:]) == {LONGEST_REST_SECONDS}
    well = sync_ended(sync_started(pace, now), now, 0)
    assert (well.failure_count, well.due_at) == (0, None)
    busy = sync_ended(sync_started(well, now), now, BUSY_EXIT_CODE)
    assert (busy.failure_count, busy.due_at) == (0, now + 5.0)


@given(st.lists(st.tuples(st.sampled_from(["event", "end", "fail"]), st.floats(0, 30)), max_size=60))
def test_syncs_never_overlap_nor_come_closer_than_they_may(steps: list[tuple[str, float]]) -> None:
    pace, now, started, running = Pace(5.0), 0.0, [], False
    for what, wait in steps:
        now += wait
        if what == "event":
            pace = event_came(pace, now)
        elif running:
            pace, running = sync_ended(pace, now, 0 if what == "end" else None), False
        if pace.due_at is not None and pace.due_at <= now:
            assert not running
            pace, running = sync_started(pace, now), True
            started.append(now)
    assert all(after - before >= 5.0 for before, after in pairwise(started))


def test_names_of_segments_go_by_their_numbers() -> None:
    assert number_of(name_of(17)) == 17
    assert numbers_in(["lock", name_of(10), name_of(9), "events-1.jsonl", name_of(9) + ".gz"]) == [9, 10]
    assert number_of("events-0000000000.jsonl") is None
    for number in (0, 10**10):
        with pytest.raises(ValueError, match="segment"):
            name_of(number)


def test_a_segment_is_full_by_size_or_age() -> None:
    limits = Limits(segment_bytes=100, segment_seconds=10)
    assert not is_full(99, 0, 9.9, limits)
    assert is_full(100, 0, 0, limits)
    assert is_full(0, 0, 10, limits)
    assert not is_full(0, 100, 0, limits), "a clock that was set back"


@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0, 200)), max_size=20))
def test_the_oldest_segments_go_and_the_one_in_use_stays(found: list[tuple[int, float]]) -> None:
    limits = Limits(spool_bytes=100, spool_seconds=50)
    ages = sorted((age for _, age in found), reverse=True)
    segments = [
        Segment(number, size, 200 - age) for number, ((size, _), age) in enumerate(zip(found, ages, strict=True))
    ]
    gone = too_many(segments, 200, limits)
    assert gone == [segment.number for segment in segments[: len(gone)]]
    kept = segments[len(gone) :]
    assert len(kept) >= min(1, len(segments))
    assert sum(segment.size_bytes for segment in kept) <= max(100, kept[-1].size_bytes if kept else 0)
    assert all(200 - segment.written_at <= 50 for segment in kept[:-1])


def test_a_full_queue_counts_and_says_since_when() -> None:
    intake = Intake(2)
    for number in range(5):
        intake.put(Event(float(number), {}))
    assert intake.take_dropped(before_at=1.0) is None, "what is queued came before"
    assert [event.at for event in intake.take(10, 0.0)] == [0.0, 1.0]
    dropped = intake.take_dropped(before_at=None)
    assert dropped is not None
    assert (dropped.count, dropped.since_at) == (3, 2.0)
    assert intake.take_dropped(before_at=None) is None
    intake.close()
    assert intake.closed
    assert intake.take(10, 60.0) == []


def test_complaints_are_rare_harmless_and_never_fail() -> None:
    said: list[str] = []
    now = 0.0
    complaints = Complaints(lambda _level, text: said.append(text), lambda: now)
    for _ in range(4):
        complaints.say("disk", "full\n\x1b[31m" + "x" * 1_000)
    complaints.say("other", "too")
    assert [text[:13] for text in said] == ["full ?[31mxxx", "too"]
    assert len(said[0]) == 400
    now = SILENCE_SECONDS
    complaints.say("disk", "full")
    assert said[-1] == "full (3 more of this kind since the last time)"

    def gone(_level: str, _text: str) -> None:
        raise BrokenPipeError

    Complaints(gone, lambda: now).say("disk", "full")


@pytest.mark.parametrize(
    ("options", "folder", "command", "seconds", "complaint_count"),
    [
        ({}, "/n/revops-recorder", None, 5.0, 0),
        ({"revops-recorder-spool": "/var/s", "revops-recorder-sync": ""}, "/var/s", (), 5.0, 0),
        ({"revops-recorder-spool": "s"}, "/n/revops-recorder", None, 5.0, 1),
        (
            {"revops-recorder-sync": "sudo -u 'r o' revops sync"}, "/n/revops-recorder",
            ("sudo", "-u", "r o", "revops", "sync"), 5.0, 0,
        ),
        ({"revops-recorder-sync": "'"}, "/n/revops-recorder", (), 5.0, 1),
        ({"revops-recorder-sync-seconds": "30"}, "/n/revops-recorder", None, 30.0, 0),
        ({"revops-recorder-sync-seconds": 2}, "/n/revops-recorder", None, 2.0, 0),
        ({"revops-recorder-sync-seconds": "nan"}, "/n/revops-recorder", None, 5.0, 1),
        ({"revops-recorder-sync-seconds": "0"}, "/n/revops-recorder", None, 5.0, 1),
    ],
)  # fmt: skip
def test_options(
    options: dict[str, Any], folder: str, command: tuple[str, ...] | None, seconds: float, complaint_count: int
) -> None:
    said: list[str] = []
    found = settings_of(options, "/n", said.append)
    assert (found.folder, found.least_seconds, len(said)) == (Path(folder), seconds, complaint_count)
    if command is None:
        assert found.command[-2:] == ("sync", "-q")
        assert found.command[0] == str(Path(sys.executable).with_name("revops"))
    else:
        assert found.command == command


def test_since_when_the_node_runs() -> None:
    assert node_started_at(NOW, with_us=True) == NOW
    began = node_started_at(NOW, with_us=False)
    if sys.platform == "linux":
        assert began is not None
        assert began < NOW


# ---- what the lines say together


def line(sequence: int, at: float, kind: LineKind = LineKind.BEAT, **more: Any) -> SpoolLine:
    return SpoolLine(sequence, at, kind, **more)


def page(*lines: SpoolLine) -> SpoolPage:
    return SpoolPage("a", lines, 0, None)


OPENED = line(1, 0.0, LineKind.OPEN, run_id="a", node_started_at=-5.0)


def test_spans_end_where_something_is_missing() -> None:
    folded = fold(
        page(
            OPENED,
            line(2, 30.0),
            line(3, 30.0 + GAP_SECONDS),
            line(4, 130.0 + GAP_SECONDS),
            line(6, 135.0 + GAP_SECONDS),
            line(7, 150.0 + GAP_SECONDS, LineKind.DROP, dropped_count=4, since_at=140.0 + GAP_SECONDS),
        ),
        None,
    )
    assert [(span.from_at, span.until_at - GAP_SECONDS, span.last_sequence) for span in folded.spans] == [
        (0.0, 30.0, 3),
        (130.0 + GAP_SECONDS, 130.0, 4),
        (135.0 + GAP_SECONDS, 140.0, 6),
        (150.0 + GAP_SECONDS, 150.0, 7),
    ]
    assert {span.node_started_at for span in folded.spans} == {-5.0}
    assert (folded.counts["dropped_count"], folded.counts["removed_count"], folded.continues) == (4, 1, False)


def test_a_clock_that_goes_back_shortens_nothing() -> None:
    (span,) = fold(page(OPENED, line(2, 60.0), line(3, -1_000.0), line(4, 70.0)), None).spans
    assert (span.from_at, span.until_at, span.last_sequence) == (0.0, 70.0, 4)


@given(st.lists(st.tuples(st.floats(0, 300), st.integers(1, 3)), max_size=12), st.integers(0, 12))
def test_pages_can_end_anywhere(steps: list[tuple[float, int]], cut: int) -> None:
    at, sequence, lines = 0.0, 1, [OPENED]
    for wait, step in steps:
        at, sequence = at + wait, sequence + step
        lines.append(line(sequence, at, LineKind.CONNECT, peer_id=PEER))
    whole = fold(page(*lines), None)
    first = fold(page(*lines[:cut]), None)
    last = first.spans[-1] if first.spans else None
    second = fold(page(*lines), last)
    spans = [*first.spans[:-1], *second.spans] if second.continues else [*first.spans, *second.spans]
    assert spans == list(whole.spans)
    for name in whole.counts:
        assert first.counts[name] + second.counts[name] == whole.counts[name]
    assert len(first.events) + len(second.events) == len(whole.events)


def span(from_at: float, until_at: float, node_started_at: float | None) -> RecorderSpan:
    return RecorderSpan("a", from_at, until_at, node_started_at, 1)


@pytest.mark.parametrize(
    ("spans", "found"),
    [
        ([], []),
        ([span(0, 10, -1)], []),
        # The plugin was away, the node was not.
        ([span(0, 10, -1), span(50, 60, -1)], []),
        ([span(0, 10, -1), span(50, 60, None)], []),
        # The node was started anew, and the plugin with it, or later.
        ([span(0, 10, -1), span(50, 60, 50)], [(10, 50)]),
        ([span(50, 60, 40), span(0, 10, None)], [(10, 40)]),
        # The clock was set back meanwhile.
        ([span(0, 100, -1), span(50, 60, 50)], []),
    ],
)
def test_outages_are_the_node_s_own(spans: list[RecorderSpan], found: list[tuple[float, float]]) -> None:
    assert [(one.from_at, one.until_at) for one in outages(spans)] == found


@given(st.lists(st.tuples(st.floats(0, 1_000), st.floats(0, 400)), max_size=8), st.floats(1, 1_500))
def test_what_is_recorded_and_what_is_not_are_the_whole_window(found: list[tuple[float, float]], window: float) -> None:
    now, spans = 1_000.0, [span(from_at, from_at + seconds, None) for from_at, seconds in found]
    gap = gap_seconds(spans, now, window)
    if not spans:
        assert gap == 0
        return
    since = max(now - window, min(one.from_at for one in spans))
    marks = sorted({since, now, *(min(max(edge, since), now) for one in spans for edge in (one.from_at, one.until_at))})
    bare = sum(
        after - before
        for before, after in pairwise(marks)
        if not any(one.from_at <= before and after <= one.until_at for one in spans)
    )
    silent = now - max(since, min(now, max(one.until_at for one in spans)))
    assert gap == pytest.approx(bare - (silent if silent <= GAP_SECONDS else 0.0), abs=1e-6)


# ---- the plugin's company


def test_the_plugin_loads_nothing_heavy_of_ours() -> None:
    code = "import sys, revops.recorder.plugin; print(*sorted(name for name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(ran.stdout.split())
    assert not loaded & {"sqlalchemy", "alembic", "click", "rich", "tabulate", "prometheus_client", "msgspec", "numpy"}
    ours = {name for name in loaded if name.startswith("revops.") and not name.startswith("revops.recorder")}
    assert ours == {"revops.domain", "revops.domain.instants", "revops.domain.recorder", "revops.domain.values"}


def test_the_plugin_never_asks_the_node() -> None:
    for path in Path(revops.recorder.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            assert name not in {"rpc", "LightningRpc", "hook", "add_hook", "async_hook", "rpc_filename"}, path
