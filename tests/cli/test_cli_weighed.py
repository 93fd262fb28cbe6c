"""What a plan weighed, as it is printed: whoever wants to can work all of it out again."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from revops.cli.table import show
from revops.domain.decision import RebalanceDecision
from revops.domain.policy import RebalanceConfig
from revops.domain.rebalance import RebalanceTerms
from revops.report.blocks import Legend, Table
from revops.report.text import LEGEND_WIDTH, page
from revops.report.weighed import weighed
from tests.builders import SAT
from tests.decide.test_decide_rebalance import crowded, first, two
from tests.planning import at_ppm

BARE = RebalanceConfig(min_return_ratio=0.0)


def figures(terms: RebalanceTerms) -> dict[str, float]:
    """What the tables show of a job, by heading; a bound in brackets by "heading low"."""
    found: dict[str, float] = {}
    for table in weighed([("1x1x1", terms)]):
        if isinstance(table, Table):
            for heading, cell in zip(table.headings, table.rows[0], strict=True):
                if heading.startswith(">"):
                    name = heading[1:]
                    value, _, low = cell.replace(",", "").partition(" (")
                    found[name] = number(value)
                    if low:
                        found[f"{name} low"] = number(low.rstrip(")"))
    return found


def number(cell: str) -> float:
    return float(cell[:-1]) / 100 if cell.endswith("%") else 0.0 if cell == "-" else float(cell)


def crowded_job() -> RebalanceDecision:
    return first(replace(crowded(800), budget_left_msat=2_000 * SAT))


@pytest.mark.parametrize(("job", "earned_sat"), [(crowded_job(), 11_000), (first(two()), 1_000)], ids=["room", "plain"])
def test_the_bet_can_be_worked_out_from_what_is_printed(job: RebalanceDecision, earned_sat: int) -> None:
    assert job.terms is not None
    shown = figures(job.terms)
    cost = shown["route"] + max(shown["worth at source"], 0)
    assert shown["cost"] == cost
    sale, room = shown["a sale earns"] - shown["less room it takes"], shown["source's room earns"]
    odds = (sale + room - cost) / cost
    assert shown["odds b"] == pytest.approx(odds, rel=0.02)
    room_low = min(shown.get("source's room earns low", 0.0) * room, max(-shown["worth at source"], 0.0))
    chance = (shown["chance of sale low"] * sale + room_low) / (sale + room)
    assert shown["p"] == pytest.approx(chance, abs=0.011)
    share = chance - (1 - chance) / odds
    assert shown["Kelly f"] == pytest.approx(share, abs=0.011)
    assert shown["stake (fees) sat"] == pytest.approx(min(0.5 * share * shown["budget left sat"], earned_sat), rel=0.02)
    gain = shown["worth there"] - shown["worth at source"] - shown["route"] - shown["risk"]
    assert shown["gain ppm"] == pytest.approx(gain, abs=2)
    assert job.expected_gain_msat == pytest.approx(shown["payment succeeds"] * gain * job.amount_msat / 10**6, rel=0.02)


def test_what_bound_the_amount_is_said() -> None:
    def bound(job: RebalanceDecision) -> str:
        assert job.terms is not None
        return job.terms.limited_by

    assert bound(first(two())) == "max_amount_sat = 1,000,000"
    assert bound(first(two(budget_left_msat=100 * SAT))) == "what the stake buys"
    wide = RebalanceConfig(min_return_ratio=0.0, max_amount_sat=5_000_000)
    assert bound(first(two(), wide, at_ppm(100))) == "that a further sat gains too little"


@pytest.mark.parametrize("columns", [80, 100, 160])
@pytest.mark.parametrize("name", ["230626x1578x1", "10774034x8955510x51836"])
def test_no_table_is_left_with_a_single_column_on_a_terminal(columns: int, name: str) -> None:
    job = crowded_job()
    assert job.terms is not None
    for block in weighed([(name, job.terms)]):
        if isinstance(block, Table):
            out = io.StringIO()
            show(Console(file=out, width=columns, color_system=None), block)
            lines = out.getvalue().splitlines()
            assert max(len(line.rstrip()) for line in lines) <= columns
            rows = [line.split()[1:] for line in lines if line.startswith(name)]
            assert min(map(len, rows)) > 1
            if len(name) < 14:
                assert len(rows) == 1


def test_legends_are_folded_in_a_pipe_and_nothing_is_below_nought_without_being_so() -> None:
    job = crowded_job()
    assert job.terms is not None
    blocks = list(weighed([("1x1x1", replace(job.terms, risk_ppm=-0.2))]))
    assert any(isinstance(block, Legend) for block in blocks)
    text = page(blocks)
    assert max(map(len, text.splitlines())) <= LEGEND_WIDTH
    assert "-0" not in text.split()
