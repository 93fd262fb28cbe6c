"""The made node is what it says: its lists, its balances and its transactions bear one another out."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import Any, cast

import pytest

from revops.domain.forward import ChainMove, ForwardStatus
from revops.domain.listed import ChannelMove
from tests.books.made import MadeNode
from tests.books.plain import books, chain_costs
from tests.books.traffic import Made, Traffic
from tests.builders import DAY, NOW

CHANNELS, FORWARDS = 20, 5_000
MOMENTS = tuple(NOW - 730 * DAY * part for part in (0.97, 0.81, 0.5003, 0.2, 0.05, 0.0))


@pytest.fixture(params=(3, 11))
def node(request: Any) -> MadeNode:
    return MadeNode(request.param, CHANNELS, FORWARDS)


# ---- the node


def test_balances_are_what_the_ledger_says_and_fit_their_channels(node: MadeNode) -> None:
    for node.now_at in MOMENTS:
        ledger: Counter[str] = Counter()
        rows: list[ChainMove | ChannelMove] = [*node.channel_moves(1, 10**9), *node.chain_moves(1, 10**9)]
        for row in rows:
            assert row.moved_at <= node.now_at
            ledger[row.account] += row.credit_msat - row.debit_msat
        for channel in node.channels():
            assert channel.local_msat == ledger[channel.channel_id]
            assert 0 <= channel.local_msat <= channel.capacity_msat
        assert node.wallet().spendable_msat == ledger["wallet"]
    for closed in node.closed_channels():
        assert ledger[closed.channel_id] == 0


def test_each_transaction_costs_what_was_drawn(node: MadeNode) -> None:
    paid: Counter[str] = Counter()
    for cost in chain_costs(node.chain_rows):
        paid[cost.txid] += cost.fee_msat
    assert dict(paid) == {txid: fee_msat for txid, fee_msat in node.drawn_msat.items() if fee_msat}


def test_everything_that_can_happen_does() -> None:
    node = MadeNode(5, 120, 1_000)
    costs = books(node).chain_cost_msat()
    assert {kind for _, kind in costs} == {"open", "splice", "close", "wallet"}
    assert {life.closing for life in node.lives} == {"", "ours", "theirs", "ours_alone", "theirs_alone"}
    assert {life.how for life in node.lives} == {"us", "peer", "lease_in", "lease_out"}
    assert {row.tag for row in node.chain_rows} == {
        "deposit", "withdrawal", "channel_open", "channel_close", "delayed_to_us", "to_wallet", "to_them", "anchor",
    }  # fmt: skip
    assert {row.tag for row in node.channel_moves(1, 10**9)} == {"invoice", "routed", "pushed", "lease_fee"}
    opened: dict[str, set[str]] = defaultdict(set)
    for row in node.chain_rows:
        if row.tag in ("channel_open", "channel_close"):
            opened[row.spending_txid or row.outpoint[:64]].add(row.account)
    assert max(map(len, opened.values())) >= 3  # a batch
    assert len({life.peer_id for life in node.lives}) < len(node.lives)
    assert max(len(life.names) for life in node.lives) >= 3
    assert {row.status for row in node.forwards("created", 1, 1_000)} == set(ForwardStatus)


def test_the_fee_of_a_batch_is_shared_to_the_msat() -> None:
    """10 msat for three channels, and none for the wallet or for somebody outside (plugins/bkpr/onchain_fee.c)."""
    rows = [
        _chain("wallet", 0, 1_000, "in:0", "tx"),
        _chain("wallet", 90, 0, "tx:4"),
        _chain("external", 300, 0, "tx:3"),
        *(_chain(name, 200, 0, f"tx:{place}", tag="channel_open") for place, name in enumerate("cab")),
    ]
    numbered = [replace(row, created_index=index) for index, row in enumerate(rows, 1)]
    assert [(cost.account, cost.fee_msat) for cost in chain_costs(numbered)] == [("a", 4), ("b", 3), ("c", 3)]


def test_the_fee_of_a_close_is_what_did_not_come_back() -> None:
    rows = [
        replace(_chain("a", 0, 1_000, "open:0", "tx"), tag="channel_close"),
        _chain("a", 700, 0, "tx:0", tag="delayed_to_us"),
        _chain("external", 5_000, 0, "tx:1", tag="to_them"),
        _chain("external", 330, 0, "tx:2", tag="anchor"),
        _chain("a", 0, 700, "tx:0", "sweep", tag="to_wallet"),
        _chain("wallet", 650, 0, "sweep:0"),
    ]
    found = [(cost.txid, cost.account, cost.kind, cost.fee_msat) for cost in chain_costs(rows)]
    assert found == [("tx", "a", "close", 300), ("sweep", "a", "close", 50)]


def _chain(account: str, credit_msat: int, debit_msat: int, outpoint: str, spent: str | None = None,
           tag: str = "deposit") -> ChainMove:  # fmt: skip
    return ChainMove(0, account, credit_msat, debit_msat, 1, tag, (), outpoint, spent, credit_msat + debit_msat, 1)


def test_each_circular_payment_comes_back_whole(node: MadeNode) -> None:
    found = books(node).circulars
    assert len(found) == node.payments.circular_count > 0
    assert all(one.source != one.target and one.amount_msat > 0 and one.fee_msat >= 0 for one in found)
    halves = Counter(row.payment_hash for row in node.channel_moves(1, 10**9) if row.tag == "invoice")
    assert max(halves.values()) >= 4
    assert sum(count == 1 for count in halves.values()) > 0  # our own payments and invoices


@pytest.mark.parametrize("size", [7, 333, 5_000])
@pytest.mark.parametrize("now_at", [NOW, NOW - 300.3 * DAY])
def test_pages_list_each_row_once(node: MadeNode, size: int, now_at: float) -> None:
    node.now_at = now_at
    for index in ("created", "updated"):
        top, start, seen = node.top_index("forwards", index), 1, []
        while page := node.forwards(index, start, size):
            assert len(page) == size or getattr(page[-1], f"{index}_index") == top
            seen += [getattr(row, f"{index}_index") for row in page]
            start = seen[-1] + 1
        assert seen == list(range(1, top + 1))
    start = 1
    moved: list[ChannelMove] = []
    while page_ := node.channel_moves(start, size):
        moved += page_
        start = moved[-1].created_index + 1
    assert [row.created_index for row in moved] == list(range(1, node.top_index("channelmoves", "created") + 1))
    assert [row.moved_at for row in moved] == sorted(row.moved_at for row in moved)


def test_both_indexes_list_the_same_rows_and_two_moves_for_each_settled_one(node: MadeNode) -> None:
    for node.now_at in MOMENTS:
        created = {row.created_index: row for row in node.forwards("created", 1, 10**9)}
        updated = node.forwards("updated", 1, 10**9)
        assert [row.resolved_at for row in updated] == sorted(cast(float, row.resolved_at) for row in updated)
        assert all(created[row.created_index] == row for row in updated)
        assert sum(row.updated_index is not None for row in created.values()) == len(updated)
        moved: Counter[int] = Counter()
        for move in node.channel_moves(1, 10**9):
            if move.tag == "routed" and move.payment_hash is not None:
                moved[int(move.payment_hash, 16)] += move.credit_msat - move.debit_msat
        settled = {index: row.fee_msat for index, row in created.items() if row.status is ForwardStatus.SETTLED}
        assert dict(moved) == settled
        assert node.info().fees_collected_msat == sum(moved.values())


def test_a_held_forward_is_offered_first_and_settles_later(node: MadeNode) -> None:
    held = max(
        (row for row in node.traffic.all() if row.resolved_at is not None and row.resolved_at < NOW),
        key=lambda row: (row.resolved_at or 0) - row.received_at,
    )
    node.now_at = held.received_at
    assert node.forwards("created", held.created_index, 1)[0].status is ForwardStatus.OFFERED
    node.now_at = held.resolved_at or 0.0
    (now,) = node.forwards("created", held.created_index, 1)
    assert (now.status, now.resolved_at) == (ForwardStatus.SETTLED, held.resolved_at)
    assert now.updated_index == node.top_index("forwards", "updated")


def test_the_same_seed_makes_the_same_node_and_another_one_another() -> None:
    one, same, other = (MadeNode(seed, 6, 500) for seed in (1, 1, 2))
    same.forwards("created", 400, 100)  # whatever was asked before
    pages = [
        (node.forwards("created", 1, 500), node.channel_moves(1, 10**9), node.chain_rows) for node in (one, same, other)
    ]
    assert pages[0] == pages[1]
    assert pages[0] != pages[2]


def test_autoclean_takes_settled_forwards_from_the_lists_and_nothing_else(node: MadeNode) -> None:
    before = node.info(), node.channel_moves(1, 10**9), node.top_index("forwards", "updated"), books(node).flows
    all_rows = node.forwards("created", 1, 10**9)
    node.cleaned_before_at = NOW - 90 * DAY
    left = [
        row
        for row in all_rows
        if row.status is not ForwardStatus.SETTLED or cast(float, row.resolved_at) >= NOW - 90 * DAY
    ]
    assert list(node.forwards("created", 1, 10**9)) == left
    assert len(left) < len(all_rows)
    after = node.info(), node.channel_moves(1, 10**9), node.top_index("forwards", "updated"), books(node).flows
    assert after == before


def test_a_page_is_drawn_without_what_is_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    node = MadeNode(2, 10, 60_000)
    drawn: list[int] = []
    draw = Traffic._draw

    def noted(traffic: Traffic, block: int) -> tuple[list[Made], list[Made]]:
        drawn.append(block)
        return draw(traffic, block)

    monkeypatch.setattr(Traffic, "_draw", noted)
    assert [row.created_index for row in node.forwards("created", 30_000, 100)] == list(range(30_000, 30_100))
    assert len(node.forwards("updated", 20_000, 100)) == len(node.channel_moves(50_000, 100)) == 100
    assert len(drawn) < 20 < node.traffic.block_count == 400
    for _ in range(2):
        assert sum(1 for _ in node.traffic.all()) == 60_000
    assert len(node.traffic._own) <= 6
