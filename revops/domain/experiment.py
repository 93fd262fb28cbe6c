"""A switch-back experiment: two strategies on one node, by turns in blocks of time, to tell which of them earns more.

What was registered when it began never changes: whoever could choose the metric, the length or the blocks afterwards
could find what he likes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from revops.domain.channel import Channel

#: What is compared, in the words in which it is registered; the first decides, the second is shown beside it. `net` is
#: what strategies are judged by: fees, less the value of the liquidity used up, plus that of what entered.
NET: Final = "net msat per hour and channel"
FEES: Final = "fees in msat per hour and channel"
#: An instant is a float: a block's end, less its beginning, may fall short of its length by so much at most.
_ROUNDING_SECONDS: Final = 0.001


class Arm(StrEnum):
    """One of the two. The words are stored: never change them."""

    A = "A"
    B = "B"


class Ending(StrEnum):
    """Why an experiment is over. The words are stored: never change them."""

    COMPLETE = "complete"
    STOPPED = "stopped"
    HARM = "harm"


@dataclass(frozen=True, slots=True)
class Experiment:
    """What was registered at `started_at`, and how far it has come.

    `block_count` blocks of `block_seconds`, an even number: they come in pairs. Of each, `washout_seconds` aren't
    measured, and it counts if at least `seen_ratio` of the rest was looked at. `harm_alpha` is the chance of a false
    alarm that all looks for harm together may take. `look_count` is how many pairs the last look for harm has seen.
    """

    experiment_key: int
    started_at: float
    a: str
    b: str
    seed: int
    block_seconds: int
    washout_seconds: int
    block_count: int
    seen_ratio: float
    harm_alpha: float
    version: str
    metric: str = NET
    second_metric: str = FEES
    look_count: int = 0
    ended_at: float | None = None
    ending: Ending | None = None

    @property
    def ends_at(self) -> float:
        """When it is over by plan."""
        return self.started_at + self.block_count * self.block_seconds

    @property
    def pair_count(self) -> int:
        """How many pairs of blocks each peer is to get."""
        return self.block_count // 2

    @property
    def measured_seconds(self) -> int:
        """How much of a block counts."""
        return self.block_seconds - self.washout_seconds

    def strategy_of(self, arm: Arm) -> str:
        """Given an arm, return its strategy."""
        return self.a if arm is Arm.A else self.b

    def whole_blocks(self, until_at: float) -> int:
        """Given a moment, return how many blocks are over by then."""
        count = (until_at - self.started_at + _ROUNDING_SECONDS) // self.block_seconds
        return min(max(int(count), 0), self.block_count)

    def block_end_at(self, block: int) -> float:
        """Given a block's number, return when it ends."""
        return self.started_at + (block + 1) * self.block_seconds


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is on a channel. `block` counts from 0."""

    experiment_key: int
    arm: Arm
    strategy: str
    block: int
    block_count: int


class BlockTime(NamedTuple):
    """How long one channel was looked at in one block from `measured_at` on, and could have forwarded; counted up to
    `counted_at`.
    """

    channel_id: str
    block: int
    arm: Arm
    measured_at: float
    counted_at: float
    open_seconds: float = 0.0
    seen_seconds: float = 0.0


class Look(NamedTuple):
    """What one run finds of one channel: `turn` where the experiment prices it in this run; `away_since_at` where the
    operator keeps it out, `foreign_since_at` where the fee in force is somebody else's: found then, set some time
    before.
    """

    channel: Channel
    turn: Turn | None = None
    away_since_at: float | None = None
    foreign_since_at: float | None = None


class BlockResult(NamedTuple):
    """What one channel brought in one block that is over."""

    channel_id: str
    peer_id: str
    block: int
    arm: Arm
    open_seconds: float
    seen_seconds: float
    score_msat: int
    fee_msat: int
    forward_count: int


@dataclass(frozen=True, slots=True)
class ArmSum:
    """All that counts of one arm. `seen_hours` are those in which its channels were looked at, `open_hours` those of
    them in which they could forward. A ratio of None: nothing was seen.
    """

    arm: Arm
    strategy: str
    block_count: int
    seen_hours: float
    open_hours: float
    open_ratio: float | None
    forward_count: int
    score_msat: int
    fee_msat: int


@dataclass(frozen=True, slots=True)
class Difference:
    """B less A by one metric, the mean over pairs of blocks. `base_msat` is the mean of A. The bounds are those of a
    95 % interval, None where there are too few pairs for one; `p_value` is the chance of so large a difference, either
    way, if there were none.
    """

    metric: str
    pair_count: int
    mean_msat: float
    base_msat: float
    low_msat: float | None
    high_msat: float | None
    p_value: float


@dataclass(frozen=True, slots=True)
class Need:
    """How many blocks it takes to see an effect of that share of what A brings, at the noise seen so far."""

    effect_ratio: float
    block_count: int
    missing_count: int
    missing_days: int


@dataclass(frozen=True, slots=True)
class OtherExperiment:
    """An experiment beside the one that is reported on, and what it has shown, as in `ExperimentReport`."""

    experiment: Experiment
    pair_count: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True)
class ExperimentReport:
    """All that `revops report experiment` shows. `differences` are by the registered metric, then by the second one;
    none where no pair of blocks is complete. `left_out_count` are pairs of blocks that are over and don't count.
    `others` are all others that were ever begun: who may choose among them finds one that shows what he likes.
    """

    taken_at: float
    experiment: Experiment
    peer_count: int
    pair_count: int
    left_out_count: int
    arms: tuple[ArmSum, ...]
    differences: tuple[Difference, ...] = ()
    needs: tuple[Need, ...] = ()
    others: tuple[OtherExperiment, ...] = ()


@dataclass(frozen=True, slots=True)
class Member:
    """A channel that an experiment has priced. `recorded_count` are its blocks that are over and recorded, of which
    enough was seen of `counting_count`.
    """

    channel_id: str
    name: str
    peer_id: str
    alias: str | None
    recorded_count: int
    counting_count: int


@dataclass(frozen=True, slots=True)
class ExperimentStatus:
    """What runs, or ran last, without its result. `block` is the one under way, counted from 0; None where none is.

    `turns` are the channels that take part in it, by channel_id: by the records those that a run has priced in this
    block and left to it since. `members` are all that ever took part.
    """

    taken_at: float
    experiment: Experiment | None
    block: int | None = None
    recorded_count: int = 0
    turns: dict[str, Turn] = field(default_factory=dict)
    members: tuple[Member, ...] = ()
