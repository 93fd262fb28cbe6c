"""`report capital` from records such as months of syncs leave: each figure from its rows; what isn't known is "?"."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from revops.cli.main import main
from revops.cycle import capital as cycle
from revops.domain.capital import CapitalRow, CapitalSource, CapitalStanding, IdleKind
from revops.domain.decision import FeeState
from revops.domain.demand import DemandFigures
from revops.domain.node import Feerates, NodeEvent
from revops.domain.options import CommonOptions
from revops.store import balances, channels, events, fees, forwards, nodes, samples, signals
from revops.store.engine import Database, Tx
from revops.store.upgrade import upgrade
from tests.builders import DAY, HOUR, NOW, OWN_ID, SAT, channel_id, make_channel, make_node, node_id
from tests.store.rows import make_forward, scid

#: By number: 2 sells what 1 brings in; 3 is dead; 4 is young; 5 was never judged.
NUMBERS = range(1, 6)
LOCAL_SAT = 2_500_000
#: The window of 30 days ends with the day that NOW is in.
RATED_DAYS = (NOW - (NOW // DAY - 29) * DAY) / DAY
FIGURES = DemandFigures(NOW - HOUR, 500, 25.0, 1.5, 1.1, 2.0, 500, 400, 600, 900, 300.0, 200.0, 450.0)


def fill(tx: Tx) -> None:
    old = int(NOW - 400 * DAY)
    listed = [make_channel(number, opened_at=old) for number in NUMBERS]
    listed[3] = replace(listed[3], opened_at=int(NOW - 9 * DAY))
    channels.record_channels(tx, listed, NOW)
    events.ingest_events(
        tx, [NodeEvent(number, node_id(number), "connect", int(NOW - 399 * DAY), None) for number in NUMBERS]
    )
    for ago in range(60):
        balances.record_balances(tx, listed, NOW - ago * DAY)
    rows = [make_forward(index, received_at=NOW - index * DAY, fee_msat=400 * SAT) for index in range(1, 26)]
    forwards.ingest(tx, rows, NOW)
    nodes.record_node(tx, make_node(), wallet_spendable_msat=600_000 * SAT, channels_spendable_msat=0, synced_at=NOW)
    samples.record_feerates(tx, Feerates(NOW - HOUR, 253, 500, 400, 2_000, None, None, 600))


def judge(tx: Tx) -> None:
    values = {channel_id(number): 0.0 for number in (1, 2, 3, 4)} | {channel_id(2): 300.0}
    signals.save_values(tx, values, NOW - HOUR)
    fees.save_fee_state(
        tx,
        channel_id(2),
        FeeState(fee_ppm=500, window_start_at=NOW - DAY, counted_at=NOW - HOUR, demand=FIGURES),
        NOW - HOUR,
    )


def made(tmp_path: Path, *steps: Any) -> Path:
    url = f"sqlite:///{tmp_path / 'db'}"
    upgrade(url)
    with closing(Database.open(url)) as database:
        node_key = database.node_key(OWN_ID, "ours", "bitcoin")
        for step in steps:
            with database.transaction(node_key) as tx:
                step(tx)
    path = tmp_path / "config.toml"
    path.write_text(f'[node]\nrpc_path = "/x"\n[database]\nurl = "{url}"\n', encoding="utf-8")
    return path


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A configuration whose database holds the records."""
    return made(tmp_path, fill, judge)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle.run, "__defaults__", (lambda: NOW,))


def told(capsys: pytest.CaptureFixture[str], place: Path, *arguments: str) -> str:
    assert main(["report", "capital", *arguments, "--config", str(place)]) == 0
    return capsys.readouterr().out


