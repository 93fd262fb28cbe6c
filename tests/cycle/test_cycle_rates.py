"""Returns of profit and loss, the fleet and the classes over one span, from small records whose values are by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert

from revops.cycle import classes, fleet, profit
from revops.domain.chain_cost import CostKind
from revops.domain.options import CommonOptions
from revops.domain.period import Period
from revops.domain.policy import ClassesConfig
from revops.domain.profit import ProfitReport, total_of
from revops.report.profit import by_channel, by_peer, by_span
from revops.report.text import page
from revops.store import balances, channels, forwards, nodes
from revops.store.engine import Database, Tx
from revops.store.tables import chain_cost
from revops.store.upgrade import upgrade
from tests.builders import DAY, NOW, OWN_ID, SAT, channel_id, make_channel, make_node
from tests.store.rows import make_forward

TODAY = int(NOW // DAY)
#: Noon of today: the last sync.
NOON = (TODAY + 0.5) * DAY
CAPITAL = 1_000_000 * SAT


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A node that was installed four days ago: since then its balances are on record."""
    url = f"sqlite:///{tmp_path / 'db'}"
    upgrade(url)
    with closing(Database.open(url)) as opened:
        key = opened.node_key(OWN_ID, "ours", "bitcoin")
        with opened.transaction(key) as tx:
            listed = [
                make_channel(number, local_msat=msat, opened_at=int(NOW - 400 * DAY))
                for number, msat in ((1, 0), (2, CAPITAL))
            ]
            channels.record_channels(tx, listed, NOON)
            for ago in range(5):
                balances.record_balances(tx, listed, NOON - ago * DAY)
            earned(tx, 1, 365, NOON - 2 * DAY)
            earned(tx, 2, 10_000, NOON - 20 * DAY)
            spent(tx, 1, CostKind.OPEN, 5_000, NOON - 20 * DAY)
            spent(tx, 2, CostKind.OPEN, 70_000, NOON - 800 * DAY)
            sync(tx)
        yield opened


def sync(tx: Tx, at: float = NOON) -> None:
    nodes.record_node(tx, make_node(), wallet_spendable_msat=0, channels_spendable_msat=0, synced_at=at)


def earned(tx: Tx, index: int, fee_sat: int, at: float) -> None:
    """A forward by channel 1 out of channel 2."""
    fee_msat = fee_sat * SAT
    forwards.ingest(
        tx, [make_forward(index, fee_msat=fee_msat, in_msat=1_000_000 + fee_msat, received_at=at)], NOON
    )  # fmt: skip


def spent(tx: Tx, number: int, kind: CostKind, cost_sat: int, at: float) -> None:
    row = {
        "txid": f"{number:064x}", "account_key": 2, "kind": kind.value, "cost_msat": cost_sat * SAT,
        "booked_at": int(at), "blockheight": 1, "share_count": 1,
    }  # fmt: skip
    tx.connection.execute(insert(chain_cost), [{"node_key": tx.node_key, **row}])


def report(database: Database, first_day: int | None, end_day: int = TODAY + 1) -> ProfitReport:
    with database.read(database.known_nodes()[0].node_key) as tx:
        return profit.profit_report(tx, Period(first_day, end_day), NOW)


@pytest.mark.parametrize("first_day", [None, TODAY - 900, TODAY - 29, TODAY - 4])
def test_costs_and_fees_of_before_the_balances_are_in_no_rate(database: Database, first_day: int | None) -> None:
    """365 sat in the 4.5 days that are on record, on 1,000,000: whatever is asked for besides."""
    found = report(database, first_day)
    assert found.rated is not None
    assert found.rated.seconds == 4.5 * DAY
    assert found.yearly_return_ratio == pytest.approx(365 / 1_000_000 * 365 / 4.5)
    assert found.total.capital_msat == CAPITAL
    (one,) = [one for one in found.channels if one.channel_id == channel_id(2)]
    assert one.yearly_return_ratio == found.yearly_return_ratio
    (peer,) = [one for one in found.peers if one.line.earned_msat]
    assert peer.yearly_return_ratio == found.yearly_return_ratio
    wanted = {None: (10_365, 75_000), TODAY - 900: (10_365, 75_000), TODAY - 29: (10_365, 5_000)}
    earned_sat, cost_sat = wanted.get(first_day, (365, 0))
    assert (found.total.earned_msat, found.total.cost_msat) == (earned_sat * SAT, cost_sat * SAT), "sums are of all"


