"""Why a channel asks for what it asks, at any moment on record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from revops.domain.forward import Flow
from revops.domain.job_story import NO_REFILLS, JobStory, RefillTotals
from revops.domain.profit_class import ClassState
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
    """One channel at the moment `at`: its pin then, what was decided last, the decision that had set the fee in force
    (`set_by`, None where that is the last one or no decision of ours), what was sent, and what came of each price.

    `channel_now` is as it is known at `taken_at`, with its income of `window_days` and ever. `actions` are the latest
    calls that changed it by `at`, as they were known then, the newest first, as `spells` are: the first was in force at
    `at`. What the last price brought is counted on, to its end or to `taken_at`. `refills` are the latest rebalance
    jobs by `at` that filled it or took from it, the newest first, as they were known then.
    """

    taken_at: float
    at: float
    channel_now: ChannelRecord
    pin: FeePin | None
    decision: DecisionRecord | None
    rebalance: DecisionRecord | None
    actions: tuple[ActionRecord, ...]
    spells: tuple[PriceSpell, ...]
    window_days: int
    set_by: DecisionRecord | None = None
    synced_at: float | None = None
    refills: tuple[JobStory, ...] = ()
    #: What all refills by `at` came to, those that aren't shown too.
    refill_totals: RefillTotals = NO_REFILLS
    #: Its profitability class as it is now; None where the rollup has given it none.
    profit_class: ClassState | None = None

    @property
    def of_the_past(self) -> bool:
        """Whether it is about another moment than now."""
        return self.at < self.taken_at


@dataclass(frozen=True, slots=True)
class Explained:
    """All channels that were asked about. `names` gives the name of each channel_id that their refills speak of."""

    channels: tuple[Explanation, ...]
    names: Mapping[str, str] = field(default_factory=dict)
