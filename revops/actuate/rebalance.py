"""Execute circular rebalances natively.

One job is one payment attempt, and goes through these states, each written before the step that it allows:

    planned -> reserved (ledger, invoice label) -> sending (payment hash) -> in_flight -> settled | failed

so that a run killed anywhere leaves evidence: `reserved` means that nothing can have been sent, `sending` that it may
have been, `in_flight` that the node took it. What is left open is closed by `settle`, here and in the next run.
"""

from __future__ import annotations

from dataclasses import dataclass

from revops.actuate.pricing import Prepared
from revops.actuate.settle import JobOutcome, Settler
from revops.domain.payment import Payment, PaymentStatus
from revops.domain.policy import RebalanceConfig
from revops.domain.reason import Reason
from revops.domain.record import JobRecord
from revops.errors import DataError
from revops.node.errors import NodeError
from revops.store import ledger, plans

#: An attempt that hasn't arrived by then fails at our own door instead of succeeding hours later unnoticed.
INVOICE_EXPIRY_SECONDS = 3_600
#: `waitsendpay` is asked in slices, well inside the deadline of a call.
WAIT_SLICE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Executor(Settler):
    """All that an execution needs. `limits` gives the daily and weekly limit in force inside the reserving
    transaction.
    """

    policy: RebalanceConfig
    limits: ledger.Limits

    def execute(self, prepared: Prepared) -> JobOutcome:
        """Given a job with its route, reserve, send, wait and settle. Raise NodeError where the node stops answering.

        Whatever is raised leaves the job in a state from which `settle` goes on.
        """
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
                plans.mark_reserved(tx, job.job_key, label, reserve_key)
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
            plans.mark_sending(tx, job.job_key, invoice.payment_hash)
        try:
            self.writer.send_pay(prepared.route, invoice.payment_hash, invoice.payment_secret, label)
        except NodeError as error:
            return self._refused(job, error)
        with self.database.transaction(self.node_key) as tx:
            ledger.take_fence(tx, self.run_key)
            plans.mark_in_flight(tx, job.job_key)
        last = self._wait(invoice.payment_hash)
        return self.settle(self._fresh(job), last.error, last.erring_scidd)

    def _refused(self, job: JobRecord, error: NodeError) -> JobOutcome:
        """The node said no: close the job. Raise the error where it may have done it nonetheless."""
        if error.code is None or error.outcome_unknown:
            raise error
        return self.settle(self._fresh(job), str(error))

    def give_up(self, job: JobRecord, reason: Reason) -> JobOutcome:
        """Given a planned job, close it with the reason; return that. Another run may not have taken it meanwhile."""
        with self.database.transaction(self.node_key) as tx:
            ledger.take_fence(tx, self.run_key)
            plans.finish_job(tx, job.job_key, "failed", 0, self.clock(), reason, seen="planned")
        return JobOutcome(job, "failed", 0, reason)

    def _wait(self, payment_hash: str) -> Payment:
        """Wait for the payment in slices, up to the policy's patience; the last answer is returned, also if pending."""
        full, rest = divmod(self.policy.wait_seconds, WAIT_SLICE_SECONDS)
        slices = [WAIT_SLICE_SECONDS] * full + [rest] * (rest > 0)
        payment = self.reader.wait_payment(payment_hash, slices[0] if slices else 0)
        for slice_seconds in slices[1:]:
            if payment.status is not PaymentStatus.PENDING:
                break
            payment = self.reader.wait_payment(payment_hash, slice_seconds)
        return payment
