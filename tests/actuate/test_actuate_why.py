"""The decision behind the fee in force: as people and scripts read it, and where there is none to show."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import text

from revops.cli.spans import Moment
from revops.cycle import explain, fees
from revops.domain.decision import Outcome
from revops.domain.explanation import Explained
from revops.errors import RevopsError
from revops.report.amounts import instant
from revops.report.explanation import explained
from revops.report.plain import document
from revops.report.text import page
from revops.sim.faults import FaultKind
from tests.actuate.bench import HOUR, NODE_KEY, Bench
from tests.actuate.test_actuate_hand import pick


def ask(bench: Bench, at: float | None = None) -> Explained:
    return explain.run(bench.options, pick(bench).channel_id, at, clock=bench.clock)


def force(bench: Bench, ppm: int) -> Any:
    return fees.set_fee(bench.options, pick(bench).channel_id, ppm, clock=bench.clock, force=True)


def changed_then_skipped(bench: Bench) -> None:
    """A change within a minute, not at its start, and a run after it that leaves the fee."""
    bench.fees()
    bench.node.advance_by(60 - bench.clock() % 60 + 37)
    force(bench, 1_234)
    bench.node.advance_by(HOUR)
    bench.fees()


def test_scripts_read_the_decision_behind_the_fee_in_the_shape_of_the_last(bench: Bench) -> None:
    changed_then_skipped(bench)
    (one,) = json.loads(document("explain", ask(bench)))["channels"]
    assert one["decision"]["outcome"] == "skip"
    assert list(one["set_by"]) == list(one["decision"])
    assert (one["set_by"]["outcome"], one["set_by"]["new_ppm"]) == ("change", 1_234)
    assert all(reason["sentence"] for reason in one["set_by"]["reasons"])
    assert one["synced_at"] <= one["taken_at"]
    lines = page(explained(ask(bench))).splitlines()
    start = lines.index("the fee in force comes from:") + 1
    assert lines[start].startswith("fees adjust, ")
    assert "1,234 ppm" in lines[start]
    told = [line[4:] for line in lines[start : lines.index("", start)] if line.startswith("  - ")]
    assert told == [reason["sentence"] for reason in one["set_by"]["reasons"]]


def test_a_time_pasted_from_a_table_shows_the_change_of_that_minute(bench: Bench) -> None:
    changed_then_skipped(bench)
    spell = ask(bench).channels[0].spells[0]
    assert spell.from_at % 60 >= 37
    (then,) = ask(bench, Moment().convert(instant(spell.from_at), None, None)).channels
    assert then.spells[0] == spell
    assert then.decision is not None
    assert (then.decision.outcome, then.decision.new_ppm) == (Outcome.CHANGE, 1_234)


def test_a_change_that_was_confirmed_late_still_has_its_decision(bench: Bench) -> None:
    bench.fees()
    bench.fault("setchannel", FaultKind.REPLY_LOST)
    with pytest.raises(RevopsError):
        force(bench, 900)
    bench.node.advance_by(HOUR)
    bench.fees()
    (one,) = ask(bench).channels
    assert (one.spells[0].ppm, one.spells[0].source) == (900, "revops")
    assert one.set_by is not None
    assert (one.set_by.outcome, one.set_by.new_ppm) == (Outcome.CHANGE, 900)


@pytest.mark.parametrize(
    "otherwise",
    [
        "UPDATE fee_change SET source = 'external' WHERE new_ppm = 1234",
        "UPDATE decision SET new_ppm = 1235 WHERE new_ppm = 1234 AND outcome = 'change'",
        "UPDATE decision SET outcome = 'skip' WHERE new_ppm = 1234 AND outcome = 'change'",
        "DELETE FROM decision WHERE new_ppm = 1234 AND outcome = 'change'",
    ],
)
def test_no_decision_is_taken_for_the_one_behind_the_fee_unless_it_is(bench: Bench, otherwise: str) -> None:
    changed_then_skipped(bench)
    assert ask(bench).channels[0].set_by is not None
    with bench.database.transaction(NODE_KEY) as tx:
        assert tx.connection.execute(text(otherwise)).rowcount == 1
    (one,) = ask(bench).channels
    assert one.spells[0].ppm == 1_234
    assert one.set_by is None
    assert "the fee in force comes from:" not in page(explained(Explained((one,))))
