"""What a sync refuses, and that no false reply makes it pass rows that it has not read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec import structs
from sqlalchemy import select

from revops.cycle import ingest, passes
from revops.cycle.pages import Place
from revops.cycle.refilled import read_channel_moves
from revops.domain.channel import PeerInfo
from revops.domain.listed import ChannelMove, Forward
from revops.domain.node import Feerates, NodeEvent, NodeInfo
from revops.errors import DataError
from revops.node.reader import Reader
from revops.store import cursors
from revops.store.engine import Database
from revops.store.flows import flow_sums
from revops.store.keys import channel_keys
from revops.store.sums import NO_CHANNEL
from revops.store.tables import channel_move, forward, peer_event
from revops.store.upgrade import upgrade
from tests.builders import DAY, NOW, channel_id, make_channel, make_node, make_wallet, node_id
from tests.store.rows import OFFERED, REFUSED, SETTLED, make_forward, make_move

LIE = 2**63 - 1


class BrokenOffError(Exception):
    """The run was killed."""


class ListedNode:
    """A reader of a node by its lists. `tops` is what `wait` says, where that isn't so; `cut` takes rows from the end
    of a page.
    """

    def __init__(self) -> None:
        self.rows: list[Forward] = []
        self.moves: list[ChannelMove] = []
        self.events: list[NodeEvent] = []
        self.tops: dict[tuple[str, str], int] = {}
        self.cut = 0
        #: What `wait` says the first time it is asked, and whether lists begin at their beginning whatever is asked.
        self.late: dict[tuple[str, str], int] = {}
        self.deaf = False
        #: In which start of a page of forwards, by `created`, the run ends.
        self.stops_at: int | None = None

    def info(self) -> NodeInfo:
        return make_node(fees_collected_msat=0)

    def channels(self) -> tuple[Any, ...]:
        return tuple(make_channel(number) for number in (1, 2))

    def closed_channels(self) -> tuple[()]:
        return ()

    def wallet(self) -> Any:
        return make_wallet()

    def feerates(self, sampled_at: float) -> Feerates:
        return Feerates(sampled_at, 1, 2, 3, 4, 5, 6, None)

    def peer(self, peer_id: str) -> Any:
        return PeerInfo(peer_id, None)

    def top_index(self, subsystem: str, index: str) -> int:
        if (subsystem, index) in self.late:
            return self.late.pop((subsystem, index))
        if (subsystem, index) in self.tops:
            return self.tops[subsystem, index]
        lists: dict[str, list[Any]] = {"forwards": self.rows, "channelmoves": self.moves, "networkevents": self.events}
        return max((getattr(row, f"{index}_index") or 0 for row in lists.get(subsystem, [])), default=0)

    def forwards(self, index: str, start: int, limit: int) -> tuple[Forward, ...]:
        if (index, start) == ("created", self.stops_at):
            raise BrokenOffError
        return self._page(self.rows, f"{index}_index", start, limit)

    def channel_moves(self, start: int, limit: int) -> tuple[ChannelMove, ...]:
        return self._page(self.moves, "created_index", start, limit)

    def chain_moves(self, _start: int, _limit: int) -> tuple[()]:
        return ()

    def node_events(self, start: int, limit: int) -> tuple[NodeEvent, ...]:
        return self._page(self.events, "created_index", start, limit)

    def _page(self, rows: list[Any], name: str, start: int, limit: int) -> tuple[Any, ...]:
        start = 1 if self.deaf else start
        found = sorted((row for row in rows if (getattr(row, name) or 0) >= start), key=lambda row: getattr(row, name))
        return tuple(found[:limit][: -self.cut or None])


@pytest.fixture
def node() -> ListedNode:
    """Nine forwards, the odd ones changed after they were made, and five of each other row."""
    listed = ListedNode()
    listed.rows = [make_forward(index, updated_index=index if index % 2 else None) for index in range(1, 10)]
    listed.moves = [make_move(index, payment_hash=f"{index:064x}") for index in range(1, 6)]
    listed.events = [NodeEvent(index, node_id(1), "connect", int(NOW) - 50 + index, None) for index in range(1, 6)]
    return listed


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path / 'db'}"
    upgrade(url)
    with closing(Database.open(url)) as opened:
        yield opened


def sync(database: Database, node: ListedNode) -> None:
    info = node.info()
    node_key = database.node_key(info.node_id, info.alias, info.network)
    ingest.sync_node(database, node_key, cast(Reader, node), info, lambda: NOW)


def stored(database: Database) -> tuple[dict[int, int], list[int], list[int]]:
    """The status of each forward, and which moves and events there are."""
    with database.read(1) as tx:
        rows = tx.connection.execute(select(forward.c.created_index, forward.c.status)).all()
        lists = [
            list(tx.connection.execute(select(table.c.created_index).order_by(table.c.created_index)).scalars())
            for table in (channel_move, peer_event)
        ]
    return {row.created_index: row.status for row in rows}, lists[0], lists[1]


def grow(node: ListedNode) -> None:
    """More of everything, and forward 2, which was offered, settles."""
    node.rows = [
        row if row.created_index != 2 else structs.replace(row, status=SETTLED, updated_index=10) for row in node.rows
    ]
    node.rows.append(make_forward(10, updated_index=11))
    node.moves.append(make_move(6, payment_hash="ff" * 32))
    node.events.append(NodeEvent(6, node_id(1), "disconnect", int(NOW) - 5, 40.0))


ALL = ({index: int(SETTLED) for index in range(1, 11)}, list(range(1, 7)), list(range(1, 7)))


@pytest.mark.parametrize("place", passes.LISTS, ids="_".join)
@pytest.mark.parametrize("value", [LIE, 10_000, 12])
@pytest.mark.parametrize("first", [True, False], ids=["first sync", "later sync"])
def test_a_list_that_says_it_reaches_further_than_its_rows_makes_none_be_passed(
    database: Database, node: ListedNode, place: Place, value: int, first: bool
) -> None:
    node.rows[1] = structs.replace(node.rows[1], status=OFFERED, resolved_at=None)
    if not first:
        sync(database, node)
    node.tops[place] = value
    sync(database, node)
    node.tops.clear()
    grow(node)
    sync(database, node)
    assert stored(database) == ALL
    with database.read(1) as tx:
        assert {cursors.cursor(tx, name) for name in ("forwards_created", "forwards_updated")} == {10, 11}


@pytest.mark.parametrize("place", passes.LISTS, ids="_".join)
def test_a_list_that_says_it_is_shorter_is_read_by_the_next_sync(
    database: Database, node: ListedNode, place: Place
) -> None:
    """Or refused: where rows are listed beyond, one of both is wrong."""
    node.tops[place] = 1
    with suppress(DataError):
        sync(database, node)
    node.tops.clear()
    grow(node)
    sync(database, node)
    assert stored(database) == ALL


def test_what_a_page_lacks_at_its_end_is_read_by_the_next_sync(database: Database, node: ListedNode) -> None:
    node.cut = 2
    sync(database, node)
    assert stored(database)[1] == [1, 2, 3]
    node.cut = 0
    grow(node)
    sync(database, node)
    assert stored(database) == ALL


def test_what_was_deleted_at_the_end_of_a_list_is_waited_for_by_nobody(database: Database, node: ListedNode) -> None:
    """As `delforward` does."""
    node.tops = {("forwards", "created"): 9, ("forwards", "updated"): 9}
    node.rows = node.rows[:6]
    for _ in range(2):
        sync(database, node)
    assert sorted(stored(database)[0]) == [1, 2, 3, 4, 5, 6]
    node.tops.clear()
    node.rows.append(make_forward(10, updated_index=10))
    sync(database, node)
    assert sorted(stored(database)[0]) == [1, 2, 3, 4, 5, 6, 10]


def test_a_row_beyond_its_list_is_refused_and_one_that_came_meanwhile_is_not(
    database: Database, node: ListedNode
) -> None:
    sync(database, node)
    before = stored(database)
    grow(node)
    node.moves[-1] = structs.replace(node.moves[-1], created_index=LIE)
    node.tops["channelmoves", "created"] = 6
    with pytest.raises(DataError, match=r"wait channelmoves: the node's created index is 6, but row \d+ was listed"):
        sync(database, node)
    assert stored(database)[1] == before[1]
    node.moves[-1] = structs.replace(node.moves[-1], created_index=7)
    node.tops.clear()
    node.late = {("channelmoves", "created"): 6}
    sync(database, node)
    assert stored(database)[1] == [1, 2, 3, 4, 5, 7]
    assert node.late == {}


def test_a_row_that_nobody_asked_for_is_refused(database: Database, node: ListedNode) -> None:
    sync(database, node)
    grow(node)
    node.deaf = True
    with pytest.raises(DataError, match="row 1 was listed by created, where 10 was the first asked"):
        sync(database, node)


def test_the_moves_of_a_run_are_read_as_carefully(database: Database, node: ListedNode) -> None:
    sync(database, node)
    node.tops["channelmoves", "created"] = LIE
    read_channel_moves(database, 1, cast(Reader, node))
    node.tops.clear()
    grow(node)
    read_channel_moves(database, 1, cast(Reader, node))
    assert stored(database)[1] == [1, 2, 3, 4, 5, 6]


def test_a_restored_node_is_refused_and_what_a_new_database_means_is_said() -> None:
    place = passes.CREATED
    with pytest.raises(DataError, match=r"index is 5, but 9 rows .*restored from a backup.*earlier spending.*: set"):
        passes._refuse_restored({place: 5}, {place: 9})
    passes._refuse_restored({place: 9}, {place: 9})


def test_scids_that_a_stranger_made_up_are_neither_looked_for_nor_kept(database: Database, node: ListedNode) -> None:
    """A payment that asks for an scid that nobody has costs its sender nothing: the node lists it all the same. The
    reader here has no `channel_by_scid`.
    """
    node.rows = [
        make_forward(index, out_scid=f"{900_000 + index}x1x1", out_msat=None, fee_msat=None, status=REFUSED)
        for index in range(1, 6)
    ]
    node.rows.append(make_forward(6, out_msat=None, fee_msat=None, status=REFUSED))
    sync(database, node)
    with database.read(1) as tx:
        exits = tx.connection.execute(select(forward.c.out_channel_key).order_by(forward.c.created_index)).scalars()
        names = channel_keys(tx)
        assert list(exits) == [None] * 5 + [names[channel_id(2)]]
        assert set(names) == {channel_id(1), channel_id(2)}
        assert flow_sums(tx, None)[NO_CHANNEL].refused_count == 5


@pytest.mark.parametrize("listed_after", [9, 13], ids=["some are left", "none is left"])
@pytest.mark.parametrize("refused", [False, True], ids=["settled", "with refusals that stay"])
def test_what_is_deleted_while_a_reading_is_broken_off_is_in_the_ledger(
    database: Database, node: ListedNode, monkeypatch: pytest.MonkeyPatch, listed_after: int, refused: bool
) -> None:
    """A forward a day, of 1,000 sat: four are stored, and weeks later the node has deleted more than these."""
    monkeypatch.setattr(passes, "PAGE_SIZE", 2)
    monkeypatch.setattr(passes, "PAGES_AT_ONCE", 2)
    days = range(1, 13)
    rows = [
        make_forward(day, received_at=NOW - (20 - day) * DAY, in_msat=1_000_000 + day, fee_msat=day) for day in days
    ]
    settled = [row for row in rows if not refused or row.created_index % 2]
    node.rows = [row if row in settled else structs.replace(row, status=REFUSED, resolved_at=None) for row in rows]
    node.moves = [
        make_move(
            2 * place + half, account=channel_id(number), credit_msat=credit_msat, debit_msat=debit_msat, tag="routed",
            fees_msat=row.created_index, moved_at=int(row.resolved_at or 0), payment_hash=f"{row.created_index:064x}",
        )
        for place, row in enumerate(settled)
        for half, number, credit_msat, debit_msat in ((1, 1, row.in_msat, 0), (2, 2, 0, 1_000_000))
    ]  # fmt: skip
    node.stops_at = 5
    with pytest.raises(BrokenOffError):
        sync(database, node)
    assert len(stored(database)[0]) == 4
    node.stops_at = None
    node.rows = [row for row in node.rows if row.status is REFUSED or row.created_index >= listed_after]
    node.tops = {("forwards", index): 12 for index in ("created", "updated")}
    for _ in range(2):
        sync(database, node)
    with database.read(1) as tx:
        earned = {key: flow.earned_msat for key, flow in flow_sums(tx, None).items() if flow.earned_msat}
    assert earned == {2: sum(row.created_index for row in settled)}
    assert stored(database)[1] == [], "no move waits"
