"""What changed all balances beside profit and loss, from a small ledger by hand; and which rows end a channel."""

from __future__ import annotations

from functools import partial
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from revops.decide.chain_costs import chain_costs
from revops.domain.balance_change import BalanceChange
from revops.domain.forward import ChainMove
from revops.domain.splice import SpliceDirection
from revops.store import chain_costs as booked
from revops.store import channels, forwards, moves, profits, splices, tables
from revops.store.balance_change import balance_change
from revops.store.closes import final_txids, is_close, unbooked_txids, unswept
from revops.store.engine import Database, Tx
from revops.store.keys import channel_keys
from revops.store.profit_rows import channel_profits
from revops.store.tables import chain_move, node
from tests.builders import DAY, NOW, channel_id
from tests.store.rows import make_closed, make_forward, make_move, new_node, record
from tests.store.test_store_splices import plan, splice

TODAY = int(NOW // DAY)
NOON = int((TODAY + 0.5) * DAY)
BOOK = partial(chain_costs, opening={})
OPEN_TX, SEND_TX, COIN_TX, CLOSE_TX, SPLICE_TX = ("a1" * 32, "b2" * 32, "c3" * 32, "d4" * 32, "e5" * 32)


def chain(
    index: int, account: str, amount_msat: int, tag: str, outpoint: str, *, spent_by: str | None = None,
    at: float = NOON, extra: tuple[str, ...] = (), outputs: int | None = None,
) -> ChainMove:  # fmt: skip
    """An output that was made, or that a transaction spent."""
    credit_msat, debit_msat = (0, amount_msat) if spent_by else (amount_msat, 0)
    return ChainMove(
        index, account, credit_msat, debit_msat, int(at), tag, extra, outpoint, spent_by, amount_msat, 900_000, outputs
    )  # fmt: skip


#: 10,000 sat came; 6,000 of them opened channel 1 for 300 in fees, 3,700 came back; 1,000 were sent for 200.
LEDGER = [
    chain(1, "wallet", 10_000_000, "deposit", f"{COIN_TX}:0"),
    chain(2, "wallet", 10_000_000, "withdrawal", f"{COIN_TX}:0", spent_by=OPEN_TX),
    chain(3, channel_id(1), 6_000_000, "channel_open", f"{OPEN_TX}:0", extra=("opener",)),
    chain(4, "wallet", 3_700_000, "deposit", f"{OPEN_TX}:1"),
    chain(5, "wallet", 3_700_000, "withdrawal", f"{OPEN_TX}:1", spent_by=SEND_TX),
    chain(6, "external", 1_000_000, "deposit", f"{SEND_TX}:0"),
    chain(7, "wallet", 2_500_000, "deposit", f"{SEND_TX}:1"),
]
#: A peer pushed 900 sat, we pushed 40; an invoice of 70 sat came in, 50 and 7 msat left; a rebalance of 500 sat cost 3.
MOVES = [
    make_move(1, tag="pushed", credit_msat=900_000, debit_msat=0, payment_hash=None, moved_at=NOON),
    make_move(2, tag="pushed", credit_msat=0, debit_msat=40_000, payment_hash=None, moved_at=NOON),
    make_move(3, credit_msat=70_000, debit_msat=0, payment_hash="01" * 32, moved_at=NOON),
    make_move(4, debit_msat=50_007, payment_hash="02" * 32, moved_at=NOON),
    make_move(5, debit_msat=503_000, payment_hash="03" * 32, moved_at=NOON),
    make_move(6, account=channel_id(2), credit_msat=500_000, debit_msat=0, payment_hash="03" * 32, moved_at=NOON),
    make_move(7, tag="lease_fee", credit_msat=0, debit_msat=11_000, payment_hash=None, moved_at=NOON),
    make_move(8, tag="journal_entry", credit_msat=5, debit_msat=0, payment_hash=None, moved_at=NOON),
]


def fill(tx: Tx) -> None:
    record(tx, 1, 2)
    moves.ingest_chain_moves(tx, LEDGER, BOOK)
    moves.ingest_channel_moves(tx, MOVES)
    forwards.ingest(tx, [make_forward(1, received_at=NOON)], NOW)  # earns 100 msat


def changed(tx: Tx, first_day: int | None, end_day: int | None) -> BalanceChange:
    return balance_change(tx, first_day, end_day, profits.lines(tx, first_day, end_day))


def test_the_change_of_all_balances_is_the_sum_of_its_lines(database: Database, node_key: int) -> None:
    with database.transaction(node_key) as tx:
        fill(tx)
        found, day = changed(tx, None, None), changed(tx, TODAY, TODAY + 1)
        assert changed(tx, TODAY + 1, TODAY + 9) == BalanceChange(0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        line = profits.lines(tx, None, None).total
    net_msat = 100 - 3_000 - 11_000 - 300_000 - 200_000  # fee, rebalance, lease, opening, sending
    assert found == day
    assert found == BalanceChange(
        net_msat=net_msat,
        pushed_in_msat=900_000,
        pushed_out_msat=40_000,
        received_msat=70_000,
        paid_msat=50_007,
        deposited_msat=10_000_000,
        sent_msat=1_000_000,
        untold_msat=0,
        other_msat=5,
        change_msat=net_msat + 900_000 - 40_000 + 70_000 - 50_007 + 10_000_000 - 1_000_000 + 5,
    )
    assert found.unbooked_msat == 0
    assert line.income_msat == 100, "nothing of it is routing income"


def test_what_a_splice_takes_out_is_no_deposit_before_it_is_locked_in(database: Database, node_key: int) -> None:
    """The wallet has it from the first block on; of what the channel gave the node tells when it is locked in."""
    home = chain(8, "wallet", 2_000_000, "deposit", f"{SPLICE_TX}:1", at=NOON + 1)
    locked_in = [
        chain(9, channel_id(1), 6_000_000, "channel_close", f"{OPEN_TX}:0", spent_by=SPLICE_TX, extra=("splice",)),
        chain(10, channel_id(1), 3_999_800, "channel_open", f"{SPLICE_TX}:0", extra=("opener",)),
    ]
    with database.transaction(node_key) as tx:
        fill(tx)
        before = changed(tx, None, None)
        splices.add_plan(tx, 1, plan(splice(1, SpliceDirection.OUT)))
        job = tables.splice_job.c.node_key == tx.node_key
        tx.connection.execute(update(tables.splice_job).where(job).values(status="in_flight", txid=SPLICE_TX))
        moves.ingest_chain_moves(tx, [home], partial(chain_costs, opening={SPLICE_TX: {channel_id(1)}}))
        waiting = changed(tx, None, None)
        moves.ingest_chain_moves(tx, locked_in, partial(chain_costs, opening={SPLICE_TX: {channel_id(1)}}))
        done = changed(tx, None, None)
    assert (waiting.deposited_msat, waiting.net_msat) == (before.deposited_msat, before.net_msat)
    assert waiting.unbooked_msat == 2_000_000
    assert (done.deposited_msat, done.net_msat) == (before.deposited_msat, before.net_msat - 200)
    assert done.unbooked_msat == 0


def test_a_close_that_nobody_sweeps_is_named_and_is_no_cost(database: Database, node_key: int) -> None:
    """Of 6,000 sat the transaction gave 1,500 back at once; an output is missing: a fee, or still ours."""
    close = [
        chain(8, channel_id(1), 6_000_000, "channel_close", f"{OPEN_TX}:0", spent_by=CLOSE_TX, outputs=2, at=NOON + 1),
        chain(9, "wallet", 1_500_000, "to_wallet", f"{CLOSE_TX}:0", at=NOON + 1),
    ]
    with database.transaction(node_key) as tx:
        fill(tx)
        moves.ingest_chain_moves(tx, close, BOOK)
        waiting, found = unswept(tx), changed(tx, None, None)
        key = channel_keys(tx)[channel_id(1)]
        (one,) = [
            one
            for one in channel_profits(tx, profits.lines(tx, None, None).by_channel)
            if one.channel_id == channel_id(1)
        ]
        swept = chain(10, "wallet", 4_400_000, "deposit", f"{CLOSE_TX}:1", at=NOON + DAY)
        moves.ingest_chain_moves(tx, [swept], BOOK)
        assert unswept(tx) == {}
        done = changed(tx, None, None)
        assert profits.lines(tx, None, None).total.close_msat == 100_000
    assert waiting == {key: 4_500_000}
    assert (one.unswept_msat, one.closed_at) == (4_500_000, NOON + 1)
    assert one.line.close_msat == 0
    assert found.unbooked_msat == -4_500_000
    assert done.unbooked_msat == 0


def test_what_is_missing_of_a_close_is_nothing_of_ours_once_the_node_has_forgotten_the_channel(
    database: Database, node_key: int
) -> None:
    close = [
        chain(8, channel_id(1), 6_000_000, "channel_close", f"{OPEN_TX}:0", spent_by=CLOSE_TX, outputs=2),
        chain(9, "wallet", 5_900_000, "deposit", f"{CLOSE_TX}:0"),
    ]
    with database.transaction(node_key) as tx:
        fill(tx)
        moves.ingest_chain_moves(tx, close, BOOK)
        assert (len(unswept(tx)), set(final_txids(tx)), unbooked_txids(tx)) == (1, set(), {CLOSE_TX})
        channels.record_closed(tx, [make_closed(1)], NOW)
        assert (len(unswept(tx)), set(final_txids(tx)), unbooked_txids(tx)) == (0, {CLOSE_TX}, {CLOSE_TX})
        booked.rebook(tx, unbooked_txids(tx), partial(BOOK, final=final_txids(tx)))
        assert not unbooked_txids(tx)
        assert (profits.lines(tx, None, None).total.close_msat, changed(tx, None, None).unbooked_msat) == (100_000, 0)


def test_a_channel_that_was_used_before_it_was_confirmed_is_opened_once(database: Database, node_key: int) -> None:
    """Both rows have an amount, the later one what was paid meanwhile as well. It may be in any page, or come again."""
    proposed = chain(3, channel_id(1), 6_000_000, "channel_proposed", f"{OPEN_TX}:0", extra=("opener",))
    opened = chain(8, channel_id(1), 5_950_000, "channel_open", f"{OPEN_TX}:0", extra=("opener",), at=NOON + 600)
    others = [*LEDGER[:2], *LEDGER[3:]]
    for pages in ([[proposed], [*others, opened]], [[*others, proposed, opened]], [[proposed, *others], [opened]]):
        with database.transaction(new_node(database)) as tx:
            record(tx, 1)
            for page in (*pages, pages[-1]):
                assert page is pages[-1] or profits.lines(tx, None, None).total.open_msat == 0
                moves.ingest_chain_moves(tx, page, BOOK)
            paid = make_move(1, debit_msat=50_000, payment_hash="02" * 32, moved_at=NOON)
            moves.ingest_channel_moves(tx, [paid])
            found, line = changed(tx, None, None), profits.lines(tx, None, None).total
        assert (line.open_msat, line.wallet_msat) == (300_000, 200_000)
        assert (found.unbooked_msat, found.paid_msat) == (0, 50_000)
        assert found.change_msat == 10_000_000 - 300_000 - 1_200_000 - 50_000


def test_what_was_broadcast_and_replaced_was_never_sent(database: Database, node_key: int) -> None:
    """lightningd writes down what goes to others when it sends it out, and nothing when another one is mined."""
    replaced = chain(8, "external", 1_000_000, "deposit", f"{CLOSE_TX}:0")
    with database.transaction(node_key) as tx:
        fill(tx)
        before = changed(tx, None, None)
        moves.ingest_chain_moves(tx, [replaced], BOOK)
        assert changed(tx, None, None) == before
        moves.ingest_chain_moves(
            tx, [chain(9, "wallet", 2_500_000, "withdrawal", f"{SEND_TX}:1", spent_by=CLOSE_TX)], BOOK
        )  # fmt: skip
        mined = changed(tx, None, None)
    assert mined.sent_msat == before.sent_msat + 1_000_000
    assert mined.unbooked_msat == 0


def test_openings_that_an_earlier_version_has_told_twice_are_made_right(database: Database, node_key: int) -> None:
    proposed = chain(8, channel_id(1), 6_000_000, "channel_proposed", f"{OPEN_TX}:0")
    twice = {"credit_msat": 6_000_000}
    with database.transaction(node_key) as tx:
        fill(tx)
        moves.ingest_chain_moves(tx, [proposed], BOOK)
        opening = (chain_move.c.node_key == node_key, chain_move.c.tag == "channel_open")
        tx.connection.execute(update(chain_move).where(*opening).values(twice))
        moves.ingest_chain_moves(tx, [chain(9, "wallet", 5_000, "deposit", f"{CLOSE_TX}:0")], BOOK)
        assert profits.lines(tx, None, None).total.open_msat == 300_000
        assert changed(tx, None, None).unbooked_msat == 0


TAGS = st.sampled_from(["channel_open", "channel_close", "channel_closed", "splice", "deposit"])
EXTRA = st.lists(st.sampled_from(["splice", "opener", "leased", "stealable", "splice_not", "no_splice"]), max_size=3)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(TAGS, EXTRA), min_size=1, max_size=6))
def test_one_row_ends_a_channel_in_python_and_in_sql(database: Database, rows: list[tuple[str, list[str]]]) -> None:
    page = [
        chain(index, channel_id(1), 1_000, tag, f"{OPEN_TX}:{index}", extra=tuple(extra))
        for index, (tag, extra) in enumerate(rows, 1)
    ]
    with database.transaction(new_node(database)) as tx:
        record(tx, 1)
        moves.ingest_chain_moves(tx, page, BOOK)
        statement = select(is_close(chain_move.c)).where(chain_move.c.node_key == tx.node_key)
        found = list(tx.connection.execute(statement.order_by(chain_move.c.created_index)).scalars())
    assert list(map(bool, found)) == [row.is_close for row in page]


def test_a_height_that_the_chain_never_had_hides_no_transaction(database: Database, node_key: int) -> None:
    """A damaged row far above the tip moved the window away from all that may still turn out to fund a channel."""

    def looked_at(tx: Tx, height: int) -> tuple[str, ...]:
        tx.connection.execute(update(node).where(node.c.node_key == tx.node_key).values(blockheight=height))
        return booked.unsettled_txids(tx)

    row: dict[str, Any] = {
        "node_key": node_key, "account_key": 0, "credit_msat": 5, "debit_msat": 0, "moved_at": NOON, "tag": "deposit",
        "extra_tags": "", "output_msat": 5,
    }  # fmt: skip
    with database.transaction(node_key) as tx:
        for index, (txid, height) in enumerate(
            (("aa" * 32, 900_000), ("bb" * 32, 4_000_000_000), ("cc" * 32, 897_000))
        ):
            one = {"created_index": index, "outpoint": f"{txid}:0", "txid": txid, "blockheight": height}
            tx.connection.execute(insert(chain_move), [row | one])
        assert looked_at(tx, 900_002) == ("aa" * 32, "bb" * 32)
