"""Splice plans: what is planned, and what a newer plan replaced or time has overtaken. Nothing here spends anything."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Executable, Select, bindparam, delete, insert, select, update

from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.splice import SpliceDirection, SpliceJob, SplicePlan, SpliceStart, SpliceTerms
from revops.errors import BugError, DataError
from revops.store.codec import dump, dump_reasons, load_object, load_reasons
from revops.store.engine import NODE, Tx
from revops.store.keys import channel_keys, next_keys
from revops.store.tables import channel, splice_job, splice_plan

PLANNED: Final = "planned"
EXPIRED: Final = "expired"


def add_plan(tx: Tx, run_key: int, plan: SplicePlan) -> int:
    """Given a plan, store it with its splices, the best first; return its key. What earlier plans left undone is
    replaced. Raise BugError for a splice without terms, or of a channel that was never recorded.
    """
    for job in planned(tx):
        age_minutes = round((plan.created_at - job.created_at) / 60)
        _expire(tx, job.splice_key, plan.created_at, why(ReasonCode.PLAN_REPLACED, age_minutes=age_minutes))
    plan_key = next_keys(tx, "splice_plan")
    head = {"node_key": tx.node_key, "plan_key": plan_key, "run_key": run_key}
    tx.connection.execute(insert(splice_plan).values(**head, created_at=plan.created_at, expires_at=plan.expires_at))
    if not plan.jobs:
        return plan_key
    keys, rows = channel_keys(tx), []
    for splice_key, one in enumerate(plan.jobs, next_keys(tx, "splice_job", len(plan.jobs))):
        if one.terms is None or one.direction is None or one.channel_id not in keys:
            raise BugError(f"the splice of {one.name} lacks its terms, or its channel was never recorded")
        rows.append(
            {
                "node_key": tx.node_key,
                "splice_key": splice_key,
                "plan_key": plan_key,
                "channel_key": keys[one.channel_id],
                "direction": str(one.direction),
                "amount_sat": one.amount_sat,
                "max_feerate_perkw": one.terms.max_feerate_perkw,
                "max_cost_msat": one.terms.max_cost_msat,
                "expected_gain_msat": one.expected_gain_msat,
                "terms_json": dump(asdict(one.terms)),
                "status": PLANNED,
                "created_at": plan.created_at,
                "expires_at": plan.expires_at,
            }
        )
    tx.connection.execute(insert(splice_job), rows)
    return plan_key


def expire(tx: Tx, now: float) -> int:
    """Given the moment, close the planned splices whose time is over; return how many."""
    late = [job for job in planned(tx) if job.expires_at <= now]
    for job in late:
        reason = why(
            ReasonCode.PLAN_EXPIRED,
            age_minutes=round((now - job.created_at) / 60),
            lifetime_minutes=round((job.expires_at - job.created_at) / 60),
        )
        _expire(tx, job.splice_key, now, reason)
    return len(late)


def _expire(tx: Tx, splice_key: int, at: float, reason: Reason) -> None:
    mine = (splice_job.c.node_key == tx.node_key, splice_job.c.splice_key == splice_key)
    facts = {"status": EXPIRED, "finished_at": at, "reason_json": dump_reasons((reason,))}
    tx.connection.execute(update(splice_job).where(*mine, splice_job.c.status == PLANNED).values(**facts))


def planned(tx: Tx) -> tuple[SpliceJob, ...]:
    """Return the splices that are planned, in the plan's order. Raise DataError for what a newer version stored."""
    return tuple(job_of(row) for row in tx.execute(_jobs(), b_status=PLANNED).all())


@cache
def _jobs() -> Executable:
    mine = (splice_job.c.node_key == NODE, splice_job.c.status == bindparam("b_status"))
    return select_jobs().where(*mine).order_by(splice_job.c.splice_key)


def select_jobs() -> Select[Any]:
    """Select splices with the ids of their channels."""
    own = (channel.c.node_key == splice_job.c.node_key) & (channel.c.channel_key == splice_job.c.channel_key)
    return select(splice_job, channel.c.channel_id).join(channel, own)


def job_of(row: Any) -> SpliceJob:
    """Given a row of `select_jobs`, return the splice. Raise DataError for what a newer version stored."""
    terms: dict[str, Any] = load_object(row.terms_json)
    asked: dict[str, Any] | None = None if row.start_json is None else load_object(row.start_json)
    try:
        known = SpliceTerms(**terms)
        start = None if asked is None else SpliceStart(**asked)
    except TypeError as error:
        raise DataError(f"database: a splice's terms can't be read ({error}); is this a newer revops's?") from error
    return SpliceJob(
        splice_key=row.splice_key,
        plan_key=row.plan_key,
        channel_id=row.channel_id,
        direction=SpliceDirection(row.direction),
        amount_sat=row.amount_sat,
        max_feerate_perkw=row.max_feerate_perkw,
        max_cost_msat=row.max_cost_msat,
        expected_gain_msat=row.expected_gain_msat,
        terms=known,
        status=row.status,
        created_at=row.created_at,
        expires_at=row.expires_at,
        finished_at=row.finished_at,
        reason=None if row.reason_json is None else load_reasons(row.reason_json)[0],
        reserve_key=row.reserve_key,
        txid=row.txid,
        start=start,
        cost_msat=row.cost_msat,
    )


def prune_splices(tx: Tx, before_at: float) -> int:
    """Given a moment, delete splices that ended before it without anything having been reserved; return how many.
    Plans go with their last splice.
    """
    job, plan = splice_job.c, splice_plan.c
    ended: list[ColumnElement[bool]] = [
        job.node_key == tx.node_key,
        job.finished_at < before_at,
        job.reserve_key.is_(None),
        job.status.in_(("failed", "released", EXPIRED)),
    ]
    count = tx.connection.execute(delete(splice_job).where(*ended)).rowcount
    used = select(job.plan_key).where(job.node_key == tx.node_key)
    gone = (plan.node_key == tx.node_key, plan.created_at < before_at, plan.plan_key.not_in(used))
    tx.connection.execute(delete(splice_plan).where(*gone))
    return count
