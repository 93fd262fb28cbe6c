"""Rebalance plans and runs, as people read them: what would be moved and what it rests on, what came near, what became
of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from revops.domain.budget import Category
from revops.domain.decision import Outcome, RebalanceDecision, RebalancePlan
from revops.domain.reason import ReasonCode
from revops.domain.record import JobRecord
from revops.domain.summary import RebalanceSummary
from revops.report.amounts import cost, cost_rate, income, instant
from revops.report.blocks import Block, Line, Table
from revops.report.jobs import fee, fee_rate, named, reserved_row
from revops.report.summaries import counts, grouped, sentences
from revops.report.weighed import weighed

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
#: Reasons whose numbers the table of terms shows.
_TERMS: Final = frozenset({ReasonCode.WORTH, ReasonCode.KELLY, ReasonCode.KELLY_FREE, ReasonCode.ROOM})


def rebalance_plan(plan: RebalancePlan, *, each_skip: bool, dry_run: bool) -> Iterator[Block]:
    """Given a rebalance plan, render its jobs with all that they rest on, what came near to being one and what would
    have to change, and why the other channels are not refilled; each with the best first.
    """
    decisions = sorted(plan.decisions, key=lambda one: (-one.expected_gain_msat, one.target_name))
    wanted = [one for one in decisions if one.source_name is not None]
    if wanted:
        headings = ("refill", "from", ">amount sat", ">max fee sat", ">max ppm", ">expected gain sat", "outcome", "why")
        yield Table("", headings, tuple(_job_row(one) for one in wanted))
        yield from weighed([(one.target_name, one.terms) for one in wanted if one.terms is not None])
    others = [one for one in decisions if one.source_name is None]
    near = [one for one in others if one.reasons[0].code in NEAR_MISSES]
    if near and not each_skip:
        yield Table("Near misses", ("channel", "what is missing"), tuple(map(_why_row, near)))
        others = [one for one in others if one.reasons[0].code not in NEAR_MISSES]
    if others and each_skip:
        rows = tuple((one.target_name, str(one.outcome), sentences(one.reasons)) for one in others)
        yield Table("", ("channel", "outcome", "why"), rows)
    elif others:
        yield from grouped(others)
    for reason in plan.reasons:
        yield Line(reason.sentence)
    yield Line(counts([one.outcome for one in decisions], "to refill"))
    if plan.jobs and dry_run:
        yield Line(
            "a dry run stores nothing: `revops rebalance plan` makes a plan that `revops rebalance run` executes"
        )
    elif plan.jobs:
        yield Line(f"good until {instant(plan.expires_at)}; `revops rebalance run` executes it in mode act")


def _job_row(one: RebalanceDecision) -> tuple[str, ...]:
    shown = tuple(reason for reason in one.reasons if one.terms is None or reason.code not in _TERMS)
    told = [sentences(shown)] if shown else []
    if one.terms is not None and one.amount_msat < one.terms.wanted_msat:
        told.insert(0, f"cut from {income(one.terms.wanted_msat)} sat to what the stake buys")
    return (
        one.target_name,
        ", ".join(source.name for source in one.sources) or one.source_name or "any",
        income(one.amount_msat),
        cost(one.max_fee_msat),
        cost_rate(one.max_fee_msat, one.amount_msat),
        income(one.expected_gain_msat),
        "planned" if one.outcome is Outcome.CHANGE else str(one.outcome),
        "; ".join(told),
    )


def _why_row(one: RebalanceDecision) -> tuple[str, ...]:
    return one.target_name, sentences(one.reasons)


def rebalance_run(summary: RebalanceSummary, *, dry_run: bool) -> Iterator[Block]:
    """Given what a rebalance run did, or would do, render each job as it stands, and what is under way."""
    for reason in summary.reasons:
        yield Line(reason.sentence)
    if summary.jobs:
        headings = ("refill", "from", ">amount sat", "status", ">fee sat", ">ppm", "why")
        yield Table("", headings, tuple(_done_row(job, summary.names) for job in summary.jobs))
    else:
        yield Line("no job is planned" if dry_run else "no job to send or settle")
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
