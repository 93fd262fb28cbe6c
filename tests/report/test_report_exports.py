"""CSV: columns, amounts without rounding, and texts of strangers that no spreadsheet runs."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import revops
from revops.domain.exported import ChannelName, CircularEntry, CostEntry, ForwardEntry
from revops.domain.profit import ChannelProfit, PeerProfit, ProfitLine, ProfitReport, SpanProfit
from revops.domain.units import MAX_MSAT, btc_exact
from revops.report import exports, pnl_csv
from revops.report.csv_text import csv_texts, moment
from tests.builders import DAY, NOW, channel_id, node_id

A = ChannelName(channel_id(1), "1x1x0", node_id(1), "alice")
B = ChannelName(channel_id(2), None, None, None)
HOSTILE = [
    "=HYPERLINK(\"http://x\",\"pay\")", "+1+1", "-2+3|cmd' /C calc'!A0", "@SUM(1)", "\t=1", "\r=1", "\n=1", "x;=1+1",
    "x,=1", '";=1;"', "＝1+1", "\u202e=1", "\x1b[2J", "\x00", "a\u2028b", "\ud800", "'=1", ";;-1", "",
]  # fmt: skip


def table(texts: Any) -> list[dict[str, str]]:
    """A file as a program reads it; every row as long as the header."""
    rows = list(csv.reader(io.StringIO("".join(texts), newline=""), strict=True))
    assert {len(row) for row in rows} == {len(rows[0])}
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


@given(amount_msat=st.integers(-MAX_MSAT, MAX_MSAT))
@example(amount_msat=2**53 + 1)
def test_bitcoin_is_exact(amount_msat: int) -> None:
    shown = btc_exact(amount_msat)
    assert re.fullmatch(r"-?\d+\.\d{11}", shown)
    assert Decimal(shown) * 10**11 == amount_msat
    assert shown.startswith("-") is (amount_msat < 0)


@pytest.mark.parametrize("alias", HOSTILE)
def test_no_alias_is_run_by_a_spreadsheet(alias: str) -> None:
    """Also by one that parts lines at semicolons, or at tabs, and heeds no quotes that don't begin a cell."""
    who = ChannelName(channel_id(1), "1x1x0", node_id(1), alias)
    text = "".join(exports.forwards([ForwardEntry(NOW, 1, 1, who, who, 2, 1, 1)], "BTC"))
    (row,) = table([text])
    assert row["in_peer_alias"] == row["out_peer_alias"]
    for cell in re.split("[;,\t\n]", text):
        assert not cell.lstrip('"').startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")), cell
    assert text.count("\n") == 2
    assert not [one for one in text if unicodedata.category(one) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and one != "\n"]
    assert text.encode()


@given(texts=st.lists(st.tuples(st.text(), st.text()), max_size=4))
def test_a_reader_gets_every_row_whatever_the_text(texts: list[tuple[str, str]]) -> None:
    rows = table(csv_texts(("a", "b", "c"), ((one, other, 7) for one, other in texts)))
    assert [row["c"] for row in rows] == ["7"] * len(texts)
    for row in rows:
        assert not row["a"].startswith(("=", "+", "-", "@"))


def test_plain_texts_are_as_they_are_and_quoted_where_they_must() -> None:
    assert "".join(csv_texts(("a", "b"), [('x "y", z', "plain"), (None, -5)])) == 'a,b\n"x ""y"", z",plain\n,-5\n'


@pytest.mark.parametrize(
    ("at", "text"),
    [(0.0, "1970-01-01T00:00:00Z"), (NOW + 0.9, "2025-06-15T15:06:40Z"), (DAY - 1e-9, "1970-01-01T23:59:59Z")],
)
def test_a_moment_stays_within_its_day(at: float, text: str) -> None:
    assert moment(at) == text


def test_many_rows_come_in_pieces() -> None:
    pieces = list(csv_texts(("a",), ((number,) for number in range(1_200))))
    assert len(pieces) == 3
    assert "".join(pieces).splitlines() == ["a", *map(str, range(1_200))]


def test_forwards() -> None:
    rows = [ForwardEntry(NOW, 5, 1, A, B, 1_001, 1_000, 1), ForwardEntry(NOW, None, 9, B, A, 90_009, 90_000, 9)]
    assert table(exports.forwards(rows, "BTC")) == [
        {
            "booked_at": "2025-06-15T15:06:40Z", "type": "forward", "description": "routing fee", "created_index": "5",
            "forward_count": "1", "fee_msat": "1", "fee_btc": "0.00000000001", "currency": "BTC", "in_msat": "1001",
            "in_btc": "0.00000001001", "in_channel": "1x1x0", "in_channel_id": channel_id(1), "in_peer_id": node_id(1),
            "in_peer_alias": "alice", "out_msat": "1000", "out_btc": "0.00000001000", "out_channel": "",
            "out_channel_id": channel_id(2), "out_peer_id": "", "out_peer_alias": "",
        },
        {
            "booked_at": "2025-06-15T15:06:40Z", "type": "summary", "description": "routing fees of the day",
            "created_index": "", "forward_count": "9", "fee_msat": "9", "fee_btc": "0.00000000009", "currency": "BTC",
            "in_msat": "90009", "in_btc": "0.00000090009", "in_channel": "", "in_channel_id": channel_id(2),
            "in_peer_id": "", "in_peer_alias": "", "out_msat": "90000", "out_btc": "0.00000090000",
            "out_channel": "1x1x0", "out_channel_id": channel_id(1), "out_peer_id": node_id(1),
            "out_peer_alias": "alice",
        },
    ]  # fmt: skip


