"""The judged result that the repository carries, and what README.md says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from revops.cycle.simulate import load
from revops.sim.arena.families import FAMILIES
from revops.sim.arena.figures import Figures, figures_of
from revops.sim.arena.outcome import Study
from revops.sim.arena.policies import POLICIES
from revops.sim.arena.stats import Estimate, PolicyFigures, SpanFigures

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "tests" / "bench" / "judged.json"
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def study() -> Study:
    return load(RESULT).study


@pytest.fixture(scope="module")
def figures(study: Study) -> Figures:
    return figures_of(study, "demand")


def test_it_is_of_all_frozen_worlds_families_and_policies_and_of_a_commit_as_it_was(study: Study) -> None:
    assert study.judged
    assert set(study.policies) == set(POLICIES)
    assert set(study.families) == set(FAMILIES)
    assert study.commit is not None
    assert re.fullmatch("[0-9a-f]{12}", study.commit), "the files differed from the commit"


def percent(estimate: Estimate) -> str:
    assert estimate.low is not None
    assert estimate.high is not None
    return f"{100 * estimate.value:.0f} % ({100 * estimate.low:.0f} to {100 * estimate.high:.0f})"


def of(span: SpanFigures, policy: str) -> PolicyFigures:
    return next(one for one in span.policies if one.policy == policy)


def row(figures: Figures, policy: str) -> str:
    """A policy's row of the table in README.md."""
    first, last = (of(span, policy) for span in figures.spans)
    updates = max(first.updates_per_day, last.updates_per_day)
    worst = "-" if last.worst_share is None else f"{100 * last.worst_share:.0f} %"
    return f"| `{policy}` | {percent(first.share)} | {percent(last.share)} | {worst} | {updates:.1f} |"


def test_readme_has_its_figures(figures: Figures) -> None:
    ranked = sorted(figures.spans[1].policies, key=lambda one: -one.share.value)
    table = "\n".join(row(figures, one.policy) for one in ranked)
    assert table in README, f"README.md should say\n{table}"


def test_readme_names_each_family_in_which_the_default_loses(figures: Figures) -> None:
    for number, span in enumerate(figures.spans):
        for one in span.losses:
            if one.policy == "demand" and one.lost_ratio is not None:
                said = f"{one.family} to `{one.best_other}` by {100 * one.lost_ratio:.0f} %"
                assert said in " ".join(README.split()), f"README.md doesn't say: {said} (span {number})"


def test_readme_names_the_commit_and_the_day(study: Study) -> None:
    assert study.commit is not None
    assert study.commit in README
