"""What the product's records would hold: signals, lessons and states, kept in memory instead of a database.

Payments become final forwards, and `score_forwards` counts them a cycle at a time, as it counts the pages of a sync;
only the windows of the prices are added up here, as the store adds up its rows (`store/earned.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from revops.decide.belief import NO_LIQUIDITY_FAILCODE
from revops.decide.reputation import TINY_MSAT
from revops.decide.scoring import score_forwards, signals_of
from revops.domain.decision import FeeState
from revops.domain.forward import ForwardStatus
from revops.domain.signals import Signals
from revops.domain.traffic import (
    FULL_INTEREST_PERMILLE,
    ChannelTraffic,
    FinalForward,
    Lesson,
    Reputation,
    Traffic,
)
from revops.sim.arena.market import FAILED, REFUSED, SETTLED

_STATUS: Final = {
    SETTLED: ForwardStatus.SETTLED,
    FAILED: ForwardStatus.FAILED,
    REFUSED: ForwardStatus.LOCAL_FAILED,
}


def channel_id(number: int) -> str:
    """Given a channel's number in the market, return its id."""
    return f"{number:064x}"


def peer_id(number: int) -> str:
    """Given a channel's number in the market, return its peer's id: each channel has its own."""
    return f"02{number:064x}"


@dataclass(slots=True)
class ChannelRecord:
    """One channel: what its fee has earned since it was set, and what fee setting remembers of it."""

    window_start_at: float = 0.0
    earned_msat: int = 0
    earned_count: int = 0
    score_msat: int = 0
    score_squares: float = 0.0
    settled_interest_permille: int = 0
    failed_interest_permille: int = 0
    last_earned_at: float | None = None
    last_changed_at: float | None = None
    updates_at: list[float] = field(default_factory=list)
    state: FeeState | None = None
    value_ppm: float = 0.0

    @property
    def settled_interest_count(self) -> float:
        """What settled, in typical payments."""
        return self.settled_interest_permille / FULL_INTEREST_PERMILLE

    @property
    def interest_count(self) -> float:
        """What found liquidity at this price, in typical payments."""
        return (self.settled_interest_permille + self.failed_interest_permille) / FULL_INTEREST_PERMILLE

    def open_window(self, start_at: float) -> None:
        """Start to count for a new fee."""
        self.window_start_at = start_at
        self.earned_msat, self.earned_count, self.last_earned_at = 0, 0, None
        self.score_msat, self.score_squares = 0, 0.0
        self.settled_interest_permille, self.failed_interest_permille = 0, 0

    def learn(self, forward: FinalForward, lesson: Lesson) -> None:
        """Given a forward out of this channel and what it taught, add it to the window, if it lies there."""
        if forward.counted_at < self.window_start_at:
            return
        if lesson.score_msat is None:
            self.failed_interest_permille += lesson.interest_permille
            return
        self.settled_interest_permille += lesson.interest_permille
        self.earned_msat += forward.fee_msat or 0
        self.earned_count += 1
        self.score_msat += lesson.score_msat
        self.score_squares += float(lesson.score_msat) ** 2
        if forward.amount_msat >= TINY_MSAT:
            self.last_earned_at = forward.counted_at


class Records:
    """All channels' records; called with each payment that reached the node."""

    def __init__(self, channel_count: int) -> None:
        self.channels = [ChannelRecord() for _number in range(channel_count)]
        self.senders: dict[str, Reputation] = {}
        self.page: list[FinalForward] = []
        self._receivers: dict[str, Reputation] = {}
        self._traffic: dict[str, ChannelTraffic] = {}
        self._channel_ids = [channel_id(number) for number in range(channel_count)]
        self._peer_ids = [peer_id(number) for number in range(channel_count)]
        self._numbers = {name: number for number, name in enumerate(self._channel_ids)}
        self._open_since = dict.fromkeys(self._channel_ids, 0.0)
        self._values_ppm: dict[str, float] = {}
        self._sums = self._add_up()
        self._folded_at = 0.0
        self._count = 0

    def __call__(
        self, at: float, entry: int, out: int, amount_msat: int, fee_msat: int, fate: int, hold_seconds: float = 0.0
    ) -> None:
        """Book one payment."""
        self._count += 1
        self.page.append(
            FinalForward(
                created_index=self._count,
                status=_STATUS[fate],
                in_channel_id=self._channel_ids[entry],
                out_channel_id=self._channel_ids[out],
                sender_id=self._peer_ids[entry],
                receiver_id=self._peer_ids[out],
                in_msat=amount_msat + fee_msat,
                out_msat=amount_msat,
                fee_msat=fee_msat,
                amount_msat=amount_msat,
                counted_at=at,
                hold_seconds=hold_seconds or None,
                failcode=NO_LIQUIDITY_FAILCODE if fate == REFUSED else None,
            )
        )

    def fold(self, now: float) -> None:
        """Count what came up to now, at the values of liquidity in force meanwhile."""
        self._values_ppm = dict(zip(self._channel_ids, (one.value_ppm for one in self.channels), strict=True))
        self._folded_at = now
        self._sums = self._add_up()
        scored = score_forwards(self.page, self._sums, now)
        for forward in self.page:
            number = self._numbers[forward.out_channel_id or ""]
            self.channels[number].learn(forward, scored.lessons[forward.created_index])
        self.senders |= scored.senders
        self._receivers |= scored.receivers
        self._traffic |= scored.channels
        self.page = []

    def signals(self, number: int) -> Signals:
        """What is known of a channel's trade."""
        return signals_of(self._channel_ids[number], self._peer_ids[number], self._sums, self._folded_at)

    def _add_up(self) -> Traffic:
        return Traffic(self.senders, self._receivers, self._traffic, self._values_ppm, self._open_since)
