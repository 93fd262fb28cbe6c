"""Profitability classes: how a channel's capital has done lately, and since when that has been so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from revops.domain.profit import ProfitLine
from revops.domain.reason import Reason


@unique
class ProfitClass(StrEnum):
    """A class. The words are stored: never change them. UNJUDGED was open for too little time to be judged by."""

    PROFITABLE = "profitable"
    BREAK_EVEN = "break_even"
    UNDERWATER = "underwater"
    STAGNANT = "stagnant"
    DEAD = "dead"
    NEW = "new"
    UNJUDGED = "unjudged"

    @property
    def word(self) -> str:
        """The class for a person."""
        return self.value.replace("_", "-")


#: No judgements: a channel leaves them at once.
UNSETTLED: Final = frozenset({ProfitClass.NEW, ProfitClass.UNJUDGED})


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """An open channel as the last sync saw it, with what the records add.

    `opened_at` is None for one that is older than the node can tell. `value_ppm` is what its marginal sat is worth
    (None: no fee decision has looked at it yet) as of `value_at`, `last_settled_at` when a forward last went through it
    in either direction (None: never). `balances_msat` is our balance at the end of each UTC day on record, `fee_ppm`
    the fee in force at the last sync. `splicing`: it had a splice in flight then.
    """

    channel_id: str
    name: str
    peer_id: str | None
    alias: str | None
    opener: str | None
    connected: bool
    capacity_msat: int
    local_msat: int
    reserve_msat: int
    opened_at: int | None
    last_stable_at: float | None
    value_ppm: float | None
    last_settled_at: float | None
    balances_msat: Mapping[int, int]
    value_at: float | None = None
    fee_ppm: int | None = None
    splicing: bool = False


@dataclass(frozen=True, slots=True)
class ClassInput:
    """What a class is judged by: a channel's line, and how long it could have forwarded.

    The line, its capital among it, is of the window as far as balances are on record (`domain.period.rated_span`),
    which is `rated_seconds` long: returns are the same as in profit and loss over these days. `age_seconds` is None for
    one that is older than the node can tell. For `connected_seconds` of the window the peer was known to be connected,
    and `open_seconds` of these were open hours, in which a typical payment could have left. `silent_seconds` are the
    open hours since anything last settled over it in either direction, as far as the records reach; `quiet_seconds` has
    passed since then by the calendar (infinite where nothing ever has). `value_ppm` is None where no fee decision has
    looked at the channel yet. `splicing`: it has a splice in flight.
    """

    channel_id: str
    line: ProfitLine
    rated_seconds: float
    age_seconds: float | None
    open_seconds: float
    silent_seconds: float
    quiet_seconds: float
    value_ppm: float | None = 0.0
    connected_seconds: float = 0.0
    splicing: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the figures of one moment say, and the figures."""

    found: ProfitClass
    evidence: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class ClassState:
    """The class in force, since when, and which one may follow it: `candidate` was found first at
    `candidate_since_at`, and at each look since then (both None: the class in force was found).
    """

    profit_class: ProfitClass
    since_at: float
    candidate: ProfitClass | None
    candidate_since_at: float | None
    judged_at: float
    evidence: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class ClassedChannel:
    """A channel with its class."""

    channel_id: str
    name: str
    peer_id: str | None
    alias: str | None
    state: ClassState


@dataclass(frozen=True, slots=True)
class ClassesReport:
    """All that `revops report classes` shows; of so many open channels none has a class yet."""

    taken_at: float
    synced_at: float | None
    window_days: int
    hold_days: int
    channels: tuple[ClassedChannel, ...]
    waiting_count: int = 0
