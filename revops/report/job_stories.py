"""What became of rebalance jobs, as people read it: `revops report rebalances`, and the refills of one channel in
`explain`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from revops.domain.budget import Category
from revops.domain.explanation import Explanation
from revops.domain.job_story import JobPayment, JobStory, RebalancesReport
from revops.domain.record import JobRecord
from revops.domain.text import counted
from revops.domain.units import sat_exact
from revops.report.amounts import age, income, instant, share, span, to_the_msat
from revops.report.blocks import Block, Legend, Line, Table
from revops.report.jobs import OPEN, fee, fee_rate, named, reserved_row
from revops.report.weighed import weighed

_HEADINGS: Final = (
    "job", "planned", "refill", "from", ">amount sat", ">fee sat", ">ppm", ">sold", "what became of it"
)  # fmt: skip
#: What a column of both tables means.
SOLD: Final = (
    "sold: the share of what arrived that left by forwards since, and that the channel would have lacked without it"
)
_REFILLS: Final = ("planned", "as", "with", ">amount sat", ">fee sat", ">ppm", ">sold", "what became of it")


def rebalances(value: RebalancesReport, *, each_step: bool, alone: bool) -> Iterator[Block]:
    """Given jobs, render each with what it cost and what of it was sold, and with `each_step` all that it went through.
    `alone` is whether one was asked for: then also what its plan weighed.
    """
    if not value.stories:
        yield Line("no rebalance job is on record")
    else:
        yield Table(
            "", _HEADINGS, tuple(_row(story, value.names, each_step=each_step and not alone) for story in value.stories)
        )
        yield Legend(SOLD)
        yield Line("")
    payments = [(story.job, one) for story in value.stories for one in story.payments]
    if each_step and payments:
        headings = ("job", "moved", "from", "to", ">amount sat", ">fee sat", "payment hash")
        yield Table("Payments", headings, tuple(_payment_row(job, one, value.names) for job, one in payments))
    if alone:
        yield from _steps(value.stories)
        yield from _of_another_route(value.stories)
        yield from weighed(
            [(named(one.job.target_channel_id, value.names), one.job.terms) for one in value.stories if one.job.terms]
        )
    elif value.under_way:
        rows = tuple(reserved_row(Category.REBALANCE, held, value.taken_at) for held in value.under_way)
        yield Table("Under way", ("what", ">reserved sat", "since", "state"), rows)
    yield Line(f"synced {age(value.synced_at, value.taken_at)}")


def _row(story: JobStory, names: Mapping[str, str], *, each_step: bool) -> tuple[str, ...]:
    job = story.job
    number = f"{job.job_key}" if job.retry_of_key is None else f"{job.job_key} (again {job.retry_of_key})"
    return (
        number,
        instant(job.created_at),
        named(job.target_channel_id, names),
        named(job.source_channel_id, names),
        income(job.amount_msat),
        fee(job),
        fee_rate(job),
        _sold(story),
        told(story) if each_step else _outcome(job),
    )


def _sold(story: JobStory) -> str:
    return "-" if story.sold_msat is None else share(story.sold_msat, story.arrived_msat)


def _outcome(job: JobRecord) -> str:
    where = f"; at {job.erring_scidd}" if job.erring_scidd is not None else ""
    return _noted(job.status, None if job.reason is None else job.reason.sentence) + where


def told(story: JobStory) -> str:
    """Given a job, return its steps in one text, those of one moment together, and where it failed."""
    job = story.job
    if not story.steps:
        return _outcome(job)
    text, last_at = "", story.steps[0].stepped_at
    ended = False
    for step in story.steps:
        waited = step.stepped_at - last_at
        later = f"; {span(waited)} later " if waited >= 1 else ", "
        ends = not ended and step.status == job.status and job.reason is not None
        text += (later if text else "") + (_outcome(job) if ends else _noted(step.status, step.note))
        last_at, ended = step.stepped_at, ended or ends
    return text


def _noted(status: str, note: str | None) -> str:
    """A status with its note; one that says itself how a job ended needs no word in front."""
    word = status.replace("_", " ")
    if note is None:
        return word
    return note if word in note.partition(":")[0] else f"{word}: {note}"


def _steps(stories: Sequence[JobStory]) -> Iterator[Block]:
    rows = tuple(
        (
            instant(step.stepped_at),
            step.status.replace("_", " "),
            "-" if step.run_key is None else f"{step.run_key}",
            step.note or "",
        )
        for story in stories
        for step in story.steps
    )
    if rows:
        yield Table("Steps", ("when", "step", "run", "note"), rows)


def _of_another_route(stories: Sequence[JobStory]) -> Iterator[Block]:
    for story in stories:
        if story.planned_as_key is not None and story.job.terms is not None:
            yield Legend(
                f"what follows was weighed for job {story.planned_as_key}, as it was planned: this is attempt "
                f"{story.job.attempt} at it, by another way; what that cost, if anything, stands above"
            )
            yield Line("")


def _payment_row(job: JobRecord, one: JobPayment, names: Mapping[str, str]) -> tuple[str, ...]:
    return (
        f"{job.job_key}",
        instant(one.moved_at),
        named(one.source_channel_id, names),
        named(one.target_channel_id, names),
        sat_exact(one.amount_msat),
        to_the_msat(one.fee_msat),
        one.payment_hash,
    )


def refills(one: Explanation, names: Mapping[str, str]) -> Iterator[Block]:
    """Given a channel, render the latest refills that it got, and those that it paid for; what all of them came to."""
    if not one.refills:
        return
    channel_id = one.channel_now.channel_id
    title = "Refills" if not one.of_the_past else f"Refills by {instant(one.at)}"
    yield Table(title, _REFILLS, tuple(_refill_row(story, channel_id, names) for story in one.refills))
    totals = one.refill_totals
    earlier = totals.job_count - len(one.refills)
    if earlier > 0:
        yield Line(f"{earlier:,} earlier ones aren't shown (`revops report rebalances --last N` lists all channels')")
    if totals.got_count:
        sold = ""
        if totals.followed_msat:
            share_sold = share(totals.sold_msat, totals.followed_msat)
            sold = f"; of the {income(totals.followed_msat)} sat bought lately {share_sold} was sold"
        yield Line(_came_to("got", totals.got_count, totals.got_msat, totals.got_fee_msat) + sold)
    if totals.gave_count:
        yield Line(_came_to("gave", totals.gave_count, totals.gave_msat, totals.gave_fee_msat))
    yield Legend(SOLD)
    yield Line("")
    waits = sum(1 for story in one.refills if story.job.status in OPEN)
    if waits:
        yield Line(f"{waits} of them under way: `revops report rebalances --job N` shows all that is known")
        yield Line("")


def _came_to(verb: str, count: int, amount_msat: int, fee_msat: int) -> str:
    return (
        f"all in all it {verb} {income(amount_msat)} sat by {counted(count, 'refill')}, for {sat_exact(fee_msat)} sat"
    )


def _refill_row(story: JobStory, channel_id: str, names: Mapping[str, str]) -> tuple[str, ...]:
    job = story.job
    filled = job.target_channel_id == channel_id
    other = job.source_channel_id if filled else job.target_channel_id
    return (
        f"{instant(job.created_at)}, job {job.job_key}",
        "target" if filled else "source",
        named(other, names),
        income(job.amount_msat),
        fee(job),
        fee_rate(job),
        _sold(story),
        told(story),
    )
