"""What revops asks of the node about payments of our own: invoices, attempts, their end, and a path for them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from revops.domain.payment import Invoice, PathStep, Payment, PaymentStatus
from revops.node import parse_payments, parse_routes
from revops.node.errors import NodeError, garbage
from revops.node.rpc import Caller

#: `waitsendpay`: still pending when the time was up. Every other code of it is final (lightningd/pay.c).
_STILL_PENDING: Final = 200
_NEVER_MADE: Final = 208
_PAYMENT_FAILED: Final = frozenset({202, 203, 204, _NEVER_MADE, 209})
#: lightningd answers when its own timer rings; this is for the answer to arrive.
_WAIT_MARGIN_SECONDS: Final = 30.0
#: The longest that a payment of ours may be held on its way: a week; lightningd would allow two.
MAX_DELAY_BLOCKS: Final = 1_008


class PaymentReading:
    """A part of `NodeReader`."""

    _rpc: Caller

    def invoice(self, label: str) -> Invoice | None:
        """Given a label, return our invoice of that name, or None. The node doesn't tell its secret again."""
        return parse_payments.invoice(self._rpc.call("listinvoices", {"label": label}), label)

    def payments(self, payment_hash: str) -> tuple[Payment, ...]:
        """Given a payment hash, return all attempts on it from the node's records, oldest first."""
        reply = self._rpc.call("listsendpays", {"payment_hash": payment_hash})
        return parse_payments.payments(reply, payment_hash)

    def wait_payment(self, payment_hash: str, timeout_seconds: int) -> Payment:
        """Given a payment hash, wait at most so long for its end, and return where it stands.

        PENDING when the time was up (code 200): the HTLC may still settle hours later. FAILED, with the reason in
        `failure`, only where `waitsendpay` says so and the node's records know of no attempt that is pending or
        complete. Where no payment was ever made (208), `created_at` and `amount_sent_msat` are 0.
        """
        params = {"payment_hash": payment_hash, "timeout": timeout_seconds}
        try:
            reply = self._rpc.call("waitsendpay", params, timeout_seconds=timeout_seconds + _WAIT_MARGIN_SECONDS)
        except NodeError as error:
            if error.code != _STILL_PENDING and error.code not in _PAYMENT_FAILED:
                raise
            return self._not_complete(payment_hash, error)
        return parse_payments.payment("waitsendpay", reply, payment_hash)

    def _not_complete(self, payment_hash: str, error: NodeError) -> Payment:
        """The error's data repeats the attempt as it was before (status "pending"), so the records are asked."""
        attempts = self.payments(payment_hash)
        if error.code == _STILL_PENDING:
            if not attempts:
                raise garbage("listsendpays", "has no record of a payment that waitsendpay calls pending")
            return replace(attempts[-1], status=PaymentStatus.PENDING, completed_at=None)
        for attempt in attempts:
            if attempt.status is not PaymentStatus.FAILED:
                return attempt
        if not attempts and error.code != _NEVER_MADE:
            raise garbage("listsendpays", "has no record of a payment that waitsendpay calls failed")
        last = attempts[-1] if attempts else _never_made(payment_hash)
        held_seconds = None if last.completed_at is None else float(last.completed_at - last.created_at)
        return replace(last, failure=parse_payments.failure(error, held_seconds=held_seconds))

    def path(
        self,
        source_id: str,
        destination_id: str,
        amount_msat: int,
        max_fee_msat: int,
        final_cltv_blocks: int,
        layers: tuple[str, ...],
    ) -> tuple[PathStep, ...]:
        """Given two nodes and what has to arrive, return one path between them, checked from end to end.

        Raise NodeError with code 205 (no route), 206 (too dear or too long), 210 (the search took too long) or -32602
        (no such layer), and exit code 65 where the path doesn't add up.
        """
        wanted = parse_routes.RouteRequest(source_id, destination_id, amount_msat, max_fee_msat, final_cltv_blocks)
        params = {
            "source": source_id,
            "destination": destination_id,
            "amount_msat": amount_msat,
            "layers": list(layers),
            "maxfee_msat": max_fee_msat,
            "final_cltv": final_cltv_blocks,
            "maxdelay": MAX_DELAY_BLOCKS,
            "maxparts": 1,
        }
        return parse_routes.path(self._rpc.call("getroutes", params), wanted)


def _never_made(payment_hash: str) -> Payment:
    return Payment(
        payment_hash=payment_hash,
        status=PaymentStatus.FAILED,
        amount_msat=None,
        amount_sent_msat=0,
        destination=None,
        created_at=0,
        completed_at=None,
    )
