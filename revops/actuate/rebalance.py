"""Execute circular rebalances natively, and settle what earlier runs left in flight.

One job is one payment attempt, and goes through these states, each written before the step that it allows:

    planned -> reserved (ledger, invoice label) -> sending (payment hash) -> in_flight -> settled | failed

so that a run killed anywhere leaves evidence: `reserved` means that nothing can have been sent, `sending` that it may
have been, `in_flight` that the node took it. A reservation is closed only when the node's own payment records say
that the attempt is final, whatever its age: `waitsendpay` code 200 is pending, not failed, and a lost reply is not a
failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from revops.actuate.pricing import LAYER, Prepared
from revops.domain.decision import Reason, ReasonCode, why
from revops.domain.payment import Payment, PaymentStatus
from revops.domain.policy import RebalanceConfig
from revops.domain.record import JobRecord
from revops.errors import DataError
from revops.node.errors import NodeError
from revops.node.reader import Reader
from revops.node.writer import Writer
from revops.store import ledger, plans
from revops.store.engine import Database

#: An attempt that hasn't arrived by then fails at our own door instead of succeeding hours later unnoticed.
INVOICE_EXPIRY_SECONDS = 3_600
#: `waitsendpay` is asked in slices, well inside the deadline of a call.
WAIT_SLICE_SECONDS = 10


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What became of a job in this run."""

    job: JobRecord
    status: str
    fee_msat: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Executor:
    """All that an execution needs. `limits` gives the daily and weekly limit in force inside the reserving
    transaction.
    """

    database: Database
    node_key: int
    run_key: int
    reader: Reader
    writer: Writer
    policy: RebalanceConfig
    clock: Callable[[], float]
    limits: ledger.Limits

    def execute(self, prepared: Prepared) -> JobOutcome:
        """Given a job with its route, reserve, send, wait and settle. Raise NodeError where the node stops answering.

        Whatever is raised leaves the job in a state from which `settle` goes on.
        """
        job = prepared.job
        # The moment is in it because keys are only unique within a database: a new or restored one counts anew, and the
        # node refuses a label that it has seen.
        label = f"revops-{self.node_key}-{job.job_key}-{self.run_key}-{int(self.clock())}"
        try:
            with self.database.transaction(self.node_key) as tx:
                reserve_key = ledger.reserve(
                    tx,
                    run_key=self.run_key,
                    job_key=job.job_key,
                    amount_msat=prepared.fee_msat,
                    at=self.clock(),
                    limits=self.limits,
                )
                plans.mark_reserved(tx, job.job_key, label, reserve_key)
        except ledger.BudgetExceededError as exceeded:
            return self.give_up(job, exceeded.reason)
        invoice = self.writer.create_invoice(
            label, job.amount_msat, f"circular rebalance {job.job_key}", INVOICE_EXPIRY_SECONDS
        )
        if invoice.payment_secret is None:
            raise DataError("invoice: the node gave no payment_secret")
        with self.database.transaction(self.node_key) as tx:
            plans.mark_sending(tx, job.job_key, invoice.payment_hash)
        try:
            self.writer.send_pay(prepared.route, invoice.payment_hash, invoice.payment_secret, label)
        except NodeError as error:
            if error.code is None:
                raise
            return self.settle(self._fresh(job), str(error))
        with self.database.transaction(self.node_key) as tx:
            plans.mark_in_flight(tx, job.job_key)
        last = self._wait(invoice.payment_hash)
        return self.settle(self._fresh(job), last.error, last.erring_scidd)

    def give_up(self, job: JobRecord, reason: Reason) -> JobOutcome:
        """Given a job for which nothing was reserved, close it with the reason; return that."""
        with self.database.transaction(self.node_key) as tx:
            plans.finish_job(tx, job.job_key, "failed", 0, self.clock(), reason)
        return JobOutcome(job, "failed", 0, reason)

    def settle(self, job: JobRecord, error: str | None = None, erring_scidd: str | None = None) -> JobOutcome:
        """Given an open job, close it if the node's records say that its payment is final; else leave it as it is."""
        if job.status == "reserved":
            return self._settle_unsent(job)
        if job.payment_hash is None or job.label is None:
            raise DataError(f"rebalance job {job.job_key} is {job.status} without a payment hash")
        payments = self.reader.payments(job.payment_hash)
        if not payments and job.status == "sending":
            return self._settle_unknown(job, error)
        if any(payment.status is PaymentStatus.COMPLETE for payment in payments):
            return self._settle_complete(job, payments)
        if not payments or any(payment.status is PaymentStatus.PENDING for payment in payments):
            reason = why(ReasonCode.PAYMENT_PENDING, reserved_msat=job.reserved_msat or 0)
            return JobOutcome(job, job.status, 0, reason)
        message = error or payments[-1].error or "the node says failed"
        outcome = self._release(job, why(ReasonCode.PAYMENT_FAILED, message=message))
        self.writer.delete_invoice(job.label)
        if erring_scidd is not None:
            self.writer.inform_constrained(LAYER, erring_scidd, job.amount_msat)
        return outcome

    def _settle_unsent(self, job: JobRecord) -> JobOutcome:
        """The payment is sent only after `sending` was committed, so nothing can be under way."""
        if job.label is None:
            raise DataError(f"rebalance job {job.job_key} is reserved without a label")
        if self.reader.invoice(job.label) is not None:
            self.writer.delete_invoice(job.label)
        return self._release(job, why(ReasonCode.PAYMENT_FAILED, message="the run ended before it was sent"))

    def _settle_unknown(self, job: JobRecord, error: str | None) -> JobOutcome:
        """The node has no record of the payment: it refused it, or the request never arrived.

        The invoice goes first: should the request still be on its way, the payment then fails at our own door, free of
        charge. Only when it is gone and there is still no record is the reservation freed.
        """
        label = job.label or ""
        if self.reader.invoice(label) is not None and not self.writer.delete_invoice(label):
            reason = why(ReasonCode.PAYMENT_PENDING, reserved_msat=job.reserved_msat or 0)
            return JobOutcome(job, job.status, 0, reason)
        if self.reader.payments(job.payment_hash or ""):
            return JobOutcome(job, job.status, 0, why(ReasonCode.PAYMENT_PENDING, reserved_msat=job.reserved_msat or 0))
        return self._release(job, why(ReasonCode.PAYMENT_FAILED, message=error or "the node never took it"))

    def _settle_complete(self, job: JobRecord, payments: tuple[Payment, ...]) -> JobOutcome:
        """The fee is what left us less what arrived, over all completed parts."""
        done = [payment for payment in payments if payment.status is PaymentStatus.COMPLETE]
        sent_msat = sum(payment.amount_sent_msat for payment in done)
        fee_msat = sent_msat - job.amount_msat
        if fee_msat < 0:
            raise DataError(
                f"listsendpays: job {job.job_key} sent {sent_msat} msat, less than the {job.amount_msat} that arrived"
            )
        reason = why(ReasonCode.PAYMENT_SETTLED, amount_msat=job.amount_msat, fee_msat=fee_msat)
        now = self.clock()
        with self.database.transaction(self.node_key) as tx:
            ledger.settle(tx, self._reserve_key(job), fee_msat, now, self.run_key)
            plans.finish_job(tx, job.job_key, "settled", fee_msat, now, reason)
        return JobOutcome(job, "settled", fee_msat, reason)

    def _release(self, job: JobRecord, reason: Reason) -> JobOutcome:
        now = self.clock()
        with self.database.transaction(self.node_key) as tx:
            ledger.release(tx, self._reserve_key(job), now, self.run_key)
            plans.finish_job(tx, job.job_key, "failed", 0, now, reason)
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

    def _fresh(self, job: JobRecord) -> JobRecord:
        with self.database.read(self.node_key) as tx:
            return plans.job(tx, job.job_key)

    @staticmethod
    def _reserve_key(job: JobRecord) -> int:
        if job.reserve_key is None:
            raise DataError(f"rebalance job {job.job_key} is {job.status} without a reservation")
        return job.reserve_key
