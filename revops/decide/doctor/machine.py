"""What is wrong with the machine: node_exporter's folder, disks, locks, and the clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from revops.decide.doctor.findings import (
    DISK,
    FORBIDDEN,
    OUTPUT,
    error,
    note,
    ok,
    size,
    unchecked,
    warning,
)
from revops.decide.suspend import clock_reasons, lagging_reasons
from revops.domain.health import (
    ClockFacts,
    DiskFacts,
    ExporterFacts,
    Finding,
    FolderStep,
    LockFacts,
    RecordFacts,
    TextfileFacts,
)
from revops.domain.instants import span
from revops.domain.reason import Reason

TEXTFILE: Final = "metrics.folder"
EXPORTER: Final = "metrics.exporter"
DISKS: Final = "disk"
LOCKS: Final = "locks"
CLOCK: Final = "clock"

#: SQLite's log, a `.prom` file and a lock need next to nothing; below this the next commit may fail.
_FULL_BYTES: Final = 50_000_000
#: Some weeks of records of a busy node.
_SCARCE_BYTES: Final = 500_000_000
_SCARCE_INODES: Final = 1_000
#: The longest line of crontab.example may run for 50 minutes.
_LONG_HELD_SECONDS: Final = 3_600.0
_EXECUTE, _READ = 1, 4
_OWNER_SHIFT, _GROUP_SHIFT = 6, 3
#: node_exporter may run as anybody: as one who owns nothing it gets what all others do.
_ANYBODY: Final = ExporterFacts("another user", uid=-1, gids=frozenset(), folder="")


def textfile(facts: TextfileFacts) -> Iterator[Finding]:
    """Given node_exporter's folder, say whether we can write to it, and node_exporter read from it."""
    folder = facts.folder
    if not folder:
        told = [one for one in facts.exporters if one.folder]
        if told:
            yield note(
                TEXTFILE, f"metrics.textfile_dir is empty, and node_exporter reads {told[0].folder}",
                f'set metrics.textfile_dir = "{told[0].folder}" to see revops in Prometheus',
            )  # fmt: skip
        else:
            yield note(TEXTFILE, "metrics.textfile_dir is empty: no .prom files are written")
        return
    if not facts.exists:
        yield error(
            TEXTFILE, f"there is no folder {folder}: every run fails at its end",
            f'`sudo install -d -m 755 -o "$USER" {folder}`, or empty metrics.textfile_dir', OUTPUT,
        )  # fmt: skip
        return
    if not facts.writable:
        yield error(
            TEXTFILE, f"this user may not write to {folder}: every run fails at its end",
            f'`sudo setfacl -m "u:$USER:rwx" {folder}`, or empty metrics.textfile_dir', FORBIDDEN,
        )  # fmt: skip
    else:
        yield ok(TEXTFILE, folder)
    yield from _exporter(facts)


def _exporter(facts: TextfileFacts) -> Iterator[Finding]:
    elsewhere = [one for one in facts.exporters if one.folder and one.folder.rstrip("/") != facts.folder.rstrip("/")]
    if elsewhere and len(elsewhere) == len(facts.exporters):
        yield warning(
            EXPORTER, f"node_exporter reads {elsewhere[0].folder}, and metrics.textfile_dir is {facts.folder}",
            f'set metrics.textfile_dir = "{elsewhere[0].folder}", or start node_exporter with '
            f"--collector.textfile.directory={facts.folder}",
        )  # fmt: skip
        return
    reader = facts.exporters[0] if facts.exporters else _ANYBODY
    closed = [step for step in facts.steps[:-1] if not may(step, reader, _EXECUTE)]
    if facts.steps and not may(facts.steps[-1], reader, _READ | _EXECUTE):
        closed.append(facts.steps[-1])
    if closed:
        yield warning(
            EXPORTER, f"{reader.user} may not enter {closed[0].path} (mode {closed[0].mode:04o}), and so not read the "
            ".prom files", f"`chmod o+rx {closed[0].path}`, or another metrics.textfile_dir",
        )  # fmt: skip
        return
    hidden = [name for name, mode in facts.files if not mode & _READ]
    if hidden:
        yield warning(
            EXPORTER, f"{hidden[0]} can't be read by others", f"`chmod o+r {facts.folder}/{hidden[0]}`; revops itself "
            "writes 0644",
        )  # fmt: skip
    elif not facts.exporters:
        yield note(EXPORTER, "no node_exporter is seen running here", "without one nobody reads the .prom files")
    else:
        yield ok(EXPORTER, f"node_exporter ({reader.user}) may read {facts.folder}")


