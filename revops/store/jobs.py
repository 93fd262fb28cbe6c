"""Rebalance jobs: each moves only along the steps below, each written before what it allows.

    planned -> reserved -> sending -> in_flight -> settled | failed | released
       \\-> expired | failed | released

A step is a compare-and-set on the status: two runs can't both take it. With it, in the same transaction, goes a row of
`rebalance_step`, so that what a job went through, when, and in which run can be read later.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import func, insert, select, update

from revops.domain.measures import JOBS
from revops.domain.reason import Reason
from revops.domain.rebalance import FailureKind, JobStep
from revops.domain.record import JobRecord
from revops.errors import BugError
from revops.store import tally
from revops.store.codec import dump_reasons
from revops.store.engine import Tx
from revops.store.job_rows import newest, records
from revops.store.keys import channel_key
from revops.store.tables import rebalance_job, rebalance_source, rebalance_step

#: Reserved, or perhaps under way: these must be settled before anything else.
OPEN: Final = ("reserved", "sending", "in_flight")
_BEFORE: Final[dict[str, tuple[str, ...]]] = {
    "reserved": ("planned",),
    "sending": ("reserved",),
    "in_flight": ("sending",),
    "settled": ("sending", "in_flight"),
    "failed": ("planned", *OPEN),
    "released": ("planned", *OPEN),
    "expired": ("planned",),
}
#: How a job can end.
_ENDS: Final = frozenset({"settled", "failed", "released", "expired"})


def mark_reserved(
    tx: Tx,
    job_key: int,
    *,
    run_key: int,
    at: float,
    reserve_key: int,
    label: str | None = None,
    source_channel_id: str | None = None,
    executor: str | None = None,
    local_before_msat: int | None = None,
    amount_msat: int | None = None,
) -> None:
    """Given a planned job for which money was reserved in this transaction, say so. Nothing is sent yet.

    `label` names its invoice (None: it has none), `source_channel_id` the source that pays (None: as it was planned),
    `executor` who executes it (None: as it was planned), `local_before_msat` the target's balance now, `amount_msat`
    how much arrives if that is less than was planned: what it may cost goes down with it, so that no sat gets dearer.
    Raise BugError where it is more.
    """
    if amount_msat is not None:
        _cut(tx, job_key, amount_msat)
    facts: dict[str, Any] = {"reserve_key": reserve_key, "label": label, "local_before_msat": local_before_msat}
    if source_channel_id is not None:
        facts["source_channel_key"] = channel_key(tx, source_channel_id)
    if executor is not None:
        facts["executor"] = executor
    _step(tx, job_key, "reserved", run_key, at, **facts)


def _cut(tx: Tx, job_key: int, amount_msat: int) -> None:
    planned = job(tx, job_key)
    if amount_msat == planned.amount_msat:
        return
    if not 0 < amount_msat < planned.amount_msat:
        raise BugError(f"rebalance job {job_key} can't move {amount_msat} msat: {planned.amount_msat} were planned")

    def share(most_msat: int) -> int:
        return most_msat * amount_msat // planned.amount_msat

    mine = (rebalance_job.c.node_key == tx.node_key, rebalance_job.c.job_key == job_key)
    facts: dict[str, Any] = {"amount_msat": amount_msat, "max_fee_msat": share(planned.max_fee_msat)}
    tx.connection.execute(update(rebalance_job).where(*mine).values(**facts))
    for rank, offer in enumerate(planned.sources, 1):
        row = rebalance_source.c
        its = (row.node_key == tx.node_key, row.job_key == job_key, row.rank == rank)
        # What was quoted goes down with it, rounded up: another attempt is judged by what a sat should cost.
        quoted_msat = None if offer.quoted_fee_msat is None else -share(-offer.quoted_fee_msat)
        facts = {"max_fee_msat": share(offer.max_fee_msat), "quoted_fee_msat": quoted_msat}
        tx.connection.execute(update(rebalance_source).where(*its).values(**facts))


def mark_sending(
    tx: Tx, job_key: int, payment_hash: str | None, *, run_key: int, at: float, note: str | None = None
) -> None:
    """Given a reserved job, say that it is about to be sent: from here on money may be under way.

    `payment_hash` is None where the executor doesn't know it.
    """
    _step(tx, job_key, "sending", run_key, at, note=note, payment_hash=payment_hash)


def mark_in_flight(tx: Tx, job_key: int, *, run_key: int, at: float, note: str | None = None) -> None:
    """Given a job that was being sent, say that the node took it."""
    _step(tx, job_key, "in_flight", run_key, at, note=note)


def finish_job(
    tx: Tx,
    job_key: int,
    status: str,
    fee_msat: int,
    finished_at: float,
    reason: Reason,
    *,
    run_key: int | None,
    seen: str | None = None,
    failure: FailureKind | None = None,
    erring_scidd: str | None = None,
) -> None:
    """Given how a job ended (settled, failed, released, expired), record it; of a failure, its kind and the channel
    with direction where it happened, as far as they are known.

    Raise BugError where it can't end so, or is not any more as it was `seen` when its end was judged.
    """
    if status not in _ENDS:
        raise BugError(f"rebalance job {job_key} can't end as {status!r}")
    facts = {
        "fee_msat": fee_msat,
        "finished_at": finished_at,
        "reason_json": dump_reasons([reason]),
        "failure": None if failure is None else str(failure),
        "erring_scidd": erring_scidd,
    }
    _step(tx, job_key, status, run_key, finished_at, seen, note=reason.sentence, **facts)
    stopped_by = () if status != "failed" else (str(failure or FailureKind.OTHER),)
    tally.add(tx, JOBS, [(status, stopped_by)])


def note_moves(tx: Tx, job_key: int, fee_msat: int, *, run_key: int, at: float, note: str) -> None:
    """Given a settled job, and what it cost now that the node's ledger of moves was asked, record that with a note."""
    mine = (rebalance_job.c.node_key == tx.node_key, rebalance_job.c.job_key == job_key)
    settled = update(rebalance_job).where(*mine, rebalance_job.c.status == "settled").values(fee_msat=fee_msat)
    if tx.connection.execute(settled).rowcount != 1:
        raise BugError(f"rebalance job {job_key} isn't settled: it is {job(tx, job_key).status}")
    _add_step(tx, job_key, "settled", run_key, at, note)


