"""`report classes`, `report dead` and `explain`, from records such as months of syncs leave, and from a real rollup."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from revops.cli.main import main
from revops.cycle import classes as cycle
from revops.cycle import dead_capital, demo
from revops.domain.dead_capital import Standing
from revops.domain.node import Feerates, NodeEvent
from revops.domain.options import CommonOptions
from revops.domain.policy import ClassesConfig
from revops.store import balances, channels, events, forwards, nodes, samples, signals, tables
from revops.store.engine import Database, Tx
from revops.store.upgrade import upgrade
from tests.builders import DAY, HOUR, NOW, OWN_ID, SAT, channel_id, make_channel, make_node, node_id
from tests.store.rows import make_forward, scid

#: By number: 2 sells what 1 brings in; 3 and 4 are silent, 4 opened by its peer; 5 is young; 6 is wanted; 7 was away
#: for most of the last months; 8 has nothing to send; 9 is the same peer's as 1, and silent.
NUMBERS = range(1, 10)
POLICY = ClassesConfig()


def ordinary() -> list[Any]:
    old = int(NOW - 400 * DAY)
    found = [make_channel(number, opened_at=old) for number in NUMBERS]
    found[3] = replace(found[3], opener="remote")
    found[4] = replace(found[4], opened_at=int(NOW - 9 * DAY))
    found[7] = replace(found[7], local_msat=30_000 * SAT, spendable_msat=0)
    found[8] = replace(found[8], peer_id=node_id(1))
    return found


def comings() -> list[NodeEvent]:
    """All came a year ago; the seventh left 80 days ago and is back since 10."""
    came = [NodeEvent(number, node_id(number), "connect", int(NOW - 399 * DAY), None) for number in NUMBERS[:-1]]
    away = NodeEvent(20, node_id(7), "disconnect", int(NOW - 80 * DAY), 319 * DAY)
    return [*came, away, NodeEvent(21, node_id(7), "connect", int(NOW - 10 * DAY), None)]


def fill(tx: Tx, now: float) -> None:
    listed = ordinary()
    channels.record_channels(tx, listed, now)
    events.ingest_events(tx, comings())
    for ago in range(60):
        balances.record_balances(tx, listed, now - ago * DAY)
    rows = [make_forward(index, received_at=now - index * DAY, fee_msat=400 * SAT) for index in range(1, 26)]
    before = [
        make_forward(100 + number, in_scid=scid(number), out_scid=scid(number), received_at=now - 120 * DAY)
        for number in (4, 7, 8)
    ]
    forwards.ingest(tx, [*before, *rows], now)
    signals.save_values(tx, dict.fromkeys(map(channel_id, NUMBERS), 0.0) | {channel_id(6): 80.0}, now)
    samples.record_feerates(tx, Feerates(now - HOUR, 253, 500, 400, 2_000, None, None, 600))
    nodes.record_node(tx, make_node(), wallet_spendable_msat=0, channels_spendable_msat=0, synced_at=now)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A configuration whose database holds the records."""
    url = f"sqlite:///{tmp_path / 'db'}"
    upgrade(url)
    with closing(Database.open(url)) as database:
        node_key = database.node_key(OWN_ID, "ours", "bitcoin")
        with database.transaction(node_key) as tx:
            fill(tx, NOW)
    path = tmp_path / "config.toml"
    path.write_text(f'[node]\nrpc_path = "/x"\n[database]\nurl = "{url}"\n', encoding="utf-8")
    return path


@pytest.fixture
def judged(place: Path) -> Callable[[float], int]:
    """What the rollup does at a moment."""

    def judge(now: float) -> int:
        with closing(Database.open(f"sqlite:///{place.parent / 'db'}")) as database:
            return cycle.classify(database, database.known_nodes()[0].node_key, POLICY, now)

    return judge


def rows(place: Path) -> list[Any]:
    with (
        closing(Database.open(f"sqlite:///{place.parent / 'db'}", read_only=True)) as database,
        database.read(database.known_nodes()[0].node_key) as tx,
    ):
        return list(tx.connection.execute(select(tables.channel_class)).all())


def told(capsys: pytest.CaptureFixture[str], place: Path, *arguments: str) -> str:
    assert main([*arguments, "--config", str(place)]) == 0
    return capsys.readouterr().out