@pytest.mark.parametrize(
    ("first_day", "end_day", "ratio"),
    [
        (TODAY - 1, TODAY + 1, 0.0),  # a day and a half in which nothing was earned
        (TODAY, TODAY + 1, None),  # half a day says nothing of a year
        (TODAY - 2, TODAY - 1, 365 * 365 / 1_000_000),
        (TODAY - 30, TODAY - 4, None),  # no balance is on record
        (TODAY + 1, TODAY + 2, None),
    ],
)
def test_a_rate_is_of_its_own_part_of_the_records(
    database: Database, first_day: int, end_day: int, ratio: float | None
) -> None:
    found = report(database, first_day, end_day).yearly_return_ratio
    assert found == (None if ratio is None else pytest.approx(ratio))


def test_the_same_return_stands_on_every_page(database: Database, tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text(f'[node]\nrpc_path = "/x"\n[database]\nurl = "sqlite:///{tmp_path / "db"}"\n', encoding="utf-8")
    options = CommonOptions(config_path=config, environment={})
    own = profit.run(options, Period(TODAY - 29, TODAY + 1), lambda: NOW)
    (node,) = fleet.run(options, 30, lambda: NOW).nodes
    assert node.yearly_return_ratio == own.yearly_return_ratio
    assert node.rated == own.rated
    with database.read(database.known_nodes()[0].node_key) as tx:
        judged = {one.seen.channel_id: one.seen for one in classes.inputs(tx, ClassesConfig(), NOON)}
    for one in own.channels:
        seen = judged[one.channel_id]
        assert seen.line.yearly_return_ratio(seen.rated_seconds) == one.yearly_return_ratio


def test_a_channel_that_came_and_one_that_went_count_for_their_days(database: Database) -> None:
    """Channel 3 was there on the last two of five days, channel 4 on the first one."""
    with database.transaction(database.known_nodes()[0].node_key) as tx:
        channels.record_channels(tx, [make_channel(number) for number in (1, 2, 3)], NOON)
        for ago, number, sat in ((0, 3, 500), (1, 3, 501), (4, 4, 333)):
            one = make_channel(number, local_msat=sat * SAT)
            balances.record_balances(tx, [one], NOON - ago * DAY)
        earned_by = make_forward(9, fee_msat=7 * SAT, in_msat=2_000_000, out_scid="700003x1x0", received_at=NOON - DAY)
        forwards.ingest(tx, [earned_by], NOON)
    found = report(database, TODAY - 29)
    lines = {one.channel_id: one for one in found.channels}
    assert lines[channel_id(3)].line.capital_msat == 200_200  # 1,001 sat over five days
    assert lines[channel_id(3)].yearly_return_ratio == pytest.approx(7 / 200.2 * 365 / 4.5)
    assert found.total.capital_msat == CAPITAL + (1_001 + 333) * SAT // 5
    assert total_of(one.line for one in found.channels).capital_msat == found.total.capital_msat
    assert total_of(one.line for one in found.peers).capital_msat == found.total.capital_msat


def test_the_page_says_over_which_days_a_year_is_reckoned(database: Database) -> None:
    text = page(by_channel(report(database, TODAY - 29)))
    assert "a year: net of 2025-06-11 to 2025-06-15 (4.5 days, as far as balances are on record)" in " ".join(
        text.split()
    )
    young = " ".join(page(by_channel(report(database, TODAY))).split())
    assert "Nothing on record since 2025-06-15" in young


def test_what_is_not_known_is_no_zero(database: Database) -> None:
    """Before the balances: what it earned is known, on which capital isn't."""
    text = page(by_channel(report(database, TODAY - 29, TODAY - 10)))
    rows = {line.split("  ")[0]: line.split()[-1] for line in text.splitlines() if "  " in line}
    assert (rows["capital"], rows["a year"], rows["earned"]) == ("?", "?", "10,000")
    assert "balances are on record for a whole day of the period" in " ".join(text.split())


def test_a_period_without_records_says_since_when_there_are_any(database: Database) -> None:
    for render in (by_channel, by_peer, by_span):
        for first, end, words in (
            (TODAY - 999, TODAY - 900, "Nothing on record: forwards are since 2025-05-26"),
            (TODAY + 1, TODAY + 2, "Nothing on record since 2025-06-15, the last sync"),
            (TODAY - 1, TODAY + 1, "Nothing on record since 2025-06-14"),
        ):
            text = page(render(report(database, first, end)))
            assert words in text
            assert "earned" not in text, "no page of zeros"


def test_days_after_the_last_sync_are_not_days_without_income(database: Database) -> None:
    with database.read(database.known_nodes()[0].node_key) as tx:
        found = profit.spans(tx, Period(TODAY - 29, TODAY + 9), NOW + 9 * DAY, "day")
    assert found[-1].since_at == TODAY * DAY
