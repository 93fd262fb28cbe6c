"""The books against the node, to the msat, whatever happens to it and to the records."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revops.cycle import profit, reconcile, rollup
from revops.domain.balance_change import BalanceChange
from revops.domain.period import Period
from revops.domain.profit import ProfitReport
from revops.domain.reconciliation import Cause, Reconciliation
from revops.report import reconciliation
from revops.report.blocks import Line
from revops.sim.lifecycle import force_close, sweep
from revops.sim.server import SimServer
from revops.sim.world import SimConfig, SimulatedNode
from revops.store import upgrade
from revops.store.engine import Database
from tests.actuate.bench import DAY, HOUR, NODE_KEY, Bench
from tests.sim.driving import rebalance
from tests.sim.happenings import EVENTS, happen
from tests.sim.ledgers import balances_msat, chain_rows, channel_rows, fees_msat, unresolved

EVER = Period(None, 100_000)


class Books:
    """A simulated node behind its socket, and records that a test may throw away."""

    def __init__(self, folder: Path, node: SimulatedNode) -> None:
        self.folder, self.node, self.number = folder, node, 0
        self.start_anew()

    def start_anew(self) -> None:
        """As if revops were installed now."""
        self.number += 1
        url = f"sqlite:///{self.folder}/db{self.number}"
        upgrade.upgrade(url)
        self.bench = Bench.__new__(Bench)
        self.bench.folder, self.bench.node, self.bench.clock_offset = self.folder, self.node, 0.0
        self.bench.settings = {
            "node": {"rpc_path": str(self.folder / "rpc"), "rpc_timeout_seconds": 20},
            "database": {"url": url},
        }

    def reconcile(self) -> Reconciliation:
        """What the command says."""
        return reconcile.run(self.bench.options, self.bench.clock)

    def profit(self, period: Period = EVER) -> ProfitReport:
        """What the page says."""
        return profit.run(self.bench.options, period, self.bench.clock)

    def prune(self, before_at: float) -> None:
        """What a rollup does."""
        with closing(Database.open(self.bench.settings["database"]["url"])) as database:
            rollup.prune_forwards(database, NODE_KEY, before_at)


def check(books: Books) -> None:
    """Nothing differs, and profit and loss is what the node's own lists add up to, by other sums than ours."""
    found = books.reconcile()
    assert (found.differences, found.still, found.damaged) == ((), True, ())
    report = books.profit()
    node, rows = books.node, channel_rows(books.node)
    earned, sourced, spent = Counter[str](), Counter[str](), Counter[str]()
    circular: dict[str, list[Any]] = defaultdict(list)
    for row in rows:
        if row["primary_tag"] == "routed":
            (earned if row["debit_msat"] else sourced)[row["account_id"]] += row["fees_msat"]
        elif row["primary_tag"] == "invoice" and "payment_hash" in row:
            circular[row["payment_hash"]].append(row)
    for parts in circular.values():
        arrived = [row for row in parts if row["credit_msat"]]
        if arrived and len(parts) > len(arrived):
            spent[arrived[0]["account_id"]] += sum(row["debit_msat"] - row["credit_msat"] for row in parts)
    lines = {one.channel_id: one.line for one in report.channels}
    for kept, wanted in (("earned_msat", earned), ("sourced_msat", sourced), ("rebalance_msat", spent)):
        have = {channel_id: getattr(line, kept) for channel_id, line in lines.items()}
        assert {key: msat for key, msat in have.items() if msat} == {key: msat for key, msat in wanted.items() if msat}
    fees, waiting = fees_msat(node), unresolved(node)
    # What a channel's opening waits for is no cost yet.
    funded = {row["utxo"].split(":")[0] for row in chain_rows(node) if row["primary_tag"] == "channel_open"}
    pending = {row["funding_txid"] for row in node.handle("listpeerchannels")["channels"]} - funded
    chain_msat = sum(msat for txid, msat in fees.items() if txid not in waiting | pending)
    assert report.total.chain_msat + report.untold_msat == chain_msat
    assert report.total.net_msat == sum(earned.values()) - sum(spent.values()) - report.total.chain_msat
    balance = report.balance
    assert balance is not None
    held_msat = sum(msat for account, msat in balances_msat(node).items() if account != "external")
    assert balance.change_msat == held_msat
    assert balance.unbooked_msat == 0 or waiting or pending


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("b", numbered=True))


@given(
    seed=st.integers(0, 10**6),
    steps=st.lists(st.tuples(st.sampled_from((*EVENTS, "prune", "anew")), st.integers(0, 100_000)), max_size=14),
)
@settings(max_examples=12, deadline=None, derandomize=True)
def test_books_agree_whatever_happens(place: Path, seed: int, steps: list[tuple[str, int]]) -> None:
    """Rollups, autoclean and a new installation change nothing of what is known."""
    config = SimConfig(seed=seed, channel_count=9, forwards_per_day=900.0, stuck_ratio=0.05, history_days=0.3)
    node = SimulatedNode(config)
    folder = place / f"{seed}-{len(list(place.iterdir()))}"
    folder.mkdir()
    with SimServer(node, folder / "rpc"):
        books = Books(folder, node)
        check(books)
        for event, number in steps:
            if event == "prune":
                books.prune(node.now_at - number % 40 * HOUR)
            elif event == "anew":
                books.start_anew()
            else:
                happen(node, event, number)
            check(books)


