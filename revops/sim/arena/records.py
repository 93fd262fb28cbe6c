"""What the product's records would hold: signals, lessons and states, kept in memory instead of a database.

Payments become final forwards, and `score_forwards` counts them a cycle at a time, as it counts the pages of a sync;
only the windows of the prices are added up here, as the store adds up its rows (`store/earned.py`). Whatever is
compared with an instant, or added up in an order, is so as in the store: full cycles must decide alike.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from revops.decide.belief import NO_LIQUIDITY_FAILCODE
from revops.decide.reputation import TINY_MSAT
from revops.decide.scoring import score_forwards
from revops.domain.decision import FeeState
from revops.domain.forward import ForwardStatus
from revops.domain.traffic import (
    FULL_INTEREST_PERMILLE,
    ChannelTraffic,
    FinalForward,
    Lesson,
    Reputation,
    Traffic,
)
from revops.sim.arena.market import FAILED, REFUSED, SETTLED
from revops.sim.arena.names import OPENED_AT, channel_id, instant, number_of, peer_id

_STATUS: Final = {
    SETTLED: ForwardStatus.SETTLED,
    FAILED: ForwardStatus.FAILED,
    REFUSED: ForwardStatus.LOCAL_FAILED,
}
#: What left by a channel in so long is what it sells (`cycle/market.py`).
SOLD_SECONDS: Final = 30 * 86_400.0


@dataclass(slots=True)
class ChannelRecord:
    """One channel: what its fee has earned since it was set, and what fee setting remembers of it."""

    window_start_at: float = -math.inf
    earned_msat: int = 0
    earned_count: int = 0
    score_msat: int = 0
    #: Whole, since a database's sum of them doesn't round either.
    score_squares: int = 0
    settled_interest_permille: int = 0
    failed_interest_permille: int = 0
    last_earned_at: float | None = None
    last_changed_at: float | None = None
    updates_at: list[float] = field(default_factory=list)
    state: FeeState | None = None
    value_ppm: float = 0.0
    _sales: deque[tuple[float, int]] = field(default_factory=deque)
    _sold_msat: int = 0

    @property
    def settled_interest_count(self) -> float:
        """What settled, in typical payments."""
        return self.settled_interest_permille / FULL_INTEREST_PERMILLE

    @property
    def interest_count(self) -> float:
        """What found liquidity at this price, in typical payments."""
        return (self.settled_interest_permille + self.failed_interest_permille) / FULL_INTEREST_PERMILLE

    @property
    def score_error_msat(self) -> float:
        """The standard error of the score."""
        return math.sqrt(self.score_squares)

    def open_window(self, start_at: float) -> None:
        """Start to count for a new fee."""
        self.window_start_at = start_at
        self.earned_msat, self.earned_count, self.last_earned_at = 0, 0, None
        self.score_msat, self.score_squares = 0, 0
        self.settled_interest_permille, self.failed_interest_permille = 0, 0

    def learn(self, forward: FinalForward, lesson: Lesson) -> None:
        """Given a forward out of this channel and what it taught, add it to the window, if it was received there."""
        if lesson.score_msat is not None:
            self._sales.append((forward.counted_at, forward.amount_msat))
            self._sold_msat += forward.amount_msat
        if forward.counted_at - (forward.hold_seconds or 0.0) < self.window_start_at:
            return
        if lesson.score_msat is None:
            self.failed_interest_permille += lesson.interest_permille
            return
        self.settled_interest_permille += lesson.interest_permille
        self.earned_msat += forward.fee_msat or 0
        self.earned_count += 1
        self.score_msat += lesson.score_msat
        self.score_squares += lesson.score_msat**2
        if forward.amount_msat >= TINY_MSAT:
            self.last_earned_at = forward.counted_at

    def sold_msat(self, now: float) -> int:
        """What left by it in the last 30 days."""
        while self._sales and self._sales[0][0] < now - SOLD_SECONDS:
            self._sold_msat -= self._sales.popleft()[1]
        return self._sold_msat


class Records:
    """All channels' records; called with each payment that reached the node, at its end."""

    def __init__(self, channel_count: int) -> None:
        self.channels = [ChannelRecord() for _number in range(channel_count)]
        self.senders: dict[str, Reputation] = {}
        self.page: list[FinalForward] = []
        self._receivers: dict[str, Reputation] = {}
        self._traffic: dict[str, ChannelTraffic] = {}
        self._channel_ids = [channel_id(number) for number in range(channel_count)]
        self._peer_ids = [peer_id(number) for number in range(channel_count)]
        self._open_since = dict.fromkeys(self._channel_ids, float(OPENED_AT))
        self._folded_at = -math.inf
        self._count = 0

    def __call__(
        self, at: float, entry: int, out: int, amount_msat: int, fee_msat: int, fate: int, hold_seconds: float = 0.0
    ) -> None:
        """Book one payment. Of one that was refused lightningd tells neither what should have left nor the fee."""
        self._count += 1
        refused = fate == REFUSED
        in_msat, ended_at = amount_msat + fee_msat, instant(at)
        self.page.append(
            FinalForward(
                created_index=self._count,
                status=_STATUS[fate],
                in_channel_id=self._channel_ids[entry],
                out_channel_id=self._channel_ids[out],
                sender_id=self._peer_ids[entry],
                receiver_id=self._peer_ids[out],
                in_msat=in_msat,
                out_msat=None if refused else amount_msat,
                fee_msat=None if refused else fee_msat,
                amount_msat=in_msat if refused else amount_msat,
                counted_at=ended_at,
                hold_seconds=None if refused else ended_at - instant(at - hold_seconds),
                failcode=NO_LIQUIDITY_FAILCODE if refused else None,
            )
        )

    def fold(self, now: float) -> None:
        """Count what came up to now, at the values of liquidity in force meanwhile: first what is new, then what was
        under way at the last look, since a sync reads new rows before changed ones.
        """
        seen_at = instant(now)
        known = [one for one in self.page if one.counted_at - (one.hold_seconds or 0.0) < self._folded_at]
        new = [one for one in self.page if one.counted_at - (one.hold_seconds or 0.0) >= self._folded_at]
        for forwards in (new, known):
            if forwards:
                self._count_page(forwards, seen_at)
        self._folded_at = seen_at
        self.page = []

    def _count_page(self, forwards: list[FinalForward], seen_at: float) -> None:
        scored = score_forwards(forwards, self.traffic(), seen_at)
        for forward in forwards:
            self.channels[number_of(forward.out_channel_id or "")].learn(forward, scored.lessons[forward.created_index])
        self.senders |= scored.senders
        self._receivers |= scored.receivers
        self._traffic |= scored.channels

    def traffic(self) -> Traffic:
        """All sums, with the values of liquidity in force."""
        values_ppm = dict(zip(self._channel_ids, (one.value_ppm for one in self.channels), strict=True))
        return Traffic(self.senders, self._receivers, self._traffic, values_ppm, self._open_since)
