"""How long does the first sync of a long history take? `python -m tests.bench.bench_sync`

A node with many channels whose `listforwards` is made up page by page, on a new SQLite file. Making up the pages is
left out of the time, parsing them is in it. It is the processor's time, since others may be at work. Run it on two
versions, in turn: nothing is asserted.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import closing
from pathlib import Path
from random import Random
from typing import cast

from revops.cycle.ingest import sync_node
from revops.domain.channel import Channel, PeerInfo
from revops.domain.listed import Forward
from revops.domain.node import Feerates, NodeInfo, Wallet
from revops.node.parse_forwards import forwards as parse
from revops.node.reader import Reader
from revops.store.engine import Database
from tests.builders import NOW, make_channel, make_node, make_wallet

SPAN_SECONDS = 365 * 86_400.0


class HistoryNode:
    """A reader of a node that has forwarded `count` payments over a year; two of three settled."""

    def __init__(self, channel_count: int, count: int) -> None:
        self.listed = tuple(make_channel(number, opened_at=int(NOW - SPAN_SECONDS)) for number in range(channel_count))
        self.count = count
        self.rng = Random(7)
        self.making_seconds = 0.0

    def info(self) -> NodeInfo:
        return make_node()

    def channels(self) -> tuple[Channel, ...]:
        return self.listed

    def closed_channels(self) -> tuple[()]:
        return ()

    def wallet(self) -> Wallet:
        return make_wallet()

    def feerates(self, sampled_at: float) -> Feerates:
        return Feerates(sampled_at, 1, 2, 3, 4, 5, 6, None)

    def peer(self, node_id: str) -> PeerInfo:
        return PeerInfo(node_id, None)

    def top_index(self, subsystem: str, _index: str) -> int:
        return self.count if subsystem == "forwards" else 0

    def forwards(self, _index: str, start: int, limit: int) -> tuple[Forward, ...]:
        started = time.process_time()
        page: dict[str, object] = {
            "forwards": [self._row(index) for index in range(start, min(start + limit, self.count + 1))]
        }
        self.making_seconds += time.process_time() - started
        return parse(page)

    def channel_moves(self, _start: int, _limit: int) -> tuple[()]:
        return ()

    chain_moves = node_events = channel_moves

    def _row(self, index: int) -> dict[str, object]:
        at = NOW - SPAN_SECONDS + SPAN_SECONDS * index / (self.count + 1)
        status = ("settled", "settled", "settled", "settled", "local_failed", "failed")[index % 6]
        source, target = self.rng.choice(self.listed), self.rng.choice(self.listed)
        out_msat = int(self.rng.lognormvariate(18, 1.4))
        fee_msat = out_msat // 5_000
        row: dict[str, object] = {
            "created_index": index, "updated_index": index, "in_channel": source.scid, "in_htlc_id": index,
            "out_channel": target.scid, "in_msat": out_msat + fee_msat, "out_msat": out_msat, "fee_msat": fee_msat,
            "status": status, "received_time": at,
        }  # fmt: skip
        return row | ({"failcode": 4103} if status == "local_failed" else {"resolved_time": at + 2.0})


def main() -> None:
    """Sync a new database some times; print the seconds of each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--channels", type=int, default=200)
    parser.add_argument("--forwards", type=int, default=500_000)
    arguments = parser.parse_args()
    for _ in range(arguments.runs):
        with tempfile.TemporaryDirectory(prefix="revops-bench-") as name:
            node = HistoryNode(arguments.channels, arguments.forwards)
            with closing(Database.open(f"sqlite:///{Path(name)}/revops.sqlite3", create=True)) as database:
                info = node.info()
                node_key = database.node_key(info.node_id, info.alias, info.network)
                started = time.process_time()
                sync_node(database, node_key, cast(Reader, node), info, lambda: NOW)
                taken = time.process_time() - started - node.making_seconds
        print(f"{arguments.forwards:,} forwards, {arguments.channels} channels: {taken:.1f} s of processor time")


if __name__ == "__main__":
    main()
