"""What the plugin sling remembers: standing jobs, tasks that run, and preimages of payments that it has sent.

It has no invoices. It makes up a preimage, sends its hash around, and gives the preimage out when the HTLC comes home
by the channel that it was sent for (src/htlc.rs). Once it has given up waiting it forgets the preimage: what arrives
later fails; what had arrived before is paid, and sling counts it as failed (src/response.rs).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from revops.sim.payrows import Flight, Payment

TIMEOUT_PAY_SECONDS = 120.0


@dataclass(slots=True)
class SlingTerms:
    """A job's settings, amounts in msat."""

    scid: str
    pulls: bool
    amount_msat: int
    max_ppm: int
    candidates: list[str] | None = None
    out_ppm: int | None = None
    floor_ratio: float = 0.2
    floor_msat: int = 2_000_000_000
    once_msat: int | None = None
    target_ratio: float | None = None
    parallel: int = 1

    def as_json(self) -> dict[str, Any]:
        """Return it as `sling-jobsettings` does."""
        row: dict[str, Any] = {
            "sat_direction": "Pull" if self.pulls else "Push",
            "amount_msat": self.amount_msat,
            "maxppm": self.max_ppm,
        }
        if self.out_ppm is not None:
            row["outppm"] = self.out_ppm
        if self.candidates is not None:
            row["candidates"] = self.candidates
        if self.target_ratio is not None:
            row["target"] = self.target_ratio
        return row | {"depleteuptopercent": self.floor_ratio, "depleteuptoamount_msat": self.floor_msat}


@dataclass(slots=True, eq=False)
class SlingTask:
    """A job that runs, or did. `moved_msat` is what sling counts, which is less than what was paid when one hung."""

    terms: SlingTerms
    state: str = "Starting"
    active: bool = True
    stopping: bool = False
    moved_msat: int = 0
    payment: Payment | None = None


@dataclass(slots=True)
class SlingResult:
    """A line of sling's own history of a channel."""

    ended_at: float
    amount_msat: int
    fee_ppm: int
    partner_scid: str
    hop_count: int
    failure: str | None = None
    failure_node: str | None = None


@dataclass(slots=True)
class Sling:
    """The plugin. `gone`: it isn't there, whatever it was configured to be."""

    version: str
    gone: bool = False
    jobs: dict[str, SlingTerms] = field(default_factory=dict)
    tasks: dict[str, SlingTask] = field(default_factory=dict)
    #: By payment hash: the preimage, and the channel_id by which it must come home.
    preimages: dict[str, tuple[str, str]] = field(default_factory=dict)
    history: dict[str, list[SlingResult]] = field(default_factory=dict)
    #: By scid and direction: until when it isn't believed to carry anything.
    weak_until: dict[str, float] = field(default_factory=dict)

    def claim(self, flight: Flight) -> str | None:
        """Given a payment that has come home, return the preimage if sling is waiting for it on that channel."""
        preimage, expected_id = self.preimages.get(flight.payment.payment_hash, (None, ""))
        if self.gone or preimage is None or flight.last is None or flight.last.channel_id != expected_id:
            return None
        del self.preimages[flight.payment.payment_hash]
        return preimage
