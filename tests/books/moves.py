"""A made node's ledger of channel moves, by index: its payments, and two rows for each forward that settled."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from revops.domain.listed import ChannelMove
from tests.books.kept import kept
from tests.books.lives import Life
from tests.books.payments import Payments
from tests.books.traffic import SETTLED, Made, Traffic


class Moves:
    """The rows by parts of time: what is before the first forward is part -1, then each block is one."""

    def __init__(self, lives: Sequence[Life], traffic: Traffic, payments: Payments, *, routed: bool) -> None:
        self.lives, self.traffic, self.payments, self.routed = lives, traffic, payments, routed
        self._parts: OrderedDict[int, list[tuple[float, ChannelMove]]] = OrderedDict()

    def page(self, start: int, limit: int, now_at: float) -> tuple[ChannelMove, ...]:
        """The rows from an index on that there are by now, at most `limit`."""
        found: list[ChannelMove] = []
        top = min(self.count_by(now_at), start + limit - 1)
        low, high = -1, self.traffic.block_count
        while low < high:  # the last part of time that begins with an earlier row
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self._before(middle) < start else (low, middle - 1)
        while start <= top:
            first, rows = self._before(low), self._in(low)
            found += [row for _, row in rows[start - 1 - first : top - first]]
            start, low = max(start, first + len(rows) + 1), low + 1
        return tuple(found)

    def _before(self, part: int) -> int:
        if part < 0:
            return 0
        settled = self.traffic.settled_before(part) if self.routed else 0
        return self.payments.count_before(self.traffic.edge_at(part)) + 2 * settled

    def count_by(self, at: float) -> int:
        """How many rows there are until a moment."""
        part = self.traffic.block_at(at)
        return self._before(part) + sum(moved_at <= at for moved_at, _ in self._in(part))

    def _in(self, part: int) -> list[tuple[float, ChannelMove]]:
        return kept(self._parts, part, self._draw)

    def _draw(self, part: int) -> list[tuple[float, ChannelMove]]:
        traffic, payments = self.traffic, self.payments
        first = 0 if part < 0 else payments.count_before(traffic.edge_at(part))
        last = len(payments.rows) if part >= traffic.block_count else payments.count_before(traffic.edge_at(part + 1))
        rows: list[tuple[float, ChannelMove]] = []
        for one in payments.rows[first:last]:
            account = self.lives[one.number].channel_id
            move = ChannelMove(0, account, one.credit_msat, one.debit_msat, one.moved_at, one.tag, one.payment_hash,
                               one.fees_msat)  # fmt: skip
            rows.append((one.moved_at, move))
        if self.routed and 0 <= part < traffic.block_count:
            for row in traffic.resolved(part):
                if row.status == SETTLED:
                    rows += [(row.resolved_at or 0.0, move) for move in self._routed(row)]
        rows.sort(key=lambda one: one[0])
        start = self._before(part) + 1
        return [(at, _numbered(move, index)) for index, (at, move) in enumerate(rows, start)]

    def _routed(self, row: Made) -> tuple[ChannelMove, ChannelMove]:
        at, name, fee_msat = int(row.resolved_at or 0), f"{row.created_index:064x}", row.fee_msat or 0
        entry, leave = self.lives[row.source].channel_id, self.lives[row.target].channel_id
        return (
            ChannelMove(0, entry, row.in_msat, 0, at, "routed", name, fee_msat),
            ChannelMove(0, leave, 0, row.out_msat or 0, at, "routed", name, fee_msat),
        )


def _numbered(move: ChannelMove, index: int) -> ChannelMove:
    return ChannelMove(index, move.account, move.credit_msat, move.debit_msat, move.moved_at, move.tag,
                       move.payment_hash, move.fees_msat)  # fmt: skip
