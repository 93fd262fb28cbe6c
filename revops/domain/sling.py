"""What revops asks of the plugin sling, and what sling says of its jobs.

A job is asked for once (`sling-once`). sling gives it no name and no number, keeps it in memory alone, and writes no
label on its payments. So the order itself is what tells its payments from others, and it is kept as text with our job.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from revops.domain.ids import is_scid
from revops.domain.units import forward_fee_msat

MSAT_PER_SAT: Final = 1_000
_TEXT: Final = re.compile(
    r"sling (?P<scid>\S+) (?P<chunk>[0-9]{1,15})x(?P<count>[0-9]{1,6}) (?P<ppm>[0-9]{1,9}) ppm "
    r"down to (?P<floor>[0-9]{1,15}) from (?P<sources>\S+) at (?P<at>[0-9]{1,12}) "
    r"after (?P<payment>[0-9]{1,18})/(?P<move>[0-9]{1,18}) for (?P<job>[0-9]+-[0-9]+-[0-9]+)"
)


@dataclass(frozen=True, slots=True)
class SlingOrder:
    """A job as sling is asked for it: pull `payment_count` payments of `chunk_sat` each into `scid`, none dearer than
    `max_ppm`, out of `source_scids`, each of which is left alone once it has no more than `floor_sat` on our side.

    `chunk_sat` is the mark of the job: no other job that is known asks for the same. `ordered_at` is in whole seconds.
    `after_payment` and `after_move` are created indexes: what sling does for this job comes after them in the node's
    lists, whatever clocks do. `job` names ours: NODE-JOB-RUN.
    """

    scid: str
    chunk_sat: int
    payment_count: int
    max_ppm: int
    floor_sat: int
    source_scids: tuple[str, ...]
    ordered_at: int
    after_payment: int
    after_move: int
    job: str

    @property
    def chunk_msat(self) -> int:
        """What one payment delivers."""
        return self.chunk_sat * MSAT_PER_SAT

    @property
    def amount_msat(self) -> int:
        """What all payments deliver."""
        return self.chunk_msat * self.payment_count

    @property
    def chunk_fee_msat(self) -> int:
        """The most that one payment may cost: sling takes a route where ceil(fee / amount x 10^6) <= maxppm."""
        return forward_fee_msat(self.chunk_msat, 0, self.max_ppm)

    def as_text(self) -> str:
        """Return the order as it is kept with our job; `order_of` reads it."""
        return (
            f"sling {self.scid} {self.chunk_sat}x{self.payment_count} {self.max_ppm} ppm down to {self.floor_sat}"
            f" from {','.join(self.source_scids)} at {self.ordered_at} after {self.after_payment}/{self.after_move}"
            f" for {self.job}"
        )


def order_of(text: str | None) -> SlingOrder | None:
    """Given what `as_text` made, return the order; None for anything else."""
    match = None if text is None else _TEXT.fullmatch(text)
    if match is None:
        return None
    scids = tuple(match["sources"].split(","))
    if not all(is_scid(scid) for scid in (match["scid"], *scids)):
        return None
    return SlingOrder(
        scid=match["scid"],
        chunk_sat=int(match["chunk"]),
        payment_count=int(match["count"]),
        max_ppm=int(match["ppm"]),
        floor_sat=int(match["floor"]),
        source_scids=scids,
        ordered_at=int(match["at"]),
        after_payment=int(match["payment"]),
        after_move=int(match["move"]),
        job=match["job"],
    )


@dataclass(frozen=True, slots=True)
class SlingJob:
    """A standing job, which only the operator makes (`sling-jobsettings`)."""

    scid: str
    pulls: bool
    amount_msat: int
    max_ppm: int


@dataclass(frozen=True, slots=True)
class SlingTask:
    """What sling says of the jobs on one channel (`sling-stats`): a state for each that runs side by side, in sling's
    words. Once jobs stay listed after their end, until the node stops.
    """

    scid: str
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SentPayment:
    """A row of `listsendpays` as it tells a rebalance of sling's: one to ourselves, without label and invoice. One of
    ours bears the `label` that its job has.

    `amount_msat` is what arrives, None where the node doesn't say; `circular` is whether it pays ourselves.
    """

    created_index: int
    payment_hash: str
    status: str
    amount_msat: int | None
    amount_sent_msat: int
    destination: str | None
    created_at: int
    labelled: bool
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Circular:
    """A payment that went around, as the node's ledger of channel moves has it: out over one channel, in over the
    other.
    """

    payment_hash: str
    source_channel_id: str
    target_channel_id: str
    amount_msat: int
    fee_msat: int
    moved_at: int
