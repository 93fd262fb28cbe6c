"""Dead capital: what `revops report dead` shows. Advice: nothing is ever closed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from revops.domain.period import Span
from revops.domain.profit_class import ProfitClass


class Standing(StrEnum):
    """How a channel stands to the predictor. WANTED is silent, but its next sat has a value; of UNVALUED that was never
    judged; UNSEEN was silent by the calendar, but too few days with open hours of it are on record; SPLICING would be
    dead, but its capital is being moved: it has a splice in flight.
    """

    DEAD = "dead"
    YOUNG = "young"
    WANTED = "wanted"
    UNVALUED = "unvalued"
    UNSEEN = "unseen"
    SPLICING = "splicing"
    ALIVE = "alive"


@dataclass(frozen=True, slots=True)
class ChainRates:
    """What space on the chain costs, in sat per 1000 weight, as of one sample."""

    sampled_at: float
    mutual_perkw: int
    unilateral_perkw: int
    opening_perkw: int


@dataclass(frozen=True, slots=True)
class CloseCost:
    """What closing a channel costs us: together with the peer, or by force, with anchor and sweep; and opening another
    one. `payer` is who pays the transaction that closes it: "we" or "the peer".
    """

    payer: str
    mutual_msat: int
    unilateral_msat: int
    reopen_msat: int


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What capital returns in a year on the node's profitable channels: the median, and between which bounds the middle
    half of them lies. Each fee is counted once, where the payment left.
    """

    channel_count: int
    median_ratio: float
    low_ratio: float
    high_ratio: float


@dataclass(frozen=True, slots=True)
class SilentChannel:
    """A channel through which nothing went for long, as the predictor or the calendar has it, and which isn't dead:
    `standing` says why not. `last_settled_at` is None where nothing ever did, `value_ppm` where it was never judged.
    """

    channel_id: str
    name: str
    peer_id: str | None
    alias: str | None
    standing: Standing
    local_msat: int
    last_settled_at: float | None
    silent_days: float
    value_ppm: float | None


@dataclass(frozen=True, slots=True)
class DeadChannel:
    """A channel with dead capital. `last_settled_at` is None where nothing ever went through it; `close` where no
    feerate is known; `elsewhere_msat` where no channel is profitable; `payback_days` where a close and a new opening
    are never paid by what is earned elsewhere.
    """

    channel_id: str
    name: str
    peer_id: str | None
    alias: str | None
    opener: str | None
    capacity_msat: int
    local_msat: int
    last_settled_at: float | None
    silent_days: float
    value_ppm: float | None
    profit_class: ProfitClass | None
    close: CloseCost | None
    elsewhere_msat: int | None
    payback_days: float | None


@dataclass(frozen=True, slots=True)
class DeadReport:
    """All that `revops report dead` shows. Of the open channels, `dead` are by the predictor; `silent` are those that
    may look so and aren't, by reason, the most capital first; the others had something go through (`alive`), or are
    young and not silent. `rated` is the span over which returns elsewhere are reckoned.
    """

    taken_at: float
    synced_at: float | None
    dead_days: int
    min_age_days: int
    dead: tuple[DeadChannel, ...]
    alive_count: int
    wanted_count: int
    young_count: int
    unseen_count: int
    unvalued_count: int
    silent: tuple[SilentChannel, ...]
    elsewhere: Elsewhere | None
    rates: ChainRates | None
    rated: Span | None = None
    splicing_count: int = 0

    @property
    def capital_msat(self) -> int:
        """What is tied up in all that are dead."""
        return sum(one.local_msat for one in self.dead)
