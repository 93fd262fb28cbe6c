"""The judged result with rebalances that the repository carries, and what simulation.md says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from revops.cycle.studies import load
from revops.sim.arena.families import FAMILIES
from revops.sim.arena.figures import Figures, figures_of
from revops.sim.arena.outcome import Study
from revops.sim.arena.policies import REBALANCING
from revops.sim.arena.sample import Estimate

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "revops" / "share" / "docs" / "simulation.md").read_text(encoding="utf-8").split())
ON, OFF = f"demand{REBALANCING}", "demand"


@pytest.fixture(scope="module")
def study() -> Study:
    return load(ROOT / "tests" / "bench" / "judged_rebalancing.json")


@pytest.fixture(scope="module")
def figures(study: Study) -> Figures:
    return figures_of(study, ON)


def test_it_is_of_all_frozen_worlds_with_rebalances_and_without_and_of_a_commit_as_it_was(study: Study) -> None:
    assert study.judged
    assert study.rebalance
    assert not study.full_cycles
    assert set(study.policies) == {ON, OFF}
    assert set(study.families) == set(FAMILIES)
    assert study.commit is not None
    assert re.fullmatch("[0-9a-f]{12}", study.commit), "the files differed from the commit"
    assert study.commit in PAGE


def percent(estimate: Estimate) -> str:
    assert estimate.low is not None
    assert estimate.high is not None
    return f"{100 * estimate.value:.0f} % ({100 * estimate.low:.0f} to {100 * estimate.high:.0f})"


def points(estimate: Estimate) -> str:
    assert estimate.low is not None
    assert estimate.high is not None
    return f"{100 * estimate.value:+.1f} ({100 * estimate.low:+.1f} to {100 * estimate.high:+.1f})"


def test_the_page_has_its_figures(figures: Figures) -> None:
    for policy in (ON, OFF):
        shares = [next(one.share for one in span.policies if one.policy == policy) for span in figures.spans]
        row = f"| `{policy}` | {' | '.join(percent(share) for share in shares)} |"
        assert row in PAGE, f"simulation.md should say: {row}"
    differences = [
        next(one.difference for one in span.versus if (one.policy, one.other) == (ON, OFF)) for span in figures.spans
    ]
    row = f"| difference, points | {' | '.join(points(one) for one in differences)} |"
    assert row in PAGE, f"simulation.md should say: {row}"


def test_the_page_names_each_family_in_which_rebalancing_makes_less(figures: Figures) -> None:
    for number, span in enumerate(figures.spans):
        for one in span.losses:
            if one.policy == ON and one.difference is not None and one.difference.value < -0.0005:
                said = f"{one.family} by {-100 * one.difference.value:.1f} points"
                assert said in PAGE, f"simulation.md doesn't say: {said} (span {number})"
