"""CLBOSS beside us: what it is told to leave alone.

CLBOSS keeps a set of tags for each peer, of what it doesn't manage there: `lnfee` (fees), `balance` (rebalancing),
`open` and `close` (channels). `clboss-unmanage` puts a set in the place of the one before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

Tags = frozenset[str]
NO_TAGS: Final[Tags] = frozenset()
#: What each peer_id is unmanaged in.
Unmanaged = Mapping[str, Tags]


class ClbossOutcome(StrEnum):
    """What became of a change that was asked of CLBOSS."""

    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class HeldTags:
    """What CLBOSS leaves to us because we told it to, and since when."""

    tags: Tags
    taken_at: float


@dataclass(frozen=True, slots=True)
class ClbossChange:
    """Tags of a peer that we took from CLBOSS, or gave back to it; `message` says why that failed."""

    peer_id: str
    taken: tuple[str, ...]
    given: tuple[str, ...]
    outcome: ClbossOutcome
    message: str = ""


@dataclass(frozen=True, slots=True)
class ClbossPeer:
    """A peer that CLBOSS doesn't manage wholly, or that the next run wants it to leave to us.

    `unmanaged` is what CLBOSS says, `ours` what of it we took, `wanted` what the next run that may act will take.
    """

    peer_id: str
    alias: str | None
    unmanaged: tuple[str, ...]
    ours: tuple[str, ...]
    taken_at: float | None
    wanted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClbossStatus:
    """All that `revops clboss status` shows. `present` is whether CLBOSS answers, `tags` what the configuration names,
    `idle` those of them that nothing is taken of, since the commands concerned are in mode observe.
    """

    taken_at: float
    present: bool
    tags: tuple[str, ...]
    idle: tuple[str, ...]
    peers: tuple[ClbossPeer, ...]


@dataclass(frozen=True, slots=True)
class ClbossRelease:
    """What `revops clboss release` gave back, or would. `again` are tags that the next run will take once more;
    `aliases` are those of the peers concerned, as far as they are known.
    """

    taken_at: float
    present: bool
    changes: tuple[ClbossChange, ...]
    again: tuple[str, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
