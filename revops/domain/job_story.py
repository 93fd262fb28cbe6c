"""A rebalance job with all that is on record of it, for people: its steps, its payments, what was sold of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from revops.domain.budget import OpenReservation
from revops.domain.rebalance import JobStep
from revops.domain.record import JobRecord


@dataclass(frozen=True, slots=True)
class JobPayment:
    """A payment of a job as the node's ledger of channel moves has it: where it left and arrived, and for how much."""

    payment_hash: str
    source_channel_id: str
    target_channel_id: str
    amount_msat: int
    fee_msat: int
    moved_at: float


@dataclass(frozen=True, slots=True)
class JobStory:
    """A job, the states that it went through, and its payments, all in order.

    `sold_msat` is what forwards have sold since of what arrived, as plans reckon it; None where nothing arrived, or
    that isn't reckoned any more.
    """

    job: JobRecord
    steps: tuple[JobStep, ...] = ()
    payments: tuple[JobPayment, ...] = ()
    sold_msat: int | None = None
    #: Of another attempt at a job, which job its plan was made for: the terms are of the route that was weighed then.
    planned_as_key: int | None = None

    @property
    def arrived_msat(self) -> int:
        """What arrived where it should, by the node's moves; as long as these say nothing, what was planned."""
        target = self.job.target_channel_id
        found = sum(one.amount_msat for one in self.payments if one.target_channel_id == target)
        return found if self.payments else self.job.amount_msat


@dataclass(frozen=True, slots=True)
class RefillTotals:
    """What all refills of a channel came to by a moment: how many jobs there were, and, of those that settled, what
    they brought or took by the node's moves, and at which fees. Of `followed_msat`, bought lately, `sold_msat` was
    sold.
    """

    job_count: int
    got_count: int = 0
    got_msat: int = 0
    got_fee_msat: int = 0
    gave_count: int = 0
    gave_msat: int = 0
    gave_fee_msat: int = 0
    followed_msat: int = 0
    sold_msat: int = 0


NO_REFILLS: Final = RefillTotals(0)


@dataclass(frozen=True, slots=True)
class RebalancesReport:
    """All that `revops report rebalances` shows, the newest job first. `names` gives the name of each channel_id."""

    taken_at: float
    synced_at: float | None
    stories: tuple[JobStory, ...]
    under_way: tuple[OpenReservation, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)
