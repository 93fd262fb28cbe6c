"""How steadily a peer has been connected, as far as that is known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: A share of time connected is told only where at least this part of the window is known.
LEAST_COVERED_RATIO: Final = 0.5


class Presence(StrEnum):
    """Whether a peer was connected; UNKNOWN where the node's records don't tell, or we were away ourselves."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A span of one presence. `dropped`: it began within the window, with a connection that ended.

    A dropped one can be empty: the peer was back within the second, or since when it is back isn't known.
    """

    from_at: float
    until_at: float
    presence: Presence
    dropped: bool = False

    @property
    def seconds(self) -> float:
        """How long it lasted; never negative."""
        return self.until_at - self.from_at


@dataclass(frozen=True, slots=True)
class StabilityWindow:
    """A peer in the last `window_seconds`: connected for `up_seconds`, away for `down_seconds`, dropped `flap_count`
    times. Of the rest it isn't known where the peer was.
    """

    window_seconds: float
    up_seconds: float
    down_seconds: float
    flap_count: int

    @property
    def covered_seconds(self) -> float:
        """How much of the window is known."""
        return self.up_seconds + self.down_seconds

    @property
    def known_uptime_ratio(self) -> float | None:
        """The share of the known time in which the peer was connected, however short that is; None where none is."""
        return self.up_seconds / self.covered_seconds if self.covered_seconds > 0 else None

    @property
    def uptime_ratio(self) -> float | None:
        """The same, and None where less than half of the window is known: seen once is not always there."""
        known = self.covered_seconds >= LEAST_COVERED_RATIO * self.window_seconds
        return self.known_uptime_ratio if known else None

    @property
    def best_uptime_ratio(self) -> float:
        """The share of the window in which the peer was connected if it was all the time of which nothing is known."""
        return 1.0 - self.down_seconds / self.window_seconds if self.window_seconds > 0 else 1.0


@dataclass(frozen=True, slots=True)
class Stability:
    """A peer in the last 24 hours and the last 7 days."""

    peer_id: str
    day: StabilityWindow
    week: StabilityWindow
