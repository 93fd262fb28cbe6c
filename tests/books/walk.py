"""What forwards did to the balances of a made node's channels until a moment."""

from __future__ import annotations

from tests.books.traffic import SETTLED, Pair, Traffic, when


class Walk:
    """What forwards did to each channel until a moment; cheap for moments in order."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        self._restart()

    def _restart(self) -> None:
        self._block = 0
        self._net = [0] * len(self.traffic.lives)
        self._fees_msat = 0
        self._held: list[Pair] = []

    def at(self, at: float) -> tuple[list[int], int]:
        """Given a moment, return the change of each channel's balance by its number, and all fees, in msat."""
        traffic, block = self.traffic, max(self.traffic.block_at(at), 0)
        if block < self._block:
            self._restart()
        while self._block < block:
            pairs = traffic.pairs(self._block)
            settled = len(pairs) - traffic.share(self._block).held // 2
            for pair in (*pairs[:settled], *self._held):
                earned_msat = pair.fee_msat + pair.back_fee_msat
                self._net[pair.target] += earned_msat
                self._fees_msat += earned_msat
            self._held = pairs[settled:]
            self._block += 1
        net, fees_msat = list(self._net), self._fees_msat
        if 0 <= traffic.block_at(at) < traffic.block_count:
            for row in traffic.resolved(block):
                if when(row) <= at and row.status == SETTLED:
                    net[row.source] += row.in_msat
                    net[row.target] -= row.out_msat or 0
                    fees_msat += row.fee_msat or 0
        return net, fees_msat
