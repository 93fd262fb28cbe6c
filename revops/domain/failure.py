"""Forwards that failed over a period, by exit and kind."""

from __future__ import annotations

from dataclasses import dataclass

from revops.domain.failcode import failcode_of
from revops.domain.forward import ForwardStatus


@dataclass(frozen=True, slots=True)
class FailureSum:
    """Failures of one kind. `status`: `local_failed`, refused by us, or `failed`, beyond us. `failcode` is the onion's,
    0 where none is known. `in_msat` is what was offered to us, fee included.
    """

    status: ForwardStatus
    failcode: int
    failure_count: int
    in_msat: int

    @property
    def name(self) -> str:
        """The code's name in BOLT 4."""
        return failcode_of(self.status, self.failcode).name

    @property
    def meaning(self) -> str:
        """What it means here."""
        return failcode_of(self.status, self.failcode).meaning

    @property
    def remedy(self) -> str:
        """What helps; empty where nothing does, or nothing needs to."""
        return failcode_of(self.status, self.failcode).remedy


@dataclass(frozen=True, slots=True)
class Failures:
    """What became of the payments that wanted to leave by a channel, or by any of the node's. `kinds` has the most
    frequent first. `channel_id` is None for the node, and for those for which no exit was chosen.
    """

    channel_id: str | None
    name: str
    peer_id: str | None
    alias: str | None
    settled_count: int
    kinds: tuple[FailureSum, ...]

    @property
    def failure_count(self) -> int:
        """All that failed."""
        return sum(kind.failure_count for kind in self.kinds)

    @property
    def refused_count(self) -> int:
        """What we refused."""
        return sum(kind.failure_count for kind in self.kinds if kind.status is ForwardStatus.LOCAL_FAILED)

    @property
    def failed_count(self) -> int:
        """What failed beyond us."""
        return self.failure_count - self.refused_count

    @property
    def attempt_count(self) -> int:
        """All that came to an end."""
        return self.settled_count + self.failure_count

    @property
    def in_msat(self) -> int:
        """What was turned away, by us or beyond us."""
        return sum(kind.in_msat for kind in self.kinds)


@dataclass(frozen=True, slots=True)
class FailureReport:
    """All that `revops report failures` shows, for UTC days from `since_at` to before `until_at`. `channels` are those
    at which anything failed, the most first.
    """

    taken_at: float
    synced_at: float | None
    since_at: float
    until_at: float
    total: Failures
    channels: tuple[Failures, ...]
