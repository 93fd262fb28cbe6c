"""What policies made of worlds, as values that can be stored: the raw material of every figure and plot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from revops.report.plain import plain

#: Raised when a key changes its meaning; keys are only added.
SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Span:
    """What a policy made of a stretch of days. `net_msat` is what was earned less rebalances and chain costs, plus the
    change of what the balances are worth; `oracle_msat` is the same for the best constant fees in hindsight of this
    span. `updates_per_day` is per channel; `depleted_ratio` is the share of (channel, cycle) in which a typical payment
    couldn't leave.
    """

    first_day: float
    last_day: float
    net_msat: int
    oracle_msat: int
    earned_msat: int
    rebalance_msat: int
    chain_msat: int
    updates_per_day: float
    depleted_ratio: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy made of one world. `curve_msat` is what it had earned by the end of each day, where it was kept."""

    policy: str
    family: str
    seed: int
    spans: tuple[Span, ...]
    curve_msat: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Study:
    """Policies compared in a set of worlds, with what it takes to compare them again.

    `frozen_hash` is of the frozen set that the worlds were held against, and `frozen_count` how many worlds that has;
    None and 0 for a set that isn't frozen. `strange` names the worlds that are not in it, or not as they were frozen.
    `full_cycles`: the product's own strategies were run as cron runs them. `rebalance`: each of them was run once more,
    with rebalances.
    """

    set_name: str
    setting: str
    made_at: int
    version: str
    commit: str | None
    days: float
    seeds: tuple[int, ...]
    families: tuple[str, ...]
    policies: tuple[str, ...]
    frozen_hash: str | None
    frozen_count: int
    strange: tuple[str, ...]
    outcomes: tuple[Outcome, ...]
    full_cycles: bool = False
    rebalance: bool = False

    @property
    def judged(self) -> bool:
        """Whether its worlds are the frozen ones, and all of them: nobody may choose among them."""
        return self.frozen_hash is not None and not self.strange and self.world_count == self.frozen_count

    @property
    def world_count(self) -> int:
        """How many worlds its policies met."""
        return len(self.families) * len(self.seeds)


def to_document(study: Study) -> dict[str, Any]:
    """Given a study, return it in the types of JSON."""
    return {"schema_version": SCHEMA_VERSION, "judged": study.judged, **plain(study)}


def from_document(document: Any) -> Study:
    """Given what `to_document` made, return the study. Raise ValueError for anything else."""
    import msgspec

    if not isinstance(document, Mapping):
        raise ValueError("it is JSON, but no object")
    if document.get("schema_version") != SCHEMA_VERSION:
        raise ValueError(f"its schema_version is {document.get('schema_version')!r}, not {SCHEMA_VERSION}")
    study = msgspec.convert(document, Study)
    met = {(outcome.policy, outcome.family, outcome.seed) for outcome in study.outcomes}
    wanted = {(policy, family, seed) for policy in study.policies for family in study.families for seed in study.seeds}
    named_count = len(study.policies) * study.world_count  # more than are wanted where a name stands twice
    if not wanted or met != wanted or not len(study.outcomes) == len(wanted) == named_count:
        raise ValueError("some policy has not met each of its worlds exactly once")
    if len({tuple((span.first_day, span.last_day) for span in outcome.spans) for outcome in study.outcomes}) != 1:
        raise ValueError("the outcomes are not all of the same spans")
    return study
