"""From metric families to `.prom` files that node_exporter's textfile collector reads.

A reader must never see half a file, nor one that it may not open: each is written beside its target, made readable for
all whatever the umask (prometheus_client's own writer leaves 0600 under umask 077), forced to disk and renamed over the
old one. Writers take turns by a lock on the folder itself, which leaves nothing behind and which no killed run keeps.

Prometheus holds every value as a 64-bit float. Whole msat are exact up to 2^53 (90,071 BTC), also where the file writes
them with an exponent; beyond, they are rounded to the nearest float. The books are the records, not the metrics.
"""

from __future__ import annotations

import errno
import fcntl
import math
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import mkstemp
from typing import Final
from urllib.parse import quote

from revops.domain.measures import NOTHING_MEASURED, Measures
from revops.domain.record import PeerRecord, Report
from revops.domain.text import printable
from revops.errors import DiskError, OutputError, PermissionDenied, RevopsError, TemporaryError
from revops.metrics.catalog import CommandMetric, NodeMetric
from revops.metrics.collect import node_families
from revops.metrics.collect.command import CommandRun, command_families
from revops.metrics.collect.families import Family
from revops.metrics.present import lasting, present_value

#: So many digits before the point are written out.
_LONGEST_WHOLE: Final = 6
#: node_exporter runs as another user.
_FILE_MODE: Final = 0o644
#: Names of files in the making: hidden, and without the ending that node_exporter looks for.
_TEMPORARY_PREFIX: Final = ".revops_"
_TEMPORARY_SUFFIX: Final = ".tmp"
#: Others hold the folder for the time of one small write.
_LOCK_WAIT_SECONDS: Final = 10.0
_LOCK_POLL_SECONDS: Final = 0.05
#: A thousand channels take a few megabytes.
_MOST_BYTES: Final = 256 * 1024 * 1024
#: By how much a snapshot can overtake another. Runs take minutes.
_OVERTAKE_SECONDS: Final = 3_600.0


def write_node_metrics(
    folder: Path,
    node_label: str,
    report: Report,
    peers: tuple[PeerRecord, ...] = (),
    measures: Measures = NOTHING_MEASURED,
) -> None:
    """Given the textfile folder, the node's label, its report, its peers and what was measured, replace the node's
    file, unless that shows a newer state.

    Two runs can finish out of order. A present file that is of the future by the machine's clock, and more than an hour
    ahead of this report, was not written by a faster run but under a wrong clock, and is replaced; else it would stay.

    Raise OutputError, PermissionDenied, DiskError or TemporaryError if it can't be written; the old file then stands.
    """
    path = folder / f"revops_{_in_file_name(node_label)}.prom"
    with _turn(folder) as descriptor:
        present_at = present_value(_present(path), NodeMetric.SNAPSHOT_TIMESTAMP)
        if present_at is not None and _overtaken(report.taken_at, present_at, time.time()):
            return
        _replace(path, render(node_families(node_label, report, peers, measures)), descriptor)


def write_command_metrics(folder: Path, node_label: str, run: CommandRun) -> None:
    """Given the textfile folder, the node's label and a run that ends, replace the file of that command.

    The time of the last success never goes back and doesn't vanish while the records can't be read, which would silence
    the alert that watches it: what the present file says stands, unless it says a time after this run. So stand figures
    that last, where this run has none.

    Raise OutputError, PermissionDenied, DiskError or TemporaryError if it can't be written; the old file then stands.
    """
    path = folder / f"revops_{_in_file_name(node_label)}_{_in_file_name(run.command, space='_')}.prom"
    with _turn(folder) as descriptor:
        present = _present(path)
        known = (run.last_success_at, present_value(present, CommandMetric.LAST_SUCCESS))
        last_success_at = max((at for at in known if at is not None and at <= run.finished_at), default=None)
        run = replace(run, last_success_at=last_success_at)
        _replace(path, render(lasting(command_families(node_label, run), present)), descriptor)


def render(families: tuple[Family, ...]) -> bytes:
    """Given metric families, return them in Prometheus' text format.

    The same bytes as prometheus_client's `generate_latest` makes, which checks each name and label of each sample anew
    and so takes longer than all of a run's decisions.
    """
    lines: list[str] = []
    for family in families:
        definition = family.definition
        lines.append(f"# HELP {definition.name} {definition.help.replace(chr(92), chr(92) * 2)}\n")
        lines.append(f"# TYPE {definition.name} {definition.kind}\n")
        for sample in family.samples:
            labels = _label_text(definition.labels, sample.label_values)
            lines.append(f"{definition.name}{{{labels}}} {_number(sample.value)}\n")
    return "".join(lines).encode()


