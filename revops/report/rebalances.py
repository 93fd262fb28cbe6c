"""Rebalance plans and runs, as people read them: what would be moved and what it rests on, what came near, what became
of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from revops.domain.budget import Category
from revops.domain.decision import Outcome, RebalanceDecision, RebalancePlan
from revops.domain.reason import Reason, ReasonCode
from revops.domain.record import JobRecord
from revops.domain.summary import RebalanceSummary
from revops.domain.text import counted
from revops.report.amounts import income, instant, nearest_rate, to_the_msat
from revops.report.blocks import Block, Legend, Line, Table
from revops.report.jobs import fee, fee_rate, named, reserved_row
from revops.report.summaries import counts, grouped, sentences
from revops.report.weighed import weighed
from revops.report.words import OUTCOMES

#: Refusals that would be jobs if a price, a chance or a budget were a little other.
NEAR_MISSES: Final = frozenset(
    {
        ReasonCode.ROUTE_ABOVE_WORTH,
        ReasonCode.LAST_HOP_ABOVE_WORTH,
        ReasonCode.KELLY_REFUSED,
        ReasonCode.GAIN_TOO_SMALL,
        ReasonCode.NO_QUOTE,
        ReasonCode.NOT_QUOTED,
        ReasonCode.RETURN_TOO_SMALL,
    }
)
#: Reasons whose numbers the tables of terms show.
_TERMS: Final = frozenset({ReasonCode.WORTH, ReasonCode.KELLY, ReasonCode.KELLY_FREE, ReasonCode.ROOM})
#: Why a sat is worth nothing on a target: beside a job that is done for its source's room, they read as if it were not.
_WORTHLESS: Final = frozenset(
    {
        ReasonCode.DEARER_INSTEAD,
        ReasonCode.PLENTY,
        ReasonCode.NOT_WANTED,
        ReasonCode.ROOM_SHORT,
        ReasonCode.ROOM_ELSEWHERE,
    }
)
#: What a near miss lacks: of which number, and the number that it should be no more than. A gain that is too small
#: lacks no ppm at all; where no price is known, nobody can say how near it was.
_LACKING: Final[Mapping[ReasonCode, tuple[str, str]]] = {
    ReasonCode.ROUTE_ABOVE_WORTH: ("route_ppm", "limit_ppm"),
    ReasonCode.LAST_HOP_ABOVE_WORTH: ("last_hop_ppm", "limit_ppm"),
    ReasonCode.KELLY_REFUSED: ("cost_ppm", "dearest_ppm"),
    ReasonCode.RETURN_TOO_SMALL: ("asked_ppm", "gain_ppm"),
}


def in_order(plan: RebalancePlan) -> RebalancePlan:
    """Given a plan, return it as it is shown: jobs by what they gain, then those that wait, then near misses by how
    near they came, then the rest by name.
    """
    return replace(plan, decisions=tuple(sorted(plan.decisions, key=_place)))


def _place(one: RebalanceDecision) -> tuple[int, float, str]:
    if one.source_name is not None:
        waits = 0 if one.outcome is Outcome.CHANGE else 1
        return waits, -one.expected_gain_msat, one.target_name
    return (2, _lacking_ppm(one.reasons[0]), one.target_name) if _is_near(one) else (3, 0.0, one.target_name)


def _is_near(one: RebalanceDecision) -> bool:
    return one.source_name is None and one.reasons[0].code in NEAR_MISSES


def _lacking_ppm(reason: Reason) -> float:
    if reason.code is ReasonCode.GAIN_TOO_SMALL:
        return 0.0
    names = _LACKING.get(reason.code)
    numbers = [reason.numbers.get(name) for name in names] if names is not None else []
    known = [float(number) for number in numbers if number is not None]
    return known[0] - known[1] if len(known) == 2 else math.inf


def rebalance_plan(plan: RebalancePlan, *, each_skip: bool, dry_run: bool) -> Iterator[Block]:
    """Given a rebalance plan, render its jobs with all that they rest on, what came near to being one and what would
    have to change, and why the other channels are not refilled; each with the best first.
    """
    decisions = in_order(plan).decisions
    wanted = [one for one in decisions if one.source_name is not None]
    if wanted:
        headings = ("refill", "from", ">amount sat", ">max fee sat", ">max ppm", ">expected gain sat", "outcome", "why")
        yield Table("", headings, tuple(_job_row(one) for one in wanted))
        yield from weighed([(one.target_name, one.terms) for one in wanted if one.terms is not None])
    others = [one for one in decisions if one.source_name is None]
    near = [one for one in others if _is_near(one)]
    if near and not each_skip:
        yield Table("Near misses", ("channel", "what is missing"), tuple(map(_why_row, near)))
        others = [one for one in others if not _is_near(one)]
    if others and each_skip:
        rows = tuple((one.target_name, OUTCOMES[one.outcome], sentences(one.reasons)) for one in others)
        yield Table("", ("channel", "outcome", "why"), rows)
    elif others:
        yield from grouped(others)
    for reason in plan.reasons:
        yield Legend(reason.sentence)
    yield Line(counts([one.outcome for one in decisions], "to refill"))
    if plan.jobs and dry_run:
        yield Line(
            "a dry run stores nothing: `revops rebalance plan` makes a plan that `revops rebalance run` executes"
        )
    elif plan.jobs:
        yield Line(f"good until {instant(plan.expires_at)}; `revops rebalance run` executes it in mode act")


def _job_row(one: RebalanceDecision) -> tuple[str, ...]:
    hidden = _WORTHLESS if one.terms is None else _WORTHLESS | _TERMS
    told = [reason.sentence for reason in one.reasons if reason.code not in hidden]
    if one.terms is not None and one.amount_msat < one.terms.wanted_msat:
        told.append(f"cut from {income(one.terms.wanted_msat)} sat to what the stake buys")
    return (
        one.target_name,
        ", ".join(source.name for source in one.sources) or one.source_name or "any",
        income(one.amount_msat),
        to_the_msat(one.max_fee_msat),
        nearest_rate(one.max_fee_msat, one.amount_msat),
        to_the_msat(one.expected_gain_msat),
        "planned" if one.outcome is Outcome.CHANGE else OUTCOMES[one.outcome],
        "; ".join(told),
    )


def _why_row(one: RebalanceDecision) -> tuple[str, ...]:
    return one.target_name, sentences(one.reasons)


def rebalance_run(summary: RebalanceSummary, *, dry_run: bool) -> Iterator[Block]:
    """Given what a rebalance run did, or would do, render each job as it stands, and what is under way."""
    for reason in summary.reasons:
        yield Legend(reason.sentence)
    if summary.jobs:
        headings = ("refill", "from", ">amount sat", "status", ">fee sat", ">ppm", "why")
        yield Table("", headings, tuple(_done_row(job, summary.names) for job in summary.jobs))
    elif not summary.waiting_count:
        yield Line("no job is planned" if dry_run else "no job to send or settle")
    if summary.waiting_count:
        why = "suspended" if summary.reasons else "until there is room, or what is under way has ended"
        yield Line(f"waiting: {counted(summary.waiting_count, 'planned job')}, {why}")
    if summary.under_way:
        rows = tuple(reserved_row(Category.REBALANCE, held, summary.taken_at) for held in summary.under_way)
        yield Table("Under way", ("what", ">reserved sat", "since", "state"), rows)
    if summary.under_way and dry_run:
        yield Line("a run settles what is under way first, where the node says that it has ended")


def _done_row(job: JobRecord, names: Mapping[str, str]) -> tuple[str, ...]:
    return (
        named(job.target_channel_id, names),
        named(job.source_channel_id, names),
        income(job.amount_msat),
        job.status,
        fee(job),
        fee_rate(job),
        job.reason.sentence if job.reason else "",
    )
