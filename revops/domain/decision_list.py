"""Decisions in a list."""

from __future__ import annotations

from dataclasses import dataclass

from revops.domain.record import DecisionRecord


@dataclass(frozen=True, slots=True)
class DecisionsReport:
    """All that `revops report decisions` shows, the latest first. `more` says that there are older ones."""

    taken_at: float
    synced_at: float | None
    decisions: tuple[DecisionRecord, ...]
    more: bool
