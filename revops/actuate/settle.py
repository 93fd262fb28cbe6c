"""Close open rebalance jobs by the node's own records, and only when these leave no doubt.

A reservation is settled when the records say that the payment is complete. It is freed only when none is under way
*and* the invoice can't be paid any more: one that was deleted unpaid never will be, since lightningd looks it up again
at the very end (lightningd/invoice.c, invoice_payment_hooks_done). Age frees nothing, `waitsendpay` code 200 is
pending, not failed, and a lost reply is not a failure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from revops.actuate.evidence import Evidence, look_for
from revops.actuate.pricing import LAYER
from revops.domain.payment import Payment, PaymentStatus
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.record import JobRecord
from revops.errors import DataError
from revops.node.reader import Reader
from revops.node.writer import Writer
from revops.store import ledger, plans
from revops.store.engine import Database

PAID: Final = "paid"
#: Why a job is booked at its reservation.
RECORD_DELETED: Final = "paid, the record is deleted"
CHANNEL_GONE: Final = "its channel is closed and no record is left"
#: Why a job stays open.
INVOICE_CHANGED: Final = "its invoice has just changed"
FAILED_BUT_PAID: Final = "failed, but its invoice is paid"
NO_RECORD: Final = "neither payment nor invoice is on record"


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What became of a job in this run."""

    job: JobRecord
    status: str
    fee_msat: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Settler:
    """All that it takes to close a job."""

    database: Database
    node_key: int
    run_key: int
    reader: Reader
    writer: Writer
    clock: Callable[[], float]

    def settle(self, job: JobRecord, error: str | None = None, erring_scidd: str | None = None) -> JobOutcome:
        """Given an open job, close it if the node's records say that its payment is final; else leave it as it is."""
        if job.status == "reserved":
            return self._settle_reserved(job, error)
        payment_hash, _ = _names(job)
        payments = self.reader.payments(payment_hash)
        found = {payment.status for payment in payments}
        if PaymentStatus.PENDING in found:
            return _pending(job)
        if PaymentStatus.COMPLETE in found:
            return self._settle_complete(job, payments)
        outcome = self._settle_unpaid(job, payments, error)
        if outcome.status == "failed" and erring_scidd is not None:
            self.writer.inform_constrained(LAYER, erring_scidd, job.amount_msat)
        return outcome

    def _settle_reserved(self, job: JobRecord, error: str | None) -> JobOutcome:
        """The payment is sent only after `sending` was committed, so nothing can be under way, unless that commit was
        lost: a database restored from a backup, or a server that doesn't flush.
        """
        if job.label is None:
            raise DataError(f"rebalance job {job.job_key} is reserved without a label")
        invoice = self.reader.invoice(job.label)
        if invoice is not None and (invoice.status == PAID or self.reader.payments(invoice.payment_hash)):
            with self.database.transaction(self.node_key) as tx:
                ledger.take_fence(tx, self.run_key)
                plans.mark_sending(tx, job.job_key, invoice.payment_hash)
            return self.settle(self._fresh(job))
        if invoice is not None and not self.writer.delete_invoice(job.label):
            return _unclear(job, INVOICE_CHANGED)
        message = error or "the run ended before it was sent"
        return self._release(job, why(ReasonCode.PAYMENT_FAILED, message=message))

    def _settle_unpaid(self, job: JobRecord, payments: tuple[Payment, ...], error: str | None) -> JobOutcome:
        """No payment is under way or complete: all failed, the node never took one, or it has deleted the record.

        The invoice goes first: should a request still be on its way, the payment then fails at our own door, free of
        charge. Only when it is gone, and there is still no record, is the reservation freed.
        """
        payment_hash, label = _names(job)
        invoice = self.reader.invoice(label)
        if invoice is not None and invoice.payment_hash != payment_hash:
            raise DataError(f"listinvoices: {label} has another payment hash than rebalance job {job.job_key}")
        if invoice is not None and invoice.status == PAID:
            return _unclear(job, FAILED_BUT_PAID) if payments else self._settle_assumed(job, RECORD_DELETED)
        if invoice is not None and not self.writer.delete_invoice(label):
            return _unclear(job, INVOICE_CHANGED)
        if invoice is None and not payments:
            evidence = look_for(job, self.reader)
            if evidence is Evidence.OPEN:
                return _unclear(job, NO_RECORD)
            if evidence is not Evidence.UNPAID:
                return self._settle_assumed(job, RECORD_DELETED if evidence is Evidence.PAID else CHANNEL_GONE)
        if any(payment.status is not PaymentStatus.FAILED for payment in self.reader.payments(payment_hash)):
            return _pending(job)
        message = error or (payments[-1].error if payments else None) or "the node never took it, or says failed"
        return self._release(job, why(ReasonCode.PAYMENT_FAILED, message=message))

    def _settle_assumed(self, job: JobRecord, message: str) -> JobOutcome:
        """It was paid, or may have been, and no record tells the price: what was reserved is the most it can be."""
        fee_msat = job.reserved_msat
        if fee_msat is None:
            raise DataError(f"rebalance job {job.job_key} is {job.status} without a reservation")
        return self._settled(job, fee_msat, why(ReasonCode.PAYMENT_ASSUMED, message=message, fee_msat=fee_msat))

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
        return self._settled(job, fee_msat, reason)

    def _settled(self, job: JobRecord, fee_msat: int, reason: Reason) -> JobOutcome:
        now = self.clock()
        with self.database.transaction(self.node_key) as tx:
            ledger.settle(tx, _reserve_key(job), fee_msat, now, self.run_key)
            plans.finish_job(tx, job.job_key, "settled", fee_msat, now, reason, seen=job.status)
        return JobOutcome(job, "settled", fee_msat, reason)

    def _release(self, job: JobRecord, reason: Reason) -> JobOutcome:
        now = self.clock()
        with self.database.transaction(self.node_key) as tx:
            ledger.release(tx, _reserve_key(job), now, self.run_key)
            plans.finish_job(tx, job.job_key, "failed", 0, now, reason, seen=job.status)
        return JobOutcome(job, "failed", 0, reason)

    def _fresh(self, job: JobRecord) -> JobRecord:
        with self.database.read(self.node_key) as tx:
            return plans.job(tx, job.job_key)


def _pending(job: JobRecord) -> JobOutcome:
    return JobOutcome(job, job.status, 0, why(ReasonCode.PAYMENT_PENDING, reserved_msat=job.reserved_msat or 0))


def _unclear(job: JobRecord, message: str) -> JobOutcome:
    reserved_msat = job.reserved_msat or 0
    return JobOutcome(job, job.status, 0, why(ReasonCode.PAYMENT_UNCLEAR, message=message, reserved_msat=reserved_msat))


def _names(job: JobRecord) -> tuple[str, str]:
    """The payment hash and the label of a job that was sent, or may have been."""
    if job.payment_hash is None or job.label is None:
        raise DataError(f"rebalance job {job.job_key} is {job.status} without a payment hash")
    return job.payment_hash, job.label


def _reserve_key(job: JobRecord) -> int:
    if job.reserve_key is None:
        raise DataError(f"rebalance job {job.job_key} is {job.status} without a reservation")
    return job.reserve_key
