"""Close open rebalance jobs by the node's own records, and only when these leave no doubt.

A reservation is settled when the records say that the payment is complete. It is freed only when none is under way
*and* the invoice can't be paid any more: one that was deleted unpaid never will be, since lightningd looks it up again
at the very end (lightningd/invoice.c, invoice_payment_hooks_done). Age frees nothing, `waitsendpay` code 200 is
pending, not failed, and a lost reply is not a failure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from revops.actuate.evidence import Evidence, look_for
from revops.actuate.pricing import LAYER
from revops.decide.attempts import payment_kind
from revops.domain.payment import Payment, PaymentFailure, PaymentStatus
from revops.domain.reason import Reason, ReasonCode, why
from revops.domain.rebalance import FailureKind
from revops.domain.record import JobRecord
from revops.errors import DataError
from revops.node.errors import NodeError
from revops.node.reader import Reader
from revops.node.writer import Writer
from revops.store import jobs, ledger, payments
from revops.store.engine import Database

PAID: Final = "paid"
#: Why a job is booked at its reservation.
RECORD_DELETED: Final = "paid, the record is deleted"
CHANNEL_GONE: Final = "its channel is closed and no record is left"
#: Why a job stays open.
INVOICE_CHANGED: Final = "its invoice has just changed"
FAILED_BUT_PAID: Final = "failed, but its invoice is paid"
NO_RECORD: Final = "neither payment nor invoice is on record"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What became of a job in this run; of one that failed, which kind of failure it was, and where it happened."""

    job: JobRecord
    status: str
    fee_msat: int
    reason: Reason
    failure: FailureKind | None = None
    erring_scidd: str | None = None


