"""Why a channel asks for what it asks, at any moment on record."""

from __future__ import annotations

from dataclasses import dataclass

from revops.domain.forward import Flow
from revops.domain.record import ActionRecord, ChannelRecord, DecisionRecord
from revops.domain.snapshot import FeePin


@dataclass(frozen=True, slots=True)
class PriceSpell:
    """A fee while it was in force: who set it, and what went through the channel until the next one. `until_at` None:
    it still is.
    """

    from_at: float
    until_at: float | None
    old_ppm: int | None
    ppm: int
    source: str
    flow: Flow


@dataclass(frozen=True, slots=True)
class Explanation:
    """One channel at the moment `at`: what was decided last, what was sent, and what came of each price so far.

    `channel` is as the last sync saw it. `actions` are the latest calls that changed it, the newest first, as `spells`
    are.
    """

    taken_at: float
    at: float
    channel: ChannelRecord
    pin: FeePin | None
    decision: DecisionRecord | None
    rebalance: DecisionRecord | None
    actions: tuple[ActionRecord, ...]
    spells: tuple[PriceSpell, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """All channels that were asked about."""

    channels: tuple[Explanation, ...]
