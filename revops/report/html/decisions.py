"""Decisions and why, the latest first: what decided in a sentence, all other reasons folded below it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from revops.domain.decision import Outcome
from revops.domain.record import DecisionRecord
from revops.domain.review import Review
from revops.report.amounts import instant
from revops.report.html.names import Name, cut, name_of
from revops.report.words import OUTCOMES, amount_moved, deciding, fee_step

_SENTENCE_LENGTH: Final = 600


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision. `kind` and `area` ("fees", "rebalance") are what the page filters by."""

    when: str
    kind: str
    kind_word: str
    area: str
    name: Name
    what: str
    times: str
    why: str
    more: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Decisions:
    """Rows, the latest first, and how many of the period are in none."""

    rows: tuple[DecisionRow, ...]
    left_out_count: int

    @property
    def has_changes(self) -> bool:
        """Whether there is anything that was done: it is what the page shows first."""
        return any(row.kind == Outcome.CHANGE for row in self.rows)


def decisions(review: Review) -> Decisions:
    """Given a review, return its decisions and skips together."""
    names = {one.channel_id: name_of(one) for one in review.standing.channels}
    found = sorted((*review.decisions, *review.skips), key=lambda one: -one.last_at)
    total = review.decision_count + review.skip_count
    return Decisions(tuple(_row(one, names) for one in found), total - len(found))


def _row(one: DecisionRecord, names: Mapping[str, Name]) -> DecisionRow:
    reason = deciding(one.outcome, one.reasons, same_ppm=one.old_ppm == one.new_ppm)
    name = names.get(one.channel_id or "", Name(cut(one.name), "", cut(one.name)))
    return DecisionRow(
        instant(one.last_at),
        one.outcome,
        OUTCOMES[one.outcome],
        one.command.partition(" ")[0],
        # A rebalance names both of its channels.
        name._replace(channel=cut(one.name)),
        _what(one),
        f"{one.repeat_count + 1:,}",
        "" if reason is None else cut(reason.sentence, _SENTENCE_LENGTH),
        tuple(cut(other.sentence, _SENTENCE_LENGTH) for other in one.reasons if other is not reason),
    )


def _what(one: DecisionRecord) -> str:
    if one.old_ppm is not None and one.new_ppm is not None:
        return fee_step(one.outcome, one.old_ppm, one.new_ppm).replace("->", "→")
    return amount_moved(one)