def may(step: FolderStep, reader: ExporterFacts, bits: int) -> bool:
    """Given a folder, who wants something of it, and what (read 4, execute 1), return whether its mode lets them."""
    if reader.uid == 0:
        return True
    shift = _OWNER_SHIFT if step.uid == reader.uid else _GROUP_SHIFT if step.gid in reader.gids else 0
    return (step.mode >> shift) & bits == bits


def disks(facts: Sequence[DiskFacts]) -> Iterator[Finding]:
    """Given the file systems, say where room runs out."""
    fine = []
    for one in facts:
        found = _disk(one)
        if found is None:
            fine.append(f"{size(one.free_bytes)} for {one.what}")
        else:
            yield found
    if fine:
        yield ok(DISKS, f"free: {', '.join(fine)}")


def _disk(one: DiskFacts) -> Finding | None:
    if one.read_only:
        return error(DISKS, f"{one.path} ({one.what}) is mounted read-only", "see dmesg; remount it", DISK)
    room = f"{size(one.free_bytes)} of {size(one.total_bytes)} are free at {one.path} ({one.what})"
    if one.free_bytes < _FULL_BYTES:
        return error(DISKS, room, "make room now: what can't be recorded isn't done, and the node may be next", DISK)
    if one.free_bytes < _SCARCE_BYTES:
        return warning(DISKS, room, "make room, or keep less ([retention])")
    if one.total_inodes > 0 and one.free_inodes < _SCARCE_INODES:
        return warning(DISKS, f"{one.free_inodes:,} inodes are free at {one.path} ({one.what})", "remove small files")
    return None


def locks(facts: Sequence[LockFacts], now: float) -> Iterator[Finding]:
    """Given the locks' files, say which can't be used, and which are held for long."""
    problems = False
    for one in facts:
        if not one.usable:
            problems = True
            yield error(
                LOCKS, f"this user may not open {one.path}, as after a run as another user",
                "run revops as one user only; remove the file, or chown it to this user", FORBIDDEN,
            )  # fmt: skip
        elif one.pid is not None and one.since_at is not None and now - one.since_at > _LONG_HELD_SECONDS:
            problems = True
            yield warning(
                LOCKS, f"`revops {one.command}` (process {one.pid}) has held {one.path} for {span(now - one.since_at)}",
                f"look at it: `ps -fp {one.pid}`; `kill {one.pid}` ends it, and the next run settles what it left",
            )  # fmt: skip
    held = [one for one in facts if one.pid is not None]
    if not problems:
        running = f"; `revops {held[0].command}` runs now" if held else ""
        yield ok(LOCKS, f"none is held for long{running}")


def clock(facts: ClockFacts, records: RecordFacts | None, blockheight: int | None) -> Iterator[Finding]:
    """Given the clock, the records and the height that the node tells (None: not known), say whether they agree."""
    if records is None or not records.marks:
        doubts: tuple[Reason, ...] = ()
    else:
        height = blockheight if blockheight is not None else records.blockheight or 0
        ahead = clock_reasons(records.marks, facts.now, height, records.network) if blockheight is not None else ()
        doubts = ahead or lagging_reasons(records.marks, facts.now, height, records.network)
    for reason in doubts:
        yield warning(CLOCK, reason.sentence, "set the clock (`timedatectl`); spending goes on when blocks confirm it")
    if facts.synchronised is False:
        yield note(
            CLOCK, "the kernel doesn't call the clock synchronised",
            "where nobody else keeps it (a container's host does): install chrony or systemd-timesyncd",
        )  # fmt: skip
    elif not doubts and records is None:
        yield unchecked(CLOCK, "nothing on record to compare it with")
    elif not doubts:
        yield ok(CLOCK, "the clock and the chain agree")
