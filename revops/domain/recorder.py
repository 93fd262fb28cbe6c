"""What the companion plugin has recorded: a line of its spool, and what the records make of all lines together."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from revops.domain.instants import is_ahead

#: The plugin writes at least so often, and a silence of more than three times that is a gap.
BEAT_SECONDS: Final = 30.0
GAP_SECONDS: Final = 3 * BEAT_SECONDS


class LineKind(StrEnum):
    """What a line tells. The first four tell of the recorder itself, the others of the node."""

    OPEN = "open"
    BEAT = "beat"
    DROP = "drop"
    STOP = "stop"
    CONNECT = "connect"
    DISCONNECT = "disconnect"
    FORWARD = "forward"
    STATE = "state"


#: The kinds that are events of the node.
EVENT_KINDS: Final = (LineKind.CONNECT, LineKind.DISCONNECT, LineKind.FORWARD, LineKind.STATE)


@dataclass(frozen=True, slots=True)
class SpoolLine:
    """One line. `sequence` counts the lines of one run of the plugin from 1, without holes; `at` is when it happened.

    Which of the others are set depends on the kind: `run_id` and `node_started_at` (None: not known) on OPEN, the first
    line of a segment; `dropped_count` and `since_at` on DROP, events that found no room and since when; `channel_id`
    and what stands after it on STATE.
    """

    sequence: int
    at: float
    kind: LineKind
    run_id: str = ""
    node_started_at: float | None = None
    dropped_count: int = 0
    since_at: float | None = None
    peer_id: str | None = None
    channel_id: str | None = None
    old_state: str | None = None
    new_state: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class SpoolPlace:
    """How far the spool was read: the next byte of a segment, which goes by its number and its first line."""

    segment: int
    offset_bytes: int
    run_id: str
    first_sequence: int


@dataclass(frozen=True, slots=True)
class SpoolPage:
    """Lines of one segment, in order, from one run of the plugin; `place` is where to go on. `malformed_count` lines
    between them couldn't be read, and are given up.
    """

    run_id: str
    lines: tuple[SpoolLine, ...]
    malformed_count: int
    place: SpoolPlace | None


@dataclass(frozen=True, slots=True)
class RecorderSpan:
    """A time in which nothing that one run of the plugin saw is missing. `node_started_at` says since when lightningd
    ran by then (None: not known), `last_sequence` which line of the run was the last to be read.
    """

    run_id: str
    from_at: float
    until_at: float
    node_started_at: float | None
    last_sequence: int


@dataclass(frozen=True, slots=True)
class Folded:
    """What a page brings. `spans` are in order; the first one continues the span that was the run's last before, where
    `continues`. `events` are those that are kept, each with the place of its span in `spans`.
    """

    spans: tuple[RecorderSpan, ...]
    continues: bool
    events: tuple[tuple[int, SpoolLine], ...]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which lightningd was not running for some or all of it: nothing is known of it but what rows tell."""

    from_at: float
    until_at: float


@dataclass(frozen=True, slots=True)
class RecorderRecord:
    """What the records hold of the recorder. All counts are lifetime.

    `last_at` is the time of the last line that was read. `dropped_count` events found no room in the recorder's queue,
    `removed_count` lines were gone before they were read, `malformed_count` lines could not be read. `gap_seconds` says
    by window ("24h", "7d") how much of it went unrecorded, counted from the first line ever.
    """

    last_at: float | None
    connect_count: int = 0
    disconnect_count: int = 0
    forward_count: int = 0
    state_count: int = 0
    dropped_count: int = 0
    removed_count: int = 0
    malformed_count: int = 0
    readable: bool = True
    place: SpoolPlace | None = None
    gap_seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """What the node told of a peer or channel of ours: the peer came or went, or the channel changed its state. `kind`
    is CONNECT, DISCONNECT or STATE; `channel` is what the channel is called. The last four are None where `kind` has
    none of it.
    """

    happened_at: float
    kind: LineKind
    peer_id: str
    alias: str | None
    channel: str | None
    old_state: str | None
    new_state: str | None
    cause: str | None


@dataclass(frozen=True, slots=True)
class RecordedEvents:
    """All that `revops recorder events` shows, the latest first. `more` says that there are older ones; `record` is
    None where no spool was ever read.
    """

    taken_at: float
    record: RecorderRecord | None
    events: tuple[RecordedEvent, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class SpoolSize:
    """A spool as it lies there: its segments, and how many bytes come after a place."""

    segment_count: int
    size_bytes: int
    unread_bytes: int
    written_at: float | None


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """`revops recorder status`. `fault` says why the spool can't be read; `record` is None where none was read yet."""

    taken_at: float
    spool_dir: str
    fault: str | None
    spool: SpoolSize | None
    last_line_at: float | None
    record: RecorderRecord | None
    synced_at: float | None

    @property
    def alive(self) -> bool:
        """Whether the recorder has written lately: one that runs replaces what a clock that was wrong dated ahead."""
        if self.last_line_at is None or is_ahead(self.last_line_at, self.taken_at):
            return False
        return self.taken_at - self.last_line_at <= GAP_SECONDS