def test_a_new_installation_finds_what_the_node_has_forgotten(place: Path) -> None:
    node = SimulatedNode(SimConfig(seed=5, channel_count=10, forwards_per_day=2_000.0, history_days=3.0))
    rebalance(node)
    folder = place / "anew"
    folder.mkdir()
    with SimServer(node, folder / "rpc"):
        books = Books(folder, node)
        check(books)
        before = books.profit()
        deleted = node.autoclean(1.0 * DAY)
        assert deleted > 1_000
        check(books)
        books.start_anew()
        check(books)
        after = books.profit()
        assert after.total.earned_msat == before.total.earned_msat > 0
        assert after.total.out_count == before.total.out_count
        days = range(int(node.now_at // DAY) - 4, int(node.now_at // DAY) + 1)
        for day in days:  # to the day
            assert books.profit(Period(day, day + 1)).total.earned_msat >= 0
        assert {one.channel_id: one.line.earned_msat for one in after.channels if one.line.earned_msat} == {
            one.channel_id: one.line.earned_msat for one in before.channels if one.line.earned_msat
        }
        found = books.reconcile()
        assert found.books.opening_msat == 0


def test_what_was_deleted_while_nobody_synced_is_found(place: Path) -> None:
    node = SimulatedNode(SimConfig(seed=6, channel_count=10, forwards_per_day=2_000.0, history_days=1.0))
    folder = place / "gap"
    folder.mkdir()
    with SimServer(node, folder / "rpc"):
        books = Books(folder, node)
        check(books)
        node.advance_by(2 * DAY)
        assert node.autoclean(0.5 * DAY) > 1_000
        check(books)


@pytest.mark.parametrize("opener", ["local", "remote"])
def test_a_close_is_booked_when_the_node_has_forgotten_it_though_an_output_was_never_told(
    place: Path, opener: str
) -> None:
    """Of an HTLC of the peer's that had expired before his close was in a block, lightningd writes no row."""
    node = SimulatedNode(SimConfig(seed=7, channel_count=10, forwards_per_day=500.0, history_days=1.0))
    folder = place / f"untold-{opener}"
    folder.mkdir()
    channel = next(channel for channel in node.world.channels.values() if channel.opener == opener)
    force_close(node.world, channel, closer="remote")
    (ended,) = (row for row in node.world.chainmoves if row.extra.get("spending_txid") == node.world.sweeps[-1].txid)
    assert ended.output_count is not None
    ended.output_count += 1
    with SimServer(node, folder / "rpc"):
        books = Books(folder, node)
        assert books.reconcile().to_sweep == (channel.channel_id,)
        before = balance(books)
        sweep(node.world, node.world.sweeps[-1])
        cost_msat = fees_msat(node)[ended.extra["spending_txid"]]
        for _ in range(2):
            found = books.reconcile()
            assert (found.to_sweep, found.damaged, found.agrees) == ((), (), True)
            assert before.unbooked_msat - balance(books).unbooked_msat == -cost_msat
            (line,) = (one for one in books.profit().channels if one.channel_id == channel.channel_id)
            assert (line.line.close_msat, line.unswept_msat) == (cost_msat, None)
            books.start_anew()


def balance(books: Books) -> BalanceChange:
    found = books.profit().balance
    assert found is not None
    return found


DAMAGE = {
    "a sum": "UPDATE flow_sum SET earned_msat = earned_msat + 1 WHERE day >= 0 AND earned_msat > 0",
    "a sum of all time": "UPDATE flow_sum SET in_msat = in_msat - 1 WHERE day = -1 AND in_msat > 0",
    "a forward": "UPDATE forward SET fee_msat = fee_msat + 5 WHERE created_index = "
    "(SELECT MAX(created_index) FROM forward WHERE status = 1)",
    "a forward that is gone": "DELETE FROM forward WHERE created_index = "
    "(SELECT MIN(created_index) FROM forward WHERE status = 1)",
    "a cost": "UPDATE chain_cost SET cost_msat = cost_msat + 1",
    "a cost that is gone": "DELETE FROM chain_cost",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_records_that_disagree_with_themselves_are_found(place: Path, damage: str) -> None:
    node = SimulatedNode(SimConfig(seed=8, channel_count=8, forwards_per_day=500.0, history_days=1.0))
    folder = place / f"damage {list(DAMAGE).index(damage)}"
    folder.mkdir()
    with SimServer(node, folder / "rpc"):
        books = Books(folder, node)
        assert books.reconcile().agrees
        with closing(sqlite3.connect(f"{folder}/db1")) as connection:
            connection.execute(DAMAGE[damage])
            connection.commit()
        found = books.reconcile()
    assert not found.agrees
    assert found.damaged
    page = "\n".join(block.text for block in reconciliation.reconciliation(found) if isinstance(block, Line))
    assert "the records disagree with themselves" in page
    assert "disagree with the rows" in reconciliation.unexplained(found)


def test_a_forward_deleted_by_hand_is_a_difference_with_its_cause(place: Path) -> None:
    node = SimulatedNode(SimConfig(seed=7, channel_count=8, forwards_per_day=500.0, history_days=1.0))
    folder = place / "hand"
    folder.mkdir()
    settled = [row for row in node.world.forwards if row.status == "settled"]
    doomed = settled[len(settled) // 2].created_index
    node.world.forwards.delete(lambda row: row.created_index == doomed)
    with SimServer(node, folder / "rpc"):
        found = Books(folder, node).reconcile()
    assert {one.cause for one in found.differences} <= {Cause.DELETED}
    assert found.unexplained_msat == 0
