"""Splices that were begun, and what became of them. Each moves only along the steps below, each written before what it
allows:

    planned -> reserved -> sending -> in_flight -> settled | failed | released

A step is a compare-and-set on the status: two runs can't both take it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any, Final

from sqlalchemy import Executable, bindparam, func, select, update

from revops.domain.chain_cost import CostKind
from revops.domain.reason import Reason
from revops.domain.splice import UNDER_WAY, SpliceJob, SpliceStart
from revops.errors import BugError
from revops.store.codec import dump, dump_reasons
from revops.store.engine import NODE, Tx
from revops.store.keys import channel_key
from revops.store.splices import PLANNED, job_of, select_jobs
from revops.store.tables import chain_cost, splice_job

_BEFORE: Final[Mapping[str, tuple[str, ...]]] = {
    "reserved": (PLANNED,),
    "sending": ("reserved",),
    "in_flight": ("sending", "in_flight"),
    "settled": ("sending", "in_flight"),
    "failed": ("sending", "in_flight"),
    "released": ("reserved",),
}
_ENDS: Final = frozenset({"settled", "failed", "released"})


def open_splices(tx: Tx) -> tuple[SpliceJob, ...]:
    """Return the splices that were begun and haven't ended, the oldest first."""
    return tuple(job_of(row) for status in UNDER_WAY for row in tx.execute(_open(), b_status=status).all())


def begun(tx: Tx, splice_key: int) -> SpliceJob:
    """Given a splice's key, return it. Raise BugError where there is none."""
    row = tx.execute(_one(), b_splice=splice_key).one_or_none()
    if row is None:
        raise BugError(f"splice {splice_key} doesn't exist")
    return job_of(row)


def latest_splices(tx: Tx, most: int) -> tuple[SpliceJob, ...]:
    """Return so many splices that were begun, the latest first."""
    rows = tx.execute(_begun(), b_most=most).all()
    return tuple(job_of(row) for row in rows)


def mark_reserved(tx: Tx, splice_key: int, reserve_key: int, start: SpliceStart) -> None:
    """Given a planned splice whose cost was reserved in this transaction, and what will be asked of the node, say so.
    Nothing is asked yet.
    """
    _step(tx, splice_key, "reserved", reserve_key=reserve_key, start_json=dump(asdict(start)))


def mark_sending(tx: Tx, splice_key: int) -> None:
    """Given a reserved splice, say that the node is about to be asked: from here on it may be under way."""
    _step(tx, splice_key, "sending")


def mark_in_flight(tx: Tx, splice_key: int, txid: str) -> None:
    """Given a splice that the node has made, or seems to have, note its transaction."""
    _step(tx, splice_key, "in_flight", txid=txid)


def finish(
    tx: Tx,
    splice_key: int,
    status: str,
    at: float,
    reason: Reason,
    txid: str | None = None,
    cost_msat: int | None = None,
) -> None:
    """Given a splice, how it ended (settled, failed, released), why, and what it cost, close it."""
    if status not in _ENDS or (status == "settled") != (cost_msat is not None):
        raise BugError(f"splice {splice_key} can't end as {status} at {cost_msat} msat")
    facts: dict[str, Any] = {"finished_at": at, "reason_json": dump_reasons((reason,)), "cost_msat": cost_msat}
    if txid is not None:
        facts["txid"] = txid
    _step(tx, splice_key, status, **facts)


def _step(tx: Tx, splice_key: int, status: str, **facts: Any) -> None:
    job = splice_job.c
    mine = (job.node_key == tx.node_key, job.splice_key == splice_key, job.status.in_(_BEFORE[status]))
    changed = tx.connection.execute(update(splice_job).where(*mine).values(status=status, **facts)).rowcount
    if changed != 1:
        raise BugError(f"splice {splice_key} can't become {status}: another run has moved it on")


@cache
def _open() -> Executable:
    mine = (splice_job.c.node_key == NODE, splice_job.c.status == bindparam("b_status"))
    return select_jobs().where(*mine).order_by(splice_job.c.splice_key)


@cache
def _one() -> Executable:
    return select_jobs().where(splice_job.c.node_key == NODE, splice_job.c.splice_key == bindparam("b_splice"))


@cache
def _begun() -> Executable:
    begun = (splice_job.c.node_key == NODE, splice_job.c.start_json.is_not(None))
    return select_jobs().where(*begun).order_by(splice_job.c.splice_key.desc()).limit(bindparam("b_most"))


def costs_msat(tx: Tx, job: SpliceJob) -> dict[str, int]:
    """Given a splice that was begun, return, by transaction, what each splice of its channel has cost that the node has
    booked since, but for those that belong to other splices of ours.
    """
    asked_at = job.created_at if job.start is None else job.start.asked_at
    rows = tx.execute(_costs(), b_channel=channel_key(tx, job.channel_id), b_splice=job.splice_key, b_since=asked_at)
    return {str(txid): int(cost_msat) for txid, cost_msat in rows}


#: The node dates a block, and so what is in it, up to two hours off (BIP 113's rule is the median of eleven blocks).
_CLOCKS_SECONDS: Final = 2 * 3_600


@cache
def _costs() -> Executable:
    cost, every = chain_cost.c, chain_cost.alias().c
    others = select(splice_job.c.txid).where(
        splice_job.c.node_key == NODE,
        splice_job.c.splice_key != bindparam("b_splice"),
        splice_job.c.txid.is_not(None),
    )
    ours = select(cost.txid).where(
        cost.node_key == NODE,
        cost.account_key == bindparam("b_channel"),
        cost.kind == CostKind.SPLICE.value,
        cost.booked_at >= bindparam("b_since") - _CLOCKS_SECONDS,
        cost.txid.not_in(others),
    )
    return (
        select(every.txid, func.sum(every.cost_msat))
        .where(every.node_key == NODE, every.txid.in_(ours))
        .group_by(every.txid)
        .order_by(func.min(every.booked_at), every.txid)
    )
