"""The judged result that the repository carries, and what simulation.md says of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from revops.cycle.studies import load
from revops.errors import DataError
from revops.sim.arena.families import FAMILIES
from revops.sim.arena.figures import Figures, figures_of
from revops.sim.arena.outcome import Study
from revops.sim.arena.policies import POLICIES
from revops.sim.arena.sample import Estimate
from revops.sim.arena.stats import PolicyFigures, SpanFigures

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "tests" / "bench" / "judged.json"
PAGE = (ROOT / "revops" / "share" / "docs" / "simulation.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def study() -> Study:
    return load(RESULT)


@pytest.fixture(scope="module")
def figures(study: Study) -> Figures:
    return figures_of(study, "demand")


def test_it_is_of_all_frozen_worlds_families_and_policies_and_of_a_commit_as_it_was(study: Study) -> None:
    assert study.judged
    assert set(study.policies) == set(POLICIES)
    assert set(study.families) == set(FAMILIES)
    assert study.commit is not None
    assert re.fullmatch("[0-9a-f]{12}", study.commit), "the files differed from the commit"


def only_dead(document: dict[str, Any]) -> None:
    document["families"] = ["dead"]
    document["outcomes"] = [one for one in document["outcomes"] if one["family"] == "dead"]
    document["frozen_count"] = len(document["seeds"])


def other_seeds(document: dict[str, Any]) -> None:
    document["seeds"] = [seed - 10_000 for seed in document["seeds"]]
    for one in document["outcomes"]:
        one["seed"] -= 10_000


@pytest.mark.parametrize(
    "doctor",
    [
        only_dead,
        other_seeds,
        lambda document: document.update(days=1.0),
        lambda document: document.update(set_name="tuning"),
        lambda document: document.update(setting="tuning"),
    ],
)
def test_a_part_of_it_or_other_worlds_are_not_judged_whatever_the_file_says(
    doctor: Callable[[dict[str, Any]], None], tmp_path: Path
) -> None:
    document = json.loads(RESULT.read_text(encoding="utf-8"))
    doctor(document)
    path = tmp_path / "doctored.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert not load(path).judged


def test_a_family_that_stands_twice_is_no_study(tmp_path: Path) -> None:
    document = json.loads(RESULT.read_text(encoding="utf-8"))
    document["families"] *= 2
    path = tmp_path / "doctored.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DataError, match="exactly once"):
        load(path)


def percent(estimate: Estimate) -> str:
    assert estimate.low is not None
    assert estimate.high is not None
    return f"{100 * estimate.value:.0f} % ({100 * estimate.low:.0f} to {100 * estimate.high:.0f})"


def of(span: SpanFigures, policy: str) -> PolicyFigures:
    return next(one for one in span.policies if one.policy == policy)


def row(figures: Figures, policy: str) -> str:
    """A policy's row of the table in simulation.md."""
    first, last = (of(span, policy) for span in figures.spans)
    updates = max(first.updates_per_day, last.updates_per_day)
    worst = "-" if last.worst_share is None else f"{100 * last.worst_share:.0f} %"
    return f"| `{policy}` | {percent(first.share)} | {percent(last.share)} | {worst} | {updates:.1f} |"


def test_the_page_has_its_figures(figures: Figures) -> None:
    ranked = sorted(figures.spans[1].policies, key=lambda one: -one.share.value)
    table = "\n".join(row(figures, one.policy) for one in ranked)
    assert table in PAGE, f"simulation.md should say\n{table}"


def test_the_page_names_each_family_in_which_the_default_loses(figures: Figures) -> None:
    for number, span in enumerate(figures.spans):
        for one in span.losses:
            if one.policy == "demand" and one.lost_ratio is not None:
                said = f"{one.family} to `{one.best_other}` by {100 * one.lost_ratio:.0f} %"
                assert said in " ".join(PAGE.split()), f"simulation.md doesn't say: {said} (span {number})"


def test_the_page_names_the_commit_and_the_day(study: Study) -> None:
    assert study.commit is not None
    assert study.commit in PAGE
