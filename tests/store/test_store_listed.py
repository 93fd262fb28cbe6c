"""Forwards that only the ledger knows are added up once, and none that is listed a second time."""

from __future__ import annotations

from typing import Any

from revops.domain.listed import ChannelMove, Forward
from revops.store import forgotten, forwards, moves, scids
from revops.store.engine import Database
from revops.store.flows import flow_sums
from tests.builders import NOW, channel_id
from tests.store.rows import make_forward, make_move, record, scid

#: Of a channel that was spliced, then closed: nobody can tell whose name it was.
OLD_SCID = "600000x1x0"


def routed(index: int, item: Forward, entry: int, leave: int) -> list[ChannelMove]:
    """The two moves of a forward, on the channels that the ledger names."""
    settled_at = int(item.resolved_at or 0)
    base: dict[str, Any] = {"tag": "routed", "fees_msat": item.fee_msat, "moved_at": settled_at}
    return [
        make_move(index, account=channel_id(leave), credit_msat=0, debit_msat=item.out_msat, **base),
        make_move(index + 1, account=channel_id(entry), credit_msat=item.in_msat, debit_msat=0, **base),
    ]


def found(database: Database, node_key: int, listed: list[Forward], ledger: list[ChannelMove]) -> tuple[int, int]:
    """How many forwards only the ledger has, and what all have earned by our sums then."""
    with database.transaction(node_key) as tx:
        record(tx, 1, 2, 3)
        scids.add_placeholder(tx, OLD_SCID, NOW)
        forwards.ingest(tx, listed, NOW)
        moves.ingest_channel_moves(tx, ledger)
    count = forgotten.find(lambda: database.transaction(node_key), NOW).forward_count
    with database.read(node_key) as tx:
        return count, sum(flow.earned_msat for flow in flow_sums(tx, None).values())


def test_a_listed_forward_of_an_unknown_scid_is_not_counted_again(database: Database, node_key: int) -> None:
    """The ledger names the channel, the list of forwards only a name that it had."""
    listed = [
        make_forward(1, in_scid=OLD_SCID),
        make_forward(2, out_scid=OLD_SCID),
        make_forward(3, in_scid=OLD_SCID, out_scid=OLD_SCID),
    ]
    ledger = [*routed(1, listed[0], 3, 2), *routed(3, listed[1], 1, 3), *routed(5, listed[2], 3, 3)]
    assert found(database, node_key, listed, ledger) == (0, 300)


def test_a_forgotten_one_beside_it_is_found_all_the_same(database: Database, node_key: int) -> None:
    """Equal amounts by other channels: what is surely listed is none that a placeholder could stand for."""
    listed = [make_forward(1, in_scid=OLD_SCID), make_forward(2, in_scid=scid(1))]
    ledger = [*routed(1, listed[0], 3, 2), *routed(3, listed[1], 1, 2), *routed(5, make_forward(3), 1, 2)]
    assert found(database, node_key, listed, ledger) == (1, 300)


def test_half_of_a_listed_forward_of_an_unknown_scid_waits_for_nothing(database: Database, node_key: int) -> None:
    item = make_forward(1, in_scid=OLD_SCID, out_scid=OLD_SCID)
    assert found(database, node_key, [item], routed(1, item, 3, 2)[:1]) == (0, 100)
    with database.read(node_key) as tx:
        assert tx.execute(forgotten._routed(), b_after=0, b_limit=9).all() == []
