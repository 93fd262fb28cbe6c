"""Execute circular rebalances through the plugin sling: it looks for routes by itself, in pieces, over many sources.

    planned -> reserved (ledger, the order as text) -> sending -> in_flight -> ("stopped") -> settled | failed

sling gives a job no name, answers before it has begun, forgets a job when it is stopped with the node, when its channel
is spliced or closed, and goes on for days when it finds no cheap route. So a job is never judged by what sling says of
it. It ends in two looks:

1. It is over: all has arrived, its time is over, sling doesn't list it any more, or says that it can't go on. Then
   sling is told to stop (`sling-stop`), which it answers when what it did is done, and that is noted.
2. At least `STOPPED_SECONDS` later, when the node's own records know of no payment that is under way (`sling_records`),
   it is settled at what it cost, or released where nothing was paid. sling gives a preimage out only while it waits, so
   what isn't under way by then can't be paid any more.

A run that is killed between the reservation and sling's answer leaves a job that sling may have begun, or will begin
when it reads what was sent: that one is looked at again after `UNHEARD_SECONDS`. Calls of one connection after another
are read in turn, and sling serves its callers one by one, in their order.

What the operator does with sling is left alone. His standing jobs can't be stopped, overwritten or deleted by this: a
channel of his is no target and no source, and if he sets one up on a target of ours, sling has ended ours for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from revops.actuate.settle import JobOutcome, Settler, pending
from revops.actuate.sling_order import ordered
from revops.actuate.sling_records import Seen, look
from revops.actuate.sling_state import SlingState, ended_by_itself, failure_of, state_of, stop
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.record import JobRecord
from revops.domain.sling import Circular, SentPayment, SlingOrder, order_of
from revops.domain.snapshot import NodeView
from revops.domain.units import MSAT_PER_SAT
from revops.errors import DataError
from revops.node.errors import GARBAGE, NodeError
from revops.store import jobs, ledger, sling_payments

NAME: Final = "sling"
#: How long sling may try. Then it is stopped with the next run.
LIFETIME_SECONDS: Final = 3_600
#: A job appears in `sling-stats` a moment after it was asked for.
APPEARS_SECONDS: Final = 30
#: From the stop to the judgement: sling looks whether it shall stop, then searches a route, then sends.
STOPPED_SECONDS: Final = 60
#: The same where sling's answer never came: longer than any call waits for sling.
UNHEARD_SECONDS: Final = 900
#: For so long the ledger of moves may lack a half of a payment that is complete. An HTLC that was settled on the chain
#: leaves none there.
MOVES_SECONDS: Final = 86_400
#: The word of the step that says that sling was told to stop, and how its note begins where sling has said no.
STOPPED: Final = "stopped"
REFUSED: Final = "refused: "


@dataclass(slots=True)
class SlingExecutor(Settler):
    """All that an execution needs. `limits` gives the daily and weekly limit in force inside the reserving transaction,
    `own_id` is the node's.
    """

    policy: RebalanceConfig
    limits: ledger.Limits
    own_id: str

    def start(self, job: JobRecord, view: NodeView) -> JobOutcome:
        """Given a planned job and the node as it is, reserve the worst case and let sling begin; don't wait."""
        with self.database.read(self.node_key) as tx:
            known = [order_of(one.label) for one in (*jobs.open_jobs(tx), *jobs.recent_jobs(tx, 100))]
        order = ordered(
            job,
            view,
            self.reader,
            self.database,
            self.node_key,
            self.policy.max_fee_ppm,
            least_msat=self.policy.min_amount_sat * MSAT_PER_SAT,
            others=[one for one in known if one is not None],
            name=f"{self.node_key}-{job.job_key}-{self.run_key}",
        )
        if isinstance(order, Reason):
            return self.give_up(job, order)
        try:
            with self.database.transaction(self.node_key) as tx:
                reserve_key = ledger.reserve(
                    tx,
                    run_key=self.run_key,
                    job_key=job.job_key,
                    amount_msat=order.worst_msat,
                    at=view.taken_at,
                    limits=self.limits,
                )
                jobs.mark_reserved(
                    tx,
                    job.job_key,
                    run_key=self.run_key,
                    at=self.clock(),
                    reserve_key=reserve_key,
                    label=order.order.as_text(),
                    source_channel_id=order.first_source_id,
                    executor=NAME,
                    local_before_msat=order.local_before_msat,
                    amount_msat=job.amount_msat,
                )
        except ledger.BudgetExceededError as exceeded:
            return self.give_up(job, exceeded.reason)
        self._mark_sending(job)
        try:
            self.writer.sling_once(order.order)
        except NodeError as error:
            # Whatever it says, only the records tell whether it has begun.
            if error.code is None or error.outcome_unknown:
                raise
            return self._settle(self.fresh(job), refusal=str(error))
        with self.database.transaction(self.node_key) as tx:
            ledger.take_fence(tx, self.run_key)
            jobs.mark_in_flight(tx, job.job_key, run_key=self.run_key, at=self.clock())
        return pending(self.fresh(job))

    def _mark_sending(self, job: JobRecord) -> None:
        with self.database.transaction(self.node_key) as tx:
            # A newer run may be settling this job at this moment: without the fence it would free what we send.
            ledger.take_fence(tx, self.run_key)
            jobs.mark_sending(tx, job.job_key, None, run_key=self.run_key, at=self.clock())

    def settle(self, job: JobRecord, wait_seconds: int = 0) -> JobOutcome:
        """Given an open job, close it if it is over and the node's own records leave no doubt; else leave it as it is.

        A job that this run has begun can't end in it: with `wait_seconds` nothing is asked.
        """
        if wait_seconds > 0:
            return pending(job)
        if job.status == "reserved":
            # The order may have been sent only after the next commit; a database that was put back may have lost that.
            self._mark_sending(job)
            job = self.fresh(job)
        return self._settle(job)

    def _settle(self, job: JobRecord, refusal: str | None = None) -> JobOutcome:
        order = order_of(job.label)
        if order is None or job.reserve_key is None:
            raise DataError(f"rebalance job {job.job_key} is {job.status} without an order for sling, or a reservation")
        with self.database.read(self.node_key) as tx:
            stops = [step for step in jobs.steps(tx, job.job_key) if step.status == STOPPED]
        now, last_note = self.clock(), (stops[-1].note or "") if stops else ""
        heard = job.status == "in_flight" or last_note.startswith(REFUSED)
        try:
            state = state_of(order.scid, self.reader)
        except NodeError as error:
            if error.exit_code == GARBAGE:
                raise
            return _unclear(job, f"sling doesn't say what it does ({error})")
        seen = self._seen(job, order)
        if not stops:
            over = self._over(job, order, state, seen, now)
            return self._stop(job, order, state, refusal) if over else pending(job)
        if state.runs and not heard:
            # The order may have come late. Where it was answered, this is something that the operator has begun since.
            return self._stop(job, order, state, refusal)
        if now < stops[-1].stepped_at + (STOPPED_SECONDS if heard else UNHEARD_SECONDS) or seen.pending_count:
            return pending(job)
        if seen.half_seen and now < stops[-1].stepped_at + MOVES_SECONDS:
            return _unclear(job, "listchannelmoves doesn't show what listsendpays calls complete")
        return self._close(job, order, seen, last_note)

    def _seen(self, job: JobRecord, order: SlingOrder) -> Seen:
        source_ids = frozenset(offer.channel_id for offer in job.sources) | {job.source_channel_id}
        seen = look(order, self.own_id, source_ids, self.reader)
        with self.database.read(self.node_key) as tx:
            hashes = [one.payment_hash for one in seen.paid] + [one.payment_hash for one in seen.half_seen]
            others = sling_payments.of_others(tx, job.job_key, hashes)
        return Seen(
            tuple(one for one in seen.paid if one.payment_hash not in others),
            tuple(one for one in seen.half_seen if one.payment_hash not in others),
            seen.pending_count,
        )

    def _over(self, job: JobRecord, order: SlingOrder, state: SlingState, seen: Seen, now: float) -> bool:
        """Whether a job has come to its end, for better or worse. One whose order was never answered has."""
        if job.status != "in_flight" or state.gone or state.taken:
            return True
        absent = state.words is None and now >= order.ordered_at + APPEARS_SECONDS
        late = now >= order.ordered_at + LIFETIME_SECONDS
        return absent or late or seen.moved_msat >= order.amount_msat or ended_by_itself(state)

    def _stop(self, job: JobRecord, order: SlingOrder, state: SlingState, refusal: str | None) -> JobOutcome:
        """Tell sling to stop, unless it is gone or does something else there by now, and note when it has."""
        told = stop(order.scid, state, self.reader, self.writer)
        if told is not None:
            return _unclear(job, told)
        with self.database.transaction(self.node_key) as tx:
            ledger.take_fence(tx, self.run_key)
            note = state.sentence if refusal is None else f"{REFUSED}{refusal}"
            jobs.note_step(tx, job.job_key, STOPPED, run_key=self.run_key, at=self.clock(), note=note)
        return pending(job)

    def _close(self, job: JobRecord, order: SlingOrder, seen: Seen, note: str) -> JobOutcome:
        """Book what it cost, as it is. What was paid and left no moves is booked by `listsendpays`, on the channels
        that it was planned for.
        """
        now = self.clock()
        paid = seen.paid + tuple(_assumed(job, order, one, now) for one in seen.half_seen)
        for one in paid:
            if one.fee_msat > order.chunk_fee_msat:
                what = f"a payment of job {job.job_key} cost {one.fee_msat} msat"
                raise DataError(f"listchannelmoves: {what}, and sling was allowed {order.chunk_fee_msat}")
        fee_msat, moved_msat = sum(one.fee_msat for one in paid), sum(one.amount_msat for one in paid)
        status = "settled" if paid else "failed"
        reason = why(ReasonCode.PAYMENT_SETTLED, amount_msat=moved_msat, fee_msat=fee_msat)
        failure = None
        if not paid:
            failure, reason = failure_of(note), why(ReasonCode.PAYMENT_FAILED, message=f"sling moved nothing: {note}")
        with self.database.transaction(self.node_key) as tx:
            if paid:
                ledger.settle(tx, _reserve_key(job), fee_msat, now, self.run_key)
                sling_payments.claim(tx, job.job_key, paid, now)
            else:
                ledger.release(tx, _reserve_key(job), now, self.run_key)
            jobs.finish_job(
                tx, job.job_key, status, fee_msat, now, reason, run_key=self.run_key, seen=job.status, failure=failure
            )
        # Without a kind: sling has tried every source already, so there is no other to try next.
        return JobOutcome(job, status, fee_msat, reason)


def _assumed(job: JobRecord, order: SlingOrder, payment: SentPayment, now: float) -> Circular:
    return Circular(
        payment_hash=payment.payment_hash,
        source_channel_id=job.source_channel_id,
        target_channel_id=job.target_channel_id,
        amount_msat=order.chunk_msat,
        fee_msat=max(0, payment.amount_sent_msat - order.chunk_msat),
        moved_at=int(now),
    )


def _unclear(job: JobRecord, message: str) -> JobOutcome:
    reserved_msat = job.reserved_msat or 0
    return JobOutcome(job, job.status, 0, why(ReasonCode.PAYMENT_UNCLEAR, message=message, reserved_msat=reserved_msat))


def _reserve_key(job: JobRecord) -> int:
    if job.reserve_key is None:
        raise DataError(f"rebalance job {job.job_key} is {job.status} without a reservation")
    return job.reserve_key
