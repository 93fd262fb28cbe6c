"""Splices, as people read them: what would be moved where, what it brings and costs, and why nothing else is; and what
became of those that were begun.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from revops.domain.decision import Outcome
from revops.domain.reason import ReasonCode
from revops.domain.splice import UNDER_WAY, SpliceDecision, SpliceJob, SplicePlan, SpliceRow, SpliceRows, SpliceSummary
from revops.domain.text import counted
from revops.report.amounts import cost, income, instant
from revops.report.blocks import Block, Legend, Line, Table
from revops.report.jobs import named
from revops.report.summaries import counts, grouped, sentences
from revops.report.words import OUTCOMES, told

_UNKNOWN = "?"
_UNDER_WAY = (
    "in_flight: signed, and not locked in yet; reserved or sending: `revops splice run` finds out what became of it. "
    "Reserved: the most that it may cost; it counts against splice.daily_sat and weekly_sat until the cost is known"
)


def splice_plan(plan: SplicePlan, *, each_skip: bool, dry_run: bool) -> Iterator[Block]:
    """Given a splice plan, render its splices with all that they rest on, then why the other channels get and give
    nothing.
    """
    wanted = [one for one in plan.decisions if one.direction is not None]
    others = [one for one in plan.decisions if one.direction is None]
    if wanted:
        headings = (
            "channel", "splice", ">amount sat", ">cost sat", ">at most sat", ">at most perkw", ">brings sat",
            ">at least", ">at most", ">in days", ">paid back in d", "outcome", "why",
        )  # fmt: skip
        yield Table("", headings, tuple(_row(one) for one in wanted))
        yield Legend(
            "cost: on the chain, at today's feerate; at most: what it may cost, and the feerate for that, in sat per "
            "1,000 weight (250: 1 sat per virtual byte). Brings: what is expected within so many days, before the "
            "cost, with its bounds; of a splice out, what its sats bring where they go"
        )
    if others and each_skip:
        rows = tuple((one.name, OUTCOMES[one.outcome], sentences(one.reasons)) for one in others)
        yield Table("", ("channel", "outcome", "why"), rows)
    elif others:
        yield from grouped(others)
    for reason in plan.reasons:
        yield Legend(reason.sentence)
    yield Line(counts([one.outcome for one in plan.decisions], "to splice"))
    if plan.jobs and dry_run:
        yield Line("a dry run stores nothing: `revops splice plan` makes a plan that `revops splice run` carries out")
    elif plan.jobs:
        until = instant(plan.expires_at)
        yield Line(f"good until {until}; nothing was sent to the node: `revops splice run` begins one splice a run")
    elif wanted and any(one.code is ReasonCode.OBSERVE_MODE for one in plan.reasons):
        yield Line('when you agree, set splice.mode = "act", and a budget: splice.daily_sat and splice.weekly_sat')


def splice_run(summary: SpliceSummary, *, dry_run: bool) -> Iterator[Block]:
    """Given what a run did, or would do, render each splice as it stands."""
    for reason in summary.reasons:
        yield Legend(reason.sentence)
    if summary.jobs:
        headings = ("channel", "splice", ">amount sat", "status", ">cost sat", ">reserved sat", "why")
        yield Table("", headings, tuple(_done_row(job, summary.names) for job in summary.jobs))
    elif not summary.waiting_count:
        yield Line("no splice is planned" if dry_run else "no splice to follow or begin")
    if summary.waiting_count:
        yield Line(f"waiting: {counted(summary.waiting_count, 'planned splice')}, one is begun in a run")
    if dry_run and any(job.status in UNDER_WAY for job in summary.jobs):
        yield Line("a run looks first at how those under way stand")


def splice_list(value: SpliceRows) -> Iterator[Block]:
    """Given splices that were begun, render a row each."""
    if value.splices:
        headings = (
            "begun", "channel", "splice", ">amount sat", "status", ">cost sat", ">reserved sat", "transaction", "why",
        )  # fmt: skip
        rows = tuple(_listed_row(one) for one in value.splices)
        told_count = len(headings) if any(row[-1] for row in rows) else len(headings) - 1
        yield Table("", headings[:told_count], tuple(row[:told_count] for row in rows))
    if any(one.status in UNDER_WAY for one in value.splices):
        yield Legend(_UNDER_WAY)
    more = "; there are older ones: --last N" if value.more else ""
    yield Line(f"{counted(len(value.splices), 'splice')}{more}")


def _listed_row(one: SpliceRow) -> tuple[str, ...]:
    return (
        instant(one.begun_at),
        one.channel,
        str(one.direction),
        f"{one.amount_sat:,}",
        one.status,
        "" if one.cost_msat is None else cost(one.cost_msat),
        "" if one.reserved_msat is None else cost(one.reserved_msat),
        one.txid or "",
        one.why or "",
    )


def _done_row(job: SpliceJob, names: Mapping[str, str]) -> tuple[str, ...]:
    start = job.start
    return (
        named(job.channel_id, names),
        str(job.direction),
        f"{job.amount_sat if start is None else start.amount_sat:,}",
        job.status,
        "" if job.cost_msat is None else cost(job.cost_msat),
        cost(start.worst_msat) if start is not None and job.status in UNDER_WAY else "",
        "" if job.reason is None else job.reason.sentence,
    )


def _row(one: SpliceDecision) -> tuple[str, ...]:
    terms = one.terms
    figures = (_UNKNOWN,) * 8
    if terms is not None:
        figures = (
            cost(terms.cost_msat),
            cost(terms.max_cost_msat),
            f"{terms.max_feerate_perkw:,}",
            income(terms.gain_msat),
            income(terms.gain_low_msat),
            income(terms.gain_high_msat),
            f"{terms.horizon_days:,}",
            f"{terms.payback_days:,.0f}",
        )
    return (
        one.name,
        str(one.direction),
        f"{one.amount_sat:,}",
        *figures,
        "planned" if one.outcome is Outcome.CHANGE else OUTCOMES[one.outcome],
        sentences(told(one.reasons)),
    )
