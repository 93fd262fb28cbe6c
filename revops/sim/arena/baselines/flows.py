"""What flowed through each channel within a stretch of time up to now: the memory that some tools keep of forwards."""

from __future__ import annotations

from collections import deque

from revops.sim.arena.baselines.view import Payment


class Flows:
    """Sums by channel: sent out by it, received by it, and the fees of either (the latter: income that it assisted)."""

    def __init__(self, channel_count: int, window_seconds: float) -> None:
        self.out_msat = [0] * channel_count
        self.in_msat = [0] * channel_count
        self.fee_msat = [0] * channel_count
        self.assisted_msat = [0] * channel_count
        self._window_seconds = window_seconds
        self._forwards: deque[Payment] = deque()

    def book(self, forward: Payment) -> None:
        """Given a payment that settled, count it."""
        self._forwards.append(forward)
        self._count(forward, 1)

    def forget(self, now: float) -> None:
        """Given the time, no longer count what is older than the window."""
        while self._forwards and self._forwards[0].at < now - self._window_seconds:
            self._count(self._forwards.popleft(), -1)

    def _count(self, forward: Payment, sign: int) -> None:
        self.out_msat[forward.out] += sign * forward.amount_msat
        self.in_msat[forward.entry] += sign * forward.amount_msat
        self.fee_msat[forward.out] += sign * forward.fee_msat
        self.assisted_msat[forward.entry] += sign * forward.fee_msat
