"""The other end of the spool: what was written, page by page, from where the last page ended.

It needs no more than to read, and takes no lock. A segment is looked at after its successor, if it has one: so one that
has a successor is complete, and a line that is cut short at its end was never finished. At the end of the last one such
a line is waited for.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from revops.domain.recorder import LineKind, SpoolLine, SpoolPage, SpoolPlace, SpoolSize
from revops.recorder.lines import LONGEST_LINE, decode
from revops.recorder.segments import name_of, numbers_in

PAGE_BYTES: Final = 1024 * 1024
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
#: Segments can be removed while they are looked at; so often it is looked again.
_LOOKS: Final = 5


@dataclass(frozen=True, slots=True)
class _Part:
    """What stands in a segment after an offset: its whole lines, and where the last of them ends."""

    lines: tuple[bytes, ...]
    end_bytes: int
    #: Bytes after the last whole line; a page can also end before the file does.
    torn_bytes: int
    more: bool


def read_page(folder: Path, place: SpoolPlace | None, page_bytes: int = PAGE_BYTES) -> SpoolPage:
    """Given the spool and how far it was read (None: not at all), return what comes next, with the place after it. A
    page whose place is the given one is the last for now. Raise OSError where the spool can't be read.

    Where the place isn't found, for the spool is another one by now, it is read from its beginning.
    """
    for _ in range(_LOOKS - 1):
        try:
            return _read_page(folder, place, page_bytes)
        except FileNotFoundError:
            if not folder.is_dir():
                raise
    return _read_page(folder, place, page_bytes)


def _read_page(folder: Path, place: SpoolPlace | None, page_bytes: int) -> SpoolPage:
    numbers = numbers_in(path.name for path in folder.iterdir())
    malformed_count = 0
    for number, offset in _after(folder, place, numbers):
        final = number != numbers[-1]
        header = _header(folder, number)
        if header is None:
            # Its first line isn't there, or not yet: without it nobody knows whose lines these are. It counts with the
            # page that goes past it, once.
            malformed_count += final
            continue
        part = _read(folder, number, offset, page_bytes)
        found = [decode(raw) for raw in part.lines]
        lines = tuple(line for line in found if line is not None)
        malformed_count += len(found) - len(lines)
        end_bytes = part.end_bytes
        if part.torn_bytes and not part.more and final:
            malformed_count, end_bytes = malformed_count + 1, end_bytes + part.torn_bytes
        if end_bytes > offset or not final:
            return SpoolPage(
                header.run_id, lines, malformed_count, SpoolPlace(number, end_bytes, header.run_id, header.sequence)
            )
    return SpoolPage("", (), 0, place)


def _after(folder: Path, place: SpoolPlace | None, numbers: Sequence[int]) -> list[tuple[int, int]]:
    """The segments to look at, with where to begin in each."""
    if place is None or not numbers or numbers[-1] < place.segment:
        return [(number, 0) for number in numbers]
    if place.segment in numbers:
        header = _header(folder, place.segment)
        if header is None or (header.run_id, header.sequence) != (place.run_id, place.first_sequence):
            return [(number, 0) for number in numbers]
    return [
        (number, place.offset_bytes if number == place.segment else 0) for number in numbers if number >= place.segment
    ]


def _header(folder: Path, number: int) -> SpoolLine | None:
    """A segment's first line."""
    part = _read(folder, number, 0, LONGEST_LINE)
    line = decode(part.lines[0]) if part.lines else None
    return line if line is not None and line.kind is LineKind.OPEN else None


def _read(folder: Path, number: int, offset: int, most_bytes: int) -> _Part:
    fd = os.open(folder / name_of(number), _READ)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{name_of(number)} is no file")
        data = os.pread(fd, most_bytes, offset)
    finally:
        os.close(fd)
    whole, _, torn = data.rpartition(b"\n")
    more = offset + len(data) < status.st_size
    if not whole and len(torn) >= most_bytes:
        # No line is that long: what stands here was never one, and its parts are given up one by one.
        return _Part((torn,), offset + len(data), 0, more)
    lines = tuple(whole.split(b"\n")) if len(data) > len(torn) else ()
    return _Part(lines, offset + len(data) - len(torn), len(torn), more)


def measure(folder: Path, place: SpoolPlace | None) -> SpoolSize:
    """Given the spool and how far it was read, return how large it is. Raise OSError where it can't be looked at."""
    sizes: dict[int, int] = {}
    written_at: float | None = None
    for number in numbers_in(path.name for path in folder.iterdir()):
        try:
            status = (folder / name_of(number)).lstat()
        except FileNotFoundError:
            continue
        sizes[number] = status.st_size
        written_at = status.st_mtime
    unread = {number: size for number, size in sizes.items() if place is None or number >= place.segment}
    read_bytes = 0 if place is None else min(place.offset_bytes, unread.get(place.segment, 0))
    return SpoolSize(len(sizes), sum(sizes.values()), sum(unread.values()) - read_bytes, written_at)


def last_line(folder: Path) -> SpoolLine | None:
    """Given the spool, return the last whole line of its last segment that has any. Raise OSError as `measure`."""
    for number in reversed(numbers_in(path.name for path in folder.iterdir())):
        path = folder / name_of(number)
        try:
            size = path.lstat().st_size
            part = _read(folder, number, max(0, size - 2 * LONGEST_LINE), 2 * LONGEST_LINE)
        except FileNotFoundError:
            continue
        for raw in reversed(part.lines):
            line = decode(raw)
            if line is not None:
                return line
    return None
