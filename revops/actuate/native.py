"""Execute circular rebalances natively: a route asked of the node, and one payment to an invoice of our own.

One job is one payment attempt, and goes through these states, each written before the step that it allows:

    planned -> reserved (ledger, invoice label) -> sending (payment hash) -> in_flight -> settled | failed

so that a run killed anywhere leaves evidence: `reserved` means that nothing can have been sent, `sending` that it may
have been, `in_flight` that the node took it. What is left open is closed by `settle`, here and in the next run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from revops.actuate.pricing import Prepared, ensure_layer, final_cltv_blocks, prepare
from revops.actuate.settle import JobOutcome, Settler, pending
from revops.domain.payment import PaymentStatus
from revops.domain.policy import RebalanceConfig
from revops.domain.record import JobRecord
from revops.domain.snapshot import NodeView
from revops.errors import DataError
from revops.node.errors import NodeError
from revops.node.parse_payments import failure as failure_of
from revops.store import fees, jobs, ledger, plans

#: An attempt that hasn't arrived by then fails at our own door instead of succeeding hours later unnoticed.
INVOICE_EXPIRY_SECONDS = 3_600


@dataclass(slots=True)
class NativeExecutor(Settler):
    """All that an execution needs. `limits` gives the daily and weekly limit in force inside the reserving
    transaction.
    """

    policy: RebalanceConfig
    limits: ledger.Limits
    #: The delay of the last hop; asked of the node with the first job that is started.
    cltv_blocks: int | None = field(default=None, init=False)

    def start(self, job: JobRecord, view: NodeView) -> JobOutcome:
        """Given a planned job and the node as it is, take the source and route that leave most, reserve what it costs
        and send it; don't wait for its end.
        """
        if self.cltv_blocks is None:
            ensure_layer(self.reader, self.writer, view.node.node_id, self.clock())
            self.cltv_blocks = final_cltv_blocks(self.reader)
        with self.database.read(self.node_key) as tx:
            busy, congested_since = plans.in_flight_channels(tx), fees.congested_since(tx)
        prepared = prepare(
            job,
            view,
            busy,
            self.reader,
            self.cltv_blocks,
            self.policy.max_fee_ppm,
            congested_since=congested_since,
        )
        if not isinstance(prepared, Prepared):
            return self.give_up(job, prepared.reason, prepared.failure)
        return self._send(prepared)

    def _send(self, prepared: Prepared) -> JobOutcome:
        job = prepared.job
        # With the time in it, a label is never used again, also if this database is lost and another begins at 1.
        label = f"revops-{self.node_key}-{job.job_key}-{self.run_key}-{int(prepared.seen_at)}"
        try:
            with self.database.transaction(self.node_key) as tx:
                reserve_key = ledger.reserve(
                    tx,
                    run_key=self.run_key,
                    job_key=job.job_key,
                    amount_msat=prepared.fee_msat,
                    at=prepared.seen_at,
                    limits=self.limits,
                )
                jobs.mark_reserved(
                    tx,
                    job.job_key,
                    run_key=self.run_key,
                    at=self.clock(),
                    reserve_key=reserve_key,
                    label=label,
                    source_channel_id=prepared.source.channel_id,
                    executor=plans.NATIVE,
                    local_before_msat=prepared.target.local_msat,
                    amount_msat=job.amount_msat,
                )
        except ledger.BudgetExceededError as exceeded:
            return self.give_up(job, exceeded.reason)
        try:
            invoice = self.writer.create_invoice(
                label, job.amount_msat, f"circular rebalance {job.job_key}", INVOICE_EXPIRY_SECONDS
            )
        except NodeError as error:
            return self._refused(job, error)
        if invoice.payment_secret is None:
            raise DataError("invoice: the node gave no payment_secret")
        with self.database.transaction(self.node_key) as tx:
            # A newer run may be settling this job at this moment: without the fence it would free what we send.
            ledger.take_fence(tx, self.run_key)
            jobs.mark_sending(tx, job.job_key, invoice.payment_hash, run_key=self.run_key, at=self.clock())
        try:
            self.writer.send_pay(prepared.route, invoice.payment_hash, invoice.payment_secret, label)
        except NodeError as error:
            return self._refused(job, error)
        with self.database.transaction(self.node_key) as tx:
            ledger.take_fence(tx, self.run_key)
            jobs.mark_in_flight(tx, job.job_key, run_key=self.run_key, at=self.clock())
        return pending(self.fresh(job))

    def _refused(self, job: JobRecord, error: NodeError) -> JobOutcome:
        """The node said no: close the job. Raise the error where it may have done it nonetheless."""
        if error.code is None or error.outcome_unknown:
            raise error
        return self.close(self.fresh(job), failure_of(error, at_once=True))

    def settle(self, job: JobRecord, wait_seconds: int = 0) -> JobOutcome:
        """Given an open job, wait at most so long for its payment's end, and close it if the node's records say that
        it has come; else leave it as it is.
        """
        if wait_seconds <= 0 or job.payment_hash is None:
            return self.close(job)
        last = self.reader.wait_payment(job.payment_hash, wait_seconds)
        return pending(job) if last.status is PaymentStatus.PENDING else self.close(job, last.failure)
