"""Routes and payments of our own, as a circular rebalance needs them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a route as `sendpay` takes it: what arrives at `node_id` over `scid`, and with how many blocks
    left.
    """

    node_id: str
    scid: str
    direction: int
    amount_msat: int
    delay_blocks: int


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step of a path from `getroutes`, in one meaning for every node version: what enters and what leaves a
    channel.
    """

    scid: str
    direction: int
    node_id_out: str
    amount_in_msat: int
    amount_out_msat: int
    cltv_in_blocks: int
    cltv_out_blocks: int


class PaymentStatus(StrEnum):
    """Where a payment stands. Only COMPLETE and FAILED are final: anything else may still cost money."""

    PENDING = "pending"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PaymentFailure:
    """Why a payment failed, as the node says it.

    `code` is the node's error code, `failcode` that of BOLT 4, of the node on the way; `erring_scidd` the channel with
    direction that failed. `at_once` where `sendpay` itself refused, `held_seconds` how long it was under way.
    """

    message: str
    code: int | None = None
    failcode: int | None = None
    erring_scidd: str | None = None
    at_once: bool = False
    held_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment attempt from the node's own records (`listsendpays`). `amount_sent_msat` includes the route's fee.

    `failure` is what `waitsendpay` says of one that failed; the records alone don't tell.
    """

    payment_hash: str
    status: PaymentStatus
    amount_msat: int | None
    amount_sent_msat: int
    destination: str | None
    created_at: int
    completed_at: int | None
    failure: PaymentFailure | None = None

    @property
    def fee_msat(self) -> int | None:
        """What the route cost; None where the node doesn't know what arrived."""
        return None if self.amount_msat is None else self.amount_sent_msat - self.amount_msat


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice of our own, the far end of a circular payment. The secret is needed by `sendpay` and is never
    printed.
    """

    label: str
    payment_hash: str
    payment_secret: str | None
    status: str
    amount_msat: int | None
    expires_at: int
