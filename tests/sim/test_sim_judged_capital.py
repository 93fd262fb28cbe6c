"""The result of the benchmark of ads and splices that the repository carries, and what is said of it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.bench.bench_capital import read, table
from tests.bench.capital_figures import Difference, differences
from tests.bench.capital_operator import BOTH, OFF, CapitalOutcome
from tests.bench.capital_worlds import DAYS, FAMILIES, JUDGED_SEED

BENCH = Path(__file__).parents[1] / "bench"
FOUND = BENCH / "judged_capital.json"
README = (BENCH / "README.md").read_text(encoding="utf-8")
WORDS = " ".join(README.split())


@pytest.fixture(scope="module")
def outcomes() -> list[CapitalOutcome]:
    return read(FOUND)


@pytest.fixture(scope="module")
def found(outcomes: list[CapitalOutcome]) -> dict[str | None, Difference]:
    return {one.family: one for one in differences(outcomes) if one.arm == BOTH}


def test_it_is_of_whole_worlds_on_seeds_that_nobody_chose_and_of_a_commit_as_it_was(
    outcomes: list[CapitalOutcome],
) -> None:
    commit = json.loads(FOUND.read_text(encoding="utf-8"))["commit"]
    assert re.fullmatch("[0-9a-f]{12}", commit), "the files differed from the commit"
    assert commit in README
    seeds = {one.seed for one in outcomes}
    assert seeds == set(range(JUDGED_SEED, JUDGED_SEED + len(seeds)))
    met = {(one.family, one.seed, one.arm) for one in outcomes}
    assert met >= {(family, seed, arm) for family in FAMILIES for seed in seeds for arm in (OFF, BOTH)}
    assert {one.days for one in outcomes} == {DAYS}


def test_the_page_has_its_table(outcomes: list[CapitalOutcome]) -> None:
    for line in table(outcomes).splitlines():
        assert line.rstrip() in README, f"tests/bench/README.md should have: {line}"


def test_the_page_names_each_family_that_loses(found: dict[str | None, Difference]) -> None:
    for family, one in found.items():
        if family is not None and one.difference.value < 0:
            said = f"{family} by {-100 * one.difference.value:.3f} points"
            assert said in WORDS, f"tests/bench/README.md doesn't say: {said}"


def test_the_page_says_what_it_is_without_the_family_that_spreads_most(outcomes: list[CapitalOutcome]) -> None:
    rest = differences([one for one in outcomes if one.family != "idle"])[0].difference
    assert rest.low is not None
    assert rest.high is not None
    said = f"it is {100 * rest.value:+.3f} ({100 * rest.low:+.3f} to {100 * rest.high:+.3f})"
    assert said in WORDS, f"tests/bench/README.md doesn't say: {said}"