@lru_cache(maxsize=4_096)
def _label_text(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """A channel's labels stand on dozens of samples."""
    return ",".join(f'{name}="{_escaped(value)}"' for name, value in sorted(zip(names, values, strict=True)))


def _number(value: float) -> str:
    """A value as Go writes it, which takes an exponent sooner than Python does."""
    number = float(value)
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "+Inf" if number > 0 else "-Inf"
    digits = repr(number)
    place = digits.find(".")
    if number <= 0 or place <= _LONGEST_WHOLE:
        return digits
    mantissa = f"{digits[0]}.{digits[1:place]}{digits[place + 1 :]}".rstrip("0.")
    return f"{mantissa}e+{place - 1:02d}"


def _escaped(label_value: str) -> str:
    """A line break can't be in it (`collect.py`)."""
    return label_value.replace("\\", "\\\\").replace('"', '\\"')


def _in_file_name(text: str, space: str = "%20") -> str:
    """Given a label or command, return it fit for a file's name, one to one.

    Only letters, digits, "-" and "." stay. "_" doesn't, since it separates node and command: a node "a_sync" must not
    write over the runs of `sync` on a node "a".
    """
    encoded = quote(text, safe="", errors="surrogatepass")
    return encoded.replace("_", "%5F").replace("~", "%7E").replace("%20", space)


def _overtaken(taken_at: float, present_at: float, now: float) -> bool:
    """Given when a snapshot and the present file's were taken, and the time, return whether the present file stands."""
    of_wrong_clock = present_at > now and present_at - taken_at > _OVERTAKE_SECONDS
    return present_at > taken_at and not of_wrong_clock


def _present(path: Path) -> str:
    """Given a file of ours, return what is in it; nothing if it isn't there.

    Others may write to the folder, too. What is no file isn't ours: a pipe in its place would hold the run up for ever,
    a link could lead to what has no end. It is replaced like the file that should be there.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ELOOP, errno.ENXIO}:
            return ""
        raise
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return ""
        return file.read(_MOST_BYTES).decode(errors="replace")


@contextmanager
def _turn(folder: Path) -> Iterator[int]:
    """Given the folder, hold it for this process and yield its descriptor. The system's errors become ours."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _lock(folder, descriptor)
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _described(folder, error) from error


def _lock(folder: Path, descriptor: int) -> None:
    """Given the open folder, lock it until it is closed. Raise TemporaryError if others hold it too long."""
    deadline = time.monotonic() + _LOCK_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                held = f"has been locked for {_LOCK_WAIT_SECONDS:.0f} s: nothing written"
                raise TemporaryError(f"metrics folder {printable(str(folder))} {held}") from None
            time.sleep(_LOCK_POLL_SECONDS)
        else:
            return


def _replace(path: Path, content: bytes, folder_descriptor: int) -> None:
    """Given a path in the held folder and its new content, put it there as a whole, readable by all, and on disk."""
    for left_over in path.parent.glob(f"{_TEMPORARY_PREFIX}*{_TEMPORARY_SUFFIX}"):
        # A killed run left it. One that belongs to somebody else is no reason to fail.
        with suppress(PermissionError):
            left_over.unlink(missing_ok=True)
    descriptor, name = mkstemp(dir=path.parent, prefix=_TEMPORARY_PREFIX, suffix=_TEMPORARY_SUFFIX)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), _FILE_MODE)
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    os.fsync(folder_descriptor)


def _described(folder: Path, error: OSError) -> RevopsError:
    """Given what the system refused in the folder, return our error with what to do about it."""
    what = f"metrics folder {printable(str(folder))}"
    if isinstance(error, FileNotFoundError):
        return OutputError(f"{what} doesn't exist: create it, or change metrics.textfile_dir")
    if isinstance(error, NotADirectoryError):
        return OutputError(f"{what} is not a folder: change metrics.textfile_dir")
    cause = error.strerror or type(error).__name__
    if isinstance(error, PermissionError):
        return PermissionDenied(f"{what}: {cause}: let this user read and write there, or change metrics.textfile_dir")
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}:
        return DiskError(f"{what}: {cause}")
    return OutputError(f"{what}: {cause}: metrics can't be written there")
