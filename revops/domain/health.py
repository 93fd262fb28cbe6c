"""What `revops doctor` finds out, and the facts that it judges by: gathered by thin readers (`cycle/doctor*`), judged
by pure functions (`decide/doctor/`).

A fact that couldn't be had is None: a check then says that it wasn't made, never that all is well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from revops.domain.node import NodeInfo
from revops.domain.policy import Config
from revops.domain.reason import Reason
from revops.domain.record import Books, ReserveStanding, RunRecord
from revops.domain.snapshot import ClockMark


class Severity(StrEnum):
    """How bad a finding is. `NOTE` is worth knowing and no fault; of `UNCHECKED` nothing is known, since something
    that another finding names is in the way.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"
    UNCHECKED = "unchecked"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: a sentence, and what to do about it. `exit_code` is 0 unless it is an error; then it is
    what the commands end with for the same cause.
    """

    check: str
    severity: Severity
    sentence: str
    remedy: str = ""
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """All findings, the worst first. `call_count` is how many calls the node was asked for."""

    taken_at: float
    duration_seconds: float
    config_path: str | None
    call_count: int
    exit_code: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong with a reading: what the commands would say, and the exit code that they would end with."""

    message: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """The configuration file. `config` is what of it holds, None where there is none to speak of; `faults` are what the
    commands would refuse it for; `overrides` are the variables of this shell that override keys; `missing`: there is no
    file at all.
    """

    path: str | None
    config: Config | None
    faults: tuple[Fault, ...] = ()
    warnings: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    missing: bool = False


@dataclass(frozen=True, slots=True)
class SocketFacts:
    """lightningd's RPC socket. `kind` is "socket", "missing", "forbidden" (this user may not even look) or "other"."""

    path: str
    kind: str
    may_open: bool = False
    owner: str = ""
    group: str = ""
    mode: int = 0


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What the node answers. `faults` are methods that a sync needs and that gave no usable answer. `settings` are the
    node's own options that are whole numbers; `plugins` are the programs of those that bring options.
    """

    info: NodeInfo
    slowest_method: str
    slowest_seconds: float
    version_warning: str | None = None
    version_fault: str | None = None
    faults: tuple[Fault, ...] = ()
    methods: frozenset[str] | None = None
    settings: Mapping[str, int] = field(default_factory=dict)
    sling_version: str | None = None
    sling_fault: str | None = None
    dual_fund: bool = False


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """The database. `fault` is why the commands couldn't open it; `problems` are what SQLite says of the file, None
    where it has none or wasn't looked at; `complete` says whether all of it was looked at. `mode` and `file_system` are
    those of an SQLite file; `writable` whether this user may write it.
    """

    shown_url: str
    fault: Fault | None = None
    path: str | None = None
    size_bytes: int = 0
    mode: int = 0o600
    writable: bool = True
    file_system: str = ""
    problems: tuple[str, ...] | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class BackupFacts:
    """The copies in the folder where `revops db backup` puts them when nobody says where."""

    folder: str
    newest_at: float | None
    oldest_run_at: float | None


@dataclass(frozen=True, slots=True)
class CommandFacts:
    """A command's runs: the last one, the last success, and when the latest ones started."""

    last: RunRecord
    last_success_at: float | None
    starts: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What the records say of the node. `suspended` is why spending is suspended, as of the last sync; `reserved_at`
    since when each reservation stands for a payment that isn't known to be final.
    """

    node_id: str
    network: str
    known_node_ids: tuple[str, ...]
    synced_at: float | None
    blockheight: int | None
    books: Books | None
    reserves: tuple[ReserveStanding, ...]
    suspended: tuple[Reason, ...]
    reserved_at: tuple[float, ...]
    marks: tuple[ClockMark, ...]
    commands: tuple[CommandFacts, ...]
    oldest_run_at: float | None


@dataclass(frozen=True, slots=True)
class ExporterFacts:
    """A node_exporter that runs here. `folder` is the one that it was told, "" where it wasn't."""

    user: str
    uid: int
    gids: frozenset[int]
    folder: str


@dataclass(frozen=True, slots=True)
class FolderStep:
    """A folder on the way to another one: who owns it, and its permission bits."""

    path: str
    uid: int
    gid: int
    mode: int


@dataclass(frozen=True, slots=True)
class TextfileFacts:
    """node_exporter's textfile folder. `steps` lead from / to it; empty where it isn't there or isn't a folder.
    `files` are ours in it, each with its permission bits.
    """

    folder: str
    exists: bool
    writable: bool = False
    steps: tuple[FolderStep, ...] = ()
    files: tuple[tuple[str, int], ...] = ()
    newest_at: float | None = None
    exporters: tuple[ExporterFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class DiskFacts:
    """A file system, by what of ours is on it."""

    what: str
    path: str
    free_bytes: int
    total_bytes: int
    free_inodes: int
    total_inodes: int
    read_only: bool


@dataclass(frozen=True, slots=True)
class LockFacts:
    """A lock's file. `pid`, `command` and `since_at` are of the run that holds it; None and "" where nobody does."""

    path: str
    usable: bool
    pid: int | None = None
    command: str = ""
    since_at: float | None = None


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """The machine's clock. `synchronised` is what the kernel says of it; None where it says nothing."""

    now: float
    synchronised: bool | None
