"""The nearest earlier tool's reputation of senders, faults and all.

Source: lightning-goats/cl_revenue_ops a3846c6 (2025-12-16), `modules/database.py`. Counts are whole numbers and rounded
down in each hour's decay, so that any below 50 loses one an hour; payments that we refused count against the sender.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

DECAY: Final = 0.98
DECAY_SECONDS: Final = 3_600.0


class Trust:
    """Settled and failed payments by channel of entry."""

    def __init__(self, channel_count: int) -> None:
        self._settled_count = [0] * channel_count
        self._failed_count = [0] * channel_count
        self._decayed_at = 0.0

    def judge(self, entry: int, *, settled: bool) -> None:
        """Given how a payment ended, count it for its sender."""
        counts = self._settled_count if settled else self._failed_count
        counts[entry] += 1

    def decay(self, now: float) -> None:
        """Given the time, forget a fiftieth for each hour."""
        while now - self._decayed_at >= DECAY_SECONDS:
            self._decayed_at += DECAY_SECONDS
            self._settled_count = [int(count * DECAY) for count in self._settled_count]
            self._failed_count = [int(count * DECAY) for count in self._failed_count]

    def weigh(self, volume_msat: Mapping[int, int]) -> float:
        """Given volume by channel of entry, return it weighed by (settled + 1) / (all + 2)."""
        return sum(amount_msat * self.score(entry) for entry, amount_msat in volume_msat.items())

    def score(self, entry: int) -> float:
        """Given a channel of entry, return its sender's score: 0.5 if nothing is known."""
        settled, failed = self._settled_count[entry], self._failed_count[entry]
        return (settled + 1) / (settled + failed + 2)
