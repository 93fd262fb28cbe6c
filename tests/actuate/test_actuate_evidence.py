"""What the ledger of moves still tells of a payment, also where `wait` says something false of its length."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from revops.actuate import evidence
from revops.actuate.evidence import Evidence, look_for
from revops.domain.listed import ChannelMove
from revops.domain.record import JobRecord
from revops.errors import DataError
from revops.node.reader import Reader
from tests.builders import NOW, channel_id, make_channel
from tests.store.rows import make_move

OURS = "cd" * 32
JOB = cast(JobRecord, SimpleNamespace(source_channel_id=channel_id(1), payment_hash=OURS, created_at=NOW))


class Moves:
    """A reader of a node with these moves, whose `wait` says that there are `top`."""

    def __init__(self, top: int, *rows: ChannelMove) -> None:
        self.top, self.rows = top, rows
        self.asked = 0

    def channels(self) -> tuple[Any, ...]:
        return (make_channel(1),)

    def top_index(self, _subsystem: str, _index: str) -> int:
        return self.top

    def channel_moves(self, start: int, limit: int) -> tuple[ChannelMove, ...]:
        self.asked += 1
        return tuple(row for row in self.rows if row.created_index >= start)[:limit]


def moves(count: int, ours: int | None) -> tuple[ChannelMove, ...]:
    hashes = [OURS if index == ours else "00" * 32 for index in range(1, count + 1)]
    return tuple(make_move(index, payment_hash=name, moved_at=int(NOW)) for index, name in enumerate(hashes, 1))


@pytest.mark.parametrize("ours", [1, 4, 7, 8, 9, 20])
@pytest.mark.parametrize("top", [0, 3, 8, 19, 20])
def test_a_payment_is_found_wherever_the_list_is_said_to_end(
    monkeypatch: pytest.MonkeyPatch, ours: int, top: int
) -> None:
    monkeypatch.setattr(evidence, "PAGE_SIZE", 4)
    assert look_for(JOB, cast(Reader, Moves(top, *moves(20, ours)))) is Evidence.PAID
    assert look_for(JOB, cast(Reader, Moves(top, *moves(20, None)))) is Evidence.UNPAID


@pytest.mark.parametrize("top", [21, 2**63])
def test_a_list_without_the_row_that_it_is_said_to_end_with_proves_nothing(top: int) -> None:
    node = Moves(top, *moves(20, None))
    with pytest.raises(DataError, match=f"the created index is {top}, but no such row is listed"):
        look_for(JOB, cast(Reader, node))
    assert node.asked == 1