def test_each_channel_has_its_class_and_its_evidence(
    place: Path, judged: Callable[[float], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "`revops rollup` judges them" in told(capsys, place, "report", "classes")
    assert judged(NOW) == 0, "none had another class before"
    found = json.loads(told(capsys, place, "report", "classes", "--json"))["channels"]
    by_name = {one["name"]: one["state"] for one in found}
    assert {name: one["profit_class"] for name, one in by_name.items()} == {
        scid(1): "profitable", scid(2): "profitable", scid(3): "dead", scid(4): "dead", scid(5): "new",
        scid(6): "break_even", scid(7): "stagnant", scid(8): "unjudged", scid(9): "dead",
    }  # fmt: skip
    assert by_name[scid(1)]["evidence"][-1]["code"] == "class_sourced"
    assert by_name[scid(7)]["evidence"][0]["numbers"]["silent_days"] == 20.0, "by the days in which it was there"
    text = told(capsys, place, "report", "classes")
    assert "3 dead" in text
    assert "judged from 7 on" in text
    assert "in either direction for 90.0 usable days" in text
    assert [line.split()[0] for line in text.splitlines() if line.startswith(scid(9))] == [scid(9)]
    assert node_id(1)[:12] in next(line for line in text.splitlines() if line.startswith(scid(9)))


def test_to_judge_twice_changes_nothing(place: Path, judged: Callable[[float], int]) -> None:
    judged(NOW)
    before = rows(place)
    assert len(before) == len(NUMBERS)
    assert judged(NOW) == 0
    assert rows(place) == before


def test_a_class_follows_when_it_has_held_however_often_it_is_looked_at(
    place: Path, judged: Callable[[float], int], capsys: pytest.CaptureFixture[str]
) -> None:
    judged(NOW)
    assert judged(NOW + 40 * DAY) == 1, "the young one is judged at once"
    assert "dead for 0.0 days: its class from 7 on" in told(capsys, place, "explain", scid(1))
    assert judged(NOW + 46 * DAY) == 0
    assert judged(NOW + 50 * DAY) == 3, "what sold, what sourced, and what came back"
    state = {one.channel_key: one for one in rows(place)}[1]
    assert (state[2], state.since_at, state.candidate) == ("dead", NOW + 47 * DAY, None)


def test_explain_shows_the_class(
    place: Path, judged: Callable[[float], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "since" not in told(capsys, place, "explain", scid(3)).splitlines()[2]
    judged(NOW)
    assert "dead since 2025-06-15: nothing has gone through it" in told(capsys, place, "explain", scid(3))
    document = json.loads(told(capsys, place, "explain", scid(3), "--json"))
    assert document["channels"][0]["profit_class"]["profit_class"] == "dead"


def test_dead_capital_what_it_ties_up_and_what_moving_it_takes(place: Path) -> None:
    options = CommonOptions(config_path=place, environment={})
    found = dead_capital.run(options, clock=lambda: NOW)
    by_name = {one.name: one for one in found.dead}
    assert set(by_name) == {scid(3), scid(4), scid(9)}
    assert (found.alive_count, found.wanted_count, found.young_count, found.unseen_count) == (2, 1, 1, 2)
    ours, theirs = by_name[scid(3)], by_name[scid(4)]
    assert ours.local_msat == 2_500_000 * SAT
    assert found.capital_msat == 3 * ours.local_msat
    assert ours.last_settled_at is None
    assert theirs.last_settled_at == NOW - 120 * DAY + 1
    assert ours.close is not None
    assert theirs.close is not None
    assert (ours.close.payer, ours.close.mutual_msat, ours.close.reopen_msat) == ("we", 772 * 400, 658 * 500)
    assert (theirs.close.payer, theirs.close.mutual_msat) == ("the peer", 0)
    assert ours.close.unilateral_msat - theirs.close.unilateral_msat == 1_124 * 2_000
    assert found.elsewhere is not None
    earned_ratio = 25 * 400 / 2_500_000 * 365 / ((NOW - (NOW // DAY - 29) * DAY) / DAY)
    assert found.elsewhere.channel_count == 2
    assert found.elsewhere.high_ratio == pytest.approx(earned_ratio)
    assert found.elsewhere.low_ratio == 0.0, "what it sourced was earned, and is counted, at the other's exit"
    assert ours.elsewhere_msat == int(2_500_000 * SAT * found.elsewhere.median_ratio)
    assert ours.payback_days == pytest.approx((772 * 400 + 658 * 500) / ours.elsewhere_msat * 365)


def test_capital_that_a_splice_moves_already_is_not_called_dead(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        closing(Database.open(f"sqlite:///{place.parent / 'db'}")) as database,
        database.transaction(database.known_nodes()[0].node_key) as tx,
    ):
        row = tables.channel.c.channel_id == channel_id(3)
        tx.connection.execute(update(tables.channel).where(row).values(state="CHANNELD_AWAITING_SPLICE"))
    found = dead_capital.run(CommonOptions(config_path=place, environment={}), clock=lambda: NOW)
    assert {one.name for one in found.dead} == {scid(4), scid(9)}
    assert found.splicing_count == 1
    assert [one.standing for one in found.silent if one.name == scid(3)] == [Standing.SPLICING]
    monkeypatch.setattr(dead_capital.run, "__defaults__", (lambda: NOW,))
    text = told(capsys, place, "report", "dead")
    (line,) = [line for line in text.splitlines() if line.startswith(scid(3))]
    assert line.rstrip().endswith("a splice is in flight")
    assert "1 silent, with a splice in flight" in " ".join(text.split())
    assert f"lightning-cli close {scid(4)} 0" in text, "nobody is told to close what is being spliced"


def test_the_page_of_dead_capital_is_advice(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_capital.run, "__defaults__", (lambda: NOW,))
    text = told(capsys, place, "report", "dead")
    assert "3 channels with 7,500,000 sat of dead capital" in text
    assert "400 for a close, 2,000 by force, 500 for opening" in text
    assert "1 silent, but payments want it" in " ".join(text.split())
    silent = text.split("Silent, but not dead (sat)")[1].splitlines()
    rows = [line.split()[0] for line in silent if line.startswith(("1x", "2x", "3x")) or "x1x" in line[:30]]
    assert rows == [scid(5), scid(6), scid(7), scid(8)], "by reason, the most capital first"
    assert "Elsewhere: " in text
    assert "revops closes nothing" in text
    assert f"lightning-cli close {scid(3)} 0" in text


def test_what_is_not_known_is_said(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    """Feerates of nine days ago say nothing of today, and without a profitable channel there is no elsewhere."""
    monkeypatch.setenv("REVOPS_CLASSES_PROFITABLE_RATIO", "10")
    monkeypatch.setattr(dead_capital.run, "__defaults__", (lambda: NOW + 9 * DAY,))
    text = told(capsys, place, "report", "dead")
    assert "What a close costs isn't known (?)" in text
    assert "no channel of this node is profitable" in text


def test_a_node_that_was_never_synced_has_no_dead_capital(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = f"sqlite:///{tmp_path / 'db'}"
    upgrade(url)
    with closing(Database.open(url)) as database:
        database.node_key(OWN_ID, "ours", "bitcoin")
    path = tmp_path / "config.toml"
    path.write_text(f'[node]\nrpc_path = "/x"\n[database]\nurl = "{url}"\n', encoding="utf-8")
    text = told(capsys, path, "report", "dead")
    assert text.startswith("No capital is dead; synced never\n")
    assert "There is no open channel" in text
    assert "No channel has a class yet" in told(capsys, path, "report", "classes")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A unix socket's path holds 108 bytes."""
    made = Path(tempfile.mkdtemp(prefix="r"))
    yield made
    shutil.rmtree(made)


def test_a_rollup_judges_the_channels_of_a_node(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "SCHEDULE", {"sync": (1,), "rollup": (600,)})
    demo.run(CommonOptions(), days=1, seed=1, channel_count=4, directory=folder / "demo")
    config = folder / "demo" / "config.toml"
    found = json.loads(told(capsys, config, "report", "classes", "--json"))
    assert len(found["channels"]) == 4
    assert all(one["state"]["evidence"][0]["sentence"] for one in found["channels"])
    nothing = told(capsys, config, "report", "dead")
    assert nothing.startswith("No capital is dead; synced ")
    assert "The other channels: 4 had a forward in these days" in nothing
    assert "lightning-cli" not in nothing