def test_each_figure_comes_from_its_rows(place: Path) -> None:
    found = cycle.run(CommonOptions(config_path=place, environment={}))
    rows: dict[str, CapitalRow] = {one.name: one for one in found.channels}
    assert {name: str(one.standing) for name, one in rows.items()} == {
        scid(1): "counted", scid(2): "counted", scid(3): "counted", scid(4): "young", scid(5): "unvalued",
    }  # fmt: skip
    entry, exit_, dead = (rows[scid(number)] for number in (1, 2, 3))
    assert exit_.worth is not None
    assert exit_.marginal is not None
    assert (exit_.worth.value_low_ppm, exit_.worth.value_ppm, exit_.worth.value_high_ppm) == (200.0, 300.0, 450.0)
    assert exit_.marginal.low_ratio == 200e-6
    assert exit_.marginal.middle_ratio == 300e-6, "nothing enters by it: it is sold once"
    assert exit_.marginal.high_ratio == pytest.approx(exit_.worth.sale_ppm / 1e6)
    assert exit_.earned_msat == 25 * 400 * SAT
    assert exit_.realised_ratio == pytest.approx(25 * 400 / LOCAL_SAT * 365 / RATED_DAYS)
    assert entry.worth is not None
    most = entry.in_msat / entry.capacity_msat * 365 / RATED_DAYS
    assert entry.worth.most_returns_ratio == pytest.approx(most)
    assert entry.in_msat > 0
    assert dead.marginal is not None
    assert (dead.marginal.low_ratio, dead.marginal.middle_ratio) == (0.0, 0.0), "known, and nothing"
    assert found.source is CapitalSource.VALUE
    assert found.cost == found.marginal
    assert found.cost is not None
    assert found.cost.middle_ratio == pytest.approx(100e-6), "a third of the capital earns 300 ppm a year"
    assert (found.counted_msat, found.uncounted_msat) == (3 * LOCAL_SAT * SAT, 2 * LOCAL_SAT * SAT)
    assert [one.name for one in found.quantiles][-1] == scid(2)
    realised = found.realised
    assert (realised.income_msat, realised.capital_msat) == (25 * 400 * SAT, 5 * LOCAL_SAT * SAT)
    assert realised.day_count == 29, "the day that hasn't ended is none"
    idle = {one.kind: one for one in found.idle}
    assert idle[IdleKind.WALLET].capital_msat == 500_000 * SAT
    assert idle[IdleKind.WALLET].yearly_msat == int(500_000 * SAT * found.cost.middle_ratio)
    assert (idle[IdleKind.DEAD].channel_count, idle[IdleKind.DEAD].capital_msat) == (1, LOCAL_SAT * SAT)
    assert idle[IdleKind.DEAD].move_msat == 772 * 400 + 658 * 500
    assert idle[IdleKind.SILENT].channel_count == 1, "the one that nobody has judged"


def test_the_page_says_where_its_figures_come_from(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, place)
    assert text.startswith("Cost of capital: 0.010 % a year (0.007 % to ")
    words = " ".join(text.split())
    assert "averaged over 7,500,000 sat in 3 channels; 5,000,000 sat don't count, since" in words
    assert "too young (1 channel)" in words
    assert "not judged yet what its next sat is worth (1 channel)" in words
    assert "so much of the capital that counts" in words
    assert "29.9 days" in words or "as far as balances are on record" in words
    row = next(line for line in text.splitlines() if line.startswith(scid(5)))
    assert row.count("?") == 6, "what isn't known is never 0"


def test_rows_as_json_and_csv(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads(told(capsys, place, "--json", "--where", "standing=counted"))
    assert document["command"] == "report capital"
    assert [one["name"] for one in document["channels"]] == [scid(1), scid(2), scid(3)]
    assert document["channels"][1]["marginal"]["middle_ratio"] == 300e-6
    table = list(csv.DictReader(io.StringIO(told(capsys, place, "--csv", "--sort", "-marginal.middle_ratio"))))
    assert table[0]["name"] == scid(2)
    assert table[0]["worth.value_ppm"] == "300.0"
    assert [one["marginal.middle_ratio"] for one in table if one["name"] == scid(5)] == [""]


def test_without_a_value_realised_income_stands_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = made(tmp_path, fill)
    found = cycle.run(CommonOptions(config_path=place, environment={}))
    assert {one.standing for one in found.channels} == {CapitalStanding.UNVALUED}
    assert found.source is CapitalSource.INCOME
    assert found.marginal is None
    assert found.cost is not None
    assert found.cost.middle_ratio == pytest.approx(25 * 400 / (5 * LOCAL_SAT) * 365 / RATED_DAYS)
    assert found.cost.low_ratio < found.cost.middle_ratio < found.cost.high_ratio
    assert "By realised income alone" in told(capsys, place)


def test_a_value_of_last_week_says_nothing_of_now(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cycle.run, "__defaults__", (lambda: NOW + 7 * DAY,))
    found = cycle.run(CommonOptions(config_path=place, environment={}))
    assert {str(one.standing) for one in found.channels} == {"stale", "young", "unvalued"}
    assert found.source is CapitalSource.INCOME
    assert found.idle[1].move_msat is None, "nor do its feerates"


def test_a_node_that_was_never_synced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = made(tmp_path)
    text = told(capsys, place)
    assert text.startswith("The cost of capital isn't known (?); synced never\n")
    document = json.loads(told(capsys, place, "--json"))
    assert (document["cost"], document["source"], document["channels"]) == (None, None, [])
    assert document["idle"][0]["capital_msat"] is None
