"""`revops simulate --like-my-node` on a database: what it reads, what it says of too little, and that it only reads."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from revops.cli.main import main
from revops.cycle.node_traffic import read_traffic
from revops.domain.channel import Channel
from revops.domain.decision import FeeState, PriceWindow
from revops.domain.forward import ForwardStatus
from revops.domain.listed import Forward
from revops.domain.node import NodeEvent, NodeInfo
from revops.domain.node_traffic import Absence
from revops.report.amounts import instant
from revops.store import anchors, channels, events, fees, forwards, nodes
from revops.store.engine import Database, Tx
from revops.store.upgrade import upgrade
from tests.builders import DAY, HOUR, NOW, OWN_ID, SAT, make_channel, node_id
from tests.store.rows import make_forward, scid

HOSTILE = "\x1b[2J=1+1\u202egpj"


STATE = FeeState(
    fee_ppm=200, window_start_at=NOW - 2 * DAY, counted_at=NOW, open_seconds=40 * HOUR,
    windows=(PriceWindow(NOW - 2 * DAY, 150, 30.0, 12.0),),
)  # fmt: skip


class Place:
    """A configuration and a database."""

    remembered = False

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.toml"
        self.file = folder / "db.sqlite3"
        self.url = f"sqlite:///{self.file}"
        self.config.write_text(
            f'[node]\nrpc_path = "{folder}/none"\n[database]\nurl = "{self.url}"\nstate_dir = "{folder}/state"\n',
            encoding="utf-8",
        )
        upgrade(self.url)

    def fill(self, listed: Sequence[Channel], happened: Sequence[Forward]) -> None:
        with closing(Database.open(self.url)) as database:
            node_key = database.node_key(OWN_ID, "ours", "bitcoin")
            with database.transaction(node_key) as tx:
                info = NodeInfo(OWN_ID, "ours", "v26.06", "bitcoin", 900_000, 0)
                nodes.record_node(tx, info, wallet_spendable_msat=0, channels_spendable_msat=0, synced_at=NOW)
                channels.record_channels(tx, listed, NOW)
                forwards.ingest(tx, happened, NOW, None)
                self.more(tx)

    def more(self, tx: Tx) -> None:
        """What else is on record."""
        if self.remembered:
            fees.save_fee_state(tx, make_channel(2).channel_id, STATE, NOW)
        channels.record_alias(tx, node_id(2), HOSTILE, NOW)
        anchors.record_anchors(tx, {node_id(2): 300}, (), NOW)
        gone = NodeEvent(1, node_id(3), "disconnect", int(NOW - 5 * DAY), 9.0)
        events.ingest_events(tx, [gone, NodeEvent(2, node_id(3), "connect", int(NOW - 5 * DAY + 60), None)])

    def simulate(self, *arguments: str) -> int:
        return main(["simulate", "--like-my-node", "--config", str(self.config), "--jobs", "1", *arguments])


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def busy(count: int, days: float, rng: Random) -> list[Forward]:
    """Payments at random among four channels."""
    rows = []
    for index in range(1, count + 1):
        entry, out = rng.sample(range(1, 5), 2)
        amount_msat = int(20_000 * SAT * math.exp(rng.gauss(0.0, 0.8)))
        at = NOW - days * DAY + (index - 1) * days * DAY / count
        status = ForwardStatus.SETTLED if rng.random() < 0.8 else ForwardStatus.FAILED
        fee_msat = amount_msat * 200 // 10**6
        rows.append(
            make_forward(
                index, in_scid=scid(entry), out_scid=scid(out), in_msat=amount_msat + fee_msat, out_msat=amount_msat,
                fee_msat=fee_msat, received_at=at, status=status,
            )
        )  # fmt: skip
    return rows


def opened(*numbers: int) -> list[Channel]:
    return [make_channel(number, fee_ppm=200, opened_at=int(NOW - 90 * DAY)) for number in numbers]


def test_a_database_without_a_node_says_what_to_do(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.simulate() == 78
    assert "run `revops sync` first" in capsys.readouterr().err


@pytest.mark.parametrize("count", [0, 3])
def test_too_little_is_said_and_nothing_simulated(place: Place, capsys: pytest.CaptureFixture[str], count: int) -> None:
    place.fill(opened(1, 2, 3, 4), busy(count, 20.0, Random(1)))
    assert place.simulate() == 0
    out = capsys.readouterr().out
    assert f"too little is known for a market like this node: {count} payments" in out
    assert "Strategies" not in out
    assert ("no payment is on record yet" if count == 0 else "with 14 days and 300 payments, from 20") in out
    assert place.simulate("--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["contenders"] == []
    assert document["too_little"].startswith(f"{count} payments")


def test_a_node_without_channels_is_no_market(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.fill([], [])
    assert place.simulate() == 0
    assert "too little is known" in capsys.readouterr().out


def test_strategies_are_compared_in_markets_like_the_node(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.fill(opened(1, 2, 3, 4), busy(900, 20.0, Random(1)))
    before = place.file.read_bytes()
    assert place.simulate("--seeds", "2", "--days", "2") == 0
    out = capsys.readouterr().out
    for title in (
        "Found",
        "Customers of each channel",
        "What the records can't tell",
        "over 2 markets of 2 days",
    ):
        assert title in out
    for name in (
        "demand (configured)",
        "hill_climb",
        "proportional",
        "nothing",
        "revops experiment",
        "Fewer than 5 markets",
    ):
        assert name in out
    assert "Fewer than 5 markets tell nothing apart" in out
    assert "no price above 200 ppm is on record" in out
    # It only reads: no row, no lock.
    assert place.file.read_bytes() == before
    assert not (place.file.parent / "state").exists()


def test_rows_that_are_alike_are_said_to_be(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """Who leaves fees alone does nothing, by whatever name."""
    text = place.config.read_text(encoding="utf-8")
    place.fill(opened(1, 2, 3, 4), busy(900, 20.0, Random(1)))
    assert place.simulate("--seeds", "1", "--days", "2") == 0
    assert "are alike" not in capsys.readouterr().out
    place.config.write_text(f'{text}[fees]\nstrategy = "off"\n', encoding="utf-8")
    assert place.simulate("--seeds", "1", "--days", "2") == 0
    assert "The rows of off and nothing are alike: they came to the same in these markets." in capsys.readouterr().out


def test_what_the_ranking_rests_on_comes_before_all_else(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    """As after the first sync: three days of forwards, and no price on record."""
    place.fill(opened(1, 2, 3, 4), busy(900, 3.0, Random(1)))
    assert place.simulate("--seeds", "1", "--days", "1") == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first.startswith("The ranking below is the prior's alone, not this node's: of none of its 4 channels prices")
    assert rest[0] == (
        "- on record: 3.0 days (it takes 14), 900 payments (it takes 300), and prices 2 times apart on 0 of 4 "
        "channels, with 0 % of the payments (it takes 50 %)"
    )
    assert rest[1].startswith("- what was asked before revops first looked isn't known, whatever the forwards paid")
    assert rest[2] == f"- it begins to mean something with all three, not before {instant(NOW + 11 * DAY)}"
    assert "`revops fees adjust` in mode act" in rest[3]
    told = "\n".join(rest)
    assert "what 900 payments by 4 channels were asked before isn't known" in told
    assert "open for 0 hours" not in told


def test_an_alias_of_a_stranger_is_shown_escaped(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.remembered = True
    place.fill(opened(1, 2, 3, 4), busy(900, 20.0, Random(1)))
    assert place.simulate("--seeds", "1", "--days", "1") == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\u202e" not in out
    # In the table, and in a sentence.
    assert out.count("\\x1b[2J=1+1\\u202egpj") >= 2
    assert place.simulate("--seeds", "1", "--days", "1", "--json") == 0
    written = capsys.readouterr().out
    assert written.isascii()
    assert any(one["alias"] == HOSTILE for one in json.loads(written)["channels"])


def test_json_has_stable_keys(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.fill(opened(1, 2, 3, 4), busy(900, 20.0, Random(1)))
    assert place.simulate("--seeds", "1", "--days", "1", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == [
        "schema_version", "command", "taken_at", "days", "attempt_count", "earned_msat_per_month", "parameters",
        "channels", "unknown", "too_little", "market_count", "market_days", "contenders",
        "warnings",
    ]  # fmt: skip
    assert list(document["channels"][0]) == [
        "name", "alias", "attempt_count", "open_days", "least_tried_ppm", "most_tried_ppm", "customers_per_day",
        "customers_low", "customers_high", "half_ppm", "half_low_ppm", "half_high_ppm", "entry_ratio",
    ]  # fmt: skip
    assert list(document["contenders"][0]) == [
        "strategy", "configured", "net_msat_per_month", "updates_per_day", "difference_msat", "difference_low_msat",
        "difference_high_msat", "better_count",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "option",
    [("--set", "small"), ("--policy", "demand"), ("--check",), ("--profile",), ("--full-cycles",), ("--rebalance",)],
)
def test_what_has_no_meaning_is_refused(
    place: Place, capsys: pytest.CaptureFixture[str], option: tuple[str, ...]
) -> None:
    assert place.simulate(*option) == 2
    assert f"{option[0]} has no meaning with --like-my-node" in capsys.readouterr().err


@pytest.fixture
def tx(place: Place) -> Iterator[Tx]:
    """A node with traffic; channels 2 and 4 are of one peer."""
    place.remembered = True
    second = make_channel(4, fee_ppm=200, opened_at=int(NOW - 10 * DAY), peer_id=node_id(2))
    place.fill([*opened(1, 2, 3), second], busy(900, 20.0, Random(1)))
    with closing(Database.open(place.url)) as database, database.read(1) as reading:
        yield reading


def test_what_is_read_of_a_node(tx: Tx) -> None:
    traffic = read_traffic(tx, NOW + 5 * DAY)
    # Nothing is known of what came after the last sync.
    assert traffic.taken_at == NOW
    by_name = {one.name: one for one in traffic.channels}
    assert len(by_name) == 3
    pair = by_name["700002x1x0"]
    assert (pair.channel_count, pair.capacity_msat, pair.anchor_ppm) == (2, 10_000_000 * SAT, 300)
    assert pair.windows[0] == STATE.windows[0]
    assert (pair.windows[1].fee_ppm, pair.windows[1].open_hours) == (200, 40.0)
    # In the last two days, by both channels: of what left by them, in typical payments, less than a tenth.
    assert 0.03 * pair.attempt_count < pair.windows[1].interest_count < 0.12 * pair.attempt_count
    assert by_name["700003x1x0"].absences == (Absence(NOW - 5 * DAY, NOW - 5 * DAY + 60),)
    assert traffic.attempt_count == 900
    assert sum(hour.settled_count + hour.unsettled_count for one in traffic.channels for hour in one.entries) == 900
    assert pair.attempt_count == max(one.attempt_count for one in traffic.channels)
    assert traffic.channels[0] == pair
    assert traffic.opening_perkw is None


def test_the_busiest_peers_are_taken_and_the_others_counted(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("revops.cycle.node_traffic.MOST_PEERS", 1)
    traffic = read_traffic(tx, NOW)
    assert [one.channel_count for one in traffic.channels] == [2]
    assert traffic.left_out_count == 2
