"""The benchmark of ads and splices: its operator, its books, its figures (`tests/bench/bench_capital.py` runs it)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from revops.sim.world import SimulatedNode
from tests.bench.bench_capital import chosen, read, row, save, table
from tests.bench.capital_figures import differences
from tests.bench.capital_operator import ADS, BOTH, DAY_SECONDS, OFF, CapitalOutcome, Job, operate, wealth_msat
from tests.bench.capital_worlds import FAMILIES, config_of
from tests.sim.ledgers import check_ledger, fees_msat

#: A world in which something is spliced and lent within days.
BUSY = ("tight", 1)
DAYS = 12.0


@cache
def lived(arm: str) -> tuple[SimulatedNode, int, CapitalOutcome]:
    """The node, what it held at its start, and what came of an arm."""
    node = SimulatedNode(config_of(*BUSY))
    before_msat = wealth_msat(node.world)
    return node, before_msat, operate(node, Job(*BUSY, arm, DAYS))


def test_what_it_counts_is_what_the_node_holds_and_the_chain_took() -> None:
    node, before_msat, found = lived(BOTH)
    assert found.splice_in_count > 0
    assert found.lease_count > 0
    gained_msat = found.routing_msat + found.lease_msat + found.deferred_msat - found.chain_msat
    assert wealth_msat(node.world) == before_msat + gained_msat
    began = int(node.config.start_at)
    since = {one["spending_txid"] for one in spent(node) if one["timestamp"] >= began}
    assert found.chain_msat == sum(fee_msat for txid, fee_msat in fees_msat(node).items() if txid in since)
    check_ledger(node)
    assert not any(channel.splice for channel in node.world.channels.values()), "nothing is left under way"


def spent(node: SimulatedNode) -> list[dict[str, Any]]:
    return [one for one in node.handle("listchainmoves")["chainmoves"] if "spending_txid" in one]


def test_the_same_job_comes_to_the_same_and_an_arm_that_does_nothing_sends_nothing() -> None:
    node, _, found = lived(OFF)
    days = 2.0
    again = [operate(SimulatedNode(config_of(*BUSY)), Job(*BUSY, BOTH, days)) for _time in range(2)]
    assert again[0] == again[1]
    assert {method for method, _ in node.call_log.writing_calls()} == {"setchannel"}
    assert (found.lease_count, found.splice_in_count, found.chain_msat, found.lease_msat) == (0, 0, 0, 0)
    assert found.net_msat == found.routing_msat


def test_a_lease_earns_as_it_runs() -> None:
    node, _, found = lived(ADS)
    assert 0 < found.lease_msat < found.deferred_msat, "of four weeks less than two have gone"
    leased = [channel for channel in node.world.channels.values() if channel.leased]
    assert found.lease_msat + found.deferred_msat == sum(channel.pushed_msat for channel in leased)
    assert found.closing_msat > 0


def test_each_family_is_a_node_of_its_own() -> None:
    for family in FAMILIES:
        node = SimulatedNode(config_of(family, 3))
        assert len(node.world.channels) == 8
        assert wealth_msat(node.world) > 10_000_000_000


def outcome(family: str, seed: int, arm: str, net_msat: int) -> CapitalOutcome:
    return CapitalOutcome(family, seed, arm, 73.0, 10**9, net_msat, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


def made_up(gain_msat: int) -> list[CapitalOutcome]:
    """Six worlds of two families, a thousandth of the capital in 73 days, and in one family so much more, or nearly."""
    return [
        outcome(family, seed, arm, 10**6 * seed + (arm == BOTH) * (family == "tight") * (gain_msat + seed))
        for family in ("tight", "ample")
        for seed in range(1, 7)
        for arm in (OFF, BOTH)
    ]


def test_differences_are_paired_and_by_the_year() -> None:
    found = {one.family: one for one in differences(made_up(100_000))}
    assert set(found) == {None, "tight", "ample"}
    assert found["tight"].difference.value == pytest.approx(0.0001 * 5, rel=1e-3)
    assert found["tight"].verdict == "more"
    assert found["tight"].off_ratio == pytest.approx(0.0035 * 5)
    assert found["ample"].difference.value == 0.0
    assert found["ample"].verdict == "not told from chance"
    assert found[None].difference.value == pytest.approx(0.00005 * 5, rel=1e-3)
    assert (found[None].world_count, found["tight"].world_count) == (12, 6)
    worse = {one.family: one for one in differences(made_up(-100_000))}
    assert worse["tight"].verdict == "less"
    low, high = worse["tight"].difference.low, worse["tight"].difference.high
    assert low is not None
    assert high is not None
    assert low < -0.0005 + 1e-6 < high + 1e-6 < 0


def test_what_makes_the_difference_is_told_apart() -> None:
    off = outcome("tight", 1, OFF, 10**6)
    on = replace(off, arm=BOTH, routing_msat=2 * 10**6, lease_msat=3 * 10**6, chain_msat=10**6, closing_msat=10**5)
    [first, *_] = differences([replace(one, seed=seed) for seed in range(1, 7) for one in (off, on)])
    assert first.routing_ratio == pytest.approx(0.005)
    assert first.lease_ratio == pytest.approx(0.015)
    assert first.cost_ratio == pytest.approx(0.0055)
    assert first.difference.value == pytest.approx(0.005 + 0.015 - 0.0055)
    assert "+1.450" in row(first)


def test_outcomes_are_kept_and_shown(tmp_path: Path) -> None:
    outcomes = made_up(100_000)
    save(tmp_path / "found.json", outcomes, "0123456789ab")
    assert read(tmp_path / "found.json") == outcomes
    # A world that not every arm has met yet is left out.
    text = table([*outcomes, outcome("ample", 9, OFF, 1)])
    assert text == table(outcomes)
    assert [line.split()[:2] for line in text.splitlines()[1:]] == [
        ["both", "all"],
        ["both", "tight"],
        ["both", "ample"],
    ]
    (tmp_path / "found.json").write_text('{"schema_version": 0}', encoding="utf-8")
    with pytest.raises(ValueError, match="schema_version"):
        read(tmp_path / "found.json")


def test_the_arms_that_are_compared_come_first() -> None:
    from argparse import Namespace

    asked = Namespace(days=90.0, family=None, seeds=2, arm=None, short=False, judged=True)
    jobs = chosen(asked)
    assert len(jobs) == len(FAMILIES) * 2 * 4
    assert {job.arm for job in jobs[: len(jobs) // 2]} == {OFF, BOTH}
    assert {job.seed for job in jobs} == {30_001, 30_002}
    assert DAY_SECONDS * jobs[0].days > 0
