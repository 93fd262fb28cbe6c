"""Rebalances: what they cost, beside what was sold of them later, by the channel that was filled, and one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from revops.domain.job_story import JobStory
from revops.domain.profit import ChannelProfit, ProfitLine
from revops.domain.review import Attempts, Review
from revops.domain.text import counted
from revops.domain.units import PPM, sat_exact
from revops.report.amounts import income, instant, nearest_rate, share, to_the_msat
from revops.report.html.names import Name, name_of
from revops.report.job_stories import SOLD as SOLD

#: Jobs one by one.
MOST_JOBS: Final = 60
_UNKNOWN: Final = Name("", "unknown channel", "")
_LINE: Final = ProfitLine()


@dataclass(frozen=True, slots=True)
class TargetRow:
    """A channel that was filled: what arrived and cost, what of it was sold, and at which rates it was bought and the
    channel sold in the period. Bars are per cent of the highest rate.
    """

    name: Name
    job_count: str
    bought: str
    cost: str
    cost_ppm: str
    sold: str
    sale_ppm: str
    brought: str
    cost_percent: float
    sale_percent: float
    sold_percent: float
    pays: bool | None


@dataclass(frozen=True, slots=True)
class JobRow:
    """A rebalance that settled."""

    job: str
    finished: str
    target: Name
    source: Name
    amount: str
    cost: str
    cost_ppm: str
    sold: str


@dataclass(frozen=True, slots=True)
class Refills:
    """All that the page says of rebalances. `left_out_count` jobs of the period are in no row."""

    targets: tuple[TargetRow, ...]
    jobs: tuple[JobRow, ...]
    left_out_count: int
    job_left_out_count: int
    attempts: str


def refills(review: Review) -> Refills:
    """Given a review, return its rebalances."""
    names = {one.channel_id: name_of(one) for one in review.standing.channels}
    lines = {one.channel_id: one for one in review.profit.channels}
    groups: dict[str, list[JobStory]] = {}
    for story in review.refills:
        groups.setdefault(story.job.target_channel_id, []).append(story)
    ranked = sorted(groups.items(), key=lambda item: (-sum(_fee_msat(story) for story in item[1]), item[0]))
    highest = max((max(_cost_ppm(stories), _sale_ppm(lines.get(key))) for key, stories in ranked), default=0.0) or 1.0
    return Refills(
        tuple(_target(names.get(key, _UNKNOWN), stories, lines.get(key), highest) for key, stories in ranked),
        tuple(_job(story, names) for story in review.refills[:MOST_JOBS]),
        review.refill_count - len(review.refills),
        max(review.refill_count - MOST_JOBS, 0),
        attempts_words(review.attempts),
    )


def attempts_words(attempts: Sequence[Attempts]) -> str:
    """Given what ended without a payment, return it in words: "12 without a payment: 9 no route, 3 released"."""
    if not attempts:
        return ""
    count = sum(one.job_count for one in attempts)
    kinds = ", ".join(f"{one.job_count:,} {(one.failure or one.status).replace('_', ' ')}" for one in attempts)
    return f"{counted(count, 'attempt')} ended without a payment and cost nothing: {kinds}"


def _fee_msat(story: JobStory) -> int:
    return story.job.fee_msat or 0


def _cost_ppm(stories: Sequence[JobStory]) -> float:
    arrived_msat = sum(story.arrived_msat for story in stories)
    return sum(map(_fee_msat, stories)) * PPM / arrived_msat if arrived_msat else 0.0


def _sale_ppm(channel: ChannelProfit | None) -> float:
    line = _LINE if channel is None else channel.line
    return line.earned_msat * PPM / line.out_msat if line.out_msat else 0.0


def _target(name: Name, stories: Sequence[JobStory], channel: ChannelProfit | None, highest: float) -> TargetRow:
    line = _LINE if channel is None else channel.line
    arrived_msat, fee_msat = sum(story.arrived_msat for story in stories), sum(map(_fee_msat, stories))
    followed = [story for story in stories if story.sold_msat is not None]
    sold_msat = sum(story.sold_msat or 0 for story in followed)
    followed_msat = sum(story.arrived_msat for story in followed)
    brought_msat = sold_msat * line.earned_msat // line.out_msat if line.out_msat else 0
    return TargetRow(
        name,
        f"{len(stories):,}",
        income(arrived_msat),
        to_the_msat(fee_msat),
        nearest_rate(fee_msat, arrived_msat),
        share(sold_msat, followed_msat) if followed else "-",
        nearest_rate(line.earned_msat, line.out_msat),
        income(brought_msat) if followed else "-",
        round(100 * _cost_ppm(stories) / highest, 1),
        round(100 * _sale_ppm(channel) / highest, 1),
        round(100 * sold_msat / followed_msat, 1) if followed_msat else 0.0,
        brought_msat >= fee_msat if followed and len(followed) == len(stories) else None,
    )


def _job(story: JobStory, names: Mapping[str, Name]) -> JobRow:
    job, arrived_msat = story.job, story.arrived_msat
    return JobRow(
        f"{job.job_key}",
        instant(job.created_at if job.finished_at is None else job.finished_at),
        names.get(job.target_channel_id, _UNKNOWN),
        names.get(job.source_channel_id, _UNKNOWN),
        sat_exact(arrived_msat),
        to_the_msat(_fee_msat(story)),
        nearest_rate(_fee_msat(story), arrived_msat),
        "-" if story.sold_msat is None else share(story.sold_msat, arrived_msat),
    )
