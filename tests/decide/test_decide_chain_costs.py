"""What transactions cost, against what a real node paid: `fixtures/real-ledger` was written by lightningd v26.06.6.

`paid_msat` in transactions.json was measured by balances before and after, without the ledger (null: not measured, then
the miners' fee is all ours); `bkpr_fee_msat` is what bookkeeper says, by account.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops.decide.chain_costs import LARGEST_FEE_MSAT, chain_costs
from revops.domain.chain_cost import OUTSIDE, WALLET, ChainCost, CostKind
from revops.domain.forward import ChainMove
from revops.node import parse_forwards

LEDGER = Path(__file__).parents[1] / "fixtures" / "real-ledger"


def load(name: str) -> Any:
    return json.loads((LEDGER / f"{name}.json").read_text(encoding="utf-8"))


MOVES = parse_forwards.chain_moves({"chainmoves": load("chainmoves")})
TRANSACTIONS = load("transactions")
#: A commitment from before a splice was broadcast: all of the balance went, and bookkeeper has a fee, or nothing.
FORFEITS = {"71710e", "bec61e"}
#: An HTLC of 40,037,009 msat is credited as 40,037,000: no row has the 9 msat.
CUT_OFF_MSAT = {"26bbe2": 9}


def opening_of(moves: Any) -> dict[str, set[str]]:
    """The channels that each transaction funds: what listpeerchannels says of those that wait."""
    found: dict[str, set[str]] = defaultdict(set)
    for move in moves:
        if move.tag == "channel_open":
            found[move.txid].add(move.account)
    return found


OPENING = opening_of(MOVES)
COSTS = chain_costs(MOVES, OPENING)


def of(txid: str) -> list[ChainCost]:
    return [cost for cost in COSTS if cost.txid == txid]


@pytest.mark.parametrize("transaction", TRANSACTIONS, ids=lambda one: f"{one['step']}-{one['txid'][:6]}")
def test_a_real_transaction_cost_what_the_node_paid(transaction: dict[str, Any]) -> None:
    txid, name = transaction["txid"], transaction["txid"][:6]
    costs = of(txid)
    paid_msat = transaction["paid_msat"]
    if paid_msat is None:
        paid_msat = transaction["miner_fee_msat"]
    assert sum(cost.cost_msat for cost in costs) == paid_msat - CUT_OFF_MSAT.get(name, 0)
    if name in FORFEITS:
        assert [cost.kind for cost in costs] == [CostKind.FORFEIT]
        return
    booked = {account: msat for account, msat in (transaction["bkpr_fee_msat"] or {}).items() if msat}
    assert {cost.account: cost.cost_msat for cost in costs if cost.cost_msat} == booked


def test_kinds_of_real_transactions() -> None:
    kinds = {(one["step"].split("_", 1)[1], cost.kind) for one in TRANSACTIONS for cost in of(one["txid"])}
    by_step = defaultdict(set)
    for step, kind in kinds:
        by_step[step].add(kind)
    assert by_step["02_open_1conf"] == {CostKind.OPEN}
    assert by_step["04_batch_1conf"] == {CostKind.OPEN}
    assert by_step["06a_splicein_1conf"] == by_step["06b_spliceout_1conf"] == {CostKind.SPLICE}
    assert by_step["06f_script_two_channels_1conf"] == {CostKind.SPLICE}
    assert by_step["07a_mutual_own_open_1conf"] == by_step["09_peer_unilateral_1conf"] == {CostKind.CLOSE}
    assert by_step["08b_unilateral_plus12"] == {CostKind.SWEEP}
    assert by_step["10a_withdraw_broadcast"] == by_step["11_consolidation"] == {CostKind.WALLET}
    assert by_step["12a_lease_bought_1conf"] == {CostKind.OPEN}
    assert CostKind.UNTOLD not in {kind for _, kind in kinds}


def test_nothing_is_booked_before_all_of_it_is_there() -> None:
    """As the node writes them, moment by moment: a transaction has no cost, or the one that it keeps."""

    def shown(costs: Iterable[ChainCost]) -> list[tuple[object, ...]]:
        return [(cost.account, cost.kind, cost.cost_msat, cost.share_count) for cost in costs]

    for last, following in pairwise(MOVES):
        if last.moved_at != following.moved_at:
            so_far = [move for move in MOVES if move.created_index <= last.created_index and move.txid == last.txid]
            found = chain_costs(so_far, OPENING)
            assert not found or shown(found) == shown(of(last.txid)), f"row {last.created_index}"


TX, OTHER = "aa" * 32, "bb" * 32


def move(account: str, *, credit: int = 0, debit: int = 0, tag: str = "deposit", **overrides: Any) -> ChainMove:
    """A row of TX: what it spends, or what it makes."""
    base = ChainMove(
        1, account, credit, debit, 1_000, tag, (), f"{OTHER if debit else TX}:0", TX if debit else None,
        credit or debit, 700,
    )  # fmt: skip
    return replace(base, **overrides)


@given(fee=st.integers(0, 10**12), amounts=st.lists(st.integers(1, 10**12), min_size=1, max_size=9))
def test_a_batch_is_shared_alike_and_to_the_last_msat(fee: int, amounts: list[int]) -> None:
    names = [f"{number:064x}" for number in range(len(amounts))]
    rows = [move(WALLET, debit=sum(amounts) + fee + 7, tag="withdrawal"), move(WALLET, credit=7)]
    rows += [move(name, credit=msat, tag="channel_open") for name, msat in zip(names, amounts, strict=True)]
    costs = chain_costs(rows, {TX: names})
    assert sum(cost.cost_msat for cost in costs) == fee
    assert [cost.account for cost in costs] == names
    shares = [cost.cost_msat for cost in costs]
    assert shares == sorted(shares, reverse=True)
    assert max(shares) - min(shares) <= 1
    assert {cost.share_count for cost in costs} == {len(amounts)}


def test_what_the_wallet_sent_without_a_word_is_no_fee() -> None:
    sent = [move(WALLET, debit=10**12, tag="withdrawal"), move(WALLET, credit=10**11)]
    (cost,) = chain_costs(sent, {})
    assert (cost.kind, cost.cost_msat) == (CostKind.UNTOLD, 9 * 10**11)
    (told,) = chain_costs([*sent, move(OUTSIDE, credit=899 * 10**9, blockheight=0)], {})
    assert (told.kind, told.cost_msat, told.blockheight) == (CostKind.WALLET, 10**9, 700)
    joined = [move(WALLET, debit=10**9, tag="withdrawal"), move(WALLET, credit=10**9 - LARGEST_FEE_MSAT)]
    assert chain_costs(joined, {})[0].kind is CostKind.WALLET
    assert chain_costs([move(WALLET, debit=10, tag="withdrawal")], {})[0].kind is CostKind.UNTOLD


@pytest.mark.parametrize(
    "rows",
    [
        [move(WALLET, credit=5)],
        [move(OUTSIDE, credit=5, blockheight=0)],
        [move("cc" * 32, tag="channel_open")],
        [move(WALLET, debit=5, tag="withdrawal"), move(WALLET, credit=6)],
    ],
    ids=["a deposit", "sent, not in a block", "opened by the peer", "the peer's funds came in"],
)
def test_what_cost_us_nothing(rows: list[ChainMove]) -> None:
    assert chain_costs(rows, {}) == ()


def test_what_was_the_peers_in_a_close_is_no_part_of_its_cost() -> None:
    """An HTLC of his that timed out comes late, as what goes to others (onchaind.c, THEIR_HTLC_TIMEOUT_TO_THEM)."""
    close = [
        move("cc" * 32, debit=9_000, tag="channel_close", output_count=3),
        move(WALLET, credit=8_000),
        move(OUTSIDE, credit=70_000, tag="to_them", outpoint=f"{TX}:1"),
    ]
    assert chain_costs(close, {}) == chain_costs(close, {}, final={OTHER}) == ()
    (cost,) = chain_costs([*close, move(OUTSIDE, credit=50_000, tag="htlc_timeout", outpoint=f"{TX}:2")], {})
    assert (cost.kind, cost.cost_msat) == (CostKind.CLOSE, 1_000)
    assert chain_costs(close, {}, final={TX}) == (cost,), "the node has forgotten the channel: no more rows will come"


@pytest.mark.parametrize("tag", ["penalty", "penalized", "stolen"])
def test_what_others_got_out_of_an_old_state_was_lost(tag: str) -> None:
    close = [move("cc" * 32, debit=9_000, tag="channel_close", output_count=1), move(OUTSIDE, credit=8_000, tag=tag)]
    (cost,) = chain_costs(close, {})
    assert (cost.kind, cost.cost_msat) == (CostKind.FORFEIT, 9_000)


def test_what_is_spent_of_others_is_no_cost_of_ours() -> None:
    """Nobody spends an output of another in the node's ledger as yet: a row that says so must not be booked to us."""
    whole = next(rows for rows in (by_txid(cost.txid) for cost in COSTS if cost.kind is CostKind.WALLET) if rows)
    theirs = replace(
        whole[0], created_index=10**9, account=OUTSIDE, credit_msat=0, debit_msat=5_000_000, outpoint="ee" * 32 + ":0",
        spending_txid=whole[0].txid,
    )  # fmt: skip
    assert chain_costs([*whole, theirs], OPENING) == chain_costs(whole, OPENING)


def by_txid(txid: str) -> list[ChainMove]:
    return [move for move in MOVES if move.txid == txid]