def note_step(tx: Tx, job_key: int, status: str, *, run_key: int, at: float, note: str) -> None:
    """Given an open job of which something is to be remembered that changes no status, note it under a word for it."""
    if job(tx, job_key).status not in OPEN:
        raise BugError(f"rebalance job {job_key} isn't open: nothing more happens to it")
    _add_step(tx, job_key, status, run_key, at, note)


def _step(
    tx: Tx,
    job_key: int,
    status: str,
    run_key: int | None,
    at: float,
    seen: str | None = None,
    *,
    note: str | None = None,
    **facts: object,
) -> None:
    before = _BEFORE[status] if seen is None else tuple(one for one in _BEFORE[status] if one == seen)
    row = (
        rebalance_job.c.node_key == tx.node_key,
        rebalance_job.c.job_key == job_key,
        rebalance_job.c.status.in_(before),
    )
    statement = update(rebalance_job).where(*row).values(status=status, **facts)
    if tx.connection.execute(statement).rowcount != 1:
        raise BugError(f"rebalance job {job_key} can't become {status}: it is {job(tx, job_key).status}")
    _add_step(tx, job_key, status, run_key, at, note)


def _add_step(tx: Tx, job_key: int, status: str, run_key: int | None, at: float, note: str | None) -> None:
    """The row of the job is locked since it was updated: nobody else counts its steps."""
    mine = (rebalance_step.c.node_key == tx.node_key, rebalance_step.c.job_key == job_key)
    last = select(func.coalesce(func.max(rebalance_step.c.step), 0)).where(*mine)
    number: int = tx.connection.execute(last).scalar_one() + 1
    add_steps(tx, [_step_row(tx, job_key, number, status, run_key, at, note)])


def _step_row(
    tx: Tx, job_key: int, step: int, status: str, run_key: int | None, at: float, note: str | None
) -> dict[str, Any]:
    return {
        "node_key": tx.node_key,
        "job_key": job_key,
        "step": step,
        "status": status,
        "stepped_at": at,
        "run_key": run_key,
        "note": note,
    }


def first_step(tx: Tx, job_key: int, run_key: int, at: float, note: str | None = None) -> dict[str, Any]:
    """Given a job that is added in this transaction, return the row of its first step."""
    return _step_row(tx, job_key, 1, "planned", run_key, at, note)


def add_steps(tx: Tx, rows: list[dict[str, Any]]) -> None:
    """Given rows of steps, store them."""
    tx.connection.execute(insert(rebalance_step), rows)


def steps(tx: Tx, job_key: int) -> tuple[JobStep, ...]:
    """Given a job, return the states that it went through, in order; none of a job from before they were kept."""
    columns = rebalance_step.c
    statement = (
        select(columns.status, columns.stepped_at, columns.note, columns.run_key)
        .where(columns.node_key == tx.node_key, columns.job_key == job_key)
        .order_by(columns.step)
    )
    return tuple(JobStep(row.status, row.stepped_at, row.note, row.run_key) for row in tx.connection.execute(statement))


def job(tx: Tx, job_key: int) -> JobRecord:
    """Given a key, return the job. Raise BugError where there is none."""
    found = records(tx, rebalance_job.c.job_key == job_key)
    if not found:
        raise BugError(f"there is no rebalance job {job_key}")
    return found[0]


def open_jobs(tx: Tx) -> tuple[JobRecord, ...]:
    """Return the jobs for which money is reserved or under way, oldest first."""
    return records(tx, rebalance_job.c.status.in_(OPEN))


def under_way_since(tx: Tx) -> dict[int, float]:
    """Return since when money is reserved for each open job, by its key; without those of which that isn't kept."""
    step, row = rebalance_step.c, rebalance_job.c
    statement = (
        select(step.job_key, func.max(step.stepped_at).label("since_at"))
        .join(rebalance_job, (row.node_key == step.node_key) & (row.job_key == step.job_key))
        .where(step.node_key == tx.node_key, step.status == "reserved", row.status.in_(OPEN))
        .group_by(step.job_key)
    )
    return {found.job_key: found.since_at for found in tx.connection.execute(statement)}


def planned_jobs(tx: Tx) -> tuple[JobRecord, ...]:
    """Return the jobs that wait to be executed, best first; a further attempt comes after all that were planned."""
    return records(tx, rebalance_job.c.status == "planned")


def recent_jobs(tx: Tx, limit: int) -> tuple[JobRecord, ...]:
    """Return at most `limit` jobs, the newest first."""
    return newest(tx, limit)
