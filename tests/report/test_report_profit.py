"""Pages of the books: what is rounded how, what isn't known, and which columns are worth their room."""

from __future__ import annotations

from dataclasses import replace

import pytest

from revops.domain.balance_change import BalanceChange
from revops.domain.dead_capital import DeadReport, SilentChannel, Standing
from revops.domain.history import UNSWEPT, History, endings
from revops.domain.period import Span
from revops.domain.profit import ChannelProfit, ProfitLine, ProfitReport, total_of
from revops.report.blocks import Table
from revops.report.columns import telling
from revops.report.dead_capital import dead
from revops.report.history import history
from revops.report.plain import plain
from revops.report.profit import by_channel
from revops.report.text import page
from tests.builders import DAY, NOW, SAT

BALANCE = BalanceChange(-1_501, 2_000, 3_000, 0, 1, 0, 0, 0, 0, 2_000 - 3_000 - 1_501 - 1 - 700)


def channel(number: int, line: ProfitLine, **fields: object) -> ChannelProfit:
    base = ChannelProfit(f"{number:064x}", f"{number}x1x1", None, f"peer {number}", "local", 0, int(NOW), None, line)
    return replace(base, **fields)  # type: ignore[arg-type]  # whatever a test sets


def report(*channels: ChannelProfit, **fields: object) -> ProfitReport:
    base = ProfitReport(
        NOW, NOW, NOW - 9 * DAY, NOW + DAY, total_of(one.line for one in channels), channels, (), capital_days=9,
        rated=Span(NOW - 9 * DAY, NOW), balance=BALANCE,
    )  # fmt: skip
    return replace(base, **fields)  # type: ignore[arg-type]  # whatever a test sets


def figures(text: str, title: str) -> dict[str, str]:
    """The first table under a title: last cell by first one."""
    lines = text.split(title)[1].split("\n\n")[0].splitlines()[3:]
    return {line.split("  ")[0]: line.split("  ")[-1].strip() for line in lines}


def test_sums_are_rounded_last_and_never_flatter() -> None:
    """Three channels with 600 msat of costs each: 1 sat a row, 2 in all; what they earned is 400 each: 0 and 1."""
    line = ProfitLine(earned_msat=400, rebalance_msat=600)
    text = page(by_channel(report(*(channel(number, line) for number in (1, 2, 3)))))
    node = figures(text, "The node (sat)")
    assert (node["earned"], node["rebalance costs"], node["net"]) == ("1", "-2", "-1")  # 1.2, 1.8 and -0.6 sat
    rows = [line.split()[3:8] for line in text.splitlines() if "x1x1" in line]
    assert [row[:3] for row in rows] == [["0", "-1", "-1"]] * 3
    assert "may differ from its total by up to a sat a row" in " ".join(text.split())


def test_a_balance_changes_by_what_its_lines_come_to() -> None:
    shown = figures(page(by_channel(report(channel(1, ProfitLine(earned_msat=5))))), "Balance (sat)")
    assert shown == {
        "net": "-2",
        "pushed to us by peers, opening channels": "2",
        "pushed to peers, opening channels": "-3",
        "paid by own payments, fees included": "-1",
        "not booked yet": "-1",
        "change of channels and wallet": "-4",
    }
    assert plain(BALANCE)["own_msat"] == -1_001
    assert plain(BALANCE)["unbooked_msat"] == -700


def test_columns_of_zeros_and_of_what_is_not_known_are_left_out() -> None:
    given = Table(
        "t", ("name", ">a", ">b", ">c", ">net", "why"), (("x", "0", "?", "1", "0", ""), ("y", "-", "", "0", "0", ""))
    )
    assert telling(given, "net") == Table(
        "t", ("name", ">c", ">net", "why"), (("x", "1", "0", ""), ("y", "0", "0", ""))
    )
    text = page(by_channel(report(channel(1, ProfitLine(earned_msat=5 * SAT, out_count=1)))))
    (headings,) = [line.split() for line in text.splitlines() if line.startswith("channel ")]
    assert headings == ["channel", "peer", "earned", "net", "life"]


@pytest.mark.parametrize(("days", "words"), [(9, "averaged over the same days;"), (4, "(on record for 4 of them)")])
def test_gaps_of_the_balances_are_said(days: int, words: str) -> None:
    text = page(by_channel(report(channel(1, ProfitLine(earned_msat=1)), capital_days=days + (days == 9))))
    assert words in " ".join(text.split())


def test_a_close_that_is_not_swept_is_no_open_channel_and_costs_nothing_yet() -> None:
    one = channel(1, ProfitLine(earned_msat=SAT), closed_at=NOW, unswept_msat=4_500_700, open=False)
    text = " ".join(page(by_channel(report(one))).split())
    assert "2025-06-15 to 2025-06-15, not swept yet" in text
    assert "4,500 sat at most are still on the chain" in text
    (ending,) = endings([one])
    assert (ending.cause, ending.channel_count) == (UNSWEPT, 1)


def test_a_close_of_which_nobody_knows_when_has_no_day_and_is_no_open_channel() -> None:
    one = channel(1, ProfitLine(earned_msat=SAT), closed_at=None, close_cause="user", closer="local", open=False)
    assert "2025-06-15 to ?" in page(by_channel(report(one)))
    value = History(NOW, NOW, None, 0, one.line, endings([one]), (one,))
    assert "2025-06-15 to ?, closed by hand" in page(history(value))
    assert [ending.cause for ending in value.endings] == ["user"]


def test_an_opening_whose_cost_nobody_knows_is_no_zero() -> None:
    known, unknown = (channel(number, ProfitLine(earned_msat=SAT), cost_is_known=number == 1) for number in (1, 2))
    paid = replace(known, line=ProfitLine(earned_msat=SAT, open_msat=SAT))
    value = History(NOW, NOW, None, 0, total_of((paid.line, unknown.line)), endings((paid, unknown)), (paid, unknown))
    rows = {line.split()[0]: line.split() for line in page(history(value)).splitlines() if "x1x1" in line}
    assert rows["1x1x1"][3:6] == ["1", "-1", "0"]
    assert rows["2x1x1"][3:6] == ["1", "?", "1"]
    assert "opened by us before the node kept a ledger" in page(history(value))
    # It was opened before the period of the other page: nothing of it is missing there.
    assert "kept a ledger" not in page(by_channel(report(replace(unknown, opened_at=int(NOW - 99 * DAY)))))


def test_a_life_of_which_nothing_is_on_record_is_no_page_of_zeros() -> None:
    value = History(NOW, NOW - DAY, None, 0, ProfitLine(), (), ())
    assert page(history(value)) == "Nothing on record yet; synced 24 h ago\n"
    assert "Nothing on record" not in page(history(replace(value, opening_msat=5)))


def test_what_is_silent_and_not_dead_stands_by_reason() -> None:
    rows = tuple(
        SilentChannel(f"{number}", f"{number}x1x1", None, "peer", standing, 7_000_000, None, 31.0, value)
        for number, standing, value in ((1, Standing.WANTED, 12.0), (2, Standing.UNVALUED, None))
    )
    value = DeadReport(NOW, NOW, 30, 30, (), 3, 1, 0, 0, 1, rows, None, None)
    text = page(dead(value))
    assert "1x1x1      peer" in text
    (wanted, unvalued) = [line for line in text.splitlines() if "x1x1" in line]
    assert "12  payments want it" in wanted
    assert "?  not judged yet" in unvalued
    assert "judged by `revops fees adjust`" in text
