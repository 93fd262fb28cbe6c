"""The lives of a made node's channels: who opened each when, under which names it forwards, when it ends.

Everything is drawn once from a seed, and grows with the number of channels alone.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from dataclasses import dataclass, field
from random import Random
from typing import Final

from tests.builders import DAY, HOUR, NOW, node_id

SAT: Final = 1_000
#: Channels of these numbers are there from the first days to the end, so that there is always somebody to forward by.
STEADY: Final = 4
READY_SECONDS: Final = 2 * HOUR
GENESIS_HEIGHT: Final = 800_000


def hex_of(*parts: object) -> str:
    """A hash by name: 64 hex digits."""
    return hashlib.sha256(":".join(map(str, parts)).encode()).hexdigest()


def height_at(at: float, began_at: float) -> int:
    """Given a moment and when the node began, return the height of the chain."""
    return GENESIS_HEIGHT + int((at - began_at) // 600)


@dataclass(slots=True)
class Life:
    """One channel. `how` is us (its tx may open others, too), peer, lease_in or lease_out; `closing` is ours, theirs
    (both mutual), ours_alone or theirs_alone.
    """

    number: int
    channel_id: str
    peer_id: str
    how: str
    capacity_msat: int
    funded_at: int
    opened_at: int
    fee_ppm: int
    alias_local: str
    #: When it was first called what. The first name may be our alias, the others are scids.
    names: list[tuple[float, str]]
    closed_at: int | None = None
    closing: str = ""
    pushed: bool = False
    #: (when, capacity since): its splices.
    capacities: list[tuple[float, int]] = field(default_factory=list)

    @property
    def opener(self) -> str:
        return "local" if self.how in ("us", "lease_in") else "remote"

    @property
    def ready_at(self) -> float:
        """From when on it forwards and pays."""
        return self.opened_at + READY_SECONDS

    def name_at(self, at: float) -> str:
        """What a forward calls it that was received then."""
        return self.names[max(bisect_right(self.names, at, key=lambda one: one[0]) - 1, 0)][1]

    def scid_at(self, at: float) -> str | None:
        """Its scid then; None while it has but our alias."""
        name = self.name_at(at)
        return None if name == self.alias_local else name

    def capacity_at(self, at: float) -> int:
        """What it held on both sides together then."""
        return max((one for one in self.capacities if one[0] <= at), default=(0.0, self.capacity_msat))[1]

    def open_at(self, at: float) -> bool:
        return self.opened_at <= at and (self.closed_at is None or at < self.closed_at)

    def lives_through(self, since_at: float, until_at: float) -> bool:
        """Whether it can be paid by from one moment to the other."""
        return self.ready_at <= since_at and (self.closed_at is None or until_at < self.closed_at)


def make_lives(rng: Random, seed: int, count: int, began_at: float) -> list[Life]:
    """Given the number of channels and the beginning, draw them. Two of five open in the first days; a fifth closes."""
    span = NOW - began_at
    founder_count = max(STEADY, count * 2 // 5)
    lives: list[Life] = []
    while len(lives) < count:
        how = rng.choices(("us", "batch", "peer", "lease_in", "lease_out"), (20, 20, 30, 10, 20))[0]
        early = len(lives) < founder_count
        low, high = (0.001, 0.014) if early else (0.02, 0.8)
        funded_at = int(began_at + span * rng.uniform(low, high))
        together = min(rng.randint(2, 5), count - len(lives)) if how == "batch" else 1
        for _ in range(together):
            kind = "us" if how == "batch" else how
            lives.append(_life(rng, seed, len(lives), kind, funded_at, began_at))
    calm_at = calm(began_at)
    for life in lives[STEADY:]:
        if rng.random() < 0.2 and life.ready_at + 4 * DAY < calm_at:
            life.closed_at = int(rng.uniform(life.ready_at + 3 * DAY, calm_at - DAY))
            life.closing = rng.choice(("ours", "theirs", "ours_alone", "theirs_alone"))
    return lives


def calm(began_at: float) -> float:
    """From when on nothing happens on the chain any more, so that all of it is known at the end."""
    return NOW - 0.02 * (NOW - began_at)


def _life(rng: Random, seed: int, number: int, how: str, funded_at: int, began_at: float) -> Life:
    """The node sees a channel open some blocks after its funding; a few forward before, under our alias."""
    opened_at = funded_at + rng.randint(0, 3_600)
    alias = f"{16_000_000 + number}x{seed % 1_000}x1"
    height = height_at(opened_at, began_at)
    names: list[tuple[float, str]] = [(float(opened_at), f"{height}x{number + 1}x{number % 3}")]
    if rng.random() < 0.1:
        names = [(float(opened_at), alias), (opened_at + rng.uniform(0.5, 3) * DAY, names[0][1])]
    peer = number - 1 if number % 5 == 4 else number
    return Life(
        number=number,
        channel_id=hex_of(seed, "channel", number),
        peer_id=node_id(1_000 + peer),
        how=how,
        capacity_msat=rng.randint(8_000_000, 20_000_000) * SAT,
        funded_at=funded_at,
        opened_at=opened_at,
        fee_ppm=rng.choice((0, 20, 90, 250, 400, 1_100)),
        alias_local=alias,
        names=names,
        pushed=rng.random() < 0.5,
    )
