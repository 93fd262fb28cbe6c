"""What sling did for a job, by the node's own records alone: what sling itself says of it is rounded, and kept for a
month.

sling writes nothing on a payment that would tell whose it is. Ours are those of which all of this holds: they pay
ourselves, carry neither label nor invoice, were made after the order (by the node's own count, not by a clock), deliver
exactly the order's piece, which no job of the operator's, no other job of ours and no payment of the last thousand
delivers, and belong to no other job. What the operator lets sling do on the same channel has another size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from revops.domain.listed import ChannelMove
from revops.domain.sling import Circular, SentPayment, SlingOrder
from revops.node.reader import Reader

PAGE_SIZE: Final = 1_000
#: How lightningd tags what is paid and what is received, forwards aside.
INVOICE_TAG: Final = "invoice"
_Row = TypeVar("_Row", SentPayment, ChannelMove)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the records have of an order: payments that went around, with what they cost; hashes of those that are
    complete by `listsendpays` and of which the ledger of moves lacks a half; and how many are under way.
    """

    paid: tuple[Circular, ...]
    half_seen: tuple[SentPayment, ...]
    pending_count: int

    @property
    def moved_msat(self) -> int:
        """What has arrived for certain."""
        return sum(one.amount_msat for one in self.paid) + sum(one.amount_msat or 0 for one in self.half_seen)


def look(order: SlingOrder, own_id: str, source_ids: frozenset[str], reader: Reader) -> Seen:
    """Given an order, our node's id and the channel_ids of its sources, return what the node's records have of it.

    Three lists must agree that nothing is under way: the payments that are pending, all payments since the order, and
    the HTLCs on the sources.
    """
    # What is under way is asked first: what ends after that is found among what has ended, or pending once more.
    waiting = {row.payment_hash for row in reader.pending_payments() if _like_ours(row, order, own_id)}
    listed = list(_all(reader.sent_payments, order.after_payment))
    sent = [row for row in listed if _like_ours(row, order, own_id)]
    waiting |= {row.payment_hash for row in sent if row.status == "pending"}
    moves = [row for row in _all(reader.channel_moves, order.after_move) if row.tag == INVOICE_TAG]
    known = {row.payment_hash: row for row in sent if row.status == "complete"}
    paid = _circular(moves, order, known, frozenset(row.payment_hash for row in listed))
    seen_hashes = {one.payment_hash for one in paid}
    half_seen = tuple(row for name, row in known.items() if name not in seen_hashes)
    hanging = {
        htlc.payment_hash
        for channel in reader.channels()
        if channel.channel_id in source_ids
        for htlc in channel.htlcs
        if htlc.direction == "out" and 0 <= htlc.amount_msat - order.chunk_msat <= order.chunk_fee_msat
    }
    ended = seen_hashes | set(known) | {row.payment_hash for row in sent if row.status == "failed"}
    return Seen(paid, half_seen, len(waiting | (hanging - ended)))


def _all(page: Callable[[int, int], tuple[_Row, ...]], after: int) -> Iterator[_Row]:
    """Every row after an index. A page that isn't full is the last; indexes have gaps where rows were deleted."""
    while True:
        rows = page(after + 1, PAGE_SIZE)
        yield from (row for row in rows if row.created_index > after)
        if len(rows) < PAGE_SIZE:
            return
        after = max(row.created_index for row in rows)


def _like_ours(row: SentPayment, order: SlingOrder, own_id: str) -> bool:
    """Where the node doesn't say whom it pays or how much arrives, it may be ours."""
    return not row.labelled and row.destination in (None, own_id) and row.amount_msat in (None, order.chunk_msat)


def _circular(
    moves: Sequence[ChannelMove], order: SlingOrder, ours: Mapping[str, SentPayment], listed: frozenset[str]
) -> tuple[Circular, ...]:
    """Payments with both halves, of which the two lists say the same. What `listsendpays` doesn't list any more is told
    by what arrived.
    """
    by_hash: dict[str, list[ChannelMove]] = {}
    for row in moves:
        if row.payment_hash is not None:
            by_hash.setdefault(row.payment_hash, []).append(row)
    found = []
    for name, rows in by_hash.items():
        credit_msat, debit_msat = sum(row.credit_msat for row in rows), sum(row.debit_msat for row in rows)
        listed_row = ours.get(name)
        if listed_row is None:
            mine = name not in listed and credit_msat == order.chunk_msat
        else:
            mine = debit_msat == listed_row.amount_sent_msat and credit_msat >= order.chunk_msat
        if not mine or not 0 < credit_msat <= debit_msat:
            continue
        found.append(
            Circular(
                payment_hash=name,
                source_channel_id=max(rows, key=lambda row: row.debit_msat).account,
                target_channel_id=max(rows, key=lambda row: row.credit_msat).account,
                amount_msat=credit_msat,
                fee_msat=debit_msat - credit_msat,
                moved_at=max(row.moved_at for row in rows),
            )
        )
    return tuple(found)


def newest(reader: Reader) -> tuple[int, int, frozenset[int]]:
    """Return the newest created indexes of payments and of moves, and what the last payments delivered, in sat.

    The node says it in two ways, and the lower counts: then more is read later, and nothing is missed.
    """
    last_sent, last_moved = reader.top_index("sendpays", "created"), reader.top_index("channelmoves", "created")
    sent = reader.sent_payments(max(1, last_sent - PAGE_SIZE + 1), PAGE_SIZE)
    moved = reader.channel_moves(max(1, last_moved - PAGE_SIZE + 1), PAGE_SIZE)
    sizes = frozenset(row.amount_msat // 1_000 for row in sent if row.amount_msat is not None)
    return (
        min(last_sent, max((row.created_index for row in sent), default=0)),
        min(last_moved, max((row.created_index for row in moved), default=0)),
        sizes,
    )