def test_rebalances() -> None:
    rows = [
        CircularEntry(NOW, "ab" * 32, 3, A, B, 5_000, 7, 1),
        CircularEntry(NOW, "cd" * 32, None, A, B, 6_000, 8, 1),
        CircularEntry(NOW, None, 4, A, B, 0, 2, 0),
    ]
    first, others, beyond = table(exports.rebalances(rows, "signet"))
    assert first == {
        "booked_at": "2025-06-15T15:06:40Z", "type": "payment", "description": "circular payment of job 3",
        "job_key": "3", "payment_hash": "ab" * 32, "payment_count": "1", "amount_msat": "5000",
        "amount_btc": "0.00000005000",
        "fee_msat": "7", "fee_btc": "0.00000000007", "currency": "signet", "source_channel": "1x1x0",
        "source_channel_id": channel_id(1), "source_peer_id": node_id(1), "source_peer_alias": "alice",
        "target_channel": "", "target_channel_id": channel_id(2), "target_peer_id": "", "target_peer_alias": "",
    }  # fmt: skip
    assert (others["job_key"], others["description"]) == ("", "circular payment of no job on record")
    assert (beyond["type"], beyond["payment_hash"], beyond["fee_msat"], beyond["payment_count"]) == (
        "booked", "", "2", "0"
    )  # fmt: skip


def test_costs() -> None:
    rows = [
        CostEntry(NOW, "open", 5, 0, A, "ef" * 32, 900_000, 2),
        CostEntry(NOW, "untold", 0, 9, None, "ef" * 32, 900_000, 1),
        CostEntry(NOW, "lease_earned", -4, 0, A),
    ]
    opened, untold, earned = table(exports.costs(rows, "BTC"))
    assert opened == {
        "booked_at": "2025-06-15T15:06:40Z", "type": "open",
        "description": "opening of a channel: its part of the transaction's fee", "txid": "ef" * 32,
        "blockheight": "900000", "share_count": "2", "cost_msat": "5", "cost_btc": "0.00000000005", "untold_msat": "0",
        "untold_btc": "0.00000000000", "currency": "BTC", "channel": "1x1x0", "channel_id": channel_id(1),
        "peer_id": node_id(1), "peer_alias": "alice",
    }  # fmt: skip
    assert (untold["cost_msat"], untold["cost_btc"], untold["untold_msat"], untold["channel_id"]) == ("", "", "9", "")
    assert (earned["cost_msat"], earned["cost_btc"], earned["txid"]) == ("-4", "-0.00000000004", "")


def test_each_kind_of_cost_is_described() -> None:
    from revops.domain.chain_cost import CostKind
    from revops.store.export_rows import LEASE_EARNED, LEASE_PAID

    for kind in (*CostKind, LEASE_PAID, LEASE_EARNED):
        (row,) = table(exports.costs([CostEntry(NOW, str(kind), 1, 0, None)], "BTC"))
        assert row["description"]


LINE = ProfitLine(earned_msat=10, rebalance_msat=3, open_msat=1)
WALLET = ProfitLine(wallet_msat=2)
REPORT = ProfitReport(
    taken_at=NOW, synced_at=NOW, since_at=0.0, until_at=DAY, total=LINE + WALLET,
    channels=(ChannelProfit(channel_id(1), "1x1x0", node_id(1), "=alice", "local", 5, 86_400, None, LINE),),
    peers=(PeerProfit(node_id(1), "=alice", 1, LINE),),
    spans=(SpanProfit(0.0, DAY, LINE, capital_days=1), SpanProfit(DAY, 3 * DAY, WALLET)),
)  # fmt: skip


@pytest.mark.parametrize("by", pnl_csv.PNL_BY)
def test_profit_and_loss_adds_up_to_the_node_whatever_the_rows(by: str) -> None:
    rows = table(pnl_csv.pnl(REPORT, by, "BTC"))
    assert [int(row["net_msat"]) for row in rows] == [6, -2]
    assert tuple(rows[0]) == (*pnl_csv.PNL_BY[by], "currency", *pnl_csv.FIGURES)
    assert sum(Decimal(row["net_btc"]) for row in rows) * 10**11 == REPORT.total.net_msat
    for name in ("earned_msat", "rebalance_msat", "chain_msat", "cost_msat"):
        assert sum(int(row[name]) for row in rows) == getattr(REPORT.total, name)
    who = [tuple(row[name] for name in pnl_csv.PNL_BY[by]) for row in rows]
    assert (
        who
        == {
            "day": [("1970-01-01", "1970-01-01"), ("1970-01-02", "1970-01-03")],
            "month": [("1970-01-01", "1970-01-01"), ("1970-01-02", "1970-01-03")],
            "channel": [
                ("1x1x0", channel_id(1), node_id(1), "'=alice", "1970-01-02T00:00:00Z", ""),
                ("(the node)", "", "", "", "", ""),
            ],
            "peer": [(node_id(1), "'=alice", "1"), ("(the node)", "", "")],
        }[by]
    )


