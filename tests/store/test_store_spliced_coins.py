"""What splices cost whose coins still lie in the wallet."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, update

from revops.domain.node import Wallet, WalletOutput
from revops.domain.splice import SpliceDirection
from revops.store import splices, tables
from revops.store.engine import Database, Tx
from revops.store.spliced_coins import spliced_msat
from tests.store.rows import record
from tests.store.test_store_splices import plan, splice

OUT, IN = SpliceDirection.OUT, SpliceDirection.IN
FIRST, SECOND = "a1" * 32, "b2" * 32


def wallet(*txids: str, status: str = "confirmed") -> Wallet:
    return Wallet(tuple(WalletOutput(f"{txid}:{place}", 1_000, status, False) for place, txid in enumerate(txids)))


def made(tx: Tx, splice_key: int, txid: str, *costs_msat: int) -> None:
    """Say that a splice was carried out by that transaction, and what it cost each of so many accounts."""
    job, mine = tables.splice_job, tables.splice_job.c.node_key == tx.node_key
    tx.connection.execute(update(job).where(mine, job.c.splice_key == splice_key).values(txid=txid, status="settled"))
    for account_key, cost_msat in enumerate(costs_msat):
        cost = {"txid": txid, "account_key": account_key, "kind": "splice", "cost_msat": cost_msat}
        when = {"booked_at": 0, "blockheight": 1, "share_count": 1}
        tx.connection.execute(insert(tables.chain_cost).values(node_key=tx.node_key, **cost, **when))


@pytest.mark.parametrize(
    ("found", "expected_msat"),
    [
        (wallet(), 0),
        (wallet("cc" * 32), 0),
        # As booked, over all accounts, once for a transaction however many of its coins are there.
        (wallet(FIRST), 70_000),
        (wallet(FIRST, FIRST), 70_000),
        (wallet(FIRST, status="unconfirmed"), 70_000),
        (wallet(FIRST, status="spent"), 0),
        # Not booked yet: what the plan let it cost at most.
        (wallet(SECOND), 626_400),
        (wallet(FIRST, SECOND), 696_400),
    ],
)
def test_what_the_coins_cost(database: Database, node_key: int, found: Wallet, expected_msat: int) -> None:
    with database.transaction(node_key) as tx:
        record(tx, 1, 2)
        splices.add_plan(tx, 1, plan(splice(1, OUT), splice(2, OUT)))
        made(tx, 1, FIRST, 60_000, 10_000)
        made(tx, 2, SECOND)
        assert spliced_msat(tx, found) == expected_msat


def test_what_went_into_a_channel_makes_no_coin_dear(database: Database, node_key: int) -> None:
    """Its change is in the wallet, too, by the same transaction."""
    with database.transaction(node_key) as tx:
        record(tx, 1)
        splices.add_plan(tx, 1, plan(splice(1, IN)))
        made(tx, 1, FIRST, 60_000)
        assert spliced_msat(tx, wallet(FIRST)) == 0
