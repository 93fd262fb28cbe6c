"""The files of a spool: how they are called, when a new one begins, and which ones are too many. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

#: Held with flock by the recorder that writes.
LOCK_NAME: Final = "lock"
_NAME: Final = re.compile(r"events-([0-9]{10})\.jsonl")
_LAST: Final = 9_999_999_999


@dataclass(frozen=True, slots=True)
class Limits:
    """When a segment is full, and what the spool may hold: the oldest segments go first, never the one in use."""

    segment_bytes: int = 4 * 1024 * 1024
    segment_seconds: float = 6 * 3_600.0
    spool_bytes: int = 64 * 1024 * 1024
    spool_seconds: float = 14 * 86_400.0


@dataclass(frozen=True, slots=True)
class Segment:
    """One file, and when it was last written to."""

    number: int
    size_bytes: int
    written_at: float


def name_of(number: int) -> str:
    """Given a segment's number, return its file's name. Raise ValueError where there are no more names."""
    if not 1 <= number <= _LAST:
        raise ValueError(f"no segment has the number {number}")
    return f"events-{number:010}.jsonl"


def number_of(name: str) -> int | None:
    """Given a file's name, return the number of the segment that it is; None for any other file."""
    match = _NAME.fullmatch(name)
    return int(match[1]) or None if match else None


def numbers_in(names: Iterable[str]) -> list[int]:
    """Given the names in a folder, return the numbers of the segments, the oldest first."""
    return sorted(number for name in names if (number := number_of(name)) is not None)


def is_full(size_bytes: int, began_at: float, now: float, limits: Limits) -> bool:
    """Given the segment in use and the moment, return whether the next line goes into a new one. Where the clock was
    set back it does not, until it has caught up.
    """
    return size_bytes >= limits.segment_bytes or now - began_at >= limits.segment_seconds


def too_many(segments: Sequence[Segment], now: float, limits: Limits) -> list[int]:
    """Given all segments in order, the last of which is in use, return the numbers of those that have to go."""
    kept_bytes = segments[-1].size_bytes if segments else 0
    gone: list[int] = []
    for segment in reversed(segments[:-1]):
        kept_bytes += segment.size_bytes
        if gone or kept_bytes > limits.spool_bytes or now - segment.written_at > limits.spool_seconds:
            gone.append(segment.number)
    return gone[::-1]