def test_the_columns_of_each_list_stand_in_one_order() -> None:
    """When, what, the fee and the currency have one name in all of them, and one place in relation to each other."""
    for columns in (exports.FORWARDS, exports.REBALANCES, exports.COSTS):
        assert columns[:3] == ("booked_at", "type", "description")
        fee = "cost" if columns is exports.COSTS else "fee"
        place = columns.index("currency")
        assert columns[place - 2 : place] == (f"{fee}_msat", f"{fee}_btc")
        assert {name.rpartition("_")[2] for name in columns[3:place]} <= {
            "index", "count", "key", "hash", "txid", "blockheight", "msat", "btc"
        }  # fmt: skip


def test_the_page_of_the_books_explains_each_column_and_no_other() -> None:
    page = (Path(revops.__file__).parent / "share" / "docs" / "books.md").read_text(encoding="utf-8")
    section = page.partition("<!-- exports -->\n")[2].partition("\n\n")[0]
    explained = {name for row in section.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    columns = {*exports.FORWARDS, *exports.REBALANCES, *exports.COSTS}
    columns |= {name for by in pnl_csv.PNL_BY.values() for name in by}
    bare = {re.sub(r"^(in|out|source|target)_(?=channel|peer)", "", name) for name in columns}
    assert explained == {name for name in bare if not name.endswith("_btc")}


DAYS = (
    SpanProfit(0.0, DAY, ProfitLine(open_msat=4), capital_days=0),
    SpanProfit(DAY, 2 * DAY, LINE, capital_days=1),
    SpanProfit(2 * DAY, 3 * DAY, ProfitLine()),
)
CHANNEL = REPORT.channels[0]


def test_what_is_unknown_of_a_day_is_an_empty_cell() -> None:
    """Before records begin, and after the last sync."""
    value = replace(REPORT, spans=DAYS, recorded_since_at=DAY, synced_at=2 * DAY)
    before, known, after = table(pnl_csv.pnl(value, "day", "BTC"))
    for name in ("earned_msat", "earned_btc", "out_count", "failed_count", "capital_msat", "capital_btc"):
        assert (before[name], after[name]) == ("", ""), name
    assert (before["open_msat"], before["rebalance_msat"], before["cost_msat"], before["net_msat"]) == (
        "4", "0", "4", "-4"
    )  # fmt: skip
    assert (known["earned_msat"], known["sourced_msat"], known["capital_msat"]) == ("10", "0", "0")
    assert {after[name] for name in pnl_csv.FIGURES} == {""}


def test_without_the_nodes_ledger_costs_are_unknown_but_those_that_are_known() -> None:
    value = replace(REPORT, ledger_read=False, capital_days=1)
    (row, _node) = table(pnl_csv.pnl(value, "channel", "BTC"))
    assert (row["rebalance_msat"], row["open_msat"], row["splice_msat"], row["lease_earned_msat"]) == ("3", "1", "", "")
    assert (row["chain_msat"], row["capital_msat"], row["net_msat"]) == ("1", "0", "6")
    idle = replace(value, channels=(replace(CHANNEL, line=ProfitLine(earned_msat=7)),), total=ProfitLine(earned_msat=7))
    (row,) = table(pnl_csv.pnl(idle, "channel", "BTC"))
    assert (row["chain_msat"], row["cost_msat"], row["income_msat"], row["net_msat"]) == ("", "", "7", "7")


@pytest.mark.parametrize("by", ["channel", "peer"])
def test_an_opening_of_which_the_cost_is_unknown_is_an_empty_cell(by: str) -> None:
    line = ProfitLine(earned_msat=7)
    value = replace(
        REPORT, total=line, channels=(replace(CHANNEL, line=line, cost_is_known=False),),
        peers=(PeerProfit(node_id(1), "alice", 1, line),),
    )  # fmt: skip
    (row,) = table(pnl_csv.pnl(value, by, "BTC"))
    assert (row["open_msat"], row["open_btc"], row["close_msat"], row["chain_msat"], row["net_msat"]) == (
        "", "", "0", "0", "7"
    )  # fmt: skip
    assert row["capital_msat"] == ""  # no balance is on record


@pytest.mark.parametrize(("network", "currency"), [("bitcoin", "BTC"), ("signet", "signet"), ("regtest", "regtest")])
def test_coins_of_a_test_network_are_no_bitcoin(network: str, currency: str) -> None:
    assert exports.currency_of(network) == currency