@dataclass(slots=True)
class Settler:
    """All that it takes to close a job."""

    database: Database
    node_key: int
    run_key: int
    reader: Reader
    writer: Writer
    clock: Callable[[], float]

    def give_up(self, job: JobRecord, reason: Reason, failure: FailureKind | None = FailureKind.OTHER) -> JobOutcome:
        """Given a planned job, close it with the reason; return that. Another run may not have taken it meanwhile.

        `failure` is None where nothing was tried: then it is no attempt that a pair of channels could be blamed for.
        """
        with self.database.transaction(self.node_key) as tx:
            ledger.take_fence(tx, self.run_key)
            jobs.finish_job(
                tx,
                job.job_key,
                "failed",
                0,
                self.clock(),
                reason,
                run_key=self.run_key,
                seen="planned",
                failure=failure,
            )
        return JobOutcome(job, "failed", 0, reason, failure)

    def close(self, job: JobRecord, failure: PaymentFailure | None = None) -> JobOutcome:
        """Given an open job of one payment, close it if the node's records say that this is final; else leave it as it
        is. `failure` is what the node has said of it, where it said that it failed.
        """
        if job.status == "reserved":
            return self._settle_reserved(job, failure)
        payment_hash, _ = _names(job)
        attempts = self.reader.payments(payment_hash)
        found = {payment.status for payment in attempts}
        if PaymentStatus.PENDING in found:
            return pending(job)
        if PaymentStatus.COMPLETE in found:
            return self._settle_complete(job, attempts)
        if failure is None and attempts:
            # The records say that it failed; only this says why. Whether it did is decided below.
            failure = self.reader.wait_payment(payment_hash, 0).failure
        return self._settle_unpaid(job, attempts, failure)

    def _settle_reserved(self, job: JobRecord, failure: PaymentFailure | None) -> JobOutcome:
        """The payment is sent only after `sending` was committed, so nothing can be under way, unless that commit was
        lost: a database restored from a backup, or a server that doesn't flush.
        """
        if job.label is None:
            raise DataError(f"rebalance job {job.job_key} is reserved without a label")
        invoice = self.reader.invoice(job.label)
        if invoice is not None and (invoice.status == PAID or self.reader.payments(invoice.payment_hash)):
            with self.database.transaction(self.node_key) as tx:
                ledger.take_fence(tx, self.run_key)
                jobs.mark_sending(
                    tx,
                    job.job_key,
                    invoice.payment_hash,
                    run_key=self.run_key,
                    at=self.clock(),
                    note="it was sent, whatever this database remembers",
                )
            return self.close(self.fresh(job))
        if invoice is not None and not self.writer.delete_invoice(job.label):
            return _unclear(job, INVOICE_CHANGED)
        return self._release(job, failure or PaymentFailure("the run ended before it was sent"))

    def _settle_unpaid(
        self, job: JobRecord, attempts: tuple[Payment, ...], failure: PaymentFailure | None
    ) -> JobOutcome:
        """No payment is under way or complete: all failed, the node never took one, or it has deleted the record.

        The invoice goes first: should a request still be on its way, the payment then fails at our own door, free of
        charge. Only when it is gone, and there is still no record, is the reservation freed.
        """
        payment_hash, label = _names(job)
        invoice = self.reader.invoice(label)
        if invoice is not None and invoice.payment_hash != payment_hash:
            raise DataError(f"listinvoices: {label} has another payment hash than rebalance job {job.job_key}")
        if invoice is not None and invoice.status == PAID:
            return _unclear(job, FAILED_BUT_PAID) if attempts else self._settle_assumed(job, RECORD_DELETED)
        if invoice is not None and not self.writer.delete_invoice(label):
            return _unclear(job, INVOICE_CHANGED)
        if invoice is None and not attempts:
            evidence = look_for(job, self.reader)
            if evidence is Evidence.OPEN:
                return _unclear(job, NO_RECORD)
            if evidence is not Evidence.UNPAID:
                return self._settle_assumed(job, RECORD_DELETED if evidence is Evidence.PAID else CHANNEL_GONE)
        if any(payment.status is not PaymentStatus.FAILED for payment in self.reader.payments(payment_hash)):
            return pending(job)
        return self._release(job, failure or PaymentFailure("the node never took it, or says failed"))

    def _settle_assumed(self, job: JobRecord, message: str) -> JobOutcome:
        """It was paid, or may have been, and no record of the payment tells the price. The node's ledger of channel
        moves may; else what was reserved is the most it can be.
        """
        with self.database.read(self.node_key) as tx:
            moved_msat = payments.fee_by_moves_msat(tx, job.job_key)
        if moved_msat is not None:
            reason = why(ReasonCode.PAYMENT_SETTLED, amount_msat=job.amount_msat, fee_msat=moved_msat)
            return self._settled(job, moved_msat, reason)
        fee_msat = job.reserved_msat
        if fee_msat is None:
            raise DataError(f"rebalance job {job.job_key} is {job.status} without a reservation")
        return self._settled(job, fee_msat, why(ReasonCode.PAYMENT_ASSUMED, message=message, fee_msat=fee_msat))

    def _settle_complete(self, job: JobRecord, attempts: tuple[Payment, ...]) -> JobOutcome:
        """The fee is what left us less what arrived, over all completed parts. Where the node's ledger of channel moves
        has the payment already and says another fee, the dearer counts.
        """
        done = [payment for payment in attempts if payment.status is PaymentStatus.COMPLETE]
        sent_msat = sum(payment.amount_sent_msat for payment in done)
        fee_msat = sent_msat - job.amount_msat
        if fee_msat < 0:
            raise DataError(
                f"listsendpays: job {job.job_key} sent {sent_msat} msat, less than the {job.amount_msat} that arrived"
            )
        with self.database.read(self.node_key) as tx:
            moved_msat = payments.fee_by_moves_msat(tx, job.job_key)
        if moved_msat is not None:
            fee_msat = max(fee_msat, moved_msat)
        reason = why(ReasonCode.PAYMENT_SETTLED, amount_msat=job.amount_msat, fee_msat=fee_msat)
        return self._settled(job, fee_msat, reason)

    def _settled(self, job: JobRecord, fee_msat: int, reason: Reason) -> JobOutcome:
        now = self.clock()
        with self.database.transaction(self.node_key) as tx:
            ledger.settle(tx, _reserve_key(job), fee_msat, now, self.run_key)
            jobs.finish_job(tx, job.job_key, "settled", fee_msat, now, reason, run_key=self.run_key, seen=job.status)
        return JobOutcome(job, "settled", fee_msat, reason)

    def _release(self, job: JobRecord, failure: PaymentFailure) -> JobOutcome:
        now, kind = self.clock(), payment_kind(failure)
        reason = why(ReasonCode.PAYMENT_FAILED, message=failure.message)
        with self.database.transaction(self.node_key) as tx:
            ledger.release(tx, _reserve_key(job), now, self.run_key)
            jobs.finish_job(
                tx,
                job.job_key,
                "failed",
                0,
                now,
                reason,
                run_key=self.run_key,
                seen=job.status,
                failure=kind,
                erring_scidd=failure.erring_scidd,
            )
        if failure.erring_scidd is not None and kind is not FailureKind.OTHER:
            self._tell_router(failure.erring_scidd, kind, job.amount_msat)
        return JobOutcome(job, "failed", 0, reason, kind, failure.erring_scidd)

    def _tell_router(self, scidd: str, kind: FailureKind, amount_msat: int) -> None:
        """Let the next routes avoid the channel: for this amount, or, where it is gone, for any. It is only a hint, so
        that nothing depends on whether the node takes it.
        """
        try:
            self.writer.inform_constrained(LAYER, scidd, 1 if kind is FailureKind.UNREACHABLE else amount_msat)
        except NodeError as error:
            if error.code is None:
                raise
            _log.info("%s", error)

    def fresh(self, job: JobRecord) -> JobRecord:
        """Given a job, return it as it is on record now."""
        with self.database.read(self.node_key) as tx:
            return jobs.job(tx, job.job_key)


def pending(job: JobRecord) -> JobOutcome:
    """Given a job whose payment is under way, return that it stays open."""
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
