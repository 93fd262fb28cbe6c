"""`splice plan` on a simulated node: what it stores, what a dry run leaves, and that nothing reaches the node."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from revops.cli.main import main
from revops.cycle import splice_plan as cycle
from revops.cycle import splice_run, sync
from revops.domain.decision import Outcome
from revops.domain.options import CommonOptions
from revops.domain.reason import ReasonCode
from revops.domain.splice import SpliceDirection, SplicePlan, SpliceRow, SpliceRows
from revops.report.blocks import Legend, Table
from revops.report.splices import splice_list as listed
from revops.report.splices import splice_plan as page
from revops.report.text import block_text
from revops.sim.config import SimConfig
from revops.sim.server import SimServer
from revops.sim.wallet import free_outputs
from revops.sim.world import SimulatedNode
from revops.store import signals, splices, tables
from revops.store.engine import Database
from revops.store.upgrade import upgrade
from tests.builders import DAY, SAT

START = 1_790_000_000
WORLD: dict[str, Any] = {"seed": 3, "channel_count": 4, "start_at": START, "history_days": 2, "forwards_per_day": 40.0}
NOW = START + 60.0


class Place:
    """A simulated node, its configuration, and its database."""

    def __init__(self, folder: Path, **overrides: Any) -> None:
        self.world = SimulatedNode(SimConfig(**(WORLD | overrides)))
        self.config = folder / "config.toml"
        self.url = f"sqlite:///{folder / 'db'}"
        self.config.write_text(
            f'[node]\nrpc_path = "{folder / "rpc"}"\n[database]\nurl = "{self.url}"\n'
            "[classes]\nmin_open_days = 1\n[reserve]\nonchain_sat = 100000\n"
            '[splice]\nmode = "act"\nmin_amount_sat = 10000\ndaily_sat = 50_000\nweekly_sat = 100_000\n',
            encoding="utf-8",
        )
        upgrade(self.url)

    def options(self, *, dry_run: bool = False) -> CommonOptions:
        return CommonOptions(config_path=self.config, environment={}, dry_run=dry_run)

    def plan(self, *, dry_run: bool = False) -> SplicePlan:
        return cycle.run(self.options(dry_run=dry_run), clock=lambda: NOW)

    def make_wanted(self) -> str:
        """Sync, and have the records say of the first channel that it was empty for half of a month, that much was
        turned away, and that each sat is worth 5,000 ppm; return its id.
        """
        sync.run(self.options(), clock=lambda: NOW)
        with closing(Database.open(self.url)) as database:
            node_key = database.known_nodes()[0].node_key
            with database.transaction(node_key) as tx:
                mine = (tables.channel.c.node_key == node_key,)
                rows = tx.connection.execute(select(tables.channel).where(*mine).order_by("channel_key")).all()
                for row in rows:
                    for ago in range(1, 31):
                        local_msat = 0 if row.channel_key == rows[0].channel_key and ago % 2 else 10**9
                        day = int(NOW // DAY) - ago
                        place = {"node_key": node_key, "channel_key": row.channel_key, "day": day}
                        held = {"local_msat": local_msat, "capacity_msat": 10**10}
                        tx.connection.execute(insert(tables.balance_day).values(**place, **held))
                signals.save_values(tx, {row.channel_id: 0.0 for row in rows} | {rows[0].channel_id: 5_000.0}, NOW)
                failed = {"node_key": node_key, "channel_key": rows[0].channel_key, "status": 2, "failcode": 0x1007}
                tx.connection.execute(
                    insert(tables.failure_sum).values(
                        day=int(NOW // DAY) - 3, failure_count=500, in_msat=50_000_000 * SAT, **failed
                    )
                )
                found: str = rows[0].channel_id
                return found

    def count(self, table: str) -> int:
        with closing(Database.open(self.url, read_only=True)) as database, database.read(1) as tx:
            return len(tx.connection.execute(select(tables.metadata.tables[table])).all())


@pytest.fixture
def place(short_dir: Path) -> Iterator[Place]:
    made = Place(short_dir)
    with SimServer(made.world, short_dir / "rpc"):
        yield made


def test_a_plan_is_made_stored_and_shown(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = place.make_wanted()
    before = len(place.world.call_log.writing_calls())
    made = place.plan()
    by_id = {one.channel_id: one for one in made.decisions}
    assert len(by_id) == 4
    one = by_id[wanted]
    assert (one.outcome, one.direction) == (Outcome.CHANGE, SpliceDirection.IN), [r.sentence for r in one.reasons]
    assert len(place.world.call_log.writing_calls()) == before, "nothing is sent to the node"
    with closing(Database.open(place.url, read_only=True)) as database, database.read(1) as tx:
        [job] = splices.planned(tx)
    assert (job.channel_id, job.amount_sat, job.terms) == (wanted, one.amount_sat, one.terms)
    text = "\n".join(block_text(block, whole=True) for block in page(made, each_skip=False, dry_run=False))
    assert "planned" in text
    assert "nothing was sent to the node" in text
    assert "next to nothing" in text, "why the others get nothing"
    assert place.count("decision") == 4


def test_a_dry_run_leaves_nothing(place: Place) -> None:
    place.make_wanted()
    made = place.plan(dry_run=True)
    assert made.jobs
    assert (place.count("splice_plan"), place.count("splice_job"), place.count("decision")) == (0, 0, 0)
    text = "\n".join(block_text(block, whole=True) for block in page(made, each_skip=True, dry_run=True))
    assert "a dry run stores nothing" in text


def test_a_splice_under_way_means_none(place: Place) -> None:
    wanted = place.make_wanted()
    place.world.splice_channel(wanted, 100_000, lock_in=False)
    found = {one.channel_id: one for one in place.plan().decisions}
    assert found[wanted].reasons[0].code is ReasonCode.SPLICE_UNDER_WAY
    assert found[wanted].outcome is Outcome.SKIP


def test_what_lets_writing_go_on_stays_in_the_wallet(place: Place) -> None:
    """Until a block has the splice nothing may be confirmed: at the floor alone all would stay suspended after it."""
    wanted = place.make_wanted()
    text = place.config.read_text(encoding="utf-8").replace("onchain_sat = 100000", "onchain_sat = 4_000_000")
    place.config.write_text(text, encoding="utf-8")
    [one] = [one for one in place.plan().decisions if one.channel_id == wanted]
    free_sat = sum(coin.amount_msat for coin in free_outputs(place.world.world)) // SAT
    assert one.terms is not None
    assert one.amount_sat > 1_000_000
    assert free_sat - one.amount_sat - one.terms.max_cost_msat // SAT in (4_400_000, 4_400_001)


def test_observing_is_the_default_and_stores_no_splice(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.make_wanted()
    place.config.write_text(place.config.read_text().replace('mode = "act"\n', ""), encoding="utf-8")
    made = place.plan()
    assert ReasonCode.OBSERVE_MODE in {one.code for one in made.reasons}
    assert {one.outcome for one in made.decisions} == {Outcome.DEFER, Outcome.SKIP}
    assert (place.count("splice_plan"), place.count("splice_job")) == (1, 0)


@pytest.mark.parametrize("keys", [("daily_sat",), ("daily_sat", "weekly_sat")])
def test_a_plan_says_that_nobody_has_named_what_it_may_cost(place: Place, keys: tuple[str, ...]) -> None:
    """It would never be begun; the ledger refuses it, a dry run of `splice run` says so, and nothing is asked."""
    place.make_wanted()
    text = place.config.read_text(encoding="utf-8")
    for name in keys:
        text = re.sub(f"{name} = .*\n", "", text)
    place.config.write_text(text, encoding="utf-8")
    made = place.plan()
    assert len(made.jobs) == 1
    assert ReasonCode.SPLICE_NO_BUDGET in {one.code for one in made.reasons}
    would = splice_run.run(place.options(dry_run=True), clock=lambda: NOW)
    assert ReasonCode.SPLICE_NO_BUDGET in {one.code for one in would.reasons}
    assert [job.reason and job.reason.code for job in would.jobs] == [ReasonCode.BUDGET_EXHAUSTED]


def test_with_a_budget_a_dry_run_would_begin(place: Place) -> None:
    place.make_wanted()
    assert ReasonCode.SPLICE_NO_BUDGET not in {one.code for one in place.plan().reasons}
    would = splice_run.run(place.options(dry_run=True), clock=lambda: NOW)
    assert [job.reason and job.reason.code for job in would.jobs] == [ReasonCode.SPLICE_WOULD]


def test_an_observed_plan_says_how_to_go_on_and_its_decisions_which_way(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.make_wanted()
    place.config.write_text(place.config.read_text().replace('mode = "act"\n', ""), encoding="utf-8")
    made = place.plan()
    text = "\n".join(block_text(block, whole=True) for block in page(made, each_skip=True, dry_run=False))
    assert 'set splice.mode = "act", and a budget: splice.daily_sat and splice.weekly_sat' in text
    assert "put off" in text
    assert "left alone" in text
    assert "defer" not in text
    assert main(["report", "decisions", "--where", "outcome=defer", "--config", str(place.config)]) == 0
    assert " sat in " in capsys.readouterr().out


def test_a_list_of_splices_says_what_those_under_way_wait_for() -> None:
    begun = SpliceRow(
        channel="1x2x3", channel_id="aa", direction=SpliceDirection.IN, amount_sat=300_000, status="in_flight",
        begun_at=NOW, finished_at=None, reserved_msat=881_478, cost_msat=None, expected_gain_msat=1_164_522, txid="ff",
        why=None,
    )  # fmt: skip
    table, legend, _ = listed(SpliceRows(NOW, (begun,), more=False))
    assert isinstance(table, Table)
    assert "why" not in table.headings
    assert isinstance(legend, Legend)
    assert "in_flight: signed, and not locked in yet" in legend.text
    ended = replace(begun, status="settled", reserved_msat=None, cost_msat=253_000, why="locked in")
    table, _ = listed(SpliceRows(NOW, (ended,), more=False))
    assert isinstance(table, Table)
    assert (table.headings[-1], table.rows[0][-1]) == ("why", "locked in")


def test_an_old_node_is_told_so(short_dir: Path) -> None:
    place = Place(short_dir, version="v26.04.1")
    with SimServer(place.world, short_dir / "rpc"):
        place.make_wanted()
        made = place.plan()
    assert [one.code for one in made.reasons] == [ReasonCode.SPLICE_OLD_NODE]
    assert not made.jobs


def test_the_command_prints_its_plan(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["splice", "plan", "--json", "--config", str(place.config)]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["command"] == "splice plan"
    assert len(document["decisions"]) == 4
    assert main(["splice", "plan", "-q", "--config", str(place.config)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["splice", "plan", "--config", str(place.config)]) == 0
    assert "4 channels: 0 to splice, 0 put off, 4 left alone" in capsys.readouterr().out
