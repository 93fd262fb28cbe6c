"""A node's business over a period, for the page that an operator opens once a week."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from revops.domain.budget import CategoryState
from revops.domain.dead_capital import DeadReport
from revops.domain.job_story import JobStory
from revops.domain.price_history import PriceHistory
from revops.domain.profit import ProfitReport
from revops.domain.profit_class import ClassState
from revops.domain.record import DecisionRecord, Report
from revops.domain.status import CommandStanding


@dataclass(frozen=True, slots=True)
class Attempts:
    """Rebalance jobs of a period that ended without a payment: how many, by status and by the kind of failure (None:
    nothing was tried, or the kind wasn't kept).
    """

    status: str
    failure: str | None
    job_count: int


@dataclass(frozen=True, slots=True)
class Review:
    """All that `revops report --html` shows.

    `standing` is the node as of the last sync, without window or decisions; `profit` the period with a line for each of
    its days, `before` the same number of days before it (None: not wholly on record). `prices` are of the
    channels that earned most. `decisions` (to act or to put off) and `skips` are the latest of the period, of so many
    in it; so are `refills`, rebalances that settled. `commands` are how each stands.
    """

    standing: Report
    profit: ProfitReport
    before: ProfitReport | None
    categories: tuple[CategoryState, ...]
    prices: tuple[PriceHistory, ...]
    decisions: tuple[DecisionRecord, ...]
    decision_count: int
    skips: tuple[DecisionRecord, ...]
    skip_count: int
    refills: tuple[JobStory, ...]
    refill_count: int
    attempts: tuple[Attempts, ...]
    classes: Mapping[str, ClassState]
    dead: DeadReport
    commands: tuple[CommandStanding, ...] = ()
    fees_mode: str = "act"
    rebalance_mode: str = "act"

    @property
    def names(self) -> Mapping[str, str]:
        """The name of each channel_id."""
        return {channel.channel_id: channel.name for channel in self.standing.channels}
